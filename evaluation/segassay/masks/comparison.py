"""Compare two masks of one image: every measure of pixels, objects and outlines in one table.

a, b (*spatial)  ->  objects, overlaps, outlines  ->  one row per IoU threshold
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from segassay.io.held import HeldImage
from segassay.io.images import read_mask
from segassay.io.picture import Picture
from segassay.masks.objects import label_objects
from segassay.masks.outlines import (
    average_surface_distance,
    boundary_shift,
    hausdorff_distance,
    normalized_surface_dice,
    surface_distances,
)
from segassay.masks.overlaps import match_objects, pixel_agreement

__all__ = ["agreement"]


def agreement(
    a: np.ndarray,
    b: np.ndarray,
    *,
    iou_thresholds: Sequence[float] = (0.5,),
    spacing: Sequence[float] | None = None,
    tolerance: float | None = None,
    min_size: int = 0,
    ignore: np.ndarray | None = None,
    region: np.ndarray | None = None,
) -> pd.DataFrame:
    """Compare two masks of one image, pixel by pixel, object by object, and outline by outline.

    The numbers are those of `segassay.evaluate` for the same masks.

    Args:
        a: Mask of the reference, `(*spatial)`: boolean or 0 and 255, where an object is a connected component, or one
            number per object.
        b: Mask of the prediction, likewise.
        iou_thresholds: IoU, from .5 on, above which two objects match.
        spacing: Size of a pixel along each axis; without it distances are in pixels.
        tolerance: Distance up to which outlines count as equal for `nsd`; by default the smallest spacing.
        min_size: Objects with fewer pixels are dropped from the measures of objects.
        ignore: Boolean `(*spatial)`; pixels marked here do not count.
        region: Boolean `(*spatial)`; pixels not marked here do not count.

    Returns:
        One row per threshold: `iou_threshold`; of objects `n_a, n_b, tp, precision, recall, f1`, average precision `ap`
        = tp / (n_a + n_b - tp), panoptic quality `pq` = `sq` × f1, `mean_iou`, `n_merges`, `n_splits`; of pixels
        `dice, iou`; of outlines `hd95, assd, nsd, shift`. Both masks empty agree: 1, distances 0, and `mean_iou`,
        `sq` and `shift` NaN. One empty: 0, and `mean_iou`, `sq` and distances NaN.

    Raises:
        DataError: If a mask holds fractions or negative numbers.
        ValueError: If shapes differ, or a threshold is below .5.

    Example:
        >>> a = np.zeros((20, 20), dtype=bool)
        >>> a[2:8, 2:8] = a[12:18, 12:18] = True
        >>> b = np.zeros((20, 20), dtype=bool)
        >>> b[3:8, 2:8] = True
        >>> agreement(a, b)[["n_a", "n_b", "tp", "f1", "dice"]].round(3).values.tolist()
        [[2.0, 1.0, 1.0, 0.667, 0.588]]
        >>> float(agreement(a, b, spacing=(0.5, 0.5)).loc[0, "hd95"]) < float(agreement(a, b).loc[0, "hd95"])
        True

    References:
        Kirillov et al. (2019), CVPR, 9396-9405, doi:10.1109/CVPR.2019.00963, for `pq` and `sq`; Nikolov et al. (2021),
        J. Med. Internet Res. 23(7):e26151, doi:10.2196/26151, for `nsd`. docs/measures.md has those of the others.
    """
    a, b = _as_mask("a", a), _as_mask("b", b)
    areas: dict[str, Any] = {"ignore": ignore, "region": region}
    labels_a, labels_b = label_objects(a, **areas), label_objects(b, **areas)
    distances = surface_distances(labels_a > 0, labels_b > 0, spacing)
    large_a, large_b = (label_objects(mask, min_size=min_size, **areas) for mask in (a, b))
    found = match_objects(large_a, large_b, iou_thresholds)
    dice, iou = pixel_agreement(a, b, **areas)
    nearest = tolerance if tolerance is not None else 1.0 if spacing is None else float(min(spacing))
    table = pd.DataFrame(
        {
            "iou_threshold": found.iou_thresholds,
            "n_a": found.n_a,
            "n_b": found.n_b,
            "tp": found.tp,
            "precision": found.precision,
            "recall": found.recall,
            "f1": found.f1,
            "ap": _share(found.tp, found.n_a + found.n_b - found.tp),
            "pq": np.where(found.tp > 0, found.sq * found.f1, found.f1),
            "sq": found.sq,
        }
    )
    return table.assign(
        mean_iou=found.mean_iou,
        n_merges=found.n_merges,
        n_splits=found.n_splits,
        dice=dice,
        iou=iou,
        hd95=hausdorff_distance(distances),
        assd=average_surface_distance(distances),
        nsd=normalized_surface_dice(distances, nearest),
        shift=boundary_shift(distances),
    )


def _as_mask(name: str, mask: np.ndarray) -> np.ndarray:
    """The mask as if it was read from a file: boolean, or one number per object."""
    return read_mask(HeldImage(name, Picture(np.asarray(mask)[None], None, None)))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part divided by whole; 1 where the whole is 0."""
    return np.divide(part, whole, out=np.ones(len(part)), where=whole > 0)

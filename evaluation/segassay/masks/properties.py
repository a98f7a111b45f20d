"""Measured objects: one row for each object of a label image, with its place, size, shape, intensity and confidence.

labels (*spatial), image (C, *spatial), prob (*spatial)  ->  table, one row for each label
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import ndimage

from segassay.masks.objects import label_objects
from segassay.masks.shape import axis_ratios, solidities

__all__ = ["object_properties", "perimeters"]


def object_properties(
    labels: np.ndarray,
    image: np.ndarray | None = None,
    prob: np.ndarray | None = None,
    spacing_um: Sequence[float] | None = None,
    *,
    axes: str | None = None,
    channels: Sequence[str] = (),
) -> pd.DataFrame:
    """Measure each object of a label image.

    - `label`: the object's number in the label image.
    - `area_px`, `area_um2`: number of its pixels, and their area; in a volume of its voxels, and `volume_um3`.
    - `centroid_y`, `centroid_x`: mean position of its pixels; 0 is the centre of the first pixel.
    - `bbox_y_min`, `bbox_y_max` and so on: its first row, and the row after its last one.
    - `mean_intensity`, `min_intensity`, `max_intensity`, `sum_intensity`: of the image's pixels inside it; with several
      channels `mean_intensity_0` and so on, or with their names.
    - `eccentricity`: 0 is round, 1 a line; of the ellipse with the same second moments, in µm if the spacing is known;
      in a volume of its two longest axes. Empty for one pixel.
    - `solidity`: its pixels divided by the area of the convex hull of their corners.
    - `perimeter_px`, `perimeter_um`: length of its outline, as `perimeters` measures it; not in a volume.
    - `confidence`: mean probability of foreground inside it.
    - `touches_border`: whether it touches the edge of the image, so that it may be cut off.

    What needs the spacing is empty without it; `confidence` is empty without `prob`; without `image` the columns of
    intensity are missing.

    Args:
        labels: Whole numbers, `(*spatial)`, two or three axes, 0 for background; gaps are allowed. All pixels of a
            number are one object.
        image: `(C, *spatial)`, numbers of any type.
        prob: Probability of foreground, `(*spatial)`, in [0, 1].
        spacing_um: Micrometres between pixels along each axis, in array order.
        axes: Name of each axis; by default `yx` or `zyx`; for an array of a NIfTI `xy` or `xyz`.
        channels: Name of each channel of `image`; by default they have numbers.

    Returns:
        One row for each object in ascending order of labels, with the columns above in this order; without an object an
        empty table with all columns.

    Raises:
        TypeError: If `labels` are not whole numbers.
        ValueError: If there are not two or three axes, or a shape or a length does not fit.

    Example:
        >>> labels = np.array([[0, 7, 7], [0, 7, 7], [0, 0, 0]])
        >>> table = object_properties(labels, prob=labels / 10, spacing_um=(0.5, 0.5))
        >>> table[["label", "area_px", "area_um2", "centroid_x", "confidence", "touches_border"]].values.tolist()
        [[7, 4, 1.0, 1.5, 0.7, True]]
    """
    _check(labels, image, prob, spacing_um, axes)
    names = axes or "zyx"[-labels.ndim :]
    ranks = label_objects(labels)
    where = np.nonzero(ranks)
    of_object = ranks[where] - 1
    n_px = np.bincount(of_object)
    boxes = ndimage.find_objects(ranks)
    unit = np.nan if spacing_um is None else float(np.prod(spacing_um))
    columns: dict[str, np.ndarray] = {
        "label": np.unique(labels[where]).astype(np.int64),
        "area_px": n_px,
        "area_um2" if labels.ndim == 2 else "volume_um3": n_px * unit,
    }
    for name, places in zip(names, where, strict=True):
        columns[f"centroid_{name}"] = np.bincount(of_object, places) / n_px
    for axis, name in enumerate(names):
        columns[f"bbox_{name}_min"] = np.array([box[axis].start for box in boxes], dtype=np.int64)
        columns[f"bbox_{name}_max"] = np.array([box[axis].stop for box in boxes], dtype=np.int64)
    if image is not None:
        columns |= _intensities(image[:, ranks > 0], of_object, n_px, channels)
    with np.errstate(invalid="ignore"):
        ratios = axis_ratios(ranks, spacing_um) if len(n_px) else np.empty(0)
    columns["eccentricity"] = np.sqrt(1 - ratios**2)
    columns["solidity"] = solidities(ranks)
    if labels.ndim == 2:
        columns["perimeter_px"] = perimeters(ranks)
        columns["perimeter_um"] = (
            columns["perimeter_px"] * np.nan if spacing_um is None else perimeters(ranks, spacing_um)
        )
    inside = np.full(len(of_object), np.nan) if prob is None else prob[where]
    columns["confidence"] = np.bincount(of_object, inside) / n_px
    columns["touches_border"] = np.array([_at_border(box, labels.shape) for box in boxes], dtype=bool)
    return pd.DataFrame(columns)


def _check(
    labels: np.ndarray,
    image: np.ndarray | None,
    prob: np.ndarray | None,
    spacing_um: Sequence[float] | None,
    axes: str | None,
) -> None:
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be whole numbers, got {labels.dtype}; label_objects numbers objects")
    if labels.ndim not in (2, 3):
        raise ValueError(f"labels must have two or three axes, got {labels.ndim}")
    if image is not None and image.shape[1:] != labels.shape:
        raise ValueError(f"image must have the shape (C, {', '.join(map(str, labels.shape))}), got {image.shape}")
    if prob is not None and prob.shape != labels.shape:
        raise ValueError(f"prob must have the shape of the labels {labels.shape}, got {prob.shape}")
    for name, given in (("spacing_um", spacing_um), ("axes", axes)):
        if given is not None and len(given) != labels.ndim:
            raise ValueError(f"{name} must have one entry for each of {labels.ndim} axes, got {given!r}")


def _intensities(
    values: np.ndarray, of_object: np.ndarray, n_px: np.ndarray, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Columns of each channel; `values` are `(C, pixels)`."""
    order = np.argsort(of_object, kind="stable")
    first = np.cumsum(n_px) - n_px
    columns: dict[str, np.ndarray] = {}
    for channel, of_channel in enumerate(values.astype(float)):
        name = names[channel] if len(names) == len(values) else channel
        ending = f"_{name}" if len(values) > 1 else ""
        total = np.bincount(of_object, of_channel).astype(float)
        ordered = of_channel[order]
        columns[f"mean_intensity{ending}"] = total / n_px
        columns[f"min_intensity{ending}"] = np.minimum.reduceat(ordered, first) if len(first) else total
        columns[f"max_intensity{ending}"] = np.maximum.reduceat(ordered, first) if len(first) else total
        columns[f"sum_intensity{ending}"] = total
    return columns


def _at_border(box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    return any(part.start == 0 or part.stop == length for part, length in zip(box, shape, strict=True))


def perimeters(labels: np.ndarray, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Length of the outline of each object, from how often lines in four directions cross it (Crofton).

    Outlines of holes count, and so does an outline along the edge of the image. A disc is measured with an error of a
    few percent, whereas counting pixel edges would find a square. This is the perimeter of MorphoLibJ in Fiji.

    Args:
        labels: Objects 1..n, `(rows, columns)`, 0 = background, as `label_objects` gives them.
        spacing: Distance between rows and between columns; by default 1.

    Returns:
        float64 `(n,)`, in the unit of the spacing; without objects an empty array.

    Raises:
        ValueError: If `labels` has not two axes.

    Example:
        >>> y, x = np.mgrid[:101, :101]
        >>> disc = ((y - 50) ** 2 + (x - 50) ** 2 <= 40**2).astype(int)
        >>> (perimeters(disc) / (2 * np.pi * 40)).round(2)
        array([1.01])

    References:
        Lehmann & Legland (2012), Insight Journal, doi:10.54294/wdu86d: Efficient N-Dimensional surface estimation using
        Crofton formula and run-length encoding.
    """
    if labels.ndim != 2:
        raise ValueError(f"labels must have two axes, got {labels.ndim}")
    n = int(labels.max(initial=0)) + 1
    framed = np.pad(labels, 1)
    lengths = np.zeros(n)
    for step, angle, apart in crofton_lines(spacing):
        here, there = pixel_pairs(framed, *step)
        crossed = here != there
        crossings = np.bincount(here[crossed], minlength=n) + np.bincount(there[crossed], minlength=n)
        lengths += crossings * angle * apart / 2
    return lengths[1:]


def crofton_lines(spacing: Sequence[float] | None) -> Iterator[tuple[tuple[int, int], float, float]]:
    """Four directions of lines: the step down and right, the angle that it stands for, the distance between lines."""
    down, right = spacing if spacing is not None else (1.0, 1.0)
    diagonal = float(np.hypot(down, right))
    slope = float(np.arctan2(down, right))
    yield (0, 1), slope, down
    yield (1, 0), np.pi / 2 - slope, right
    yield (1, 1), np.pi / 4, down * right / diagonal
    yield (1, -1), np.pi / 4, down * right / diagonal


def pixel_pairs(framed: np.ndarray, down: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of pixels one step apart."""
    rows, columns = framed.shape
    here = framed[: rows - down, max(0, -right) : columns - max(0, right)]
    there = framed[down:, max(0, right) : columns - max(0, -right)]
    return here, there

"""A consensus by pixels whose objects stay apart where most raters drew several.

mask (*spatial) bool, masks of the raters  ->  keep_instances  ->  labels (*spatial) int32

A consensus by pixels knows foreground only, so objects that touch become one. Here the consensus by objects
(`consensus.objects`) says which objects most raters drew, and the foreground is divided among them.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from skimage.measure import label as label_values
from skimage.segmentation import watershed

from segassay.consensus.objects import object_consensus
from segassay.masks.objects import label_objects

__all__ = ["keep_instances"]


def keep_instances(mask: np.ndarray, masks: Sequence[np.ndarray], spacing: Sequence[float] | None = None) -> np.ndarray:
    """Divide the foreground of a consensus among the objects that most raters drew.

    Each connected piece of the consensus that holds two or more of these objects is divided: a pixel goes to the
    nearest object in its piece, as a watershed on the distance reaches it. A piece with one object or none is one
    object. An object that lies in several pieces divides only the one with most of its pixels.

    Args:
        mask: Boolean `(*spatial)`, the consensus, by whatever rule.
        masks: One boolean mask or label image `(*spatial)` per rater, as `object_consensus` takes them.
        spacing: Distance between pixels along each axis; by default 1.

    Returns:
        int32 `(*spatial)`, objects 1..n; its foreground is `mask`, pixel by pixel. All 0 if there is none.

    Raises:
        TypeError: If `mask` is not boolean, or a mask of a rater is neither boolean nor integer.
        ValueError: If there is no rater, or shapes differ.

    Example:
        >>> anna, ben = np.array([[1, 1, 1, 2, 2, 2]]), np.array([[1, 1, 1, 1, 2, 2]])
        >>> keep_instances((anna > 0) & (ben > 0), [anna, ben])
        array([[1, 1, 1, 2, 2, 2]], dtype=int32)
    """
    if mask.dtype != bool:
        raise TypeError(f"mask must be boolean, got {mask.dtype}; apply a threshold first")
    drawn = object_consensus(masks, spacing).labels
    if drawn.shape != mask.shape:
        raise ValueError(f"masks must have the shape of the consensus {mask.shape}, got {drawn.shape}")
    pieces = label_objects(mask)
    seeds = _of_main_piece(np.where(mask, drawn, 0), pieces)
    if not seeds.any():
        return pieces
    distance = ndimage.distance_transform_edt(seeds == 0, sampling=spacing)
    divided = watershed(distance, seeds, mask=mask, connectivity=np.ones((3,) * mask.ndim, dtype=bool))
    rest = mask & (divided == 0)  # pieces without such an object
    whole = np.where(rest, pieces + int(divided.max()), divided)
    return label_objects(label_values(whole, connectivity=mask.ndim))


def _of_main_piece(seeds: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """Seeds without the pixels that lie in another piece than most of their object."""
    inside = seeds > 0
    pairs, inverse, counts = np.unique(
        np.stack([seeds[inside], pieces[inside]]), axis=1, return_inverse=True, return_counts=True
    )
    order = np.lexsort((pairs[1], -counts, pairs[0]))  # of each seed the piece with most pixels, then the first
    first = np.diff(pairs[0][order], prepend=-1) > 0
    kept = np.zeros(pairs.shape[1], dtype=bool)
    kept[order[first]] = True
    main = seeds.copy()
    main[inside] = np.where(kept[inverse.ravel()], seeds[inside], 0)
    return main

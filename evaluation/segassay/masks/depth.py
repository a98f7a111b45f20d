"""Depth: how far inside its object a pixel lies. What a network learns in order to keep touching objects apart.

    labels (*spatial) int  ->  depth_map  ->  depth (*spatial) float32, 0 outside, 1 in the middle of each object
    mask, depth            ->  split_by_depth  ->  labels (*spatial) int32, 0 = background, objects 1..n

Where two objects touch, the foreground has no gap between them, but the depth has a valley.

An exported bundle can carry this module unchanged: it imports numpy, scipy and modules of this kind only.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .objects import label_objects
from .touching import grow_from_peaks, split_objects_of

__all__ = ["depth_map", "divide_by_depth", "split_by_depth"]

_STEPS = 1000
"""Depths are compared in whole steps of 1 / this, so that rounding decides nothing."""

_VALLEY = 0.1
"""Two peaks are two objects if the pass between them is lower than the lower peak by more than this."""


def depth_map(labels: np.ndarray, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Distance of each pixel to the outline of its own object, as a share of the largest distance in that object.

    The outline runs half a pixel outside of the outermost pixels, also between two objects that touch. The edge of the
    image is no outline: an object that it cuts off goes on behind it.

    Args:
        labels: Label image, or a boolean mask whose objects are its connected pixels (`label_objects`).
        spacing: Distance between pixels along each axis; by default 1. Only its ratios count.

    Returns:
        float32 `(*spatial)`: 0 outside, above 0 inside, 1 at the innermost pixels of each object. All 0 if there is
        none.

    Raises:
        TypeError: As `label_objects`.
        ValueError: If a label is negative.

    Example:
        >>> depth_map(np.array([[0, 1, 1, 1, 2, 2, 2, 0]])).round(2)
        array([[0.  , 0.33, 1.  , 0.33, 0.33, 1.  , 0.33, 0.  ]], dtype=float32)

    References:
        Naylor et al. (2019), IEEE Trans. Med. Imaging 38(2):448-459, doi:10.1109/TMI.2018.2865709 (a network learns
        distances, a watershed separates nuclei); Scherr et al. (2020), PLoS ONE 15(12):e0243219,
        doi:10.1371/journal.pone.0243219 (distances as a share of the largest one of each cell).
    """
    objects = label_objects(labels)
    steps = np.ones(objects.ndim) if spacing is None else np.asarray(spacing, dtype=float)
    half = steps.min() / 2
    depth = np.zeros(objects.shape, dtype=np.float32)
    for number, box in enumerate(ndimage.find_objects(objects), start=1):
        around = tuple(slice(max(axis.start - 1, 0), axis.stop + 1) for axis in box)
        own = objects[around] == number
        if own.all():  # as large as the image: there is no outline
            depth[around] = 1
            continue
        distance = ndimage.distance_transform_edt(own, sampling=steps)[own] - half
        depth[around][own] = distance / distance.max()
    return depth


def split_by_depth(mask: np.ndarray, depth: np.ndarray, min_size: int = 0) -> np.ndarray:
    """Number the objects of a mask, and divide them along the valleys of a depth that a network predicted.

    In each connected piece of the mask, peaks of the depth are objects if they rise by more than 0.1 above the highest
    way to a higher peak; a watershed from these peaks gives each pixel to one. A piece without a second such peak stays
    whole. Parts smaller than `min_size` join the neighbour with which they share most of their outline. The result
    depends on the input alone, and that of a piece on no pixel outside of it.

    Args:
        mask: Boolean, `(*spatial)`, two or three axes.
        depth: From 0 to 1, `(*spatial)`, as `depth_map` defines it.
        min_size: Objects of fewer pixels (voxels) are dropped, as `label_objects` does; parts of larger ones never are.

    Returns:
        int32 `(*spatial)`, objects 1..n; its foreground is that of `label_objects(mask, min_size=min_size)`, pixel by
        pixel. All 0 if there is none.

    Raises:
        TypeError: If `mask` is not boolean.
        ValueError: If the shape of `depth` is not that of `mask`, it is NaN in an object, or `min_size` is negative.

    Example:
        >>> labels = np.array([[0, 1, 1, 1, 2, 2, 2, 0]])
        >>> split_by_depth(labels > 0, depth_map(labels))
        array([[0, 1, 1, 1, 2, 2, 2, 0]], dtype=int32)

    References:
        Soille (2003), Morphological Image Analysis, 2nd ed., doi:10.1007/978-3-662-05088-0: maxima of a given height.
    """
    if mask.dtype != bool:
        raise TypeError(f"mask must be boolean, got {mask.dtype}; apply a threshold first")
    if depth.shape != mask.shape:
        raise ValueError(f"depth must have the shape of the mask {mask.shape}, got {depth.shape}")
    return split_objects_of(mask, depth, min_size, by=divide_by_depth)


def divide_by_depth(
    own: np.ndarray, depth: np.ndarray | None, min_size: int, spacing: Sequence[float] | None = None
) -> np.ndarray:
    """Parts 1, 2 and so on of one connected object; int32, 0 outside. Arguments as of `masks.touching.divide`.

    Args:
        own: Boolean, the object in its box; it ends at the edge of the box.
        depth: In the box.
        min_size: As for `split_by_depth`.
        spacing: Not used: the depth knows it.
    """
    assert depth is not None
    framed, valley = np.pad(own, 1), _VALLEY * _STEPS
    steps = np.rint(_STEPS * np.clip(np.pad(depth, 1), 0, 1).astype(np.float64))
    height = np.where(framed, steps + valley + 1, 0.0)  # the lowest pixel inside is a peak above the background
    return grow_from_peaks(height, framed, valley, min_size)[(slice(1, -1),) * own.ndim]

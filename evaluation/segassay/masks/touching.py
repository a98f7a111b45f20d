"""Touching objects: parts of a mask that are joined by a narrow or doubtful neck become objects of their own.

mask, prob (*spatial)  ->  labels (*spatial) int32, 0 = background, objects 1..n

An exported bundle can carry this module unchanged: it imports numpy, scipy, scikit-image and modules of this kind only.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from .objects import label_objects

__all__ = ["Divide", "divide", "grow_from_peaks", "split_objects_of", "split_touching"]

Divide = Callable[[np.ndarray, np.ndarray | None, int, Sequence[float] | None], np.ndarray]
"""Parts of one object in its box, given it, a map of the box, the smallest part, and the distances between pixels."""

_STEPS = 1000
"""Heights are whole numbers of this many steps for a factor of e, so that rounding decides nothing."""

_DEPTH = round(_STEPS * np.log(4 / 3))
"""A neck divides where the height there is less than three quarters of the lower of both peaks."""

_ROUGH = 1.0
"""Pixels added to distances, so that the steps of a pixelated outline are no necks."""


def split_touching(
    mask: np.ndarray, prob: np.ndarray | None = None, min_size: int = 0, *, spacing: Sequence[float] | None = None
) -> np.ndarray:
    """Number the objects of a mask, and divide those that touch.

    Watershed on the distance to the background, plus one pixel; with a probability, on that distance times the
    probability. Two peaks are two objects if the pass between them is lower than three quarters of the lower peak, so
    that long, curved and ring-shaped objects stay whole. Parts smaller than `min_size` join the neighbour with which
    they share most of their outline. The result depends on the input alone.

    Args:
        mask: Boolean, `(*spatial)`, two or three axes.
        prob: Probability of foreground, `(*spatial)`; a line of doubt between two objects helps to divide them.
        min_size: Objects of fewer pixels (voxels) are dropped, as `label_objects` does; parts of larger ones never are.
        spacing: Distance between pixels along each axis; by default 1. Only its ratios count.

    Returns:
        int32 `(*spatial)`, objects 1..n; its foreground is that of `label_objects(mask, min_size=min_size)`, pixel by
        pixel. All 0 if there is none.

    Raises:
        TypeError: If `mask` is not boolean.
        ValueError: If the shape of `prob` is not that of `mask`, `prob` is NaN in an object, or `min_size` is negative.

    Example:
        >>> y, x = np.mgrid[:15, :25]
        >>> two = ((y - 7) ** 2 + (x - 7) ** 2 < 36) | ((y - 7) ** 2 + (x - 18) ** 2 < 36)
        >>> int(label_objects(two).max()), int(split_touching(two).max())
        (1, 2)

    References:
        Beucher & Lantuéjoul (1979), International Workshop on Image Processing, Rennes; Soille (2003), Morphological
        Image Analysis, 2nd ed., doi:10.1007/978-3-662-05088-0: maxima of a given depth.
    """
    if mask.dtype != bool:
        raise TypeError(f"mask must be boolean, got {mask.dtype}; apply a threshold first")
    if prob is not None and prob.shape != mask.shape:
        raise ValueError(f"prob must have the shape of the mask {mask.shape}, got {prob.shape}")
    return split_objects_of(mask, prob, min_size, spacing, by=divide)


def split_objects_of(
    mask: np.ndarray, values: np.ndarray | None, min_size: int, spacing: Sequence[float] | None = None, *, by: Divide
) -> np.ndarray:
    """Number the objects of a mask, each divided in its own box.

    Args:
        mask: Boolean, `(*spatial)`.
        values: Map `(*spatial)` that says where to divide.
        min_size: Objects of fewer pixels (voxels) are dropped.
        spacing: Distance between pixels along each axis.
        by: Divides one object, such as `divide`.
    """
    whole = label_objects(mask, min_size=min_size)
    labels, n = np.zeros_like(whole), 0
    for number, box in enumerate(ndimage.find_objects(whole), start=1):
        own = whole[box] == number
        parts = by(own, None if values is None else values[box], min_size, spacing)
        labels[box][own] = parts[own] + n
        n += int(parts.max())
    return labels


def divide(own: np.ndarray, prob: np.ndarray | None, min_size: int, spacing: Sequence[float] | None) -> np.ndarray:
    """Parts 1, 2 and so on of one connected object; int32, 0 outside.

    Args:
        own: Boolean, the object in its box; it ends at the edge of the box.
        prob: As for `split_touching`, in the box.
        min_size: As for `split_touching`.
        spacing: As for `split_touching`.
    """
    steps = np.asarray(spacing if spacing is not None else (1.0,) * own.ndim, dtype=float)
    framed = np.pad(own, 1)
    height = _height(framed, None if prob is None else np.pad(prob, 1), steps / steps.min())
    return grow_from_peaks(height, framed, _DEPTH, min_size)[(slice(1, -1),) * own.ndim]


def _height(own: np.ndarray, prob: np.ndarray | None, steps: np.ndarray) -> np.ndarray:
    """Logarithm of distance and probability in steps, 0 outside: depths are ratios."""
    height = np.log(ndimage.distance_transform_edt(own, sampling=steps) + _ROUGH)
    if prob is not None:
        height += np.log(np.clip(prob, 1e-3, 1))
    height = np.rint(_STEPS * (height + 1 - height[own].min()))  # the lowest pixel inside is a factor of e above 0
    return np.where(own, height, 0.0)


def grow_from_peaks(height: np.ndarray, own: np.ndarray, valley: float, min_size: int) -> np.ndarray:
    """Parts 1..n of one connected object, by a watershed from its peaks; int32, 0 elsewhere.

    Args:
        height: Whole numbers `(*spatial)`, above 0 inside and 0 outside.
        own: Boolean `(*spatial)`, the object, with a frame of background.
        valley: How far a peak rises above the highest way to a higher one.
        min_size: Smaller parts join a neighbour.

    Raises:
        ValueError: If a height is NaN or infinite, of which the reconstruction destroys memory.
    """
    if not np.isfinite(height).all():
        raise ValueError("probability or depth must be a number at every pixel of an object, but some are NaN")
    everywhere = np.ones((3,) * own.ndim, dtype=bool)
    lowered = reconstruction(height - valley, height, footprint=everywhere)  # flat across what is too shallow
    peaks, n_peaks = ndimage.label(local_maxima(lowered, connectivity=own.ndim), structure=everywhere)
    if n_peaks == 1:
        return own.astype(np.int32)
    parts = watershed(-height, peaks, mask=own, connectivity=everywhere).astype(np.int32)
    return label_objects(_join_small(parts, min_size))


def _join_small(parts: np.ndarray, min_size: int) -> np.ndarray:
    """Parts below the minimum size take the number of the neighbour that they touch most, the smallest part first."""
    joined = parts.copy()
    sizes = np.bincount(joined.ravel())
    everywhere = np.ones((3,) * parts.ndim, dtype=bool)
    while True:
        small = np.flatnonzero((sizes > 0) & (sizes < min_size))
        small = small[small > 0]
        if not len(small):
            return joined
        part = small[np.argmin(sizes[small])]
        own = joined == part
        around = joined[ndimage.binary_dilation(own, structure=everywhere) & ~own]
        neighbour = int(np.bincount(around[around > 0]).argmax())
        joined[own] = neighbour
        sizes[neighbour] += sizes[part]
        sizes[part] = 0

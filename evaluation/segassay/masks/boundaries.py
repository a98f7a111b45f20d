"""Boundaries and centre lines of two masks: boundary IoU, clDice, mean average surface distance.

    a, b (*spatial) bool  ->  one number

Two empty masks agree: 1, and distance 0. If only one is empty, overlaps are 0 and the distance is NaN.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from segassay.masks.neighbours import largest_around
from segassay.masks.outlines import SurfaceDistances, image_diagonal

__all__ = [
    "boundary_iou",
    "centre_lines",
    "centreline_dice",
    "depth_in",
    "mean_average_surface_distance",
    "rim",
    "rim_width",
]

_SHARE_OF_DIAGONAL = 0.02


def boundary_iou(a: np.ndarray, b: np.ndarray, *, width: int | None = None) -> float:
    """IoU of the inner rims of two masks: their pixels that lie within a distance of their outline.

    Unlike the IoU it does not forgive the same error of an outline more in a large object than in a small one.

    Args:
        a: Boolean `(*spatial)`.
        b: Boolean, of the same shape.
        width: Of the rim in pixels, counted also across corners; by default 2 % of the image's diagonal, at least 1.

    Returns:
        In [0, 1]. Beyond the edge of the image is outside.

    Raises:
        TypeError: If a mask is not boolean.
        ValueError: If shapes differ, or the width is below 1.

    Example:
        >>> a, b = np.zeros((9, 9), dtype=bool), np.zeros((9, 9), dtype=bool)
        >>> a[1:8, 1:8], b[1:8, 1:7] = True, True
        >>> round(boundary_iou(a, b, width=1), 3)  # 24 and 22 pixels of rim, 17 in common
        0.586

    References:
        Cheng et al. (2021), Proc. CVPR: 15329-15337, arXiv:2103.16562.
    """
    _check(a, b)
    steps = rim_width(a.shape) if width is None else width
    if steps < 1:
        raise ValueError(f"width must be 1 or more, got {width}")
    rim_a, rim_b = rim(a, steps), rim(b, steps)
    either = np.count_nonzero(rim_a | rim_b)
    return float(np.count_nonzero(rim_a & rim_b) / either) if either else 1.0


def rim_width(shape: Sequence[int]) -> int:
    """Width of the rim in pixels: 2 % of the diagonal of an image of this shape, at least 1.

    Example:
        >>> rim_width((300, 400)), rim_width((9, 9))
        (10, 1)
    """
    return max(1, round(_SHARE_OF_DIAGONAL * image_diagonal(shape)))


def depth_in(mask: np.ndarray) -> np.ndarray:
    """Distance of each pixel of a boolean mask `(*spatial)` from the nearest one outside, also across corners.

    Beyond the edge of the image nothing is known. Without any pixel outside, all are as far away as a number can be.

    Example:
        >>> depth_in(np.array([[True, True, False]])).tolist()
        [[2, 1, 0]]
    """
    if mask.all():
        return np.full(mask.shape, np.iinfo(np.int32).max)
    return np.asarray(ndimage.distance_transform_cdt(mask, "chessboard"))


def rim(mask: np.ndarray, width: int, depth: np.ndarray | None = None) -> np.ndarray:
    """Pixels of a boolean mask `(*spatial)` within `width` pixels of the outside, also across corners.

    Beyond the edge of the image is outside. `depth` is `depth_in(mask)`, if that is known.

    Example:
        >>> rim(np.ones((3, 4), dtype=bool), 1).astype(int)[1].tolist()
        [1, 0, 0, 1]
    """
    found = (depth_in(mask) if depth is None else depth) > width
    inside = np.zeros(mask.shape, dtype=bool)
    inside[tuple(slice(width, max(n - width, width)) for n in mask.shape)] = True
    return np.asarray(mask & ~(found & inside))


def centre_lines(mask: np.ndarray, depth: np.ndarray | None = None) -> np.ndarray:
    """Morphological skeleton of a boolean mask `(*spatial)`: what erosions leave that an opening would remove.

    The skeleton of clDice, for masks instead of probabilities: minima and maxima of 3 pixels in each direction. A pixel
    is in it if none around it is further from the background, across corners too. Beyond the edge of the image nothing
    is known, so that a tube that leaves the image keeps its centre line up to the edge. `depth` is `depth_in(mask)`, if
    that is known.

    Returns:
        Boolean, within the mask, with a pixel if that has one; not always connected.

    Example:
        >>> centre_lines(np.pad(np.ones((3, 5), dtype=bool), 1)).astype(int)[2].tolist()
        [0, 0, 1, 1, 1, 0, 0]

    References:
        Shit et al. (2021), Proc. CVPR: 16560-16569, arXiv:2003.07311, algorithm 1.
    """
    depth = depth_in(mask) if depth is None else depth
    depth = depth.astype(np.min_scalar_type(depth.max(initial=0)))  # mostly 8 bits: four times as fast
    return np.asarray(mask & (depth == largest_around(depth)))


def centreline_dice(a: np.ndarray, b: np.ndarray, skeleton_a: np.ndarray, skeleton_b: np.ndarray) -> float:
    """ClDice of tubes such as vessels and neurites: does each mask contain the centre line of the other?

    Args:
        a: Boolean `(*spatial)`.
        b: Boolean, of the same shape.
        skeleton_a: Boolean, centre lines of `a`, such as `centre_lines(a)` or those of skimage; both by one method.
        skeleton_b: Centre lines of `b`.

    Returns:
        In [0, 1], the harmonic mean of the share of each skeleton that lies in the other mask.

    Raises:
        TypeError: If an array is not boolean.
        ValueError: If shapes differ, or a skeleton is empty, or not within its mask.

    Example:
        >>> line, half = np.ones((1, 6), dtype=bool), np.array([[True] * 3 + [False] * 3])
        >>> round(centreline_dice(line, half, line, half), 3)
        0.667

    References:
        Shit et al. (2021), Proc. CVPR: 16560-16569, arXiv:2003.07311.
    """
    for mask in (b, skeleton_a, skeleton_b):
        _check(a, mask)
    for mask, skeleton in ((a, skeleton_a), (b, skeleton_b)):
        if (skeleton & ~mask).any() or (mask.any() and not skeleton.any()):
            raise ValueError("a skeleton must lie within its mask and have a pixel if that has one")
    if not a.any() or not b.any():
        return float(not a.any() and not b.any())
    found_a, found_b = float(b[skeleton_a].mean()), float(a[skeleton_b].mean())
    return 2 * found_a * found_b / (found_a + found_b) if found_a + found_b else 0.0


def mean_average_surface_distance(distances: SurfaceDistances) -> float:
    """MASD: mean of the two directed mean distances, so that both masks count alike, however long their outlines are.

    Args:
        distances: From `surface_distances`.

    Returns:
        Distance in the unit of the spacing; 0 if both masks are empty, NaN if one is.

    Example:
        >>> mean_average_surface_distance(SurfaceDistances(np.array([0.0, 1.0]), np.array([2.0])))
        1.25

    References:
        Beneš & Zitová (2015), J. Microsc. 257(1):65-85, doi:10.1111/jmi.12186.
    """
    if distances.both_empty or distances.one_empty:
        return 0.0 if distances.both_empty else float("nan")
    return float((distances.a_to_b.mean() + distances.b_to_a.mean()) / 2)


def _check(a: np.ndarray, b: np.ndarray) -> None:
    if a.dtype != bool or b.dtype != bool:
        raise TypeError(f"masks must be boolean, got {a.dtype} and {b.dtype}; compare to a label first")
    if a.shape != b.shape:
        raise ValueError(f"masks must have one shape, got {a.shape} and {b.shape}")

"""Distances between the outlines of two masks: measured once, reduced many times.

    mask_a, mask_b (*spatial) bool  ->  SurfaceDistances (from each surface to the other)  ->  HD95, ASSD, NSD

The surface of a mask is its pixels with a face neighbour outside it (4 neighbours in 2-D, 6 in 3-D); beyond the edge of
the image is outside. Both masks empty agree: distances 0, NSD 1. One empty: distances are undefined (NaN), NSD 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import ndimage

__all__ = [
    "SurfaceDistances",
    "average_surface_distance",
    "hausdorff_distance",
    "joint_surface_distances",
    "normalized_surface_dice",
    "surface_distances",
]


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distance of each surface pixel of one mask to the nearest surface pixel of the other, in the unit of the spacing.

    Attributes:
        a_to_b: float64 `(n,)`, one per surface pixel of `a`; infinite where `b` is empty.
        b_to_a: float64 `(m,)`, one per surface pixel of `b`; infinite where `a` is empty.
    """

    a_to_b: np.ndarray
    b_to_a: np.ndarray

    @property
    def both_empty(self) -> bool:
        """Whether neither mask has a pixel."""
        return not self.a_to_b.size and not self.b_to_a.size

    @property
    def one_empty(self) -> bool:
        """Whether one mask has no pixel and the other does."""
        return bool(self.a_to_b.size) != bool(self.b_to_a.size)


def surface_distances(
    mask_a: np.ndarray, mask_b: np.ndarray, spacing: Sequence[float] | None = None
) -> SurfaceDistances:
    """Measure how far the outlines of two masks lie apart.

    Args:
        mask_a: Boolean `(*spatial)`; leave out ignored areas and small objects before.
        mask_b: The same for the other annotation.
        spacing: Distance from one pixel to the next along each axis, in array order; 1 by default, for pixels.

    Returns:
        The distances from each side to the other.

    Raises:
        TypeError: If a mask is not boolean.
        ValueError: If shapes differ, or the spacing is not one positive number per axis.

    Example:
        >>> a, b = np.zeros((2, 5), dtype=bool), np.zeros((2, 5), dtype=bool)
        >>> a[0, 0], b[0, 3] = True, True
        >>> surface_distances(a, b, spacing=(1, 0.5)).a_to_b
        array([1.5])
    """
    return joint_surface_distances([mask_a, mask_b], spacing)[0, 1]


def joint_surface_distances(
    masks: Sequence[np.ndarray], spacing: Sequence[float] | None = None
) -> dict[tuple[int, int], SurfaceDistances]:
    """Measure every pair of several masks of one image, each mask's surface and its surroundings only once.

    Args:
        masks: Boolean `(*spatial)` each; leave out ignored areas before.
        spacing: Distance from one pixel to the next along each axis, in array order; 1 by default, for pixels.

    Returns:
        The distances of the masks `a` and `b` under their indices `(a, b)`, a < b; empty for fewer than two masks.

    Raises:
        TypeError: If a mask is not boolean.
        ValueError: If shapes differ, or the spacing is not one positive number per axis.

    Example:
        >>> masks = [np.array([True, False, False]), np.array([False, True, False]), np.array([False, False, True])]
        >>> {pair: float(distances.a_to_b[0]) for pair, distances in joint_surface_distances(masks).items()}
        {(0, 1): 1.0, (0, 2): 2.0, (1, 2): 1.0}
    """
    if len(masks) < 2:
        return {}
    for mask in masks:
        if mask.dtype != bool:
            raise TypeError(f"masks must be boolean, got {mask.dtype}; compare to a label first")
        if mask.shape != masks[0].shape:
            raise ValueError(f"masks of one image must have one shape, got {masks[0].shape} and {mask.shape}")
    n_axes = masks[0].ndim
    step = np.ones(n_axes) if spacing is None else np.asarray(spacing, dtype=float)
    if step.shape != (n_axes,) or not (np.isfinite(step) & (step > 0)).all():
        raise ValueError(f"spacing must be one positive number for each of {n_axes} axes, got {spacing}")
    box = _bounding_box(np.logical_or.reduce(masks))
    surfaces = [_surface(mask[box]) for mask in masks]
    points = [np.stack(np.nonzero(surface)) for surface in surfaces]
    to_surface = [_distances_to(surface, points, step) for surface in surfaces]
    return {(a, b): SurfaceDistances(to_surface[b][a], to_surface[a][b]) for a, b in combinations(range(len(masks)), 2)}


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Where the foreground lies; what lies outside changes no distance."""
    box = []
    for axis in range(mask.ndim):
        present = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(present[0], present[-1] + 1) if present.size else slice(0, 0))
    return tuple(box)


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask)


def _distances_to(surface: np.ndarray, points: Sequence[np.ndarray], step: np.ndarray) -> list[np.ndarray]:
    """Distance `(n,)` of each pixel in each list `(axes, n)` to the nearest pixel of a surface."""
    if not surface.any():
        return [np.full(at.shape[1], np.inf) for at in points]
    nearest = ndimage.distance_transform_edt(~surface, sampling=step, return_distances=False, return_indices=True)
    return [np.sqrt((((nearest[(slice(None), *at)] - at) * step[:, np.newaxis]) ** 2).sum(axis=0)) for at in points]


def hausdorff_distance(distances: SurfaceDistances, percentile: float = 95) -> float:
    """The larger of the two directed percentiles of the surface distances; HD95 by default, 100 for the maximum.

    Args:
        distances: From `surface_distances`.
        percentile: In [0, 100], interpolated linearly.

    Returns:
        Distance in the unit of the spacing; 0 if both masks are empty, NaN if one is.

    Example:
        >>> hausdorff_distance(SurfaceDistances(np.array([0.0, 1.0]), np.array([0.0, 3.0])), percentile=100)
        3.0

    References:
        Huttenlocher et al. (1993), IEEE Trans. PAMI 15(9):850-863, doi:10.1109/34.232073.
    """
    if distances.both_empty or distances.one_empty:
        return 0.0 if distances.both_empty else float("nan")
    return float(max(np.percentile(distances.a_to_b, percentile), np.percentile(distances.b_to_a, percentile)))


def average_surface_distance(distances: SurfaceDistances) -> float:
    """Average symmetric surface distance (ASSD): the mean over all surface pixels of both masks.

    Args:
        distances: From `surface_distances`.

    Returns:
        Distance in the unit of the spacing; 0 if both masks are empty, NaN if one is.

    Example:
        >>> average_surface_distance(SurfaceDistances(np.array([0.0, 1.0]), np.array([2.0])))
        1.0

    References:
        Heimann et al. (2009), IEEE Trans. Med. Imaging 28(8):1251-1265, doi:10.1109/TMI.2009.2013851.
    """
    if distances.both_empty or distances.one_empty:
        return 0.0 if distances.both_empty else float("nan")
    return float(np.concatenate([distances.a_to_b, distances.b_to_a]).mean())


def normalized_surface_dice(distances: SurfaceDistances, tolerance: float) -> float:
    """Normalised surface Dice (NSD): share of all surface pixels of both masks within a tolerance of the other surface.

    Args:
        distances: From `surface_distances`.
        tolerance: Distance that does not matter, in the unit of the spacing; a pixel at exactly this distance counts.

    Returns:
        Share in [0, 1]; 1 if both masks are empty, 0 if one is.

    Raises:
        ValueError: If the tolerance is negative.

    Example:
        >>> normalized_surface_dice(SurfaceDistances(np.array([0.0, 1.0]), np.array([2.0, 1.0])), tolerance=1)
        0.75

    References:
        Nikolov et al. (2021), J. Med. Internet Res. 23(7):e26151, doi:10.2196/26151.
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 or more, got {tolerance}")
    if distances.both_empty:
        return 1.0
    return float((np.concatenate([distances.a_to_b, distances.b_to_a]) <= tolerance).mean())

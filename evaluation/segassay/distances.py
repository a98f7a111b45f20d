"""Distances between the outlines of two masks: measured once, reduced many times.

    mask_a, mask_b (*spatial) bool  ->  SurfaceDistances (from each surface to the other)  ->  HD95, ASSD, NSD

The surface of a mask is its pixels with a face neighbour outside it (4 neighbours in 2-D, 6 in 3-D); beyond the edge of
the image is outside. Both masks empty agree: distances 0, NSD 1. One empty: distances are undefined (NaN), NSD 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

__all__ = [
    "SurfaceDistances",
    "average_surface_distance",
    "hausdorff_distance",
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
    for mask in (mask_a, mask_b):
        if mask.dtype != bool:
            raise TypeError(f"masks must be boolean, got {mask.dtype}; compare to a label first")
    if mask_a.shape != mask_b.shape:
        raise ValueError(f"masks of one image must have one shape, got {mask_a.shape} and {mask_b.shape}")
    step = np.ones(mask_a.ndim) if spacing is None else np.asarray(spacing, dtype=float)
    if step.shape != (mask_a.ndim,) or not (np.isfinite(step) & (step > 0)).all():
        raise ValueError(f"spacing must be one positive number for each of {mask_a.ndim} axes, got {spacing}")
    box = _bounding_box(mask_a | mask_b)
    surface_a, surface_b = _surface(mask_a[box]), _surface(mask_b[box])
    return SurfaceDistances(_nearest(surface_a, surface_b, step), _nearest(surface_b, surface_a, step))


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Where the foreground lies; what lies outside changes no distance."""
    box = []
    for axis in range(mask.ndim):
        present = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(present[0], present[-1] + 1) if present.size else slice(0, 0))
    return tuple(box)


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask)


def _nearest(surface: np.ndarray, other: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Distance `(n,)` of each pixel of a surface to the nearest of another."""
    if not other.any():
        return np.full(np.count_nonzero(surface), np.inf)
    return np.asarray(ndimage.distance_transform_edt(~other, sampling=step)[surface])


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

"""Measure one object that is too large to be held as a whole: strip by strip, with the numbers of `object_properties`.

strips of the mask, the image and the probability  ->  table of one row
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull

from segassay.masks.hull import line_ends, pixel_corners
from segassay.masks.properties import crofton_lines, pixel_pairs

__all__ = ["large_object_properties"]


def large_object_properties(
    label: int,
    strips: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    spacing_um: Sequence[float] | None = None,
    *,
    axes: str,
    channels: Sequence[str] = (),
) -> pd.DataFrame:
    """Measure one object.

    Args:
        label: Its number.
        strips: Of its bounding box, each below (behind) the one before: the mask, boolean `(height, *others)`; the
            image `(C, height, *others)`; the probability of foreground `(height, *others)`.
        spacing_um: Micrometres between pixels along each axis, in array order.
        axes: Name of each axis.
        channels: As for `object_properties`.

    Returns:
        One row with the columns of `object_properties`, as of an image that ends where the box does.

    Example:
        >>> mask = np.ones((1, 3), dtype=bool)
        >>> table = large_object_properties(7, [(mask, mask[None] * 2.0, mask / 2)] * 3, axes="yx")
        >>> table[["label", "area_px", "centroid_y", "sum_intensity", "confidence", "solidity"]].values.tolist()
        [[7.0, 9.0, 1.0, 18.0, 0.5, 1.0]]
    """
    n_axes = len(axes)
    first, second, low, high = np.zeros(n_axes), np.zeros((n_axes, n_axes)), [], []
    hull = np.zeros((0, n_axes))
    prob_sum, n, start = 0.0, 0, 0
    sums: list[np.ndarray] = []
    above: np.ndarray | None = None
    crossings = np.zeros(4, dtype=np.int64)
    for mask, image, prob in strips:
        places = np.argwhere(mask)
        if len(places):
            places[:, 0] += start
            n += len(places)
            first += places.sum(axis=0)
            second += places.T @ places
            low.append(places.min(axis=0))
            high.append(places.max(axis=0) + 1)
            corners = np.concatenate([hull, pixel_corners(line_ends(places))])
            hull = corners[ConvexHull(corners).vertices]
            values = image[:, mask].astype(float)
            sums.append(np.stack([values.sum(axis=1), values.min(axis=1), values.max(axis=1)]))
            prob_sum += float(prob[mask].sum(dtype=np.float64))
        if n_axes == 2:
            above = np.zeros(mask.shape[1], dtype=bool) if above is None else above
            crossings += _crossings(above, mask)
            above = mask[-1]
        start += len(mask)
    if above is not None:
        crossings += _crossings(above, np.zeros((1, len(above)), dtype=bool))
    box = np.min(low, axis=0), np.max(high, axis=0)
    columns: dict[str, float | int | bool] = {"label": label, "area_px": n}
    unit = np.nan if spacing_um is None else float(np.prod(spacing_um))
    columns["area_um2" if n_axes == 2 else "volume_um3"] = n * unit
    columns |= {f"centroid_{name}": float(first[axis] / n) for axis, name in enumerate(axes)}
    for axis, name in enumerate(axes):
        columns |= {f"bbox_{name}_min": int(box[0][axis]), f"bbox_{name}_max": int(box[1][axis])}
    columns |= _intensities(np.stack(sums), n, channels)
    columns["eccentricity"] = _eccentricity(first / n, second / n, spacing_um)
    columns["solidity"] = n / ConvexHull(hull).volume
    if n_axes == 2:
        columns["perimeter_px"] = _perimeter(crossings, None)
        columns["perimeter_um"] = np.nan if spacing_um is None else _perimeter(crossings, spacing_um)
    columns["confidence"] = prob_sum / n
    columns["touches_border"] = True
    return pd.DataFrame([columns])


def _intensities(sums: np.ndarray, n: int, names: Sequence[str]) -> dict[str, float]:
    """Columns of each channel; `sums` are `(strips, 3, C)`: sum, smallest and largest value."""
    columns: dict[str, float] = {}
    for channel in range(sums.shape[2]):
        name = names[channel] if len(names) == sums.shape[2] else channel
        ending = f"_{name}" if sums.shape[2] > 1 else ""
        total = float(sums[:, 0, channel].sum())
        columns[f"mean_intensity{ending}"] = total / n
        columns[f"min_intensity{ending}"] = float(sums[:, 1, channel].min())
        columns[f"max_intensity{ending}"] = float(sums[:, 2, channel].max())
        columns[f"sum_intensity{ending}"] = total
    return columns


def _eccentricity(mean: np.ndarray, square: np.ndarray, spacing_um: Sequence[float] | None) -> float:
    """Of the ellipse with the same second moments, as `shape.axis_ratios` has it."""
    step = np.ones(len(mean)) if spacing_um is None else np.asarray(spacing_um, dtype=float)
    covariance = (square - np.outer(mean, mean)) * np.outer(step, step)
    smaller, largest = np.linalg.eigvalsh(covariance)[-2:].clip(0)
    return float(np.sqrt(1 - smaller / largest))


def _crossings(above: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How often lines in each direction cross the outline in a strip, and between it and the row above."""
    framed = np.pad(np.vstack([above[None], mask]), ((0, 0), (1, 1)))
    found = []
    for step, _, _ in crofton_lines(None):
        here, there = pixel_pairs(framed if step[0] else framed[1:], *step)
        found.append(int(np.count_nonzero(here != there)))
    return np.array(found)


def _perimeter(crossings: np.ndarray, spacing_um: Sequence[float] | None) -> float:
    lines = crofton_lines(spacing_um)
    return sum(int(n) * angle * apart / 2 for n, (_, angle, apart) in zip(crossings, lines, strict=True))

"""Probability and uncertainty maps of one case against its reference: sums over bins, for calibration and uncertainty.

    map (*spatial) float in [0, 1], reference (*spatial) bool  ->  rows of bins

Bin i of n holds i/n < value ≤ (i+1)/n, the first one also 0. Bins without a pixel have no row. Sums over bins and
cases are enough for ECE, Brier score, reliability diagram and risk-coverage curve, so no map is kept.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from segassay.data.classes import ClassMap, Meaning
from segassay.errors import DataError, number_of
from segassay.io.grids import Grid
from segassay.io.images import fit, read_image

__all__ = [
    "N_LEVELS",
    "N_PROB_BINS",
    "N_UNCERTAINTY_BINS",
    "calibration_bins",
    "read_map",
    "uncertainty_bins",
    "vote_bins",
]

N_PROB_BINS = 20  # .05 is an edge: pixels with p > .05 are the bins from 1 on
N_UNCERTAINTY_BINS = 50
N_LEVELS = 10  # the edges .1, .2 … .9 are the thresholds of QUBIQ

_ROUNDING = 1e-5  # an entropy over ln 2 may exceed 1 by as much


def read_map(
    path: Path,
    shape: tuple[int, ...],
    grid: Grid | None = None,
    meaning: Meaning | None = None,
    *,
    shared: bool = False,
) -> np.ndarray:
    """Read a map of one number in [0, 1] per pixel.

    Args:
        path: A TIFF or NIfTI of one channel, as `segassay.io.images.write_map` writes it; or of one channel for each
            class, in the order of the dataset, if masks have several.
        shape: Of the masks of the case.
        grid: Of the image, if there is one.
        meaning: Of the mask that belongs to the map. The map of a class is its channel. That of all classes together is
            their sum, at most 1; the highest of them, if a pixel may belong to several.
        shared: Whether one channel may be about all classes, as an uncertainty is.

    Returns:
        float32 or float64 `(*spatial)`.

    Raises:
        DataError: If the file is missing or broken, has another shape or number of channels, or holds numbers outside
            [0, 1] or NaN.
    """
    array = read_image(path).array
    classes = meaning if isinstance(meaning, ClassMap) and meaning.several else None
    if classes is not None:
        array = array[0] if array.ndim == len(shape) + 2 else array  # in memory the channels are an axis of the array
        if not (shared and len(array) == 1):
            return _of_classes(path, array, shape, grid, classes)
    if grid is not None and len(array) == 1:
        array = fit(path, array[0], grid)[np.newaxis]
    if array.shape != (1, *shape):
        channels = f" in {len(array)} channels" if len(array) != 1 else ""
        what = f"has shape {array.shape[1:]}{channels}, but the masks of its case have {shape}"
        raise DataError.of(path, what)
    return _in_range(path, array[0])


def _of_classes(
    path: Path, array: np.ndarray, shape: tuple[int, ...], grid: Grid | None, classes: ClassMap
) -> np.ndarray:
    """The map of one class, or of all together, from a file with a channel for each."""
    place, n = classes.channel or (None, len(classes.names))
    if len(array) != n:
        what = f"has {number_of(len(array), 'channel')}, but the dataset has {n} classes"
        raise DataError.of(path, what, expected="one channel for each class, in the order of the dataset")
    channels = [array[place]] if place is not None else list(array)
    if grid is not None:
        channels = [fit(path, channel, grid) for channel in channels]
    if channels[0].shape != shape:
        raise DataError.of(path, f"has shape {channels[0].shape}, but the masks of its case have {shape}")
    of_each = np.stack([_in_range(path, channel) for channel in channels])
    whole = of_each.sum(axis=0) if classes.exclusive else of_each.max(axis=0)
    return np.asarray(np.minimum(whole, 1))


def _in_range(path: Path, array: np.ndarray) -> np.ndarray:
    values = array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
    lowest, highest = (values.min(), values.max()) if values.size else (0, 1)
    if not (lowest >= -_ROUNDING and highest <= 1 + _ROUNDING):  # NaN neither
        what = f"holds numbers from {lowest:g} to {highest:g}"
        expected = "a probability or an uncertainty in [0, 1] for each pixel, save it as float32 without rescaling"
        raise DataError.of(path, what, expected=expected)
    return values if lowest >= 0 and highest <= 1 else np.clip(values, 0, 1)


def calibration_bins(prob: np.ndarray, reference: np.ndarray, counted: np.ndarray) -> list[tuple[int | float, ...]]:
    """How often the reference has foreground where a model gave a probability.

    Args:
        prob: `(*spatial)` float in [0, 1].
        reference: Boolean `(*spatial)`.
        counted: Boolean `(*spatial)`; other pixels are left out.

    Returns:
        Bin, pixels, sum of the probability, sum of (probability - reference)², pixels that the reference marks.

    Example:
        >>> prob, reference = np.array([0.0, 0.05, 0.06, 1.0]), np.array([False, True, False, True])
        >>> [row[:2] for row in calibration_bins(prob, reference, np.ones(4, dtype=bool))]
        [(0, 2), (1, 1), (19, 1)]
    """
    p, marked = _counted(counted, prob, reference)
    above, code = _bins(p, N_PROB_BINS)
    n = _numbers(code, N_PROB_BINS, len(p))
    n_marked = _numbers(code[marked[above]], N_PROB_BINS, int(marked.sum()))
    p = p.astype(float)
    errors = (p - marked) ** 2
    sums = [_sums(values, above, code, N_PROB_BINS) for values in (p, errors)]
    present = np.flatnonzero(n)
    columns = (present, n[present], *(values[present] for values in sums), n_marked[present])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def vote_bins(
    prob: np.ndarray, n_marked: np.ndarray, n_raters: int, counted: np.ndarray
) -> list[tuple[int | float, ...]]:
    """How many raters marked pixels of each probability.

    Args:
        prob: `(*spatial)` float in [0, 1].
        n_marked: `(*spatial)`, how many raters marked a pixel.
        n_raters: How many there are.
        counted: Boolean `(*spatial)`; other pixels are left out.

    Returns:
        Level of the probability, raters, raters that marked the pixels, pixels, sum of the probability, sum of its
        square; level i of 10 holds i/10 < p ≤ (i+1)/10, the first also p = 0.

    Example:
        >>> vote_bins(np.array([0.0, 0.1, 0.5]), np.array([0, 0, 2]), 2, np.ones(3, dtype=bool))
        [(0, 2, 0, 2, 0.1, 0.010000000000000002), (4, 2, 2, 1, 0.5, 0.25)]
    """
    p, votes = _counted(counted, prob, n_marked)
    above, level = _bins(p, N_LEVELS)
    level_of = _spread(level, above, len(p))
    places = np.flatnonzero((level_of > 0) | (votes > 0))
    n_codes = N_LEVELS * (n_raters + 1)
    code = level_of[places] * np.intp(n_raters + 1) + votes[places]
    n = _numbers(code, n_codes, len(p))
    p = p.astype(float)
    squares = p**2
    sums = [_sums(values, places, code, n_codes) for values in (p, squares)]
    return [
        (place // (n_raters + 1), n_raters, place % (n_raters + 1), int(n[place]), *(float(one[place]) for one in sums))
        for place in np.flatnonzero(n).tolist()
    ]


def uncertainty_bins(
    uncertainty: np.ndarray, wrong: np.ndarray, n_marked: np.ndarray, n_raters: int, counted: np.ndarray
) -> list[tuple[int | float, ...]]:
    """How often a model errs, and how much raters disagree, where it is uncertain.

    Args:
        uncertainty: `(*spatial)` float in [0, 1].
        wrong: Boolean `(*spatial)`: mask and reference differ.
        n_marked: `(*spatial)`, how many raters marked a pixel.
        n_raters: How many there are.
        counted: Boolean `(*spatial)`; other pixels are left out.

    Returns:
        Bin, pixels, sum of the uncertainty, errors, sum of the disagreement 4 v (1 - v), where v is the share of the
        raters that marked a pixel; NaN with fewer than two raters.

    Example:
        >>> wrong = np.array([True, False])
        >>> uncertainty_bins(np.array([1.0, 0.0]), wrong, np.array([1, 2]), 2, np.ones(2, dtype=bool))
        [(0, 1, 0.0, 0, 0.0), (49, 1, 1.0, 1, 1.0)]
    """
    u, is_wrong, votes = _counted(counted, uncertainty, wrong, n_marked)
    above, code = _bins(u, N_UNCERTAINTY_BINS)
    n = _numbers(code, N_UNCERTAINTY_BINS, len(u))
    sum_uncertainty = _sums(u.astype(float), above, code, N_UNCERTAINTY_BINS)
    n_wrong = _numbers(code[is_wrong[above]], N_UNCERTAINTY_BINS, int(is_wrong.sum()))
    sum_disagreement = np.full(N_UNCERTAINTY_BINS, np.nan)
    if n_raters > 1:
        drawn = np.flatnonzero(votes)
        share = votes[drawn] / n_raters
        bins = _spread(code, above, len(u))[drawn]
        sum_disagreement = np.bincount(bins, weights=4 * share * (1 - share), minlength=N_UNCERTAINTY_BINS)
    present = np.flatnonzero(n)
    columns = (column[present].tolist() for column in (n, sum_uncertainty, n_wrong, sum_disagreement))
    return list(zip(present.tolist(), *columns, strict=True))


def _counted(counted: np.ndarray, *arrays: np.ndarray) -> Iterator[np.ndarray]:
    """The pixels of arrays that count, `(n,)`: all of them in most images."""
    everything = bool(counted.all())
    return (array.reshape(-1) if everything else array[counted] for array in arrays)


def _bins(values: np.ndarray, n_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the values `(n,)` above the first bin, which holds most pixels of most maps, and their bins.

    The edges are rounded as the values are, so that a float32 of .05 is .05.
    """
    edges = (np.arange(1, n_bins) / n_bins).astype(values.dtype)
    places = np.flatnonzero(values > edges[0])
    above = values[places]
    bins = np.ones(len(above), dtype=np.uint8)
    for edge in edges[1:]:  # in less time than a search for each value
        bins += above > edge
    return places, bins


def _spread(bins: np.ndarray, places: np.ndarray, n: int) -> np.ndarray:
    """Bin of each of n values, 0 where `places` does not say another."""
    spread = np.zeros(n, dtype=np.uint8)
    spread[places] = bins
    return spread


def _numbers(bins: np.ndarray, n_bins: int, n: int) -> np.ndarray:
    """How many of n values are in each bin; those without a number in `bins` are in the first."""
    numbers = np.bincount(bins, minlength=n_bins)
    numbers[0] += n - len(bins)
    return numbers


def _sums(values: np.ndarray, places: np.ndarray, bins: np.ndarray, n_bins: int) -> np.ndarray:
    """Sum of the values `(n,)` of each bin, from the first value to the last; those elsewhere are in the first bin.

    Values at `places` are 0 afterwards.
    """
    sums = np.bincount(bins, weights=values[places], minlength=n_bins)
    values[places] = 0
    sums[0] = _sum_in_order(values)
    return sums


def _sum_in_order(values: np.ndarray) -> float:
    """Sum of values `(n,)` from the first to the last, as `np.bincount` adds them.

    The product of a sparse row does that several times as fast, for it keeps its sum in a register.
    """
    row = csr_array((values, np.zeros(len(values), dtype=np.int32), [0, len(values)]), shape=(1, 1))
    return float((row @ np.ones(1))[0])

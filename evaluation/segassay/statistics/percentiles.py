"""Exact percentiles of more numbers than fit into memory, read twice in parts.

parts of float32 numbers -> counts of their leading 16 bits -> counts of the other 16 bits of the few ranks that matter
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

_HALF = 2**16


def percentiles_of_parts(read: Callable[[], Iterable[np.ndarray]], percentiles: Sequence[float]) -> np.ndarray:
    """Percentiles as `numpy.percentile` gives them for all numbers at once, by linear interpolation.

    Args:
        read: Gives the parts, arrays of finite numbers of any shape; called twice. Numbers are taken as float32.
        percentiles: From 0 to 100.

    Returns:
        float64, one per percentile; and last the maximum.

    Raises:
        ValueError: If there is no number.

    Example:
        >>> parts = [np.array([4.0, 1.0]), np.array([2.0, 3.0])]
        >>> percentiles_of_parts(lambda: parts, [50, 75]).tolist(), np.percentile([1, 2, 3, 4], [50, 75]).tolist()
        ([2.5, 3.25, 4.0], [2.5, 3.25])
    """
    leading = np.zeros(_HALF, dtype=np.int64)
    for part in read():
        leading += np.bincount(_keys(part) >> 16, minlength=_HALF)
    n = int(leading.sum())
    if not n:
        raise ValueError("there is no number")
    places = [(n - 1) * (percentile / 100) for percentile in percentiles]
    ranks = sorted({rank for place in places for rank in (int(place), min(int(place) + 1, n - 1))} | {n - 1})
    before = np.cumsum(leading) - leading
    of_rank = {rank: int(np.searchsorted(before, rank, side="right")) - 1 for rank in ranks}
    of_rank = {rank: int(np.flatnonzero(leading[: first + 1])[-1]) for rank, first in of_rank.items()}
    following = {first: np.zeros(_HALF, dtype=np.int64) for first in of_rank.values()}
    for part in read():
        keys = _keys(part)
        for first, counts in following.items():
            counts += np.bincount(keys[keys >> 16 == first] & (_HALF - 1), minlength=_HALF)
    values = {rank: _value(first, following[first], rank - int(before[first])) for rank, first in of_rank.items()}
    return np.array([*(_between(values, place, n) for place in places), values[n - 1]], dtype=np.float64)


def _keys(part: np.ndarray) -> np.ndarray:
    """Whole numbers `(n,)` in the order of the float32 numbers; 0 and -0 are equal."""
    bits = (part.astype(np.float32).ravel() + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(2**31))


def _value(first: int, counts: np.ndarray, rank: int) -> float:
    """Number with these leading bits that has a rank among them."""
    last = int(np.searchsorted(np.cumsum(counts), rank, side="right"))
    key = np.uint32(first * _HALF + last)
    bits = key ^ np.uint32(2**31) if key >> np.uint32(31) else ~key
    return float(np.asarray(bits).view(np.float32))


def _between(values: dict[int, float], place: float, n: int) -> float:
    """Linear interpolation, to the last bit as numpy's."""
    low, high = values[int(place)], values[min(int(place) + 1, n - 1)]
    part, step = place - int(place), float(np.float32(high - low))
    return high - step * (1 - part) if part >= 0.5 else low + step * part

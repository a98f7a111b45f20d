"""Ranks of values, averaged over ties; and the value at a rank among all differences of two samples."""

from collections.abc import Callable

import numpy as np


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value, from 1; equal values share the mean of their ranks.

    The same as `scipy.stats.rankdata`, which takes many times as long for the few values of one test.

    Args:
        values: `(n,)`, without NaN.

    Returns:
        float64 `(n,)`; empty for no values.

    Example:
        >>> average_ranks(np.array([0.3, 0.1, 0.3, 0.7]))
        array([2.5, 1. , 2.5, 4. ])
    """
    _, place, n = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(n) - (n - 1) / 2)[place])


_FEW = 1 << 16
"""Differences that are sorted as they are."""


def weight_below(weights: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weight of all values below each of some numbers, and half of that of equal values, without comparing all pairs.

    Args:
        weights: `(B, n)`, of many resamples.
        values: `(n,)`, finite.
        at: `(m,)`, finite.

    Returns:
        float64 `(B, m)`.

    Example:
        >>> weight_below(np.array([[1.0, 2.0, 4.0]]), np.array([5, 1, 5]), np.array([0, 5, 9]))
        array([[0. , 4.5, 7. ]])
    """
    order = np.argsort(values, kind="stable")
    until = np.zeros((len(weights), len(values) + 1))
    np.cumsum(np.asarray(weights, dtype=float)[:, order], axis=1, out=until[:, 1:])
    in_order = np.asarray(values)[order]
    below, not_above = (until[:, np.searchsorted(in_order, at, side)] for side in ("left", "right"))
    return np.asarray((below + not_above) / 2)


def ranked_difference(x: np.ndarray, y: np.ndarray, rank: int) -> float:
    """The difference y_j - x_i at a rank, as sorting all of them would find it, without making all of them.

    Differences of sorted values grow along each row of their table. The median of the rows' medians leaves out a
    quarter of what is left; equal values of a sample are one row or column that counts several times.

    Args:
        x: `(n_1,)`, finite, at least one value.
        y: `(n_2,)`, likewise.
        rank: From 0 to n_1 n_2 - 1.

    Example:
        The third smallest of 9, 8, 19 and 18:

        >>> ranked_difference(np.array([1, 2]), np.array([10, 20]), 2)
        18.0

    References:
        Johnson & Mizoguchi (1978), SIAM J. Comput. 7(2):147-153, doi:10.1137/0207013; Monahan (1984), ACM Trans. Math.
        Softw. 10(3):265-270, doi:10.1145/1271.319414.
    """
    x, of_row = np.unique(np.asarray(x, dtype=float), return_counts=True)
    y, of_column = np.unique(np.asarray(y, dtype=float), return_counts=True)
    before = np.concatenate([[0], np.cumsum(of_column)])  # values of y before each column
    low, high = np.zeros(len(x), dtype=np.int64), np.full(len(x), len(y))
    while (n_left := int((high - low).sum())) > _FEW:
        rows = np.flatnonzero(high > low)
        medians = y[(low[rows] + high[rows]) // 2] - x[rows]
        order = np.argsort(medians, kind="stable")
        half = np.searchsorted(np.cumsum((high - low)[rows][order]), n_left / 2)
        pivot = medians[order[half]]
        below = _columns_until(x, y, low, high, pivot, np.less)
        until = _columns_until(x, y, below, high, pivot, np.less_equal)
        if rank < of_row @ before[below]:
            high = below
        elif rank >= of_row @ before[until]:
            low = until
        else:
            return float(pivot)
    row = np.repeat(np.arange(len(x)), high - low)
    column = np.arange(n_left) - np.repeat(np.cumsum(high - low) - high, high - low)
    differences = y[column] - x[row]
    order = np.argsort(differences, kind="stable")
    reached = of_row @ before[low] + np.cumsum((of_row[row] * of_column[column])[order])
    return float(differences[order[np.searchsorted(reached, rank, side="right")]])


def _columns_until(
    x: np.ndarray, y: np.ndarray, low: np.ndarray, high: np.ndarray, pivot: float, holds: Callable[..., np.ndarray]
) -> np.ndarray:
    """In each row the first column, from `low` to `high`, whose difference is not (or not equal and not) below a pivot.

    The differences themselves are compared, as they are rounded: `y < x + pivot` is rounded otherwise.
    """
    low, high = low.copy(), high.copy()
    for _ in range(int((high - low).max()).bit_length()):
        middle = (low + high) // 2
        inside = low < high
        further = inside & holds(y[np.minimum(middle, len(y) - 1)] - x, pivot)
        low = np.where(further, middle + 1, low)
        high = np.where(inside & ~further, middle, high)
    return low

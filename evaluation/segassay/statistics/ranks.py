"""Ranks of values, averaged over ties."""

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

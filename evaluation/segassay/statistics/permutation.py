"""Sign-flip test of paired differences: exact for few clusters, else by random signs with a seed.

differences (n,), clusters (n,)  ->  two-sided p
"""

import numpy as np

__all__ = ["EXACT_UP_TO", "sign_flip_p"]

EXACT_UP_TO = 15
"""Clusters up to which all combinations of signs are counted."""

_N_DRAWN = 20_000


def sign_flip_p(differences: np.ndarray, clusters: np.ndarray | None = None, *, seed: int = 0) -> float:
    """Two-sided p of a mean difference of 0, if the sign of each cluster's differences is arbitrary.

    Args:
        differences: `(n,)`; NaN is left out.
        clusters: `(n,)`, subject of each case; all cases of one have their sign flipped together. By default each case
            is one of its own.
        seed: Of the random signs, used above `EXACT_UP_TO` clusters.

    Returns:
        In (0, 1]; with n clusters not below 2 / 2ⁿ; the same however clusters are named and ordered. NaN without a
        difference that is not NaN.

    Raises:
        ValueError: If the shapes differ.

    Example:
        Darwin's 15 pairs of cross- and self-fertilised plants, in eighths of an inch:

        >>> darwin = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
        >>> round(sign_flip_p(darwin), 5)
        0.05267

    References:
        Fisher (1935), The Design of Experiments, section 21.
    """
    values = np.asarray(differences, dtype=float)
    names = np.arange(len(values)) if clusters is None else np.asarray(clusters)
    if values.ndim != 1 or names.shape != values.shape:
        raise ValueError(f"expected one difference and cluster per case, got {values.shape} and {names.shape}")
    known = ~np.isnan(values)
    if not known.any():
        return float("nan")
    sums = np.bincount(np.unique(names[known], return_inverse=True)[1], weights=values[known])
    observed, rounding = abs(sums.sum()), 1e-9 * np.abs(sums).sum()
    if len(sums) <= EXACT_UP_TO:
        signs = 1 - 2 * (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1)
        return float((np.abs(signs @ sums) >= observed - rounding).mean())
    signs = np.random.default_rng(seed).choice([-1, 1], size=(_N_DRAWN, len(sums)))
    sizes = np.sort(np.abs(sums))  # so that neither names nor order of clusters matter
    return float((1 + (np.abs(signs @ sizes) >= observed - rounding).sum()) / (1 + _N_DRAWN))

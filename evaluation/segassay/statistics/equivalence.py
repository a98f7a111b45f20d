"""Equivalence of two mean amounts as a ratio, where neither of the two is known without error.

    a (N,), b (N,): one number per case from each  ->  mean(a) / mean(b), its interval, and p

A margin that is a share of a mean estimated from the same cases is itself uncertain; the tests here allow for that.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

__all__ = ["RatioEquivalence", "ratio_equivalence"]


@dataclass(frozen=True)
class RatioEquivalence:
    """Two one-sided tests that a ratio of means lies within a margin of 1.

    Attributes:
        n: Cases that have both numbers.
        ratio: Mean of `a` divided by the mean of `b`.
        low: Lower end of Fieller's 90 % interval; NaN where it has no end.
        high: Its upper end.
        margin: Largest deviation of the ratio from 1 that does not matter.
        p_value: The larger of the two one-sided p; below .05 exactly where the interval lies within the margin.
    """

    n: int
    ratio: float
    low: float
    high: float
    margin: float
    p_value: float


def ratio_equivalence(a: np.ndarray, b: np.ndarray, *, margin: float) -> RatioEquivalence:
    """Test that the means of paired amounts differ by less than a share of the second, fixed beforehand.

    The tests are one-sample t tests of `a - (1 - margin) b`, which should be above 0, and `a - (1 + margin) b`, below.

    Args:
        a: `(N,)`, 0 or more.
        b: `(N,)`, of the same cases, 0 or more; a case with NaN in either is left out.
        margin: Above 0 and below 1.

    Returns:
        The ratio, its interval and p; NaN below 2 cases, or where the mean of `b` is 0. Without any spread p is 0
        inside the margin, else 1.

    Raises:
        ValueError: If the shapes differ, an amount is negative, or the margin is not between 0 and 1.

    Example:
        >>> found = ratio_equivalence([11.0, 12.0, 9.0, 12.0], [10.0, 12.0, 8.0, 10.0], margin=0.3)
        >>> round(found.ratio, 2), bool(found.p_value < 0.05)
        (1.1, True)

    References:
        Fieller (1954), J. R. Stat. Soc. B 16(2):175-185, doi:10.1111/j.2517-6161.1954.tb00159.x; Sasabuchi (1980),
        Biometrika 67(2):429-439, doi:10.1093/biomet/67.2.429.
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin must be between 0 and 1, got {margin}")
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"expected one number per case from each, shapes (n,) and (n,), got {a.shape} and {b.shape}")
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if (a < 0).any() or (b < 0).any():
        raise ValueError("amounts must be 0 or more, got a negative one")
    if a.size < 2 or not b.any():
        return RatioEquivalence(a.size, math.nan, math.nan, math.nan, margin, math.nan)
    low, high = _fieller(a, b, float(special.stdtrit(a.size - 1, 0.95)))
    p_value = max(_p_above(a - (1 - margin) * b), _p_above((1 + margin) * b - a))
    return RatioEquivalence(a.size, float(a.mean() / b.mean()), low, high, margin, p_value)


def _fieller(a: np.ndarray, b: np.ndarray, t: float) -> tuple[float, float]:
    """Ends of the set of all ratios that a t test does not reject; NaN where that set is not an interval."""
    (aa, ab), (_, bb) = np.cov(a, b) * t**2 / a.size
    square, product, constant = b.mean() ** 2 - bb, a.mean() * b.mean() - ab, a.mean() ** 2 - aa
    if square <= 0:
        return math.nan, math.nan
    reach = math.sqrt(max(product**2 - square * constant, 0.0))
    return float((product - reach) / square), float((product + reach) / square)


def _p_above(values: np.ndarray) -> float:
    """One-sided p that the mean is above 0."""
    mean, se = float(values.mean()), float(values.std(ddof=1) / math.sqrt(values.size))
    if se <= 1e-12 * float(np.abs(values).max()):
        return float(mean <= 0)
    return float(special.stdtr(values.size - 1, -mean / se))

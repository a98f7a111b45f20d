"""Equivalence of two mean amounts as a ratio, where neither of the two is known without error.

    a (N,), b (N,): one number per case from each  ->  mean(a) / mean(b), its interval, and p

A margin that is a share of a mean estimated from the same cases is itself uncertain; the tests here allow for that.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

__all__ = ["RatioEquivalence", "ratio_equivalence"]

MIN_UNITS = 10
COCHRAN = 25
"""Cochran's rule: the mean of n values is close enough to normal if n is above 25 skewness²."""


def gap_of(n: int, skewness: float) -> str:
    """Why t tests of so few, or so skewed, differences cannot be relied on; empty where they can.

    Args:
        n: Differences.
        skewness: m3 / m2^(3/2); NaN where all differences are equal.

    Example:
        >>> gap_of(12, 0.4), gap_of(12, 1.0)
        ('', 'skewness 1.0, which needs more than 25 units; there are 12')
    """
    if n < MIN_UNITS:
        return f"{n} units, {MIN_UNITS} are needed to see how skewed the differences are"
    if math.isnan(skewness):
        return "all differences are equal, so it is unknown how much they vary"
    needed = math.floor(COCHRAN * skewness**2)
    return f"skewness {skewness:.1f}, which needs more than {needed} units; there are {n}" if n <= needed else ""


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
        skewness: The larger skewness, up or down, of what the two tests compare with 0; NaN without any spread.
    """

    n: int
    ratio: float
    low: float
    high: float
    margin: float
    p_value: float
    skewness: float = math.nan

    @property
    def gap(self) -> str:
        """Why the tests cannot be relied on, see `gap_of`; empty where they can."""
        return gap_of(self.n, self.skewness)


def ratio_equivalence(a: np.ndarray, b: np.ndarray, *, margin: float) -> RatioEquivalence:
    """Test that the means of paired amounts differ by less than a share of the second, fixed beforehand.

    The tests are one-sample t tests of `a - (1 - margin) b`, which should be above 0, and `a - (1 + margin) b`, below.
    Where most amounts are equal and a few are far off, a small sample misses the few, and t tests call up to half of
    such amounts equivalent that are not: `gap` says where they cannot be relied on, as in `methods.equivalence_test`.

    Args:
        a: `(N,)`, 0 or more.
        b: `(N,)`, of the same cases, 0 or more; a case with NaN in either is left out.
        margin: Above 0 and below 1.

    Returns:
        The ratio, its interval and p; all NaN below 2 cases, or where the mean of `b` is 0. Where all cases have the
        same ratio, interval and p are NaN: nothing says how much it varies.

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
    ratio = float(a.mean() / b.mean())
    if np.abs(a - ratio * b).max() <= 1e-12 * max(a.max(), ratio * b.max()):
        return RatioEquivalence(a.size, ratio, math.nan, math.nan, margin, math.nan)
    low, high = _fieller(a, b, float(special.stdtrit(a.size - 1, 0.95)))
    both = a - (1 - margin) * b, (1 + margin) * b - a
    skewness = max(map(_skewness, both), key=abs)
    return RatioEquivalence(a.size, ratio, low, high, margin, max(map(_p_above, both)), skewness)


def _fieller(a: np.ndarray, b: np.ndarray, t: float) -> tuple[float, float]:
    """Ends of the set of all ratios that a t test does not reject; NaN where that set is not an interval."""
    (aa, ab), (_, bb) = np.cov(a, b) * t**2 / a.size
    square, product, constant = b.mean() ** 2 - bb, a.mean() * b.mean() - ab, a.mean() ** 2 - aa
    if square <= 0:
        return math.nan, math.nan
    reach = math.sqrt(max(product**2 - square * constant, 0.0))
    return float((product - reach) / square), float((product + reach) / square)


def _skewness(values: np.ndarray) -> float:
    """m3 / m2^(3/2); NaN without any spread."""
    away = values - values.mean()
    spread = math.sqrt(float((away**2).mean()))
    return float((away**3).mean()) / spread**3 if spread > 1e-12 * float(np.abs(values).max()) else math.nan


def _p_above(values: np.ndarray) -> float:
    """One-sided p that the mean is above 0."""
    mean, se = float(values.mean()), float(values.std(ddof=1) / math.sqrt(values.size))
    if se <= 1e-12 * float(np.abs(values).max()):
        return float(mean <= 0)
    return float(special.stdtr(values.size - 1, -mean / se))

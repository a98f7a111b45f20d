"""Agreement of two methods of measurement: limits of agreement, concordance, equivalence.

    a (N,), b (N,): one number per case from each  ->  how much they differ, in the unit of the measurement

Cases with a NaN in either number are left out; callers count them. Cases are assumed to be independent: give the means
of subjects if a subject has several cases.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from scipy import special

from segassay.statistics.equivalence import gap_of
from segassay.statistics.intervals import Interval, mean_interval
from segassay.statistics.jackknife import SPREAD, jackknife_t

__all__ = ["BlandAltman", "Equivalence", "bland_altman", "equivalence_test", "limit_of_agreement", "lins_ccc"]


@dataclass(frozen=True)
class BlandAltman:
    """Differences `a - b` and the limits within which 95 of 100 are expected.

    Attributes:
        n: Cases that have both numbers.
        bias: Mean difference.
        sd: Standard deviation of the differences.
        low: Lower limit of agreement, `bias - 1.96 sd`.
        high: Upper limit.
        bias_se: Standard error of the bias.
        limit_se: Standard error of either limit, `sd √(3/n)`.
        bias_interval: 95 % t interval of the bias.
        low_interval: 95 % t interval of the lower limit.
        high_interval: 95 % t interval of the upper limit.
        slope: Change of the difference per unit of the mean of both; not 0 where the bias is proportional.
        slope_p: Two-sided p of a slope of 0.
    """

    n: int
    bias: float
    sd: float
    low: float
    high: float
    bias_se: float
    limit_se: float
    bias_interval: tuple[float, float]
    low_interval: tuple[float, float]
    high_interval: tuple[float, float]
    slope: float
    slope_p: float


def bland_altman(a: np.ndarray, b: np.ndarray) -> BlandAltman:
    """Limits of agreement between two ways of measuring.

    Args:
        a: `(N,)`.
        b: `(N,)`, of the same cases.

    Returns:
        Bias and limits with their errors; NaN where fewer than 2 cases (for the slope 3) have both numbers, or where
        all means are equal.

    Raises:
        ValueError: If the shapes differ.

    Example:
        Peak flow of 17 subjects by two meters:

        >>> wright = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
        >>> mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
        >>> found = bland_altman(wright, mini)
        >>> round(found.bias, 1), round(found.sd, 1), round(found.bias_se, 1), round(found.limit_se, 1)
        (-2.1, 38.8, 9.4, 16.3)

    References:
        Bland & Altman (1986), Lancet 327(8476):307-310, doi:10.1016/S0140-6736(86)90837-8.
    """
    a, b = _both(a, b)
    n, difference, mean = a.size, a - b, (a + b) / 2
    if n < 2:
        nan = np.nan
        return BlandAltman(n, nan, nan, nan, nan, nan, nan, (nan, nan), (nan, nan), (nan, nan), nan, nan)
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    bias_se, limit_se = sd / math.sqrt(n), sd * math.sqrt(3 / n)
    low, high, t = bias - 1.96 * sd, bias + 1.96 * sd, float(scipy.stats.t.ppf(0.975, n - 1))
    slope, slope_p = np.nan, np.nan
    if n > 2 and np.ptp(mean) > 0:
        line = scipy.stats.linregress(mean, difference)
        slope, slope_p = float(line.slope), float(line.pvalue)
    return BlandAltman(
        n=n,
        bias=bias,
        sd=sd,
        low=low,
        high=high,
        bias_se=bias_se,
        limit_se=limit_se,
        bias_interval=(bias - t * bias_se, bias + t * bias_se),
        low_interval=(low - t * limit_se, low + t * limit_se),
        high_interval=(high - t * limit_se, high + t * limit_se),
        slope=slope,
        slope_p=slope_p,
    )


def limit_of_agreement(
    a: np.ndarray, b: np.ndarray, clusters: np.ndarray, *, z: float = 1.96, level: float = 0.95
) -> Interval:
    """One limit of agreement, bias plus z standard deviations, with an interval over clusters for any distribution.

    The intervals of the bias and of the standard deviation are joined (MOVER), because the limit itself is skewed.

    Args:
        a: `(N,)`, NaN = undefined.
        b: `(N,)`, of the same cases.
        clusters: `(N,)`, name of each case's subject, or of the case itself.
        z: -1.96 for the lower limit, 1.96 for the upper one.
        level: Coverage of the interval.

    Returns:
        The limit as in `bland_altman`; its method `MOVER`, without an interval where all differences are equal.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> wright = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
        >>> mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
        >>> found = limit_of_agreement(wright, mini, np.arange(17), z=1.96)
        >>> round(found.value, 1), found.method
        (73.9, 'MOVER')

    References:
        Zou (2013), Stat. Methods Med. Res. 22(6):630-642, doi:10.1177/0962280211402548.
    """
    return limits_of_agreement_at((z,), a, b, clusters, level=level)[0]


def limits_of_agreement_at(
    z: Sequence[float], a: np.ndarray, b: np.ndarray, clusters: np.ndarray, *, level: float = 0.95
) -> list[Interval]:
    """`limit_of_agreement` of each z; the bias and the standard deviation are computed once.

    Args:
        z: Numbers of standard deviations from the bias.
        a: As for `limit_of_agreement`.
        b: As for `limit_of_agreement`.
        clusters: As for `limit_of_agreement`.
        level: Coverage of the intervals.
    """
    difference = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    bias = mean_interval(difference, clusters, level)
    sd = jackknife_t(_sd, difference, clusters, SPREAD, level=level)
    return [_limit(bias, sd, one) for one in z]


def _limit(bias: Interval, sd: Interval, z: float) -> Interval:
    value, low, high = bias.value + z * sd.value, math.nan, math.nan
    ends = sorted((z * (sd.low - sd.value), z * (sd.high - sd.value)))
    if math.isfinite(bias.low) and math.isfinite(sd.low):
        low = value - math.hypot(bias.value - bias.low, ends[0])
        high = value + math.hypot(bias.high - bias.value, ends[1])
    method = "MOVER" if math.isfinite(low) else sd.method
    return Interval(value, low, high, method, sd.n_cases, sd.n_undefined, sd.approximate)


def _sd(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Standard deviation over weighted cases, one per row of weights; NaN below two cases."""
    n, centred = weights.sum(axis=1), values - values.mean()
    square = weights @ centred**2 - (weights @ centred) ** 2 / n
    return np.sqrt(np.where(square > 1e-12 * (values**2).sum(), square, 0.0) / np.where(n > 1, n - 1, math.nan))


def lins_ccc(a: np.ndarray, b: np.ndarray) -> float:
    """Lin's concordance correlation: how close pairs of numbers are to the line of equality.

    Args:
        a: `(N,)`.
        b: `(N,)`, of the same cases.

    Returns:
        In [-1, 1], with variances over N as in the article; NaN below 2 cases, or where all numbers are equal.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> lins_ccc([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), round(lins_ccc([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]), 3)
        (1.0, 0.571)

    References:
        Lin (1989), Biometrics 45(1):255-268, doi:10.2307/2532051.
    """
    a, b = _both(a, b)
    if a.size < 2:
        return np.nan
    spread = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    return float(2 * ((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else np.nan


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests that a mean difference lies within a margin.

    Attributes:
        n: Cases that have both numbers.
        difference: Mean of `a - b`.
        low: Lower end of the 90 % t interval; the test at .05 asks whether the whole interval lies in the margin.
        high: Its upper end.
        margin: Largest difference that does not matter.
        p_value: The larger of the two one-sided p.
        skewness: Skewness of the differences, m3 / m2^(3/2); NaN without any spread.
    """

    n: int
    difference: float
    low: float
    high: float
    margin: float
    p_value: float
    skewness: float = math.nan

    @property
    def gap(self) -> str:
        """Why a t interval of so few, or so skewed, differences cannot be relied on; empty where it can."""
        return gap_of(self.n, self.skewness)


def equivalence_test(a: np.ndarray, b: np.ndarray, *, margin: float) -> Equivalence:
    """Test that paired measurements differ by less than a margin that was fixed beforehand.

    A t test of a mean is unreliable where differences are skewed: if most are small and some large, a small sample
    misses the large ones and looks equivalent. With true differences at the margin, where 5 % of samples may pass, 13 %
    of exponential, 20 % of lognormal and 31 % of mostly zero differences do (10 cases). `gap` therefore follows
    Cochran's rule, n > 25 skewness², and asks for 10 cases; of those without a gap about 5 % pass, 8 % if lognormal
    (10 cases, skewness 6), and 26 % if one case in ten is far off and all others are alike: a third of all samples of
    ten cases holds none of these.

    Args:
        a: `(N,)`.
        b: `(N,)`, of the same cases.
        margin: In the unit of the measurements, above 0; chosen by what matters in the experiment, never by the data.

    Returns:
        The difference, its 90 % interval and p; both NaN below 2 cases, and without any spread, which decides nothing.

    Raises:
        ValueError: If the shapes differ or the margin is not above 0.

    Example:
        >>> found = equivalence_test([10.1, 9.8, 10.3, 10.0], [10.0, 10.0, 10.1, 9.9], margin=1.0)
        >>> round(found.difference, 3), bool(found.p_value < 0.05), found.gap
        (0.05, True, '4 units, 10 are needed to see how skewed the differences are')

    References:
        Schuirmann (1987), J. Pharmacokinet. Biopharm. 15(6):657-680, doi:10.1007/BF01068419; Cochran (1977), Sampling
        Techniques, 3rd ed., section 2.15.
    """
    if not margin > 0:
        raise ValueError(f"margin must be above 0, got {margin}")
    a, b = _both(a, b)
    n, difference = a.size, a - b
    if n < 2:
        return Equivalence(n, np.nan, np.nan, np.nan, margin, np.nan)
    mean, se = float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(n))
    if se <= 1e-12 * abs(mean):
        return Equivalence(n, mean, np.nan, np.nan, margin, np.nan)
    reach = float(special.stdtrit(n - 1, 0.95)) * se
    p_value = float(max(special.stdtr(n - 1, -(mean + margin) / se), special.stdtr(n - 1, (mean - margin) / se)))
    return Equivalence(n, mean, mean - reach, mean + reach, margin, p_value, float(scipy.stats.skew(difference)))


def _both(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cases that have both numbers."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"expected one number per case from each, shapes (n,) and (n,), got {a.shape} and {b.shape}")
    known = np.isfinite(a) & np.isfinite(b)
    return a[known], b[known]

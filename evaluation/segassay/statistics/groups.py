"""Tests between groups of measurements, each a small pure function.

    groups of values (n,) float  ->  statistic, p-value, effect size

Conventions, chosen to reproduce published numbers: ranks are averaged over ties, asymptotic p-values are corrected for
ties, the effect size of a Mann-Whitney test is not. Values must be finite: leave undefined values out, and count them,
before the call. A group without values gives NaN, not an error.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import scipy
from scipy import special

from segassay.statistics.ranks import average_ranks, ranked_difference

MAX_N_FOR_EXACT_P = 20
MAX_N_FOR_EXACT_INTERVAL = 50
MIN_N_FOR_RANKS = 6

_NO_LIMITS = (math.nan, math.nan)


@dataclass(frozen=True)
class KruskalWallis:
    """H, corrected for ties, its χ² p-value, and two effect sizes; `eta_squared` may lie below 0 by chance."""

    statistic: float
    p_value: float
    epsilon_squared: float
    eta_squared: float


@dataclass(frozen=True)
class MannWhitney:
    """U of the first sample, its two-sided p-values and effect sizes.

    Attributes:
        statistic: U of the first sample: number of pairs in which its value is the larger, ties count half.
        p_value: Asymptotic, with continuity and tie correction.
        p_exact: From all permutations; NaN with ties or with more than 20 values in all.
        z: Standardised U without continuity and without tie correction.
        eta_squared: z² / N, N values in all.
        rank_biserial: From -1 to 1, above 0 where the *first* sample is the larger.
    """

    statistic: float
    p_value: float
    p_exact: float
    z: float
    eta_squared: float
    rank_biserial: float


@dataclass(frozen=True)
class UnequalSpread:
    """t of a test that lets the spread of the two samples differ, its degrees of freedom and its two-sided p-value."""

    statistic: float
    df: float
    p_value: float


@dataclass(frozen=True)
class Shift:
    """Hodges-Lehmann shift of the second sample against the first; NaN limits where the level cannot be reached."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Grubbs:
    """Largest deviation from the mean, in standard deviations.

    Attributes:
        statistic: G; NaN below three values or where all are equal.
        critical: G above which the value counts as an outlier.
        index: Position of the most deviating value, -1 if G is undefined.
        outlier: Whether G is above the critical value.
    """

    statistic: float
    critical: float
    index: int
    outlier: bool


@dataclass(frozen=True, eq=False)
class MixedModel:
    """Group means with a random effect of subject, fitted by REML.

    Attributes:
        mean: float64 `(k,)`, one per group; NaN for a group without values.
        variance_of_mean: float64 `(k,)`; means of different groups are independent.
        variance_subject: Variance between subjects of one group, 0 at the boundary.
        variance_residual: Variance within a subject.
        df: Number of subjects - number of groups; below 1, nothing can be tested.
    """

    mean: np.ndarray
    variance_of_mean: np.ndarray
    variance_subject: float
    variance_residual: float
    df: int


def kruskal_wallis(groups: Sequence[np.ndarray]) -> KruskalWallis:
    """Kruskal-Wallis test: do the values of some group tend to be larger than those of another?

    Args:
        groups: Arrays of shape `(n_i,)`; empty ones are ignored.

    Returns:
        H with p from χ² on k - 1 degrees of freedom, ε² = H/(n - 1) and η²_H = (H - k + 1)/(n - k), not floored. With
        fewer than two groups that have values all are NaN; where all values are equal H is 0 and p is 1.

    Raises:
        ValueError: If a value is not finite.

    Example:
        Hollander & Wolfe (1973), p. 116, clearance of mucus:

        >>> result = kruskal_wallis([[2.9, 3, 2.5, 2.6, 3.2], [3.8, 2.7, 4, 2.4], [2.8, 3.4, 3.7, 2.2, 2]])
        >>> round(result.statistic, 6), round(result.p_value, 6), round(result.epsilon_squared, 4)
        (0.771429, 0.679965, 0.0593)

    References:
        Kruskal & Wallis (1952), J. Am. Stat. Assoc. 47(260):583-621, doi:10.1080/01621459.1952.10483441. Effect sizes:
        Tomczak & Tomczak (2014), Trends in Sport Sciences 21(1):19-25.
    """
    samples = [sample for sample in map(_finite, groups) if len(sample)]
    k, n = len(samples), sum(map(len, samples))
    if k < 2:
        return KruskalWallis(math.nan, math.nan, math.nan, math.nan)
    ranks = average_ranks(np.concatenate(samples))
    group = np.repeat(np.arange(k), [len(sample) for sample in samples])
    rank_sum = np.bincount(group, weights=ranks)
    between = float(((rank_sum / np.bincount(group) - (n + 1) / 2) ** 2 * np.bincount(group)).sum())
    total = float(((ranks - (n + 1) / 2) ** 2).sum())
    h = (n - 1) * between / total if total else 0.0
    eta_squared = (h - k + 1) / (n - k) if n > k else math.nan
    return KruskalWallis(h, float(special.chdtrc(k - 1, max(h, 0.0))), h / (n - 1), eta_squared)


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(
            f"values must be finite and of shape (n,), got {values}; leave out undefined ones and count them"
        )
    return values


def mann_whitney(x: np.ndarray, y: np.ndarray) -> MannWhitney:
    """Mann-Whitney test: do the values of one sample tend to be larger than those of the other?

    Args:
        x: First sample, `(n_1,)`.
        y: Second sample, `(n_2,)`.

    Returns:
        U of `x`, p-values and effect sizes; all NaN if a sample is empty; p = 1 where all values are equal.

    Raises:
        ValueError: If a value is not finite.

    Example:
        Hollander & Wolfe (1973), p. 69, permeability of membranes:

        >>> x = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
        >>> result = mann_whitney(x, [1.15, 0.88, 0.90, 0.74, 1.21])
        >>> result.statistic, round(result.p_exact, 4), round(result.z, 4), round(result.eta_squared, 4)
        (35.0, 0.2544, 1.2247, 0.1)

    References:
        Mann & Whitney (1947), Ann. Math. Stat. 18(1):50-60, doi:10.1214/aoms/1177730491.
    """
    x, y = _finite(x), _finite(y)
    n_1, n_2, n = len(x), len(y), len(x) + len(y)
    if not n_1 or not n_2:
        return MannWhitney(math.nan, math.nan, math.nan, math.nan, math.nan, math.nan)
    ranks = average_ranks(np.concatenate([x, y]))
    u = float(ranks[:n_1].sum()) - n_1 * (n_1 + 1) / 2
    excess = u - n_1 * n_2 / 2
    z = excess / math.sqrt(n_1 * n_2 * (n + 1) / 12)
    sd = math.sqrt(n_1 * n_2 * float(((ranks - (n + 1) / 2) ** 2).sum()) / (n * (n - 1)))
    p_value = min(1.0, 2 * float(special.ndtr((0.5 - abs(excess)) / sd))) if sd else 1.0
    tied = len(np.unique(ranks)) < n
    p_exact = math.nan if tied or n > MAX_N_FOR_EXACT_P else _exact_p(u, n_1, n_2)
    return MannWhitney(u, p_value, p_exact, z, z * z / n, 2 * u / (n_1 * n_2) - 1)


def _exact_p(u: float, n_1: int, n_2: int) -> float:
    counts = _u_counts(n_1, n_2)
    tail = counts[: round(min(u, n_1 * n_2 - u)) + 1].sum()
    return min(1.0, 2 * float(tail) / float(counts.sum()))


@lru_cache(maxsize=256)
def _u_counts(n_1: int, n_2: int) -> np.ndarray:
    """int64 `(n_1 n_2 + 1,)`, in how many of all orders of the two samples U is 0, 1, 2 … (Gaussian binomial)."""
    counts = np.zeros(n_1 * n_2 + 1, dtype=np.int64)
    counts[0] = 1
    for i in range(1, n_1 + 1):
        counts[n_2 + i :] -= counts[: -(n_2 + i)].copy()
        for first in range(i):
            counts[first::i] = np.cumsum(counts[first::i])
    return counts


def brunner_munzel(x: np.ndarray, y: np.ndarray) -> UnequalSpread:
    """Brunner-Munzel test: is a value of one sample as often above a value of the other as below it?

    Unlike the Mann-Whitney test it does not assume that both samples have one spread.

    Args:
        x: First sample, `(n_1,)`.
        y: Second sample, `(n_2,)`.

    Returns:
        t, above 0 where the second sample is the larger, Satterthwaite's degrees of freedom and p. Samples that do not
        overlap have an infinite t and p = 0, samples of equal values t = 0 and p = 1; NaN below two values in either.

    Raises:
        ValueError: If a value is not finite.

    Example:
        Pain of patients by two treatments (Brunner & Munzel 2000):

        >>> found = brunner_munzel([1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1], [3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4])
        >>> round(found.statistic, 4), round(found.df, 3), round(found.p_value, 6)
        (3.1375, 17.683, 0.005786)

    References:
        Brunner & Munzel (2000), Biom. J. 42(1):17-25; the example is that of R's lawstat.
    """
    x, y = _finite(x), _finite(y)
    ranks = average_ranks(np.concatenate([x, y]))
    below_x = (ranks[: len(x)] - average_ranks(x)) / max(len(y), 1)  # share of the other sample below each value
    below_y = (ranks[len(x) :] - average_ranks(y)) / max(len(x), 1)
    return _of_unequal_spread(below_x, below_y, (below_y.mean() - 0.5) if len(y) else math.nan)


def welch(x: np.ndarray, y: np.ndarray) -> UnequalSpread:
    """Welch's t test: have two samples one mean, whatever their spread?

    Args:
        x: First sample, `(n_1,)`.
        y: Second sample, `(n_2,)`.

    Returns:
        t, above 0 where the second sample is the larger, Satterthwaite's degrees of freedom and p; without any spread p
        is 0, or 1 where the means are equal; NaN below two values in either.

    Raises:
        ValueError: If a value is not finite.

    Example:
        Hours of sleep gained with two drugs (Student 1908), as R compares them:

        >>> first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
        >>> found = welch(first, [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
        >>> round(found.statistic, 4), round(found.df, 3), round(found.p_value, 5)
        (1.8608, 17.776, 0.07939)

    References:
        Welch (1947), Biometrika 34(1-2):28-35, doi:10.1093/biomet/34.1-2.28.
    """
    x, y = _finite(x), _finite(y)
    return _of_unequal_spread(x, y, (y.mean() - x.mean()) if len(x) and len(y) else math.nan)


def _of_unequal_spread(x: np.ndarray, y: np.ndarray, difference: float) -> UnequalSpread:
    """A difference over its standard error from the variances of both samples."""
    if min(len(x), len(y)) < 2:
        return UnequalSpread(math.nan, math.nan, math.nan)
    parts = np.array([sample.var(ddof=1) / len(sample) for sample in (x, y)])
    if parts.sum() <= 1e-24 * max(difference**2, np.abs(np.concatenate([x, y])).max() ** 2):
        same = abs(difference) <= 1e-12 * np.abs(np.concatenate([x, y])).max()
        return UnequalSpread(0.0 if same else math.copysign(math.inf, difference), math.nan, float(same))
    df = float(parts.sum() ** 2 / (parts**2 / [len(x) - 1, len(y) - 1]).sum())
    t = float(difference) / math.sqrt(parts.sum())
    return UnequalSpread(t, df, 2 * float(special.stdtr(df, -abs(t))))


def unequal_spread_p(x: np.ndarray, y: np.ndarray) -> float:
    """p-value that allows two samples to have unequal spread: the check of a Mann-Whitney test.

    With 6 values of standard deviation 3 and 24 of standard deviation 1 around one mean, a Mann-Whitney test at .05
    rejects in 13 % of samples, and together with this one in 5 %. It is the Brunner-Munzel test; where the samples have
    unequal sizes and one is below 6 values, Welch's must reject, too, because a few values that all lie on one side by
    chance decide any test of ranks.

    Args:
        x: First sample, `(n_1,)`.
        y: Second sample, `(n_2,)`.

    Returns:
        p of Brunner and Munzel, or the larger of it and Welch's; NaN below two values in either sample.

    Example:
        Four scattered values that all lie above eleven others:

        >>> few, many = [5, 9, 25, 8], [1, 2, 3, 1.5, 2.5, 3.5, 4, 3.2, 2.2, 1.2, 2.8]
        >>> round(mann_whitney(few, many).p_value, 3), round(unequal_spread_p(few, many), 3)
        (0.005, 0.13)
    """
    p_value = brunner_munzel(x, y).p_value
    few_and_unequal = len(x) != len(y) and min(len(x), len(y)) < MIN_N_FOR_RANKS
    return max(p_value, welch(x, y).p_value) if few_and_unequal else p_value


def hodges_lehmann(x: np.ndarray, y: np.ndarray, *, level: float = 0.95) -> Shift:
    """Hodges-Lehmann shift of `y` against `x`: the median of all differences y_j - x_i.

    The interval contains the shifts that an exact Mann-Whitney test does not reject (asymptotic from 51 values on).
    With 3 against 3 values no interval has 95 %, and its limits are NaN.

    Args:
        x: First sample, `(n_1,)`.
        y: Second sample, `(n_2,)`.
        level: Coverage of the interval.

    Returns:
        Shift with its limits, in the unit of the values; NaN if a sample is empty.

    Raises:
        ValueError: If a value is not finite.

    Example:
        >>> hodges_lehmann([1, 2, 3, 4], [11, 12, 13, 14])
        Shift(value=10.0, low=7.0, high=13.0)

    References:
        Hodges & Lehmann (1963), Ann. Math. Stat. 34(2):598-611, doi:10.1214/aoms/1177704172.
    """
    x, y = _finite(x), _finite(y)
    n = len(x) * len(y)
    if not n:
        return Shift(math.nan, math.nan, math.nan)
    rank = _limit_rank(len(x), len(y), level)
    low, high = (ranked_difference(x, y, rank), ranked_difference(x, y, n - 1 - rank)) if rank >= 0 else _NO_LIMITS
    return Shift(float(np.mean([ranked_difference(x, y, at) for at in ((n - 1) // 2, n // 2)])), low, high)


def _limit_rank(n_1: int, n_2: int, level: float) -> int:
    """Index of the lower limit among the sorted differences; -1 where the samples are too small for the level."""
    if n_1 + n_2 <= MAX_N_FOR_EXACT_INTERVAL:
        tail = np.cumsum(_u_counts(n_1, n_2)) / math.comb(n_1 + n_2, n_1)
        return int(np.searchsorted(tail, (1 - level) / 2)) - 1
    sd = math.sqrt(n_1 * n_2 * (n_1 + n_2 + 1) / 12)
    return math.floor(n_1 * n_2 / 2 - 0.5 - NormalDist().inv_cdf((1 + level) / 2) * sd)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values for the number of tests, step by step from the smallest.

    Args:
        p_values: `(m,)`; a test that was not possible is NaN and still counts among the m.

    Returns:
        float64 `(m,)`, in the order given, at most 1; NaN stays NaN.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(4)
        array([0.03, 0.06, 0.06])

    References:
        Holm (1979), Scand. J. Stat. 6(2):65-70.
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def smallest_attainable_p(n_1: int, n_2: int, n_contrasts: int = 1) -> float:
    """Exact two-sided Mann-Whitney p of samples that do not overlap at all, times the number of contrasts.

    Example:
        With 4 against 4 in three contrasts nothing can be significant:

        >>> round(smallest_attainable_p(4, 4, 3), 3)
        0.086
    """
    if not n_1 or not n_2:
        return math.nan
    return min(1.0, n_contrasts * 2 / math.comb(n_1 + n_2, n_1))


def grubbs(values: np.ndarray, *, alpha: float = 0.05) -> Grubbs:
    """Two-sided Grubbs test of the most deviating value as an outlier; the standard deviation divides by n - 1.

    Args:
        values: `(n,)`.
        alpha: Error level of the two-sided test.

    Returns:
        The statistic, its critical value and the position; statistic NaN below three values or where all are equal.

    Raises:
        ValueError: If a value is not finite.

    Example:
        >>> result = grubbs([199.31, 199.53, 200.19, 200.82, 201.92, 201.95, 202.18, 245.57])
        >>> round(result.statistic, 5), round(result.critical, 4), result.index, result.outlier
        (2.46876, 2.1266, 7, True)

    References:
        Grubbs (1969), Technometrics 11(1):1-21, doi:10.1080/00401706.1969.10490657; the example is that of the
        NIST/SEMATECH e-Handbook, section 1.3.5.17.1.
    """
    values = _finite(values)
    n = len(values)
    if n < 3 or np.ptp(values) == 0:
        return Grubbs(math.nan, math.nan, -1, False)
    deviation = np.abs(values - values.mean())
    index = int(deviation.argmax())
    statistic = float(deviation[index] / values.std(ddof=1))
    t_squared = float(special.stdtrit(n - 2, alpha / (2 * n))) ** 2
    critical = (n - 1) / math.sqrt(n) * math.sqrt(t_squared / (n - 2 + t_squared))
    return Grubbs(statistic, critical, index, statistic > critical)


def mixed_model(values: np.ndarray, groups: np.ndarray, subjects: np.ndarray, *, n_groups: int) -> MixedModel:
    """Mixed model: group means if several values come from one subject, with each subject in one group.

    The ratio of the two variances is the only unknown of the restricted likelihood. It is searched on a grid and then
    refined, so that, unlike with general optimisers, the fit cannot fail to converge and 0 is reached exactly. The
    difference of two means over its standard error is compared with t on `df` degrees of freedom; in a balanced
    experiment that is the t-test on subject means.

    Args:
        values: `(n,)`.
        groups: int `(n,)`, group of each value, 0 … n_groups - 1.
        subjects: `(n,)`, name of the subject of each value; a subject belongs to one group.
        n_groups: Number of groups, also those without values.

    Returns:
        Means, their variances and the variance components; all NaN where no subject has two values, all values are
        equal, or there are no more subjects than groups.

    Raises:
        ValueError: If a value is not finite.

    Example:
        Yields of dyestuff from six batches (Davies 1947): REML gives 1764.05 between batches, 2451.25 within.

        >>> yields = [1545, 1440, 1440, 1520, 1580, 1540, 1555, 1490, 1560, 1495, 1595, 1550, 1605, 1510, 1560,
        ...           1445, 1440, 1595, 1465, 1545, 1595, 1630, 1515, 1635, 1625, 1520, 1455, 1450, 1480, 1445]
        >>> fit = mixed_model(yields, np.zeros(30, int), np.repeat(list("ABCDEF"), 5), n_groups=1)
        >>> round(fit.variance_subject, 2), round(fit.variance_residual, 2), fit.mean
        (1764.05, 2451.25, array([1527.5]))

    References:
        Patterson & Thompson (1971), Biometrika 58(3):545-554, doi:10.1093/biomet/58.3.545.
    """
    values, groups = _finite(values), np.asarray(groups, dtype=int)
    _, first, subject = np.unique(subjects, return_index=True, return_inverse=True)
    size = np.bincount(subject)
    df = len(size) - len(np.unique(groups))
    if df < 1 or size.max() < 2 or np.ptp(values) == 0:
        return MixedModel(np.full(n_groups, math.nan), np.full(n_groups, math.nan), math.nan, math.nan, df)
    subject_mean = np.bincount(subject, weights=values) / size
    within = float(((values - subject_mean[subject]) ** 2).sum())
    group = groups[first]
    n_residual = len(values) - len(np.unique(group))

    def fit(ratio: float) -> tuple[float, float, np.ndarray, np.ndarray]:
        """Minus twice the restricted log-likelihood, residual variance, group means and weights of the groups."""
        weight = size / (1 + ratio * size)
        group_weight = np.bincount(group, weights=weight, minlength=n_groups)
        with np.errstate(invalid="ignore"):
            mean = np.bincount(group, weights=weight * subject_mean, minlength=n_groups) / group_weight
        residual = (within + float((weight * (subject_mean - mean[group]) ** 2).sum())) / n_residual
        penalty = np.log1p(ratio * size).sum() + np.log(group_weight[group_weight > 0]).sum()
        return n_residual * math.log(max(residual, 1e-300)) + float(penalty), residual, mean, group_weight

    def deviance(share: float) -> float:
        return fit(share / (1 - share))[0]

    grid = np.linspace(0, 1 - 1e-6, 101)
    best = int(np.argmin([deviance(share) for share in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    refined = scipy.optimize.minimize_scalar(deviance, bounds=(low, high), method="bounded", options={"xatol": 1e-10}).x
    share = min((refined, grid[best]), key=deviance)
    _, residual, mean, group_weight = fit(share / (1 - share))
    with np.errstate(divide="ignore"):
        variance_of_mean = np.where(group_weight > 0, residual / group_weight, math.nan)
    return MixedModel(mean, variance_of_mean, float(share / (1 - share) * residual), residual, df)

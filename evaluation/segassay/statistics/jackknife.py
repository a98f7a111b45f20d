"""Jackknife intervals of whatever is no mean: leave one cluster out at a time, on a scale that fits the index.

    statistic of weighted cases, values, clusters  ->  LeftOut  ->  Interval

The index is transformed to a scale on which it is nearly normal, and its standard error comes from leaving out each
cluster. Quantiles are those of t, with the degrees of freedom of Bell and McCaffrey where clusters differ in size; from
10 clusters on each limit is the wider one of t and of Hall's correction for skewness. For a mean on its own scale these
are the limits of `intervals.mean_interval`. Up to `MOST_CLUSTERS` nothing is drawn, so neither names nor order matter.
docs/truthfulness.md says how often such intervals hold the truth.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy
from scipy import special

from segassay.statistics.intervals import (
    MIN_CLUSTERS_FOR_HALL,
    Interval,
    checked,
    degrees_of_freedom,
    hall_limits,
    limits_of_constant,
)

__all__ = [
    "LOGARITHM",
    "MOST_CLUSTERS",
    "OF_MEANS",
    "PLAIN",
    "SHARE",
    "SHARE_OF_VARIANCE",
    "SPREAD",
    "VARIANCE",
    "LeftOut",
    "Scale",
    "correlation_scale",
    "jackknife_of",
    "jackknife_ratio",
    "jackknife_t",
    "left_out",
    "mean_square_of",
]


MIN_CLUSTERS = 20
"""With fewer clusters an interval is called approximate."""


MOST_CLUSTERS = 2000
"""Clusters that are left out one at a time. More of them are put into so many groups, at random but always the same,
and a group is left out at a time (Kott 2001, Journal of Official Statistics 17(4):521-526): the time grows with the
cases and not with their square, and the standard error scatters by 1.6 %."""

_BLOCK = 1 << 22
"""Most weights at a time, 32 MB: those of all groups at once would take 1.6 GB for 100,000 cases."""


@dataclass(frozen=True)
class Scale:
    """A monotone map of an index to the whole line, and back.

    Attributes:
        to: The map.
        back: Its inverse.
        low: Lowest value that the index may have.
        high: Highest value.
    """

    to: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]
    low: float = -math.inf
    high: float = math.inf


PLAIN = Scale(lambda x: x, lambda x: x)
"""The index itself."""

LOGARITHM = Scale(np.log, np.exp, 0.0)
"""Of ratios."""

VARIANCE = Scale(np.cbrt, lambda z: np.maximum(z, 0) ** 3, 0.0)
"""Of variances, also of 0: the cube root of Wilson & Hilferty (1931), Proc. Natl. Acad. Sci. 17(12):684-688."""

SHARE_OF_VARIANCE = Scale(VARIANCE.to, VARIANCE.back, 0.0, 1.0)
"""Of the share of a variance in the whole, also of 0."""

SPREAD = Scale(lambda sd: np.cbrt(sd**2), lambda z: np.maximum(z, 0) ** 1.5, 0.0)
"""Of standard deviations: `VARIANCE` of their square."""

SHARE = Scale(lambda p: np.log(p / (1 - p)), lambda z: 1 / (1 + np.exp(-z)), 0.0, 1.0)
"""Of shares: the logit."""

OF_MEANS = Scale(lambda r: -np.log(1 - r) / 2, lambda z: 1 - np.exp(-2 * z), -math.inf, 1.0)
"""Of an intraclass correlation of means: `correlation_scale` of the single scores, by Spearman and Brown."""


def correlation_scale(n_raters: int) -> Scale:
    """Fisher's scale of an intraclass correlation of single scores by `n_raters` raters; with 2, of any correlation.

    Example:
        >>> scale = correlation_scale(4)
        >>> scale.back(scale.to(np.array([-0.2, 0.0, 0.7]))).round(6)
        array([-0.2,  0. ,  0.7])

    References:
        Fisher (1925), Statistical Methods for Research Workers, section 39.
    """
    k = n_raters
    return Scale(
        lambda r: np.log((1 + (k - 1) * r) / (1 - r)) / 2,
        lambda z: 1 - k / (np.exp(2 * z) + k - 1),
        -1 / (k - 1) if k > 1 else -1.0,
        1.0,
    )


@dataclass(frozen=True, eq=False)
class LeftOut:
    """A statistic of weighted cases, of all cases and without each cluster.

    Attributes:
        whole: `(1, ...)`, of all cases; NaN where no case is defined.
        without: `(C, ...)`, without each cluster; no rows below two clusters.
        size: `(C,)`, how much each cluster counts: its cases, or the sum of their importance.
        defined: `(n,)`, whether a case is defined; the others take no part.
    """

    whole: np.ndarray
    without: np.ndarray
    size: np.ndarray
    defined: np.ndarray

    def of(self, function: Callable[[np.ndarray], np.ndarray]) -> "LeftOut":
        """A function of the statistic, `(rows, ...)` -> `(rows, ...)`."""
        return replace(self, whole=function(self.whole), without=function(self.without))


def left_out(
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    values: np.ndarray,
    clusters: np.ndarray,
    importance: np.ndarray | None = None,
) -> LeftOut:
    """Compute a statistic on all cases, and without each cluster.

    Args:
        statistic: `statistic(weights, values)`, `(rows, n)` -> `(rows, ...)`; a weight says how often a case counts.
        values: `(n,)` or `(n, ...)`; a case with any NaN is undefined and never handed to `statistic`. A statistic that
            knows what to do with gaps is given row numbers, `np.arange(n)`, and looks its data up.
        clusters: `(n,)`, name of each case's subject, or of the case itself.
        importance: `(n,)`, how much the index hangs on each case, such as the denominators of a ratio of sums, or
            squared distances from the mean for a slope; by default all count the same.

    Returns:
        What `jackknife_of` reads an interval off.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> found = left_out(lambda w, x: w @ x / w.sum(axis=1), np.array([1.0, 2.0, 6.0]), np.array(["1", "2", "3"]))
        >>> found.whole, found.without
        (array([3.]), array([4. , 3.5, 1.5]))
    """
    values, clusters = np.asarray(values, dtype=float), np.asarray(clusters)
    if clusters.shape != values.shape[:1]:
        raise ValueError(f"expected one cluster per case, got values {values.shape} and clusters {clusters.shape}")
    table, _ = checked(values.reshape(len(values), math.prod(values.shape[1:])), clusters)
    defined = ~np.isnan(table).any(axis=1)
    kept, cluster = values[defined], _in_groups(np.unique(clusters[defined], return_inverse=True)[1])
    counts = np.ones(len(cluster)) if importance is None else np.asarray(importance, dtype=float)[defined]
    size = np.bincount(cluster, counts if counts.sum() > 0 else None).astype(float)
    if not len(size):
        return LeftOut(np.full(1, math.nan), np.zeros(0), size, defined)
    rows = len(size) + 1 if len(size) > 1 else 1
    step = max(_BLOCK // len(kept), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        blocks = [
            np.asarray(statistic(_weights(start, min(start + step, rows), len(size))[:, cluster], kept), dtype=float)
            for start in range(0, rows, step)
        ]
    found = np.concatenate(blocks)
    return LeftOut(found[:1], found[1:], size, defined)


def _in_groups(cluster: np.ndarray) -> np.ndarray:
    """Numbers of clusters; of more than `MOST_CLUSTERS`, those of groups of them."""
    n = int(cluster.max(initial=-1)) + 1
    return cluster if n <= MOST_CLUSTERS else (np.random.default_rng(0).permutation(n) % MOST_CLUSTERS)[cluster]


def _weights(start: int, stop: int, n: int) -> np.ndarray:
    """Weights of `n` clusters, `(stop - start, n)`: in row 0 all count, in row i all but cluster i - 1."""
    weights = np.ones((stop - start, n))
    number = np.arange(max(start, 1), stop)
    weights[number - start, number - 1] = 0
    return weights


def jackknife_of(found: LeftOut, scale: Scale, *, level: float = 0.95) -> Interval:
    """Interval of a statistic that `left_out` computed.

    Args:
        found: With one number per row, `(rows,)`; choose a column with `LeftOut.of`.
        scale: Scale on which the index is nearly normal.
        level: Coverage of the interval.

    Returns:
        As of `jackknife_t`.
    """
    value, n = float(found.whole[0]), len(found.size)
    low, high, method = _limits(found, scale, level) if n > 1 and math.isfinite(value) else (math.nan, math.nan, "")
    n_defined = int(found.defined.sum())
    approximate = n < MIN_CLUSTERS
    value = value if math.isfinite(value) else math.nan
    return Interval(value, low, high, method, n_defined, len(found.defined) - n_defined, approximate)


def _limits(found: LeftOut, scale: Scale, level: float) -> tuple[float, float, str]:
    every = np.concatenate([found.whole, found.without])
    if not np.isfinite(every).all():
        return math.nan, math.nan, ""
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = scale.to(every)
    if not np.isfinite(scaled).all():  # at an end of the scale, such as a correlation of 1
        scale = replace(PLAIN, low=scale.low, high=scale.high)
        scaled = every
    value, share = float(scaled[0]), found.size / found.size.sum()
    pull = (value - scaled[1:]) * (1 - share)
    with np.errstate(invalid="ignore", divide="ignore"):
        se = math.sqrt(float((np.where(share < 1, pull**2 / (1 - share), math.inf)).sum()))
    if se <= 1e-12 * max(abs(value), float(np.abs(every).max())):
        return limits_of_constant(float(every[0]), len(pull), scale.low, scale.high, level)
    if not math.isfinite(se):  # all that counts is in one cluster
        return math.nan, math.nan, ""
    t = float(special.stdtrit(degrees_of_freedom(share), (1 + level) / 2))
    ends = np.array([-t, t])
    if len(pull) >= MIN_CLUSTERS_FOR_HALL:
        hall = hall_limits((pull - pull.mean())[None], np.array([se]), np.array([len(pull)]), np.array([t]))[:, 0]
        ends = np.array([min(-t, hall[0]), max(t, hall[1])])
    with np.errstate(over="ignore"):
        low, high = (float(end) for end in scale.back(value + ends * se))
    return max(low, scale.low), min(high, scale.high), "jackknife-t"


def jackknife_t(
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    values: np.ndarray,
    clusters: np.ndarray,
    scale: Scale,
    *,
    level: float = 0.95,
    importance: np.ndarray | None = None,
) -> Interval:
    """Jackknife interval of an index.

    Args:
        statistic: As for `left_out`, one number per row of weights.
        values: As for `left_out`.
        clusters: As for `left_out`.
        scale: Scale on which the index is nearly normal.
        level: Coverage of the interval.
        importance: As for `left_out`.

    Returns:
        The interval, its method `jackknife-t`, within the range of the scale. At an end of the scale, such as a
        correlation of 1 without one cluster, it is symmetric around the index itself. Where leaving out any cluster
        changes nothing, limits as in `mean_interval`. Without limits below two clusters, or where the index without a
        cluster is undefined. Called approximate below 20 clusters.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> def ratio(weights, values):
        ...     return (weights @ values[:, 0]) / (weights @ values[:, 1])
        >>> values = np.array([[6.0, 10.0], [8.0, 10.0], [4.0, 10.0], [7.0, 10.0]])
        >>> interval = jackknife_t(ratio, values, np.array(["1", "2", "3", "4"]), LOGARITHM)
        >>> round(interval.value, 3), round(interval.low, 3), round(interval.high, 3)
        (0.625, 0.407, 0.96)

    References:
        Efron & Tibshirani (1993), An Introduction to the Bootstrap, ch. 11; Miller (1974), Biometrika 61(1):1-15,
        doi:10.1093/biomet/61.1.1, for the scale; Hall (1992), J. R. Stat. Soc. B 54(1):221-228,
        doi:10.1111/j.2517-6161.1992.tb01876.x, for the skewness; Bell & McCaffrey (2002), Surv. Methodol.
        28(2):169-181, for clusters of unequal size.
    """
    return jackknife_of(left_out(statistic, values, clusters, importance), scale, level=level)


def jackknife_ratio(
    numerator: np.ndarray, denominator: np.ndarray, clusters: np.ndarray, scale: Scale, *, level: float = 0.95
) -> Interval:
    """Ratio of two sums over cases, such as recall of all objects together, with its jackknife interval over clusters.

    Args:
        numerator: `(n,)`, one per case; a case where either is NaN is undefined.
        denominator: `(n,)`, of the same cases, 0 or more; a case is as important as its denominator.
        clusters: As for `jackknife_t`.
        scale: `SHARE` where the numerator is a part of the denominator, else `LOGARITHM`.
        level: Coverage of the interval.

    Returns:
        The interval; value NaN if the denominators sum to 0.

    Example:
        >>> found = jackknife_ratio([6, 8, 4], [10, 10, 10], ["1", "2", "3"], SHARE)
        >>> found.value, round(found.low, 3), round(found.high, 3)
        (0.6, 0.154, 0.925)

    References:
        As for `jackknife_t`.
    """
    both = np.stack([np.asarray(part, dtype=float) for part in (numerator, denominator)], axis=1)
    return jackknife_t(_ratio_of_sums, both, clusters, scale, level=level, importance=both[:, 1])


def _ratio_of_sums(weights: np.ndarray, both: np.ndarray) -> np.ndarray:
    return np.asarray((weights @ both[:, 0]) / (weights @ both[:, 1]))


def mean_square_of(found: LeftOut, *, highest: float = math.inf, level: float = 0.95) -> Interval:
    """Interval of the mean of squared indices, such as effects of several annotators on the same cases.

    A square is never below 0, so no symmetric interval can hold a 0. This one inverts the noncentral F distribution:
    it reaches 0 where the indices together cannot be told from 0.

    Args:
        found: `(rows, indices)`, of `left_out`.
        highest: The largest square that is possible.
        level: Coverage of the interval.

    Returns:
        Value, the mean of the squared indices, and its interval, which contains it; its method `noncentral F`.

    Example:
        One index is a mean here; it may be 0:

        >>> values = np.array([0.4, -0.2, 0.3, 0.1, -0.3, 0.2])
        >>> found = mean_square_of(left_out(lambda w, x: w @ x[:, None] / w.sum(axis=1)[:, None], values, np.arange(6)))
        >>> round(found.value, 4), found.low, round(found.high, 3)
        (0.0069, 0.0, 0.094)

    References:
        Steiger & Fouladi (1997), Noncentrality interval estimation, in What If There Were No Significance Tests?,
        Erlbaum; Box (1954), Ann. Math. Stat. 25(2):290-302, doi:10.1214/aoms/1177728786, for correlated indices.
    """
    n, n_defined = len(found.size), int(found.defined.sum())
    about = (n_defined, len(found.defined) - n_defined, n < MIN_CLUSTERS)
    if found.whole.ndim < 2 or not np.isfinite(found.whole).all():
        return Interval(math.nan, math.nan, math.nan, "", *about)
    indices, value = found.whole[0], float((found.whole[0] ** 2).mean())
    if n < 2 or not np.isfinite(found.without).all():
        return Interval(value, math.nan, math.nan, "", *about)
    share = found.size / found.size.sum()
    pull = (indices - found.without) * np.sqrt(1 - share)[:, None]
    covariance = pull.T @ pull
    trace = float(np.trace(covariance))
    if trace <= 1e-24 * max(value, 1e-300):
        return Interval(value, *limits_of_constant(value, n, 0.0, highest, level), *about)
    df = trace**2 / float((covariance**2).sum()), float(degrees_of_freedom(share))
    ratio = value * len(indices) / trace
    low, high = (
        _noncentrality(ratio, *df, tail) * trace / df[0] / len(indices) for tail in ((1 + level) / 2, (1 - level) / 2)
    )
    return Interval(value, min(low, value), min(max(high, value), highest), "noncentral F", *about)


def _noncentrality(ratio: float, df_1: float, df_2: float, share: float) -> float:
    """Where a share of noncentral F ratios lies below this one; 0 if even without an effect fewer do."""

    def excess(noncentrality: float) -> float:
        return float(special.ncfdtr(df_1, df_2, noncentrality, ratio)) - share

    if excess(0.0) <= 0:
        return 0.0
    end = 1.0
    while excess(end) > 0 and end < 1e7:
        end *= 2
    return float(scipy.optimize.brentq(excess, 0.0, end))

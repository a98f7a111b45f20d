"""BCa intervals over clusters, of ratios of sums and of any statistic: approximate below 20 clusters.

    bca_ratio, bca_ratios    ratios of sums over cases, all columns at once
    bca, resampled, bca_of   any statistic of weighted cases; `of_drawn_cases` for statistics without weights

Resamples are those of `intervals`: a row of weights says how often each cluster was drawn.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special

from segassay.statistics.intervals import (
    BLOCK,
    DEFAULT,
    Interval,
    Resampling,
    as_column,
    checked,
    cluster_sums,
    cluster_weights,
    interval_table,
    only_row,
)

MIN_CLUSTERS_FOR_BCA = 20


def bca_ratio(
    numerator: np.ndarray,
    denominator: np.ndarray,
    clusters: np.ndarray,
    resampling: Resampling = DEFAULT,
) -> Interval:
    """Ratio of two sums over cases, such as F1 of all objects together, with its BCa interval over clusters.

    Args:
        numerator: `(n,)`, one per case; a case where either is NaN is undefined.
        denominator: `(n,)`, of the same cases.
        clusters: `(n,)`, as in `bootstrap_mean`.
        resampling: Coverage, number of resamples and seed.

    Returns:
        The interval; value NaN if the denominators sum to 0.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> bca_ratio([6, 8, 4], [10, 10, 10], ["1", "2", "3"]).value
        0.6
    """
    columns = as_column(numerator), as_column(denominator)
    return only_row(bca_ratios(*columns, clusters, resampling))


def bca_ratios(
    numerator: np.ndarray,
    denominator: np.ndarray,
    clusters: np.ndarray,
    resampling: Resampling = DEFAULT,
) -> pd.DataFrame:
    """`bca_ratio` of many columns at once.

    Args:
        numerator: `(n, columns)`; a cell where either is NaN is undefined.
        denominator: `(n, columns)`.
        clusters: `(n,)`, as in `bootstrap_mean`.
        resampling: Coverage, number of resamples and seed; all columns share the resamples.

    Returns:
        One row per column, with the attributes of `Interval` as columns.

    Raises:
        ValueError: If the shapes do not fit.
    """
    numerator, cluster = checked(numerator, clusters)
    denominator, _ = checked(denominator, clusters)
    if numerator.shape != denominator.shape:
        raise ValueError(
            f"numerator and denominator must have one shape, got {numerator.shape} and {denominator.shape}"
        )
    n_clusters = int(cluster.max(initial=-1)) + 1
    weights = cluster_weights(n_clusters, resampling)
    blocks = []
    for start in range(0, max(numerator.shape[1], 1), BLOCK):
        above, below = numerator[:, start : start + BLOCK], denominator[:, start : start + BLOCK]
        defined = ~np.isnan(above) & ~np.isnan(below)
        sums = [cluster_sums(np.where(defined, part, 0), cluster) for part in (above, below)]
        with np.errstate(invalid="ignore", divide="ignore"):
            value, left_out = _ratio_of_sums(sums), _leave_one_cluster_out(sums)
            resampled = (sums[0] @ weights.T) / (sums[1] @ weights.T)
        present = cluster_sums(defined.astype(float), cluster) > 0
        low, high, lost = _bca_limits(value, resampled, np.where(present, left_out, math.nan), resampling.level)
        blocks.append(_bca_table(value, low, high, present.sum(axis=1), defined, lost))
    return pd.concat(blocks, ignore_index=True)


def _ratio_of_sums(sums: list[np.ndarray]) -> np.ndarray:
    return np.asarray(sums[0].sum(axis=1) / sums[1].sum(axis=1))


def _leave_one_cluster_out(sums: list[np.ndarray]) -> np.ndarray:
    above, below = (part.sum(axis=1, keepdims=True) - part for part in sums)
    return np.asarray(above / below)


def _bca_limits(
    value: np.ndarray, resampled: np.ndarray, left_out: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Limits per column, and whether resamples were lost because the statistic is not defined on them.

    Args:
        value: `(columns,)`, the estimates.
        resampled: `(columns, resamples)`, the statistic on each resample.
        left_out: `(columns, clusters)`, the statistic without each cluster; NaN where a cluster plays no part.
        level: Coverage of the interval.
    """
    finite = np.isfinite(resampled)
    n = finite.sum(axis=1)
    ordered = np.sort(np.where(finite, resampled, math.inf), axis=1)
    tolerance = 1e-12 * np.abs(value)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):  # of an estimate that is not defined
        below = (ordered < value[:, None] - tolerance).sum(axis=1)
        level_with_value = (ordered <= value[:, None] + tolerance).sum(axis=1)
        bias = special.ndtri((below + level_with_value) / (2 * n))
        count = np.isfinite(left_out).sum(axis=1, keepdims=True)
        centre = np.where(np.isfinite(left_out), left_out, 0).sum(axis=1, keepdims=True) / count
        pull = np.where(np.isfinite(left_out), centre - left_out, 0)
        skew = (pull**3).sum(axis=1) / (6 * (pull**2).sum(axis=1) ** 1.5)
    skew = np.where(np.isfinite(skew), skew, 0)
    limits = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        with np.errstate(invalid="ignore", divide="ignore"):
            z = bias + special.ndtri(tail)
            share = special.ndtr(bias + z / (1 - skew * z))
            rank = np.clip(np.ceil(share * n) - 1, 0, np.maximum(n - 1, 0))
        chosen = np.take_along_axis(ordered, np.nan_to_num(rank).astype(int)[:, None], axis=1)[:, 0]
        limits.append(np.where((n > 0) & np.isfinite(bias), chosen, math.nan))
    return limits[0], limits[1], n < resampled.shape[1]


def _bca_table(
    value: np.ndarray, low: np.ndarray, high: np.ndarray, n_clusters: np.ndarray, defined: np.ndarray, lost: np.ndarray
) -> pd.DataFrame:
    usable = (n_clusters > 1) & np.isfinite(value)
    low, high = np.where(usable, low, math.nan), np.where(usable, high, math.nan)
    method = np.where(usable, "BCa", "").astype(object)
    approximate = (n_clusters < MIN_CLUSTERS_FOR_BCA) | lost
    value = np.where(np.isfinite(value), value, math.nan)
    return interval_table(value, low, high, method, defined.sum(axis=0), (~defined).sum(axis=0), approximate)


def bca(
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    values: np.ndarray,
    clusters: np.ndarray,
    resampling: Resampling = DEFAULT,
) -> Interval:
    """Any statistic of weighted cases with its BCa interval over clusters.

    Args:
        statistic: `statistic(weights, values)` gives one number per row of weights, `(rows, n)` -> `(rows,)`; a weight
            says how often the case was drawn, and may be 0. NaN where it is undefined.
        values: `(n,)` or `(n, k)`; a case with any NaN is undefined and never handed to `statistic`. A statistic that
            knows what to do with gaps is given row numbers, `np.arange(n)`, and looks its data up.
        clusters: `(n,)`, as in `bootstrap_mean`.
        resampling: Coverage, number of resamples and seed.

    Returns:
        The interval. Called approximate also where the statistic is undefined on some resamples.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> def range_of_drawn(weights, values):
        ...     drawn = np.where(weights > 0, values, np.nan)
        ...     return np.nanmax(drawn, axis=1) - np.nanmin(drawn, axis=1)
        >>> bca(range_of_drawn, np.array([1.0, 2.0, 4.0]), np.array(["1", "2", "3"])).value
        3.0

    References:
        Efron (1987), J. Am. Stat. Assoc. 82(397):171-185, doi:10.1080/01621459.1987.10478410.
    """
    return bca_of(resampled(statistic, values, clusters, resampling))


@dataclass(frozen=True, eq=False)
class Resampled:
    """A statistic of weighted cases, computed once for several intervals.

    Attributes:
        whole: `(1, ...)`, of all cases.
        drawn: `(B, ...)`, of each resample.
        left_out: `(C, ...)`, without each cluster; one row of NaN below two clusters.
        n_clusters: Number of clusters C.
        defined: `(n,)`, whether a case is defined; the others take no part.
        level: Coverage of the intervals.
    """

    whole: np.ndarray
    drawn: np.ndarray
    left_out: np.ndarray
    n_clusters: int
    defined: np.ndarray
    level: float

    def of(self, function: Callable[[np.ndarray], np.ndarray]) -> "Resampled":
        """A function of the statistic, `(rows, ...)` -> `(rows, ...)`."""
        return replace(self, whole=function(self.whole), drawn=function(self.drawn), left_out=function(self.left_out))


def resampled(
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    values: np.ndarray,
    clusters: np.ndarray,
    resampling: Resampling = DEFAULT,
) -> Resampled:
    """Compute a statistic on all cases, on resampled clusters, and without each cluster.

    Args:
        statistic: As for `bca`, but with any number of columns: `(rows, n)` -> `(rows, ...)`.
        values: `(n,)` or `(n, ...)`, as for `bca`.
        clusters: As for `bca`.
        resampling: As for `bca`.

    Returns:
        What `bca_of` reads an interval off; NaN where no case is defined.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        Mean and variance of the same resamples:

        >>> def mean_and_variance(weights, values):
        ...     n = weights.sum(axis=1)
        ...     mean = weights @ values / n
        ...     return np.stack([mean, weights @ values**2 / n - mean**2], axis=1)
        >>> found = resampled(mean_and_variance, np.array([1.0, 2.0, 3.0]), np.array(["1", "2", "3"]))
        >>> found.whole.round(3), bca_of(found.of(lambda both: both[:, 0])).value
        (array([[2.   , 0.667]]), 2.0)
    """
    values = np.asarray(values, dtype=float)
    table, cluster = checked(values.reshape(len(values), math.prod(values.shape[1:])), clusters)
    defined = ~np.isnan(table).any(axis=1)
    kept, cluster = values[defined], np.unique(cluster[defined], return_inverse=True)[1]
    n_clusters = int(cluster.max(initial=-1)) + 1
    if not n_clusters:
        nothing = np.full(1, math.nan)
        return Resampled(nothing, nothing, nothing, 0, defined, resampling.level)
    whole = np.asarray(statistic(np.ones((1, len(kept))), kept), dtype=float)
    drawn = np.asarray(statistic(cluster_weights(n_clusters, resampling)[:, cluster], kept), dtype=float)
    left_out = (
        np.asarray(statistic((1 - np.eye(n_clusters))[:, cluster], kept), dtype=float)
        if n_clusters > 1
        else np.full_like(whole, math.nan)
    )
    return Resampled(whole, drawn, left_out, n_clusters, defined, resampling.level)


def bca_of(found: Resampled) -> Interval:
    """BCa interval of a statistic that `resampled` computed.

    Args:
        found: With one number per row, `(rows,)`; choose a column with `Resampled.of`.

    Returns:
        The interval, as `bca` gives it.
    """
    low, high, lost = _bca_limits(found.whole, found.drawn[None], found.left_out[None], found.level)
    n_clusters = np.array([found.n_clusters])
    return only_row(_bca_table(found.whole, low, high, n_clusters, found.defined[:, None], lost))


def of_drawn_cases(statistic: Callable[[np.ndarray], float]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Adapt a statistic without weights, such as one of ranks, to `bca`.

    It is computed for each resample, in 2,000 calls; a statistic with weights needs one call.

    Args:
        statistic: `statistic(values)` gives one number, from `(n,)` or `(n, k)`, in which cases may be repeated.

    Returns:
        The statistic of `(weights, values)`; NaN where nothing was drawn.

    Example:
        >>> of_drawn_cases(np.median)(np.array([[1, 1, 1], [0, 1, 2]]), np.array([1.0, 2.0, 4.0]))
        array([2., 4.])
    """

    def of_weights(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
        times = np.asarray(weights).astype(int)
        drawn = (np.repeat(values, row, axis=0) for row in times)
        return np.array([statistic(cases) if len(cases) else math.nan for cases in drawn], dtype=float)

    return of_weights

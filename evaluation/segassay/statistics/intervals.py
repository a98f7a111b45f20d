"""Confidence intervals of means over clusters, which are subjects, if there are any, else cases, never pixels.

    values (n,) or (n, columns), clusters (n,)  ->  Interval, or a table with one row per column

    mean_interval, mean_intervals, paired_difference  means: t with robust errors, from 10 clusters on also Hall's
    sd_over_seeds                                         spread over seeds: chi-square, not judged below 4 seeds

The standard error of a mean over clusters of unequal size is the bias-reduced one (CR2), and its degrees of freedom are
those of Bell and McCaffrey: a subject with half of the images leaves few. Intervals are conditional on the given raters
and seeds. They depend neither on the names nor on the order of cases and clusters. NaN values are undefined: they are
left out and counted. Where all clusters have one value, nothing is known about how far it would vary: with a range, at
most a certain share of clusters can differ; without one there are no limits.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

MOST_MEMBERSHIPS = 1 << 22
"""Cases × clusters up to which their sums are one product of matrices; of more, 100,000 × 100,000 would take 90 GB."""

MIN_CLUSTERS_FOR_HALL = 10
MIN_SEEDS = 4
BLOCK = 512


@dataclass(frozen=True)
class Interval:
    """A number with its confidence interval.

    Attributes:
        value: The estimate; NaN if no case is defined.
        low: Lower limit; NaN with fewer than two clusters.
        high: Upper limit; NaN with fewer than two clusters.
        method: `t`, `Hall-t`, `jackknife-t` (`statistics.jackknife`), `chi-square`;
            `binomial` or `constant` where nothing varies; `not judged`, or empty without an interval.
        n_cases: Cases that the value is computed from.
        n_undefined: Cases left out because they are NaN.
        approximate: Whether the coverage cannot be relied on.
    """

    value: float
    low: float
    high: float
    method: str
    n_cases: int
    n_undefined: int
    approximate: bool


def mean_interval(
    values: np.ndarray,
    clusters: np.ndarray,
    level: float = 0.95,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Mean over cases with its interval over clusters.

    Args:
        values: `(n,)`, one per case; NaN = undefined.
        clusters: `(n,)`, name of each case's subject, or of the case itself.
        level: Coverage of the intervals.
        bounds: Lowest and highest value that is possible.

    Returns:
        The interval, within the bounds; value NaN if no case is defined. Below 10 clusters that of t, with the CR2
        standard error and Bell and McCaffrey's degrees of freedom, which for clusters of equal size is the usual one.
        From 10 on each limit is the wider one of t and of Hall's transformation, which corrects t for skewness.
        `approximate` where more than half of the clusters have one value.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        Below 10 clusters this is the t interval:

        >>> interval = mean_interval([0.5, 0.6, 0.7, np.nan], ["1", "2", "3", "4"])
        >>> round(interval.value, 3), round(interval.low, 3), round(interval.high, 3), interval.method
        (0.6, 0.352, 0.848, 't')

        Ten ones out of ten: three of ten cases may yet be 0, the upper 97.5 % limit of a binomial proportion.

        >>> interval = mean_interval(np.ones(10), np.arange(10), bounds=(0, 1))
        >>> round(interval.low, 3), interval.high, interval.method
        (0.692, 1.0, 'binomial')

    References:
        Hall (1992), J. R. Stat. Soc. B 54(1):221-228, doi:10.1111/j.2517-6161.1992.tb01876.x; Bell & McCaffrey (2002),
        Surv. Methodol. 28(2):169-181; Pustejovsky & Tipton (2018), J. Bus. Econ. Stat. 36(4):672-683,
        doi:10.1080/07350015.2016.1247004; Clopper & Pearson (1934), Biometrika 26(4):404-413, doi:10.2307/2331986.
    """
    column, cluster = checked(as_column(values), clusters)
    found = _mean_block(column, cluster, np.array([bounds], dtype=float), level)
    return Interval(**{name: of.item() for name, of in found.items()})


def as_column(values: np.ndarray) -> np.ndarray:
    """Values `(n,)` as one column `(n, 1)`; another shape is a `ValueError`."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1:
        raise ValueError(f"values must be of shape (n,), got {values.shape}; for many columns use the plural function")
    return values[:, None]


def paired_difference(
    values_a: np.ndarray,
    values_b: np.ndarray,
    clusters: np.ndarray,
    level: float = 0.95,
) -> Interval:
    """Mean of `values_a - values_b`, case by case, with its interval over clusters, as `mean_interval`.

    Args:
        values_a: `(n,)`.
        values_b: `(n,)`, of the same cases; a case where either is NaN is undefined.
        clusters: `(n,)`, as in `mean_interval`.
        level: Coverage of the intervals.

    Returns:
        The interval of the difference.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> paired_difference([0.8, 0.7, 0.9], [0.7, 0.6, 0.8], ["1", "2", "3"]).value.__round__(6)
        0.1
    """
    difference = as_column(values_a) - as_column(values_b)
    return mean_interval(difference[:, 0], clusters, level)


def mean_intervals(
    values: np.ndarray, clusters: np.ndarray, level: float = 0.95, bounds: np.ndarray | None = None
) -> pd.DataFrame:
    """`mean_interval` of many columns at once.

    Args:
        values: `(n, columns)`; NaN = undefined, each column by itself.
        clusters: `(n,)`, name of each case's subject, or of the case itself.
        level: Coverage of the intervals.
        bounds: `(columns, 2)`, lowest and highest value that is possible; by default there are no bounds.

    Returns:
        One row per column, with the attributes of `Interval` as columns.

    Raises:
        ValueError: If the shapes do not fit.
    """
    values, cluster = checked(values, clusters)
    n_columns = values.shape[1]
    bounds = np.tile([-math.inf, math.inf], (n_columns, 1)) if bounds is None else np.asarray(bounds, dtype=float)
    if bounds.shape != (n_columns, 2):
        raise ValueError(f"bounds must be (columns, 2), lowest and highest value; got {bounds.shape}")
    blocks = [
        _mean_block(values[:, start : start + BLOCK], cluster, bounds[start : start + BLOCK], level)
        for start in range(0, max(n_columns, 1), BLOCK)
    ]
    return pd.DataFrame({name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]})


def checked(values: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values `(n, columns)` and each case's cluster as a number; wrong shape or infinity: `ValueError`."""
    values, clusters = np.asarray(values, dtype=float), np.asarray(clusters)
    if values.ndim != 2 or clusters.shape != values.shape[:1]:
        raise ValueError(
            f"expected values (n, columns) and clusters (n,), one per case; got {values.shape} and {clusters.shape}"
        )
    if np.isinf(values).any():
        raise ValueError("values must be finite, or NaN where undefined; got infinity")
    return values, np.unique(clusters, return_inverse=True)[1]


def _mean_block(values: np.ndarray, cluster: np.ndarray, bounds: np.ndarray, level: float) -> dict[str, np.ndarray]:
    """Fields of `Interval`. Columns first from here on: sums and sizes are `(columns, clusters)`."""
    defined = ~np.isnan(values)
    size = cluster_sums(defined.astype(float), cluster)
    n_cases, n_clusters = size.sum(axis=1), (size > 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(defined, values, 0).sum(axis=0) / n_cases
        residual = cluster_sums(np.where(defined, values - mean, 0), cluster)
        share = size / n_cases[:, None]
        se = np.sqrt((residual**2 / (1 - share)).sum(axis=1)) / n_cases
        se = np.where(se > 1e-12 * np.abs(mean), se, 0 * se)
        t = special.stdtrit(degrees_of_freedom(share), (1 + level) / 2)
        low, high = mean - t * se, mean + t * se
    method = np.where(n_clusters > 1, "t", "").astype(object)

    skewed = (n_clusters >= MIN_CLUSTERS_FOR_HALL) & (se > 0)
    hall = hall_limits(residual, n_cases * se, n_clusters, t)
    low = np.where(skewed, np.minimum(low, mean + hall[0] * se), low)
    high = np.where(skewed, np.maximum(high, mean + hall[1] * se), high)
    method[skewed] = "Hall-t"

    low, high = np.maximum(low, bounds[:, 0]), np.minimum(high, bounds[:, 1])
    constant = (n_clusters > 1) & (se == 0)
    for row in np.flatnonzero(constant):
        lowest, highest = bounds[row]
        low[row], high[row], method[row] = limits_of_constant(mean[row], n_clusters[row], lowest, highest, level)
    with np.errstate(invalid="ignore", divide="ignore"):
        clumped = _share_of_commonest(residual / size, size > 0, 1e-12 * np.abs(mean)) > 0.5
    counts = {"n_cases": n_cases.astype(int), "n_undefined": (~defined).sum(axis=0)}
    limits = {"value": mean, "low": low, "high": high, "method": method}
    return limits | counts | {"approximate": clumped & (n_clusters > 1)}


def degrees_of_freedom(share: np.ndarray) -> np.ndarray:
    """Degrees of freedom of the CR2 standard error of a mean, if cases are equal and independent.

    Args:
        share: `(..., clusters)`, share of all cases that is of each cluster; 0 for a cluster without any.

    Returns:
        float64 `(...)`, clusters - 1 if all have one size, and fewer if not; NaN where one cluster has all cases.

    Example:
        >>> degrees_of_freedom(np.array([[0.25] * 4, [0.7, 0.1, 0.1, 0.1]])).round(2)
        array([3.  , 1.59])

    References:
        Bell & McCaffrey (2002), Surv. Methodol. 28(2):169-181.
    """
    share = np.asarray(share, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        odds = share**2 / (1 - share)
        return np.asarray(1 / ((share**2).sum(axis=-1) + odds.sum(axis=-1) ** 2 - (odds**2).sum(axis=-1)))


def hall_limits(residual: np.ndarray, se_of_sum: np.ndarray, n_clusters: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Limits of (truth - mean) / se from Hall's cubic transformation of t, which removes skewness.

    Args:
        residual: `(columns, clusters)`, what each cluster adds to the sum, less its expectation; 0 if it has no case.
        se_of_sum: `(columns,)`.
        n_clusters: `(columns,)`.
        t: `(columns,)`, upper quantile of t.

    Returns:
        float64 `(2, columns)`.
    """
    g = n_clusters
    with np.errstate(invalid="ignore", divide="ignore"):
        skewness = (residual**3).sum(axis=1) * g**2 / ((g - 1) * (g - 2)) / se_of_sum**3
        third = skewness / 3
        quantile = np.stack([t, -t]) - skewness / 6
        corrected = (np.cbrt(1 + 3 * third * quantile) - 1) / third
    return np.asarray(-np.where(np.abs(third) > 1e-9, corrected, quantile))


def limits_of_constant(
    value: float, n_clusters: int, low: float, high: float, level: float
) -> tuple[float, float, str]:
    """Limits, and their method, of a mean over clusters that all have the same value.

    With confidence, at most a share of 1 - tail^(1/n) of all clusters has another value, which may be any in the range.

    Example:
        >>> limits_of_constant(0.0, 20, -math.inf, math.inf, 0.95)
        (nan, nan, 'constant')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return math.nan, math.nan, "constant"
    share = 1 - ((1 - level) / 2) ** (1 / n_clusters)
    return float(value - share * (value - low)), float(value + share * (high - value)), "binomial"


def _share_of_commonest(of_cluster: np.ndarray, present: np.ndarray, rounding: np.ndarray) -> np.ndarray:
    """Share of clusters `(columns,)` with the median value; above one half only if that is the commonest value."""
    known = np.where(present, of_cluster, math.inf)
    n = present.sum(axis=1)
    if not present.size:
        return np.zeros(len(present))
    middle = np.take_along_axis(np.sort(known, axis=1), np.maximum(n - 1, 0)[:, None] // 2, axis=1)
    return np.asarray((np.abs(known - middle) <= rounding[:, None]).sum(axis=1) / n)


def cluster_sums(values: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """`(columns, clusters)` from `(n, columns)`."""
    n_clusters = int(cluster.max(initial=-1)) + 1
    if len(cluster) * n_clusters > MOST_MEMBERSHIPS:
        sums = [np.bincount(cluster, weights=column, minlength=n_clusters) for column in values.T]
        return np.array(sums).reshape(-1, n_clusters)
    membership = cluster[:, None] == np.arange(n_clusters)
    return np.asarray(values.T @ membership.astype(float))


def sd_over_seeds(values: np.ndarray, level: float = 0.95) -> Interval:
    """Standard deviation of one number over trainings that differ by the seed, with its chi-square interval.

    Args:
        values: `(seeds,)`; NaN = undefined.
        level: Coverage of the interval.

    Returns:
        The interval, its method `chi-square`, or `not judged` and without limits below 4 seeds: from 2, it would reach
        from 0.45 to 32 times the estimate. Without limits also where all seeds say the same (`constant`). `n_cases` is
        the number of seeds. Value NaN below 2 seeds.

    Raises:
        ValueError: If the shape does not fit, or a value is infinite.

    Example:
        >>> interval = sd_over_seeds([0.70, 0.72, 0.74, 0.76])
        >>> round(interval.value, 4), round(interval.low, 4), round(interval.high, 4), interval.method
        (0.0258, 0.0146, 0.0963, 'chi-square')

    References:
        Snedecor & Cochran (1989), Statistical Methods, 8th ed., section 5.12.
    """
    values, _ = checked(as_column(values), np.arange(len(values)))
    defined = values[~np.isnan(values)]
    n, n_undefined = len(defined), len(values) - len(defined)
    sd = float(defined.std(ddof=1)) if n > 1 else math.nan
    if n > 1 and np.ptp(defined) == 0:
        sd = 0.0  # the mean of ten equal numbers need not equal them to the last bit
    if n < MIN_SEEDS:
        return Interval(sd, math.nan, math.nan, "not judged", n, n_undefined, True)
    if sd == 0:
        return Interval(sd, math.nan, math.nan, "constant", n, n_undefined, True)
    upper, lower = (2 * special.gammaincinv((n - 1) / 2, tail) for tail in ((1 + level) / 2, (1 - level) / 2))  # of χ²
    low, high = sd * math.sqrt((n - 1) / upper), sd * math.sqrt((n - 1) / lower)
    return Interval(sd, low, high, "chi-square", n, n_undefined, False)

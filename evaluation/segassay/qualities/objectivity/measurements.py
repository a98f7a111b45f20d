"""Do raters measure the same? Counts, areas and intensities: correlation, limits of agreement, variance, concordance.

    counts table  ->  one matrix (cases, raters) per measurement  ->  rows of scores

Intervals leave out clusters, so they hold where several cases come from one subject.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.named_channels import intensities_in
from segassay.errors import number_of
from segassay.qualities.objectivity.records import (
    BIAS_TEST,
    CCC,
    DIFFERENCE,
    ICC_1K,
    ICC_11,
    ICC_A1,
    ICC_AK,
    KRIPPENDORFF_ALPHA,
    LIMIT_HIGH,
    LIMIT_LOW,
    RATER_SHARE,
    SLOPE,
)
from segassay.qualities.scores.measure import Form, Measure
from segassay.qualities.scores.table import (
    ALL_RATERS,
    BETWEEN_RATERS,
    Score,
    interval_row,
    score_rows,
    score_table,
)
from segassay.statistics.components import crossed_components
from segassay.statistics.intervals import Interval
from segassay.statistics.jackknife import OF_MEANS, PLAIN, SHARE_OF_VARIANCE, correlation_scale, jackknife_t
from segassay.statistics.methods import limits_of_agreement_at
from segassay.statistics.raters import bias_test
from segassay.statistics.reliability import icc_1k_weighted, icc_11_weighted, icc_a1_of_subjects

__all__ = [
    "AMOUNTS",
    "alpha_of_counts",
    "alpha_ratio_weighted",
    "bias_tests",
    "intraclass_correlation",
    "limits_of_agreement",
    "limits_of_pairs",
    "measurements_in",
    "measurements_of",
    "one_way_correlation",
    "rater_share",
]

AMOUNTS = {"count": "n_objects", "area": "area_px"}
"""What is measured of every mask, and its column in the table of counts."""

_SUBJECT = "number of the cluster"


def measurements_in(counts: pd.DataFrame) -> dict[str, str]:
    """What is measured, and its column in a table of counts: `AMOUNTS`, and the intensity of each channel.

    Example:
        >>> measurements_in(pd.DataFrame(columns=["n_objects", "area_px", "mean_intensity"]))
        {'count': 'n_objects', 'area': 'area_px', 'mean_intensity': 'mean_intensity'}
    """
    return AMOUNTS | {name: name for name in intensities_in(list(counts))}


def measurements_of(counts: pd.DataFrame, column: str, raters: Sequence[str]) -> pd.DataFrame:
    """One row per case, one column per rater; NaN where the rater has no mask or the value is undefined."""
    place = {rater: number for number, rater in enumerate(raters)}
    of_row = np.array([place.get(name, -1) for name in counts["annotator"].tolist()], dtype=int)
    drawn = np.flatnonzero(of_row >= 0)
    case, cases = pd.factorize(counts["case"].to_numpy(dtype=object)[drawn], sort=True)
    matrix = np.full((len(cases), len(place)), np.nan)
    matrix[case, of_row[drawn]] = counts[column].to_numpy(dtype=float, na_value=np.nan)[drawn]
    return pd.DataFrame(matrix, pd.Index(cases, name="case"), pd.Index(list(raters), name="annotator"))


def _each(counts: pd.DataFrame, raters: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """Name and matrix of each measurement that any two raters have."""
    found = [(name, measurements_of(counts, column, raters)) for name, column in measurements_in(counts).items()]
    return [(name, matrix) for name, matrix in found if (matrix.notna().sum(axis=1) > 1).any()]


def bias_tests(counts: pd.DataFrame, raters: Sequence[str], clusters: pd.Series) -> pd.DataFrame:
    """p-values of rater bias: each rater's mean count or area against that of the others (t, Holm over raters).

    Args:
        counts: Table of `segassay.tables.build`.
        raters: Raters to compare.
        clusters: Case -> subject, or the case itself; cases of one subject are averaged first.

    Returns:
        Table with `SCORE_COLUMNS`: `bias_test_count` and `bias_test_area` of all raters and of each; `value` is the
        p-value adjusted by Holm, of all raters the smallest of these. The note of all raters has Friedman's p, which
        is also small where one rater's counts only scatter more. `log_count_ratio` and `log_area_ratio` give the size
        of the bias.
    """
    rows = []
    assert BIAS_TEST.errors is not None
    for name, matrix in _each(counts, raters):
        if name not in AMOUNTS:
            continue
        found = bias_test(matrix.to_numpy(), clusters=clusters.reindex(matrix.index).to_numpy())
        n_shared = int((matrix.notna().sum(axis=1) > 1).sum())
        smallest = float(found["p_adjusted"].min())
        of_all = Interval(smallest, np.nan, np.nan, "t, Holm", n_shared, len(matrix) - n_shared, False)
        note = f"smallest p-value of a rater; of ranks, which also differ by scatter (Friedman): {_p_of_ranks(found)}"
        rows.append(interval_row(BIAS_TEST.form(name), ALL_RATERS, of_all, note=note))
        for rater, row in zip(raters, found.to_dict("records"), strict=True):
            n_drawn = int(matrix[rater].notna().sum())
            n_alone = int((matrix[rater].notna() & (matrix.notna().sum(axis=1) < 2)).sum())
            tested = Interval(row["p_adjusted"], np.nan, np.nan, "t, Holm", n_drawn - n_alone, n_alone, False)
            called = f"biased (said {BIAS_TEST.errors.words})" if row["biased"] else "no bias found"
            note = f"p-value; {called}; {row['n_units']} units"
            rows.append(interval_row(BIAS_TEST.form(name), rater, tested, note=note))
    return score_rows(rows)


def _p_of_ranks(found: pd.DataFrame) -> str:
    p_value = float(found["friedman_p"].iloc[0])
    return "not tested, too few cases with all raters" if np.isnan(p_value) else f"p = {p_value:.2g}"


def intraclass_correlation(
    counts: pd.DataFrame, raters: Sequence[str], clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """ICC(A,1) and ICC(A,k) of each measurement: how well one rater, or the mean of all, distinguishes cases.

    Args:
        counts: Table of `segassay.tables.build`.
        raters: Raters to compare.
        clusters: Case -> subject, or the case itself.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`: `icc_a1_count`, `icc_ak_count` and so on, with intervals of `jackknife_t`; a
        case that a rater lacks is undefined.
    """
    estimators = (
        (ICC_A1, _icc_a1, correlation_scale(len(raters)), "one rater"),
        (ICC_AK, _icc_ak, OF_MEANS, f"mean of {len(raters)} raters"),
    )
    rows = []
    for name, matrix in _with_subjects(_each(counts, raters), clusters):
        cluster = clusters.reindex(matrix.index).to_numpy()
        for record, statistic, scale, note in estimators:
            interval = jackknife_t(statistic, matrix.to_numpy(), cluster, scale, level=level)
            rows.append(_correlation_row(record.form(name), interval, note))
    return score_rows(rows)


def _correlation_row(form: Form, interval: Interval, note: str) -> dict[str, Any]:
    """Row of an intraclass correlation, which is a share of the variance: its limits end at 0, or at the estimate.

    Of few cases the lower limit of a mean of k raters lies far below 0: -198 for 11 cases. An estimate below 0 says
    that cases differ less than chance; it stays. Where raters contradict each other, that of the mean may be above 1,
    which is no correlation.
    """
    if interval.value > 1:
        nothing = replace(interval, value=np.nan, low=np.nan, high=np.nan)
        return interval_row(form, ALL_RATERS, nothing, note=f"{note}; raters contradict each other: no correlation")
    if not interval.low < 0:
        return interval_row(form, ALL_RATERS, interval, note=note)
    cut = replace(interval, low=max(interval.low, min(interval.value, 0.0)), high=max(interval.high, 0.0))
    return interval_row(form, ALL_RATERS, cut, note=f"{note}; the lower limit ends at 0, where nothing is told apart")


def _with_subjects(
    found: Sequence[tuple[str, pd.DataFrame]], clusters: pd.Series
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Matrices with one more column, the number of the cluster, for statistics of weighted cases."""
    for name, matrix in found:
        yield name, matrix.assign(**{_SUBJECT: pd.factorize(clusters.reindex(matrix.index))[0]})


def _icc_a1(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return icc_a1_of_subjects(weights, values[:, :-1], values[:, -1])


def _icc_ak(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    k = values.shape[1] - 1
    single = _icc_a1(weights, values)
    return np.asarray(k * single / (1 + (k - 1) * single))


def one_way_correlation(
    counts: pd.DataFrame, raters: Sequence[str], clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """ICC(1,1) and ICC(1,k) of each measurement, if raters are exchangeable: one need not be the same person twice.

    Args:
        counts: As for `intraclass_correlation`.
        raters: As for `intraclass_correlation`.
        clusters: As for `intraclass_correlation`.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`: `icc_11_count`, `icc_1k_count` and so on. k is the largest number of raters of a
        case; a case with fewer is undefined.
    """
    rows = []
    for name, matrix in _each(counts, raters):
        values = np.sort(matrix.to_numpy(), axis=1)  # the known ones first
        k = int((~np.isnan(values)).sum(axis=1).max())
        cluster = clusters.reindex(matrix.index).to_numpy()
        numbered = np.column_stack([values[:, :k], pd.factorize(cluster)[0]])
        for record, statistic, scale, note in (
            (ICC_11, icc_11_weighted, correlation_scale(k), "one rater"),
            (ICC_1K, icc_1k_weighted, OF_MEANS, f"mean of {k} raters"),
        ):
            interval = jackknife_t(_of_subjects(statistic), numbered, cluster, scale, level=level)
            rows.append(_correlation_row(record.form(name), interval, note))
    return score_rows(rows)


def _of_subjects(
    statistic: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A statistic of weights, scores and clusters, where the last column of the values is the cluster."""
    return lambda weights, values: statistic(weights, values[:, :-1], values[:, -1])


def rater_share(
    counts: pd.DataFrame, raters: Sequence[str], clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Share of the variance of each measurement that is due to the rater, from components of case and rater.

    Args:
        counts: As for `intraclass_correlation`.
        raters: As for `intraclass_correlation`.
        clusters: As for `intraclass_correlation`.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`: `rater_share_count` and so on. Differences of a rater in only some cases belong to
        the rest; `note` gives the shares of the rest and of the cases.
    """
    rows = []
    for name, matrix in _with_subjects(_each(counts, raters), clusters):
        drawn = clusters.reindex(matrix.index).to_numpy()
        interval = jackknife_t(_rater_share, matrix.to_numpy(), drawn, SHARE_OF_VARIANCE, level=level)
        complete = matrix.dropna().to_numpy()
        case, _, rest = _shares(np.ones((1, len(complete))), complete)[0]
        note = f"case {case:.3f}, rest {rest:.3f}"
        rows.append(interval_row(RATER_SHARE.form(name), ALL_RATERS, interval, note=note))
    return score_rows(rows)


def _rater_share(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.asarray(_shares(weights, values)[:, 1])


def _shares(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`(B, 3)`: of case, rater, and what neither explains; the last column of the values is the cluster."""
    components = crossed_components(weights, values[:, :-1], values[:, -1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(components / components.sum(axis=1, keepdims=True))


def alpha_of_counts(
    counts: pd.DataFrame, raters: Sequence[str], clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Krippendorff's alpha of counts on a ratio scale, over images where a rater marks an object.

    On this scale 0 and any count are as far apart as counts can be. A few images where all agree that there is nothing
    make every other difference look small, so alpha would say how many such images there are. They are left out, and
    stated apart: `note` gives their number, and alpha with them.

    Args:
        counts: As for `intraclass_correlation`.
        raters: As for `intraclass_correlation`.
        clusters: As for `intraclass_correlation`.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`: `krippendorff_alpha_count`; a case with a single rater, or without any object, is
        undefined. Without rows if all are.
    """
    matrix = measurements_of(counts, AMOUNTS["count"], raters)
    judged = matrix[matrix.notna().sum(axis=1) > 1]
    paired = judged[(judged > 0).any(axis=1)]
    if paired.empty:
        return score_rows([])
    values = paired.to_numpy()
    interval = jackknife_t(
        lambda weights, rows: alpha_ratio_weighted(weights, values[rows.astype(int)]),
        np.arange(len(values)),
        clusters.reindex(paired.index).to_numpy(),
        correlation_scale(2),
        level=level,
    )
    n_undefined = int(matrix.notna().any(axis=1).sum()) - len(paired)
    note = ""
    if n_empty := len(judged) - len(paired):
        with_empty = float(alpha_ratio_weighted(np.ones((1, len(judged))), judged.to_numpy())[0])
        note = f"nobody marks an object in {n_empty} of {number_of(len(judged), 'image')}; with these {with_empty:.3f}"
    row = interval_row(KRIPPENDORFF_ALPHA.form("count"), BETWEEN_RATERS, interval, n_undefined=n_undefined, note=note)
    return score_rows([row])


def alpha_ratio_weighted(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`krippendorff_alpha(values.T, "ratio", weight=...)` of many resamples at once; fit for `jackknife_t`.

    Args:
        weights: `(B, N)`, how often each case was drawn.
        values: `(N, R)`, 0 or more, NaN where a rater has none; at least two per case.

    Returns:
        float64 `(B,)`; NaN where nothing was drawn or all values are equal.

    Example:
        >>> values = np.array([[1.0, 2.0], [4.0, 4.0], [9.0, 8.0]])
        >>> alpha_ratio_weighted(np.array([[1, 1, 1], [0, 2, 1]]), values).round(4)
        array([0.8402, 0.9834])

    References:
        Krippendorff (2011), as in `segassay.statistics.chance.krippendorff_alpha`.
    """
    known = ~np.isnan(values)
    levels, code = np.unique(values[known], return_inverse=True)
    occurs = np.zeros((len(values), levels.size))
    np.add.at(occurs, (np.nonzero(known)[0], code), 1)
    total = np.maximum(levels[:, None] + levels, np.finfo(float).tiny)
    difference = ((levels[:, None] - levels) / total) ** 2
    within = ((occurs @ difference) * occurs).sum(axis=1) / (known.sum(axis=1) - 1)
    drawn = np.asarray(weights) @ occurs
    expected = ((drawn @ difference) * drawn).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - (drawn.sum(axis=1) - 1) * (np.asarray(weights) @ within) / expected, np.nan)


def limits_of_agreement(
    counts: pd.DataFrame, raters: Sequence[str], clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Bland-Altman limits, proportional bias and Lin's concordance of each pair of raters.

    Raters are compared in pairs, not each with the mean of the others: that mean varies less than one rater does, which
    narrows the limits and looks like a proportional bias although there is none.

    Args:
        counts: As for `intraclass_correlation`.
        raters: As for `intraclass_correlation`.
        clusters: As for `intraclass_correlation`.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`. For `<a> minus <b>` the mean difference `difference_count`, its limits of agreement
        `limit_low_count` and `limit_high_count`, and `slope_count`, change of the difference per unit of the mean of
        both: the bias is proportional where the interval is free of 0. For `<a> and <b>` the `ccc_count`. The same of
        areas and intensities.
    """
    pairs = list(combinations(raters, 2))
    return limits_of_pairs(dict(_each(counts, raters)), pairs, clusters, level=level)


def limits_of_pairs(
    matrices: Mapping[str, pd.DataFrame], pairs: Sequence[tuple[str, str]], clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """`limits_of_agreement` of some pairs.

    Args:
        matrices: Measurement of `measurements_in` -> what `measurements_of` returns.
        pairs: Pairs of their columns.
        clusters: As for `limits_of_agreement`.
        level: As for `limits_of_agreement`.

    Returns:
        As `limits_of_agreement`; no rows of a measurement and a pair that have no case together.
    """
    scores, rows = [], []
    for name, matrix in matrices.items():
        for a, b in pairs:
            values = matrix[[a, b]].to_numpy(dtype=float)
            known = ~np.isnan(values)
            if not known.all(axis=1).any():
                continue
            used = known.any(axis=1)
            values, cases = values[used], matrix.index[used]
            scores.append(Score(DIFFERENCE.form(name), f"{a} minus {b}", pd.Series(values[:, 0] - values[:, 1], cases)))
            for record, interval in _of_pair(values, clusters.reindex(cases).to_numpy(), level):
                target = f"{a} and {b}" if record is CCC else f"{a} minus {b}"
                rows.append(interval_row(record.form(name), target, interval))
    return pd.concat([score_table(scores, clusters, level), score_rows(rows)], ignore_index=True)


def _of_pair(pair: np.ndarray, drawn: np.ndarray, level: float) -> list[tuple[Measure, Interval]]:
    """Limits, slope and concordance of two raters, `(N, 2)`; a slope hangs on the cases far from the mean."""
    size = pair.mean(axis=1)
    distance = (size - np.nanmean(size)) ** 2
    low, high = limits_of_agreement_at((-1.96, 1.96), pair[:, 0], pair[:, 1], drawn, level=level)
    limits = [(LIMIT_LOW, low), (LIMIT_HIGH, high)]
    slope = jackknife_t(_slope, pair, drawn, PLAIN, level=level, importance=distance)
    return [*limits, (SLOPE, slope), (CCC, jackknife_t(_concordance, pair, drawn, correlation_scale(2), level=level))]


def _moments(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """`(B,)` each: n, mean of x, variance of x, mean of y, variance of y, covariance; over n, not n - 1."""
    n, x_at, y_at = weights.sum(axis=1), x.mean(), y.mean()
    x, y = x - x_at, y - y_at
    with np.errstate(invalid="ignore", divide="ignore"):
        x_mean, y_mean, xx, yy, xy = (weights @ np.stack([x, y, x * x, y * y, x * y], axis=1) / n[:, None]).T
    return n, x_mean + x_at, xx - x_mean**2, y_mean + y_at, yy - y_mean**2, xy - x_mean * y_mean


def _slope(weights: np.ndarray, pair: np.ndarray) -> np.ndarray:
    """Slope of the difference on the mean of both, as in `bland_altman`."""
    n, _, variance, _, _, covariance = _moments(weights, pair.mean(axis=1), pair[:, 0] - pair[:, 1])
    known = (n > 2) & (variance > 1e-12 * np.square(pair).mean())
    return np.where(known, covariance / np.where(known, variance, 1.0), np.nan)


def _concordance(weights: np.ndarray, pair: np.ndarray) -> np.ndarray:
    """Lin's concordance, as in `lins_ccc`, of many resamples at once."""
    n, a, a_variance, b, b_variance, covariance = _moments(weights, *pair.T)
    spread = a_variance + b_variance + (a - b) ** 2
    known = (n > 1) & (spread > 1e-12 * np.square(pair).mean())
    return np.where(known, 2 * covariance / np.where(known, spread, 1.0), np.nan)

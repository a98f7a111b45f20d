"""Intervals over clusters: against textbook, scipy and simulations of known truth, and what must not move them."""

import math
import tracemalloc
from dataclasses import astuple

import numpy as np
import pytest
from scipy import optimize, stats

from segassay.statistics import intervals
from segassay.statistics.intervals import (
    Interval,
    degrees_of_freedom,
    mean_interval,
    mean_intervals,
    paired_difference,
    sd_over_seeds,
)
from segassay.statistics.jackknife import SPREAD, jackknife_t


def scores(n_cases: int, n_columns: int, seed: int = 0) -> np.ndarray:
    """Skewed scores within [0, 1], with the mean 6/7."""
    return np.random.default_rng(seed).beta(6, 1, (n_cases, n_columns))


def limits(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def test_below_10_clusters_it_is_the_t_interval():
    values = scores(9, 1)[:, 0]
    interval = mean_interval(values, np.arange(9))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval.method == "t"
    assert limits(interval) == pytest.approx((values.mean(), expected.low, expected.high))
    assert not interval.approximate


def test_limits_of_hall_are_the_roots_of_his_polynomial():
    """Solved with scipy: t + a t²/3 + a² t³/27 + a/6, where a is the skewness by √n, equals a quantile of t."""
    values = scores(14, 1)[:, 0]
    n, mean, se = 14, values.mean(), values.std(ddof=1) / math.sqrt(14)
    a = stats.skew(values, bias=False) / math.sqrt(n)
    quantile, ends = stats.t.ppf(0.975, n - 1), []
    for end in (quantile, -quantile):
        root = optimize.brentq(lambda t, end=end: t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6 - end, -99, 99)
        ends.append(mean - root * se)
    interval = mean_interval(values, np.arange(14))
    plain = stats.t.interval(0.95, n - 1, mean, se)
    assert interval.method == "Hall-t"
    assert limits(interval) == pytest.approx((mean, min(ends[0], plain[0]), max(ends[1], plain[1])))
    assert ends[0] < plain[0], "scores with a tail of bad cases"


def robust(values: np.ndarray, clusters: np.ndarray) -> tuple[float, float, float]:
    """Mean, CR2 standard error, Bell and McCaffrey's degrees of freedom, by the matrices of the article."""
    n, x = len(values), np.ones((len(values), 1))
    bread, residual = np.linalg.inv(x.T @ x), values - values.mean()
    maker = np.eye(n) - x @ bread @ x.T
    meat, g = 0.0, []
    for cluster in np.unique(clusters):
        rows = clusters == cluster
        share, vectors = np.linalg.eigh(maker[np.ix_(rows, rows)])
        root = vectors @ np.diag(1 / np.sqrt(share)) @ vectors.T
        meat += float((x[rows].T @ root @ residual[rows])[0] ** 2)
        g.append(maker[:, rows] @ root @ x[rows] @ bread)
    g = np.hstack(g)
    eigenvalues = np.linalg.eigvalsh(g.T @ g)
    return values.mean(), math.sqrt(meat) * bread[0, 0], eigenvalues.sum() ** 2 / (eigenvalues**2).sum()


@pytest.mark.parametrize("sizes", [[1, 1, 2, 3, 8], [2, 2, 2], [6, 1, 1, 1, 1, 1, 1], [5, 4]])
def test_clusters_of_unequal_size_are_those_of_bell_and_mccaffrey(sizes: list[int]):
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    values = scores(len(clusters), 1, seed=4)[:, 0] + 0.1 * clusters
    mean, se, df = robust(values, clusters)
    assert degrees_of_freedom(np.array(sizes) / sum(sizes)) == pytest.approx(df)
    assert limits(mean_interval(values, clusters)) == pytest.approx((mean, *stats.t.interval(0.95, df, mean, se)))


def spread(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Standard deviation over weighted cases, one per row of weights."""
    share = weights / weights.sum(axis=1, keepdims=True)
    return np.sqrt(share @ values**2 - (share @ values) ** 2)


def test_the_sd_over_seeds_has_the_interval_of_the_chi_square_distribution():
    """Limits of sigma as multiples of the estimate, as printed in tables of this interval: n = 10 and n = 5."""
    for n, factors in ((10, (0.688, 1.826)), (5, (0.599, 2.874))):
        values = scores(n, 1)[:, 0]
        interval = sd_over_seeds(values)
        assert limits(interval) == pytest.approx([values.std(ddof=1) * f for f in (1, *factors)], rel=1e-3)
        assert (interval.method, interval.n_cases, interval.approximate) == ("chi-square", n, False)


def test_the_sd_over_seeds_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [sd_over_seeds(rng.normal(0, 2, 5)) for _ in range(800)]
    assert 0.92 < np.mean([interval.low <= 2 <= interval.high for interval in found]) < 0.98


def test_the_sd_of_few_seeds_is_not_judged():
    interval = sd_over_seeds([0.7, math.nan, 0.8, 0.9])
    assert (interval.value, interval.method) == (pytest.approx(0.1), "not judged")
    assert np.isnan([interval.low, interval.high]).all()
    assert (interval.n_cases, interval.n_undefined, interval.approximate) == (3, 1, True)
    assert math.isnan(sd_over_seeds([0.7]).value)
    assert math.isnan(sd_over_seeds([]).value)


@pytest.mark.parametrize("n_clusters", [5, 16])
def test_duplicating_every_case_within_its_subject_changes_nothing(n_clusters: int):
    rng = np.random.default_rng(0)
    subject = rng.permutation(np.concatenate([np.arange(n_clusters), rng.integers(0, n_clusters, 20)]))
    values = scores(len(subject), 1)[:, 0]
    other = scores(len(subject), 1, seed=9)[:, 0]
    twice, subject_twice = np.concatenate([values, values]), np.concatenate([subject, subject])
    other_twice = np.concatenate([other, other])
    pairs = [
        (mean_interval(values, subject), mean_interval(twice, subject_twice)),
        (paired_difference(values, other, subject), paired_difference(twice, other_twice, subject_twice)),
    ]
    for once, doubled in pairs:
        assert limits(doubled) == pytest.approx(limits(once), rel=1e-9)
        assert doubled.n_cases == 2 * once.n_cases
    as_cases = mean_interval(twice, np.arange(len(twice)))
    assert as_cases.high - as_cases.low < 0.95 * (pairs[0][1].high - pairs[0][1].low)  # what the mistake would claim


def test_undefined_cases_are_left_out_and_counted():
    values = scores(20, 1)[:, 0]
    with_gaps = np.concatenate([values, [math.nan] * 3])
    interval = mean_interval(with_gaps, [*["a", "b"] * 10, "a", "b", "b"])
    assert limits(interval) == pytest.approx(limits(mean_interval(values, ["a", "b"] * 10)))
    assert (interval.n_cases, interval.n_undefined) == (20, 3)
    difference = paired_difference([1, 2, math.nan, 4], [0, math.nan, 1, 2], list("abcd"))
    assert (difference.value, difference.n_cases, difference.n_undefined) == (1.5, 2, 2)


def test_clusters_without_a_defined_case_do_not_count_as_clusters():
    values = scores(12, 1)[:, 0]
    values[4:] = math.nan
    interval = mean_interval(values, np.arange(12))
    assert interval.method == "t"
    assert limits(interval) == pytest.approx(limits(mean_interval(values[:4], np.arange(4))))


def test_empty_and_single_and_constant_columns():
    assert math.isnan(mean_interval([], []).value)
    lone = mean_interval([0.4, 0.6], ["mouse", "mouse"])
    assert (lone.value, lone.method) == (0.5, "")
    assert math.isnan(lone.low)
    for n in (5, 30):
        constant = mean_interval(np.full(n, 0.7), np.arange(n))
        assert (constant.value, constant.method) == (pytest.approx(0.7), "constant")
        assert np.isnan([constant.low, constant.high]).all(), "nothing is known about how far it would vary"


def test_limits_are_finite_where_one_case_differs_from_all_others():
    values = np.ones(30)
    values[0] = 0.2
    interval = mean_interval(values, np.arange(30), bounds=(0, 1))
    assert np.isfinite([interval.low, interval.high]).all()
    assert interval.low < interval.value < interval.high <= 1
    assert interval.approximate, "more than half of the cases have one value"


@pytest.mark.parametrize("n", [10, 20, 40])
def test_ones_alone_are_not_taken_for_certainty(n: int):
    """The lower limit is that of Clopper and Pearson for n hits out of n."""
    interval = mean_interval(np.ones(n), np.arange(n), bounds=(0, 1))
    assert interval.low == pytest.approx(stats.binomtest(n, n).proportion_ci(0.95).low)
    assert (interval.high, interval.method) == (1, "binomial")
    difference = mean_interval(np.zeros(n), np.arange(n), bounds=(-1, 1))
    assert difference.low == -difference.high < -0.05


def test_limits_stay_in_the_range_of_the_measure():
    interval = mean_interval([0.2, 0.9], ["a", "b"], bounds=(0, 1))
    assert limits(interval) == pytest.approx((0.55, 0, 1))
    with pytest.raises(ValueError, match="lowest and highest"):
        mean_intervals(np.ones((3, 2)), np.arange(3), bounds=np.zeros((1, 2)))


def test_many_columns_are_the_single_ones_side_by_side():
    values = scores(18, 1030)  # more than one block
    values[3, 5] = values[7, 5] = math.nan
    subject = np.arange(18) // 1.5 // 1
    table = mean_intervals(values, subject)
    for column in (0, 5, 511, 512, 1029):
        assert tuple(table.loc[column]) == pytest.approx(astuple(mean_interval(values[:, column], subject)))
    assert list(table) == list(Interval.__dataclass_fields__)


def test_sums_of_very_many_clusters_are_those_of_few(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 4))
    values[rng.random(values.shape) < 0.1] = np.nan
    for clusters in (np.arange(60), rng.integers(0, 25, 60)):
        few = mean_intervals(values, clusters)
        with monkeypatch.context() as patch:
            patch.setattr(intervals, "MOST_MEMBERSHIPS", 0)
            assert intervals.cluster_sums(values[:, :0], clusters).shape == (0, clusters.max() + 1)
            many = mean_intervals(values, clusters)
        for name in ("value", "low", "high"):
            np.testing.assert_allclose(many[name], few[name], rtol=1e-12)


def test_means_of_100_000_cases_take_little_memory():
    values = np.random.default_rng(0).gamma(2, size=100_000)
    tracemalloc.start()
    found = mean_interval(values, np.arange(len(values)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(2 / len(values)), rel=0.02)


def test_names_and_order_of_clusters_do_not_matter():
    values = scores(24, 1)[:, 0]
    clusters = np.array([f"m{i:02}" for i in range(24)])
    once = mean_interval(values, clusters)
    assert once == mean_interval(values, clusters)
    assert limits(mean_interval(values[::-1], clusters[::-1])) == pytest.approx(limits(once))
    renamed = np.random.default_rng(1).permutation(clusters)
    for count in (mean_interval, lambda x, c: jackknife_t(spread, x, c, SPREAD)):
        assert limits(count(values, renamed)) == pytest.approx(limits(count(values, clusters)), rel=1e-12)
    assert mean_interval(values, clusters, 0.99).low < once.low


@pytest.mark.parametrize("n", [6, 20])
def test_interval_covers_the_mean_of_skewed_bounded_scores(n: int):
    table = mean_intervals(scores(n, 1500, seed=n), np.arange(n))
    coverage = ((table["low"] <= 6 / 7) & (table["high"] >= 6 / 7)).mean()
    assert 0.9 < coverage < 0.99


def test_clusters_of_subjects_cover_and_clusters_of_cases_do_not():
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(15), rng.integers(1, 6, 15))
    values = rng.normal(0, 1, (15, 1500))[subject] + rng.normal(0, 0.5, (len(subject), 1500))

    def coverage(clusters: np.ndarray) -> float:
        table = mean_intervals(values, clusters)
        return float(((table["low"] <= 0) & (table["high"] >= 0)).mean())

    assert 0.9 < coverage(subject) < 0.99
    assert coverage(np.arange(len(subject))) < 0.85


def test_no_difference_is_found_as_rarely_as_it_should():
    rng = np.random.default_rng(0)
    table = mean_intervals(rng.normal(0, 1, (20, 1500)) - rng.normal(0, 1, (20, 1500)), np.arange(20))
    assert 0.02 < ((table["low"] > 0) | (table["high"] < 0)).mean() < 0.09


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [
        ([1.0, 2.0], ["a"], "one per case"),
        ([[1.0], [2.0]], ["a", "b"], "for many columns"),
        ([1.0, math.inf], ["a", "b"], "infinity"),
    ],
)
def test_calls_that_make_no_sense_are_refused(values: list, clusters: list, message: str):
    with pytest.raises(ValueError, match=message):
        mean_interval(values, clusters)


def test_seeds_that_all_say_the_same_do_not_scatter():
    same = [0.6428571428571429] * 10
    assert np.std(same, ddof=1) > 0, "to the last bit"
    interval = sd_over_seeds(np.array(same))
    assert (interval.value, interval.method) == (0, "constant")
    assert np.isnan([interval.low, interval.high]).all(), "a spread of 0 in a few seeds is no proof of none"

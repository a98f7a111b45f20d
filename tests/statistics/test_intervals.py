"""Intervals over clusters: against textbook, scipy and simulations of known truth, and what must not move them."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from scipy import optimize, stats

from segassay.statistics.bca import bca, bca_of, bca_ratio, bca_ratios, of_drawn_cases, resampled
from segassay.statistics.intervals import (
    Interval,
    Resampling,
    bootstrap_mean,
    bootstrap_means,
    degrees_of_freedom,
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
    interval = bootstrap_mean(values, np.arange(9))
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
    interval = bootstrap_mean(values, np.arange(14))
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
    assert limits(bootstrap_mean(values, clusters)) == pytest.approx((mean, *stats.t.interval(0.95, df, mean, se)))


def test_bca_is_that_of_scipy():
    values = scores(25, 1)[:, 0]
    expected = stats.bootstrap((values,), np.mean, n_resamples=20000, method="BCa", rng=1).confidence_interval
    interval = bca(
        lambda weights, v: weights @ v / weights.sum(axis=1), values, np.arange(25), Resampling(n_resamples=20000)
    )
    assert limits(interval) == pytest.approx((values.mean(), expected.low, expected.high), abs=0.002)
    assert interval.method == "BCa"
    assert not interval.approximate


def test_bca_of_a_correlation_is_that_of_scipy():
    """The law school data of Efron & Tibshirani (1993), table 3.1; correlation .776, an interval far from symmetric."""
    lsat = [576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594]
    gpa = [3.39, 3.30, 2.81, 3.03, 3.44, 3.07, 3.00, 3.43, 3.36, 3.13, 3.12, 2.74, 2.76, 2.88, 2.96]
    options = {"paired": True, "vectorized": False, "n_resamples": 4000, "confidence_level": 0.9, "rng": 0}
    found = stats.bootstrap((lsat, gpa), lambda x, y: np.corrcoef(x, y)[0, 1], **options)
    expected = found.confidence_interval

    def correlation(weights: np.ndarray, v: np.ndarray) -> np.ndarray:
        share = weights / weights.sum(axis=1, keepdims=True)
        x, y = v[:, 0], v[:, 1]
        mean_x, mean_y = share @ x, share @ y
        covariance = share @ (x * y) - mean_x * mean_y
        return covariance / np.sqrt((share @ x**2 - mean_x**2) * (share @ y**2 - mean_y**2))

    interval = bca(correlation, np.column_stack([lsat, gpa]), np.arange(15), Resampling(level=0.9, n_resamples=4000))
    assert limits(interval) == pytest.approx((0.776, expected.low, expected.high), abs=0.02)
    assert interval.value - interval.low > 2 * (interval.high - interval.value)
    assert interval.approximate


def spread(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Standard deviation over weighted cases, one per row of weights."""
    share = weights / weights.sum(axis=1, keepdims=True)
    return np.sqrt(share @ values**2 - (share @ values) ** 2)


def test_a_statistic_of_drawn_cases_is_that_of_weights():
    values, subject = scores(30, 1)[:, 0], np.arange(30) // 1.5 // 1
    assert limits(bca(of_drawn_cases(np.std), values, subject)) == pytest.approx(limits(bca(spread, values, subject)))


def test_bca_of_ranks_is_that_of_scipy():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, 40)
    both = np.column_stack([x, x + rng.normal(0, 0.7, 40)])

    def spearman(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])

    options = {"paired": True, "vectorized": False, "n_resamples": 2000, "rng": 0}
    expected = stats.bootstrap(tuple(both.T), spearman, **options).confidence_interval
    interval = bca(of_drawn_cases(lambda drawn: spearman(*drawn.T)), both, np.arange(40))
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=0.03)
    assert interval.value == pytest.approx(stats.spearmanr(*both.T).statistic)


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


def test_ratio_is_the_ratio_of_sums_and_its_interval_that_of_any_statistic():
    rng = np.random.default_rng(0)
    below = rng.integers(20, 200, 30).astype(float)
    above = rng.binomial(below.astype(int), 0.7).astype(float)
    interval = bca_ratio(above, below, np.arange(30))
    assert interval.value == pytest.approx(above.sum() / below.sum())
    general = bca(lambda w, v: (w @ v[:, 0]) / (w @ v[:, 1]), np.column_stack([above, below]), np.arange(30))
    assert limits(interval) == pytest.approx(limits(general))


@pytest.mark.parametrize("n_clusters", [5, 16])
def test_duplicating_every_case_within_its_subject_changes_nothing(n_clusters: int):
    rng = np.random.default_rng(0)
    subject = rng.permutation(np.concatenate([np.arange(n_clusters), rng.integers(0, n_clusters, 20)]))
    values = scores(len(subject), 1)[:, 0]
    other = scores(len(subject), 1, seed=9)[:, 0]
    twice, subject_twice = np.concatenate([values, values]), np.concatenate([subject, subject])
    other_twice = np.concatenate([other, other])
    pairs = [
        (bootstrap_mean(values, subject), bootstrap_mean(twice, subject_twice)),
        (paired_difference(values, other, subject), paired_difference(twice, other_twice, subject_twice)),
        (bca_ratio(values, other, subject), bca_ratio(twice, other_twice, subject_twice)),
        *[(bca(any_, values, subject), bca(any_, twice, subject_twice)) for any_ in (spread, of_drawn_cases(np.std))],
    ]
    for once, doubled in pairs:
        assert limits(doubled) == pytest.approx(limits(once), rel=1e-9)
        assert doubled.n_cases == 2 * once.n_cases
    as_cases = bootstrap_mean(twice, np.arange(len(twice)))
    assert as_cases.high - as_cases.low < 0.95 * (pairs[0][1].high - pairs[0][1].low)  # what the mistake would claim


def test_undefined_cases_are_left_out_and_counted():
    values = scores(20, 1)[:, 0]
    with_gaps = np.concatenate([values, [math.nan] * 3])
    interval = bootstrap_mean(with_gaps, [*["a", "b"] * 10, "a", "b", "b"])
    assert limits(interval) == pytest.approx(limits(bootstrap_mean(values, ["a", "b"] * 10)))
    assert (interval.n_cases, interval.n_undefined) == (20, 3)
    difference = paired_difference([1, 2, math.nan, 4], [0, math.nan, 1, 2], list("abcd"))
    assert (difference.value, difference.n_cases, difference.n_undefined) == (1.5, 2, 2)
    ratio = bca_ratio([1, 2, math.nan, 4], [2, math.nan, 1, 8], list("abcd"))
    assert (ratio.value, ratio.n_cases, ratio.n_undefined) == (0.5, 2, 2)


def test_clusters_without_a_defined_case_do_not_count_as_clusters():
    values = scores(12, 1)[:, 0]
    values[4:] = math.nan
    interval = bootstrap_mean(values, np.arange(12))
    assert interval.method == "t"
    assert limits(interval) == pytest.approx(limits(bootstrap_mean(values[:4], np.arange(4))))


def test_empty_and_single_and_constant_columns():
    assert math.isnan(bootstrap_mean([], []).value)
    assert math.isnan(bca_ratio([], [], []).value)
    assert math.isnan(bca(lambda w, v: w @ v, np.array([math.nan]), np.array(["a"])).value)
    lone = bootstrap_mean([0.4, 0.6], ["mouse", "mouse"])
    assert (lone.value, lone.method) == (0.5, "")
    assert math.isnan(lone.low)
    for n in (5, 30):
        constant = bootstrap_mean(np.full(n, 0.7), np.arange(n))
        assert (constant.value, constant.method) == (pytest.approx(0.7), "constant")
        assert np.isnan([constant.low, constant.high]).all(), "nothing is known about how far it would vary"
    assert limits(bca_ratio(np.full(30, 0.7), np.ones(30), np.arange(30))) == pytest.approx((0.7, 0.7, 0.7))
    assert math.isnan(bca_ratio([0, 0], [0, 0], ["a", "b"]).value)


def test_limits_are_finite_where_one_case_differs_from_all_others():
    values = np.ones(30)
    values[0] = 0.2
    interval = bootstrap_mean(values, np.arange(30), bounds=(0, 1))
    assert np.isfinite([interval.low, interval.high]).all()
    assert interval.low < interval.value < interval.high <= 1
    assert interval.approximate, "more than half of the cases have one value"


@pytest.mark.parametrize("n", [10, 20, 40])
def test_ones_alone_are_not_taken_for_certainty(n: int):
    """The lower limit is that of Clopper and Pearson for n hits out of n."""
    interval = bootstrap_mean(np.ones(n), np.arange(n), bounds=(0, 1))
    assert interval.low == pytest.approx(stats.binomtest(n, n).proportion_ci(0.95).low)
    assert (interval.high, interval.method) == (1, "binomial")
    difference = bootstrap_mean(np.zeros(n), np.arange(n), bounds=(-1, 1))
    assert difference.low == -difference.high < -0.05


def test_limits_stay_in_the_range_of_the_measure():
    interval = bootstrap_mean([0.2, 0.9], ["a", "b"], bounds=(0, 1))
    assert limits(interval) == pytest.approx((0.55, 0, 1))
    with pytest.raises(ValueError, match="lowest and highest"):
        bootstrap_means(np.ones((3, 2)), np.arange(3), bounds=np.zeros((1, 2)))


def test_many_columns_are_the_single_ones_side_by_side():
    values = scores(18, 1030)  # more than one block
    values[3, 5] = values[7, 5] = math.nan
    subject = np.arange(18) // 1.5 // 1
    table = bootstrap_means(values, subject)
    ratios = bca_ratios(values, values[:, ::-1], subject)
    for column in (0, 5, 511, 512, 1029):
        assert tuple(table.loc[column]) == pytest.approx(astuple(bootstrap_mean(values[:, column], subject)))
        single = bca_ratio(values[:, column], values[:, ::-1][:, column], subject)
        assert tuple(ratios.loc[column]) == pytest.approx(astuple(single))
    assert list(table) == list(Interval.__dataclass_fields__)


def test_names_and_order_of_clusters_do_not_matter():
    values = scores(24, 1)[:, 0]
    clusters = np.array([f"m{i:02}" for i in range(24)])
    once = bootstrap_mean(values, clusters)
    assert once == bootstrap_mean(values, clusters)
    assert limits(bootstrap_mean(values[::-1], clusters[::-1])) == pytest.approx(limits(once))
    renamed = np.random.default_rng(1).permutation(clusters)
    for count in (bootstrap_mean, lambda x, c: jackknife_t(spread, x, c, SPREAD)):
        assert limits(count(values, renamed)) == pytest.approx(limits(count(values, clusters)), rel=1e-12)
    assert bootstrap_mean(values, clusters, Resampling(level=0.99)).low < once.low


@pytest.mark.parametrize("n", [6, 20])
def test_interval_covers_the_mean_of_skewed_bounded_scores(n: int):
    table = bootstrap_means(scores(n, 1500, seed=n), np.arange(n))
    coverage = ((table["low"] <= 6 / 7) & (table["high"] >= 6 / 7)).mean()
    assert 0.9 < coverage < 0.99


def test_resampling_subjects_covers_and_resampling_cases_does_not():
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(15), rng.integers(1, 6, 15))
    values = rng.normal(0, 1, (15, 1500))[subject] + rng.normal(0, 0.5, (len(subject), 1500))

    def coverage(clusters: np.ndarray) -> float:
        table = bootstrap_means(values, clusters)
        return float(((table["low"] <= 0) & (table["high"] >= 0)).mean())

    assert 0.9 < coverage(subject) < 0.99
    assert coverage(np.arange(len(subject))) < 0.85


def test_no_difference_is_found_as_rarely_as_it_should():
    rng = np.random.default_rng(0)
    table = bootstrap_means(rng.normal(0, 1, (20, 1500)) - rng.normal(0, 1, (20, 1500)), np.arange(20))
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
        bootstrap_mean(values, clusters)


def test_no_case_at_all_has_no_interval():
    assert np.isnan(bca(lambda weights, values: weights @ values, np.zeros(0), np.zeros(0, dtype=str)).value)


def test_seeds_that_all_say_the_same_do_not_scatter():
    same = [0.6428571428571429] * 10
    assert np.std(same, ddof=1) > 0, "to the last bit"
    interval = sd_over_seeds(np.array(same))
    assert (interval.value, interval.method) == (0, "constant")
    assert np.isnan([interval.low, interval.high]).all(), "a spread of 0 in a few seeds is no proof of none"


def sum_and_mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.stack([weights @ values, weights @ values / weights.sum(axis=1)], axis=1)


@pytest.mark.parametrize("values", [[3.0, 1.0, np.nan, 2.0, 7.0], [3.0], [np.nan]])
def test_several_intervals_are_read_off_one_resampling(values: list[float]):
    values, clusters = np.array(values), np.array(["a", "b", "b", "c", "b"])[: len(values)]
    both = resampled(sum_and_mean, values, clusters, Resampling(n_resamples=50))
    for column in (0, 1) if both.n_clusters else ():
        alone = bca(lambda w, x, k=column: sum_and_mean(w, x)[:, k], values, clusters, Resampling(n_resamples=50))
        np.testing.assert_equal(astuple(bca_of(both.of(lambda found, k=column: found[:, k]))), astuple(alone))
    assert both.n_clusters == {5: 3, 1: int(values[0] == 3)}[len(values)]

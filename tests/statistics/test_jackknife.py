"""Intervals from leaving one cluster out: a case done by hand, clusters, gaps, the ends of a scale."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segassay.qualities.objectivity.measurements import _concordance
from segassay.statistics import jackknife
from segassay.statistics.intervals import mean_interval
from segassay.statistics.jackknife import (
    LOGARITHM,
    SHARE,
    SPREAD,
    VARIANCE,
    Scale,
    correlation_scale,
    jackknife_ratio,
    jackknife_t,
    left_out,
    mean_square_of,
)
from segassay.statistics.reliability import icc_a1_weighted

PLAIN = Scale(lambda x: x, lambda x: x)
CASES = np.arange(6)


def mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.asarray((weights @ values) / weights.sum(axis=1))


def test_interval_of_a_mean_is_that_of_t() -> None:
    """Leaving one out gives a mean's standard error exactly."""
    values = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0])
    interval = jackknife_t(mean, values, CASES, PLAIN)
    expected = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert (interval.value, interval.method, interval.n_cases, interval.approximate) == (4.5, "jackknife-t", 6, True)


def test_cases_of_one_subject_leave_together() -> None:
    values = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0])
    subjects = np.array(["a", "a", "b", "b", "c", "c"])
    expected = stats.t.interval(0.95, 2, values.mean(), stats.sem(values.reshape(3, 2).mean(axis=1)))
    interval = jackknife_t(mean, values, subjects, PLAIN)
    assert (interval.low, interval.high) == pytest.approx(expected)


def test_every_case_twice_within_its_subject_changes_nothing() -> None:
    values = np.random.default_rng(0).normal(size=(6, 3)) + np.arange(6)[:, None]
    once = jackknife_t(lambda w, x: mean(w, x[:, 0]), values, CASES, PLAIN)
    twice = jackknife_t(lambda w, x: mean(w, x[:, 0]), np.repeat(values, 2, axis=0), np.repeat(CASES, 2), PLAIN)
    assert (once.low, once.high) == pytest.approx((twice.low, twice.high))


def test_a_case_with_a_gap_is_left_out_and_counted() -> None:
    interval = jackknife_t(mean, np.array([1.0, np.nan, 2.0, 3.0]), np.arange(4), PLAIN)
    assert (interval.value, interval.n_cases, interval.n_undefined) == (2.0, 3, 1)


@pytest.mark.parametrize("values", [[], [np.nan], [2.0]])
def test_fewer_than_two_clusters_have_no_interval(values: list[float]) -> None:
    interval = jackknife_t(mean, np.array(values), np.arange(len(values)), PLAIN)
    assert math.isnan(interval.low)
    assert interval.method == ""


def test_a_variance_of_0_has_no_interval() -> None:
    for scale in (LOGARITHM, VARIANCE, SPREAD):
        interval = jackknife_t(mean, np.zeros(6), CASES, scale)
        assert interval.value == 0
        assert math.isnan(interval.low)


def test_interval_of_an_intraclass_correlation_stays_below_1() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(12, 1)) + 0.1 * rng.normal(size=(12, 4))
    interval = jackknife_t(icc_a1_weighted, scores, np.arange(12), correlation_scale(4))
    assert 0.85 < interval.low < interval.value < interval.high < 1


@given(st.floats(0.01, 100), st.integers(0, 100))
def test_the_unit_of_a_ratio_does_not_matter(factor: float, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(1, 2, size=6)
    one, other = (jackknife_t(mean, values * unit, CASES, LOGARITHM) for unit in (1.0, factor))
    assert (other.low, other.high) == pytest.approx((one.low * factor, one.high * factor))


def test_from_10_clusters_on_a_mean_has_the_limits_of_means() -> None:
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(12), rng.integers(1, 6, 12))
    values = rng.lognormal(size=len(clusters))
    interval, expected = jackknife_t(mean, values, clusters, PLAIN), mean_interval(values, clusters)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_a_correlation_of_1_without_one_case_is_still_judged() -> None:
    """The scale is infinite at 1; the plain index takes over, inside its range."""
    pair = np.array([[1.0, 2.0], *[[x, x] for x in range(2, 9)]])
    interval = jackknife_t(_concordance, pair, np.arange(8), correlation_scale(2))
    assert interval.low < interval.value < interval.high == 1


def test_an_index_that_no_case_changes_has_a_width_or_no_limits() -> None:
    perfect = jackknife_ratio(np.full(10, 4.0), np.full(10, 4.0), np.arange(10), SHARE)
    assert (perfect.value, round(perfect.low, 3), perfect.high, perfect.method) == (1, 0.692, 1, "binomial")
    constant = jackknife_ratio(np.full(10, 4.0), np.full(10, 2.0), np.arange(10), LOGARITHM)
    assert (constant.value, constant.method) == (2, "constant")
    assert math.isnan(constant.low)


def test_one_case_with_nearly_all_objects_leaves_little_to_know() -> None:
    even = jackknife_ratio([5, 7, 6, 4, 8], [10, 10, 10, 10, 10], np.arange(5), SHARE)
    one = jackknife_ratio([50, 7, 6, 4, 8], [100, 10, 10, 10, 10], np.arange(5), SHARE)
    assert one.high - one.low > even.high - even.low
    alone = jackknife_ratio([5, 0, 0], [10, 0, 0], np.arange(3), SHARE)
    assert math.isnan(alone.low)


def test_a_mean_square_of_one_index_is_that_of_the_f_test() -> None:
    """The interval reaches 0 just where the t test of the mean, on the upper 2.5 % of F, finds nothing."""
    rng = np.random.default_rng(0)
    for shift in np.linspace(0, 1.5, 16):
        values = rng.normal(shift, 1, 12)
        found = mean_square_of(left_out(lambda w, x: mean(w, x)[:, None], values, np.arange(12)))
        assert found.low <= found.value <= found.high
        assert (found.low > 0) == (stats.ttest_1samp(values, 0).pvalue < 0.025)


def test_mean_squares_hold_the_truth_without_and_with_an_effect() -> None:
    rng = np.random.default_rng(1)
    for truth in (0.0, 0.5):
        found = []
        for _ in range(200):
            values = truth + rng.normal(size=(20, 1)) + 0.5 * rng.normal(size=(20, 3))
            found.append(mean_square_of(left_out(mean_of_columns, values, np.arange(20))))
        assert np.mean([one.low <= truth**2 <= one.high for one in found]) > 0.9


def mean_of_columns(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.asarray(weights @ values / weights.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("block", [1, 90, 100, 10_000])
def test_many_clusters_are_left_out_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    values = np.random.default_rng(0).gamma(2, size=(40, 2))
    values[3] = np.nan
    clusters = np.repeat(np.arange(20), 2)
    sizes = []

    def ratio(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
        sizes.append(weights.size)
        above, below = (weights @ values).T
        return np.asarray(above / below)

    at_once = left_out(ratio, values, clusters)
    assert sizes == [21 * 39]
    monkeypatch.setattr(jackknife, "_BLOCK", block)
    sizes.clear()
    found = left_out(ratio, values, clusters)
    assert max(sizes) <= max(block, 39)
    assert sum(sizes) == 21 * 39
    np.testing.assert_allclose(found.whole, at_once.whole, rtol=1e-13)
    np.testing.assert_allclose(found.without, at_once.without, rtol=1e-13)
    by_hand = [np.divide(*np.nansum(values[clusters != one], axis=0)) for one in range(20)]
    np.testing.assert_allclose(found.without, by_hand, rtol=1e-12)


@pytest.mark.parametrize("of_subject", [1, 3])
def test_groups_of_very_many_clusters_have_the_interval_of_all(
    monkeypatch: pytest.MonkeyPatch, of_subject: int
) -> None:
    values = np.exp(np.random.default_rng(3).normal(size=(3000, 2)))
    clusters = np.arange(len(values)) // of_subject
    monkeypatch.setattr(jackknife, "MOST_CLUSTERS", 3000)
    one_by_one = jackknife_ratio(values[:, 0], values[:, 1], clusters, LOGARITHM)
    monkeypatch.setattr(jackknife, "MOST_CLUSTERS", 400)
    in_groups = jackknife_ratio(values[:, 0], values[:, 1], clusters, LOGARITHM)
    assert in_groups.value == pytest.approx(one_by_one.value)
    assert (in_groups.n_cases, in_groups.approximate) == (3000, False)
    widths = [math.log(found.high / found.low) for found in (in_groups, one_by_one)]
    assert widths[0] != widths[1]
    assert widths[0] == pytest.approx(widths[1], rel=0.12)  # three standard errors of a spread of 400


def test_intervals_of_100_000_cases_take_little_time_and_memory() -> None:
    values = np.random.default_rng(0).gamma(2, size=(100_000, 2))
    sizes = []

    def ratio(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
        sizes.append(weights.shape)
        return np.ones(len(weights))

    left_out(ratio, values, np.arange(len(values)))
    assert sum(rows for rows, _ in sizes) == jackknife.MOST_CLUSTERS + 1
    assert max(rows * columns for rows, columns in sizes) <= 1 << 22


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one cluster per case"):
        jackknife_t(mean, np.zeros(3), np.arange(2), PLAIN)

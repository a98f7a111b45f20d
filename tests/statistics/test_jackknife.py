"""Intervals from leaving one cluster out: a case done by hand, clusters, gaps, the ends of a scale."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segassay.statistics.jackknife import LOGARITHM, Scale, correlation_scale, jackknife_t
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


def test_a_variance_of_0_has_no_interval_on_the_logarithm() -> None:
    interval = jackknife_t(mean, np.zeros(6), CASES, LOGARITHM)
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


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one cluster per case"):
        jackknife_t(mean, np.zeros(3), np.arange(2), PLAIN)

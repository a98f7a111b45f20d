"""Two ways of measuring: published numbers, statsmodels, and what must hold whatever the numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from segassay.statistics.intervals import mean_interval
from segassay.statistics.jackknife import SPREAD, jackknife_t
from segassay.statistics.methods import bland_altman, equivalence_test, limit_of_agreement, lins_ccc

# Bland & Altman (1986): peak expiratory flow of 17 people by two meters, litres a minute
WRIGHT = np.array([494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427], dtype=float)
MINI = np.array([512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451], dtype=float)

pairs = hnp.arrays(float, st.tuples(st.just(2), st.integers(3, 15)), elements=st.integers(-50, 50).map(float))


def test_published_limits_of_two_meters():
    found = bland_altman(WRIGHT, MINI)
    assert (found.n, round(found.bias, 1), round(found.sd, 1)) == (17, -2.1, 38.8)
    assert (round(found.bias_se, 1), round(found.limit_se, 1)) == (9.4, 16.3)
    np.testing.assert_allclose(found.bias_interval, (-22.0, 17.8), atol=0.1)  # as the article prints them
    np.testing.assert_allclose(found.high_interval, (39.4, 108.4), atol=0.6)  # it rounds on the way
    np.testing.assert_allclose(found.low_interval, (-112.7, -43.7), atol=0.6)


def test_published_concordance_of_two_meters():
    assert lins_ccc(WRIGHT, MINI) == pytest.approx(0.9427, abs=5e-5)


def test_interval_of_the_bias_is_the_paired_t_interval():
    found = bland_altman(WRIGHT, MINI)
    expected = stats.ttest_rel(WRIGHT, MINI).confidence_interval(0.95)
    np.testing.assert_allclose(found.bias_interval, (expected.low, expected.high))


def test_a_proportional_bias_has_a_slope():
    true = np.arange(10.0, 60.0)
    found = bland_altman(1.2 * true + np.sin(true), true)
    assert found.slope == pytest.approx(0.2 / 1.1, abs=0.02)
    assert found.slope_p < 1e-6
    assert bland_altman(true + 5 + np.sin(true * 7), true).slope_p > 0.05


@given(pairs)
def test_swapping_both_turns_the_sign_and_nothing_else(pair):
    a, b = pair
    one, other = bland_altman(a, b), bland_altman(b, a)
    np.testing.assert_allclose([one.bias, one.low, one.high], [-other.bias, -other.high, -other.low], atol=1e-9)
    np.testing.assert_allclose(lins_ccc(a, b), lins_ccc(b, a), atol=1e-12)


@given(pairs)
def test_concordance_is_never_above_correlation(pair):
    a, b = pair
    if np.ptp(a) and np.ptp(b):
        assert abs(lins_ccc(a, b)) <= abs(np.corrcoef(a, b)[0, 1]) + 1e-9


def test_equivalence_equal_to_statsmodels():
    rng = np.random.default_rng(0)
    for shift, margin in ((0.0, 1.0), (0.4, 0.5), (2.0, 1.0), (-0.3, 0.2)):
        a = rng.normal(size=12)
        b = a + shift + rng.normal(scale=0.3, size=12)
        expected, *_ = ttost_paired(a, b, -margin, margin)
        found = equivalence_test(a, b, margin=margin)
        assert found.p_value == pytest.approx(expected, rel=1e-9)
        assert (found.p_value < 0.05) == (-margin < found.low and found.high < margin)


def test_few_cases_are_undefined():
    assert np.isnan(bland_altman([], []).bias)
    assert np.isnan(bland_altman([1.0], [2.0]).sd)
    assert np.isnan(bland_altman([1.0, 2.0], [2.0, 2.0]).slope)
    assert np.isnan(lins_ccc([], []))
    assert np.isnan(lins_ccc([2, 2, 2], [2, 2, 2]))
    assert np.isnan(equivalence_test([1.0], [1.0], margin=1).p_value)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_differences_without_spread_decide_nothing(shift: float):
    found = equivalence_test([1.0, 2.0], [1.0 + shift, 2.0 + shift], margin=1)
    assert found.difference == -shift
    assert np.isnan([found.p_value, found.low, found.high]).all()


def test_equivalence_of_few_or_skewed_differences_is_not_relied_on():
    rng = np.random.default_rng(0)
    even = rng.normal(0, 0.01, 30)
    skewed = np.r_[np.full(28, 0.01), 0.2, 0.25]
    zero = np.zeros(30)
    assert equivalence_test(even, zero, margin=0.1).gap == ""
    assert "10 are needed" in equivalence_test(even[:9], zero[:9], margin=0.1).gap
    assert "all differences are equal" in equivalence_test(zero + 0.01, zero, margin=0.1).gap
    found = equivalence_test(skewed, zero, margin=0.1)
    assert found.p_value < 0.05
    assert found.skewness == pytest.approx(stats.skew(skewed))
    needed = math.floor(25 * found.skewness**2)
    assert found.gap == f"skewness {found.skewness:.1f}, which needs more than {needed} units; there are 30"
    assert equivalence_test(np.tile(skewed, 20), np.zeros(600), margin=0.1).gap == ""


@pytest.mark.parametrize(
    ("kind", "at_most"), [("normal", 0.06), ("exponential", 0.06), ("lognormal", 0.08), ("mostly zero", 0.06)]
)
@pytest.mark.parametrize("n", [10, 20])
def test_differences_at_the_margin_are_hardly_ever_called_equivalent(kind: str, at_most: float, n: int):
    rng = np.random.default_rng(3)
    drawn = {
        "normal": lambda: rng.normal(0, 1, n),
        "exponential": lambda: rng.exponential(1, n) - 1,
        "lognormal": lambda: np.exp(rng.normal(0, 1, n)) - np.exp(0.5),
        "mostly zero": lambda: rng.binomial(1, 0.2, n) * rng.exponential(1, n) - 0.2,
    }[kind]
    tests = [equivalence_test(100 + drawn(), np.zeros(n), margin=100) for _ in range(500)]
    assert np.mean([test.p_value < 0.05 and not test.gap for test in tests]) <= at_most + 1.64 * np.sqrt(0.06 / 500)
    if kind != "normal":
        assert np.mean([test.p_value < 0.05 for test in tests]) > 0.08  # why there is a rule


def test_a_limit_of_agreement_joins_the_intervals_of_bias_and_spread():
    """Published limits of the peak flow data, -78.1 and 73.9; by Zou's formula from the two intervals."""
    n, difference = len(WRIGHT), np.subtract(WRIGHT, MINI)
    bias = mean_interval(difference, np.arange(n))
    sd = jackknife_t(lambda w, x: [x[row > 0].std(ddof=1) for row in w], difference, np.arange(n), SPREAD)
    low, high = (limit_of_agreement(WRIGHT, MINI, np.arange(n), z=z) for z in (-1.96, 1.96))
    assert (round(low.value, 1), round(high.value, 1)) == (-78.1, 73.9)
    assert high.low < high.value < high.high
    above = np.hypot(bias.high - bias.value, 1.96 * (sd.high - sd.value))
    below = np.hypot(bias.value - bias.low, 1.96 * (sd.value - sd.low))
    assert (high.high, high.low) == pytest.approx((high.value + above, high.value - below))
    mirrored = limit_of_agreement(MINI, WRIGHT, np.arange(n), z=-1.96)
    assert (-mirrored.high, -mirrored.low) == pytest.approx((high.low, high.high))


def test_limits_of_differences_that_are_all_equal_are_unknown():
    found = limit_of_agreement([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], np.arange(3))
    assert (found.value, found.method) == (-1.0, "constant")
    assert np.isnan(found.low)


def test_cases_without_a_number_are_left_out():
    a, b = [1.0, 2.0, np.nan, 4.0], [1.5, 2.0, 3.0, np.nan]
    assert bland_altman(a, b).n == 2
    assert lins_ccc(a, b) == lins_ccc(a[:2], b[:2])


def test_bad_calls_are_named():
    with pytest.raises(ValueError, match=r"shapes \(n,\) and \(n,\), got \(2,\) and \(3,\)"):
        bland_altman([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="margin must be above 0, got 0"):
        equivalence_test([1, 2], [1, 2], margin=0)

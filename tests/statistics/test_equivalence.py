"""Equivalence as a ratio: by hand, the t tests of scipy and their roots, and what must not count as equivalent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq

from segassay.qualities.scores.error_rates import EQUIVALENT_RATIO
from segassay.statistics.equivalence import ratio_equivalence

A, B = np.array([11.0, 12.0, 9.0, 12.0]), np.array([10.0, 12.0, 8.0, 10.0])


def test_by_hand():
    """Means 11 and 10, variances 2 and 8/3, covariance 2; t(3) = 2.353363: 96.308 r² - 2 · 107.231 r + 118.231 = 0."""
    found = ratio_equivalence(A, B, margin=0.25)
    k = 2.353363**2 / 4
    square, product, constant = 100 - k * 8 / 3, 110 - k * 2, 121 - k * 2
    reach = np.sqrt(product**2 - square * constant)
    assert found.ratio == pytest.approx(1.1)
    assert (found.low, found.high) == pytest.approx(((product - reach) / square, (product + reach) / square), abs=1e-6)
    # a - .75 b = 3.5, 3, 3, 4.5; 1.25 b - a = 1.5, 3, 1, .5
    assert found.p_value == pytest.approx(stats.t.sf(1.5 / (np.std([1.5, 3, 1, 0.5], ddof=1) / 2), 3))


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_two_t_tests_and_their_roots(seed):
    rng = np.random.default_rng(seed)
    b = rng.gamma(5, 4, 15)
    a = b * rng.normal(1.1, 0.1, 15)
    found = ratio_equivalence(a, b, margin=0.2)
    above = stats.ttest_1samp(a - 0.8 * b, 0, alternative="greater").pvalue
    below = stats.ttest_1samp(a - 1.2 * b, 0, alternative="less").pvalue
    assert found.p_value == pytest.approx(max(above, below))

    def excess(ratio: float, side: str) -> float:
        return float(stats.ttest_1samp(a - ratio * b, 0, alternative=side).pvalue) - 0.05

    assert found.low == pytest.approx(brentq(excess, 0.5, found.ratio, args=("greater",)), abs=1e-9)
    assert found.high == pytest.approx(brentq(excess, found.ratio, 2.0, args=("less",)), abs=1e-9)


@given(st.integers(0, 10_000), st.floats(0.05, 0.5))
def test_equivalent_exactly_where_the_interval_lies_within_the_margin(seed, margin):
    rng = np.random.default_rng(seed)
    b = rng.gamma(3, 2, 8)
    found = ratio_equivalence(b * rng.normal(1, 0.2, 8).clip(0), b, margin=margin)
    within = 1 - margin < found.low and found.high < 1 + margin
    assert within == (found.p_value < 0.05)


def test_at_the_margin_few_are_called_equivalent():
    """The margin is a share of a mean that is estimated: with that mean taken as known, more than 5 % would be."""
    rng = np.random.default_rng(0)
    b = rng.normal(20, 6, (1000, 12)).clip(1)
    a = 1.2 * b + rng.normal(0, 2, b.shape)
    wrong = np.mean([ratio_equivalence(x.clip(0), y, margin=0.2).p_value < 0.05 for x, y in zip(a, b, strict=True)])
    assert 0.03 < wrong < 0.065


def test_too_few_or_nothing_measured():
    for a, b in (([], []), ([1.0], [1.0]), ([1.0, np.nan], [1.0, 2.0]), ([3.0, 4.0], [0.0, 0.0])):
        found = ratio_equivalence(np.array(a), np.array(b), margin=0.1)
        assert np.isnan([found.ratio, found.low, found.high, found.p_value]).all()


@pytest.mark.parametrize("factor", [0.0, 1.0, 1.05, 2.0])
def test_ratios_that_are_all_equal_decide_nothing(factor):
    for b in (B, np.ones(3), np.full(12, 2.0**53), np.arange(20.0)):
        found = ratio_equivalence(factor * b, b, margin=0.1)
        assert found.ratio == pytest.approx(factor)
        assert np.isnan([found.low, found.high, found.p_value]).all()
        assert found.gap


RARE = {"a tenth empty": (0.0, 0.9), "a tenth twice as much": (2.0, 1.1)}


@pytest.mark.parametrize("n", [6, 10, 20, 40])
@pytest.mark.parametrize("kind", [*RARE, "normal", "lognormal"])
def test_ratios_at_the_margin_are_hardly_ever_called_equivalent(kind, n):
    """A true ratio at the margin. Where few images are wrong, a sample of ten often has none of them and shows nothing.

    So no rule can find out; it can only refuse what the sample shows, and the sentence says how often that errs.
    """
    rng = np.random.default_rng(n)
    other, ratio = RARE.get(kind, (1.0, 0.9))
    tests = []
    for _ in range(400):
        b = np.exp(3 + 0.3 * rng.normal(size=n))
        noise = {"normal": rng.normal(1, 0.05, n), "lognormal": np.exp(0.3 * rng.normal(size=n) - 0.045)}
        rare = np.where(rng.random(n) < 0.1, other, 1) * noise["normal"]
        a = b * (rare if kind in RARE else ratio * noise[kind])
        tests.append(ratio_equivalence(a, b, margin=0.1))
    wrong = np.mean([test.p_value < 0.05 and not test.gap for test in tests])
    alone = np.mean([test.p_value < 0.05 for test in tests])
    if kind in RARE and n == 10:
        assert wrong <= EQUIVALENT_RATIO.highest
        assert 2 * wrong < alone
    else:
        assert wrong <= 0.06 + 3.1 * np.sqrt(0.06 * 0.94 / 400)
        assert alone > 0.08 or kind not in RARE or n == 40  # why there is a rule


def test_a_mean_near_0_has_no_interval():
    found = ratio_equivalence([5.0, 1.0, 0.0, 0.0], [4.0, 0.0, 0.0, 0.0], margin=0.3)
    assert np.isnan([found.low, found.high]).all()
    assert found.p_value > 0.05


@pytest.mark.parametrize(
    ("a", "b", "margin", "message"),
    [
        ([1.0, 2.0], [1.0], 0.1, "shapes"),
        ([1.0, -2.0], [1.0, 2.0], 0.1, "0 or more"),
        ([1.0, 2.0], [1.0, 2.0], 1.0, "between 0 and 1"),
    ],
)
def test_what_has_no_ratio_is_an_error(a, b, margin, message):
    with pytest.raises(ValueError, match=message):
        ratio_equivalence(np.array(a), np.array(b), margin=margin)

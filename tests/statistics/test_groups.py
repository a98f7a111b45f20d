"""Tests between groups: published numbers, second implementations, and the mistakes that published code made."""

import gc
import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.stats.multitest import multipletests

from segassay.qualities.reliability.image_quality import spearman_weighted
from segassay.qualities.reliability.selective import image_aurc
from segassay.qualities.reliability.uncertainty import area_under_risk_coverage
from segassay.qualities.validity.effects import weighted_rank_biserial
from segassay.statistics import ranks
from segassay.statistics.groups import (
    brunner_munzel,
    grubbs,
    hodges_lehmann,
    holm,
    kruskal_wallis,
    mann_whitney,
    mixed_model,
    smallest_attainable_p,
    unequal_spread_p,
    welch,
)

MUCUS = [[2.9, 3.0, 2.5, 2.6, 3.2], [3.8, 2.7, 4.0, 2.4], [2.8, 3.4, 3.7, 2.2, 2.0]]
MEMBRANES = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46], [1.15, 0.88, 0.90, 0.74, 1.21]
NIST = [199.31, 199.53, 200.19, 200.82, 201.92, 201.95, 202.18, 245.57]

numbers = st.lists(st.integers(0, 12), min_size=2, max_size=12).map(lambda values: np.array(values) / 4)


def test_kruskal_wallis_of_hollander_and_wolfe():
    result = kruskal_wallis(MUCUS)
    assert result.statistic == pytest.approx(0.771429, abs=5e-7)
    assert result.p_value == pytest.approx(0.679965, abs=5e-7)
    assert result.epsilon_squared == pytest.approx(0.0593, abs=5e-5)
    assert result.eta_squared == pytest.approx((0.771429 - 3 + 1) / (14 - 3), abs=1e-6)  # below 0 and not floored


def test_mann_whitney_of_hollander_and_wolfe():
    result = mann_whitney(*MEMBRANES)
    assert result.statistic == 35
    assert result.p_exact == pytest.approx(0.2544, abs=5e-5)
    assert result.z == pytest.approx(1.2247, abs=5e-5)
    assert result.eta_squared == pytest.approx(0.1, abs=1e-12)
    assert result.rank_biserial == pytest.approx(0.4, abs=1e-12)
    assert hodges_lehmann(*MEMBRANES).value == pytest.approx(-0.305, abs=1e-12)  # their example 4.3


def test_conventions_of_table_1_of_segebarth_2020():
    # Eight values below the whole other group, one above its lowest, one above all nine: U = 1 + 9.
    result = mann_whitney([*range(8), 10.5, 100], np.arange(10, 19))
    assert result.statistic == 10
    assert round(result.p_value, 3) == 0.005
    assert round(result.p_exact, 3) == 0.003
    assert round(result.eta_squared, 2) == 0.43
    result = mann_whitney(np.arange(10), np.arange(10, 20))
    assert result.statistic == 0
    assert result.p_value < 0.001
    assert round(result.eta_squared, 2) == 0.71


@given(st.lists(numbers, min_size=2, max_size=4))
def test_kruskal_wallis_equals_scipy(groups: list[np.ndarray]):
    if np.ptp(np.concatenate(groups)) == 0:
        assert (kruskal_wallis(groups).statistic, kruskal_wallis(groups).p_value) == (0, 1)
        return
    expected = stats.kruskal(*groups)
    assert kruskal_wallis(groups).statistic == pytest.approx(expected.statistic, abs=1e-9)
    assert kruskal_wallis(groups).p_value == pytest.approx(expected.pvalue, abs=1e-9)


@given(numbers, numbers)
def test_mann_whitney_equals_scipy_and_mirrors(x: np.ndarray, y: np.ndarray):
    result, mirrored = mann_whitney(x, y), mann_whitney(y, x)
    assert result.statistic + mirrored.statistic == len(x) * len(y)
    assert result.rank_biserial == pytest.approx(-mirrored.rank_biserial, abs=1e-12)
    assert result.p_value == pytest.approx(mirrored.p_value, abs=1e-12)
    if np.ptp(np.concatenate([x, y])) == 0:
        assert result.p_value == 1
        return
    expected = stats.mannwhitneyu(x, y, method="asymptotic")
    assert (result.statistic, result.p_value) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)


PAIN = [1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1], [3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4]
SLEEP = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_published_tests_of_unequal_spread():
    found = brunner_munzel(*PAIN)
    assert (round(found.statistic, 4), round(found.df, 3), round(found.p_value, 6)) == (3.1375, 17.683, 0.005786)
    found = welch(*SLEEP)
    assert (round(found.statistic, 4), round(found.df, 3), round(found.p_value, 5)) == (1.8608, 17.776, 0.07939)


@pytest.mark.filterwarnings("ignore:Precision loss")
@given(numbers, numbers)
def test_tests_of_unequal_spread_equal_scipy_and_mirror(x: np.ndarray, y: np.ndarray):
    for test in (brunner_munzel, welch):
        result, mirrored = test(x, y), test(y, x)
        assert (result.statistic, result.p_value) == pytest.approx((-mirrored.statistic, mirrored.p_value), abs=1e-12)
    ranks = brunner_munzel(x, y)
    if np.isfinite(ranks.statistic) and ranks.statistic:
        expected = stats.brunnermunzel(x, y)
        assert (ranks.statistic, ranks.p_value) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)
    means = welch(x, y)
    if np.ptp(x) + np.ptp(y) > 0:
        expected = stats.ttest_ind(y, x, equal_var=False)
        assert (means.statistic, means.p_value) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)


def test_samples_without_overlap_or_spread():
    assert brunner_munzel([1, 2, 3], [4, 5, 6, 7]).p_value == 0
    assert brunner_munzel([4, 5, 6, 7], [1, 2, 3]).statistic == -math.inf
    assert brunner_munzel([2, 2], [2, 2, 2]).p_value == 1
    assert welch([0.1 + 0.2] * 3, [0.3] * 4).p_value == 1
    assert welch([1, 1, 1], [2, 2, 2, 2]).p_value == 0
    assert welch([1, 1, 1], [2, 2, 2, 3]).df == 3


def test_a_few_scattered_values_cannot_differ_by_lying_on_one_side():
    """Four values of any spread lie on one side of the others in 1 of 8 samples: ranks then differ for sure."""
    few, many = [5.0, 9, 25, 8], [1, 2, 3, 1.5, 2.5, 3.5, 4, 3.2, 2.2, 1.2, 2.8]
    assert mann_whitney(few, many).p_value < 0.01
    assert brunner_munzel(few, many).p_value == 0
    assert unequal_spread_p(few, many) == welch(few, many).p_value > 0.05
    assert unequal_spread_p(few, many[:4]) == 0  # of equal sizes, four against four
    assert unequal_spread_p([*few, 7, 11], many) == brunner_munzel([*few, 7, 11], many).p_value == 0


@pytest.mark.parametrize(("n_1", "n_2"), [(6, 24), (4, 12)])
def test_unequal_spread_is_no_difference(n_1: int, n_2: int):
    """One mean, standard deviations 3 and 1: Mann-Whitney alone errs in 12 %, with its check in about 5 %."""
    rng = np.random.default_rng(0)
    samples = [(rng.normal(0, 3, n_1), rng.normal(0, 1, n_2)) for _ in range(500)]
    alone = np.array([mann_whitney(x, y).p_value < 0.05 for x, y in samples])
    checked = alone & np.array([unequal_spread_p(x, y) < 0.05 for x, y in samples])
    assert alone.mean() > 0.09
    assert checked.mean() <= 0.06 + 1.64 * math.sqrt(0.06 * 0.94 / 500)


@pytest.mark.parametrize(("n_1", "n_2"), [(1, 1), (2, 5), (4, 4), (9, 10), (3, 17)])
def test_exact_p_equals_scipy(n_1: int, n_2: int):
    for seed in range(5):
        values = np.random.default_rng(seed).permutation(n_1 + n_2)
        x, y = values[:n_1], values[n_1:]
        assert mann_whitney(x, y).p_exact == pytest.approx(stats.mannwhitneyu(x, y, method="exact").pvalue, abs=1e-12)


def test_no_exact_p_with_ties_or_above_20_values():
    assert math.isnan(mann_whitney([1, 2, 3], [3, 4, 5]).p_exact)
    assert math.isnan(mann_whitney(np.arange(10), np.arange(20, 31)).p_exact)
    assert mann_whitney(np.arange(10), np.arange(20, 30)).p_exact < 1e-4


def test_effect_size_has_no_tie_correction():
    result = mann_whitney([1, 1, 1, 2], [2, 3, 3, 3])
    assert result.statistic == 0.5
    assert result.z == pytest.approx((0.5 - 8) / math.sqrt(4 * 4 * 9 / 12))


def test_groups_without_values_are_undefined_and_infinity_is_refused():
    assert math.isnan(kruskal_wallis([[1, 2], []]).p_value)
    assert math.isnan(mann_whitney([], [1, 2]).p_value)
    assert math.isnan(hodges_lehmann([1, 2], []).value)
    assert math.isnan(mixed_model([], [], [], n_groups=2).mean[0])
    for test in (brunner_munzel, welch):
        assert math.isnan(test([], []).p_value)
        assert math.isnan(test([1.0], [2.0, 3.0]).p_value)
    assert math.isnan(unequal_spread_p([1.0], [2.0, 3.0]))
    both = [lambda v, test=test: test(v, v) for test in (mann_whitney, brunner_munzel, welch)]
    for test in (lambda v: kruskal_wallis([v, v]), lambda v: grubbs(v), *both):
        with pytest.raises(ValueError, match="must be finite"):
            test([1.0, math.nan, 2.0])


@pytest.mark.parametrize(("n_1", "n_2"), [(4, 4), (5, 8), (12, 12), (30, 40)])
def test_shift_interval_holds_what_the_test_does_not_reject(n_1: int, n_2: int):
    rng = np.random.default_rng(n_1)
    x, y = rng.normal(0, 1, n_1), rng.normal(0.7, 1, n_2)
    shift = hodges_lehmann(x, y)
    assert shift.value == np.median([b - a for a, b in itertools.product(x, y)])
    method = "exact" if n_1 + n_2 <= 50 else "asymptotic"

    def p(moved: float) -> float:
        return stats.mannwhitneyu(x, y - moved, method=method).pvalue

    assert p(shift.low - 1e-9) < 0.05 <= p(shift.low + 1e-9)
    assert p(shift.high + 1e-9) < 0.05 <= p(shift.high - 1e-9)


SAMPLES = {
    "numbers": lambda rng, n: rng.normal(size=n),
    "ties": lambda rng, n: rng.integers(0, 4, n),
    "tenths": lambda rng, n: rng.integers(0, 9, n) * 0.1,
    "rounded away": lambda rng, n: 1e16 + rng.integers(0, 50, n),
    "all equal": lambda rng, n: np.ones(n),
}


@pytest.mark.parametrize("few", [1, 7, 1 << 16])
@pytest.mark.parametrize("kind", SAMPLES)
def test_differences_are_selected_as_sorting_all_of_them_would(kind: str, few: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranks, "_FEW", few)
    rng = np.random.default_rng(few)
    for n_1, n_2 in [(1, 1), (1, 8), (8, 3), (9, 9), (13, 6)]:
        x, y = SAMPLES[kind](rng, n_1), rng.normal(size=n_2) if kind == "rounded away" else SAMPLES[kind](rng, n_2)
        expected = np.sort(np.subtract.outer(y, x).ravel())
        found = [ranks.ranked_difference(x, y, rank) for rank in range(len(expected))]
        np.testing.assert_array_equal(found, expected)


def test_shift_of_many_values_without_all_differences():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=20_001), rng.normal(0.1, 1, size=20_000)  # 400 million differences, 3.2 GB
    tracemalloc.start()
    shift = hodges_lehmann(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
    n_below = np.searchsorted(np.sort(y), x + shift.value).sum()
    assert abs(n_below - len(x) * len(y) // 2) <= 1
    assert shift.low < 0.1 < shift.high


def test_statistics_without_all_pairs_are_those_of_all_pairs():
    rng = np.random.default_rng(5)
    weights, other = rng.integers(0, 3, (4, 9)), rng.integers(0, 3, (4, 7))
    x, y = rng.integers(0, 5, 9).astype(float), rng.integers(0, 5, 7).astype(float)
    pairs = np.stack([x, rng.random(9)], axis=1)
    wins = np.greater.outer(x, y) + 0.5 * np.equal.outer(x, y)
    share = np.einsum("bi,ij,bj->b", weights, wins, other) / (weights.sum(axis=1) * other.sum(axis=1))
    np.testing.assert_array_equal(weighted_rank_biserial(weights, other, x, y), 2 * share - 1)
    drawn = [np.repeat(pairs, of, axis=0) for of in weights]
    expected = [stats.spearmanr(*of.T).statistic for of in drawn]
    np.testing.assert_allclose(spearman_weighted(weights, pairs), expected, rtol=1e-12)
    tied = np.equal.outer(x, np.unique(x)).astype(float)
    expected = area_under_risk_coverage(weights @ tied, (weights * pairs[:, 1]) @ tied)
    np.testing.assert_allclose(image_aurc(weights, pairs), expected, rtol=1e-12)


def test_no_interval_of_95_percent_with_3_against_3():
    shift = hodges_lehmann([1, 2, 3], [4, 5, 6])
    assert shift.value == 3
    assert math.isnan(shift.low)
    assert math.isnan(shift.high)


def holm_of_statsmodels(p_values: list[float]) -> np.ndarray:
    """Without looking for garbage, which statsmodels does in each call and takes up to a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", int)
        return multipletests(p_values, method="holm")[1]


@given(st.lists(st.integers(0, 60).map(lambda k: k / 60), min_size=1, max_size=12))
def test_holm_equals_statsmodels(p_values: list[float]):
    np.testing.assert_allclose(holm(p_values), holm_of_statsmodels(p_values), atol=1e-12)


def test_a_test_that_could_not_be_made_still_counts():
    np.testing.assert_allclose(holm([0.02, math.nan, 0.01]), [0.04, math.nan, 0.03])
    assert len(holm([])) == 0


def test_nothing_can_be_significant_with_4_against_4_in_three_contrasts():
    assert smallest_attainable_p(4, 4, 3) == pytest.approx(0.0857, abs=5e-5)
    expected = stats.mannwhitneyu(np.arange(4), np.arange(4, 8), method="exact").pvalue
    assert smallest_attainable_p(4, 4) == pytest.approx(expected)
    assert smallest_attainable_p(1, 1, 3) == 1
    assert math.isnan(smallest_attainable_p(0, 4))


def test_grubbs_of_nist():
    result = grubbs(NIST)
    assert result.statistic == pytest.approx(2.46876, abs=5e-6)
    assert result.critical == pytest.approx(2.1266, abs=5e-5)
    assert result.outlier
    assert result.index == 7


def test_grubbs_has_error_level_05_and_ddof_1():
    """With alpha = .95 everything is an outlier; with ddof 0 G exceeds what three values can reach, (n - 1) / √n."""
    assert not grubbs([1.0, 2.0, 3.0, 4.0, 5.5]).outlier
    assert grubbs([0.0, 0.0, 1.0]).statistic <= 2 / math.sqrt(3) + 1e-12


def test_grubbs_errs_as_often_as_it_says():
    rng = np.random.default_rng(0)
    assert np.mean([grubbs(rng.normal(size=12)).outlier for _ in range(2000)]) == pytest.approx(0.05, abs=0.015)


def test_grubbs_is_undefined_below_three_values_and_without_spread():
    assert math.isnan(grubbs([1, 2]).statistic)
    assert math.isnan(grubbs([3, 3, 3, 3]).statistic)


def mice(seed: int, sd_subject: float, n_cases: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three groups of four mice with several cases each; the second and third group are higher."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(12), n_cases)
    group = subject // 4
    return 1 + (group > 0) + rng.normal(0, sd_subject, 12)[subject] + rng.normal(0, 0.3, len(subject)), group, subject


def test_mixed_model_equals_statsmodels():
    value, group, subject = mice(0, 0.6)
    keep = np.arange(len(value)) % 7 > 0  # unbalanced
    value, group, subject = value[keep], group[keep], subject[keep]
    fit = mixed_model(value, group, subject, n_groups=3)
    expected = MixedLM(value, np.eye(3)[group], groups=subject).fit(reml=True)
    np.testing.assert_allclose(fit.mean, expected.fe_params, rtol=1e-4)
    np.testing.assert_allclose(np.sqrt(fit.variance_of_mean), expected.bse_fe, rtol=1e-3)
    assert fit.variance_subject == pytest.approx(float(expected.cov_re[0, 0]), rel=1e-3)
    assert fit.variance_residual == pytest.approx(expected.scale, rel=1e-3)
    assert fit.df == 12 - 3


def test_balanced_mixed_model_is_the_t_test_on_subject_means():
    value, group, subject = mice(1, 0.6)
    value, group, subject = value[:24], group[:24], subject[:24]
    fit = mixed_model(value, group, subject, n_groups=2)
    t = (fit.mean[1] - fit.mean[0]) / math.sqrt(fit.variance_of_mean.sum())
    means = value.reshape(8, 3).mean(axis=1)
    expected = stats.ttest_ind(means[4:], means[:4])
    assert t == pytest.approx(expected.statistic, rel=1e-6)
    assert 2 * stats.t.sf(t, fit.df) == pytest.approx(expected.pvalue, rel=1e-6)


def test_mixed_model_reaches_the_boundary():
    value = np.tile([1.0, 2.0, 3.0], 8)  # all subjects alike
    fit = mixed_model(value, np.repeat([0, 1], 12), np.repeat(np.arange(8), 3), n_groups=2)
    assert fit.variance_subject == 0
    assert fit.variance_residual == pytest.approx(8 * 2 / 22)


def test_mixed_model_is_undefined_where_there_is_nothing_to_estimate():
    assert math.isnan(mixed_model([1, 2, 3, 4], [0, 0, 1, 1], list("abcd"), n_groups=2).mean[0])  # one case each
    assert math.isnan(mixed_model([1, 2, 3, 4], [0, 0, 1, 1], list("aabb"), n_groups=2).mean[0])  # one subject each
    fit = mixed_model([1, 2, 3, 5], [0, 0, 0, 0], list("aabb"), n_groups=2)
    assert fit.mean[0] == pytest.approx(2.75)
    assert math.isnan(fit.mean[1])

"""Tests between raters: published values, second implementations, planted bias, what must hold, empty cases."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from statsmodels.stats.multitest import multipletests

from segassay.statistics.groups import holm
from segassay.statistics.raters import (
    alt_test,
    bias_test,
    friedman,
    generalized_energy_distance,
    log_ratio_to_others,
    positive_agreement,
    williams_index,
)

# Hollander & Wolfe (1973), p. 140: seconds of 22 runners by three ways of rounding first base
RUNNERS = np.loadtxt(
    """
    5.40 5.50 5.55  5.85 5.70 5.75  5.20 5.60 5.50  5.55 5.50 5.40  5.90 5.85 5.70  5.45 5.55 5.60  5.40 5.40 5.35
    5.45 5.50 5.35  5.25 5.15 5.00  5.85 5.80 5.70  5.25 5.20 5.10  5.65 5.55 5.45  5.60 5.35 5.45  5.05 5.00 4.95
    5.50 5.50 5.40  5.45 5.55 5.50  5.55 5.55 5.35  5.45 5.50 5.55  5.50 5.45 5.25  5.65 5.60 5.40  5.70 5.65 5.55
    """.splitlines()
).reshape(21, 3)
RUNNERS = np.vstack([RUNNERS, [6.30, 6.30, 6.25]])
# Conover (1999), p. 371: twelve gardeners order four kinds of grass
GRASS = np.loadtxt(
    """
    4 3 2 1  4 2 3 1  3 1.5 1.5 4  3 1 2 4    4 2 1 3  2 2 2 4
    1 3 2 4  2 4 1 3  3.5 1 2 3.5  4 1 3 2    4 2 3 1  3.5 1 2 3.5
    """.splitlines()
).reshape(12, 4)

scores_of_raters = hnp.arrays(
    float, st.tuples(st.integers(2, 8), st.integers(3, 5)), elements=st.integers(0, 4).map(float)
)
one_hot = ["111000", "110000", "011100"]


def masks(*pictures: str) -> np.ndarray:
    return np.array([[pixel == "1" for pixel in picture] for picture in pictures])


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 - IoU of all pairs."""
    return np.array([[1 - (a & b).sum() / (a | b).sum() for b in second] for a in first])


def test_published_friedman_tests():
    found = friedman(RUNNERS)
    assert round(found.chi_squared, 3) == 11.143  # as R prints it
    grass = friedman(GRASS)
    assert (round(grass.chi_squared, 3), round(grass.f, 3)) == (8.097, 3.192)
    assert (grass.df_1, grass.df_2) == (3, 33)
    assert round(grass.p_value, 4) == 0.0362


@settings(deadline=None)
@given(scores_of_raters)
def test_chi_squared_equal_to_scipy(scores):
    assume((np.ptp(scores, axis=1) > 0).any())
    assert friedman(scores).chi_squared == pytest.approx(stats.friedmanchisquare(*scores.T).statistic, abs=1e-9)


@settings(deadline=None)
@given(scores_of_raters)
def test_f_is_the_analysis_of_variance_of_ranks(scores):
    """Iman & Davenport (1980): F of raters against the residual of a two-way analysis of the ranks."""
    ranks = stats.rankdata(scores, axis=1)
    n, k = ranks.shape
    residual = ranks - ranks.mean(axis=0) - ranks.mean(axis=1, keepdims=True) + ranks.mean()
    below = (residual**2).sum() / ((n - 1) * (k - 1))
    assume(below > 1e-9)
    above = n * ((ranks.mean(axis=0) - ranks.mean()) ** 2).sum() / (k - 1)
    found = friedman(scores)
    assert found.f == pytest.approx(above / below, abs=1e-9)
    assert found.p_value == pytest.approx(stats.f.sf(above / below, k - 1, (n - 1) * (k - 1)), abs=1e-9)


@settings(deadline=None)
@given(scores_of_raters)
def test_friedman_sees_order_only(scores):
    expected = friedman(scores)
    assert friedman(np.exp(scores[::-1, ::-1]) + np.arange(len(scores))[:, None]).f == pytest.approx(expected.f)


def test_friedman_where_all_cases_order_the_raters_alike():
    found = friedman(np.array([1, 2, 3]) + np.arange(4)[:, None])
    assert (found.chi_squared, found.f) == (8, np.inf)
    assert found.p_value == pytest.approx((1 / 6) ** 3)


def test_friedman_leaves_out_incomplete_cases():
    found = friedman(np.vstack([GRASS, [np.nan, 1, 2, 3]]))
    assert (found.n_cases, found.n_undefined) == (12, 1)
    assert found.f == friedman(GRASS).f


@pytest.mark.parametrize("scores", [np.zeros((0, 3)), np.zeros((0, 0)), [[1, 2, 3]], [[1], [2]], [[1, np.nan]] * 3])
def test_friedman_of_nothing(scores):
    assert np.isnan(friedman(scores).p_value)


def test_friedman_of_ties_only():
    found = friedman(np.ones((5, 3)))
    assert (found.chi_squared, found.f, found.p_value) == (0, 0, 1)


def test_log_ratio_by_hand():
    """Rater 1 has 30 against a mean of 10; where one rater is missing the mean is over who is there."""
    found = log_ratio_to_others([[30, 5, 15], [30, np.nan, 10], [7, np.nan, np.nan]])
    assert found[0, 0] == pytest.approx(np.log(30.5 / 10.5))
    assert [found[1, 0], -found[1, 2]] == pytest.approx([np.log(30.5 / 10.5)] * 2)
    assert np.isnan(found).tolist() == [[False] * 3, [False, True, False], [True] * 3]


def counts_with_bias(factor: float, n_cases: int = 30, scatter: float = 0.1) -> np.ndarray:
    """Poisson counts of five raters, the last of whom counts `factor` times what the others count."""
    rng = np.random.default_rng(0)
    expected = rng.gamma(4, 25, size=(n_cases, 1)) * np.exp(scatter * rng.normal(size=(n_cases, 5)))
    return rng.poisson(expected * [1, 1, 1, 1, factor]).astype(float)


def test_a_planted_bias_is_found_with_its_size():
    counts = counts_with_bias(1.5)
    found, ratio = bias_test(counts), log_ratio_to_others(counts).mean(axis=0)
    assert found["biased"][4]
    others = counts[:, :4].mean()
    assert found["difference"][4] == pytest.approx(0.5 * others, rel=0.1)
    assert found["low"][4] < 0.5 * others < found["high"][4]
    assert (found["difference"][:4] < 0).all()
    assert ratio[4] == pytest.approx(np.log(1.5), abs=0.05)
    assert (ratio[:4] < 0).all()


def test_like_raters_are_hardly_ever_called_biased():
    """No bias, counts that scatter by 30 %: some rater is called biased in at most 6 % of studies."""
    rng = np.random.default_rng(1)
    expected = rng.gamma(4, 25, size=(400, 20, 1)) * np.exp(0.3 * rng.normal(size=(400, 20, 5)))
    studies = [bias_test(counts) for counts in rng.poisson(expected)]
    assert np.mean([study["biased"].any() for study in studies]) <= 0.06
    logs = [one_sample_p(log_ratio_to_others(counts)) for counts in rng.poisson(expected)]
    assert np.mean([(holm(p) < 0.05).any() for p in logs]) > 0.06  # why the logarithm is not what is tested


def one_sample_p(values):
    n = (~np.isnan(values)).sum(axis=0)
    t = np.nanmean(values, axis=0) / (np.nanstd(values, axis=0, ddof=1) / np.sqrt(n))
    return 2 * stats.t.sf(abs(t), n - 1)


def noisy_studies(n_studies: int, n_cases: int = 40, spread: float = 0.8) -> np.ndarray:
    """Counts `(studies, cases, 5)` of five raters with equal means, the last of whom scatters far more."""
    rng = np.random.default_rng(2)
    shape = 1 / np.array([0.1, 0.1, 0.1, 0.1, spread]) ** 2
    expected = rng.gamma(4, 25, size=(n_studies, n_cases, 1)) * rng.gamma(shape, size=(n_studies, n_cases, 5)) / shape
    return rng.poisson(expected).astype(float)


def test_a_noisy_rater_with_the_mean_of_the_others_is_not_called_biased():
    """Ranks and log ratios both differ, so Friedman's test and t tests of log ratios call this rater biased."""
    drawn = noisy_studies(400)
    studies = [bias_test(counts) for counts in drawn]
    alarms = np.mean([study["biased"].any() for study in studies])
    assert alarms <= 0.06 + 1.64 * np.sqrt(0.06 * 0.94 / 400)
    of_logs = np.mean([(holm(one_sample_p(log_ratio_to_others(counts))) < 0.05).any() for counts in drawn])
    of_ranks = np.mean([study["friedman_p"][0] < 0.05 for study in studies])
    assert of_logs > 0.2
    assert of_ranks > 0.2


def test_bias_equal_to_scipy_and_statsmodels():
    counts = counts_with_bias(1.2)
    counts[3, 1] = np.nan
    found = bias_test(counts)
    others = [np.nanmean(np.delete(counts, rater, axis=1), axis=1) for rater in range(5)]
    differences = counts - np.stack(others, axis=1)
    tests = [stats.ttest_1samp(column[~np.isnan(column)], 0) for column in differences.T]
    np.testing.assert_allclose(found["statistic"], [test.statistic for test in tests])
    np.testing.assert_allclose(found["p_value"], [test.pvalue for test in tests])
    np.testing.assert_allclose(found["low"], [test.confidence_interval().low for test in tests])
    np.testing.assert_allclose(found["p_adjusted"], multipletests(found["p_value"], method="holm")[1])
    assert found["friedman_p"].tolist() == [friedman(counts).p_value] * 5
    assert found["n_undefined"].tolist() == [0, 1, 0, 0, 0]
    assert found["n_units"].tolist() == [30, 29, 30, 30, 30]


def test_subjects_are_the_unit_of_the_bias_test():
    counts = counts_with_bias(1.1, n_cases=8)
    alone = bias_test(counts)
    twice = bias_test(np.repeat(counts, 3, axis=0), clusters=np.repeat(list("abcdefgh"), 3))
    pd.testing.assert_frame_equal(twice, alone)
    as_cases = bias_test(np.repeat(counts, 3, axis=0))
    assert (as_cases["p_value"] < alone["p_value"]).all()  # pseudo-replication


def test_two_raters_are_biased_against_each_other():
    found = bias_test(counts_with_bias(1.5)[:, 3:])
    assert found["difference"][0] == pytest.approx(-found["difference"][1])
    assert found["p_value"][0] == pytest.approx(found["p_value"][1])


def test_order_of_raters_moves_the_rows_of_the_bias_test():
    counts, order = counts_with_bias(1.3), [3, 0, 4, 2, 1]
    expected = bias_test(counts).iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(bias_test(counts[::-1, order]), expected)


@pytest.mark.parametrize("n_cases", [2, 3, 4])
def test_few_images_with_equal_differences_are_no_bias(n_cases: int):
    """Counts are whole numbers, so that differences of two images are often equal although raters have one mean."""
    rng = np.random.default_rng(n_cases)
    studies = [bias_test(rng.poisson(rng.gamma(4, 1, (n_cases, 1)), (n_cases, 3))) for _ in range(400)]
    assert np.mean([study["biased"].any() for study in studies]) <= 0.06
    assert any(study["biased"].any() for study in [bias_test([[9, 5, 5]] * 8)])


def test_equal_differences_have_the_p_of_equal_signs_and_no_interval():
    found = bias_test([[3, 2], [7, 6], [1, 0], [4, 3]])
    assert found["p_value"].tolist() == [stats.binomtest(4, 4).pvalue] * 2
    assert np.isnan(found[["low", "high"]]).all(axis=None)


def test_bias_of_nothing():
    for counts in (np.zeros((0, 3)), [[1, 2, 3]], [[1], [2]], np.full((4, 2), np.nan)):
        found = bias_test(counts)
        assert found["p_value"].isna().all()
        assert not found["biased"].any()
    assert bias_test(np.zeros((0, 0))).empty
    empty_masks = bias_test(np.zeros((5, 3)))
    assert (empty_masks["difference"] == 0).all()
    assert (empty_masks["p_value"] == 1).all()


def test_bad_counts_are_named():
    with pytest.raises(ValueError, match="counts must be 0 or more, got -1"):
        bias_test([[1, -1], [2, 3]])
    with pytest.raises(ValueError, match="clusters must be"):
        bias_test([[1, 2], [2, 3]], clusters=["a"])


def test_published_williams_index():
    raters, model = masks(*one_hot), masks("111000")[0]
    found = williams_index(
        model_rater=[[dice(model, rater) for rater in raters]],
        rater_rater=[[dice(a, b) for a, b in combinations(raters, 2)]],
    )
    assert found.value == pytest.approx(1.32143, abs=5e-6)
    assert (found.n_cases, found.approximate) == (1, True)


def agreements(n_cases: int = 25) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"model_rater": rng.beta(8, 2, (n_cases, 3)), "rater_rater": rng.beta(7, 3, (n_cases, 3))}


def test_williams_index_is_a_ratio_of_means_with_an_interval():
    found, given_ = williams_index(**agreements()), agreements()
    assert found.value == pytest.approx(given_["model_rater"].mean() / given_["rater_rater"].mean())
    assert found.low < found.value < found.high
    assert found.method == "jackknife-t"
    assert not found.approximate


def test_williams_index_knows_subjects():
    given_, clusters = agreements(10), np.repeat(np.arange(10), 2)
    twice = williams_index(**{name: np.repeat(table, 2, axis=0) for name, table in given_.items()}, clusters=clusters)
    once = williams_index(**given_)
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high))


def test_a_model_that_is_one_of_the_raters_has_an_index_of_one():
    """All raters agree with each other, and the model with them, to the same degree."""
    assert williams_index(model_rater=np.full((4, 3), 0.7), rater_rater=np.full((4, 3), 0.7)).value == pytest.approx(1)


def test_williams_index_with_raters_missing():
    model, raters = np.array([[0.8, np.nan, 0.6], [np.nan] * 3]), np.array([[np.nan, 0.5, np.nan], [0.4] * 3])
    found = williams_index(model_rater=model, rater_rater=raters)
    assert found.value == pytest.approx(0.7 / 0.5)
    assert (found.n_cases, found.n_undefined) == (1, 1)


def test_williams_index_of_nothing():
    assert np.isnan(williams_index(model_rater=np.zeros((0, 3)), rater_rater=np.zeros((0, 3))).value)
    assert np.isnan(williams_index(model_rater=np.ones((2, 2)), rater_rater=np.zeros((2, 1))).value)
    with pytest.raises(ValueError, match=r"rater_rater must be \(2, 3\)"):
        williams_index(model_rater=np.ones((2, 3)), rater_rater=np.ones((2, 2)))


def test_alt_test_by_hand():
    """40 cases: the model is ahead on 24, behind on 12, level on 4; ρ of the model 28/40, of the rater 16/40."""
    model = np.repeat([0.8, 0.6, 0.7], [24, 12, 4])[:, None]
    found = alt_test(model_alignment=model, rater_alignment=np.full((40, 1), 0.7))
    row = found.raters.iloc[0]
    assert (row["model_advantage"], row["rater_advantage"]) == (0.7, 0.4)
    lead = np.repeat([-1.0, 1.0, 0.0], [24, 12, 4])
    expected = stats.ttest_1samp(lead, 0.2, alternative="less")
    assert (row["statistic"], row["p_value"]) == pytest.approx((expected.statistic, expected.pvalue))
    assert row["difference"] == pytest.approx(-0.3)
    assert row["won"]
    assert (found.winning_rate, found.advantage_probability, found.passed, found.judged) == (1, 0.7, True, True)


def alignments(shift: float, n_cases: int = 60, n_raters: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    rater = rng.normal(0.7, 0.1, (n_cases, n_raters))
    return {"model_alignment": rng.normal(0.7 + shift, 0.1, (n_cases, n_raters)), "rater_alignment": rater}


def test_alt_test_tells_good_models_from_bad_ones():
    good, bad = alt_test(**alignments(0.1)), alt_test(**alignments(-0.1))
    assert (good.winning_rate, good.passed) == (1, True)
    assert (bad.winning_rate, bad.passed) == (0, False)
    assert good.advantage_probability > 0.7 > 0.3 > bad.advantage_probability


def test_false_discovery_rate_equal_to_statsmodels():
    found = alt_test(**alignments(0.02)).raters
    rejected, adjusted, *_ = multipletests(found["p_value"], alpha=0.05, method="fdr_by")
    np.testing.assert_allclose(found["p_adjusted"], adjusted)
    assert found["won"].tolist() == rejected.tolist()
    assert (found["p_value"] < 0.05).all()
    assert found["won"].sum() == 3  # the adjustment takes one


def test_a_model_like_the_raters_is_won_thanks_to_epsilon_only():
    assert alt_test(**alignments(0.0, n_cases=400)).winning_rate == 1
    assert alt_test(**alignments(0.0, n_cases=400), epsilon=0.0).winning_rate == 0


def test_alt_test_below_thirty_cases_is_not_judged():
    found = alt_test(**alignments(0.1, n_cases=29))
    assert (found.judged, found.passed) == (False, False)
    assert np.isnan(found.winning_rate)
    assert found.advantage_probability > 0.7
    assert found.raters["p_value"].isna().all()
    few = alignments(0.1, n_cases=31)
    few["rater_alignment"][:2, 0] = np.nan
    found = alt_test(**few)
    assert found.raters["n_cases"].tolist() == [29, 31, 31, 31]
    assert found.winning_rate == 1
    assert found.raters["won"].tolist() == [False, True, True, True]


def test_subjects_are_the_unit_of_the_alt_test():
    given_ = alignments(0.02, n_cases=40)
    twice = {name: np.repeat(table, 2, axis=0) for name, table in given_.items()}
    found = alt_test(**twice, clusters=np.repeat(np.arange(40), 2)).raters
    pd.testing.assert_frame_equal(found.drop(columns="n_cases"), alt_test(**given_).raters.drop(columns="n_cases"))


def test_exchanging_model_and_rater_exchanges_their_advantages():
    given_ = alignments(0.02)
    found = alt_test(**given_).raters
    swapped = alt_test(model_alignment=given_["rater_alignment"], rater_alignment=given_["model_alignment"]).raters
    np.testing.assert_allclose(swapped["model_advantage"], found["rater_advantage"])
    np.testing.assert_allclose(swapped["difference"], -found["difference"])


def test_alt_test_of_nothing():
    for shape in ((0, 3), (0, 0)):
        found = alt_test(model_alignment=np.zeros(shape), rater_alignment=np.zeros(shape))
        assert np.isnan(found.winning_rate)
        assert np.isnan(found.advantage_probability)
        assert not found.judged
    with pytest.raises(ValueError, match="one shape"):
        alt_test(model_alignment=np.zeros((3, 2)), rater_alignment=np.zeros((3, 3)))


def energy_distance(first: np.ndarray, second: np.ndarray, **kwargs: str) -> float:
    within = {"d_xx": distances(first, first), "d_yy": distances(second, second)}
    return generalized_energy_distance(d_xy=distances(first, second), **within, **kwargs)


def test_published_energy_distance():
    first, second = masks("1100", "1100"), masks("1100", "1110")
    assert energy_distance(first, second) == pytest.approx(1 / 6)
    assert energy_distance(first, second, statistic="U") == pytest.approx(0)  # 2/6 - 0 - 1/3


def test_sets_of_different_size_take_the_u_statistic():
    first, second = masks("1100", "1100"), masks("1100", "1110", "1110")
    assert energy_distance(first, second) == energy_distance(first, second, statistic="U")
    assert energy_distance(first, second, statistic="U") == pytest.approx(2 * (2 / 9) - 0 - 2 / 9)
    assert energy_distance(first, second, statistic="V") == pytest.approx(2 * (2 / 9) - 0 - 4 / 27)


def test_energy_distance_is_unbiased_by_u_and_not_by_v():
    """Two sets from one population of masks: U is 0 on average whatever the sizes, V is above 0."""
    rng = np.random.default_rng(0)
    population = distances(*2 * [rng.random((40, 20)) < 0.5])
    found = {"U": [], "V": []}
    for _ in range(2000):
        x, y = rng.integers(40, size=3), rng.integers(40, size=5)
        parts = {"d_xy": population[np.ix_(x, y)], "d_xx": population[np.ix_(x, x)], "d_yy": population[np.ix_(y, y)]}
        for statistic, values in found.items():
            values.append(generalized_energy_distance(**parts, statistic=statistic))
    assert abs(np.mean(found["U"])) < 4 * np.std(found["U"]) / np.sqrt(2000)
    assert np.mean(found["V"]) > 0.1


@settings(deadline=None)
@given(hnp.arrays(bool, st.tuples(st.integers(2, 4), st.just(6))), hnp.arrays(bool, (3, 6)))
def test_energy_distance_is_symmetric_and_zero_of_a_set_to_itself(first, second):
    first[:, 0] = second[:, 0] = True  # no empty masks, whose IoU is undefined
    assert energy_distance(first, second) == pytest.approx(energy_distance(second[::-1], first))
    assert energy_distance(first, first, statistic="V") == pytest.approx(0, abs=1e-12)
    assert energy_distance(first, second, statistic="V") >= -1e-12


def test_energy_distance_of_many_cases_at_once():
    rng = np.random.default_rng(0)
    many = {"d_xy": rng.random((5, 2, 3)), "d_xx": rng.random((5, 2, 2)), "d_yy": rng.random((5, 3, 3))}
    found = generalized_energy_distance(**many)
    assert found.shape == (5,)
    expected = [generalized_energy_distance(**{name: d[case] for name, d in many.items()}) for case in range(5)]
    np.testing.assert_allclose(found, expected)


def test_energy_distance_of_nothing():
    nothing = np.zeros((0, 0))
    assert np.isnan(generalized_energy_distance(d_xy=nothing, d_xx=nothing, d_yy=nothing))
    single = {"d_xy": [[0.2, 0.4]], "d_xx": [[0.0]], "d_yy": [[0.0, 0.3], [0.3, 0.0]]}
    assert np.isnan(generalized_energy_distance(**single))
    assert generalized_energy_distance(**single, statistic="V") == pytest.approx(0.6 - 0.15)
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(2, 2\)"):
        generalized_energy_distance(d_xy=np.zeros((2, 3)), d_xx=np.zeros((2, 2)), d_yy=np.zeros((2, 2)))


def test_published_positive_agreement():
    """Cicchetti & Feinstein (1990): the same overall agreement, .84 and .91 of it on positives."""
    assert round(positive_agreement(40, 40 + 9, 40 + 6), 2) == 0.84
    assert round(positive_agreement(80, 80 + 10, 80 + 5), 2) == 0.91


def test_positive_agreement_pools_objects():
    tp, n_a, n_b = np.array([3, 0, np.nan, 0]), np.array([4, 0, 2, 1]), np.array([5, 0, 2, 2])
    assert positive_agreement(tp, n_a, n_b) == 6 / 12
    assert positive_agreement(tp, n_b, n_a) == 6 / 12


def test_positive_agreement_of_nothing():
    assert positive_agreement([0, 0], [0, 0], [0, 0]) == 1
    assert positive_agreement(0, 3, 0) == 0
    assert np.isnan(positive_agreement([], [], []))
    assert np.isnan(positive_agreement([np.nan], [1], [1]))
    with pytest.raises(ValueError, match="one shape"):
        positive_agreement([1, 2], [1], [1])

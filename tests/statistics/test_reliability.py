"""Intraclass correlations and G coefficients: published tables, what must hold whatever the scores, empty cases."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segassay.statistics.jackknife import OF_MEANS, correlation_scale, jackknife_t
from segassay.statistics.reliability import (
    d_study,
    e_rho_squared,
    icc,
    icc_a1,
    icc_a1_weighted,
    icc_ak,
    icc_ak_weighted,
    mdc95,
    phi,
    repeatability_coefficient,
    sem,
    three_way_components,
    two_way_components,
)

# Shrout & Fleiss (1979), table 2: six targets, four judges
TARGETS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)
PUBLISHED = {
    "ICC(1,1)": (0.1657, -0.133, 0.72),  # intervals as psych::ICC prints them for this table
    "ICC(A,1)": (0.2898, 0.019, 0.76),
    "ICC(C,1)": (0.7148, 0.342, 0.95),
    "ICC(1,k)": (0.4428, -0.884, 0.91),
    "ICC(A,k)": (0.6201, 0.071, 0.93),
    "ICC(C,k)": (0.9093, 0.676, 0.99),
}
# Bland & Altman (1986): second readings of the two meters; the first stand in test_method_comparison
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
WRIGHT_AGAIN = [490, 397, 512, 401, 470, 611, 415, 431, 638, 429, 420, 633, 275, 492, 165, 372, 421]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
MINI_AGAIN = [525, 415, 508, 444, 500, 625, 460, 390, 642, 432, 420, 605, 227, 467, 268, 370, 443]

small_scores = hnp.arrays(float, st.tuples(st.integers(2, 8), st.integers(2, 5)), elements=st.integers(0, 9).map(float))


def test_published_values_and_intervals_of_all_six_forms():
    found = icc(TARGETS)
    assert list(found.index) == list(PUBLISHED)
    for form, (value, low, high) in PUBLISHED.items():
        assert found["value"][form] == pytest.approx(value, abs=5e-5)
        assert found["low"][form] == pytest.approx(low, abs=6e-4)
        assert found["high"][form] == pytest.approx(high, abs=6e-3)
    assert found["f"].round(1).tolist() == [1.8, 11.0, 11.0] * 2
    assert found["p_value"].round(5).tolist() == [0.16477, 0.00013, 0.00013] * 2
    assert found[["df_1", "df_2"]].loc[["ICC(1,1)", "ICC(A,k)"]].to_numpy().tolist() == [[5, 18], [5, 15]]


def test_equal_to_pingouin():
    """Values and rounded intervals that pingouin 0.7 gives for these nine cases and three raters."""
    scores = [[0.25, 0.56, 0.76], [2.54, 1.71, 1.9], [0.17, 0.43, 1.22], [-2.59, -1.28, -1.05], [-0.61, -0.05, 2.18]]
    scores += [[0.76, 1.13, 1.66], [1.34, -2.16, -0.9], [3.5, 1.84, 2.37], [0.51, -0.89, 1.44]]
    found = icc(scores)
    assert found["value"].round(6).tolist() == [0.563291, 0.570676, 0.601174, 0.794643, 0.799508, 0.818909]
    assert found["p_value"].round(6).tolist() == [0.002547, 0.001842, 0.001842] * 2
    assert found["low"].round(2).tolist() == [0.17, 0.19, 0.20, 0.38, 0.42, 0.43]
    assert found["high"].round(2).tolist() == [0.86, 0.86, 0.88, 0.95, 0.95, 0.96]


def test_intervals_cover():
    """Scores with a planted ICC(A,1) of .5 and ICC(C,1) of .625: the true value lies in 95 of 100 intervals."""
    rng = np.random.default_rng(0)
    truth = np.array([0.5, 0.625])
    covered = np.zeros(2)
    for _ in range(300):
        scores = rng.normal(size=(20, 1)) + np.sqrt(0.4) * rng.normal(size=5) + np.sqrt(0.6) * rng.normal(size=(20, 5))
        found = icc(scores).loc[["ICC(A,1)", "ICC(C,1)"]]
        covered += (found["low"] <= truth) & (truth <= found["high"])
    assert (covered >= 0.92 * 300).all()
    assert (covered <= 0.98 * 300).all()


def test_perfect_agreement_is_one_with_an_interval_of_one():
    found = icc([[1, 1, 1], [2, 2, 2], [5, 5, 5]])
    assert (found[["value", "low", "high"]] == 1).all(axis=None)


def test_a_constant_difference_between_raters_spoils_agreement_but_not_consistency():
    found = icc(np.arange(5.0)[:, None] + [0, 10])["value"]
    assert found["ICC(C,1)"] == pytest.approx(1, abs=1e-12)
    assert found["ICC(A,1)"] == pytest.approx(2.5 / (2.5 + 50), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(small_scores, st.randoms(use_true_random=False))
def test_order_of_raters_and_cases_shift_and_scale_do_not_matter(scores, random):
    mixed = scores[random.sample(range(len(scores)), len(scores))][
        :, random.sample(range(scores.shape[1]), scores.shape[1])
    ]
    columns = ["value", "low", "high"]
    np.testing.assert_allclose(icc(mixed * 3 + 7)[columns], icc(scores)[columns], atol=1e-6, rtol=1e-6)


@settings(max_examples=50, deadline=None)
@given(small_scores)
def test_short_forms_are_the_rows_of_the_table(scores):
    found = icc(scores)["value"]
    np.testing.assert_allclose([icc_a1(scores), icc_ak(scores)], found[["ICC(A,1)", "ICC(A,k)"]], rtol=1e-6, atol=1e-9)


def test_a_case_that_a_rater_misses_is_left_out_and_counted():
    gaps = np.vstack([TARGETS, [np.nan, 1, 2, 3]])
    found = icc(gaps)
    pd.testing.assert_frame_equal(found.drop(columns="n_undefined"), icc(TARGETS).drop(columns="n_undefined"))
    assert found["n_undefined"].tolist() == [1] * 6
    assert found["n_cases"].tolist() == [6] * 6
    assert icc_a1(gaps) == icc_a1(TARGETS)


@pytest.mark.parametrize("scores", [np.zeros((0, 3)), np.zeros((0, 0)), [[1, 2, 3]], [[1], [2]], np.ones((3, 3))])
def test_nothing_to_compare_is_undefined(scores):
    found = icc(scores)
    assert found[["value", "low", "high", "p_value"]].isna().all(axis=None)
    assert np.isnan(icc_a1(scores))
    assert np.isnan(icc_ak(scores))


def test_weights_are_cases_given_several_times():
    weights = np.array([[1, 1, 1, 1, 1, 1], [0, 3, 1, 0, 2, 0], [2, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    for weighted, plain in ((icc_a1_weighted, icc_a1), (icc_ak_weighted, icc_ak)):
        expected = [plain(np.repeat(TARGETS, row, axis=0)) for row in weights]
        np.testing.assert_allclose(weighted(weights, TARGETS), expected, atol=1e-12)


def test_interval_by_leaving_out_cases():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(30, 1)) + 0.5 * rng.normal(size=(30, 4))
    interval = jackknife_t(icc_a1_weighted, scores, np.arange(30), correlation_scale(4))
    assert interval.value == pytest.approx(icc_a1(scores))
    assert interval.low < interval.value < interval.high
    by_f = icc(scores).loc["ICC(A,1)"]
    assert interval.low == pytest.approx(by_f["low"], abs=0.1)
    assert by_f["high"] < interval.high < 1, "Hall's correction for skewness widens it"
    of_mean = jackknife_t(icc_ak_weighted, scores, np.arange(30), OF_MEANS)
    assert of_mean.low == pytest.approx(4 * interval.low / (1 + 3 * interval.low), abs=0.01)


def test_published_generalizability_study():
    components = two_way_components(TARGETS)["reml"]
    assert [round(phi(components, n), 4) for n in (1, 2, 4, 8)] == [0.2898, 0.4493, 0.6201, 0.7655]
    assert round(sem(components), 4) == 2.5028
    assert round(mdc95(components), 4) == 6.9373


@settings(deadline=None)
@given(small_scores)
def test_g_coefficients_are_the_correlations_of_means(scores):
    table = two_way_components(scores)
    if (table["anova"] > 1e-9).all():
        expected, k = icc(scores)["value"], scores.shape[1]
        assert phi(table["reml"], k) == pytest.approx(expected["ICC(A,k)"], abs=1e-9)
        assert e_rho_squared(table["reml"], k) == pytest.approx(expected["ICC(C,k)"], abs=1e-9)


THREE = {
    "case": 4.0,
    "rater": 1.0,
    "seed": 0.5,
    "case:rater": 2.0,
    "case:seed": 0.6,
    "rater:seed": 0.3,
    "residual": 1.2,
}


def test_both_facets_by_hand():
    """2 raters, 3 seeds: relative 2/2 + .6/3 + 1.2/6 = 1.4; absolute 1.4 + 1/2 + .5/3 + .3/6 = 2.11667."""
    assert e_rho_squared(THREE, 2, 3) == pytest.approx(4 / 5.4)
    assert phi(THREE, 2, 3) == pytest.approx(4 / (4 + 2.1166667))
    assert sem(THREE, 2, 3) == pytest.approx(np.sqrt(2.1166667))


def test_means_over_raters_and_seeds_are_as_reliable_as_predicted():
    """Two studies of the same cases with other raters and seeds: their means correlate as Eρ² says."""
    rng = np.random.default_rng(0)

    def study(case):
        sd, n, r, s = {name: np.sqrt(x) for name, x in THREE.items()}, len(case), 2, 3
        scores = (
            sd["case"] * case[:, None, None] + sd["rater"] * rng.normal(size=(r, 1)) + sd["seed"] * rng.normal(size=s)
        )
        scores = scores + sd["case:rater"] * rng.normal(size=(n, r, 1)) + sd["case:seed"] * rng.normal(size=(n, 1, s))
        scores = scores + sd["rater:seed"] * rng.normal(size=(r, s)) + sd["residual"] * rng.normal(size=(n, r, s))
        return scores.mean(axis=(1, 2))

    case = rng.normal(size=40_000)
    assert np.corrcoef(study(case), study(case))[0, 1] == pytest.approx(e_rho_squared(THREE, 2, 3), abs=0.01)


def test_published_study_with_nested_facet():
    """Brennan (2001), synthetic data set no. 4: three tasks, each with four raters of its own."""
    components = {"case": 0.4731, "rater": 0.3252, "seed": 0.6475, "case:rater": 0.5596, "residual": 2.3802}
    assert phi(components, 3, 4, nested=True) == pytest.approx(0.464, abs=5e-4)
    assert e_rho_squared(components, 3, 4, nested=True) == pytest.approx(0.551, abs=5e-4)
    assert phi(components, 3, 4) == pytest.approx(0.419, abs=5e-4), "if all tasks had the same raters"
    table = d_study(components, n_raters=[3], n_seeds=[4], nested=True)
    assert table["phi"].item() == phi(components, 3, 4, nested=True)
    joined = components | {"seed": 0.0, "rater:seed": 0.6475}
    assert phi(joined, 3, 4, nested=True) == phi(components, 3, 4, nested=True)


def test_means_over_nested_seeds_are_as_reliable_as_predicted():
    rng = np.random.default_rng(1)
    sd, n, r, s = {name: np.sqrt(x) for name, x in THREE.items()}, 40_000, 2, 3
    case = sd["case"] * rng.normal(size=n)

    def study():
        own = np.sqrt(THREE["case:seed"] + THREE["residual"]) * rng.normal(size=(n, r, s))
        return case + (sd["case:rater"] * rng.normal(size=(n, r, 1)) + own).mean(axis=(1, 2))

    assert np.corrcoef(study(), study())[0, 1] == pytest.approx(e_rho_squared(THREE, 2, 3, nested=True), abs=0.01)


def test_table_of_a_decision_study():
    table = d_study(THREE, n_raters=[1, 4], n_seeds=[1, 2])
    assert table[["n_raters", "n_seeds"]].to_numpy().tolist() == [[1, 1], [1, 2], [4, 1], [4, 2]]
    assert table["phi"].is_monotonic_increasing
    assert (table["e_rho_squared"] >= table["phi"]).all()
    assert table["phi"].tolist() == [phi(THREE, 1, 1), phi(THREE, 1, 2), phi(THREE, 4, 1), phi(THREE, 4, 2)]
    np.testing.assert_allclose(table["mdc95"], 1.96 * np.sqrt(2) * table["sem"])
    assert d_study(THREE, n_raters=[]).empty


def test_the_gain_from_seeds_is_unknown_where_there_was_one_seed():
    found = two_way_components(TARGETS)["reml"]
    assert np.isnan(phi(found, 4, 2))
    assert np.isnan(mdc95(found, 1, 2))
    single = three_way_components(
        TARGETS.ravel(), case=np.repeat(np.arange(6), 4), seed=np.zeros(24), rater=np.tile(np.arange(4), 6)
    )
    assert np.isnan(phi(single["reml"], 4, 2))
    assert phi(single["reml"], 4) == pytest.approx(phi(found, 4))


def test_numbers_below_one_are_refused():
    with pytest.raises(ValueError, match="n_raters 0"):
        phi(THREE, 0)


def test_reliability_of_nothing_is_undefined():
    assert np.isnan(phi({"case": 0.0, "rater": 0.0, "residual": 0.0}, 1))


def test_published_repeatability_of_two_meters():
    """The article has twice the sd of the differences, rounded before doubling: 43.2 and 56.4."""
    for readings, published in (((WRIGHT, WRIGHT_AGAIN), 43.2), ((MINI, MINI_AGAIN), 56.4)):
        assert round(repeatability_coefficient(np.transpose(readings)) / 1.96, 1) * 2 == pytest.approx(published)


def test_repeatability_with_unequal_repetitions():
    """Squared deviations 0.5 on 1 degree of freedom, 2 on 2: within variance 2.5 / 3."""
    repeats = [[1, 2, np.nan], [4, 5, 6], [np.nan, 7, np.nan]]
    assert repeatability_coefficient(repeats) == pytest.approx(1.96 * np.sqrt(2 * 2.5 / 3))
    assert repeatability_coefficient([[3, 3], [4, 4]]) == 0
    assert np.isnan(repeatability_coefficient([[1, np.nan], [2, np.nan]]))
    assert np.isnan(repeatability_coefficient(np.zeros((0, 2))))


def test_bad_scores_are_named():
    with pytest.raises(ValueError, match=r"scores must be \(cases, raters\).*\(3,\)"):
        icc([1, 2, 3])
    with pytest.raises(ValueError, match="infinite"):
        icc_a1([[1, np.inf], [2, 3]])

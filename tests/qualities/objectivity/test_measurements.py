"""Whether raters measure the same: published tables, the plain estimators, statsmodels, and drawn tables."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segassay.qualities.objectivity.measurements import (
    alpha_of_counts,
    alpha_ratio_weighted,
    bias_tests,
    intraclass_correlation,
    limits_of_agreement,
    measurements_of,
    rater_share,
)
from segassay.qualities.scores.error_rates import BIAS
from segassay.qualities.scores.table import ALL_RATERS, SCORE_COLUMNS
from segassay.statistics.chance import krippendorff_alpha
from segassay.statistics.methods import bland_altman, lins_ccc
from segassay.statistics.raters import bias_test

# Shrout & Fleiss (1979): six targets, four judges
JUDGES = ("j1", "j2", "j3", "j4")
TARGETS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
# Bland & Altman (1986): peak expiratory flow of 17 people by two meters
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
METERS = ("wright", "mini")


def counts_of(values: object, raters: tuple[str, ...], column: str = "n_objects") -> pd.DataFrame:
    """Table of counts with `values` (cases, raters) in one column and nothing in the others; NaN: no mask."""
    table = pd.DataFrame(np.asarray(values, dtype=float), columns=list(raters))
    rows = table.rename_axis("case").reset_index().melt("case", var_name="annotator", value_name=column).dropna()
    rows["case"] = rows["case"].astype(str)
    columns = ["case", "annotator", "n_objects", "area_px", "mean_intensity"]
    return rows.reindex(columns=columns).astype({"n_objects": "Float64", "area_px": "Float64"})


def clusters_of(counts: pd.DataFrame) -> pd.Series:
    cases = counts["case"].unique()
    return pd.Series(cases, cases)


def values_of(table: pd.DataFrame) -> dict[tuple[str, str], float]:
    return {(row["measure"], row["target"]): row["value"] for row in table.to_dict("records")}


def test_published_correlations_of_four_judges():
    counts = counts_of(TARGETS, JUDGES)
    found = intraclass_correlation(counts, JUDGES, clusters_of(counts))
    assert found["measure"].tolist() == ["icc_a1_count", "icc_ak_count"]
    assert found["value"].astype(float).round(4).tolist() == [0.2898, 0.6201]
    assert found["approximate"].all()
    assert (found["low"] < found["value"]).all()
    assert (found["value"] < found["high"]).all()


def test_published_share_of_the_judges():
    """Variance components 2.5556, 5.2444, 1.0194."""
    counts = counts_of(TARGETS, JUDGES)
    (row,) = rater_share(counts, JUDGES, clusters_of(counts)).to_dict("records")
    total = 2.5556 + 5.2444 + 1.0194
    assert row["value"] == pytest.approx(5.2444 / total, abs=1e-5)
    assert row["note"] == f"case {2.5556 / total:.3f}, rest {1.0194 / total:.3f}"


def test_raters_who_differ_by_nothing_have_no_share():
    same = np.arange(1.0, 9.0)[:, None].repeat(3, axis=1)
    counts = counts_of(same, ("a", "b", "c"))
    (row,) = rater_share(counts, ("a", "b", "c"), clusters_of(counts)).to_dict("records")
    assert row["value"] == 0


def test_published_limits_of_two_meters():
    counts = counts_of(np.transpose([WRIGHT, MINI]), METERS, "mean_intensity")
    found = limits_of_agreement(counts, METERS, clusters_of(counts))
    values = values_of(found)
    assert round(values["difference_mean_intensity", "wright minus mini"], 1) == -2.1
    limits = [values[f"limit_{end}_mean_intensity", "wright minus mini"] for end in ("low", "high")]
    assert np.diff(limits)[0] / 2 / 1.96 == pytest.approx(38.8, abs=0.05)
    assert values["ccc_mean_intensity", "wright and mini"] == pytest.approx(0.9427, abs=5e-5)
    assert set(found.loc[found["base"] == "difference", "method"]) == {"Hall-t"}


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(float, st.tuples(st.integers(3, 12), st.just(2)), elements=st.integers(0, 40).map(float)))
def test_each_pair_equal_to_the_plain_estimators(values):
    counts = counts_of(values, ("a", "b"))
    found = values_of(limits_of_agreement(counts, ("a", "b"), clusters_of(counts)))
    plain = bland_altman(*values.T)
    expected = [plain.bias, plain.low, plain.high, plain.slope]
    measures = ["difference_count", "limit_low_count", "limit_high_count", "slope_count"]
    np.testing.assert_allclose([found[m, "a minus b"] for m in measures], expected, atol=1e-6)
    np.testing.assert_allclose(found["ccc_count", "a and b"], lins_ccc(*values.T), atol=1e-9)


def test_a_proportional_bias_has_an_interval_free_of_0():
    rng = np.random.default_rng(0)
    true = rng.uniform(20, 100, 30)
    values = np.stack([1.3 * true, true, true], axis=1) + rng.normal(size=(30, 3))
    counts = counts_of(values, ("a", "b", "c"))
    found = limits_of_agreement(counts, ("a", "b", "c"), clusters_of(counts)).set_index(["measure", "target"])
    proportional, none = (found.loc[("slope_count", pair)] for pair in ("a minus b", "b minus c"))
    assert 0 < proportional["low"] < 0.3 / 1.15 < proportional["high"]
    assert none["low"] < 0 < none["high"]


def test_alpha_of_counts_with_missing_raters_equal_to_the_plain_estimator():
    values = np.array([[10, 12, np.nan], [20, 22, 18], [np.nan, 5, 5], [40, 31, 36], [9, np.nan, np.nan]])
    counts = counts_of(values, ("a", "b", "c"))
    (row,) = alpha_of_counts(counts, ("a", "b", "c"), clusters_of(counts)).to_dict("records")
    assert row["value"] == pytest.approx(krippendorff_alpha(values.T, "ratio"))
    assert (row["n_cases"], row["n_undefined"]) == (4, 1)


def test_published_alpha_on_a_ratio_scale():
    """Krippendorff (2011); unit 12 has one value and is left out."""
    gap = np.nan
    values = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, gap, gap],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, gap],
            [gap, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1],
        ]
    ).T
    assert alpha_ratio_weighted(np.ones((1, 11)), values).round(3) == [0.797]


@given(
    hnp.arrays(float, st.tuples(st.integers(2, 6), st.integers(2, 4)), elements=st.integers(0, 6).map(float)),
    st.integers(0, 2**32 - 1),
)
def test_alpha_of_resamples_equal_to_one_at_a_time(values, seed):
    weights = np.random.default_rng(seed).integers(0, 3, (4, len(values)))
    expected = [krippendorff_alpha(values.T, "ratio", weight) for weight in weights]
    np.testing.assert_allclose(alpha_ratio_weighted(weights, values), expected, atol=1e-12)


def test_bias_tests_are_those_of_the_estimator():
    values = [[10, 20, 11], [20, 41, 22], [30, 59, 28], [40, 85, 41], [50, 99, 52], [5, 9, 6]]
    counts = counts_of(values, ("a", "b", "c"))
    found = bias_tests(counts, ("a", "b", "c"), clusters_of(counts))
    plain = bias_test(values)
    assert found["target"].tolist() == [ALL_RATERS, "a", "b", "c"]
    expected = [plain["p_adjusted"].min(), *plain["p_adjusted"]]
    np.testing.assert_allclose(found["value"].astype(float), expected)
    assert found["note"].tolist()[0].endswith(f"(Friedman): p = {plain['friedman_p'][0]:.2g}")
    assert found["note"].tolist()[1] == f"p-value; biased (said {BIAS.words}); 6 units"


def test_bias_is_tested_over_subjects():
    """Doubling every case within its subject changes no p-value."""
    rng = np.random.default_rng(0)
    values = rng.poisson(50, (8, 3)) + np.array([0, 0, 6])
    once, twice = counts_of(values, ("a", "b", "c")), counts_of(np.concatenate([values] * 2), ("a", "b", "c"))
    subjects = pd.Series([f"s{number % 8}" for number in range(16)], [str(number) for number in range(16)])
    of_cases = bias_tests(once, ("a", "b", "c"), clusters_of(once))
    of_subjects = bias_tests(twice, ("a", "b", "c"), subjects)
    np.testing.assert_allclose(of_subjects["value"].astype(float), of_cases["value"].astype(float))
    assert of_subjects["note"].tolist()[1:] == of_cases["note"].tolist()[1:]


OPPOSITE = {"limit_low_count": "limit_high_count", "limit_high_count": "limit_low_count"}
ALL = [bias_tests, intraclass_correlation, rater_share, alpha_of_counts, limits_of_agreement]


@pytest.mark.parametrize("measure", ALL)
def test_too_few_raters_give_no_rows(measure):
    counts = counts_of([[3], [4]], ("a",))
    for table, raters in ((counts, ("a",)), (counts.iloc[:0], ("a", "b")), (counts, ())):
        found = measure(table, raters, clusters_of(counts))
        assert (len(found), tuple(found)) == (0, SCORE_COLUMNS)


@pytest.mark.parametrize("measure", ALL)
def test_the_order_of_raters_and_cases_does_not_matter(measure):
    values = np.random.default_rng(3).poisson(30, (12, 3)) + np.array([0, 6, 12])
    counts = counts_of(values, ("a", "b", "c"))
    turned = counts.sample(frac=1, random_state=0)
    before = measure(counts, ("a", "b", "c"), clusters_of(counts))
    after = measure(turned, ("c", "a", "b"), clusters_of(counts))
    expected, found = values_of(before), values_of(after)
    for (name, target), value in expected.items():
        a, minus, b = target.partition(" minus ")
        if minus and (name, target) not in found:  # the pair stands the other way round
            turned_name = OPPOSITE.get(name, name)
            assert found[turned_name, f"{b} minus {a}"] == pytest.approx(-value), (name, target)
        elif " and " in target and (name, target) not in found:
            first, _, second = target.partition(" and ")
            assert found[name, f"{second} and {first}"] == pytest.approx(value), (name, target)
        else:
            assert found[name, target] == pytest.approx(value), (name, target)


@pytest.mark.parametrize("measure", [intraclass_correlation, rater_share, alpha_of_counts, limits_of_agreement])
def test_cases_doubled_within_their_subject_leave_the_interval(measure):
    values = np.random.default_rng(4).poisson(30, (12, 3))
    once, twice = counts_of(values, ("a", "b", "c")), counts_of(np.concatenate([values] * 2), ("a", "b", "c"))
    subjects = pd.Series([f"{number % 12:02d}" for number in range(24)], [str(number) for number in range(24)])
    one = pd.Series([f"{number:02d}" for number in range(12)], [str(number) for number in range(12)])
    of_cases = measure(once, ("a", "b", "c"), one).set_index(["measure", "target"])
    of_subjects = measure(twice, ("a", "b", "c"), subjects).set_index(["measure", "target"])
    ends = ["low", "high"]
    rtol = 0.2 if measure is not limits_of_agreement else 0.5  # (n - 1) of twice as many cases
    for key in of_cases.index:
        expected, found = (table.loc[key, ends].astype(float) for table in (of_cases, of_subjects))
        assert np.ptp(found) == pytest.approx(np.ptp(expected), rel=rtol), key


def test_a_rater_without_some_cases_is_nan_there():
    counts = counts_of([[3, np.nan], [4, 5]], ("a", "b"))
    np.testing.assert_array_equal(measurements_of(counts, "n_objects", ("b", "a")), [[np.nan, 3], [5, 4]])


def test_images_without_any_object_do_not_move_alpha_and_are_stated():
    values = np.array([[5, 9, 7], [12, 6, 10], [7, 8, 13], [9, 5, 12], [11, 10, 6]], dtype=float)
    raters = ("a", "b", "c")
    plain = counts_of(values, raters)
    (before,) = alpha_of_counts(plain, raters, clusters_of(plain)).to_dict("records")
    with_empty = np.vstack([values, np.zeros((2, 3)), [[0, 0, np.nan]]])
    counts = counts_of(with_empty, raters)
    (after,) = alpha_of_counts(counts, raters, clusters_of(counts)).to_dict("records")
    for name in ("value", "low", "high", "n_cases"):
        assert after[name] == pytest.approx(before[name])
    assert (before["n_undefined"], after["n_undefined"]) == (0, 3)
    assert before["note"] == ""
    moved = krippendorff_alpha(with_empty.T, "ratio")
    assert moved > before["value"] + 0.5  # three such images would make poor agreement look good
    assert after["note"] == f"nobody marks an object in 3 of 8 images; with these {moved:.3f}"


def test_an_image_that_one_rater_leaves_empty_counts_in_alpha():
    counts = counts_of([[5, 9], [3, 0], [2, 2]], ("a", "b"))
    (row,) = alpha_of_counts(counts, ("a", "b"), clusters_of(counts)).to_dict("records")
    assert row["value"] == pytest.approx(krippendorff_alpha(np.array([[5, 3, 2], [9, 0, 2]]), "ratio"))


def test_alpha_has_no_row_where_nobody_marks_anything():
    counts = counts_of(np.zeros((4, 2)), ("a", "b"))
    assert alpha_of_counts(counts, ("a", "b"), clusters_of(counts)).empty

"""Reliability, from tables written here by hand; every expected number follows from the rows beside it."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_auc_score

from seed_tables import CLUSTERS, agreement_of, agreement_table, annotators, counts_of, values_in
from segassay.qualities.reliability.calibration import (
    by_bin,
    calibration_of_annotators,
    expected_calibration_error,
    reliability_diagram,
)
from segassay.qualities.reliability.computations import computations
from segassay.qualities.reliability.flips import flip_rate_of_verdicts, flip_rates
from segassay.qualities.reliability.image_quality import image_quality, quality_against_score, spearman_weighted
from segassay.qualities.reliability.saturation import fit_saturation, saturation, saturation_curve
from segassay.qualities.reliability.seeds import agreement_of_folds, agreement_of_seeds
from segassay.qualities.reliability.spread import cv_over_seeds, ratio_of_sds, spread_over_seeds
from segassay.qualities.reliability.uncertainty import (
    area_under_risk_coverage,
    auroc,
    risk_coverage,
    spearman_of_counts,
    uncertainty_of_annotators,
)
from segassay.qualities.scores.computation import compute_all
from segassay.qualities.scores.groups import pairs_of_folds, trained_alike
from segassay.qualities.scores.table import SCORE_COLUMNS, Agreement
from segassay.simulation.study_tables import SimulatedStudy, simulate_tables
from segassay.tables.maps import calibration_bins, uncertainty_bins


def test_groups_keep_apart_kinds_and_what_was_trained_on_and_ensembles_share_no_member():
    names = ["staple/s0", "staple/s1", "anna/s0", "staple/s0-1", "staple/s2-3", "staple/s1-2", "staple/s4-7", "anna"]
    groups = {group.target: group for group in trained_alike(annotators(*names))}
    assert set(groups) == {"staple models", "anna models", "staple ensembles"}
    assert groups["staple models"].pairs(1) == [("staple/s0", "staple/s1")]
    ensembles = groups["staple ensembles"]
    assert ensembles.whole_pairs() == [("staple/s0-1", "staple/s2-3")]
    assert ensembles.disjoint(2) == ["staple/s0-1", "staple/s2-3"]
    assert groups["anna models"].whole_pairs() == []


def test_two_strategies_on_the_same_masks_have_names_of_their_own():
    table = annotators("staple/s0", "staple/s1", "few staple/s0", "few staple/s1", "anna/s0")
    few = table["annotator"].str.startswith("few")
    table = table.assign(strategy=np.where(few, "few", "all"), trained_on=table["trained_on"].str.removeprefix("few "))
    groups = {group.target: list(group.seeds) for group in trained_alike(table)}
    assert groups == {
        "all staple models": ["staple/s0", "staple/s1"],
        "few staple models": ["few staple/s0", "few staple/s1"],
        "anna models": ["anna/s0"],
    }


def test_order_of_seeds_does_not_matter():
    names = ["staple/s0", "staple/s1", "staple/s2"]
    scores = {"staple/s0 staple/s1": [0.8, 0.6], "staple/s1 staple/s2": [0.4, 0.6], "staple/s0 staple/s2": [0.9, 0.1]}
    found = []
    for table in (annotators(*names), annotators(*names[::-1])):
        (first, *_) = agreement_of_seeds(agreement_of(scores), table)
        found.append((first.measure, first.target, first.values.mean(), first.note))
    assert found[0] == found[1] == ("f1", "staple models", pytest.approx((2.1 + 1.3) / 6), "3 pairs")


def test_whole_ensembles_are_compared_and_not_their_halves():
    names = ["staple/s0-1", "staple/s2-3", "staple/s4-7", "staple/s0-3"]
    scores = {"staple/s0-1 staple/s2-3": [0.1, 0.1], "staple/s4-7 staple/s0-3": [0.9, 0.7]}
    scores |= {"staple/s0-1 staple/s4-7": [0.2, 0.2], "staple/s0-1 staple/s0-3": [0.95, 0.95]}
    (first, *_) = agreement_of_seeds(agreement_of(scores), annotators(*names))
    assert first.values.tolist() == [0.9, 0.7]


def folds(held_out: bool | None) -> pd.DataFrame:
    table = annotators("staple/f0", "staple/f1", "staple/f2").assign(kind="model", trained_on="staple", seed=7)
    table["fold"] = table["annotator"].str[-1].astype("Int64")
    return table.assign(held_out=pd.array([held_out] * len(table), dtype="boolean"))


def test_folds_are_compared_on_cases_that_are_in_no_fold_only():
    (pairs,) = pairs_of_folds(folds(held_out=True))
    assert pairs == ("staple folds", list(combinations(["staple/f0", "staple/f1", "staple/f2"], 2)))
    scores = {"staple/f0 staple/f1": [0.5, 0.7, 0.9]}
    (first, *_) = agreement_of_folds(agreement_of(scores), folds(held_out=True))
    assert (first.target, first.values.mean()) == ("staple folds", pytest.approx(0.7))
    assert not any(group.whole_pairs() for group in trained_alike(folds(held_out=True)))
    out_of_fold = annotators("staple/s0", "staple/s1", held_out=True).assign(fold=[0, 1, 2, 0, 1, 2])
    for unknown in (folds(held_out=None), out_of_fold, annotators("anna")):
        assert pairs_of_folds(unknown) == []


def test_published_coefficient_of_variation():
    values = [0.2, 0.5, 1.1, 1.4, 1.8, 2.3, 2.5, 2.7, 3.5, 4.4, 4.6, 5.4, 5.4, 5.7, 5.8, 5.9, 6.0, 6.6, 7.1, 7.9]
    interval = cv_over_seeds(np.array(values))
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.57774, 0.41441, 1.08483), abs=2e-5)
    assert interval.value == pytest.approx(stats.variation(values, ddof=1))
    assert interval.approximate


def test_interval_of_the_coefficient_of_variation_covers():
    draws = np.random.default_rng(0).normal(loc=10, scale=1, size=(1000, 6))
    intervals = [cv_over_seeds(row) for row in draws]
    assert 0.93 < np.mean([interval.low < 0.1 < interval.high for interval in intervals]) < 0.97


def test_spread_of_few_seeds_is_not_judged_and_of_none_undefined():
    three = cv_over_seeds(np.array([1.0, 2.0, 3.0]))
    assert (three.value, three.method) == (0.5, "not judged")
    assert math.isnan(three.low)
    assert math.isnan(cv_over_seeds(np.array([])).value)
    assert math.isnan(cv_over_seeds(np.array([-1.0, 1.0])).value)


def test_spread_over_seeds_of_score_and_count():
    names = [f"staple/s{seed}" for seed in range(4)]
    scores = {f"anna {name}": [value, value + 0.1] for name, value in zip(names, (0.5, 0.6, 0.7, 0.8), strict=True)}
    counts = counts_of({name: [10 + 2 * seed, 20] for seed, name in enumerate(names)})
    rows = spread_over_seeds(agreement_of(scores), counts, annotators("anna", *names))
    found = values_in(rows)
    target = "staple models"
    assert found["sd_f1", target] == pytest.approx(np.std([0.55, 0.65, 0.75, 0.85], ddof=1))
    assert found["range_f1", target] == pytest.approx(0.3)
    assert found["sd_count", target] == pytest.approx(np.std([15, 16, 17, 18], ddof=1))
    assert found["cv_count", target] == pytest.approx(np.std([15, 16, 17, 18], ddof=1) / 16.5)
    assert found["range_count", target] == 3
    assert (rows["n_cases"] == 4).all()
    assert tuple(rows) == SCORE_COLUMNS
    assert rows["note"].iloc[0] == "with the raters; mean over 2 cases"


def test_spread_is_of_cases_that_all_seeds_have():
    counts = counts_of({"staple/s0": [10, 50], "staple/s1": [12]})
    rows = spread_over_seeds(agreement_of({}), counts, annotators("staple/s0", "staple/s1"))
    assert values_in(rows)["range_count", "staple models"] == 2
    assert "1 cases left out" in rows["note"].iloc[0]


def test_ensembles_spread_less_than_members_by_the_square_root_of_their_number():
    rng = np.random.default_rng(1)
    members = rng.normal(loc=100, scale=10, size=(400, 8))
    counts = {f"staple/s{seed}": members[:, seed] for seed in range(8)}
    counts |= {f"staple/s{seed}-{seed + 1}": members[:, seed : seed + 2].mean(axis=1) for seed in range(0, 8, 2)}
    clusters = pd.Series(np.arange(400), [str(case) for case in range(1, 401)])
    args = (agreement_of({}), counts_of(counts), annotators(*counts, n_cases=1), clusters)
    (row,) = ratio_of_sds(*args).to_dict("records")
    assert (row["measure"], row["target"]) == ("sd_ratio_count", "staple ensembles of 2")
    assert row["value"] == pytest.approx(1 / math.sqrt(2), abs=0.03)
    assert row["low"] < 1 / math.sqrt(2) < row["high"] < 1
    assert ratio_of_sds(args[0], args[1], annotators("staple/s0", "staple/s1"), clusters).empty


FLIPS = {
    "n_px_a": pd.array([10, 0, 30], dtype="Int64"),
    "n_px_b": pd.array([20, 0, pd.NA], dtype="Int64"),
    "dice": [2 * 5 / 30, 1.0, 0.0],
    "n_a": pd.array([4, 0, 3], dtype="Int64"),
    "n_b": pd.array([6, 0, pd.NA], dtype="Int64"),
    "tp": [3, 0, 0],
}


def test_flip_rates_are_shares_of_all_that_was_found():
    table = agreement_table({"staple/s0 staple/s1": [0, 0, 0]}).assign(**FLIPS)
    counts = counts_of({"staple/s0": [4, 0, 3]})
    models = annotators("staple/s0", "staple/s1")
    rows = flip_rates(table, counts, models, CLUSTERS)
    found = values_in(rows)
    assert found["flip_rate_pixels", "staple models"] == pytest.approx(20 / 200)  # 5 and 15 pixels of 2 × 100
    assert found["flip_rate_foreground", "staple models"] == pytest.approx(20 / 30)
    assert found["flip_rate_objects", "staple models"] == pytest.approx(4 / 10)
    assert (rows["n_undefined"] == 1).all()
    assert (rows["note"] == "1 pair; 1 comparisons undefined").all()
    exchanged = table.rename(columns={f"n_px_{a}": f"n_px_{b}" for a, b in ("ab", "ba")})
    exchanged = exchanged.rename(columns={f"{x}_{a}": f"{x}_{b}" for x in ("n", "annotator") for a, b in ("ab", "ba")})
    again = flip_rates(exchanged, counts, models, CLUSTERS)
    pd.testing.assert_frame_equal(rows, again)


def test_flip_rates_where_nothing_is_found_are_undefined():
    table = agreement_table({"staple/s0 staple/s1": [1.0]}, n_px_a=0, n_px_b=0, n_a=0, n_b=0, tp=0)
    args = (counts_of({"staple/s0": [0]}), annotators("staple/s0", "staple/s1"), CLUSTERS)
    assert values_in(flip_rates(table, *args)) == {("flip_rate_pixels", "staple models"): 0}
    assert flip_rates(table.iloc[:0], *args).empty


def effects_of(verdicts: dict[str, list[str]]) -> pd.DataFrame:
    rows = [
        (name, f"measure {number}", "", "case", "mann_whitney", "H", "A", verdict)
        for name, of in verdicts.items()
        for number, verdict in enumerate(of)
    ]
    columns = ["annotator", "measure", "region", "unit", "test", "group_1", "group_2", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def test_flip_rate_of_verdicts():
    verdicts = {
        "staple/s0": ["higher", "none", "not_testable", "none"],
        "staple/s1": ["higher", "higher", "none", "none"],
        "anna": ["lower"] * 4,
    }
    models = annotators("staple/s0", "staple/s1", "anna")
    (row,) = flip_rate_of_verdicts(effects_of(verdicts), models).to_dict("records")
    assert (row["value"], row["n_cases"], row["n_undefined"]) == (pytest.approx(1 / 3), 3, 1)
    backwards = effects_of(dict(reversed(verdicts.items())))
    assert flip_rate_of_verdicts(backwards, models)["value"].tolist() == [row["value"]]
    assert flip_rate_of_verdicts(effects_of({}), models).empty
    assert flip_rate_of_verdicts(effects_of({name: ["not_testable"] for name in verdicts}), models).empty


def test_fit_of_saturation_finds_what_was_planted_and_stays_in_bounds():
    n = np.array([1, 2, 4, 8])
    a, b = fit_saturation(n, 1 - (0.3 / np.sqrt(n) + 0.1))
    assert (a, b) == (pytest.approx(0.3), pytest.approx(0.1))
    assert fit_saturation(n, 1 - 0.3 / n**0.7)[1] == 0
    a, b = fit_saturation(n, np.array([0.9, 0.8, 0.7, 0.6]))  # agreement falls: nothing to gain
    assert (a, b) == (0, pytest.approx(0.25))
    assert np.isnan(fit_saturation([1], [0.5])).all()
    with pytest.raises(ValueError, match="different"):
        fit_saturation([2, 2], [0.5, 0.6])


def test_fit_of_saturation_is_the_constrained_least_squares_of_scipy():
    from scipy.optimize import nnls

    n = np.array([1, 2, 3, 5])
    for agreement in np.random.default_rng(4).uniform(0.3, 0.9, size=(50, 4)):
        expected = nnls(np.stack([1 / np.sqrt(n), np.ones(4)], axis=1), 1 - agreement)[0]
        np.testing.assert_allclose(fit_saturation(n, agreement), expected, atol=1e-12)


def test_saturation_curve_over_disjoint_ensembles():
    names = ["staple/s0", "staple/s1", "staple/s2", "staple/s3", "staple/s0-1", "staple/s2-3", "staple/s1-2"]
    scores = {f"{a} {b}": [0.6, 0.6] for a, b in combinations(names[:4], 2)}
    scores |= {"staple/s0-1 staple/s2-3": [0.7, 0.74], "staple/s0-1 staple/s1-2": [0.99, 0.99]}
    curve = saturation_curve(agreement_of(scores), annotators(*names))
    assert curve[["n_members", "n_pairs", "n_cases"]].to_numpy().tolist() == [[1, 6, 2], [2, 1, 2]]
    assert curve["agreement"].tolist() == pytest.approx([0.6, 0.72])
    found = values_in(saturation(agreement_of(scores), annotators(*names), CLUSTERS))
    a = (0.4 + 0.28 / math.sqrt(2)) / 1.5
    assert found["saturation_a_f1", "staple"] == pytest.approx(a)
    assert curve["fitted"].tolist() == pytest.approx([1 - a, 1 - a / math.sqrt(2)])
    assert found["disagreement_f1", "staple: 2 members"] == pytest.approx(0.28)
    assert saturation(agreement_of(scores), annotators(*names[:4]), CLUSTERS).empty


def maps(seed: int = 5, shape: tuple[int, ...] = (40, 30)) -> tuple[np.ndarray, np.ndarray]:
    """A probability per pixel, and a reference that is foreground less often than it says."""
    rng = np.random.default_rng(seed)
    prob = rng.beta(0.5, 1, size=shape)
    return prob, rng.uniform(size=shape) < prob**1.5


def calibration_table(cases: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    rows = [
        (case, "m", "truth", *row)
        for case, (prob, reference) in cases.items()
        for row in calibration_bins(prob, reference, np.ones(prob.shape, dtype=bool))
    ]
    columns = ["bin", "n_pixels", "sum_prob", "sum_squared_error", "n_foreground"]
    return pd.DataFrame(rows, columns=["case", "annotator", "reference", *columns])


def test_calibration_equal_to_sklearn():
    cases = {"1": maps(1), "2": maps(2, (20, 20))}
    prob, label = (np.concatenate([case[part].ravel() for case in cases.values()]) for part in (0, 1))
    table = calibration_table(cases)
    found = values_in(calibration_of_annotators(table, CLUSTERS))
    for ending, chosen in (("", np.ones(prob.size, dtype=bool)), ("_above_0.05", prob > 0.05)):
        p, y = prob[chosen], label[chosen]
        frequency, mean = calibration_curve(y, p, n_bins=20)
        n = np.bincount(np.searchsorted(np.linspace(0, 1, 21)[1:-1], p), minlength=20)
        assert found[f"brier{ending}", "m"] == pytest.approx(brier_score_loss(y, p))
        expected = (np.abs(frequency - mean) * n[n > 0]).sum() / n.sum()
        assert found[f"ece{ending}", "m"] == pytest.approx(expected)
    diagram = reliability_diagram(table)
    frequency, mean = calibration_curve(label, prob, n_bins=20)
    np.testing.assert_allclose(diagram[["frequency", "mean_prob"]].to_numpy().T, [frequency, mean])
    assert diagram["n_pixels"].sum() == prob.size


def test_published_brier_score_of_the_documentation_of_sklearn():
    prob, label = np.array([0.1, 0.9, 0.8, 0.3]), np.array([False, True, True, False])
    table = calibration_table({"1": (prob, label), "2": (prob, label)})
    found = values_in(calibration_of_annotators(table, CLUSTERS))
    assert found["brier", "m"] == pytest.approx(0.0375)
    assert found["ece", "m"] == pytest.approx((0.1 + 0.1 + 0.2 + 0.3) / 4)


def test_pixels_are_selected_by_the_prediction_and_not_by_the_label():
    prob, label = np.array([0.0, 0.04, 0.05, 0.5]), np.array([True, True, True, False])
    table = calibration_table({"1": (prob, label)})
    found = values_in(calibration_of_annotators(table, CLUSTERS))
    assert found["ece_above_0.05", "m"] == pytest.approx(0.5)  # three missed pixels were called improbable
    assert found["ece", "m"] == pytest.approx((2.91 + 0.5) / 4)


def test_calibration_of_a_perfect_and_of_no_model():
    label = np.array([False, True, True])
    found = calibration_of_annotators(calibration_table({"1": (label.astype(float), label)}), CLUSTERS)
    assert (found["value"] == 0).all()
    nothing = calibration_table({"1": (np.zeros(3), np.zeros(3, dtype=bool)), "2": (label * 0.5, label)})
    rows = calibration_of_annotators(nothing, CLUSTERS).set_index("measure")
    assert rows.loc["ece_above_0.05", ["n_cases", "n_undefined"]].tolist() == [1, 1]
    assert calibration_of_annotators(nothing.iloc[:0], CLUSTERS).empty
    assert reliability_diagram(nothing.iloc[:0]).empty
    assert np.isnan(expected_calibration_error([0], [0.0], [0]))


def test_order_of_rows_and_a_case_cut_in_two_do_not_matter_to_calibration():
    prob, label = maps(3)
    whole = calibration_of_annotators(calibration_table({"1": (prob, label)}), CLUSTERS)
    halves = calibration_table({"1": (prob[:20], label[:20]), "2": (prob[20:], label[20:])}).iloc[::-1]
    found = calibration_of_annotators(halves, CLUSTERS)
    np.testing.assert_allclose(found["value"], whole["value"])


HISTOGRAMS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=5)


def pixels(bins: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Uncertainty and event of each pixel, from the numbers of others and of events in each bin."""
    level = np.concatenate([np.full(sum(of), number) for number, of in enumerate(bins)])
    event = np.concatenate([np.repeat([0, 1], of) for of in bins])
    return level, event


@settings(max_examples=60, deadline=None)
@given(HISTOGRAMS)
def test_uncertainty_equal_to_sklearn_and_scipy_on_single_pixels(bins: list[tuple[int, int]]):
    level, event = pixels(bins)
    n, events = np.sum(bins, axis=1), np.array(bins)[:, 1]
    if 0 < event.sum() < event.size:
        assert auroc(n, events) == pytest.approx(roc_auc_score(event, level))
    else:
        assert np.isnan(auroc(n, events))
    if event.size and np.ptp(event) and np.ptp(level):
        assert spearman_of_counts(n, events) == pytest.approx(stats.spearmanr(level, event).statistic)
    else:
        assert np.isnan(spearman_of_counts(n, events))


@settings(max_examples=60, deadline=None)
@given(HISTOGRAMS)
def test_area_under_risk_coverage_is_the_mean_risk_over_pixels_in_random_order(bins: list[tuple[int, int]]):
    level, event = pixels(bins)
    n, events = np.sum(bins, axis=1), np.array(bins)[:, 1]
    if not event.size:
        assert np.isnan(area_under_risk_coverage(n, events))
        return
    expected = pd.Series(event, dtype=float).groupby(level).transform("mean")  # a tie counts as the share of events
    risk = expected.cumsum() / np.arange(1, event.size + 1)
    assert area_under_risk_coverage(n, events) == pytest.approx(risk.mean())
    coverage, at = risk_coverage(n, events)
    last = np.cumsum(n)[n > 0]
    np.testing.assert_allclose(coverage, last / event.size)
    np.testing.assert_allclose(at, risk.to_numpy()[last - 1])


def test_uncertainty_by_hand():
    n, events = [2, 1, 1], [0, 0, 1]
    assert auroc(n, events) == 1
    assert auroc(n[::-1], events[::-1]) == 0
    assert area_under_risk_coverage(n, events) == pytest.approx(1 / 16)  # one of four pixels is wrong, the last
    assert area_under_risk_coverage([4], [1]) == pytest.approx(0.25)


def uncertainty_table(cases: Mapping[str, Sequence[bool]], n_raters: int = 2) -> pd.DataFrame:
    """Four pixels of rising uncertainty, which of them are wrong; raters disagree on the two that are most certain."""
    level, counted = np.array([0.1, 0.3, 0.5, 0.9]), np.ones(4, dtype=bool)
    rows = [
        (case, "m", "truth", *row)
        for case, wrong in cases.items()
        for row in uncertainty_bins(level, np.array(wrong), np.array([1, 1, 2, 0]), n_raters, counted)
    ]
    columns = ["bin", "n_pixels", "sum_uncertainty", "n_errors", "sum_disagreement"]
    return pd.DataFrame(rows, columns=["case", "annotator", "reference", *columns])


def test_uncertainty_of_each_case_then_the_mean():
    wrong = {"1": [False, False, True, True], "2": [True, True, False, False], "3": [False] * 4}
    table = uncertainty_table(wrong)
    rows = uncertainty_of_annotators(table, CLUSTERS).set_index("measure")
    assert rows.loc["uncertainty_auroc_errors", ["value", "n_cases", "n_undefined"]].tolist() == [0.5, 2, 1]
    assert rows.loc["uncertainty_spearman_errors", "value"] == pytest.approx(0)
    assert rows.loc["uncertainty_aurc_errors", "n_cases"] == 3
    assert rows.loc["uncertainty_aurc_errors", "note"] == "against truth; a random order gives 0.333"
    assert rows.loc["uncertainty_auroc_disagreement", "value"] == 0
    assert uncertainty_of_annotators(table.iloc[:0], CLUSTERS).empty


def test_one_rater_disagrees_with_nobody():
    found = uncertainty_of_annotators(uncertainty_table({"1": [True, False, False, False]}, n_raters=1), CLUSTERS)
    assert found["measure"].tolist() == [f"uncertainty_{name}_errors" for name in ("spearman", "auroc", "aurc")]


def test_histogram_of_a_case_has_zeros_where_a_bin_has_no_row():
    rows = pd.DataFrame({"case": ["2", "1"], "bin": [0, 2], "n": [4, 5]})
    assert by_bin(rows, "n", np.array(["1", "2"])).tolist() == [[0, 0, 5], [4, 0, 0]]


def test_weighted_rank_correlation_equal_to_scipy_on_drawn_cases():
    rng = np.random.default_rng(6)
    values = rng.integers(0, 6, size=(12, 2)).astype(float)
    weights = rng.multinomial(12, np.full(12, 1 / 12), size=30)
    expected = [stats.spearmanr(*np.repeat(values, row, axis=0).T).statistic for row in weights]
    np.testing.assert_allclose(spearman_weighted(weights, values), expected)
    assert np.isnan(spearman_weighted(np.ones((1, 3)), np.ones((3, 2)))).all()


def test_quality_of_an_image_orders_images_as_their_score_does():
    names = ["staple/s0", "staple/s1", "staple/s2"]
    scores = {f"{a} {b}": [0.9, 0.5, 0.1] for a, b in combinations(names, 2)} | {"staple/s0 staple/s1": [0.6, 0.5, 0.1]}
    scores |= {f"anna {name}": [0.8, 0.7, 0.2] for name in names}
    models = annotators("anna", *names)
    quality = image_quality(agreement_of(scores), models)
    assert quality["staple models"].tolist() == pytest.approx([0.8, 0.5, 0.1])
    (row,) = quality_against_score(agreement_of(scores), models, CLUSTERS).to_dict("records")
    assert (row["value"], row["n_cases"]) == (pytest.approx(1), 3)
    opposite = scores | {"anna staple/s0-2": [0.1, 0.2, 0.3]}
    with_ensemble = annotators("anna", *names, "staple/s0-2")
    (row,) = quality_against_score(agreement_of(opposite), with_ensemble, CLUSTERS).to_dict("records")
    assert (row["value"], row["note"]) == (pytest.approx(-1), "Dice of staple/s0-2 with the raters")
    assert quality_against_score(agreement_of(scores), annotators(*names), CLUSTERS).empty
    assert image_quality(agreement_of({}), annotators("anna")).empty


def test_all_measures_of_a_simulated_study_find_what_was_planted():
    study = simulate_tables(SimulatedStudy(n_subjects=8, seed_sd=0.02))
    found = dataclasses.replace(study.findings())
    rows, gaps = compute_all(computations(found))
    assert tuple(rows) == SCORE_COLUMNS
    assert (rows["quality"] == "reliability").all()
    assert not rows.duplicated(["measure", "target"]).any()
    assert [gap.measure for gap in gaps] == ["agreement of folds"]
    assert np.isfinite(rows["value"]).sum() > 0.95 * len(rows)
    sd = rows.set_index(["measure", "target"]).loc["sd_f1", "staple models"]
    assert sd["low"] < 0.02 < sd["high"]
    truth = study.truth.set_index(["quality", "measure", "target"])["value"]
    agreement = Agreement(found.tables.agreement, found.tables.leave_one_out)
    for score in agreement_of_seeds(agreement, found.annotations):
        key = ("reliability", score.measure, score.target)
        if key in truth:
            assert score.values.mean() == pytest.approx(truth[key], abs=0.05)
    calibrated = rows[rows["measure"] == "ece"]["value"]
    assert calibrated.max() < 0.005  # the probabilities planted are true
    assert (rows[rows["measure"] == "uncertainty_auroc_errors"]["value"] > 0.6).all()


def test_without_models_every_measure_says_why_it_cannot_be_judged():
    study = simulate_tables(SimulatedStudy(n_seeds=0, n_consensus_seeds=0, n_subjects=2))
    found = dataclasses.replace(study.findings())
    tables = dataclasses.replace(
        found.tables, calibration=found.tables.calibration.iloc[:0], uncertainty=found.tables.uncertainty.iloc[:0]
    )
    found = dataclasses.replace(found, tables=tables)
    rows, gaps = compute_all(computations(found))
    assert set(rows["target"]) <= {"raters"}
    names = {gap.measure: gap.why for gap in gaps}
    assert len(names) == 14
    assert "no test split" in names["agreement of folds"]
    assert all(names.values())

"""Objectivity from tables written here by hand, from drawn masks, from a real lab, and from a simulated study."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats import inter_rater

from drawing import draw
from published_lab import Lab
from segassay.consensus.pixels import staple
from segassay.data.annotations import read_annotations
from segassay.data.dataset import read_dataset
from segassay.io.images import read_mask, write_mask
from segassay.qualities.objectivity.computations import computations
from segassay.qualities.objectivity.raters import (
    agreement_of_objects,
    agreement_of_pixels,
    boundary_shift,
    intra_rater_repeatability,
    sensitivity_and_specificity,
)
from segassay.qualities.scores.computation import compute_all
from segassay.qualities.scores.table import ALL_RATERS, BETWEEN_RATERS, SCORE_COLUMNS, Findings
from segassay.simulation.study_tables import SimulatedStudy, simulate_tables
from segassay.statistics.chance import gwet_ac1, krippendorff_alpha
from segassay.statistics.reliability import icc, repeatability_coefficient
from segassay.tables.build import build_tables


def measured(found: Findings) -> tuple[pd.DataFrame, dict[str, str]]:
    """Rows of objectivity, and what is missing for the others."""
    table, gaps = compute_all(computations(found))
    return table, {gap.measure: gap.why for gap in gaps}


RATERS = ("anna", "ben", "cleo")
CASES = pd.Series({str(case): str(case) for case in range(40)})


def frame(columns: str, *rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=columns.split())


def value(table: pd.DataFrame, measure: str, target: str) -> float:
    (row,) = table[(table["measure"] == measure) & (table["target"] == target)].to_dict("records")
    return float(row["value"])


def votes_of(masks: list[list[str]]) -> pd.DataFrame:
    """Votes of cases given as one string of 0 and 1 per rater."""
    rows = []
    for case, drawn in enumerate(masks):
        marked = np.array([list(map(int, mask)) for mask in drawn]).sum(axis=0)
        rows += [(str(case), len(drawn), n, int((marked == n).sum())) for n in range(len(drawn) + 1)]
    return frame("case n_raters n_marked n_pixels", *rows)


PIXELS = [["111000", "110000", "011100"], ["000000", "000001", "100001"], ["10", "11", "11"]]


def test_pixels_equal_to_statsmodels_and_to_each_pixel_by_itself():
    found = agreement_of_pixels(votes_of(PIXELS), CASES)
    every_pixel = np.concatenate([np.array([list(map(int, mask)) for mask in case]) for case in PIXELS], axis=1)
    counts = np.stack([3 - every_pixel.sum(axis=0), every_pixel.sum(axis=0)], axis=1)
    assert value(found, "fleiss_kappa_pixels", BETWEEN_RATERS) == pytest.approx(inter_rater.fleiss_kappa(counts))
    assert value(found, "gwet_ac1_pixels", BETWEEN_RATERS) == pytest.approx(gwet_ac1(counts))
    alpha = krippendorff_alpha(every_pixel, "nominal")
    assert value(found, "krippendorff_alpha_pixels", BETWEEN_RATERS) == pytest.approx(alpha)
    assert found["n_cases"].tolist() == [3] * 3


def test_published_pixels_where_background_dominates():
    """Of 125 pixels, 118 by neither, 2 and 5 by one, 0 by both: Fleiss' kappa below 0, AC1 .9408."""
    found = agreement_of_pixels(
        frame("case n_raters n_marked n_pixels", ("0", 2, 0, 118), ("0", 2, 1, 7), ("0", 2, 2, 0)), CASES
    )
    assert value(found, "gwet_ac1_pixels", BETWEEN_RATERS) == pytest.approx(0.9408, abs=5e-5)
    assert value(found, "fleiss_kappa_pixels", BETWEEN_RATERS) < 0


def test_a_rater_may_lack_cases_and_one_alone_is_undefined():
    masks = [*PIXELS, ["1100", "1110"], ["1111"]]
    found = agreement_of_pixels(votes_of(masks), CASES)
    items = np.full((3, 18), np.nan)
    start = 0
    for case in masks[:4]:
        for rater, mask in enumerate(case):
            items[rater, start : start + len(mask)] = list(map(int, mask))
        start += len(case[0])
    expected = krippendorff_alpha(items, "nominal")
    assert value(found, "krippendorff_alpha_pixels", BETWEEN_RATERS) == pytest.approx(expected)
    assert set(found["n_undefined"]) == {1}


def test_intervals_of_pixels_draw_cases():
    """Cases that are all alike leave open what one in seven may be, however many pixels differ."""
    found = agreement_of_pixels(votes_of([PIXELS[0]] * 25), CASES)
    found = found[found["measure"] != "krippendorff_alpha_pixels"]  # which moves with the number of pixels
    assert set(found["method"]) == {"binomial"}
    np.testing.assert_allclose(found["value"] - found["low"], (1 - 0.025 ** (1 / 25)) * (found["value"] + 1))
    assert not found["approximate"].any()


def test_exchanging_foreground_and_background_changes_no_agreement_on_pixels():
    votes = votes_of(PIXELS)
    exchanged = votes.assign(n_marked=votes["n_raters"] - votes["n_marked"]).sample(frac=1, random_state=0)
    before, after = (agreement_of_pixels(table, CASES) for table in (votes, exchanged))
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(after[column].astype(float), before[column].astype(float))


def test_no_votes_give_no_rows():
    for votes in (votes_of([]), votes_of([["10"]])):
        found = agreement_of_pixels(votes, CASES)
        assert (len(found), tuple(found)) == (0, SCORE_COLUMNS)


OBJECTS = "case annotator_a annotator_b iou_threshold tp n_a n_b"


def test_positive_agreement_pools_objects_of_pairs_and_cases():
    agreement = frame(
        OBJECTS,
        ("0", "anna", "ben", 0.5, 8, 10, 10), ("1", "anna", "ben", 0.5, 0, 0, 1),
        ("0", "anna", "cleo", 0.5, 5, 10, 5), ("0", "ben", "cleo", 0.5, 2, 10, 5),
        ("0", "anna", "ben", 0.55, 1, 10, 10), ("0", "GT", "ben", 0.5, 9, 10, 10),
    )  # fmt: skip
    found = agreement_of_objects(agreement, RATERS, CASES)
    assert value(found, "positive_agreement", BETWEEN_RATERS) == pytest.approx(2 * 15 / (20 + 1 + 15 + 15))
    assert value(found, "positive_agreement", "cleo") == pytest.approx(2 * 7 / 30)
    row = found.iloc[0]
    assert 0 <= row["low"] < row["value"] < row["high"] <= 1
    assert row["high"] - row["low"] > 0.9, "one of two cases has nearly all objects"


def test_exchanging_the_two_of_a_pair_changes_no_agreement_on_objects():
    agreement = frame(OBJECTS, ("0", "anna", "ben", 0.5, 3, 4, 9), ("1", "anna", "cleo", 0.5, 2, 2, 5))
    turned = agreement.rename(
        columns={"annotator_a": "annotator_b", "annotator_b": "annotator_a", "n_a": "n_b", "n_b": "n_a"}
    )
    before, after = (agreement_of_objects(table, RATERS, CASES) for table in (agreement, turned))
    pd.testing.assert_frame_equal(after, before)


def test_published_positive_agreement():
    """Cicchetti & Feinstein (1990): 40 positive for both, 9 and 6 for one."""
    found = agreement_of_objects(frame(OBJECTS, ("0", "anna", "ben", 0.5, 40, 49, 46)), RATERS[:2], CASES)
    assert found["value"].round(2).tolist() == [0.84]


def test_raters_who_marked_nothing_agree_and_no_raters_give_no_rows():
    assert agreement_of_objects(frame(OBJECTS, ("0", "anna", "ben", 0.5, 0, 0, 0)), RATERS, CASES)["value"][0] == 1
    assert agreement_of_objects(frame(OBJECTS), (), CASES).empty


SHIFTS = "case annotator_a annotator_b unit shift"


def test_shift_of_each_rater_is_the_mean_over_the_others():
    """ben lies 2 outside anna, cleo 1 inside anna and 3 inside ben; in case 1 only anna and ben share an object."""
    distances = frame(
        SHIFTS,
        ("0", "anna", "ben", "px", 2.0), ("0", "anna", "cleo", "px", -1.0), ("0", "ben", "cleo", "px", -3.0),
        ("1", "anna", "ben", "px", 1.0), ("1", "anna", "cleo", "px", np.nan), ("1", "ben", "cleo", "px", np.nan),
        ("0", "GT", "ben", "px", 9.0),
    )  # fmt: skip
    found = boundary_shift(distances, RATERS, CASES)
    assert found["target"].tolist() == [*RATERS]
    assert found["value"].tolist() == pytest.approx([(-0.5 - 1) / 2, (2.5 + 1) / 2, -2])
    assert found["n_undefined"].tolist() == [0, 0, 1]
    turned = distances.rename(columns={"annotator_a": "annotator_b", "annotator_b": "annotator_a"})
    opposite = boundary_shift(turned.assign(shift=-turned["shift"]), RATERS, CASES)
    pd.testing.assert_frame_equal(opposite, found)


def test_shifts_in_different_units_stay_apart_and_none_give_no_rows():
    distances = frame(SHIFTS, ("0", "anna", "ben", "px", 2.0), ("1", "anna", "ben", "um", 1.0))
    found = boundary_shift(distances, RATERS, CASES)
    assert set(found["measure"]) == {"boundary_shift_px", "boundary_shift_um"}
    assert boundary_shift(distances.assign(shift=np.nan), RATERS, CASES).empty
    assert boundary_shift(distances.iloc[:0], RATERS, CASES).empty


REPEATS = "case annotator session_a session_b f1 mean_iou dice n_a n_b"


def test_published_repeatability_of_a_meter():
    """Bland & Altman (1986), two readings of 17 people by one meter; the article takes 2 for 1.96, and rounds: 43.2."""
    first = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    second = [490, 397, 512, 401, 470, 611, 415, 431, 638, 429, 420, 633, 275, 492, 165, 372, 421]
    rows = [(str(i), "anna", 1, 2, 0.8, 0.7, 0.9, a, b) for i, (a, b) in enumerate(zip(first, second, strict=True))]
    found = intra_rater_repeatability(frame(REPEATS, *rows), CASES)
    coefficient = value(found, "repeatability_coefficient_count", "anna")
    assert coefficient == pytest.approx(repeatability_coefficient(np.transpose([first, second])))
    assert coefficient / 1.96 * 2 == pytest.approx(43.2, abs=0.1)


def test_the_order_of_sessions_does_not_matter():
    rows = frame(REPEATS, ("0", "anna", 1, 2, 0.6, 0.5, 0.7, 10, 12), ("1", "anna", 1, 2, 0.8, 0.5, 0.7, 9, 4))
    turned = rows.rename(columns={"n_a": "n_b", "n_b": "n_a"})[::-1]
    before, after = (intra_rater_repeatability(table, CASES) for table in (rows, turned))
    np.testing.assert_allclose(after["value"].astype(float), before["value"].astype(float))


def test_three_sessions_of_a_case_count_once():
    rows = [
        ("0", "anna", 1, 2, 0.6, 0.5, 0.7, 10, 12), ("0", "anna", 1, 3, 0.8, 0.5, 0.7, 10, 14),
        ("0", "anna", 2, 3, 0.7, 0.5, 0.7, 12, 14), ("1", "ben", 1, 2, 0.5, 0.5, 0.7, 9, 9),
    ]  # fmt: skip
    found = intra_rater_repeatability(frame(REPEATS, *rows), CASES)
    assert value(found, "f1_repeated", "anna") == pytest.approx(0.7)
    assert value(found, "repeatability_coefficient_count", "anna") == pytest.approx(1.96 * np.sqrt(2) * 2)
    assert value(found, "repeatability_coefficient_count", "ben") == 0
    assert intra_rater_repeatability(frame(REPEATS), CASES).empty


DRAWN = {
    "anna": "##.... ##.... ...##.", "ben": "###... ###... ...##.", "cleo": "##.... ##.... ......",
    "dora": "##.... ##.##. ...##.",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, drawn by four people; nobody but ben marked anything in the second."""
    for rater, picture in DRAWN.items():
        (tmp_path / "labels" / rater).mkdir(parents=True)
        for case, mask in (("1", draw(picture)), ("2", draw("......") & False)):
            if rater == "ben" and case == "2":
                mask = draw("####..")
            full = np.zeros((3, 6), dtype=bool)
            full[: len(mask)] = mask
            write_mask(tmp_path / "labels" / rater / f"{case}.png", full)
    (tmp_path / "images").mkdir()
    for case in "12":
        write_mask(tmp_path / "images" / f"{case}.png", np.zeros((3, 6), dtype=bool))
    return tmp_path


def findings_of(folder: Path) -> Findings:
    dataset = read_dataset(folder)
    annotations = read_annotations(dataset)
    cases = annotations["case"].unique()
    tables = build_tables(dataset, annotations, n_jobs=1)
    return Findings(tables, annotations, pd.Series(cases, cases), pd.DataFrame())


def test_sensitivity_and_specificity_against_the_others_by_pixel(folder):
    found = findings_of(folder)
    tables = found.tables
    rows = sensitivity_and_specificity(tables.raters, tables.leave_one_out, tables.counts, found.clusters)
    masks = {rater: read_mask(folder / "labels" / rater / "1.png") for rater in DRAWN}
    for rater in DRAWN:
        others = staple(np.stack([mask for name, mask in masks.items() if name != rater])).mask
        sensitivity = (masks[rater] & others).sum() / others.sum()
        specificity = (~masks[rater] & ~others).sum() / (~others).sum()
        of_empty = (1 - 4 / 18) if rater == "ben" else 1.0
        assert value(rows, "sensitivity_leave_one_out", rater) == pytest.approx(sensitivity)
        assert value(rows, "specificity_leave_one_out", rater) == pytest.approx((specificity + of_empty) / 2)
        own = tables.raters.set_index("rater").loc[rater]
        for name in ("sensitivity", "specificity"):
            assert value(rows, f"{name}_leave_one_out", rater) == pytest.approx(own[f"{name}_leave_one_out"])
            assert value(rows, f"staple_{name}", rater) == own[name]
    assert rows.loc[rows["measure"] == "sensitivity_leave_one_out", "n_undefined"].tolist() == [1] * 4


def test_exchanging_foreground_and_background_exchanges_sensitivity_and_specificity():
    """Of 100 pixels C₋r has 30, the rater 20 of these and 10 others."""
    left_out = "case rater annotator iou_threshold dice n_px_a n_px_b"
    counts = frame("case annotator region_area_px", ("0", "anna", 100))
    shared, background = 20, 60
    one = frame(left_out, ("0", "anna", "anna", 0.5, 2 * shared / 60, 30, 30))
    other = frame(left_out, ("0", "anna", "anna", 0.5, 2 * background / 140, 70, 70))
    found, exchanged = (
        sensitivity_and_specificity(pd.DataFrame(), rows, counts, CASES).set_index("measure")["value"]
        for rows in (one, other)
    )
    assert found.tolist() == pytest.approx([20 / 30, 60 / 70])
    assert exchanged.tolist() == pytest.approx([60 / 70, 20 / 30])


def test_sensitivity_of_nobody_gives_no_rows():
    found = sensitivity_and_specificity(
        frame("rater n_cases sensitivity specificity"),
        frame("case rater annotator iou_threshold dice n_px_a n_px_b"),
        frame("case annotator region_area_px"),
        CASES,
    )
    assert (len(found), tuple(found)) == (0, SCORE_COLUMNS)


def test_every_measure_of_raters_has_rows_from_masks_and_the_others_say_what_they_lack(folder):
    found = findings_of(folder)
    table, missing = measured(found)
    assert tuple(table) == SCORE_COLUMNS
    assert not table.duplicated(["measure", "target"]).any()
    of_raters = {
        "bias_test_count", "bias_test_area", "boundary_shift_px", "staple_sensitivity", "specificity_leave_one_out",
        "positive_agreement", "fleiss_kappa_pixels", "gwet_ac1_pixels", "krippendorff_alpha_pixels",
        "krippendorff_alpha_count", "icc_a1_count", "icc_ak_area", "rater_share_count", "difference_area",
        "limit_low_count", "limit_high_count", "slope_area", "ccc_count", "williams_index",
    }  # fmt: skip
    assert of_raters <= set(table["measure"])
    assert set(missing) == {
        "f1_repeated", "imprint", "removal_of_bias", "williams_index of models", "alt_test_winning_rate",
        "generalized_energy_distance",
    }  # fmt: skip
    assert missing["imprint"] == "needs held-out models of 3 raters, there are 0"


def test_two_raters_are_told_what_a_third_and_fourth_would_add(folder):
    found = findings_of(folder)
    keep = found.annotations["annotator"].isin(["anna", "ben"])
    annotations = found.annotations[keep]
    two = dataclasses.replace(found, annotations=annotations, tables=build_tables(None, annotations, n_jobs=1))
    table, missing = measured(two)
    assert {"ccc_count", "fleiss_kappa_pixels", "icc_a1_area"} <= set(table["measure"])
    assert "williams_index" not in set(table["measure"])
    assert missing["f1_leave_one_out"].startswith("needs 4 raters")
    assert "icc_a1_mean_intensity" in missing


def test_one_rater_gives_no_rows_and_a_reason(folder):
    found = findings_of(folder)
    annotations = found.annotations.assign(
        kind=["human" if a == "anna" else "truth" for a in found.annotations.annotator]
    )
    annotations = annotations[annotations["annotator"].isin(["anna", "ben"])]
    one = dataclasses.replace(found, annotations=annotations, tables=build_tables(None, annotations, n_jobs=1))
    table, missing = measured(one)
    assert table.empty
    assert missing["agreement and bias of raters"] == "needs 2 raters, there are 1"


def test_a_simulated_study_has_every_measure_and_nothing_is_missing():
    study = simulate_tables(SimulatedStudy(n_subjects=8, n_consensus_seeds=2, n_seeds=1))
    found = dataclasses.replace(study.findings())
    table, missing = measured(found)
    assert not table.duplicated(["measure", "target"]).any()
    assert set(table["quality"]) == {"objectivity"}
    assert missing == {}
    ends = table.dropna(subset=["low", "value"]).astype({"value": float, "low": float, "high": float})
    assert (ends["low"] <= ends["high"]).all()
    planted = study.truth[study.truth["measure"].isin(["imprint", "removal_of_bias", "williams_index"])]
    joined = planted.merge(table, on=["measure", "target"], suffixes=("_planted", ""))
    assert len(joined) == len(planted)
    assert (joined["value"].astype(float) - joined["value_planted"]).abs().max() < 0.1
    biased = {rater: value(table, "bias_test_count", rater) < 0.05 for rater in ("expert_1", "expert_5")}
    assert all(biased.values())
    assert value(table, "bias_test_count", ALL_RATERS) < 0.05


def test_the_same_seed_gives_the_same_rows():
    three = {"log_count_bias": (-0.2, 0.0, 0.2), "agreeableness": (0.0, 0.0, 0.0)}
    study = simulate_tables(SimulatedStudy(**three, n_subjects=2, n_consensus_seeds=2, n_seeds=1))
    found = dataclasses.replace(study.findings())
    pd.testing.assert_frame_equal(measured(found)[0], measured(found)[0])


def test_the_five_experts_of_a_published_lab(lab_wue1: Lab):
    """ICCs are those of the plain estimator, and the published consensus is no rater."""
    cases = lab_wue1.annotations["case"].unique()
    found = Findings(lab_wue1.tables, lab_wue1.annotations, pd.Series(cases, cases), pd.DataFrame())
    table, _ = measured(found)
    counts = found.tables.counts.pivot(index="case", columns="annotator", values="n_objects").astype(float)
    expected = icc(counts.drop(columns="est_GT").to_numpy())["value"]
    assert value(table, "icc_a1_count", ALL_RATERS) == pytest.approx(expected["ICC(A,1)"])
    assert value(table, "icc_ak_count", ALL_RATERS) == pytest.approx(expected["ICC(A,k)"])
    assert not table["target"].str.contains("est_GT").any()
    assert value(table, "williams_index", "expert_1") < 1 < value(table, "williams_index", "expert_5")

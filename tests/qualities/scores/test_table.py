"""Scores from tables written here by hand; every expected number follows from the rows beside it."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.judgement.measures import both_empty_shift, build_scores
from segassay.qualities.scores.table import ALL_RATERS, BETWEEN_RATERS, SCORE_COLUMNS, annotator_kinds
from segassay.tables.build import Tables

MEASURES = ["n_a", "n_b", "tp", "precision", "recall", "f1", "mean_iou", "dice", "iou"]


def annotations_of(**kinds: str) -> pd.DataFrame:
    """One row per annotator; a model such as `staple_s1` is trained on staple with seed 1."""
    rows = []
    for name, kind in kinds.items():
        trained_on, _, seed = name.partition("_s") if kind in ("model", "ensemble") else ("", "", "")
        rows.append({"case": "1", "annotator": name, "kind": kind, "trained_on": trained_on, "strategy": ""})
        rows[-1]["seed"] = int(seed) if seed.isdigit() else pd.NA
    return pd.DataFrame(rows, columns=list(ANNOTATION_COLUMNS))


def comparisons(first: str, second: str, f1: dict[str, Sequence[float]], **columns: float) -> pd.DataFrame:
    """Rows of `a b` -> F1 of the cases 1, 2, … at the threshold .5, and misleading ones at .55; None leaves one out."""
    rows = [
        {"case": str(case + 1), first: pair.split()[0], second: pair.split()[1], "iou_threshold": threshold}
        | dict.fromkeys(MEASURES, 1.0)
        | {"f1": value if threshold == 0.5 else -9.0, "dice": value, "mean_iou": value}
        | columns
        for pair, values in f1.items()
        for case, value in enumerate(values)
        for threshold in (0.5, 0.55)
        if value is not None
    ]
    return pd.DataFrame(rows, columns=["case", first, second, "iou_threshold", *MEASURES])


def tables_of(
    agreement: dict[str, Sequence[float]] | None = None, leave_one_out: dict[str, Sequence[float]] | None = None
) -> Tables:
    """Tables with these F1; every annotator counts two objects in every case."""
    pairs = comparisons("annotator_a", "annotator_b", agreement or {})
    names = sorted({*pairs["annotator_a"], *pairs["annotator_b"]})
    counts = [{"case": c, "annotator": n, "n_objects": 2, "area_px": 9} for c in pairs["case"].unique() for n in names]
    return Tables(
        agreement=pairs,
        distances=pd.DataFrame(),
        leave_one_out=comparisons("rater", "annotator", leave_one_out or {}),
        counts=pd.DataFrame(counts, columns=["case", "annotator", "n_objects", "area_px"]),
        raters=pd.DataFrame(),
        missing=pd.DataFrame(columns=["annotator", "case"]),
        notes=[],
    )


def scores_of(tables: Tables, annotations: pd.DataFrame, n_cases: int = 9) -> pd.DataFrame:
    cases = [str(case + 1) for case in range(n_cases)]
    return build_scores(tables, annotations, pd.Series(cases, cases)).set_index(["quality", "measure", "target"])


def test_agreement_between_raters_is_the_mean_over_pairs_then_cases():
    tables = tables_of({"anna ben": [0.2, 0.4], "anna cleo": [0.4, 0.6], "ben cleo": [0.6, 0.8]})
    scores = scores_of(tables, annotations_of(anna="human", ben="human", cleo="human"))
    row = scores.loc["objectivity", "f1", BETWEEN_RATERS]
    assert (round(row["value"], 12), row["n_cases"], row["n_undefined"]) == (0.5, 2, 0)
    assert (row["low"], row["high"]) == (0, 1), "0.5 ± 1.27 by t, and no F1 is outside"


def test_with_few_raters_each_is_scored_with_the_others_and_says_so():
    tables = tables_of({"anna ben": [0.2, 0.4], "anna cleo": [0.4, 0.6], "ben cleo": [0.6, 0.8]})
    scores = scores_of(tables, annotations_of(anna="human", ben="human", cleo="human"))
    row = scores.loc["objectivity", "f1_pairwise", "anna"]
    assert row["value"] == pytest.approx(0.4)
    assert "too few raters" in row["note"]
    assert ("objectivity", "f1_leave_one_out", "anna") not in scores.index


def test_a_model_is_scored_against_each_consensus_on_the_cases_of_its_rater_then_averaged_over_raters():
    left_out = {
        "anna anna": [0.5, 0.7, None],
        "ben ben": [0.4, 0.4, 0.1],
        "anna m": [0.6, 0.8, None],
        "ben m": [0.2, 0.2, 0.8],
    }
    tables = tables_of({"anna ben": [0.1, 0.1, 0.1]}, left_out)
    scores = scores_of(tables, annotations_of(anna="human", ben="human", m="model"))
    row = scores.loc["validity", "f1_leave_one_out", "m"]
    assert row["value"] == pytest.approx((0.7 + 0.4) / 2)
    assert (row["human_low"], row["human_high"]) == pytest.approx((0.3, 0.6))
    assert row["n_cases"] == 3
    difference = scores.loc["validity", "f1_leave_one_out_minus_raters", "m"]
    assert difference["value"] == pytest.approx(((0.7 - 0.6) + (0.4 - 0.3)) / 2)
    assert scores.loc["objectivity", "f1_leave_one_out", ALL_RATERS]["value"] == pytest.approx((0.6 + 0.3) / 2)


def test_the_human_range_is_that_of_the_cases_that_the_model_has():
    left_out = {"anna anna": [0.5, 0.9], "ben ben": [0.4, 0.8], "anna m": [0.6, None], "ben m": [0.2, None]}
    scores = scores_of(
        tables_of({"anna ben": [0.1, 0.1]}, left_out), annotations_of(anna="human", ben="human", m="model")
    )
    row = scores.loc["validity", "f1_leave_one_out", "m"]
    assert (row["value"], row["human_low"], row["human_high"], row["n_cases"]) == pytest.approx((0.4, 0.4, 0.5, 1))


def test_the_human_range_leaves_out_what_is_undefined_for_the_model():
    left_out = {"anna anna": [0.5, 0.9], "ben ben": [0.4, 0.8], "anna m": [0.6, np.nan], "ben m": [0.2, np.nan]}
    annotations = annotations_of(anna="human", ben="human", m="model")
    row = scores_of(tables_of({"anna ben": [0.1, 0.1]}, left_out), annotations).loc[
        "validity", "mean_iou_leave_one_out", "m"
    ]
    assert (row["value"], row["human_low"], row["human_high"]) == pytest.approx((0.4, 0.4, 0.5))
    assert (row["n_cases"], row["n_undefined"]) == (1, 1)


def test_a_case_without_value_is_undefined_and_one_that_is_not_covered_is_not():
    tables = tables_of({"GT anna": [0.5, np.nan, 0.7, None], "GT ben": [0.5, 0.5, 0.5, 0.5]})
    scores = scores_of(tables, annotations_of(GT="consensus", anna="human", ben="human"))
    row = scores.loc["validity", "mean_iou_against_GT", "anna"]
    assert (row["n_cases"], row["n_undefined"]) == (2, 1)


def test_a_reference_and_a_truth_are_scored_apart():
    pairs = {"GT anna": [0.5, 0.7], "truth GT": [0.9, 0.9], "truth anna": [0.3, 0.5]}
    scores = scores_of(tables_of(pairs), annotations_of(GT="consensus", truth="truth", anna="human"))
    assert scores.loc["validity", "f1_against_GT", "anna"]["value"] == pytest.approx(0.6)
    assert scores.loc["validity", "f1_against_GT", "anna"]["note"] == "GT contains the raters"
    assert scores.loc["validity", "f1_against_truth", "GT"]["value"] == pytest.approx(0.9)
    assert scores.loc["validity", "f1_against_truth", "anna"]["value"] == pytest.approx(0.4)
    assert ("validity", "f1_against_GT", "truth") not in scores.index


def test_reliability_is_of_models_that_differ_by_the_seed_alone():
    pairs = {"staple_s0 staple_s1": [0.8, 0.9], "staple_s0 anna_s0": [0.1, 0.1], "staple_s1 anna_s0": [0.1, 0.1]}
    kinds = {"staple_s0": "model", "staple_s1": "model", "anna_s0": "model"}
    scores = scores_of(tables_of(pairs), annotations_of(**kinds)).loc["reliability"]
    assert scores.loc["f1", "staple models"]["value"] == pytest.approx(0.85)
    assert set(scores.index.get_level_values("target")) == {"staple models"}


def test_ensembles_are_compared_where_they_share_no_member():
    pairs = {"e/s0-1 e/s2-3": [0.9, 0.7], "e/s0-1 e/s1-2": [0.1, 0.1], "e/s1-2 e/s2-3": [0.1, 0.1]}
    annotations = annotations_of(**dict.fromkeys(("e/s0-1", "e/s1-2", "e/s2-3"), "ensemble"))
    scores = scores_of(tables_of(pairs), annotations.assign(trained_on="e", seed=pd.NA)).loc["reliability"]
    assert scores.loc["f1", "e ensembles"]["value"] == pytest.approx(0.8)


def test_cases_of_one_subject_are_drawn_together():
    tables = tables_of({"anna ben": [0.2, 0.4, 0.6, 0.8] * 2})
    annotations = annotations_of(anna="human", ben="human")
    cases = [str(case + 1) for case in range(8)]
    by_subject = build_scores(tables, annotations, pd.Series(["a", "b", "c", "d"] * 2, cases)).iloc[0]
    once = build_scores(tables_of({"anna ben": [0.2, 0.4, 0.6, 0.8]}), annotations, pd.Series(list("abcd"), cases[:4]))
    assert tuple(by_subject[["value", "low", "high"]]) == pytest.approx(tuple(once.iloc[0][["value", "low", "high"]]))


def test_the_mean_moves_when_two_empty_masks_are_undefined():
    tables = tables_of({"anna ben": [0.5, 1.0]})
    both_empty = (tables.agreement["case"] == "2").to_numpy()
    tables.agreement.loc[both_empty, ["n_a", "n_b"]] = 0
    shift = both_empty_shift(tables, annotations_of(anna="human", ben="human"))
    expected = {"n_comparisons": 2, "n_both_empty": 1, "mean_f1": 0.75, "mean_f1_if_undefined": 0.5}
    assert shift == pytest.approx(expected | {"largest_shift": 0.25, "n_scores_undefined": 0})


def outlines(**columns: object) -> pd.DataFrame:
    """Rows of two images with a diagonal of 100: anna and ben, anna and cleo; cleo left the second image empty."""
    rows = {"case": ["1", "1", "2", "2"], "annotator_a": ["anna"] * 4, "annotator_b": ["ben", "cleo"] * 2}
    values = {"hd95": [2.0, 4.0, 6.0, np.nan], "assd": [1.0, 2.0, 3.0, np.nan], "nsd": [0.9, 0.7, 0.5, 0.0]}
    return pd.DataFrame(rows | values | {"tolerance": 1.0, "unit": "px", "diagonal": 100.0} | columns)


def test_distances_leave_out_what_is_undefined_and_count_it_and_bound_the_mean_by_the_diagonal():
    tables = dataclasses.replace(tables_of(), distances=outlines())
    scores = scores_of(tables, annotations_of(anna="human", ben="human", cleo="human"))
    row = scores.loc["objectivity", "hd95_px", BETWEEN_RATERS]
    assert row["value"] == pytest.approx((3 + 6) / 2)
    assert row["bound"] == pytest.approx((3 + 53) / 2)
    assert (row["n_cases"], row["n_undefined"], row["note"]) == (2, 0, "1 of 4 comparisons undefined")
    row = scores.loc["objectivity", "assd_px_pairwise", "cleo"]
    assert (row["value"], row["n_cases"], row["n_undefined"], row["bound"]) == (2, 1, 1, 51)
    assert scores.loc["objectivity", "nsd", BETWEEN_RATERS]["value"] == pytest.approx((0.8 + 0.25) / 2)
    complete = scores.loc["objectivity", "hd95_px_pairwise", "ben"]
    assert complete["bound"] == complete["value"] == 4


def test_distances_of_different_units_are_never_averaged_and_an_unknown_diagonal_bounds_nothing():
    tables = dataclasses.replace(
        tables_of(), distances=outlines(unit=["px", "px", "um", "um"], diagonal=[100, 100, np.nan, np.nan])
    )
    scores = scores_of(tables, annotations_of(anna="human", ben="human", cleo="human")).loc["objectivity"]
    assert scores.loc["hd95_px", BETWEEN_RATERS]["value"] == 3
    row = scores.loc["hd95_um", BETWEEN_RATERS]
    assert (row["value"], row["note"]) == (6, "1 of 2 comparisons undefined")
    assert np.isnan(row["bound"])


def test_distances_to_a_reference_and_between_seeds():
    kinds = {"anna": "consensus", "ben": "human", "cleo": "human"}
    scores = scores_of(dataclasses.replace(tables_of(), distances=outlines()), annotations_of(**kinds))
    row = scores.loc["validity", "hd95_px_against_anna", "cleo"]
    assert (row["value"], row["note"]) == (4, "anna contains the raters; 1 of 2 comparisons undefined")
    renamed = outlines().replace({"anna": "e_s0", "ben": "e_s1"})
    models = annotations_of(e_s0="model", e_s1="model", cleo="human")
    scores = scores_of(dataclasses.replace(tables_of(), distances=renamed), models)
    assert scores.loc["reliability", "hd95_px", "e models"]["value"] == 4
    assert scores.loc["validity", "hd95_px_pairwise", "e_s0"]["value"] == 4


def test_distances_to_the_consensus_of_the_others_are_averaged_over_raters_beside_their_own():
    """The model m has no mask in the second image of cleo, so cleo is beside it with the first image alone."""
    pairs = {"-anna anna": [2.0, 4.0], "-cleo cleo": [5.0, 9.0], "-anna m": [6.0, 8.0], "-cleo m": [1.0, np.nan]}
    rows = [(case, *pair.split(), far[int(case) - 1]) for case in "12" for pair, far in pairs.items()]
    distances = pd.DataFrame(rows, columns=["case", "annotator_a", "annotator_b", "hd95"])
    distances = distances.assign(assd=distances["hd95"] / 2, nsd=0.5, unit="px", diagonal=100.0)
    annotations = annotations_of(anna="human", cleo="human", m="model")
    scores = scores_of(dataclasses.replace(tables_of(), distances=distances), annotations)
    assert scores.loc["objectivity", "hd95_px_leave_one_out", "cleo"]["value"] == 7
    assert scores.loc["objectivity", "hd95_px_leave_one_out", ALL_RATERS]["value"] == (3 + 7) / 2
    row = scores.loc["validity", "hd95_px_leave_one_out", "m"]
    assert (row["value"], row["human_low"], row["human_high"]) == ((7 + 1) / 2, 3, 5)
    assert (row["n_cases"], row["n_undefined"], row["note"]) == (2, 0, "1 of 4 comparisons undefined")
    assert row["bound"] == pytest.approx((7 + (1 + 100) / 2) / 2)
    assert scores.loc["validity", "assd_px_leave_one_out", "m"]["value"] == 2
    assert scores.loc["validity", "nsd_leave_one_out", "m"]["human_high"] == 0.5


def test_nothing_to_score_gives_a_table_without_rows():
    scores = build_scores(tables_of(), annotations_of(anna="human"), pd.Series(dtype=object))
    assert (len(scores), tuple(scores)) == (0, SCORE_COLUMNS)


def test_annotators_stand_with_the_truth_first_and_in_natural_order():
    kinds = annotator_kinds(annotations_of(e_10="human", e_2="human", GT="consensus", truth="truth"))
    assert list(kinds) == ["truth", "GT", "e_2", "e_10"]

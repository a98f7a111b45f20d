"""Tables of a simulated study: the shape of real ones, the planted numbers inside, and measures that find these."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from segassay.data.annotations import ANNOTATION_COLUMNS, annotator_order
from segassay.qualities.objectivity.imprint import rater_imprint, removal_of_bias
from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.table import annotator_kinds
from segassay.simulation.study_tables import BIASED, SimulatedFindings, SimulatedStudy, simulate_tables
from segassay.tables.build import Tables
from segassay.tables.case import CASE_TABLES

STUDY = SimulatedStudy(n_seeds=1, n_consensus_seeds=4)


@pytest.fixture(scope="module")
def found() -> SimulatedFindings:
    return simulate_tables(STUDY)


def test_every_table_has_the_columns_of_an_evaluation_and_rows(found: SimulatedFindings) -> None:
    for name, declared in CASE_TABLES.items():
        if name not in (
            "rater_cases",
            "intensities",
            "cells",
            "measured",
            "remeasured",
        ):  # the last two hold what a lab asks for
            table = getattr(found.tables, name)
            assert list(table.columns) == list(declared.columns)
            # no two simulated masks are the same, and there is no image
            assert len(table) or name in ("identical", "recall_by_contrast", "uncounted")
            assert not table.drop(columns="threshold", errors="ignore").isna().any(axis=None)  # none: as it is
    of_all_cases = {"raters", "missing", "notes", "facets", "elsewhere", "resembling"}
    assert {field.name for field in fields(Tables)} - set(CASE_TABLES) == of_all_cases


def test_annotations_are_as_read_annotations_gives_them(found: SimulatedFindings) -> None:
    table = found.annotations
    assert tuple(table.columns) == ANNOTATION_COLUMNS
    models = table[table["kind"].isin(["model", "ensemble"])]
    assert models["held_out"].all()
    assert not table.duplicated(["case", "annotator", "session"]).any()
    pairs = {group.target: group.whole_pairs() for group in trained_alike(table)}
    assert pairs["staple ensembles"] == [("staple/s0-1", "staple/s2-3")]
    kinds = annotator_kinds(table)
    assert list(kinds) == list(found.tables.counts["annotator"].unique())


def test_consensus_models_without_a_rater_say_so(found: SimulatedFindings) -> None:
    row = found.annotations.query("annotator == 'staple_without_expert_2/s0'").iloc[0]
    assert (row["strategy"], row["trained_on"], row["seed"]) == ("consensus:staple", "staple_without_expert_2", 0)


def test_pairs_stand_in_the_order_of_the_annotators(found: SimulatedFindings) -> None:
    kinds = annotator_kinds(found.annotations)
    pairs = found.tables.agreement[["annotator_a", "annotator_b"]].drop_duplicates()
    assert len(pairs) == len(kinds) * (len(kinds) - 1) / 2
    assert all(annotator_order(a, kinds[a]) < annotator_order(b, kinds[b]) for a, b in pairs.itertuples(index=False))


def test_f1_never_rises_with_the_threshold(found: SimulatedFindings) -> None:
    for table in (found.tables.agreement, found.tables.leave_one_out):
        assert (np.diff(table["f1"].to_numpy().reshape(-1, 10), axis=1) <= 0).all()
        assert (table["tp"] <= np.minimum(table["n_a"], table["n_b"])).all()


def test_the_same_settings_draw_the_same_tables_and_another_seed_others(found: SimulatedFindings) -> None:
    again, other = simulate_tables(STUDY), simulate_tables(SimulatedStudy(n_seeds=1, n_consensus_seeds=4, seed=1))
    for name in CASE_TABLES.keys() - {"rater_cases", "intensities", "cells", "measured", "remeasured"}:
        pd.testing.assert_frame_equal(getattr(found.tables, name), getattr(again.tables, name))
    assert not found.tables.agreement["f1"].equals(other.tables.agreement["f1"])


def test_measures_find_what_was_planted() -> None:
    """The mean over raters, within four standard errors of the truth."""
    study = SimulatedStudy(n_seeds=1, n_consensus_seeds=2, n_subjects=20, imprint=0.8, habit=0.2, consensus_gain=0.1)
    found = simulate_tables(study)
    for name, measure in (("imprint", rater_imprint), ("removal_of_bias", removal_of_bias)):
        rows = measure(found.tables.agreement, found.annotations, found.clusters)
        row = rows[(rows["measure"] == name) & (rows["target"] == "all raters")].iloc[0]
        truth = found.truth.loc[found.truth["measure"] == name, "value"].mean()
        assert abs(row["value"] - truth) < row["high"] - row["low"]
        assert row["low"] > 0.05


def test_experiment_finds_the_planted_effect() -> None:
    found = simulate_tables(SimulatedStudy(n_seeds=0, n_consensus_seeds=0, n_subjects=12, count_effects=(1.0, 2.0)))
    effects = found.findings().effects
    of_count = effects.query("measure == 'count' and region == '' and unit == 'subject' and test == 'mann_whitney'")
    assert set(of_count["verdict"]) == {"higher"}
    assert set(of_count["annotator"]) == {"truth", *found.settings.raters}


def test_biased_raters_count_as_differently_as_planted() -> None:
    found = simulate_tables(BIASED)
    planted = found.truth.query("measure == 'log_count_ratio'").set_index("target")["value"]
    counted = found.tables.raters.set_index("rater")["log_count_ratio"]
    assert np.abs(counted - planted).max() < 0.1

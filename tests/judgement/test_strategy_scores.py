"""Scores of strategies: numbers that can be checked in the head."""

import numpy as np
import pandas as pd
import pytest

from segassay.judgement.strategies import (
    STRATEGY_COLUMNS,
    STRATEGY_FIELDS,
    are_side_by_side,
    strategy_table,
)
from segassay.judgement.strategy_scores import agreement_within, scores_of_groups
from segassay.qualities.scores.groups import strategy_groups
from segassay.qualities.scores.measure import AGAINST
from segassay.qualities.scores.table import Agreement, Score
from segassay.qualities.validity.records import F1
from strategy_findings import (
    ENSEMBLES,
    EVERYBODY,
    MODELS,
    OTHERS,
    PAIRS,
    PEOPLE,
    annotations_of,
    by_name,
    findings,
    table_of,
)


class TestScores:
    def test_by_hand(self):
        """anna/s0 reaches .7 and .9 against the two C₋r, ben/s0 .3 and .5; anna reaches .5, ben .7."""
        table = by_name(strategy_table(findings()))
        assert table.loc[("raters", "f1_leave_one_out"), "value"] == pytest.approx(0.6)
        assert table.loc[("expert models", "f1_leave_one_out"), "value"] == pytest.approx(0.6)
        assert table.loc[("expert models", "dice_leave_one_out"), "value"] == pytest.approx(0.3)
        assert table.loc[("expert models", "f1_leave_one_out_minus_raters"), "value"] == pytest.approx(0, abs=1e-12)
        assert ("raters", "f1_leave_one_out_minus_raters") not in table.index
        row = table.loc[("expert models", "f1_leave_one_out")]
        assert (row["n_annotators"], row["n_cases"], row["n_undefined"], row["method"]) == (2, 2, 0, "t")

    def test_differences_are_paired_over_the_cases_that_the_model_has(self):
        """Without its better case ben/s0 has .2 and .4 where raters have .4 and .6."""
        others = OTHERS | {"anna ben/s0": (None, 0.2), "ben ben/s0": (None, 0.4)}
        table = by_name(strategy_table(findings(others=others)))
        difference = table.loc[("expert models", "f1_leave_one_out_minus_raters"), "value"]
        assert difference == pytest.approx((0.2 - 0.2) / 2)
        assert table.loc[("expert models", "f1_leave_one_out"), "value"] == pytest.approx((0.8 + 0.3) / 2)

    def test_too_few_raters_for_a_consensus_are_compared_one_by_one_and_it_says_so(self):
        table = by_name(strategy_table(findings(others={})))
        assert table.loc[("raters", "f1_pairwise"), "value"] == pytest.approx(0.6)
        row = table.loc[("expert models", "f1_pairwise")]
        assert row["value"] == pytest.approx(np.mean([0.6, 0.4, 0.4, 0.9]))
        assert row["note"].startswith("too few raters for C₋r")
        assert table.loc[("expert models", "f1_pairwise_minus_raters"), "value"] == pytest.approx(0.575 - 0.6)
        assert not any("leave_one_out" in measure for _, measure in table.index)

    def test_a_reference_that_contains_the_raters_is_labelled_and_not_set_beside_them(self):
        staple = (("staple/s0", "model", "c", "staple", 0),)
        annotations = annotations_of(("gt", "consensus"), *PEOPLE, *MODELS, *staple)
        table = by_name(strategy_table(findings(annotations, PAIRS | {"gt staple/s0": (1.0, 0.8)})))
        row = table.loc[("c models", "f1_against_gt")]
        assert (row["value"], row["note"]) == (pytest.approx(0.9), "own training target: gt contains the raters")
        row = table.loc[("expert models", "f1_against_gt")]
        assert (row["value"], row["note"]) == (pytest.approx(0.7), "gt contains the raters")
        assert ("raters", "f1_against_gt") not in table.index

    def test_a_truth_is_for_everybody(self):
        table = by_name(strategy_table(findings()))
        assert table.loc[("expert models", "f1_against_truth"), "value"] == pytest.approx(0.4)
        row = table.loc[("raters", "f1_against_truth")]
        assert (row["value"], row["n_annotators"], row["note"]) == (pytest.approx(0.3), 1, "")

    def test_what_is_undefined_is_counted(self):
        """mean IoU is undefined where F1 is 0: in one of four comparisons, and in no case for all annotators."""
        table = by_name(strategy_table(findings(pairs=PAIRS | {"truth ben/s0": (0.0, 0.1)})))
        row = table.loc[("expert models", "mean_iou_against_truth")]
        assert (row["n_cases"], row["n_undefined"]) == (2, 0)
        assert row["note"].startswith("1 of 4 scores undefined")

    def test_scores_of_nobody(self):
        assert list(scores_of_groups([], [])) == []
        assert list(scores_of_groups(strategy_groups(EVERYBODY), [])) == []
        other = Score(F1.form(comparison=AGAINST, reference="truth"), "nobody", pd.Series([1.0], ["1"]))
        assert list(scores_of_groups(strategy_groups(EVERYBODY), [other])) == []

    def test_without_models_there_is_no_table(self):
        table = strategy_table(findings(annotations_of(("gt", "consensus"), *PEOPLE)))
        assert (tuple(table), len(table)) == ((*STRATEGY_COLUMNS, *STRATEGY_FIELDS), 0)
        assert not are_side_by_side(table)

    def test_models_alone_have_agreement_with_each_other(self):
        table = strategy_table(findings(annotations_of(*MODELS), others={}))
        assert set(table["measure"]) == {"f1_within", "mean_iou_within", "dice_within"}
        assert are_side_by_side(table)

    def test_a_model_that_shares_no_case_with_anybody(self):
        assert strategy_table(findings(annotations_of(*PEOPLE, ("x", "model")), {}, {})).empty


class TestWithin:
    def test_by_hand(self):
        table = by_name(strategy_table(findings()))
        assert table.loc[("raters", "f1_within"), "value"] == pytest.approx(0.6)
        row = table.loc[("expert models", "f1_within")]
        assert (row["value"], row["n_annotators"], row["note"]) == (pytest.approx(0.9), 2, "1 pair")

    def test_of_ensembles_only_without_a_common_member(self):
        pairs = {"staple/s0-1 staple/s2-3": (0.5, 0.7), "staple/s0-1 staple/s1-2": (1.0, 1.0)}
        pairs |= {"staple/s1-2 staple/s2-3": (1.0, 1.0), "staple/s0-1 staple/s0-3": (1.0, 1.0)}
        agreement = Agreement(table_of("annotator_a", "annotator_b", pairs), table_of("rater", "annotator", {}))
        found = list(agreement_within(strategy_groups(annotations_of(*ENSEMBLES)), agreement))
        assert [(score.measure, score.target, n) for score, n in found] == [
            (f"{measure}_within", "staple ensembles of 2", 2) for measure in ("f1", "mean_iou", "dice")
        ]
        assert found[0][0].values.tolist() == [0.5, 0.7]

    def test_of_one_annotator_there_is_none(self):
        table = by_name(strategy_table(findings(annotations_of(*PEOPLE, MODELS[0]))))
        assert ("expert models", "f1_within") not in table.index
        assert ("expert models", "f1_leave_one_out") in table.index

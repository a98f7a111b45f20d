"""Strategies side by side: numbers that can be checked in the head, simulated studies, and the raters of lab-wue1."""

import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segassay.assay import evaluate
from segassay.data.annotations import ANNOTATION_COLUMNS, read_annotations
from segassay.data.dataset import read_dataset
from segassay.data.published.download import download
from segassay.figures.style import encode_figure
from segassay.judgement.measures import build_scores
from segassay.judgement.strategies import (
    STRATEGY_COLUMNS,
    STRATEGY_FIELDS,
    annotator_points,
    are_side_by_side,
    spending_groups,
    strategy_table,
)
from segassay.judgement.strategy_effects import effects_of_groups, mean_eta_squared, same_as_majority
from segassay.judgement.strategy_scores import agreement_within, scores_of_groups
from segassay.qualities.scores.groups import strategy_groups
from segassay.qualities.scores.measure import AGAINST
from segassay.qualities.scores.table import Agreement, Findings, Score
from segassay.qualities.validity.records import F1
from segassay.report.charts.strategies import spending_figure, strategies_figure
from segassay.report.sections import side_by_side
from segassay.simulation.dataset import RaterHabit, Simulation, simulate
from segassay.simulation.study_tables import SimulatedStudy, simulate_tables
from segassay.statistics.intervals import Resampling
from segassay.tables.build import Tables, build_tables
from segassay.tables.effects import effects, normalise

FEW = Resampling(n_resamples=200)


def annotations_of(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Annotator, kind and, where they matter, strategy, trained_on, seed."""
    names = ("annotator", "kind", "strategy", "trained_on", "seed")
    listed = [{"case": "1", "strategy": "", "trained_on": ""} | dict(zip(names, row, strict=False)) for row in rows]
    return pd.DataFrame(listed, columns=list(ANNOTATION_COLUMNS))


PEOPLE = (("anna", "human"), ("ben", "human"))
MODELS = (("anna/s0", "model", "expert", "anna", 0), ("ben/s0", "model", "expert", "ben", 0))
ENSEMBLES = tuple((f"staple/s{seeds}", "ensemble", "staple", "staple") for seeds in ("0-1", "1-2", "2-3", "0-3"))


def table_of(first: str, second: str, values: Mapping[str, tuple[float | None, ...]]) -> pd.DataFrame:
    """Rows of `a b` -> F1 in the cases 1, 2, …; None leaves a case out. Dice is half of it."""
    rows = [
        {"case": str(i + 1), first: pair.split()[0], second: pair.split()[1], "iou_threshold": threshold}
        | {"f1": f1 if threshold == 0.5 else 0.0, "mean_iou": np.nan if f1 == 0 else 0.7, "dice": f1 / 2}
        for pair, of_cases in values.items()
        for i, f1 in enumerate(of_cases)
        if f1 is not None
        for threshold in (0.5, 0.75)  # the other one must not be read
    ]
    return pd.DataFrame(rows, columns=["case", first, second, "iou_threshold", "f1", "mean_iou", "dice"])


PAIRS = {"anna ben": (0.5, 0.7), "anna/s0 ben/s0": (0.8, 1.0), "anna anna/s0": (0.6, 0.6), "anna ben/s0": (0.4, 0.4)}
PAIRS |= {"ben anna/s0": (0.3, 0.5), "ben ben/s0": (0.9, 0.9), "gt anna/s0": (0.9, 0.7), "gt ben/s0": (0.6, 0.6)}
PAIRS |= {"gt anna": (0.9, 0.9), "truth anna": (0.2, 0.4), "truth anna/s0": (0.5, 0.7), "truth ben/s0": (0.3, 0.1)}
OTHERS = {"anna anna": (0.6, 0.4), "ben ben": (0.8, 0.6)}
OTHERS |= {"anna anna/s0": (0.8, 0.6), "ben anna/s0": (1.0, 0.8), "anna ben/s0": (0.4, 0.2), "ben ben/s0": (0.6, 0.4)}
EVERYBODY = annotations_of(("gt", "consensus"), ("truth", "truth"), *PEOPLE, *MODELS)


def findings(
    annotations: pd.DataFrame = EVERYBODY,
    pairs: Mapping[str, tuple[float | None, ...]] = PAIRS,
    others: Mapping[str, tuple[float | None, ...]] = OTHERS,
) -> Findings:
    """An evaluation without experiment; everybody counts nothing."""
    agreement, left_out = table_of("annotator_a", "annotator_b", pairs), table_of("rater", "annotator", others)
    names = [(case, name) for case in ("1", "2") for name in annotations["annotator"].unique()]
    counts = pd.DataFrame(names, columns=["case", "annotator"]).assign(n_objects=0, area_px=0)
    empty = pd.DataFrame()
    tables = Tables(agreement, empty, left_out, counts, empty, empty, [])
    clusters = pd.Series(["1", "2"], index=["1", "2"])
    return Findings(tables, annotations, clusters, effects=empty, resampling=FEW)


def by_name(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index(["group", "measure"])


class TestGroups:
    def test_each_strategy_kind_and_size_is_a_group(self):
        groups = strategy_groups(annotations_of(*ENSEMBLES, *MODELS, *PEOPLE, ("gt", "consensus")))
        assert {group.target: group.names for group in groups} == {
            "raters": ["anna", "ben"],
            "expert models": ["anna/s0", "ben/s0"],
            "staple ensembles of 2": ["staple/s0-1", "staple/s1-2", "staple/s2-3"],
            "staple ensembles of 4": ["staple/s0-3"],
        }
        assert [group.n_members for group in groups] == [None, 1, 2, 4]
        assert [group.on_consensus for group in groups] == [False, False, True, True]

    def test_models_of_consensuses_without_a_rater_are_a_group_of_their_own(self):
        rows = [("staple/s0", "model", "c", "staple", 0)]
        rows += [(f"staple_without_{name}/s0", "model", "c", f"staple_without_{name}", 0) for name in ("anna", "ben")]
        groups = strategy_groups(annotations_of(*PEOPLE, *rows))
        assert [group.target for group in groups] == ["raters", "c models", "c models without one rater"]
        assert [len(group.names) for group in groups] == [2, 1, 2]

    def test_without_a_strategy_it_is_the_training_target_and_without_both_the_name(self):
        rows = [("a", "model", "", "staple"), ("b", "model", "", "staple"), ("cellpose", "model"), ("x", "ensemble")]
        groups = strategy_groups(annotations_of(*rows))
        assert {group.target: len(group.names) for group in groups} == {"cellpose": 1, "staple models": 2, "x": 1}

    def test_ensembles_with_a_common_member_are_no_pair(self):
        (group, *_) = [g for g in strategy_groups(annotations_of(*ENSEMBLES)) if g.n_members == 2]
        assert group.all_pairs() == [("staple/s0-1", "staple/s2-3")]

    def test_the_same_seeds_of_two_trainings_are_other_members(self):
        rows = [(f"{name}/s0-1", "ensemble", "c", name) for name in ("staple_without_anna", "staple_without_ben")]
        (group,) = strategy_groups(annotations_of(*rows))
        assert len(group.all_pairs()) == 1

    def test_ensembles_of_unknown_members_are_in_no_pair(self):
        (group,) = strategy_groups(annotations_of(("a", "ensemble", "c", "x"), ("b", "ensemble", "c", "x")))
        assert (group.target, group.n_members, group.all_pairs()) == ("c ensembles", None, [])

    def test_what_was_spent_is_one_number_or_unknown(self):
        table = annotations_of(*PEOPLE, *MODELS, ("staple/s0", "model", "c", "staple", 0))
        table = table.assign(n_raters=pd.array([None, None, 1, 1, 2], dtype="Int64"))
        _, expert, consensus = strategy_groups(table.assign(n_train=pd.array([None, None, 12, 11, 6], dtype="Int64")))
        assert [(group.n_raters, group.n_train) for group in (expert, consensus)] == [(1, None), (2, 6)]
        assert {group.n_train for group in strategy_groups(table)} == {None}

    def test_nobody(self):
        assert strategy_groups(annotations_of()) == []


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
        assert (row["n_cases"], row["n_undefined"], row["note"]) == (2, 0, "1 of 4 scores undefined")

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


# ------------------------------------------------------------------------------------------------------------- effects


def experiment_of(**counts: list[float | None]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts of three cases of H and three of C by each annotator; effects and measurements."""
    cases = [f"{group}{number}" for group in "HC" for number in range(3)]
    groups = pd.DataFrame(
        {"case": cases, "group": [case[0] for case in cases], "region": "", "subject": "", "batch": ""}
    )
    rows = [
        {"case": case, "annotator": name.replace("_", "/"), "n_objects": n, "density": n, "mean_intensity": np.nan}
        for name, values in counts.items()
        for case, n in zip(cases, values, strict=True)
        if n is not None
    ]
    normalised = normalise(pd.DataFrame(rows), groups, "H")
    return effects(normalised), normalised


SEPARATED, MIXED = [1, 2, 3, 4, 5, 6], [1, 5, 3, 4, 2, 6]  # U = 0 and 2 below its mean of 4.5 on 3 × 3


class TestEffects:
    def rows(self, **counts: list[float | None]) -> pd.DataFrame:
        found, normalised = experiment_of(**counts)
        table = pd.DataFrame(effects_of_groups(strategy_groups(EVERYBODY), found, normalised, resampling=FEW))
        return table[table["measure"].str.startswith("count")].set_index(["target", "measure"])

    def test_by_hand(self):
        """η² = 12 (U - 4.5)² / (9 · 7 · 6): complete separation gives .643, two more wins of H .159 (U = 2)..."""
        table = self.rows(anna=SEPARATED, ben=SEPARATED, anna_s0=SEPARATED, ben_s0=MIXED)
        separated, mixed = 12 * 4.5**2 / 378, 12 * 1.5**2 / 378
        row = table.loc[("expert models", "count_eta_squared")]
        assert row["value"] == pytest.approx((separated + mixed) / 2)
        assert (row["contrast"], row["n_annotators"], row["n_cases"]) == ("C against H", 2, 6)
        assert row["low"] <= row["value"] <= row["high"]
        assert table.loc[("raters", "count_eta_squared"), "value"] == pytest.approx(separated)
        spread = table.loc[("expert models", "count_eta_squared_sd")]
        assert (spread["value"], spread["method"]) == (pytest.approx((separated - mixed) / 2**0.5), "not judged")
        assert table.loc[("raters", "count_eta_squared_sd"), "value"] == 0

    def test_effects_are_the_means_of_those_of_the_experiment(self):
        study = SimulatedStudy(
            n_seeds=1, n_consensus_seeds=4, count_effects=(1.0, 1.4, 0.8), light_effects=(1.0, 1.0, 1.0)
        )
        found = dataclasses.replace(simulate_tables(study).findings(), resampling=FEW)
        table = strategy_table(found)
        of_count = found.effects.query("measure == 'count' and test == 'mann_whitney' and unit == 'subject'")
        of_count = of_count[of_count["region"] == ""].pivot(index=["group_2"], columns=["group_1", "annotator"])
        for group in strategy_groups(found.annotations):
            rows = table[(table["group"] == group.target) & (table["measure"] == "count_eta_squared")]
            assert len(rows) == 3
            for row in rows.to_dict("records"):
                other, one = row["contrast"].split(" against ")
                single = of_count.loc[other, "eta_squared"][one]
                assert row["value"] == pytest.approx(single[group.names].mean())
                assert row["n_cases"] == 10

    def test_an_annotator_without_a_group_of_the_experiment_takes_no_part(self):
        table = self.rows(anna_s0=SEPARATED, ben_s0=[1, 2, 3, None, None, None])
        assert table.loc[("expert models", "count_eta_squared"), "value"] == pytest.approx(12 * 4.5**2 / 378)

    def test_nobody_is_held_against_raters_where_there_are_none(self):
        table = self.rows(anna_s0=SEPARATED, ben_s0=SEPARATED)
        assert ("expert models", "count_same_as_majority") not in table.index
        assert ("expert models", "count_eta_squared") in table.index

    def test_one_annotator_has_no_spread(self):
        table = self.rows(anna=SEPARATED, ben=SEPARATED, anna_s0=MIXED)
        assert ("expert models", "count_eta_squared_sd") not in table.index
        assert ("raters", "count_eta_squared_sd") in table.index
        assert table.loc[("expert models", "count_votes_not_testable"), "value"] == 1

    def test_nothing_tested(self):
        found, normalised = experiment_of(anna=SEPARATED)
        assert effects_of_groups([], found, normalised) == []
        assert effects_of_groups(strategy_groups(EVERYBODY), found[:0], normalised) == []


class TestMeanEtaSquared:
    x = np.array([0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46])
    y = np.array([1.15, 0.88, 0.90, 0.74, 1.21])

    def test_published(self):
        """Hollander & Wolfe's permeability: U 35 of 10 against 5, Z 1.2247, η² .1000."""
        values = pd.DataFrame({"a": np.r_[self.x, self.y], "b": -np.r_[self.x, self.y]})
        found = mean_eta_squared(values, np.arange(15) >= 10, FEW)
        assert (round(found.value, 4), found.method, found.approximate) == (0.1, "noncentral F", True)

    def test_order_of_annotators_and_of_units_does_not_matter(self):
        rng = np.random.default_rng(0)
        values, second = pd.DataFrame(rng.normal(size=(30, 4))), np.arange(30) % 3 == 0
        one, other = (mean_eta_squared(values.iloc[:, order], second, FEW) for order in ([0, 1, 2, 3], [3, 1, 0, 2]))
        assert dataclasses.astuple(one) == pytest.approx(dataclasses.astuple(other))
        order = rng.permutation(30)
        assert mean_eta_squared(values.iloc[order], second[order], FEW).value == pytest.approx(one.value)

    def test_empty(self):
        found = mean_eta_squared(pd.DataFrame({"a": [np.nan] * 4}), np.arange(4) > 1, FEW)
        assert (np.isnan(found.value), found.n_cases, found.n_undefined) == (True, 0, 4)


class TestSameAsMajority:
    verdicts = pd.Series(
        {"anna": "higher", "ben": "higher", "cleo": "none", "m": "higher", "n": "none", "o": "not_testable"}
    )
    raters = ("anna", "ben", "cleo")

    def test_models(self):
        share, note = same_as_majority(self.verdicts, ["m", "n", "o"], self.raters)
        assert (share.value, share.n_cases, share.n_undefined) == (0.5, 2, 1)
        assert "other raters" not in note

    def test_a_rater_is_held_against_the_others(self):
        """anna and ben see one of the others on each side; cleo has both of them against her."""
        share, note = same_as_majority(self.verdicts, self.raters, self.raters)
        assert (share.value, share.n_cases, share.n_undefined) == (0, 1, 2)
        assert note.endswith("the majority of the other raters")

    def test_no_majority(self):
        share, _ = same_as_majority(self.verdicts, ["m"], ["anna", "cleo"])
        assert (np.isnan(share.value), share.n_cases, share.n_undefined) == (True, 0, 1)

    def test_order_of_raters_does_not_matter(self):
        shares = [
            same_as_majority(self.verdicts, ["m", "n"], order)[0].value
            for order in (self.raters, ("cleo", "ben", "anna"))
        ]
        assert shares == [0.5, 0.5]


# ------------------------------------------------------------------------------------------- simulated, and real people


STUDY = SimulatedStudy(n_seeds=2, n_consensus_seeds=8, consensus_gain=0.1, imprint=0.5, habit=0.2)


@pytest.fixture(scope="module")
def simulated() -> Findings:
    return dataclasses.replace(simulate_tables(STUDY).findings(), resampling=FEW)


@pytest.fixture(scope="module")
def table(simulated: Findings) -> pd.DataFrame:
    return strategy_table(simulated)


def test_numbers_are_those_of_single_annotators_and_of_seeds(simulated, table):
    """Means of rows of scores.csv; agreement of the ensembles as among those trained alike."""
    scores = build_scores(simulated.tables, simulated.annotations, simulated.clusters, n_resamples=200)
    single = scores.set_index(["measure", "target"])["value"]
    found = by_name(table)["value"]
    for group in strategy_groups(simulated.annotations):
        for measure in ("f1_leave_one_out", "dice_against_truth"):
            mean = np.mean([single[measure, name] for name in group.names])
            assert found[group.target, measure] == pytest.approx(mean)
    assert found["raters", "f1_leave_one_out"] == pytest.approx(single["f1_leave_one_out", "all raters"])
    assert found["raters", "f1_within"] == pytest.approx(single["f1", "between raters"])
    assert found["consensus:staple ensembles of 2", "f1_within"] == pytest.approx(single["f1", "staple ensembles"])


def test_what_was_planted_is_found(table):
    """Models of a consensus fit people better by .1, and each other better than models of people who differ."""
    found = by_name(table)["value"]
    experts, consensus, ensembles = "expert models", "consensus:staple models", "consensus:staple ensembles of 2"
    score = "f1_leave_one_out_minus_raters"
    assert found[consensus, score] - found[experts, score] > 0.05
    assert found[ensembles, "f1_within"] > found[consensus, "f1_within"] > found[experts, "f1_within"]
    assert table["group"].unique().tolist() == [
        "raters",
        experts,
        consensus,
        f"{consensus} without one rater",
        ensembles,
    ]


def test_agreement_and_spread_within_a_strategy_are_reliability(table):
    """The rest is validity, rows of raters too, whose measures of scores.csv belong to objectivity."""
    found = table[table["quality"] == "reliability"]["measure"]
    measurements = {measure for measure in table["measure"] if measure.endswith("_eta_squared")}
    assert set(found) == {"f1_within", "mean_iou_within", "dice_within"} | {f"{name}_sd" for name in measurements}
    assert measurements
    assert set(table["quality"]) == {"reliability", "validity"}


def test_the_order_of_annotations_and_of_pairs_changes_no_number(simulated, table):
    tables = simulated.tables
    turned = tables.agreement.rename(columns={"annotator_a": "annotator_b", "annotator_b": "annotator_a"})
    other = dataclasses.replace(
        simulated,
        annotations=simulated.annotations[::-1].reset_index(drop=True),
        tables=dataclasses.replace(tables, agreement=turned, leave_one_out=tables.leave_one_out[::-1]),
    )
    pd.testing.assert_frame_equal(strategy_table(other), table)


def test_renaming_the_groups_changes_no_number(simulated, table):
    renamed = simulated.annotations.assign(strategy=simulated.annotations["strategy"].replace("expert", "zebra"))
    other = strategy_table(dataclasses.replace(simulated, annotations=renamed))
    other = other.replace({"zebra models": "expert models", "zebra": "expert"})
    pd.testing.assert_frame_equal(other, table)


@pytest.fixture(scope="module")
def lab_wue1(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Five raters; models that draw as each of them does, and one that draws as the published consensus."""
    folder = tmp_path_factory.mktemp("wue1")
    dataset = read_dataset(download(folder, labs=["wue1"], mirror=data_dir)[0].folder)
    rows = [
        (case, f"{name}/s0", "model", path, "expert", name)
        for name, masks in dataset.masks.items()
        for case, path in masks.items()
    ]
    rows += [
        (case, "staple/s0", "model", path, "consensus:staple", "staple") for case, path in dataset.reference.items()
    ]
    names = ["case", "annotator", "kind", "path", "strategy", "trained_on"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "models.csv", index=False)
    annotations = read_annotations(dataset, folder / "models.csv")
    tables = build_tables(dataset, annotations, n_jobs=1)
    normalised = normalise(tables.counts, dataset.experiment, dataset.settings.control_group)
    clusters = pd.Series(dataset.cases, dataset.cases)
    found = Findings(tables, annotations, clusters, effects(normalised), normalised, resampling=FEW)
    return strategy_table(found).set_index(["group", "measure"])


def test_on_lab_wue1_scores_are_as_published(lab_wue1):
    """People: .664 against the others' consensus; models that copy them: .738 against est_GT, which contains them."""
    assert round(lab_wue1.loc[("raters", "f1_leave_one_out"), "value"], 3) == 0.664
    assert round(lab_wue1.loc[("expert models", "f1_against_est_GT"), "value"], 3) == 0.738
    row = lab_wue1.loc[("consensus:staple models", "f1_against_est_GT")]
    assert (row["value"], row["note"]) == (1, "own training target: est_GT contains the raters")
    people, copies = (lab_wue1.loc[(name, "f1_within"), "value"] for name in ("raters", "expert models"))
    assert copies == people
    assert 0.5 < people < 0.664


def test_on_lab_wue1_effects_are_as_published(lab_wue1):
    rows = lab_wue1.loc[("consensus:staple models", "count_eta_squared")]
    assert rows["value"].round(3).tolist() == [0.623, 0.681, 0.056]
    assert (rows["low"] <= rows["value"]).all()
    assert (rows["value"] <= rows["high"]).all()
    people, copies = (lab_wue1.loc[(name, "count_eta_squared"), "value"] for name in ("raters", "expert models"))
    assert copies.tolist() == people.tolist()
    same = lab_wue1.loc[("expert models", "count_same_as_majority")]
    assert same["value"].between(0.5, 1).all()


# ------------------------------------------------------------------------------------------------ spending, and figures


def spent(annotations: pd.DataFrame) -> pd.DataFrame:
    """The expert models saw 24 images of one rater each, the others 6 of four or 12 of two."""
    price = {"expert": (1, 24), "consensus:staple": (4, 6)}
    paid = [price.get(name, (None, None)) for name in annotations["strategy"]]
    columns = {
        name: pd.array(list(values), dtype="Int64")
        for name, values in zip(("n_raters", "n_train"), zip(*paid, strict=True), strict=True)
    }
    return annotations.assign(**columns)


def test_spending_is_of_models_of_as_many_masks_by_another_number_of_raters(simulated):
    table = strategy_table(dataclasses.replace(simulated, annotations=spent(simulated.annotations)))
    place = list(STRATEGY_COLUMNS).index("n_members") + 1
    expected = [*STRATEGY_COLUMNS[:place], "n_raters", "n_train", *STRATEGY_COLUMNS[place:], *STRATEGY_FIELDS]
    assert list(table) == expected
    names = ["expert models", "consensus:staple models", "consensus:staple models without one rater"]
    assert spending_groups(table) == names
    assert spending_groups(table[table["group"] != "expert models"]) == []
    assert spending_groups(table.assign(n_train=table["n_train"].replace(24, 23))) == []
    assert spending_groups(table[:0]) == []


def test_without_prices_there_is_no_spending(table):
    assert tuple(table) == (*STRATEGY_COLUMNS, *STRATEGY_FIELDS)
    assert spending_groups(table) == []


def test_one_group_of_ensembles_has_nothing_beside_it(table):
    ensembles = table[table["kind"] != "model"]
    assert not are_side_by_side(ensembles)
    other = ensembles[ensembles["kind"] == "ensemble"].assign(group="others")
    assert are_side_by_side(pd.concat([ensembles, other]))
    assert are_side_by_side(table[table["group"] == "expert models"])


@pytest.fixture(scope="module")
def points(simulated: Findings) -> pd.DataFrame:
    scores = build_scores(simulated.tables, simulated.annotations, simulated.clusters, n_resamples=200)
    return annotator_points(strategy_groups(simulated.annotations), scores, simulated.effects)


def test_points_are_single_annotators_whose_mean_is_the_group(table, points):
    assert set(points["measure"]) >= {"f1_leave_one_out", "count_eta_squared"}
    means = points.groupby(["group", "measure", "contrast"])["value"].mean()
    rows = table.set_index(["group", "measure", "contrast"])["value"]
    assert len(means) > 20
    known = means.index.intersection(rows.index)
    np.testing.assert_allclose(means[known], rows[known])
    assert (points.query("measure == 'f1_leave_one_out'").groupby("group").size()["raters"]) == STUDY.n_raters


def drawn(figure) -> None:
    """Drawn without complaint: nothing collapses, nothing is without a letter."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert encode_figure(figure, "png").startswith(b"\x89PNG")


def test_the_figure_has_a_row_per_group_and_a_panel_per_question(table, points):
    figure = strategies_figure(table, points)
    drawn(figure)
    assert [axes.get_xlabel().split("\n")[0] for axes in figure.axes] == [
        "F1 against",
        "F1 of two annotators",
        "η² of count",
        "η² of mean intensity",
    ]
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert (len(labels), labels[0]) == (5, "raters\N{NO-BREAK SPACE}(5)")
    band = figure.axes[0].patches[0].get_extents().width
    assert band > 0


def test_a_panel_without_values_is_left_out_and_one_annotator_is_no_dot_beside_its_mean(table, points):
    rows = table[table["group"].eq("expert models") & table["measure"].eq("f1_leave_one_out")]
    for own, n_lines in ((points, 3), (points.drop_duplicates(["group", "measure"]), 2)):
        figure = strategies_figure(rows, own)
        drawn(figure)
        (axes,) = figure.axes
        assert len(axes.lines) == n_lines


def test_many_groups_with_long_names_and_one_group_only(table, points):
    one = table[table["group"].isin(["raters", "expert models"]) & table["contrast"].eq("")]
    figure = strategies_figure(one, points)
    drawn(figure)
    assert len(figure.axes) == 2
    drawn(strategies_figure(one[one["group"] == "expert models"], points))
    long = [
        one[one["group"] == "expert models"].replace(
            {"expert models": f"{number} raters times twelve images, drawn anew, models"}
        )
        for number in range(12)
    ]
    figure = strategies_figure(pd.concat(long), points)
    drawn(figure)
    assert max(len(line) for text in figure.axes[0].get_yticklabels() for line in text.get_text().split("\n")) <= 30


def test_spending_is_drawn_in_the_order_of_raters(simulated, points):
    table = strategy_table(dataclasses.replace(simulated, annotations=spent(simulated.annotations)))
    names = spending_groups(table)
    figure = spending_figure(table, points, names[:2])
    drawn(figure)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["1 × 24", "4 × 6"]
    assert figure.get_supxlabel() == "raters × images (24 masks)"
    means = by_name(table).loc[[(name, "f1_leave_one_out") for name in names[:2]], "value"]
    joined = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(joined, means)
    figure = spending_figure(table, points, names)
    drawn(figure)
    labels = [text.get_text().replace("\n", " ") for text in figure.axes[0].get_xticklabels()]
    assert labels == ["1 × 24", "4 × 6 consensus:staple", "4 × 6 consensus:staple without one rater"]


def test_the_table_of_the_page_says_what_contains_the_raters():
    shown = side_by_side(strategy_table(findings()))
    assert list(shown.header) == [
        "group",
        "annotators",
        "F1 against the consensus of the other raters",
        "F1 against the consensus of the other raters, minus that of the raters",
        "F1 of two annotators of the group",
        "mean IoU of two annotators of the group",
        "F1 against gt (which contains the raters)",
        "F1 against truth",
    ]
    raters, experts = shown.rows
    assert raters[:3] == ["raters", "2", raters[2]]
    assert raters[6] == ""
    assert experts[6].startswith("0.70")


def test_evaluate_writes_table_figures_and_section_where_models_take_part(tmp_path):
    habits = tuple(RaterHabit(f"rater_{i}", brightness_threshold=1 + 0.5 * i) for i in range(4))
    data = simulate(
        tmp_path / "data", Simulation(shape=(64, 64), n_cases=6, images_per_subject=1, n_nuclei=6, raters=habits)
    )
    rows = [
        (case, f"{strategy}/s{seed}", "model", data / "labels" / f"rater_{seed}" / f"{case}.png", strategy, *price)
        for strategy, price in (("few", (1, 12)), ("many", (4, 3)))
        for seed in range(2)
        for case in read_dataset(data).cases
    ]
    names = ["case", "annotator", "kind", "path", "strategy", "n_raters", "n_train"]
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "models.csv", index=False)
    found = evaluate(data, tmp_path / "out", annotations=tmp_path / "models.csv", track=False)
    written = pd.read_csv(tmp_path / "out" / "tables" / "strategies.csv")
    assert set(written["group"]) == {"raters", "few models", "many models"}
    assert written.loc[
        written["group"] == "many models", ["n_raters", "n_train"]
    ].drop_duplicates().to_numpy().tolist() == [[4, 3]]
    assert len(written) == len(found.strategies)
    for name in ("strategies", "spending"):
        assert (tmp_path / "out" / "figures" / f"{name}.svg").is_file()
    assert "Strategies side by side" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    evaluate(data, tmp_path / "people", track=False)
    assert not (tmp_path / "people" / "tables" / "strategies.csv").exists()
    assert "Strategies side by side" not in (tmp_path / "people" / "report.html").read_text(encoding="utf-8")

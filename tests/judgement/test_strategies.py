"""Strategies side by side: numbers that can be checked in the head, simulated studies, and the raters of lab-wue1."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from published_lab import Lab, with_copies
from segassay.assay import evaluate
from segassay.data.annotations import read_annotations
from segassay.data.dataset import read_dataset
from segassay.judgement.measures import build_scores
from segassay.judgement.strategies import (
    STRATEGY_COLUMNS,
    STRATEGY_FIELDS,
    annotator_points,
    are_side_by_side,
    spending_groups,
    strategy_table,
)
from segassay.qualities.scores.groups import strategy_groups
from segassay.qualities.scores.table import Findings
from segassay.report.sections import side_by_side
from segassay.simulation.dataset import RaterHabit, Simulation, simulate
from segassay.simulation.study_tables import simulate_tables
from segassay.tables.effects import effects
from segassay.tables.normalise import normalise
from strategy_findings import (
    STUDY,
    by_name,
    findings,
    spent,
)

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(scope="module")
def simulated() -> Findings:
    return dataclasses.replace(simulate_tables(STUDY).findings())


@pytest.fixture(scope="module")
def table(simulated: Findings) -> pd.DataFrame:
    return strategy_table(simulated)


def test_numbers_are_those_of_single_annotators_and_of_seeds(simulated, table):
    """Means of rows of scores.csv; agreement of the ensembles as among those trained alike."""
    scores = build_scores(simulated.tables, simulated.annotations, simulated.clusters)
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
    measurements = set(table.loc[table["base"] == "eta_squared", "measure"])
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
def wue1(lab_wue1: Lab, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Five raters; models that draw as each of them does, and one that draws as the published consensus."""
    dataset = lab_wue1.dataset
    rows = [
        (case, f"{name}/s0", "model", path, "expert", name)
        for name, masks in dataset.masks.items()
        for case, path in masks.items()
    ]
    rows += [
        (case, "staple/s0", "model", path, "consensus:staple", "staple") for case, path in dataset.reference.items()
    ]
    names = ["case", "annotator", "kind", "path", "strategy", "trained_on"]
    path = tmp_path_factory.mktemp("wue1") / "models.csv"
    pd.DataFrame(rows, columns=names).to_csv(path, index=False)
    copies = {name: f"{name}/s0" for name in dataset.masks} | {"est_GT": "staple/s0"}
    tables = with_copies(lab_wue1.tables, copies)
    normalised = normalise(tables.counts, dataset.experiment, dataset.settings.control_group)
    clusters = pd.Series(dataset.cases, dataset.cases)
    found = Findings(tables, read_annotations(dataset, path), clusters, effects(normalised), normalised)
    return strategy_table(found).set_index(["group", "measure"])


def test_on_lab_wue1_scores_are_as_published(wue1):
    """People: .664 against the others' consensus; models that copy them: .738 against est_GT, which contains them."""

    def only(group: str, measure: str) -> pd.Series:
        (row,) = (row for _, row in wue1.loc[[(group, measure)]].iterrows())
        return row

    assert round(only("raters", "f1_leave_one_out")["value"], 3) == 0.664
    assert round(only("expert models", "f1_against_est_GT")["value"], 3) == 0.738
    row = only("consensus:staple models", "f1_against_est_GT")
    assert row["value"] == 1
    assert row["note"].startswith("own training target: est_GT contains the raters")
    assert "all cases say the same" in row["note"]
    of_effects = wue1[wue1["record"] == "validity/eta_squared"]
    assert len(of_effects)
    assert of_effects["note"].str.contains("intervals .* hold the truth").all()  # with 24 images, wider than need be
    people, copies = (only(name, "f1_within")["value"] for name in ("raters", "expert models"))
    assert copies == people
    assert 0.5 < people < 0.664


def test_on_lab_wue1_effects_are_as_published(wue1):
    rows = wue1.loc[("consensus:staple models", "count_eta_squared")]
    assert rows["value"].round(3).tolist() == [0.623, 0.681, 0.056]
    assert (rows["low"] <= rows["value"]).all()
    assert (rows["value"] <= rows["high"]).all()
    people, copies = (wue1.loc[(name, "count_eta_squared"), "value"] for name in ("raters", "expert models"))
    assert copies.tolist() == people.tolist()
    same = wue1.loc[("expert models", "count_same_as_majority")]
    assert same["value"].between(0.5, 1).all()


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
    scores = build_scores(simulated.tables, simulated.annotations, simulated.clusters)
    return annotator_points(strategy_groups(simulated.annotations), scores, simulated.effects)


def test_points_are_single_annotators_whose_mean_is_the_group(table, points):
    assert set(points["measure"]) >= {"f1_leave_one_out", "count_eta_squared"}
    means = points.groupby(["group", "measure", "contrast"])["value"].mean()
    rows = table.set_index(["group", "measure", "contrast"])["value"]
    assert len(means) > 20
    known = means.index.intersection(rows.index)
    np.testing.assert_allclose(means[known], rows[known])
    assert (points.query("measure == 'f1_leave_one_out'").groupby("group").size()["raters"]) == STUDY.n_raters


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
        tmp_path / "data", Simulation(shape=(48, 48), n_cases=4, images_per_subject=1, n_nuclei=5, raters=habits)
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
    masks = {name: dict.fromkeys(("1", "2"), np.eye(16, dtype=bool)) for name in ("anna", "ben")}
    evaluate(out=tmp_path / "people", masks=masks)
    assert not (tmp_path / "people" / "tables" / "strategies.csv").exists()
    assert "Strategies side by side" not in (tmp_path / "people" / "report.html").read_text(encoding="utf-8")

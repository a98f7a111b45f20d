"""The plan of a study: who is trained on whose masks, and what is predicted by whom."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from segassay.data.dataset import of_cases, read_dataset
from segassay.errors import DataError, UsageError
from segassay_monai.study import identity
from segassay_monai.study.identity import training_length
from segassay_monai.study.plan import Study, find_member, plan_study
from small_datasets import make_dataset

RATERS = ("anna", "ben", "cleo", "dora", "emil")
CASES = [f"c{number}" for number in range(8)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight cases by five raters."""
    folder = tmp_path_factory.mktemp("plan") / "lab"
    mask = np.eye(8, dtype=bool)
    images = {case: np.full((8, 8), number) for number, case in enumerate(CASES)}
    make_dataset(folder, {rater: dict.fromkeys(CASES, mask) for rater in RATERS}, images, raters="labels/*")
    shutil.copytree(folder / "labels" / "anna", folder.parent / "tool")
    return folder


def plan(lab: Path, **content: object) -> Study:
    path = lab.parent / "study.yaml"
    path.write_text(yaml.safe_dump({"dataset": "lab", **content}), encoding="utf-8")
    identity.known_hash.cache_clear()
    return plan_study(path)


def test_every_strategy_fold_and_seed_is_a_member(lab):
    study = plan(lab, seeds=2, n_folds=2)
    assert len(study.members) == (1 + 5 + 5) * 2 * 2
    assert len({member.id for member in study.members}) == len(study.members)
    of_consensus = {member.rater for member in study.members if member.strategy == "consensus:staple"}
    assert of_consensus == {"staple", *(f"staple_without_{rater}" for rater in RATERS)}
    assert [member.seed for member in study.members] == [0] * 22 + [1] * 22, "whole rounds first"
    first = study.members[0]
    assert (first.annotator, first.id) == ("staple/s0", "staple_fold0_seed0")


def test_at_a_prompt_and_in_a_notebook_a_study_is_short(lab):
    study = plan(lab, name="mice", seeds=2, n_folds=2)
    assert repr(study) == f"mice: {len(study.members)} members, {len(study.predictions)} further predictions"
    page = study._repr_html_()
    assert f"<h4>{study}</h4>" in page
    assert page.count("<tr>") == 1 + 3, "the consensus, the raters, the consensus without each"
    assert page.count("0/20") == 2
    assert "0/4" in page


def test_ensembles_are_disjoint_within_a_size_and_of_one_fold(lab):
    study = plan(lab, seeds=8, n_folds=2, strategies=["staple"])
    names = [(prediction.annotator, prediction.fold) for prediction in study.predictions]
    assert names[:6] == [(f"staple/s{seeds}", fold) for seeds in ("0-1", "2-3", "4-5") for fold in (0, 1)]
    assert names[8:] == [(f"staple/s{seeds}", fold) for seeds in ("0-3", "4-7", "0-7") for fold in (0, 1)]
    for prediction in study.predictions:
        assert prediction.cases == prediction.first.held_out
        assert {member.fold for member in prediction.members} == {prediction.fold}


def test_raters_are_dealt_to_the_seeds_in_turn(lab):
    strategies = [{"name": f"{n} raters", "n_raters": n, "n_train": 4, "seeds": 5} for n in (1, 2, 4)]
    study = plan(lab, strategies=strategies, folds=[0])
    raters = {n: [member.raters for member in study.members if member.strategy == f"{n} raters"] for n in (1, 2, 4)}
    assert raters[1] == [("anna",), ("ben",), ("cleo",), ("dora",), ("emil",)]
    assert raters[2][:3] == [("anna", "ben"), ("cleo", "dora"), ("anna", "emil")]
    for n, dealt in raters.items():
        assert [sum(rater in of_seed for of_seed in dealt) for rater in RATERS] == [n] * 5, "everybody equally often"
    assert {member.rater for member in study.members if member.seed == 0} == {
        "anna",
        "staple_of_anna+ben",
        "staple_of_anna+ben+cleo+dora",
    }
    one = next(member for member in study.members if member.strategy == "1 raters")
    assert (one.rater, one.annotator, one.n_train) == ("anna", "1 raters/s0", 4)


def test_raters_are_dealt_by_the_place_of_the_seed(lab):
    study = plan(lab, strategies=[{"n_raters": 1, "seeds": [0, 5, 10]}], folds=[0])
    assert [member.raters for member in study.members] == [("anna",), ("ben",), ("cleo",)]


def test_where_there_are_few_images_there_are_fewer_folds(lab):
    study = plan(lab, strategies=["staple"], n_folds=100, seeds=1)
    assert [member.fold for member in study.members] == list(range(8))


def test_test_cases_are_in_no_fold_and_predicted_by_all(tmp_path):
    mask = np.eye(8, dtype=bool)
    lab = tmp_path / "lab"
    images = {case: np.full((8, 8), number) for number, case in enumerate(CASES)}
    rows = [f"{case},{'H' if n % 2 else 'A'},{'test' if n < 2 else ''}\n" for n, case in enumerate(CASES)]
    lab.mkdir()
    (lab / "experiment.csv").write_text("case,group,split\n" + "".join(rows))
    make_dataset(lab, {"anna": dict.fromkeys(CASES, mask)}, images, raters="labels/*", experiment="experiment.csv")
    study = plan(lab, strategies=["staple"], n_folds=2, seeds=2)
    assert all(not {"c0", "c1"} & set(member.held_out) for member in study.members)
    test = [prediction for prediction in study.predictions if prediction.on == "test"]
    assert {prediction.cases for prediction in test} == {("c0", "c1")}
    assert [(prediction.annotator, len(prediction.members)) for prediction in test] == [
        *((f"staple/s{seed} fold {fold}", 1) for seed in (0, 1) for fold in (0, 1)),
        ("staple/s0-1", 4),
    ]


def test_a_member_is_found_by_id_and_by_number(lab):
    study = plan(lab, strategies=["staple"], n_folds=2, seeds=2)
    assert find_member(study, "staple_fold1_seed0") is find_member(study, "2") is study.members[1]
    for name in ("0", "5", "staple_fold9_seed0"):
        with pytest.raises(UsageError, match=f"--member {name}: no such member; expected 1 to 4"):
            find_member(study, name)


def test_the_length_of_a_training(lab):
    study = plan(lab, strategies=["staple"], folds=[0], seeds=1, settings={"epochs": 7, "iterations_per_epoch": 20})
    assert training_length(study.members[0].settings) == (140, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"strategies": ["zoe"]}, "target zoe: .* has no such rater"),
        ({"folds": [4]}, "fold 4: expected 0 to 3"),
        ({"settings": {"epoch": 4}}, "settings: unknown setting --epoch; did you mean --epochs"),
        ({"settings": {"epochs": -1}}, "settings: --epochs -1: expected 1 or more"),
        ({"strategies": ["staple", "staple"]}, "staple/s0 of fold 0 is in two strategies"),
        ({"strategies": [{"n_raters": 6}]}, "n_raters 6 of staple: expected at most 5"),
        (
            {"output_dir": "."},
            r"study.yaml: output_dir .* contains files that are read \(.*lab.*\); give another folder",
        ),
        ({"output_dir": "lab/images"}, r"contains files that are read \(.*images\)"),
        ({"output_dir": "lab/labels/new"}, "lies in .*labels, which holds files that are read"),
        ({"output_dir": "lab/labels/anna", "masks": {}}, r"contains files that are read \(.*anna\)"),
        (
            {"output_dir": "tool", "masks": {"tool": "tool"}},
            "evaluation lies in .*tool, which holds files that are read",
        ),
        ({"output_dir": "lab/dataset.yaml"}, "dataset.yaml is a file"),
        ({"strategies": [{"n_train": 7}]}, "n_train 7: staple has annotated 6 images that are not held out"),
        ({"settings": {"member": {"seed": 3}}}, "settings.member: expected one of the settings at the top"),
        ({"settings": {"train::trainer": 3}}, "settings.train::trainer: expected one of the settings"),
        ({"settings": {"epochs": {1, 2}}}, "settings: expected numbers, texts and lists"),
        ({"masks": {"tool": "nowhere"}}, r"masks \(--masks\) tool=.*nowhere: no such folder"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_trained(lab, content, message):
    with pytest.raises((DataError, UsageError), match=message):
        plan(lab, **content)


def test_some_cases_of_a_dataset(lab):
    dataset = read_dataset(lab)
    some = of_cases(dataset, ["c5", "c1"])
    assert some.cases == ["c1", "c5"]
    assert all(list(masks) == ["c1", "c5"] for masks in some.masks.values())
    assert dataset.cases == CASES
    with pytest.raises(UsageError, match="has no case c9"):
        of_cases(dataset, ["c1", "c9"])
    with pytest.raises(UsageError, match="no case is named"):
        of_cases(dataset, [])


def test_names_of_strategies_follow_from_their_targets(lab):
    strategies = [{"n_raters": 2, "n_train": 4}, {"target": "soft", "n_raters": 1}, "expert", "staple_without_each"]
    study = plan(lab, strategies=strategies, folds=[0], seeds=1)
    names = {member.label: member.strategy for member in study.members}
    assert names["staple_of_2 of 4 images"] == "consensus:staple_of_2 of 4 images"
    assert names["soft_of_1"] == "soft_of_1"
    assert names["anna"] == "expert"
    assert names["staple_without_anna"] == "consensus:staple"


@pytest.mark.parametrize("strategies", [None, ["staple", "expert"], ["soft", "staple_without_each"]])
def test_models_of_single_raters_are_refused_if_raters_are_exchangeable(tmp_path, strategies):
    masks = {rater: dict.fromkeys(CASES, np.eye(8, dtype=bool)) for rater in RATERS[:4]}
    make_dataset(tmp_path / "lab", masks, raters={"exchangeable": True})
    given = {} if strategies is None else {"strategies": strategies}
    with pytest.raises(UsageError, match=r"study.yaml: target .*anna: raters of .* are exchangeable") as error:
        plan(tmp_path / "lab", **given)
    assert "for example [staple, random_rater]" in str(error.value)
    assert len(plan(tmp_path / "lab", strategies=["staple", "random_rater"], folds=[0], seeds=2).members) == 4

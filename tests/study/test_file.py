"""STUDY.yaml: every default is said, and whatever is wrong is named with what to write instead."""

from pathlib import Path

import pytest
import yaml

from segassay.errors import UsageError
from segassay_monai.study.file import as_yaml, read_study_file


def study(folder: Path, text: str) -> Path:
    path = folder / "lab.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_only_the_dataset_is_needed(tmp_path):
    found = read_study_file(study(tmp_path, "dataset: data\n"))
    assert (found.name, found.output_dir, found.folds, found.threads) == ("lab", "lab_results", None, 1)
    assert [strategy.target for strategy in found.strategies] == ["staple", "expert", "staple_without_each"]
    assert [strategy.seeds for strategy in found.strategies] == [[0, 1, 2, 3]] * 3
    assert [strategy.ensembles for strategy in found.strategies] == [[2, 4], [2, 4], []]


def test_a_strategy_may_say_it_all(tmp_path):
    text = """
dataset: data
seeds: 2
settings: {epochs: 3, blur: 0.5}
strategies:
- staple
- {target: staple, name: 2 raters × 12, n_raters: 2, n_train: 12, seeds: [5, 3, 5], ensembles: [2],
   settings: {epochs: 9}}
"""
    first, second = read_study_file(study(tmp_path, text)).strategies
    assert (first.seeds, first.settings) == ([0, 1], {"epochs": 3, "blur": 0.5})
    assert (second.seeds, second.settings) == ([3, 5], {"epochs": 9, "blur": 0.5})
    assert (second.name, second.n_raters, second.n_train, second.ensembles) == ("2 raters × 12", 2, 12, [2])


def test_what_plan_prints_is_the_same_study(tmp_path):
    found = read_study_file(study(tmp_path, "dataset: data\nseeds: 8\nfolds: [0]\nsettings: {epochs: 2}\n"))
    (tmp_path / "said").mkdir()
    again = read_study_file(study(tmp_path / "said", as_yaml(found)))
    assert again == found.model_copy(update={"settings": {}})
    assert yaml.safe_load(as_yaml(found))["strategies"][0]["ensembles"] == [2, 4, 8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds: 4", "dataset is missing"),
        ("dataset: d\nseed: 4", "unknown key seed; did you mean seeds?"),
        (
            "dataset: d\nstrategies: [{target: staple, n_rater: 2}]",
            r"unknown key strategies.0.n_rater; did you mean n_raters",
        ),
        ("dataset: d\nseeds: 0", "seeds is 0; input should be greater than or equal to 1"),
        ("dataset: d\nseeds: []", "seeds is"),
        ("dataset: d\nseeds: two", "seeds is 'two'"),
        ("dataset: d\nn_folds: 1", "n_folds is 1"),
        ("dataset: d\nfolds: [0, 0]", "has a fold twice"),
        (
            "dataset: d\nfolds: 3",
            r"folds is 3; expected a list of folds to hold out, such as \[0\]; to set their number, give n_folds",
        ),
        ("dataset: d\nensembles: 4", r"ensembles is 4; expected a list of numbers of members, such as \[2, 4\]"),
        ("dataset: d\nstrategies: [{ensembles: 4}]", r"strategies.0.ensembles is 4; expected a list of numbers"),
        ("dataset: d\nstrategies: expert", r"strategies is 'expert'; expected a list of strategies, such as \[staple,"),
        ("dataset: d\nstrategies: []", "strategies is"),
        ("dataset: d\nstrategies: [{name: ../up}]", "strategies.0.name is '../up'"),
        (
            "dataset: d\nstrategies: [{target: expert, n_raters: 2}]",
            "n_raters cannot be combined with the target expert",
        ),
        ("dataset: d\nstrategies: [{n_train: 1}]", "strategies.0.n_train is 1"),
        ("dataset: d\nseeds: 2\nensembles: [4]", "an ensemble of 4 members needs as many seeds, got 2"),
        ("dataset: d\nsettings: {seed: 4}", "settings.seed: the study sets it; remove it and give seeds"),
        ("dataset: d\nstrategies: [{settings: {n_train: 4}}]", "settings.n_train: the study sets it"),
        ("dataset: d\nname: a/b", "name 'a/b': expected letters"),
        ("- dataset: d", "expected lines of the form"),
        ("dataset: [", "is not valid YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(UsageError, match=message) as caught:
        read_study_file(study(tmp_path, text))
    assert str(tmp_path / "lab.yaml") in str(caught.value)


def test_places_may_be_addresses_but_the_file_itself_is_one_of_this_machine(tmp_path):
    text = "dataset: s3://bucket/lab\noutput_dir: gs://bucket/out\nmasks: {net: s3://bucket/net}"
    found = read_study_file(study(tmp_path, text))
    assert (found.dataset, found.output_dir, found.masks) == (
        "s3://bucket/lab",
        "gs://bucket/out",
        {"net": "s3://bucket/net"},
    )
    with pytest.raises(UsageError, match=r"STUDY\.yaml s3://bucket/study\.yaml: this command takes a folder"):
        read_study_file(Path("s3://bucket/study.yaml"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"lab.yaml cannot be read: No such file"):
        read_study_file(tmp_path / "lab.yaml")


def test_yaml_cannot_run_code(tmp_path):
    with pytest.raises(UsageError, match="is not valid YAML"):
        read_study_file(study(tmp_path, f"dataset: !!python/object/apply:pathlib.Path.touch [{tmp_path / 'ran'}]"))
    assert not (tmp_path / "ran").exists()

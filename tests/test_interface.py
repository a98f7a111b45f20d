"""Training and prediction from Python: the smallest members there are, and errors that are ours."""

import inspect
from pathlib import Path

import pandas as pd
import pytest

import segassay
import segassay_monai
from bundles import TINY
from segassay.errors import DataError, UsageError
from segassay.simulation.dataset import Simulation, simulate


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Simulation(shape=(64, 64), n_cases=8, images_per_subject=1, n_nuclei=6)
    return simulate(tmp_path_factory.mktemp("monai_interface") / "data", settings)


@pytest.fixture(scope="module")
def models(dataset: Path) -> Path:
    """Two members that differ by the seed."""
    for seed in (0, 1):
        out = dataset.parent / "models" / f"s{seed}"
        assert segassay_monai.train(dataset, rater="majority", seed=seed, out=out, **TINY) == out
        assert (out / "model.pt").is_file()
    return dataset.parent / "models"


def test_what_is_predicted_is_a_table_that_can_be_evaluated(dataset, models, tmp_path):
    table = segassay_monai.predict(models, dataset, out=tmp_path / "out", min_object_size=5)
    assert set(table["annotator"]) == {"majority/s0-1"}
    assert set(table["kind"]) == {"ensemble"}
    assert all(Path(path).is_file() for column in ("path", "prob", "uncertainty") for path in table[column])
    found = segassay.evaluate(dataset, annotations=table)
    assert found.kinds["majority/s0-1"] == "ensemble"
    assert isinstance(found.scores, pd.DataFrame)
    one = segassay_monai.predict([models / "s1" / "model.pt"], dataset / "images", out=tmp_path / "one")
    assert set(one["annotator"]) == {"majority/s1"}


def test_a_member_goes_to_the_folder_of_models(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("segassay_monai.bundle.paths.models_dir", lambda: tmp_path)
    with pytest.raises(UsageError, match="fold 99"):
        segassay_monai.train(dataset, rater="majority", fold=99, **TINY)
    assert list(tmp_path.rglob("model.pt")) == []


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epoch": 3}, UsageError, "epoch.*did you mean"),
        ({"rater": "zoe"}, UsageError, "has no such rater"),
        ({"dataset_dir": "x"}, UsageError, "dataset_dir is not a setting of train.yaml"),
        ({"run_id": "x"}, UsageError, "run_id is not a setting of train.yaml"),
        ({"dataset": "nowhere"}, DataError, "nowhere: is not a folder"),
    ],
)
def test_errors_of_training_are_ours(dataset, tmp_path, change, error, message):
    call = {"dataset": dataset, "out": tmp_path / "out"} | TINY | change
    with pytest.raises(error, match=message):
        segassay_monai.train(call.pop("dataset"), **call)
    assert not (tmp_path / "out").exists()


def test_errors_of_prediction_are_ours(models, tmp_path):
    with pytest.raises(UsageError, match="expected a folder with trained members"):
        segassay_monai.predict(tmp_path, tmp_path, out=tmp_path / "out")
    with pytest.raises(DataError, match="no image found"):
        segassay_monai.predict(models, tmp_path, out=tmp_path / "out")
    with pytest.raises(UsageError, match="flip"):
        segassay_monai.predict(models, tmp_path, out=tmp_path / "out", flip=True)


def test_a_study_is_planned_from_python(dataset, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(f"dataset: {dataset}\nstrategies: [{{target: majority, seeds: 1}}]\nn_folds: 2\nfolds: [0]\n")
    planned = segassay_monai.plan_study(str(study))
    assert [(member.rater, member.fold, member.seed) for member in planned.members] == [("majority", 0, 0)]
    inspect.signature(segassay_monai.run_study).bind(planned)

"""Training and prediction from Python: the smallest members there are, and errors that are ours."""

import inspect
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import monai
import pandas as pd
import pytest

import segassay
import segassay_monai
from bundles import TINY
from forked import Forked, forgetting
from processes import process_state
from segassay.errors import DataError, UsageError
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.bundle.unchanged import process_unchanged

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")


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
    table = segassay_monai.predict(models, dataset, out=tmp_path / "out", min_object_size=5, save=["all"]).annotations
    assert set(table["annotator"]) == {"majority/s0-1"}
    assert set(table["kind"]) == {"ensemble"}
    assert all(Path(path).is_file() for column in ("path", "prob", "uncertainty") for path in table[column])
    found = segassay.evaluate(dataset, annotations=table)
    assert found.kinds["majority/s0-1"] == "ensemble"
    assert isinstance(found.scores, pd.DataFrame)
    one = segassay_monai.predict([models / "s1" / "model.pt"], dataset / "images", out=tmp_path / "one").annotations
    assert set(one["annotator"]) == {"majority/s1"}


def test_the_process_is_as_before_a_training_and_a_prediction(dataset, models, tmp_path):
    with process_unchanged():  # for other tests
        monai.utils.set_determinism(None)
        before = process_state()
        segassay_monai.train(dataset, rater="majority", seed=5, out=tmp_path / "s5", **TINY)
        assert process_state() == before
        segassay_monai.predict(models, dataset, out=tmp_path / "out")
        assert process_state() == before


def test_a_member_goes_to_the_folder_of_models(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("segassay_monai.bundle.paths.models_dir", lambda: tmp_path)
    with pytest.raises(UsageError, match="fold 99"):
        segassay_monai.train(dataset, rater="majority", fold=99, **TINY)
    assert list(tmp_path.rglob("model.pt")) == []


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epoch": 3}, UsageError, "epoch.*did you mean"),
        ({"output": "x"}, UsageError, r"unknown setting --output; did you mean out\?"),
        ({"rater": "zoe"}, UsageError, "has no such rater"),
        ({"dataset_dir": "x"}, UsageError, "dataset_dir is a name of the bundle; give the folder as dataset="),
        ({"output_dir": "x"}, UsageError, "output_dir is a name of the bundle; give the folder as out="),
        ({"workflow_name": "x"}, UsageError, "workflow_name is not a setting of train.yaml"),
        ({"run_id": "x"}, UsageError, "run_id is not a setting of train.yaml"),
        ({"dataset": "nowhere"}, DataError, "nowhere: is not a folder"),
    ],
)
def test_errors_of_training_are_ours(dataset, tmp_path, change, error, message):
    call = {"dataset": dataset, "out": tmp_path / "out"} | TINY | change
    with pytest.raises(error, match=message):
        segassay_monai.train(call.pop("dataset"), **call)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["%lab", "@lab", "$lab"])
def test_a_folder_named_like_an_expression_of_monai_is_a_folder(dataset, tmp_path, monkeypatch, name):
    shutil.copytree(dataset, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="has no such rater"):
        segassay_monai.train(name, out=Path("@out"), rater="zoe", **TINY)


def test_errors_of_prediction_are_ours(models, tmp_path):
    with pytest.raises(UsageError, match="expected a folder with trained members"):
        segassay_monai.predict(tmp_path, tmp_path, out=tmp_path / "out")
    with pytest.raises(DataError, match="holds no image"):
        segassay_monai.predict(models, tmp_path, out=tmp_path / "out")
    with pytest.raises(TypeError, match="flip"):
        segassay_monai.predict(models, tmp_path, out=tmp_path / "out", flip=True)


def test_messages_of_python_speak_of_its_arguments(dataset, models, tmp_path):
    with pytest.raises(UsageError, match="give another out, or overwrite=True to replace it"):
        segassay_monai.train(dataset, rater="majority", seed=3, out=models / "s0", **TINY)
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match=r"give another out .*, or overwrite .* to replace it"):
        segassay_monai.predict(models, dataset, out=tmp_path / "out")


@pytest.mark.filterwarnings("error:parsing config_file", "default:.*GHSA.*:UserWarning")
def test_the_warning_of_monai_is_kept_away_from_our_own_configuration_alone(dataset, tmp_path):
    filters = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        segassay_monai.train(dataset, rater="majority", seed=4, out=tmp_path / "out", **TINY)
    assert not [one for one in caught if "GHSA" in str(one.message)]
    assert warnings.filters == filters


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
import segassay_monai
from segassay.errors import UsageError
for name, words, out in [("train", [{dataset!r}], True), ("predict", [{models!r}, {dataset!r}], True),
                         ("plan_study", ["study.yaml"], False), ("Workflow", [], False)]:
    try:
        getattr(segassay_monai, name)(*words, **({{"out": "out"}} if out else {{}}))
    except UsageError as error:
        print(name, error)
"""


@pytest.mark.parametrize("missing", ["monai", "torch"])
def test_without_the_extra_python_says_what_to_install(dataset, models, tmp_path, monkeypatch, missing):
    monkeypatch.setattr(subprocess, "Popen", Forked)
    code = WITHOUT.format(missing=missing, dataset=str(dataset), models=str(models))
    code = forgetting("segassay", "segassay_monai", "monai", "ignite", missing) + code
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    hint = f'training needs {missing}; install it with: pip install "segassay[monai]"'
    assert done.stdout.splitlines() == [f"{name} {hint}" for name in ("train", "predict", "plan_study", "Workflow")], (
        done.stderr
    )


def test_a_study_is_planned_from_python(dataset, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(f"dataset: {dataset}\nstrategies: [{{target: majority, seeds: 1}}]\nn_folds: 2\nfolds: [0]\n")
    planned = segassay_monai.plan_study(str(study))
    assert [(member.rater, member.fold, member.seed) for member in planned.members] == [("majority", 0, 0)]
    inspect.signature(segassay_monai.run_study).bind(planned)

"""Programs look at a configuration before they give data or models: nothing is missing, nothing is written."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import monai.bundle
import pytest
from monai.bundle.properties import InferProperties, MetaProperties, TrainProperties

from segassay.errors import UsageError
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.workflow import WORKFLOW, Workflow, _forget_tracking

CONFIGS = {"train.yaml": "train", "evaluate.yaml": "evaluation", "inference.yaml": "inference"}


@pytest.mark.parametrize("workflow_name", [None, WORKFLOW], ids=["MONAI's workflow", "ours"])
@pytest.mark.parametrize("config", CONFIGS)
def test_no_property_is_missing_without_data_and_models(config, workflow_name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = {"config_file": str(config_path(config)), "workflow_type": CONFIGS[config], "logging_file": False}
    workflow = monai.bundle.create_workflow(workflow_name=workflow_name, **words)
    assert workflow.check_properties() == []
    expected = TrainProperties if config == "train.yaml" else InferProperties
    absent = [name for name in {**expected, **MetaProperties} if not hasattr(workflow, name)]
    assert absent == []
    assert {name for name in ("evaluator", "network_def") if getattr(workflow, name) is None} == set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("config", CONFIGS)
def test_a_run_without_data_is_refused(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_id = {"train": "training", "evaluation": "evaluating", "inference": "inference"}[CONFIGS[config]]
    words = {"config_file": str(config_path(config)), "workflow_name": WORKFLOW, "logging_file": False}
    with pytest.raises(UsageError, match=r"--dataset_dir is missing: give (a|the) folder"):
        monai.bundle.run(run_id=run_id, **words)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_models_is_refused(tmp_path):
    words = {"config_file": str(config_path("inference.yaml")), "workflow_name": WORKFLOW, "logging_file": False}
    with pytest.raises(UsageError, match="--models is missing: give a folder of trained members"):
        monai.bundle.run(run_id="inference", dataset_dir=str(tmp_path), **words)


# MONAI's option --tracking.


def test_tracking_by_monai_is_ours_or_says_why_not():
    words = {"config_file": str(config_path("train.yaml")), "logging_file": False}
    handlers = Workflow(**words, tracking="mlflow").parser.get("train::handlers")
    assert [handler["_target_"] for handler in handlers if "MLFlow" in handler["_target_"]] == []
    with pytest.raises(UsageError, match=r"--tracking mine\.json: SegAssay logs every training"):
        Workflow(**words, tracking="mine.json")


@pytest.mark.parametrize("others", [[], ["notes.txt", "config_mine.json"]], ids=["new folder", "folder with files"])
def test_what_monai_wrote_for_its_tracking_is_removed(tmp_path, others):
    """MONAI's workflow writes its configuration into the output folder, which would then exist already."""
    out = tmp_path / "out"
    for name in others:
        out.mkdir(exist_ok=True)
        (out / name).touch()
    words: dict[str, Any] = {"output_dir": str(out), "logging_file": False, "tracking": "mlflow"}
    workflow = monai.bundle.ConfigWorkflow(config_file=str(config_path("train.yaml")), **words)
    assert len(list(out.glob("config_2*.json"))) == 1
    _forget_tracking(workflow.parser)
    assert sorted(path.name for path in out.iterdir()) == sorted(others) if others else not out.exists()


def test_the_command_with_tracking_leaves_nothing_before_our_run(tmp_path, monkeypatch, capsys):
    import fire

    monkeypatch.chdir(tmp_path)
    main = SimpleNamespace(__spec__=SimpleNamespace(name="monai.bundle.__main__"))
    monkeypatch.setitem(sys.modules, "__main__", main)
    words = ["run", "training", "--config_file", str(config_path("train.yaml")), "--tracking", "mlflow"]
    words += ["--output_dir", str(tmp_path / "out"), "--dataset_dir", str(tmp_path / "nowhere"), "--logging_file=False"]
    monkeypatch.setattr(sys, "argv", ["monai.bundle", *words])
    with pytest.raises(SystemExit):
        fire.Fire({"run": monai.bundle.run})
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {tmp_path / 'nowhere'}: is not a folder")
    assert not Path("out").exists()

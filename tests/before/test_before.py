"""What an earlier version saved still works: configurations, checkpoints and registered models."""

import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from monai.bundle import run

import segassay
import segassay_monai
from forked import Forked
from segassay import former as former_of_segassay
from segassay.data.cases import read_case_image
from segassay.data.dataset import read_dataset
from segassay.io.images import read_image, read_mask
from segassay.io.yaml_files import read_yaml
from segassay_monai import former
from segassay_monai.bundle.settings import TrainSettings
from segassay_monai.bundle.workflow import WORKFLOW
from segassay_monai.training.settings import is_plain

MADE = Path(__file__).parent / "made"
MEMBERS = sorted((MADE / "study" / "members").iterdir())
CASES = ("c1", "c2")


def bundle(run_id: str, config: Path, **settings: object) -> None:
    run(run_id=run_id, config_file=str(config), logging_file=False, workflow_name=WORKFLOW, **settings)


def assert_same_masks(folder: Path, member: Path) -> None:
    for case in CASES:
        name = f"masks/{case}.png"
        assert (folder / name).read_bytes() == (member / "held_out" / name).read_bytes()


def test_a_saved_configuration_trains_the_same_member(tmp_path, monkeypatch):
    """As today's configuration does with its settings; the weights of then differ by as much as processors do."""
    member = MEMBERS[0]
    words = ["training", "--config_file", str(member / "config.yaml"), "--output_dir", str(tmp_path / "member")]
    monkeypatch.setattr(subprocess, "Popen", Forked)
    subprocess.run([sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", *words], cwd=MADE, check=True)
    saved = read_yaml(member / "config.yaml")
    settings = {name: saved[name] for name in TrainSettings.model_fields if name in saved and is_plain(saved[name])}
    settings |= {"dataset_dir": str(MADE / "data"), "output_dir": str(tmp_path / "today")}
    bundle("training", segassay_monai.bundle_root() / "configs" / "train.yaml", **settings)
    places = (tmp_path / "member", tmp_path / "today", member)
    now, today, then = (torch.load(place / "model.pt", weights_only=True) for place in places)
    assert now["member"] == today["member"] == then["member"]
    assert now["network"] == today["network"] == then["network"]
    for name, weights in then["model"].items():
        assert torch.equal(now["model"][name], today["model"][name]), name
        torch.testing.assert_close(now["model"][name], weights, rtol=0, atol=0.1)
    for case in CASES[:1]:
        mask, before = (read_mask(place / "held_out" / f"masks/{case}.png") > 0 for place in (places[0], member))
        assert (mask == before).mean() > 0.9


@pytest.mark.parametrize("config", ["former", "present"])
def test_checkpoints_predict_the_same_masks(config, tmp_path):
    path = MADE / "configs" if config == "former" else segassay_monai.bundle_root() / "configs"
    for member in MEMBERS:
        settings = {"dataset_dir": str(MADE / "data"), "models": str(member)}
        bundle("evaluating", path / "evaluate.yaml", output_dir=str(tmp_path / member.name), **settings)
        assert_same_masks(tmp_path / member.name, member)


def test_a_saved_configuration_of_a_prediction_runs(tmp_path):
    settings = {"dataset_dir": str(MADE / "data" / "images"), "models": str(MEMBERS[0])}
    bundle("inference", MADE / "configs" / "inference.yaml", output_dir=str(tmp_path / "out"), **settings)
    assert_same_masks(tmp_path / "out", MEMBERS[0])


def test_a_registered_model_loads_and_predicts_the_same():
    model = mlflow.pyfunc.load_model(str(MADE / "registered"))
    image = read_case_image(read_dataset(MADE / "data"), "c1").array
    expected = np.load(MADE / "registered_c1.npy")
    np.testing.assert_allclose(model.predict(image)[0, 0], expected, rtol=0, atol=1e-5)


def test_former_names_are_the_present_ones():
    assert segassay_monai.inference.strides is segassay_monai.network_strides
    assert segassay_monai.transforms.LoadCased is segassay_monai.LoadCased
    assert segassay_monai.training.train_member is segassay_monai.train_member
    assert segassay_monai.bundle.models_dir is segassay_monai.models_dir
    assert segassay.files.read_image is read_image


def test_what_never_was_is_no_former_name():
    for module in (segassay, segassay_monai, segassay_monai.inference, segassay_monai.training):
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            _ = module.nothing


def test_every_former_name_leads_somewhere():
    assert all(getattr(segassay, name) for name in former_of_segassay.MODULES)
    assert set(former._RENAMED.values()) <= set(segassay_monai.__all__)

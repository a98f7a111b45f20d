"""The page on training tells the truth: its commands run in their order, its settings are those of train.yaml."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from monai.bundle import run as run_bundle

from bundles import TINY
from command import run
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.bundle.paths import bundle_root, config_path
from segassay_monai.bundle.workflow import WORKFLOW

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_setting_of_the_page_exists() -> None:
    known = {
        "config_file",
        "standalone",
        "nproc_per_node",
        "name",
        "out",
        "quiet",
    }  # of `segassay train`, and `--name value`
    for name in ("train.yaml", "evaluate.yaml", "inference.yaml"):
        known |= set(yaml.safe_load(config_path(name).read_text(encoding="utf-8")))
    named = set(re.findall(r"--(\w+)", PAGE))
    assert len(named) > 15
    assert named <= known


def test_defaults_of_the_page_are_those_of_the_configuration() -> None:
    settings = yaml.safe_load(config_path("train.yaml").read_text(encoding="utf-8"))
    assert "By default only the noise is on" in PAGE
    assert {name: settings[name] > 0 for name in ("weight_map", "elastic", "gamma", "blur", "noise")} == {
        "weight_map": False,
        "elastic": False,
        "gamma": False,
        "blur": False,
        "noise": True,
    }


def test_every_command_runs(new_store: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the smallest network there is; torchrun is run by test_multi_gpu.py."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundle").symlink_to(bundle_root(), target_is_directory=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))
    simulate(tmp_path / "DATASET", Simulation(shape=(56, 96), n_cases=9, n_nuclei=5, images_per_subject=1))
    simulate(tmp_path / "NEW", Simulation(shape=(56, 96), n_cases=9, n_nuclei=5, images_per_subject=1, seed=1))
    simulate(tmp_path / "VOLUMES", Simulation(shape=(8, 32, 32), n_cases=6, n_nuclei=3, images_per_subject=1))
    done = []
    for command in COMMANDS:
        words = shlex.split(command)
        tiny = TINY | {"lr_steps": 40} | ({"tile_size": [8, 16, 16]} if "VOLUMES" in words else {})
        if words[0] == "segassay":
            assert not run(monkeypatch, *words[1:], *(word for k, v in tiny.items() for word in (f"--{k}", str(v))))
        elif words[0] == "python":
            assert words[1:4] == ["-m", "monai.bundle", "run"]
            given = {name[2:]: value for name, value in zip(words[5::2], words[6::2], strict=True)}
            files = yaml.safe_load(given.pop("config_file"))
            run_bundle(run_id=words[4], config_file=files, workflow_name=WORKFLOW, logging_file=False, **given | tiny)
        else:
            assert words[0] == "torchrun"
        done.append(words[0])
    assert sorted(set(done)) == ["python", "segassay", "torchrun"]
    assert {path.parent.name for path in tmp_path.glob("*/model.pt")} == {"MODEL", "TUNED", "MODEL_3D"}
    assert (tmp_path / "rates" / "learning_rate.png").is_file()

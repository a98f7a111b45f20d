"""Two processes train one member, started by `torchrun` as users do it; without a GPU they talk by gloo.

The launcher and both processes are copies of this one where that is safe: each would import MONAI for ten seconds.
"""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import torch

from bundles import TINY, bundle
from forked import Forked
from segassay.errors import UsageError
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.bundle.paths import config_path
from segassay_monai.training import processes
from segassay_monai.training.selection import PixelDice

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")

SCRIPT = Path(__file__).parents[1] / "two_processes.py"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Simulation(shape=(56, 96), n_cases=6, images_per_subject=1, n_nuclei=5)
    return simulate(tmp_path_factory.mktemp("processes") / "data", settings)


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", Forked)
    elastic = "torch.distributed.elastic"
    monkeypatch.setattr(f"{elastic}.multiprocessing.subprocess_handler.subprocess_handler.Popen", Forked)
    for named in ("utils.logging._derive_module_name", "rendezvous.dynamic_rendezvous.get_method_name"):
        monkeypatch.setattr(f"{elastic}.{named}", lambda depth=1: "elastic")  # seeks all modules for each message


def torchrun(dataset: Path, folder: Path, fails_at: int = 0) -> subprocess.CompletedProcess[str]:
    """Two processes that train into `folder/m`; what each ended with lies in `folder/rank<number>.pt`."""
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(SCRIPT)]
    words += [str(folder), str(dataset), str(folder / "m"), str(fails_at)]
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{(folder / 'mlflow.db').as_posix()}"}
    environment = os.environ | store | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=300)


def only_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> mlflow.entities.Run:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    (run,) = mlflow.search_runs(experiment_names=["simulation_0"], output_format="list")
    return run


def test_two_processes_train_one_member_on_different_tiles(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = torchrun(dataset, tmp_path)
    assert done.returncode == 0, done.stderr

    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    n_tiles = TINY["epochs"] * TINY["iterations_per_epoch"] * TINY["batch_size"]  # type: ignore[operator]
    assert len(set(first["tiles"])) == len(set(second["tiles"])) == n_tiles
    assert not set(first["tiles"]) & set(second["tiles"])
    assert first["weights"].keys() == second["weights"].keys()
    for name, value in first["weights"].items():
        assert torch.isfinite(value).all()
        assert torch.equal(value, second["weights"][name])

    run = only_run(tmp_path, monkeypatch)
    assert run.info.status == "FINISHED"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "val/f1")
    assert [point.step for point in history] == [3, 6]
    assert "validity/f1_own_training_target" in run.data.metrics
    assert done.stderr.count("are held out") == done.stderr.count("epoch 2/2") == 1  # the second process says nothing

    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        "config.yaml",
        "familiar.json",
        "held_out",
        "model.pt",
        "seconds.json",
    ]
    assert len(pd.read_csv(tmp_path / "m" / "held_out" / "agreement.csv")) > 0
    weights = torch.load(tmp_path / "m" / "model.pt", weights_only=True)["model"]
    assert not any(name.startswith("module.") for name in weights)
    paths = {"dataset_dir": str(dataset), "models": str(tmp_path / "m"), "output_dir": str(tmp_path / "again")}
    bundle("evaluating", "evaluate.yaml", **paths)
    tables = [(folder / "agreement.csv").read_bytes() for folder in (tmp_path / "m" / "held_out", tmp_path / "again")]
    assert tables[0] == tables[1]


def test_an_error_in_one_process_ends_all(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first step: the other process already waits for the gradients."""
    started = time.monotonic()
    done = torchrun(dataset, tmp_path, fails_at=1)
    assert done.returncode != 0
    assert "the second process fails" in done.stderr
    assert time.monotonic() - started < 200
    assert only_run(tmp_path, monkeypatch).info.status in ("FAILED", "KILLED")
    assert not (tmp_path / "m").exists()


def test_without_torchrun_it_says_how_to_start(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(UsageError, match="start it with torchrun --standalone --nproc_per_node=2"):
        processes.join_processes()


def test_a_process_alone_decides_for_itself() -> None:
    assert processes.agree(True)
    assert not processes.agree(False)


def test_scores_of_the_selection_images_wait_for_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(*arguments: object, **names: object) -> None:
        raise AssertionError("asked the other processes")

    monkeypatch.setattr("monai.metrics.metric.evenly_divisible_all_gather", waits)
    dice = PixelDice()
    target = torch.ones(1, 2, 4, 4)
    dice(torch.ones(1, 1, 4, 4), target)
    dice(torch.zeros(1, 1, 4, 4), target)
    assert dice.aggregate() == 0.5


def test_the_overlay_names_only_settings_that_exist() -> None:
    """A mistyped key of an overlay is added silently by MONAI; the first error must not come from a cluster."""
    from monai.bundle import ConfigParser

    plain, both = ConfigParser(), ConfigParser()
    plain.read_config(str(config_path("train.yaml")))
    both.read_config([str(config_path(name)) for name in ("train.yaml", "multi_gpu_train.yaml")])
    assert set(both.get()) - set(plain.get()) == {"finalize"}
    assert set(both.get("train::trainer")) == set(plain.get("train::trainer"))
    assert set(both.get("validate::dataset")) == set(plain.get("validate::dataset"))


def test_all_but_the_first_process_report_errors_only_until_they_leave(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(processes.torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(processes.distributed, "init_process_group", lambda *arguments, **names: None)
    monkeypatch.setattr(processes.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(processes.ignite.distributed, "get_rank", lambda: 1)
    logger = logging.getLogger("segassay")
    level = logger.level
    assert processes.join_processes() == 1
    logger.warning("said by the first process as well")
    logger.error("the disk is full")
    processes.leave_processes()
    logger.warning("alone again")
    assert caplog.messages == ["the disk is full", "alone again"]
    assert logger.level == level

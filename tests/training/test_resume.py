"""Resume: a training that is killed inside an epoch ends as one that was left alone, in weights and logged numbers."""

import logging
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
from filelock import FileLock

from bundles import TINY, bundle, train
from command import run
from forked import Forked
from segassay.data.dataset import read_dataset
from segassay.errors import UsageError
from segassay.io.outputs import UNFINISHED, prepare_output
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.bundle.paths import config_path
from segassay_monai.training.resume import reseed
from segassay_monai.training.selection import ObjectF1
from segassay_monai.training.version import TRAINING_VERSION

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")

SHORT: dict[str, Any] = {"epochs": 4, "weight_map": 10.0, "elastic": 2.0, "gamma": 0.5, "blur": 1.0, "noise": 0.1}
N_STEPS = SHORT["epochs"] * TINY["iterations_per_epoch"]

KILLED = """
import os, signal, sys, torch
from monai.bundle import run
step, n_steps = torch.optim.AdamW.step, 0
def step_and_die(self, *args, **kwargs):
    global n_steps
    n_steps += 1
    if n_steps == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *args, **kwargs)
torch.optim.AdamW.step = step_and_die
torch.set_num_threads({threads})
settings = {settings!r} | {{"workflow_name": "segassay_monai.Workflow", "logging_file": False}}
run(run_id="training", config_file={config!r}, **settings)
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Simulation(shape=(32, 48), n_cases=9, images_per_subject=1, n_nuclei=3)
    return simulate(tmp_path_factory.mktemp("resume") / "data", settings)


@pytest.fixture(autouse=True)
def _own_store(new_store: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))


@pytest.fixture
def n_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the optimizer's steps in this process."""
    counted = [0]
    step = torch.optim.AdamW.step

    def count(self: Any, *args: Any, **kwargs: Any) -> Any:
        counted[0] += 1
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", count)
    return counted


def kill(dataset: Path, out: Path, at: int, **settings: Any) -> None:
    """Train in another process that is killed at a step of the optimizer, as by a power cut."""
    settings = {"dataset_dir": str(dataset), "output_dir": str(out)} | TINY | SHORT | settings
    code = KILLED.format(
        at=at, threads=torch.get_num_threads(), config=str(config_path("train.yaml")), settings=settings
    )
    words = [sys.executable, "-W", "ignore", "-c", code]
    with Forked(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        printed = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, printed


def stop(monkeypatch: pytest.MonkeyPatch, dataset: Path, out: Path, at: int, **settings: Any) -> None:
    """Train in this process until a step of the optimizer is broken off by the user."""
    step, n = torch.optim.AdamW.step, 0

    def break_off(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal n
        n += 1
        if n == at:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", break_off)
        with pytest.raises(KeyboardInterrupt):
            train(dataset, out, **SHORT | settings)


@pytest.fixture(scope="module")
def trained(dataset: Path, new_store: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained once, and logged elsewhere: `member`, `whole` of other settings, and `cut`, broken off in epoch two."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", new_store(folder))
        train(dataset, folder / "member")
        train(dataset, folder / "whole", **SHORT)
        stop(patch, dataset, folder / "cut", at=5)
    return folder


@pytest.fixture
def unfinished(trained: Path, tmp_path: Path) -> Path:
    """Folder of a member whose training was broken off."""
    shutil.copytree(trained / "cut.partial", tmp_path / "out.partial")
    return tmp_path / "out"


@pytest.fixture
def member(trained: Path, tmp_path: Path) -> Path:
    """Folder of a finished member."""
    return Path(shutil.copytree(trained / "member", tmp_path / "out"))


def same(one: Path, other: Path) -> bool:
    first, second = (torch.load(path / "model.pt", weights_only=True) for path in (one, other))
    assert first["member"] == second["member"]
    return all(torch.equal(first["model"][name], second["model"][name]) for name in first["model"])


def logged(run: Any) -> dict[str, list[tuple[int, float]]]:
    """Every point of every curve but the time spent waiting, which no two processes share."""
    client = mlflow.MlflowClient()
    names = sorted(set(run.data.metrics) - {"train/waiting_for_data"})
    return {name: [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, name)] for name in names}


def runs() -> list[Any]:
    return list(mlflow.search_runs(search_all_experiments=True, output_format="list", order_by=["start_time ASC"]))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_training_ends_bit_identical_to_an_undisturbed_one(
    dataset: Path, tmp_path: Path, n_steps: list[int]
) -> None:
    whole = train(dataset, tmp_path / "whole", **SHORT)
    assert n_steps == [N_STEPS]
    kill(dataset, tmp_path / "cut", at=8)  # inside the third of four epochs of three steps
    assert sorted(path.name for path in tmp_path.glob("cut*")) == ["cut.partial"]
    n_steps[0] = 0
    cut = train(dataset, tmp_path / "cut", **SHORT)
    assert n_steps == [N_STEPS - 6]
    assert same(whole, cut)
    undisturbed, resumed = runs()
    assert logged(resumed) == logged(undisturbed)
    assert len(logged(resumed)["val/f1"]) == SHORT["epochs"]
    assert resumed.info.status == "FINISHED"
    for name in ("held_out/agreement.csv", "held_out/scores.csv"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert {path.name for path in cut.iterdir()} == {path.name for path in whole.iterdir()}
    assert not list(tmp_path.glob("*.partial"))
    assert not list(tmp_path.glob(".*.lock"))


def test_an_epoch_that_is_broken_off_in_its_validation_is_logged_once(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(dataset, tmp_path / "whole", **SHORT)
    compare, n = ObjectF1._compare, 0

    def break_off(self: ObjectF1, *masks: Any) -> float:
        nonlocal n
        n += 1
        if n == 2:  # one selection image: in the second epoch
            raise KeyboardInterrupt
        return compare(self, *masks)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectF1, "_compare", break_off)
        with pytest.raises(KeyboardInterrupt):
            train(dataset, tmp_path / "cut", **SHORT)
    assert same(tmp_path / "whole", train(dataset, tmp_path / "cut", **SHORT))
    undisturbed, resumed = runs()
    assert logged(resumed) == logged(undisturbed)


def test_a_training_that_processes_feed_goes_on_as_well(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(dataset, tmp_path / "whole", **SHORT, num_workers=1)
    stop(monkeypatch, dataset, tmp_path / "cut", at=5, num_workers=1)
    assert same(whole, train(dataset, tmp_path / "cut", **SHORT, num_workers=1))


def test_starting_a_finished_member_again_trains_nothing(
    dataset: Path,
    tmp_path: Path,
    n_steps: list[int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = train(dataset, tmp_path / "out", **SHORT)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    n_steps[0] = 0
    caplog.set_level("INFO", "segassay")
    ours = logging.getLogger("segassay")
    monkeypatch.setattr(ours, "propagate", False)  # as in a run of the bundle
    ours.addHandler(caplog.handler)
    train(dataset, out, **SHORT)
    train(dataset, out, **SHORT, strategy="the same by another name")
    ours.removeHandler(caplog.handler)
    assert n_steps == [0]
    assert caplog.text.count("already trained") == 2
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert len(runs()) == 1
    assert not list(tmp_path.glob("*.partial"))


def test_a_finished_member_of_other_settings_is_kept_unless_told_otherwise(
    dataset: Path, tmp_path: Path, n_steps: list[int], member: Path
) -> None:
    out = train(dataset, member)
    assert n_steps == [0]
    with pytest.raises(UsageError, match=r"differs in --learning_rate \(there 0.01, here 0.02\)"):
        train(dataset, out, learning_rate=0.02)
    moved = Path(shutil.copytree(dataset, tmp_path / "moved"))
    settings = (moved / "dataset.yaml").read_text()
    (moved / "dataset.yaml").write_text(re.sub("^name: .*$", "name: moved", settings, flags=re.MULTILINE))
    with pytest.raises(UsageError, match=r"differs in the name of its dataset \(.*here moved: write `name: "):
        train(moved, out)
    n_steps[0] = 0
    train(dataset, out, learning_rate=0.02, overwrite=True)
    assert n_steps[0] > 0


def test_an_unfinished_training_of_other_settings_is_not_lost(dataset: Path, tmp_path: Path, unfinished: Path) -> None:
    with pytest.raises(UsageError, match=r"unfinished training that differs in --seed \(there 0, here 1\)"):
        train(dataset, unfinished, **SHORT, seed=1)
    train(dataset, unfinished, **SHORT, seed=1, overwrite=True)
    assert same(unfinished, train(dataset, tmp_path / "other", **SHORT, seed=1))


def test_a_member_of_another_version_of_the_training_is_not_finished(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, n_steps: list[int], member: Path
) -> None:
    out = train(dataset, member)
    assert n_steps == [0]
    monkeypatch.setattr("segassay_monai.training.resume.TRAINING_VERSION", TRAINING_VERSION + 1)
    versions = rf"version of SegAssay's training \(there {TRAINING_VERSION}, here {TRAINING_VERSION + 1}\)"
    with pytest.raises(UsageError, match=rf"{versions}; give another --output_dir, or --overwrite True to replace it"):
        train(dataset, out)
    n_steps[0] = 0
    train(dataset, out, overwrite=True)
    assert n_steps[0] > 0
    train(dataset, out)


def test_an_unfinished_training_of_another_version_is_not_resumed(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, n_steps: list[int], unfinished: Path
) -> None:
    monkeypatch.setattr("segassay_monai.training.resume.TRAINING_VERSION", TRAINING_VERSION + 1)
    with pytest.raises(UsageError, match=r"here \d+\); give another --output_dir, or --overwrite True to remove it"):
        train(dataset, unfinished, **SHORT)
    train(dataset, unfinished, **SHORT, overwrite=True)
    assert n_steps == [N_STEPS]


def test_a_checkpoint_without_a_version_is_of_an_earlier_one(dataset: Path, member: Path) -> None:
    state = torch.load(member / "model.pt", weights_only=True)
    torch.save({name: value for name, value in state.items() if name != "training_version"}, member / "model.pt")
    with pytest.raises(UsageError, match=rf"there an earlier one, here {TRAINING_VERSION}"):
        train(dataset, member)


def test_other_work_does_not_remove_an_unfinished_training(tmp_path: Path, unfinished: Path) -> None:
    with pytest.raises(UsageError, match="contains an unfinished training"):
        prepare_output(unfinished, overwrite=True)
    assert (tmp_path / "out.partial" / UNFINISHED).is_file()


def test_a_break_before_the_first_epoch_is_over_leaves_nothing(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, dataset, tmp_path / "out", at=2)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(("out", ".out"))]


def test_changed_masks_do_not_go_on_unnoticed(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(shutil.copytree(dataset, tmp_path / "data"))
    stop(monkeypatch, data, tmp_path / "out", at=5)
    mask = next((data / "labels").rglob("*.png"))
    other = next(path for path in sorted(mask.parent.iterdir()) if path.read_bytes() != mask.read_bytes())
    mask.write_bytes(other.read_bytes())
    with pytest.raises(UsageError, match="its images or masks"):
        train(data, tmp_path / "out", **SHORT)


def test_a_torn_state_starts_anew(
    dataset: Path, tmp_path: Path, n_steps: list[int], unfinished: Path, trained: Path
) -> None:
    state = tmp_path / "out.partial" / UNFINISHED
    state.write_bytes(state.read_bytes()[:1000])
    assert same(train(dataset, unfinished, **SHORT), trained / "whole")
    assert n_steps == [N_STEPS]


def test_two_processes_do_not_train_into_one_folder(dataset: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".out.lock"), pytest.raises(UsageError, match="another process writes"):
        train(dataset, tmp_path / "out")
    train(dataset, tmp_path / "out")


def test_what_a_training_keeps_is_read_without_pickle(trained: Path) -> None:
    state = torch.load(trained / "cut.partial" / UNFINISHED, weights_only=True)
    assert state["trainer"]["iteration"] == 1 * TINY["iterations_per_epoch"]
    assert {"model", "optimizer", "lr_scheduler", "trainer", "best_f1", "mlflow_run"} <= set(state)


def test_every_epoch_and_process_has_random_numbers_of_its_own() -> None:
    def draw(seed: int, epoch: int, rank: int = 0) -> float:
        reseed(seed, epoch, rank)
        return float(torch.rand(()))

    starts = [(0, 1, 0), (0, 2, 0), (1, 1, 0), (0, 1, 1), (2, 1, 0), (1, 2, 0)]
    assert len({draw(*start) for start in starts}) == len(starts)
    assert draw(0, 1) == draw(0, 1)


def test_fine_tuning_starts_from_the_weights_and_never_scores_their_images(dataset: Path, tmp_path: Path) -> None:
    first = train(dataset, tmp_path / "first", fold=0)
    start = torch.load(first / "model.pt", weights_only=True)
    still = {"learning_rate": 1e-12, "weight_decay": 0.0, "epochs": 1, "seed": 5}
    tuned = train(dataset, tmp_path / "tuned", fold=0, initialise_from=str(first / "model.pt"), **still)
    state = torch.load(tuned / "model.pt", weights_only=True)
    trainable = [name for name in start["model"] if "running" not in name and "num_batches" not in name]
    assert all(torch.allclose(start["model"][name], state["model"][name], atol=1e-6) for name in trainable)
    assert set(start["member"]["seen_images"]) <= set(state["member"]["seen_images"])
    assert "staple/s0" in state["member"]["initialised_from"]
    with pytest.raises(UsageError, match="was used in its training and is now held out"):
        train(dataset, tmp_path / "leak", fold=1, initialise_from=str(first / "model.pt"))
    with pytest.raises(UsageError, match="do not fit the network"):
        train(dataset, tmp_path / "other", initialise_from=str(first / "model.pt"), channels=[4, 8, 16])
    with pytest.raises(UsageError, match="no such file"):
        bundle("training", "train.yaml", dataset_dir=str(dataset), initialise_from=str(tmp_path / "none.pt"))


def test_every_rater_in_turn_has_a_member_of_its_own(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [word for name, value in TINY.items() for word in (f"--{name}", str(value))]
    run(monkeypatch, "train", str(dataset), "--rater", "expert", "--out", str(tmp_path / "m"), *words)
    raters = read_dataset(dataset).raters
    states = [torch.load(tmp_path / "m" / rater / "model.pt", weights_only=True)["member"] for rater in raters]
    assert [(state["strategy"], state["trained_on"]) for state in states] == [("expert", rater) for rater in raters]

"""Progress of a training in its file: after each epoch, and as fast as this process is, also if it resumed."""

import time
from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Engine, Events

from bundles import TINY, train
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.training.progress import KeepProgress
from segassay_monai.training.progress_file import PROGRESS, TrainingProgress, read_progress, unfinished
from segassay_monai.training.resume import KeepStates

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, n_before: int) -> list[TrainingProgress | None]:
    """Train five epochs of two minutes each, of which an earlier process has done some; what the file holds after."""
    clock = [1000.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    found: list[TrainingProgress | None] = []

    def step(engine: Engine, batch: Any) -> None:
        clock[0] += 60.0

    def resume(engine: Engine) -> None:
        clock[0] += 1000.0  # reading data; not the time of an epoch
        engine.state.epoch, engine.state.iteration = n_before, 2 * n_before

    trainer = Engine(step)
    trainer.add_event_handler(Events.STARTED, resume)
    KeepProgress(folder).attach(trainer)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: found.append(read_progress(folder)))
    trainer.run([0, 1], max_epochs=5)
    return found


@pytest.mark.parametrize("n_before", [0, 3])
def test_the_file_follows_the_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_before: int) -> None:
    assert run(tmp_path, monkeypatch, n_before) == [
        TrainingProgress(epoch=epoch, epochs=5, minutes_left=2.0 * (5 - epoch)) for epoch in range(n_before + 1, 6)
    ]


def test_a_training_that_is_broken_off_leaves_its_progress_and_a_finished_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}")
    data = simulate(tmp_path / "data", Simulation(shape=(56, 96), n_cases=6, images_per_subject=1, n_nuclei=5))
    reseed = KeepStates._reseed

    def break_off(self: KeepStates, engine: Any) -> None:
        if engine.state.epoch == 2:
            raise KeyboardInterrupt
        reseed(self, engine)

    with monkeypatch.context() as patch:
        patch.setattr(KeepStates, "_reseed", break_off)
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "m")
    found = read_progress(unfinished(tmp_path / "m"))
    assert found is not None
    assert (found.epoch, found.epochs) == (1, TINY["epochs"])
    assert found.minutes_left > 0
    train(data, tmp_path / "m")
    assert (tmp_path / "m" / "model.pt").is_file()
    assert not list(tmp_path.rglob(f"*{PROGRESS}*"))

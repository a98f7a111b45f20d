"""A worker whose input is closed ends by itself, and leaves everything so that the next one can resume."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
import yaml

from bundles import TINY
from forked import Forked
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.study import store
from segassay_monai.study.plan import Study, plan_study
from segassay_monai.study.status import state_of
from segassay_monai.training.progress_file import read_progress, unfinished

N_EPOCHS = 100_000


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """One member that is never finished."""
    simulate(tmp_path / "data", Simulation(shape=(56, 96), n_cases=6, images_per_subject=1, n_nuclei=5))
    settings = {**TINY, "epochs": N_EPOCHS, "val_interval": 1}
    content = {
        "dataset": "data",
        "strategies": ["staple"],
        "folds": [0],
        "n_folds": 2,
        "seeds": 1,
        "settings": settings,
    }
    (tmp_path / "lab.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return plan_study(tmp_path / "lab.yaml")


@pytest.fixture
def database(study: Study) -> Path:
    return study.path.parent / "mlflow.db"


@pytest.fixture
def worker(study: Study, database: Path) -> Iterator["subprocess.Popen[bytes]"]:
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{database.as_posix()}", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-W", "ignore", "-m", "segassay_monai.study.worker", str(study.path)]
    with (study.path.parent / "worker.log").open("wb") as log:
        process = Forked(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(happened: Callable[[], object], process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 300
    while not happened():
        assert process.poll() is None, "the worker has ended"
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_a_worker_whose_input_is_closed_ends_between_two_steps(
    study: Study, database: Path, worker: "subprocess.Popen[bytes]"
) -> None:
    planned = study.members[0]
    partial = unfinished(study.place(planned))

    def epoch() -> int:
        found = read_progress(partial)
        return found.epoch if found else 0

    wait_for(epoch, worker)
    worker.send_signal(signal.SIGINT)  # Ctrl-C of the terminal is for the scheduler alone
    seen = epoch()
    wait_for(lambda: epoch() > seen + 1, worker)
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(60) == 0
    assert (study.path.parent / "worker.log").read_text() == "", "no traceback"

    client = mlflow.MlflowClient(f"sqlite:///{database.as_posix()}")
    experiment = client.get_experiment_by_name(study.name)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "KILLED"
    with closing(sqlite3.connect(database, timeout=0)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
    state, words = state_of(study, planned)
    assert state == "interrupted"
    assert words.startswith("epoch ")
    assert words.endswith("min left")
    assert not store.failure(study, planned)

"""Runs whose process was killed are closed by the next command; those that still run, or run elsewhere, are not."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from segassay import tracking
from segassay.errors import UsageError
from segassay.tracking import logs
from segassay.tracking.killed import own_process

DEAD = 2**22 + 5  # no process has such a number


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_store: Callable[[Path], str]) -> MlflowClient:
    uri = new_store(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return MlflowClient(uri)


def test_the_next_command_closes_the_run_of_a_killed_process(client: MlflowClient) -> None:
    experiment = tracking.open_experiment("lab")
    host, me = socket.gethostname(), psutil.Process()
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        ended.wait()
    tags = {
        "killed": f"{ended.pid} 1700000000 {host}",
        "number used again": f"{me.pid} {me.create_time() - 1000:.0f} {host}",
        "alive": f"{me.pid} {me.create_time():.0f} {host}",
        "elsewhere": f"{DEAD} 1700000000 another-computer",
        "unknown": "",
        "odd": "x y z",
    }
    started = {
        name: client.create_run(experiment, run_name=name, tags={"segassay.process": tag} if tag else {}).info.run_id
        for name, tag in tags.items()
    }
    with tracking.run("lab", "next", tags={}, params={}) as run_id:
        assert client.get_run(run_id).data.tags["segassay.process"] == own_process()["segassay.process"]
    status = {name: client.get_run(run_id).info.status for name, run_id in started.items()}
    running = dict.fromkeys(("alive", "elsewhere", "unknown", "odd"), "RUNNING")
    assert status == {"killed": "KILLED", "number used again": "KILLED"} | running


FULL = "(sqlite3.OperationalError) database or disk is full"
READ_ONLY = "(sqlite3.OperationalError) attempt to write a readonly database"


@pytest.mark.parametrize(
    ("fault", "advice"), [(FULL, "free some space"), (READ_ONLY, "ask its owner for the permission to write")]
)
def test_a_store_that_cannot_be_written_is_one_message(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, fault: str, advice: str
) -> None:
    def refuses(*words: object, **named: object) -> None:
        raise MlflowException(fault)

    mlflow = logs.load_mlflow()

    def log() -> None:
        with tracking.run("lab", "run", tags={}, params={}):
            monkeypatch.setattr(mlflow, "log_metrics", refuses)
            monkeypatch.setattr(mlflow, "set_tag", refuses)
            tracking.log_metrics({"f1": 0.5})

    with pytest.raises(UsageError, match=advice) as raised:
        log()
    assert "mlflow.db" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_disk_that_is_full_at_the_artifacts_is_one_message(client: MlflowClient, tmp_path: Path) -> None:
    def fail(*parts: str) -> None:
        with tracking.run("lab", "run", tags={}, params={}):
            folder = logs.load_mlflow().active_run().info.artifact_uri.removeprefix("file://")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(Path(folder, *parts)))

    with pytest.raises(UsageError, match=r"the files of MLflow in .*mlartifacts.*: cannot be written \(No space left"):
        fail("report.html")
    with pytest.raises(OSError, match="No space left"):
        fail(str(tmp_path / "elsewhere"))

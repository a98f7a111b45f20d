"""The MLflow server is gone, from the start or in between, and comes back: all that was logged is there, once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

import command
from mlflow_server import Server
from segassay import tracking
from segassay.errors import UsageError
from segassay.tracking import sending
from segassay.tracking.waiting import waiting_store


@pytest.fixture
def server(tmp_path: Path, new_store: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that is gone; the current folder is empty."""
    for proxy in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    found = Server(tmp_path, new_store(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", found.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield found
    found.stop()


def log(part: int) -> None:
    """A part of what a training logs."""
    points = [
        tracking.Point(step, 1e9 + step, {"train/loss": 1 / step}) for step in range(10 * part + 1, 10 * part + 11)
    ]
    tracking.log_points(points)
    tracking.log_metrics({f"val/f1_{part}": 0.5 + part / 10})
    tracking.log_table(pd.DataFrame({"part": [part]}), f"view/{part}.json")
    Path(f"file{part}.txt").write_text(str(part))
    tracking.log_files(Path(f"file{part}.txt"), "files")
    tracking.set_tags({f"tag{part}": part})


def runs_of(server: Server) -> dict[str, Any]:
    """Runs on the server by name; each name once."""
    client = mlflow.MlflowClient(server.uri)
    found = client.search_runs([one.experiment_id for one in client.search_experiments()])
    named = {run.info.run_name: run for run in found}
    assert len(named) == len(found)
    return named


def check(server: Server, run: Any, parts: list[int]) -> None:
    """A run has these parts, completely and once."""
    client, run_id = mlflow.MlflowClient(server.uri), run.info.run_id
    steps = [step for part in parts for step in range(10 * part + 1, 10 * part + 11)]
    history = sorted(client.get_metric_history(run_id, "train/loss"), key=lambda point: point.step)
    assert [(p.step, p.timestamp, p.value) for p in history] == [(s, int((1e9 + s) * 1000), 1 / s) for s in steps]
    assert {name: run.data.metrics[name] for name in run.data.metrics if "f1" in name} == {
        f"val/f1_{part}": 0.5 + part / 10 for part in parts
    }
    assert {name: value for name, value in run.data.tags.items() if name.startswith("tag")} == {
        f"tag{part}": str(part) for part in parts
    }
    assert {file.path for file in client.list_artifacts(run_id, "files")} == {f"files/file{part}.txt" for part in parts}
    assert {file.path for file in client.list_artifacts(run_id, "view")} == {f"view/{part}.json" for part in parts}
    assert run.info.status == "FINISHED"


def test_the_server_is_gone_all_the_time_and_the_next_run_sends_what_waited(server, caplog):
    with tracking.run("lab", "study", tags={"kind": "study"}, params={}, may_wait=True):
        tracking.log_dataset("lab", "0" * 64, context="training", cases=3)
        with tracking.run("lab", "member", tags={"seed": 7}, params={"epochs": 2}, may_wait=True) as waited:
            log(0)
            log(1)
    assert "does not answer" in caplog.text
    assert waiting_store().is_file()
    server.start()
    with tracking.run("lab", "later", tags={}, params={}, may_wait=True):
        pass
    runs = runs_of(server)
    assert set(runs) == {"study", "member", "later"}
    check(server, runs["member"], [0, 1])
    assert runs["member"].data.params == {"epochs": "2"}
    assert runs["member"].data.tags["seed"] == "7"
    assert runs["member"].data.tags["mlflow.parentRunId"] == runs["study"].info.run_id
    assert runs["study"].inputs.dataset_inputs[0].dataset.digest == "0" * 12
    assert not waiting_store().parent.exists()
    with tracking.run("lab", "member", tags={}, params={}, run_id=waited, may_wait=True) as resumed:  # by its old id
        assert resumed == runs["member"].info.run_id


def test_the_server_goes_in_between_and_comes_back(server, caplog):
    server.start()
    with tracking.run("lab", "study", tags={}, params={}, may_wait=True):
        with tracking.run("lab", "member", tags={}, params={}, may_wait=True) as run_id:
            log(0)
            server.stop()
            log(1)
            assert tracking.active_run() == run_id
            assert tracking.logged_metrics()["val/f1_1"] == 0.6
        server.start()
    assert caplog.text.count("no longer answers") == 1
    runs = runs_of(server)
    assert set(runs) == {"study", "member"}
    check(server, runs["member"], [0, 1])
    assert runs["study"].info.status == "FINISHED"
    assert not waiting_store().parent.exists()


def test_the_server_goes_before_a_run_ends(server):
    server.start()
    with tracking.run("lab", "member", tags={}, params={}):
        log(0)
        server.stop()
    server.start()
    assert runs_of(server)["member"].info.status == "RUNNING"
    assert sending.send() == 1
    check(server, runs_of(server)["member"], [0])


def test_an_interrupted_sending_sends_each_run_once(server, monkeypatch):
    for name in ("a", "b"):
        with tracking.run("lab", name, tags={}, params={}, may_wait=True):
            log(0)
    server.start()
    send_files = sending._send_files

    def break_off(source: Any, target: Any, old: str, new: str) -> None:
        if target.get_run(new).info.run_name == "b":
            raise KeyboardInterrupt
        send_files(source, target, old, new)

    with monkeypatch.context() as patch:
        patch.setattr(sending, "_send_files", break_off)
        with pytest.raises(KeyboardInterrupt):
            sending.send()
    assert waiting_store().is_file()
    assert sending.send() == 2
    for name in ("a", "b"):
        check(server, runs_of(server)[name], [0])


def test_a_run_that_is_still_logged_stays(server, monkeypatch):
    with tracking.run("lab", "now", tags={}, params={}, may_wait=True):
        log(0)
        server.start()
        with monkeypatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", server.uri)
            assert sending.send() == 0
        assert waiting_store().is_file()
    check(server, runs_of(server)["now"], [0])


def test_send_says_what_is_missing(server, monkeypatch, capsys, tmp_path):
    assert command.run(monkeypatch, "mlflow", "send") == 2
    assert "nothing waits here" in capsys.readouterr().err
    with tracking.run("lab", "a", tags={}, params={}, may_wait=True):
        log(0)
    assert command.run(monkeypatch, "mlflow", "send") == 2
    assert "does not answer" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI")
        assert command.run(patch, "mlflow", "send") == 2
    assert "set MLFLOW_TRACKING_URI to its address" in capsys.readouterr().err
    server.start()
    assert command.run(monkeypatch, "mlflow", "send") == 0
    assert capsys.readouterr().out == f"runs sent to {server.uri}: 1\n"


def test_another_error_is_not_taken_for_a_server_that_is_gone(server):
    server.start()
    with pytest.raises(UsageError), tracking.run("lab", "a", tags={}, params={"x": 1}):
        raise UsageError("the disk is full")
    assert not waiting_store().exists()

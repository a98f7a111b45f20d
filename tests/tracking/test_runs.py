"""MLflow: what is logged is read back through its own API."""

import contextlib
import logging
import math
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from sqlalchemy.orm import loading

from forked import Forked
from segassay import tracking
from segassay.errors import UsageError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for this file: making one takes seconds."""
    return f"sqlite:///{(tmp_path_factory.mktemp('store') / 'sub' / 'mlflow.db').as_posix()}"


@pytest.fixture(autouse=True)
def _use_store(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)


def runs(experiment: str, uri: str | None = None) -> list[Run]:
    client = MlflowClient(uri or tracking.store_uri())
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id]))


def test_a_run_holds_its_tags_parameters_and_numbers(tmp_path):
    (tmp_path / "config.yaml").write_text("epochs: 3")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "scores.csv").write_text("f1")
    params = {"epochs": 3, "left out": None}
    with tracking.run("lab", "staple/s7", tags={"seed": 7}, params=params) as run_id:
        assert tracking.is_active()
        tracking.log_metrics({"val/f1": 0.5}, step=1)
        tracking.log_metrics({"val/f1": 0.75}, step=2)
        tracking.log_files(tmp_path / "config.yaml")
        tracking.log_files(tmp_path / "tables", "tables")
    assert not tracking.is_active()
    (run,) = runs("lab")
    assert (run.info.run_id, run.info.run_name, run.info.status) == (run_id, "staple/s7", "FINISHED")
    assert run.data.params == {"epochs": "3"}
    assert run.data.tags["seed"] == "7"
    client = MlflowClient()
    assert [(point.step, point.value) for point in client.get_metric_history(run_id, "val/f1")] == [(1, 0.5), (2, 0.75)]
    assert {file.path for file in client.list_artifacts(run_id)} == {"config.yaml", "tables"}
    assert "mlartifacts" in run.info.artifact_uri


def test_undefined_numbers_are_left_out_and_counted():
    numbers = {"f1": 0.5, "mean_iou": math.nan, "loss": math.inf, "dice": math.nan, "dice.n_undefined": 3.0}
    with tracking.run("undefined", "run", tags={}, params={}):
        tracking.log_metrics(numbers)
    (run,) = runs("undefined")
    assert run.data.metrics == {
        "f1": 0.5,
        "mean_iou.n_undefined": 1.0,
        "loss.n_undefined": 1.0,
        "dice.n_undefined": 3.0,
    }


def test_an_error_closes_the_run_as_failed_and_the_next_run_is_a_new_one():
    with pytest.raises(ValueError, match="a bad mask"), tracking.run("crash", "same name", tags={}, params={"n": 1}):
        raise ValueError("a bad mask")
    assert not tracking.is_active()
    with tracking.run("crash", "same name", tags={}, params={"n": 2}):
        pass
    after, before = sorted(runs("crash"), key=lambda run: -run.info.start_time)
    assert (before.info.status, before.data.tags["error"]) == ("FAILED", "ValueError: a bad mask")
    assert before.data.params == {"n": "1"}
    assert (after.info.status, after.data.params) == ("FINISHED", {"n": "2"})
    assert "error" not in after.data.tags


def test_a_break_by_the_user_closes_the_run_as_killed():
    with pytest.raises(KeyboardInterrupt), tracking.run("break", "run", tags={}, params={}):
        raise KeyboardInterrupt
    (run,) = runs("break")
    assert run.info.status == "KILLED"
    assert not tracking.is_active()


def test_the_signal_that_ends_a_job_closes_the_run_as_killed():
    with pytest.raises(SystemExit, match="143"), tracking.run("job", "run", tags={}, params={}):
        signal.raise_signal(signal.SIGTERM)
    (run,) = runs("job")
    assert run.info.status == "KILLED"


@pytest.mark.parametrize("status", ["FINISHED", "FAILED"])
def test_a_terminated_job_still_closes_a_run_that_it_is_closing(monkeypatch, status):
    close = MlflowClient.set_terminated

    def terminated_meanwhile(*arguments, **names):
        signal.raise_signal(signal.SIGTERM)
        return close(*arguments, **names)

    monkeypatch.setattr(MlflowClient, "set_terminated", terminated_meanwhile)
    experiment = f"closing {status}"
    with pytest.raises(SystemExit) as error, tracking.run(experiment, "job", tags={}, params={}):
        end(status)
    assert error.value.code == 128 + signal.SIGTERM
    (run,) = runs(experiment)
    assert run.info.status == status


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_waits_until_the_database_is_done(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, error: type[BaseException]
) -> None:
    """Rows that were half read kept the database locked for 20 seconds, and the run stayed RUNNING."""
    came: list[int] = []
    read, experiment = loading.instances, f"half read {number}"

    def while_it_reads(*arguments: Any) -> Any:
        if not came:
            came.append(number)
            signal.raise_signal(number)
        return read(*arguments)

    def log_and_wait() -> None:
        monkeypatch.setattr(loading, "instances", while_it_reads)
        tracking.log_metrics({"f1": 0.5}, step=1)
        time.sleep(20)
        raise ValueError("the signal never came")

    kept = signal.signal(signal.SIGINT, signal.default_int_handler)  # of a job in the background it is ignored
    started = time.monotonic()
    with pytest.raises(error), tracking.run(experiment, "job", tags={}, params={}):
        log_and_wait()
    assert time.monotonic() - started < 15  # a pause ends, too
    assert came == [number]
    (run,) = runs(experiment)
    assert (run.info.status, run.data.metrics) == ("KILLED", {"f1": 0.5})
    assert signal.signal(signal.SIGINT, kept) is signal.default_int_handler


def end(status: str) -> None:
    """End a block as the status says."""
    if status == "FAILED":
        raise ValueError("bad mask")


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN, lambda number, frame: None])
def test_the_handler_of_the_signal_is_restored_after_the_run(before):
    kept = signal.signal(signal.SIGTERM, before)
    try:
        with tracking.run("handler", "outer", tags={}, params={}):
            with tracking.run("handler", "inner", tags={}, params={}):
                pass
            assert signal.getsignal(signal.SIGTERM) is not before  # the outer run still has its own
        assert signal.getsignal(signal.SIGTERM) is before
        with pytest.raises(ValueError, match="bad mask"), tracking.run("handler", "broken", tags={}, params={}):
            raise ValueError("bad mask")
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, kept)


def test_a_run_leaves_environment_log_level_and_store_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(tmp_path / 'mine.db').as_posix()}")
    monkeypatch.setenv("DO_NOT_TRACK", "1")  # what the user has set is kept
    logger = logging.getLogger("mlflow")
    monkeypatch.setattr(logger, "level", logging.INFO)
    before = dict(os.environ)
    with tracking.run("quiet", "run", tags={}, params={}):
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert os.environ["DO_NOT_TRACK"] == "1"
        assert os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] == "true", "of a server MLflow prints its address"
        assert logger.level == logging.ERROR
    tracking.open_experiment("quiet")
    assert dict(os.environ) == before
    assert logger.level == logging.INFO
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    with tracking.run("quiet", "in the current folder", tags={}, params={}):
        assert mlflow.get_tracking_uri() == f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}"
        with tracking.run("quiet", "inner", tags={}, params={}):
            pass
        assert mlflow.get_tracking_uri() == f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}"
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert not mlflow.is_tracking_uri_set()


def test_mlflow_is_loaded_without_its_telemetry():
    """In a fresh process whose environment says nothing of it, and not as one of MLflow's own tests."""
    quiet = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST")
    environment = {name: value for name, value in os.environ.items() if name not in quiet}
    code = (
        "from segassay import tracking; tracking.load_mlflow();"
        "from mlflow.telemetry import get_telemetry_client; import os;"
        "print(get_telemetry_client(), {'MLFLOW_DISABLE_TELEMETRY', 'DO_NOT_TRACK'} & set(os.environ))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "None set()"


def test_an_error_in_the_parameters_closes_the_run_too():
    class Odd:
        def __str__(self) -> str:
            raise ValueError("no text")

    with pytest.raises(ValueError, match="no text"), tracking.run("odd", "run", tags={}, params={"odd": Odd()}):
        pytest.fail("the body must not run")
    assert not tracking.is_active()
    assert [run.info.status for run in runs("odd")] == ["FAILED"]


def parents(experiment: str) -> dict[str, str | None]:
    """Name of each run -> name of its parent."""
    found = runs(experiment)
    names = {run.info.run_id: run.info.run_name for run in found}
    return {run.info.run_name: names.get(run.data.tags.get("mlflow.parentRunId")) for run in found}


def test_a_run_inside_another_is_its_child_and_gives_the_word_back():
    with tracking.run("nested", "study", tags={}, params={}) as study:
        with tracking.run("nested", "strategy", tags={}, params={}) as strategy:
            with tracking.run("nested", "member", tags={}, params={}):
                tracking.log_metrics({"depth": 2})
            assert tracking.active_run() == strategy
            tracking.log_metrics({"depth": 1})
        with pytest.raises(ValueError, match="bad mask"), tracking.run("nested", "broken", tags={}, params={}):
            raise ValueError("bad mask")
        assert tracking.active_run() == study
        tracking.log_metrics({"depth": 0})
    assert not tracking.is_active()
    assert parents("nested") == {"study": None, "strategy": "study", "member": "strategy", "broken": "study"}
    found = {run.info.run_name: run for run in runs("nested")}
    assert {name: run.data.metrics.get("depth") for name, run in found.items()} == {
        "study": 0,
        "strategy": 1,
        "member": 2,
        "broken": None,
    }
    assert {name: run.info.status for name, run in found.items()} == {
        "study": "FINISHED",
        "strategy": "FINISHED",
        "member": "FINISHED",
        "broken": "FAILED",
    }
    assert "error" not in found["study"].data.tags


def test_every_run_of_a_process_is_a_child_of_the_run_in_its_environment(monkeypatch):
    with tracking.run("worker", "study", tags={}, params={}) as study:
        pass
    monkeypatch.setenv("MLFLOW_RUN_ID", study)
    for number in range(2):
        with tracking.run("worker", f"member {number}", tags={}, params={}):
            pass
    with pytest.raises(ValueError, match="bad mask"), tracking.run("worker", "broken", tags={}, params={}):
        raise ValueError("bad mask")
    with tracking.run("worker", "strategy", tags={}, params={}), tracking.run("worker", "part", tags={}, params={}):
        pass
    assert os.environ["MLFLOW_RUN_ID"] == study
    assert parents("worker") == {
        "study": None,
        "member 0": "study",
        "member 1": "study",
        "broken": "study",
        "strategy": "study",
        "part": "strategy",
    }
    assert [run.data.metrics for run in runs("worker") if run.info.run_id == study] == [{}]


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED", "FINISHED"])
def test_a_run_goes_on_as_a_child_whatever_became_of_it(status):
    experiment = f"goes on {status}"
    with tracking.run(experiment, "member", tags={}, params={"seed": 7}) as member:
        tracking.log_metrics({"val/f1": 0.5}, step=1)
    MlflowClient().set_terminated(member, status)
    with tracking.run(experiment, "study", tags={}, params={}) as study:
        with tracking.run(experiment, "member", tags={}, params={"seed": 7}, run_id=member) as again:
            tracking.log_metrics({"val/f1": 0.75}, step=2)
        assert again == member
        assert tracking.active_run() == study
    assert parents(experiment) == {"study": None, "member": "study"}
    run = MlflowClient().get_run(member)
    assert run.info.status == "FINISHED"
    assert [point.value for point in MlflowClient().get_metric_history(member, "val/f1")] == [0.5, 0.75]


def test_a_run_that_the_store_has_lost_is_made_anew_inside_another():
    lost = "0" * 32
    with tracking.run("lost", "study", tags={}, params={}), tracking.run("lost", "m", tags={}, params={}, run_id=lost):
        pass
    assert parents("lost") == {"study": None, "m": "study"}


def test_the_store_is_the_named_one_or_lies_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://lab.example:5000")
    assert tracking.store_uri() == "http://lab.example:5000"
    assert "http://lab.example:5000" in tracking.ui_command()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    assert tracking.store_uri() == f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}"


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}")
    with pytest.raises(UsageError, match=r"mlflow\.db: cannot be written .*set MLFLOW_TRACKING_URI"):
        tracking.open_experiment("lab")


def log_one_run(number: int) -> None:
    with tracking.run("together", f"member {number}", tags={"seed": number}, params={"seed": number}):
        for step in range(3):
            tracking.log_metrics({"train/loss": number + step}, step=step)


def test_several_processes_start_at_once_on_a_fresh_store(tmp_path, monkeypatch):
    """MLflow makes it, as for users: other tests copy one."""
    from mlflow.store.db import utils

    monkeypatch.setattr(utils, "_initialize_tables", utils._initialize_tables.original)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}")
    # importlib mode gives this module no name that a new process could import
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    code = "import sys, test_runs; test_runs.log_one_run(int(sys.argv[1]))"
    started = [Forked([sys.executable, "-c", code, str(number)]) for number in range(3)]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    found = runs("together")
    assert sorted(run.data.params["seed"] for run in found) == ["0", "1", "2"]
    assert all(run.info.status == "FINISHED" for run in found)
    assert sorted(run.data.metrics["train/loss"] for run in found) == [2, 3, 4]


@pytest.mark.parametrize(
    "command", ["import segassay", "import segassay.cli; segassay.cli.app(['--help'], standalone_mode=False)"]
)
def test_the_front_door_loads_nothing_heavy(command):
    heavy = {"mlflow", "seaborn", "torch", "monai", "matplotlib"}
    code = f"import sys\n{command}\nprint('LOADED', {heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "LOADED set()"


def test_a_deleted_experiment_says_how_to_bring_it_back():
    number = tracking.open_experiment("deleted")
    MlflowClient(tracking.store_uri()).delete_experiment(number)
    with pytest.raises(UsageError, match=f"'deleted' was deleted .* restore --experiment-id {number}"):
        tracking.open_experiment("deleted")


def test_a_name_that_mlflow_refuses_is_one_message():
    with pytest.raises(UsageError, match="refuses the experiment ''"):
        tracking.open_experiment("")


def test_a_store_that_is_no_database_is_refused_at_once(tmp_path, monkeypatch):
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "text.db").write_text("no database, but long enough")
    for name in ("folder.db", "text.db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(tmp_path / name).as_posix()}")
        with pytest.raises(UsageError, match="is not an SQLite database"):
            tracking.open_experiment("x")


def test_a_store_of_another_mlflow_is_kept_before_its_tables_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, new_store: Callable[[Path], str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))
    database = next(tmp_path.glob("*.db"))
    tracking.open_experiment("lab")
    assert not list(tmp_path.glob("*.db.*[0-9a-f]"))  # nothing is kept where nothing changes
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("update alembic_version set version_num = '7f2a7d5fae7d'")
    before = database.read_bytes()
    with caplog.at_level(logging.WARNING, "segassay"), contextlib.suppress(UsageError):
        tracking.open_experiment("lab")
    kept = database.with_name(f"{database.name}.7f2a7d5fae7d")
    assert kept.read_bytes() == before
    assert f"as it was: {kept}" in caplog.text


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_is_not_there_is_one_message_within_seconds(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://127.0.0.1:{port}")
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(UsageError, match=rf"server at {scheme}://127.0.0.1:{port} does not answer .*start it"):
        tracking.open_experiment("lab")
    with pytest.raises(UsageError, match="does not answer"), tracking.run("lab", "a", tags={}, params={}):
        pytest.fail("a run began")

"""MLflow: one store, one run per piece of work, and never a number that is not one.

Runs are new unless the caller names one to resume: a crashed run is closed as failed and no other work writes
into it. Nothing is sent anywhere but to the store named by `MLFLOW_TRACKING_URI`, by default `mlflow.db` in the current
folder with its artifacts beside it.

MLflow is loaded when it is first used, never at import. Environment, log level and signal handler are changed inside
`run` alone and then restored.
"""

from __future__ import annotations

import logging
import math
import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from segassay.errors import UsageError

if TYPE_CHECKING:
    from mlflow.entities import Experiment

STORE = "mlflow.db"
ARTIFACTS = "mlartifacts"
_SILENCE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def load_mlflow() -> ModuleType:
    """MLflow, without the telemetry that it would start when it is imported."""
    with _environment():
        import mlflow
    return mlflow


@contextmanager
def _environment() -> Iterator[None]:
    """MLflow's telemetry and progress bars are off inside the block, unless the user has set them."""
    added = _SILENCE.keys() - os.environ.keys()
    os.environ.update({name: _SILENCE[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _mlflow_in_use() -> Iterator[ModuleType]:
    """MLflow with our store, and silent but for warnings; what was set before is restored after the block."""
    mlflow, logger = load_mlflow(), logging.getLogger("mlflow")  # loading sets the level
    level, store = logger.level, os.environ.get("MLFLOW_TRACKING_URI")
    logger.setLevel(max(level, logging.WARNING))  # how MLflow makes its tables is of no use to our users
    try:
        with _environment():
            mlflow.set_tracking_uri(store_uri())  # for itself, and as a variable for processes that it starts
            yield mlflow
    finally:
        mlflow.set_tracking_uri(None)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if store is not None:
            os.environ["MLFLOW_TRACKING_URI"] = store
        logger.setLevel(level)


@contextmanager
def _end_on_terminate() -> Iterator[None]:
    """Let the signal with which clusters end a job pass through the `with` blocks, so that the run is closed."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def store_uri() -> str:
    """Where numbers go: `MLFLOW_TRACKING_URI`, or `mlflow.db` in the current folder as an absolute SQLite address."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(Path.cwd() / STORE).as_posix()}"


def ui_command() -> str:
    """The line that shows the runs in a browser, on this machine only."""
    is_found = shutil.which("mlflow") is not None  # not so where the environment is not activated
    program = "mlflow" if is_found else f"{shlex.quote(sys.executable)} -m mlflow"
    return f"{program} ui --backend-store-uri {shlex.quote(store_uri())} --host 127.0.0.1"


def open_experiment(name: str) -> str:
    """Open the store and the experiment, making them where they are missing; returns the experiment's id.

    Processes that start at the same moment on a fresh store wait for the one that makes it: MLflow's own set-up of a
    new SQLite file by several processes at once damages it.

    Raises:
        UsageError: If the store cannot be reached or written, or the experiment was deleted there.
    """
    with _mlflow_in_use():
        return _open(store_uri(), name)


def _open(uri: str, name: str) -> str:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return _open_in_database(uri, name) if uri.startswith("sqlite:///") else _open_in_store(uri, name)
    except SQLAlchemyError as error:
        raise UsageError(
            f"{uri}: {_first_line(error.__cause__ or error)}; set MLFLOW_TRACKING_URI to another store"
        ) from error
    except MlflowException as error:
        raise UsageError(
            f"MLflow at {uri} refuses the experiment {name!r}: {_first_line(error)}; name another one, or set "
            "MLFLOW_TRACKING_URI to another store"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0][:300].rstrip(".;")


def _open_in_store(uri: str, name: str) -> str:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    return _living(uri, experiment) if experiment is not None else str(client.create_experiment(name))


def _open_in_database(uri: str, name: str) -> str:
    from mlflow import MlflowClient

    database = Path(uri.removeprefix("sqlite:///"))
    if not _is_usable(database):  # MLflow would try again and again for minutes
        raise UsageError(f"{database} is no SQLite database; remove it, or set MLFLOW_TRACKING_URI to another store")
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{database}.lock").acquire()
    except OSError as error:
        raise UsageError(
            f"{database}: cannot be written ({error.strerror}); go to another folder or set MLFLOW_TRACKING_URI"
        ) from error
    with lock:
        experiment = MlflowClient(uri).get_experiment_by_name(name)
        if experiment is None:
            location = (database.parent / ARTIFACTS).resolve().as_uri()
            tags = {"mlflow.experimentKind": "custom_model_development"}  # which pages the user interface shows
            return str(MlflowClient(uri).create_experiment(name, artifact_location=location, tags=tags))
    return _living(uri, experiment)


def _is_usable(database: Path) -> bool:
    """Whether there is an SQLite file, or one can be made."""
    if not database.is_file():
        return not database.exists()
    with database.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def _living(uri: str, experiment: Experiment) -> str:
    if experiment.lifecycle_stage == "deleted":
        raise UsageError(
            f"the MLflow experiment {experiment.name!r} was deleted from {uri}; name another one, or bring it "
            f"back with: mlflow experiments restore --experiment-id {experiment.experiment_id}"
        )
    return str(experiment.experiment_id)


@contextmanager
def run(
    experiment: str, name: str, *, tags: Mapping[str, Any], params: Mapping[str, Any], run_id: str | None = None
) -> Iterator[str]:
    """Log into a new run inside the `with` block; an error closes it as failed, a break by the user as killed.

    Inside another `run` of this process it is a child of that one, which is written into again afterwards. Else it is a
    child of the run named by `MLFLOW_RUN_ID`, as every run of a process that a study or `mlflow run` starts.

    Args:
        experiment: Name of the experiment, made where it is missing.
        name: Name of the run; names may repeat, runs are never shared.
        tags: What the run is.
        params: What it was called with; values become text, `None` is left out.
        run_id: An earlier run of the very same work to resume; where the store has no such run, a new one is made.

    Yields:
        The run's id.

    Example:
        with tracking.run("lab-wue1", "staple/s7", tags={"seed": 7}, params={"epochs": 20}):
            tracking.log_metrics({"val/f1": 0.71}, step=1)
    """
    with _mlflow_in_use() as mlflow, _end_on_terminate(), _parent() as parent:
        experiment_id = _open(store_uri(), experiment)
        earlier = run_id if run_id is not None and _has_run(run_id) else None
        new_name = name if earlier is None else None
        active = mlflow.start_run(earlier, experiment_id=experiment_id, run_name=new_name, nested=True)
        status = "FAILED"
        try:
            mlflow.set_tags({key: str(value) for key, value in (parent | dict(tags)).items()})
            if earlier is None:  # parameters cannot be changed
                mlflow.log_params({key: str(value) for key, value in params.items() if value is not None})
            elif "error" in active.data.tags:
                mlflow.delete_tag("error")
            yield active.info.run_id
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit):
            status = "KILLED"
            raise
        except Exception as error:
            mlflow.set_tag("error", f"{type(error).__name__}: {error}"[:5000])
            raise
        finally:
            mlflow.end_run(status)


@contextmanager
def _parent() -> Iterator[dict[str, str]]:
    """Tag that names the run to which new ones belong, where there is one.

    MLflow would write into the run named by `MLFLOW_RUN_ID`, and forget the name when a run ends.
    """
    named = os.environ.pop("MLFLOW_RUN_ID", None)
    parent = active_run() or named
    try:
        yield {} if parent is None else {"mlflow.parentRunId": parent}
    finally:
        if named is not None:
            os.environ["MLFLOW_RUN_ID"] = named


def _has_run(run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(load_mlflow().get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException:
        return False


def is_active() -> bool:
    """True inside `run`."""
    return active_run() is not None


def active_run() -> str | None:
    """Id of the run that is written into."""
    active = load_mlflow().active_run()
    return None if active is None else str(active.info.run_id)


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Log numbers; an undefined one (NaN, infinite) is left out and counted as `<name>.n_undefined`.

    A count that the caller gives under that name is kept.
    """
    finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
    undefined = {f"{name}.n_undefined": 1.0 for name, value in metrics.items() if not math.isfinite(value)}
    load_mlflow().log_metrics(undefined | finite, step=step)


def log_figure(figure: Any, path: str) -> None:
    """Keep a matplotlib figure as an artifact, such as `overlays/0144.png`."""
    load_mlflow().log_figure(figure, path)


def log_files(path: Path, folder: str | None = None) -> None:
    """Keep a file, or all files of a folder, as artifacts."""
    if path.is_dir():
        load_mlflow().log_artifacts(str(path), folder)
    else:
        load_mlflow().log_artifact(str(path), folder)

"""Log to MLflow: one store, one run per task; NaN and infinite values are counted, not logged.

Runs are new unless the caller names one to resume: a crashed run is closed as failed and no other task writes
into it. Data are sent only to the store named by `MLFLOW_TRACKING_URI`, by default `mlflow.db` in the current
folder, with its artifacts next to it.

MLflow is loaded when it is first used, never at import. Environment, log level and signal handler are changed only
inside `run` and restored afterwards.
"""

from __future__ import annotations

import logging
import math
import os
import shlex
import shutil
import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from filelock import FileLock

from segassay.errors import UsageError

if TYPE_CHECKING:
    from mlflow.entities import Experiment

STORE = "mlflow.db"
ARTIFACTS = "mlartifacts"
logger = logging.getLogger(__name__)
_SERVER_SECONDS = 5
_SILENCE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def load_mlflow() -> ModuleType:
    """Import MLflow without the telemetry that it starts on import."""
    with _environment():
        import mlflow
    return mlflow


@contextmanager
def _environment() -> Iterator[None]:
    """Turn MLflow's telemetry and progress bars off inside the block, unless the user has set them."""
    added = _SILENCE.keys() - os.environ.keys()
    os.environ.update({name: _SILENCE[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _mlflow_in_use() -> Iterator[ModuleType]:
    """MLflow with our store, showing warnings only; earlier settings are restored after the block."""
    mlflow, logger = load_mlflow(), logging.getLogger("mlflow")  # loading sets the level
    level, store = logger.level, os.environ.get("MLFLOW_TRACKING_URI")
    logger.setLevel(max(level, logging.WARNING))  # hide messages about how MLflow makes its tables
    try:
        with _environment():
            mlflow.set_tracking_uri(store_uri())  # also sets the variable for processes that MLflow starts
            yield mlflow
    finally:
        mlflow.set_tracking_uri(None)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if store is not None:
            os.environ["MLFLOW_TRACKING_URI"] = store
        logger.setLevel(level)


@contextmanager
def _end_on_terminate() -> Iterator[None]:
    """Turn the signal that ends a job on a cluster into `SystemExit`, so that the `with` blocks close the run."""
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
    """Address of the store: `MLFLOW_TRACKING_URI`, or `mlflow.db` in the current folder as an absolute SQLite URI."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(Path.cwd() / STORE).as_posix()}"


def ui_command() -> str:
    """The command that shows the runs in a browser, on this computer only."""
    is_found = shutil.which("mlflow") is not None  # False if the environment is not activated
    program = "mlflow" if is_found else f"{shlex.quote(sys.executable)} -m mlflow"
    return f"{program} ui --backend-store-uri {shlex.quote(store_uri())} --host 127.0.0.1"


def open_experiment(name: str) -> str:
    """Open the store and the MLflow experiment, create them if missing, and return the experiment's id.

    Processes that start at the same time without a store wait for the one that creates it: MLflow damages a new
    SQLite file that several processes set up at once.

    Raises:
        UsageError: If the store cannot be reached or written, or the MLflow experiment was deleted there.
    """
    with _mlflow_in_use():
        return _open(store_uri(), name)


def _check_server(uri: str) -> None:
    """Raise an error within seconds if nobody answers: MLflow itself tries for ten minutes."""
    place = urlsplit(uri)
    through_proxy = place.scheme in getproxies() and not proxy_bypass(place.hostname or "")
    if place.scheme not in ("http", "https") or place.hostname is None or through_proxy:
        return
    try:
        port = place.port or (443 if place.scheme == "https" else 80)
        socket.create_connection((place.hostname, port), timeout=_SERVER_SECONDS).close()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the MLflow server at {uri} does not answer ({error}); start it, or correct MLFLOW_TRACKING_URI, or unset "
            f"it to log to {STORE} in the current folder"
        ) from error


def _open(uri: str, name: str) -> str:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    _check_server(uri)
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
    if not _is_usable(database):  # MLflow would retry for minutes
        raise UsageError(
            f"{database} is not an SQLite database; remove it, or set MLFLOW_TRACKING_URI to another store"
        )
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{database}.lock").acquire()
    except OSError as error:
        raise UsageError(
            f"{database}: cannot be written ({error.strerror}); work in another folder, or set MLFLOW_TRACKING_URI"
        ) from error
    with lock:
        _keep_before_migration(database)
        experiment = MlflowClient(uri).get_experiment_by_name(name)
        if experiment is None:
            location = (database.parent / ARTIFACTS).resolve().as_uri()
            tags = {"mlflow.experimentKind": "custom_model_development"}  # which pages the user interface shows
            return str(MlflowClient(uri).create_experiment(name, artifact_location=location, tags=tags))
    return _living(uri, experiment)


def _keep_before_migration(database: Path) -> None:
    """Copy a store of another version of MLflow, whose tables MLflow changes when it opens it."""
    from mlflow.store.db.utils import _get_latest_schema_revision

    found = _schema_of(database)
    if found is None or found == _get_latest_schema_revision():
        return
    kept = database.with_name(f"{database.name}.{found}")
    if not kept.exists():
        shutil.copyfile(database, kept)
    logger.warning(f"{database} is of another version of MLflow, which changes its tables now; as it was: {kept}")


def _schema_of(database: Path) -> str | None:
    """Version of the tables of a store; None if there is none yet, or it cannot be told."""
    if not database.is_file() or database.stat().st_size == 0:
        return None
    try:
        with closing(sqlite3.connect(database, timeout=1)) as connection:
            row = connection.execute("select version_num from alembic_version").fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else str(row[0])


def _is_usable(database: Path) -> bool:
    """Whether there is an SQLite file, or one can be made."""
    if not database.is_file():
        return not database.exists()
    with database.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def _living(uri: str, experiment: Experiment) -> str:
    if experiment.lifecycle_stage == "deleted":
        raise UsageError(
            f"the MLflow experiment {experiment.name!r} was deleted from {uri}; name another one, or restore "
            f"it with: mlflow experiments restore --experiment-id {experiment.experiment_id}"
        )
    return str(experiment.experiment_id)


@contextmanager
def run(
    experiment: str, name: str, *, tags: Mapping[str, Any], params: Mapping[str, Any], run_id: str | None = None
) -> Iterator[str]:
    """Log into a new run inside the `with` block; an error closes it as failed, an interruption by the user as killed.

    Inside another `run` of this process it is a child of that run, which becomes active again afterwards. Else it is a
    child of the run named by `MLFLOW_RUN_ID`, as in every process that a study or `mlflow run` starts.

    Args:
        experiment: Name of the MLflow experiment, created if missing.
        name: Name of the run; several runs may have the same name.
        tags: What the run is.
        params: What it was called with; values become text, `None` is left out.
        run_id: An earlier run of the same task, to resume; if the store has no such run, a new one is made.

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
    """Tag that names the parent of new runs; empty without a parent.

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
    """Id of the active run; None without one."""
    active = load_mlflow().active_run()
    return None if active is None else str(active.info.run_id)


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Log numbers; an undefined one (NaN, infinite) is left out and counted as `<name>.n_undefined`.

    A count that the caller passes under that name is kept.
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

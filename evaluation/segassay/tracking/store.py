"""The store: MLflow loaded and used without its messages, and the MLflow experiment opened, or made once.

MLflow is loaded when it is first used, never at import. Data are sent only to the store named by `MLFLOW_TRACKING_URI`,
by default `mlflow.db` in the current folder, with its artifacts next to it. Environment, log levels and warnings are
changed only inside `mlflow_in_use` and restored afterwards.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from filelock import FileLock

from segassay.errors import UsageError
from segassay.tracking.address import shown, store_uri
from segassay.tracking.database import make_database
from segassay.tracking.faults import check_server, refusals

if TYPE_CHECKING:
    from mlflow.entities import Experiment

__all__ = ["environment", "load_mlflow", "mlflow_in_use", "open_experiment", "opened"]

logger = logging.getLogger(__name__)
ARTIFACTS = "mlartifacts"
_SILENCE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # the address of a server, with a password that is in it
}
_LEVELS = {
    "mlflow": logging.ERROR,
    "mlflow.store.db.utils": logging.CRITICAL,  # of a full disk, the whole error of the database
    "alembic": logging.ERROR,
    "sqlalchemy": logging.CRITICAL,
}
"""Loggers -> level below which they are silent: they speak of tables and connections, not of the user's data."""

_WARNING_MODULES = r"(mlflow|sqlalchemy|alembic|starlette|pydantic)(\.|$)"
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Which pages the user interface shows: those of model training."""


def load_mlflow() -> ModuleType:
    """Import MLflow without the telemetry that it starts on import, and without its warnings."""
    with environment(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
    return mlflow


@contextmanager
def environment() -> Iterator[None]:
    """Turn MLflow's telemetry, progress bars and printed lines off inside the block, unless the user has set them."""
    added = _SILENCE.keys() - os.environ.keys()
    os.environ.update({name: _SILENCE[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def mlflow_in_use() -> Iterator[ModuleType]:
    """MLflow with our store, showing errors only; earlier settings are restored after the block."""
    mlflow = load_mlflow()  # loading sets the level of its logger
    loggers = {logging.getLogger(name): level for name, level in _LEVELS.items()}
    levels, store = {logger: logger.level for logger in loggers}, os.environ.get("MLFLOW_TRACKING_URI")
    for logger, level in loggers.items():
        _set_level(logger, max(logger.level, level))
    try:
        with environment(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=_WARNING_MODULES)
            mlflow.set_tracking_uri(store_uri())  # also sets the variable for processes that MLflow starts
            yield mlflow
    finally:
        mlflow.set_tracking_uri(None)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if store is not None:
            os.environ["MLFLOW_TRACKING_URI"] = store
        for logger, level in levels.items():
            _set_level(logger, level)


def _set_level(logger: logging.Logger, level: int) -> None:
    """Set a level that is another one: Python then forgets the levels of all loggers, which takes milliseconds."""
    if logger.level != level:
        logger.setLevel(level)


def open_experiment(name: str) -> str:
    """Open the store and the MLflow experiment, create them if missing, and return the experiment's id.

    Processes that start at the same time without a store wait for the one that creates it: MLflow damages a new
    SQLite file that several processes set up at once.

    Raises:
        UsageError: If the store cannot be reached or written, or the MLflow experiment was deleted there.
    """
    with mlflow_in_use():
        return opened(name)


def opened(name: str) -> str:
    """As `open_experiment`, where MLflow is in use already."""
    uri = store_uri()
    check_server(uri)
    with refusals(uri, f"the experiment {name!r}"):
        return _open_in_database(uri, name) if uri.startswith("sqlite:///") else _open_in_store(uri, name, None)


def _open_in_store(uri: str, name: str, artifacts: str | None) -> str:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return str(client.create_experiment(name, artifact_location=artifacts, tags=_EXPERIMENT_TAGS))
    return _living(uri, experiment)


def _open_in_database(uri: str, name: str) -> str:
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
        make_database(database)
        _keep_before_migration(database)
        return _open_in_store(uri, name, (database.parent / ARTIFACTS).resolve().as_uri())


def _keep_before_migration(database: Path) -> None:
    """Copy a store of another version of MLflow, whose tables MLflow changes when it opens it."""
    found = _schema_of(database)
    if found is None or found == _latest_schema():
        return
    kept = database.with_name(f"{database.name}.{found}")
    if not kept.exists():
        shutil.copyfile(database, kept)
    logger.warning(
        f"{database} was written by another version of MLflow; MLflow now changes its tables. A copy as it was: {kept}"
    )


@cache
def _latest_schema() -> str:
    """Version of the tables that the installed MLflow makes; it runs the files of all versions to tell."""
    from mlflow.store.db.utils import _get_latest_schema_revision

    return str(_get_latest_schema_revision())


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
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    if experiment.lifecycle_stage == "deleted":
        raise UsageError(
            f"the MLflow experiment {experiment.name!r} was deleted from {shown(uri)}; name another one, or restore "
            f"it with: mlflow experiments restore --experiment-id {experiment.experiment_id}"
        )
    for key, value in _EXPERIMENT_TAGS.items():
        if key not in experiment.tags:
            with suppress(MlflowException):  # of somebody else
                MlflowClient(uri).set_experiment_tag(experiment.experiment_id, key, value)
    return str(experiment.experiment_id)

"""Nothing is lost while the MLflow server is gone: what it would have got waits in files, and is sent when it is back.

server silent at the start of a run  ->  the run is logged to `mlflow-waiting/` in the current folder
server gone while a run logs         ->  the rest of the run is logged there
server back                          ->  `segassay.tracking.sending`
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from segassay.tracking.address import STORE, shown, store_uri
from segassay.tracking.faults import is_gone
from segassay.tracking.store import load_mlflow, opened

__all__ = [
    "CONTINUES",
    "WAITING",
    "Running",
    "current_run",
    "end_run",
    "kept",
    "running",
    "waiting_store",
    "waiting_uri",
]

logger = logging.getLogger("segassay")

WAITING = "mlflow-waiting"
"""Folder, in the current one, of what waits for a server."""

CONTINUES = "segassay.continues"
"""Tag of a waiting run: id of the run on the server whose rest it is."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


@dataclass
class Running:
    """A run that is being logged.

    Attributes:
        experiment: Name of its MLflow experiment.
        name: Its name.
        run_id: Its id.
        is_waiting: Whether the server is gone, so that the rest is logged to the waiting store.
    """

    experiment: str
    name: str
    run_id: str
    is_waiting: bool = False


_running: ContextVar[Running | None] = ContextVar("segassay_running", default=None)


def waiting_store() -> Path:
    """The database of what waits; it need not exist."""
    return Path.cwd() / WAITING / STORE


def waiting_uri() -> str:
    """Its address."""
    return f"sqlite:///{waiting_store().as_posix()}"


def current_run() -> str | None:
    """Id of the run that is being logged; None without one."""
    one = _running.get()
    return None if one is None else one.run_id


@contextmanager
def running(one: Running) -> Iterator[Running]:
    """Inside the block this run is logged to."""
    token = _running.set(one)
    try:
        yield one
    finally:
        _running.reset(token)


def kept(log: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Make a function that logs to the active run log to the waiting store if the server is gone."""

    @functools.wraps(log)
    def logged(*args: _Arguments.args, **words: _Arguments.kwargs) -> _Result:
        try:
            return log(*args, **words)
        except Exception as error:
            one = _running.get()
            if one is None or one.is_waiting or not is_gone(error, store_uri()):
                raise
            _wait(one)
        return log(*args, **words)

    return logged


def _wait(one: Running) -> None:
    """Log the rest of a run to the waiting store from now on."""
    logger.warning(
        f"the MLflow server at {shown(store_uri())} no longer answers; what is logged from now on waits in "
        f"{waiting_store().parent}, and is sent by the next command, or by `segassay mlflow send`"
    )
    mlflow = load_mlflow()
    mlflow.set_tracking_uri(waiting_uri())  # also sets the variable for processes that are started
    experiment_id = opened(one.experiment)
    mlflow.start_run(experiment_id=experiment_id, run_name=one.name, nested=True, tags={CONTINUES: one.run_id})
    one.is_waiting = True


def end_run(one: Running, status: str) -> None:
    """End a run, also if its server is gone; the status waits then, too."""
    mlflow = load_mlflow()
    if not one.is_waiting:
        try:
            mlflow.end_run(status)
        except Exception as error:
            if not is_gone(error, store_uri()):
                raise
            _wait(one)
            mlflow.end_run(status)
        return
    mlflow.end_run(status)
    with suppress(Exception):  # of the server, which is gone; it only becomes inactive here
        mlflow.end_run(status)

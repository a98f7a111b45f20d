"""Runs: one per task, closed whatever happens, nested like the tasks.

Runs are new unless the caller names one to resume: a crashed run is closed as failed and no other task writes into it.
A run whose process was killed cannot close itself; the next command that logs to its MLflow experiment does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from segassay.tracking.address import store_uri, without_password
from segassay.tracking.faults import refusal, refusals, refused_artifact
from segassay.tracking.killed import close_killed, own_process
from segassay.tracking.store import load_mlflow, mlflow_in_use, opened

__all__ = ["active_run", "is_active", "run", "with_system_metrics"]

_PARENT = "mlflow.parentRunId"
_SYSTEM_METRICS = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"


@contextmanager
def run(
    experiment: str,
    name: str,
    *,
    tags: Mapping[str, Any],
    params: Mapping[str, Any],
    run_id: str | None = None,
    is_top: bool = False,
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
        is_top: Whether the run is nobody's child, so that the user interface lists it beside its parent.

    Yields:
        The run's id.

    Raises:
        UsageError: If the store cannot be reached or written, or the server refuses the user.

    Example:
        with tracking.run("lab-wue1", "staple/s07", tags={"seed": 7}, params={"epochs": 20}):
            tracking.log_metrics({"val/f1": 0.71}, step=1)
    """
    uri, what = store_uri(), f"the experiment {experiment!r}"
    with mlflow_in_use() as mlflow, _end_on_terminate(), _parent() as parent:
        experiment_id = opened(experiment)
        if not parent:
            with refusals(uri, what):
                close_killed(experiment_id)
        texts = {key: str(value) for key, value in (({} if is_top else parent) | dict(tags) | own_process()).items()}
        status, started = "FAILED", False
        try:
            earlier = run_id if run_id is not None and _has_run(run_id) else None
            new_name = name if earlier is None else None
            active = mlflow.start_run(earlier, experiment_id=experiment_id, run_name=new_name, nested=True)
            started = True
            if is_top and _PARENT in active.data.tags:
                mlflow.delete_tag(_PARENT)
            mlflow.set_tags(texts)
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
            place = active.info.artifact_uri if started else ""
            if refused := refusal(error, uri, what) or refused_artifact(error, place):
                raise refused from error
            if started:
                with suppress(Exception):  # of a store that fails, too; the first error is the one that matters
                    mlflow.set_tag("error", without_password(f"{type(error).__name__}: {error}", uri)[:5000])
            raise
        finally:
            if started:
                with _first_error_wins(status):
                    mlflow.end_run(status)


@contextmanager
def _first_error_wins(status: str) -> Iterator[None]:
    """Where the block of a run has failed, closing the run may fail too, as its server is gone; that hides nothing."""
    if status == "FINISHED":
        yield
        return
    with suppress(Exception):
        yield


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


@contextmanager
def _parent() -> Iterator[dict[str, str]]:
    """Tag that names the parent of new runs; empty without a parent.

    MLflow would write into the run named by `MLFLOW_RUN_ID`, and forget the name when a run ends.
    """
    named = os.environ.pop("MLFLOW_RUN_ID", None)
    parent = active_run() or named
    try:
        yield {} if parent is None else {_PARENT: parent}
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


@contextmanager
def with_system_metrics(asked: bool) -> Iterator[None]:
    """Inside the block runs also log how busy processor, memory, disk and GPU are, in all processes; if asked to."""
    before = os.environ.get(_SYSTEM_METRICS)
    if asked:
        os.environ[_SYSTEM_METRICS] = "true"
    try:
        yield
    finally:
        if asked:
            os.environ.pop(_SYSTEM_METRICS)
        if before is not None:
            os.environ[_SYSTEM_METRICS] = before

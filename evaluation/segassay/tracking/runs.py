"""Runs: one per task, closed whatever happens, nested like the tasks.

Runs are new unless the caller names one to resume: a crashed run is closed as failed and no other task writes into it.
A run whose process was killed cannot close itself; the next command that logs to its MLflow experiment does.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from segassay.tracking.address import shown, store_uri, using, without_password
from segassay.tracking.faults import refusal, refusals, refused_artifact, why_silent
from segassay.tracking.killed import close_killed, own_process
from segassay.tracking.sending import WAITED_AS, send_if_possible
from segassay.tracking.signals import end_on_signal, terminate_after
from segassay.tracking.store import load_mlflow, mlflow_in_use, opened
from segassay.tracking.waiting import Running, current_run, end_run, running, waiting_store, waiting_uri

__all__ = ["active_run", "is_active", "run", "with_system_metrics"]

logger = logging.getLogger("segassay")

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
    may_wait: bool = False,
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
        may_wait: Whether to log to `mlflow-waiting/` in the current folder if the server does not answer; otherwise
            that is an error. If it goes while the run is logged, the rest always waits there. What waits is sent before
            and after a run if the server answers.

    Yields:
        The run's id.

    Raises:
        UsageError: If the store cannot be reached or written, or the server refuses the user.

    Example:
        with tracking.run("lab-wue1", "staple/s07", tags={"seed": 7}, params={"epochs": 20}):
            tracking.log_metrics({"val/f1": 0.71}, step=1)
    """
    is_outermost = not is_active() and "MLFLOW_RUN_ID" not in os.environ
    if is_outermost:
        send_if_possible()
    where = _where_to_wait() if may_wait else None
    with using(where), _run(experiment, name, tags, params, run_id, is_top) as found:
        yield found
    if is_outermost:
        send_if_possible()


def _where_to_wait() -> str | None:
    """Address of the waiting store if the server does not answer; None if it does, or there is no server."""
    uri = store_uri()
    if not (reason := why_silent(uri)):
        return None
    logger.warning(
        f"the MLflow server at {shown(uri)} does not answer ({reason}); what is logged waits in "
        f"{waiting_store().parent}, and is sent by the next command, or by `segassay mlflow send`"
    )
    return waiting_uri()


@contextmanager
def _run(
    experiment: str, name: str, tags: Mapping[str, Any], params: Mapping[str, Any], run_id: str | None, is_top: bool
) -> Iterator[str]:
    """A run of `run` in the store that the environment names."""
    uri, what = store_uri(), f"the experiment {experiment!r}"
    with mlflow_in_use() as mlflow, end_on_signal(), _parent() as parent:
        experiment_id = opened(experiment)
        if not parent:
            with refusals(uri, what):
                close_killed(experiment_id)
        texts = {key: str(value) for key, value in (({} if is_top else parent) | dict(tags) | own_process()).items()}
        status, started, one = "FAILED", False, Running(experiment, name, "")
        try:
            earlier = None if run_id is None else _known_run(run_id, experiment_id)
            new_name = name if earlier is None else None
            active = mlflow.start_run(earlier, experiment_id=experiment_id, run_name=new_name, nested=True)
            started, one = True, Running(experiment, name, active.info.run_id)
            if is_top and _PARENT in active.data.tags:
                mlflow.delete_tag(_PARENT)
            mlflow.set_tags(texts)
            if earlier is None:  # parameters cannot be changed
                mlflow.log_params({key: str(value) for key, value in params.items() if value is not None})
            elif "error" in active.data.tags:
                mlflow.delete_tag("error")
            with running(one):
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
                with terminate_after(), _first_error_wins(status):
                    end_run(one, status)


@contextmanager
def _first_error_wins(status: str) -> Iterator[None]:
    """Where the block of a run has failed, closing the run may fail too, as its server is gone; that hides nothing."""
    if status == "FINISHED":
        yield
        return
    with suppress(Exception):
        yield


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


def _known_run(run_id: str, experiment_id: str) -> str | None:
    """Id of an earlier run in the store, also if it waited for the store under this id; None if it has no such run."""
    from mlflow.exceptions import MlflowException

    client = load_mlflow().MlflowClient()
    try:
        return run_id if client.get_run(run_id).info.lifecycle_stage == "active" else None
    except MlflowException:
        found = client.search_runs([experiment_id], f"tags.`{WAITED_AS}` = '{run_id}'", max_results=1)
        return str(found[0].info.run_id) if found else None


def is_active() -> bool:
    """True inside `run`."""
    return active_run() is not None


def active_run() -> str | None:
    """Id of the active run, also while the rest of it waits for its server; None without one."""
    active = load_mlflow().active_run()
    return current_run() or (None if active is None else str(active.info.run_id))


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

"""Send what waited for the MLflow server: runs, curves, files, models and their versions, once.

mlflow-waiting/ + server  ->  the same runs on the server; the folder is removed when all is there
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from filelock import FileLock, Timeout

from segassay.errors import UsageError
from segassay.tracking.address import is_server, shown, store_uri, using
from segassay.tracking.faults import check_server, refusals, why_silent
from segassay.tracking.killed import close_killed
from segassay.tracking.store import mlflow_in_use, opened
from segassay.tracking.waiting import CONTINUES, WAITING, waiting_store, waiting_uri

__all__ = ["WAITED_AS", "send", "send_if_possible"]

logger = logging.getLogger("segassay")

WAITED_AS = "segassay.waited_as"
"""Tag of a run on the server: id of the run that waited."""

_PARENT, _NOTE, _NAME = "mlflow.parentRunId", "mlflow.note.content", "mlflow.runName"
_BATCH = {"metrics": 900, "params": 90, "tags": 90}
"""What MLflow takes at a time is a little more."""


def send_if_possible() -> None:
    """Send what waits in the current folder, if a server is named and answers; what fails is a warning."""
    if not is_server(store_uri()) or not waiting_store().is_file() or why_silent(store_uri()):
        return
    try:
        n_sent = send()
    except UsageError as error:
        logger.warning(str(error))
        return
    if n_sent:
        logger.info(f"sent to MLflow at {shown(store_uri())}: {n_sent} runs that waited")


def send() -> int:
    """Send what waits in the current folder to the server of `MLFLOW_TRACKING_URI`.

    Runs that are still being logged stay, and so does the folder then. Sent again after an interruption, each run is on
    the server once.

    Returns:
        Number of runs that were sent.

    Raises:
        UsageError: If nothing waits, no server is named, it does not answer or it refuses.
    """
    uri, folder = store_uri(), waiting_store().parent
    if not waiting_store().is_file():
        raise UsageError(f"{folder}: nothing waits here; work in the folder in which the trainings ran")
    if not is_server(uri):
        raise UsageError(f"{folder} waits for a server; set MLFLOW_TRACKING_URI to its address")
    check_server(uri)
    try:
        with FileLock(folder.with_name(f"{WAITING}.lock"), timeout=0), using(uri), mlflow_in_use():
            n_sent, n_left = _send_all(uri)
    except Timeout:
        return 0  # another process sends
    if not n_left:
        shutil.rmtree(folder)
    return n_sent


def _send_all(uri: str) -> tuple[int, int]:
    """Number of runs that were sent, and that are still being logged."""
    from mlflow import MlflowClient

    with using(waiting_uri()), mlflow_in_use():
        source = MlflowClient(waiting_uri())
        experiments = {one.experiment_id: one.name for one in source.search_experiments()}
        for experiment_id in experiments:
            close_killed(experiment_id)
        runs = source.search_runs(list(experiments), order_by=["attributes.start_time ASC"], max_results=50_000)
    finished = [run for run in runs if run.info.status != "RUNNING"]
    with refusals(uri, "what waited"):
        target = MlflowClient(uri)
        ids, models = dict[str, str](), dict[str, str]()
        for run in finished:
            ids[run.info.run_id] = _send_run(source, target, run, experiments[run.info.experiment_id], ids, models)
        _send_versions(source, target, ids, models)
    return len(finished), len(runs) - len(finished)


def _send_run(source: Any, target: Any, run: Any, experiment: str, ids: dict[str, str], models: dict[str, str]) -> str:
    """Id of a run on the server."""
    old = run.info.run_id
    experiment_id = opened(experiment)
    tags = {key: ids.get(value, value) for key, value in run.data.tags.items()}
    continued = tags.pop(CONTINUES, None)
    if continued is not None:
        tags = {key: value for key, value in tags.items() if not key.startswith("mlflow.") or key == _NOTE}
        new = continued
    else:
        found = target.search_runs([experiment_id], f"tags.`{WAITED_AS}` = '{old}'", max_results=1)
        new = found[0].info.run_id if found else None
        if new is None:
            known = {WAITED_AS: old} | {key: tags[key] for key in (_PARENT, _NAME) if key in tags}
            new = target.create_run(experiment_id, run.info.start_time, known, run.info.run_name).info.run_id
        elif found[0].info.status != "RUNNING":  # sent before
            _send_models(source, target, run, experiment_id, str(new), models)
            return str(new)
    _send_numbers(source, target, run, str(new), tags)
    _send_models(source, target, run, experiment_id, str(new), models)
    if run.inputs.dataset_inputs:
        target.log_inputs(new, run.inputs.dataset_inputs)
    _send_files(source, target, old, str(new))
    target.set_terminated(new, run.info.status, run.info.end_time)
    return str(new)


def _send_numbers(source: Any, target: Any, run: Any, new: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import Param, RunTag

    metrics = [point for key in sorted(run.data.metrics) for point in source.get_metric_history(run.info.run_id, key)]
    params = [Param(key, value) for key, value in run.data.params.items()]
    for kind, rows in (("metrics", metrics), ("params", params), ("tags", [RunTag(*tag) for tag in tags.items()])):
        for start in range(0, len(rows), _BATCH[kind]):
            target.log_batch(new, **{kind: rows[start : start + _BATCH[kind]]})


def _send_files(source: Any, target: Any, old: str, new: str) -> None:
    if not source.list_artifacts(old):
        return
    from mlflow.artifacts import download_artifacts

    place = download_artifacts(run_id=old, tracking_uri=waiting_uri())
    target.log_artifacts(new, place)


def _send_models(source: Any, target: Any, run: Any, experiment_id: str, new: str, models: dict[str, str]) -> None:
    """Send the models that a run has logged, and note their ids: here -> on the server."""
    from mlflow.artifacts import download_artifacts
    from mlflow.entities import Metric

    for model in source.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"):
        if known := _sent_model(target, experiment_id, model.model_id):
            models[model.model_id] = known
            continue
        sent = target.create_logged_model(
            experiment_id,
            name=model.name,
            source_run_id=new,
            tags=_own(model.tags) | {WAITED_AS: model.model_id},
            params=model.params,
            model_type=model.model_type,
        )
        place = download_artifacts(artifact_uri=model.artifact_location, tracking_uri=waiting_uri())
        target.log_model_artifacts(sent.model_id, place)
        target.finalize_logged_model(sent.model_id, "READY")
        words = {"model_id": sent.model_id, "run_id": new}
        metrics = [Metric(one.key, one.value, one.timestamp, one.step, **words) for one in model.metrics or ()]
        target.log_batch(new, metrics=metrics)
        models[model.model_id] = sent.model_id


def _sent_model(target: Any, experiment_id: str, old: str) -> str | None:
    """Id of a model that was sent completely before; None if it was not."""
    found = target.search_logged_models([experiment_id], f"tags.`{WAITED_AS}` = '{old}'")
    return next((str(model.model_id) for model in found if str(model.status) == "READY"), None)


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith("mlflow.")}


def _send_versions(source: Any, target: Any, ids: Mapping[str, str], models: Mapping[str, str]) -> None:
    """Register the versions of models that were registered while the server was gone."""
    for model in source.search_registered_models():
        _create_registered(target, model.name)
        aliases = {str(number): alias for alias, number in model.aliases.items()}
        there = {_model_of(version) for version in _in_order(target, model.name)}
        for version in _in_order(source, model.name):
            own = models.get(_model_of(version))
            if own is None or own in there:
                continue  # of a run that is still being logged, or sent before
            words = {"run_id": ids.get(version.run_id), "model_id": own}
            sent = target.create_model_version(model.name, f"models:/{own}", tags=version.tags, **words)
            if version.description:
                target.update_model_version(model.name, sent.version, version.description)
            if str(version.version) in aliases:
                target.set_registered_model_alias(model.name, aliases[str(version.version)], sent.version)


def _model_of(version: Any) -> str:
    """Id of the logged model that a version was made of; stores keep it in the address alone."""
    return str(version.source).removeprefix("models:/")


def _create_registered(target: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        target.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        target.create_registered_model(name)


def _in_order(source: Any, name: str) -> Iterator[Any]:
    quoted = name.replace("'", "''")
    found = [one for one in source.search_model_versions(f"name = '{quoted}'") if one.name == name]
    yield from sorted(found, key=lambda one: int(one.version))

"""The study: trained, predicted, compared and judged by one command, resumed after an interruption.

STUDY.yaml -> plan -> members, ensembles -> leak guard -> annotations.csv -> evaluation/report.html, MLflow
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segassay
from segassay import tracking
from segassay.data.dataset import data_hash
from segassay.errors import DataError, UsageError, number_of
from segassay.workers.cluster import connected
from segassay_monai.ensemble.classes import SEPARATE, TOUCHING
from segassay_monai.study.file import as_yaml
from segassay_monai.study.judge import judge, log_study_data
from segassay_monai.study.on_cluster import work_on_cluster
from segassay_monai.study.plan import COPY, PlannedMember, Study, Task
from segassay_monai.study.scheduler import n_workers, work_side_by_side
from segassay_monai.study.store import (
    claim,
    failure,
    forget_failure,
    memory_of_worker,
    note_failure,
    open_tasks,
    read_state,
    write_state,
    write_whole,
)
from segassay_monai.study.stored import fetch, fetch_member, send_member, send_rest, sender
from segassay_monai.study.whole import mend
from segassay_monai.study.worker import do
from segassay_monai.targets import warn_without_instances
from segassay_monai.training.inputs import open_classes

__all__ = ["Outcome", "run_member", "run_study"]

logger = logging.getLogger("segassay")

_MOMENT = 10.0  # seconds after which a claim that another process only checks is free again


@dataclass(frozen=True)
class Outcome:
    """Result of a run of a study.

    Attributes:
        failed: Id of each task that failed -> why.
        evaluations: Folders with a report.
    """

    failed: dict[str, str]
    evaluations: list[Path]


def _say_nothing(word: str, task: str) -> None:
    """Report nothing."""


def run_study(
    study: Study,
    *,
    jobs: int | None = None,
    cluster: str | None = None,
    report: Callable[[str, str], None] = _say_nothing,
    progress: bool = False,
    is_last: bool = True,
) -> Outcome:
    """Do all open tasks, then evaluate.

    Of a study at an address, what is whole there is copied first, and each task is sent when it is done.

    Args:
        study: The study.
        jobs: Trainings at once; by default as many as cores, memory or GPUs allow.
        cluster: Train, predict and evaluate on the workers of this Dask cluster instead, as of `segassay.evaluate`.
        report: Called with `start`, `done` or `failed`, and the id of the task; by default nothing is reported.
        progress: Whether to show on standard error what is copied and sent.
        is_last: Whether nothing is written to the folder of the study afterwards; if something is,
            `study.stored.send_rest` sends it, and says that the study is whole.

    Returns:
        Failed tasks, and folders with a report.

    Raises:
        UsageError: If touching objects are asked of a dataset with classes.
        TransferError: If the study is at an address, and its store does not answer at the beginning or the end.
    """
    for planned in study.members:  # before hours of training
        open_classes(study.dataset, planned.settings.get("objects", SEPARATE))
    fetch(study, progress=progress)
    report = sender(study, report)
    _make_folder(study)
    for task in study.tasks.values():  # so that it is tried again
        forget_failure(study, task)
    mend(study, study.tasks.values())
    with connected(cluster) if cluster is not None else nullcontext() as workers, _parent_run(study) as run_id:
        environment = {"MLFLOW_RUN_ID": run_id, "MLFLOW_TRACKING_URI": tracking.store_uri()}
        _warn_without_instances(study, open_tasks(study))
        if workers is not None:
            work_on_cluster(study, workers, environment, report)
        elif tasks := open_tasks(study):
            n = jobs or n_workers(len(tasks), memory_of_worker(study), study.file.threads)
            work_side_by_side(study, min(n, len(tasks)), environment, report)
        if left := open_tasks(study):
            what = (
                f"changed while it ran, or its data or the program did: {len(left)} of {len(study.tasks)} tasks are "
                f"still to be done, first {left[0].id}"
            )
            raise DataError.of(study.path, what, "run it again")
        _refuse_without_members(study)
        with claim(study, "evaluation", timeout=-1):
            evaluations = judge(study, workers)
    if is_last:
        send_rest(study, progress=progress)
    failed = {task.id: failure(study, task) for task in study.tasks.values()}
    return Outcome({name: reason for name, reason in failed.items() if reason}, evaluations)


def _refuse_without_members(study: Study) -> None:
    """Stop if no member could be trained: there is nothing to judge."""
    reasons = [failure(study, planned) for planned in study.members]
    if all(reasons):
        first = f"{study.members[0].id}: {reasons[0].splitlines()[0]}"
        what = f"has {number_of(len(reasons), 'member')}, of which none could be trained; {first}"
        raise DataError.of(study.path, what, "fix what stopped them, and run the study again")


def _warn_without_instances(study: Study, tasks: Sequence[Task]) -> None:
    """Say once for each target, before hours of training, if its masks do not show where objects touch."""
    touching = [t.rater for t in tasks if isinstance(t, PlannedMember) and t.settings.get("objects") == TOUCHING]
    for target in dict.fromkeys(touching):
        warn_without_instances(study.dataset, target, study.dataset.cases)


def run_member(study: Study, planned: PlannedMember) -> None:
    """Train one member in this process, as a job of a cluster does; a finished member is not trained again.

    Of a study at an address, the member is copied from there or sent there, beside those of other machines.

    Raises:
        UsageError: If another process is training it.
        TransferError: If the study is at an address, and its store does not answer.
    """
    fetch_member(study, planned)
    _make_folder(study)
    mend(study, [planned])
    with claim(study, planned.folder, timeout=_MOMENT) as is_ours:
        if not is_ours:
            raise UsageError(f"{planned.id}: another process is training this member; wait for it, or run another one")
        if study.is_done(planned):
            logger.info(f"{planned.id}: already trained, nothing to do: {study.place(planned)}")
        else:
            _train(study, planned)
    send_member(study, planned)


def _train(study: Study, planned: PlannedMember) -> None:
    forget_failure(study, planned)
    try:
        with _parent_run(study):
            do(study, planned)
    except Exception as error:
        note_failure(study, planned, str(error))
        raise


@contextmanager
def _parent_run(study: Study) -> Iterator[str]:
    """The parent of all MLflow runs of the study; a resumed study has the same parent."""
    tags = {"kind": "study", "segassay": segassay.__version__}
    params = {
        "data/dataset": study.dataset.name,
        "data/hash": data_hash(study.dataset),
        "study/n_members": len(study.members),
        "study/n_folds": study.file.n_folds,
    }
    with ExitStack() as stack:
        with claim(study, "mlflow", timeout=-1):
            known = read_state(study).get("run")
            words: dict[str, Any] = {"tags": tags, "params": params, "run_id": known, "may_wait": True}
            run_id = stack.enter_context(tracking.run(study.name, study.name, **words))
            write_state(study, run=run_id)
            write_whole(study.out / COPY, as_yaml(study.file))
            log_study_data(study)
            tracking.log_files(study.out / COPY)
        yield run_id


def _make_folder(study: Study) -> None:
    try:
        study.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{study.out}: cannot be written ({error.strerror}); give another output_dir in {study.path}"
        ) from error

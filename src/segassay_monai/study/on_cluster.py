"""A study on the workers of a cluster: members first, then the predictions of ensembles, each a process of its own.

open tasks  ->  workers of a cluster  ->  segassay_monai.study.worker STUDY.yaml ID  ->  OUT/members/, OUT/predictions/

The machines share the folder of the study, so a member that is done is one that is there, and one that was interrupted
is resumed wherever it is trained next.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from segassay.workers.cluster import place_on_machine
from segassay.workers.tasks import LostError, Workers
from segassay_monai.study.plan import PlannedMember, Study
from segassay_monai.study.scheduler import note_ended, start_worker
from segassay_monai.study.store import failure, note_failure, open_tasks

__all__ = ["work_on_cluster"]

_END = 500  # letters of what a process said before it ended


@dataclass(frozen=True)
class _Task:
    case: str  # id, as the dashboard shows it
    path: str
    threads: int
    environment: Mapping[str, str]


def work_on_cluster(
    study: Study, workers: Workers, environment: Mapping[str, str], report: Callable[[str, str], None]
) -> None:
    """Do all open tasks.

    Args:
        study: The study; its folder has the same path on all machines.
        workers: Of a cluster.
        environment: Environment variables of the processes, in addition to those of the workers.
        report: Called with `done` or `failed`, and the id of the task.
    """
    for is_member in (True, False):  # an ensemble needs its members
        open_now = [task for task in open_tasks(study) if isinstance(task, PlannedMember) == is_member]
        tasks = [_Task(task.id, str(study.path.resolve()), study.file.threads, environment) for task in open_now]
        for place, found in workers.results(_do, tasks):
            task = open_now[place]
            if isinstance(found, LostError):
                note_failure(
                    study, task, f"its worker was lost each time it did this, perhaps because memory ran out: {found}"
                )
            elif found[0] and not failure(study, task):
                note_ended(study, task.id, *found)
            report("failed" if failure(study, task) else "done", task.id)


def _do(task: _Task) -> tuple[int, str]:
    """Do a task of a study: exit code of its process, and the end of what it said outside of its log."""
    with tempfile.TemporaryFile() as said:
        environment, slot = {**os.environ, **task.environment}, place_on_machine()
        words = [task.path, task.case]
        process = start_worker(words, environment, threads=task.threads, slot=slot, stderr=said)
        try:
            status = process.wait()
        finally:
            assert process.stdin is not None
            process.stdin.close()
        said.seek(0)
        return status, said.read().decode(errors="replace").strip()[-_END:]

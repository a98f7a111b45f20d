"""What a study keeps on disk: who works on what, what failed and why, logs, and the state of the study.

    OUT/.claims/<folder>.lock, OUT/failed/<folder>.txt, OUT/logs/<folder>.log, OUT/state.json

Processes know of each other from these files alone: a folder that exists is done, a locked claim is in progress. So
several `study run`, and the jobs of a cluster, can share one study; the next process resumes what was killed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from segassay.errors import UsageError
from segassay.io.durable import write_durably
from segassay_monai.study.plan import Prediction, Study, Task

__all__ = [
    "MEMORY_PER_WORKER",
    "claim",
    "failure",
    "forget_failure",
    "is_claimed",
    "log_file",
    "memory_of_worker",
    "note_failure",
    "open_tasks",
    "read_state",
    "remember_memory",
    "write_state",
    "write_whole",
]

logger = logging.getLogger("segassay")

MEMORY_PER_WORKER = 2 * 2**30
"""Memory of a training, in bytes, until one was measured. A process that exceeds it is replaced, because a process
keeps some of the memory that each training frees."""


@contextmanager
def claim(study: Study, name: str, *, timeout: float = 0) -> Iterator[bool]:
    """Claim work that only one process may do; yields False where another process does it.

    Args:
        study: The study.
        name: Name of the work, such as the id of a member.
        timeout: Seconds to wait for the other process; -1 waits without limit.

    Raises:
        UsageError: If nothing can be written to the folder of the study.
    """
    folder = study.out / ".claims"
    lock = FileLock(folder / f"{name}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=timeout)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise UsageError(
            f"{study.out}: cannot be written ({error.strerror}); if it is another user's, ask for the permission to "
            f"write there; else free some space, or give another output_dir in {study.path}"
        ) from error
    try:
        yield True
    finally:
        lock.release()


def is_claimed(study: Study, task: Task) -> bool:
    """Whether a process is working on the task; False if that cannot be told, in a study that cannot be written."""
    if not (study.out / ".claims" / f"{task.folder}.lock").is_file():
        return False
    try:
        with claim(study, task.folder) as is_free:
            return not is_free
    except UsageError:
        return False


def failure(study: Study, task: Task) -> str:
    """Why the task failed in its last attempt, or which of its members failed; empty if it did not fail or is done."""
    path = _failure_file(study, task)
    if study.is_done(task):
        return ""
    if path.is_file():
        return path.read_text(encoding="utf-8").strip()
    members = task.members if isinstance(task, Prediction) else ()
    return next((f"{planned.id} failed, a member of it" for planned in members if failure(study, planned)), "")


def _failure_file(study: Study, task: Task) -> Path:
    return study.out / "failed" / f"{task.folder}.txt"


def note_failure(study: Study, task: Task, reason: str) -> None:
    """Record why a task failed, for other processes and for the status."""
    path = _failure_file(study, task)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reason + "\n", encoding="utf-8")


def forget_failure(study: Study, task: Task) -> None:
    """Allow another attempt at a task that failed."""
    _failure_file(study, task).unlink(missing_ok=True)


def open_tasks(study: Study) -> list[Task]:
    """Tasks that are neither done nor failed."""
    return [task for task in study.tasks.values() if not study.is_done(task) and not failure(study, task)]


def log_file(study: Study, task: Task) -> Path:
    """Log of a task: all that it printed."""
    return study.out / "logs" / f"{task.folder}.log"


def read_state(study: Study) -> dict[str, Any]:
    """State of the study: ids of MLflow runs, what was evaluated, memory of a worker.

    A damaged file is set aside with a message, and the state is empty: nothing in it determines a result.
    """
    path = study.out / "state.json"
    try:
        state = dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, RecursionError):
        state = {_CHECKSUM: ""}
    if state.pop(_CHECKSUM, None) in (None, _checksum(state)):  # an earlier version wrote none
        return state
    aside = path.with_name("state.json.damaged")
    with suppress(OSError):  # of another user, or another process was faster
        os.replace(path, aside)
    logger.warning(
        f"{path} is damaged, and now {aside.name}. No result is lost: masks are evaluated again, and MLflow shows the "
        "study as a new run"
    )
    return {}


_CHECKSUM = "checksum"


def _checksum(state: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def write_state(study: Study, **changes: Any) -> None:
    """Change some values of the state."""
    with claim(study, "state", timeout=-1):
        state = read_state(study) | changes
        text = json.dumps(state | {_CHECKSUM: _checksum(state)}, indent=2, ensure_ascii=False)
        write_whole(study.out / "state.json", text + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all, so that it outlives a power cut.

    Raises:
        UsageError: If it cannot be written, as the disk is full.
    """
    try:
        write_durably(path, text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); free some space, or ask its owner") from error


def memory_of_worker(study: Study) -> float:
    """Bytes that a training takes; `MEMORY_PER_WORKER` until one was measured."""
    return float(read_state(study).get("memory", MEMORY_PER_WORKER))


def remember_memory(study: Study, n_bytes: float) -> None:
    """Record the memory of a training if it is the largest so far."""
    if n_bytes > read_state(study).get("memory", 0):
        write_state(study, memory=int(n_bytes))

"""The work of a study: train members and predict by ensembles, in as many processes as the machine has room for.

    plan  ->  workers, each taking the next task that nobody has taken  ->  OUT/members/, OUT/predictions/, OUT/logs/

All that workers know of each other is on disk: a folder that is there is done, a locked claim is being worked on. So
several `study run`, and the jobs of a cluster, can share one study; what was killed is taken up by whoever comes next.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import monai.bundle
import psutil
import torch
from filelock import FileLock, Timeout

from segassay.errors import DataError, SegAssayError
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.settings import find_own_error
from segassay_monai.bundle.workflow import WORKFLOW
from segassay_monai.study.plan import PlannedMember, Prediction, Study, plan_study

__all__ = [
    "MEMORY_PER_WORKER",
    "Task",
    "claim",
    "do",
    "failure",
    "forget_failure",
    "is_claimed",
    "log_file",
    "memory_of_worker",
    "n_cores",
    "n_workers",
    "note_failure",
    "open_tasks",
    "own_target",
    "read_state",
    "remember_memory",
    "train",
    "work",
    "work_side_by_side",
    "write_state",
    "write_whole",
]

logger = logging.getLogger("segassay")

MEMORY_PER_WORKER = 2 * 2**30
"""Bytes that a training is granted where none was measured yet. A process that has grown beyond it is replaced: the
system does not get back all that a training has freed, and keeps more after each one."""

N_FIGURES = 3
"""Overlays of each prediction; members draw what their own training says."""

_POLL_SECONDS = 1.0
_MAX_LOST = 3  # processes that may be killed before they have begun anything

Task = PlannedMember | Prediction


def do(study: Study, task: Task) -> None:
    """Train a member, or predict, in this process.

    Raises:
        SegAssayError: If the data or a setting is the reason that it cannot be done.
    """
    try:
        if isinstance(task, PlannedMember):
            train(study, task, study.place(task))
        else:
            _predict(study, task)
    except Exception as error:
        raise find_own_error(error) or error from None


def train(study: Study, planned: PlannedMember, place: Path, settings: Mapping[str, Any] | None = None) -> None:
    """Train a member into a folder; `settings` come on top of its own."""
    torch.set_num_threads(study.file.threads)
    monai.bundle.run(
        run_id="training",
        config_file=str(config_path("train.yaml")),
        workflow_name=WORKFLOW,
        dataset_dir=study.dataset.folder,
        output_dir=place,
        experiment=study.name,
        rater=planned.rater,
        n_train=planned.n_train,
        strategy=planned.strategy,
        fold=planned.fold,
        n_folds=study.file.n_folds,
        seed=planned.seed,
        **planned.settings | dict(settings or {}),
    )


def _predict(study: Study, prediction: Prediction) -> None:
    torch.set_num_threads(study.file.threads)
    monai.bundle.run(
        run_id="evaluating",
        config_file=str(config_path("evaluate.yaml")),
        workflow_name=WORKFLOW,
        dataset_dir=study.dataset.folder,
        models=tuple(study.checkpoint(planned) for planned in prediction.members),
        cases=prediction.cases,
        rater=own_target(prediction),
        n_figures=N_FIGURES,
        output_dir=study.place(prediction),
        experiment=study.name,
        overwrite=True,
    )


def own_target(task: Task) -> str:
    """What its members were trained on; where they have learned from different raters, the consensus of all."""
    members = (task,) if isinstance(task, PlannedMember) else task.members
    targets = {planned.rater for planned in members}
    return targets.pop() if len(targets) == 1 else "staple"


# -------------------------------------------------------------------------------------------------- who does what, when


@contextmanager
def claim(study: Study, name: str, *, timeout: float = 0) -> Iterator[bool]:
    """Work that only one process may do; False where another one does it.

    Args:
        study: The study.
        name: Of the work, such as the id of a member.
        timeout: Seconds to wait for the other; -1 for ever.
    """
    folder = study.out / ".claims"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def is_claimed(study: Study, task: Task) -> bool:
    """Whether some process works on it right now."""
    if not (study.out / ".claims" / f"{task.folder}.lock").is_file():
        return False
    with claim(study, task.folder) as is_free:
        return not is_free


def failure(study: Study, task: Task) -> str:
    """Why it failed when it was last tried, or which member of it did; empty if it did not, or is done by now."""
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
    """Keep why it failed, for others and for the status."""
    path = _failure_file(study, task)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reason + "\n", encoding="utf-8")


def forget_failure(study: Study, task: Task) -> None:
    """Let what failed be tried again."""
    _failure_file(study, task).unlink(missing_ok=True)


def _is_ready(study: Study, task: Task) -> bool:
    return isinstance(task, PlannedMember) or all(study.is_done(planned) for planned in task.members)


def open_tasks(study: Study) -> list[Task]:
    """What is neither done nor given up."""
    return [task for task in study.tasks.values() if not study.is_done(task) and not failure(study, task)]


def work(study: Study, report: Callable[[str, Task], None]) -> bool:
    """Do whatever nobody else does until nothing is left to do; what others do is waited for.

    Args:
        study: The study.
        report: Gets `start`, `done` or `failed`, and the task.

    Returns:
        False where a new process had better go on: after a failure, or when this one has grown.
    """
    while tasks := open_tasks(study):
        n_done = 0
        for task in tasks:
            if not _is_ready(study, task):
                continue
            with claim(study, task.folder) as is_ours:
                if not is_ours or study.is_done(task) or failure(study, task):
                    continue
                n_done += 1
                report("start", task)
                with _log_of(study, task):
                    reason = _try(study, task)
                if reason:
                    note_failure(study, task, reason)
                    report("failed", task)
                    return False
                report("done", task)
            gc.collect()
            if (n_bytes := psutil.Process().memory_info().rss) > MEMORY_PER_WORKER:
                remember_memory(study, n_bytes)
                return False
        if not n_done:
            time.sleep(_POLL_SECONDS)
    return True


def _try(study: Study, task: Task) -> str:
    """Do it; why it failed, or nothing."""
    try:
        do(study, task)
    except SegAssayError as error:
        return str(error)
    except Exception as error:
        logger.exception(f"{task.id} failed")
        return f"{type(error).__name__}: {error}"
    return ""


@contextmanager
def _log_of(study: Study, task: Task) -> Iterator[None]:
    """Let all that this process prints go to the task's own log."""
    path = log_file(study, task)
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in enumerate(kept, start=1):
            os.dup2(copy, number)
            os.close(copy)


def log_file(study: Study, task: Task) -> Path:
    """What the task printed."""
    return study.out / "logs" / f"{task.folder}.log"


# --------------------------------------------------------------------------------------------------------------- state


def read_state(study: Study) -> dict[str, Any]:
    """What the study keeps beside its results: runs of MLflow, what was evaluated, memory of a worker."""
    path = study.out / "state.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def write_state(study: Study, **changes: Any) -> None:
    """Change some of it."""
    with claim(study, "state", timeout=-1):
        write_whole(
            study.out / "state.json", json.dumps(read_state(study) | changes, indent=2, ensure_ascii=False) + "\n"
        )


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8", newline="")
    os.replace(new, path)


def memory_of_worker(study: Study) -> float:
    """Bytes that a training takes, as far as one was measured."""
    return float(read_state(study).get("memory", MEMORY_PER_WORKER))


def remember_memory(study: Study, n_bytes: float) -> None:
    """Keep what a training took, if none took more."""
    if n_bytes > read_state(study).get("memory", 0):
        write_state(study, memory=int(n_bytes))


# --------------------------------------------------------------------------------------------------------- side by side


def n_workers(n_tasks: int, memory: float = MEMORY_PER_WORKER, threads: int = 1) -> int:
    """How many trainings have room at once: one for each GPU, else as cores and free memory allow.

    Args:
        n_tasks: What is left to do.
        memory: Bytes that each takes.
        threads: That each takes.
    """
    if gpus := torch.cuda.device_count():
        return max(1, min(n_tasks, gpus))
    room = int(psutil.virtual_memory().available // memory)
    return max(1, min(n_tasks, n_cores() // threads, room))


def n_cores() -> int:
    """Cores that this process may use, which on a cluster are fewer than the machine has."""
    own = psutil.Process()
    return len(own.cpu_affinity()) if hasattr(own, "cpu_affinity") else os.cpu_count() or 1


def work_side_by_side(study: Study, n: int, environment: dict[str, str], report: Callable[[str, str], None]) -> None:
    """Let `n` processes do all that is to be done; one that ends early is replaced.

    Args:
        study: The study.
        n: Processes.
        environment: Variables that they get on top of this process's.
        report: Gets `start`, `done` or `failed`, and the id of the task.

    Raises:
        DataError: If a process ends before it has begun anything; it has said why on standard error.
    """
    events: Queue[tuple[int, str, str]] = Queue()
    workers = {slot: _start(study, slot, environment, events) for slot in range(n)}
    doing: dict[int, str] = {}
    began: set[int] = set()
    n_lost = 0
    try:
        while workers:
            slot, word, name = events.get()
            if word == "ended":
                status = workers.pop(slot).wait()
                lost = doing.pop(slot, "")
                if lost:  # killed, or crashed without a word
                    task = study.tasks[lost]
                    note_failure(study, task, f"its process ended with {_status(status)}; see {log_file(study, task)}")
                    report("failed", lost)
                n_lost += status < 0 and slot not in began
                if slot not in began and (status > 0 or n_lost > _MAX_LOST):
                    raise DataError(f"{study.path}: a process for trainings ended at once, with {_status(status)}")
                if open_tasks(study) and (status or lost):
                    began.discard(slot)
                    workers[slot] = _start(study, slot, environment, events)
                continue
            began.add(slot)
            if word == "start":
                doing[slot] = name
            else:
                doing.pop(slot, None)
            report(word, name)
    finally:
        for process in workers.values():
            process.terminate()
        for process in workers.values():
            process.wait()


def _status(status: int) -> str:
    return f"signal {-status} (was it killed, perhaps for memory?)" if status < 0 else f"exit code {status}"


def _start(
    study: Study, slot: int, environment: dict[str, str], events: Queue[tuple[int, str, str]]
) -> subprocess.Popen[str]:
    own = environment | {"OMP_NUM_THREADS": str(study.file.threads)}
    if n_gpus := torch.cuda.device_count():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(n_gpus)))
        own["CUDA_VISIBLE_DEVICES"] = visible.split(",")[slot % n_gpus]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", __name__, str(study.path)],
        env=os.environ | own,
        stdin=subprocess.PIPE,  # never written to: when this process ends, however it ends, so do they
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            word, _, name = line.rstrip("\n").partition(" ")
            if word in ("start", "done", "failed") and name in study.tasks:
                events.put((slot, word, name))
        events.put((slot, "ended", ""))

    threading.Thread(target=listen, daemon=True).start()
    return process


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def _main(path: str) -> None:
    """A worker: takes tasks until there are none, and says on standard output what it does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    speak = os.fdopen(os.dup(1), "w", encoding="utf-8")

    def report(word: str, task: Any) -> None:
        speak.write(f"{word} {task.id}\n")
        speak.flush()

    sys.exit(0 if work(plan_study(Path(path)), report) else 1)


if __name__ == "__main__":
    _main(sys.argv[1])

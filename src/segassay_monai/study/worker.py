"""A worker: one process that takes tasks of a study, trains members and predicts, until nothing is left.

    segassay_monai.study.worker STUDY.yaml  ->  next free task  ->  OUT/members/, OUT/predictions/
    segassay_monai.study.worker STUDY.yaml ID  ->  this task alone

It reports each event in one line on standard output. When its standard input is closed, which also happens when the
process that started it ends, it stops after the step or image that it works on; the next run resumes from what is on
disk.
"""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.set_threshold(700, 10, 100)  # what libraries load stays: it is sought through for garbage less often

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import torch

from segassay.errors import SegAssayError
from segassay.io.kept_pictures import pictures_kept
from segassay.io.transfers import as_copied
from segassay_monai.bundle.settings import find_own_error
from segassay_monai.bundle.workflow import run_config
from segassay_monai.ensemble.stop import ask_to_stop, stop_if_asked
from segassay_monai.study.averaged import averaged_maps, predicts_alone
from segassay_monai.study.plan import AGAIN, PlannedMember, Prediction, Study, Task, own_target, plan_study
from segassay_monai.study.store import (
    MEMORY_PER_WORKER,
    claim,
    failure,
    log_file,
    note_failure,
    open_tasks,
    remember_memory,
)
from segassay_monai.study.whole import remember

__all__ = ["do", "train", "work"]

logger = logging.getLogger("segassay")

N_FIGURES = 3
"""Overlays of each prediction; for members, a setting of their training decides."""

_POLL_SECONDS = 1.0


def do(study: Study, task: Task) -> None:
    """Train a member, or predict, in this process.

    Raises:
        SegAssayError: If the data or a setting makes the task fail.
    """
    try:
        if not isinstance(task, PlannedMember):
            _predict(study, task)
        elif (study.place(task) / AGAIN).exists():
            _predict_again(study, task)
        else:  # an unfinished training in the member's own folder that differs from it is damaged
            train(study, task, study.place(task), {"overwrite": True})
        remember(study, task)
    except Exception as error:
        raise find_own_error(error) or error from None


def train(study: Study, planned: PlannedMember, place: Path, settings: Mapping[str, Any] | None = None) -> None:
    """Train a member into a folder; `settings` override its own."""
    torch.set_num_threads(study.file.threads)
    own = {"dataset_dir": study.dataset.folder, "output_dir": place, "experiment": study.name}
    run_config("training", "train.yaml", own | planned.training | dict(settings or {}))


def _predict(study: Study, prediction: Prediction) -> None:
    torch.set_num_threads(study.file.threads)
    settings = {
        "dataset_dir": study.dataset.folder,
        "models": tuple(study.checkpoint(planned) for planned in prediction.members),
        "cases": prediction.cases,
        "rater": own_target(prediction),
        "n_figures": N_FIGURES,
        "output_dir": study.place(prediction),
        "experiment": study.name,
        "overwrite": True,
        "stored": averaged_maps(study, prediction),
    }
    run_config("evaluating", "evaluate.yaml", settings | _as_trained(prediction.first))


def _predict_again(study: Study, planned: PlannedMember) -> None:
    """Predict the held-out images of a trained member as its training did."""
    torch.set_num_threads(study.file.threads)
    place = study.place(planned)
    settings = {
        "dataset_dir": study.dataset.folder,
        "models": (study.checkpoint(planned),),
        "cases": planned.held_out,
        "rater": planned.rater,
        "output_dir": place / "held_out",
        "experiment": study.name,
        "overwrite": True,
    }
    run_config("evaluating", "evaluate.yaml", settings | _as_trained(planned))
    (place / AGAIN).unlink()


def _as_trained(planned: PlannedMember) -> dict[str, Any]:
    """Settings of a prediction that its training has given to that of its held-out images."""
    return {name: planned.settings[name] for name in ("device", "max_pixels") if name in planned.settings}


def work(study: Study, report: Callable[[str, Task], None]) -> bool:
    """Do free tasks until all are done; wait for those of other processes.

    Args:
        study: The study.
        report: Gets `start`, `done` or `failed`, and the task.

    Returns:
        False where a new process should take over: after a failure, or when this one takes too much memory.

    Raises:
        SystemExit: If this process was asked to stop.
    """
    while tasks := open_tasks(study):
        n_done = 0
        for task in tasks:
            stop_if_asked()
            word = _take(study, task, report) if _is_ready(study, task) else ""
            if word == "failed" or (word and _has_grown(study)):
                return False
            n_done += word == "done"
        if not n_done:
            time.sleep(_POLL_SECONDS)
    return True


def _take(study: Study, task: Task, report: Callable[[str, Task], None], timeout: float = 0) -> str:
    """Do a task; returns `done` or `failed`, or an empty text where another process does it or has done it."""
    with claim(study, task.folder, timeout=timeout) as is_ours:
        if not is_ours or study.is_done(task) or failure(study, task):
            return ""
        report("start", task)
        with _log_of(study, task):
            reason = _try(study, task)
        if reason:
            note_failure(study, task, reason)
        word = "failed" if reason else "done"
        report(word, task)
        return word


def _has_grown(study: Study) -> bool:
    """Whether this process exceeds its memory limit; if so, its memory is recorded."""
    gc.collect()
    n_bytes = psutil.Process().memory_info().rss
    if n_bytes > MEMORY_PER_WORKER:
        remember_memory(study, n_bytes)
    return bool(n_bytes > MEMORY_PER_WORKER)


def _is_ready(study: Study, task: Task) -> bool:
    """Whether all is there that a task needs: its members, and for an ensemble what each of them predicts alone."""
    if isinstance(task, PlannedMember):
        return True
    if not all(study.is_done(planned) for planned in task.members):
        return False
    alone = [predicts_alone(study, planned, task.on) for planned in task.members]
    return len(alone) == 1 or all(study.is_done(one) or failure(study, one) for one in alone)


def _try(study: Study, task: Task) -> str:
    """Do a task; returns why it failed, or an empty text."""
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
    """Write all that this process prints to the log of the task."""
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


def _stop_with_parent() -> None:
    while os.read(0, 1):
        pass
    ask_to_stop()


def _main(path: str, name: str | None = None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the scheduler closes the input
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    speak = os.fdopen(os.dup(1), "w", encoding="utf-8")

    def report(word: str, task: Task) -> None:
        with suppress(BrokenPipeError):  # nobody listens any more
            speak.write(f"{word} {task.id}\n")
            speak.flush()

    study = plan_study(Path(path), trust=True, at=as_copied())  # the process that started this one has asked
    gc.freeze()  # the tasks end with a search for garbage, which leaves out what is there now
    with pictures_kept():  # each image is read once, not once for each member
        if name is None:
            sys.exit(0 if work(study, report) else 1)
        _take(study, study.tasks[name], report, timeout=-1)  # waits for a process of a worker that was lost
        sys.exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:3])

"""The scheduler: as many workers at once as cores, memory or GPUs allow; one that ends early is replaced.

free cores, memory, GPUs  ->  number of workers  ->  their events
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Queue
from typing import Any

import psutil
import torch

from segassay.errors import DataError
from segassay_monai.study.plan import Study
from segassay_monai.study.store import MEMORY_PER_WORKER, log_file, note_failure, open_tasks

__all__ = ["n_cores", "n_workers", "note_ended", "start_worker", "work_side_by_side"]

_MAX_LOST = 3  # processes that may be killed before they start a task
_PATIENCE = 60.0  # seconds in which a process must finish its step or image when it is asked to stop


def n_workers(n_tasks: int, memory: float = MEMORY_PER_WORKER, threads: int = 1) -> int:
    """Number of trainings to run at once: one for each GPU, else as many as cores and free memory allow.

    Args:
        n_tasks: Number of tasks left.
        memory: Bytes of each training.
        threads: Threads of each training.
    """
    if gpus := torch.cuda.device_count():
        return max(1, min(n_tasks, gpus))
    room = int(psutil.virtual_memory().available // memory)
    return max(1, min(n_tasks, n_cores() // threads, room))


def n_cores() -> int:
    """Cores that this process may use; on a cluster these are fewer than the machine has."""
    own = psutil.Process()
    return len(own.cpu_affinity()) if hasattr(own, "cpu_affinity") else os.cpu_count() or 1


@dataclass
class _Worker:
    process: subprocess.Popen[str]
    doing: str = ""  # id of a task
    has_begun: bool = False


_Events = Queue[tuple[int, str, str]]
"""Number of a worker; `start`, `done`, `failed` or `ended`; id of the task."""


def work_side_by_side(study: Study, n: int, environment: Mapping[str, str], report: Callable[[str, str], None]) -> None:
    """Do all open tasks in `n` processes; a process that ends early is replaced.

    Args:
        study: The study.
        n: Number of processes.
        environment: Environment variables of the processes, in addition to those of this process.
        report: Called with `start`, `done` or `failed`, and the id of the task.

    Raises:
        DataError: If a process ends before it starts a task; its error is on standard error.
    """
    events: _Events = Queue()
    workers = {slot: _start(study, slot, environment, events) for slot in range(n)}
    n_lost = 0
    try:
        while workers:
            slot, word, name = events.get()
            if word != "ended":
                workers[slot].doing, workers[slot].has_begun = name if word == "start" else "", True
                report(word, name)
                continue
            ended = workers.pop(slot)
            status = ended.process.wait()
            if ended.doing:  # killed, or crashed
                note_ended(study, ended.doing, status)
                report("failed", ended.doing)
            n_lost += status < 0 and not ended.has_begun
            if not ended.has_begun and (status > 0 or n_lost > _MAX_LOST):
                what = f"cannot be trained: a process for trainings ended at once, with {_status(status)}"
                raise DataError.of(study.path, what, "fix the error printed above, and run it again")
            if open_tasks(study) and (status or ended.doing):
                workers[slot] = _start(study, slot, environment, events)
    finally:
        _stop([worker.process for worker in workers.values()], _PATIENCE)


def _stop(processes: Sequence[subprocess.Popen[str]], seconds: float) -> None:
    """Ask processes to stop by closing their input; kill those that have not ended in time, or on a second Ctrl-C."""
    end = time.monotonic() + seconds
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    try:
        with suppress(subprocess.TimeoutExpired):
            for process in processes:
                process.wait(max(0.0, end - time.monotonic()))
    finally:
        for process in processes:
            process.kill()  # does nothing to one that has ended
            process.wait()


def note_ended(study: Study, name: str, status: int, said: str = "") -> None:
    """Record that the process of a task ended early, with its exit code and what it said."""
    task = study.tasks[name]
    words = f" ({said})" if said else ""
    note_failure(study, task, f"its process ended with {_status(status)}{words}; see {log_file(study, task)}")


def _status(status: int) -> str:
    return f"signal {-status} (was it killed because memory ran out?)" if status < 0 else f"exit code {status}"


def _start(study: Study, slot: int, environment: Mapping[str, str], events: _Events) -> _Worker:
    variables = {**os.environ, **environment}
    process = start_worker([str(study.path)], variables, threads=study.file.threads, slot=slot, stdout=subprocess.PIPE)
    threading.Thread(target=_listen, args=[study, slot, process, events], daemon=True).start()
    return _Worker(process)


def start_worker(
    words: Sequence[str], environment: Mapping[str, str], *, threads: int, slot: int, **streams: Any
) -> subprocess.Popen[str]:
    """Start a process that works for a study; it stops when its standard input is closed, or this process ends.

    Args:
        words: Path of the study, and perhaps the id of the only task that it is to do.
        environment: All its environment variables but those that the next two set.
        threads: Its threads.
        slot: Number of the process among those of this machine, for the choice of a GPU.
        streams: Its standard output and error, as of `subprocess.Popen`.
    """
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "segassay_monai.study.worker", *words],
        env={**environment, "OMP_NUM_THREADS": str(threads), **_gpu_of(slot)},
        stdin=subprocess.PIPE,  # never written to
        text=True,
        encoding="utf-8",
        **streams,
    )


def _gpu_of(slot: int) -> dict[str, str]:
    """The GPU of a worker, as an environment variable; empty without GPUs."""
    n_gpus = torch.cuda.device_count()
    if not n_gpus:
        return {}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(n_gpus)))
    return {"CUDA_VISIBLE_DEVICES": visible.split(",")[slot % n_gpus]}


def _listen(study: Study, slot: int, process: subprocess.Popen[str], events: _Events) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        word, _, name = line.rstrip("\n").partition(" ")
        if word in ("start", "done", "failed") and name in study.tasks:
            events.put((slot, word, name))
    events.put((slot, "ended", ""))

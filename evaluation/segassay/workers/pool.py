"""A pool of processes of this machine, for many tasks: for a small lab, starting them takes longer than all tasks.

A process that is killed, as a system does that is out of memory, loses its own tasks alone: they are done again, by
half as many processes.
"""

import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeVar

from segassay.workers.memory import spend_memory
from segassay.workers.tasks import LostError, lost

__all__ = ["START_SECONDS", "Pool"]

logger = logging.getLogger("segassay")

START_SECONDS = 2.5
"""Seconds that a process takes before its first task, mostly for imports; it is not started for less work than that."""

_FIRST_TASKS = 2  # done here, to measure how long the others take; the very first one warms up
_LARGEST_CHUNK = 8  # short tasks that a process gets at once; progress moves in such steps
_LONG_TASK = 0.1  # seconds from which a task is sent alone, so that no process waits long for the last ones
_MAX_PROCESSES = 61  # on Windows

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Pool:
    """Processes of this machine, started only if each has more work than its start takes.

    Attributes:
        n_jobs: Maximum number of processes; with 1 all is done in this one.

    Example:
        >>> list(Pool(1).results(abs, [-1, 2, -3]))
        [(0, 1), (1, 2), (2, 3)]
    """

    n_jobs: int

    def results(
        self, work: Callable[[_Task], _Result], tasks: Sequence[_Task], *, ahead: int | None = None
    ) -> Iterator[tuple[int, _Result | LostError]]:
        """Do all tasks; as of `Workers.results`. They come in their order."""
        seconds, n_first = float("inf"), min(_FIRST_TASKS, len(tasks)) if self.n_jobs > 1 else 0
        for place in range(n_first):
            start = time.perf_counter()
            result = work(tasks[place])
            seconds = min(seconds, time.perf_counter() - start)
            yield place, result
        n_left = len(tasks) - n_first
        n_processes = min(self.n_jobs, n_left, _MAX_PROCESSES)
        if n_processes > 1 and START_SECONDS > 0:
            n_processes = min(n_processes, int(seconds * n_left / START_SECONDS))
        if n_processes <= 1:
            yield from ((place, work(tasks[place])) for place in range(n_first, len(tasks)))
            return
        chunk = 1 if seconds > _LONG_TASK else min(_LARGEST_CHUNK, -(-n_left // (8 * n_processes)))
        yield from _in_processes(work, tasks, n_first, n_processes, chunk)


def _in_processes(
    work: Callable[[_Task], _Result], tasks: Sequence[_Task], done: int, n_processes: int, chunk: int
) -> Iterator[tuple[int, _Result | LostError]]:
    """Do the tasks from place `done` on; after a kill in fewer processes, until the task that caused it is known."""
    n = n_processes
    while done < len(tasks):
        try:
            for result in _shared(work, tasks[done:], n, chunk):
                yield done, result
                done += 1
        except BrokenProcessPool:
            if n == chunk == 1:
                yield done, lost(tasks[done])
                done += 1
                n = n_processes
                continue
            n, chunk = n // 2 or 1, 1
            logger.warning(
                "a process that works on cases was killed, perhaps because memory ran out; what it had not finished is "
                f"done again, now {n} at a time"
            )


def _shared(
    work: Callable[[_Task], _Result], tasks: Sequence[_Task], n_processes: int, chunk: int
) -> Iterator[_Result]:
    spawn = multiprocessing.get_context("spawn")  # a copy of a process with threads may hang
    with ProcessPoolExecutor(n_processes, mp_context=spawn, initializer=spend_memory) as pool:
        try:
            yield from pool.map(work, tasks, chunksize=chunk)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

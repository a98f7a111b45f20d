"""Share many jobs between processes if that is faster: for a small lab, starting them takes longer than all jobs.

score, jobs  ->  score(job) of every job, in the order of the jobs

A process that is killed, as a system does that is out of memory, loses its own jobs alone: they are done again, by half
as many processes.
"""

import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from segassay.errors import DataError

__all__ = ["START_SECONDS", "in_order"]

logger = logging.getLogger("segassay")

START_SECONDS = 2.5
"""Seconds that a process takes before its first job, mostly for imports; it is not started for less work than that."""

_FIRST_JOBS = 2  # run here, to measure how long the others take; the very first one warms up
_LARGEST_CHUNK = 8  # short jobs that a process gets at once; progress moves in such steps
_LONG_JOB = 0.1  # seconds from which a job is sent alone, so that no process waits long for the last ones

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


def in_order(score: Callable[[_Job], _Result], jobs: Sequence[_Job], n_jobs: int) -> Iterator[_Result]:
    """Do all jobs; in several processes only if each has more work than its start takes.

    Args:
        score: Function of a module, so that a process can import it.
        jobs: Its arguments, one per call; they can be pickled.
        n_jobs: Maximum number of processes. No result depends on it.

    Returns:
        The results in the order of the jobs, one at a time; none without jobs.

    Raises:
        DataError: If a single process is killed by a job that it does alone.

    Example:
        >>> list(in_order(abs, [-1, 2, -3], n_jobs=1))
        [1, 2, 3]
    """
    seconds, first = float("inf"), jobs[:_FIRST_JOBS] if n_jobs > 1 else []
    for job in first:
        start = time.perf_counter()
        result = score(job)
        seconds = min(seconds, time.perf_counter() - start)
        yield result
    rest = jobs[len(first) :]
    n_jobs = min(n_jobs, len(rest), 61)  # the maximum on Windows
    if n_jobs > 1 and START_SECONDS > 0:
        n_jobs = min(n_jobs, int(seconds * len(rest) / START_SECONDS))
    if n_jobs <= 1:
        yield from map(score, rest)
        return
    chunk = 1 if seconds > _LONG_JOB else min(_LARGEST_CHUNK, -(-len(rest) // (8 * n_jobs)))
    n_done = 0
    while n_done < len(rest):
        try:
            for result in _shared(score, rest[n_done:], n_jobs, chunk):
                n_done += 1
                yield result
        except BrokenProcessPool as error:
            if n_jobs == chunk == 1:
                raise _killed_by(rest[n_done]) from error
            n_jobs, chunk = n_jobs // 2 or 1, 1
            logger.warning(
                "a process that compares masks was killed, perhaps for memory; what it had not finished is done again, "
                f"now in {n_jobs} at a time"
            )


def _shared(score: Callable[[_Job], _Result], jobs: Sequence[_Job], n_processes: int, chunk: int) -> Iterator[_Result]:
    spawn = multiprocessing.get_context("spawn")  # a copy of a process with threads may hang
    with ProcessPoolExecutor(n_processes, mp_context=spawn) as pool:
        try:
            yield from pool.map(score, jobs, chunksize=chunk)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _killed_by(job: object) -> DataError:
    case = getattr(job, "case", job)
    what = f"case {case}: the process that compares its masks was killed, also alone, perhaps for memory"
    return DataError.of(None, what, "free some memory, or leave the case out")

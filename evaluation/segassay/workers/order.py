"""Results of many tasks in the order of the tasks.

work, tasks, workers  ->  work(task) of every task, in order
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from segassay.workers.pool import Pool
from segassay.workers.tasks import LostError, Workers, refuse_lost

__all__ = ["Jobs", "each_in_order", "in_order", "workers_of"]

Jobs = int | Workers
"""What does tasks: a maximum number of processes of this machine, or workers."""

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

_AHEAD = 256
"""Tasks after the first unfinished one that may be begun: as many results may wait for it."""


def workers_of(n_jobs: Jobs) -> Workers:
    """Workers, given them or the maximum number of processes.

    Example:
        >>> workers_of(4)
        Pool(n_jobs=4)
    """
    return Pool(n_jobs) if isinstance(n_jobs, int) else n_jobs


def each_in_order(
    work: Callable[[_Task], _Result], tasks: Sequence[_Task], n_jobs: Jobs
) -> Iterator[_Result | LostError]:
    """Results in the order of the tasks, one at a time; a `LostError` in place of one that is lost."""
    waiting: dict[int, _Result | LostError] = {}
    place = 0
    for number, found in workers_of(n_jobs).results(work, tasks, ahead=_AHEAD):
        waiting[number] = found
        while place in waiting:
            yield waiting.pop(place)
            place += 1


def in_order(work: Callable[[_Task], _Result], tasks: Sequence[_Task], n_jobs: Jobs) -> Iterator[_Result]:
    """Do all tasks.

    Args:
        work: As of `Workers.results`.
        tasks: As of `Workers.results`.
        n_jobs: What does them. No result depends on it.

    Returns:
        The results in the order of the tasks, one at a time; none without tasks.

    Raises:
        LostError: After all other results, if a task kills its worker.

    Example:
        >>> list(in_order(abs, [-1, 2, -3], n_jobs=1))
        [1, 2, 3]
    """
    lost = []
    for found in each_in_order(work, tasks, n_jobs):
        if isinstance(found, LostError):
            lost.append(found)
        else:
            yield found
    refuse_lost(lost)

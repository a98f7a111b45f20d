"""What a pool of processes and a cluster have in common: they do tasks, and yield results as they come.

A task whose worker is killed is done again. One that kills its worker whenever it is done is named in a `LostError`;
the others are done all the same.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from segassay.errors import DataError, number_of

__all__ = ["LostError", "Workers", "case_of_task", "lost", "refuse_lost"]

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class LostError(DataError):
    """A task was not done, because its worker was killed whenever it did the task."""


class Workers(Protocol):
    """What does tasks: a pool of processes of this machine, or a cluster."""

    def results(
        self, work: Callable[[_Task], _Result], tasks: Sequence[_Task], *, ahead: int | None = None
    ) -> Iterator[tuple[int, _Result | LostError]]:
        """Do all tasks.

        Args:
            work: Function of a module, or a `functools.partial` of one, so that another process can import it.
            tasks: Its arguments, one per call; they can be pickled.
            ahead: Most tasks that may be begun after the first unfinished one; by default any number.

        Returns:
            Place of each task and its result, as they come; a `LostError` in place of the result of a task that kills
            its worker. No result depends on the number of workers.

        Raises:
            Exception: As from `work`; after the results of all tasks before it.
        """
        ...


def refuse_lost(lost: Sequence[LostError]) -> None:
    """Raise one error that names all tasks that were lost; do nothing if there are none."""
    if len(lost) > 1:
        count = number_of(len(lost), "case")
        lines = "\n".join(str(error) for error in lost[:20])
        more = f"\n… and {len(lost) - 20} more" if len(lost) > 20 else ""
        raise LostError(f"{count} killed their workers:\n{lines}{more}", None, f"{count} killed their workers")
    for error in lost:
        raise error


def case_of_task(task: Any) -> str:
    """Name of the case that a task is about, for messages and for the dashboard of a cluster.

    Example:
        >>> case_of_task(("0144", 3)), case_of_task("0144")
        ('0144', '0144')
    """
    if isinstance(task, tuple) and task:
        return case_of_task(task[0])
    return str(getattr(task, "case", task))


def lost(task: Any) -> LostError:
    """The error of a task that kills its worker."""
    what = f"case {case_of_task(task)}: its process was killed, also when it ran alone, perhaps because memory ran out"
    return LostError(*DataError.of(None, what, "free some memory, or leave the case out").args)

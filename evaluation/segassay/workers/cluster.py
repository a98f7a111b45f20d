"""Workers of a Dask cluster: on this machine, on others that are running, or as jobs of a queue.

    ADDRESS | local:N | slurm:N  ->  connected  ->  Cluster

Tasks are sent a few at a time, so that a million of them need no memory here. A task whose worker is lost is done again
by another one. One that was lost twice, with others at work beside it, is suspected, and done at the end, alone: only
if it kills its worker then, too, it is lost. Workers read and write the same files as this process, at the same places.
"""

from __future__ import annotations

import itertools
import logging
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from importlib.metadata import version
from typing import Any, TypeVar

from segassay.errors import DataError, UsageError, number_of
from segassay.io.progress import progress_console
from segassay.workers.pool import Pool
from segassay.workers.queues import QUEUES, start_queue
from segassay.workers.tasks import LostError, Workers, case_of_task, lost

__all__ = ["Cluster", "connected", "place_on_machine", "workers_for"]

logger = logging.getLogger("segassay")

_EXTRA = 'pip install "segassay[cluster]"'
_KINDS = (
    f"the address of a scheduler, such as tcp://10.0.0.1:8786, local:N for N processes here, or {', '.join(QUEUES)}:N"
)
_PATIENCE = 60.0  # seconds without any worker, after there were some, until the cluster counts as lost
_CONNECT_SECONDS = 20
_POLL_SECONDS = 2.0
_PER_WORKER = 3  # tasks sent per thread of the cluster: one at work, the others on their way
_ALLOWED_DEATHS = 1  # a task is done again after the first one

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


@contextmanager
def workers_for(n_jobs: int, cluster: str | Workers | None, *, progress: bool = True) -> Iterator[Workers]:
    """The workers that a call asks for: those of a cluster, else a pool of `n_jobs` processes.

    Args:
        n_jobs: Maximum number of processes without a cluster.
        cluster: As of `connected`; workers that are there already; or None.
        progress: As of `connected`.
    """
    if cluster is None:
        yield Pool(n_jobs)
        return
    with connected(cluster, progress=progress) if isinstance(cluster, str) else nullcontext(cluster) as workers:
        yield workers


@contextmanager
def connected(address: str, *, progress: bool = True) -> Iterator[Cluster]:
    """Connect to a cluster, or start one that ends with the context.

    Args:
        address: Address of a Dask scheduler; `local:N` for N processes of this machine; `slurm:N`, `pbs:N` or `lsf:N`
            for N jobs of a queue.
        progress: Whether to show the link of its dashboard on standard error.

    Raises:
        UsageError: If the address is none of these, Dask is not installed, or nobody answers.

    Example:
        >>> with connected("local:none"):
        ...     pass
        Traceback (most recent call last):
        segassay.errors.UsageError: --cluster local:none: expected a number of processes, such as local:4
    """
    kind, _, number = address.partition(":")
    n = _number(address, kind, number) if kind in ("local", *QUEUES) else 0
    if not n and ":" not in address:
        raise UsageError(f"--cluster {address}: expected {_KINDS}")
    distributed = _dask()
    import dask

    with ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": _ALLOWED_DEATHS}))
        if kind == "local":
            words = {"n_workers": n, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
            target: Any = stack.enter_context(distributed.LocalCluster(**words))
        elif kind in QUEUES:
            target = stack.enter_context(start_queue(kind, n))
        else:
            target = address
        try:
            client = stack.enter_context(distributed.Client(target, timeout=_CONNECT_SECONDS, set_as_default=False))
        except (OSError, distributed.TimeoutError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(
                f"--cluster {address}: no scheduler answers there ({reason}); expected {_KINDS}"
            ) from error
        line = f"cluster: {client.scheduler.address}, dashboard: {client.dashboard_link or 'none'}"
        progress_console(quiet=not progress).print(line, soft_wrap=True, highlight=False, markup=False)
        yield Cluster(client)


def _number(address: str, kind: str, number: str) -> int:
    if not number.isdecimal() or not int(number):
        what = "processes" if kind == "local" else "jobs"
        raise UsageError(f"--cluster {address}: expected a number of {what}, such as {kind}:4")
    return int(number)


def _dask() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise UsageError(f"--cluster needs Dask; install it with: {_EXTRA}") from error
    return distributed


class Cluster:
    """Workers of a Dask cluster.

    Args:
        client: A connected `distributed.Client`.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def results(
        self, work: Callable[[_Task], _Result], tasks: Sequence[_Task], *, ahead: int | None = None
    ) -> Iterator[tuple[int, _Result | LostError]]:
        """Do all tasks; as of `segassay.workers.tasks.Workers`."""
        run = _Run(self._client, work, tasks)
        try:
            yield from run.results(ahead)
        finally:
            run.cancel()


class _Run:
    """One call of `Cluster.results`: which tasks are sent, done, failed or suspected."""

    def __init__(self, client: Any, work: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
        self.client, self.work, self.tasks = client, work, tasks
        self.sent: dict[Any, int] = {}  # future -> place of the task
        self.suspects: list[int] = []
        self.failed: dict[int, Exception] = {}
        self.run_id = uuid.uuid4().hex[:8]
        self.n_sent = itertools.count()
        self.seen_workers = float("-inf")  # when there were some

    def results(self, ahead: int | None) -> Iterator[tuple[int, Any]]:
        """Results as they come; a suspect is done as soon as nothing else is at work."""
        places = iter(range(len(self.tasks)))
        following = next(places, None)
        while following is not None or self.sent or self.suspects:
            room = self._room()
            is_alone = bool(self.suspects) and not self.sent
            if is_alone:
                self._send(self.suspects.pop(0))
            while following is not None and len(self.sent) < room and not (self.failed or self.suspects or is_alone):
                if ahead is not None and following > min(self.sent.values(), default=following) + ahead:
                    break
                self._send(following)
                following = next(places, None)
            while is_alone and self.sent:
                yield from self._arrived(is_alone=True)
                self._room()
            yield from self._arrived()
            self._raise_first()

    def _send(self, place: int) -> None:
        task = self.tasks[place]
        key = f"{_name(self.work)} {case_of_task(task)[:80]}-{self.run_id}{next(self.n_sent)}"
        future = self.client.submit(_do, self.work, task, version("segassay"), key=key, pure=False)
        self.sent[future] = place

    def _room(self) -> int:
        """Most tasks to have sent; waits for the first worker, and gives up where none is left."""
        n_threads = sum(self.client.nthreads().values())
        now = time.monotonic()
        if n_threads:
            self.seen_workers = now
        elif self.seen_workers == float("-inf"):
            logger.warning("waiting for a worker of the cluster")
            self.seen_workers = float("inf")  # said once; the jobs of a queue may wait for days
        elif now - self.seen_workers > _PATIENCE:
            what = f"no worker of the cluster is left, and {number_of(len(self.sent), 'case')} at work are lost"
            raise DataError.of(None, what, "start workers, and repeat the command: it resumes where it stopped")
        return max(_PER_WORKER * n_threads, 1)

    def _arrived(self, *, is_alone: bool = False) -> Iterator[tuple[int, Any]]:
        """Results that have come, in the order of the tasks; waits a moment for the first."""
        from distributed import TimeoutError as TakesLong  # another one than Python's before 3.11
        from distributed import wait
        from distributed.scheduler import KilledWorker

        if not self.sent:
            return
        try:
            with self.client.as_current():
                done = wait(list(self.sent), timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED").done
        except TakesLong:
            return
        for future in sorted(done, key=self.sent.__getitem__):
            if future.status in ("pending", "lost"):  # its worker is gone, and it is done again
                continue
            place = self.sent.pop(future)
            try:
                result = future.result(timeout=_PATIENCE)
            except TakesLong:  # its worker went after it was done, and nobody does it again so far
                self.sent[future] = place
            except KilledWorker:
                if is_alone:
                    yield place, lost(self.tasks[place])
                else:
                    self._suspect(place)
            except Exception as error:
                self.failed[place] = _explained(error)
            else:
                yield place, result

    def _suspect(self, place: int) -> None:
        self.suspects.append(place)
        case = case_of_task(self.tasks[place])
        logger.warning(f"a worker was lost twice while it worked on case {case}, which is done again, alone")

    def _raise_first(self) -> None:
        """Raise the error of the first task that failed, once all before it are done."""
        if not self.failed:
            return
        first = min(self.failed)
        if all(place > first for place in self.sent.values()):
            raise self.failed[first]

    def cancel(self) -> None:
        """Take back what is not done."""
        if self.sent:
            self.client.cancel(list(self.sent), force=True)


def place_on_machine() -> int:
    """Number of the worker that does this task among those of `local:N`, for the choice of a GPU; else 0."""
    if "distributed" not in sys.modules:  # no worker has come so far without it
        return 0
    try:
        name = _dask().get_worker().name
    except ValueError:  # this process is no worker
        return 0
    return name if isinstance(name, int) else 0


def _explained(error: Exception) -> Exception:
    """Error of a task, or what it means that it could not be done."""
    from concurrent.futures import CancelledError

    if isinstance(error, ModuleNotFoundError) and str(error.name).startswith("segassay"):
        return UsageError(f"--cluster: a worker cannot import {error.name}; install SegAssay there as it is here")
    if isinstance(error, CancelledError):
        what = "the connection to the cluster was lost"
        return DataError.of(
            None, what, "check that its scheduler runs, and repeat the command: it resumes where it stopped"
        )
    return error


def _name(work: Any) -> str:
    """Name of a function, also of one with some arguments given."""
    return str(getattr(getattr(work, "func", work), "__name__", "task")).strip("_")


def _do(work: Callable[[_Task], _Result], task: _Task, wanted: str) -> _Result:
    """Do a task in a worker, if its SegAssay is that of the process that sent it."""
    if (own := _own_version()) != wanted:
        raise UsageError(f"--cluster: a worker has SegAssay {own}, this process {wanted}; install the same on both")
    return work(task)


@cache
def _own_version() -> str:
    return version("segassay")

"""Machines of a cluster, played by processes: a scheduler, and workers that start again when they are killed.

The workers are copies of the test's own process, so they have loaded already what takes seconds to import.
"""

import asyncio
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

CAN_FORK = hasattr(os, "fork")

_SETTINGS = {"distributed.scheduler.allowed-failures": 1, "distributed.comm.timeouts.connect": "2s"}
"""A worker that was killed is not waited for as long as a busy one may need to answer."""


class Machines:
    """A scheduler and workers, each with one thread, between `start` and `stop`.

    Args:
        folder: Where workers keep what they spill.
    """

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("distributed", reason="Dask is not installed (the extra `cluster`)")
        import dask

        if not CAN_FORK:
            pytest.skip("machines of a cluster are copies of this process, which this system cannot make")
        self._folder = folder
        self._fork: Any = multiprocessing.get_context("fork")
        self._processes: list[Any] = []
        self._workers: list[Any] = []
        self._open = self._fork.Event()
        self.address = ""
        self._settings: Any = dask.config.set(_SETTINGS)

    def start(self, n: int, *, locked_out: bool = False) -> "Machines":
        """Start the scheduler and `n` workers, which may be locked out until `let_in`; returns at once."""
        ours, theirs = self._fork.Pipe()
        self._start(_schedule, theirs)
        assert ours.poll(60), "no scheduler"
        self.address = ours.recv()
        for number in range(n):
            self._workers.append(self._fork.Value("i", 0))
            self._start(_supervise, self.address, f"machine {number}", self._folder, self._workers[-1], self._open)
        if not locked_out:
            self.let_in()
        return self

    def let_in(self) -> None:
        """Let the workers join the scheduler."""
        self._open.set()

    def _start(self, target: Any, *words: Any) -> None:
        process = self._fork.Process(target=target, args=words)
        process.start()
        self._processes.append(process)

    def kill_worker(self, number: int) -> None:
        """End a worker as a system does that is out of memory; it is started again."""
        os.kill(self._pid(number), signal.SIGKILL)

    def _pid(self, number: int) -> int:
        end = time.monotonic() + 60
        while not self._workers[number].value and time.monotonic() < end:
            time.sleep(0.01)
        return int(self._workers[number].value)

    def stop(self, *, scheduler: bool = True) -> None:
        """End all workers for good, and the scheduler unless it is to stay."""
        for process in self._processes[not scheduler :][::-1]:
            process.kill()
            process.join()
        for number, pid in enumerate(self._workers):
            if pid.value:
                with suppress(ProcessLookupError):  # it was killed already, and is not started again
                    os.kill(self._pid(number), signal.SIGKILL)
        self._workers.clear()
        del self._processes[not scheduler :]
        if scheduler:
            self._settings.__exit__(None, None, None)


def _schedule(told: Connection) -> None:
    from distributed import Scheduler

    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=0, dashboard_address="127.0.0.1:0") as scheduler:
            told.send(scheduler.address)
            await scheduler.finished()

    asyncio.run(serve())


def _supervise(address: str, name: str, folder: Path, pid: Any, is_open: Any) -> None:
    """Start a worker, and another one whenever it is killed, as Dask's nanny does."""
    is_open.wait()
    while True:
        worker = multiprocessing.get_context("fork").Process(target=_work, args=(address, name, folder))
        worker.start()
        pid.value = worker.pid
        worker.join()


def _work(address: str, name: str, folder: Path) -> None:
    from distributed import Worker

    async def serve() -> None:
        async with Worker(address, nthreads=1, name=name, local_directory=str(folder)) as worker:
            await worker.finished()

    asyncio.run(serve())

"""Python processes that are copies of this one: what takes ten seconds to import is loaded in them already.

They are processes all the same: each has its own memory and its own end, and can be killed. Where a copy is not safe
(no Linux, or a GPU) a fresh process is started.
"""

import asyncio
import atexit
import contextvars
import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
import types
import weakref
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from typing import Any, NoReturn

import torch
import torch._dynamo  # an optimizer loads it when it is made: copies that train have it
from sqlalchemy import Connection, Engine, event

CAN_FORK = sys.platform == "linux" and not torch.cuda.is_available()

_made: "weakref.WeakSet[Forked]" = weakref.WeakSet()
_connected: "weakref.WeakSet[Engine]" = weakref.WeakSet()
_starting = threading.Lock()  # a copy made meanwhile would keep the pipes of a process that is not in `_made` yet


@event.listens_for(Engine, "engine_connect")
def _remember(connection: Connection) -> None:
    """Know what has connections; to seek it in a copy would make that copy touch, and so copy, every object."""
    _connected.add(connection.engine)


def pool_of_copies(max_workers: int, mp_context: BaseContext, initializer: Callable[[], None]) -> ProcessPoolExecutor:
    """`ProcessPoolExecutor` whose processes are copies; tasks and results are pickled all the same."""
    return ProcessPoolExecutor(
        max_workers, multiprocessing.get_context("fork") if CAN_FORK else mp_context, initializer
    )


def forgetting(*packages: str) -> str:
    """Code that forgets packages: what imports them after it imports them anew, as in a fresh process."""
    names = f"[name for name in sys.modules if name.partition('.')[0] in {packages}]"
    return f"import sys\nfor name in {names}:\n    del sys.modules[name]\n"


class Forked(subprocess.Popen):  # type: ignore[type-arg]
    """`subprocess.Popen`, with copies for `python -c CODE …`, `python -m MODULE …` and `python SCRIPT …`."""

    def __init__(self, *args: Any, **named: Any) -> None:
        with _starting:
            super().__init__(*args, **named)

    def _execute_child(self, args: Any, *rest: Any, **named: Any) -> None:
        words = _words_of(args)
        if not CAN_FORK or words is None:
            super()._execute_child(args, *rest, **named)  # type: ignore[misc]
            return
        cwd, env = rest[4], rest[5]
        to_child, own_in, own_out, from_child, own_err, error_out = rest[9:15]
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            if rest[20]:
                os.setsid()
            _become(words, cwd, env, (to_child, from_child, error_out), (own_in, own_out, own_err))
        while rest[20] and os.getsid(self.pid) != self.pid:  # who asks for its group must not get ours
            time.sleep(0.001)
        self._child_created = True
        _made.add(self)
        self._close_pipe_fds(*rest[9:15])  # type: ignore[attr-defined]


def _words_of(args: Any) -> "list[str] | None":
    """Words after the options of Python that change nothing here; None for another command."""
    words = [os.fspath(word) for word in args] if isinstance(args, (list, tuple)) else []
    if words[:1] != [sys.executable]:
        return None
    words = words[1:]
    while words[:1] in (["-W"], ["-u"]):
        words = words[2:] if words[0] == "-W" else words[1:]
    return words if words and (words[0] in ("-c", "-m") or not words[0].startswith("-")) else None


def _become(words: list[str], cwd: Any, env: Any, ends: tuple[int, ...], others: tuple[int, ...]) -> NoReturn:
    """In the copy: forget what belongs to the process before, run the words, end as Python does."""
    status = 1
    try:
        _leave_behind(others)
        for number, fd in enumerate(ends):
            if fd != -1:
                os.dup2(fd, number)
        streams = zip(("stdin", "stdout", "stderr"), "rww", strict=True)
        for number, (name, mode) in enumerate(streams):
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
        if env is not None:
            os.environ.clear()
            os.environ.update(env)
        own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:0] = [path for path in own if path and path not in sys.path]
        if cwd is not None:
            os.chdir(cwd)
        sys.argv = words[1:] if words[0] == "-m" else ["-c", *words[2:]] if words[0] == "-c" else words
        status = contextvars.Context().run(_run, words)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _leave_behind(pipes: tuple[int, ...]) -> None:
    """What a fresh process does not have: pipes, connections, a run of MLflow, a loop, things to do at its end."""
    for fd in pipes:
        if fd != -1:
            os.close(fd)
    for other in list(_made):
        for stream in (other.stdin, other.stdout, other.stderr):
            if stream is not None and not stream.closed:
                os.close(stream.fileno())
    _made.clear()
    _starting.release()  # held by the thread that made this copy
    for engine in list(_connected):
        engine.dispose(close=False)
    if (fluent := sys.modules.get("mlflow.tracking.fluent")) is not None:
        fluent._active_run_stack.set([])
    asyncio.set_event_loop_policy(None)  # forgets the loop in which this copy was made
    gc.freeze()  # nothing of the process before is closed here
    atexit._clear()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _run(words: list[str]) -> int:
    """Exit code of the words."""
    try:
        if words[0] == "-c":
            sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(words[1], "<string>", "exec"), vars(sys.modules["__main__"]))
        elif words[0] == "-m":
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return end.code or 0
    return 0

"""Signals that end a process: its runs are closed first, and the database stays whole.

signal  ->  is a database being written?  ->  wait  ->  SystemExit or KeyboardInterrupt  ->  the run is closed
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["end_on_signal", "terminate_after"]

_AGAIN_SECONDS = 0.02


@contextmanager
def end_on_signal() -> Iterator[None]:
    """Turn the signal that ends a job on a cluster into `SystemExit`, so that the `with` blocks close the run.

    It waits while a database is written, and so does Ctrl-C: a transaction that is left half done keeps the database
    locked, and the run could not be closed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _terminate)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not one that ignores it, or a program's own
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _terminate(number: int, frame: FrameType | None) -> None:
    if not _waits(number, frame):
        sys.exit(128 + number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not _waits(number, frame):
        signal.default_int_handler(number, frame)


def _waits(number: int, frame: FrameType | None) -> bool:
    """Whether a frame, or one that called it, is of the library that writes databases; then the signal comes again."""
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("sqlalchemy."):
            again = threading.Timer(_AGAIN_SECONDS, _to_main_thread, [number])
            again.daemon = True
            again.start()
            return True
        frame = frame.f_back
    return False


def _to_main_thread(number: int) -> None:
    """Raise a signal where it also ends what the main thread waits for, a pause for example."""
    main = threading.main_thread().ident
    if sys.platform == "win32" or main is None:
        signal.raise_signal(number)
    else:
        signal.pthread_kill(main, number)


@contextmanager
def terminate_after() -> Iterator[None]:
    """Let the signal that ends a job wait for the block: a run that it stops from being closed would stay RUNNING."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if came:
            _terminate(came[0], None)

"""The end of the processes of a study: asked first, by their input; killed only if they do not listen."""

import signal
import subprocess
import sys
import time

import pytest

from segassay_monai.study.scheduler import _stop

KILLED = 1 if sys.platform == "win32" else -signal.SIGKILL
LISTENS = "import sys; print('ready', flush=True); sys.stdin.read(); sys.exit(0)"
DEAF = "import time; print('ready', flush=True); time.sleep(600)"


def start(code: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_processes_that_listen_end_by_themselves() -> None:
    processes = [start(LISTENS), start(LISTENS)]
    _stop(processes, 60)
    assert [process.returncode for process in processes] == [0, 0]


def test_a_process_that_does_not_listen_is_killed_in_time_and_the_others_are_not() -> None:
    processes = [start(DEAF), start(LISTENS)]
    started = time.monotonic()
    _stop(processes, 1)
    assert 1 <= time.monotonic() - started < 60
    assert [process.returncode for process in processes] == [KILLED, 0]


def test_a_second_interruption_kills_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    process = start(DEAF)
    wait, n = process.wait, 0

    def interrupted(timeout: float | None = None) -> int:
        nonlocal n
        n += 1
        if n == 1:
            raise KeyboardInterrupt
        return wait(timeout)

    monkeypatch.setattr(process, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _stop([process], 600)
    assert process.returncode == KILLED


def test_a_process_that_has_ended_is_left_alone() -> None:
    process = start("print('ready', flush=True)")
    assert process.wait() == 0
    _stop([process], 60)
    assert process.returncode == 0

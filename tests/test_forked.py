"""Copies of this process, which tests start instead of fresh ones: they behave as those do."""

import ast
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow.tracking import fluent
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

import forked
from forked import Forked
from segassay.tracking.waiting import Running, running

PYTHON = [sys.executable, "-W", "ignore"]
SAYS = (
    "import os, sys; print(sys.argv[1:], os.environ['WHO'], os.getcwd(), sys.stdin.read()); sys.exit(int(sys.argv[1]))"
)

pytestmark = pytest.mark.skipif(not forked.CAN_FORK, reason="no process is copied here")


def test_words_environment_folder_input_output_and_exit_code_are_its_own(tmp_path: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with Forked([*PYTHON, "-c", SAYS, "3", "b"], env={"WHO": "copy"}, cwd=tmp_path, **pipes) as process:
        printed = process.communicate("asked")[0]
    assert (printed, process.returncode) == (f"['3', 'b'] copy {tmp_path} asked\n", 3)
    assert "WHO" not in os.environ


def test_an_error_is_a_traceback_and_code_1() -> None:
    with Forked([*PYTHON, "-c", "1 / 0"], stderr=subprocess.PIPE, text=True) as process:
        assert "ZeroDivisionError" in process.communicate()[1]
    assert process.returncode == 1


def test_it_is_killed_alone_and_its_input_ends_when_it_is_closed_though_another_copy_began_later() -> None:
    waits = [*PYTHON, "-c", "import sys; sys.stdin.read()"]
    first, second = (Forked(waits, stdin=subprocess.PIPE) for _ in range(2))
    assert first.stdin is not None
    first.stdin.close()
    assert first.wait(60) == 0
    assert second.poll() is None
    second.kill()
    assert second.wait(60) == -signal.SIGKILL


def test_copies_that_threads_start_at_once_end_when_their_input_is_closed() -> None:
    waits = [*PYTHON, "-c", "import sys; sys.stdin.read()"]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            together = list(pool.map(lambda _: Forked(waits, stdin=subprocess.PIPE), range(4)))
            for process in together:
                assert process.stdin is not None
                process.stdin.close()
                assert process.wait(60) == 0


def test_a_copy_starts_copies() -> None:
    code = "import sys; from forked import Forked; print(Forked([sys.executable, '-c', 'print(1)']).wait())"
    with Forked([*PYTHON, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert sorted(process.communicate()[0].split()) == ["0", "1"]


def test_a_connection_to_a_database_stays_here_and_the_copy_opens_its_own(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{(tmp_path / 'store.db').as_posix()}", poolclass=QueuePool)
    with engine.connect():
        pass
    code = "import forked; print([one.pool.checkedin() for one in forked._connected])"
    with Forked([*PYTHON, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        found = ast.literal_eval(process.communicate()[0])
    assert found
    assert set(found) == {0}
    assert engine.pool.checkedin() == 1


def test_what_is_logged_here_is_not_logged_there() -> None:
    code = (
        "from segassay.tracking.waiting import current_run; from mlflow.tracking import fluent;"
        "print(current_run(), fluent._active_run_stack.get())"
    )
    fluent._active_run_stack.get().append("run")
    try:
        with running(Running("lab", "study", "run")), Forked([*PYTHON, "-c", code], stdout=subprocess.PIPE) as process:
            printed = process.communicate()[0]
    finally:
        fluent._active_run_stack.get().pop()
    assert printed == b"None []\n"


def test_what_it_changes_is_not_changed_here(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import signal; signal.changed_by_a_copy = True\nif __name__ != '__main__': raise SystemExit(1)\n"
    )
    assert Forked([sys.executable, str(script)]).wait(60) == 0
    assert not hasattr(signal, "changed_by_a_copy")


def test_another_program_is_started() -> None:
    with Forked(["echo", "started"], stdout=subprocess.PIPE, text=True) as process:
        assert process.communicate()[0] == "started\n"

"""The user interface is started on the right page, on this computer only, and its command line holds no password."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segassay import tracking
from segassay.errors import UsageError
from segassay.tracking import ui

SECRET = "hunter2"


def test_the_page_is_that_of_the_study_that_was_changed_last(new_store: Callable[[Path], str], tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))
    assert ui.page_to_open() == "/", "an empty store has no study to show"
    first, second = tracking.open_experiment("first"), tracking.open_experiment("second")
    assert f"/experiments/{second}/" in ui.page_to_open()
    assert f"/experiments/{first}/" in ui.page_to_open("first")
    with pytest.raises(
        UsageError, match=r"--mlflow-experiment none: .* has no such MLflow experiment; it has 'second', 'first'"
    ):
        ui.page_to_open("none")


def test_a_password_is_given_by_the_environment_alone(monkeypatch):
    uri = f"postgresql://anna:{SECRET}@127.0.0.1:1/mlflow"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setattr(ui, "page_to_open", lambda experiment: "/")
    monkeypatch.setattr(ui, "_wait_for", lambda process, port, words: None)
    started: dict[str, Any] = {}

    class Process:
        def __init__(self, words: list[str], env: dict[str, str], **streams: Any) -> None:
            started.update(words=words, env=env)

        def wait(self) -> None:
            """End at once."""

        terminate = wait

    monkeypatch.setattr(ui.subprocess, "Popen", Process)
    lines: list[str] = []
    ui.open_ui(browser=False, say=lines.append)
    assert SECRET not in " ".join([*started["words"], *lines])
    assert started["env"]["MLFLOW_BACKEND_STORE_URI"] == uri
    assert started["words"][started["words"].index("--host") + 1] == "127.0.0.1"


def test_without_the_user_interface_it_says_what_to_install(monkeypatch):
    """As where only the evaluation is installed, with `mlflow-skinny`."""
    monkeypatch.setattr(ui, "page_to_open", lambda experiment: "/")
    monkeypatch.setattr(ui.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(ui.subprocess, "Popen", lambda *words, **streams: pytest.fail("started"))
    with pytest.raises(UsageError, match=r'without its user interface; add it with: pip install "segassay\[mlflow\]"'):
        ui.open_ui(browser=False)


def test_a_port_that_is_taken_is_one_message_and_else_the_next_one_is_chosen():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} is taken on this computer; give a free one as --port"):
            ui._free_port(port)
    assert ui._free_port(None) >= ui.PORT

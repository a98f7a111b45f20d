"""What a server of a group says no to: one message with what to set, and no password in it."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from segassay import tracking
from segassay.errors import UsageError

SECRET = "hunter2"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], str]]:
    """Start a server that gives every request the same answer; its address."""
    started: list[HTTPServer] = []
    for name in ("http_proxy", "HTTP_PROXY", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def start(status: int) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"Permission denied" if status == 403 else b"You are not authenticated.")

            do_POST = do_GET

            def log_message(self, *words: object) -> None:
                """Print nothing."""

        started.append(HTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=started[-1].serve_forever, args=(0.05,), daemon=True).start()
        return f"127.0.0.1:{started[-1].server_port}"

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


@pytest.mark.parametrize(
    ("status", "user", "message"),
    [
        (401, "", "asks for a name and a password; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (401, "ben", "does not know the user 'ben' with this password; correct MLFLOW_TRACKING_USERNAME and"),
        (
            403,
            "ben",
            "does not allow the user 'ben' to write to the experiment 'lab'; ask its owner for the permission",
        ),
    ],
)
def test_a_refusal_is_one_message_with_what_to_set(server, monkeypatch, status, user, message):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{server(status)}")
    if user:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    with pytest.raises(UsageError) as refused, tracking.run("lab", "run", tags={}, params={}):
        pytest.fail("the body must not run")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)
    assert not tracking.is_active()


def test_a_password_in_the_address_is_not_in_the_message(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ben:{SECRET}@{server(401)}")
    with pytest.raises(UsageError, match="does not know the user 'ben'") as refused:
        tracking.open_experiment("lab")
    assert SECRET not in str(refused.value)


def test_a_database_that_does_not_open_is_one_message_without_its_password(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"nodatabase://anna:{SECRET}@127.0.0.1:1/mlflow")
    with pytest.raises(UsageError) as refused:
        tracking.open_experiment("lab")
    assert SECRET not in str(refused.value)

"""A server of MLflow that is not there is one message within seconds, not ten minutes of trying."""

import socket
import time

import pytest

from segassay import tracking
from segassay.errors import UsageError


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nobody_answers(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://127.0.0.1:{port}")
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    started = time.monotonic()
    with pytest.raises(UsageError, match=rf"server at {scheme}://127.0.0.1:{port} does not answer .*start it"):
        tracking.open_experiment("lab")
    assert time.monotonic() - started < 20

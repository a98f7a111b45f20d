"""An MLflow server in a process of its own, which tests kill and start again; its store is that of a file."""

import multiprocessing
import os
import socket
import time
from pathlib import Path

_START = "fork" if hasattr(os, "fork") else "spawn"  # a copy of this process need not load MLflow again


class Server:
    """Answers on one port between `start` and `stop`.

    Args:
        folder: Folder of the artifacts.
        store: Address of its store.
    """

    def __init__(self, folder: Path, store: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self._words = (self._port, store, (folder / "artifacts").as_uri())
        self._process: multiprocessing.process.BaseProcess | None = None

    @property
    def uri(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = multiprocessing.get_context(_START).Process(target=_serve, args=self._words, daemon=True)  # type: ignore[attr-defined]
        self._process.start()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError(f"no answer on port {self._port}")

    def stop(self) -> None:
        """Kill it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _serve(port: int, store: str, artifacts: str) -> None:
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": store,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": f"mlflow-artifacts://127.0.0.1:{port}/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": artifacts,
        "MLFLOW_TRACKING_URI": store,
    }
    import mlflow
    from mlflow.server import app, handlers

    mlflow.set_tracking_uri(store)
    handlers._tracking_store = handlers._model_registry_store = handlers._artifact_repo = None
    app.run("127.0.0.1", port, threaded=True)

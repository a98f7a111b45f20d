"""MLflow's user interface: started on this computer only, and opened on the page that shows the study.

store, MLflow experiment  ->  a server on 127.0.0.1, the address of the page
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

from segassay.errors import UsageError
from segassay.tracking.address import is_server, shown, store_uri
from segassay.tracking.faults import check_server, refusals
from segassay.tracking.store import environment, mlflow_in_use

__all__ = ["open_ui", "page_of", "page_to_open"]

HOST, PORT = "127.0.0.1", 5000
_SECONDS_TO_START = 120.0


def page_of(experiment_id: str) -> str:
    """Path and fragment of the page of an MLflow experiment that compares its runs in charts.

    Example:
        >>> page_of("1")
        '/#/experiments/1/runs?workflowType=machine_learning&compareRunsMode=CHART'
    """
    query = {"workflowType": "machine_learning", "compareRunsMode": "CHART"}
    return f"/#/experiments/{experiment_id}/runs?{urlencode(query)}"


def page_to_open(experiment: str | None = None) -> str:
    """Path and fragment of the page of an MLflow experiment, by default of the one that was changed last.

    Args:
        experiment: Name of the MLflow experiment.

    Returns:
        The start page where the store has no MLflow experiment yet.

    Raises:
        UsageError: If there is no such MLflow experiment, or the store cannot be read.
    """
    uri = store_uri()
    check_server(uri)
    with mlflow_in_use() as mlflow, refusals(uri, "to read the experiments"):
        found = mlflow.search_experiments(order_by=["last_update_time DESC"])
    own = [one for one in found if one.name == experiment or (experiment is None and one.name != "Default")]
    if experiment is not None and not own:
        names = ", ".join(repr(one.name) for one in found[:5])
        raise UsageError(
            f"--mlflow-experiment {experiment}: {shown(uri)} has no such MLflow experiment; it has {names}"
        )
    return page_of(str(own[0].experiment_id)) if own else "/"


def open_ui(
    experiment: str | None = None,
    *,
    port: int | None = None,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Start the user interface, open the page in a browser, and serve until it is interrupted.

    Where the store is a server, its page is opened. A password in the store's address is given to the server by its
    environment, so that no list of processes shows it.

    Args:
        experiment: Name of the MLflow experiment to open; by default the one that was changed last.
        port: Port on this computer; by default 5000, or the next one that is free.
        browser: Whether to open a browser.
        say: Gets the lines to print.

    Raises:
        UsageError: If there is no such MLflow experiment, the port is taken, MLflow cannot be started, or only the part
            of it is installed that has no user interface.
    """
    uri, page = store_uri(), page_to_open(experiment)
    if is_server(uri):
        say(f"MLflow: {shown(uri).rstrip('/')}{page}")
        if browser:
            webbrowser.open(f"{shown(uri).rstrip('/')}{page}")
        return
    if importlib.util.find_spec("flask") is None:  # the evaluation alone needs `mlflow-skinny`
        raise UsageError('MLflow is installed without its user interface; add it with: pip install "segassay[mlflow]"')
    chosen = _free_port(port)
    address = f"http://{HOST}:{chosen}{page}"
    with environment():
        words = [sys.executable, "-W", "ignore", "-m", "mlflow", "ui", "--host", HOST, "--port", str(chosen)]
        process = subprocess.Popen(
            [*words, "--workers", "1"],
            env={**os.environ, "MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_LOGGING_LEVEL": "ERROR"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    try:
        _wait_for(process, chosen, words)
        say(f"MLflow: {address}")
        say(f"It shows {shown(uri)}, to this computer only. Press Ctrl-C to stop it.")
        if browser:
            webbrowser.open(address)
        process.wait()
    except KeyboardInterrupt:
        pass
    finally:
        process.terminate()
        process.wait()


def _free_port(wanted: int | None) -> int:
    """The wanted port, else the first one from 5000 that nobody listens on."""
    for port in range(PORT, PORT + 20) if wanted is None else [wanted]:
        with socket.socket() as place:
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                place.bind((HOST, port))
            except OSError:
                continue
        return port
    taken = f"{PORT} to {PORT + 19} are" if wanted is None else f"{wanted} is"
    raise UsageError(f"port {taken} taken on this computer; give a free one as --port")


def _wait_for(process: subprocess.Popen[bytes], port: int, words: Sequence[str]) -> None:
    end = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < end:
        if process.poll() is not None:
            raise UsageError(f"MLflow ended with exit code {process.returncode}; to see why: {' '.join(words)}")
        connection = HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            time.sleep(0.2)
        finally:
            connection.close()
    raise UsageError(f"MLflow does not answer on port {port}; to see why: {' '.join(words)}")

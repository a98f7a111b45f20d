"""Runs whose process was killed: MLflow shows them as running for ever, unless the next command closes them.

a run starts  ->  tag with its computer and process;  the next command  ->  process ended?  ->  killed
"""

import os
import socket

import psutil

__all__ = ["close_killed", "own_process"]

_TAG = "segassay.process"
_MOST = 1000  # runs that are looked at


def own_process() -> dict[str, str]:
    """Tag of a run: computer, number of the process, and when that started, because numbers are used again."""
    number = os.getpid()
    return {_TAG: f"{number} {psutil.Process(number).create_time():.0f} {socket.gethostname()}"}


def close_killed(experiment_id: str) -> None:
    """Close the running runs of an MLflow experiment as killed whose process on this computer has ended.

    Those of other computers, and without the tag, stay as they are. MLflow is in use already.
    """
    from mlflow import MlflowClient

    client = MlflowClient()
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'", max_results=_MOST):
        if _has_ended(run.data.tags.get(_TAG, "")):
            client.set_terminated(run.info.run_id, "KILLED")


def _has_ended(tag: str) -> bool:
    number, _, rest = tag.partition(" ")
    started, _, computer = rest.partition(" ")
    if computer != socket.gethostname() or not number.isdecimal() or not started.isdecimal():
        return False
    try:
        return abs(psutil.Process(int(number)).create_time() - int(started)) > 2
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False

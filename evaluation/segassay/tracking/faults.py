"""What a store or server of MLflow refuses, as one message that says what to set.

error of MLflow, SQLAlchemy or an HTTP request  ->  `UsageError`, without a password
"""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass, url2pathname

from segassay.errors import UsageError
from segassay.tracking.address import STORE, is_server, shown, without_password

__all__ = ["check_server", "first_line", "is_gone", "refusal", "refusals", "refused_artifact", "why_silent"]

_SERVER_SECONDS = 5
_STATUS_OF = {"UNAUTHENTICATED": 401, "CUSTOMER_UNAUTHORIZED": 401, "PERMISSION_DENIED": 403}


def why_silent(uri: str) -> str:
    """Why nobody answers at the address of a server; empty if somebody does, or it is not one."""
    place = urlsplit(uri)
    through_proxy = place.scheme in getproxies() and not proxy_bypass(place.hostname or "")
    if not is_server(uri) or place.hostname is None or through_proxy:
        return ""
    try:
        port = place.port or (443 if place.scheme == "https" else 80)
        socket.create_connection((place.hostname, port), timeout=_SERVER_SECONDS).close()
    except (OSError, ValueError) as error:
        return without_password(str(error), uri)
    return ""


def check_server(uri: str) -> None:
    """Raise an error within seconds if nobody answers: MLflow itself tries for ten minutes."""
    if reason := why_silent(uri):
        raise UsageError(
            f"the MLflow server at {shown(uri)} does not answer ({reason}); start it, or correct MLFLOW_TRACKING_URI, "
            f"or unset it to log to {STORE} in the current folder"
        )


def is_gone(error: BaseException, uri: str) -> bool:
    """Whether an error of MLflow says that its server no longer answers."""
    text = f"{error} {error.__cause__ or ''}"
    return is_server(uri) and any(words in text for words in _OF_SILENCE)


_OF_SILENCE = ("ax retries exceeded", "Connection refused", "Connection aborted", "too many 50")


def first_line(error: BaseException, uri: str) -> str:
    """The first line of an error, cut and without a password."""
    text = (str(error).strip() or type(error).__name__).split("\n")[0]
    return without_password(text, uri)[:300].rstrip(".;")


def refusal(error: Exception, uri: str, what: str) -> UsageError | None:
    """What a server or a disk says no to, as one message; None for any other error.

    Args:
        error: An error of MLflow, of an HTTP request of its client, or of its database or artifacts.
        uri: Address of the store.
        what: What was asked for, such as `the experiment 'lab'`.
    """
    place, user = shown(uri), os.environ.get("MLFLOW_TRACKING_USERNAME") or urlsplit(uri).username
    status = _status(error)
    if status == 401 and user is None:
        return UsageError(
            f"the MLflow server at {place} asks for a name and a password; set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD"
        )
    if status == 401:
        return UsageError(
            f"the MLflow server at {place} does not know the user {user!r} with this password; correct "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    if status == 403:
        return UsageError(
            f"the MLflow server at {place} does not allow the user {user!r} to write to {what}; ask its owner for the "
            "permission EDIT, name another experiment, or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
            "to a user who has it"
        )
    if is_gone(error, uri):
        return UsageError(
            f"the MLflow server at {place} no longer answers; start it again, and repeat the command, which resumes"
        )
    fault = next((words for words in _OF_DISKS if words in str(error)), None)
    if fault is not None and not is_server(uri):
        return UsageError(f"the MLflow store {place}: {fault}; {_OF_DISKS[fault]}; then repeat the command")
    return None


_ELSEWHERE = "or set MLFLOW_TRACKING_URI to another store"
_OF_DISKS = {
    "database or disk is full": f"free some space, {_ELSEWHERE}",
    "attempt to write a readonly database": f"ask its owner for the permission to write, {_ELSEWHERE}",
    "unable to open database file": f"make its folder writable, {_ELSEWHERE}",
    "disk I/O error": f"check the disk and its free space, {_ELSEWHERE}",
    "database disk image is malformed": f"take it from a copy, {_ELSEWHERE}",
    "database is locked": f"end the program that keeps it open, {_ELSEWHERE}",
}
"""What SQLite says where its file cannot be written or read -> what to do."""


def refused_artifact(error: BaseException, place: str) -> UsageError | None:
    """Files of a run that a disk refuses, as one message; None for any other error.

    Args:
        error: Any error.
        place: Address of the artifacts of the run.
    """
    if not isinstance(error, OSError) or not place.startswith("file:"):
        return None
    folder = Path(url2pathname(urlsplit(place).path))
    names = [Path(str(name)) for name in (error.filename, error.filename2) if name is not None]
    if not any(name.is_relative_to(folder) or folder.is_relative_to(name) for name in names):
        return None
    return UsageError(
        f"the files of MLflow in {folder}: cannot be written ({error.strerror}); free some space, or ask its owner for "
        "the permission to write; then repeat the command"
    )


def _status(error: Exception) -> int | None:
    """Status of the HTTP answer behind an error; None if there is none."""
    response = getattr(error, "response", None)
    if response is not None and hasattr(response, "status_code"):
        return int(response.status_code)
    if (code := getattr(error, "error_code", None)) in _STATUS_OF:
        return _STATUS_OF[code]
    found = re.search(r"failed with error code (\d{3})", str(error))
    return int(found[1]) if found else None


@contextmanager
def refusals(uri: str, what: str) -> Iterator[None]:
    """Turn every refusal of the store inside the block into one message.

    Raises:
        UsageError: If the store cannot be reached or written, or refuses.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        if refused := refusal(error, uri, what):
            raise refused from error
        reason = first_line(error.__cause__ or error, uri)
        raise UsageError(f"{shown(uri)}: {reason}; set MLFLOW_TRACKING_URI to another store") from error
    except MlflowException as error:
        raise refusal(error, uri, what) or UsageError(
            f"MLflow at {shown(uri)} refuses {what}: {first_line(error, uri)}; name another one, or set "
            "MLFLOW_TRACKING_URI to another store"
        ) from error

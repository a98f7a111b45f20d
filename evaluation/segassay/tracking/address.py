"""The address of the store where runs are logged, and the line that shows them; no text here contains a password.

MLFLOW_TRACKING_URI, current folder  ->  address  ->  the same without a password, the command that shows the runs
"""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from segassay.errors import UsageError

__all__ = ["STORE", "as_uri", "is_server", "shown", "store_uri", "ui_command", "using", "without_password"]

STORE = "mlflow.db"
_SQLITE = "sqlite:///"
_VARIABLE = "MLFLOW_TRACKING_URI"


def store_uri() -> str:
    """Address of the store: `MLFLOW_TRACKING_URI`, or `mlflow.db` in the current folder as an absolute SQLite URI."""
    return os.environ.get(_VARIABLE) or f"{_SQLITE}{(Path.cwd() / STORE).as_posix()}"


def as_uri(place: str) -> str:
    """Address of a store that a user names by its address, or by the path of an SQLite file.

    Raises:
        UsageError: If it is neither.

    Example:
        >>> as_uri("postgresql://db.example/mlflow")
        'postgresql://db.example/mlflow'
    """
    if "://" in place:
        return place
    if not Path(place).is_file():
        raise UsageError(f"--store {place}: no such file; expected mlflow.db, or an address such as http://host:5000")
    return f"{_SQLITE}{Path(place).resolve().as_posix()}"


@contextmanager
def using(uri: str | None) -> Iterator[None]:
    """Inside the block, log to another store than the environment names; None changes nothing."""
    before = os.environ.get(_VARIABLE)
    if uri is not None:
        os.environ[_VARIABLE] = uri
    try:
        yield
    finally:
        if uri is not None:
            os.environ.pop(_VARIABLE, None)
        if before is not None:
            os.environ[_VARIABLE] = before


def is_server(uri: str) -> bool:
    """Whether an address is that of a server, to which MLflow talks by HTTP."""
    return uri.partition("://")[0].lower() in ("http", "https")


def shown(uri: str) -> str:
    """An address as it may be printed: without user, password and query; that of a file as it is.

    Example:
        >>> shown("postgresql://anna:secret@db.example:5432/mlflow?sslpassword=x"), shown("sqlite:///lab/mlflow.db")
        ('postgresql://db.example:5432/mlflow', 'sqlite:///lab/mlflow.db')
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme.startswith("sqlite"):
        return uri
    place = rest.rpartition("@")[2]  # a password may contain every other sign
    return f"{scheme}://{re.split(r'[?&#;]', place)[0]}"


def without_password(text: str, uri: str) -> str:
    """A text, such as the error of a library, without the password of an address.

    Example:
        >>> without_password("cannot open http://anna:pa/ss@host: pa/ss is wrong", "http://anna:pa/ss@host")
        'cannot open http://host: … is wrong'
    """
    text = text.replace(uri, shown(uri))
    secret = uri.partition("://")[2].rpartition("@")[0].partition(":")[2]
    of_query = re.findall(r"(?:password|pwd)=([^&;]+)", uri, re.IGNORECASE)
    for password in {secret, unquote(secret), *of_query, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")}:
        text = text.replace(password, "…") if len(password) > 2 else text
    return re.sub(r"(\w://)[^\s/@]*@", r"\1", text)


def ui_command() -> str:
    """The command that shows the runs in a browser, on this computer only; of a server its address."""
    uri = store_uri()
    if is_server(uri):
        return shown(uri)
    is_found = shutil.which("segassay") is not None  # False if the environment is not activated
    program = "segassay" if is_found else f"{shlex.quote(sys.executable)} -m segassay"
    place = f" --store {shlex.quote(uri.removeprefix(_SQLITE))}" if uri.startswith(_SQLITE) else ""
    return f"{program} mlflow ui{place}"

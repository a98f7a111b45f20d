"""The SQLite file of a store: made whole or not at all, and made again if a process was killed while it made one.

no file, or one without any experiment  ->  MLflow makes its tables in a file beside it  ->  renamed
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

__all__ = ["make_database"]

logger = logging.getLogger("segassay")


def make_database(database: Path) -> None:
    """Make the file of a store, unless there is one with content; the caller holds its lock.

    MLflow needs seconds for its tables. A file that was left half made is refused by MLflow for ever, and holds
    nothing: it is renamed, with a message.

    Args:
        database: The SQLite file; its folder exists.

    Raises:
        OSError: If it cannot be written.
    """
    if database.exists() and database.stat().st_size > 0:
        if _has_experiments(database):
            return
        aside = database.with_name(f"{database.name}.unfinished")
        os.replace(database, aside)
        logger.warning(
            f"a process that was killed left {database} unfinished and without any run; it was renamed to {aside.name}"
        )
    from mlflow import MlflowClient

    made, copied = (database.with_name(f".{database.name}.{ending}") for ending in ("new", "copy"))
    made.unlink(missing_ok=True)  # of a process that was killed
    copied.unlink(missing_ok=True)
    try:
        MlflowClient(f"sqlite:///{made.as_posix()}").search_experiments()
        with closing(sqlite3.connect(made)) as one, closing(sqlite3.connect(copied)) as other:
            one.backup(other)  # SQLite waits until it is on the disk
        os.replace(copied, database)
    finally:
        with suppress(OSError):  # MLflow keeps it open, which Windows does not like
            made.unlink(missing_ok=True)
            copied.unlink(missing_ok=True)


def _has_experiments(database: Path) -> bool:
    """Whether a store is finished: the last that MLflow makes is its first experiment. True if it cannot be told."""
    try:
        with closing(sqlite3.connect(database, timeout=1)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
            if tables and not tables & {"alembic_version", "experiments"}:
                return True  # of another program
            of = "select count(*) from experiments"
            return "experiments" in tables and connection.execute(of).fetchone()[0] > 0
    except sqlite3.Error:
        return True

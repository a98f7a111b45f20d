"""Back up the store of an MLflow server, or restore it: the database, the users, and the artifacts.

    python -m segassay.tracking.backup save saved --artifacts mlartifacts --users basic_auth.db
    python -m segassay.tracking.backup restore saved --artifacts mlartifacts --users basic_auth.db

The database is the one that `MLFLOW_BACKEND_STORE_URI` names: PostgreSQL (by `pg_dump` and `pg_restore`, which must be
on the path) or SQLite. Its password is given to these programs by their environment, never in the command. Save first
the database, then the artifacts, so that no run in the backup lacks a file; stop the server before a restore. A backup
is written whole or not at all, and a restore never replaces a database or a folder that is not empty.
"""

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

SQLITE = "sqlite:///"
DUMP, COPY, USERS, ARTIFACTS = "database.dump", "database.sqlite", "users.sqlite", "artifacts"


def connection(uri: str) -> dict[str, str]:
    """Environment by which the programs of PostgreSQL find a database.

    Example:
        >>> connection("postgresql+psycopg2://anna:a%40b@db:5433/mlflow")["PGPASSWORD"]
        'a@b'
    """
    place = urlsplit(uri)
    found = {
        "PGHOST": place.hostname,
        "PGPORT": str(place.port or 5432),
        "PGUSER": unquote(place.username or ""),
        "PGPASSWORD": unquote(place.password or ""),
        "PGDATABASE": unquote(place.path.lstrip("/")),
    }
    return {name: value for name, value in found.items() if value}


def save(uri: str, out: Path, artifacts: Path | None, users: Path | None) -> None:
    """Write a backup into a folder that does not exist yet."""
    if out.exists():
        sys.exit(f"error: {out} exists; give another folder")
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if uri.startswith(SQLITE):
        _copy_sqlite(Path(uri.removeprefix(SQLITE)), partial / COPY)
    else:
        words = ["pg_dump", "--format=custom", "--no-owner", f"--file={partial / DUMP}"]
        _call(words, connection(uri))
    if users is not None:
        _copy_sqlite(users, partial / USERS)
    if artifacts is not None:
        shutil.copytree(artifacts, partial / ARTIFACTS)
    partial.rename(out)


def restore(uri: str, source: Path, artifacts: Path | None, users: Path | None) -> None:
    """Restore a backup into an empty database, and into files and folders that do not exist yet."""
    if not source.is_dir():
        sys.exit(f"error: {source} is not a folder; give one that `save` has written")
    for place in (artifacts, users):
        if place is not None and place.exists() and (place.is_file() or any(place.iterdir())):
            sys.exit(f"error: {place} exists; move it away first")
    if uri.startswith(SQLITE):
        place = Path(uri.removeprefix(SQLITE))
        if place.exists():
            sys.exit(f"error: {place} exists; move it away first")
        _copy_sqlite(source / COPY, place)
    else:
        words = ["pg_restore", "--no-owner", "--exit-on-error", "--single-transaction"]
        environment = connection(uri)
        _call([*words, f"--dbname={environment['PGDATABASE']}", str(source / DUMP)], environment)
    if users is not None:
        _copy_sqlite(source / USERS, users)
    if artifacts is not None:
        shutil.copytree(source / ARTIFACTS, artifacts, dirs_exist_ok=True)


def _call(words: list[str], environment: dict[str, str]) -> None:
    if shutil.which(words[0]) is None:
        sys.exit(f"error: {words[0]} is not found; install the client of PostgreSQL, or add its folder to PATH")
    if status := subprocess.run(words, env=os.environ | environment, check=False).returncode:
        sys.exit(f"error: {words[0]} ended with exit code {status}; nothing was kept")


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database that may be in use."""
    if not source.is_file():
        sys.exit(f"error: {source}: no such file")
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def main() -> None:
    """Read the call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["save", "restore"])
    parser.add_argument("folder", type=Path, help="Folder of the backup.")
    parser.add_argument("--artifacts", type=Path, help="Folder of --artifacts-destination.")
    parser.add_argument("--users", type=Path, help="SQLite file of the users, basic_auth.db.")
    call = parser.parse_args()
    uri = os.environ.get("MLFLOW_BACKEND_STORE_URI", "")
    if not uri:
        sys.exit("error: set MLFLOW_BACKEND_STORE_URI to the address of the database, as for the server")
    (save if call.what == "save" else restore)(uri, call.folder, call.artifacts, call.users)


if __name__ == "__main__":
    main()

"""Backup of a store in SQLite; PostgreSQL is tried by benchmarks/team_server.py."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from segassay.tracking.backup import restore, save


def store(path: Path, value: int) -> str:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table metrics (value)")
        database.execute("insert into metrics values (?)", [value])
    return f"sqlite:///{path.as_posix()}"


def content(path: Path) -> list[tuple[int]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("select value from metrics").fetchall()


def test_what_was_saved_is_restored_in_another_place(tmp_path: Path) -> None:
    uri, _ = store(tmp_path / "mlflow.db", 7), store(tmp_path / "users.db", 8)
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "report.html").write_text("page")
    save(uri, tmp_path / "saved", tmp_path / "artifacts", tmp_path / "users.db")
    other = f"sqlite:///{(tmp_path / 'other.db').as_posix()}"
    restore(other, tmp_path / "saved", tmp_path / "files", tmp_path / "people.db")
    assert (content(tmp_path / "other.db"), content(tmp_path / "people.db")) == ([(7,)], [(8,)])
    assert (tmp_path / "files" / "report.html").read_text() == "page"


def test_nothing_that_exists_is_replaced(tmp_path: Path) -> None:
    uri = store(tmp_path / "mlflow.db", 7)
    save(uri, tmp_path / "saved", None, None)
    with pytest.raises(SystemExit, match="saved exists; give another folder"):
        save(uri, tmp_path / "saved", None, None)
    with pytest.raises(SystemExit, match=r"mlflow\.db exists; move it away first"):
        restore(uri, tmp_path / "saved", None, None)
    with pytest.raises(SystemExit, match="nowhere is not a folder"):
        restore(uri, tmp_path / "nowhere", None, None)
    assert content(tmp_path / "mlflow.db") == [(7,)]
    with pytest.raises(SystemExit, match=r"gone\.db: no such file"):
        save(f"sqlite:///{(tmp_path / 'gone.db').as_posix()}", tmp_path / "again", None, None)
    assert not (tmp_path / "again").exists()

"""The file of a store: whole or not at all, also where a process was killed while MLflow made its tables."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from segassay.tracking import database
from segassay.tracking.database import make_database


@pytest.fixture
def made(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, new_store: Callable[[Path], str]
) -> list[str]:
    """MLflow makes a copy of a store that it made before, as making one takes seconds; the names it was given."""
    asked: list[str] = []
    earlier = new_store(tmp_path_factory.mktemp("earlier")).removeprefix("sqlite:///")

    class Client:
        def __init__(self, uri: str) -> None:
            self.path = Path(uri.removeprefix("sqlite:///"))

        def search_experiments(self) -> None:
            asked.append(self.path.name)
            shutil.copy(earlier, self.path)

    monkeypatch.setattr(mlflow, "MlflowClient", Client)
    return asked


def n_experiments(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("select count(*) from experiments").fetchone()[0])


def test_a_store_is_made_beside_its_place_and_then_renamed(tmp_path: Path, made: list[str]) -> None:
    path = tmp_path / "mlflow.db"
    (tmp_path / ".mlflow.db.new").write_bytes(b"of a process that was killed")
    make_database(path)
    assert made == [".mlflow.db.new"]
    assert n_experiments(path) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["mlflow.db"]
    before = path.read_bytes()
    make_database(path)
    assert path.read_bytes() == before
    assert len(made) == 1


@pytest.mark.parametrize(
    "tables",
    [
        ["create table spans (a)", "create table alembic_version (version_num)"],
        ["create table experiments (a)", "create table runs (a)"],
        ["create table x (a)", "drop table x"],
    ],
)
def test_a_store_that_was_left_half_made_is_made_again(
    tmp_path: Path, made: list[str], caplog: pytest.LogCaptureFixture, tables: list[str]
) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        for line in tables:
            connection.execute(line)
    half = path.read_bytes()
    make_database(path)
    assert n_experiments(path) == 1
    assert (tmp_path / "mlflow.db.unfinished").read_bytes() == half
    assert "unfinished and without any run" in caplog.text


@pytest.mark.parametrize("content", ["create table genes (a)", None])
def test_a_file_of_another_program_or_a_damaged_one_is_never_moved(
    tmp_path: Path, made: list[str], content: str | None
) -> None:
    path = tmp_path / "mlflow.db"
    if content is None:
        path.write_bytes(b"SQLite format 3\0 and then nothing that makes sense")
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(content)
    before = path.read_bytes()
    make_database(path)
    assert path.read_bytes() == before
    assert made == []


def test_a_kill_while_a_store_is_made_leaves_none(
    tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*words: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(database.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            make_database(tmp_path / "mlflow.db")
    assert not (tmp_path / "mlflow.db").exists()
    make_database(tmp_path / "mlflow.db")
    assert n_experiments(tmp_path / "mlflow.db") == 1

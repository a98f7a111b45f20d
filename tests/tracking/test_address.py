"""Addresses of stores: nothing that is printed contains a password, however it is written."""

import sys

import pytest

from segassay import cli, tracking
from segassay.errors import UsageError
from segassay.tracking.address import as_uri, shown, using, without_password

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("uri", "printed"),
    [
        (f"postgresql://anna:{SECRET}@db.example:5432/mlflow", "postgresql://db.example:5432/mlflow"),
        (f"postgresql+psycopg2://anna:{SECRET}/@#?x@db.example/mlflow", "postgresql+psycopg2://db.example/mlflow"),
        (f"postgresql://db.example/mlflow?user=anna&password={SECRET}", "postgresql://db.example/mlflow"),
        (f"mysql://anna@db.example/mlflow?ssl=1&password={SECRET}", "mysql://db.example/mlflow"),
        (f"mssql+pyodbc:///?odbc_connect=PWD={SECRET}", "mssql+pyodbc:///"),
        (f"http://anna:{SECRET}@lab.example:5000", "http://lab.example:5000"),
        ("sqlite:////srv/an@na/a?b/mlflow.db", "sqlite:////srv/an@na/a?b/mlflow.db"),
    ],
)
def test_an_address_is_shown_without_its_password(uri, printed, monkeypatch):
    assert shown(uri) == printed
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert SECRET not in tracking.ui_command()
    assert SECRET not in without_password(f"cannot open {uri!r}, or {uri}?", uri)


def test_a_password_of_the_environment_is_not_repeated(monkeypatch):
    query = f"postgresql://db.example/mlflow?user=anna&password={SECRET}"
    assert without_password(f"{SECRET} is wrong", query) == "… is wrong"
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    assert without_password(f"the password {SECRET} is wrong", "http://lab.example") == "the password … is wrong"


def test_of_a_server_its_address_is_the_line_to_print_else_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://lab.example:5000")
    assert tracking.ui_command() == "http://lab.example:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    assert tracking.ui_command().endswith(f"mlflow ui --store {(tmp_path / 'mlflow.db').as_posix()}")


def test_a_store_may_be_named_by_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://lab.example:5000")
    (tmp_path / "mlflow.db").touch()
    with using(as_uri(str(tmp_path / "mlflow.db"))):
        assert tracking.store_uri() == f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}"
    assert tracking.store_uri() == "http://lab.example:5000"
    with pytest.raises(UsageError, match=r"--store .*missing\.db: no such file"):
        as_uri(str(tmp_path / "missing.db"))


def test_the_command_says_so_where_there_is_no_store(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["segassay", "mlflow", "ui", "--store", str(tmp_path / "none.db")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "no such file" in capsys.readouterr().err

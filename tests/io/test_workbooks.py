"""Tables as an Excel workbook: numbers are numbers, names are text, and the same tables give the same bytes."""

import datetime
import io
import time
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from segassay.io import workbooks
from segassay.io.workbooks import write_workbook

TABLE = pd.DataFrame(
    {
        "case": ["0144", "=1+cmd|' /C calc'!A0", "+1", "@SUM(A1)", "mäuse \x07 李", ""],
        "n": [3, 0, -1, 2**40, 5, 6],
        "f1": [0.1 + 0.2, np.nan, np.inf, 1e-300, -0.5, 1.0],
        "held_out": pd.array([True, False, pd.NA, True, False, True], dtype="boolean"),
        "seed": pd.array([0, pd.NA, 2, 3, 4, 5], dtype="Int64"),
    }
)


@pytest.fixture
def sheet(tmp_path: Path) -> object:
    write_workbook(tmp_path / "tables.xlsx", {"counts": TABLE})
    return openpyxl.load_workbook(tmp_path / "tables.xlsx")["counts"]


def test_text_is_text_also_where_it_looks_like_a_formula(sheet) -> None:
    cells = [row[0] for row in sheet.iter_rows(min_row=2)]
    assert [cell.value for cell in cells] == [*TABLE["case"][:4], "mäuse � 李", None]
    assert {cell.data_type for cell in cells[:-1]} == {"s"}


def test_numbers_are_numbers_and_what_is_missing_is_empty(sheet) -> None:
    columns = {column[0].value: [cell.value for cell in column[1:]] for column in sheet.iter_cols()}
    assert list(columns) == list(TABLE.columns)
    assert columns["n"] == [3, 0, -1, 2**40, 5, 6]
    assert columns["f1"] == [0.3, None, None, 1e-300, -0.5, 1]
    assert columns["held_out"] == [True, False, None, True, False, True]
    assert columns["seed"] == [0, None, 2, 3, 4, 5]


def test_a_file_of_the_same_tables_has_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[bytes] = []
    without_times = workbooks._without_times
    monkeypatch.setattr(workbooks, "_without_times", lambda data: before.append(data) or without_times(data))
    write_workbook(tmp_path / "1.xlsx", {"counts": TABLE, "empty": TABLE[:0]})
    now, later = time.time, datetime.timedelta(seconds=10)

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return super().now(tz) + later

    monkeypatch.setattr(time, "time", lambda: now() + later.total_seconds())
    monkeypatch.setattr(datetime, "datetime", Later)
    write_workbook(tmp_path / "2.xlsx", {"counts": TABLE, "empty": TABLE[:0]})
    monkeypatch.undo()
    assert (tmp_path / "1.xlsx").read_bytes() == (tmp_path / "2.xlsx").read_bytes()
    one, other = (zipfile.ZipFile(io.BytesIO(data)) for data in before)
    assert one.read("docProps/core.xml") != other.read("docProps/core.xml"), "two times, else nothing is shown here"
    assert {of.date_time for of in one.infolist()} != {of.date_time for of in other.infolist()}


def test_a_table_that_no_sheet_holds_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n_rows, first in ((6, "The table counts has 6 rows and 5 columns, but a sheet holds 6 rows"), (7, "case")):
        monkeypatch.setattr(workbooks, "_MAX_ROWS", n_rows)
        write_workbook(tmp_path / "tables.xlsx", {"counts": TABLE})
        sheet = openpyxl.load_workbook(tmp_path / "tables.xlsx")["counts"]
        assert sheet["A1"].value.startswith(first)

"""Columns of tables: what goes in comes out, as the types of the tables, and small."""

import math

import pandas as pd

from segassay.tables.columns import UNKNOWN, Columns


def columns_of(rows: list[tuple[str, str, int, float]]) -> Columns:
    columns = Columns({"case": str, "rater": str, "n": int, "f1": float})
    columns.add(rows)
    return columns


def test_the_frame_is_that_of_the_rows():
    rows = [("0144", "ben", 3, 0.1), ("0144", "anna", UNKNOWN, math.nan), ("9", "ben", 2**40, 1.0)]
    columns = columns_of(rows[:2])
    columns.add(rows[2:])
    columns.add([])
    expected = pd.DataFrame(rows, columns=["case", "rater", "n", "f1"])
    expected["n"] = pd.array([3, pd.NA, 2**40], dtype="Int64")
    pd.testing.assert_frame_equal(columns.frame(), expected)


def test_without_rows_there_are_the_columns():
    frame = columns_of([]).frame()
    assert list(frame) == ["case", "rater", "n", "f1"]
    assert frame.empty
    assert frame["n"].dtype == "Int64"


def test_a_row_takes_the_bytes_of_its_cells():
    columns = columns_of([("x", "anna", 1, 0.5)] * 10_000)
    taken = sum(len(cells) * cells.itemsize for cells in columns._cells.values())
    assert taken == 10_000 * (4 + 4 + 8 + 8)

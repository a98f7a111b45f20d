"""A table that grows row by row, stored as typed columns: a number takes 8 bytes, a repeated name takes 4.

    rows of cells  ->  Columns  ->  pandas frame

Rows of Python objects take about ten times as much memory; thousands of cases have hundreds of thousands of rows.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["UNKNOWN", "Columns"]

UNKNOWN = -1
"""An undefined count; an empty cell in the frame."""

_TYPE_CODES: dict[type, str] = {str: "i", int: "q", float: "d"}  # of a text its number


class Columns:
    """Columns of a growing table.

    Args:
        columns: Name and type of each column, in order: `str`, `int` (which may be `UNKNOWN`) or `float`.

    Example:
        >>> columns = Columns({"case": str, "n": int})
        >>> columns.add([("a", 3), ("a", UNKNOWN)])
        >>> columns.frame()
          case     n
        0    a     3
        1    a  <NA>
    """

    def __init__(self, columns: Mapping[str, type]) -> None:
        self._cells = {name: array(_TYPE_CODES[of_cells]) for name, of_cells in columns.items()}
        self._codes: dict[str, dict[str, int]] = {name: {} for name, of_cells in columns.items() if of_cells is str}

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Append rows: cells in the order of the columns."""
        for (name, cells), values in zip(self._cells.items(), zip(*rows, strict=True), strict=False):
            codes = self._codes.get(name)
            cells.extend(values if codes is None else [codes.setdefault(value, len(codes)) for value in values])

    def frame(self) -> pd.DataFrame:
        """The table as a frame; afterwards the columns are empty."""
        columns: dict[str, Any] = {}
        for name, cells in self._cells.items():
            numbers = np.array(cells)
            del cells[:]
            if name in self._codes:
                columns[name] = pd.Series(list(self._codes[name])).take(numbers).reset_index(drop=True)
            else:
                whole = numbers.dtype.kind == "i"
                columns[name] = pd.arrays.IntegerArray(numbers, numbers == UNKNOWN) if whole else numbers
        return pd.DataFrame(columns)

"""A table that grows row by row, kept as typed columns: a number takes 8 bytes, a name that comes again takes 4.

    rows of cells  ->  Columns  ->  pandas frame

Rows of Python objects take about ten times as much, and thousands of cases have hundreds of thousands of rows.
"""

from array import array
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["UNKNOWN", "Columns"]

UNKNOWN = -1
"""A count that does not exist; an empty cell in the frame."""


class Columns:
    """Columns of a table to come.

    Args:
        names: The columns, in order.
        texts: Those that hold text.
        whole_numbers: Those that hold counts, or `UNKNOWN`. All others hold floats.

    Example:
        >>> columns = Columns(("case", "n"), texts=["case"], whole_numbers=["n"])
        >>> columns.add([("a", 3), ("a", UNKNOWN)])
        >>> columns.frame()
          case     n
        0    a     3
        1    a  <NA>
    """

    def __init__(self, names: Sequence[str], *, texts: Collection[str], whole_numbers: Collection[str]) -> None:
        self._cells = {name: array("i" if name in texts else "q" if name in whole_numbers else "d") for name in names}
        self._codes: dict[str, dict[str, int]] = {name: {} for name in names if name in texts}

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Append rows: cells in the order of the columns."""
        for (name, cells), values in zip(self._cells.items(), zip(*rows, strict=True), strict=False):
            codes = self._codes.get(name)
            cells.extend(values if codes is None else [codes.setdefault(value, len(codes)) for value in values])

    def frame(self) -> pd.DataFrame:
        """The table; it takes the columns over, which are without rows afterwards."""
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

"""Write tables as CSV in which no cell is a formula for a spreadsheet program, and read them again.

DataFrame  ->  text of a .csv; the same table gives the same text
"""

import os
import re
from collections.abc import Sequence
from typing import Any
from unicodedata import normalize

import pandas as pd

__all__ = ["csv_text", "looks_like_formula", "read_csv_text"]

_FORMULA = re.compile(r"(?:^|[;\t\r\n])\s*(?:[=@]|[+\-][^;\t\r\n]*(?:[|!]|\w\s*\())")
"""Starts with = or @, or with + or - and calls a function, a program (|) or another sheet (!).

A cell also starts after a semicolon, where a spreadsheet program separates by these. `-/-` and `+5 mV` are no formulas.
"""


def looks_like_formula(text: str) -> bool:
    """Whether a spreadsheet program that opens a CSV table would compute a cell with this text.

    Example:
        >>> [looks_like_formula(text) for text in ("=1+1", "a;@SUM(A1)", "+cmd|'/C calc'!A0", "-/-", "-1.5", "a=b")]
        [True, True, True, False, False, False]
    """
    return _FORMULA.search(normalize("NFKC", text)) is not None


def csv_text(table: pd.DataFrame, *, float_format: str | None = None) -> str:
    """A table as CSV, separated by commas, with line feeds; no index.

    Text that looks like a formula, as a message may, gets an apostrophe in front, which spreadsheet programs take as
    "this is text". Names need none: those that look like formulas are refused where they are read.

    Args:
        table: Without rows, only the names of the columns are written.
        float_format: As in `DataFrame.to_csv`.

    Example:
        >>> print(csv_text(pd.DataFrame({"case": ["0144"], "what": ["=1+1 is no image"]})), end="")
        case,what
        0144,'=1+1 is no image
    """
    columns = [table.iloc[:, place] for place in range(table.shape[1])]
    harmful = [_formulas(column) for column in columns]
    if any(harmful):
        table = pd.concat([_as_text(*pair) for pair in zip(columns, harmful, strict=True)], axis=1)
    names = [f"'{name}" if looks_like_formula(str(name)) else name for name in table.columns]
    if float_format is not None and any(column.dtype == float for column in columns):
        kept = [table.iloc[:, place] for place in range(table.shape[1])]
        table = pd.concat([_formatted(column, float_format) for column in kept], axis=1)
    text: str = table.to_csv(index=False, header=names, float_format=float_format, lineterminator="\n")
    return text


def read_csv_text(path: str | os.PathLike[str], texts: Sequence[str]) -> pd.DataFrame:
    """Read a table that this package wrote: an empty cell is unknown, and nothing else is, neither `NA` nor `null`.

    Args:
        path: The file.
        texts: Columns of text, as far as they are there: a rater `1` stays a text. Of others, the type is found.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no table.
    """
    return pd.read_csv(path, dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=[""])


def _formatted(column: pd.Series, float_format: str) -> pd.Series:
    """A column of floats as the text that `to_csv` would write, which takes it many times as long."""
    if column.dtype != float:
        return column
    cells = [float_format % cell if cell == cell else "" for cell in column.tolist()]
    return pd.Series(cells, index=column.index, name=column.name, dtype=object)


def _as_text(column: pd.Series, formulas: set[str]) -> pd.Series:
    if not formulas:
        return column
    cells: list[Any] = [f"'{cell}" if isinstance(cell, str) and cell in formulas else cell for cell in column]
    return pd.Series(cells, index=column.index, name=column.name, dtype=object)


def _formulas(column: pd.Series) -> set[str]:
    """Cells of a column that look like formulas; each different cell is looked at once."""
    if column.dtype.kind in "biufcmM":
        return set()
    return {cell for cell in column.unique() if isinstance(cell, str) and looks_like_formula(cell)}

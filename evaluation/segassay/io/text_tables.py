"""Read tables written by hand or in a spreadsheet as text, so that the case `0144` keeps its zero."""

import codecs
import csv
import io
import re
import string
import warnings
from collections import Counter
from pathlib import Path

import pandas as pd

from segassay.errors import DataError

_BLANKS = string.whitespace + "\u00a0\u200b\u2060\ufeff"
"""What is cut off at both ends of a cell: blanks, also those that are invisible."""

_QUOTED = re.compile(r'(?<![^;,\t])"(?:[^"]|"")*(?:"|$)')
"""A name of a column in quotes, in which no mark separates."""

_MAX_COLUMNS = 1000
"""No table has more by intent; reading takes time for each."""


def read_text_table(path: Path) -> pd.DataFrame:
    """Read a CSV table as text; separated by commas or, as some spreadsheets write it, by semicolons or tabs.

    Args:
        path: File in UTF-8, with or without byte order mark, or in UTF-16 with one; its first row names the columns.

    Returns:
        All cells as text without leading and trailing blanks, also invisible ones; an empty cell is empty text. Rows
        without any text are left out; the index holds the number of each row in a spreadsheet.

    Raises:
        DataError: If the file is missing, is not UTF-8 or is no table, such as a row with more cells than the header,
            or if it has more than 1000 columns, or names one twice.
    """
    try:
        text = _decoded(path, path.read_bytes())
        if "\0" in text:
            raise ValueError("it holds a NUL character")  # Python 3.10 and pandas 2 end a cell there
        header = text.split("\n", 1)[0]
        separator = next((mark for mark in ";\t" if mark in _QUOTED.sub("", header)), ",")
        _check_columns(path, header, separator)
        text = re.sub(rf"^[{separator} ]+$", "", text, flags=re.M)  # rows that a spreadsheet once touched
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row with more cells than the header
            table = pd.read_csv(
                io.StringIO(text),
                sep=separator,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                skip_blank_lines=False,
            )
    except (OSError, ValueError, csv.Error, pd.errors.ParserWarning) as error:
        what = f"cannot be read as a CSV table in UTF-8: {' '.join(str(error).split())}"
        raise DataError.of(path, what, "save it again as CSV in UTF-8") from error
    table.columns = [str(column).strip() for column in table.columns]
    table.index = pd.RangeIndex(2, len(table) + 2)
    table = table.apply(lambda column: column.fillna("").str.strip(_BLANKS))
    return table[(table != "").any(axis=1)] if len(table.columns) else table


def _check_columns(path: Path, header: str, separator: str) -> None:
    """Raise `DataError` if there are too many columns, or two of one name, which pandas would rename."""
    names = [name.strip() for name in next(csv.reader([header], delimiter=separator), [])]
    if len(names) > _MAX_COLUMNS:
        what = f"has {len(names)} columns; expected at most {_MAX_COLUMNS}"
        raise DataError.of(path, what, "delete those that are empty or not needed")
    for name, count in Counter(names).items():
        if name and count > 1:
            raise DataError.of(path, f"has {count} columns {name!r}", "keep one")


def _decoded(path: Path, data: bytes) -> str:
    if data.startswith(b"PK\x03\x04"):
        raise DataError.of(path, "is an Excel workbook", "in Excel: Save As › CSV UTF-8", kind="workbook")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _with_line_feeds(data.decode("utf-16"))
    try:
        return _with_line_feeds(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        what = f"cannot be read as a CSV table in UTF-8: row {line} is not in UTF-8"
        raise DataError.of(path, what, "save it again as CSV in UTF-8; in Excel: Save As › CSV UTF-8") from error


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\n")

"""Read tables written by hand or in a spreadsheet as text, so that the case `0144` keeps its zero."""

import csv
import io
import warnings
from pathlib import Path

import pandas as pd

from segassay.errors import DataError


def read_text_table(path: Path) -> pd.DataFrame:
    """Read a CSV table as text; separated by commas or, as some spreadsheets write it, by semicolons or tabs.

    Args:
        path: File in UTF-8, with or without byte order mark; its first row names the columns.

    Returns:
        All cells as text without leading and trailing blanks; an empty cell is empty text.

    Raises:
        DataError: If the file is missing, is not UTF-8 or is no table, such as a row with more cells than the header,
            or if it names a column twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        header = text.split("\n", 1)[0]
        separator = next((mark for mark in ";\t" if mark in header), ",")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row with more cells than the header
            table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, index_col=False)
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        what = f"cannot be read as a CSV table in UTF-8: {' '.join(str(error).split())}"
        raise DataError.of(path, what, "save it again as CSV in UTF-8") from error
    names = [name.strip() for name in next(csv.reader([header], delimiter=separator), [])]
    for name in names:
        if name and names.count(name) > 1:
            raise DataError.of(path, f"has {names.count(name)} columns {name!r}", "keep one")
    table.columns = [str(column).strip() for column in table.columns]
    return table.apply(lambda column: column.fillna("").str.strip())

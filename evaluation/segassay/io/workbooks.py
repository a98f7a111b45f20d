"""Write tables as one Excel workbook, a sheet for each.

name -> DataFrame  ->  .xlsx; the same tables give the same bytes
"""

import datetime
import io
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd

from segassay.io.images import write_bytes
from segassay.io.stored_tables import StoredTable

__all__ = ["write_workbook"]

_MAX_ROWS = 1_048_576
_MAX_COLUMNS = 16_384
_MAX_TITLE = 31
_MAX_TEXT = 32_767
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TIME = datetime.datetime(2000, 1, 1)
"""In place of the time of writing, so that the same tables give the same bytes."""


def write_workbook(path: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables as a workbook: numbers as numbers, everything else as text, never as a formula.

    Args:
        path: The file.
        tables: Name of each sheet, at most 31 characters that Excel allows, and its table; no index is written.
            Missing and infinite numbers are empty cells. In place of a table that is too large for a sheet stands a
            sentence that says so.

    Raises:
        UsageError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_workbook(Path(folder, "a.xlsx"), {"counts": pd.DataFrame({"case": ["0144"], "n": [3]})})
        ...     pd.read_excel(Path(folder, "a.xlsx"), dtype={"case": str}).to_dict("list")
        {'case': ['0144'], 'n': [3]}
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    rows: dict[str, Iterator[str]] = {}
    for number, (name, table) in enumerate(tables.items(), start=1):
        sheet = book.create_sheet(name[:_MAX_TITLE])
        if isinstance(table, StoredTable) or len(table) + 1 > _MAX_ROWS or len(table.columns) > _MAX_COLUMNS:
            sheet.append([_text(sheet, _too_large(name, table))])
            continue
        sheet.freeze_panes = "A2"
        sheet.append([_text(sheet, column) for column in table.columns])
        rows[f"xl/worksheets/sheet{number}.xml"] = _rows(table)
    file = io.BytesIO()
    book.save(file)
    write_bytes(path, _finished(file.getvalue(), rows))


def _too_large(name: str, table: pd.DataFrame) -> str:
    if isinstance(table, StoredTable):
        return f"The table {name} has {len(table)} rows in Parquet files; read tables/{name} instead."
    return (
        f"The table {name} has {len(table)} rows and {len(table.columns)} columns, but a sheet holds {_MAX_ROWS} rows "
        f"and {_MAX_COLUMNS} columns; read tables/{name}.csv instead."
    )


def _rows(table: pd.DataFrame) -> Iterator[str]:
    """The rows below the first in the XML of a sheet, as openpyxl writes them, in a third of its time."""
    from openpyxl.utils import get_column_letter

    letters = [get_column_letter(place) for place in range(1, len(table.columns) + 1)]
    for number, row in enumerate(table.itertuples(index=False, name=None), start=2):
        cells = "".join(_cell(f"{letter}{number}", value) for letter, value in zip(letters, row, strict=True))
        yield f'<row r="{number}">{cells}</row>'


def _cell(place: str, value: Any) -> str:
    if isinstance(value, str):
        return _cell_of_text(place, value)
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return f'<c r="{place}" t="b"><v>{value:d}</v></c>'
    if isinstance(value, (float, np.floating)):
        return f'<c r="{place}" t="n"><v>{float(f"{value:.12g}"):.16g}</v></c>' if math.isfinite(value) else ""
    if isinstance(value, (int, np.integer)):
        return f'<c r="{place}" t="n"><v>{value:.16g}</v></c>'
    return _cell_of_text(place, str(value))


def _cell_of_text(place: str, value: str) -> str:
    text = _fitting(value)
    space = ' xml:space="preserve"' if text.strip() not in ("", text) else ""
    return f'<c r="{place}" t="inlineStr"><is><t{space}>{escape(text)}</t></is></c>' if text else ""


def _text(sheet: Any, value: Any) -> Any:
    """A cell of text, also where the text looks like a formula or a number."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=None)
    cell._value = _fitting(str(value))  # `cell.value` would make a formula of =1+1
    cell.data_type = "s"
    return cell


def _fitting(text: str) -> str:
    """What of a text a cell can hold."""
    return _NOT_IN_XML.sub("�", text)[:_MAX_TEXT]


def _finished(data: bytes, rows: Mapping[str, Iterator[str]]) -> bytes:
    """The same workbook with more rows at the ends of its sheets, and without the time of writing."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", f"{_TIME.isoformat()}Z".encode(), content)
            if name in rows:
                head, end, tail = content.rpartition(b"</sheetData>")
                content = b"".join([head, *(row.encode() for row in rows[name]), end, tail])
            new.writestr(zipfile.ZipInfo(name, _TIME.timetuple()[:6]), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()

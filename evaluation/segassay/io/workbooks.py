"""Write tables as one Excel workbook, a sheet for each.

name -> DataFrame  ->  .xlsx; the same tables give the same bytes
"""

import datetime
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    for name, table in tables.items():
        sheet = book.create_sheet(name[:_MAX_TITLE])
        if isinstance(table, StoredTable) or len(table) + 1 > _MAX_ROWS or len(table.columns) > _MAX_COLUMNS:
            sheet.append([_text(sheet, _too_large(name, table))])
            continue
        sheet.freeze_panes = "A2"
        sheet.append([_text(sheet, column) for column in table.columns])
        for row in table.itertuples(index=False, name=None):
            sheet.append([_cell(sheet, value) for value in row])
    file = io.BytesIO()
    book.save(file)
    write_bytes(path, _without_times(file.getvalue()))


def _too_large(name: str, table: pd.DataFrame) -> str:
    if isinstance(table, StoredTable):
        return f"The table {name} has {len(table)} rows in Parquet files; read tables/{name} instead."
    return (
        f"The table {name} has {len(table)} rows and {len(table.columns)} columns, but a sheet holds {_MAX_ROWS} rows "
        f"and {_MAX_COLUMNS} columns; read tables/{name}.csv instead."
    )


def _cell(sheet: Any, value: Any) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.12g}") if np.isfinite(value) else None
    return _text(sheet, value) if value != "" else None


def _text(sheet: Any, value: Any) -> Any:
    """A cell of text, also where the text looks like a formula or a number."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=None)
    cell._value = _NOT_IN_XML.sub("�", str(value))[:_MAX_TEXT]  # `cell.value` would make a formula of =1+1
    cell.data_type = "s"
    return cell


def _without_times(data: bytes) -> bytes:
    """The same workbook without the time of writing."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", f"{_TIME.isoformat()}Z".encode(), content)
            new.writestr(zipfile.ZipInfo(name, _TIME.timetuple()[:6]), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()

"""A table in Parquet files, one after the other, of which only the columns and rows that are asked for are read.

    frames, one for each block of cases  ->  part-00000000.parquet, part-00002500.parquet, …  ->  StoredTable

The rows of 10,000 cases fit into memory, those of a million do not: 200 rows of each case with three raters.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segassay.errors import UsageError
from segassay.io.durable import replaced

__all__ = [
    "PARTS",
    "StoredTable",
    "part_path",
    "parts_of",
    "refuse_without_parquet",
    "rows_by",
    "rows_where",
    "whole",
]

PARTS = "part-*.parquet"
"""Names of the files in the folder of a table."""

_TEXT: Any = object if pd.__version__ < "3" else pd.StringDtype("python", na_value=np.nan)
"""Text as tables in memory have it; each name is one object, however many rows have it."""
_EXTRA = 'pip install "segassay[parquet]"'


def refuse_without_parquet(what: str) -> None:
    """Raise an error that names the extra if pyarrow is not installed.

    Args:
        what: Why it is needed.

    Raises:
        UsageError: If it is missing.
    """
    if find_spec("pyarrow") is None:
        raise UsageError(f"{what} needs pyarrow, which is not installed; add it with: {_EXTRA}")


def part_path(folder: Path, first: int) -> Path:
    """File of one part of a table, named after the number of its first case, so that names have the order of cases.

    Example:
        >>> part_path(Path("agreement"), 2500).name
        'part-00002500.parquet'
    """
    return folder / f"part-{first:08d}.parquet"


class StoredTable:
    """A table on the disk that measures use like a frame: `table[column]`, `table[columns]`, `table[mask]`, `len`.

    Each reads what it needs, part after part. Anything else that a frame has, such as `groupby`, reads the whole table:
    the result is right, but memory grows with all rows.

    Args:
        folder: Folder with the parts.
        types: Column -> name of its pandas type: `str`, `Int64`, `float64` or `bool`.

    Attributes:
        folder: May be set where the files were moved.
        types: As given.

    Raises:
        UsageError: If pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for number, case in enumerate("ab"):
        ...         frame = pd.DataFrame({"case": [case, case], "f1": [0.5, number]})
        ...         StoredTable.write(part_path(Path(folder), number), frame)
        ...     table = StoredTable(Path(folder), {"case": "str", "f1": "float64"})
        ...     len(table), table[table["f1"] == 0.5]["case"].tolist()
        (4, ['a', 'b'])
    """

    def __init__(self, folder: Path, types: Mapping[str, str]) -> None:
        refuse_without_parquet("a table in Parquet files")
        self.folder, self.types = folder, dict(types)
        self._sizes: list[int] | None = None

    @staticmethod
    def write(path: Path, frame: pd.DataFrame) -> None:
        """Write one part, whole or not at all.

        Args:
            path: From `part_path`; its folder is made.
            frame: Columns of text, of whole numbers that may be unknown, of real numbers, or of truth values; all
                digits are kept.

        Raises:
            OSError: If it cannot be written.
        """
        import pyarrow as pa
        from pyarrow import parquet

        columns = {str(name): _arrow(frame[name]) for name in frame.columns}
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as new:
            parquet.write_table(pa.table(columns), new, compression="zstd", write_page_checksum=True)

    @property
    def paths(self) -> list[Path]:
        """The parts, in order."""
        return sorted(self.folder.glob(PARTS))

    @property
    def sizes(self) -> list[int]:
        """Rows of each part."""
        if self._sizes is None:
            from pyarrow import parquet

            self._sizes = [parquet.read_metadata(path).num_rows for path in self.paths]
        return self._sizes

    def parts(self, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        """Part after part as a frame, whose index is the place of each row in the whole table."""
        start = 0
        for path in self.paths:
            table = self._read(path, columns)
            yield self._frame(table, columns, pd.RangeIndex(start, start + table.num_rows))
            start += table.num_rows

    def _read(self, path: Path, columns: list[str] | None) -> Any:
        from pyarrow import parquet

        wanted = list(self.types) if columns is None else list(dict.fromkeys(columns))
        texts = [name for name in wanted if self.types[name] == "str"]
        return parquet.read_table(path, columns=wanted, read_dictionary=texts, use_threads=False, partitioning=None)

    def _frame(self, table: Any, columns: list[str] | None, index: pd.Index) -> pd.DataFrame:
        wanted = list(self.types) if columns is None else columns
        return pd.DataFrame({name: _series(table[name], self.types[name]) for name in wanted}).set_axis(index)

    def frame(self, columns: list[str] | None = None) -> pd.DataFrame:
        """All rows, or those columns of them, in memory."""
        return pd.concat(self.parts(columns))

    def rows(self, wanted: Callable[[pd.DataFrame], Any], columns: list[str] | None = None) -> pd.DataFrame:
        """The rows, in memory, for which a function of a part says so; see `rows_where`."""
        return pd.concat([part[wanted(part)] for part in self.parts(columns)])

    def copy_to(self, folder: Path) -> None:
        """Put the parts into another folder, without a copy where the disk can give a file two names."""
        folder.mkdir(parents=True)
        for path in self.paths:
            try:
                os.link(path, folder / path.name)
            except OSError:
                shutil.copyfile(path, folder / path.name)

    @property
    def columns(self) -> pd.Index:
        """Names of the columns."""
        return pd.Index(list(self.types))

    @property
    def empty(self) -> bool:
        """Whether there are no rows."""
        return not len(self)

    def __len__(self) -> int:
        """Number of rows."""
        return sum(self.sizes)

    def __contains__(self, column: object) -> bool:
        """Whether there is a column."""
        return column in self.types

    def __iter__(self) -> Iterator[str]:
        """Names of the columns."""
        return iter(self.types)

    def __getitem__(self, key: Any) -> Any:
        """A column, a frame of columns, or the rows of a mask or slice."""
        if isinstance(key, str):
            return self.frame([key])[key]
        if isinstance(key, list) and all(isinstance(name, str) for name in key):
            return self.frame(key)
        if isinstance(key, slice):
            return self.frame()[key]
        mask = pd.Series(key).fillna(False).to_numpy(dtype=bool)
        if len(mask) != len(self):
            raise ValueError(f"a mask of {len(mask)} rows does not fit a table of {len(self)}")
        frames, start = [], 0
        for path, size in zip(self.paths, self.sizes, strict=True):
            places = np.flatnonzero(mask[start : start + size])
            if len(places) or not start:  # the first part has the types if no row is wanted
                frames.append(self._frame(self._read(path, None).take(places), None, pd.Index(start + places)))
            start += size
        return pd.concat([frame for frame in frames if len(frame)] or frames)

    def __getattr__(self, name: str) -> Any:
        """Anything else, of the whole table as a frame."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.frame(), name)


def rows_where(
    table: pd.DataFrame, wanted: Callable[[pd.DataFrame], Any], columns: list[str] | None = None
) -> pd.DataFrame:
    """Rows of a table, in memory or stored, for which a function says so; of a stored one part after part.

    Args:
        table: A frame, or a `StoredTable`.
        wanted: Gives a mask of the rows of a frame.
        columns: Columns that it and the caller need; by default all.

    Returns:
        These rows and columns.

    Example:
        >>> rows_where(pd.DataFrame({"a": [1, 2, 3], "b": 0}), lambda part: part["a"] > 1, ["a"])["a"].tolist()
        [2, 3]
    """
    if isinstance(table, StoredTable):
        return table.rows(wanted, columns)
    return table[wanted(table)] if columns is None else table.loc[wanted(table), columns]


def parts_of(table: pd.DataFrame, columns: list[str]) -> Iterator[pd.DataFrame]:
    """These columns of a table, in memory or stored, as frames that each hold all rows of their cases.

    Example:
        >>> [len(part) for part in parts_of(pd.DataFrame({"case": ["1", "1"], "b": 0}), ["case"])]
        [2]
    """
    if isinstance(table, StoredTable):
        yield from table.parts(columns)
    else:
        yield table[columns]


def whole(table: pd.DataFrame) -> pd.DataFrame:
    """A table as a frame in memory.

    Example:
        >>> len(whole(pd.DataFrame({"case": ["1"]})))
        1
    """
    return table.frame() if isinstance(table, StoredTable) else table


def rows_by(table: pd.DataFrame, column: str) -> Mapping[str, pd.DataFrame]:
    """Value of a column -> its rows, in the order of the first of each; of a stored table read whenever asked for.

    Example:
        >>> list(rows_by(pd.DataFrame({"annotator": ["b", "a", "b"]}), "annotator"))
        ['b', 'a']
    """
    if isinstance(table, StoredTable):
        return _RowsBy(table, column)
    return {str(name): rows for name, rows in table.groupby(column, sort=False)}


class _RowsBy(Mapping[str, pd.DataFrame]):
    def __init__(self, table: StoredTable, column: str) -> None:
        self._table, self._column = table, column
        self._names = list(dict.fromkeys(chain.from_iterable(part[column].unique() for part in table.parts([column]))))

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._names:
            raise KeyError(name)
        return self._table.rows(lambda part: part[self._column] == name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _arrow(column: pd.Series) -> Any:
    import pyarrow as pa

    if str(column.dtype) in ("float64", "bool"):
        return pa.array(column.to_numpy())
    if str(column.dtype) in ("Int64", "int64"):
        unknown = column.isna().to_numpy()
        return pa.array(column.fillna(0).to_numpy(dtype=np.int64), mask=unknown)
    return pa.array(column.to_numpy(dtype=object), type=pa.string()).dictionary_encode()


def _series(column: Any, of: str) -> pd.Series:
    if of in ("float64", "bool"):
        return pd.Series(column.to_numpy())
    if of == "str":
        encoded = column.combine_chunks()
        chunk = encoded.chunk(0) if hasattr(encoded, "chunk") else encoded
        names = pd.Series(chunk.dictionary.to_pylist(), dtype=_TEXT)
        return names.take(chunk.indices.to_numpy(zero_copy_only=False)).reset_index(drop=True)
    unknown = column.is_null().to_numpy()
    return pd.Series(pd.arrays.IntegerArray(column.fill_null(0).to_numpy().astype(np.int64), unknown))

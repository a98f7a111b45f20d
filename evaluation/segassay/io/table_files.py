"""Tables of an output folder, written so that they can be read again: types, and a checksum of every file.

    frames  ->  tables/*.csv, files.json  ->  the same frames, or one message that names each damaged file

CSV has no types: the case `0144` would become a number, and an empty text a missing one. `files.json` names the type of
each column and the SHA-256 of each file, so that a table that was cut or changed later is never read as a whole one.
"""

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.errors import DataError, Problem, raise_problems, why_unreadable
from segassay.io.csv_tables import csv_text
from segassay.io.hashes import sha256_of
from segassay.io.stored_tables import PARTS, StoredTable

__all__ = ["LIST", "Listed", "as_csv", "check_files", "from_csv", "parse_json", "read_list", "types_of", "write_list"]

LIST = "files.json"
"""Name of the list in a folder."""

FORMAT = 1
"""Raise it by one when files of an earlier version cannot be read any more."""

_TYPES = ("str", "float64", "int64", "Int64", "bool", "boolean")
_NAME = re.compile(r"(tables/)?[A-Za-z0-9_][A-Za-z0-9_.-]*|tables/[A-Za-z0-9_]+/part-\d+\.parquet")


@dataclass(frozen=True)
class Listed:
    """What `files.json` says.

    Attributes:
        name: Name of the evaluation.
        version: Version of SegAssay that wrote the files.
        checksums: File, as a path from the folder with `/` -> SHA-256 of its bytes.
        types: Table -> column -> name of a pandas type.
    """

    name: str
    version: str
    checksums: Mapping[str, str]
    types: Mapping[str, Mapping[str, str]]


def as_csv(frame: pd.DataFrame) -> str:
    """A table as it is written: numbers with twelve digits, because the last ones depend on the number of threads.

    Example:
        >>> as_csv(pd.DataFrame({"case": ["0144"], "f1": [1 / 3]}))
        'case,f1\\n0144,0.333333333333\\n'
    """
    return csv_text(frame, float_format="%.12g")


def types_of(frame: pd.DataFrame) -> dict[str, str]:
    """Column -> name of its type, as `from_csv` takes it.

    Example:
        >>> types_of(pd.DataFrame({"case": ["0144"], "f1": [0.5], "n": [1]}))
        {'case': 'str', 'f1': 'float64', 'n': 'int64'}
    """
    if isinstance(frame, StoredTable):
        return dict(frame.types)
    names = {str(column): str(of) for column, of in frame.dtypes.items()}
    return {column: of if of in _TYPES else "str" for column, of in names.items()}


def from_csv(text: str, types: Mapping[str, str]) -> pd.DataFrame:
    """A table that `as_csv` wrote; an empty cell of text is an empty text.

    Args:
        text: What was written.
        types: What `types_of` said of the table.

    Raises:
        ValueError: If the columns are others, or a cell is not of its type.

    Example:
        >>> from_csv("case,f1\\n0144,\\n", {"case": "str", "f1": "float64"}).to_dict("records")
        [{'case': '0144', 'f1': nan}]
    """
    empty = {column: [""] for column, of in types.items() if of != "str"}
    table = pd.read_csv(
        io.StringIO(text),
        dtype=dict(types),
        keep_default_na=False,
        na_values=empty,
        index_col=False,
        skip_blank_lines=False,
    )
    if list(table.columns) != list(types):
        raise ValueError(f"has the columns {', '.join(map(str, table.columns))}, not {', '.join(types)}")
    return table


def write_list(folder: Path, name: str, version: str, types: Mapping[str, Mapping[str, str]]) -> None:
    """Write `files.json`.

    Args:
        folder: Folder with the files.
        name: Name of the evaluation.
        version: Version of SegAssay.
        types: Table -> what `types_of` says of it. These tables, CSV or parts in Parquet, are listed, and every JSON
            file of the folder.
    """
    tables = [path for table in types for path in _files_of(folder / "tables" / table)]
    paths = sorted(path for path in (*folder.glob("*.json"), *tables) if path.name != LIST)
    files = {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
    content = {"format": FORMAT, "segassay": version, "name": name, "files": files, "types": types}
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (folder / LIST).write_text(text, encoding="utf-8", newline="")


def _files_of(table: Path) -> list[Path]:
    """The CSV file of a table, or its parts."""
    return sorted(table.glob(PARTS)) if table.is_dir() else [table.with_name(f"{table.name}.csv")]


def read_list(folder: Path, advice: str) -> Listed:
    """Read `files.json`.

    Args:
        folder: The folder.
        advice: What to do if it is missing or damaged.

    Raises:
        DataError: If it is missing, no such list, or of a version with another format.
    """
    path = folder / LIST
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise DataError.of(path, f"cannot be read ({error.strerror})", advice) from error
    found = parse_json(path, text, advice)
    if found.get("format") != FORMAT:
        what = f"is of format {found.get('format')!r:.20}, written by SegAssay {found.get('segassay')!r:.20}"
        raise DataError.of(path, what, advice, expected=f"format {FORMAT}")
    files, types = found.get("files"), found.get("types")
    names = (found.get("name"), found.get("segassay"))
    if not (all(isinstance(one, str) for one in names) and _maps_texts(files) and _maps(types, _maps_texts)):
        raise DataError.of(path, "is not a list of files", advice)
    assert isinstance(files, dict) and isinstance(types, dict)  # noqa: PT018
    if odd := [name for name in files if not _NAME.fullmatch(name)]:
        raise DataError.of(path, f"names {odd[0]!r:.80}, which is no file of an evaluation", advice)
    if odd := [of for columns in types.values() for of in columns.values() if of not in _TYPES]:
        raise DataError.of(path, f"names the type {odd[0]!r:.20}", advice, expected=f"one of {', '.join(_TYPES)}")
    return Listed(str(names[0]), str(names[1]), files, types)


def _maps(found: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(found, dict) and all(map(fits, found.values()))


def _maps_texts(found: Any) -> bool:
    return _maps(found, lambda value: isinstance(value, str))


def parse_json(path: Path, text: str, advice: str) -> dict[str, Any]:
    """The object in the text of a JSON file; an error is one message with the advice at its end.

    Raises:
        DataError: If it is empty or no JSON object.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = f"is not JSON: {why_unreadable(error)}" if text else "is empty"
        raise DataError.of(path, what, advice) from error
    if not isinstance(found, dict):
        raise DataError.of(path, "is not a JSON object", advice)
    return found


def check_files(folder: Path, listed: Listed, advice: str) -> dict[str, str]:
    """Compare all listed files of a folder with their checksums, and read them as text, but for parts of tables.

    Args:
        folder: The folder.
        listed: What `read_list` returns.
        advice: What to do if one is damaged.

    Returns:
        File -> its text; of a part of a table nothing, as it is not kept in memory.

    Raises:
        DataError: If files are missing or are not as they were written; it names all of them.
    """
    found, problems = {}, []
    for name, checksum in listed.checksums.items():
        path = folder / name
        try:
            found_checksum = sha256_of(path)
            if found_checksum == checksum and not path.match(PARTS):
                found[name] = path.read_bytes().decode("utf-8", errors="replace")
        except OSError as error:
            what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
            problems.append(Problem(str(path), what, advice, kind="file-missing"))
            continue
        if found_checksum != checksum:
            what = "is not as it was written" if path.stat().st_size else "is empty"
            problems.append(Problem(str(path), what, advice, kind="file-changed"))
    raise_problems(folder, problems)
    return found

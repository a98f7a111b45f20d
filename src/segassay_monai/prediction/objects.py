"""Objects of many images: Parquet files in place of objects.csv, so that those of all images are never in memory.

record of an image  ->  without_objects  ->  what the command keeps of it
OUT/.records/<case>.json, one after the other  ->  store_objects  ->  OUT/objects/part-00000000.parquet, …
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.io.stored_tables import StoredTable, part_path, refuse_without_parquet
from segassay.tables.stored import MOST_CASES
from segassay_monai.prediction.images import Images
from segassay_monai.prediction.records import Record, rows_of_objects

__all__ = ["OBJECTS", "are_stored", "store_objects", "without_objects"]

OBJECTS = "objects"
"""Name of the folder of the parts."""

ROWS = 100_000
"""Objects after which a part ends: with 25 columns 80 MB, as a record gives them."""

_TYPES = {"case": "str", "class": "str", "label": "Int64", "area_px": "Int64", "touches_border": "bool"}
"""Of columns that are no real numbers."""


def are_stored(images: Images) -> bool:
    """Whether there are so many images that their objects are stored, as in an evaluation of as many.

    Raises:
        UsageError: If they would be, but pyarrow is not installed.
    """
    if len(images.files) <= MOST_CASES:
        return False
    refuse_without_parquet(f"a prediction of more than {MOST_CASES:,} images")
    return True


def without_objects(record: Record, known: dict[tuple[str, ...], list[str]]) -> Record:
    """A record as it is kept in memory: of its objects, only the names of their columns.

    Args:
        record: The record of an image.
        known: Names of columns that other records have; one list stands for all that are equal.
    """
    columns = record["objects"]["columns"]
    return record | {"objects": {"columns": known.setdefault(tuple(columns), columns), "rows": []}}


def store_objects(out: Path, records: Mapping[str, Record]) -> StoredTable:
    """Write the objects of all images, read from their records one after the other.

    Args:
        out: Folder of the results.
        records: Record of each image, which may lack the rows of its objects.

    Returns:
        One row per object, by image and number, with the columns that any image has.
    """
    names = dict.fromkeys(name for record in records.values() for name in record["objects"]["columns"])
    types = {"case": "str"} | {name: _type_of(name) for name in names}
    work = out / f"{OBJECTS}.partial"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    block, start = _Block(), 0
    for number, case in enumerate(records, start=1):
        block.add(number, case, rows_of_objects(out, case))
        if block.n_rows >= ROWS or number == len(records):
            StoredTable.write(part_path(work, start), block.frame(types))
            block, start = _Block(), number
    shutil.rmtree(out / OBJECTS, ignore_errors=True)
    work.rename(out / OBJECTS)
    return StoredTable(out / OBJECTS, types)


def _type_of(name: str) -> str:
    return _TYPES.get(name, "Int64" if name.startswith("bbox_") else "float64")


class _Block:
    """Objects of consecutive images, by the names of their columns."""

    def __init__(self) -> None:
        self.n_rows = 0
        self._rows: dict[tuple[str, ...], list[list[Any]]] = {}

    def add(self, number: int, case: str, found: Mapping[str, list[Any]]) -> None:
        self.n_rows += len(found["rows"])
        rows = self._rows.setdefault(tuple(found["columns"]), [])
        rows.extend([number, case, *row] for row in found["rows"])

    def frame(self, types: Mapping[str, str]) -> pd.DataFrame:
        frames = [pd.DataFrame(rows, columns=["", "case", *names]) for names, rows in self._rows.items()]
        table = pd.concat([frame for frame in frames if len(frame)] or frames[:1])
        table = table.sort_values("", kind="stable", ignore_index=True)  # images of other columns in their places
        as_types: dict[str, Any] = {name: "object" if of == "str" else of for name, of in types.items()}
        return table.reindex(columns=list(types)).astype(as_types)

"""Tables of many cases on the disk: blocks of cases, each written whole with a checksum, so that it is compared once.

    jobs, workers  ->  blocks of rows  ->  <table>/part-00000000.parquet and a line in blocks.jsonl  ->  StoredTables

The rows of two blocks never meet in this process. An evaluation that was killed resumes with the cases of no block, and
with what `segassay.tables.kept` has of these.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.errors import DataError
from segassay.io.checked_lines import checked_line, checked_lines
from segassay.io.durable import replaced
from segassay.io.images import sha256
from segassay.io.stored_tables import PARTS, StoredTable, part_path, refuse_without_parquet
from segassay.masks.numbers import Numbers
from segassay.tables.case import CASE_TABLES, CaseRows
from segassay.tables.columns import Columns
from segassay.tables.jobs import Job
from segassay.tables.kept import each_compared, is_in_memory, keys_of, numbers_from, say_resumed
from segassay.tables.notes import Note
from segassay.workers.order import Jobs
from segassay.workers.tasks import LostError, refuse_lost

__all__ = ["IN_MEMORY", "MOST_CASES", "are_stored", "note_on_stored", "stored_rows"]

MOST_CASES = 10_000
"""Of more cases, tables with several rows for each are Parquet files instead of CSV, and are not kept in memory."""

ROWS = 500_000
"""Rows of all tables after which a block ends: about 2,500 cases of three raters, 100 MB in memory."""

IN_MEMORY = ("counts", "intensities", "rater_cases", "cells", "measured", "remeasured")
"""Tables of a row for each mask and what is measured of it: changed when all cases are known, and CSV for any size."""

_LIST = "blocks.jsonl"
_TYPES: dict[type, str] = {str: "str", int: "Int64", float: "float64"}


def are_stored(jobs: Sequence[Job], kept: Path | None) -> bool:
    """Whether tables of these cases are stored: there are more than `MOST_CASES`, in files, and a place to store them.

    Raises:
        UsageError: If they would be, but pyarrow is not installed.
    """
    if kept is None or len(jobs) <= MOST_CASES or any(map(is_in_memory, jobs)):
        return False
    refuse_without_parquet(f"an evaluation of more than {MOST_CASES:,} images")
    return True


def note_on_stored(jobs: Sequence[Job]) -> Note:
    """What the summary says of stored tables."""
    return Note("stored_tables", n=len(jobs), n_all=MOST_CASES)


def stored_rows(
    jobs: Sequence[Job], n_jobs: Jobs, kept: Path, progress: Callable[[str], None] | None
) -> tuple[dict[str, Any], Mapping[str, list[Numbers]]]:
    """Compare all annotators of each case, and store the rows.

    Args:
        jobs: One per case.
        n_jobs: As of `segassay.tables.kept.compared`.
        kept: As of `compared`; folders beside it, whose names begin like it, hold the blocks.
        progress: Called with the name of each case.

    Returns:
        Every table of `CASE_TABLES`: those of `IN_MEMORY` and those without rows as frames, others as `StoredTable`;
        and the numbers of label images, by annotator.

    Raises:
        LostError: As `compared`.
        OSError: If a block cannot be written.
    """
    keys = keys_of(jobs)
    whole = hashlib.sha256("".join(keys).encode()).hexdigest()
    folder = kept.with_name(f"{kept.name}.{whole[:12]}")
    folder.mkdir(exist_ok=True)
    lines = _read_blocks(folder)
    done = {place for line in lines for place in range(line["start"], line["start"] + line["n"])}
    if done:
        say_resumed(len(done), len(jobs))
    todo = [place for place in range(len(jobs)) if place not in done]
    advance = _nobody if progress is None else progress
    for place in sorted(done):
        advance(jobs[place].case)
    lost: list[LostError] = []
    block = _Block()

    def finish(block: _Block) -> _Block:
        if block.n:
            lines.append(_written(folder, block))
            _write_list(folder, lines)
            kept.unlink(missing_ok=True)
        return _Block()

    found = each_compared([jobs[place] for place in todo], [keys[place] for place in todo], n_jobs, kept)
    for rows, place in zip(found, todo, strict=True):
        if isinstance(rows, LostError):
            lost.append(rows)
            continue
        if place != block.start + block.n:
            block = finish(block)
        block.add(rows, place)
        if block.n_rows >= ROWS:
            block = finish(block)
        advance(rows.case)
    finish(block)
    refuse_lost(lost)
    numbers = defaultdict[str, list[Numbers]](list)
    for line in sorted(lines, key=lambda line: line["start"]):
        for of_case in line["numbers"]:
            for annotator, of_mask in numbers_from(of_case).items():
                numbers[annotator].append(of_mask)
    return {name: _table(folder, name) for name in CASE_TABLES}, numbers


def _nobody(case: str) -> None:
    """Show nothing."""


class _Block:
    """Rows of consecutive cases."""

    def __init__(self) -> None:
        self.columns = {name: Columns(table.columns) for name, table in CASE_TABLES.items()}
        self.start = self.n = self.n_rows = 0
        self.numbers: list[dict[str, Any]] = []

    def add(self, rows: CaseRows, place: int) -> None:
        self.start = self.start if self.n else place
        for name, new in rows.of_table.items():
            self.columns[name].add(new)
            self.n_rows += len(new)
        if rows.numbers:
            self.numbers.append({name: asdict(found) for name, found in rows.numbers.items()})
        self.n += 1


def _written(folder: Path, block: _Block) -> dict[str, Any]:
    """Write the parts of a block; returns its line."""
    files = {}
    for name, columns in block.columns.items():
        frame = columns.frame()
        if len(frame):
            path = part_path(folder / name, block.start)
            StoredTable.write(path, frame)
            files[path.relative_to(folder).as_posix()] = sha256(path)
    return {"start": block.start, "n": block.n, "files": files, "numbers": block.numbers}


def _write_list(folder: Path, lines: list[dict[str, Any]]) -> None:
    with replaced(folder / _LIST) as new:
        new.write_text("".join(map(checked_line, lines)), encoding="utf-8", newline="\n")


def _read_blocks(folder: Path) -> list[dict[str, Any]]:
    """Lines of the blocks whose files are as they were written; the files of all others are removed."""
    lines = [line for line in checked_lines(folder / _LIST) if _is_whole(folder, line["files"])]
    wanted = {folder / name for line in lines for name in line["files"]}
    for path in sorted(folder.glob(f"*/{PARTS}")):
        if path not in wanted:
            path.unlink()
    return lines


def _is_whole(folder: Path, files: Mapping[str, str]) -> bool:
    try:
        return all(sha256(folder / name) == of for name, of in files.items())
    except DataError:
        return False


def _table(folder: Path, name: str) -> pd.DataFrame | StoredTable:
    columns = CASE_TABLES[name].columns
    if not any((folder / name).glob(PARTS)):
        return Columns(columns).frame()
    table = StoredTable(folder / name, {column: _TYPES[of] for column, of in columns.items()})
    return table.frame() if name in IN_MEMORY else table

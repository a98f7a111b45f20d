"""Output of an evaluation: tables, summary, figures and report in a folder.

Results  ->  summary.json, files.json, report.html, gallery.json, tables/*.csv, tables/*/*.parquet, figures/*

The evaluation of each of several classes has a folder of the same form, `classes/<class>/`.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from segassay.assay.frames import as_written, frames_of
from segassay.io.stored_tables import StoredTable
from segassay.io.table_files import as_csv, types_of, write_list
from segassay.judgement.classes import class_paths
from segassay.judgement.results import Results
from segassay.tables.build import Tables

__all__ = ["GALLERY", "SUMMARY", "WORKBOOK", "class_folders", "is_stored", "take_stored_from", "write_results"]


SUMMARY, GALLERY, WORKBOOK = "summary.json", "gallery.json", "tables.xlsx"


def class_folders(folder: Path, classes: Iterable[str]) -> dict[str, Path]:
    """Class -> folder of its evaluation, in that of all classes together."""
    return {name: folder / path for name, path in class_paths(classes).items()}


def is_stored(tables: Tables) -> bool:
    """Whether some of the tables are in Parquet files."""
    return any(isinstance(table, StoredTable) for table in vars(tables).values())


def take_stored_from(folder: Path, found: Results) -> None:
    """Let the stored tables of an evaluation be read from the folder that it was written to."""
    for name, table in vars(found.tables).items():
        if isinstance(table, StoredTable):
            table.folder = folder / "tables" / name


def write_results(work_dir: Path, found: Results, *, gallery: dict[str, Any] | None = None, xlsx: bool = False) -> None:
    """Write tables, summary, figures and report into a folder that exists.

    Args:
        work_dir: The folder.
        found: The evaluation.
        gallery: From `make_gallery`, also written as `gallery.json`; None for none.
        xlsx: Also write the tables as a workbook.
    """
    from segassay import __version__
    from segassay.report.checklists import checklists
    from segassay.report.page import write_report
    from segassay.report.plots import draw_figures

    (work_dir / "tables").mkdir()

    def write(name: str, text: str) -> None:
        (work_dir / "tables" / f"{name}.csv").write_text(text, encoding="utf-8", newline="")

    def write_stored(name: str, table: StoredTable) -> StoredTable:
        table.copy_to(work_dir / "tables" / name)
        return StoredTable(work_dir / "tables" / name, table.types)

    found = as_written(found, write, write_stored)
    forms = {f"checklist_{name}": table for name, table in checklists(found).items()}
    for name, form in forms.items():
        write(name, as_csv(form))
    frames = frames_of(found)
    if xlsx:
        from segassay.io.workbooks import write_workbook

        write_workbook(work_dir / WORKBOOK, frames | forms)
    summary = json.dumps(found.summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (work_dir / SUMMARY).write_text(summary, encoding="utf-8", newline="")
    if gallery is not None:
        from segassay.report.gallery.make import gallery_text

        (work_dir / GALLERY).write_text(gallery_text(gallery), encoding="utf-8", newline="")
    write_list(work_dir, found.name, __version__, {name: types_of(frame) for name, frame in frames.items()})
    figures = draw_figures(found, work_dir / "figures")
    write_report(work_dir / "report.html", found, figures, gallery=gallery)

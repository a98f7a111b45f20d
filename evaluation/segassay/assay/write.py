"""Output of an evaluation: tables, summary, figures and report in a folder.

Results  ->  summary.json, report.html, gallery.json, tables/*.csv, figures/*
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.io.csv_tables import csv_text
from segassay.judgement.results import Results
from segassay.judgement.strategies import STRATEGY_FIELDS
from segassay.qualities.scores.table import written

__all__ = ["frames_of", "write_results"]


_OPTIONAL = (
    *("missing", "votes", "recall_by_size", "calibration", "uncertainty", "repeats", "recounts", "mirrored"),
    *("identical", "measured", "remeasured", "surface_shares", "prob_votes"),
)
"""Tables that are not written if they have no rows."""


def write_results(
    work_dir: Path, found: Results, *, gallery: Mapping[str, Any] | None = None, xlsx: bool = False
) -> None:
    """Write tables, summary, figures and report into a folder that exists.

    Args:
        work_dir: The folder.
        found: The evaluation.
        gallery: From `make_gallery`, also written as `gallery.json`; None for none.
        xlsx: Also write the tables as a workbook.
    """
    from segassay.report.checklists import checklists
    from segassay.report.page import write_report
    from segassay.report.plots import draw_figures

    (work_dir / "tables").mkdir()
    forms = {f"checklist_{name}": table for name, table in checklists(found).items()}
    for name, frame in (frames_of(found) | forms).items():
        text = csv_text(frame, float_format="%.12g")
        (work_dir / "tables" / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    if xlsx:
        from segassay.io.workbooks import write_workbook

        write_workbook(work_dir / "tables.xlsx", frames_of(found) | forms)
    summary = json.dumps(found.summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (work_dir / "summary.json").write_text(summary, encoding="utf-8", newline="")
    if gallery is not None:
        from segassay.report.gallery.make import gallery_text

        (work_dir / "gallery.json").write_text(gallery_text(gallery), encoding="utf-8", newline="")
    figures = draw_figures(found, work_dir / "figures")
    write_report(work_dir / "report.html", found, figures, gallery=gallery)


def frames_of(found: Results) -> dict[str, pd.DataFrame]:
    """Every table that is written, by the name of its file; optional tables without rows are left out."""
    tables = found.tables
    frames = {
        "annotations": found.annotations.drop(columns=["path", "prob", "uncertainty"]),
        "agreement": tables.agreement,
        "distances": tables.distances,
        "leave_one_out": tables.leave_one_out,
        "counts": tables.counts,
        "raters": tables.raters,
        "effects": found.effects,
        "prerequisites": found.prerequisites,
        "scores": written(found.scores),
        "not_judged": written(found.not_judged),
    }
    if found.specifications is not None:
        frames["specifications"] = found.specifications
    if len(found.strategies):
        frames["strategies"] = found.strategies.drop(columns=list(STRATEGY_FIELDS))
    if found.subjects.ne("").any():
        frames["subjects"] = found.subjects.rename_axis("case").rename("subject").reset_index()
    for name in _OPTIONAL:
        if len(getattr(tables, name)):
            frames[name] = getattr(tables, name)
    return frames

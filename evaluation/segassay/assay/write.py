"""Output of an evaluation: tables, summary, figures and report in a folder, and one MLflow run.

Results  ->  summary.json, files.json, report.html, tables/*.csv, figures/*; MLflow
"""

import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.assay.frames import as_written, frames_of
from segassay.io.table_files import as_csv, types_of, write_list
from segassay.judgement.results import Results

__all__ = ["SUMMARY", "WORKBOOK", "log_results", "metric_name", "tracked_run", "write_results"]


SUMMARY, WORKBOOK = "summary.json", "tables.xlsx"


def write_results(work_dir: Path, found: Results, *, xlsx: bool = False) -> None:
    """Write tables, summary, figures and report into a folder that exists; if asked, also the tables as a workbook."""
    from segassay import __version__
    from segassay.report.checklists import checklists
    from segassay.report.page import write_report
    from segassay.report.plots import draw_figures

    (work_dir / "tables").mkdir()
    found, texts = as_written(found)
    forms = {f"checklist_{name}": table for name, table in checklists(found).items()}
    texts |= {name: as_csv(form) for name, form in forms.items()}
    for name, text in texts.items():
        (work_dir / "tables" / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    frames = frames_of(found)
    if xlsx:
        from segassay.io.workbooks import write_workbook

        write_workbook(work_dir / WORKBOOK, frames | forms)
    summary = json.dumps(found.summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (work_dir / SUMMARY).write_text(summary, encoding="utf-8", newline="")
    write_list(work_dir, found.name, __version__, {name: types_of(frame) for name, frame in frames.items()})
    figures = draw_figures(found, work_dir / "figures")
    write_report(work_dir / "report.html", found, figures)


def tracked_run(
    track: bool, experiment: str, name: str, params: Mapping[str, Any]
) -> AbstractContextManager[str | None]:
    """An MLflow run; does nothing if `track` is False, and does not load MLflow."""
    if not track:
        return nullcontext()
    from segassay import __version__, tracking

    return tracking.run(
        experiment, f"evaluate {name}", tags={"kind": "evaluation", "segassay": __version__}, params=params
    )


def log_results(work_dir: Path, scores: pd.DataFrame, batch: int = 400) -> None:
    """Log every score and file to the active MLflow run."""
    from segassay import tracking

    metrics: dict[str, float] = {}
    for row in scores.to_dict("records"):
        name = metric_name(f"{row['quality']}/{row['measure']}/{row['target']}")
        metrics[name] = row["value"]
        if row["n_undefined"]:
            metrics[f"{name}.n_undefined"] = row["n_undefined"]
    names = list(metrics)
    for start in range(0, len(names), batch):  # MLflow takes 1000 at a time
        tracking.log_metrics({name: metrics[name] for name in names[start : start + batch]})
    tracking.log_files(work_dir)


def metric_name(text: str) -> str:
    """A name that MLflow accepts: letters, digits and a few signs, without parts that a path cannot have.

    Example:
        >>> metric_name("validity/f1/../nnU-Net (2d)")
        'validity/f1/_/nnU-Net _2d_'
    """
    parts = (re.sub(r"[^\w.\- ]", "_", part) for part in text.split("/"))
    return "/".join("_" if part.strip(".") == "" else part for part in parts)

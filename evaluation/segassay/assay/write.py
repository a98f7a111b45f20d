"""Output of an evaluation: tables, summary, figures and report in a folder, and one MLflow run.

Results  ->  summary.json, report.html, tables/*.csv, figures/*; MLflow
"""

import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.judgement.results import Results
from segassay.judgement.strategies import STRATEGY_FIELDS
from segassay.qualities.scores.table import written

__all__ = ["frames_of", "log_results", "metric_name", "tracked_run", "write_results"]


_OPTIONAL = (
    *("missing", "votes", "recall_by_size", "calibration", "uncertainty", "repeats", "recounts", "mirrored"),
    *(
        "identical",
        "single_votes",
        "boundaries",
        "detections",
        "measured",
        "remeasured",
        "surface_shares",
        "prob_votes",
    ),
)
"""Tables that are not written if they have no rows."""


def write_results(work_dir: Path, found: Results, *, xlsx: bool = False) -> None:
    """Write tables, summary, figures and report into a folder that exists; if asked, also the tables as a workbook."""
    from segassay.report.checklists import checklists
    from segassay.report.page import write_report
    from segassay.report.plots import draw_figures

    (work_dir / "tables").mkdir()
    forms = {f"checklist_{name}": table for name, table in checklists(found).items()}
    for name, frame in (frames_of(found) | forms).items():
        text = frame.to_csv(index=False, float_format="%.12g", lineterminator="\n")
        (work_dir / "tables" / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    if xlsx:
        from segassay.io.workbooks import write_workbook

        write_workbook(work_dir / "tables.xlsx", frames_of(found) | forms)
    summary = json.dumps(found.summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (work_dir / "summary.json").write_text(summary, encoding="utf-8", newline="")
    figures = draw_figures(found, work_dir / "figures")
    write_report(work_dir / "report.html", found, figures)


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

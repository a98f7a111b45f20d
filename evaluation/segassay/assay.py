"""The evaluation: masks in, tables, figures, a summary and a report out, written whole or not at all.

annotations -> tables -> effects, scores -> summary -> OUT/{summary.json, report.html, tables/, figures/}, MLflow
"""

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import read_annotations
from segassay.data.dataset import Dataset, data_hash, of_cases, read_dataset, strata
from segassay.errors import DataError, UsageError
from segassay.io.images import sha256
from segassay.io.outputs import check_output, prepare_output, publish_output, refuse_inputs, whole_or_nothing
from segassay.io.progress import show_progress
from segassay.judgement.evaluation import Evaluation
from segassay.judgement.measures import both_empty_shift, build_scores, by_quality, further_measures
from segassay.judgement.strategies import strategy_table
from segassay.judgement.summary import summarise, versions
from segassay.qualities.scores.table import Findings, written
from segassay.qualities.validity.specification import specification_table
from segassay.statistics.intervals import Resampling
from segassay.tables.build import Tables, build_tables
from segassay.tables.effects import EFFECT_COLUMNS, MEASURES, PREREQUISITE_COLUMNS, effects, normalise, prerequisites

__all__ = ["Evaluation", "data_hash_of_masks", "evaluate", "metric_name"]

N_RESAMPLES = 2000
SEED = 0
_OPTIONS = ("--out", "--overwrite")


def evaluate(
    dataset_dir: Path | None,
    out: Path,
    *,
    annotations_csv: Path | None = None,
    mask_dirs: Mapping[str, Path] | None = None,
    cases: Collection[str] | None = None,
    overwrite: bool = False,
    n_jobs: int = 1,
    track: bool = True,
    experiment: str | None = None,
) -> Evaluation:
    """Compare all annotators of a dataset, write what was found to `out`, and log it as one MLflow run.

    Args:
        dataset_dir: Dataset folder; None where `annotations_csv` lists all masks, for pixel and object measures only.
        out: Folder to write.
        annotations_csv: Table of further masks.
        mask_dirs: Name and folder of each further annotator.
        cases: Of the dataset, those to look at; by default all.
        overwrite: Replace `out` with all that is in it.
        n_jobs: Processes that share the cases; no number depends on it.
        track: Log to MLflow; without it the library is not even loaded.
        experiment: MLflow experiment, by default the name of the dataset.

    Returns:
        What was written.

    Raises:
        UsageError: If there is neither a dataset nor a table, or `out` exists or cannot be written.
        DataError: If the dataset, the table, a mask or the experiment has problems, or there is nothing to compare.
    """
    final = check_output(out, overwrite, options=_OPTIONS)
    if dataset_dir is None and annotations_csv is None:
        raise UsageError("nothing to evaluate; expected a dataset folder or --annotations CSV")
    dataset = read_dataset(dataset_dir) if dataset_dir is not None else None
    annotations = read_annotations(dataset, annotations_csv, mask_dirs)
    if dataset is not None and cases is not None:
        dataset = of_cases(dataset, cases)
        annotations = annotations[annotations["case"].isin(list(cases))].reset_index(drop=True)
    _check_comparable(annotations)
    refuse_inputs(final, _inputs(dataset, annotations, annotations_csv), used="evaluated", option="--out")
    _normalised(dataset, pd.DataFrame(columns=["case", "annotator", *MEASURES.values()]))  # its errors come early
    name = dataset.name if dataset is not None else Path(annotations_csv or "").stem
    content = data_hash_of_masks(dataset, annotations)
    params = {
        "dataset": dataset_dir,
        "annotations": annotations_csv,
        "masks": ", ".join(f"{mask}={folder}" for mask, folder in (mask_dirs or {}).items()) or None,
        "data_hash": content,
        "n_cases": annotations["case"].nunique(),
        "n_annotators": annotations["annotator"].nunique(),
    }
    work_dir = prepare_output(final, overwrite, options=_OPTIONS)
    with whole_or_nothing(work_dir), _run(track, experiment or name, name, params):
        found = _compute(name, dataset, annotations, content, n_jobs)
        _write(work_dir, found)
        if track:
            _log(work_dir, found.scores)
        publish_output(work_dir)
    return found


def _check_comparable(annotations: pd.DataFrame) -> None:
    names = annotations["annotator"].unique()
    if len(names) < 2:
        raise DataError(
            f"{names[0]!r} is the only annotator, so there is nothing to compare; add a rater, a `reference` in "
            "dataset.yaml, or masks with --annotations or --masks"
        )


def _inputs(dataset: Dataset | None, annotations: pd.DataFrame, annotations_csv: Path | None) -> set[str | Path]:
    folders: set[str | Path] = {os.path.dirname(path) for path in annotations["path"] if path}
    return folders | ({dataset.folder} if dataset else set()) | ({annotations_csv} if annotations_csv else set())


def _normalised(dataset: Dataset | None, counts: pd.DataFrame) -> pd.DataFrame | None:
    """Measurements in multiples of the control mean; None where no control group is known."""
    if dataset is None or dataset.experiment is None or dataset.settings.control_group is None:
        return None
    return normalise(counts, dataset.experiment, dataset.settings.control_group)


def data_hash_of_masks(dataset: Dataset | None, annotations: pd.DataFrame) -> str:
    """SHA-256 of the content that is evaluated: the dataset's own hash where no other mask takes part.

    Further masks count with their case, annotator, session and content, not with their place.
    """
    own = set()
    if dataset is not None:
        folders = [*dataset.masks.values(), dataset.reference]
        own = {os.path.abspath(path) for paths in folders for path in paths.values()}
    content = data_hash(dataset) if dataset is not None else ""
    foreign = annotations[~annotations["path"].isin(own)]
    if foreign.empty:
        return content
    lines = [
        f"{case}\0{annotator}\0{kind}\0{session}\0{'' if missing else sha256(path)}\n"
        for case, annotator, kind, session, path, missing in foreign[
            ["case", "annotator", "kind", "session", "path", "missing"]
        ].itertuples(index=False)
    ]
    return hashlib.sha256("".join([content, *sorted(lines)]).encode()).hexdigest()


# ---------------------------------------------------------------------------------------------------------- the numbers


def _compute(name: str, dataset: Dataset | None, annotations: pd.DataFrame, content: str, n_jobs: int) -> Evaluation:
    n_cases = annotations["case"].nunique()
    with show_progress(n_cases, doing="comparing masks", done="compared masks of") as advance:
        tables = build_tables(dataset, annotations, n_jobs=n_jobs, progress=advance)
    found = pd.DataFrame(columns=list(EFFECT_COLUMNS))
    checks = pd.DataFrame(columns=list(PREREQUISITE_COLUMNS))
    normalised, choices = _normalised(dataset, tables.counts), None
    if normalised is not None:
        found, checks = effects(normalised), prerequisites(normalised)
        choices = _specifications(dataset, tables, annotations)
    clusters = _clusters(dataset, annotations)
    scores = build_scores(tables, annotations, clusters, n_resamples=N_RESAMPLES, seed=SEED)
    margin = Findings.equivalence_margin if dataset is None else dataset.settings.equivalence_margin
    resampling = Resampling(n_resamples=N_RESAMPLES, seed=SEED)
    findings = Findings(tables, annotations, clusters, found, normalised, margin, resampling, choices)
    further, not_judged = further_measures(findings)
    scores = by_quality([scores, further])
    summary: dict[str, Any] = summarise(scores, found, annotations)
    summary |= {"versions": versions(), "data_hash": content}
    summary["policy"] = _policy(dataset, annotations, tables, clusters)
    compared = strategy_table(findings)
    return Evaluation(name, annotations, tables, found, checks, choices, scores, not_judged, compared, summary)


def _specifications(dataset: Dataset | None, tables: Tables, annotations: pd.DataFrame) -> pd.DataFrame | None:
    if dataset is None or dataset.experiment is None or dataset.settings.control_group is None:
        return None
    return specification_table(tables.recounts, annotations, dataset.experiment, dataset.settings.control_group)


def _clusters(dataset: Dataset | None, annotations: pd.DataFrame) -> pd.Series:
    """Case -> subject where the experiment names it, else the case itself."""
    cases = annotations["case"].unique()
    subjects = pd.Series("", index=cases) if dataset is None else strata(dataset)["subject"].reindex(cases)
    named = [f"subject {subject}" if subject else f"case {case}" for case, subject in subjects.items()]
    return pd.Series(named, index=cases)


def _policy(dataset: Dataset | None, annotations: pd.DataFrame, tables: Tables, clusters: pd.Series) -> dict[str, Any]:
    """The choices behind the numbers, and what a reader should know about this evaluation."""
    by_subject = clusters.str.startswith("subject ")
    notes = list(tables.notes)
    if dataset is not None and dataset.experiment is not None and dataset.settings.control_group is None:
        notes.append("dataset.yaml names no control_group: measurements are not normalised and effects not tested")
    return {
        "both_empty": {
            "convention": "1: they agree that nothing is there",
            **_finite(both_empty_shift(tables, annotations)),
        },
        "one_empty": "0",
        "missing_prediction": "scores 0 and is counted; its distances and measurements are undefined",
        "object_found": "IoU > threshold; f1 is at .5",
        "min_object_size": dataset.min_object_size if dataset is not None else 0,
        "intervals": {
            "level": 0.95,
            "n_resamples": N_RESAMPLES,
            "seed": SEED,
            "unit": "subject" if by_subject.all() else "case" if not by_subject.any() else "subject, else case",
            "n_units": int(clusters.nunique()),
            "conditional_on": "these raters and seeds",
        },
        "notes": notes,
        "warnings": list(map(str, dataset.warnings)) if dataset is not None else [],
    }


def _finite(numbers: Mapping[str, float | int]) -> dict[str, float | int | None]:
    return {name: number if np.isfinite(number) else None for name, number in numbers.items()}


# -------------------------------------------------------------------------------------------------------- what is left


def _write(work_dir: Path, found: Evaluation) -> None:
    from segassay.report.page import draw_figures, write_report

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
        frames["strategies"] = written(found.strategies)
    for name in ("missing", "votes", "recall_by_size", "calibration", "uncertainty", "repeats", "recounts"):
        if len(getattr(tables, name)):
            frames[name] = getattr(tables, name)
    (work_dir / "tables").mkdir()
    for name, frame in frames.items():
        text = frame.to_csv(index=False, float_format="%.12g", lineterminator="\n")
        (work_dir / "tables" / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    summary = json.dumps(found.summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (work_dir / "summary.json").write_text(summary, encoding="utf-8", newline="")
    figures = draw_figures(found, work_dir / "figures")
    write_report(work_dir / "report.html", found, figures)


def _run(track: bool, experiment: str, name: str, params: Mapping[str, Any]) -> AbstractContextManager[str | None]:
    if not track:
        return nullcontext()
    from segassay import __version__, tracking

    return tracking.run(
        experiment, f"evaluate {name}", tags={"kind": "evaluation", "segassay": __version__}, params=params
    )


def _log(work_dir: Path, scores: pd.DataFrame, batch: int = 400) -> None:
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
    """As MLflow allows it: letters, digits and a few signs, and no part that a path could not have.

    Example:
        >>> metric_name("validity/f1/../nnU-Net (2d)")
        'validity/f1/_/nnU-Net _2d_'
    """
    parts = (re.sub(r"[^\w.\- ]", "_", part) for part in text.split("/"))
    return "/".join("_" if part.strip(".") == "" else part for part in parts)

"""Evaluate a study: the same masks once only; log a run for each strategy to MLflow, register the best ensemble.

annotations.csv, further masks  ->  evaluation/, a run for each strategy, a version of the registered model
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from segassay import tracking
from segassay.assay import evaluate
from segassay.assay.write import metric_name
from segassay.data.dataset import data_hash
from segassay.io.csv_tables import csv_text
from segassay.io.images import sha256
from segassay.judgement.summary import versions
from segassay_monai.ensemble.registry import register_ensemble
from segassay_monai.study.best import best_ensemble
from segassay_monai.study.masks import list_masks
from segassay_monai.study.plan import HELD_OUT, TEST, PlannedMember, Study
from segassay_monai.study.scheduler import n_cores
from segassay_monai.study.store import read_state, write_state, write_whole

__all__ = ["ANNOTATIONS", "EVALUATION", "further_masks", "judge"]

ANNOTATIONS = {HELD_OUT: "annotations.csv", TEST: "annotations_test.csv"}
EVALUATION = {HELD_OUT: "evaluation", TEST: "evaluation_test"}


def judge(study: Study) -> list[Path]:
    """Evaluate all predictions.

    Returns:
        Folders with a report: of the held-out cases, and of the cases of the test split, if any.
    """
    has_test = any(prediction.on == TEST for prediction in study.predictions)
    return [_judge(study, on) for on in (HELD_OUT, TEST) if on == HELD_OUT or has_test]


def _judge(study: Study, on: str) -> Path:
    """Evaluate the predictions, unless the same masks were evaluated before."""
    out = study.out / EVALUATION[on]
    table = list_masks(study, on)
    text = csv_text(table)
    files = [f"{name} {path.name} {sha256(path)}" for name, path in further_masks(study.masks)]
    content = "\n".join([text, data_hash(study.dataset), json.dumps(versions(), sort_keys=True), *files])
    digest = hashlib.sha256(content.encode()).hexdigest()
    if read_state(study).get(on) == digest and (out / "summary.json").is_file():
        return out
    path = study.out / ANNOTATIONS[on]
    write_whole(path, text)
    found = evaluate(
        study.dataset.folder,
        out,
        annotations=path,
        masks=study.masks,
        cases=tuple(dict.fromkeys(table["case"])),
        overwrite=True,
        n_jobs=n_cores(),
        track=True,
        mlflow_experiment=study.name,
    )
    _log_strategies(study, on, found.strategies)
    if on == HELD_OUT:
        _register_best(study, found.scores)
    write_state(study, **{on: digest})
    return out


def further_masks(folders: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Name and file of every mask of further annotators, in the order of their names."""
    for name, folder in folders.items():
        for path in sorted(folder.glob("*")):
            if path.is_file():
                yield name, path


def _log_strategies(study: Study, on: str, strategies: pd.DataFrame) -> None:
    """Log one run per strategy, the same one each time, so that MLflow's user interface can compare strategies."""
    if strategies.empty:
        return
    known = read_state(study).get(f"strategies_{on}", {})
    for group, rows in strategies.groupby("group", sort=False):
        about = rows.iloc[0]
        tags = {"kind": "strategy", "strategy": group, "annotators": about["kind"], "cases": on}
        with tracking.run(study.name, str(group), tags=tags, params={}, run_id=known.get(group)) as run_id:
            known[group] = run_id
            tracking.log_metrics({_strategy_metric(row): float(row["value"]) for row in rows.to_dict("records")})
    write_state(study, **{f"strategies_{on}": known})


def _strategy_metric(row: Mapping[Any, Any]) -> str:
    """Name of a number of a strategy, under its quality.

    Example:
        >>> _strategy_metric({"quality": "validity", "measure": "count_eta_squared", "contrast": "A against H"})
        'validity/count_eta_squared/A against H'
    """
    return metric_name("/".join(row[part] for part in ("quality", "measure", "contrast") if row[part]))


def _register_best(study: Study, scores: pd.DataFrame) -> None:
    """Register the ensemble with the highest score against the raters, over all folds; the first of equal ones."""
    ensembles: dict[str, list[PlannedMember]] = {}
    for prediction in study.predictions:
        if prediction.on == HELD_OUT and len(prediction.members) > 1:
            ensembles.setdefault(prediction.annotator, []).extend(prediction.members)
    ensembles = {name: members for name, members in ensembles.items() if all(map(study.is_done, members))}
    best = best_ensemble(scores, ensembles)
    if best is None:
        return
    members = ensembles[best["target"]]
    tags = {
        "annotator": best["target"],
        "strategy": members[0].strategy,
        "n_members": len(members),
        "n_folds": len({planned.fold for planned in members}),
        best["measure"]: f"{best['value']:.4f}",
        "interval": f"{best['low']:.4f} to {best['high']:.4f}",
        "n_cases": int(best["n_cases"]),
        "data_hash": data_hash(study.dataset),
    }
    register_ensemble([study.checkpoint(planned) for planned in members], name=study.name, tags=tags)

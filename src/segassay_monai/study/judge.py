"""The judgement of a study: evaluated once for the same masks, strategies side by side in MLflow, the best registered.

annotations.csv, further masks  ->  evaluation/, a run for each strategy, a version of the registered model
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from segassay import tracking
from segassay.assay import evaluate
from segassay.assay.write import metric_name
from segassay.data.dataset import data_hash
from segassay.io.images import sha256
from segassay.judgement.summary import versions
from segassay_monai.ensemble.registry import register_ensemble
from segassay_monai.study.masks import list_masks
from segassay_monai.study.plan import HELD_OUT, TEST, PlannedMember, Study
from segassay_monai.study.scheduler import n_cores
from segassay_monai.study.store import read_state, write_state, write_whole

__all__ = ["judge"]

_ANNOTATIONS = {HELD_OUT: "annotations.csv", TEST: "annotations_test.csv"}
_EVALUATION = {HELD_OUT: "evaluation", TEST: "evaluation_test"}
_SCORES = ("f1_leave_one_out", "f1_pairwise")


def judge(study: Study) -> list[Path]:
    """Evaluate all that was predicted.

    Returns:
        Folders with a report: of the cases held out, and of those of the test split where there are any.
    """
    has_test = any(prediction.on == TEST for prediction in study.predictions)
    return [_judge(study, on) for on in (HELD_OUT, TEST) if on == HELD_OUT or has_test]


def _judge(study: Study, on: str) -> Path:
    """Evaluate all that was predicted, unless that very thing was evaluated before."""
    out = study.out / _EVALUATION[on]
    table = list_masks(study, on)
    text = table.to_csv(index=False, lineterminator="\n")
    files = [f"{name} {path.name} {sha256(path)}" for name, path in _files(study.masks)]
    content = "\n".join([text, data_hash(study.dataset), json.dumps(versions(), sort_keys=True), *files])
    digest = hashlib.sha256(content.encode()).hexdigest()
    if read_state(study).get(on) == digest and (out / "summary.json").is_file():
        return out
    path = study.out / _ANNOTATIONS[on]
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
    _log_strategies(study, on, out)
    if on == HELD_OUT:
        _register_best(study, found.scores)
    write_state(study, **{on: digest})
    return out


def _files(folders: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    for name, folder in folders.items():
        for path in sorted(folder.glob("*")):
            if path.is_file():
                yield name, path


def _log_strategies(study: Study, on: str, evaluation: Path) -> None:
    """One run per strategy, the same one each time, so that strategies can be compared in the user interface."""
    path = evaluation / "tables" / "strategies.csv"
    if not path.is_file():
        return
    known = read_state(study).get(f"strategies_{on}", {})
    for group, rows in pd.read_csv(path).fillna({"contrast": ""}).groupby("group", sort=False):
        about = rows.iloc[0]
        tags = {"kind": "strategy", "strategy": group, "annotators": about["kind"], "cases": on}
        with tracking.run(study.name, str(group), tags=tags, params={}, run_id=known.get(group)) as run_id:
            known[group] = run_id
            table = zip(rows["measure"], rows["contrast"], rows["value"], strict=True)
            tracking.log_metrics({_strategy_metric(str(m), str(c)): float(value) for m, c, value in table})
    write_state(study, **{f"strategies_{on}": known})


def _strategy_metric(measure: str, contrast: str) -> str:
    """Name of a number of a strategy, under the quality that it is about.

    Example:
        >>> _strategy_metric("f1_within", ""), _strategy_metric("count_eta_squared", "A against H")
        ('reliability/f1_within', 'validity/count_eta_squared/A against H')
    """
    quality = "reliability" if "_within" in measure or measure.endswith("_sd") else "validity"
    return metric_name("/".join(part for part in (quality, measure, contrast) if part))


def _register_best(study: Study, scores: pd.DataFrame) -> None:
    """Register the whole ensemble with the highest score against the raters; the first of equal ones."""
    ensembles: dict[str, list[PlannedMember]] = {}
    for prediction in study.predictions:
        if prediction.on == HELD_OUT and len(prediction.members) > 1:
            ensembles.setdefault(prediction.annotator, []).extend(prediction.members)
    ensembles = {name: members for name, members in ensembles.items() if all(map(study.is_done, members))}
    found = scores[scores["measure"].isin(_SCORES) & scores["target"].isin(list(ensembles)) & scores["value"].notna()]
    if found.empty:
        return
    best = found.sort_values("value", ascending=False, kind="stable").iloc[0].to_dict()
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

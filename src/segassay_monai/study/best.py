"""The best ensemble of a study: the one that agrees most with the raters, over all folds.

scores, names of ensembles          ->  best_ensemble    ->  its row of scores
OUT/annotations.csv, OUT/evaluation ->  read_best        ->  its name and the checkpoints of its members
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.errors import DataError
from segassay.io.outputs import recover_output
from segassay.io.table_files import LIST, check_files, parse_json, read_list
from segassay.io.text_tables import read_text_table
from segassay.qualities.scores.measure import LEAVE_ONE_OUT, PAIRWISE
from segassay.qualities.validity.records import F1
from segassay_monai.ensemble.names import seeds_in

__all__ = ["BestEnsemble", "best_ensemble", "read_best"]

_MEASURES = tuple(f"{F1.name}_{comparison}" for comparison in (LEAVE_ONE_OUT, PAIRWISE))

_AGAIN = "run the study again: segassay study run STUDY.yaml"
"""What to do about a damaged file."""


@dataclass(frozen=True)
class BestEnsemble:
    """The best ensemble of a finished study.

    Attributes:
        annotator: Name in the tables of the study.
        checkpoints: One file per member, of all folds.
        min_object_size: Smallest object, in pixels, that counted in the evaluation.
    """

    annotator: str
    checkpoints: tuple[Path, ...]
    min_object_size: int


def best_ensemble(scores: pd.DataFrame, names: Collection[str]) -> dict[str, Any] | None:
    """Find the ensemble with the highest F1 against the raters; the first of equal ones.

    Args:
        scores: Table of an evaluation, with `measure`, `target` and `value`.
        names: Names of the ensembles.

    Returns:
        Its row; None if no ensemble has a score.

    Example:
        >>> scores = pd.DataFrame({"measure": "f1_pairwise", "target": ["a/s0-1", "b/s0-1"], "value": [0.6, 0.7]})
        >>> best_ensemble(scores, ["a/s0-1", "b/s0-1"])["target"]
        'b/s0-1'
    """
    own = scores["measure"].isin(_MEASURES) & scores["target"].isin(list(names)) & scores["value"].notna()
    if not own.any():
        return None
    found = scores[own].sort_values("value", ascending=False, kind="stable").iloc[0]
    return {str(name): value for name, value in found.items()}


def read_best(out: Path) -> BestEnsemble:
    """Read the best ensemble from the folder of a finished study; the dataset is not needed.

    Args:
        out: Folder of the study, with `members/`, `annotations.csv` and `evaluation/`.

    Raises:
        DataError: If the study is not finished, or no ensemble was scored.
    """
    evaluation = out / "evaluation"
    recover_output(evaluation.resolve())
    if not (evaluation / "summary.json").is_file():
        raise DataError.of(out, "is a study that is not finished", "run it: segassay study run STUDY.yaml")
    if (evaluation / LIST).is_file():  # earlier versions wrote none
        check_files(evaluation, read_list(evaluation, _AGAIN), _AGAIN)
    table = read_text_table(out / "annotations.csv")
    scores = read_text_table(evaluation / "tables" / "scores.csv")
    scores["value"] = pd.to_numeric(scores["value"], errors="coerce")
    best = best_ensemble(scores, table.loc[table["kind"] == "ensemble", "annotator"].unique())
    if best is None:
        what = "is a study without an ensemble that was compared with raters"
        raise DataError.of(out, what, f"choose members yourself: give {out / 'members'} and --strategy NAME")
    path = evaluation / "summary.json"
    policy = parse_json(path, path.read_text(encoding="utf-8", errors="replace"), _AGAIN).get("policy", {})
    if "min_object_size" not in policy:
        raise DataError.of(path, "is not the summary of an evaluation", _AGAIN)
    return BestEnsemble(best["target"], _checkpoints(out, table, best["target"]), int(policy["min_object_size"]))


def _checkpoints(out: Path, table: pd.DataFrame, annotator: str) -> tuple[Path, ...]:
    """Checkpoints of the members of an ensemble: the models of the same label that have its seeds."""
    label, _, seeds = annotator.rpartition("/s")
    names = {f"{label}/s{seed}" for seed in seeds_in(seeds)}
    own = table[(table["kind"] == "model") & table["annotator"].isin(names)]
    folders = dict.fromkeys(Path(path).parts[1] for path in own["path"] if Path(path).parts[0] == "members")
    paths = tuple(path for folder in folders if (path := out / "members" / folder / "model.pt").is_file())
    if not paths:
        raise DataError.of(out / "members", f"lacks the members of {annotator}", "run the study again")
    return paths

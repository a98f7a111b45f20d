"""Numbers of the assay for a model card: scores with intervals, verdicts, and a figure, without names of raters.

study with evaluation/ -> scores of its best ensemble, verdicts, figures/strategies.png -> Numbers
folder of members      -> mean of what each scored on the images that it held out      -> Numbers
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.data.annotations import RATER
from segassay.io.table_files import parse_json
from segassay.io.text_tables import read_text_table
from segassay.judgement.summary import judged_in, outcome_of
from segassay_monai.prediction.models import Model
from segassay_monai.sharing.certificate import export_certificate, files_of

__all__ = [
    "Number",
    "Numbers",
    "Verdict",
    "certificate_of",
    "evaluation_of",
    "numbers_of",
    "numbers_of_members",
    "numbers_of_study",
]

THIS = "this model"

_AGAINST = {
    "leave_one_out": "the consensus of the other raters",
    "pairwise": "single raters",
    "own_target": "the masks that it was trained on",
}
_MEASURES = {
    "f1": "F1 of objects (IoU > 0.5)",
    "dice": "Dice of pixels",
    "mean_iou": "mean IoU of found objects",
    "precision": "precision of objects",
    "recall": "recall of objects",
    "pq": "panoptic quality",
    "nsd": "normalised surface Dice",
}
_ALONE = {
    "williams_index": "Williams index (1: agrees with raters as they agree with each other)",
    "ece": "expected calibration error of the probability",
    "count_same_verdict": "share of effects on counts with the conclusion of the raters",
}


@dataclass(frozen=True)
class Number:
    """One measure with its 95 % interval, if it has one."""

    name: str
    label: str
    value: float
    low: float | None
    high: float | None
    n_cases: int


@dataclass(frozen=True)
class Verdict:
    """What the assay concluded about one quality; the sentence is empty if it would name a rater."""

    quality: str
    verdict: str
    sentence: str


@dataclass(frozen=True)
class Numbers:
    """What is known about the performance of a model; empty if it was never compared with masks."""

    numbers: tuple[Number, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    figures: tuple[Path, ...] = ()

    @property
    def eval_metrics(self) -> dict[str, float]:
        """`eval_metrics` of the metadata."""
        return {number.name: round(number.value, 4) for number in self.numbers}


def numbers_of(model: str | os.PathLike[str], found: Model) -> Numbers:
    """Numbers of the study if the model is its best ensemble, else of the members.

    Args:
        model: As given to `find_model`.
        found: What it found.
    """
    evaluation = evaluation_of(model, found)
    return numbers_of_members(found.checkpoints) if evaluation is None else numbers_of_study(evaluation, found.name)


def evaluation_of(model: str | os.PathLike[str], found: Model) -> Path | None:
    """Evaluation of the study whose best ensemble the model is; None if it is another model."""
    for study in list(found.checkpoints[0].resolve().parents)[2:3]:  # OUT/members/<folder>/model.pt
        is_part = Path(model).resolve().is_relative_to(study / "members")
        if (study / "evaluation" / "summary.json").is_file() and not is_part:
            return study / "evaluation"
    return None


def certificate_of(kind: str, place: Path, model: str | os.PathLike[str], found: Model) -> dict[str, Any]:
    """Certificate of an export, with the numbers of the study if the model is its best ensemble.

    Args:
        kind: One of `certificate.EXPORTS`.
        place: Folder, or only file, of the export.
        model: As given to `find_model`.
        found: What it found.
    """
    evaluation = evaluation_of(model, found)
    return export_certificate(kind, files_of(place), found.checkpoints, evaluation=evaluation, annotator=found.name)


def numbers_of_study(evaluation: Path, annotator: str) -> Numbers:
    """Read the scores of one annotator from the folder of an evaluation.

    Args:
        evaluation: Folder with `summary.json`, `tables/` and `figures/`.
        annotator: Name of the ensemble in these tables.
    """
    path = evaluation / "summary.json"
    summary = parse_json(path, path.read_text(encoding="utf-8", errors="replace"), "run the study again")
    scores = read_text_table(evaluation / "tables" / "scores.csv")
    annotations = read_text_table(evaluation / "tables" / "annotations.csv")
    raters = list(annotations.loc[annotations["kind"].eq(RATER), "annotator"].unique())
    own = scores[(scores["target"] == annotator) & (scores["value"] != "")]
    rows = {row["measure"]: row for row in own.to_dict("records")}
    figure = evaluation / "figures" / "strategies.png"
    return Numbers(
        tuple(_numbers(rows)),
        tuple(_verdicts(summary, annotator, raters)),
        (figure,) if figure.is_file() else (),
    )


def _numbers(rows: dict[Any, dict[Any, str]]) -> Iterator[Number]:
    labels = {
        f"{measure}_{comparison}": f"{label}, against {against}"
        for comparison, against in _AGAINST.items()
        for measure, label in _MEASURES.items()
    } | _ALONE
    for name, label in labels.items():
        if row := rows.get(name):
            low, high = (float(row[bound]) if row[bound] else None for bound in ("low", "high"))
            yield Number(name, label, float(row["value"]), low, high, int(row["n_cases"]))


def _verdicts(summary: dict[str, Any], annotator: str, raters: Sequence[str]) -> Iterator[Verdict]:
    """Verdicts and sentences; one that names a rater is left out."""
    for quality in judged_in(summary):
        judged = summary[quality]
        verdict, sentence = (_without(annotator, str(judged[part])) for part in ("verdict", "sentence"))
        verdict = outcome_of(judged)[0] if _names_one(verdict, raters) else verdict
        yield Verdict(quality, verdict, "" if _names_one(sentence, raters) else sentence[:1].upper() + sentence[1:])


def _without(annotator: str, text: str) -> str:
    return re.sub(re.escape(annotator), THIS, text, flags=re.IGNORECASE)


def _names_one(text: str, raters: Sequence[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(rater)}(?!\w)", text, re.IGNORECASE) for rater in raters)


def numbers_of_members(checkpoints: Sequence[Path]) -> Numbers:
    """Mean over members of what each scored on the images that it held out; empty unless every member holds scores."""
    paths = [path.parent / "held_out" / "scores.csv" for path in checkpoints]
    if not all(path.is_file() for path in paths):
        return Numbers()
    table = pd.concat([pd.read_csv(path).iloc[:1] for path in paths])
    found = [
        Number(f"{name}_own_target", f"{label}, mean over single members", float(table[name].mean()), None, None, n)
        for name, label in _MEASURES.items()
        if name in table and table[name].notna().any()
        for n in [int(table["n_cases"].max())]
    ]
    return Numbers(tuple(found))

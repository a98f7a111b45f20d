"""Estimate the variance components of scores and of counts from a pilot or a finished study.

tables of an evaluation  ->  Pilot
"""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater
from segassay.data.dataset import units_of
from segassay.errors import DataError, number_of
from segassay.io.addresses import refuse_address
from segassay.io.csv_tables import read_csv_text
from segassay.judgement.results import Results
from segassay.qualities.scores.table import mean_over_raters
from segassay.statistics.components import three_way_components, two_way_components
from segassay.statistics.groups import mixed_model
from segassay.statistics.intervals import mean_interval

_SIDES = ("annotator_a", "annotator_b")
_TOO_FEW = "too few raters for the consensus of the others"
FACETS = {
    "case": ("case",),
    "rater": ("rater",),
    "seed": ("seed",),
    "case:rater": ("case", "rater"),
    "case:seed": ("case", "seed"),
    "rater:seed": ("rater", "seed"),
    "residual": ("case", "rater", "seed"),
}


@dataclass(frozen=True, eq=False)
class Pilot:
    """Variance components from the available images, raters and seeds.

    Attributes:
        score: Variance components of the score of objects (F1 at IoU > .5 against the consensus of the others).
        log_count: Variance components of the logarithm of the number of objects, plus one half, of an image.
        scored: Annotators with these scores: `raters` or `models`.
        n_cases: Images with a score.
        n_raters: Available raters, or raters that models were trained on.
        n_seeds: Seeds of each; 1 if no models differ only by the seed.
        notes: What the pilot cannot estimate.
        n_subjects: Subjects of these images; 0 if the experiment names none, so that each image counts by itself.
        correlation: Intraclass correlation of the mean scores of two images of one subject.
        reported: Width of the 95 % interval of the mean score that the report of the pilot states.
        share: Share of all images that have these scores: of one of several classes, those in which half of the raters
            or more marked it. Else 1.
    """

    score: Mapping[str, float]
    log_count: Mapping[str, float]
    scored: str
    n_cases: int
    n_raters: int
    n_seeds: int
    notes: tuple[str, ...] = ()
    n_subjects: int = 0
    correlation: float = 0.0
    reported: float = math.nan
    share: float = 1.0

    @property
    def images_per_subject(self) -> float:
        """Mean number of images of a subject; 1 if the experiment names no subjects."""
        return self.n_cases / self.n_subjects if self.n_subjects else 1.0


def read_pilot(result: Results | str | os.PathLike[str]) -> Pilot:
    """Estimate variance components from a finished evaluation.

    If models were trained on single raters, their scores (against the raters they did not learn from) and their counts
    are decomposed into case, rater and seed; else those of the raters into case and rater. Where the experiment names
    subjects, these are the units, as in the report.

    Two masks that have nothing of a class agree perfectly, so images without it would make every plan look easy: of one
    of several classes only images count in which half of the raters or more marked it.

    Args:
        result: What `segassay.evaluate` returns, or the folder that it wrote; also that of a class.

    Returns:
        The components, and the numbers of images, subjects, raters and seeds.

    Raises:
        DataError: If the folder is not such a result, or has fewer than 2 raters, 2 subjects, or 3 cases that all of
            them annotated, or that have the class.
    """
    where = result.name if isinstance(result, Results) else os.fspath(result)
    tables = {name: _table(result, name) for name in ("annotations", "leave_one_out", "agreement", "counts")}
    annotations = tables["annotations"].drop_duplicates("annotator").set_index("annotator")
    counts = tables["counts"].pivot(index="case", columns="annotator", values="n_objects")
    raters = list(annotations.index[annotations["kind"].map(is_rater)])
    share = 1.0
    if _summary(result).get("class"):
        known = counts[raters]
        with_class = counts.index[(known > 0).sum(axis=1) * 2 >= known.notna().sum(axis=1).clip(lower=1)]
        share, counts = len(with_class) / max(len(counts), 1), counts.loc[with_class]
        compared = {name: tables[name].loc[tables[name]["case"].isin(with_class)] for name in _COMPARED}
        tables |= compared
    models = _models_of_raters(annotations, raters)
    if models["trained_on"].nunique() > 1:
        pilot, scores = _pilot_of_models(tables, counts[models.index].add(0.5).apply(np.log), models, raters)
    elif len(raters) < 2:
        needed = "a pilot needs 2 or more, or models of 2 or more"
        raise DataError.of(where, f"has {number_of(len(raters), 'rater')}", needed)
    elif not len(counts):
        raise DataError.of(where, "has no image in which half of the raters marked the class", "it cannot be planned")
    else:
        log_count = counts[raters].add(0.5).apply(np.log).dropna()
        pilot, scores = _pilot_of_raters(where, tables, log_count, raters)
    pilot = dataclasses.replace(pilot, share=share)
    return _with_subjects(where, pilot, mean_over_raters(scores).dropna(), _subjects(result))


_COMPARED = ("leave_one_out", "agreement")


def _summary(result: Results | str | os.PathLike[str]) -> Mapping[str, Any]:
    """Content of summary.json; empty if there is none."""
    if isinstance(result, Results):
        return result.summary
    path = Path(result) / "summary.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _subjects(result: Results | str | os.PathLike[str]) -> pd.Series:
    """Case -> subject, empty where it is unknown."""
    if isinstance(result, Results):
        return result.subjects
    path = Path(result) / "tables" / "subjects.csv"
    if path.exists():
        return pd.read_csv(path, dtype=str, keep_default_na=False).set_index("case")["subject"]
    _check_without_subjects(Path(result), _summary(result))
    return pd.Series(dtype=str)


def _check_without_subjects(folder: Path, summary: Mapping[str, Any]) -> None:
    """An evaluation over subjects that does not say which case is of whom cannot be planned from."""
    unit = summary.get("policy", {}).get("intervals", {}).get("unit", "case")
    if unit != "case":
        what = f"has intervals over subjects, and no {Path('tables') / 'subjects.csv'}"
        raise DataError.of(folder, what, "repeat `segassay evaluate` with this version")


def _with_subjects(where: str, pilot: Pilot, scores: pd.Series, subjects: pd.Series) -> Pilot:
    """The pilot with the units and the interval of the report, given the mean score of each case."""
    subjects = subjects.reindex(scores.index).fillna("")
    units = units_of(subjects)
    n_units = units.nunique()
    if n_units < 2:
        raise DataError.of(where, f"has images of {number_of(n_units, 'subject')}", "a pilot needs 2 or more")
    interval = mean_interval(scores.to_numpy(dtype=float), units.to_numpy())
    known: dict[str, Any] = {"n_cases": len(scores), "reported": interval.high - interval.low}
    if subjects.ne("").any():
        fit = mixed_model(scores.to_numpy(dtype=float), np.zeros(len(scores), dtype=int), units.to_numpy(), n_groups=1)
        total = fit.variance_subject + fit.variance_residual
        known |= {"n_subjects": n_units, "correlation": fit.variance_subject / total if total > 0 else 0.0}
    return dataclasses.replace(pilot, **known)


def _models_of_raters(annotations: pd.DataFrame, raters: list[str]) -> pd.DataFrame:
    """Models of known seeds that were trained on single raters; of several strategies, that with the most models."""
    models = annotations[(annotations["kind"] == "model") & annotations["trained_on"].isin(raters)]
    models = models[models["seed"].notna()]
    strategies = models["strategy"].fillna("")
    return models[strategies.isin(strategies.mode()[:1])]


_TEXTS = ("case", "annotator", "annotator_a", "annotator_b", "rater", "trained_on", "strategy", "person")
"""Columns of names, which may look like numbers."""


def _table(result: Results | str | os.PathLike[str], name: str) -> pd.DataFrame:
    if isinstance(result, Results):
        return result.annotations if name == "annotations" else getattr(result.tables, name)
    refuse_address(result, "evaluation")
    path = Path(result) / "tables" / f"{name}.csv"
    try:
        return read_csv_text(path, _TEXTS)
    except (OSError, ValueError) as error:
        raise DataError.of(path, "cannot be read", expected="a folder written by `segassay evaluate`") from error


def _pilot_of_raters(
    where: str, tables: Mapping[str, pd.DataFrame], log_count: pd.DataFrame, raters: list[str]
) -> tuple[Pilot, pd.DataFrame]:
    """The pilot, and the score of each case and rater."""
    own = tables["leave_one_out"].query("iou_threshold == 0.5 and annotator == rater")
    notes = ["no models that differ by the seed: what another seed changes is unknown and left out"]
    if own.empty:  # fewer than 4 raters: mean agreement with the others
        notes.append(f"{_TOO_FEW}: scores are mean agreements with the other raters")
        pairs = tables["agreement"].query("iou_threshold == 0.5")
        pairs = pairs[pairs["annotator_a"].isin(raters) & pairs["annotator_b"].isin(raters)]
        own = pd.concat([pairs[["case", side, "f1"]].set_axis(["case", "rater", "f1"], axis=1) for side in _SIDES])
    every = own.pivot_table(index="case", columns="rater", values="f1")
    scores = every.dropna()
    if len(scores) < 3 or len(log_count) < 3:
        what = f"has {number_of(len(scores), 'image')} annotated by all raters"
        raise DataError.of(where, what, "a pilot needs 3 or more")
    pilot = Pilot(
        score=_known(two_way_components(scores.to_numpy())),
        log_count=_known(two_way_components(log_count.to_numpy())),
        scored="raters",
        n_cases=len(scores),
        n_raters=len(raters),
        n_seeds=1,
        notes=tuple(notes),
    )
    return pilot, every


def _pilot_of_models(
    tables: Mapping[str, pd.DataFrame], log_count: pd.DataFrame, models: pd.DataFrame, raters: list[str]
) -> tuple[Pilot, pd.DataFrame]:
    """The pilot, and the score of each case and model."""
    against = tables["leave_one_out"].query("iou_threshold == 0.5")
    against = against[against["annotator"].isin(models.index)]
    notes = []
    if against.empty:  # fewer than 4 raters
        notes.append(f"{_TOO_FEW}: scores are mean agreements with the raters")
        against = _with_raters(tables["agreement"].query("iou_threshold == 0.5"), raters, models.index)
    scores = against.groupby(["case", "annotator"], sort=False)["f1"].mean().reset_index()
    counted = log_count.reset_index().melt(id_vars="case", var_name="annotator", value_name="log_count").dropna()
    of = {"score": (scores, "f1"), "log_count": (counted, "log_count")}
    components = {
        name: _known(
            three_way_components(
                table[column].to_numpy(),
                case=table["case"].to_numpy(),
                seed=table["annotator"].map(models["seed"]).to_numpy(),
                rater=table["annotator"].map(models["trained_on"]).to_numpy(),
            )
        )
        for name, (table, column) in of.items()
    }
    n_seeds = int(models.groupby("trained_on")["seed"].nunique().min())
    if n_seeds == 1:
        notes.append("one seed per rater: what another seed changes counts as a difference of raters")
    n_cases, n_raters = scores["case"].nunique(), models["trained_on"].nunique()
    pilot = Pilot(components["score"], components["log_count"], "models", n_cases, n_raters, n_seeds, tuple(notes))
    return pilot, scores.pivot(index="case", columns="annotator", values="f1")


def _with_raters(pairs: pd.DataFrame, raters: list[str], models: pd.Index) -> pd.DataFrame:
    """F1 of each case, model (`annotator`) and rater."""
    turned = pairs.rename(columns={"annotator_a": "annotator_b", "annotator_b": "annotator_a"})
    both = pd.concat([pairs, turned])
    both = both[both["annotator_a"].isin(models) & both["annotator_b"].isin(raters)]
    return both[["case", "annotator_a", "f1"]].set_axis(["case", "annotator", "f1"], axis=1)


def _known(components: pd.DataFrame) -> dict[str, float]:
    return {str(name): float(value) for name, value in components["reml"].dropna().items()}

"""Results: tables, measures and verdicts of a set of annotators."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from segassay.data.design import PARTS
from segassay.qualities.scores.table import annotator_kinds
from segassay.tables.build import Tables


@dataclass(frozen=True, eq=False)
class Results:
    """All results of an evaluation.

    Attributes:
        name: Name of the dataset, or of the annotations table if there is no dataset.
        annotations: The masks and their annotators, one row per mask.
        tables: Agreement, distances, leave-one-out, counts, raters, missing predictions, notes.
        effects: Effects of the experiment for each annotator; without rows if there is no experiment.
        prerequisites: Checks of the samples behind the effects.
        specifications: Effects in every analysis of the same images; None if there is no experiment.
        scores: Measures with intervals.
        not_judged: Measures that could not be computed, and what is missing for each.
        strategies: Raters, models and ensembles by strategy; without rows if there are only raters.
        summary: Content of `summary.json`.
        subjects: Case -> name of its subject, empty where the experiment does not name it.
        people: As `annotations`, but with persons as raters, if a person is several of them: what scores, strategies
            and verdicts are about. Else `annotations` itself.
        of_classes: Tables of several classes: name of the file -> table, as `segassay.judgement.classes` lists them.
            Empty if masks have one class, and in the evaluation of a single class.
        parts: Case × its group, region and batch in the experiment, empty text without one; without cases if nothing is
            known.
    """

    name: str
    annotations: pd.DataFrame
    tables: Tables
    effects: pd.DataFrame
    prerequisites: pd.DataFrame
    specifications: pd.DataFrame | None
    scores: pd.DataFrame
    not_judged: pd.DataFrame
    strategies: pd.DataFrame
    summary: dict[str, Any]
    subjects: pd.Series
    people: pd.DataFrame
    of_classes: dict[str, pd.DataFrame] = field(default_factory=dict)
    parts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(PARTS), dtype=str))

    @property
    def kinds(self) -> dict[str, str]:
        """Annotator -> kind, references first, each in natural order."""
        return annotator_kinds(self.annotations)

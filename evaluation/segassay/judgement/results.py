"""Results: all that is known of a set of annotators, once tables, measures and verdicts are there."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from segassay.qualities.scores.table import annotator_kinds
from segassay.tables.build import Tables


@dataclass(frozen=True, eq=False)
class Results:
    """All that an evaluation found out.

    Attributes:
        name: Name of the dataset, or of the annotations table where there is no dataset.
        annotations: Who drew what, one row per mask.
        tables: Agreement, distances, leave-one-out, counts, raters, missing predictions, notes.
        effects: The experiment per annotator; without rows where there is none.
        prerequisites: Checks of the samples behind the effects.
        specifications: Effects of every way to count the same images; None where there is no experiment.
        scores: Measures with intervals.
        not_judged: Measures that could not be computed, and what each lacks.
        strategies: People, models and ensembles by strategy; without rows where people alone take part.
        summary: What `summary.json` holds.
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

    @property
    def kinds(self) -> dict[str, str]:
        """Annotator -> kind, references first, each in natural order."""
        return annotator_kinds(self.annotations)

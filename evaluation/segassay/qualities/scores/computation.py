"""One protocol for all three qualities: measures that are computed together, and reasons if there are no rows.

Findings  ->  computations of a quality  ->  rows of scores, gaps
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from segassay.qualities.scores.measure import Form, Measure
from segassay.qualities.scores.table import score_rows

__all__ = ["GAP_COLUMNS", "Computation", "Gap", "compute_all"]

GAP_COLUMNS = ("quality", "measure", "why", "words")
"""Columns of the table of measures that could not be computed; `words`, the name in the report, is not written."""


@dataclass(frozen=True)
class Gap:
    """A measure, or several, that could not be computed.

    Attributes:
        measure: Name in not_judged.csv.
        why: What is missing.
        words: Name in the report; empty if it is `measure`.
    """

    measure: str
    why: str
    words: str = ""

    @classmethod
    def of(cls, form: Form, why: str = "", *, whose: str = "") -> "Gap":
        """The gap of one form of a measure, by default for what its record needs."""
        return cls(form.name + whose, why or form.record.needs, form.words + whose)


@dataclass(frozen=True)
class Computation:
    """Measures that are computed together.

    Attributes:
        records: Measures that it may give rows of.
        compute: Gives them; None where `judgement.measures.build_scores` does, with all other means of agreement.
        name: What not_judged.csv calls them together, with what the first of them needs, where there is no row.
        gaps: What is missing where that is not so simple; takes the place of `name`.
    """

    records: tuple[Measure, ...]
    compute: Callable[[], pd.DataFrame] | None
    name: str = ""
    gaps: Callable[[], Iterable[Gap]] | None = None


def compute_all(computations: Sequence[Computation]) -> tuple[pd.DataFrame, list[Gap]]:
    """Compute measures one after the other.

    Returns:
        Table with `SCORE_COLUMNS`, without rows where nothing could be computed; and what is missing, in the order of
        the computations.
    """
    parts: list[pd.DataFrame] = []
    gaps: list[Gap] = []
    for computation in computations:
        part = computation.compute() if computation.compute is not None else score_rows([])
        if len(part):
            parts.append(part)
        if computation.gaps is not None:
            gaps += computation.gaps()
        elif computation.name and not len(part):
            gaps.append(Gap(computation.name, computation.records[0].needs))
    return pd.concat(parts, ignore_index=True) if parts else score_rows([]), gaps

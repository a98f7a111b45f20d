"""One protocol for all three qualities: measures that are computed together, and reasons if there are no rows.

Findings  ->  computations of a quality  ->  rows of scores, gaps
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from segassay.qualities.scores.measure import NO_ROWS, Gap, Measure
from segassay.qualities.scores.table import score_rows

__all__ = ["GAP_COLUMNS", "Computation", "compute_all"]

GAP_COLUMNS = ("quality", "measure", "why", "words")
"""Columns of the table of measures that could not be computed; `words`, the name in the report, is not written."""


@dataclass(frozen=True)
class Computation:
    """Measures that are computed together.

    Attributes:
        records: Measures that it may give rows of.
        compute: Gives them; None where `judgement.measures.build_scores` does, with all other means of agreement.
        gaps: What is missing; by default the first record's gap `NO_ROWS`, if it has one and there is no row.
    """

    records: tuple[Measure, ...]
    compute: Callable[[], pd.DataFrame] | None
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
        elif NO_ROWS in computation.records[0].gaps and not len(part):
            gaps.append(computation.records[0].gap(NO_ROWS))
    return pd.concat(parts, ignore_index=True) if parts else score_rows([]), gaps

"""Measurements of each case by each annotator.

agreement, counts  ->  (cases, annotators): number of objects, or agreement with raters
"""

from collections.abc import Sequence

import pandas as pd

from segassay.data.annotations import raters_of
from segassay.qualities.scores.table import Agreement

__all__ = ["QUANTITIES", "complete_cases", "values_of"]


QUANTITIES = ("f1", "count")
"""Measurements of a case: agreement of objects with raters at IoU > .5, and number of objects."""


def values_of(
    names: Sequence[str], quantity: str, *, agreement: Agreement, counts: pd.DataFrame, kinds: dict[str, str]
) -> tuple[pd.DataFrame, str]:
    """Measurement of each case by each annotator.

    Args:
        names: Annotators.
        quantity: `count`, or a measure of agreement with raters: `f1`, `mean_iou` or `dice`.
        agreement: Agreement of all pairs.
        counts: `tables.counts`.
        kinds: Kind of each annotator.

    Returns:
        `(cases, names)`, NaN where undefined, and a note which says what the score is against. That is C₋r, mean over
        raters r; without it the raters, a truth, or a reference; without any of them there is no column.
    """
    if quantity == "count":
        rows = counts[counts["annotator"].isin(names)]
        table = rows.pivot(index="case", columns="annotator", values="n_objects").astype(float)
        return table[[name for name in names if name in table]], ""
    others: list[tuple[str, list[str]]] = [
        ("with the raters", raters_of(kinds)),
        *((f"against {name}", [name]) for name, kind in kinds.items() if kind in ("truth", "consensus")),
    ]
    found = {name: agreement.with_others(name, quantity) for name in names}
    if any(len(table.columns) for table in found.values()):
        return _means(found), "against C₋r"
    for note, of in others:
        found = {name: agreement.of_pairs([(name, other) for other in of], quantity) for name in names}
        if any(len(table.columns) for table in found.values()):
            return _means(found), note
    return pd.DataFrame(), ""


def _means(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    columns = {name: table.mean(axis=1) for name, table in found.items() if len(table.columns)}
    return pd.concat(columns, axis=1, sort=False)


def complete_cases(values: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The cases that every column has a value of, and the number of the others."""
    complete = values.dropna()
    return complete, len(values) - len(complete)

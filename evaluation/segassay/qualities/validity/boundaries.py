"""Scores of boundaries and centre lines: boundary IoU, clDice and MASD of each annotator.

boundaries, annotations  ->  rows against C₋r, the raters, references and the truth
"""

from collections.abc import Iterator

import pandas as pd

from segassay.data.annotations import is_trained, raters_of
from segassay.data.facets import is_exchangeable
from segassay.io.stored_tables import whole
from segassay.qualities.scores.measure import AGAINST, LEAVE_ONE_OUT, PAIRWISE, Measure
from segassay.qualities.scores.table import (
    Pairs,
    Score,
    annotator_kinds,
    containment,
    mean_over_pairs,
    mean_over_raters,
    references,
    score_rows,
    score_table,
)
from segassay.qualities.validity.records import BOUNDARY_IOU, CL_DICE, MASD

__all__ = ["boundary_scores"]

_COLUMNS = {"boundary_iou": BOUNDARY_IOU, "centreline_dice": CL_DICE, "masd": MASD}


def boundary_scores(
    boundaries: pd.DataFrame, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Boundary IoU, clDice, and MASD by unit, as means over cases.

    Args:
        boundaries: Table of `segassay.tables.build`.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows with `SCORE_COLUMNS` of each model, ensemble and truth against C₋r, mean over the raters r, and with single
        raters, and of everyone against a reference or a truth. A distance is undefined where one side is empty.
    """
    if boundaries.empty:
        return score_rows([])
    boundaries = whole(boundaries)
    scores = [
        score
        for column, record in _COLUMNS.items()
        for unit, rows in (boundaries.groupby("unit", sort=True) if record is MASD else [("", boundaries)])
        for score in _scores(Pairs(rows), column, record, str(unit), annotations)
    ]
    return score_table(scores, clusters, level)


def _scores(table: Pairs, column: str, record: Measure, unit: str, annotations: pd.DataFrame) -> Iterator[Score]:
    kinds = annotator_kinds(annotations)
    raters, average = raters_of(kinds), mean_over_pairs if is_exchangeable(annotations) else mean_over_raters
    for name, kind in kinds.items():
        if is_trained(kind) or kind == "truth":
            values = table.of_pairs([(f"-{rater}", name) for rater in raters], column)
            if len(values.columns):
                yield Score(record.form(comparison=LEAVE_ONE_OUT, variant=unit), name, average(values))
        if is_trained(kind):
            values = table.of_pairs([(name, rater) for rater in raters], column)
            if len(values.columns):
                yield Score(record.form(comparison=PAIRWISE, variant=unit), name, mean_over_pairs(values))
    for name, other, contains in references(kinds):
        values = table.of_pairs([(name, other)], column)
        if len(values.columns):
            form = record.form(comparison=AGAINST, variant=unit, reference=name)
            note = containment(name, contains)
            yield Score(form, other, mean_over_pairs(values), note=note, contains_raters=contains)

"""Detection of objects: all annotators against C₋r, a reference and a truth, for each measure of objects.

agreement, leave_one_out  ->  object_measures  ->  Compared  ->  detection
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater, is_trained, raters_of
from segassay.qualities.scores.measure import AGAINST, LEAVE_ONE_OUT, Form
from segassay.qualities.scores.table import (
    MEASURES,
    Agreement,
    Pairs,
    Rows,
    Score,
    annotator_kinds,
    containment,
    mean_over_raters,
    own_scores,
    rater_score,
    references,
    score_table,
)
from segassay.qualities.validity import records as of
from segassay.qualities.validity.objects import CURVE, OBJECT_MEASURES, object_measures
from segassay.qualities.validity.raters import beside

__all__ = ["OBJECT_MEASURES", "Compared", "detection"]

_FALSE = (of.FALSE_POSITIVES, of.FALSE_POSITIVE_PX)
_DIRECTED = {record.name for record in (of.COUNT_ERROR, of.RELATIVE_COUNT_ERROR, of.MERGES, of.SPLITS, *_FALSE)}
"""Measures that change if the two annotators are swapped; not used if neither of the two is the reference."""

_RECORDS = {record.name: record for record in of.RECORDS}


class Compared(Agreement):
    """All comparisons of an evaluation with their `object_measures`.

    Attributes:
        measures: Columns of those that the tables have.
    """

    def __init__(self, agreement: pd.DataFrame, leave_one_out: pd.DataFrame, *, one_way: bool = False) -> None:
        self.one_way = one_way
        pairs, others = object_measures(agreement), object_measures(leave_one_out)
        known = [str(name) for name in (pairs if len(pairs) else others)]
        self.measures = tuple(name for name in (*MEASURES, *OBJECT_MEASURES, *CURVE) if name in known)
        self._pairs, self._others = Pairs(pairs), Rows(others, ["annotator", "rater"])


def detection(
    agreement: Compared, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """`OBJECT_MEASURES` and the curve of average precision of all annotators against C₋r, a reference and a truth.

    Args:
        agreement: The comparisons.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows with `SCORE_COLUMNS`, means over cases; those of raters against C₋r are of objectivity. Against a truth,
        `human_low` to `human_high` is the range of the raters.
    """
    kinds = annotator_kinds(annotations)
    wanted = [measure for measure in agreement.measures if measure not in MEASURES]
    scores = [score for measure in wanted for score in _detection(agreement, kinds, measure)]
    return score_table(scores, clusters, level)


def _detection(agreement: Compared, kinds: dict[str, str], measure: str) -> Iterator[Score]:
    raters, is_directed = raters_of(kinds), measure in _DIRECTED
    own = own_scores(agreement, raters, measure)
    for name, kind in kinds.items():
        if is_trained(kind) or kind == "truth":
            both = beside(agreement, raters, name, measure, own)
            if both is not None and (both.comparison == LEAVE_ONE_OUT or not is_directed):
                form, mean = _form(measure, both.comparison), mean_over_raters(both.scores)
                yield Score(form, name, mean, *both.human_range, note=both.note)
        elif is_rater(kind) and len(raters) > 1:
            own_score, comparison, note = rater_score(agreement, raters, name, measure)
            if comparison == LEAVE_ONE_OUT or not is_directed:
                yield Score(_form(measure, comparison, quality="objectivity"), name, own_score, note=note)
    for name, other, contains in references(kinds):
        values = agreement.of_pairs([(name, other)], measure)
        if len(values.columns):
            human_low, human_high = np.nan, np.nan
            if kinds[name] == "truth" and is_trained(kinds[other]):
                of_raters = agreement.of_pairs([(name, rater) for rater in raters], measure).reindex(values.index)
                human_low, human_high = of_raters.mean().min(), of_raters.mean().max()
            form, note = _form(measure, AGAINST, reference=name), containment(name, contains)
            yield Score(form, other, values.iloc[:, 0], human_low, human_high, note=note, contains_raters=contains)


def _form(column: str, comparison: str, *, reference: str = "", quality: str = "") -> Form:
    """Form of the measure in a column of `Compared`."""
    if column in CURVE:
        return of.AP_AT_THRESHOLD.form("ap", comparison, variant=CURVE[column], reference=reference, quality=quality)
    return _RECORDS[column].form(comparison=comparison, reference=reference, quality=quality)

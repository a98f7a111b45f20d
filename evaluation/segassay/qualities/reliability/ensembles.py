"""How much better two ensembles agree with each other than two single models, and than two raters.

agreement, annotations  ->  paired differences per case  ->  f1_minus_models, f1_minus_raters
"""

from collections.abc import Iterator
from itertools import combinations

import pandas as pd

from segassay.data.annotations import raters_of
from segassay.qualities.reliability.records import F1, MINUS_MODELS, MINUS_RATERS
from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.table import Agreement, Score, annotator_kinds, mean_over_pairs

__all__ = ["ensembles_beside"]


def ensembles_beside(agreement: Agreement, annotations: pd.DataFrame) -> Iterator[Score]:
    """Agreement between ensembles without a common member, minus that between models and between raters.

    Args:
        agreement: Agreement of all pairs.
        annotations: What `read_annotations` returns.

    Yields:
        For each training with two disjoint ensembles `f1_minus_models`, if two models that were trained alike are
        annotators too, and `f1_minus_raters`, if there are two raters; differences over cases that both sides have.
    """
    raters = raters_of(annotator_kinds(annotations))
    of_raters = agreement.of_pairs(list(combinations(raters, 2)), F1.name)
    groups = trained_alike(annotations)
    of_models = {
        (group.strategy, group.trained_on): agreement.of_pairs(group.whole_pairs(), F1.name)
        for group in groups
        if group.kind == "model"
    }
    for group in groups:
        own = agreement.of_pairs(group.whole_pairs(), F1.name)
        if group.kind != "ensemble" or own.empty:
            continue
        models = of_models.get((group.strategy, group.trained_on), pd.DataFrame())
        for record, others in ((MINUS_MODELS, models), (MINUS_RATERS, of_raters)):
            if len(others.columns):
                difference = (mean_over_pairs(own) - mean_over_pairs(others)).dropna()
                yield Score(record.form(F1.name), group.target, difference)

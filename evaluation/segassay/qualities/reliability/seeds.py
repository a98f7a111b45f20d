"""Agreement of trainings that differ only by the seed, or only by the fold.

agreement, annotations  ->  mean agreement of each group of models, and of ensembles without a common member
"""

from collections.abc import Iterator

import pandas as pd

from segassay.qualities.reliability.records import DICE, F1, MEAN_IOU
from segassay.qualities.scores.groups import pairs_of_folds, trained_alike
from segassay.qualities.scores.table import Agreement, Score, mean_over_pairs, pairs_noted

__all__ = ["agreement_of_folds", "agreement_of_seeds"]


def agreement_of_seeds(agreement: Agreement, annotations: pd.DataFrame) -> Iterator[Score]:
    """Agreement between models, and between ensembles without a common member, that differ only by the seed.

    Ensembles of the largest size of which two are disjoint are compared; smaller ones are in `saturation_curve`.
    """
    for group in trained_alike(annotations):
        yield from _of_pairs(agreement, group.target, group.whole_pairs())


def agreement_of_folds(agreement: Agreement, annotations: pd.DataFrame) -> Iterator[Score]:
    """Agreement between models that differ only by the fold, on cases that are in no fold."""
    for target, pairs in pairs_of_folds(annotations):
        yield from _of_pairs(agreement, target, pairs)


def _of_pairs(agreement: Agreement, target: str, pairs: list[tuple[str, str]]) -> Iterator[Score]:
    for record in (F1, MEAN_IOU, DICE):
        values = agreement.of_pairs(pairs, record.name)
        if n_pairs := len(values.columns):
            yield Score(record.form(), target, mean_over_pairs(values), note=pairs_noted(n_pairs), n_pairs=n_pairs)

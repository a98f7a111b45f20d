"""Reliability: would another seed, or another training, change the result?"""

from collections.abc import Iterator

import pandas as pd

from segassay.scores import MEASURES, Agreement, Score, mean_over_pairs, pairs_of_seeds

__all__ = ["agreement_of_seeds"]


def agreement_of_seeds(agreement: Agreement, annotations: pd.DataFrame) -> Iterator[Score]:
    """Agreement between models, and between ensembles, that differ by nothing but their seeds."""
    for target, pairs in pairs_of_seeds(annotations):
        for measure in MEASURES:
            values = agreement.of_pairs(pairs, measure)
            if len(values.columns):
                yield Score("reliability", measure, target, mean_over_pairs(values), note=f"{len(pairs)} pairs")

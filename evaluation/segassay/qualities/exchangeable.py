"""Exchangeable raters: `reader_1` of two cases need not be one person, so nothing is said about single raters.

scores, gaps  ->  those that stay the same if raters change places within each case; the others are gaps
"""

import math
from itertools import combinations

import pandas as pd

from segassay.data.annotations import raters_of
from segassay.data.facets import is_exchangeable
from segassay.qualities.catalogue import CATALOGUE
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.computation import GAP_COLUMNS
from segassay.qualities.scores.table import annotator_kinds
from segassay.qualities.validity import records as validity

__all__ = ["BY_NAME", "WHY", "without_names"]

WHY = "raters are exchangeable: a rater of two cases need not be one person"

BY_NAME = frozenset(
    record.key
    for record in (
        objectivity.BIAS_TEST,
        objectivity.ICC_A1,
        objectivity.ICC_AK,
        objectivity.RATER_SHARE,
        objectivity.IMPRINT,
        objectivity.REMOVAL_OF_BIAS,
        objectivity.WINNING_RATE,
        objectivity.ADVANTAGE,
        reliability.VARIANCE,
        reliability.PHI,
        reliability.RATERS_FOR_PHI,
        reliability.SEEDS_FOR_PHI,
        validity.MINUS_WORST_RATER,
        validity.MINUS_BEST_RATER,
        validity.SAME_VERDICT,
        validity.SIGN_DISAGREEMENT,
        validity.ETA_SQUARED_RATIO,
    )
)
"""Measures that compare a rater with the same rater in other cases, also if their rows are about all raters."""


def without_names(
    scores: pd.DataFrame, not_judged: pd.DataFrame, annotations: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leave out what is said about single raters, and list it.

    Args:
        scores: Table with `SCORE_COLUMNS`.
        not_judged: Table with `GAP_COLUMNS`.
        annotations: What `read_annotations` returns.

    Returns:
        Both as they are, unless raters are exchangeable. Else scores without rows of single raters and without those of
        `BY_NAME`, and without the range from the lowest to the highest rater; and one more gap per measure.
    """
    if not is_exchangeable(annotations):
        return scores, not_judged
    raters = raters_of(annotator_kinds(annotations))
    pairs = [f"{a} {word} {b}" for a, b in combinations(raters, 2) for word in ("minus", "and")]
    gone = scores[scores["target"].isin([*raters, *pairs]) | scores["record"].isin(BY_NAME)]
    kept = scores.drop(index=gone.index).reset_index(drop=True).assign(human_low=math.nan, human_high=math.nan)
    gaps = [
        (quality, CATALOGUE[record].name, WHY, f"{CATALOGUE[record].form().words} of single raters")
        for quality, record in gone[["quality", "record"]].drop_duplicates().itertuples(index=False)
    ]
    parts = [part for part in (not_judged, pd.DataFrame(gaps, columns=list(GAP_COLUMNS))) if len(part)]
    return kept, pd.concat(parts, ignore_index=True) if parts else not_judged

"""Objectivity: does the result depend on who drew the masks?"""

from collections.abc import Iterator
from itertools import combinations

import pandas as pd

from segassay.scores import (
    ALL_RATERS,
    BETWEEN_RATERS,
    MEASURES,
    Agreement,
    Score,
    human_score,
    mean_over_pairs,
    mean_over_raters,
    own_scores,
)
from segassay.tables import log_ratios

__all__ = ["agreement_of_raters"]


def agreement_of_raters(agreement: Agreement, counts: pd.DataFrame, kinds: dict[str, str]) -> Iterator[Score]:
    """Agreement between raters, of each with the others, and how much more or less than the others each marks."""
    raters = [name for name, kind in kinds.items() if kind == "human"]
    if len(raters) < 2:
        return
    for measure in MEASURES:
        between = agreement.of_pairs(list(combinations(raters, 2)), measure)
        yield Score("objectivity", measure, BETWEEN_RATERS, mean_over_pairs(between))
    for measure in MEASURES:
        own = own_scores(agreement, raters, measure)
        if len(own.columns):
            yield Score("objectivity", f"{measure}_leave_one_out", ALL_RATERS, mean_over_raters(own))
    ratios = {
        name: log_ratios(counts, column, raters)
        for name, column in (("log_count_ratio", "n_objects"), ("log_area_ratio", "area_px"))
    }
    for rater in raters:
        for measure in MEASURES:
            values, ending, note = human_score(agreement, raters, rater, measure)
            yield Score("objectivity", measure + ending, rater, values, note=note)
        for name, ratio in ratios.items():
            drawn = counts.loc[counts["annotator"] == rater, "case"]
            yield Score("objectivity", name, rater, ratio[rater].reindex(drawn))

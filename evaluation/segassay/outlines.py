"""Scores of outlines: how far the outlines of two annotators lie apart, with the bound where one drew nothing."""

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from segassay.scores import (
    BETWEEN_RATERS,
    DISTANCES,
    Pairs,
    Score,
    annotator_kinds,
    mean_over_pairs,
    references,
)
from segassay.seed_groups import trained_alike

__all__ = ["distance_scores"]


def distance_scores(distances: pd.DataFrame, annotations: pd.DataFrame) -> Iterator[Score]:
    """Distances between outlines, averaged over the pairs where they are defined, and bounded over all pairs."""
    if distances.empty:
        return
    tables = {}
    for measure in DISTANCES:
        for unit, rows in [("", distances)] if measure == "nsd" else distances.groupby("unit", sort=True):
            bound = rows[measure].fillna(rows["diagonal"].fillna(math.inf))  # infinite: of an image nobody knows
            tables[f"{measure}_{unit}".strip("_")] = Pairs(rows.assign(distance=rows[measure], bound=bound))
    for quality, target, ending, pairs, note in _distance_targets(annotations):
        for measure, table in tables.items():
            values, bounds = table.of_pairs(pairs, "distance"), table.of_pairs(pairs, "bound")
            if len(values.columns):
                n, n_defined = (int(np.count_nonzero(columns.notna())) for columns in (bounds, values))
                undefined = f"{n - n_defined} of {n} comparisons undefined"
                limit = float(np.mean(mean_over_pairs(bounds)))
                yield Score(
                    quality,
                    measure + ending,
                    target,
                    mean_over_pairs(values),
                    note=f"{note}; {undefined}" if note else undefined,
                    bound=limit if math.isfinite(limit) else math.nan,
                )


def _distance_targets(annotations: pd.DataFrame) -> Iterator[tuple[str, str, str, list[tuple[str, str]], str]]:
    """Quality, target, ending of the measure, pairs and note of each score of outlines."""
    kinds = annotator_kinds(annotations)
    raters = [name for name, kind in kinds.items() if kind == "human"]
    yield "objectivity", BETWEEN_RATERS, "", list(combinations(raters, 2)), ""
    for name, kind in kinds.items():
        if kind in ("human", "model", "ensemble"):
            quality = "objectivity" if kind == "human" else "validity"
            yield quality, name, "_pairwise", [(name, rater) for rater in raters if rater != name], ""
    for group in trained_alike(annotations):
        if pairs := group.whole_pairs():
            yield "reliability", group.target, "", pairs, f"{len(pairs)} pairs"
    for name, other, note in references(kinds):
        yield "validity", other, f"_against_{name}", [(name, other)], note

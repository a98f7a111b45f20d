"""Scores of outlines: how far the outlines of two annotators lie apart, with the bound where one drew nothing."""

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater, raters_of
from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.table import (
    ALL_RATERS,
    BETWEEN_RATERS,
    DISTANCES,
    Pairs,
    Score,
    annotator_kinds,
    mean_over_pairs,
    mean_over_raters,
    references,
)

__all__ = ["distance_scores"]

_LEFT_OUT = "_leave_one_out"


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
                average = mean_over_raters if ending == _LEFT_OUT else mean_over_pairs
                limit = float(np.mean(average(bounds)))
                human_range = (math.nan, math.nan)
                if ending == _LEFT_OUT and quality == "validity":
                    human_range = _human_range(table, values)
                yield Score(
                    quality,
                    measure + ending,
                    target,
                    average(values),
                    *human_range,
                    note=f"{note}; {undefined}" if note else undefined,
                    bound=limit if math.isfinite(limit) else math.nan,
                )


def _human_range(table: Pairs, values: pd.DataFrame) -> tuple[float, float]:
    """Lowest and highest mean distance of a rater r to C₋r, where the columns `(-r, annotator)` have one."""
    others = [str(other) for other in values.columns.get_level_values(0)]
    own = table.of_pairs([(other, other.removeprefix("-")) for other in others], "distance")
    own.columns = own.columns.get_level_values(0)
    means = own.where(values.set_axis(others, axis=1).notna()).mean()
    return float(means.min()), float(means.max())


def _distance_targets(annotations: pd.DataFrame) -> Iterator[tuple[str, str, str, list[tuple[str, str]], str]]:
    """Quality, target, ending of the measure, pairs and note of each score of outlines."""
    kinds = annotator_kinds(annotations)
    raters = raters_of(kinds)
    yield "objectivity", BETWEEN_RATERS, "", list(combinations(raters, 2)), ""
    yield "objectivity", ALL_RATERS, _LEFT_OUT, [(f"-{rater}", rater) for rater in raters], ""
    for name, kind in kinds.items():
        if kind in ("human", "model", "ensemble"):
            quality = "objectivity" if is_rater(kind) else "validity"
            yield quality, name, "_pairwise", [(name, rater) for rater in raters if rater != name], ""
        if kind in ("human", "model", "ensemble", "truth"):
            quality, of = ("objectivity", [name]) if is_rater(kind) else ("validity", raters)
            yield quality, name, _LEFT_OUT, [(f"-{rater}", name) for rater in of], ""
    for group in trained_alike(annotations):
        if pairs := group.whole_pairs():
            yield "reliability", group.target, "", pairs, f"{len(pairs)} pairs"
    for name, other, note in references(kinds):
        yield "validity", other, f"_against_{name}", [(name, other)], note

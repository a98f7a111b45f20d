"""Outlines at the tolerance of the raters: how far apart raters draw themselves is no error of a model.

distances  ->  tolerance of this dataset, in pixels  ->  surface_shares at it  ->  NSD of raters and models
"""

import math

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater, is_trained, raters_of
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.scores.measure import PAIRWISE
from segassay.qualities.scores.table import (
    Pairs,
    Score,
    annotator_kinds,
    mean_over_pairs,
    score_table,
)
from segassay.qualities.validity.records import NSD_OF_RATERS

__all__ = ["nsd_at_tolerance", "tolerance_of_raters"]


def tolerance_of_raters(distances: pd.DataFrame, counts: pd.DataFrame, raters: list[str]) -> float:
    """How far apart raters usually draw an outline: the median over cases of the median rater's ASSD to the others.

    Of each rater and case the lower median over the other raters counts, so that one careless rater of three or more
    does not widen the tolerance for everyone. Images in which two raters mark nothing say nothing about outlines.

    Args:
        distances: Table of `segassay.tables.build`.
        counts: Table of `segassay.tables.build`.
        raters: Raters to compare.

    Returns:
        In pixels of the smallest spacing; NaN where no two raters have an outline in one case.

    Example:
        >>> rows = {"case": "1", "annotator_a": ["a", "a", "b"], "annotator_b": ["b", "c", "c"],
        ...         "assd": [1.0, 9.0, 9.0], "tolerance": 0.5}
        >>> counts = pd.DataFrame({"case": "1", "annotator": ["a", "b", "c"], "area_px": [10, 20, 30]})
        >>> tolerance_of_raters(pd.DataFrame(rows), counts, ["a", "b", "c"])
        2.0
    """
    marked = pd.MultiIndex.from_frame(counts.loc[counts["area_px"].fillna(0) > 0, ["case", "annotator"]])
    between = distances["annotator_a"].isin(raters) & distances["annotator_b"].isin(raters)
    rows = distances[between & pd.MultiIndex.from_frame(distances[["case", "annotator_a"]]).isin(marked)]
    pixels = (rows["assd"].astype(float) / rows["tolerance"].astype(float)).rename("pixels")
    both = [pd.concat([rows[["case", name]].set_axis(["case", "rater"], axis=1), pixels], axis=1) for name in _SIDES]
    known = pd.concat(both).dropna()
    if known.empty:
        return math.nan
    own = known.groupby(["case", "rater"])["pixels"].quantile(0.5, interpolation="lower")
    return float(own.groupby("case").median().median())


_SIDES = ("annotator_a", "annotator_b")


def nsd_at_tolerance(
    distances: pd.DataFrame,
    surface_shares: pd.DataFrame,
    counts: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """NSD at the tolerance of the raters, of raters among each other and of each model with the raters.

    Args:
        distances: Table of `segassay.tables.build`.
        surface_shares: Table of `segassay.tables.build`.
        counts: Table of `segassay.tables.build`.
        annotations: What `read_annotations` returns.
        clusters: Case -> subject, or the case itself.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`, `nsd_of_raters_pairwise`, means over cases, at the tolerance rounded up to one that
        `surface_shares` has; `note` states both. Of a model, `human_low` to `human_high` is the range of the raters.
        Without rows below two raters, or if no two of them have outlines in one case.
    """
    kinds = annotator_kinds(annotations)
    raters = raters_of(kinds)
    tolerance = tolerance_of_raters(distances, counts, raters)
    if math.isnan(tolerance) or surface_shares.empty:
        return score_table([], clusters, level)
    measured = np.unique(surface_shares["tolerance_px"].to_numpy(dtype=int))
    used = int(measured[min(int(np.searchsorted(measured, tolerance)), len(measured) - 1)])
    pairs = Pairs(surface_shares[surface_shares["tolerance_px"] == used])
    note = f"within {used} px; raters draw {tolerance:.3g} px apart"
    of_rater = {name: _with_raters(pairs, name, raters) for name in raters}
    means = [float(values.mean()) for values in of_rater.values() if values.notna().any()]
    low, high = (min(means), max(means)) if means else (math.nan, math.nan)
    scores = []
    for name, kind in kinds.items():
        if is_rater(kind) and of_rater[name].notna().any():
            form = NSD_OF_RATERS.form(comparison=PAIRWISE, quality=objectivity.NSD.quality)
            scores.append(Score(form, name, of_rater[name], note=note))
        elif is_trained(kind):
            values = _with_raters(pairs, name, raters)
            if values.notna().any():
                scores.append(Score(NSD_OF_RATERS.form(comparison=PAIRWISE), name, values, low, high, note=note))
    return score_table(scores, clusters, level)


def _with_raters(pairs: Pairs, name: str, raters: list[str]) -> pd.Series:
    """Mean share of each case over the (other) raters."""
    values = pairs.of_pairs([(rater, name) for rater in raters if rater != name], "share")
    return mean_over_pairs(values) if len(values.columns) else pd.Series(dtype=float)

"""Scores that are ratios of sums over cases.

numerators and denominators per case  ->  one ratio with its jackknife interval per score
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from segassay.qualities.scores.measure import Form
from segassay.qualities.scores.table import interval_row, score_rows
from segassay.statistics.jackknife import Scale, jackknife_ratio

__all__ = ["Ratio", "ratio_rows"]


@dataclass(frozen=True, eq=False)
class Ratio:
    """One ratio of one target: `above` and `below` have a number or NaN for each case that the target covers."""

    form: Form
    target: str
    above: pd.Series
    below: pd.Series
    note: str = ""
    contains_raters: bool = False


def ratio_rows(ratios: Sequence[Ratio], clusters: pd.Series, scale: Scale, level: float) -> pd.DataFrame:
    """Table with `SCORE_COLUMNS`, a row per ratio; `n_undefined` counts cases that are covered and undefined."""
    indexes = {id(ratio.above.index): ratio.above.index for ratio in ratios}  # many ratios share one
    drawn_of = {key: clusters.reindex(index).to_numpy() for key, index in indexes.items()}
    rows = []
    for ratio in ratios:
        index = ratio.above.index
        same = ratio.below.index.equals(index)
        above, below = (
            part.to_numpy(dtype=float) for part in (ratio.above, ratio.below if same else ratio.below.reindex(index))
        )
        drawn = drawn_of[id(index)]
        rows.append(
            interval_row(
                ratio.form,
                ratio.target,
                jackknife_ratio(above, below, drawn, scale, level=level),
                note=ratio.note,
                contains_raters=ratio.contains_raters,
            )
        )
    return score_rows(rows)

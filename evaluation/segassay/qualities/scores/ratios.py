"""Scores that are ratios of sums over cases, all of them resampled together.

numerators and denominators per case  ->  one ratio with a BCa interval per score
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segassay.qualities.scores.measure import Form
from segassay.qualities.scores.table import interval_row, score_rows
from segassay.statistics.bca import bca_ratios
from segassay.statistics.intervals import Interval, Resampling

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


def ratio_rows(ratios: Sequence[Ratio], clusters: pd.Series, resampling: Resampling) -> pd.DataFrame:
    """Table with `SCORE_COLUMNS`, a row per ratio; `n_undefined` counts cases that are covered and undefined."""
    if not ratios:
        return score_rows([])
    cases = list(dict.fromkeys(case for ratio in ratios for case in ratio.above.index))
    above, below = (
        np.column_stack([getattr(ratio, side).reindex(cases).to_numpy(dtype=float) for ratio in ratios])
        for side in ("above", "below")
    )
    table = bca_ratios(above, below, clusters.reindex(cases).to_numpy(), resampling)
    rows = []
    for ratio, interval in zip(ratios, table.to_dict("records"), strict=True):
        rows.append(
            interval_row(
                ratio.form,
                ratio.target,
                Interval(**{str(key): value for key, value in interval.items()}),
                n_undefined=int((ratio.above.isna() | ratio.below.isna()).sum()),
                note=ratio.note,
                contains_raters=ratio.contains_raters,
            )
        )
    return score_rows(rows)

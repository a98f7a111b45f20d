"""Models compared with the worst and the best rater, and with the mean of the raters.

Compared  ->  Beside  ->  human_range, ceiling_normalised
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import special

from segassay.data.annotations import is_trained, raters_of
from segassay.qualities.scores.ratios import Ratio, ratio_rows
from segassay.qualities.scores.table import (
    MEASURES,
    annotator_kinds,
    interval_row,
    mean_over_raters,
    own_scores,
    score_rows,
)
from segassay.qualities.validity.detection import Compared
from segassay.qualities.validity.raters import Beside, beside
from segassay.qualities.validity.records import MINUS_BEST_RATER, MINUS_WORST_RATER, OVER_RATERS
from segassay.statistics.intervals import Interval, mean_intervals
from segassay.statistics.jackknife import LOGARITHM

__all__ = ["ceiling_normalised", "from_extremes", "human_range", "position"]

BESIDE_RATERS = (*MEASURES, "iou", "ap", "pq")
"""What is compared with the raters' own scores: the more the better, 1 at best."""


def human_range(
    agreement: Compared, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Position of a model among the raters: below the worst, within their range, or above the best.

    The score of a model is the mean over raters r of its scores against C₋r, the consensus of all raters but r; the
    score of rater r is against the same C₋r. Both are computed on the same cases, and the differences from the worst
    and the best rater are paired over cases. Of several like raters one is always the worst in a sample, and a model as
    good as they are would seem better; intervals allow for that, see `from_extremes`.

    Args:
        agreement: The comparisons.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measure>_leave_one_out_minus_worst_rater` and `..._minus_best_rater` (`_pairwise`
        with fewer than 4 raters); `note` names that rater and says where the model stands. No rows without raters.
    """
    kinds = annotator_kinds(annotations)
    raters = raters_of(kinds)
    found = []
    for name, both, measure in _beside_all(agreement, kinds):
        shared = _shared(both)
        if not shared.any() or len(raters) < 2:
            continue
        rows = np.any(shared, axis=1)
        model = mean_over_raters(both.scores.loc[rows])
        known = np.flatnonzero(np.any(shared, axis=0))
        own = np.where(shared, both.rater_scores.to_numpy(dtype=float), np.nan)[:, known]
        differences = model.to_numpy(dtype=float)[:, None] - np.stack([_filled(of, rows) for of in own.T], axis=1)
        stands = position(float(model.mean()), *both.human_range)
        extremes = from_extremes(differences, clusters.reindex(model.index).to_numpy(), level=level)
        for record, (place, interval) in zip((MINUS_WORST_RATER, MINUS_BEST_RATER), extremes, strict=True):
            note = "; ".join(filter(None, [f"{both.rater_scores.columns[known[place]]}; {stands}", both.note]))
            found.append(interval_row(record.form(measure, both.comparison), name, interval, note=note))
    return score_rows(found)


def from_extremes(
    differences: np.ndarray, clusters: np.ndarray, *, level: float = 0.95
) -> tuple[tuple[int, Interval], tuple[int, Interval]]:
    """Difference of a model from the worst, and from the best, of several raters who are not known beforehand.

    The largest difference is above a number where that of any rater is, tested at Bonferroni's level, and below it
    where those of all raters are; the smallest difference the other way round. Bonferroni's limits are as much further
    out as the quantile of t is: Hall's correction is not made for such levels.

    Args:
        differences: `(N, R)`, score of the model minus that of each rater, in [-1, 1].
        clusters: `(N,)`, as in `mean_interval`.
        level: Coverage of the intervals, at least.

    Returns:
        Column of the worst rater and the interval of the difference from it, then of the best.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> (worst, from_worst), (best, from_best) = from_extremes(rng.normal(0, 0.1, (20, 5)), np.arange(20))
        >>> bool(from_worst.value > 0 > from_best.value), bool(from_worst.low < 0 < from_best.high)
        (True, True)

    References:
        Berger (1982), Technometrics 24(4):295-300, doi:10.1080/00401706.1982.10487790, for tests of all raters;
        Bonferroni's inequality for tests of any.
    """
    n_raters, n_clusters = differences.shape[1], len(np.unique(clusters))
    of_each = mean_intervals(differences, clusters, level, np.tile([-1.0, 1.0], (n_raters, 1)))
    value, low, high = (of_each[name].to_numpy() for name in ("value", "low", "high"))
    tails = (1 - level) / 2 / np.array([n_raters, 1])
    further = np.divide(*special.stdtrit(max(n_clusters - 1, 1), 1 - tails))
    low_of_any, high_of_any = value - further * (value - low), value + further * (high - value)
    worst, best = int(value.argmax()), int(value.argmin())
    from_worst = replace(_interval(of_each, worst), low=max(float(low_of_any.max()), -1.0), high=float(high.max()))
    from_best = replace(_interval(of_each, best), low=float(low.min()), high=min(float(high_of_any.min()), 1.0))
    return (worst, from_worst), (best, from_best)


def _interval(table: pd.DataFrame, place: int) -> Interval:
    """A row of `mean_intervals`."""
    return Interval(**{str(name): value for name, value in table.astype(object).iloc[place].items()})


def _beside_all(agreement: Compared, kinds: dict[str, str]) -> Iterator[tuple[str, Beside, str]]:
    raters, wanted = raters_of(kinds), [measure for measure in BESIDE_RATERS if measure in agreement.measures]
    own = {measure: own_scores(agreement, raters, measure) for measure in wanted}
    for name, kind in kinds.items():
        for measure in wanted if is_trained(kind) else ():
            both = beside(agreement, raters, name, measure, own[measure])
            if both is not None:
                yield name, both, measure


def position(value: float, human_low: float, human_high: float) -> str:
    """Position of a score in the range of the raters, ends included.

    Example:
        >>> position(0.4, 0.5, 0.7), position(0.7, 0.5, 0.7), position(0.71, 0.5, 0.7)
        ('below the worst rater', 'within the human range', 'above the best rater')
    """
    if value < human_low:
        return "below the worst rater"
    return "above the best rater" if value > human_high else "within the human range"


def _shared(both: Beside) -> np.ndarray:
    """`(cases, raters)`, whether the annotator and the rater both have a score."""
    return ~np.isnan(both.scores.to_numpy(dtype=float)) & ~np.isnan(both.rater_scores.to_numpy(dtype=float))


def _filled(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Numbers for these rows whose mean is that of the defined ones, each gap at that mean."""
    known = ~np.isnan(values)
    n = int(known.sum())
    mean = pd.Series(values).mean()
    return np.asarray(mean + np.where(known, (values - mean) * int(rows.sum()) / n, 0.0)[rows])


def ceiling_normalised(
    agreement: Compared, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """A model's score divided by that of the raters: 1 if it agrees with the others as well as a rater does.

    Args:
        agreement: The comparisons.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measure>_leave_one_out_over_raters` (or `_pairwise`): the mean over r of the
        model's scores against C₋r by the mean over r of r's own, on the same cases, with jackknife intervals. No rows
        without raters.
    """
    ratios = []
    for name, both, measure in _beside_all(agreement, annotator_kinds(annotations)):
        shared = _shared(both)
        rows = np.any(shared, axis=1)
        if rows.any():
            above, below = (mean_over_raters(part.where(shared).loc[rows]) for part in (both.scores, both.rater_scores))
            ratios.append(Ratio(OVER_RATERS.form(measure, both.comparison), name, above, below, both.note))
    return ratio_rows(ratios, clusters, LOGARITHM, level)

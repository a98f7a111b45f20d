"""Spread of the mean score, and the mean count, of a study over trainings that differ by the seed.

agreement, counts, annotations  ->  sd, coefficient of variation, range; sd of ensembles divided by that of models
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import scipy

from segassay.qualities.reliability.records import CV, RANGE, SD, SD_RATIO
from segassay.qualities.scores.groups import Group, trained_alike
from segassay.qualities.scores.table import Agreement, annotator_kinds, interval_row, score_rows
from segassay.qualities.scores.values import QUANTITIES, complete_cases, values_of
from segassay.statistics.intervals import MIN_SEEDS, Interval, sd_over_seeds
from segassay.statistics.jackknife import LOGARITHM, jackknife_t

__all__ = ["cv_over_seeds", "ratio_of_sds", "spread_over_seeds"]


def spread_over_seeds(agreement: Agreement, counts: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """How much the mean score, and the mean count, of a whole study change with the seed.

    Args:
        agreement: Agreement of all pairs.
        counts: `tables.counts`.
        annotations: What `read_annotations` returns.

    Returns:
        Rows `sd_*`, `cv_*` and `range_*` of `f1` and `count`, of models and of disjoint ensembles of one size;
        `n_cases` is the number of seeds or ensembles. Intervals are not judged below 4 of them; a range has none.
        Only cases that all of them have take part. No row below two seeds.
    """
    kinds = annotator_kinds(annotations)
    rows = []
    for group, size, names in _disjoint_members(annotations):
        for quantity in QUANTITIES:
            values, against = values_of(names, quantity, agreement=agreement, counts=counts, kinds=kinds)
            complete, n_left_out = complete_cases(values)
            if len(complete) == 0 or len(complete.columns) < 2:
                continue
            means = complete.mean().to_numpy()
            note = "; ".join(filter(None, [against, f"mean over {len(complete)} cases", _left_out(n_left_out)]))
            for record, interval in (
                (SD, sd_over_seeds(means)),
                (CV, cv_over_seeds(means)),
                (RANGE, _range_over_seeds(means)),
            ):
                rows.append(interval_row(record.form(quantity), group.target_of_size(size), interval, note=note))
    return score_rows(rows)


def _disjoint_members(annotations: pd.DataFrame) -> Iterator[tuple[Group, int, list[str]]]:
    """Group, size and names of two or more annotators of that size, no two of which share a member."""
    for group in trained_alike(annotations):
        for size in group.sizes:
            names = group.disjoint(size)
            if len(names) > 1:
                yield group, size, names


def _left_out(n: int) -> str:
    return f"{n} cases left out that not all have" if n else ""


def cv_over_seeds(values: np.ndarray, level: float = 0.95) -> Interval:
    """Coefficient of variation over trainings that differ by the seed, with McKay's interval.

    Args:
        values: `(seeds,)`, positive; NaN = undefined.
        level: Coverage of the interval.

    Returns:
        sd / mean; value NaN below 2 seeds or where the mean is not above 0. Not judged, without limits, below 4 seeds.
        The interval is good where the coefficient is below 1/3; `approximate` above.

    Raises:
        ValueError: If the shape does not fit, or a value is infinite.

    Example:
        Twenty values, whose documentation in the R package cvcqv gives 57.774 % (41.441 to 108.483):

        >>> values = [0.2, 0.5, 1.1, 1.4, 1.8, 2.3, 2.5, 2.7, 3.5, 4.4, 4.6, 5.4, 5.4, 5.7, 5.8, 5.9, 6, 6.6, 7.1, 7.9]
        >>> interval = cv_over_seeds(values)
        >>> round(interval.value, 4), round(interval.low, 4), round(interval.high, 4)
        (0.5777, 0.4144, 1.0848)

    References:
        McKay (1932), J. R. Stat. Soc. 95(4):695-698, doi:10.2307/2342041; Vangel (1996), Am. Stat. 50(1):21-26,
        doi:10.1080/00031305.1996.10473537.
    """
    sd = sd_over_seeds(values, level)
    mean = float(np.nanmean(values)) if sd.n_cases else math.nan
    cv = sd.value / mean if mean > 0 else math.nan
    n = sd.n_cases
    if n < MIN_SEEDS or math.isnan(cv):
        return Interval(cv, math.nan, math.nan, "not judged", n, sd.n_undefined, True)
    if sd.value == 0:
        return Interval(cv, math.nan, math.nan, sd.method, n, sd.n_undefined, True)
    low, high = (_mckay(cv, n, float(scipy.stats.chi2.ppf(tail, n - 1))) for tail in ((1 + level) / 2, (1 - level) / 2))
    return Interval(cv, low, high, "McKay", n, sd.n_undefined, cv > 1 / 3)


def _mckay(cv: float, n: int, quantile: float) -> float:
    square = (quantile / n - 1) * cv**2 + quantile / (n - 1)
    return cv / math.sqrt(square) if square > 0 else math.inf


def _range_over_seeds(values: np.ndarray) -> Interval:
    return Interval(float(np.ptp(values)), math.nan, math.nan, "", len(values), 0, True)


def ratio_of_sds(
    agreement: Agreement,
    counts: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """How much less ensembles spread than their members: the sd of a case over ensembles, over that over members.

    The sd is within a case, pooled over cases, which a handful of ensembles suffices for; the ratio is 1/√n where the
    members of an ensemble of n make independent errors, and 1 if all seeds make the same errors.

    Args:
        agreement: Agreement of all pairs.
        counts: `tables.counts`.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows `sd_ratio_f1` and `sd_ratio_count`, one per size of disjoint ensembles whose strategy also has models with
        two seeds or more. The interval is of the jackknife over clusters, given these seeds.
    """
    kinds = annotator_kinds(annotations)
    found = list(_disjoint_members(annotations))
    members = {(group.strategy, group.trained_on): names for group, _, names in found if group.kind == "model"}
    rows = []
    for group, size, ensembles in found:
        models = members.get((group.strategy, group.trained_on), [])
        if group.kind != "ensemble" or not models:
            continue
        for quantity in QUANTITIES:
            of = [ensembles, models]
            tables = [values_of(n, quantity, agreement=agreement, counts=counts, kinds=kinds)[0] for n in of]
            if min(len(table.columns) for table in tables) < 2:
                continue
            squares = pd.concat([t.var(axis=1, skipna=False) for t in tables], axis=1)
            drawn = clusters.reindex(squares.index).to_numpy()
            interval = jackknife_t(_root_of_ratio, squares.to_numpy(), drawn, LOGARITHM, level=level)
            if math.isfinite(interval.value):
                note = f"{len(ensembles)} ensembles, {len(models)} models; 1/√{size} = {1 / math.sqrt(size):.2f}"
                rows.append(interval_row(SD_RATIO.form(quantity), group.target_of_size(size), interval, note=note))
    return score_rows(rows)


def _root_of_ratio(weights: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """√(Σ of the first / Σ of the second column) for each row of weights."""
    sums = weights @ squares
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(sums[:, 0] / sums[:, 1]))

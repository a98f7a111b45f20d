"""Agreement of raters with each other, and how each rater differs from the others.

agreement, distances, counts, votes of raters  ->  rows of scores
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from segassay.data.annotations import raters_of
from segassay.qualities.objectivity.records import (
    BOUNDARY_SHIFT,
    DICE,
    F1,
    FLEISS_KAPPA,
    GWET_AC1,
    KRIPPENDORFF_ALPHA,
    LOG_AREA_RATIO,
    LOG_COUNT_RATIO,
    MEAN_IOU,
    POSITIVE_AGREEMENT,
    REPEATABILITY,
    REPEATED,
    SENSITIVITY,
    SPECIFICITY,
    STAPLE_SENSITIVITY,
    STAPLE_SPECIFICITY,
)
from segassay.qualities.scores.measure import LEAVE_ONE_OUT
from segassay.qualities.scores.table import (
    ALL_RATERS,
    BETWEEN_RATERS,
    MEASURES,
    THRESHOLD,
    Agreement,
    Score,
    interval_row,
    mean_over_pairs,
    mean_over_raters,
    own_scores,
    rater_score,
    score_rows,
    score_table,
)
from segassay.statistics.chance import fleiss_kappa, gwet_ac1, krippendorff_alpha
from segassay.statistics.intervals import Interval
from segassay.statistics.jackknife import SHARE, SPREAD, correlation_scale, jackknife_ratio, jackknife_t
from segassay.statistics.raters import positive_agreement
from segassay.tables.build import log_ratios

__all__ = [
    "agreement_of_objects",
    "agreement_of_pixels",
    "agreement_of_raters",
    "boundary_shift",
    "intra_rater_repeatability",
    "sensitivity_and_specificity",
]


def agreement_of_raters(agreement: Agreement, counts: pd.DataFrame, kinds: dict[str, str]) -> Iterator[Score]:
    """Agreement between raters, of each rater with the others, and how much more or less each rater marks."""
    raters = raters_of(kinds)
    if len(raters) < 2:
        return
    of_masks = (F1, MEAN_IOU, DICE)
    for record in of_masks:
        between = agreement.of_pairs(list(combinations(raters, 2)), record.name)
        yield Score(record.form(), BETWEEN_RATERS, mean_over_pairs(between))
    for record in of_masks:
        own = own_scores(agreement, raters, record.name)
        if len(own.columns):
            yield Score(record.form(comparison=LEAVE_ONE_OUT), ALL_RATERS, mean_over_raters(own))
    ratios = [
        (record, log_ratios(counts, column, raters))
        for record, column in ((LOG_COUNT_RATIO, "n_objects"), (LOG_AREA_RATIO, "area_px"))
    ]
    for rater in raters:
        for record in of_masks:
            values, comparison, note = rater_score(agreement, raters, rater, record.name)
            yield Score(record.form(comparison=comparison), rater, values, note=note)
        for record, ratio in ratios:
            drawn = counts.loc[counts["annotator"] == rater, "case"]
            yield Score(record.form(), rater, ratio[rater].reindex(drawn))


def _between(rows: pd.DataFrame, raters: Sequence[str]) -> pd.DataFrame:
    return rows[rows["annotator_a"].isin(raters) & rows["annotator_b"].isin(raters)]


def boundary_shift(
    distances: pd.DataFrame, raters: Sequence[str], clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """How far the outlines of each rater are outside those of the others, on common objects; negative if inside.

    Args:
        distances: Table of `segassay.tables.build`.
        raters: Raters to compare.
        clusters: Case -> subject, or the case itself.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`: `boundary_shift_px` or `boundary_shift_um` of each rater, in a case the mean over
        the others; undefined where no object is shared. Without rows below two raters.
    """
    scores = []
    columns = ["case", "annotator_a", "annotator_b", "unit", "shift"]
    for unit, rows in _between(distances[columns], raters).groupby("unit", sort=True) if len(distances) else ():
        b = rows[["case", "annotator_b", "shift"]].set_axis(["case", "rater", "shift"], axis=1)
        a = rows[["case", "annotator_a", "shift"]].set_axis(["case", "rater", "shift"], axis=1)
        both = pd.concat([b, a.assign(shift=-a["shift"])])
        for rater, own in both.groupby("rater", sort=False):
            values = own.groupby("case", sort=False)["shift"].mean()
            scores.append(Score(BOUNDARY_SHIFT.form(variant=str(unit)), str(rater), values))
    order = {rater: place for place, rater in enumerate(raters)}
    scores.sort(key=lambda score: order[score.target])
    return score_table([score for score in scores if score.values.notna().any()], clusters, level)


def sensitivity_and_specificity(
    of_raters: pd.DataFrame,
    leave_one_out: pd.DataFrame,
    counts: pd.DataFrame,
    clusters: pd.Series,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Pixels of the consensus that each rater marked, and of its background that the rater left out.

    Args:
        of_raters: Table `raters` of `segassay.tables.build`.
        leave_one_out: As in `segassay.tables.build`.
        counts: As in `segassay.tables.build`; says how many pixels count.
        clusters: Case -> subject, or the case itself.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`, per rater: `staple_sensitivity` and `staple_specificity`, STAPLE's own estimates,
        without interval; `sensitivity_leave_one_out` and `specificity_leave_one_out` against C₋r on the pixels that
        count. A case whose C₋r is empty (or full) is undefined.
    """
    rows = []
    for row in of_raters.to_dict("records"):
        for record, name in ((STAPLE_SENSITIVITY, "sensitivity"), (STAPLE_SPECIFICITY, "specificity")):
            if not math.isnan(row[name]):
                interval = Interval(row[name], math.nan, math.nan, "", int(row["n_cases"]), 0, False)
                note = "of a consensus that contains the rater"
                rows.append(interval_row(record.form(), row["rater"], interval, note=note, contains_raters=True))
    own = leave_one_out[leave_one_out["rater"] == leave_one_out["annotator"]]
    own = own[own["iou_threshold"] == THRESHOLD].merge(
        counts[["case", "annotator", "region_area_px"]], on=["case", "annotator"], how="left"
    )
    n_reference, n_marked, n_pixels = (own[name].astype(float) for name in ("n_px_a", "n_px_b", "region_area_px"))
    n_shared, n_background = own["dice"] * (n_reference + n_marked) / 2, n_pixels - n_reference
    own["sensitivity"] = n_shared / n_reference.where(n_reference > 0)
    own["specificity"] = 1 - (n_marked - n_shared) / n_background.where(n_background > 0)
    scores = [
        Score(record.form(comparison=LEAVE_ONE_OUT), str(rater), pd.Series(part[record.name].to_numpy(), part["case"]))
        for rater, part in own.groupby("rater", sort=False)
        for record in (SENSITIVITY, SPECIFICITY)
    ]
    return pd.concat([score_rows(rows), score_table(scores, clusters, level)], ignore_index=True)


def agreement_of_objects(
    agreement: pd.DataFrame, raters: Sequence[str], clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Positive agreement: of all objects that raters marked, the share that the other of a pair marked, too.

    Args:
        agreement: Table of `segassay.tables.build`; matched at IoU > .5.
        raters: Raters to compare.
        clusters: Case -> subject, or the case itself.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`: `positive_agreement` between raters, and of each rater with the others. All objects
        have the same weight; in the mean F1 all cases have.
    """
    rows = _between(agreement[agreement["iou_threshold"] == THRESHOLD], raters)
    targets = {BETWEEN_RATERS: rows} | {
        rater: rows[(rows["annotator_a"] == rater) | (rows["annotator_b"] == rater)] for rater in raters
    }
    found = []
    for target, pairs in targets.items():
        if len(pairs) and (len(raters) > 2 or target == BETWEEN_RATERS):
            counted = pairs[["tp", "n_a", "n_b"]].astype(float)
            sums = counted.groupby(pairs["case"], sort=False).sum()
            above, below = 2 * sums["tp"], sums["n_a"] + sums["n_b"]
            drawn = clusters.reindex(sums.index).to_numpy()
            interval = jackknife_ratio(above.to_numpy(), below.to_numpy(), drawn, SHARE, level=level)
            value = positive_agreement(*counted.to_numpy().T)
            interval = dataclasses.replace(interval, value=value)
            found.append(interval_row(POSITIVE_AGREEMENT.form(), target, interval))
    return score_rows(found)


def agreement_of_pixels(votes: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95) -> pd.DataFrame:
    """Agreement of all raters on pixels beyond chance: Fleiss' κ, Gwet's AC1, Krippendorff's α.

    Args:
        votes: Table of `segassay.tables.build`: how many raters of a case marked how many pixels.
        clusters: Case -> subject, or the case itself.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`: `fleiss_kappa_pixels`, `gwet_ac1_pixels` and `krippendorff_alpha_pixels` between
        raters, over all pixels of all cases. A case with a single rater is undefined; without rows if all are.
    """
    judged = votes[votes["n_raters"] > 1]
    if judged.empty:
        return score_rows([])
    pixels = judged.pivot_table(
        index="case", columns=["n_raters", "n_marked"], values="n_pixels", aggfunc="sum", fill_value=0
    )
    n_raters, n_marked = (pixels.columns.get_level_values(level).to_numpy(dtype=int) for level in (0, 1))
    categories = np.stack([n_raters - n_marked, n_marked], axis=1)
    estimators = (
        (FLEISS_KAPPA, partial(fleiss_kappa, categories)),
        (GWET_AC1, partial(gwet_ac1, categories)),
        (KRIPPENDORFF_ALPHA, partial(krippendorff_alpha, _decisions(n_raters, n_marked), "nominal")),
    )
    n_undefined = votes["case"].nunique() - len(pixels)
    cluster = clusters.reindex(pixels.index).to_numpy()
    rows = []
    for record, estimator in estimators:
        counted, statistic = pixels.to_numpy(dtype=float), partial(of_sums, estimator)
        interval = jackknife_t(statistic, counted, cluster, correlation_scale(2), level=level)
        rows.append(interval_row(record.form("pixels"), BETWEEN_RATERS, interval, n_undefined=n_undefined))
    return score_rows(rows)


def _decisions(n_raters: np.ndarray, n_marked: np.ndarray) -> np.ndarray:
    """`(R, K)`: 1 for each rater who marked such pixels, 0 for each who did not, NaN for those without a mask."""
    place = np.arange(n_raters.max())[:, None]
    return np.where(place < n_marked, 1.0, np.where(place < n_raters, 0.0, np.nan))


def of_sums(estimator: Callable[[np.ndarray], float], weights: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Weighted cases `(B, N)` have so many pixels `(N, K)` of each kind; an image has few kinds, so this is quick."""
    return np.array([estimator(of_kind) for of_kind in weights @ pixels])


def intra_rater_repeatability(repeats: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95) -> pd.DataFrame:
    """Agreement of each rater between sessions, for cases annotated twice or more.

    Args:
        repeats: Table of `segassay.tables.build`: pairs of sessions of one rater, or of masks of one person.
        clusters: Case -> subject, or the case itself.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`: `f1_repeated`, `mean_iou_repeated` and `dice_repeated` of each rater, and the
        `repeatability_coefficient_count`: the counts of two sessions differ by less in 95 of 100 cases.
    """
    scores, rows = [], []
    for rater, own in repeats.groupby("annotator", sort=False) if len(repeats) else ():
        note = "; ".join(filter(None, own["between"].unique())) if "between" in own else ""
        for measure in MEASURES:
            values = own.groupby("case", sort=False)[measure].mean()
            scores.append(Score(REPEATED.form(measure), str(rater), values, note=note))
        difference = own["n_a"].astype(float) - own["n_b"].astype(float)
        variance = (difference**2 / 2).groupby(own["case"], sort=False).mean()  # of two or more sessions of a case
        drawn = clusters.reindex(variance.index).to_numpy()
        interval = jackknife_t(_coefficient, variance.to_numpy(), drawn, SPREAD, level=level)
        rows.append(interval_row(REPEATABILITY.form("count"), str(rater), interval, note=note))
    return pd.concat([score_table(scores, clusters, level), score_rows(rows)], ignore_index=True)


def _coefficient(weights: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """1.96 √2 times the standard deviation within a case."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1.96 * np.sqrt(2 * (weights @ variance) / weights.sum(axis=1)))

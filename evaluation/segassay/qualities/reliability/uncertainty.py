"""Does a model know where it is wrong? Uncertainty against error and against the disagreement of raters.

    uncertainty: case × annotator × bin of u  ->  rank correlation, AUROC, risk-coverage of each case  ->  means
    pairwise Dice of members                  ->  quality of an image, and whether it orders images as their scores do

Pixels come as counts in bins of uncertainty: all that is known of two pixels of one bin is that they are tied, and ties
are treated exactly. `events` are errors, or the disagreement of raters, where a pixel counts with the share 4 v (1 - v)
for v the share of raters that mark it: 1 if they are divided in half, 0 if they agree.
"""

import math

import numpy as np
import pandas as pd
from scipy import special

from segassay.qualities.reliability.calibration import by_bin
from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.table import (
    SCORE_COLUMNS,
    Agreement,
    Score,
    annotator_kinds,
    interval_row,
    mean_over_pairs,
    score_table,
)
from segassay.qualities.scores.values import values_of
from segassay.statistics.intervals import DEFAULT, Resampling, bca

__all__ = [
    "area_under_risk_coverage",
    "auroc",
    "image_quality",
    "quality_against_score",
    "risk_coverage",
    "spearman_of_counts",
    "spearman_weighted",
    "uncertainty_of_annotators",
]

MIN_CASES_TO_ORDER = 3
EVENTS = {"errors": "n_errors", "disagreement": "sum_disagreement"}
"""What uncertainty should announce, and the column that holds it."""


def spearman_of_counts(n: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Spearman's correlation between uncertainty and the event, over pixels; ties have their mean rank.

    Args:
        n: `(..., bins)`, pixels in each bin, in the order of uncertainty.
        events: `(..., bins)`, how many of them are events.

    Returns:
        `(...)`, in [-1, 1]; NaN where all pixels or none are events, or all are in one bin.

    Example:
        >>> round(float(spearman_of_counts([2, 1, 1], [0, 1, 1])), 4)  # uncertainty 1 1 2 3, events 0 0 1 1
        0.9428

    References:
        Spearman (1904), Am. J. Psychol. 15(1):72-101, doi:10.2307/1412159.
    """
    n, events = np.asarray(n, dtype=float), np.asarray(events, dtype=float)
    total, total_events = n.sum(axis=-1), events.sum(axis=-1)
    rank = np.cumsum(n, axis=-1) - n / 2 + 0.5 - (total[..., None] + 1) / 2
    spread = (n * rank**2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        square = spread * total_events * (1 - total_events / total)
        return np.asarray((events * rank).sum(axis=-1) / np.sqrt(np.where(square > 0, square, math.nan)))


def auroc(n: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Chance that an event is more uncertain than a pixel that is none; ties count one half.

    Args:
        n: As in `spearman_of_counts`.
        events: As in `spearman_of_counts`.

    Returns:
        `(...)`, in [0, 1], .5 where uncertainty tells nothing; NaN where all pixels or none are events.

    Example:
        >>> float(auroc([2, 1, 1], [0, 1, 1])), float(auroc([4], [2]))
        (1.0, 0.5)

    References:
        Hanley & McNeil (1982), Radiology 143(1):29-36, doi:10.1148/radiology.143.1.7063747.
    """
    n, events = np.asarray(n, dtype=float), np.asarray(events, dtype=float)
    others = n - events
    below = np.cumsum(others, axis=-1) - others / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((events * below).sum(axis=-1) / (events.sum(axis=-1) * others.sum(axis=-1)))


def risk_coverage(n: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of events among the most certain pixels, as more and more of them are kept.

    Args:
        n: `(bins,)`, as in `spearman_of_counts`.
        events: `(bins,)`.

    Returns:
        Coverage and risk after each bin that holds pixels; empty without pixels.

    Example:
        >>> risk_coverage([2, 0, 2], [0, 0, 1])
        (array([0.5, 1. ]), array([0.  , 0.25]))

    References:
        El-Yaniv & Wiener (2010), J. Mach. Learn. Res. 11:1605-1641.
    """
    n, events = np.asarray(n, dtype=float), np.asarray(events, dtype=float)
    kept, n_events = np.cumsum(n)[n > 0], np.cumsum(events)[n > 0]
    return kept / n.sum() if len(kept) else kept, n_events / kept


def area_under_risk_coverage(n: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Mean risk over all numbers of most certain pixels kept, ties in random order: AURC.

    Args:
        n: As in `spearman_of_counts`.
        events: As in `spearman_of_counts`.

    Returns:
        `(...)`; the share of events where uncertainty tells nothing, less where it tells something, 0 without events;
        NaN without pixels.

    Example:
        Two certain pixels, of which none is wrong, then two, of which one is: (0 + 0 + 1/6 + 1/4) / 4

        >>> round(float(area_under_risk_coverage([2, 2], [0, 1])), 4)
        0.1042

    References:
        Geifman, Uziel & El-Yaniv (2019), Proc. ICLR, arXiv:1805.08206.
    """
    n, events = np.asarray(n, dtype=float), np.asarray(events, dtype=float)
    rate = events / np.where(n > 0, n, 1)
    last = np.cumsum(n, axis=-1)
    first = last - n
    carried = np.cumsum(events, axis=-1) - events - rate * first
    harmonic = special.digamma(last + 1) - special.digamma(first + 1)  # sum of 1 / k for k from first + 1 to last
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((events + carried * harmonic).sum(axis=-1) / n.sum(axis=-1))


def uncertainty_of_annotators(
    uncertainty: pd.DataFrame, clusters: pd.Series, *, resampling: Resampling = DEFAULT
) -> pd.DataFrame:
    """How well the uncertainty of every annotator announces errors and the disagreement of raters.

    Args:
        uncertainty: `tables.uncertainty`.
        clusters: Case -> name of its subject, or of the case itself.
        resampling: How intervals are drawn.

    Returns:
        Rows `uncertainty_spearman_*`, `uncertainty_auroc_*` and `uncertainty_aurc_*` of `errors` and `disagreement`,
        means over cases. A case without events (or, for disagreement, with fewer than two raters) is undefined; the
        note of an AURC has the mean share of events, which is the AURC of a random order.
    """
    scores = []
    for annotator, part in uncertainty.groupby("annotator", sort=False):
        cases = part["case"].unique()
        n = by_bin(part, "n_pixels", cases)
        against = f"against {', '.join(map(str, part['reference'].unique()))}"
        for name, column in EVENTS.items():
            events = by_bin(part, column, cases)
            shares = events.sum(axis=1) / n.sum(axis=1)
            if np.isnan(shares).all():
                continue
            about = against if name == "errors" else "among the raters"
            share = float(np.nanmean(shares))
            for measure, compute, note in (
                ("spearman", spearman_of_counts, about),
                ("auroc", auroc, about),
                ("aurc", area_under_risk_coverage, f"{about}; a random order gives {share:.3g}"),
            ):
                values = pd.Series(compute(n, events), cases)
                if values.notna().any():
                    full = f"uncertainty_{measure}_{name}"
                    scores.append(Score("reliability", full, str(annotator), values, note=note))
    return score_table(scores, clusters, resampling)


# -------------------------------------------------------------------------------------------------- quality of an image


def image_quality(agreement: Agreement, annotations: pd.DataFrame) -> pd.DataFrame:
    """Quality of each image as the models see it: how well those that differ by the seed agree on it.

    It needs no reference, so that images can be sorted out before anybody has annotated them.

    Args:
        agreement: Agreement of all pairs.
        annotations: What `read_annotations` returns.

    Returns:
        One row per case, one column per group of models, the mean Dice over pairs of members; 1 where no member marks
        anything. Without models that differ by the seed a table without columns.

    References:
        Roy et al. (2019), NeuroImage 195:11-22, doi:10.1016/j.neuroimage.2019.03.042.
    """
    columns = {}
    for group in trained_alike(annotations):
        values = agreement.of_pairs(group.pairs(1), "dice") if group.kind == "model" else pd.DataFrame()
        if len(values.columns):
            columns[group.target] = mean_over_pairs(values)
    return pd.concat(columns, axis=1, sort=False) if columns else pd.DataFrame()


def quality_against_score(
    agreement: Agreement, annotations: pd.DataFrame, clusters: pd.Series, *, resampling: Resampling = DEFAULT
) -> pd.DataFrame:
    """Does the quality of an image order the images as their real score does?

    Args:
        agreement: Agreement of all pairs.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        resampling: How intervals are drawn.

    Returns:
        Rows `quality_spearman_dice`: Spearman's correlation over cases between `image_quality` and the Dice of the
        largest ensemble of these models with people, without an ensemble that of the models; BCa over clusters. No row
        below three cases, or where all are alike.
    """
    kinds, quality = annotator_kinds(annotations), image_quality(agreement, annotations)
    groups = trained_alike(annotations)
    rows = []
    for group in groups:
        if group.target not in quality:
            continue
        alike = (group.strategy, group.trained_on)
        ensembles = {
            name: len(seeds)
            for other in groups
            if other.kind == "ensemble" and (other.strategy, other.trained_on) == alike
            for name, seeds in other.seeds.items()
        }
        scored = [max(ensembles, key=ensembles.__getitem__)] if ensembles else group.disjoint(1)
        no_counts = pd.DataFrame(columns=["case", "annotator", "n_objects"])
        values, against = values_of(scored, "dice", agreement=agreement, counts=no_counts, kinds=kinds)
        both = pd.concat([quality[group.target], values.mean(axis=1)], axis=1, join="inner").to_numpy(dtype=float)
        if (~np.isnan(both).any(axis=1)).sum() < MIN_CASES_TO_ORDER:
            continue
        cases = quality.index[quality.index.isin(values.index)]
        interval = bca(spearman_weighted, both, clusters.reindex(cases).to_numpy(), resampling)
        if not math.isnan(interval.value):
            note = f"Dice of {', '.join(scored)} {against}"
            rows.append(interval_row("reliability", "quality_spearman_dice", group.target, interval, note=note))
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def spearman_weighted(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Spearman's correlation of two columns for many resamples at once: the statistic that `intervals.bca` asks for.

    Args:
        weights: `(B, N)`, how often each case was drawn.
        values: `(N, 2)`, finite.

    Returns:
        float64 `(B,)`; NaN where a column is constant among the cases drawn.

    Example:
        >>> spearman_weighted([[1, 1, 1], [2, 1, 0]], [[1.0, 3.0], [2.0, 1.0], [3.0, 2.0]])
        array([-0.5, -1. ])
    """
    weights, values = np.asarray(weights, dtype=float), np.asarray(values, dtype=float)
    n = weights.sum(axis=1, keepdims=True)
    ranks = []
    for column in values.T:
        below = (column < column[:, None]) + 0.5 * (column == column[:, None])
        ranks.append(weights @ below.T - n / 2)  # mean rank among those drawn, less the mean of all ranks
    a, b = ranks
    square = (weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1)
    return np.asarray((weights * a * b).sum(axis=1) / np.sqrt(np.where(square > 1e-9, square, math.nan)))

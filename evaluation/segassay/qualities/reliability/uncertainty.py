"""Does a model know where it is wrong? Uncertainty against error and against the disagreement of raters.

    uncertainty: case × annotator × bin of u  ->  rank correlation, AUROC, risk-coverage of each case  ->  means

Pixels come as counts in bins of uncertainty: all that is known of two pixels of one bin is that they are tied, and ties
are treated exactly. `events` are errors, or the disagreement of raters, where a pixel counts with the share 4 v (1 - v)
for v the share of raters that mark it: 1 if they are divided in half, 0 if they agree.
"""

import math

import numpy as np
import pandas as pd
from scipy import special

from segassay.io.stored_tables import rows_by
from segassay.qualities.reliability.calibration import by_bin
from segassay.qualities.reliability.records import UNCERTAINTY_AURC, UNCERTAINTY_AUROC, UNCERTAINTY_SPEARMAN
from segassay.qualities.scores.table import Score, score_table

__all__ = ["area_under_risk_coverage", "auroc", "risk_coverage", "spearman_of_counts", "uncertainty_of_annotators"]

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


def uncertainty_of_annotators(uncertainty: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95) -> pd.DataFrame:
    """How well the uncertainty of every annotator predicts errors and the disagreement of raters.

    Args:
        uncertainty: `tables.uncertainty`.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows `uncertainty_spearman_*`, `uncertainty_auroc_*` and `uncertainty_aurc_*` of `errors` and `disagreement`,
        means over cases. A case without events (or, for disagreement, with fewer than two raters) is undefined; the
        note of an AURC has the mean share of events, which is the AURC of a random order.
    """
    scores = []
    for annotator, part in rows_by(uncertainty, "annotator").items():
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
            for record, compute, note in (
                (UNCERTAINTY_SPEARMAN, spearman_of_counts, about),
                (UNCERTAINTY_AUROC, auroc, about),
                (UNCERTAINTY_AURC, area_under_risk_coverage, f"{about}; a random order gives {share:.3g}"),
            ):
                values = pd.Series(compute(n, events), cases)
                if values.notna().any():
                    scores.append(Score(record.form(name), str(annotator), values, note=note))
    return score_table(scores, clusters, level)

"""Selective risk of images: how good is the rest if the most uncertain images are handed to a person?

uncertainty of an image (disagreement of models, or the mean of its map)  ->  order  ->  mean risk 1 - Dice: AURC
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from segassay.io.stored_tables import rows_by
from segassay.qualities.reliability.image_quality import MIN_CASES_TO_ORDER, image_quality
from segassay.qualities.reliability.records import IMAGE_AURC
from segassay.qualities.reliability.uncertainty import area_under_risk_coverage
from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.table import Agreement, annotator_kinds, interval_row, score_rows
from segassay.qualities.scores.values import values_of
from segassay.statistics.jackknife import SHARE, jackknife_t

__all__ = ["image_aurc", "selective_risk"]


def image_aurc(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean risk over all numbers of most certain images kept, for many resamples at once; ties in random order.

    Args:
        weights: `(B, N)`, how often each image was drawn.
        values: `(N, 2)`, uncertainty and risk of each image, finite.

    Returns:
        float64 `(B,)`; the mean risk where the uncertainty tells nothing; NaN without images.

    Example:
        Risks .1 and .5, the second image more uncertain: (.1 + .3) / 2

        >>> image_aurc([[1, 1], [0, 2]], [[0.2, 0.1], [0.9, 0.5]]).round(3)
        array([0.2, 0.5])

    References:
        Geifman, Uziel & El-Yaniv (2019), Proc. ICLR, arXiv:1805.08206.
    """
    weights, values = np.asarray(weights, dtype=float), np.asarray(values, dtype=float)
    levels, code = np.unique(values[:, 0], return_inverse=True)
    order = np.argsort(code, kind="stable")
    first = np.searchsorted(code[order], np.arange(len(levels)))
    n, risk = (np.add.reduceat(part[:, order], first, axis=1) for part in (weights, weights * values[:, 1]))
    return area_under_risk_coverage(n, risk)


def selective_risk(
    agreement: Agreement,
    uncertainty: pd.DataFrame,
    counts: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """AURC of images: by the disagreement of models trained alike, and by the uncertainty maps of each annotator.

    Args:
        agreement: Agreement of all pairs.
        uncertainty: `tables.uncertainty`.
        counts: `tables.counts`.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows `image_aurc_dice` with jackknife intervals over clusters; `note` gives the value of a random order, which
        is the mean risk, and of the best order. No row with fewer than three cases.
    """
    rows = []
    for target, names, order, by in _orders(agreement, uncertainty, annotations):
        kinds = annotator_kinds(annotations)
        scores, against = values_of(names, "dice", agreement=agreement, counts=counts, kinds=kinds)
        if not len(scores.columns):
            continue
        both = pd.concat([order, 1 - scores.mean(axis=1)], axis=1, join="inner")
        values = both.to_numpy(dtype=float)
        known = values[~np.isnan(values).any(axis=1)]
        if len(known) < MIN_CASES_TO_ORDER:
            continue
        interval = jackknife_t(image_aurc, values, clusters.reindex(both.index).to_numpy(), SHARE, level=level)
        if not math.isnan(interval.value):
            best = float(image_aurc(np.ones((1, len(known))), known[:, [1, 1]])[0])
            note = f"{by}; {against}; a random order gives {known[:, 1].mean():.3g}, the best {best:.3g}"
            rows.append(interval_row(IMAGE_AURC.form("dice"), target, interval, note=note))
    return score_rows(rows)


def _orders(
    agreement: Agreement, uncertainty: pd.DataFrame, annotations: pd.DataFrame
) -> Iterator[tuple[str, list[str], pd.Series, str]]:
    """Target, the annotators whose risk it is, the uncertainty of each case, and where it comes from."""
    quality = image_quality(agreement, annotations)
    for group in trained_alike(annotations):
        if group.target in quality:
            yield group.target, group.disjoint(1), 1 - quality[group.target], "by the disagreement of the models"
    for name, part in rows_by(uncertainty, "annotator").items():
        sums = part.groupby("case", sort=False)[["sum_uncertainty", "n_pixels"]].sum().astype(float)
        yield str(name), [str(name)], sums["sum_uncertainty"] / sums["n_pixels"], "by the mean of the uncertainty map"

"""Can poor images be found before they are annotated? Agreement of models on an image, compared with their score.

pairwise Dice of members  ->  quality of an image, and whether it orders images as their scores do
"""

import math

import numpy as np
import pandas as pd

from segassay.qualities.reliability.records import QUALITY_SPEARMAN
from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.table import Agreement, annotator_kinds, interval_row, mean_over_pairs, score_rows
from segassay.qualities.scores.values import values_of
from segassay.statistics.jackknife import correlation_scale, jackknife_t
from segassay.statistics.ranks import weight_below

__all__ = ["image_quality", "quality_against_score", "spearman_weighted"]

MIN_CASES_TO_ORDER = 3


def image_quality(agreement: Agreement, annotations: pd.DataFrame) -> pd.DataFrame:
    """Quality of each image: how well models that differ by the seed agree on it.

    It needs no reference, so poor images can be removed before they are annotated.

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
    agreement: Agreement, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Does the quality of an image order the images as their real score does?

    Args:
        agreement: Agreement of all pairs.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows `quality_spearman_dice`: Spearman's correlation over cases between `image_quality` and the Dice of the
        largest ensemble of these models (else of the models) with raters; jackknife over clusters. No row with fewer
        than three cases, or if all cases are alike.
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
        drawn = clusters.reindex(cases).to_numpy()
        interval = jackknife_t(spearman_weighted, both, drawn, correlation_scale(2), level=level)
        if not math.isnan(interval.value):
            note = f"Dice of {', '.join(scored)} {against}"
            rows.append(interval_row(QUALITY_SPEARMAN.form("dice"), group.target, interval, note=note))
    return score_rows(rows)


def spearman_weighted(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Spearman's correlation of two columns for many resamples at once: the statistic that `jackknife_t` asks for.

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
    a, b = (weight_below(weights, column, column) - n / 2 for column in values.T)  # mean rank, less that of all drawn
    square = (weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1)
    return np.asarray((weights * a * b).sum(axis=1) / np.sqrt(np.where(square > 1e-9, square, math.nan)))

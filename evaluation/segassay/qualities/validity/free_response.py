"""FROC of maps of probability: the share of objects that is found at few false positives per image, with its interval.

detections  ->  rows of each annotator with a map
"""

import numpy as np
import pandas as pd

from segassay.masks.free_response import FALSE_POSITIVES_PER_IMAGE
from segassay.qualities.scores.table import interval_row, score_rows
from segassay.qualities.validity.records import FROC_SENSITIVITY
from segassay.statistics.jackknife import SHARE, jackknife_t
from segassay.tables.detections import N_SCORE_BINS

__all__ = ["free_response", "mean_sensitivity_weighted"]

_COUNTS = ["n_matched", "n_false", "n_objects"]


def free_response(detections: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95) -> pd.DataFrame:
    """Mean sensitivity of each annotator at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives per image.

    Args:
        detections: Table of `segassay.tables.build`.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows `froc_sensitivity` with jackknife intervals over clusters; the note names the reference. Without rows if no
        annotator has a map, and without a row where the reference has no object.
    """
    rows = []
    for (annotator, reference), part in detections.groupby(["annotator", "reference"], sort=False):
        cases = pd.Index(part["case"].unique())
        counts = np.zeros((len(cases), len(_COUNTS), N_SCORE_BINS))
        at = cases.get_indexer(part["case"]), part["bin"].to_numpy(dtype=int)
        for place, column in enumerate(_COUNTS):
            counts[at[0], place, at[1]] = part[column].to_numpy(dtype=float)
        interval = jackknife_t(
            mean_sensitivity_weighted, counts, clusters.reindex(cases).to_numpy(), SHARE, level=level
        )
        if not np.isnan(interval.value):
            note = f"against {reference}; objects scored by their mean probability"
            rows.append(interval_row(FROC_SENSITIVITY.form(), str(annotator), interval, note=note))
    return score_rows(rows)


def mean_sensitivity_weighted(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean sensitivity of all drawn images together, for many resamples at once.

    Args:
        weights: `(B, N)`, how often each image was drawn.
        counts: `(N, 3, bins)`: matched objects and others by their score, and objects of the reference in each bin.

    Returns:
        float64 `(B,)`, as `segassay.masks.free_response.mean_sensitivity` with the bins as scores; NaN without objects.

    Example:
        >>> counts = np.zeros((1, 3, 20))
        >>> counts[0, 0, 19], counts[0, 1, 10], counts[0, 2] = 1, 1, 2
        >>> mean_sensitivity_weighted(np.ones((1, 1)), counts)
        array([0.5])

    References:
        Setio et al. (2017), Med. Image Anal. 42:1-13, doi:10.1016/j.media.2017.06.015.
    """
    weights = np.asarray(weights, dtype=float)
    sums = np.tensordot(weights, counts, axes=1)
    n_images, n_objects = weights.sum(axis=1), sums[:, 2, 0]
    found, false = (np.cumsum(sums[:, place, ::-1], axis=1) for place in (0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = np.hstack([np.zeros((len(weights), 1)), found / n_objects[:, None]])
        per_image = false / n_images[:, None]
    reached = [
        np.take_along_axis(sensitivity, (per_image <= at + 1e-12).sum(axis=1, keepdims=True), axis=1)
        for at in FALSE_POSITIVES_PER_IMAGE
    ]
    return np.where(n_objects > 0, np.mean(reached, axis=0)[:, 0], np.nan)

"""Measures of matched objects: average precision, panoptic quality, errors of counts.

tp, n_a, n_b, f1, sq of each comparison  ->  object_measures, one column each
"""

import numpy as np
import pandas as pd

from segassay.io.stored_tables import StoredTable
from segassay.masks.overlaps import IOU_THRESHOLDS
from segassay.qualities.scores.table import THRESHOLD

__all__ = ["CURVE", "OBJECT_MEASURES", "average_precision", "object_measures", "panoptic_quality"]

OBJECT_MEASURES = (
    "iou",
    "ap",
    "pq",
    "sq",
    "count_error",
    "absolute_count_error",
    "relative_count_error",
    "merges",
    "splits",
    "false_positives",
    "false_positive_px",
)
"""Measures of pixels, objects and matches in addition to `MEASURES`."""

CURVE = {f"ap_{round(100 * threshold)}": f"{round(100 * threshold)}" for threshold in IOU_THRESHOLDS}
"""Column of the average precision at a single threshold -> the threshold in percent."""


def average_precision(tp: np.ndarray, n_a: np.ndarray, n_b: np.ndarray) -> np.ndarray:
    """Share of matched objects among all objects of either side, TP / (TP + FP + FN).

    Args:
        tp: Matched pairs at one threshold, any shape.
        n_a: Objects of the reference, of the same shape; NaN where there is no such mask.
        n_b: Objects of the prediction; NaN where it is missing.

    Returns:
        float64 in [0, 1]: 1 where both are empty, 0 where one is empty or missing.

    Example:
        >>> average_precision([2, 0, 0, 0], [3, 0, 2, 2], [3, 0, 0, float("nan")])
        array([0.5, 1. , 0. , 0. ])

    References:
        Schmidt et al. (2018), MICCAI, LNCS 11071:265-273, doi:10.1007/978-3-030-00934-2_30; Caicedo et al. (2019),
        Nat. Methods 16:1247-1253, doi:10.1038/s41592-019-0612-7.
    """
    tp, n_a, n_b = (np.asarray(numbers, dtype=float) for numbers in (tp, n_a, n_b))
    either = n_a + n_b - tp
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.isnan(either), 0.0, np.where(either > 0, tp / either, 1.0))


def panoptic_quality(sq: np.ndarray, f1: np.ndarray) -> np.ndarray:
    """Segmentation quality × recognition quality of objects; RQ is the F1.

    Args:
        sq: Mean IoU of the matched pairs, any shape; NaN where nothing is matched.
        f1: F1 of the same comparisons at the same threshold.

    Returns:
        float64 in [0, 1]; the F1 itself where nothing is matched: 1 where both are empty, else 0.

    Example:
        >>> panoptic_quality([0.75, float("nan"), float("nan")], [0.8, 0.0, 1.0])
        array([0.6, 0. , 1. ])

    References:
        Kirillov et al. (2019), CVPR, 9396-9405, doi:10.1109/CVPR.2019.00963.
    """
    sq, f1 = np.asarray(sq, dtype=float), np.asarray(f1, dtype=float)
    return np.where(np.isnan(sq), f1, sq * f1)


def object_measures(rows: pd.DataFrame) -> pd.DataFrame:
    """Add measures of matched objects to each comparison of two annotators.

    Args:
        rows: `agreement` or `leave_one_out` of `segassay.tables.build`, at one or more thresholds.

    Returns:
        The rows at IoU > .5 with further columns: `ap`, the mean of the average precision over all thresholds, `ap_50`
        and on at each; `pq`, where there is a column `sq`; `count_error`, objects of the annotator minus those of the
        reference, `absolute_count_error`, and `relative_count_error`, by those of the reference, 0 where both are
        empty and undefined where only the reference is; `merges` and `splits`, where they were counted;
        `false_positives`, objects of the annotator that match none of the reference, and `false_positive_px`, its
        pixels that the reference lacks, where pixels were counted. A count is undefined where a prediction is missing.

    Example:
        >>> rows = pd.DataFrame({"case": "1", "rater": "anna", "annotator": "m", "iou_threshold": [0.5, 0.55],
        ...                      "n_a": 4, "n_b": 5, "tp": [3, 1], "f1": [6 / 9, 2 / 9]})
        >>> object_measures(rows)[["ap_50", "ap_55", "ap", "count_error", "relative_count_error"]].to_numpy().tolist()
        [[0.5, 0.125, 0.3125, 1.0, 0.25]]
    """
    if isinstance(rows, StoredTable):
        return pd.concat([object_measures(part) for part in rows.parts()], ignore_index=True)
    pair = [column for column in ("case", "annotator_a", "annotator_b", "rater", "annotator") if column in rows]
    n_a, n_b = (rows[column].to_numpy(dtype=float, na_value=np.nan) for column in ("n_a", "n_b"))
    curve = rows[[*pair, "iou_threshold"]].assign(ap=average_precision(rows["tp"].to_numpy(dtype=float), n_a, n_b))
    at = np.flatnonzero(rows["iou_threshold"] == THRESHOLD)
    found = rows.iloc[at].reset_index(drop=True)
    if not len(found):
        return found
    by_threshold = curve.set_index([*pair, "iou_threshold"])["ap"].unstack()
    by_threshold = by_threshold.reindex(pd.MultiIndex.from_frame(found[pair]))
    n_a, error = n_a[at], n_b[at] - n_a[at]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(n_a > 0, error / n_a, np.where(error == 0, 0.0, np.nan))
    columns: dict[str, np.ndarray] = {"ap": by_threshold.mean(axis=1).to_numpy()}
    curve_names = [f"ap_{round(100 * float(threshold))}" for threshold in by_threshold.columns.to_numpy(dtype=float)]
    columns |= dict(zip(curve_names, by_threshold.to_numpy().T, strict=True))
    columns |= {"count_error": error, "absolute_count_error": np.abs(error), "relative_count_error": relative}
    if "sq" in found:
        columns["pq"] = panoptic_quality(found["sq"].to_numpy(dtype=float), found["f1"].to_numpy(dtype=float))
    for name in ("merges", "splits"):
        if f"n_{name}" in found:
            columns[name] = found[f"n_{name}"].to_numpy(dtype=float, na_value=np.nan)
    columns["false_positives"] = n_b[at] - found["tp"].to_numpy(dtype=float)
    if {"n_px_a", "n_px_b", "dice"} <= set(found):
        px_a, px_b = (found[name].to_numpy(dtype=float, na_value=np.nan) for name in ("n_px_a", "n_px_b"))
        columns["false_positive_px"] = px_b - np.rint(found["dice"].to_numpy(dtype=float) * (px_a + px_b) / 2)
    return found.assign(**columns)

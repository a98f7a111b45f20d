"""Calibration: do the probabilities of a model match how often pixels are foreground?

    calibration: case × annotator × bin of p  ->  ECE, Brier score, reliability diagram

Pixels are selected by what the model predicted, p > .05, never by what the reference says: choosing by the label would
make any model look miscalibrated.
"""

import math

import numpy as np
import pandas as pd

from segassay.io.stored_tables import parts_of, rows_by
from segassay.qualities.reliability.records import BRIER, ECE
from segassay.qualities.scores.table import interval_row, score_rows
from segassay.statistics.jackknife import SHARE, jackknife_ratio, jackknife_t

__all__ = ["by_bin", "calibration_of_annotators", "expected_calibration_error", "reliability_diagram"]

SELECTIONS = {"": 0, "above_0.05": 1}
"""Variant of the measure, and the first bin that counts."""

_SUMS = ["n_pixels", "sum_prob", "sum_squared_error", "n_foreground"]


def expected_calibration_error(n_pixels: np.ndarray, sum_prob: np.ndarray, n_foreground: np.ndarray) -> np.ndarray:
    """Mean over pixels of the difference between probability and frequency in the pixel's bin.

    Args:
        n_pixels: `(..., bins)`, pixels in each bin of the probability.
        sum_prob: `(..., bins)`, sum of their probabilities.
        n_foreground: `(..., bins)`, how many of them are foreground in the reference.

    Returns:
        `(...)`, in [0, 1]; NaN without pixels.

    Example:
        Ten pixels at p = .2, two of them foreground, and ten at p = .9, six of them foreground:

        >>> round(float(expected_calibration_error([10, 10], [2.0, 9.0], [2, 6])), 6)
        0.15

    References:
        Naeini, Cooper & Hauskrecht (2015), Proc. AAAI 29(1):2901-2907, doi:10.1609/aaai.v29i1.9602; Guo et al. (2017),
        Proc. ICML 70:1321-1330, arXiv:1706.04599.
    """
    n, gap = np.asarray(n_pixels, dtype=float), np.abs(np.subtract(n_foreground, sum_prob, dtype=float))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(gap.sum(axis=-1) / n.sum(axis=-1))


def calibration_of_annotators(calibration: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95) -> pd.DataFrame:
    """ECE and Brier score of every annotator with probabilities, all its cases together.

    Args:
        calibration: `tables.calibration`.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows `ece` and `brier` of all pixels, `ece_above_0.05` and `brier_above_0.05` of those with p > .05, with
        jackknife intervals over clusters. The ECE of finite data is biased upwards, most where pixels are few. A
        case without such pixels counts as undefined.

    References:
        Brier (1950), Mon. Weather Rev. 78(1):1-3, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    rows = []
    for annotator, part in rows_by(calibration, "annotator").items():
        cases = part["case"].unique()
        drawn = clusters.reindex(cases).to_numpy()
        note = f"against {', '.join(map(str, part['reference'].unique()))}"
        of_case = np.stack([by_bin(part, column, cases) for column in _SUMS], axis=1)
        for variant, first in SELECTIONS.items():
            sums = of_case[:, :, first:].copy()
            sums[sums[:, 0].sum(axis=1) == 0] = math.nan
            total = sums.sum(axis=2)
            ece = jackknife_t(_ece_of_cases, sums, drawn, SHARE, level=level, importance=total[:, 0])
            brier = jackknife_ratio(total[:, 2], total[:, 0], drawn, SHARE, level=level)
            if not math.isnan(ece.value):
                rows.append(interval_row(ECE.form(variant=variant), str(annotator), ece, note=note))
                rows.append(interval_row(BRIER.form(variant=variant), str(annotator), brier, note=note))
    return score_rows(rows)


def by_bin(rows: pd.DataFrame, column: str, cases: np.ndarray) -> np.ndarray:
    """One column of a histogram per case: float64 `(cases, bins)`, 0 where a bin has no row.

    Args:
        rows: Rows of one annotator: `case`, `bin` (counted from 0) and `column`.
        column: What to place.
        cases: The cases, in the order wanted.

    Returns:
        NaN where a row has no value.

    Example:
        >>> by_bin(pd.DataFrame({"case": ["1", "2"], "bin": [1, 0], "n": [5, 7]}), "n", np.array(["1", "2"]))
        array([[0., 5.],
               [7., 0.]])
    """
    table = np.zeros((len(cases), int(rows["bin"].max()) + 1))
    table[pd.Index(cases).get_indexer(pd.Index(rows["case"])), rows["bin"].to_numpy(dtype=int)] = rows[column].astype(
        float
    )
    return table


def _ece_of_cases(weights: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """ECE of all drawn cases together, from `(cases, 4, bins)`."""
    n_pixels, sum_prob, _, n_foreground = (weights @ sums[:, column] for column in range(len(_SUMS)))
    return expected_calibration_error(n_pixels, sum_prob, n_foreground)


def reliability_diagram(calibration: pd.DataFrame) -> pd.DataFrame:
    """How often pixels are foreground, against the probability that was predicted.

    Args:
        calibration: `tables.calibration`.

    Returns:
        One row per annotator and bin with pixels: `annotator, bin, n_pixels, mean_prob, frequency`, all cases together;
        bins from 1 on are p > .05.

    Example:
        >>> rows = {"case": ["1", "2"], "annotator": "m", "bin": 3, "n_pixels": [10, 30], "sum_prob": [2.0, 5.0],
        ...         "sum_squared_error": 1.0, "n_foreground": [1, 5]}
        >>> reliability_diagram(pd.DataFrame(rows))
          annotator  bin  n_pixels  mean_prob  frequency
        0         m    3        40      0.175       0.15
    """
    keys = ["annotator", "bin"]
    parts = (part.groupby(keys, sort=False)[_SUMS].sum() for part in parts_of(calibration, [*keys, *_SUMS]))
    sums = pd.concat(parts).groupby(keys, sort=False).sum().reset_index()
    sums = sums[sums["n_pixels"] > 0].sort_values("bin", kind="stable")
    order = {name: position for position, name in enumerate(calibration["annotator"].unique())}
    sums = sums.sort_values("annotator", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)
    return pd.DataFrame(
        {
            "annotator": sums["annotator"],
            "bin": sums["bin"],
            "n_pixels": sums["n_pixels"],
            "mean_prob": sums["sum_prob"] / sums["n_pixels"],
            "frequency": sums["n_foreground"] / sums["n_pixels"],
        }
    )

"""Do probabilities say how many raters mark a pixel? Each rater counts; nobody is the truth.

    prob_votes: case × annotator × level of p × raters that marked the pixel  ->  QUBIQ's Dice, Brier score, ECE

Where raters disagree, the Brier score of any map has a lower bound, their own disagreement; the rows state it.
"""

import numpy as np
import pandas as pd

from segassay.io.stored_tables import rows_by
from segassay.qualities.reliability.calibration import expected_calibration_error
from segassay.qualities.reliability.records import BRIER_OF_RATERS, DICE_OF_SHARES, ECE_OF_RATERS
from segassay.qualities.scores.table import Score, interval_row, score_rows, score_table
from segassay.statistics.jackknife import SHARE, jackknife_t
from segassay.tables.maps import N_LEVELS

__all__ = ["brier_of_raters", "dice_of_shares", "probabilities_of_raters"]


def dice_of_shares(level: np.ndarray, share: np.ndarray, n_pixels: np.ndarray) -> float:
    """Dice of a map of probabilities with the share of raters, mean over the thresholds .1, .2 … .9 of both (QUBIQ).

    Args:
        level: `(bins,)`, how many of the thresholds the probability exceeds.
        share: `(bins,)`, of the raters who marked the pixels.
        n_pixels: `(bins,)`.

    Returns:
        In [0, 1]; at a threshold that nothing exceeds in either, the two agree: 1. NaN without pixels.

    Example:
        Two pixels at p = .8: both raters mark one, one of them the other.

        >>> round(dice_of_shares(np.array([7, 7]), np.array([1.0, 0.5]), np.array([1, 1])), 4)
        0.6667

    References:
        Li et al. (2024), QUBIQ: Uncertainty Quantification for Biomedical Image Segmentation Challenge,
        arXiv:2405.18435.
    """
    n = np.asarray(n_pixels, dtype=float)
    if not n.sum():
        return float("nan")
    step = np.arange(1, N_LEVELS)[:, None]
    predicted = np.asarray(level) >= step
    marked = np.asarray(share) * N_LEVELS > step + 1e-9  # 3 of 10 raters are not above .3
    both, total = (predicted & marked) @ n, predicted @ n + marked @ n
    return float(np.where(total > 0, 2 * both / np.where(total > 0, total, 1), 1.0).mean())


def brier_of_raters(
    sum_prob: np.ndarray, sum_squared_prob: np.ndarray, share: np.ndarray, n_pixels: np.ndarray
) -> tuple[float, float]:
    """Mean squared difference of a probability from the mark of each rater, 0 or 1, over pixels and raters.

    Args:
        sum_prob: `(bins,)`.
        sum_squared_prob: `(bins,)`.
        share: `(bins,)`, of the raters who marked the pixels.
        n_pixels: `(bins,)`.

    Returns:
        The score, and the lowest that any map can have, the mean of share (1 - share); NaN without pixels.

    Example:
        >>> brier_of_raters([0.5], [0.25], [0.5], [1])
        (0.25, 0.25)

    References:
        Brier (1950), Mon. Weather Rev. 78(1):1-3, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    share, n = np.asarray(share, dtype=float), np.asarray(n_pixels, dtype=float)
    if not n.sum():
        return float("nan"), float("nan")
    squares = np.asarray(sum_squared_prob) - 2 * share * np.asarray(sum_prob) + share * n
    return float(squares.sum() / n.sum()), float((share * (1 - share) * n).sum() / n.sum())


def probabilities_of_raters(prob_votes: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95) -> pd.DataFrame:
    """Agreement of the probabilities of each annotator with the shares of raters.

    Args:
        prob_votes: `tables.prob_votes`.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows `dice_of_shares` and `brier_of_raters`, means over cases, and `ece_of_raters`, all cases together, with
        its jackknife interval over clusters. Without rows if there are no probabilities or no raters.
    """
    scores, rows = [], []
    for annotator, rows_of in rows_by(prob_votes, "annotator").items():
        part = rows_of.assign(share=rows_of["n_marked"] / rows_of["n_raters"])
        dice, brier, floors = {}, {}, []
        for case, of_case in part.groupby("case", sort=False):
            at, share, n, p, squared = (
                of_case[["level", "share", "n_pixels", "sum_prob", "sum_squared_prob"]].to_numpy(dtype=float).T
            )
            dice[case] = dice_of_shares(at, share, n)
            brier[case], floor = brier_of_raters(p, squared, share, n)
            floors.append(floor)
        note = f"no map can be below {np.mean(floors):.3g}, as raters disagree"
        scores.append(Score(DICE_OF_SHARES.form(), str(annotator), pd.Series(dice, dtype=float)))
        scores.append(Score(BRIER_OF_RATERS.form(), str(annotator), pd.Series(brier, dtype=float), note=note))
        cases, sums = _by_level(part)
        interval = jackknife_t(
            _ece, sums, clusters.reindex(cases).to_numpy(), SHARE, level=level, importance=sums[:, 0].sum(axis=1)
        )
        rows.append(interval_row(ECE_OF_RATERS.form(), str(annotator), interval, note="against every rater"))
    return pd.concat([score_table(scores, clusters, level), score_rows(rows)], ignore_index=True)


def _by_level(part: pd.DataFrame) -> tuple[pd.Index, np.ndarray]:
    """Cases, and float64 `(cases, 3, levels)`: pixels, sum of the probability, sum of the share of raters."""
    sums = part.assign(marked=part["share"] * part["n_pixels"])
    cases = pd.Index(part["case"].unique())
    found = np.zeros((len(cases), 3, N_LEVELS))
    at = cases.get_indexer(pd.Index(sums["case"])), sums["level"].to_numpy(dtype=int)
    for place, column in enumerate(("n_pixels", "sum_prob", "marked")):
        np.add.at(found[:, place], at, sums[column].to_numpy(dtype=float))
    return cases, found


def _ece(weights: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """ECE of all drawn cases together."""
    return expected_calibration_error(*(weights @ sums[:, column] for column in range(3)))

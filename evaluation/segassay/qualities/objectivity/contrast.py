"""How bright an object must be for a rater to mark it.

recall_by_contrast  ->  logistic curve of each annotator  ->  contrast at which every second object is marked
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from segassay.statistics.intervals import Interval
from segassay.statistics.jackknife import LOGARITHM, jackknife_of, left_out
from segassay.tables.contrast import CONTRAST_STEP

__all__ = ["half_contrast", "half_of_counts", "logistic_curve"]

_PULL = 1e-3
_STEPS = 50


def logistic_curve(contrast: np.ndarray, n: np.ndarray, n_found: np.ndarray) -> np.ndarray:
    """Fit the chance that an object is marked, 1 / (1 + exp(-(a + b contrast))).

    Args:
        contrast: `(K,)`, of classes of objects.
        n: `(rows, K)`, objects of each class; one fit per row.
        n_found: `(rows, K)`, those that are marked.

    Returns:
        a and b, `(rows, 2)`; NaN where there is no object. Maximum likelihood, but for a weak pull of b to 0, which
        keeps it finite where contrast tells all marked objects from the others.

    Example:
        >>> a, b = logistic_curve(np.array([1.0, 3.0]), np.array([[4.0, 4.0]]), np.array([[1.0, 3.0]]))[0]
        >>> round(float(-a / b), 2)
        2.0

    References:
        McCullagh & Nelder (1989), Generalized Linear Models, section 4.4.
    """
    rows = np.stack([np.ones(len(contrast)), contrast], axis=1)
    found = np.zeros((len(n), 2))
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(found @ rows.T, -30, 30)))
        score = (n_found - n * p) @ rows - [0.0, _PULL] * found
        information = np.einsum("rk,ki,kj->rij", n * p * (1 - p), rows, rows)
        information += np.diag([1e-9, _PULL])
        step = np.linalg.solve(information, score[..., None])[..., 0]
        found += np.clip(step, -2, 2)
        if np.abs(step).max(initial=0) < 1e-9:
            break
    return np.where(n.sum(axis=1, keepdims=True) > 0, found, np.nan)


def half_contrast(
    recall_by_contrast: pd.DataFrame, clusters: pd.Series
) -> tuple[Interval, Callable[[np.ndarray], np.ndarray]]:
    """Contrast at which an annotator marks every second object.

    Args:
        recall_by_contrast: At least one row of this table of `segassay.tables.build`, of one annotator and reference.
        clusters: Case -> subject, or the case itself.

    Returns:
        What `half_of_counts` returns.
    """
    counts = recall_by_contrast.pivot_table(
        index="case", columns="contrast_low", values=["n_objects", "n_found"], aggfunc="sum", fill_value=0, sort=False
    ).astype(float)
    n, n_found = counts["n_objects"], counts["n_found"]
    contrast = np.maximum(n.columns.to_numpy(dtype=float), 0) + CONTRAST_STEP / 2
    return half_of_counts(contrast, n.to_numpy(), n_found.to_numpy(), clusters.reindex(n.index).to_numpy())


def half_of_counts(
    contrast: np.ndarray, n: np.ndarray, n_found: np.ndarray, clusters: np.ndarray
) -> tuple[Interval, Callable[[np.ndarray], np.ndarray]]:
    """Contrast at which every second object is marked, by a logistic curve of the logarithm of the contrast.

    Args:
        contrast: `(K,)`, of classes of objects, above 0.
        n: `(cases, K)`, objects of each class.
        n_found: `(cases, K)`, those that are marked.
        clusters: `(cases,)`, name of each case's subject, or of the case itself.

    Returns:
        The contrast with its jackknife interval, and the fitted share of marked objects as a function of contrast. NaN
        if the share does not rise with contrast, or reaches one half at no contrast that objects have.
    """
    log = np.log(contrast)

    def fit(weights: np.ndarray, cases: np.ndarray) -> np.ndarray:
        of = cases.astype(int)
        return logistic_curve(log, weights @ n[of], weights @ n_found[of])

    def half(curves: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.where(curves[:, 1] > 0, -curves[:, 0] / curves[:, 1], np.nan)
        return np.exp(np.where((at >= log.min()) & (at <= log.max()), at, np.nan))

    fitted = left_out(fit, np.arange(len(n)), clusters, n.sum(axis=1))
    a, b = fitted.whole[0]
    return jackknife_of(fitted.of(half), LOGARITHM), lambda x: 1 / (1 + np.exp(-(a + b * np.log(x))))

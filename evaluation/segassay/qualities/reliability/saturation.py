"""Does another member still help? Agreement between disjoint ensembles against the number of their members.

    agreement, annotations  ->  mean agreement at each size  ->  1 - agreement = a / √n + b

Only ensembles without a common member are compared, so that a curve from M seeds ends at M / 2 members; ensembles that
share members agree for that reason alone.
"""

import math

import numpy as np
import pandas as pd

from segassay.qualities.reliability.records import DISAGREEMENT, SATURATION_A, SATURATION_REST
from segassay.qualities.scores.groups import Group, trained_alike
from segassay.qualities.scores.table import MEASURES, Agreement, interval_row, mean_over_pairs, score_rows
from segassay.statistics.intervals import mean_interval
from segassay.statistics.jackknife import PLAIN, Scale, jackknife_t

__all__ = ["fit_saturation", "saturation", "saturation_curve"]

NOT_NEGATIVE = Scale(PLAIN.to, PLAIN.back, 0.0)


def fit_saturation(n_members: np.ndarray, agreement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit 1 - agreement = a / √n + b by least squares, with a and b at least 0.

    a is the disagreement of single members that averaging removes; b is the rest that remains with any number of
    members. With only two sizes b cannot be distinguished from noise, and is set to 0.

    Args:
        n_members: `(S,)`, different numbers of members.
        agreement: `(S,)` or `(B, S)` in [0, 1], the mean agreement at each of them.

    Returns:
        a and b, float64 `()` or `(B,)`; NaN below two sizes, or where an agreement is NaN.

    Raises:
        ValueError: If the shapes do not fit, a number is below 1 or comes twice.

    Example:
        >>> a, b = fit_saturation([1, 4, 16], [0.6, 0.75, 0.825])
        >>> round(float(a), 6), round(float(b), 6)
        (0.3, 0.1)
    """
    n, missing = np.asarray(n_members, dtype=float), 1 - np.asarray(agreement, dtype=float)
    if n.ndim != 1 or missing.shape[-1:] != n.shape or (n < 1).any() or len(np.unique(n)) < len(n):
        raise ValueError(
            f"expected agreement at different numbers of members, got n {n.tolist()} and shape {missing.shape}"
        )
    nan = np.full(missing.shape[:-1], math.nan)
    if len(n) < 2:
        return nan, nan
    x = 1 / np.sqrt(n)
    through_zero = missing @ x / (x @ x)
    if len(n) == 2:
        return np.maximum(through_zero, 0), 0 * through_zero
    mean = missing.mean(axis=-1)
    slope = (missing - mean[..., None]) @ (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    intercept = mean - slope * x.mean()
    a = np.where(intercept < 0, np.maximum(through_zero, 0), np.where(slope < 0, 0, slope))
    b = np.where(intercept < 0, 0 * mean, np.where(slope < 0, mean, intercept))
    return np.where(np.isnan(mean), math.nan, a), np.where(np.isnan(mean), math.nan, b)


def saturation_curve(agreement: Agreement, annotations: pd.DataFrame, *, measure: str = "f1") -> pd.DataFrame:
    """Agreement between disjoint ensembles of n members, and between models (n = 1), trained alike.

    Args:
        agreement: Agreement of all pairs.
        annotations: What `read_annotations` returns.
        measure: `f1`, `mean_iou` or `dice`.

    Returns:
        One row per strategy, what was trained on, and n: `trained_on, n_members, n_pairs, n_cases, agreement`, the mean
        over pairs, then cases; and `fitted`, 1 - a / √n - b, NaN where there is one n only.
    """
    rows = []
    for name, values in _by_size(agreement, annotations, measure):
        a, b = fit_saturation(np.array(list(values)), np.array([mean_over_pairs(v).mean() for v in values.values()]))
        for n, of_pairs in values.items():
            of_case = mean_over_pairs(of_pairs)
            fitted = 1 - float(a) / math.sqrt(n) - float(b)
            rows.append((name, n, len(of_pairs.columns), int(of_case.notna().sum()), float(of_case.mean()), fitted))
    columns = ["trained_on", "n_members", "n_pairs", "n_cases", "agreement", "fitted"]
    return pd.DataFrame(rows, columns=columns)


def _by_size(
    agreement: Agreement, annotations: pd.DataFrame, measure: str
) -> list[tuple[str, dict[int, pd.DataFrame]]]:
    """For what was trained alike, the number of members -> agreement `(cases, pairs)`, smallest number first."""
    joined: dict[tuple[str, str], list[Group]] = {}
    for group in trained_alike(annotations):
        joined.setdefault((group.strategy, group.name), []).append(group)
    found: list[tuple[str, dict[int, pd.DataFrame]]] = []
    for (_, name), groups in joined.items():
        values: dict[int, pd.DataFrame] = {}
        for size in sorted({size for group in groups for size in group.sizes}):
            table = agreement.of_pairs([pair for group in groups for pair in group.pairs(size)], measure)
            if len(table.columns):
                values[size] = table
        if values:
            found.append((name, values))
    return found


def saturation(
    agreement: Agreement, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """The saturation curve, and its fit, as rows of the table of scores.

    Args:
        agreement: Agreement of all pairs.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        For each of f1, mean_iou and dice: rows `disagreement_*` (1 - agreement) at each n, `saturation_a_*`, and from
        three sizes on `saturation_rest_*` (b of `fit_saturation`). No row where there is one size only.
    """
    rows = []
    for measure in MEASURES:
        for name, values in _by_size(agreement, annotations, measure):
            if len(values) < 2:
                continue
            of_case = pd.concat({n: 1 - mean_over_pairs(table) for n, table in values.items()}, axis=1, sort=False)
            drawn = clusters.reindex(of_case.index).to_numpy()
            for n, table in values.items():
                interval = mean_interval(of_case[n].to_numpy(), drawn, level, (0.0, 1.0))
                target, note = f"{name}: {n} member{'s' if n > 1 else ''}", f"{len(table.columns)} pairs"
                rows.append(
                    interval_row(DISAGREEMENT.form(measure), target, interval, note=note, n_pairs=len(table.columns))
                )
            sizes = np.array(list(values))
            terms = (SATURATION_A, SATURATION_REST) if len(sizes) > 2 else (SATURATION_A,)
            for part, record in enumerate(terms):

                def of_fit(
                    weights: np.ndarray, points: np.ndarray, part: int = part, sizes: np.ndarray = sizes
                ) -> np.ndarray:
                    with np.errstate(invalid="ignore"):
                        return fit_saturation(sizes, 1 - weights @ points / weights.sum(axis=1, keepdims=True))[part]

                interval = jackknife_t(of_fit, of_case.to_numpy(), drawn, NOT_NEGATIVE, level=level)
                note = f"1 - agreement = a / √n{' + rest' if len(sizes) > 2 else ''}, n = {', '.join(map(str, sizes))}"
                rows.append(interval_row(record.form(measure), name, interval, note=note))
    return score_rows(rows)

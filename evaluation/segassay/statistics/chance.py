"""Agreement of raters on categories beyond chance, as one number for all raters.

    counts (N, K): how many raters put item n into category k   ->  kappa, AC1
    values (R, N): judgement of each rater, NaN without one     ->  Krippendorff's alpha

An item is anything that raters judge: a pixel, an object, an image. Equal rows may be given once, with a `weight` that
counts how often they occur, because the pixels of an image have few different rows. All raters except Cohen's two are
interchangeable.
"""

from typing import Literal

import numpy as np

__all__ = ["Level", "cohen_kappa", "fleiss_kappa", "gwet_ac1", "krippendorff_alpha", "randolph_kappa"]

Level = Literal["nominal", "ordinal", "interval", "ratio"]


def cohen_kappa(table: np.ndarray) -> float:
    """Cohen's kappa: agreement of two raters beyond the chance agreement of their marginals.

    Args:
        table: `(K, K)` counts: rows are the first rater's categories, columns the second's.

    Returns:
        Kappa in [-1, 1]; NaN without items, or where both raters use one and the same category only.

    Raises:
        ValueError: If the table is not square or holds negative counts.

    Example:
        >>> round(cohen_kappa([[20, 5], [10, 15]]), 2)
        0.4

        Nearly all items in one category: the raters agree on 118 of 125, and kappa is below zero.

        >>> round(cohen_kappa([[118, 5], [2, 0]]), 4)
        -0.0234

    References:
        Cohen (1960), Educ. Psychol. Meas. 20(1):37-46, doi:10.1177/001316446002000104.
    """
    table = np.asarray(table, dtype=float)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise ValueError(f"table must be square, categories by categories, got {table.shape}")
    _check_counts(table)
    n = table.sum()
    if n == 0:
        return np.nan
    by_chance = table.sum(axis=1) @ table.sum(axis=0) / n**2
    return _beyond_chance(np.trace(table) / n, by_chance)


def fleiss_kappa(counts: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Fleiss' kappa: agreement of several interchangeable raters beyond the chance agreement of the category shares.

    Args:
        counts: `(N, K)`, raters who put each item into each category; items judged by fewer than two are left out, and
            the number of raters may differ between items.
        weight: `(N,)`, how often each row occurs; 1 by default.

    Returns:
        Kappa; NaN without items, or where a single category is used.

    Raises:
        ValueError: If shapes do not fit or counts are negative.

    Example:
        >>> counts = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        ...           [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]
        >>> round(fleiss_kappa(counts), 6)
        0.209931

    References:
        Fleiss (1971), Psychol. Bull. 76(5):378-382, doi:10.1037/h0031619.
    """
    agreed, share = _observed(counts, weight)
    return _beyond_chance(agreed, float((share**2).sum()))


def randolph_kappa(counts: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Randolph's kappa: agreement beyond chance if every category is equally likely, however often it is used.

    Args:
        counts: As for `fleiss_kappa`; all K categories that were offered, used or not.
        weight: As for `fleiss_kappa`.

    Returns:
        Kappa in [-1 / (K - 1), 1]; NaN without items or with a single category.

    Example:
        >>> round(randolph_kappa([[2, 0], [2, 0], [1, 1]]), 4)
        0.3333

    References:
        Randolph (2005), Free-marginal multirater kappa, Joensuu Learning and Instruction Symposium, ERIC ED490661.
    """
    agreed, share = _observed(counts, weight)
    return _beyond_chance(agreed, 1 / share.size if share.size else np.nan)


def gwet_ac1(counts: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Gwet's AC1: agreement beyond chance that stays meaningful if one category dominates, like background in images.

    Args:
        counts: As for `fleiss_kappa`.
        weight: As for `fleiss_kappa`.

    Returns:
        AC1; NaN without an item of two or more judgements, or with a single category.

    Raises:
        ValueError: If shapes do not fit or counts are negative.

    Example:
        The table on which Cohen's kappa is -0.0234:

        >>> round(gwet_ac1([[2, 0], [1, 1], [0, 2]], weight=[118, 7, 0]), 4)
        0.9408

    References:
        Gwet (2008), Br. J. Math. Stat. Psychol. 61(1):29-48, doi:10.1348/000711006X126600.
    """
    agreed, share = _observed(counts, weight)
    if share.size < 2:
        return np.nan
    return _beyond_chance(agreed, float((share * (1 - share)).sum() / (share.size - 1)))


def _observed(counts: np.ndarray, weight: np.ndarray | None) -> tuple[float, np.ndarray]:
    """Mean share of agreeing pairs of raters over items, and the mean share of each category `(K,)`."""
    counts = np.asarray(counts, dtype=float)
    if counts.ndim != 2:
        raise ValueError(f"counts must be (items, categories), got {counts.shape}")
    _check_counts(counts)
    weight = np.ones(len(counts)) if weight is None else np.asarray(weight, dtype=float)
    if weight.shape != (len(counts),):
        raise ValueError(f"weight must be {(len(counts),)}, one number per row of counts, got {weight.shape}")
    _check_counts(weight)
    n_raters = counts.sum(axis=1)
    judged = (n_raters >= 2) & (weight > 0)
    if not judged.any():
        return np.nan, np.full(counts.shape[1], np.nan)
    counts, weight, n_raters = counts[judged], weight[judged], n_raters[judged]
    agreeing = (counts * (counts - 1)).sum(axis=1) / (n_raters * (n_raters - 1))
    return float(weight @ agreeing / weight.sum()), weight @ (counts / n_raters[:, None]) / weight.sum()


def _check_counts(counts: np.ndarray) -> None:
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        raise ValueError("counts must be 0 or more, got a negative number or NaN")


def _beyond_chance(agreed: float, by_chance: float) -> float:
    return float((agreed - by_chance) / (1 - by_chance)) if by_chance < 1 else np.nan


def krippendorff_alpha(values: np.ndarray, level: Level = "nominal", weight: np.ndarray | None = None) -> float:
    """Krippendorff's alpha: agreement of several raters with missing values, on any scale.

    One minus observed divided by expected disagreement; an item counts with the pairs of values that it has, and an
    item with a single value is left out, because it cannot be compared.

    Args:
        values: `(R, N)` numbers, NaN where a rater did not judge the item.
        level: What differences between values mean: none but equality (`nominal`), ranks (`ordinal`), differences
            (`interval`) or differences relative to size (`ratio`, values of 0 or more).
        weight: `(N,)`, how often each column occurs; 1 by default.

    Returns:
        Alpha, 1 for perfect agreement and 0 for chance; NaN where nothing can be compared or all values are equal.

    Raises:
        ValueError: If `values` is not two-dimensional or `weight` does not fit.

    Example:
        >>> _ = np.nan
        >>> values = np.array([[1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        ...                    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _]])
        >>> [round(krippendorff_alpha(values, level), 3) for level in ("nominal", "ordinal", "interval", "ratio")]
        [0.743, 0.815, 0.849, 0.797]

    References:
        Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, repository.upenn.edu/asc_papers/43.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2:
        raise ValueError(f"values must be (raters, items), got {values.shape}")
    weight = np.ones(values.shape[1]) if weight is None else np.asarray(weight, dtype=float)
    if weight.shape != values.shape[1:]:
        raise ValueError(f"weight must be {values.shape[1:]}, one number per item, got {weight.shape}")
    levels, code = np.unique(values[~np.isnan(values)], return_inverse=True)
    counts = np.zeros((values.shape[1], levels.size))  # how many raters gave each item each value
    np.add.at(counts, (np.nonzero(~np.isnan(values))[1], code), 1)
    judged = counts.sum(axis=1) >= 2
    counts, weight = counts[judged], weight[judged]
    per_pair = weight / (counts.sum(axis=1) - 1)
    coincidence = counts.T @ (counts * per_pair[:, None]) - np.diag(per_pair @ counts)
    n_of_value = coincidence.sum(axis=1)
    n = n_of_value.sum()
    difference = _squared_difference(levels, n_of_value, level)
    expected = n_of_value @ difference @ n_of_value
    return float(1 - (n - 1) * (coincidence * difference).sum() / expected) if n and expected > 0 else np.nan


def _squared_difference(levels: np.ndarray, n_of_value: np.ndarray, level: Level) -> np.ndarray:
    """`(V, V)` between all values; for ranks it depends on how often the values between occur."""
    if level == "nominal":
        return 1.0 - np.eye(levels.size)
    if level == "ordinal":
        levels = np.cumsum(n_of_value) - n_of_value / 2
    distance = levels[:, None] - levels[None]
    if level == "ratio":
        total = levels[:, None] + levels[None]
        distance = np.divide(distance, total, out=np.zeros_like(distance), where=total != 0)
    return distance**2

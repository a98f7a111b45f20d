"""Reliability of scores: intraclass correlations, and how many raters and seeds a reliable score needs.

    scores (N, R)        ->  six intraclass correlations with their intervals
    variance components  ->  G coefficients, standard error of measurement, smallest change that is not noise

A case with any NaN is left out of a correlation, and counted. Components come from `two_way_components` or
`three_way_components`: their column `reml`, or any mapping of names to variances.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import product
from typing import TypeAlias

import numpy as np
import pandas as pd
import scipy

from segassay.statistics.components import (
    as_scores,
    crossed_mean_squares,
    one_way_components,
    three_way_components,
    two_way_components,
)

__all__ = [
    "Components",
    "d_study",
    "e_rho_squared",
    "icc",
    "icc_1k_weighted",
    "icc_11_weighted",
    "icc_a1",
    "icc_a1_weighted",
    "icc_ak",
    "icc_ak_weighted",
    "mdc95",
    "one_way_components",
    "phi",
    "repeatability_coefficient",
    "sem",
    "three_way_components",
    "two_way_components",
]

Components: TypeAlias = Mapping[str, float] | pd.Series

_FACETS_OF_ERROR = {
    "case:rater": ("rater",),
    "case:seed": ("seed",),
    "residual": ("rater", "seed"),
    "rater": ("rater",),
    "seed": ("seed",),
    "rater:seed": ("rater", "seed"),
}
_NESTED = _FACETS_OF_ERROR | {"seed": ("rater", "seed"), "case:seed": ("rater", "seed")}
"""If each rater has seeds of its own, seeds differ between raters, too."""

_RELATIVE = ("case:rater", "case:seed", "residual")
_REPEATED = 1.96 * math.sqrt(2)


def icc(scores: np.ndarray, *, level: float = 0.95) -> pd.DataFrame:
    """All six intraclass correlations with F-based intervals.

    Raters are interchangeable repetitions (1), or their differences count (A, absolute agreement), or their constant
    differences do not count (C, consistency); the score may be that of one rater (1) or the mean of all R (k).

    Args:
        scores: `(N, R)`, NaN where a rater did not score a case.
        level: Coverage of the intervals.

    Returns:
        Rows `ICC(1,1)`, `ICC(A,1)`, `ICC(C,1)`, `ICC(1,k)`, `ICC(A,k)`, `ICC(C,k)`; columns `value, low, high`, the
        test of a correlation of 0 as `f, df_1, df_2, p_value`, and `n_cases` used, `n_undefined` (cases left out),
        `n_raters`. NaN below two cases or raters, or where all scores are equal; limits and the k forms may be
        undefined also where all cases have the same mean.

    Raises:
        ValueError: If `scores` is not two-dimensional or not finite.

    Example:
        >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> icc(scores)[["value", "low", "high"]].round(4)
                   value     low    high
        ICC(1,1)  0.1657 -0.1329  0.7226
        ICC(A,1)  0.2898  0.0188  0.7611
        ICC(C,1)  0.7148  0.3425  0.9459
        ICC(1,k)  0.4428 -0.8844  0.9124
        ICC(A,k)  0.6201  0.0711  0.9272
        ICC(C,k)  0.9093  0.6757  0.9859

    References:
        Shrout & Fleiss (1979), Psychol. Bull. 86(2):420-428, doi:10.1037/0033-2909.86.2.420; intervals of McGraw & Wong
        (1996), Psychol. Methods 1(1):30-46, doi:10.1037/1082-989X.1.1.30.
    """
    scores = as_scores(scores)
    kept = scores[~np.isnan(scores).any(axis=1)]
    n, k = kept.shape
    of_case, of_rater, residual = crossed_mean_squares(np.ones((1, n)), kept).value[0].tolist()
    within = (of_rater + (n - 1) * residual) / max(n, 1)
    df, df_within = (n - 1) * (k - 1), n * (k - 1)
    df_absolute = _df_absolute(of_case, of_rater, residual, n, k)
    rest = (k * of_rater + (k * n - k - n) * residual) / max(n, 1)
    single = {
        "1": (*_with_limits(of_case, within, (k - 1) * within, n - 1, df_within, level), of_case, within, df_within),
        "A": (*_with_limits(of_case, residual, rest, n - 1, df_absolute, level), of_case, residual, df),
        "C": (*_with_limits(of_case, residual, (k - 1) * residual, n - 1, df, level), of_case, residual, df),
    }
    rows = {}
    for name, (value, low, high, above, below, df_2) in single.items():
        f = _ratio(above, below)
        test = (f, max(n - 1, 0), max(df_2, 0), float(scipy.stats.f.sf(f, n - 1, df_2)), n, len(scores) - n, k)
        rows[f"ICC({name},1)"] = (value, low, high, *test)
        rows[f"ICC({name},k)"] = (*(float(_of_mean(x, k)) for x in (value, low, high)), *test)
    columns = ["value", "low", "high", "f", "df_1", "df_2", "p_value", "n_cases", "n_undefined", "n_raters"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.loc[[f"ICC({form},{size})" for size in "1k" for form in "1AC"]]


def _df_absolute(of_case: float, of_rater: float, residual: float, n: int, k: int) -> float:
    """Satterthwaite's degrees of freedom of the noise in absolute agreement, whose two parts sum to `of_case`."""
    value = _ratio(of_case - residual, of_case + (k * of_rater + (k * n - k - n) * residual) / max(n, 1))
    parts = k * value * of_rater, (n * (1 - value) + k * value * (n - 1)) * residual
    spread = parts[0] ** 2 / max(k - 1, 1) + parts[1] ** 2 / max((n - 1) * (k - 1), 1)
    return (n * (1 - value) * of_case) ** 2 / spread if spread > 0 else float((n - 1) * (k - 1))


def _ratio(above: float, below: float) -> float:
    if below:
        return above / below
    return math.inf if above > 0 else math.nan


def _with_limits(
    of_case: float, noise: float, rest: float, df_1: int, df_2: float, level: float
) -> tuple[float, float, float]:
    """The correlation, and where it would be if F were at either end of its distribution."""
    tail = (1 - level) / 2
    quantiles = 1.0, float(scipy.stats.f.isf(tail, df_1, df_2)), 1 / float(scipy.stats.f.isf(tail, df_2, df_1))
    value, low, high = (_ratio(of_case - q * noise, of_case + q * rest) for q in quantiles)
    return value, low, high


def _of_mean(single: np.ndarray | float, k: int) -> np.ndarray | float:
    """Correlation of the mean of k scores, given that of one (Spearman and Brown)."""
    room = 1 + (k - 1) * np.asarray(single, dtype=float)
    return k * single / np.where(np.abs(room) < 1e-9, math.nan, room)


def icc_a1(scores: np.ndarray) -> float:
    """Absolute agreement of single scores: share of the variance that is due to the case.

    Args:
        scores: `(N, R)`; a case with any NaN is left out.

    Returns:
        ICC(A,1), 1 for perfect agreement, below 0 where cases differ less than chance; NaN below two cases or raters,
        or where all scores are equal.

    Raises:
        ValueError: If `scores` is not two-dimensional or not finite.

    Example:
        >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> round(icc_a1(scores), 4)
        0.2898

    References:
        McGraw & Wong (1996), Psychol. Methods 1(1):30-46, doi:10.1037/1082-989X.1.1.30.
    """
    scores = as_scores(scores)
    kept = scores[~np.isnan(scores).any(axis=1)]
    return float(icc_a1_weighted(np.ones((1, len(kept))), kept)[0])


def icc_ak(scores: np.ndarray) -> float:
    """Absolute agreement of the mean of all R scores; see `icc_a1`.

    Example:
        >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> round(icc_ak(scores), 4)
        0.6201
    """
    scores = as_scores(scores)
    return float(_of_mean(icc_a1(scores), scores.shape[1]))


def icc_a1_weighted(weights: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """ICC(A,1) of many resamples at once: the statistic that `jackknife_t` asks for.

    Args:
        weights: `(B, N)`, how often each case was drawn.
        scores: `(N, R)`, finite.

    Returns:
        float64 `(B,)`; NaN as in `icc_a1`.

    Example:
        >>> from segassay.statistics.jackknife import correlation_scale, jackknife_t
        >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> interval = jackknife_t(icc_a1_weighted, scores, list("abcdef"), correlation_scale(4))
        >>> round(interval.value, 4), interval.approximate
        (0.2898, True)
    """
    return icc_a1_of_subjects(weights, scores, None)


def icc_a1_of_subjects(weights: np.ndarray, scores: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """`icc_a1_weighted` where several cases may come from one subject, so that equal ones are no more than one.

    Args:
        weights: As for `icc_a1_weighted`; the same for all cases of a subject.
        scores: As for `icc_a1_weighted`.
        clusters: `(N,)`, subject of each case; None if every case is a subject.

    Returns:
        As `icc_a1_weighted`.

    Example:
        >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> icc_a1_of_subjects(np.ones((1, 12)), scores + scores, np.tile(np.arange(6), 2)).round(4)
        array([0.2898])
    """
    found = crossed_mean_squares(weights, scores, clusters)
    of_case, of_rater, residual = found.value.T
    n, k = found.coefficient[:, 1, 1], np.shape(scores)[1]
    spread = of_case + (k * of_rater + (k * n - k - n) * residual) / np.where(n > 0, n, math.nan)
    return np.asarray((of_case - residual) / np.where(spread == 0, math.nan, spread))


def icc_11_weighted(weights: np.ndarray, scores: np.ndarray, clusters: np.ndarray | None = None) -> np.ndarray:
    """ICC(1,1) of many resamples at once, for raters who need not be the same persons in two cases.

    Args:
        weights: As for `icc_a1_weighted`; the same for all cases of a subject.
        scores: `(N, R)`, finite; the order within a case does not matter.
        clusters: `(N,)`, subject of each case, so that equal cases of one are no more than one; by default every case
            is a subject.

    Returns:
        float64 `(B,)`; NaN as in `icc_a1`.

    Example:
        >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> icc_11_weighted(np.ones((1, 6)), scores).round(4)
        array([0.1657])

    References:
        Shrout & Fleiss (1979), Psychol. Bull. 86(2):420-428, doi:10.1037/0033-2909.86.2.420.
    """
    scores = np.sort(np.asarray(scores, dtype=float), axis=1)
    of_case, of_rater, residual = crossed_mean_squares(weights, scores).value.T
    if clusters is not None:
        of_case = crossed_mean_squares(weights, scores, clusters).value[:, 0]
    n, k = np.asarray(weights).sum(axis=1), np.shape(scores)[1]
    within = (of_rater + (n - 1) * residual) / np.where(n > 0, n, math.nan)
    spread = of_case + (k - 1) * within
    return np.asarray((of_case - within) / np.where(spread == 0, math.nan, spread))


def icc_1k_weighted(weights: np.ndarray, scores: np.ndarray, clusters: np.ndarray | None = None) -> np.ndarray:
    """ICC(1,k) of many resamples at once; see `icc_11_weighted`.

    Example:
        >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> icc_1k_weighted(np.ones((1, 6)), scores).round(4)
        array([0.4428])
    """
    return np.asarray(_of_mean(icc_11_weighted(weights, scores, clusters), np.shape(scores)[1]))


def icc_ak_weighted(weights: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """ICC(A,k) of many resamples at once; see `icc_a1_weighted`.

    Example:
        >>> icc_ak_weighted([[1, 1, 1]], [[1.0, 2.0], [2.0, 3.0], [6.0, 5.0]]).round(4)
        array([0.9412])
    """
    return np.asarray(_of_mean(icc_a1_weighted(weights, scores), np.shape(scores)[1]))


def phi(components: Components, n_raters: int, n_seeds: int = 1, *, nested: bool = False) -> float:
    """Reliability of a case's absolute score, averaged over raters and seeds drawn at random: Φ.

    Φ = σ²_case / (σ²_case + Σ other components / number of raters, seeds, or both). With one facet this is ICC(A,k).
    With nested seeds, each rater has seeds of its own, as where models are trained for each rater; the components of
    seed and rater:seed, and of case:seed and the residual, then belong together, and either may be left out.

    Args:
        components: Variances of case, rater, residual and, where there are seeds, seed, case:rater, case:seed and
            rater:seed.
        n_raters: Raters to average over.
        n_seeds: Seeds to average over, for each rater.
        nested: Whether seeds are nested in raters; else all raters share the seeds (crossed).

    Returns:
        In [0, 1]; NaN where nothing varies, or where the gain from several raters or seeds is asked for and the
        component of the rater or seed is unknown.

    Raises:
        ValueError: If a number is below 1.

    Example:
        >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> components = two_way_components(scores)["reml"]
        >>> [round(phi(components, n_raters), 4) for n_raters in (1, 2, 4, 8)]
        [0.2898, 0.4493, 0.6201, 0.7655]

        Three tasks with four raters each, who rate no other task (Brennan 2001, synthetic data set no. 4):

        >>> components = {"case": 0.4731, "rater": 0.3252, "seed": 0.6475, "case:rater": 0.5596, "residual": 2.3802}
        >>> round(phi(components, 3, 4, nested=True), 3)
        0.464

    References:
        Brennan (2001), Generalizability Theory, doi:10.1007/978-1-4757-3456-0.
    """
    return _reliability(components, _error(components, tuple(_FACETS_OF_ERROR), n_raters, n_seeds, nested))


def _error(components: Components, terms: tuple[str, ...], n_raters: int, n_seeds: int, nested: bool) -> float:
    """Variance of a case's mean score; a component that cannot be separated from the residual is part of it."""
    n = {"rater": n_raters, "seed": n_seeds}
    if min(n.values()) < 1:
        raise ValueError(f"expected one rater and seed or more, got n_raters {n_raters} and n_seeds {n_seeds}")
    if any(n[facet] > 1 and math.isnan(components.get(facet, math.nan)) for facet in n):
        return math.nan
    known = (term for term in terms if not math.isnan(components.get(term, math.nan)))
    facets = _NESTED if nested else _FACETS_OF_ERROR
    return float(sum(components[term] / math.prod(n[facet] for facet in facets[term]) for term in known))


def _reliability(components: Components, error: float) -> float:
    of_case = float(components["case"])
    return of_case / (of_case + error) if of_case + error else math.nan


def e_rho_squared(components: Components, n_raters: int, n_seeds: int = 1, *, nested: bool = False) -> float:
    """Reliability of the order of cases, which does not change if all cases shift equally: Eρ².

    Args:
        components: As for `phi`; σ²_rater, σ²_seed and σ²_rater:seed are left out.
        n_raters: As for `phi`.
        n_seeds: As for `phi`.
        nested: As for `phi`.

    Returns:
        As `phi`, and never below it. With one facet this is ICC(C,k).

    Raises:
        ValueError: If a number is below 1.

    Example:
        >>> round(e_rho_squared({"case": 2.5556, "rater": 5.2444, "residual": 1.0194}, 4), 4)
        0.9093

    References:
        Cronbach et al. (1972), The Dependability of Behavioral Measurements, Wiley; Brennan (2001), as in `phi`.
    """
    return _reliability(components, _error(components, _RELATIVE, n_raters, n_seeds, nested))


def d_study(
    components: Components, *, n_raters: Iterable[int], n_seeds: Iterable[int] = (1,), nested: bool = False
) -> pd.DataFrame:
    """How reliable scores would be with other numbers of raters and seeds.

    Args:
        components: As for `phi`.
        n_raters: Numbers of raters to try.
        n_seeds: Numbers of seeds to try.
        nested: As for `phi`.

    Returns:
        One row per pair of numbers: `n_raters, n_seeds, phi, e_rho_squared, sem, mdc95`.

    Raises:
        ValueError: If a number is below 1.

    Example:
        >>> d_study({"case": 2.5556, "rater": 5.2444, "residual": 1.0194}, n_raters=[1, 8]).round(3)
           n_raters  n_seeds    phi  e_rho_squared    sem  mdc95
        0         1        1  0.290          0.715  2.503  6.937
        1         8        1  0.765          0.953  0.885  2.453

    References:
        As for `phi`.
    """
    measures = {"phi": phi, "e_rho_squared": e_rho_squared, "sem": sem, "mdc95": mdc95}
    rows = [
        {"n_raters": raters, "n_seeds": seeds}
        | {name: measure(components, raters, seeds, nested=nested) for name, measure in measures.items()}
        for raters, seeds in product(n_raters, n_seeds)
    ]
    return pd.DataFrame(rows, columns=["n_raters", "n_seeds", *measures])


def sem(components: Components, n_raters: int = 1, n_seeds: int = 1, *, nested: bool = False) -> float:
    """Standard error of measurement: sd of a case's score over raters and seeds drawn at random.

    Args:
        components: As for `phi`.
        n_raters: Raters that a score is the mean of.
        n_seeds: Seeds that a score is the mean of.
        nested: As for `phi`.

    Returns:
        In the unit of the scores; NaN as in `phi`.

    Raises:
        ValueError: If a number is below 1.

    Example:
        >>> round(sem({"case": 2.5556, "rater": 5.2444, "residual": 1.0194}), 4)
        2.5028

    References:
        Weir (2005), J. Strength Cond. Res. 19(1):231-240, doi:10.1519/15184.1.
    """
    return math.sqrt(_error(components, tuple(_FACETS_OF_ERROR), n_raters, n_seeds, nested))


def mdc95(components: Components, n_raters: int = 1, n_seeds: int = 1, *, nested: bool = False) -> float:
    """Minimal detectable change: two scores of one case differ by less in 95 of 100 repetitions; 1.96 √2 SEM.

    Args:
        components: As for `phi`.
        n_raters: As for `sem`.
        n_seeds: As for `sem`.
        nested: As for `phi`.

    Returns:
        In the unit of the scores; NaN as in `phi`.

    Raises:
        ValueError: If a number is below 1.

    Example:
        >>> round(mdc95({"case": 2.5556, "rater": 5.2444, "residual": 1.0194}), 4)
        6.9373

    References:
        Weir (2005), J. Strength Cond. Res. 19(1):231-240, doi:10.1519/15184.1.
    """
    return _REPEATED * sem(components, n_raters, n_seeds, nested=nested)


def repeatability_coefficient(repeats: np.ndarray) -> float:
    """Two repetitions of one case differ by less in 95 of 100 pairs; 1.96 √2 times the sd within a case.

    Args:
        repeats: `(N, K)`, NaN where a case has fewer repetitions than others.

    Returns:
        In the unit of the values; NaN where no case has two values, or there is one case only.

    Raises:
        ValueError: If `repeats` is not two-dimensional or not finite.

    Example:
        Peak flow of 17 subjects, measured twice. The article uses 2 instead of 1.96: twice 21.6.

        >>> wright = [[494, 490], [395, 397], [516, 512], [434, 401], [476, 470], [557, 611], [413, 415], [442, 431],
        ...           [650, 638], [433, 429], [417, 420], [656, 633], [267, 275], [478, 492], [178, 165], [423, 372],
        ...           [427, 421]]
        >>> round(repeatability_coefficient(wright), 1), round(repeatability_coefficient(wright) / 1.96, 1)
        (42.4, 21.6)

    References:
        Bland & Altman (1986), Lancet 327(8476):307-310, doi:10.1016/S0140-6736(86)90837-8.
    """
    return _REPEATED * math.sqrt(one_way_components(repeats)["anova"]["residual"])

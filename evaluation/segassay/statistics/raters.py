"""Tests and indices of raters: do they differ, and does a model differ from them more than they from each other?

    counts (N, R)                                 ->  Friedman test, bias of each rater
    agreement model-rater (N, R), rater-rater     ->  Williams index, alternative annotator test
    distances between and within two sets         ->  generalized energy distance
    matched and counted objects                   ->  positive agreement

NaN means that a rater did not annotate the case. If several cases come from one subject, the unit of tests is the mean
of the subject.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import scipy

from segassay.statistics.groups import holm
from segassay.statistics.intervals import Interval
from segassay.statistics.jackknife import LOGARITHM, jackknife_t

__all__ = [
    "MIN_CASES_FOR_ALT_TEST",
    "AltTest",
    "Friedman",
    "alt_test",
    "bias_test",
    "friedman",
    "generalized_energy_distance",
    "log_ratio_to_others",
    "positive_agreement",
    "williams_index",
]

MIN_CASES_FOR_ALT_TEST = 30


@dataclass(frozen=True)
class Friedman:
    """Test that no rater's scores tend to be larger than another's within a case.

    Attributes:
        chi_squared: Friedman's statistic, corrected for ties.
        f: Iman and Davenport's statistic, `(n - 1) χ² / (n (k - 1) - χ²)`.
        df_1: k - 1.
        df_2: (n - 1)(k - 1).
        p_value: p-value of `f`; if all cases order the raters in the same way, `f` is infinite, and p is the chance of
            that.
        n_cases: Cases that all raters scored.
        n_undefined: Cases left out.
    """

    chi_squared: float
    f: float
    df_1: int
    df_2: int
    p_value: float
    n_cases: int
    n_undefined: int


def friedman(scores: np.ndarray) -> Friedman:
    """Ask whether raters differ, by their ranks within each case.

    Iman and Davenport's F keeps its level where Friedman's χ² is too careful, with few raters and cases.

    Args:
        scores: `(N, R)`, NaN where a rater did not score a case; a case with any NaN is left out.

    Returns:
        The statistics; NaN below two cases or raters. Where every case ties all raters χ² and F are 0 and p is 1.

    Raises:
        ValueError: If `scores` is not two-dimensional.

    Example:
        Twelve gardeners order four kinds of grass (Conover 1999, p. 371):

        >>> order = [[4, 3, 2, 1], [4, 2, 3, 1], [3, 1.5, 1.5, 4], [3, 1, 2, 4], [4, 2, 1, 3], [2, 2, 2, 4],
        ...          [1, 3, 2, 4], [2, 4, 1, 3], [3.5, 1, 2, 3.5], [4, 1, 3, 2], [4, 2, 3, 1], [3.5, 1, 2, 3.5]]
        >>> found = friedman(order)
        >>> round(found.chi_squared, 3), round(found.f, 3), round(found.p_value, 4)
        (8.097, 3.192, 0.0362)

    References:
        Friedman (1937), J. Am. Stat. Assoc. 32(200):675-701, doi:10.1080/01621459.1937.10503522; Iman & Davenport
        (1980), Commun. Stat. A 9(6):571-595, doi:10.1080/03610928008827904; Conover (1999), Practical Nonparametric
        Statistics, 3rd ed.
    """
    scores = _matrix(scores, "scores")
    kept = scores[~np.isnan(scores).any(axis=1)]
    n, k = kept.shape
    n_undefined, df_1, df_2 = len(scores) - n, k - 1, (n - 1) * (k - 1)
    if n < 2 or k < 2:
        return Friedman(math.nan, math.nan, df_1, df_2, math.nan, n, n_undefined)
    excess = scipy.stats.rankdata(kept, axis=1) - (k + 1) / 2
    within = float((excess**2).sum()) / (n * (k - 1))  # variance of a rank within a case, k (k + 1) / 12 without ties
    chi_squared = float((excess.sum(axis=0) ** 2).sum()) / (n * within) if within else 0.0
    room = n * (k - 1) - chi_squared
    if room > 1e-9 * n:
        f = (n - 1) * chi_squared / room
        p_value = float(scipy.stats.f.sf(f, df_1, df_2))
    else:
        f, p_value = math.inf, math.factorial(k) ** -(n - 1.0)
    return Friedman(chi_squared, f, df_1, df_2, p_value, n, n_undefined)


def _matrix(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 2:
        raise ValueError(f"{name} must be (cases, raters), got shape {values.shape}")
    return values


def log_ratio_to_others(counts: np.ndarray) -> np.ndarray:
    """Each rater against the others of the same case: log((n_r + .5) / (mean of the others + .5)).

    A size of the bias, not a test of it: noise alone lowers the logarithm of a count, so that the mean log ratio of a
    rater with unbiased but noisier counts is below 0. `bias_test` compares the counts themselves.

    Args:
        counts: `(N, R)`, 0 or more, NaN where a rater did not annotate the case.

    Returns:
        float64 `(N, R)`; NaN if the rater has no count, or no other rater has one.

    Example:
        >>> log_ratio_to_others([[19.5, 9.5, 9.5], [0.0, 0.0, np.nan]]).round(3)
        array([[ 0.693, -0.405, -0.405],
               [ 0.   ,  0.   ,    nan]])
    """
    counts = _matrix(counts, "counts")
    return np.log((counts + 0.5) / (_mean_of_others(counts) + 0.5))


def _mean_of_others(counts: np.ndarray) -> np.ndarray:
    """Mean count of the other raters of the same case; NaN if the rater has no count, or no other rater has one."""
    n_others = (~np.isnan(counts)).sum(axis=1, keepdims=True) - 1
    sum_of_others = np.nansum(counts, axis=1, keepdims=True) - counts
    return np.asarray(sum_of_others / np.where(n_others > 0, n_others, math.nan))


def bias_test(counts: np.ndarray, *, clusters: np.ndarray | None = None) -> pd.DataFrame:
    """Ask which raters count more, or less, than the others on average.

    A rater is biased if the mean difference of the rater's counts from the mean of the others' is not 0 (one-sample t,
    Holm over raters). Counts are compared as they are, because raters with equal means differ by 0 on average whatever
    their noise. Log ratios do not, since the logarithm of a noisy count is lower on average; and Friedman's test of
    ranks, reported beside, also reacts to a rater whose counts only scatter more.

    A rater's bias moves the mean of the others too: if one of five counts 20 % more, the other four count 5 % less than
    *their* others. The test says who differs from the rest, not who is right.

    Args:
        counts: `(N, R)`, 0 or more, NaN where a rater did not annotate the case; areas can be used, too.
        clusters: `(N,)`, subject of each case; its cases are averaged first. By default each case is its own.

    Returns:
        One row per rater: `difference` (mean over units), `low, high` (95 % t interval), `statistic` and `p_value` of
        the t test, `p_adjusted` (Holm), `friedman_p` (the same in all rows; counts that all raters have), `biased`
        (`p_adjusted` below .05), `n_units` and `n_undefined` (cases without a difference). NaN below two units. Where
        all n units have the same difference there is no interval, and p is that of n equal signs, 2 / 2ⁿ, or 1 if it
        is 0: whole numbers of few images often differ by as much.

    Raises:
        ValueError: If shapes do not fit or a count is negative.

    Example:
        >>> counts = [[10, 20, 11], [20, 41, 22], [30, 59, 28], [40, 85, 41], [50, 99, 52], [5, 9, 6]]
        >>> bias_test(counts)[["difference", "p_adjusted", "friedman_p", "biased"]].round(4)
           difference  p_adjusted  friedman_p  biased
        0    -13.5833      0.0458      0.0001    True
        1     25.9167      0.0458      0.0001    True
        2    -12.3333      0.0458      0.0001    True

    References:
        Holm (1979), Scand. J. Stat. 6(2):65-70; for Friedman see `friedman`.
    """
    counts = _matrix(counts, "counts")
    if (counts < 0).any():
        raise ValueError(f"counts must be 0 or more, got {np.nanmin(counts)}")
    difference = counts - _mean_of_others(counts)
    tests = [_t_test(_units(column, clusters), 0.0) for column in difference.T]
    complete = np.where(np.isnan(counts).any(axis=1, keepdims=True), math.nan, counts)
    omnibus = friedman(np.stack([_units(column, clusters) for column in complete.T], axis=1) if tests else complete)
    table = pd.DataFrame(tests, columns=["difference", "low", "high", "statistic", "p_value", "n_units"])
    table.insert(5, "p_adjusted", holm(table["p_value"].to_numpy(dtype=float)))
    table.insert(6, "friedman_p", omnibus.p_value)
    table.insert(7, "biased", table["p_adjusted"] < 0.05)
    return table.assign(n_undefined=np.isnan(difference).sum(axis=0))


def _units(values: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """Values that are defined, averaged over the cases of each subject."""
    defined = ~np.isnan(values)
    if clusters is None:
        return values[defined]
    clusters = np.asarray(clusters)
    if clusters.shape != values.shape:
        raise ValueError(f"clusters must be {values.shape}, the subject of each case, got {clusters.shape}")
    _, unit = np.unique(clusters[defined], return_inverse=True)
    return np.bincount(unit, weights=values[defined]) / np.bincount(unit)


def _t_test(
    units: np.ndarray, null: float, alternative: Literal["two-sided", "less"] = "two-sided"
) -> tuple[float, float, float, float, float, int]:
    """Mean, its 95 % interval, t and p; without spread no interval, and the p of so many equal signs."""
    n = len(units)
    if n < 2:
        mean = float(units.mean()) if n else math.nan
        return mean, math.nan, math.nan, math.nan, math.nan, n
    mean, se = float(units.mean()), float(units.std(ddof=1)) / math.sqrt(n)
    if se <= 1e-12 * abs(mean):
        away = mean < null if alternative == "less" else mean != null
        t = math.copysign(math.inf, mean - null) if mean != null else 0.0
        p_value = (1.0 if alternative == "less" else 2.0) * 0.5**n if away else 1.0
        return mean, math.nan, math.nan, t, p_value, n
    reach = float(scipy.stats.t.ppf(0.975, n - 1)) * se
    t = (mean - null) / se
    p_value = scipy.stats.t.cdf(t, n - 1) if alternative == "less" else 2 * scipy.stats.t.sf(abs(t), n - 1)
    return mean, mean - reach, mean + reach, t, float(p_value), n


def williams_index(
    *,
    model_rater: np.ndarray,
    rater_rater: np.ndarray,
    clusters: np.ndarray | None = None,
    level: float = 0.95,
) -> Interval:
    """Williams index: does a model agree with the raters as well as they agree with each other?

    Mean agreement of the model with the raters, divided by the mean agreement of the pairs of raters; both are averaged
    over cases before they are divided, so that a case on which raters hardly agree does not dominate.

    Args:
        model_rater: `(N, R)`, agreement such as Dice of the model with each rater; NaN where the rater has no mask.
        rater_rater: `(N, R (R - 1) / 2)`, the same of each pair of raters, in any order.
        clusters: `(N,)`, subject of each case; by default each case is its own.
        level: Coverage of the intervals.

    Returns:
        The index with its interval, of `jackknife_t` on the logarithm; 1 if a model is like another rater,
        above 1 where it is nearer to them than they are to each other. A case without a rater or without a pair is
        undefined and counted; value NaN without cases, or where raters never agree.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        Raters 111000, 110000 and 011100, model 111000; agreement is Dice:

        >>> index = williams_index(model_rater=[[1, 4 / 5, 2 / 3]], rater_rater=[[4 / 5, 2 / 3, 2 / 5]])
        >>> round(index.value, 5)
        1.32143

    References:
        Williams (1976), Biometrics 32(3):619-627, doi:10.2307/2529750.
    """
    model_rater, rater_rater = _matrix(model_rater, "model_rater"), _matrix(rater_rater, "rater_rater")
    n_cases, n_raters = model_rater.shape
    if rater_rater.shape != (n_cases, n_raters * (n_raters - 1) // 2):
        raise ValueError(
            f"rater_rater must be {(n_cases, n_raters * (n_raters - 1) // 2)}, one column per pair of the {n_raters} "
            f"raters, got {rater_rater.shape}"
        )
    clusters = np.arange(n_cases) if clusters is None else clusters
    values = np.stack([_mean_of_known(model_rater), _mean_of_known(rater_rater)], axis=1)
    return jackknife_t(_ratio_of_sums, values, clusters, LOGARITHM, level=level)


def _ratio_of_sums(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    above, below = (weights @ values).T
    return np.asarray(above / np.where(below == 0, math.nan, below))


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    known = (~np.isnan(values)).sum(axis=1)
    return np.nansum(values, axis=1) / np.where(known > 0, known, math.nan)


@dataclass(frozen=True, eq=False)
class AltTest:
    """Can a model replace a rater?

    Attributes:
        winning_rate: ω, share of the raters that the model beats; NaN if no rater could be judged.
        advantage_probability: ρ, mean over raters of how often the model agrees with the others at least as well.
        passed: Whether ω is .5 or more; False if not judged.
        judged: Whether any rater has 30 cases.
        raters: One row per rater: `model_advantage` (ρ of the model), `rater_advantage` (ρ of the rater), `difference`
            (of the second from the first, mean over units), `statistic`, `p_value`, `p_adjusted`, `won`, `n_cases`.
    """

    winning_rate: float
    advantage_probability: float
    passed: bool
    judged: bool
    raters: pd.DataFrame


def alt_test(
    *,
    model_alignment: np.ndarray,
    rater_alignment: np.ndarray,
    clusters: np.ndarray | None = None,
    epsilon: float = 0.2,
    q: float = 0.05,
) -> AltTest:
    """Alternative annotator test: does a model agree with the other raters at least as well as the left-out rater?

    For each rater, cases on which the model agrees with the others at least as well are counted, and cases on which the
    rater does; a t test asks whether the rater is ahead by less than ε, an advantage granted to raters because they
    cost more. The model beats the raters whose p, adjusted for the false discovery rate, is at most `q`.

    Args:
        model_alignment: `(N, R)`, mean agreement of the model with all raters but r; NaN where rater r has no mask.
        rater_alignment: `(N, R)`, mean agreement of rater r with the same others.
        clusters: `(N,)`, subject of each case; its cases are averaged first. By default each case is its own.
        epsilon: ε, advantage granted to raters; the article uses .2 for experts, .1 for laypeople.
        q: False discovery rate (Benjamini and Yekutieli).

    Returns:
        ω, ρ and a row per rater. A rater with fewer than 30 cases is not judged and not counted in ω; ρ is over all
        raters with a case.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        A model that fits the others on all 30 cases a little better than anyone does:

        >>> found = alt_test(model_alignment=np.full((30, 3), 0.8), rater_alignment=np.full((30, 3), 0.7))
        >>> found.winning_rate, found.advantage_probability, found.passed
        (1.0, 1.0, True)

    References:
        Calderon, Reichart & Dror (2025), Proc. 63rd ACL, 16051-16081, doi:10.18653/v1/2025.acl-long.782; Benjamini &
        Yekutieli (2001), Ann. Stat. 29(4):1165-1188, doi:10.1214/aos/1013699998.
    """
    model, rater = _matrix(model_alignment, "model_alignment"), _matrix(rater_alignment, "rater_alignment")
    if model.shape != rater.shape:
        raise ValueError(f"both alignments must have one shape, (cases, raters); got {model.shape} and {rater.shape}")
    unknown = np.isnan(model) | np.isnan(rater)
    n_cases = (~unknown).sum(axis=0)
    model_ahead, rater_ahead = np.where(unknown, math.nan, model >= rater), np.where(unknown, math.nan, rater >= model)
    tests = [
        _t_test(_units(lead, clusters), epsilon, alternative="less") if n >= MIN_CASES_FOR_ALT_TEST else (math.nan,) * 6
        for lead, n in zip((rater_ahead - model_ahead).T, n_cases, strict=True)
    ]
    table = pd.DataFrame({"model_advantage": _mean_of_known(model_ahead.T)})
    table["rater_advantage"] = _mean_of_known(rater_ahead.T)
    table["difference"] = table["rater_advantage"] - table["model_advantage"]
    table["statistic"], table["p_value"] = [test[3] for test in tests], [test[4] for test in tests]
    judged = table["p_value"].notna()
    table["p_adjusted"] = table["p_value"]
    table.loc[judged, "p_adjusted"] = scipy.stats.false_discovery_control(table["p_value"][judged], method="by")
    table["won"], table["n_cases"] = table["p_adjusted"] <= q, n_cases
    winning_rate = float(table["won"][judged].mean()) if judged.any() else math.nan
    advantage = float(table["model_advantage"].mean())
    return AltTest(winning_rate, advantage, winning_rate >= 0.5, bool(judged.any()), table)


def generalized_energy_distance(
    *,
    d_xy: np.ndarray,
    d_xx: np.ndarray,
    d_yy: np.ndarray,
    statistic: Literal["V", "U"] | None = None,
) -> np.ndarray | float:
    """Squared distance of two sets of masks as distributions: 2 E d(x, y) - E d(x, x') - E d(y, y').

    Args:
        d_xy: `(..., X, Y)`, distances such as 1 - IoU between the sets, for one case or, by leading axes, for many.
        d_xx: `(..., X, X)`, distances within the first set.
        d_yy: `(..., Y, Y)`, distances within the second.
        statistic: `V` counts a mask's distance to itself, is never below 0 for a distance of negative type, and is
            larger the smaller the sets are; `U` leaves it out, has no such bias, and may be negative. By default V
            for sets of one size, and U where the sizes differ, because their bias then differs too.

    Returns:
        `(...)`, or a number for one case; NaN where a set is empty, or by U where a set has a single mask.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        Sets {1100, 1100} and {1100, 1110}, d = 1 - IoU:

        >>> d_xy, d_yy = [[0, 1 / 3], [0, 1 / 3]], [[0, 1 / 3], [1 / 3, 0]]
        >>> round(generalized_energy_distance(d_xy=d_xy, d_xx=np.zeros((2, 2)), d_yy=d_yy), 5)
        0.16667

    References:
        Székely & Rizzo (2013), J. Stat. Plan. Inference 143(8):1249-1272, doi:10.1016/j.jspi.2013.03.018; of
        segmentations: Kohl et al. (2018), Probabilistic U-Net, NeurIPS 31, arXiv:1806.05034.
    """
    between, *within = (np.asarray(d, dtype=float) for d in (d_xy, d_xx, d_yy))
    expected = [(*between.shape[:-2], size, size) for size in between.shape[-2:]]
    if between.ndim < 2 or [d.shape for d in within] != expected:
        raise ValueError(
            f"expected distances (..., X, Y), (..., X, X) and (..., Y, Y), got {between.shape}, "
            f"{within[0].shape} and {within[1].shape}"
        )
    statistic = statistic or ("V" if between.shape[-2] == between.shape[-1] else "U")
    distance = 2 * _mean(between, between.shape[-2] * between.shape[-1])
    for d in within:
        n = d.shape[-1]
        itself = np.trace(d, axis1=-2, axis2=-1) if statistic == "U" else 0.0
        distance = distance - (_mean(d, n * (n - 1), itself) if statistic == "U" else _mean(d, n * n))
    return distance if distance.ndim else float(distance)


def _mean(distances: np.ndarray, n: int, left_out: np.ndarray | float = 0.0) -> np.ndarray:
    return np.asarray((distances.sum(axis=(-2, -1)) - left_out) / (n or math.nan))


def positive_agreement(tp: np.ndarray, n_a: np.ndarray, n_b: np.ndarray) -> float:
    """Of the objects that either of two raters marked, the share on which they agree, all pairs of raters together.

    Objects have no true negatives, so κ is not defined; the positive agreement is 2 Σ tp / Σ (n_a + n_b), which is F1
    for a single pair of masks.

    Args:
        tp: `(n,)`, matched objects of each case and pair of raters; NaN where either has no mask, then left out.
        n_a: `(n,)`, objects of the one rater.
        n_b: `(n,)`, objects of the other.

    Returns:
        In [0, 1]; 1 if no rater marked anything; NaN without any pair.

    Raises:
        ValueError: If the shapes differ.

    Example:
        Two raters, 100 patients: 40 positive for both, 9 and 6 for one of them. Then the same with 80, 10 and 5.

        >>> round(positive_agreement(40, 49, 46), 2), round(positive_agreement(80, 90, 85), 2)
        (0.84, 0.91)

    References:
        Cicchetti & Feinstein (1990), J. Clin. Epidemiol. 43(6):551-558, doi:10.1016/0895-4356(90)90159-M.
    """
    columns = [np.atleast_1d(np.asarray(column, dtype=float)) for column in (tp, n_a, n_b)]
    if len({column.shape for column in columns}) > 1:
        raise ValueError(f"tp, n_a and n_b must have one shape, got {[column.shape for column in columns]}")
    counted = np.stack([column.ravel() for column in columns])
    counted = counted[:, ~np.isnan(counted).any(axis=0)]
    if not counted.shape[1]:
        return math.nan
    matched, *marked = counted.sum(axis=1).tolist()
    return 2 * matched / sum(marked) if sum(marked) else 1.0

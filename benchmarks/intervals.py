"""Coverage of every kind of interval that is printed, by generators that share no code with the package.

    generator of (n, ...) data, statistic, interval  ->  share of intervals that hold the statistic of 100,000 cases

Data are normal, skewed (counts with a lognormal tail, scores near 1), or clumped (empty images, nine of ten scores 1);
subjects are equal, unequal (1, 1, 2, 3 and 8 images), or one has half of all images. Raters, seeds and their habits are
given, as in the package: only cases and subjects are drawn.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
from interval_kinds import N_TRUTH, Draw, Kind, Row, Weighted, rows_of
from object_intervals import by_contrast, by_score, half_interval, half_weighted
from scipy import stats

from segassay.judgement.strategy_effects import mean_eta_squared
from segassay.qualities.objectivity.facets import _share as facet_share
from segassay.qualities.objectivity.measurements import _concordance as concordance_weighted
from segassay.qualities.objectivity.measurements import _rater_share as rater_share_weighted
from segassay.qualities.objectivity.measurements import _slope as slope_weighted
from segassay.qualities.objectivity.measurements import alpha_ratio_weighted
from segassay.qualities.reliability.calibration import _ece_of_cases as ece_weighted
from segassay.qualities.reliability.image_quality import spearman_weighted
from segassay.qualities.reliability.rater_probabilities import _ece as ece_of_raters_weighted
from segassay.qualities.reliability.selective import image_aurc
from segassay.qualities.validity.effects import weighted_eta_squared
from segassay.qualities.validity.free_response import mean_sensitivity_weighted
from segassay.statistics.components import crossed_components
from segassay.statistics.groups import hodges_lehmann
from segassay.statistics.intervals import Interval, mean_interval
from segassay.statistics.jackknife import (
    LOGARITHM,
    PLAIN,
    SHARE,
    SHARE_OF_VARIANCE,
    SPREAD,
    VARIANCE,
    Scale,
    correlation_scale,
    jackknife_ratio,
    jackknife_t,
)
from segassay.statistics.methods import equivalence_test, limit_of_agreement
from segassay.statistics.reliability import icc_a1_weighted

HABITS = np.array([-0.6, -0.2, 0.0, 0.3, 0.5])


def rows(n_replicates: int, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Coverage of all kinds, each with its own seed."""
    return rows_of(kinds(), n_replicates, sizes)


def kinds() -> Iterator[Kind]:
    """All kinds, in the order of the table."""
    yield from _means()
    yield from _of_pairs()
    yield from _of_raters()
    yield from _of_ratios()
    yield from _of_designs()
    yield from _of_effects()
    yield from _of_probabilities()
    yield from _of_facets()
    yield from _of_objects()


def _cases(values: np.ndarray) -> np.ndarray:
    return np.arange(len(values))


def _jackknife(statistic: Weighted, scale: Scale) -> Callable[[np.ndarray], Interval]:
    return lambda values: jackknife_t(statistic, values, _cases(values), scale)


# means


def _means() -> Iterator[Kind]:
    share, no_bounds = (0.0, 1.0), (-np.inf, np.inf)
    single: tuple[tuple[str, Draw, float, tuple[float, float]], ...] = (
        ("normal", lambda rng, n: rng.normal(size=n), 0.0, no_bounds),
        ("Beta(9, 1)", lambda rng, n: rng.beta(9, 1, n), 0.9, share),
        ("lognormal, sd of the log .5", lambda rng, n: rng.lognormal(0, 0.5, n), float(np.exp(0.125)), no_bounds),
        ("lognormal, sd of the log 1", lambda rng, n: rng.lognormal(0, 1, n), float(np.exp(0.5)), no_bounds),
        ("nine of ten are 1", lambda rng, n: np.where(rng.random(n) < 0.9, 1, rng.beta(4, 2, n)), 0.9 + 0.2 / 3, share),
        (
            "six of ten are 0",
            lambda rng, n: (rng.random(n) < 0.4) * rng.lognormal(0, 0.7, n),
            0.4 * float(np.exp(0.245)),
            no_bounds,
        ),
        ("eight of ten are 0", lambda rng, n: (rng.random(n) < 0.2) * rng.normal(0.5, 1, n), 0.1, no_bounds),
    )
    for data, draw, truth, bounds in single:
        yield Kind("mean", data, draw, partial(_of_mean, bounds), truth)
    for data, unequal in (("subjects with 1, 1, 2, 3, 8 images", True), ("one subject has half of the images", False)):
        for skewed in (False, True):
            draw = partial(values_of_subjects, unequal, skewed)
            name = data + (", skewed" if skewed else "")
            yield Kind("mean", name, draw, lambda both: mean_interval(both[:, 0], both[:, 1]), 0.0)
    yield Kind("TOST, 90 %", "normal", lambda rng, n: rng.normal(size=(n, 2)), _equivalence, 0.0)


def _of_mean(bounds: tuple[float, float], values: np.ndarray) -> Interval:
    return mean_interval(values, _cases(values), bounds=bounds)


def _equivalence(pair: np.ndarray) -> Interval:
    found = equivalence_test(*pair.T, margin=1.0)
    return Interval(found.difference, found.low, found.high, "TOST, 90 %", found.n, 0, False)


def values_of_subjects(unequal: bool, skewed: bool, rng: np.random.Generator, n: int) -> np.ndarray:
    """Values and subjects, half of the variance between subjects; mean 0."""
    size = np.resize([1, 1, 2, 3, 8], n) if unequal else np.array([n - 1] + [1] * (n - 1))
    subject = np.repeat(np.arange(n), size)
    part = (lambda m: rng.exponential(size=m) - 1) if skewed else (lambda m: rng.normal(size=m))
    return np.stack([part(n)[subject] + part(len(subject)), subject], axis=1)


# two raters, several raters


def _counts(data: str, k: int, rng: np.random.Generator, n: int) -> np.ndarray:
    """Counts of k raters with given habits, `(n, k)`."""
    of_case, noise = rng.normal(size=(n, 1)), rng.normal(size=(n, k))
    if data == "normal":
        return np.round(100 + 20 * of_case + 5 * HABITS[:k] + 8 * noise)
    if data == "lognormal":
        return np.round(np.exp(3 + 0.8 * of_case + 0.15 * HABITS[:k] + 0.25 * noise))
    some = np.exp(3 + 0.6 * of_case + 0.15 * HABITS[:k] + 0.25 * noise)
    return np.where(rng.random((n, 1)) < 0.6, np.round(some), rng.poisson(0.3, (n, k)))


COUNTS = ("normal", "lognormal", "four of ten images empty")


def _of_pairs() -> Iterator[Kind]:
    for data in COUNTS:
        pair = partial(_counts, data, 2)
        yield Kind(
            "limit of agreement", data, pair, lambda v: limit_of_agreement(v[:, 0], v[:, 1], _cases(v)), _upper_limit
        )
        yield Kind("slope of the difference", data, pair, _slope_interval, slope_weighted)
        yield Kind(
            "Lin's concordance",
            data,
            pair,
            _jackknife(concordance_weighted, correlation_scale(2)),
            concordance_weighted,
        )


def _upper_limit(weights: np.ndarray, pair: np.ndarray) -> np.ndarray:
    difference = pair[:, 0] - pair[:, 1]
    return np.full(len(weights), difference.mean() + 1.96 * difference.std(ddof=1))


def _slope_interval(pair: np.ndarray) -> Interval:
    size = pair.mean(axis=1)
    return jackknife_t(slope_weighted, pair, _cases(pair), PLAIN, importance=(size - size.mean()) ** 2)


def _of_raters() -> Iterator[Kind]:
    for data in COUNTS:
        draw = partial(_counts, data, 5)
        yield Kind("ICC(A,1) of counts", data, draw, _jackknife(icc_a1_weighted, correlation_scale(5)), icc_a1_weighted)
        yield Kind(
            "counts, α on a ratio scale",
            data,
            draw,
            _jackknife(alpha_ratio_weighted, correlation_scale(2)),
            alpha_ratio_weighted,
        )
        yield Kind(
            "share of the rater in the variance",
            data,
            draw,
            _jackknife(rater_share_weighted, SHARE_OF_VARIANCE),
            rater_share_weighted,
        )
        yield Kind("SEM, repeatability", data, draw, _jackknife(_sd_within, SPREAD), _sd_within)
    for data, shape in (("many objects", (2, 12)), ("few objects", (1, 20))):
        yield Kind(
            "Fleiss' κ of pixels", data, partial(_votes, shape), _jackknife(_kappa, correlation_scale(2)), _kappa
        )


def _sd_within(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.sqrt(weights @ values.var(axis=1, ddof=1) / weights.sum(axis=1))


_MARKED = np.arange(5)


def _votes(shape: tuple[float, float], rng: np.random.Generator, n: int) -> np.ndarray:
    """Pixels of each image that 0 to 4 of four raters marked, `(n, 5)`; images differ in how well raters agree."""
    objects, found, wrong = rng.beta(*shape, size=n), rng.beta(12, 2, size=n), 0.02 * rng.random(n)
    ways = np.array([1, 4, 6, 4, 1])
    share = [ways * p[:, None] ** _MARKED * (1 - p[:, None]) ** (4 - _MARKED) for p in (found, wrong)]
    return np.asarray(1e5 * (objects[:, None] * share[0] + (1 - objects[:, None]) * share[1]))


def _kappa(weights: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    drawn = weights @ pixels
    n, k = drawn.sum(axis=1), _MARKED
    agreed = drawn @ ((k * (k - 1) + (4 - k) * (3 - k)) / 12) / n
    marked = drawn @ (k / 4) / n
    chance = marked**2 + (1 - marked) ** 2
    return np.asarray((agreed - chance) / (1 - chance))


# ratios of sums, and rank correlations


def _of_ratios() -> Iterator[Kind]:
    for p, data in ((0.7, "70 % found"), (0.95, "95 % found"), (0.99, "99 % found")):
        yield Kind(
            "recall, flips, positive agreement", data, partial(_found, p), partial(_ratio_interval, SHARE), _ratio
        )
    for data in ("normal", "near 1", "a quarter 0 or 1"):
        yield Kind(
            "score over that of raters", data, partial(_scores, data), partial(_ratio_interval, LOGARITHM), _ratio
        )
    yield Kind("ratio of sds", "normal", _squares, _jackknife(_root_ratio, LOGARITHM), _root_ratio)
    yield Kind("Brier score", "images differ", partial(_found, 0.1), partial(_ratio_interval, SHARE), _ratio)
    yield Kind("expected calibration error", "images differ", _bins, _ece_interval, ece_weighted)
    for data in COUNTS[:2]:
        yield Kind(
            "Spearman's correlation",
            data,
            partial(_counts, data, 2),
            _jackknife(spearman_weighted, correlation_scale(2)),
            _spearman,
        )


def _ratio(weights: np.ndarray, both: np.ndarray) -> np.ndarray:
    return np.asarray((weights @ both[:, 0]) / (weights @ both[:, 1]))


def _ratio_interval(scale: Scale, both: np.ndarray) -> Interval:
    return jackknife_ratio(both[:, 0], both[:, 1], _cases(both), scale)


def _found(p: float, rng: np.random.Generator, n: int) -> np.ndarray:
    """Objects found, and objects there; images differ in both."""
    there = rng.negative_binomial(1.5, 1 / 11, size=n)
    return np.stack([rng.binomial(there, rng.beta(20 * p, 20 * (1 - p), size=n)), there], axis=1).astype(float)


def _scores(data: str, rng: np.random.Generator, n: int) -> np.ndarray:
    """Two correlated scores of each image."""
    if data == "near 1":
        good, bad = (rng.gamma(a, size=(n, 1)) + rng.gamma(a, size=(n, 2)) for a in (4.5, 0.5))
        return np.asarray(good / (good + bad))
    usual = np.clip(0.7 + 0.08 * rng.normal(size=(n, 1)) + 0.06 * rng.normal(size=(n, 2)), 0, 1)
    return usual if data == "normal" else np.where(rng.random((n, 1)) < 0.25, rng.random((n, 2)) < 0.8, usual)


def _spearman(weights: np.ndarray, pair: np.ndarray) -> np.ndarray:
    return np.full(len(weights), stats.spearmanr(*pair.T).statistic)


def _squares(rng: np.random.Generator, n: int) -> np.ndarray:
    """Variances of 2 ensembles and of 4 models of each image."""
    return np.stack([rng.chisquare(1, n) / 4, rng.chisquare(3, n) / 3], axis=1)


def _root_ratio(weights: np.ndarray, squares: np.ndarray) -> np.ndarray:
    return np.sqrt(_ratio(weights, squares))


def _bins(rng: np.random.Generator, n: int) -> np.ndarray:
    """Pixels, sums of probabilities, of squared errors, and foreground in five bins, `(n, 4, 5)`."""
    p, n_pixels = np.array([0.1, 0.3, 0.5, 0.7, 0.9]), rng.poisson(2000, (n, 5)) + 1.0
    shift = 0.08 + 0.05 * rng.normal(size=(n, 1))
    return np.stack([n_pixels, n_pixels * p, n_pixels, n_pixels * np.clip(p - shift, 0, 1)], axis=1)


def _ece_interval(sums: np.ndarray) -> Interval:
    return jackknife_t(ece_weighted, sums, _cases(sums), SHARE, importance=sums[:, 0].sum(axis=1))


# designs, effects


def _design(rng: np.random.Generator, n: int) -> np.ndarray:
    """Counts by models of five raters with two seeds each, `(n, 5, 2)`; habits of raters and seeds are given."""
    luck = np.random.default_rng(3).normal(size=(5, 2))
    of_case, with_rater, with_seed = rng.normal(size=(n, 1, 1)), rng.normal(size=(n, 5, 1)), rng.normal(size=(n, 1, 2))
    return np.asarray(
        100
        + 20 * of_case
        + 8 * HABITS[:, None]
        + 2 * luck
        + 5 * with_rater
        + with_seed
        + 6 * rng.normal(size=(n, 5, 2))
    )


_TERMS = ("case", "rater", "seed", "case:rater", "case:seed", "rater:seed", "residual")


def _component(place: int, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return crossed_components(weights, values)[:, place]


def _phi(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    components = crossed_components(weights, values)
    return np.asarray(components[:, 0] / components.sum(axis=1))


def _of_designs() -> Iterator[Kind]:
    for place, term in enumerate(_TERMS):
        statistic = partial(_component, place)
        yield Kind(f"variance component {term}", "normal", _design, _jackknife(statistic, VARIANCE), statistic)
    yield Kind("Φ of one rater and seed", "normal", _design, _jackknife(_phi, correlation_scale(2)), _phi)


def _groups(effect: float, spread: float, rng: np.random.Generator, n: int) -> np.ndarray:
    """Counts by six annotators in two groups, `(n, 6 + 1)`; they agree, or each makes errors of its own."""
    second = np.arange(n) >= n // 2
    values = rng.normal(size=(n, 1)) + spread * rng.normal(size=(n, 6)) + effect * second[:, None]
    return np.column_stack([values, second])


def _of_effects() -> Iterator[Kind]:
    for effect in (0.0, 0.8, 2.0):
        for spread, data in ((0.4, "annotators agree"), (2.0, "annotators differ")):
            draw = partial(_groups, effect, spread)
            data = f"effect of {effect:g} sd, {data}"
            yield Kind("mean η²", data, draw, _eta_interval, _eta_squared)
            if spread < 1:
                yield Kind("shift", data, partial(_groups, effect, spread), _shift_interval, effect)
            if effect:
                yield Kind("ratio of η²", data, draw, _jackknife(_eta_ratio, LOGARITHM), _eta_ratio)


def _shift_interval(values: np.ndarray) -> Interval:
    second = values[:, -1] > 0
    shift = hodges_lehmann(values[~second, 0], values[second, 0])
    return Interval(shift.value, shift.low, shift.high, "Hodges-Lehmann", len(values), 0, False)


def _eta_interval(values: np.ndarray) -> Interval:
    return mean_eta_squared(pd.DataFrame(values[:, :-1]), values[:, -1] > 0)


def _eta_squared(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean η² of many cases, from ranks."""
    return np.full(len(weights), _squared_correlations(values).mean() * 0.75)


def _squared_correlations(values: np.ndarray) -> np.ndarray:
    second = values[:, -1] > 0
    ranks = stats.rankdata(values[:, :-1], axis=0)
    return np.asarray((2 * (ranks[second].mean(axis=0) - ranks[~second].mean(axis=0)) / len(values)) ** 2)


def _eta_ratio(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """η² of the first annotator by the mean of the others."""
    if len(values) == N_TRUTH:
        squares = _squared_correlations(values)
        return np.full(len(weights), squares[0] / squares[1:].mean())
    second = values[:, -1] > 0
    sizes = [
        weighted_eta_squared(weights[:, ~second], weights[:, second], column[~second], column[second])
        for column in values[:, :-1].T
    ]
    return np.asarray(sizes[0] / np.mean(sizes[1:], axis=0))


# probabilities and raters, uncertain images, persons and tools


def _of_probabilities() -> Iterator[Kind]:
    yield Kind(
        "calibration error against raters",
        "images differ",
        _levels,
        lambda sums: jackknife_t(ece_of_raters_weighted, sums, _cases(sums), SHARE, importance=sums[:, 0].sum(axis=1)),
        ece_of_raters_weighted,
    )
    for told, data in ((0.7, "uncertainty tells much"), (0.0, "uncertainty tells nothing")):
        for a in (8.0, 1.5):
            name = f"{data}, risks {'alike' if a == 8 else 'skewed'}"
            yield Kind("risk of the most certain images", name, partial(_risks, told, a), _risk_interval, _risk_of_many)


def _levels(rng: np.random.Generator, n: int) -> np.ndarray:
    """Pixels, sums of probabilities and of the shares of four raters in ten levels, `(n, 3, 10)`."""
    p = np.arange(0.05, 1, 0.1)
    n_pixels = rng.poisson(np.r_[20_000, np.full(9, 400)], (n, 10)) + 1.0
    shift = 0.05 + 0.05 * rng.normal(size=(n, 1))
    marked = np.clip(p - shift * 4 * p * (1 - p), 0, 1)
    return np.stack([n_pixels, n_pixels * p, rng.binomial((4 * n_pixels).astype(int), marked) / 4], axis=1)


def _risks(told: float, a: float, rng: np.random.Generator, n: int) -> np.ndarray:
    """Uncertainty and risk of each image, `(n, 2)`: ranks that go together, risks of a beta distribution."""
    both = rng.normal(size=(n, 2))
    normal = told * both[:, 0] + np.sqrt(1 - told**2) * both[:, 1]
    return np.stack([both[:, 0], stats.beta.ppf(stats.norm.cdf(normal), a, 4 * a)], axis=1)


def _risk_interval(values: np.ndarray) -> Interval:
    return jackknife_t(image_aurc, values, _cases(values), SHARE)


def _risk_of_many(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean over k of the mean risk of the k most certain images."""
    risk = values[np.argsort(values[:, 0]), 1]
    return np.full(len(weights), (np.cumsum(risk) / np.arange(1, len(risk) + 1)).mean())


def _of_facets() -> Iterator[Kind]:
    of_person = partial(facet_share, place=1)
    for skewed, data in ((False, "normal, two tools each"), (True, "lognormal, two tools each")):
        interval = _jackknife(of_person, SHARE_OF_VARIANCE)
        draw = partial(_tools, skewed)
        yield Kind("share of a facet in the variance", data, draw, interval, of_person, at_most=100)


def _of_objects() -> Iterator[Kind]:
    for spread in (0.0, 0.3):
        data = f"sd over images of the log threshold {spread:g}"
        yield Kind(
            "contrast at which half are marked", data, partial(by_contrast, spread), half_interval, half_weighted
        )
    for clumped, data in ((False, "6 objects per image"), (True, "half of the images without objects")):
        interval = _jackknife(mean_sensitivity_weighted, SHARE)
        yield Kind("FROC sensitivity", data, partial(by_score, clumped), interval, mean_sensitivity_weighted)


def _tools(skewed: bool, rng: np.random.Generator, n: int) -> np.ndarray:
    """Counts by three persons with two tools each, `(n, 3, 2)`; habits of persons and tools are given."""
    habit = np.array([[-0.4, -0.6], [0.1, -0.1], [0.7, 0.5]]) + np.random.default_rng(4).normal(0, 0.1, (3, 2))
    of_case, with_person = rng.normal(size=(n, 1, 1)), rng.normal(size=(n, 3, 1))
    rest = rng.normal(size=(n, 3, 2))
    if skewed:
        return np.round(np.exp(3 + 0.8 * of_case + 0.3 * habit + 0.15 * with_person + 0.15 * rest))
    return np.asarray(100 + 20 * of_case + 10 * habit + 5 * with_person + 5 * rest)

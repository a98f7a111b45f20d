"""More kinds of intervals whose coverage is measured: of tests of equivalence, shifts, fits, and unequal subjects.

    generator of (n, ...) data, statistic, interval  ->  Kind of `interval_kinds`

As in `intervals`, generators share no code with the package. Subjects have 1, 1, 2, 3 and 8 images, or one has half of
all images; half of every variance is between subjects.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from interval_kinds import N_TRUTH, Draw, Kind, Row, Weighted, rows_of
from intervals import _equivalence, _jackknife, concordance_weighted, slope_weighted, values_of_subjects

from segassay.qualities.objectivity.measurements import _icc_a1 as icc_of_subjects
from segassay.qualities.reliability.saturation import NOT_NEGATIVE, fit_saturation
from segassay.statistics.equivalence import ratio_equivalence
from segassay.statistics.groups import hodges_lehmann, mann_whitney
from segassay.statistics.intervals import Interval, mean_interval, sd_over_seeds
from segassay.statistics.jackknife import LOGARITHM, PLAIN, correlation_scale, jackknife_ratio, jackknife_t
from segassay.statistics.methods import limit_of_agreement

__all__ = ["kinds", "rare_rows", "rows", "unequal_rows"]


def rows(n_replicates: int, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Coverage of all kinds, each with its own seed."""
    return rows_of(kinds(), n_replicates, sizes)


def rare_rows(n_replicates: int, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Coverage where few images are far from all others, so that most small samples hold none of them."""
    return rows_of(_of_rare_images(), n_replicates, sizes)


def unequal_rows(n_replicates: int, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Coverage where subjects have unequal numbers of images, by draws that no other section has."""
    return rows_of(_of_subjects(), n_replicates, sizes, series=(8,))


def _of_rare_images() -> Iterator[Kind]:
    for data, share in (
        ("one in ten is 1, the others 0 ± 0.05", 0.1),
        ("one in twenty is 1, the others 0 ± 0.05", 0.05),
    ):
        draw = partial(_far_off, share)
        yield Kind("mean, few far off", data, draw, lambda x: mean_interval(x, np.arange(len(x))), share)
        yield Kind("difference, 90 %", data, draw, lambda x: _equivalence(np.stack([x, 0 * x], axis=1)), share)
    for data, times, share in (("one image in ten doubled", 2, 0.1), ("one image in twenty tripled", 3, 0.05)):
        error = partial(_multiplied, times, share)
        yield Kind("ratio of mean amounts, 90 %", data, partial(_amounts, error), _ratio_interval, 1.0)


def _far_off(share: float, rng: np.random.Generator, n: int) -> np.ndarray:
    return np.asarray(rng.binomial(1, share, n) + rng.normal(0, 0.05, n))


def _multiplied(times: float, share: float, rng: np.random.Generator, n: int) -> np.ndarray:
    """Errors of 5 % around 1, and some images that are so many times as large; their mean is 1."""
    return np.asarray(
        (1 + (times - 1) * rng.binomial(1, share, n)) * rng.normal(1, 0.05, n) / (1 + share * (times - 1))
    )


def kinds() -> Iterator[Kind]:
    """All kinds, in the order of the table."""
    yield from _of_equivalence()
    yield from _of_shifts()
    yield from _of_fits()
    yield from _of_annotators()


# 90 % intervals


def _of_equivalence() -> Iterator[Kind]:
    skewed: dict[str, tuple[Draw, float]] = {
        "exponential": (lambda rng, n: rng.exponential(size=n), 1.0),
        "lognormal, sd of the log 1": (lambda rng, n: rng.lognormal(size=n), float(np.exp(0.5))),
        "half are 0": (lambda rng, n: rng.binomial(1, 0.5, n) * rng.exponential(size=n), 0.5),
        "eight of ten are 0": (lambda rng, n: rng.binomial(1, 0.2, n) * rng.exponential(size=n), 0.2),
    }
    for data, (draw, truth) in skewed.items():
        yield Kind("difference, 90 %", data, draw, lambda x: _equivalence(np.stack([x, 0 * x], axis=1)), truth)
    for data, error in {
        "normal errors": lambda rng, n: rng.normal(1, 0.2, n).clip(0),
        "lognormal errors": lambda rng, n: np.exp(0.5 * rng.normal(size=n) - 0.125),
        "one image in ten empty": lambda rng, n: rng.binomial(1, 0.9, n) * rng.normal(1, 0.1, n).clip(0) / 0.9,
    }.items():
        yield Kind("ratio of mean amounts, 90 %", data, partial(_amounts, error), _ratio_interval, 1.0)


def _amounts(error: Draw, rng: np.random.Generator, n: int) -> np.ndarray:
    """Amounts by a model and by the median rater, `(n, 2)`, with one mean."""
    median = np.exp(3 + 0.6 * rng.normal(size=n))
    return np.stack([median * error(rng, n), median], axis=1)


def _ratio_interval(pair: np.ndarray) -> Interval:
    found = ratio_equivalence(pair[:, 0], pair[:, 1], margin=0.2)
    return Interval(found.ratio, found.low, found.high, "TOST, 90 %", found.n, 0, False)


# groups of unequal spread


def _of_shifts() -> Iterator[Kind]:
    for data, first, sd in (
        ("equal groups and spread", 0.5, 1.0),
        ("equal groups, spread 3 to 1", 0.5, 3.0),
        ("a fifth with the threefold spread", 0.2, 3.0),
        ("four fifths with the threefold spread", 0.8, 3.0),
    ):
        yield Kind("shift of two groups", data, partial(_two_groups, first, sd), _shift, 0.0)


def _two_groups(first: float, sd: float, rng: np.random.Generator, n: int) -> np.ndarray:
    """Values, and whether they are of the second group, `(n, 2)`."""
    second = np.arange(n) >= round(first * n)
    return np.stack([rng.normal(size=n) * np.where(second, 1.0, sd), second], axis=1)


def _shift(values: np.ndarray) -> Interval:
    second = values[:, 1] > 0
    found = hodges_lehmann(values[~second, 0], values[second, 0])
    return Interval(found.value, found.low, found.high, "Hodges-Lehmann", len(values), 0, False)


# the saturation curve


def _of_fits() -> Iterator[Kind]:
    for name, part in (("saturation a", 0), ("saturation rest", 1)):
        for data, rest in (("a third remains", 0.1), ("nothing remains", 0.0)):
            statistic = partial(_fit, part)
            yield Kind(name, data, partial(_disagreement, rest), _jackknife(statistic, NOT_NEGATIVE), statistic)


MEMBERS = np.array([1, 2, 4, 8])


def _disagreement(rest: float, rng: np.random.Generator, n: int) -> np.ndarray:
    """Disagreement of ensembles of 1, 2, 4 and 8 members, `(n, 4)`; images differ in how much they agree."""
    size = rng.gamma(4, 0.25, (n, 1))
    return np.asarray(((0.2 / np.sqrt(MEMBERS) + rest) * size * rng.gamma(20, 0.05, (n, 4))).clip(0, 1))


def _fit(part: int, weights: np.ndarray, points: np.ndarray) -> np.ndarray:
    return fit_saturation(MEMBERS, 1 - weights @ points / weights.sum(axis=1, keepdims=True))[part]


# annotators instead of cases


def _of_annotators() -> Iterator[Kind]:
    for data, effect in (("effect of 0.8 sd, n annotators", 0.8), ("effect of 2 sd, n annotators", 2.0)):
        draw = partial(_eta_squared_of_annotators, effect)
        yield Kind("sd of η² over annotators", data, draw, sd_over_seeds, _sd, at_most=200)


def _eta_squared_of_annotators(effect: float, rng: np.random.Generator, n: int) -> np.ndarray:
    """η² that n annotators find in the same 2 × 10 animals, each with errors of its own."""
    n = min(n, 4000)  # of the truth
    animals = np.random.default_rng(3).normal(size=20) + effect * (np.arange(20) > 9)
    measured = animals + 0.5 * rng.normal(size=(n, 20))
    return np.array([mann_whitney(row[:10], row[10:]).eta_squared for row in measured])


def _sd(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.full(len(weights), values.std(ddof=1))


# subjects of unequal size

SIZES_OF_SUBJECTS = {"subjects with 1, 1, 2, 3, 8 images": True, "one subject has half of the images": False}


def _of_subjects() -> Iterator[Kind]:
    for skewed in (False, True):
        for data, unequal in SIZES_OF_SUBJECTS.items():
            name, draw = data + (", skewed" if skewed else ""), partial(_subjects, unequal, skewed)
            values = partial(values_of_subjects, unequal, skewed)
            yield Kind("mean, unequal subjects", name, values, _mean, 0.0, at_most=2000)
            for measure, (interval, statistic) in INDICES.items():
                yield Kind(f"{measure}, unequal subjects", name, draw, interval, statistic)


def _mean(both: np.ndarray) -> Interval:
    return mean_interval(both[:, 0], both[:, 1])


def _subjects(unequal: bool, skewed: bool, rng: np.random.Generator, n: int) -> np.ndarray:
    """Counts of four raters, and the subject of each image, `(images, 5)`; the truth is that of single images."""
    size = np.resize([1, 1, 2, 3, 8], n) if unequal else np.array([n - 1] + [1] * (n - 1))
    subject = np.arange(n) if n == N_TRUTH else np.repeat(np.arange(n), size)

    def drawn(k: int) -> np.ndarray:
        return np.asarray(np.sqrt(0.5) * (rng.normal(size=(n, k))[subject] + rng.normal(size=(len(subject), k))))

    of_case, error = drawn(1), drawn(4)
    counts = 100 + 20 * of_case + 5 * HABITS + 8 * error
    return np.column_stack([np.exp(3 + 0.6 * of_case + 0.1 * HABITS + 0.2 * error) if skewed else counts, subject])


HABITS = np.array([-0.6, 0.0, 0.4, 0.2])


def _concordance(values: np.ndarray) -> Interval:
    return jackknife_t(concordance_weighted, values[:, :2], values[:, -1], correlation_scale(2))


def _icc(values: np.ndarray) -> Interval:
    return jackknife_t(icc_of_subjects, values, values[:, -1], correlation_scale(4))


def _slope(values: np.ndarray) -> Interval:
    size = values[:, :2].mean(axis=1)
    return jackknife_t(slope_weighted, values[:, :2], values[:, -1], PLAIN, importance=(size - size.mean()) ** 2)


def _quotient(values: np.ndarray) -> Interval:
    return jackknife_ratio(values[:, 0], values[:, 1], values[:, -1], LOGARITHM)


def _upper_limit(values: np.ndarray) -> Interval:
    return limit_of_agreement(values[:, 0], values[:, 1], values[:, -1])


def _limit_of_many(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    difference = values[:, 0] - values[:, 1]
    return np.full(len(weights), difference.mean() + 1.96 * difference.std(ddof=1))


INDICES: dict[str, tuple[Callable[[np.ndarray], Interval], Weighted]] = {
    "Lin's concordance": (_concordance, lambda weights, values: concordance_weighted(weights, values[:, :2])),
    "ICC(A,1) of counts": (_icc, icc_of_subjects),
    "slope of the difference": (_slope, lambda weights, values: slope_weighted(weights, values[:, :2])),
    "score over that of raters": (
        _quotient,
        lambda weights, values: weights @ values[:, 0] / (weights @ values[:, 1]),
    ),
    "limit of agreement": (_upper_limit, _limit_of_many),
}
"""Measure -> the package's interval, and the statistic itself, of counts and subjects `(images, 5)`."""

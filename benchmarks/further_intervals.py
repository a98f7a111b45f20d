"""More kinds of intervals whose coverage is measured: of tests of equivalence, and of shifts of unequal groups.

    generator of (n, ...) data, statistic, interval  ->  Kind of `intervals`

As in `intervals`, generators share no code with the package.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
from intervals import Draw, Kind, Row, _equivalence, rows_of

from segassay.statistics.equivalence import ratio_equivalence
from segassay.statistics.groups import hodges_lehmann
from segassay.statistics.intervals import Interval

__all__ = ["kinds", "rows"]


def rows(n_replicates: int, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Coverage of all kinds, each with its own seed."""
    return rows_of(kinds(), n_replicates, sizes)


def kinds() -> Iterator[Kind]:
    """All kinds, in the order of the table."""
    yield from _of_equivalence()
    yield from _of_shifts()


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

"""A small version of the section `intervals` of benchmarks/truthfulness.py, seeded: what covers, and what is caught."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from segassay.statistics.intervals import mean_interval
from segassay.statistics.jackknife import jackknife_t

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import intervals
from interval_kinds import truth_of

KINDS = {(kind.measure, kind.data): kind for kind in intervals.kinds()}
N, DOUBT = 200, 1e-3
HELD = [
    ("mean", "normal"),
    ("mean", "Beta(9, 1)"),
    ("mean", "nine of ten are 1"),
    ("mean", "subjects with 1, 1, 2, 3, 8 images"),
    ("mean", "one subject has half of the images"),
    ("limit of agreement", "normal"),
    ("limit of agreement", "lognormal"),
    ("slope of the difference", "normal"),
    ("Lin's concordance", "normal"),
    ("SEM, repeatability", "normal"),
    ("Fleiss' κ of pixels", "many objects"),
    ("recall, flips, positive agreement", "95 % found"),
    ("score over that of raters", "near 1"),
    ("mean η²", "effect of 0 sd, annotators agree"),
    ("mean η²", "effect of 0.8 sd, annotators agree"),
]


def share_held(name: tuple[str, str], interval: intervals.Callable, n_cases: int) -> int:
    """Number of N intervals that hold the truth."""
    kind = KINDS[name]
    truth, rng = truth_of(kind), np.random.default_rng(n_cases)
    found = [interval(kind.draw(rng, n_cases)) for _ in range(N)]
    return sum(one.low <= truth + 1e-12 and truth <= one.high + 1e-12 for one in found)


@pytest.mark.parametrize("n_cases", [10, 20])
@pytest.mark.parametrize("name", HELD, ids=lambda name: f"{name[0]}, {name[1]}")
def test_intervals_hold_93_percent(name: tuple[str, str], n_cases: int) -> None:
    assert stats.binom.cdf(share_held(name, KINDS[name].interval, n_cases), N, 0.93) > DOUBT


def test_what_was_used_before_is_caught() -> None:
    """BCa for a spread; subjects taken for equal where one has half of the images; ten ones for certain."""
    half, size = ("mean", "one subject has half of the images"), 10
    wrong = {
        ("SEM, repeatability", "lognormal"): bca_of_the_spread,
        half: lambda both: t_of_subjects(both[:, 0], both[:, 1]),
        ("mean", "nine of ten are 1"): lambda x: jackknife_t(mean_weighted, x, np.arange(len(x)), intervals.PLAIN),
    }
    for name, interval in wrong.items():
        assert stats.binom.cdf(share_held(name, interval, size), N, 0.93) < DOUBT, name


def bca_of_the_spread(values: np.ndarray) -> intervals.Interval:
    """BCa of the standard deviation within cases, by scipy, cases drawn together."""
    rows = np.arange(len(values))

    def of_drawn(drawn: np.ndarray, axis: int) -> np.ndarray:
        times = (drawn[..., None] == rows).sum(axis=axis - 1 if axis < 0 else axis)
        return intervals._sd_within(times.reshape(-1, len(rows)), values).reshape(times.shape[:-1])

    found = stats.bootstrap((rows,), of_drawn, n_resamples=1000, method="BCa", vectorized=True, rng=0)
    value = float(intervals._sd_within(np.ones((1, len(rows))), values)[0])
    return intervals.Interval(value, *found.confidence_interval, "BCa", len(rows), 0, False)


def mean_weighted(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.asarray(weights @ values / weights.sum(axis=1))


def t_of_subjects(values: np.ndarray, subjects: np.ndarray) -> intervals.Interval:
    """The usual cluster-robust standard error with the number of subjects less one as degrees of freedom."""
    mean, n = values.mean(), len(np.unique(subjects))
    sums = np.bincount(subjects.astype(int), values - mean)
    reach = stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1) * (sums**2).sum()) / len(values)
    return intervals.Interval(mean, mean - reach, mean + reach, "t", n, 0, False)


def test_an_interval_of_ones_alone_is_wider_than_nothing() -> None:
    assert mean_interval(np.ones(10), np.arange(10), bounds=(0, 1)).low < 0.7

"""Several cases of a subject in an analysis of variance: equal ones are no more than one, and nothing is biased."""

from itertools import product

import numpy as np
import pytest

from segassay.statistics.components import _anova, crossed_components, crossed_mean_squares
from segassay.statistics.reliability import icc_a1, icc_a1_of_subjects

SHAPES = [(18, 4), (18, 3, 2)]


def draw(seed: int, shape: tuple[int, ...], n_per_subject: int) -> tuple[np.ndarray, np.ndarray]:
    """Values with planted variances: subject 1, case .5, rater .5, rest .25; and the subject of each case."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(shape[0] // n_per_subject), n_per_subject)
    of_case = rng.normal(size=subject.max() + 1)[subject] + np.sqrt(0.5) * rng.normal(size=len(subject))
    of_rater = np.sqrt(0.5) * rng.normal(size=shape[1])
    axes = (1,) * (len(shape) - 2)
    values = of_case.reshape(-1, 1, *axes) + of_rater.reshape(1, -1, *axes) + 0.5 * rng.normal(size=shape)
    return values, subject


def anova(values: np.ndarray, subject: np.ndarray | None = None) -> np.ndarray:
    return np.asarray(_anova(crossed_mean_squares(np.ones((1, len(values))), values, subject))[0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(5))
def test_every_case_twice_changes_nothing(shape: tuple[int, ...], seed: int):
    values, subject = draw(seed, shape, 3)
    twice, subjects = np.concatenate([values, values]), np.concatenate([subject, subject])
    once = crossed_components(np.ones((1, len(values))), values, subject)
    np.testing.assert_allclose(
        crossed_components(np.ones((1, len(twice))), twice, subjects), once, rtol=1e-6, atol=1e-9
    )
    assert not np.allclose(crossed_components(np.ones((1, len(twice))), twice), once, rtol=1e-3)


@pytest.mark.parametrize("shape", [(6, 4), (6, 3, 2)])
def test_the_slow_way_takes_one_case_of_each_subject(shape: tuple[int, ...]):
    """Mean over all such choices: each is a sample of independent cases."""
    values, subject = draw(1, (2 * shape[0], *shape[1:]), 2)
    picks = product(*(np.flatnonzero(subject == one) for one in range(shape[0])))
    slow = np.mean([anova(values[list(pick)]) for pick in picks], axis=0)
    np.testing.assert_allclose(anova(values, subject), slow, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_subjects_with_one_case_each_are_the_cases(shape: tuple[int, ...]):
    values, _ = draw(2, shape, 3)
    weights = np.random.default_rng(0).multinomial(18, np.full(18, 1 / 18), size=20)
    ours = crossed_components(weights, values, np.arange(18)[::-1])
    np.testing.assert_array_equal(ours, crossed_components(weights, values))


def test_subjects_drawn_twice_are_two_subjects():
    values, subject = draw(3, (18, 4), 3)
    times = np.array([2, 0, 1, 1, 1, 1])
    rows = np.concatenate([np.flatnonzero(subject == one) for one, n in enumerate(times) for _ in range(n)])
    expected = anova(values[rows], np.repeat(np.arange(6), 3))
    found = _anova(crossed_mean_squares(times[subject][None], values, subject))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_components_have_their_planted_means_where_those_of_cases_are_too_small():
    drawn = [draw(seed, (18, 4), 3) for seed in range(1500)]
    ours = np.mean([anova(values, subject) for values, subject in drawn], axis=0)
    plain = np.mean([anova(values) for values, _ in drawn], axis=0)
    assert ours == pytest.approx([1.5, 0.5, 0.25], abs=0.06)
    assert plain[0] < 1.4


def test_the_correlation_of_published_judges_stays():
    """Shrout & Fleiss (1979), ICC(A,1) .2898; and the same with every target twice."""
    scores = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    assert icc_a1(scores) == pytest.approx(0.2898, abs=5e-5)
    twice, subject = np.vstack([scores, scores]), np.tile(np.arange(6), 2)
    assert icc_a1_of_subjects(np.ones((1, 12)), twice, subject)[0] == pytest.approx(icc_a1(scores))
    assert abs(icc_a1(twice) - icc_a1(scores)) > 0.005


@pytest.mark.parametrize("subject", [np.zeros(6), np.repeat([0, 1], 3), np.tile([0, 1], 3)])
def test_few_subjects_and_equal_ones_are_finite(subject: np.ndarray):
    values = np.array([[1.0, 2.0], [2.0, 3.5], [4.0, 4.0], [1.0, 2.0], [2.0, 3.5], [4.0, 4.0]])
    assert np.isfinite(crossed_components(np.ones((1, 6)), values, subject)).all()
    assert (crossed_components(np.ones((1, 6)), np.ones((6, 2)), subject) == 0).all()

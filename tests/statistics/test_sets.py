"""Sets of predictions beside raters: closed forms, integrals, all permutations, and nothing at all."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segassay.statistics.sets import best_agreement, crps, matched_agreement


def test_by_hand():
    """Mean |x - 1| = (2 + 1 + 1) / 3; all nine |x - x'| sum to 2 (1 + 3 + 2) = 12, half their mean is 2/3."""
    assert crps([-1.0, 0.0, 2.0], [1.0]) == pytest.approx(4 / 3 - 12 / 18)


def test_of_a_normal_sample_as_in_closed_form():
    """Gneiting & Raftery (2007), eq. 21: of N(0, 1) at y, y (2 Φ(y) - 1) + 2 φ(y) - 1/√π."""
    sample = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    for y in (0.0, 0.7, -2.0):
        closed = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
        assert crps(sample, [y]) == pytest.approx(closed, abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_the_integral_of_squared_steps(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 30, 6).astype(float), rng.integers(0, 30, 3).astype(float)
    edges = np.arange(-1, 32)
    expected = [sum(((x <= t).mean() - float(one <= t)) ** 2 for t in edges) for one in y]  # whole steps of width 1
    assert crps(x, y) == pytest.approx(np.mean(expected))


@given(st.integers(0, 999), st.integers(1, 5), st.integers(1, 4))
def test_matched_is_the_best_of_all_permutations(seed, n_models, n_raters):
    matrix = np.random.default_rng(seed).random((n_models, n_raters))
    padded = np.vstack([matrix, np.zeros((n_raters, n_raters))])
    every = [np.mean([padded[i, r] for r, i in enumerate(of)]) for of in permutations(range(len(padded)), n_raters)]
    assert matched_agreement(matrix) == pytest.approx(max(every))
    assert matched_agreement(matrix) <= best_agreement(matrix) + 1e-12


def test_many_cases_at_once_and_unknown_numbers():
    values = np.random.default_rng(0).random((5, 3, 2))
    values[2, 0, 0] = np.nan
    for measure in (best_agreement, matched_agreement):
        found = measure(values)
        assert np.isnan(found).tolist() == [False, False, True, False, False]
        assert found[4] == measure(values[4])
    np.testing.assert_array_equal(crps([[1.0, 3.0], [np.nan, 3.0]], [[2.0, np.nan], [2.0, 2.0]]), [0.5, np.nan])


def test_nothing():
    assert np.isnan(best_agreement(np.empty((0, 2))))
    assert np.isnan(matched_agreement(np.empty((2, 0))))
    assert np.isnan(crps([1.0], [np.nan]))
    assert np.isnan(crps([1.0], []))
    with pytest.raises(ValueError, match="at least one sample"):
        crps([], [1.0])

"""Sign flips: Darwin's plants, scipy, subjects as units, and nothing to flip."""

import numpy as np
import pytest
from scipy import stats

from segassay.statistics.permutation import EXACT_UP_TO, sign_flip_p

DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def test_darwins_plants():
    """Fisher (1935): 863 of 32,768 combinations of signs have a sum of 314 or more."""
    assert sign_flip_p(DARWIN) == 2 * 863 / 32768


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_scipy(seed):
    values = np.random.default_rng(seed).normal(0.3, 1, 9).round(1)
    found = stats.permutation_test((values,), np.sum, permutation_type="samples", alternative="two-sided")
    assert sign_flip_p(values) == pytest.approx(found.pvalue)


def test_random_signs_come_near_the_exact_p():
    values = np.random.default_rng(7).normal(0.3, 1, EXACT_UP_TO + 1)
    signs = 1 - 2 * (np.arange(2**16)[:, None] >> np.arange(16) & 1)
    exact = (np.abs(signs @ values) >= abs(values.sum()) - 1e-9).mean()
    assert sign_flip_p(values) == pytest.approx(exact, abs=0.01)
    assert sign_flip_p(values) == sign_flip_p(values)


def test_names_order_and_which_is_first_do_not_matter():
    rng = np.random.default_rng(5)
    values = rng.normal(0.4, 1, 3 * EXACT_UP_TO)
    subject = np.repeat(np.arange(EXACT_UP_TO + 5), 3)[: len(values)]
    order, renamed = rng.permutation(len(values)), rng.permutation(100)[subject]
    for differences, clusters in ((values, None), (values, subject)):
        p = sign_flip_p(differences, clusters)
        assert sign_flip_p(-differences, clusters) == p
        assert sign_flip_p(differences[order], None if clusters is None else clusters[order]) == p
    assert sign_flip_p(values, renamed) == sign_flip_p(values, subject)


def test_false_alarms_stay_at_the_level_for_skewed_subjects_of_unequal_size():
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(10), rng.integers(1, 6, 10))
    wrong = []
    for _ in range(400):
        sign, size = rng.choice([-1, 1], 10), rng.lognormal(0, 1, 10)
        wrong.append(sign_flip_p((sign * size)[subject], subject) <= 0.05)
    assert np.mean(wrong) < 0.075


def test_repeated_cases_of_a_subject_change_nothing():
    values = np.array([0.1, 0.3, -0.2, 0.4, 0.2])
    twice = sign_flip_p(np.tile(values, 2), np.tile(np.arange(5), 2))
    assert twice == sign_flip_p(values)
    assert sign_flip_p(np.tile(values, 2)) < twice  # cases as units would be more certain


def test_nothing():
    assert np.isnan(sign_flip_p([]))
    assert np.isnan(sign_flip_p([np.nan, np.nan]))
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1
    assert sign_flip_p([0.5]) == 1
    with pytest.raises(ValueError, match="one difference and cluster per case"):
        sign_flip_p([1.0, 2.0], [1])

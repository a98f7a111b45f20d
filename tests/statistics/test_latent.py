"""Latent classes: published fits, and a generator whose classes are known."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from segassay.selftest.published_data import SLIDES, VOTES_ON_SLIDES
from segassay.statistics.latent import latent_classes, most_likely_classes


@pytest.mark.parametrize(("n_classes", "log_likelihood", "bic"), [(2, -317.2568, 706.0739), (3, -293.705, 697.1357)])
def test_fits_equal_those_that_are_published_with_polca(n_classes: int, log_likelihood: float, bic: float) -> None:
    """118 slides by seven pathologists."""
    found = latent_classes(VOTES_ON_SLIDES, np.array(list(SLIDES.values())), n_classes, all_seen=True)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=5e-3)
    assert found.bic == pytest.approx(bic, abs=1e-2)


def frequencies(shares: list[float], rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each pattern with a vote is expected, of 1000 objects that exist."""
    votes = np.array(list(product([0, 1], repeat=rates.shape[1])))[1:]
    each = np.prod(np.where(votes[:, None, :] > 0, rates, 1 - rates), axis=2) @ np.array(shares)
    return votes, 1000 * each


def test_classes_are_found_though_nobody_sees_what_all_miss() -> None:
    rates = np.array([[0.1, 0.05, 0.2, 0.1], [0.9, 0.8, 0.95, 0.6]])
    votes, counts = frequencies([0.3, 0.7], rates)
    found = latent_classes(votes, counts, 2)
    np.testing.assert_allclose(found.rates, rates, atol=0.02)
    np.testing.assert_allclose(found.shares, [0.3, 0.7], atol=0.03)


@pytest.mark.parametrize("n_true", [1, 2])
def test_no_more_classes_are_taken_than_the_votes_tell(n_true: int) -> None:
    rates = np.array([[0.15] * 5, [0.85] * 5])[:n_true]
    votes, counts = frequencies([1 / n_true] * n_true, rates)
    best = most_likely_classes(votes, counts)
    assert best is not None
    assert len(best.shares) == n_true


def test_of_three_raters_nothing_can_be_told() -> None:
    votes, counts = frequencies([1.0], np.array([[0.5, 0.5, 0.5]]))
    assert most_likely_classes(votes, counts) is None


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="a count each"):
        latent_classes(np.ones((2, 4)), np.ones(3), 1)
    with pytest.raises(ValueError, match="all_seen"):
        latent_classes(np.array([[0, 0, 0], [1, 1, 1]]), np.ones(2), 1)


def test_raters_who_are_alike_give_a_mixture_of_binomials_truncated_at_zero() -> None:
    """Counts of votes alone: 0.3 of objects with a rate of 0.2, the others with 0.9."""
    n_raters = 8
    votes = np.tri(n_raters)
    expected = sum(
        share * binom.pmf(np.arange(1, n_raters + 1), n_raters, rate) for share, rate in ((0.3, 0.2), (0.7, 0.9))
    )
    found = most_likely_classes(votes, 5000 * expected, alike=True)
    assert found is not None
    np.testing.assert_allclose(found.rates, np.repeat([[0.2], [0.9]], n_raters, axis=1), atol=0.01)
    np.testing.assert_allclose(found.shares, [0.3, 0.7], atol=0.01)
    assert found.bic == pytest.approx(-2 * found.log_likelihood + 3 * np.log(found.n_observed))

"""The best possible agreement with a rater: Spearman's correction, a factor model, and careless raters."""

import numpy as np
import pytest

from segassay.statistics.attenuation import agreement_ceilings


def test_spearman_s_correction_for_attenuation() -> None:
    """Spearman 1904: the true correlation of two traits is the observed one by the root of their reliabilities.

    With x measured twice (x, x', which correlate by .64) and y without error, r(x, y) = .8 r(true x, y): here y is what
    is there, so that the ceiling of x is √.64.
    """
    c = agreement_ceilings(np.array([[1, 0.64, 0.8], [0.64, 1, 0.8], [0.8, 0.8, 1]]))
    assert c == pytest.approx([0.8, 0.8, 1.0])


def test_the_loadings_of_one_factor_are_found_again() -> None:
    loadings = np.array([0.9, 0.8, 0.7, 0.95, 0.5])
    assert agreement_ceilings(np.outer(loadings, loadings)) == pytest.approx(loadings)


def test_equal_to_the_factor_analysis_of_simulated_raters() -> None:
    """Correlations of raters with independent errors; the ceiling is the correlation with what is there."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=20_000)
    raters = truth + rng.normal(size=(4, truth.size)) * np.array([0.3, 0.5, 0.8, 1.2])[:, None]
    expected = [np.corrcoef(truth, rater)[0, 1] for rater in raters]
    assert agreement_ceilings(np.corrcoef(raters)) == pytest.approx(expected, abs=0.01)


def test_one_careless_rater_moves_nobody_else_s_ceiling() -> None:
    loadings = np.array([0.8, 0.8, 0.8, 0.8, 0.0])
    assert agreement_ceilings(np.outer(loadings, loadings))[:4] == pytest.approx(0.8)


def test_nothing_to_compare() -> None:
    assert np.isnan(agreement_ceilings(np.full((2, 2), 0.5))).all()
    assert np.isnan(agreement_ceilings(np.full((3, 3), np.nan))).all()
    assert agreement_ceilings(np.empty((0, 3, 3))).shape == (0, 3)
    with pytest.raises(ValueError, match="raters"):
        agreement_ceilings(np.zeros((2, 3)))


def test_order_of_raters_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    square = rng.uniform(0.3, 0.9, (5, 5))
    square = (square + square.T) / 2
    order = rng.permutation(5)
    assert agreement_ceilings(square[np.ix_(order, order)]) == pytest.approx(agreement_ceilings(square)[order])

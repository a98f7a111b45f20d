"""Selective risk of images: published, by hand, by sorting drawn images, and uncertainties that tell nothing."""

import numpy as np
import pandas as pd
import pytest

from segassay.qualities.reliability.selective import image_aurc, selective_risk
from segassay.qualities.scores.table import Agreement
from segassay.simulation.study_tables import SimulatedStudy, simulate_tables


def test_by_hand():
    """Kept one by one: .0, .2, .6 have the mean risks 0, .1 and .8/3."""
    values = np.array([[0.9, 0.6], [0.1, 0.0], [0.5, 0.2]])
    assert image_aurc(np.ones((1, 3)), values)[0] == pytest.approx((0 + 0.1 + 0.8 / 3) / 3)


@pytest.mark.parametrize(
    ("risks", "published"),
    [
        (np.arange(1, 101) % 2, 0.48281112575762547),
        (np.linspace(1, 0, 100), 0.2475),
        (np.repeat([0.8, 0.6, 0.4, 0.2], 25), 0.3182085320116945),
        (np.zeros(100), 0.0),
    ],
)
def test_published_areas_of_fd_shifts(risks, published):
    """Images from the least to the most certain; fd-shifts draws lines from level 0 on, which is half a step less."""
    mean_risk = image_aurc(np.ones((1, 100)), np.stack([-np.arange(100), risks], axis=1))[0]
    assert mean_risk - (risks.mean() - risks[-1]) / 200 == pytest.approx(published, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_sorting_drawn_images(seed):
    rng = np.random.default_rng(seed)
    values = np.stack([rng.permutation(9), rng.random(9)], axis=1)
    weights = rng.multinomial(9, np.full(9, 1 / 9), size=6)
    for found, times in zip(image_aurc(weights, values), weights, strict=True):
        drawn = np.repeat(values, times, axis=0)
        risks = drawn[np.argsort(drawn[:, 0], kind="stable"), 1]
        assert found == pytest.approx(np.mean([risks[: k + 1].mean() for k in range(9)]))


def test_an_uncertainty_that_tells_nothing_is_a_random_order():
    """Constant uncertainty, in whatever order the good images were listed first, gets the mean risk and no less."""
    risk = np.array([0.0, 0.1, 0.2, 0.9])
    assert image_aurc(np.ones((1, 4)), np.stack([np.ones(4), risk], axis=1))[0] == pytest.approx(risk.mean())
    good, bad = (image_aurc(np.ones((1, 4)), np.stack([sign * risk, risk], axis=1))[0] for sign in (1, -1))
    assert good < risk.mean() < bad


def test_rows_of_a_study():
    raters = {"log_count_bias": (-0.3, 0.0, 0.1, 0.3), "agreeableness": (0.0,) * 4}
    study = simulate_tables(SimulatedStudy(**raters, n_subjects=2, n_regions=1, n_consensus_seeds=4))
    tables = study.tables
    agreement = Agreement(tables.agreement, tables.leave_one_out)
    arguments = (agreement, tables.uncertainty, tables.counts, study.annotations, study.clusters)
    found = selective_risk(*arguments)
    assert set(found["measure"]) == {"image_aurc_dice"}
    assert found["note"].str.contains("by the disagreement of the models; against C₋r; a random order gives").any()
    assert found["note"].str.contains("by the mean of the uncertainty map").any()
    best = found["note"].str.extract(r"the best (\S+)$")[0].astype(float)
    assert (found["value"] >= best - 1e-3).all()


def test_nothing():
    assert np.isnan(image_aurc(np.zeros((1, 2)), np.array([[0.1, 0.2], [0.3, 0.4]]))[0])
    empty = pd.DataFrame(columns=["case", "annotator", "sum_uncertainty", "n_pixels"])
    pairs = pd.DataFrame(columns=["case", "annotator_a", "annotator_b", "rater", "annotator", "iou_threshold", "dice"])
    nobody = pd.DataFrame(columns=["case", "annotator", "kind", "strategy", "trained_on", "seed", "fold", "held_out"])
    no_clusters = pd.Series(dtype=object)
    assert selective_risk(Agreement(pairs, pairs), empty, empty, nobody, no_clusters).empty

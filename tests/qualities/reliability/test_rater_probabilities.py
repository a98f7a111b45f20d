"""Probabilities against every rater: by hand, on whole arrays, against sklearn, and maps that are no probabilities."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss

from segassay.qualities.reliability.rater_probabilities import dice_of_shares, probabilities_of_raters
from segassay.tables.maps import vote_bins

COLUMNS = ["case", "annotator", "level", "n_raters", "n_marked", "n_pixels", "sum_prob", "sum_squared_prob"]


def scored(maps: list[np.ndarray], raters: list[np.ndarray], name: str = "m") -> pd.DataFrame:
    """Rows of one annotator from maps `(*spatial)` and masks `(R, *spatial)` of each case."""
    rows = []
    for i, (prob, masks) in enumerate(zip(maps, raters, strict=True)):
        counted = np.ones(prob.shape, dtype=bool)
        rows += [(str(i), name, *row) for row in vote_bins(prob, masks.sum(axis=0), len(masks), counted)]
    cases = [str(i) for i in range(len(maps))]
    table = pd.DataFrame(rows, columns=COLUMNS)
    found = probabilities_of_raters(table, pd.Series(cases, cases))
    return found.set_index("measure")


def drawn(seed: int, n_raters: int = 5) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    maps = [rng.beta(0.4, 0.9, (12, 15)) for _ in range(6)]
    return maps, [rng.random((n_raters, *one.shape)) < one for one in maps]


def test_by_hand():
    """p = .9 where both raters marked, .2 where one of them did, 0 elsewhere."""
    found = scored([np.array([0.9, 0.2, 0.0, 0.0])], [np.array([[1, 1, 0, 0], [1, 0, 0, 0]], dtype=bool)])
    # at .1: two and two pixels; from .2 to .4 one of two is left; from .5 to .8 one and one; at .9 none of one
    assert found.loc["dice_of_shares", "value"] == pytest.approx((1 + 3 * 2 / 3 + 4 * 1 + 0) / 9)
    assert found.loc["brier_of_raters", "value"] == pytest.approx((0.01 + (0.64 + 0.04) / 2) / 4)
    assert found.loc["brier_of_raters", "note"] == "no map can be below 0.0625, as raters disagree"
    assert found.loc["ece_of_raters", "value"] == pytest.approx((0.1 + 0.3) / 4)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_whole_arrays(seed):
    maps, raters = drawn(seed)
    found = scored(maps, raters)
    dice, brier = [], []
    for prob, masks in zip(maps, raters, strict=True):
        share = masks.mean(axis=0)
        of_threshold = []
        for t in np.arange(1, 10) / 10:
            a, b = prob > t, share > t + 1e-9
            of_threshold.append(2 * (a & b).sum() / (a.sum() + b.sum()) if (a | b).any() else 1.0)
        dice.append(np.mean(of_threshold))
        brier.append(brier_score_loss(masks.ravel(), np.broadcast_to(prob, masks.shape).ravel()))
    assert found.loc["dice_of_shares", "value"] == pytest.approx(np.mean(dice))
    assert found.loc["brier_of_raters", "value"] == pytest.approx(np.mean(brier))
    p, y = np.concatenate([np.broadcast_to(m, r.shape).ravel() for m, r in zip(maps, raters, strict=True)]), None
    y = np.concatenate([r.ravel() for r in raters])
    level = np.ceil(p * 10).astype(int)
    ece = sum(abs(y[level == i].sum() - p[level == i].sum()) for i in np.unique(level)) / len(p)
    assert found.loc["ece_of_raters", "value"] == pytest.approx(ece)


def test_one_raters_mask_is_no_probability():
    """A copy of one rater is certain where raters disagree; the share of all is calibrated and as good as can be."""
    _, raters = drawn(4)
    share = scored([masks.mean(axis=0) for masks in raters], raters)
    copy = scored([masks[0].astype(float) for masks in raters], raters)
    assert share.loc["dice_of_shares", "value"] == 1
    assert share.loc["ece_of_raters", "value"] == pytest.approx(0, abs=1e-12)
    assert f"{share.loc['brier_of_raters', 'value']:.3g}" in share.loc["brier_of_raters", "note"]
    assert copy.loc["dice_of_shares", "value"] < 0.8
    assert copy.loc["ece_of_raters", "value"] > 0.05
    assert copy.loc["brier_of_raters", "value"] > 1.2 * share.loc["brier_of_raters", "value"]


def test_probabilities_squeezed_to_one_half_keep_their_mask_and_lose_their_meaning():
    maps, raters = drawn(5)
    honest, squeezed = scored(maps, raters), scored([0.5 + (m - 0.5) / 10 for m in maps], raters)
    assert squeezed.loc["dice_of_shares", "value"] < honest.loc["dice_of_shares", "value"] - 0.1
    assert squeezed.loc["ece_of_raters", "value"] > honest.loc["ece_of_raters", "value"] + 0.1


def test_shares_at_a_threshold_are_not_above_it_for_any_number_of_raters():
    for n_raters in range(1, 31):
        for n_marked in range(n_raters + 1):
            exact = [10 * n_marked > n_raters * step for step in range(1, 10)]
            level = sum(exact)
            assert dice_of_shares([level], [n_marked / n_raters], [1]) == 1, (n_marked, n_raters)


def test_nothing():
    assert probabilities_of_raters(pd.DataFrame(columns=COLUMNS), pd.Series(dtype=object)).empty
    assert np.isnan(dice_of_shares([], [], []))
    empty = scored([np.zeros((3, 3))], [np.zeros((2, 3, 3), dtype=bool)])
    assert empty["value"].tolist() == [1, 0, 0]

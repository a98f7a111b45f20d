"""FROC from bins of the score: the curve of all objects with rounded scores, drawn objects, and what has none."""

import numpy as np
import pandas as pd
import pytest

from segassay.masks.free_response import froc, mean_sensitivity
from segassay.qualities.validity.free_response import free_response, mean_sensitivity_weighted
from segassay.tables.detections import N_SCORE_BINS, detection_bins


def counted(scores: list[np.ndarray], matched: list[np.ndarray], n_objects: list[int]) -> np.ndarray:
    """`(N, 3, bins)` of the objects of each image."""
    counts = np.zeros((len(scores), 3, N_SCORE_BINS))
    for of_image, score, is_matched, n in zip(counts, scores, matched, n_objects, strict=True):
        np.add.at(of_image[0], score[is_matched], 1)
        np.add.at(of_image[1], score[~is_matched], 1)
        of_image[2] = n
    return counts


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_the_curve_of_all_objects(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = [rng.integers(0, N_SCORE_BINS, rng.integers(0, 12)) for _ in range(6)]
    matched = [rng.random(len(of)) < 0.6 for of in scores]
    n_objects = [int(of.sum()) + 2 for of in matched]
    drawn = np.array([2, 0, 1, 1, 3, 0])
    twice = np.repeat(np.arange(6), drawn)
    curve = froc(
        np.concatenate([scores[at] for at in twice]),
        np.concatenate([matched[at] for at in twice]),
        n_objects=sum(n_objects[at] for at in twice),
        n_images=len(twice),
    )
    found = mean_sensitivity_weighted(drawn[None], counted(scores, matched, n_objects))
    assert found == pytest.approx([mean_sensitivity(*curve)])


def test_objects_are_scored_by_their_mean_probability_and_matched_once() -> None:
    labels, reference = np.zeros((6, 20), dtype=int), np.zeros((6, 20), dtype=int)
    labels[:3, :4], labels[:3, 8:12], labels[5, 19] = 3, 7, 9  # hit, miss, and too small
    reference[:3, :4], reference[:3, 15:18] = 1, 2
    prob = np.where(labels == 3, 0.95, np.where(labels == 7, 0.5, 0.1))
    rows = {number: rest for number, *rest in detection_bins(labels, prob, reference, min_size=5)}
    assert rows[18] == [1, 0, 2]  # .90 to .95
    assert rows[9] == [0, 1, 2]  # .45 to .50
    assert sum(matched + false for matched, false, _ in rows.values()) == 2
    assert list(detection_bins(labels * 10**8, prob, reference, min_size=5)) == [(n, *rest) for n, rest in rows.items()]


def test_without_objects_or_maps_there_is_no_number() -> None:
    assert np.isnan(mean_sensitivity_weighted(np.ones((1, 2)), np.zeros((2, 3, N_SCORE_BINS)))).all()
    columns = ["case", "annotator", "reference", "bin", "n_matched", "n_false", "n_objects"]
    assert free_response(pd.DataFrame(columns=columns), pd.Series(dtype=object)).empty
    blank = np.zeros((3, 3), dtype=int)
    assert [row[1:] for row in detection_bins(blank, blank.astype(float), blank)] == [(0, 0, 0)] * N_SCORE_BINS
    full = np.ones((3, 3), dtype=int)
    assert sum(row[1] for row in detection_bins(full, full.astype(float), full)) == 1

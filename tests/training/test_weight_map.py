"""Weights of pixels: by hand, against the definition on all pixels and objects, and on real masks."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from drawing import draw
from segassay.io.images import read_mask
from segassay_monai.training.weight_map import REACH, weight_map


def by_definition(labels: np.ndarray, gaps: float, spacing: tuple[float, ...] | None = None) -> np.ndarray:
    """Falk et al. (2019), with the distance of every pixel to every object."""
    distances = [ndimage.distance_transform_edt(labels != n, sampling=spacing) for n in np.unique(labels[labels > 0])]
    d1, d2 = np.sort([*distances, np.full(labels.shape, np.inf), np.full(labels.shape, np.inf)], axis=0)[:2]
    balance = np.where(labels > 0, 1, 0.1 + 0.9 * np.exp(-(d1**2) / 200))
    return balance + gaps * np.where(labels > 0, 0, np.exp(-((d1 + d2) ** 2) / 72))


def random_labels(shape: tuple[int, ...], n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, dtype=np.int32)
    for number in range(1, n + 1):
        centre, radius = rng.uniform(0, shape), rng.uniform(1, 4)
        offsets = np.indices(shape) - centre.reshape(-1, *[1] * len(shape))
        labels[((offsets**2).sum(axis=0) <= radius**2) & (labels == 0)] = number
    return labels


def test_a_gap_of_two_pixels_by_hand():
    weight = weight_map(draw("#..#"), gaps=50)[0]
    rim = 0.1 + 0.9 * np.exp(-1 / 200)
    np.testing.assert_allclose(weight, [1, rim + 50 * np.exp(-9 / 72), rim + 50 * np.exp(-9 / 72), 1], rtol=1e-6)


@given(st.integers(0, 6), st.integers(0, 2**20))
def test_equals_the_definition_up_to_what_lies_beyond_the_reach(n, seed):
    labels = random_labels((90, 70), n, seed)
    np.testing.assert_allclose(weight_map(labels, 50), by_definition(labels, 50), atol=50 * np.exp(-(REACH**2) / 72))


@pytest.mark.parametrize("spacing", [None, (3.0, 1.0, 1.0), (1.0, 0.5, 2.0)])
def test_volumes_and_distances_between_their_pixels(spacing):
    labels = random_labels((14, 40, 44), 6, seed=1)
    found, expected = weight_map(labels, 50, spacing), by_definition(labels, 50, spacing)
    assert (expected > 3).any()
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_gaps_weigh_nothing_where_lambda_is_0():
    labels = random_labels((60, 60), 5, seed=2)
    np.testing.assert_allclose(weight_map(labels, 0), by_definition(labels, 0), rtol=1e-6)
    assert weight_map(labels, 0).max() == 1


def test_without_two_objects_there_is_no_gap():
    assert (weight_map(np.zeros((5, 6), bool), 50) == np.float32(0.1)).all()
    assert weight_map(draw("#........."), 50).max() == 1
    assert (weight_map(np.ones((4, 4), bool), 50) == 1).all()


def test_touching_at_a_corner_is_one_object_in_a_mask_and_two_in_a_label_image():
    mask = draw("#. .#")
    assert weight_map(mask, 50).max() == 1
    assert weight_map(mask.astype(np.int32) * [[1, 0], [0, 2]], 50).max() > 40


def test_turning_the_label_turns_the_weights():
    labels = random_labels((50, 70), 6, seed=3)
    np.testing.assert_allclose(weight_map(labels.T[::-1], 50), weight_map(labels, 50).T[::-1], rtol=1e-6)


def test_a_real_image_weighs_most_between_its_objects(data_dir: Path):
    mask = read_mask(next(iter(sorted((data_dir / "segebarth2020/lab-wue1/labels/est_GT").iterdir())))) > 0
    weight = weight_map(mask, 50)
    assert weight[mask].max() == 1
    assert weight[~mask].max() > 5

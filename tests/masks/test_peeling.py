"""Rim and centre lines by peeling are those by distance, for masks of any shape, depth and number of axes."""

import numpy as np
import pytest
from scipy import ndimage

from segassay.masks import peeling
from segassay.masks.boundaries import centre_lines, rim
from segassay.masks.peeling import rim_and_centre_lines

SHAPES = [(1,), (64,), (65,), (200,), (1, 1), (3, 64), (64, 3), (17, 130), (70, 63), (2, 5, 66), (9, 11, 7)]


def blobs(shape: tuple[int, ...], seed: int, share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.uniform_filter(rng.random(shape), size=5)
    return smooth > np.quantile(smooth, 1 - share)


@pytest.mark.parametrize("width", [1, 2, 5, 40])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_peeling_equals_the_distance_to_the_background(shape, width):
    for seed, share in enumerate((0.05, 0.4, 0.9)):
        mask = blobs(shape, seed, share)
        of_rim, line = rim_and_centre_lines(mask, width)
        np.testing.assert_array_equal(of_rim, rim(mask, width))
        np.testing.assert_array_equal(line, centre_lines(mask))


@pytest.mark.parametrize("value", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_empty_and_a_full_mask(shape, value):
    mask = np.full(shape, value)
    of_rim, line = rim_and_centre_lines(mask, 1)
    np.testing.assert_array_equal(of_rim, rim(mask, 1))
    np.testing.assert_array_equal(line, mask)


@pytest.mark.parametrize("side", [peeling._MOST_LAYERS * 2 + extra for extra in (-2, -1, 0, 1, 2, 9)])
def test_objects_as_deep_as_are_peeled_and_deeper(side):
    mask = np.zeros((90, 99), dtype=bool)
    mask[3 : 3 + side, 20 : 20 + side] = mask[70:72, :9] = True
    for width in (1, 23, 24, 25, 30):
        of_rim, line = rim_and_centre_lines(mask, width)
        np.testing.assert_array_equal(of_rim, rim(mask, width))
        np.testing.assert_array_equal(line, centre_lines(mask))


def test_a_mask_that_is_a_view_of_another_order():
    mask = blobs((40, 70), 3, 0.3).T[::-1]
    of_rim, line = rim_and_centre_lines(mask, 2)
    np.testing.assert_array_equal(of_rim, rim(np.ascontiguousarray(mask), 2))
    np.testing.assert_array_equal(line, centre_lines(np.ascontiguousarray(mask)))

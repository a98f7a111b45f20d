"""Neighbours of each pixel, compared with the filters of scipy."""

import numpy as np
import pytest
from scipy import ndimage

from segassay.masks.neighbours import alike_around, largest_around


@pytest.mark.parametrize("shape", [(1,), (1, 1), (2, 3), (17, 11), (5, 1, 9), (6, 7, 8)])
@pytest.mark.parametrize("n_values", [1, 2, 5, 60])
def test_equal_to_the_filters_of_scipy(shape: tuple[int, ...], n_values: int) -> None:
    rng = np.random.default_rng(n_values)
    for values in (rng.integers(0, n_values, shape), np.repeat(rng.integers(0, n_values, shape), 4, axis=0)):
        largest = ndimage.maximum_filter(values, 3)
        np.testing.assert_array_equal(largest_around(values), largest)
        np.testing.assert_array_equal(alike_around(values), largest == ndimage.minimum_filter(values, 3))


def test_the_array_given_stays_as_it_is() -> None:
    values = np.arange(12).reshape(3, 4)
    largest_around(values), alike_around(values)
    np.testing.assert_array_equal(values, np.arange(12).reshape(3, 4))

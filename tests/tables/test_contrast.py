"""The background of an image: the same from counted grey values as from sorted ones."""

import numpy as np
import pytest

from segassay.tables.contrast import background_of


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("n", [100, 101, 5000, 5001])
def test_grey_values_are_counted_as_if_they_were_sorted(dtype: type, n: int):
    values = np.random.default_rng(n).choice([0, 1, 2, 7, 200, np.iinfo(dtype).max], n).astype(dtype)
    assert background_of(values) == background_of(values.astype(np.int64))


def test_the_median_lies_between_the_two_in_the_middle():
    values = np.repeat(np.array([10, 13, 200], dtype=np.uint8), [50, 45, 5])
    level, spread = background_of(values)
    assert level == 11.5
    assert spread == round(1.4826 * 1.5, 12)


def test_a_background_of_one_value_has_no_spread():
    assert background_of(np.full(500, 7, dtype=np.uint8)) is None
    assert background_of(np.arange(99, dtype=np.uint8)) is None

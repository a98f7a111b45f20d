"""Masks as words of 64 pixels: places are those of the mask itself."""

import numpy as np
import pytest

from segassay.masks.words import packed, places


@pytest.mark.parametrize("shape", [(3,), (5, 64), (7, 65), (4, 130), (2, 3, 200)], ids=str)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.7, 1.0])
def test_places_are_those_of_the_mask(shape, share):
    mask = np.random.default_rng(len(shape)).random(shape) < share
    np.testing.assert_array_equal(places(packed(mask), shape[-1]), np.flatnonzero(mask))

"""One object strip by strip: the same numbers as of the whole."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from segassay.masks.large_objects import large_object_properties
from segassay.masks.properties import object_properties


@pytest.mark.parametrize("shape", [(37, 23), (9, 14, 11)])
@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("height", [1, 4, 99])
def test_strips_give_what_the_whole_object_gives(shape: tuple[int, ...], spaced: bool, height: int) -> None:
    rng = np.random.default_rng(len(shape))
    mask = ndimage.gaussian_filter(rng.normal(size=shape), 1) > 0.05
    mask[0] = mask[shape[0] // 2] = False  # strips without a pixel, and an object in two pieces
    image, prob = rng.integers(0, 4000, (2, *shape)).astype(np.uint16), rng.random(shape).astype(np.float32)
    spacing = (2.0, 0.5, 0.25)[-len(shape) :] if spaced else None
    expected = object_properties(mask * np.int32(5), image, prob, spacing)
    cuts = [slice(start, start + height) for start in range(0, shape[0], height)]
    strips = [(mask[cut], image[:, cut], prob[cut]) for cut in cuts]
    found = large_object_properties(5, strips, spacing, axes="zyx"[-len(shape) :])
    pd.testing.assert_frame_equal(found.drop(columns="touches_border"), expected.drop(columns="touches_border"))

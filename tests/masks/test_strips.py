"""Objects of a mask in strips; those of the whole mask are the second implementation."""

import numpy as np
import pytest

from drawing import draw
from segassay.masks.objects import label_objects
from segassay.masks.strips import StripLabels


def in_strips(mask: np.ndarray, height: int, min_size: int = 0) -> np.ndarray:
    labels = StripLabels()
    parts = [labels.add(mask[start : start + height]) for start in range(0, len(mask), height)]
    final = labels.finish(min_size)
    return np.concatenate([final[part] for part in parts])


def test_arms_that_meet_below_are_one_object() -> None:
    mask = draw("#.#.# #.#.. ###.# ....#")
    np.testing.assert_array_equal(
        in_strips(mask, 1),
        draw("#.#.. #.#.. ###.. .....") + 2 * draw("....# ..... ..... .....") + 3 * draw("..... ..... ....# ....#"),
    )


@pytest.mark.parametrize("share", [0.1, 0.3, 0.4, 0.5, 0.6])
@pytest.mark.parametrize("height", [1, 2, 7, 64, 97])
def test_equal_to_the_whole_mask(share: float, height: int) -> None:
    mask = np.random.default_rng(0).random((97, 83)) < share
    for min_size in (0, 5):
        np.testing.assert_array_equal(in_strips(mask, height, min_size), label_objects(mask, min_size=min_size))


def test_a_spiral_and_a_comb_are_one_object_each() -> None:
    spiral = draw("####### ......# #####.# #...#.# #.###.# #.....# #######")
    comb = np.zeros((8, 41), dtype=bool)
    comb[:, ::2] = True
    comb[-1] = True
    for mask in (spiral, comb):
        for height in (1, 3):
            assert in_strips(mask, height).max() == 1


def test_nothing_marked_is_no_object() -> None:
    assert not in_strips(np.zeros((5, 4), dtype=bool), 2).any()

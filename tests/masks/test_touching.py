"""Touching objects: drawn scenes, and what must hold for every mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segassay.masks.objects import label_objects
from segassay.masks.touching import split_touching


def disc(centre: tuple[float, ...], radius: float, shape: tuple[int, ...] = (80, 120)) -> np.ndarray:
    places = np.indices(shape)
    return sum((place - middle) ** 2 for place, middle in zip(places, centre, strict=True)) <= radius**2


Y, X = np.mgrid[:80, :120]
TWO = disc((40, 40), 14) | disc((40, 64), 14)
RING = disc((40, 50), 25) & ~disc((40, 50), 17)
SCENES = {
    "two discs": (TWO, 2),
    "two discs across": (disc((30, 40), 14) | disc((47, 57), 14), 2),
    "large and small": (disc((40, 40), 20) | disc((40, 68), 10), 2),
    "three in a row": (TWO | disc((40, 88), 14), 3),
    "triangle": (disc((30, 39), 14) | disc((30, 65), 14) | disc((52, 52), 14), 3),
    "two that touch at the edge of the image": (disc((0, 40), 14) | disc((0, 64), 14), 2),
    "two that touch at a corner": (np.kron(np.eye(2), np.ones((12, 12))) > 0, 2),
    "disc": (disc((40, 50), 20), 1),
    "small disc": (disc((40, 50), 3), 1),
    "half a disc at the edge": (disc((0, 50), 20), 1),
    "ellipse": (((Y - 40) / 8) ** 2 + ((X - 50) / 35) ** 2 <= 1, 1),
    "tilted ellipse": (((Y + X - 90) / 12) ** 2 + ((Y - X + 10) / 45) ** 2 <= 1, 1),
    "ring": (RING, 1),
    "thin ring": (disc((40, 50), 25) & ~disc((40, 50), 23), 1),
    "half a ring": (RING & (Y > 40), 1),
    "rectangle": ((np.abs(Y - 40) < 9) & (np.abs(X - 50) < 30), 1),
    "line": (Y == 40, 1),
    "L": (((Y > 60) | (X < 20)), 1),
    "one pixel": ((Y == 40) & (X == 50), 1),
    "all": (np.ones((20, 30), dtype=bool), 1),
    "nothing": (np.zeros((20, 30), dtype=bool), 0),
}


@pytest.mark.parametrize(("mask", "n"), SCENES.values(), ids=SCENES)
def test_drawn_scenes(mask, n):
    labels = split_touching(mask)
    assert labels.dtype == np.int32
    assert labels.max(initial=0) == n
    np.testing.assert_array_equal(labels > 0, mask)


@pytest.mark.parametrize("seed", range(6))
def test_rough_outlines_divide_nothing(seed):
    rough = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(80, 120)), 1.5)
    oval, round_ = np.hypot((Y - 40) / 1.3, X - 55) + 6 * rough, np.hypot(Y - 40, X - 55) + 2 * rough
    for mask in (oval < 22, (round_ < 25) & (round_ > 15)):
        whole = label_objects(mask)
        largest = whole == np.bincount(whole.ravel())[1:].argmax() + 1
        assert split_touching(largest).max() == 1


def test_the_line_runs_through_the_neck():
    labels = split_touching(TWO)
    assert abs(np.flatnonzero(labels[40] == 1).max() - 51.5) <= 1.5
    sizes = np.bincount(labels.ravel())[1:]
    assert sizes.max() / sizes.min() < 1.1


def test_doubt_divides_what_has_no_neck_and_noise_does_not():
    block = (np.abs(Y - 40) < 10) & (np.abs(X - 50) < 20)
    prob = np.where(block, 0.95, 0.05)
    noise = np.random.default_rng(0).normal(0, 0.02, prob.shape)
    assert split_touching(block, np.clip(prob + noise, 0, 1)).max() == 1
    prob[np.abs(X - 50) < 2] *= 0.6
    labels = split_touching(block, prob)
    assert labels.max() == 2
    np.testing.assert_array_equal(labels > 0, block)
    assert split_touching(TWO, np.full(TWO.shape, 0.9)).max() == 2
    assert split_touching(TWO, np.zeros(TWO.shape)).max() == 2, "a probability of 0 inside is odd, but no crash"


def test_objects_below_the_minimum_are_dropped_but_no_part_of_a_larger_one():
    mask = TWO | disc((10, 10), 3)
    n_small = np.count_nonzero(disc((10, 10), 3))
    assert split_touching(mask, min_size=n_small).max() == 3
    assert split_touching(mask, min_size=n_small + 1).max() == 2
    labels = split_touching(mask, min_size=700)  # both discs are smaller, together they are larger
    assert labels.max() == 1
    np.testing.assert_array_equal(labels > 0, TWO)
    uneven = disc((40, 40), 20) | disc((40, 68), 10)
    assert split_touching(uneven, min_size=280).max() == 2
    assert split_touching(uneven, min_size=330).max() == 1


def test_volumes_and_flat_voxels():
    shape = (24, 40, 60)
    two = disc((12, 20, 20), 9, shape) | disc((12, 20, 35), 9, shape)
    assert split_touching(two).max() == 2
    flat = two[::4]
    assert split_touching(flat, spacing=(4, 1, 1)).max() == 2
    np.testing.assert_array_equal(split_touching(flat, spacing=(2, 0.5, 0.5)), split_touching(flat, spacing=(4, 1, 1)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0, 1, 5, 30]), st.booleans())
def test_no_pixel_is_lost_or_added_and_nothing_is_too_small(seed, min_size, with_prob):
    rng = np.random.default_rng(seed)
    prob = ndimage.gaussian_filter(rng.normal(size=rng.integers(1, 50, 2)), 1.5)
    mask = prob > np.quantile(prob, rng.uniform(0.1, 0.9))
    prob = (prob - prob.min()) / max(np.ptp(prob), 1e-9) if with_prob else None
    labels = split_touching(mask, prob, min_size)
    whole = label_objects(mask, min_size=min_size)
    np.testing.assert_array_equal(labels > 0, whole > 0)
    sizes = np.bincount(labels.ravel())[1:]
    assert (sizes >= max(min_size, 1)).all(), "numbers have no gaps, and no object is too small"
    for number in range(1, labels.max() + 1):
        assert len(np.unique(whole[labels == number])) == 1, "parts of different objects are never joined"
    np.testing.assert_array_equal(split_touching(mask, prob, min_size), labels)


def test_wrong_calls():
    with pytest.raises(TypeError, match="boolean"):
        split_touching(TWO.astype(int))
    with pytest.raises(ValueError, match="shape of the mask"):
        split_touching(TWO, np.zeros((3, 3)))
    with pytest.raises(ValueError, match="min_size"):
        split_touching(TWO, min_size=-1)

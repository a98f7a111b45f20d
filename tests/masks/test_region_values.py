"""One value per pixel of classes that overlap: the value whose classes fit the pixel best, by any who writes masks."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segassay.consensus.classes import fuse_classes
from segassay.masks.region_values import values_of_regions
from segassay_monai.ensemble.classes import values_of

NESTED = [(1, 2, 3), (2, 3), (3,)]
CHAIN = [(1, 2), (2, 3)]  # neither lies in the other
SETS = st.lists(st.sets(st.sampled_from([1, 2, 5, 300, 70_000]), min_size=1), min_size=1, max_size=4)


def every_pixel(n_classes: int) -> np.ndarray:
    """Masks `(K, 2^K)` with one pixel for each set of classes."""
    return np.array(list(product([False, True], repeat=n_classes))).T


def fewest_differences(mask: np.ndarray, regions: list[tuple[int, ...]]) -> int:
    """The rule of one pixel, value by value."""
    values = [0, *sorted({value for of_class in regions for value in of_class})]
    wrong = [sum((value in r) != m for r, m in zip(regions, mask, strict=True)) for value in values]
    return values[wrong.index(min(wrong))]


@given(SETS)
def test_equals_the_rule_pixel_by_pixel(sets: list[set[int]]) -> None:
    regions = [tuple(sorted(one)) for one in sets]
    masks = every_pixel(len(regions))
    expected = [fewest_differences(mask, regions) for mask in masks.T]
    assert values_of_regions(masks, regions).tolist() == expected


@pytest.mark.parametrize("regions", [NESTED, CHAIN])
def test_possible_masks_are_read_back_as_they_were(regions: list[tuple[int, ...]]) -> None:
    values = np.array([0, 1, 2, 3, 3, 2])
    masks = np.stack([np.isin(values, of_class) for of_class in regions])
    np.testing.assert_array_equal(values_of_regions(masks, regions), values)


@pytest.mark.parametrize("regions", [NESTED, CHAIN])
def test_a_model_and_a_consensus_write_the_same_masks_in_the_same_way(regions: list[tuple[int, ...]]) -> None:
    masks = every_pixel(len(regions))
    classes = [(f"class {number}", of_class) for number, of_class in enumerate(regions)]
    expected = values_of_regions(masks, regions)
    np.testing.assert_array_equal(values_of(masks, classes), expected)
    raters = [np.array([1, 3, 2, 0]), np.array([3, 3, 0, 0]), np.array([2, 0, 1, 0])]
    fused = fuse_classes(raters, regions, "majority")
    np.testing.assert_array_equal(fused.labels, values_of(fused.prob[1:] > 0.5, classes))


def test_a_model_adds_no_class_that_it_did_not_find() -> None:
    only_second = np.array([[False], [True]])
    assert values_of(only_second, [("a", (1, 2)), ("b", (2, 3))]).tolist() == [3]


def test_of_more_pixels_than_are_looked_at_at_once() -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((3, 400, 500)) > 0.5
    found = values_of_regions(masks, NESTED)
    assert (found.shape, found.dtype) == ((400, 500), np.int32)
    np.testing.assert_array_equal(found[-1, -40:], values_of_regions(masks[:, -1, -40:], NESTED))


def test_empty() -> None:
    assert values_of_regions(np.zeros((2, 0, 4), bool), CHAIN).shape == (0, 4)
    assert not values_of_regions(np.zeros((2, 3), bool), CHAIN).any()
    with pytest.raises(ValueError, match="a mask for each class, got 1 for 2"):
        values_of_regions(np.zeros((1, 3), bool), CHAIN)

"""Outlines along the edges of pixels: drawn cases, and what must hold for every mask."""

import numpy as np
import pytest
from scipy import ndimage

from drawing import draw
from outline_scenes import DRAWN, noise
from rois import filled
from segassay.io.edges import edge_loops, edge_loops_of_labels, edge_loops_of_strips

MASKS = [*DRAWN.values(), *(noise(seed) for seed in range(40))]


def area(loop: np.ndarray) -> float:
    """Shoelace formula."""
    x, y = loop.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


@pytest.mark.parametrize("mask", MASKS)
def test_filled_again_they_give_the_same_pixels(mask: np.ndarray) -> None:
    polygons = edge_loops(mask)
    np.testing.assert_array_equal(filled([loop for polygon in polygons for loop in polygon], mask.shape), mask)
    parts, n = ndimage.label(mask)
    assert len(polygons) == n
    for number, polygon in enumerate(polygons, start=1):
        np.testing.assert_array_equal(filled(polygon, mask.shape), parts == number)


@pytest.mark.parametrize("mask", MASKS)
def test_loops_are_simple_and_turn_the_right_way(mask: np.ndarray) -> None:
    for outer, *holes in edge_loops(mask):
        assert area(outer) > 0
        assert all(area(hole) < 0 for hole in holes)
        for loop in (outer, *holes):
            assert len(np.unique(loop, axis=0)) == len(loop), "a corner is passed once"
            steps = np.roll(loop, -1, axis=0) - loop
            along = steps != 0
            assert (along.sum(axis=1) == 1).all(), "every step is along one axis"
            assert (along != np.roll(along, 1, axis=0)).all(), "and the next one along the other"


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("height", [1, 3])
def test_strip_by_strip_they_are_the_same(mask: np.ndarray, height: int) -> None:
    """Parts that meet only further down, and corners at the border of two strips."""
    expected = edge_loops(mask)
    found = edge_loops_of_strips(mask[start : start + height] for start in range(0, len(mask), height))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert [loop.tolist() for loop in ours] == [loop.tolist() for loop in theirs]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
@pytest.mark.parametrize("n_labels", [1, 2, 5])
def test_all_objects_at_once_have_the_outlines_of_each(n_labels: int, dtype: type) -> None:
    random = np.random.default_rng(n_labels)
    for _ in range(20):
        labels = random.integers(0, n_labels + 1, random.integers(0, 9, 2)).astype(dtype)
        labels *= np.iinfo(dtype).max // n_labels  # the numbers of an object may be hashes
        each = {int(label): edge_loops(labels == label) for label in np.unique(labels) if label}
        found = edge_loops_of_labels(labels)
        assert found.keys() == each.keys()
        for label, polygons in each.items():
            for loops, own in zip(polygons, found[label], strict=True):
                for loop, its in zip(loops, own, strict=True):
                    np.testing.assert_array_equal(loop, its, strict=True)


def test_drawn() -> None:
    def of(name: str) -> list[list[list[list[int]]]]:
        return [[loop.tolist() for loop in polygon] for polygon in edge_loops(DRAWN[name])]

    assert of("one pixel inside") == [[[[1, 1], [2, 1], [2, 2], [1, 2]]]]
    assert of("line") == [[[[0, 0], [5, 0], [5, 1], [0, 1]]]]
    assert [len(polygon) for polygon in of("corner touch")] == [1, 1]
    assert [len(polygon) for polygon in of("ring")] == [2, 1]
    assert [len(polygon) for polygon in of("island in a ring")] == [2, 2]
    assert [len(polygon) for polygon in of("ring that bites its tail")] == [2]
    assert [len(polygon) for polygon in of("hole of two pixels at a corner")] == [3]
    assert of("nothing") == []
    assert edge_loops(np.zeros((0, 4), dtype=bool)) == []


def test_what_is_no_mask_of_one_plane_is_refused() -> None:
    with pytest.raises(ValueError, match="two axes, got 3; trace one plane"):
        edge_loops_of_labels(np.zeros((2, 3, 4), np.int64))
    with pytest.raises(TypeError, match="boolean"):
        edge_loops(draw("#").astype(int))
    with pytest.raises(ValueError, match="two axes"):
        edge_loops(draw("#")[None])

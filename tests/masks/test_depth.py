"""Depth of pixels in their objects, and objects divided by it: by hand, against brute force, and block by block."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from segassay.masks import touching_blocks
from segassay.masks.depth import depth_map, divide_by_depth, split_by_depth
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_objects
from segassay.masks.touching import split_touching
from segassay.masks.touching_blocks import split_objects


def voronoi(shape: tuple[int, ...], n: int, seed: int = 0, reach: float = 7) -> np.ndarray:
    """Cells around random points: each pixel belongs to the nearest point, if that is near."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, shape, (n, len(shape)))
    distance = np.stack([sum((p - c) ** 2 for p, c in zip(np.indices(shape), at, strict=True)) for at in points])
    return label_objects(np.where(distance.min(axis=0) < reach**2, distance.argmin(axis=0) + 1, 0))


def by_hand(labels: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Depth pixel by pixel: the distance to the nearest pixel that is not of the object."""
    depth = np.zeros(labels.shape)
    places, steps = np.argwhere(np.ones(labels.shape, dtype=bool)), np.array(spacing)
    for number in range(1, int(labels.max()) + 1):
        own = np.argwhere(labels == number)
        others = places[labels.ravel() != number]
        nearest = [np.sqrt((((others - place) * steps) ** 2).sum(axis=1)).min() - min(spacing) / 2 for place in own]
        depth[tuple(own.T)] = np.array(nearest) / max(nearest)
    return depth


@pytest.mark.parametrize(
    ("shape", "spacing"), [((23, 31), (1, 1)), ((23, 31), (0.5, 2)), ((7, 13, 15), (3, 1, 1))], ids=str
)
def test_depths_are_the_distances_to_the_nearest_pixel_of_anything_else(
    shape: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    labels = voronoi(shape, 9)
    assert labels.max() >= 6
    found = depth_map(labels, spacing)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(labels, spacing), atol=1e-6)
    np.testing.assert_array_equal(found > 0, labels > 0)
    np.testing.assert_allclose(found, depth_map(labels, tuple(7 * step for step in spacing)), atol=1e-6)


def test_an_object_that_the_image_cuts_off_is_deepest_at_the_edge() -> None:
    rows, columns = np.mgrid[:20, :40]
    half = rows**2 + (columns - 20) ** 2 < 100
    depth = depth_map(half)
    assert depth[0, 20] == 1
    assert depth[0, 12] < 0.5
    np.testing.assert_array_equal(depth_map(np.ones((4, 5), dtype=bool)), np.ones((4, 5)))
    assert not depth_map(np.zeros((4, 5), dtype=bool)).any()


def test_a_mask_has_the_depth_of_its_connected_objects() -> None:
    mask = np.random.default_rng(0).random((20, 20)) < 0.4
    np.testing.assert_array_equal(depth_map(mask), depth_map(label_objects(mask)))


@pytest.mark.parametrize("shape", [(80, 90), (24, 30, 28)], ids=["2-D", "3-D"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cells_without_a_gap_are_found_again_from_their_depth(shape: tuple[int, ...], seed: int) -> None:
    labels = voronoi(shape, 40 if len(shape) == 2 else 25, seed)
    small = np.flatnonzero(np.bincount(labels.ravel()) < 40)
    labels = label_objects(np.where(np.isin(labels, small), 0, labels))
    mask = labels > 0
    assert label_objects(mask).max() < labels.max() / 2, "they touch"
    found = split_by_depth(mask, depth_map(labels))
    np.testing.assert_array_equal(found > 0, mask)
    matches = match_objects(labels, found)
    assert matches.f1[0] > 0.95
    noisy = depth_map(labels) * 0.7 + np.random.default_rng(seed).uniform(0, 0.08, shape)
    assert match_objects(labels, split_by_depth(mask, noisy.astype(np.float32))).f1[0] > 0.9


def test_a_valley_divides_if_it_is_deep_enough() -> None:
    mask = np.ones((5, 9), dtype=bool)
    profile = np.array([0.2, 0.6, 0.9, 0.8, 0.0, 0.7, 0.8, 0.5, 0.2])
    for valley, n in ((0.75, 1), (0.71, 1), (0.69, 2), (0.3, 2)):
        profile[4] = valley
        profile[3], profile[5] = max(0.8, valley), max(0.75, valley)
        depth = np.tile(profile, (5, 1))
        assert split_by_depth(mask, depth).max() == n, valley
    assert split_by_depth(mask, np.zeros((5, 9))).max() == 1
    assert split_by_depth(mask, np.full((5, 9), 0.1)).max() == 1
    assert split_by_depth(mask, np.ones((5, 9))).max() == 1
    assert not split_by_depth(~mask, np.ones((5, 9))).any()


def test_small_parts_join_a_neighbour_and_small_objects_are_dropped() -> None:
    mask = np.zeros((10, 30), dtype=bool)
    mask[2:8, 2:20] = True
    mask[2, 25] = True
    depth = np.where(mask, 0.5, 0.0)
    depth[5, 8] = depth[5, 18] = 1
    depth[:, 16] = 0.1
    assert split_by_depth(mask, depth).max() == 3
    found = split_by_depth(mask, depth, min_size=30)
    assert found.max() == 1
    np.testing.assert_array_equal(found > 0, label_objects(mask, min_size=30) > 0)


def test_a_piece_does_not_depend_on_others() -> None:
    labels = voronoi((60, 60), 12, 3)
    depth = depth_map(labels) + np.random.default_rng(0).random((60, 60)) * 0.2
    whole = split_by_depth(labels > 0, depth)
    pieces = label_objects(labels > 0)
    assert pieces.max() > 1
    for number in range(1, int(pieces.max()) + 1):
        alone = split_by_depth(pieces == number, np.where(pieces == number, depth, 1))
        np.testing.assert_array_equal(alone, label_objects(np.where(pieces == number, whole, 0)))


def test_what_is_no_mask_or_of_another_shape_is_refused() -> None:
    with pytest.raises(TypeError, match="must be boolean"):
        split_by_depth(np.ones((3, 3), dtype=np.uint8), np.ones((3, 3)))
    with pytest.raises(ValueError, match="shape of the mask"):
        split_by_depth(np.ones((3, 3), dtype=bool), np.ones((3, 4)))


@pytest.mark.parametrize("shape", [(110, 97), (31, 33, 35)], ids=["2-D", "3-D"])
def test_a_sheet_of_cells_is_divided_block_by_block_as_at_once(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    labels = voronoi(shape, 140, reach=9)
    mask, depth = labels > 0, depth_map(labels)
    whole = split_by_depth(mask, depth, min_size=10)
    monkeypatch.setattr(touching_blocks, "LARGEST_BOX", 100)
    monkeypatch.setattr(touching_blocks, "_BLOCK", {2: 40, 3: 20})
    monkeypatch.setattr(touching_blocks, "_MARGIN", {2: 24, 3: 16})
    sheet = label_objects(mask, min_size=10)
    assert sheet.max() < 5
    boxes = dict(enumerate(ndimage.find_objects(sheet), start=1))
    n = split_objects(sheet, depth, boxes, 0, 10, by=divide_by_depth)
    matches = match_objects(whole, -sheet)
    assert n == whole.max() == matches.tp[7], "all at IoU 0.85, none cut at a border"


@pytest.mark.parametrize("split", [split_by_depth, split_touching])
def test_what_is_no_number_is_an_error_and_kills_no_process(split: Callable[..., np.ndarray]) -> None:
    """The reconstruction of scikit-image writes behind the end of its memory if a height is NaN."""
    values = np.full((6, 6), 0.5)
    values[3, 3] = np.nan
    with pytest.raises(ValueError, match="some are NaN"):
        split(np.ones((6, 6), dtype=bool), values)
    mask = np.zeros((6, 6), dtype=bool)
    mask[:2] = True
    assert split(mask, values).max() == 1  # outside of all objects it does not matter

"""Objects of a mask: what is one, and what counts."""

import numpy as np
import pytest
from scipy import ndimage

from drawing import draw
from label_scenes import draw_labels
from segassay.masks import objects
from segassay.masks.objects import any_of, label_each, label_objects, number_of_objects

EMPTY = np.zeros((2, 4), dtype=np.int32)


class TestLabelObjects:
    def test_pixels_touching_at_a_corner_are_one_object(self):
        np.testing.assert_array_equal(label_objects(draw("#... .#.# ...#")), draw_labels("1... .1.2 ...2"))

    def test_voxels_touching_at_a_corner_are_one_object(self):
        volume = np.zeros((2, 2, 4), dtype=bool)
        volume[0, 0, 0] = volume[1, 1, 1] = volume[0, 0, 3] = True
        labels = label_objects(volume)
        assert labels[0, 0, 0] == labels[1, 1, 1] != labels[0, 0, 3]
        assert labels.max() == 2

    def test_objects_of_a_label_image_may_touch_or_lie_apart(self):
        np.testing.assert_array_equal(label_objects(draw_labels("557 ..7 5..")), draw_labels("112 ..2 1.."))

    def test_labels_have_no_gaps_and_one_dtype(self):
        for dtype in (np.uint8, np.uint16, np.int64, np.uint64):
            labels = label_objects(np.array([[0, 200, 3, 100]], dtype=dtype))
            assert labels.dtype == np.int32
            np.testing.assert_array_equal(labels, [[0, 3, 1, 2]])
        assert label_objects(draw("#.#")).dtype == np.int32

    def test_more_than_255_objects(self):
        assert label_objects(np.eye(600, dtype=bool)[::2, :]).max() == 300
        assert label_objects(np.arange(1000, dtype=np.uint16)).max() == 999

    def test_minimum_size_is_kept_and_below_is_dropped(self):
        mask = draw("##.###.# ##.....#")
        np.testing.assert_array_equal(label_objects(mask, min_size=3), draw_labels("11.222.. 11......"))
        np.testing.assert_array_equal(label_objects(mask, min_size=4), draw_labels("11...... 11......"))
        assert not label_objects(mask, min_size=5).any()

    def test_large_objects_are_not_counted_in_uint8(self):
        assert label_objects(np.ones((20, 20), dtype=np.uint8), min_size=300).all()

    def test_ignored_pixels_split_an_object(self):
        labels = label_objects(draw("##### #####"), ignore=draw("..#.. ..#.."))
        np.testing.assert_array_equal(labels, draw_labels("11.22 11.22"))

    def test_ignored_pixels_do_not_split_an_instance(self):
        labels = label_objects(draw_labels("33333"), ignore=draw("..#.."))
        np.testing.assert_array_equal(labels, draw_labels("11.11"))

    def test_size_step_comes_after_the_ignored_area(self):
        labels = label_objects(draw("######"), min_size=3, ignore=draw("..#..."))
        np.testing.assert_array_equal(labels, draw_labels("...111"))
        labels = label_objects(draw_labels("222333"), min_size=3, ignore=draw("..#..."))
        np.testing.assert_array_equal(labels, draw_labels("...111"))

    def test_only_pixels_inside_the_region_count(self):
        mask, region = draw("###.## ......"), draw(".##### ######")
        np.testing.assert_array_equal(label_objects(mask, region=region), draw_labels(".11.22 ......"))
        np.testing.assert_array_equal(
            label_objects(mask, region=region, ignore=draw("..##.. ......")), draw_labels(".1..22 ......")
        )

    def test_number_of_objects(self):
        mask, region = draw("###.## ......"), draw(".##### ######")
        assert number_of_objects(mask, min_size=2, region=region) == 2
        assert number_of_objects(mask, min_size=2, region=region, ignore=draw("..##.. ......")) == 1
        assert number_of_objects(draw_labels("557 ..7 5.."), min_size=3) == 1
        assert number_of_objects(draw("... ...")) == 0

    def test_empty(self):
        assert not label_objects(draw("... ..."), min_size=2).any()
        assert not label_objects(EMPTY, min_size=2).any()

    def test_input_is_left_alone(self):
        mask = draw("##.#")
        label_objects(mask, min_size=2, ignore=draw("#..."))
        np.testing.assert_array_equal(mask, draw("##.#"))

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"mask": np.zeros((2, 2))}, TypeError, "boolean or an integer label image, got float64"),
            ({"mask": np.array([[-1, 2]])}, ValueError, "got -1"),
            ({"mask": draw("##"), "min_size": -1}, ValueError, "min_size"),
            ({"mask": draw("##"), "ignore": draw("###")}, ValueError, "ignore must have the shape"),
            ({"mask": draw("##"), "region": draw("# #")}, ValueError, "region must have the shape"),
            ({"mask": draw("##"), "ignore": np.array([[0, 255]])}, TypeError, "ignore must be boolean"),
        ],
    )
    def test_refuses(self, arguments, error, message):
        with pytest.raises(error, match=message):
            label_objects(**arguments)


def sparse(shape: tuple[int, ...], seed: int, share: float) -> np.ndarray:
    """Ragged blobs, rings and single pixels that cover a small share of a large image, also at its edges."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.uniform_filter(rng.random(shape), size=[min(side, 9) for side in shape])
    level = np.quantile(smooth, 1 - share)
    return ((smooth > level) & (smooth < level + 0.02)) | (rng.random(shape) < share / 200)


def test_small_objects_of_a_mask_in_another_order_of_memory():
    mask = sparse((90, 70), 4, 0.2)
    for turned in (mask.T, mask[::-1, ::2], np.asfortranarray(mask)):
        expected = label_objects(np.ascontiguousarray(turned), min_size=4)
        np.testing.assert_array_equal(label_objects(turned, min_size=4), expected)
        large = np.bincount(label_objects(turned).ravel())[1:] >= 4
        assert 0 < expected.max() == large.sum() < len(large)


class TestLargeSparseMasks:
    """Large masks with few pixels are labelled by their runs, with the numbers that scipy gives."""

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("shape", [(300, 701), (1, 200_000), (200_000, 2), (40, 61, 80), (5, 8, 70, 61)], ids=str)
    def test_numbers_are_those_of_scipy(self, shape, seed, monkeypatch):
        mask = sparse(shape, seed, 0.03)
        expected, n_objects = ndimage.label(mask, structure=np.ones((3,) * len(shape)))
        if shape[-1] > 2:  # a column of pixels is no run
            monkeypatch.setattr(objects.ndimage, "label", None)
        labels = label_objects(mask)
        assert labels.dtype == np.int32
        assert n_objects > 3
        np.testing.assert_array_equal(labels, expected)

    @pytest.mark.parametrize("min_size", [0, 2, 30])
    def test_small_objects_are_dropped_from_each_of_several(self, min_size):
        masks = [sparse((300, 701), seed, 0.03) for seed in (5, 6)] + [np.zeros((300, 701), dtype=bool)]
        masks.insert(1, masks[0] & (ndimage.uniform_filter(masks[0].astype(float), 9) < 0.1))  # small ones alone
        for mask, labels in zip(masks, label_each(masks, min_size=min_size), strict=True):
            found = ndimage.label(mask, structure=np.ones((3, 3)))[0]
            large = np.bincount(found.ravel()) >= max(min_size, 1)
            large[0] = False
            np.testing.assert_array_equal(labels, np.where(large, np.cumsum(large), 0)[found])
            assert number_of_objects(mask, min_size=min_size) == large.sum()

    def test_an_object_whose_ends_meet_last(self, monkeypatch):
        mask = np.zeros((400, 400), dtype=bool)
        mask[10:390, [10, 389]] = mask[389, 10:390] = mask[200, 20:380] = True  # a U around a bar
        mask[0, 0] = mask[399, 399] = mask[0, 399] = mask[1, 0] = True
        monkeypatch.setattr(objects.ndimage, "label", None)
        labels = label_objects(mask)
        assert [int(labels[at]) for at in ((0, 0), (0, 399), (10, 10), (10, 389), (200, 50), (399, 399))] == [
            *(1, 2, 3, 3, 4, 5)
        ]

    def test_lines_at_opposite_edges_are_no_neighbours(self, monkeypatch):
        mask = np.zeros((3, 300, 300), dtype=bool)
        mask[0, -1, 5] = mask[1, 0, 5] = mask[1, 7, -1] = mask[1, 8, 0] = True
        monkeypatch.setattr(objects.ndimage, "label", None)
        assert label_objects(mask).max() == 4

    def test_noise_and_nothing(self):
        noise = np.random.default_rng(0).random((500, 500)) < 0.05
        np.testing.assert_array_equal(label_objects(noise), ndimage.label(noise, structure=np.ones((3, 3)))[0])
        assert not label_objects(np.zeros((500, 500), dtype=bool)).any()


class TestLabelEach:
    @pytest.mark.parametrize("shape", [(400, 400), (3, 300, 300), (40, 50)], ids=str)
    def test_masks_are_labelled_as_each_alone(self, shape):
        """Sparse ones, which share a graph, one that fills the image, an empty one, and a label image between them."""
        full, empty = np.ones(shape, dtype=bool), np.zeros(shape, dtype=bool)
        numbers = sparse(shape, 9, 0.03) * np.arange(shape[-1], dtype=np.uint16)
        edges = np.zeros(shape, dtype=bool)
        edges[..., -1, -9:] = edges[..., 0, :9] = True  # the last and the first line: those of two masks do not meet
        masks = [sparse(shape, 1, 0.03), edges, full, numbers, edges, empty, sparse(shape, 2, 0.02)]
        ignore, region = np.zeros(shape, dtype=bool), np.ones(shape, dtype=bool)
        ignore[..., 7], region[..., :3] = True, False
        words = {"min_size": 3, "ignore": ignore, "region": region}
        for how in ({}, words):
            for mask, labels in zip(masks, label_each(masks, **how), strict=True):
                np.testing.assert_array_equal(labels, label_objects(mask, **how))
                if not how and mask.dtype == bool:
                    expected = ndimage.label(mask, structure=np.ones((3,) * len(shape)))[0]
                    np.testing.assert_array_equal(labels, expected)

    def test_nothing(self):
        assert label_each([]) == []
        assert not any_of([], (2, 3)).any()

"""Objects of a mask: what is one, and what counts."""

import numpy as np
import pytest

from drawing import draw
from label_scenes import draw_labels
from segassay.masks.objects import label_objects

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

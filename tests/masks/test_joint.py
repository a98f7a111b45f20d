"""Overlaps of all annotations of an image at once: the same as of each pair alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import draw
from label_scenes import draw_labels, random_labels
from segassay.masks.joint import joint_overlaps
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_overlaps, overlap_table, pixel_agreement

EMPTY = np.zeros((2, 4), dtype=np.int32)


def assert_same_table(table, expected):
    assert (table.n_a, table.n_b) == (expected.n_a, expected.n_b)
    for name in ("size_a", "size_b", "a", "b", "intersection"):
        np.testing.assert_array_equal(getattr(table, name), getattr(expected, name))


class TestJointOverlaps:
    ANNA, BEN, CLEO = draw_labels("1122. ....3"), draw_labels("11111 ....."), draw_labels(".1.2. ....4")

    def test_drawn(self):
        joint = joint_overlaps([self.ANNA, self.BEN, self.CLEO])
        assert [size.tolist() for size in joint.sizes] == [[2, 2, 1], [5], [1, 1, 1]]
        np.testing.assert_array_equal(joint.n_shared, [[5, 4, 3], [4, 5, 2], [3, 2, 3]])
        table = joint.pair(0, 1)
        np.testing.assert_array_equal([table.a, table.b, table.intersection], [[0, 1], [0, 0], [2, 2]])

    def test_small_objects_are_dropped_from_objects_and_stay_in_pixels(self):
        joint = joint_overlaps([self.ANNA, self.BEN, self.CLEO], min_size=2)
        assert [len(size) for size in joint.sizes] == [2, 1, 0]
        assert joint.pixel_agreement(0, 2) == (0.75, 0.6)
        assert match_overlaps(joint.pair(0, 2), [0.5]).f1 == 0

    def test_mean_of_the_raw_values_of_each_object(self):
        values = np.array([[10, 20, 1, 2, 200], [9, 9, 9, 9, 7]], dtype=np.uint8)
        joint = joint_overlaps([self.ANNA, self.BEN], values=values)
        np.testing.assert_allclose(joint.mean_values[0], [15, 1.5, 7])
        np.testing.assert_allclose(joint.mean_values[1], [233 / 5])  # more than a sum in uint8 holds

    def test_nobody_drew_anything(self):
        joint = joint_overlaps([EMPTY, EMPTY], min_size=30, values=EMPTY)
        assert joint.pixel_agreement(0, 1) == (1, 1)
        assert match_overlaps(joint.pair(0, 1), [0.5]).f1 == 1
        assert joint_overlaps([EMPTY]).sizes[0].size == 0

    @settings(max_examples=60, deadline=None)
    @given(
        seed=st.integers(0, 10_000),
        n=st.integers(1, 5),
        min_size=st.integers(0, 4),
        three_d=st.booleans(),
        kind=st.sampled_from(["labels", "mask", "gaps"]),
    )
    def test_every_pair_equals_the_comparison_of_two(self, seed, n, min_size, three_d, kind):
        shape = (3, 3, 4) if three_d else (7, 8)
        drawn = [random_labels(seed + index, shape) for index in range(n)]
        if kind == "mask":
            drawn = [image > 2 for image in drawn]
        elif kind == "gaps":
            drawn = [image * np.array(image > 1) * (1 + 2**40 * (seed % 2)) for image in drawn]
        found = [label_objects(image) if kind == "mask" else image for image in drawn]
        joint = joint_overlaps(found, min_size=min_size)
        large = [label_objects(image, min_size=min_size) for image in drawn]
        for a in range(n):
            for b in range(n):
                assert_same_table(joint.pair(a, b), overlap_table(large[a], large[b]))
                assert joint.pixel_agreement(a, b) == pixel_agreement(drawn[a], drawn[b])

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 10_000), order=st.permutations(range(4)))
    def test_order_of_annotators_does_not_matter(self, seed, order):
        drawn = [random_labels(seed + index) for index in range(4)]
        joint, shuffled = joint_overlaps(drawn), joint_overlaps([drawn[index] for index in order])
        for a in range(4):
            for b in range(4):
                assert_same_table(shuffled.pair(a, b), joint.pair(order[a], order[b]))

    @pytest.mark.parametrize(
        ("labels", "min_size", "error", "message"),
        [
            ([], 0, ValueError, "one shape, got 0"),
            ([draw_labels("11"), draw_labels("111")], 0, ValueError, "must have one shape"),
            ([draw_labels("11"), draw("##")], 0, TypeError, "labels must be integers, got bool"),
            ([np.array([1, -1])], 0, ValueError, "got -1"),
            ([np.array([1, 1])], -1, ValueError, "min_size"),
        ],
    )
    def test_refuses(self, labels, min_size, error, message):
        with pytest.raises(error, match=message):
            joint_overlaps(labels, min_size=min_size)

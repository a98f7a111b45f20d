"""Agreement of two annotations; every rule has a drawn case, and a slow second implementation checks the rest."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import draw
from segassay.io.images import read_mask
from segassay.masks.joint import joint_overlaps
from segassay.masks.overlaps import (
    IOU_THRESHOLDS,
    label_objects,
    match_objects,
    match_overlaps,
    overlap_table,
    pixel_agreement,
)

EMPTY = np.zeros((2, 4), dtype=np.int32)


def draw_labels(picture: str) -> np.ndarray:
    """Label image from a picture: digits are labels, `.` is background."""
    return np.array([[0 if pixel == "." else int(pixel) for pixel in row] for row in picture.split()])


def random_labels(seed: int, shape: tuple[int, ...] = (7, 8)) -> np.ndarray:
    """Small objects that touch and overlap in every way."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < 0.7, rng.integers(1, 5, shape), 0)


def iou_of_every_pair(labels_a: np.ndarray, labels_b: np.ndarray) -> np.ndarray:
    """IoU `(n_a, n_b)` the slow way: one whole-image comparison for each pair."""
    masks_a = [labels_a == label for label in np.unique(labels_a) if label]
    masks_b = [labels_b == label for label in np.unique(labels_b) if label]
    table = [[(a & b).sum() / (a | b).sum() for b in masks_b] for a in masks_a]
    return np.array(table).reshape(len(masks_a), len(masks_b))


def best_assignment(iou: np.ndarray) -> list[float]:
    """IoUs of the assignment with the largest sum, then the most pairs, by trying them all."""
    iou = iou if len(iou) <= len(iou.T) else iou.T
    tried = [[v for v in iou[range(len(iou)), columns] if v] for columns in permutations(range(len(iou.T)), len(iou))]
    return max(tried, key=lambda matched: (round(sum(matched), 9), len(matched)), default=[])


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


class TestOverlapTable:
    def test_every_pair_that_shares_a_pixel(self):
        table = overlap_table(draw_labels("111.22 ......"), draw_labels("1.22.2 333..."))
        assert (table.n_a, table.n_b) == (2, 3)
        np.testing.assert_array_equal(table.size_a, [3, 2])
        np.testing.assert_array_equal(table.size_b, [1, 3, 3])
        np.testing.assert_array_equal([table.a, table.b, table.intersection], [[0, 0, 1], [0, 1, 1], [1, 1, 1]])
        np.testing.assert_allclose(table.iou, [1 / 3, 1 / 5, 1 / 4])

    def test_sums_do_not_overflow_in_uint8(self):
        table = overlap_table(np.ones((20, 20), dtype=np.uint8), np.ones((20, 20), dtype=np.uint8))
        assert (table.size_a, table.size_b, table.intersection) == (400, 400, 400)

    def test_pairs_do_not_overflow_in_uint16(self):
        labels = np.arange(1, 1001, dtype=np.uint16)
        np.testing.assert_array_equal(overlap_table(labels, labels).b, np.arange(1000))

    def test_huge_labels(self):
        table = overlap_table(np.array([0, 2**40, 7]), np.array([2**62, 2**62, 0]))
        assert (table.n_a, table.n_b) == (2, 1)
        np.testing.assert_array_equal([table.a, table.b, table.intersection], [[1], [0], [1]])

    @pytest.mark.parametrize(
        ("a", "b", "error"),
        [
            (draw_labels("11"), draw_labels("111"), ValueError),
            (draw_labels("11"), draw("##"), TypeError),
            (np.array([1.0, 2.0]), np.array([1, 2]), TypeError),
            (np.array([1, 2]), np.array([-1, 2]), ValueError),
        ],
    )
    def test_refuses(self, a, b, error):
        with pytest.raises(error, match=r"must (have one shape|be integers|be 0 \(background\) or positive)"):
            overlap_table(a, b)


class TestMatchObjects:
    def test_iou_of_exactly_the_threshold_is_no_match(self):
        reference, prediction = draw_labels("11. 22."), draw_labels("1.. 222")
        matches = match_objects(reference, prediction, [0.5])
        assert matches.tp == 1

    @pytest.mark.parametrize("threshold", IOU_THRESHOLDS)
    def test_iou_of_exactly_any_threshold_is_no_match(self, threshold):
        reference, prediction = np.zeros(100, dtype=int), np.zeros(100, dtype=int)
        reference[:], prediction[: round(100 * threshold)] = 1, 1
        matches = match_objects(reference, prediction)
        assert matches.tp.sum() == IOU_THRESHOLDS.index(threshold)

    def test_precision_is_of_the_prediction_and_recall_of_the_reference(self):
        matches = match_objects(draw_labels("11.2.3.4"), draw_labels("11....5."), [0.5])
        assert (matches.n_a, matches.n_b) == (4, 2)
        assert (matches.tp, matches.precision, matches.recall) == (1, 0.5, 0.25)
        assert matches.f1 == pytest.approx(2 / 6)

    def test_both_empty_agree(self):
        matches = match_objects(EMPTY, EMPTY)
        for score in (matches.precision, matches.recall, matches.f1):
            np.testing.assert_array_equal(score, np.ones(10))
        assert not matches.tp.any()
        assert np.isnan(matches.mean_iou)

    @pytest.mark.parametrize("swap", [False, True])
    def test_one_empty_disagrees(self, swap):
        pair = (draw_labels("1..2 ...."), EMPTY)
        matches = match_objects(*(pair[::-1] if swap else pair))
        for score in (matches.precision, matches.recall, matches.f1):
            np.testing.assert_array_equal(score, np.zeros(10))
        assert np.isnan(matches.mean_iou)

    def test_objects_that_do_not_overlap(self):
        matches = match_objects(draw_labels("11.."), draw_labels("..11"))
        assert not np.concatenate([matches.tp, matches.precision, matches.recall, matches.f1]).any()
        assert np.isnan(matches.mean_iou)

    def test_touching_objects_of_label_images_are_matched_one_by_one(self):
        matches = match_objects(draw_labels("1122 1122"), draw_labels("2211 2211"))
        assert matches.n_a == matches.n_b == 2
        np.testing.assert_array_equal(matches.f1, np.ones(10))
        assert matches.mean_iou == 1

    def test_best_assignment_may_drop_a_pair_above_one_half(self):
        """The middle pair, 7/13, is the match at .5; the two outer pairs, 3/10 each, have the larger sum."""
        reference, prediction = draw_labels("1112222222222"), draw_labels("1111111111222")
        matches = match_objects(reference, prediction, [0.5])
        assert matches.tp == 1
        assert matches.mean_iou == pytest.approx(0.3)

    def test_mean_iou_counts_only_pairs_that_overlap(self):
        matches = match_objects(draw_labels("1111.2"), draw_labels("12.3.."))
        assert matches.mean_iou == pytest.approx(1 / 4)

    @pytest.mark.parametrize("names", [[0, 1, 2], [0, 2, 1]])
    def test_of_assignments_with_equal_sums_the_one_with_more_pairs_counts(self, names):
        """One pair of 1/2 or two pairs of 1/4: the answer must not hang on the order of the objects."""
        a, b = draw_labels("11222."), draw_labels(".11122")
        for pair in ((a, b), (b, a)):
            assert match_objects(np.array(names)[pair[0]], pair[1]).mean_iou == 0.25
            assert match_objects(pair[0], np.array(names)[pair[1]]).mean_iou == 0.25

    def test_table_gives_the_same(self):
        a, b = random_labels(1), random_labels(2)
        direct, by_table = match_objects(a, b), match_overlaps(overlap_table(a, b))
        np.testing.assert_array_equal(direct.f1, by_table.f1)
        assert direct.mean_iou == by_table.mean_iou

    @settings(max_examples=150, deadline=None)
    @given(seed_a=st.integers(0, 10_000), seed_b=st.integers(0, 10_000), three_d=st.booleans())
    def test_equals_the_slow_way(self, seed_a, seed_b, three_d):
        shape = (3, 3, 4) if three_d else (7, 8)
        a, b = random_labels(seed_a, shape), random_labels(seed_b, shape)
        b = np.where(np.random.default_rng(seed_b).random(shape) < 0.6, a, b)
        matches, iou = match_objects(a, b), iou_of_every_pair(a, b)
        np.testing.assert_array_equal(matches.tp, [(iou > threshold).sum() for threshold in IOU_THRESHOLDS])
        np.testing.assert_allclose(matches.f1, 2 * matches.tp / sum(iou.shape))
        assert matches.mean_iou == pytest.approx(np.mean(best_assignment(iou)))

    @settings(max_examples=50, deadline=None)
    @given(seed_a=st.integers(0, 10_000), seed_b=st.integers(0, 10_000))
    def test_swapping_swaps_precision_and_recall_only(self, seed_a, seed_b):
        a, b = random_labels(seed_a), random_labels(seed_b)
        forth, back = match_objects(a, b), match_objects(b, a)
        np.testing.assert_array_equal(forth.tp, back.tp)
        np.testing.assert_array_equal(forth.f1, back.f1)
        np.testing.assert_array_equal(forth.precision, back.recall)
        assert forth.mean_iou == pytest.approx(back.mean_iou)

    @settings(max_examples=50, deadline=None)
    @given(seed=st.integers(0, 10_000), names=st.permutations([1, 2, 5, 9, 300]))
    def test_label_values_do_not_matter(self, seed, names):
        a, b = random_labels(seed), random_labels(seed + 1)
        renamed = np.array([0, *names])[b]
        expected, matches = match_objects(a, b), match_objects(a, renamed)
        np.testing.assert_array_equal(matches.tp, expected.tp)
        np.testing.assert_array_equal(matches.f1, expected.f1)
        assert matches.mean_iou == pytest.approx(expected.mean_iou)

    @pytest.mark.parametrize("thresholds", [[0.4], [0.5, 1.0], [float("nan")], 0.5])
    def test_refuses_thresholds_at_which_matches_are_not_unique(self, thresholds):
        with pytest.raises(ValueError, match="IoU thresholds must be"):
            match_objects(EMPTY, EMPTY, thresholds)


class TestSegmentationQuality:
    def test_is_the_mean_iou_of_the_pairs_matched_at_each_threshold(self):
        """IoU 3/4, 2/3 and 1/3."""
        a, b = draw_labels("1111.222.333"), draw_labels("111..22..3..")
        matches = match_objects(a, b, [0.5, 0.7, 0.8])
        np.testing.assert_allclose(matches.sq, [(3 / 4 + 2 / 3) / 2, 3 / 4, np.nan])
        assert matches.sq[0] * matches.f1[0] == pytest.approx((3 / 4 + 2 / 3) / (2 + 0.5 * 1 + 0.5 * 1))  # PQ

    def test_is_undefined_where_there_is_nothing_to_match(self):
        assert np.isnan(match_objects(EMPTY, EMPTY).sq).all()
        assert np.isnan(match_objects(EMPTY, draw_labels("1... ....")).sq).all()

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 10_000))
    def test_equals_the_slow_way_and_is_symmetric(self, seed):
        a, b = random_labels(seed), random_labels(seed + 1)
        iou = iou_of_every_pair(a, b)
        expected = [iou[iou > t].mean() if (iou > t).any() else np.nan for t in IOU_THRESHOLDS]
        np.testing.assert_allclose(match_objects(a, b).sq, expected)
        np.testing.assert_allclose(match_objects(b, a).sq, expected)


class TestMergesAndSplits:
    @pytest.mark.parametrize(
        ("a", "b", "n_merges", "n_splits"),
        [
            ("11.22.3", "11111.2", 1, 0),  # one object covers two
            ("11111.2", "11.22.3", 0, 1),  # two objects where there is one
            ("11.22..", ".111...", 0, 0),  # half of each is not more than half
            ("111.222", ".11111.", 1, 0),  # two thirds of each are
            ("11.22.33", "11111111", 1, 0),  # three in one are one merge
            ("11.22...", "111111.2", 1, 0),
            ("11.22 33.44", "11111 22222", 2, 0),
            ("11.22", "11.22", 0, 0),
            ("11.22", ".....", 0, 0),
            (".....", ".....", 0, 0),
        ],
    )
    def test_drawn(self, a, b, n_merges, n_splits):
        matches = match_objects(draw_labels(a), draw_labels(b))
        assert (matches.n_merges, matches.n_splits) == (n_merges, n_splits)

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 10_000))
    def test_a_merge_is_a_split_seen_from_the_other_side(self, seed):
        a, b = random_labels(seed), random_labels(seed + 1)
        forth, back = match_objects(a, b), match_objects(b, a)
        assert (forth.n_merges, forth.n_splits) == (back.n_splits, back.n_merges)
        covered = [[2 * ((a == i) & (b == j)).sum() > (a == i).sum() for i in np.unique(a[a > 0])] for j in range(1, 5)]
        assert forth.n_merges == sum(sum(row) > 1 for row in covered)


class TestPixelAgreement:
    def test_drawn(self):
        assert pixel_agreement(draw("###. ...."), draw(".### ....")) == (pytest.approx(2 / 3), 0.5)

    def test_both_empty_agree(self):
        assert pixel_agreement(draw("...."), draw("....")) == (1, 1)

    def test_one_empty_disagrees(self):
        assert pixel_agreement(draw("#..."), draw("....")) == pixel_agreement(draw("...."), draw("#...")) == (0, 0)

    def test_only_pixels_that_count(self):
        a, b = draw("####.."), draw("##..##")
        assert pixel_agreement(a, b, ignore=draw("..##..")) == (pytest.approx(2 / 3), 0.5)
        assert pixel_agreement(a, b, region=draw("##....")) == (1, 1)
        assert pixel_agreement(a, b, region=draw("..####"), ignore=draw("..####")) == (1, 1)

    def test_labels_count_as_foreground_and_do_not_overflow(self):
        a, b = np.full((20, 20), 200, dtype=np.uint8), np.full((20, 20), 7, dtype=np.uint8)
        b[0] = 0
        assert pixel_agreement(a, b) == (pytest.approx(2 * 380 / 780), 380 / 400)

    @settings(max_examples=50, deadline=None)
    @given(seed_a=st.integers(0, 10_000), seed_b=st.integers(0, 10_000))
    def test_symmetric_and_dice_follows_from_iou(self, seed_a, seed_b):
        a, b = random_labels(seed_a) > 2, random_labels(seed_b) > 2
        dice, iou = pixel_agreement(a, b)
        assert (dice, iou) == pixel_agreement(b, a)
        assert dice == pytest.approx(2 * iou / (1 + iou))

    @pytest.mark.parametrize(
        ("a", "b", "error"),
        [(draw("##"), draw("###"), ValueError), (draw("##"), np.zeros((1, 2)), TypeError)],
    )
    def test_refuses(self, a, b, error):
        with pytest.raises(error, match=r"must (have|be)"):
            pixel_agreement(a, b)


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


@pytest.fixture(scope="module")
def wue1(data_dir) -> dict[str, list[np.ndarray]]:
    """Objects of at least 30 pixels of every annotator of lab-wue1, image by image."""
    labels = data_dir / "segebarth2020" / "lab-wue1" / "labels"
    return {
        folder.name: [label_objects(read_mask(path) > 0, min_size=30) for path in sorted(folder.glob("*.png"))]
        for folder in labels.iterdir()
    }


REFERENCE = {  # F1 at IoU > .5 against est_GT, mean over the 36 images; number of objects
    "expert_1": (0.5076, 1559),
    "expert_2": (0.8121, 3297),
    "expert_3": (0.7723, 3612),
    "expert_4": (0.7894, 3900),
    "expert_5": (0.8101, 3315),
    "est_GT": (1, 3296),
}


@pytest.mark.parametrize("annotator", REFERENCE)
def test_reference_values_of_lab_wue1(wue1, annotator):
    matches = [match_objects(*pair, [0.5]) for pair in zip(wue1["est_GT"], wue1[annotator], strict=True)]
    f1, n_objects = REFERENCE[annotator]
    assert len(matches) == 36
    assert sum(match.n_b for match in matches) == n_objects
    assert np.mean([match.f1[0] for match in matches]) == pytest.approx(f1, abs=5e-5)


def test_reference_values_of_two_experts(wue1):
    matches = [match_objects(*pair, [0.5]) for pair in zip(wue1["expert_2"], wue1["expert_5"], strict=True)]
    assert np.mean([match.f1[0] for match in matches]) == pytest.approx(0.6699, abs=5e-5)
    assert np.mean([match.mean_iou for match in matches]) == pytest.approx(0.6306, abs=5e-5)

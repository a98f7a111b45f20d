"""Agreement of two annotations; every rule has a drawn case, and a slow second implementation checks the rest."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import draw
from label_scenes import draw_labels, random_labels
from segassay.io.images import read_mask
from segassay.masks import overlaps
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import (
    IOU_THRESHOLDS,
    match_each,
    match_objects,
    match_overlaps,
    overlap_table,
    pixel_agreement,
)

EMPTY = np.zeros((2, 4), dtype=np.int32)


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


class TestMatchEach:
    @pytest.mark.parametrize("at_once", [1, 60, 10**6])
    def test_every_table_gets_what_it_gets_alone(self, monkeypatch, at_once):
        monkeypatch.setattr(overlaps, "_AT_ONCE", at_once)
        empty = np.zeros((7, 8), dtype=np.int32)
        images = [empty, empty + 1, *map(random_labels, range(5))]
        tables = [overlap_table(a, b) for a in images for b in images]
        found = list(match_each(iter(tables)))
        assert len(found) == len(tables)
        for table, matches in zip(tables, found, strict=True):
            alone = match_overlaps(table)
            for name in vars(alone):
                np.testing.assert_array_equal(getattr(matches, name), getattr(alone, name), name)

    def test_without_tables_there_is_nothing(self):
        assert list(match_each([])) == []


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


def test_groups_of_few_overlaps_are_those_of_a_graph():
    rng = np.random.default_rng(0)
    for n in (1, 2, 9, 40, 200):
        a, b = rng.integers(0, n, n), rng.integers(0, n, n)
        few, many = overlaps._groups_of_few(a, b), overlaps._groups(a, b)
        np.testing.assert_array_equal(few[:, None] == few, many[:, None] == many)

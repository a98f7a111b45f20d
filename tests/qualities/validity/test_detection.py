"""Validity from tables written here by hand; every expected number follows from the rows beside it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from drawing import draw
from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import IOU_THRESHOLDS, match_objects
from segassay.qualities.scores.table import SCORE_COLUMNS
from segassay.qualities.validity.ceiling import _filled, ceiling_normalised, from_extremes, human_range, position
from segassay.qualities.validity.detection import Compared, detection
from segassay.qualities.validity.objects import average_precision, object_measures, panoptic_quality
from segassay.qualities.validity.sizes import recall_of_sizes
from segassay.statistics.intervals import mean_interval
from segassay.statistics.jackknife import LOGARITHM, jackknife_ratio


def annotations_of(**kinds: str) -> pd.DataFrame:
    rows = [{"case": "1", "annotator": name, "kind": kind} for name, kind in kinds.items()]
    return pd.DataFrame(rows, columns=list(ANNOTATION_COLUMNS))


PEOPLE = {"anna": "human", "ben": "human"}
OTHERS = {
    "anna anna": [(4, 4, 2, 1), (4, 2, 2, 0)],
    "ben ben": [(4, 4, 4, 4), (4, 5, 4, 4)],
    "anna m": [(4, 5, 3, 2), (4, 3, 3, 3)],
    "ben m": [(4, 8, 4, 4), (4, 3, 3, 3)],
}


def comparisons(first: str, second: str, counts: dict[str, Sequence[tuple[float, ...] | None]]) -> pd.DataFrame:
    """Rows of `a b` -> (n_a, n_b, tp at .5, tp at .75) of the cases 1, 2, …; None leaves a case out."""
    rows = [
        {"case": str(i + 1), first: pair.split()[0], second: pair.split()[1], "iou_threshold": threshold}
        | {"n_a": case[0], "n_b": case[1], "tp": tp, "f1": f1_of(*case[:2], tp), "sq": 0.8 if tp else np.nan}
        | {"dice": 0.5, "iou": 1 / 3, "mean_iou": 0.7, "n_merges": 1, "n_splits": 2}
        for pair, cases in counts.items()
        for i, case in enumerate(cases)
        if case is not None
        for threshold, tp in zip((0.5, 0.75), case[2:], strict=True)
    ]
    names = ["case", first, second, "iou_threshold", "n_a", "n_b", "tp", "f1", "sq", "dice", "iou", "mean_iou"]
    return pd.DataFrame(rows, columns=[*names, "n_merges", "n_splits"])


def f1_of(n_a: float, n_b: float, tp: float) -> float:
    total = np.nan_to_num(n_a + n_b, nan=1)
    return 2 * tp / total if total else 1.0


def compared(
    pairs: dict[str, Sequence[tuple[float, ...] | None]], others: dict[str, Sequence[tuple[float, ...] | None]]
) -> Compared:
    return Compared(comparisons("annotator_a", "annotator_b", pairs), comparisons("rater", "annotator", others))


def clusters(n_cases: int = 6) -> pd.Series:
    cases = [str(case + 1) for case in range(n_cases)]
    return pd.Series(cases, cases)


def scores(table: pd.DataFrame) -> pd.DataFrame:
    assert tuple(table) == SCORE_COLUMNS
    return table.set_index(["measure", "target"])


class TestAveragePrecisionAndPanopticQuality:
    @pytest.mark.parametrize("seed", range(3))
    def test_equal_to_counting_true_and_false_positives_one_by_one(self, seed):
        rng = np.random.default_rng(seed)
        a, b = (label_objects(rng.random((40, 40)) > 0.62) for _ in range(2))
        b = np.where(rng.random(a.shape) > 0.9, b, a)  # most objects are similar
        matches = match_objects(a, b)
        found = average_precision(matches.tp, matches.n_a, matches.n_b)
        ious = np.array(
            [
                [((a == i) & (b == j)).sum() / ((a == i) | (b == j)).sum() for j in np.unique(b)[1:]]
                for i in np.unique(a)[1:]
            ]
        )
        for threshold, value in zip(IOU_THRESHOLDS, found, strict=True):
            hit = ious > threshold
            tp, fn, fp = hit.any(axis=1).sum(), (~hit.any(axis=1)).sum(), (~hit.any(axis=0)).sum()
            assert value == tp / (tp + fp + fn)
        hit = ious > 0.5
        as_published = ious[hit].sum() / (hit.sum() + 0.5 * (~hit.any(0)).sum() + 0.5 * (~hit.any(1)).sum())
        assert panoptic_quality(ious[hit].mean(), matches.f1[0]) == pytest.approx(as_published)
        assert 0.1 < found[0] < 1

    def test_drawn(self):
        reference = label_objects(draw("####.##.# ####.##.#"))
        prediction = label_objects(draw("###..##.. ####.##.."))  # 7 of 8 pixels, equal, missed
        matches = match_objects(reference, prediction, [0.5, 0.9])
        found = average_precision(matches.tp, matches.n_a, matches.n_b)
        np.testing.assert_allclose(found, [2 / 3, 1 / 4])
        assert panoptic_quality((7 / 8 + 1) / 2, matches.f1[0]) == pytest.approx((7 / 8 + 1) / 2.5)

    def test_empty(self):
        np.testing.assert_array_equal(average_precision([0, 0, 0], [0, 0, 3], [0, 3, 0]), [1, 0, 0])
        np.testing.assert_array_equal(panoptic_quality([np.nan] * 2, [1, 0]), [1, 0])
        assert average_precision([], [], []).shape == (0,)

    @given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
    def test_symmetric_and_never_above_f1(self, missed, wrong, tp):
        one, other = average_precision(tp, tp + missed, tp + wrong), average_precision(tp, tp + wrong, tp + missed)
        assert one == other
        assert 0 <= one <= f1_of(tp + missed, tp + wrong, tp) + 1e-12


def test_object_measures_by_hand():
    rows = comparisons("rater", "annotator", {"anna m": [(4, 6, 3, 2), (0, 0, 0, 0), (0, 2, 0, 0), (4, np.nan, 0, 0)]})
    found = object_measures(rows)
    np.testing.assert_allclose(found["ap"], [(3 / 7 + 2 / 8) / 2, 1, 0, 0])
    np.testing.assert_allclose(found["ap_75"], [2 / 8, 1, 0, 0])
    np.testing.assert_allclose(found["pq"], [0.8 * 0.6, 1, 0, 0])
    np.testing.assert_array_equal(found["count_error"], [2, 0, 2, np.nan])
    np.testing.assert_array_equal(found["relative_count_error"], [0.5, 0, np.nan, np.nan])
    assert found["case"].tolist() == ["1", "2", "3", "4"]


def test_object_measures_of_nothing_and_of_tables_without_sq():
    rows = comparisons("rater", "annotator", {"anna m": [(4, 6, 3, 2)]})
    assert len(object_measures(rows.iloc[:0])) == 0
    assert not {"pq", "merges"} & set(object_measures(rows.drop(columns=["sq", "n_merges"])))


class TestDetection:
    def found(self, pairs=None, others=None, **kinds: str) -> pd.DataFrame:
        agreement = compared(pairs or {}, OTHERS if others is None else others)
        return detection(agreement, annotations_of(**PEOPLE, **kinds), clusters())

    def test_means_over_cases_beside_the_raters(self):
        table = scores(self.found(m="model"))
        row = table.loc["count_error_leave_one_out", "m"]
        assert (row["value"], row["human_low"], row["human_high"]) == (((1 - 1) / 2 + (4 - 1) / 2) / 2, -1, 0.5)
        assert row["quality"] == "validity"
        assert table.loc["absolute_count_error_leave_one_out", "m"]["value"] == (1 + 2.5) / 2
        assert table.loc["ap_50_leave_one_out", "anna"]["value"] == pytest.approx((2 / 6 + 2 / 4) / 2)
        assert table.loc["ap_50_leave_one_out", "anna"]["quality"] == "objectivity"
        assert table.loc["merges_leave_one_out", "m"]["value"] == 1
        assert table.loc["splits_leave_one_out", "m"]["value"] == 2

    def test_a_missing_prediction_scores_nothing_and_has_no_count(self):
        others = OTHERS | {"anna m": [(4, 5, 3, 2), (4, np.nan, 0, 0)], "ben m": [(4, 5, 4, 4), (4, np.nan, 0, 0)]}
        table = scores(self.found(others=others, m="model"))
        assert table.loc["ap_50_leave_one_out", "m"]["value"] == pytest.approx((3 / 6 + 4 / 5) / 4)
        row = table.loc["count_error_leave_one_out", "m"]
        assert (row["value"], row["n_cases"], row["n_undefined"]) == (1, 1, 1)

    def test_a_truth_has_a_human_range_and_a_reference_with_the_raters_in_it_has_none(self):
        pairs = {f"{a} {b}": [(4, n, 2, 2)] for a in ("truth", "GT") for b, n in (("anna", 2), ("ben", 4), ("m", 3))}
        table = scores(self.found(pairs, {}, m="model", GT="consensus", truth="truth"))
        row = table.loc["count_error_against_truth", "m"]
        assert (row["value"], row["human_low"], row["human_high"]) == (-1, -2, 0)
        assert np.isnan(table.loc["count_error_against_GT", "m"]["human_low"])
        assert table.loc["count_error_against_GT", "m"]["note"] == "GT contains the raters"

    def test_with_few_raters_only_what_needs_no_reference(self):
        table = scores(
            self.found({"anna ben": [(4, 4, 2, 2)], "anna m": [(4, 6, 4, 4)], "ben m": [(4, 6, 2, 2)]}, {}, m="model")
        )
        assert table.loc["ap_pairwise", "m"]["value"] == pytest.approx((4 / 6 + 2 / 8) / 2)
        assert "too few raters" in table.loc["ap_pairwise", "m"]["note"]
        assert not table.index.get_level_values("measure").str.startswith(("count", "relative", "merges")).any()

    def test_nothing_to_compare(self):
        empty = comparisons("rater", "annotator", {})
        pairs = comparisons("annotator_a", "annotator_b", {})
        assert tuple(detection(Compared(pairs, empty), annotations_of(anna="human"), clusters())) == SCORE_COLUMNS

    def test_order_of_rows_does_not_matter(self):
        pairs, others = comparisons("annotator_a", "annotator_b", {}), comparisons("rater", "annotator", OTHERS)
        annotations = annotations_of(**PEOPLE, m="model")
        one = detection(Compared(pairs, others), annotations, clusters())
        other = detection(Compared(pairs, others[::-1]), annotations, clusters())
        pd.testing.assert_frame_equal(
            one[["value", "low", "n_cases"]], other[["value", "low", "n_cases"]], check_exact=False
        )


class TestBesidePeople:
    """F1 of anna .5 and .5, of ben 1 and 8/9; the model 6/9 and 6/7 against C₋anna, 8/12 and 6/7 against C₋ben."""

    def found(self, function, others=None, **options) -> pd.DataFrame:
        agreement = compared({}, OTHERS if others is None else others)
        return scores(function(agreement, annotations_of(**PEOPLE, m="model"), clusters(), **options))

    def test_differences_to_the_worst_and_the_best_rater(self):
        table = self.found(human_range)
        model, anna, ben = (6 / 9 + 6 / 7 + 8 / 12 + 6 / 7) / 4, (0.5 + 4 / 6) / 2, (1 + 8 / 9) / 2
        row = table.loc["f1_leave_one_out_minus_worst_rater", "m"]
        assert row["value"] == pytest.approx(model - anna)
        assert row["note"] == "anna; within the human range"
        assert table.loc["f1_leave_one_out_minus_best_rater", "m"]["value"] == pytest.approx(model - ben)
        assert row["low"] < row["value"] < row["high"]

    def test_the_interval_is_paired_over_cases(self):
        hard = {
            name: [(10, 10, tp, tp) for tp in range(low, low + 6)] for name, low in (("anna anna", 1), ("anna m", 2))
        }
        others = hard | {"ben ben": hard["anna anna"], "ben m": hard["anna m"]}
        row = self.found(human_range, others).loc["f1_leave_one_out_minus_worst_rater", "m"]
        # cases differ, the difference does not: that share of cases may be -1 or 1; further below, for two raters
        share = 1 - 0.025 ** (1 / 6)
        expected = [0.1, 0.1 - share * 1.1 * stats.t.ppf(1 - 0.0125, 5) / stats.t.ppf(0.975, 5), 0.1 + share * 0.9]
        np.testing.assert_allclose([row["value"], row["low"], row["high"]], expected)
        assert row["note"].endswith("above the best rater")

    def test_a_rater_who_lacks_cases_is_compared_with_its_own_mean(self):
        others = OTHERS | {"anna anna": [(4, 4, 2, 1), None], "anna m": [(4, 5, 3, 2), None]}
        row = self.found(human_range, others).loc["f1_leave_one_out_minus_worst_rater", "m"]
        assert row["value"] == pytest.approx((6 / 9 + (8 / 12 + 6 / 7) / 2) / 2 - 0.5)

    def test_one_rater_is_no_choice(self):
        differences, clusters = np.random.default_rng(1).normal(0.1, 0.1, (12, 1)), np.arange(12)
        expected = mean_interval(differences[:, 0], clusters, bounds=(-1, 1))
        for place, found in from_extremes(differences, clusters):
            assert (place, found.method, found.n_cases) == (0, expected.method, expected.n_cases)
            assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))

    def test_a_skewed_sample_does_not_make_the_limit_of_many_raters_fall_to_pieces(self):
        """Hall's correction at Bonferroni's level would be eleven standard errors away."""
        gaps = np.r_[np.full(10, 0.3), 0.1, -0.1]
        differences = gaps[:, None] - np.array([0.0, 0.2, 0.2, 0.2])
        (_, found), _ = from_extremes(differences, np.arange(12))
        alone = mean_interval(gaps, np.arange(12), bounds=(-1, 1))
        assert found.high == pytest.approx(alone.high)
        assert 1 < (found.value - found.low) / (alone.value - alone.low) < 1.5

    @pytest.mark.parametrize("n_raters", [2, 5, 8])
    def test_a_model_like_the_raters_is_hardly_ever_above_the_worst_or_below_the_best(self, n_raters: int):
        """Which rater is worst is chosen by the same images: that one alone would be beaten too often."""
        rng, n = np.random.default_rng(n_raters), 20
        above, below, alone = [], [], []
        for _ in range(400):
            scores = rng.normal(0, 0.1, (n, n_raters + 1))
            differences = scores[:, :1] - scores[:, 1:]
            (worst, from_worst), (_, from_best) = from_extremes(differences, np.arange(n))
            above.append(from_worst.low > 0)
            below.append(from_best.high < 0)
            alone.append(mean_interval(differences[:, worst], np.arange(n)).low > 0)
            assert from_worst.low <= from_worst.value <= from_worst.high
        assert max(np.mean(above), np.mean(below)) <= 0.025 + 3.1 * np.sqrt(0.025 / 400)
        assert n_raters == 2 or np.mean(alone) > 0.06

    def test_a_model_above_all_raters_is_above_the_worst(self):
        differences = np.random.default_rng(2).normal(0.2, 0.1, (20, 5))
        (_, from_worst), (_, from_best) = from_extremes(differences, np.arange(20))
        assert from_best.low > 0
        assert from_worst.low > from_best.low

    def test_a_gap_neither_moves_the_mean_nor_narrows_its_spread(self):
        filled = _filled(np.array([0.0, 1.0, np.nan, np.nan]), np.ones(4, dtype=bool))
        assert filled.tolist() == [-0.5, 1.5, 0.5, 0.5]

    def test_ends_of_the_range_belong_to_it(self):
        assert [position(value, 0.5, 0.7) for value in (0.49, 0.5, 0.7)] == [
            "below the worst rater",
            *["within the human range"] * 2,
        ]

    def test_a_model_by_the_humans_own_score(self):
        table = self.found(ceiling_normalised)
        model = np.array([(6 / 9 + 8 / 12) / 2, 6 / 7])
        people = np.array([(0.5 + 1) / 2, (4 / 6 + 8 / 9) / 2])
        row = table.loc["f1_leave_one_out_over_raters", "m"]
        expected = jackknife_ratio(model, people, np.array(["1", "2"]), LOGARITHM)
        assert (row["value"], row["low"], row["high"]) == pytest.approx((expected.value, expected.low, expected.high))
        assert (row["method"], row["approximate"], row["n_cases"]) == ("jackknife-t", True, 2)

    def test_a_model_that_equals_the_raters_has_one(self):
        others = {f"{rater} {who}": [(4, 4, 2, 1), (4, 2, 2, 0)] for rater in PEOPLE for who in (rater, "m")}
        table = self.found(ceiling_normalised, others)
        np.testing.assert_allclose(table["value"], 1)
        assert {"f1", "ap", "pq", "dice"} == {
            name.split("_")[0] for name in table.index.get_level_values(0) if not name.startswith(("mean", "iou"))
        }

    def test_without_models_or_people_there_are_no_rows(self):
        agreement = compared({}, OTHERS)
        for function in (human_range, ceiling_normalised):
            assert len(function(agreement, annotations_of(**PEOPLE), clusters())) == 0
            assert len(function(compared({}, {}), annotations_of(m="model"), clusters())) == 0


class TestRecallBySize:
    rows = pd.DataFrame(
        [
            ("1", "-anna", "anna", 30, 60, 4, 2),
            ("2", "-anna", "anna", 30, 60, 6, 5),
            ("1", "-ben", "ben", 30, 60, 10, 4),
            ("1", "-anna", "m", 30, 60, 4, 4),
            ("1", "-ben", "m", 30, 60, 10, 6),
            ("2", "-anna", "m", 60, 120, 2, 1),
            ("1", "truth", "m", 30, 60, 8, 2),
            ("1", "truth", "anna", 30, 60, 8, 8),
            ("1", "GT", "m", 30, 60, 8, 2),
            ("1", "truth", "e", 30, 60, 8, 4),
        ],
        columns=["case", "reference", "annotator", "size_low", "size_high", "n_objects", "n_found"],
    )

    def found(self, rows: pd.DataFrame) -> pd.DataFrame:
        return scores(
            recall_of_sizes(
                rows, annotations_of(**PEOPLE, m="model", e="ensemble", GT="consensus", truth="truth"), clusters()
            )
        )

    def test_objects_found_by_objects_there(self):
        table = self.found(self.rows)
        row = table.loc["recall_30_60px_leave_one_out", "m"]
        assert (row["value"], row["human_low"], row["human_high"]) == pytest.approx((10 / 14, 0.4, 0.7))
        assert (row["n_cases"], row["n_undefined"]) == (1, 1)  # in case 2 there is no object of that size
        assert table.loc["recall_30_60px_leave_one_out", "anna"]["quality"] == "objectivity"
        assert table.loc["recall_30_60px_against_truth", "m"]["human_high"] == 1
        assert table.loc["recall_30_60px_against_truth", "e"]["human_high"] == 1
        assert table.loc["recall_30_60px_against_GT", "m"]["note"] == "GT contains the raters"
        assert np.isnan(table.loc["recall_30_60px_against_GT", "m"]["human_low"])

    def test_classes_together_are_the_recall_of_all_objects(self):
        rng = np.random.default_rng(0)
        n = rng.integers(1, 20, 24)
        rows = pd.DataFrame({"case": np.tile(list("123456"), 4), "reference": "truth", "annotator": "m"})
        rows = rows.assign(size_low=np.repeat([1, 2, 4, 8], 6), n_objects=n, n_found=rng.binomial(n, 0.6))
        table = self.found(rows.assign(size_high=2 * rows["size_low"]))
        sizes = rows.groupby("size_low")["n_objects"].sum().to_numpy()
        assert (table["value"].to_numpy() * sizes).sum() / n.sum() == pytest.approx(rows["n_found"].sum() / n.sum())

    def test_nothing_there(self):
        assert len(self.found(self.rows.iloc[:0])) == 0

"""The tables out of the masks: drawn cases for every rule, a slow second way for all rows, and the published lab."""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drawing import draw
from forked import pool_of_copies
from published_lab import Lab
from segassay.consensus.pixels import staple
from segassay.data.annotations import read_annotations
from segassay.data.dataset import Dataset, read_dataset
from segassay.errors import DataError
from segassay.io.images import Picture, read_mask, write_mask
from segassay.masks.objects import counted_pixels, label_objects
from segassay.masks.outlines import (
    average_surface_distance,
    boundary_shift,
    hausdorff_distance,
    normalized_surface_dice,
    surface_distances,
)
from segassay.masks.overlaps import IOU_THRESHOLDS, match_objects, pixel_agreement
from segassay.tables.build import Tables, build_tables
from segassay.tables.notes import Note
from segassay.workers import pool
from small_datasets import make_dataset, row, save, tables_of

MEASURES = ["n_a", "n_b", "tp", "precision", "recall", "f1", "mean_iou", "dice", "iou"]
MORE_MEASURES = ["sq", "n_merges", "n_splits", "n_px_a", "n_px_b"]
EMPTY = draw("...... ......")


class TestContract:
    @pytest.fixture
    def tables(self, tmp_path) -> Tables:
        mask = draw("##..## ......")
        masks = {name: {"10": mask, "9": mask} for name in ("e10", "e2", "e1", "e3", "gt")}
        return tables_of(make_dataset(tmp_path / "d", masks, reference="labels/gt"))

    def test_columns(self, tables):
        agreement = ["case", "annotator_a", "annotator_b", "iou_threshold", *MEASURES, *MORE_MEASURES]
        assert list(tables.agreement.columns) == agreement
        distances = ["case", "annotator_a", "annotator_b", "hd95", "assd", "nsd", "tolerance", "unit"]
        distances += ["diagonal", "shift"]
        assert list(tables.distances.columns) == distances
        left_out = ["case", "rater", "annotator", "iou_threshold", *MEASURES, *MORE_MEASURES]
        assert list(tables.leave_one_out.columns) == left_out
        counts = ["case", "annotator", "n_objects", "area_px", "mean_intensity", "region_area_px", "density"]
        assert list(tables.counts.columns)[:7] == counts
        raters = ["rater", "n_cases", "sensitivity", "specificity", "sensitivity_leave_one_out"]
        raters += ["specificity_leave_one_out", "log_count_ratio", "log_area_ratio"]
        assert list(tables.raters.columns)[:10] == [*raters, "f1_leave_one_out", "dice_leave_one_out"]

    def test_order_is_natural_and_the_reference_is_a(self, tables):
        pairs = tables.agreement[["case", "annotator_a", "annotator_b"]].drop_duplicates()
        expected = [("gt", "e1"), ("gt", "e2"), ("gt", "e3"), ("gt", "e10"), ("e1", "e2"), ("e1", "e3"), ("e1", "e10")]
        expected += [("e2", "e3"), ("e2", "e10"), ("e3", "e10")]
        assert list(pairs.itertuples(index=False, name=None)) == [(c, *pair) for c in ("9", "10") for pair in expected]
        sides = ["case", "annotator_a", "annotator_b"]
        expected += [(f"-{rater}", rater) for rater in ("e1", "e2", "e3", "e10")]
        found = tables.distances[sides].itertuples(index=False, name=None)
        assert list(found) == [(c, *pair) for c in ("9", "10") for pair in expected]
        assert tables.agreement["iou_threshold"][:10].tolist() == list(IOU_THRESHOLDS)
        assert tables.raters["rater"].tolist() == ["e1", "e2", "e3", "e10"]

    def test_equal_masks_agree(self, tables):
        assert (tables.agreement[["precision", "recall", "f1", "mean_iou", "dice", "iou"]] == 1).all(axis=None)
        assert (tables.raters[["sensitivity_leave_one_out", "f1_leave_one_out", "f1_pairwise"]] == 1).all(axis=None)
        assert (tables.raters[["log_count_ratio", "log_area_ratio"]] == 0).all(axis=None)


def test_precision_is_of_b_and_recall_of_a(tmp_path):
    masks = {"gt": {"x": draw("#.#.#.#")}, "anna": {"x": draw("#......")}}
    tables = tables_of(make_dataset(tmp_path / "d", masks, reference="labels/gt"))
    found = row(tables.agreement, case="x")
    assert found[["annotator_a", "n_a", "n_b", "tp", "precision", "recall"]].tolist() == ["gt", 4, 1, 1, 1, 0.25]


def test_truth_stands_before_the_consensus(tmp_path):
    masks = {name: {"x": draw("##")} for name in ("gt", "anna")}
    save(tmp_path / "t.png", draw("##"))
    tables = tables_of(make_dataset(tmp_path / "d", masks, reference="labels/gt"), "x,planted,truth,t.png,,\n")
    pairs = tables.agreement[["annotator_a", "annotator_b"]].drop_duplicates().itertuples(index=False, name=None)
    assert list(pairs) == [("planted", "gt"), ("planted", "anna"), ("gt", "anna")]


def test_both_empty_agree_and_one_empty_does_not(tmp_path):
    masks = {name: {"x": EMPTY} for name in ("anna", "ben")} | {"cleo": {"x": draw("##.... ......")}}
    tables = tables_of(make_dataset(tmp_path / "d", masks))
    columns = ["n_a", "n_b", "tp", "precision", "recall", "f1", "dice", "iou"]
    assert row(tables.agreement, annotator_a="anna", annotator_b="ben")[columns].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert row(tables.agreement, annotator_a="anna", annotator_b="cleo")[columns].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    assert tables.agreement["mean_iou"].isna().all()
    assert tables.counts["mean_intensity"].isna().tolist() == [True, True, False]
    expected = [[0, 0, 1], *[[np.nan, np.nan, 0]] * 2]
    np.testing.assert_equal(tables.distances[["hd95", "assd", "nsd"]].to_numpy(), expected)
    assert Note("undefined_distances", n=2, n_all=3) in tables.notes


def test_distances_follow_the_spacing_of_the_header_unless_the_dataset_gives_one(tmp_path):
    """One voxel against another, one step away along the first axis and two along the last."""
    for name, at in {"images": (0, 0, 0), "labels/anna": (0, 0, 0), "labels/ben": (1, 0, 2)}.items():
        mask = np.zeros((3, 4, 5), dtype=bool)
        mask[at] = True
        (tmp_path / name).mkdir(parents=True)
        write_mask(tmp_path / name / "x.nii.gz", mask, like=Picture(mask[np.newaxis], spacing_um=(4, 0.5, 1.5)))
    columns = ["hd95", "assd", "nsd", "tolerance", "unit"]
    (found,) = tables_of(read_dataset(tmp_path)).distances[columns].itertuples(index=False, name=None)
    assert found == (pytest.approx(5), pytest.approx(5), 0, pytest.approx(0.5), "um")
    (tmp_path / "dataset.yaml").write_text("spacing_um: [12, 12, 2.5]")
    (found,) = tables_of(read_dataset(tmp_path)).distances[columns].itertuples(index=False, name=None)
    assert found == (13, 13, 0, 2.5, "um")
    assert tables_of(read_dataset(tmp_path)).distances["diagonal"].item() == pytest.approx(
        (36**2 + 48**2 + 12.5**2) ** 0.5
    )
    (tmp_path / "dataset.yaml").write_text("spacing_um: [1, 1]")
    with pytest.raises(DataError, match=r"spacing_um has 2 numbers, but .*x\.nii\.gz has 3 axes"):
        tables_of(read_dataset(tmp_path))


def test_ignored_area_and_region(tmp_path):
    """Anna's bar is cut into two objects of 2 and 1 pixels, of which the size step leaves one; column 6 is outside."""
    masks = {"anna": {"x": draw("####..# ......#")}, "ben": {"x": draw("##..... .......")}}
    areas = {"ignore": {"x": draw("..#.... ..#....")}, "region_masks": {"x": draw("######. ######.")}}
    image = {"x": np.array([[10, 30, 999, 50, 0, 0, 999], [0] * 7])}
    tables = tables_of(make_dataset(tmp_path / "d", masks, image, areas, min_object_size=2))
    anna = row(tables.counts, annotator="anna")
    expected = [1, 2, 20, 10, 1 / 10]
    assert anna[["n_objects", "area_px", "mean_intensity", "region_area_px", "density"]].tolist() == expected
    agreement = row(tables.agreement, case="x")
    assert agreement[["f1", "mean_iou"]].tolist() == [1, 1]
    assert agreement["iou"] == pytest.approx(2 / 3)  # the pixel whose object is too small is still foreground


def test_consensus_is_of_whole_images_and_areas_matter_to_scores_only(tmp_path):
    """Without the ignored pixels STAPLE would not know that Dan marks too much."""
    rng = np.random.default_rng(1)
    truth = rng.random((30, 30)) < 0.3
    errors = {"a": 0.05, "b": 0.1, "c": 0.2, "d": 0.3}
    masks = {name: {"x": truth ^ (rng.random((30, 30)) < error)} for name, error in errors.items()}
    ignore = np.zeros((30, 30), dtype=bool)
    ignore[:, :20] = True
    tables = tables_of(make_dataset(tmp_path / "d", masks, areas={"ignore": {"x": ignore}}))
    drawn = np.stack([masks[name]["x"] for name in "abcd"])
    np.testing.assert_allclose(tables.raters["sensitivity"], staple(drawn).sensitivity)
    others = staple(drawn[1:]).mask
    expected = pixel_agreement(others, drawn[0], ignore=ignore)
    assert tuple(row(tables.leave_one_out, rater="a")[["dice", "iou"]]) == expected
    sensitivity = (others & drawn[0]).sum() / others.sum()
    specificity = (~others & ~drawn[0]).sum() / (~others).sum()
    found = row(tables.raters, rater="a")
    assert found["sensitivity_leave_one_out"] == pytest.approx(sensitivity)
    assert found["specificity_leave_one_out"] == pytest.approx(specificity)


def test_mean_intensity_is_a_mean_over_objects_in_the_chosen_channel(tmp_path):
    import tifffile

    masks = {name: {"x": draw("###..#")} for name in ("anna", "ben")}
    dataset = make_dataset(tmp_path / "d", masks, intensity_channel=1)
    (dataset.folder / "images" / "x.png").unlink()
    image = np.array([[[0] * 6], [[1, 2, 3, 0, 0, 60_000]]], dtype=np.uint16)
    tifffile.imwrite(dataset.folder / "images" / "x.tif", image, metadata={"axes": "CYX"}, photometric="minisblack")
    tables = tables_of(read_dataset(dataset.folder))
    assert tables.counts["mean_intensity"].tolist() == [30_001, 30_001]


def test_label_images_keep_touching_objects_apart_and_are_named(tmp_path):
    masks = {"anna": {"x": np.array([[1, 1, 2, 2, 0]])}, "ben": {"x": draw("####.")}}
    tables = tables_of(make_dataset(tmp_path / "d", masks))
    assert tables.counts["n_objects"].tolist() == [2, 1]
    assert tables.counts["input"].tolist() == ["labels", "mask"]
    assert Note("label_images", "anna", n=1, n_all=1) in tables.notes


def test_log_ratios_are_against_the_mean_of_the_others(tmp_path):
    masks = {
        "anna": {"x": draw("#.#.#.#"), "y": draw("##.....")},
        "ben": {"x": draw("#......"), "y": draw("#......")},
        "cleo": {"x": draw("......."), "z": draw("#......")},
    }
    raters = tables_of(make_dataset(tmp_path / "d", masks)).raters.set_index("rater")
    assert raters["n_cases"].to_dict() == {"anna": 2, "ben": 2, "cleo": 2}
    of_x, of_y = np.log(4.5 / (0.5 + 0.5)), np.log(1.5 / 1.5)
    assert raters.loc["anna", "log_count_ratio"] == pytest.approx((of_x + of_y) / 2)
    assert raters.loc["anna", "log_area_ratio"] == pytest.approx((of_x + np.log(2.5 / 1.5)) / 2)
    assert raters.loc["cleo", "log_count_ratio"] == pytest.approx(
        np.log(0.5 / (2.5 + 0.5))
    )  # z: nobody to compare with


class TestFewRaters:
    def test_three_raters_have_no_consensus_of_others(self, tmp_path):
        masks = {name: {"x": draw(picture)} for name, picture in [("a", "##..#"), ("b", "##..."), ("c", "....#")]}
        tables = tables_of(make_dataset(tmp_path / "d", masks))
        assert tables.leave_one_out.empty
        assert tables.raters["f1_leave_one_out"].isna().all()
        assert tables.raters["n_cases_leave_one_out"].tolist() == [0, 0, 0]
        np.testing.assert_allclose(tables.raters["f1_pairwise"], [2 / 3, 1 / 3, 1 / 3])
        assert Note("few_raters", n=1, n_all=1) in tables.notes

    def test_four_have_only_where_all_annotated(self, tmp_path):
        masks = {name: {"x": draw("##..#"), "y": draw("##..#")} for name in "abcd"}
        del masks["d"]["y"]
        tables = tables_of(make_dataset(tmp_path / "d", masks))
        assert set(tables.leave_one_out["case"]) == {"x"}
        assert Note("some_cases", "d", n=1, n_all=2) in tables.notes

    def test_one_rater_and_a_reference(self, tmp_path):
        masks = {name: {"x": draw("##..#")} for name in ("anna", "gt")}
        tables = tables_of(make_dataset(tmp_path / "d", masks, reference="labels/gt"))
        assert len(tables.agreement) == 10
        assert tables.raters.drop(columns=["rater", "n_cases", "n_cases_leave_one_out"]).isna().all(axis=None)

    def test_one_rater_alone_is_refused(self, tmp_path):
        with pytest.raises(DataError, match="nothing to compare; add a rater, a `reference`"):
            tables_of(make_dataset(tmp_path / "d", {"anna": {"x": draw("##")}}))


class TestForeignMasks:
    @pytest.fixture
    def dataset(self, tmp_path) -> Dataset:
        rng = np.random.default_rng(0)
        truth = rng.random((9, 9)) < 0.3
        masks = {name: {case: truth ^ (rng.random((9, 9)) < 0.1) for case in ("x", "y")} for name in "abcd"}
        save(tmp_path / "m.png", masks["a"]["x"])
        return make_dataset(tmp_path / "d", {**masks, "gt": masks["b"]}, reference="labels/gt")

    def test_models_meet_the_same_consensus_as_the_rater(self, dataset):
        tables = tables_of(dataset, "x,unet,model,m.png,,\nx,true,truth,m.png,,\nx,fused,consensus,m.png,,\n")
        found = tables.leave_one_out.query("case == 'x' and rater == 'a' and iou_threshold == .5")
        assert found["annotator"].tolist() == ["a", "true", "unet"]
        assert found[MEASURES].nunique().max() == 1  # all three have the mask of rater a
        assert Note("contains_left_out_rater", "gt") in tables.notes
        assert Note("training_unknown", "unet") in tables.notes

    def test_missing_prediction_scores_0_and_is_counted(self, dataset):
        tables = tables_of(dataset, "x,unet,model,lost.png,,true\ny,unet,model,m.png,,true\n")
        for side in ("annotator_a", "annotator_b"):
            scored = tables.agreement.query(f"case == 'x' and {side} == 'unet'")
            assert (scored[["tp", "precision", "recall", "f1", "dice", "iou"]] == 0).all(axis=None)
            assert scored["mean_iou"].isna().all()
        beside_gt = row(tables.agreement, case="x", annotator_a="gt", annotator_b="unet")
        assert beside_gt["n_a"] > 0
        assert pd.isna(beside_gt["n_b"])
        others = tables.leave_one_out.query("case == 'x' and annotator == 'unet'")
        assert len(others) == 4 * 10
        assert (others["f1"] == 0).all()
        counted = row(tables.counts, case="x", annotator="unet")
        assert counted[["n_objects", "area_px", "mean_intensity", "density"]].isna().all()
        assert counted["region_area_px"] == 81
        assert tables.missing.to_dict("records") == [{"annotator": "unet", "case": "x"}]
        assert Note("missing_predictions", "unet", n=1) in tables.notes

    def test_missing_prediction_of_a_case_that_both_sides_leave_empty(self, tmp_path):
        """A mask that is not there is not an empty mask that agrees."""
        dataset = make_dataset(tmp_path / "d", {name: {"x": EMPTY} for name in ("anna", "ben")})
        tables = tables_of(dataset, "x,unet,model,lost.png,,\n")
        assert row(tables.agreement, annotator_a="anna", annotator_b="unet")["f1"] == 0
        expected = [[0, 0, 1], *[[np.nan, np.nan, 0]] * 2]
        np.testing.assert_equal(tables.distances[["hd95", "assd", "nsd"]].to_numpy(), expected)
        assert tables.distances["tolerance"].tolist() == [1, 1, 1]

    def test_case_of_which_every_prediction_is_missing(self, dataset):
        for folder in dataset.masks.values():
            folder["y"].unlink()
        dataset.reference["y"].unlink()
        rows = "y,unet,model,lost.png,,\ny,vnet,model,lost.png,,\n"
        tables = tables_of(read_dataset(dataset.folder), rows)
        assert row(tables.agreement, case="y")["f1"] == 0
        assert len(tables.missing) == 2

    def test_missing_mask_of_a_person_is_absence(self, dataset):
        tables = tables_of(dataset, "x,eva,human,lost.png,,\ny,eva,human,m.png,,\n")
        assert tables.counts.query("annotator == 'eva'")["case"].tolist() == ["y"]
        assert tables.missing.empty
        assert Note("some_cases", "eva", n=1, n_all=2) in tables.notes
        assert Note("not_annotated", n=1) in tables.notes

    def test_first_session_counts(self, dataset):
        save(dataset.folder.parent / "later.png", np.eye(9, dtype=bool))
        tables = tables_of(dataset, "x,eva,human,later.png,3,\nx,eva,human,m.png,1,\nx,a,human,later.png,2,\n")
        again = tables_of(dataset, "x,eva,human,m.png,,\n")
        pd.testing.assert_frame_equal(tables.agreement, again.agreement)
        assert Note("later_sessions", n=2) in tables.notes

    def test_without_dataset(self, dataset):
        table = read_annotations(dataset)
        table.to_csv(dataset.folder / "annotations.csv", index=False)
        foreign = read_annotations(None, dataset.folder / "annotations.csv")
        tables, expected = build_tables(None, foreign, n_jobs=1), tables_of(dataset)
        pd.testing.assert_frame_equal(tables.agreement, expected.agreement)
        assert tables.counts["mean_intensity"].isna().all()
        assert (tables.counts["region_area_px"] == 81).all()
        assert tables.notes[0] == Note("no_dataset")


def test_equals_the_slow_way_whatever_the_order_and_the_number_of_processes(tmp_path, monkeypatch):
    """Five raters and a model on three cases with ignored areas, region masks and small objects."""
    monkeypatch.setattr(pool, "START_SECONDS", 0)
    monkeypatch.setattr(pool, "ProcessPoolExecutor", pool_of_copies)
    monkeypatch.setattr(pool, "_FIRST_TASKS", 0)
    rng = np.random.default_rng(3)
    cases = [f"c{index}" for index in (1, 2, 10)]
    truth = {case: rng.random((24, 31)) < 0.3 for case in cases}
    masks = {
        f"r{index}": {case: truth[case] ^ (rng.random((24, 31)) < 0.05 * index) for case in cases}
        for index in range(1, 6)
    }
    areas = {"ignore": {case: rng.random((24, 31)) < 0.1 for case in cases}}
    areas["region_masks"] = {case: rng.random((24, 31)) < 0.9 for case in cases[:2]}
    image = {case: rng.integers(0, 60_000, (24, 31)) for case in cases}
    dataset = make_dataset(tmp_path / "d", masks, image, areas, min_object_size=3, spacing_um=[2, 0.5])
    model = {case: truth[case] ^ (rng.random((24, 31)) < 0.1) for case in cases}
    for case, mask in model.items():
        save(tmp_path / "unet" / f"{case}.png", mask)
    annotations = read_annotations(dataset, None, {"unet": tmp_path / "unet"})
    seen: list[str] = []
    tables = build_tables(dataset, annotations, n_jobs=1, progress=seen.append)
    assert seen == cases

    shuffled = annotations.sample(frac=1, random_state=0)
    other = build_tables(dataset, shuffled, n_jobs=2)
    for name in ("agreement", "distances", "leave_one_out", "counts", "raters", "votes", "recall_by_size"):
        pd.testing.assert_frame_equal(getattr(tables, name), getattr(other, name), check_exact=True)

    agreement = iter(tables.agreement.itertuples(index=False, name=None))
    distances = iter(tables.distances.itertuples(index=False, name=None))
    leave_one_out = iter(tables.leave_one_out.itertuples(index=False, name=None))
    counts = iter(tables.counts.itertuples(index=False, name=None))
    for case in cases:
        area = {"ignore": areas["ignore"][case], "region": areas["region_masks"].get(case)}
        drawn = {rater: masks[rater][case] for rater in masks} | {"unet": model[case]}
        for a, b in combinations(drawn, 2):
            assert_rows(agreement, (case, a, b), drawn[a], drawn[b], area)
            assert_distances(distances, (case, a, b), drawn[a], drawn[b], area)
        for rater in masks:
            others = staple(np.stack([masks[other][case] for other in masks if other != rater])).mask
            for annotator in (rater, "unet"):
                assert_rows(leave_one_out, (case, rater, annotator), others, drawn[annotator], area)
                assert_distances(distances, (case, f"-{rater}", annotator), others, drawn[annotator], area)
        for name, mask in drawn.items():
            labels = label_objects(mask, min_size=3, **area)
            intensity = np.mean([image[case][labels == label].mean() for label in range(1, labels.max() + 1)])
            region = ~area["ignore"] if area["region"] is None else area["region"] & ~area["ignore"]
            expected = (labels.max(), np.count_nonzero(labels), intensity, region.sum(), labels.max() / region.sum())
            assert next(counts) == (case, name, *map(pytest.approx, expected), "mask")
    assert next(agreement, None) is next(distances, None) is next(leave_one_out, None) is next(counts, None) is None


def assert_rows(rows, names, mask_a, mask_b, area) -> None:
    objects = [label_objects(mask, min_size=3, **area) for mask in (mask_a, mask_b)]
    matches, pixels = match_objects(*objects), pixel_agreement(mask_a, mask_b, **area)
    for index, threshold in enumerate(IOU_THRESHOLDS):
        scores = [getattr(matches, name)[index] for name in ("tp", "precision", "recall", "f1")]
        expected = (*names, threshold, matches.n_a, matches.n_b, *scores, matches.mean_iou, *pixels)
        n_px = [np.count_nonzero(counted_pixels(mask, **area)) for mask in (mask_a, mask_b)]
        expected += (matches.sq[index], matches.n_merges, matches.n_splits, *n_px)
        np.testing.assert_equal(next(rows), expected)


def assert_distances(rows, names, mask_a, mask_b, area) -> None:
    of_pair = surface_distances(*(counted_pixels(mask, **area) for mask in (mask_a, mask_b)), (2, 0.5))
    values = (hausdorff_distance(of_pair), average_surface_distance(of_pair), normalized_surface_dice(of_pair, 0.5))
    diagonal = pytest.approx(math.hypot(24 * 2, 31 * 0.5))
    assert next(rows) == (*names, *values, 0.5, "um", diagonal, boundary_shift(of_pair))


class TestBadFiles:
    def test_every_problem_of_a_case_at_once(self, tmp_path):
        dataset = make_dataset(tmp_path / "d", {name: {"x": draw("##.. ....")} for name in ("anna", "ben", "cleo")})
        save(dataset.masks["anna"]["x"], draw("##.."))
        dataset.masks["ben"]["x"].write_bytes(b"\x89PNG no more")
        with pytest.raises(DataError) as caught:
            tables_of(dataset)
        assert "anna/x.png has shape (1, 4), but " in str(caught.value)
        assert "ben/x.png" in str(caught.value)
        assert "cleo" not in str(caught.value)

    def test_masks_of_different_shape_without_dataset(self, tmp_path):
        save(tmp_path / "a.png", draw("##.."))
        save(tmp_path / "b.png", draw("##"))
        path = tmp_path / "annotations.csv"
        path.write_text("case,annotator,kind,path\nx,a,human,a.png\nx,b,human,b.png\n")
        with pytest.raises(DataError, match=r"b.png has shape \(1, 2\), but .*a.png has \(1, 4\); expected the same"):
            build_tables(None, read_annotations(None, path), n_jobs=1)

    def test_channel_that_the_image_lacks(self, tmp_path):
        dataset = make_dataset(tmp_path / "d", {n: {"x": draw("##")} for n in ("a", "b")}, intensity_channel=2)
        with pytest.raises(DataError, match=r"has 1 channel, but intensity_channel in dataset\.yaml is 2"):
            tables_of(dataset)

    def test_problem_in_another_process_is_told_as_in_this_one(self, tmp_path, monkeypatch):
        monkeypatch.setattr(pool, "START_SECONDS", 0)
        monkeypatch.setattr(pool, "ProcessPoolExecutor", pool_of_copies)
        dataset = make_dataset(tmp_path / "d", {n: {c: draw("##") for c in "uvxy"} for n in ("a", "b")})
        save(dataset.masks["b"]["y"], draw("###"))
        with pytest.raises(DataError, match=r"b/y.png has shape \(1, 3\)"):
            build_tables(dataset, read_annotations(dataset), n_jobs=2)


def link_lab(folder: Path, data_dir: Path, lab: str) -> Dataset:
    folder.mkdir()
    for name in ("images", "labels"):
        (folder / name).symlink_to(data_dir / "segebarth2020" / lab / name)
    (folder / "dataset.yaml").write_text("raters: labels/expert_*\nreference: labels/est_GT\nmin_object_size: 16\n")
    return read_dataset(folder)


@pytest.fixture(scope="module")
def wue1(lab_wue1: Lab) -> Tables:
    return lab_wue1.tables


def test_votes_of_lab_wue1_cover_every_pixel_once(wue1):
    assert (wue1.votes.groupby("case")["n_pixels"].sum() == 1024**2).all()
    assert (wue1.votes["n_raters"] == 5).all()
    marked = (wue1.votes["n_marked"] * wue1.votes["n_pixels"]).groupby(wue1.votes["case"]).sum()
    pairs = wue1.agreement.query("annotator_a == 'expert_1' and iou_threshold == .5").set_index("case")
    foreground = pairs.groupby("case")["n_px_b"].sum() + pairs.groupby("case")["n_px_a"].first()
    pd.testing.assert_series_equal(marked.sort_index(), foreground.sort_index(), check_names=False)


def test_recall_by_size_of_lab_wue1_adds_up_to_the_agreement(wue1):
    sums = wue1.recall_by_size.groupby(["case", "reference", "annotator"])[["n_objects", "n_found"]].sum()
    at_half = wue1.agreement.query("annotator_a == 'est_GT' and iou_threshold == .5")
    left_out = wue1.leave_one_out.query("iou_threshold == .5")
    at_half = at_half.rename(columns={"annotator_a": "reference", "annotator_b": "annotator"})
    left_out = left_out.assign(reference="-" + left_out["rater"])
    expected = pd.concat([at_half, left_out]).set_index(["case", "reference", "annotator"])[["n_a", "tp"]]
    expected = expected[expected["n_a"] > 0].sort_index().set_axis(["n_objects", "n_found"], axis=1)
    pd.testing.assert_frame_equal(sums.sort_index(), expected)
    assert set(wue1.recall_by_size["size_low"]) <= {30 * 2**k for k in range(10)}


def test_segmentation_quality_of_lab_wue1(wue1):
    """The mean IoU of all overlapping pairs is below that of the pairs above .5, which rises with the threshold."""
    at_half = wue1.agreement.query("iou_threshold == .5 and tp > 0")
    assert (at_half["sq"] >= at_half["mean_iou"] - 1e-9).all()
    matched = wue1.agreement[wue1.agreement["tp"] > 0]
    assert ((matched["sq"] > matched["iou_threshold"]) & (matched["sq"] <= 1)).all()
    assert wue1.agreement.loc[wue1.agreement["tp"] == 0, "sq"].isna().all()


def test_published_agreement_of_lab_wue1(wue1):
    at_half = wue1.agreement[wue1.agreement["iou_threshold"] == 0.5]
    mean = at_half.groupby(["annotator_a", "annotator_b"])[["f1", "mean_iou"]].mean()
    published = {"expert_1": 0.5076, "expert_2": 0.8121, "expert_3": 0.7723, "expert_4": 0.7894, "expert_5": 0.8101}
    assert mean.loc["est_GT", "f1"].to_dict() == pytest.approx(published, abs=5e-5)
    assert mean.loc[("expert_2", "expert_5")].tolist() == pytest.approx([0.6699, 0.6306], abs=5e-5)
    assert len(wue1.agreement) == 36 * 15 * 10


def test_published_counts_of_lab_wue1(wue1):
    published = {"expert_1": 1559, "expert_2": 3297, "expert_3": 3612, "expert_4": 3900, "expert_5": 3315}
    assert wue1.counts.groupby("annotator")["n_objects"].sum().to_dict() == published | {"est_GT": 3296}


def test_published_leave_one_out_of_lab_wue1(wue1):
    assert wue1.raters["f1_leave_one_out"].mean() == pytest.approx(0.664, abs=5e-4)
    assert len(wue1.leave_one_out) == 36 * 5 * 10
    assert wue1.raters["n_cases_leave_one_out"].tolist() == [36] * 5


def test_predictions_as_nnunet_writes_them_against_the_raters_of_lab_inns1(data_dir, tmp_path):
    """nnU-Net's folder: `<case>.png` with 0 and 1, beside its JSON files; here a copy of expert_3's masks."""
    dataset = link_lab(tmp_path / "inns1", data_dir, "lab-inns1")
    for case, path in dataset.masks["expert_3"].items():
        save(tmp_path / "out" / f"{case}.png", (read_mask(path) > 0).astype(np.uint8))
    (tmp_path / "out" / "plans.json").write_text("{}")
    tables = build_tables(dataset, read_annotations(dataset, None, {"nnunet": tmp_path / "out"}), n_jobs=1)
    assert (tables.agreement.query("annotator_a == 'expert_3' and annotator_b == 'nnunet'")["f1"] == 1).all()
    against = tables.leave_one_out.query("rater == 'expert_3'").set_index("annotator")
    pd.testing.assert_frame_equal(
        against.loc[["expert_3"]].reset_index(drop=True), against.loc[["nnunet"]].reset_index(drop=True)
    )
    assert len(tables.agreement) == 5 * 15 * 10

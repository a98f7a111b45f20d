"""Tables that hold counts and sums of single cases: votes, recall by size, maps, repeated annotations."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drawing import draw
from segassay.consensus.pixels import staple
from segassay.data.annotations import read_annotations
from segassay.data.dataset import Dataset
from segassay.errors import DataError
from segassay.io.images import write_map
from segassay.tables.build import Tables, build_tables
from segassay.tables.contrast import OTHER_RATERS
from segassay.tables.notes import Note
from small_datasets import make_dataset, row, save, tables_of

MAPS = "prob,uncertainty"


def cells(table: pd.DataFrame, **where: object) -> list[tuple[object, ...]]:
    """Rows with these values, without these columns."""
    kept = np.logical_and.reduce([table[column] == value for column, value in where.items()])
    return list(table.loc[kept].drop(columns=list(where)).itertuples(index=False, name=None))


class TestAgreement:
    def test_foreground_is_counted_before_small_objects_are_dropped_and_without_what_is_ignored(self, tmp_path):
        masks = {"anna": {"x": draw("###.#..")}, "ben": {"x": draw("......#")}}
        areas = {"ignore": {"x": draw("#......")}}
        found = row(tables_of(make_dataset(tmp_path / "d", masks, areas=areas, min_object_size=2)).agreement)
        assert found[["n_a", "n_b", "n_px_a", "n_px_b"]].tolist() == [1, 0, 3, 1]

    def test_merges_are_of_b_and_splits_of_a(self, tmp_path):
        """Cleo's one object covers two of the reference and of Anna's; the reference stands first."""
        masks = {"gt": {"x": draw("##.##")}, "anna": {"x": draw("##.##")}, "cleo": {"x": draw("#####")}}
        agreement = tables_of(make_dataset(tmp_path / "d", masks, reference="labels/gt")).agreement
        for first, second, expected in [("gt", "cleo", [1, 0]), ("anna", "cleo", [1, 0]), ("gt", "anna", [0, 0])]:
            pair = row(agreement, annotator_a=first, annotator_b=second)
            assert pair[["n_merges", "n_splits"]].tolist() == expected
        assert row(agreement, annotator_a="gt", annotator_b="anna")["sq"] == 1
        assert np.isnan(row(agreement, annotator_a="gt", annotator_b="cleo")["sq"])

    def test_a_split_against_the_others(self, tmp_path):
        masks = {name: {"x": draw("#####")} for name in "abc"} | {"d": {"x": draw("##.##")}}
        left_out = tables_of(make_dataset(tmp_path / "d", masks)).leave_one_out
        found = row(left_out, rater="d", annotator="d")
        assert found[["n_merges", "n_splits", "n_px_a", "n_px_b"]].tolist() == [0, 1, 5, 4]

    def test_a_missing_prediction_has_none_of_these(self, tmp_path):
        masks = {"gt": {"x": draw("##.")}, "anna": {"y": draw("##.")}}
        dataset = make_dataset(tmp_path / "d", masks, reference="labels/gt")
        agreement = tables_of(dataset, "x,unet,model,lost.png,,\nx,vnet,model,lost.png,,\n").agreement
        found = row(agreement, annotator_a="gt", annotator_b="unet")
        assert found["n_px_a"] == 2
        assert found[["sq", "n_merges", "n_splits", "n_px_b"]].isna().all()


class TestShift:
    def test_is_positive_where_b_lies_outside_a(self, tmp_path):
        small, large = draw("..... ..... ..#.. ..... ....."), draw("..... .###. .###. .###. .....")
        masks = {"anna": {"x": small}, "ben": {"x": large}}
        shift = (4 + 4 * 2**0.5 + 1) / 9
        found = tables_of(make_dataset(tmp_path / "d", masks)).distances["shift"]
        assert found.tolist() == [pytest.approx(shift)]
        found = tables_of(make_dataset(tmp_path / "e", masks, spacing_um=[3, 3])).distances["shift"]
        assert found.tolist() == [pytest.approx(3 * shift)]

    def test_is_empty_where_nothing_overlaps(self, tmp_path):
        masks = {"anna": {"x": draw("#..")}, "ben": {"x": draw("..#")}}
        distances = tables_of(make_dataset(tmp_path / "d", masks)).distances
        assert distances["shift"].isna().tolist() == [True]
        assert distances["assd"].tolist() == [2]


class TestDistancesToTheOthers:
    def test_stand_behind_those_of_the_pairs_as_of_a_mask_of_its_own(self, tmp_path):
        """The others of dora agree, and so do two of three where she is among them; the reference has no C₋r."""
        masks = {name: {"x": draw("#....")} for name in ("gt", "anna", "ben", "cleo")} | {"dora": {"x": draw("##...")}}
        dataset = make_dataset(tmp_path / "d", masks, reference="labels/gt")
        distances = tables_of(dataset, "x,unet,model,lost.png,,\n").distances
        others = distances[distances["annotator_a"].str.startswith("-")].set_index(["annotator_a", "annotator_b"])
        raters = ("anna", "ben", "cleo", "dora")
        assert list(others.index) == [(f"-{rater}", other) for rater in raters for other in (rater, "unet")]
        assert others.loc[[(f"-{rater}", rater) for rater in raters], "hd95"].tolist() == [0, 0, 0, pytest.approx(0.95)]
        missing = others.xs("unet", level="annotator_b")
        assert missing["hd95"].isna().all()
        assert missing["nsd"].tolist() == [0] * 4
        assert (distances["annotator_a"].str.startswith("-").diff().iloc[1:] > 0).sum() == 1

    def test_are_not_there_with_three_raters(self, tmp_path):
        dataset = make_dataset(tmp_path / "d", {name: {"x": draw("##.")} for name in ("anna", "ben", "cleo")})
        assert len(tables_of(dataset).distances) == 3


class TestVotes:
    def test_count_pixels_by_their_raters(self, tmp_path):
        """Ignored are the first two pixels, outside the region the last; the reference is no rater."""
        masks = {
            "gt": {"x": draw("######## ########")},
            "anna": {"x": draw("####.... ........"), "y": draw("##")},
            "ben": {"x": draw("##.##... ........"), "y": draw("#.")},
            "cleo": {"x": draw("#..#...# ........")},
        }
        areas = {"ignore": {"x": draw("##...... ........")}, "region_masks": {"x": draw("#######. ########")}}
        tables = tables_of(make_dataset(tmp_path / "d", masks, areas=areas, reference="labels/gt"))
        assert cells(tables.votes, case="x") == [(3, 0, 10), (3, 1, 2), (3, 2, 0), (3, 3, 1)]
        assert cells(tables.votes, case="y") == [(2, 0, 0), (2, 1, 1), (2, 2, 1)]
        areas = tables.counts.groupby("case")["region_area_px"].first()
        assert tables.votes.groupby("case")["n_pixels"].sum().to_dict() == areas.to_dict() == {"x": 13, "y": 2}

    def test_of_a_case_without_raters_there_are_none(self, tmp_path):
        dataset = make_dataset(
            tmp_path / "d", {"anna": {"x": draw("##")}, "gt": {"y": draw("##")}}, reference="labels/gt"
        )
        save(tmp_path / "m.png", draw("#."))
        votes = tables_of(dataset, "y,unet,model,m.png,,\n").votes
        assert list(votes.itertuples(index=False, name=None)) == [("x", 1, 0, 0), ("x", 1, 1, 2)]


class TestRecallBySize:
    def test_classes_double_from_the_smallest_object_on(self, tmp_path):
        """Objects of 3, 5, 6 and 12 pixels, and one that is too small; Anna has 3 and 6, and half of the 12."""
        masks = {
            "gt": {"x": draw("##.###.#####.######.############")},
            "anna": {"x": draw("...###.##....######.######......")},
        }
        found = tables_of(make_dataset(tmp_path / "d", masks, reference="labels/gt", min_object_size=3)).recall_by_size
        expected = [(3, 6, 2, 1), (6, 12, 1, 1), (12, 24, 1, 0)]
        assert cells(found, case="x", reference="gt", annotator="anna") == expected
        assert len(found) == 3

    def test_references_are_truths_consensuses_and_the_others_of_each_rater(self, tmp_path):
        masks = {name: {"x": draw("##.#")} for name in ("a", "b", "c", "gt")} | {"d": {"x": draw("##..")}}
        save(tmp_path / "m.png", draw("...#"))
        tables = tables_of(
            make_dataset(tmp_path / "d", masks, reference="labels/gt"),
            "x,true,truth,m.png,,\nx,unet,model,m.png,,\nx,vnet,model,lost.png,,\n",
        )
        found = tables.recall_by_size
        pairs = found[["reference", "annotator"]].drop_duplicates().itertuples(index=False, name=None)
        outside = ["true", "unet", "vnet"]
        expected = [("true", other) for other in ["gt", *"abcd", "unet", "vnet"]]
        expected += [("gt", other) for other in [*"abcd", "unet", "vnet"]]
        expected += [(f"-{rater}", other) for rater in "abcd" for other in [rater, *outside]]
        assert list(pairs) == expected
        assert cells(found, case="x", reference="-d", annotator="d") == [(1, 2, 1, 0), (2, 4, 1, 1)]
        assert cells(found, case="x", reference="gt", annotator="vnet") == [(1, 2, 1, 0), (2, 4, 1, 0)]

    def test_a_reference_without_objects_has_no_rows(self, tmp_path):
        masks = {"gt": {"x": draw("..")}, "anna": {"x": draw("##")}}
        assert tables_of(make_dataset(tmp_path / "d", masks, reference="labels/gt")).recall_by_size.empty


class TestRecallByContrast:
    """Three bright objects of Anna on a background of 1000 ± 100, which is 148 in standard deviations."""

    ANNA = draw("##..##..##......") & np.ones((30, 1), dtype=bool)

    def tables(self, tmp_path: Path, image: np.ndarray, rows: str = "", **masks: np.ndarray) -> Tables:
        drawn = {name: {"x": mask} for name, mask in masks.items()}
        return tables_of(make_dataset(tmp_path / "d", drawn, images={"x": image}), rows)

    def image(self) -> np.ndarray:
        image = np.tile([[900], [1100]], (15, 16))
        for at, contrast in ((0, 8.1), (4, 4.1), (8, 2.1)):
            image[:, at : at + 2] = round(1000 + contrast * 148.26)
        return image

    def test_objects_of_all_other_raters_are_counted_by_their_contrast(self, tmp_path):
        ben, cleo = self.ANNA.copy(), self.ANNA.copy()
        ben[:, 8:], cleo[:, 4:] = False, False
        found = self.tables(tmp_path, self.image(), anna=self.ANNA, ben=ben, cleo=cleo).recall_by_contrast
        where = {"case": "x", "reference": OTHER_RATERS}
        assert cells(found, **where, annotator="anna") == [(4, 1, 1), (8, 2, 2)]
        assert cells(found, **where, annotator="ben") == [(2, 1, 0), (4, 1, 1), (8, 2, 2)]
        assert cells(found, **where, annotator="cleo") == [(2, 1, 0), (4, 2, 0), (8, 2, 2)]

    def test_an_object_is_marked_however_far_outside_its_boundary_is_drawn(self, tmp_path):
        wide = draw("###.###.####....") & np.ones((30, 1), dtype=bool)
        found = self.tables(tmp_path, self.image(), anna=self.ANNA, ben=wide).recall_by_contrast
        assert found.loc[found["annotator"] == "ben", "n_found"].tolist() == [1, 1, 1]

    def test_a_truth_is_a_reference_of_its_own_and_a_missing_mask_marks_nothing(self, tmp_path):
        save(tmp_path / "m.png", self.ANNA)
        rows = "x,true,truth,m.png,,\nx,unet,model,lost.png,,\n"
        found = self.tables(tmp_path, self.image(), rows, anna=self.ANNA, ben=self.ANNA).recall_by_contrast
        assert cells(found, case="x", reference="true", annotator="unet") == [(2, 1, 0), (4, 1, 0), (8, 1, 0)]
        assert cells(found, case="x", reference="true", annotator="anna") == [(2, 1, 1), (4, 1, 1), (8, 1, 1)]
        assert not ((found["annotator"] == "true") & (found["reference"] == "true")).any()

    def test_without_a_background_that_varies_there_is_no_contrast(self, tmp_path):
        image = np.where(self.ANNA, 50, 7)
        assert self.tables(tmp_path, image, anna=self.ANNA, ben=self.ANNA).recall_by_contrast.empty

    def test_without_an_image_there_is_no_contrast(self, tmp_path):
        make_dataset(tmp_path / "d", {"anna": {"x": self.ANNA}, "ben": {"x": self.ANNA}}, images={"x": self.image()})
        rows = "".join(f"x,{name},human,d/labels/{name}/x.png\n" for name in ("anna", "ben"))
        (tmp_path / "a.csv").write_text(f"case,annotator,kind,path\n{rows}")
        assert build_tables(None, read_annotations(None, tmp_path / "a.csv"), n_jobs=1).recall_by_contrast.empty


class TestMaps:
    PROB = np.array([[0.9, 0.6, 0.3, 0.0]] * 2)
    UNCERTAINTY = np.array([[0.11, 0.41, 0.71, 0.99]] * 2)

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        """Three raters; all but the last pixel counts. The model's mask is its first two columns."""
        pictures = {"anna": "#... ....", "ben": "##.. ##..", "cleo": "###. ###."}
        masks = {name: {"x": draw(picture)} for name, picture in pictures.items()}
        save(tmp_path / "m.png", self.PROB > 0.5)
        write_map(tmp_path / "p.tif", self.PROB)
        write_map(tmp_path / "u.tif", self.UNCERTAINTY)
        return make_dataset(tmp_path / "d", masks, areas={"ignore": {"x": draw(".... ...#")}})

    def test_are_held_against_the_consensus_of_all_raters(self, dataset):
        drawn = np.stack([draw("#... ...."), draw("##.. ##.."), draw("###. ###.")])
        np.testing.assert_array_equal(staple(drawn).mask, draw("##.. ##.."))
        tables = tables_of(dataset, "x,unet,model,m.png,p.tif,u.tif\n", MAPS)
        where = {"case": "x", "annotator": "unet", "reference": "consensus_staple"}
        approx = [(0, 1, 0, 0, 0), (5, 2, 0.6, 0.18, 0), (11, 2, 1.2, 0.32, 2), (17, 2, 1.8, 0.02, 2)]
        assert cells(tables.calibration, **where) == [pytest.approx(cell) for cell in approx]
        # all three raters marked the first pixel, two the one below and the two beside, one the next two
        disagreement = 4 * 2 / 9
        approx = [(5, 2, 0.22, 0, disagreement), (20, 2, 0.82, 0, 2 * disagreement)]
        approx += [(35, 2, 1.42, 0, 2 * disagreement), (49, 1, 0.99, 0, 0)]
        assert cells(tables.uncertainty, **where) == [pytest.approx(cell) for cell in approx]

    def test_are_held_against_the_truth_if_there_is_one(self, dataset, tmp_path):
        save(tmp_path / "t.png", draw("...# ...."))
        rows = "x,unet,model,m.png,p.tif,u.tif\nx,planted,truth,t.png,,\n"
        tables = tables_of(dataset, rows, MAPS)
        assert tables.calibration["reference"].unique().tolist() == ["planted"]
        assert tables.calibration.set_index("bin")["n_foreground"].to_dict() == {0: 1, 5: 0, 11: 0, 17: 0}
        assert tables.uncertainty["n_errors"].tolist() == [2, 2, 0, 1]

    def test_without_raters_the_first_consensus_stands_in(self, tmp_path):
        masks = {"gt": {"x": draw("#... ....")}, "anna": {"y": draw("##")}}
        dataset = make_dataset(tmp_path / "d", masks, reference="labels/gt")
        save(tmp_path / "m.png", self.PROB > 0.5)
        write_map(tmp_path / "u.tif", self.UNCERTAINTY)
        tables = tables_of(dataset, "x,unet,model,m.png,,u.tif\n", MAPS)
        assert tables.calibration.empty
        assert tables.uncertainty["reference"].unique().tolist() == ["gt"]
        assert tables.uncertainty["n_errors"].tolist() == [1, 2, 0, 0]
        assert tables.uncertainty["sum_disagreement"].isna().all()

    def test_a_model_alone_with_a_model_has_no_reference(self, dataset):
        for name in ("anna", "ben", "cleo"):
            dataset.masks[name].clear()
        rows = "x,unet,model,m.png,p.tif,u.tif\nx,vnet,model,m.png,,\n"
        tables = tables_of(dataset, rows, MAPS)
        assert tables.calibration.empty
        assert tables.uncertainty.empty
        assert Note("maps_without_reference", n=1, n_all=1) in tables.notes

    def test_of_a_missing_prediction_are_not_asked_for(self, dataset):
        tables = tables_of(dataset, "x,unet,model,lost.png,lost.tif,lost.tif\n", MAPS)
        assert tables.calibration.empty
        assert len(tables.missing) == 1

    @pytest.mark.parametrize("maps", ["lost.tif,", ",lost.tif"])
    def test_that_do_not_exist_are_an_error(self, dataset, maps):
        with pytest.raises(DataError, match=r"lost\.tif does not exist"):
            tables_of(dataset, f"x,unet,model,m.png,{maps}\n", MAPS)

    def test_that_are_masks_in_255_are_an_error(self, dataset):
        with pytest.raises(DataError, match=r"m\.png holds numbers from 0 to 255; expected a probability"):
            tables_of(dataset, "x,unet,model,m.png,m.png,\n", MAPS)


class TestRepeats:
    ROWS = "x,anna,human,two.png,2\nx,eva,human,two.png,1\nx,anna,human,three.png,3\n"

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        masks = {name: {"x": draw("###.##.#")} for name in ("anna", "ben", "cleo", "dan")}
        save(tmp_path / "two.png", draw("##..##.."))
        save(tmp_path / "three.png", draw("#......."))
        return make_dataset(tmp_path / "d", masks, areas={"ignore": {"x": draw(".......#")}})

    def test_hold_every_pair_of_sessions(self, dataset):
        repeats = tables_of(dataset, self.ROWS, "session").repeats
        columns = ["annotator", "session_a", "session_b", "n_a", "n_b", "tp", "f1", "sq", "n_px_a", "n_px_b"]
        assert list(repeats[columns].itertuples(index=False, name=None)) == [
            ("anna", 0, 2, 2, 2, 2, 1, pytest.approx((2 / 3 + 1) / 2), 5, 4),
            ("anna", 0, 3, 2, 1, 0, 0, pytest.approx(np.nan, nan_ok=True), 5, 1),
            ("anna", 2, 3, 2, 1, 0, 0, pytest.approx(np.nan, nan_ok=True), 4, 1),
        ]

    def test_later_sessions_enter_no_other_table(self, dataset):
        tables, once = (
            tables_of(dataset, self.ROWS, "session"),
            tables_of(dataset, "x,eva,human,two.png,1\n", "session"),
        )
        assert once.repeats.empty
        for name in ("agreement", "distances", "leave_one_out", "counts", "raters", "votes", "recall_by_size"):
            pd.testing.assert_frame_equal(getattr(tables, name), getattr(once, name))
        assert tables.votes["n_raters"].unique().tolist() == [5]

    def test_of_another_shape_are_an_error(self, dataset, tmp_path):
        save(tmp_path / "three.png", draw("##"))
        with pytest.raises(DataError, match=r"three\.png has shape \(1, 2\), but the first session has \(1, 8\)"):
            tables_of(dataset, self.ROWS, "session")


def test_empty_tables_have_their_columns(tmp_path):
    tables: Tables = tables_of(make_dataset(tmp_path / "d", {name: {"x": draw("#.")} for name in ("a", "b")}))
    assert list(tables.repeats.columns[:6]) == ["case", "annotator", "session_a", "session_b", "n_a", "n_b"]
    assert list(tables.calibration.columns[3:]) == ["bin", "n_pixels", "sum_prob", "sum_squared_error", "n_foreground"]
    alone = Tables(*[pd.DataFrame()] * 6, notes=[])
    pd.testing.assert_frame_equal(alone.repeats, tables.repeats, check_dtype=False)

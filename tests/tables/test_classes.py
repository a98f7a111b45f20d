"""Classes of pixels and objects, by hand from pictures of digits; and maps with a channel for each class."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from class_scenes import RIGHT, make, save, swapped, values
from segassay.data.annotations import read_annotations
from segassay.data.classes import ClassMap
from segassay.data.dataset import read_dataset
from segassay.errors import DataError
from segassay.io.held import HeldImage
from segassay.io.images import write_maps
from segassay.io.picture import Picture
from segassay.tables.classes import ANOTHER, ONE, ClassTables, build_class_tables
from segassay.tables.maps import read_map

TWO = ClassMap((1, 2), names=(("zone", (1,)), ("tumour", (2,))))


def tables_of(folder: Path, **masks: Path) -> ClassTables:
    dataset = read_dataset(folder)
    return build_class_tables(dataset, read_annotations(dataset, None, masks, dict.fromkeys(masks, "model")))


def cells(table: pd.DataFrame, a: str, b: str) -> dict[tuple[str, str], int]:
    rows = table[table["annotator_a"].eq(a) & table["annotator_b"].eq(b)]
    keys = zip(rows["class_a"], rows["class_b"], strict=True)
    return dict(zip(keys, rows.iloc[:, -1].tolist(), strict=True))


def test_who_calls_what_what_counted_by_hand(tmp_path: Path) -> None:
    anna = values("1122 0000", 1)
    ben = values("1220 0001", 1)
    found = tables_of(make(tmp_path, {"anna": {"1": anna}, "ben": {"1": ben}}))
    assert cells(found.confusion, "anna", "ben") == {
        ("background", "background"): 3,
        ("background", "zone"): 1,
        ("zone", "zone"): 1,
        ("zone", "tumour"): 1,
        ("tumour", "background"): 1,
        ("tumour", "tumour"): 1,
    }


def test_pixels_outside_the_region_and_ignored_ones_do_not_count(tmp_path: Path) -> None:
    masks = {"anna": {"1": values("1122 1122", 1)}, "ben": {"1": values("1122 1122", 1)}}
    folder = make(tmp_path, masks, region_masks="regions", ignore="ignored")
    save(folder / "regions", {"1": values("1111 0000", 1)})
    save(folder / "ignored", {"1": values("1000 0000", 1)})
    found = tables_of(folder)
    assert cells(found.confusion, "anna", "ben") == {("zone", "zone"): 1, ("tumour", "tumour"): 2}
    assert found.counts["n_pixels"].tolist() == [1, 2, 1, 2]


def test_an_object_has_the_class_of_most_of_its_pixels_and_of_equally_many_the_first(tmp_path: Path) -> None:
    anna = values("1112 0000 1122 0000", 1)
    ben = values("1222 0000 2222 0000", 1)
    found = tables_of(make(tmp_path, {"anna": {"1": anna}, "ben": {"1": ben}}))
    assert cells(found.confusion_objects, "anna", "ben") == {("zone", "tumour"): 2}
    turned = tables_of(make(tmp_path / "turned", {"anna": {"1": anna}, "ben": {"1": ben}}, {"tumour": 2, "zone": 1}))
    assert cells(turned.confusion_objects, "anna", "ben") == {("zone", "tumour"): 1, ("tumour", "tumour"): 1}


def test_objects_that_one_of_two_did_not_find_are_in_no_cell(tmp_path: Path) -> None:
    anna, ben = values("1100 0000 0022", 1), values("1100 0000 0000", 1)
    found = tables_of(make(tmp_path, {"anna": {"1": anna}, "ben": {"1": ben}}))
    assert cells(found.confusion_objects, "anna", "ben") == {("zone", "zone"): 1}


def test_shares_of_area_and_objects_are_of_objects_that_are_large_enough(tmp_path: Path) -> None:
    mask = values("1111 0000 0022 0000 2000", 1)
    nothing = np.zeros_like(mask)
    found = tables_of(make(tmp_path, {"anna": {"1": mask}, "ben": {"1": nothing}}, min_object_size=2))
    own = found.counts.set_index(["annotator", "class"])
    assert own.loc[("anna", "zone"), ["n_pixels", "n_objects"]].tolist() == [4, 1]
    assert own.loc[("anna", "tumour"), "share_of_area"] == pytest.approx(2 / 6)
    assert own.loc[("anna", "tumour"), "share_of_objects"] == 0.5
    assert own.loc["ben", ["share_of_area", "share_of_objects"]].isna().all(axis=None)


def test_votes_are_of_pixels_that_someone_marks_and_of_objects_that_two_found(tmp_path: Path) -> None:
    masks = {"anna": values("1122 0000", 1), "ben": values("1222 0000", 1), "cleo": values("0000 0000", 1)}
    found = tables_of(make(tmp_path, {rater: {"1": mask} for rater, mask in masks.items()}))
    votes = found.votes.groupby(["unit", "pattern"], sort=False)
    seen = {
        (unit, tuple(zip(rows["class"], rows["n_raters"], strict=True)), int(rows["n_items"].iloc[0]))
        for (unit, _), rows in votes
    }
    assert seen == {
        ("pixels", (("background", 1), ("zone", 2)), 1),
        ("pixels", (("background", 1), ("zone", 1), ("tumour", 1)), 1),
        ("pixels", (("background", 1), ("tumour", 2)), 2),
        ("marked_pixels", (("zone", 2),), 1),
        ("marked_pixels", (("zone", 1), ("tumour", 1)), 1),
        ("marked_pixels", (("tumour", 2),), 2),
        ("objects", (("zone", 1), ("tumour", 1)), 1),
    }


def test_exchangeable_raters_have_no_names_and_may_change_places(tmp_path: Path) -> None:
    right = values(RIGHT)
    one = {"reader_1": {"1": right, "2": right}, "reader_2": {"1": swapped(right), "2": right}}
    other = {"reader_1": {"1": swapped(right), "2": right}, "reader_2": {"1": right, "2": right}}
    named = {"exchangeable": True}
    found, turned = (
        tables_of(make(tmp_path / name, masks, raters=named)) for name, masks in (("one", one), ("other", other))
    )
    assert set(found.confusion["annotator_a"]) == {ONE}
    assert set(found.confusion["annotator_b"]) == {ANOTHER}
    pd.testing.assert_frame_equal(found.confusion, turned.confusion)
    pd.testing.assert_frame_equal(found.confusion_objects, turned.confusion_objects)
    assert cells(found.confusion[found.confusion["case"] == "1"], ONE, ANOTHER)["zone", "tumour"] == 96


def test_models_are_compared_with_raters_who_have_no_names(tmp_path: Path) -> None:
    right = values(RIGHT)
    folder = make(tmp_path, {"r1": {"1": right}, "r2": {"1": right}}, raters={"exchangeable": True})
    found = tables_of(folder, net=save(tmp_path / "net", {"1": np.minimum(right, 1)}))
    assert cells(found.confusion, ONE, "net")["tumour", "zone"] == 96


def test_regions_have_counts_and_no_confusion(tmp_path: Path) -> None:
    masks = {"anna": {"1": values(RIGHT)}, "ben": {"1": values(RIGHT)}}
    found = tables_of(make(tmp_path, masks, {"organ": [1, 2], "tumour": 2}))
    assert found.counts["n_pixels"].tolist() == [96, 48, 96, 48]
    assert found.counts["share_of_area"].tolist() == [1, 0.5, 1, 0.5]
    assert found.counts["n_objects"].isna().all()
    assert [len(table) for table in (found.confusion, found.confusion_objects, found.votes)] == [0, 0, 0]


def test_inverted_masks_have_no_classes(tmp_path: Path) -> None:
    masks = {"anna": {"1": values(RIGHT)}, "ben": {"1": values(RIGHT)}}
    with pytest.raises(DataError, match="invert cannot be combined with classes"):
        tables_of(make(tmp_path, masks, invert=["ben"]))


def test_a_mask_of_a_model_with_another_value_is_named(tmp_path: Path) -> None:
    folder = make(tmp_path, {"anna": {"1": values(RIGHT)}, "ben": {"1": values(RIGHT)}})
    net = save(tmp_path / "net", {"1": values(RIGHT) * 100})
    with pytest.raises(DataError, match=r"net.1\.png holds the value 100; dataset.yaml names 0, 1, 2"):
        tables_of(folder, net=net)


def held(*channels: float) -> HeldImage:
    array = np.stack([np.full((2, 3), value, dtype=np.float32) for value in channels])
    return HeldImage("prob", Picture(array, None, None))


def test_a_map_has_a_channel_for_each_class() -> None:
    prob = held(0.25, 0.5)
    assert read_map(prob, (2, 3), None, TWO.only("tumour")).max() == 0.5
    assert read_map(prob, (2, 3), None, TWO.only("zone")).max() == 0.25
    assert read_map(prob, (2, 3), None, TWO).max() == 0.75
    assert read_map(held(0.75, 0.75), (2, 3), None, TWO).max() == 1
    regions = ClassMap((1, 2), names=(("organ", (1, 2)), ("tumour", (2,))))
    assert read_map(prob, (2, 3), None, regions).max() == 0.5


@pytest.mark.parametrize(("name", "shape"), [("1.tif", (5, 7)), ("1.nii.gz", (5, 7)), ("1.nii.gz", (3, 5, 7))])
def test_maps_of_classes_are_read_as_they_are_written(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    prob = np.random.default_rng(0).dirichlet(np.ones(3), size=shape).astype(np.float32)
    prob = np.moveaxis(prob, -1, 0)[:2]
    write_maps(tmp_path / name, prob)
    for place, of_class in enumerate(("zone", "tumour")):
        np.testing.assert_array_equal(read_map(tmp_path / name, shape, None, TWO.only(of_class)), prob[place])
    np.testing.assert_allclose(read_map(tmp_path / name, shape, None, TWO), prob.sum(axis=0), atol=1e-6)


def test_a_map_with_another_number_of_channels_is_one_clear_message() -> None:
    for meaning in (TWO, TWO.only("zone")):
        with pytest.raises(DataError, match="prob has 3 channels, but the dataset has 2 classes; expected one"):
            read_map(held(0.1, 0.2, 0.3), (2, 3), None, meaning)
        with pytest.raises(DataError, match="has 1 channel, but"):
            read_map(held(0.1), (2, 3), None, meaning)
    with pytest.raises(DataError, match="holds numbers from 2 to 2"):
        read_map(held(0.5, 2.0), (2, 3), None, TWO.only("tumour"))


def test_an_uncertainty_may_be_of_all_classes() -> None:
    assert read_map(held(0.5), (2, 3), None, TWO.only("zone"), shared=True).max() == 0.5
    assert read_map(held(0.5, 0.25), (2, 3), None, TWO.only("tumour"), shared=True).max() == 0.25

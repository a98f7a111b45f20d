"""nnU-Net's folders as they are: channels in several files, classes in masks, both versions, flat and deep."""

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from drawing import draw
from segassay.consensus.cache import cached_staple
from segassay.data.annotations import read_annotations
from segassay.data.cases import (
    channel_reader,
    image_files,
    read_case_classes,
    read_case_ignore,
    read_case_image,
    read_case_mask,
)
from segassay.data.classes import ClassMap
from segassay.data.dataset import Dataset, data_hash, index_dataset, read_dataset
from segassay.errors import DataError
from segassay.io.images import Picture, write_labels, write_mask
from segassay.tables.build import build_tables

VERSION_2 = {
    "channel_names": {"0": "T2", "1": "ADC"},
    "labels": {"background": 0, "PZ": 1, "TZ": 2},
    "numTraining": 2,
    "file_ending": ".nii.gz",
}
CLASSES = np.array([[0, 1, 1, 2, 0, 0, 3], [0, 0, 0, 2, 0, 1, 3]])  # 2 × 7: asymmetric
SPACING_UM = (2000.0, 500.0, 700.0)


def pixels(case: str, channel: int, shape: tuple[int, ...]) -> np.ndarray:
    """Image of which every pixel tells its place, channel and case."""
    return np.arange(np.prod(shape)).reshape(shape) + 1000 * channel + 10_000 * int(case[-1])


def make(
    folder: Path, content: Any = VERSION_2, masks: np.ndarray | None = None, n_channels: int = 2, **yaml: Any
) -> Path:
    """Two cases, `la_003` and `la_004`, with the channels and the file ending of dataset.json."""
    masks = CLASSES[None].repeat(3, axis=0) % 3 if masks is None else masks
    ending = content.get("file_ending", ".nii.gz")
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    like = Picture(masks[None], SPACING_UM, np.diag([2.0, 0.5, 0.7, 1.0])) if masks.ndim == 3 else None
    for case in ("la_003", "la_004"):
        for channel in range(n_channels):
            path = folder / "imagesTr" / f"{case}_{channel:04}{ending}"
            write_labels(path, pixels(case, channel, masks.shape), like)
        write_labels(folder / "labelsTr" / f"{case}{ending}", masks, like)
    (folder / "dataset.json").write_text(json.dumps(content))
    if yaml:
        (folder / "dataset.yaml").write_text(json.dumps(yaml))
    return folder


def errors(folder: Path) -> list[str]:
    return [str(problem) for problem in index_dataset(folder)[1] if problem.level == "error"]


def warnings(dataset: Dataset) -> str:
    return "\n".join(map(str, dataset.warnings))


def test_volumes_with_two_channels_in_the_files_own_order_and_spacing(tmp_path: Path) -> None:
    dataset = read_dataset(make(tmp_path))
    assert (dataset.cases, dataset.raters) == (["la_003", "la_004"], ["labelsTr"])
    names = [path.name for path in image_files(dataset, "la_004")]
    assert names == ["la_004_0000.nii.gz", "la_004_0001.nii.gz"]
    picture = read_case_image(dataset, "la_004")
    assert picture.array.shape == (2, 3, 2, 7)
    for channel in range(2):
        np.testing.assert_array_equal(picture.array[channel], pixels("la_004", channel, (3, 2, 7)))
    assert picture.spacing_um == pytest.approx(SPACING_UM)
    mask = read_case_mask(dataset, "labelsTr", "la_003")
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, CLASSES[None].repeat(3, axis=0) % 3 > 0)
    assert read_case_ignore(dataset, "la_003") is None
    assert "the classes PZ, TZ together are one foreground" in warnings(dataset)
    assert "'labelsTr' is the only rater" in warnings(dataset)


def test_flat_pictures_in_one_channel(tmp_path: Path) -> None:
    content = {"channel_names": {"0": "DAPI"}, "labels": {"background": 0, "cell": 1}, "file_ending": ".png"}
    mask = draw("##..#.. .....##").astype(int)
    dataset = read_dataset(make(tmp_path, content, mask, n_channels=1))
    np.testing.assert_array_equal(read_case_image(dataset, "la_003").array, pixels("la_003", 0, (2, 7))[None])
    np.testing.assert_array_equal(read_case_mask(dataset, "labelsTr", "la_003"), mask > 0)
    assert "classes" not in warnings(dataset)
    assert dataset.more_channels == {}


def test_colours_may_stand_in_one_file(tmp_path: Path) -> None:
    colours = {"channel_names": {"0": "R", "1": "G", "2": "B"}, "labels": {"background": 0, "x": 1}}
    folder = make(tmp_path, colours | {"file_ending": ".png"}, CLASSES % 2, n_channels=1)
    assert read_dataset(folder).cases == ["la_003", "la_004"]


def test_version_1(tmp_path: Path) -> None:
    version_1 = {
        "modality": {"0": "T2", "1": "ADC"},
        "labels": {"0": "background", "1": "PZ", "2": "TZ"},
        "numTraining": 2,
        "training": [
            {"image": f"./imagesTr/{c}.nii.gz", "label": f"./labelsTr/{c}.nii.gz"} for c in ("la_003", "la_004")
        ],
        "test": [],
    }
    dataset = read_dataset(make(tmp_path, version_1))
    assert dataset.classes == ClassMap((1, 2), names=(("PZ", (1,)), ("TZ", (2,))))
    assert read_case_image(dataset, "la_003").array.shape == (2, 3, 2, 7)
    assert "the classes PZ, TZ" in warnings(dataset)


def test_images_without_channel_number_hold_all_channels(tmp_path: Path) -> None:
    folder = make(tmp_path)
    for path in (folder / "imagesTr").iterdir():
        path.rename(path.with_name(path.name.replace("_0000", ""))) if "_0000" in path.name else path.unlink()
    assert read_dataset(folder).cases == ["la_003", "la_004"]


@pytest.mark.parametrize(
    "labels", [{"background": 3, "a": 1}, {"background": [0, 2], "a": 1}, {"3": "background", "1": "a"}]
)
def test_a_background_that_is_not_0_is_an_error(tmp_path: Path, labels: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"dataset.json: background has the number [23]; expected 0"):
        read_dataset(make(tmp_path, VERSION_2 | {"labels": labels}))


def test_numbers_that_are_not_consecutive_are_read_as_they_are(tmp_path: Path) -> None:
    """nnU-Net asks for 0, 1, 2, …; nothing here needs it, and masks keep their numbers."""
    values = np.array([0, 4, 70_000])[CLASSES % 3]
    content = VERSION_2 | {"labels": {"background": 0, "a": 4, "b": 70_000}}
    dataset = read_dataset(make(tmp_path, content, values[None].repeat(3, axis=0).astype(np.int32)))
    assert dataset.classes == ClassMap((4, 70_000), names=(("a", (4,)), ("b", (70_000,))))
    np.testing.assert_array_equal(read_case_classes(dataset, "labelsTr", "la_003")[1], values)


def test_regions_and_the_ignored_class(tmp_path: Path) -> None:
    labels = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}
    content = VERSION_2 | {"labels": labels, "regions_class_order": [1, 2]}
    dataset = read_dataset(make(tmp_path, content, CLASSES[None].repeat(3, axis=0)))
    assert dataset.classes == ClassMap((1, 2), ignore=3, names=(("whole", (1, 2)), ("core", (2,))))
    ignored = read_case_ignore(dataset, "la_003")
    assert ignored is not None
    np.testing.assert_array_equal(ignored[1], draw("......# ......#"))
    np.testing.assert_array_equal(read_case_mask(dataset, "labelsTr", "la_003")[1], draw(".###... ...#.#."))


def test_tables_read_classes_as_one_foreground_and_leave_out_the_ignored_one(tmp_path: Path) -> None:
    content = VERSION_2 | {"labels": {"background": 0, "a": 1, "b": 2, "ignore": 3}}
    folder = make(tmp_path, content, CLASSES[None].repeat(3, axis=0), intensity_channel=1, reference="labelsTr")
    shutil.copytree(folder / "labelsTr", folder / "other")
    (folder / "dataset.yaml").write_text("raters: {anna: other}\nreference: labelsTr\nintensity_channel: 1\n")
    dataset = read_dataset(folder)
    counts = build_tables(dataset, read_annotations(dataset), n_jobs=1).counts.set_index(["case", "annotator"])
    row = counts.loc[("la_004", "anna")]
    assert row["n_objects"] == 2  # a and b touch; 3 is no object
    assert row["region_area_px"] == 3 * 2 * 6
    image = pixels("la_004", 1, (3, 2, 7))
    first, second = ([(0, 1), (0, 2), (0, 3), (1, 3)], [(1, 5)])
    means = [np.mean([image[:, y, x] for y, x in places]) for places in (first, second)]
    assert row["mean_intensity"] == pytest.approx(np.mean(means))


def test_dataset_yaml_beside_it_adds_settings_and_further_raters(tmp_path: Path) -> None:
    folder = make(tmp_path, raters="labelsTr*", min_object_size=3, experiment="table.csv", spacing_um=[2, 1, 1])
    shutil.copytree(folder / "labelsTr", folder / "labelsTr_ben")
    (folder / "table.csv").write_text("case,group\nla_003,H\nla_004,C\n")
    dataset = read_dataset(folder)
    assert dataset.raters == ["labelsTr", "labelsTr_ben"]
    assert dataset.min_object_size == 3
    assert dataset.experiment is not None
    assert read_case_image(dataset, "la_003").spacing_um == (2, 1, 1)
    assert read_case_mask(dataset, "labelsTr_ben", "la_003").dtype == bool


def test_images_in_dataset_yaml_makes_it_a_usual_folder(tmp_path: Path) -> None:
    folder = make(tmp_path, images="pictures", raters={"same": "labelsTr"})
    shutil.copytree(folder / "labelsTr", folder / "pictures")
    dataset = read_dataset(folder)
    assert dataset.classes is None
    assert read_case_mask(dataset, "same", "la_003").dtype == np.int32


def test_function_that_reads_by_the_first_channel(tmp_path: Path) -> None:
    dataset = read_dataset(make(tmp_path))
    read = channel_reader(dataset)
    assert read(str(dataset.images["la_003"])).array.shape == (2, 3, 2, 7)


def test_hash_covers_every_channel_and_the_meaning_of_the_classes(tmp_path: Path) -> None:
    hashes = {data_hash(read_dataset(make(tmp_path / "one")))}
    folder = make(tmp_path / "two")
    hashes.add(data_hash(read_dataset(folder)))
    assert len(hashes) == 1
    write_mask(folder / "imagesTr/la_004_0001.nii.gz", CLASSES[None].repeat(3, axis=0) > 0)
    hashes.add(data_hash(read_dataset(folder)))
    content = VERSION_2 | {"labels": {"background": 0, "PZ": 1, "ignore": 2}}
    (folder / "dataset.json").write_text(json.dumps(content))
    hashes.add(data_hash(read_dataset(folder)))
    assert len(hashes) == 3


def test_a_consensus_is_not_cached_for_another_meaning_of_the_same_file(tmp_path: Path) -> None:
    folder = make(tmp_path / "lab")
    path = folder / "labelsTr/la_003.nii.gz"
    both = [
        cached_staple([path], lambda mask=mask: [mask], tmp_path / "cache", reading=reading).mask
        for reading, mask in (("1", draw("#.")), ("2", draw(".#")))
    ]
    np.testing.assert_array_equal(both, [draw("#."), draw(".#")])


def test_images_of_the_test_set_are_mentioned(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "imagesTs").mkdir()
    assert "imagesTs: is not used" in warnings(read_dataset(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "labels is None; expected a number for each class"),
        ({"labels": {}}, "labels is {}; expected a number for each class"),
        ({"labels": ["cell"]}, "labels is ['cell']; expected a number"),
        ({"labels": {"background": 0, "cell": "one"}}, "expected a number for each class"),
        ({"labels": {"background": 0, "cell": True}}, "expected a number for each class"),
        ({"labels": {"background": 0, "cell": [1, -2]}}, "expected a number for each class"),
        ({"labels": {"background": 0}}, "labels names no class other than background"),
        ({"labels": {"background": 0, "mean": 1, "b": 2}}, "a class is named 'mean', which has another meaning"),
        ({"labels": {"background": 0, "Foreground": 1, "b": 2}}, "name the classes as `classes` in dataset.yaml"),
        (
            {"labels": {"background": 0, "ignore": 1, "b": 2}},
            "the class `ignore` has the number 1; expected the highest",
        ),
        ({"channel_names": None}, "channel_names is None; expected names by number"),
        ({"channel_names": {"1": "T2"}}, "channel_names is {'1': 'T2'}; expected names by number"),
        ({"channel_names": {"0": "T2"}}, "case 'la_003' has the channels 0000, 0001; dataset.json names 1"),
        ({"channel_names": {"0": "a", "1": "b", "2": "c"}}, "case 'la_004' has the channels 0000, 0001"),
        ({"file_ending": ".mha"}, "file_ending is '.mha'; expected one of"),
        ({"file_ending": 3}, "file_ending is 3; expected one of"),
        ({"dataset": {}}, "`dataset` lists the files of each case"),
        ({"training": [{"label": "./labelsTr/la_009.nii.gz"}]}, "`training` lists 1 case without an image"),
    ],
)
def test_one_problem_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    folder = make(tmp_path)
    (folder / "dataset.json").write_text(json.dumps(VERSION_2 | change))
    found = errors(folder)
    assert any(message in line for line in found), found
    assert all(len(line) < 500 and "\n" not in line for line in found)


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, '{"labels": NaN}', "3"])
def test_broken_json(tmp_path: Path, text: str) -> None:
    folder = make(tmp_path)
    (folder / "dataset.json").write_text(text)
    assert errors(folder)
    assert all("dataset.json" in line for line in errors(folder))


def test_missing_channel_of_one_case(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "imagesTr/la_003_0001.nii.gz").unlink()
    first, *_ = errors(folder)
    assert "case 'la_003' has the channels 0000; dataset.json names 2" in first


def test_missing_dataset_json_is_named(tmp_path: Path) -> None:
    (make(tmp_path) / "dataset.json").unlink()
    assert "if this is nnU-Net's folder, add its dataset.json" in errors(tmp_path)[0]


def test_number_and_ending_of_images_are_compared(tmp_path: Path) -> None:
    folder = make(tmp_path, VERSION_2 | {"numTraining": 5})
    write_mask(folder / "imagesTr/la_005_0000.tif", draw("#."))
    text = warnings(read_dataset(folder))
    assert "numTraining is 5, but imagesTr holds 2 cases" in text
    assert "1 image without the ending .nii.gz of dataset.json: la_005_0000.tif" in text


def test_a_value_that_is_no_class(tmp_path: Path) -> None:
    dataset = read_dataset(make(tmp_path, masks=CLASSES[None]))
    with pytest.raises(
        DataError, match=r"la_003\.nii\.gz holds the value 3; dataset\.json names 0, 1, 2: add the class"
    ):
        read_case_mask(dataset, "labelsTr", "la_003")


@pytest.mark.parametrize("axes", ["LPS", "RAI", "SRA", "PIR"])
def test_a_channel_stored_in_another_orientation_is_turned_to_the_first(tmp_path: Path, axes: str) -> None:
    folder = make(tmp_path)
    before = read_case_image(read_dataset(folder), "la_003")
    path = folder / "imagesTr/la_003_0001.nii.gz"
    stored = nibabel.load(path)
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(stored.affine), nibabel.orientations.axcodes2ornt(axes)
    )
    turned = stored.as_reoriented(turn)
    assert not np.array_equal(np.asarray(turned.dataobj), np.asarray(stored.dataobj))
    nibabel.save(turned, path)
    after = read_case_image(read_dataset(folder), "la_003")
    np.testing.assert_array_equal(after.array, before.array)
    np.testing.assert_array_equal(after.affine, before.affine)


@pytest.mark.parametrize("shape", [(3, 2, 7), (3, 2, 5)], ids=["elsewhere", "a part of it"])
def test_a_channel_of_another_place_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    folder = make(tmp_path)
    path = folder / "imagesTr/la_003_0001.nii.gz"
    affine = np.diag([2.0, 0.5, 0.7, 1.0])
    affine[2, 3] = 1.4  # two voxels
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.uint8), affine), path)
    with pytest.raises(
        DataError, match=r"la_003_0001.*(lies elsewhere than|has shape \(3, 2, 5\), but) channel .*_0000"
    ):
        read_case_image(read_dataset(folder), "la_003")


def test_channels_of_different_shape(tmp_path: Path) -> None:
    folder = make(tmp_path)
    write_mask(folder / "imagesTr/la_003_0001.nii.gz", CLASSES > 0)
    with pytest.raises(DataError, match=r"la_003_0001\.nii\.gz has shape \(2, 7\), but channel .*_0000\.nii\.gz has"):
        read_case_image(read_dataset(folder), "la_003")


def test_whose_ignored_class_counts_cannot_be_told_for_two_raters(tmp_path: Path) -> None:
    content = VERSION_2 | {"labels": {"background": 0, "a": 1, "ignore": 2}}
    folder = make(tmp_path, content, raters="labelsTr*")
    shutil.copytree(folder / "labelsTr", folder / "labelsTr_ben")
    (line,) = errors(folder)
    assert "the class `ignore` is ambiguous for 2 raters" in line

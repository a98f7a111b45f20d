"""Names and folders as other tools leave them: which file is the mask of which image."""

import unicodedata
from pathlib import Path

import pytest

from segassay.data.dataset import index_dataset, read_dataset
from segassay.data.names import Affixes, common_suffix, find_affixes, find_prefix, names_of_cases
from segassay.errors import DataError

CASES = ["001", "002", "003"]


def _make(folder: Path, files: list[str], settings: str = "") -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    if settings:
        (folder / "dataset.yaml").write_text(settings, encoding="utf-8")
    return folder


def _images(ending: str = ".png", suffix: str = "") -> list[str]:
    return [f"images/{case}{suffix}{ending}" for case in CASES]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("Mask of {}.tif", ""),
        ("{}.zip", ""),
        ("{}_RoiSet.zip", ""),
        ("RoiSet_{}.zip", ""),
        ("{}.roi", ""),
        ("{}.geojson", ""),
        ("{}.png.geojson", ""),
        ("{}-labelled.tif", ""),
        ("seg_{}_cells.png", "mask_prefix: seg_\n"),
        ("seg_{}_cells.png", "mask_prefix: seg_\nmask_suffix: _cells\n"),
    ],
)
def test_masks_are_found_by_what_a_tool_adds_to_the_name(tmp_path: Path, name: str, settings: str) -> None:
    masks = [f"labels/{rater}/{name.format(case)}" for rater in ("anna", "ben") for case in CASES]
    dataset = read_dataset(_make(tmp_path, [*_images(), *masks], settings))
    for rater in ("anna", "ben"):
        assert {case: path.name for case, path in dataset.masks[rater].items()} == {
            case: name.format(case) for case in CASES
        }


def test_each_rater_may_use_another_tool(tmp_path: Path) -> None:
    names = {"anna": "Mask of {}.tif", "ben": "{}_RoiSet.zip", "cleo": "{}.png", "dora": "{}_cp_masks.tif"}
    masks = [f"labels/{rater}/{name.format(case)}" for rater, name in names.items() for case in CASES]
    dataset = read_dataset(_make(tmp_path, [*_images(), *masks]))
    assert {rater: len(files) for rater, files in dataset.masks.items()} == dict.fromkeys(names, 3)


def test_images_with_a_suffix_of_their_own(tmp_path: Path) -> None:
    masks = [f"labels/anna/{case}_mask.png" for case in CASES]
    dataset = read_dataset(_make(tmp_path, [*_images(suffix="_raw"), *masks]))
    assert list(dataset.images) == list(dataset.masks["anna"]) == CASES
    again = read_dataset(_make(tmp_path, [], "image_suffix: _raw\nmask_suffix: _mask\n"))
    assert again.images == dataset.images


def test_a_suffix_of_images_stays_where_masks_have_it_too(tmp_path: Path) -> None:
    masks = [f"labels/anna/{case}_raw.png" for case in CASES]
    dataset = read_dataset(_make(tmp_path, [*_images(suffix="_raw"), *masks]))
    assert list(dataset.images) == [f"{case}_raw" for case in CASES]


def test_an_image_without_the_suffix_is_named(tmp_path: Path) -> None:
    files = [*_images(suffix="_raw"), "images/overview.png", "labels/anna/001.png"]
    with pytest.raises(DataError, match=r"1 image without the image_suffix '_raw': overview\.png"):
        read_dataset(_make(tmp_path, files, "image_suffix: _raw\n"))


def test_a_folder_of_a_nas_is_no_rater(tmp_path: Path) -> None:
    folders = ["images/@eaDir/001.png/x.jpg", "labels/@eaDir/001.png/x.jpg", "labels/anna/@eaDir/x.jpg"]
    dataset = read_dataset(_make(tmp_path, [*_images(), *(f"labels/anna/{case}.png" for case in CASES), *folders]))
    assert dataset.raters == ["anna"]


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_settings", ["NFC", "NFD"])
def test_letters_composed_in_another_way_name_the_same_folder(tmp_path: Path, on_disk: str, in_settings: str) -> None:
    stored, written = (unicodedata.normalize(form, "Jörg") for form in (on_disk, in_settings))
    masks = [f"labels/{stored}/{case}.png" for case in CASES]
    dataset = read_dataset(_make(tmp_path, [*_images(), *masks], f"raters:\n  joerg: labels/{written}\n"))
    assert len(dataset.masks["joerg"]) == 3


def test_the_objects_of_a_cvat_export_are_the_masks(tmp_path: Path) -> None:
    masks = [f"labels/anna/{part}/{case}.png" for part in ("SegmentationObject", "SegmentationClass") for case in CASES]
    files = [*_images(), *masks, "labels/anna/labelmap.txt", "labels/anna/ImageSets/Segmentation/default.txt"]
    dataset = read_dataset(_make(tmp_path, files))
    assert {path.parent.name for path in dataset.masks["anna"].values()} == {"SegmentationObject"}
    assert dataset.warnings[0].what.startswith("'anna' is the only rater")


@pytest.mark.parametrize("place", ["SegmentationObject", "SegmentationObjectPNG"])
def test_the_objects_of_labelme2voc_are_the_masks(tmp_path: Path, place: str) -> None:
    masks = [f"labels/anna/{part}/{case}.png" for part in (place, "SegmentationClass") for case in CASES]
    dataset = read_dataset(_make(tmp_path, [*_images(), *masks, "labels/anna/class_names.txt"]))
    assert {path.parent.name for path in dataset.masks["anna"].values()} == {place}


def test_an_export_that_is_still_packed_is_to_be_unpacked(tmp_path: Path) -> None:
    _, problems = index_dataset(_make(tmp_path, [*_images(), "labels/anna/task_17_segmentation mask 1.1.zip"]))
    (found,) = [problem for problem in problems if problem.kind == "mask-without-image"]
    assert found.action.startswith("unpack it if it is an export of CVAT")


def test_a_folder_of_files_that_are_not_read_says_how_to_save_them_where_warnings_are_not_shown(tmp_path: Path) -> None:
    _make(tmp_path, [*_images(), "labels/anna/001.seg.nrrd"])
    with pytest.raises(DataError, match=r"labels/anna: holds no mask; .*3D Slicer: Segmentations"):
        read_dataset(tmp_path)
    _make(tmp_path / "b", ["images/001.czi", "labels/anna/001.png"])
    with pytest.raises(DataError, match=r"holds no image; .*open them in Fiji \(Bio-Formats\)"):
        read_dataset(tmp_path / "b")


def test_a_drawing_of_paint_is_no_photograph(tmp_path: Path) -> None:
    _, problems = index_dataset(_make(tmp_path, [*_images(), "labels/anna/001.bmp"]))
    (found,) = [problem for problem in problems if problem.kind == "not-an-image"]
    assert "JPEG" not in found.action


def test_masks_of_label_studio_say_what_to_do(tmp_path: Path) -> None:
    name = "labels/all/task-17-annotation-1-by-1-tag-nucleus-0.png"
    _, problems = index_dataset(_make(tmp_path, [*_images(), name]))
    (of_mask,) = [problem for problem in problems if problem.kind == "mask-without-image"]
    assert "Label Studio names masks by its own tasks" in of_mask.action
    assert "001.png" in of_mask.action


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("001.seg.nrrd", "3D Slicer"),
        ("001.czi", "Bio-Formats"),
        ("001.jpg", "JPEG"),
        ("001.dcm", "dcm2niix"),
        ("001.mha", "ITK-SNAP"),
        ("001.hdr", "Analyze"),
        ("001.mat", "imwrite"),
        ("001_cp_outlines.txt", "Cellpose"),
        ("001.geojson.gz", "unpack"),
        ("001.csv", "shapes of napari"),
        ("001.xml", "CVAT"),
        ("project-1-at-2024.json", "Label Studio"),
        ("001.json", "labelme2voc"),
        ("instances_default.json", "COCO"),
        ("001.h5", "ilastik"),
        ("notes.md", "PNG, TIFF or NIfTI"),
    ],
)
def test_files_that_are_not_read_say_how_to_save_them(tmp_path: Path, name: str, advice: str) -> None:
    _, problems = index_dataset(_make(tmp_path, [*_images(), "labels/anna/001.png", f"images/{name}"]))
    (found,) = [problem for problem in problems if problem.kind == "not-an-image"]
    assert advice in found.action


def test_outlines_are_no_images(tmp_path: Path) -> None:
    _, problems = index_dataset(_make(tmp_path, ["images/001.zip", "labels/anna/001.zip"]))
    assert [problem.kind for problem in problems if problem.level == "error"] == ["no-image"]


def test_an_unknown_name_in_invert_is_an_error(tmp_path: Path) -> None:
    _make(tmp_path, [*_images(), "labels/anna/001.png"], "invert: [ana]\n")
    with pytest.raises(DataError, match="invert names ana; expected raters: anna"):
        read_dataset(tmp_path)


def test_affixes() -> None:
    assert find_affixes(["Mask of 1", "Mask of 2"], {"1", "2"}) == Affixes("Mask of ", "")
    assert find_affixes(["1_c", "2_c", "m_1"], {"1", "2"}) == Affixes("", "_c")
    assert find_affixes(["1", "2"], {"1", "2"}) == find_affixes([], {"1"}) == find_affixes(["x"], {"1"}) == Affixes()
    assert Affixes("ab", "bc").case_in("abc") is None  # the two would overlap
    assert find_prefix(["1"], {"1"}) == ""
    assert common_suffix(["_raw", "_raw"]) == common_suffix(["a_1", "a_2"]) == ""


def test_cases_with_endings_are_those_without_unless_a_case_has_this_name() -> None:
    assert names_of_cases(["1.png", "v1.tif", "3.png"], {"1", "v1", "v1.tif"}) == ["1", "v1.tif", "3.png"]

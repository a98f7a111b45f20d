"""Rules of classes in dataset.yaml and dataset.json, and values in masks that break them: one clear message each."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from segassay.checks.check import check_dataset
from segassay.data.cases import read_case_classes, read_case_ignore, read_case_mask
from segassay.data.channel_choice import usable_name
from segassay.data.classes import ClassMap
from segassay.data.dataset import index_dataset, of_class, read_dataset
from segassay.errors import DataError
from small_datasets import make_dataset

MASK = np.array([[0, 1, 1, 2, 2, 0, 3]] * 3, dtype=np.uint8)


def problems(folder: Path, text: str) -> list[str]:
    """Errors of a dataset of one mask with these settings, without the place of the file."""
    make_dataset(folder / "lab", {"anna": {"1": MASK}}, foreground=[1, 2, 3])
    (folder / "lab" / "dataset.yaml").write_text(text, encoding="utf-8")
    found = [problem for problem in index_dataset(folder / "lab")[1] if problem.level == "error"]
    assert all(problem.action for problem in found)
    return [problem.what for problem in found]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: {a: 1, b: 2}\nforeground: [1]", "foreground cannot be combined with classes"),
        ("classes: {a: 1, b: 2}\nobjects: instances", "objects cannot be combined with classes"),
        ("classes: {a: 1, b: 2}\ninvert: true", "invert cannot be combined with classes"),
        ("classes: {a: 1, b: 2}\ninvert: [anna]", "invert cannot be combined with classes"),
        ("ignore_value: 3", "ignore_value needs classes, and there are none"),
        ("foreground: [1]\nignore_value: 3", "ignore_value needs classes, and there are none"),
        ("classes: {a: 1, b: 2}\nignore_value: 2", "ignore_value is 2, which is the class 'b'"),
        ("classes: {a: [1, 3], b: 2}\nignore_value: 3", "ignore_value is 3, which is the class 'a'"),
        ("classes: {a: 1, b: 1}", "the classes 'a' and 'b' have the same values, 1"),
        ("classes: {a: [1, 2], b: {values: [2, 1]}}", "the classes 'a' and 'b' have the same values, 1, 2"),
        ("classes: {background: 1, b: 2}", "a class is named 'background', which has another meaning"),
        ("classes: {Ignore: 1, b: 2}", "a class is named 'Ignore', which has another meaning"),
        ("classes: {a/b: 1, b: 2}", "the class 'a/b' has a name that no folder or column can have"),
        ("classes: {..: 1, b: 2}", "the class '..' has a name that no"),
        ("classes: {'': 1, b: 2}", "the class '' has a name that no"),
        ("classes: {' a': 1, b: 2}", "the class ' a' has a name that no"),
        ("classes: {'a.': 1, b: 2}", "the class 'a.' has a name that no"),
        ("classes: {'-a': 1, b: 2}", "the class '-a' has a name that no"),
        ("classes: {'a\\b': 1, b: 2}", "has a name that no"),
        ("classes: {'a:b': 1, b: 2}", "the class 'a:b' has a name that no"),
        (f"classes: {{{'a' * 81}: 1, b: 2}}", "has a name that no"),
        ("classes: {Zone: 1, zone: 2}", "the classes Zone, zone differ in capitals alone"),
        ("classes: {a: 0, b: 2}", "classes is {'a': '0', 'b': '2'}; expected a value for each class above 0"),
        ("classes: {a: 1.5}", "expected a value for each class"),
        ("classes: {a: []}", "expected a value for each class"),
        ("classes: [a, b]", "expected a value for each class"),
        ("classes: {}", "expected a value for each class"),
        ("classes: {a: {value: 1, values: [1, 2]}}", "expected a value for each class"),
        ("classes: {a: {value: 1, colour: red}}", "expected a value for each class"),
    ],
)
def test_one_problem_of_the_settings_one_line(tmp_path, text, message):
    (what,) = problems(tmp_path, text)
    assert message in what


@pytest.mark.parametrize("name", ["CD4+ T-cell", "CD4-", "großer Kern", "z.1", "_a", "3", "a" * 80, "核"])
def test_names_that_are_allowed(tmp_path, name):
    assert problems(tmp_path, yaml.safe_dump({"classes": {name: 1, "b": 2}}, allow_unicode=True)) == []


def test_an_ignore_value_beside_classes_is_the_ignored_area(tmp_path):
    dataset = make_dataset(tmp_path / "lab", {"anna": {"1": MASK}}, classes={"a": 1, "b": 2}, ignore_value=3)
    assert (read_case_classes(dataset, "anna", "1") == np.where(MASK == 3, 0, MASK)).all()
    assert (read_case_ignore(dataset, "1") == (MASK == 3)).all()
    assert not check_dataset(tmp_path / "lab").errors


@pytest.mark.parametrize(
    ("reader", "one_class"), [(read_case_classes, False), (read_case_mask, False), (read_case_mask, True)]
)
def test_a_value_that_is_no_class_is_an_error_wherever_masks_are_read(tmp_path, reader, one_class):
    dataset = make_dataset(tmp_path / "lab", {"anna": {"1": MASK}}, classes={"a": 1, "b": 2})
    dataset = of_class(dataset, "a") if one_class else dataset
    with pytest.raises(DataError, match=r"holds the value 3; dataset\.yaml names 0, 1, 2: add the class there"):
        reader(dataset, "anna", "1")


def test_check_names_the_mask_with_a_value_that_is_no_class(tmp_path):
    make_dataset(tmp_path / "lab", {"anna": {"1": MASK}}, classes={"a": 1, "b": 2})
    (error,) = check_dataset(tmp_path / "lab").errors
    assert error.file.endswith("anna/1.png")
    assert error.what == "holds the value 3"


def save_tiff(folder: Path, values: np.ndarray) -> Path:
    make_dataset(folder / "lab", {"anna": {"1": MASK}}, classes={"a": 1, "b": 2, "c": 3})
    (folder / "lab/labels/anna/1.png").unlink()
    tifffile.imwrite(folder / "lab/labels/anna/1.tif", values)
    return folder / "lab"


def test_real_numbers_that_are_whole_are_classes(tmp_path):
    dataset = read_dataset(save_tiff(tmp_path, MASK.astype(np.float32)))
    found = read_case_classes(dataset, "anna", "1")
    assert found.dtype == np.int32
    assert (found == MASK).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, "holds fractions"),
        (np.nan, "holds NaN or infinity"),
        (-np.inf, "holds NaN or infinity"),
        (-1.0, "holds the negative number -1"),
        (1e12, "holds the number"),
    ],
)
def test_other_real_numbers_are_errors(tmp_path, value, message):
    values = MASK.astype(np.float64)
    values[0, 0] = value
    dataset = read_dataset(save_tiff(tmp_path, values))
    with pytest.raises(DataError, match=message):
        read_case_classes(dataset, "anna", "1")


def test_beside_foreground_every_other_number_is_background(tmp_path):
    folder = save_tiff(tmp_path, np.array([[1, 0.5, -3, 7, 0]]).repeat(3, axis=0))
    tifffile.imwrite(folder / "images/1.tif", np.zeros((3, 5), np.uint8))
    (folder / "images/1.png").unlink()
    (folder / "dataset.yaml").write_text("foreground: [1]")
    found = read_case_mask(read_dataset(folder), "anna", "1")
    assert found[0].tolist() == [True, False, False, False, False]


def test_values_beyond_16_bits(tmp_path):
    make_dataset(tmp_path / "lab", {"anna": {"1": MASK}}, classes={"a": 1, "b": 70_000})
    (tmp_path / "lab/labels/anna/1.png").unlink()
    tifffile.imwrite(tmp_path / "lab/labels/anna/1.tif", np.where(MASK > 1, 70_000, MASK.astype(np.uint32)))
    assert set(np.unique(read_case_classes(read_dataset(tmp_path / "lab"), "anna", "1"))) == {0, 1, 70_000}


def test_object_numbers_beyond_16_bits_stay_apart(tmp_path):
    make_dataset(tmp_path / "lab", {"anna": {"1": MASK}}, objects="instances")
    (tmp_path / "lab/labels/anna/1.png").unlink()
    numbers = np.array([[0, 70_000, 70_000, 70_001, 5_000_000]] * 2 + [[0] * 5], dtype=np.uint32)
    tifffile.imwrite(tmp_path / "lab/labels/anna/1.tif", np.pad(numbers, ((0, 0), (0, 2))))
    found = read_case_mask(read_dataset(tmp_path / "lab"), "anna", "1")
    assert sorted(np.unique(found).tolist()) == [0, 70_000, 70_001, 5_000_000]


def test_a_palette_stands_for_the_numbers_behind_it(tmp_path):
    dataset = make_dataset(tmp_path / "lab", {"anna": {"1": MASK}}, classes={"a": 1, "b": 2, "c": 3})
    picture = Image.fromarray(MASK, mode="P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 90, 90, 255])
    picture.save(tmp_path / "lab/labels/anna/1.png")
    assert (read_case_classes(dataset, "anna", "1") == MASK).all()


def nnunet(folder: Path, labels: dict[str, object], **settings: object) -> Path:
    lab = make_dataset(folder / "lab", {"anna": {"1": MASK}}, foreground=[1]).folder
    (lab / "images").rename(lab / "imagesTr")
    (lab / "imagesTr/1.png").rename(lab / "imagesTr/1_0000.png")
    (lab / "labels/anna").rename(lab / "labelsTr")
    (lab / "labels").rmdir()
    content = {"channel_names": {"0": "DAPI"}, "labels": {"background": 0, **labels}, "file_ending": ".png"}
    (lab / "dataset.json").write_text(json.dumps(content))
    (lab / "dataset.yaml").write_text(yaml.safe_dump(settings))
    return lab


def test_classes_of_nnunet_need_not_be_consecutive(tmp_path):
    folder = nnunet(tmp_path, {"a": 1, "b": 3})
    with pytest.raises(DataError, match=r"holds the value 2; dataset\.json names 0, 1, 3"):
        read_case_classes(read_dataset(folder), "labelsTr", "1")
    found = read_dataset(nnunet(tmp_path / "other", {"a": 3, "b": 1, "c": 2}))
    assert found.class_names == ("a", "b", "c")
    assert (read_case_classes(found, "labelsTr", "1") == MASK).all()


def test_regions_of_nnunet_share_values(tmp_path):
    found = read_dataset(nnunet(tmp_path, {"whole": [1, 2, 3], "core": [2, 3], "rim": [3]}))
    assert found.classes == ClassMap((1, 2, 3), names=(("whole", (1, 2, 3)), ("core", (2, 3)), ("rim", (3,))))
    assert not found.classes.exclusive
    assert (read_case_mask(of_class(found, "core"), "labelsTr", "1") == (MASK > 1)).all()


def test_names_of_nnunet_are_made_usable(tmp_path):
    assert read_dataset(nnunet(tmp_path, {"left/right": 1, "PZ (b)": 2, "c": 3})).class_names == (
        "left_right",
        "PZ _b_",
        "c",
    )


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        ({"a/b": 1, "a:b": 2, "c": 3}, {}, "the classes 'a/b' and 'a:b' would share the name 'a_b' in tables"),
        ({"a": [1, 2], "b": [2, 1], "c": 3}, {}, "the classes 'a' and 'b' have the same values, 1, 2"),
        ({"a": 1, "b": 2, "c": 3}, {"invert": True}, "invert does not go with the classes of dataset.json"),
        ({"a": 1, "b": 2, "c": 3}, {"objects": "instances"}, "objects does not go with the classes of dataset.json"),
        ({"a": 1, "b": 2, "c": 3}, {"ignore_value": 3}, "ignore_value needs classes, and there are none"),
    ],
)
def test_problems_of_nnunet(tmp_path, labels, settings, message):
    found = [problem.what for problem in index_dataset(nnunet(tmp_path, labels, **settings))[1]]
    assert sum(message in what for what in found) == 1


def test_usable_names_stay():
    assert [usable_name(name) for name in ("a", "CD4-", "a b", "")] == ["a", "CD4-", "a b", "_"]

"""What `check` says about classes: where each occurs, who lacks one, and numbers in pieces."""

import io
import json

import numpy as np
from rich.console import Console

from label_scenes import draw_labels
from segassay.checks.check import check_dataset
from segassay.checks.report import as_json, print_check
from small_datasets import make_dataset

BOTH = draw_labels("1122.. 11.... ......")
ONE = draw_labels("11.... 11.... ......")
FULL = draw_labels("111222 111222 111222")


def test_each_class_is_counted_by_rater(tmp_path):
    masks = {"anna": {"1": BOTH, "2": BOTH}, "ben": {"1": BOTH, "2": ONE}}
    make_dataset(tmp_path / "lab", masks, classes={"a": 1, "b": {"value": 2, "colour": "#e69f00"}})
    found = check_dataset(tmp_path / "lab")
    assert found.summary is not None
    assert found.summary["classes"] == [
        {
            "name": "a",
            "values": [1],
            "raters": [
                {"name": "anna", "n_annotated": 2, "n_cases": 2, "share": round(4 / 18, 6)},
                {"name": "ben", "n_annotated": 2, "n_cases": 2, "share": round(4 / 18, 6)},
            ],
        },
        {
            "name": "b",
            "values": [2],
            "raters": [
                {"name": "anna", "n_annotated": 2, "n_cases": 2, "share": round(2 / 18, 6)},
                {"name": "ben", "n_annotated": 2, "n_cases": 1, "share": round(1 / 18, 6)},
            ],
        },
    ]
    assert json.loads(as_json(found))["summary"]["classes"] == found.summary["classes"]
    text = io.StringIO()
    print_check(found, Console(file=text, width=80))
    lines = [line.split() for line in text.getvalue().splitlines()]
    assert ["class", "values", "rater", "cases", "share"] in lines
    assert ["b", "2", "anna", "2", "of", "2", "11", "%"] in lines
    assert ["ben", "1", "of", "2", "5.6", "%"] in lines


def test_a_dataset_of_one_class_has_no_table_of_classes(tmp_path):
    make_dataset(tmp_path / "lab", {"anna": {"1": BOTH > 0}, "ben": {"1": ONE > 0}})
    found = check_dataset(tmp_path / "lab")
    assert found.summary is not None
    assert found.summary["classes"] is None


def test_what_is_ignored_does_not_count(tmp_path):
    make_dataset(tmp_path / "lab", {"anna": {"1": draw_labels("112233")}}, classes={"a": 1, "b": 2}, ignore_value=3)
    summary = check_dataset(tmp_path / "lab").summary
    assert summary is not None
    assert [of_class["raters"][0]["share"] for of_class in summary["classes"]] == [0.5, 0.5]


def test_values_of_regions_count_for_each(tmp_path):
    make_dataset(tmp_path / "lab", {"anna": {"1": draw_labels("1122..")}}, classes={"whole": [1, 2], "core": 2})
    summary = check_dataset(tmp_path / "lab").summary
    assert summary is not None
    assert [row["raters"][0]["share"] for row in summary["classes"]] == [round(4 / 6, 6), round(2 / 6, 6)]


def test_a_rater_without_a_class_and_a_class_in_no_mask(tmp_path):
    masks = {"anna": {"1": BOTH, "2": BOTH}, "ben": {"1": ONE, "2": ONE}}
    make_dataset(tmp_path / "lab", masks, classes={"a": 1, "b": 2, "c": 3})
    found = check_dataset(tmp_path / "lab")
    assert not found.errors
    said = {problem.kind: problem for problem in found.warnings}
    assert said["class-lacking"].what == "'ben' never gave 'b', which others gave"
    assert said["class-lacking"].file.endswith("labels/ben")
    assert said["class-nowhere"].what == "the class 'c' (3) is in no mask"
    assert said["class-nowhere"].file.endswith("dataset.yaml")
    assert sum(problem.kind.startswith("class-") for problem in found.warnings) == 2


def test_classes_may_cover_the_whole_image(tmp_path):
    masks = {rater: {"1": FULL, "2": FULL[:, ::-1]} for rater in ("anna", "ben")}
    make_dataset(tmp_path / "lab", masks, classes={"a": 1, "b": 2})
    kinds = {problem.kind for problem in check_dataset(tmp_path / "lab").problems}
    assert not kinds & {"foreground-share", "inverted"}


def test_an_object_number_in_two_pieces_is_one_object_and_a_warning(tmp_path):
    pieces = draw_labels("......... .11...11. .11...11. ......... .22..33.. .........")
    make_dataset(tmp_path / "lab", {"anna": {"1": pieces}, "ben": {"1": pieces % 3 + (pieces == 3) * 3}})
    (tmp_path / "lab/dataset.yaml").write_text("objects: instances")
    found = check_dataset(tmp_path / "lab")
    said = [problem.what for problem in found.warnings if problem.kind == "split-objects"]
    assert said == ["1 object number is in several pieces, such as in 1.png; each counts as one object"] * 2
    assert found.summary is not None
    assert [rater["n_objects"] for rater in found.summary["raters"]] == [3, 3]


def test_numbers_that_look_like_classes_are_told_how_to_be_named(tmp_path):
    cells = draw_labels("............ .11..22..11. .11..22..11. ............ .22..11..22. .22..11..22. ............")
    make_dataset(tmp_path / "lab", {"anna": {"1": cells}, "ben": {"1": cells}})
    actions = {problem.action for problem in check_dataset(tmp_path / "lab").errors}
    assert len(actions) == 1
    assert "`classes: {tumour: 1, liver: 2}`" in actions.pop()
    (tmp_path / "lab/dataset.yaml").write_text("classes: {tumour: 1, liver: 2}")
    assert not check_dataset(tmp_path / "lab").errors


def test_lidc_readers_each_have_all_textures(multirater_dir, tmp_path):
    folder = multirater_dir / "lidc_texture_3d"
    for name in ("images", "labels", "experiment.csv"):
        (tmp_path / name).symlink_to(folder / name)
    classes = {"ground_glass": 1, "part_solid": 2, "solid": 3}
    (tmp_path / "dataset.yaml").write_text(json.dumps({"classes": classes, "raters": {"exchangeable": "true"}}))
    found = check_dataset(tmp_path)
    assert not found.errors
    assert found.summary is not None
    n_cases = np.array([[row["n_cases"] for row in of_class["raters"]] for of_class in found.summary["classes"]])
    assert n_cases.sum(axis=0).tolist() == [27] * 4  # each reader gave each nodule one class

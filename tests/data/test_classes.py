"""Label images whose numbers look like classes are an error wherever masks are read, unless they are declared."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from command import run
from drawing import draw
from label_scenes import draw_labels
from segassay import evaluate
from segassay.checks.check import check_dataset
from segassay.consensus.write import write_consensus
from segassay.data.cases import read_case_classes, read_case_mask, refuse_classes
from segassay.data.dataset import Dataset, data_hash, of_class, read_dataset
from segassay.errors import DataError, UsageError
from small_datasets import make_dataset, save

CELLS = draw_labels("............ .11..22..11. .11..22..11. ............ .22..11..22. .22..11..22. ............")
"""Six cells of two classes."""

OBJECTS = draw_labels("............ .11..22..33. .11..22..33. ............ .44..55..66. .44..55..66. ............")
LESION = draw_labels("............ ..1111111... ..1122211... ..1122211... ..1122211... ..1111111... ............")
"""A class inside another, one piece of each."""

WAY_OUT = "write `objects: instances` into dataset.yaml"


def lab(folder: Path, mask: np.ndarray, n_cases: int = 3, **settings: object) -> Dataset:
    cases = {str(case): mask for case in range(n_cases)}
    return make_dataset(folder / "lab", {"anna": cases, "ben": {**cases, "0": CELLS > 0}}, **settings)


READERS: dict[str, Callable[[Dataset], object]] = {
    "evaluate": lambda dataset: evaluate(dataset.folder),
    "consensus": lambda dataset: write_consensus(dataset.folder, dataset.folder.parent / "out"),
    "before a training": refuse_classes,
}


@pytest.mark.parametrize("mask", [CELLS, LESION], ids=["cells", "lesion"])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_classes_that_are_not_declared_stop_everything_that_reads_masks(tmp_path, read, mask):
    with pytest.raises(DataError, match=WAY_OUT):
        read(lab(tmp_path, mask))


@pytest.mark.parametrize("mask", [CELLS, LESION], ids=["cells", "lesion"])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_declared_objects_are_read(tmp_path, read, mask):
    read(lab(tmp_path, mask, objects="instances"))


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_objects_need_no_declaration(tmp_path, read):
    read(lab(tmp_path, OBJECTS))


def test_a_single_mask_is_refused_where_it_is_read(tmp_path):
    dataset = lab(tmp_path, CELLS)
    with pytest.raises(DataError, match=r"labels/anna/1\.png: 2 of 2 object numbers are in several pieces"):
        read_case_mask(dataset, "anna", "1")
    assert read_case_mask(dataset, "ben", "0").sum() == 24


def test_check_names_each_file_and_says_what_to_do(tmp_path, monkeypatch):
    errors = check_dataset(lab(tmp_path, CELLS).folder).errors
    assert {Path(problem.file).name for problem in errors} == {"0.png", "1.png", "2.png"}
    assert all(problem.action.startswith(f"if each number is one object, {WAY_OUT}") for problem in errors)
    assert run(monkeypatch, "check", tmp_path / "lab") == 1


def test_check_names_the_folder_where_only_all_images_tell(tmp_path):
    errors = check_dataset(lab(tmp_path, LESION, n_cases=5).folder).errors
    assert [(Path(problem.file).name, problem.what) for problem in errors] == [
        (rater, "object numbers lie inside others, as classes do, and objects do not") for rater in ("anna", "ben")
    ]


def test_the_same_numbers_in_every_image_are_a_warning_and_a_note(tmp_path):
    two = draw_labels("............ .11......... .11......... ............ .......22... .......22... ............")
    folder = lab(tmp_path, two, n_cases=5).folder
    checked = check_dataset(folder)
    assert checked.errors == ()
    assert sum("every label image holds the numbers 1, 2" in problem.what for problem in checked.warnings) == 2
    notes = evaluate(folder).summary["policy"]["notes"]
    assert sum("holds the same numbers" in note for note in notes) == 2
    (folder / "dataset.yaml").write_text("objects: instances")
    assert not any("numbers" in problem.what for problem in check_dataset(folder).problems)
    assert not any("same numbers" in note for note in evaluate(folder).summary["policy"]["notes"])


def test_masks_of_another_tool_are_refused_too(tmp_path):
    dataset = lab(tmp_path, OBJECTS)
    for case in dataset.cases:
        save(tmp_path / "net" / f"{case}.png", CELLS)
    with pytest.raises(DataError, match=r"net/0\.png: 2 of 2 object numbers"):
        evaluate(dataset.folder, masks={"net": tmp_path / "net"})
    (dataset.folder / "dataset.yaml").write_text("objects: instances")
    evaluate(dataset.folder, masks={"net": tmp_path / "net"})


def test_arrays_are_refused_and_can_be_declared():
    masks = {"anna": {"1": CELLS, "2": CELLS}, "ben": {"1": CELLS, "2": CELLS}}
    with pytest.raises(DataError, match="objects: instances"):
        evaluate(masks=masks)
    assert set(evaluate(masks=masks, objects="instances").counts["n_objects"]) == {2}


def test_a_region_may_hold_the_numbers_of_an_atlas(tmp_path):
    make_dataset(
        tmp_path / "lab", {"anna": {"1": OBJECTS}, "ben": {"1": OBJECTS}}, areas={"region_masks": {"1": CELLS}}
    )
    assert not check_dataset(tmp_path / "lab").errors
    assert set(evaluate(tmp_path / "lab").counts["region_area_px"]) == {24}


def test_classes_of_nnunet_are_declared_by_their_json(tmp_path):
    dataset = make_dataset(tmp_path / "lab", {"anna": {"1": CELLS}})
    (dataset.folder / "images").rename(dataset.folder / "imagesTr")
    (dataset.folder / "labels/anna").rename(dataset.folder / "labelsTr")
    (dataset.folder / "imagesTr/1.png").rename(dataset.folder / "imagesTr/1_0000.png")
    (dataset.folder / "dataset.json").write_text(
        '{"channel_names": {"0": "DAPI"}, "labels": {"background": 0, "a": 1, "b": 2}, "file_ending": ".png"}'
    )
    dataset = read_dataset(dataset.folder)
    refuse_classes(dataset)
    assert read_case_mask(dataset, dataset.raters[0], "1").dtype == bool


@pytest.mark.parametrize("value", ["classes", 1, ["instances"]])
def test_a_wrong_declaration_is_an_error(tmp_path, value):
    folder = lab(tmp_path, OBJECTS).folder
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"objects": value}))
    assert "expected instances" in check_dataset(folder).errors[0].what


def test_a_colour_picture_and_a_binary_mask_have_no_numbers(tmp_path):
    refuse_classes(lab(tmp_path, draw("##.. .... ..##")))


def test_classes_are_read_by_name_one_by_one_and_together(tmp_path: Path) -> None:
    mask = np.array([[0, 1, 2], [2, 3, 0]], dtype=np.uint8)
    classes = {"organ": [1, 2, 3], "tumour": {"value": 2}, "zone": 1}
    dataset = make_dataset(tmp_path / "lab", {"anna": {"1": mask}}, classes=classes)
    assert dataset.class_names == ("organ", "tumour", "zone")
    assert dataset.classes is not None
    assert not dataset.classes.exclusive
    assert (read_case_classes(dataset, "anna", "1") == mask).all()
    assert (read_case_mask(dataset, "anna", "1") == (mask > 0)).all()
    assert (read_case_mask(of_class(dataset, "tumour"), "anna", "1") == (mask == 2)).all()
    assert data_hash(of_class(dataset, "zone")) != data_hash(of_class(dataset, "tumour")) != data_hash(dataset)
    with pytest.raises(UsageError, match="no class 'organs'; its classes are organ, tumour, zone"):
        of_class(dataset, "organs")


def test_a_value_that_is_no_class_is_an_error_that_names_it(tmp_path: Path) -> None:
    mask = np.array([[0, 1, 7]], dtype=np.uint8)
    dataset = make_dataset(tmp_path / "lab", {"anna": {"1": mask}}, classes={"zone": 1, "tumour": 2})
    with pytest.raises(DataError, match=r"holds the value 7; dataset\.yaml names 0, 1, 2: add the class there"):
        read_case_classes(dataset, "anna", "1")

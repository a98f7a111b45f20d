"""Who the raters are, as dataset.yaml says it; one clear problem for everything else."""

from pathlib import Path

import numpy as np
import pytest

from segassay.data.annotations import read_annotations
from segassay.data.dataset import index_dataset, read_dataset
from segassay.data.facets import is_exchangeable, persons_of
from segassay.data.settings import read_dataset_file
from segassay.errors import DataError
from small_datasets import make_dataset, save

MASK = np.eye(8, dtype=bool)
TWO_TOOLS = {"ann_brush": {"a": MASK}, "ann_wand": {"a": MASK}, "ben": {"a": MASK}}


def problems_of(folder: Path, text: str) -> list[str]:
    (folder / "dataset.yaml").write_text(text)
    return [f"{problem.what}; {problem.action}" for problem in read_dataset_file(folder / "dataset.yaml")[1]]


def test_facets_become_columns_of_the_annotations_and_folders_have_the_names_of_raters(tmp_path: Path) -> None:
    raters = {
        "ann_brush": {"person": "ann", "tool": "brush", "site": "east"},
        "ann_wand": {"person": "ann", "tool": "wand", "session": 2},
        "other": {"folder": "labels/ben"},
    }
    dataset = make_dataset(tmp_path / "data", TWO_TOOLS, raters=raters)
    table = read_annotations(dataset).set_index("annotator")
    assert table["person"].to_dict() == {"ann_brush": "ann", "ann_wand": "ann", "other": "other"}
    assert table["tool"].to_dict() == {"ann_brush": "brush", "ann_wand": "wand", "other": ""}
    assert table["site"].to_dict() == {"ann_brush": "east", "ann_wand": "", "other": ""}
    assert table["session"].fillna(-1).to_dict() == {"ann_brush": -1, "ann_wand": 2, "other": -1}
    assert dataset.masks["other"]["a"].parent.name == "ben"
    assert persons_of(table.reset_index(), ["ann_wand", "other"]) == {"ann_wand": "ann", "other": "other"}


def test_annotators_from_elsewhere_have_no_facets(tmp_path: Path) -> None:
    raters = {"ann_brush": {"person": "ann"}, "ann_wand": {"person": "ann"}}
    dataset = make_dataset(tmp_path / "data", TWO_TOOLS, raters=raters, reference="labels/ben")
    save(tmp_path / "net" / "a.png", MASK)
    table = read_annotations(dataset, masks={"net": tmp_path / "net"}).set_index("annotator")
    assert table["person"].to_dict() == {"ann_brush": "ann", "ann_wand": "ann", "ben": "", "net": ""}


@pytest.mark.parametrize("said", ["{exchangeable: true}", "{exchangeable: Yes}", "{x: labels/x, exchangeable: true}"])
def test_exchangeable_raters(tmp_path: Path, said: str) -> None:
    for rater in "xy":
        save(tmp_path / "labels" / rater / "a.png", MASK)
    save(tmp_path / "images" / "a.png", MASK)
    (tmp_path / "dataset.yaml").write_text(f"raters: {said}\n")
    dataset = read_dataset(tmp_path)
    assert dataset.raters == (["x"] if "labels" in said else ["x", "y"])
    assert is_exchangeable(read_annotations(dataset))


@pytest.mark.parametrize("said", ["labels/*", "{exchangeable: false}", "{x: labels/x, y: labels/y}"])
def test_raters_are_persons_unless_it_is_said(tmp_path: Path, said: str) -> None:
    for rater in "xy":
        save(tmp_path / "labels" / rater / "a.png", MASK)
    save(tmp_path / "images" / "a.png", MASK)
    (tmp_path / "dataset.yaml").write_text(f"raters: {said}\n")
    table = read_annotations(read_dataset(tmp_path))
    assert not is_exchangeable(table)
    assert "person" not in table
    assert table["annotator"].tolist() == ["x", "y"]


@pytest.mark.parametrize(
    ("raters", "message"),
    [
        ("{exchangeable: maybe}", "raters.exchangeable is 'maybe'; expected true or false"),
        ("{exchangeable: }", "raters.exchangeable is None; expected true or false"),
        ("{exchangeable: labels/exchangeable}", "expected true or false; correct it, or rename a rater of this name"),
        ("{exchangeable: true, a: {person: p}}", "raters are exchangeable, but 'a' is described as a certain person"),
        ("{a: {persn: p}}", "raters.a: unknown key 'persn'; did you mean 'person'?"),
        ("{a: {person: }, b: {person: ''}}", "raters is {"),
        ("{a: {session: second}}", "expected a pattern of folders such as labels/*, or a mapping"),
        ("{a: {folder: ../../etc}}", "expected a relative path inside the dataset folder"),
        ("{../../etc: {person: p}}", "expected a relative path inside the dataset folder"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, raters: str, message: str) -> None:
    found = problems_of(tmp_path, f"raters: {raters}")
    assert len(found) == 1
    assert message in found[0]


def test_a_misspelt_rater_is_an_error_and_the_forgotten_folder_is_named(tmp_path: Path) -> None:
    raters = {"ann_brsh": {"person": "ann"}, "ann_wand": {"person": "ann"}, "ben": {"person": "ben"}}
    with pytest.raises(DataError, match="ann_brsh: no such folder"):
        make_dataset(tmp_path / "data", TWO_TOOLS, raters=raters)
    problems = index_dataset(tmp_path / "data")[1]
    beside = [problem for problem in problems if problem.kind == "folder-not-listed"]
    assert [problem.level for problem in beside] == ["warning"]
    assert "ann_brush" in beside[0].what

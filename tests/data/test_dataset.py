"""The dataset folder: what is found, what is refused, and that no pixel is read before it is asked for."""

import re
import shutil
import tracemalloc
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from dataset_folders import EXPERIMENT, MASK, make
from segassay.data.annotations import read_annotations
from segassay.data.cases import read_case_ignore, read_case_image, read_case_mask, read_case_region
from segassay.data.dataset import case_raters, data_hash, index_dataset, read_dataset, strata
from segassay.errors import DataError
from segassay.io.images import write_mask
from watching import files_opened


def problems(folder: Path) -> list[str]:
    """Lines of the error after its heading; a heading alone is its own problem."""
    with pytest.raises(DataError) as caught:
        read_dataset(folder)
    lines = str(caught.value).split("\n")
    return lines[1:] or lines


def test_folder_works_as_it_is(tmp_path: Path) -> None:
    dataset = read_dataset(make(tmp_path / "my lab"))
    assert dataset.name == "my lab"
    assert dataset.cases == ["0002", "0010"]
    assert dataset.raters == ["expert_2", "expert_10"]
    assert dataset.settings.mask_suffix == "_cFOS"
    assert dataset.masks["expert_10"] == {"0002": tmp_path / "my lab" / "labels" / "expert_10" / "0002_cFOS.png"}
    assert repr(dataset) == f"<Dataset my lab: 2 cases, 2 raters (expert_2, expert_10) in {tmp_path / 'my lab'}>"
    assert dataset.reference_name is None
    assert dataset.min_object_size == 1
    assert dataset.experiment is None
    assert dataset.warnings == []
    assert case_raters(dataset, "0010") == ["expert_2"]
    np.testing.assert_array_equal(read_case_mask(dataset, "expert_10", "0002"), MASK)
    np.testing.assert_array_equal(read_case_image(dataset, "0010").array, MASK[np.newaxis] * 255)
    assert read_case_ignore(dataset, "0002") is None


def test_everything_that_dataset_yaml_says(tmp_path: Path) -> None:
    folder = make(
        tmp_path,
        "pictures/7.nii.gz",
        "pictures/08.tiff",
        "anna/7_m.tif",
        "ben/7_m.tif",
        "labels/truth/7_m.png",
        "holes/7_hole.png",
        "regions/7.png",
        without="",
        table="case;group;split;note\n7;2;test;x\n08;0;train;\n",
        name="lab",
        images="pictures",
        raters={"Ben": "ben", "Anna": "anna"},
        mask_suffix="_m",
        reference="labels/truth",
        ignore="holes",
        ignore_suffix="_hole",
        region_masks="regions",
        control_group=2,
        min_object_size=30,
        spacing_um=[0.62, 0.5],
    )
    dataset = read_dataset(folder)
    assert (dataset.name, dataset.cases, dataset.raters) == ("lab", ["7", "08"], ["Anna", "Ben"])
    assert (dataset.reference_name, list(dataset.reference)) == ("truth", ["7"])
    assert (dataset.min_object_size, dataset.settings.control_group) == (30, "2")
    assert read_case_image(dataset, "7").spacing_um == (0.62, 0.5)
    for mask in (read_case_mask(dataset, "truth", "7"), read_case_ignore(dataset, "7"), read_case_region(dataset, "7")):
        assert mask is not None
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, MASK)
    assert read_case_region(dataset, "08") is None
    assert dataset.experiment is not None
    assert dataset.experiment["case"].tolist() == ["7", "08"]
    assert dataset.experiment["note"].tolist() == ["x", ""]
    assert strata(dataset)["split"].to_dict() == {"7": "test", "08": "train"}


def test_empty_dataset_yaml_is_none(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "dataset.yaml").write_text("# nothing yet\n")
    assert read_dataset(tmp_path).cases == ["0002", "0010"]


def test_reference_and_areas_are_never_raters(tmp_path: Path) -> None:
    extra = ("labels/est_GT/0002_cFOS.png", "labels/holes/0010.png", "labels/regions/0002_r.png")
    areas = {"reference": "./labels/est_GT/", "ignore": "labels/holes", "region_masks": "labels/regions"}
    dataset = read_dataset(make(tmp_path, *extra, **areas))
    assert dataset.raters == ["expert_2", "expert_10"]
    assert dataset.reference_name == "est_GT"
    assert (list(dataset.ignore), list(dataset.region_masks)) == (["0010"], ["0002"])


def test_raters_pattern_selects(tmp_path: Path) -> None:
    make(tmp_path, "labels/old/0002_cFOS.png", raters="labels/expert_*")
    assert read_dataset(tmp_path).raters == ["expert_2", "expert_10"]


def test_hidden_files_and_other_files_are_left_alone(tmp_path: Path) -> None:
    make(tmp_path, "images/.hidden.png", "labels/.cache/x.png", "images/previews/0002.png")
    for name in ("images/Thumbs.db", "images/notes.txt", "labels/expert_2/notes.txt", "labels/readme.md"):
        (tmp_path / name).write_text("x")
    dataset = read_dataset(tmp_path)
    assert dataset.cases == ["0002", "0010"]
    assert dataset.raters == ["expert_2", "expert_10"]


@pytest.mark.parametrize("suffix", ["", "_cFOS", "-mask.v2", "1"])
def test_suffix_is_found_even_where_cases_begin_alike(tmp_path: Path, suffix: str) -> None:
    cases = ["1", "10", "101", "11"]
    names = [f"images/{case}.png" for case in cases] + [f"labels/anna/{case}{suffix}.png" for case in cases]
    dataset = read_dataset(make(tmp_path, *names, without=""))
    assert dataset.settings.mask_suffix == suffix
    assert list(dataset.masks["anna"]) == ["1", "10", "11", "101"]


def test_no_pixel_is_read(tmp_path: Path) -> None:
    make(tmp_path)
    for path in tmp_path.rglob("*.*"):
        path.write_bytes(b"no image at all")
    dataset = read_dataset(tmp_path)
    assert dataset.cases == ["0002", "0010"]
    with pytest.raises(DataError, match=r"0010\.tif is truncated or broken"):
        read_case_image(dataset, "0010")


def test_case_text_keeps_its_leading_zeros_and_the_table_its_order(tmp_path: Path) -> None:
    dataset = read_dataset(make(tmp_path, table=EXPERIMENT, control_group="H"))
    assert dataset.experiment is not None
    expected = pd.DataFrame({"case": ["0010", "0002"], "group": ["H", "C"], "region": ["CA1", "CA3"]}, dtype=str)
    pd.testing.assert_frame_equal(dataset.experiment, expected)


def test_spreadsheet_table_with_byte_order_mark_and_spaces(tmp_path: Path) -> None:
    dataset = read_dataset(make(tmp_path, table="\ufeffcase; group\n0002;NA\n0010;H \n"))
    assert strata(dataset)["group"].tolist() == ["NA", "H"]


def test_strata_are_text_in_dataset_order(tmp_path: Path) -> None:
    table = strata(read_dataset(make(tmp_path, table="case,group,subject\n0010,1,3\n")))
    assert table.index.tolist() == ["0002", "0010"]
    assert table.loc["0010"].to_dict() == {"group": "1", "region": "", "subject": "3", "batch": "", "split": ""}
    assert (table.loc["0002"] == "").all()


def test_strata_without_table_are_empty(tmp_path: Path) -> None:
    table = strata(read_dataset(make(tmp_path)))
    assert table.columns.tolist() == ["group", "region", "subject", "batch", "split"]
    assert (table == "").all(axis=None)


def warnings(folder: Path) -> str:
    return "\n".join(map(str, read_dataset(folder).warnings))


@pytest.mark.parametrize("kind", ["png", "tif", "TIFF", "ome.tif", "nii", "nii.gz"])
def test_every_kind_of_image_and_mask(tmp_path: Path, kind: str) -> None:
    make(tmp_path, "images/1.png", "labels/anna/1.png", without="")
    for name in ("images/1", "labels/anna/1"):
        source = (tmp_path / f"{name}.png").rename(tmp_path / f"{name}.part")
        if kind == "png":
            source.rename(tmp_path / f"{name}.png")
        elif kind == "ome.tif":
            tifffile.imwrite(tmp_path / f"{name}.ome.tif", MASK.astype(np.uint8) * 255, metadata={"axes": "YX"})
        else:
            write_mask(tmp_path / f"{name}.{kind}", MASK)
        source.unlink(missing_ok=True)
    dataset = read_dataset(tmp_path)
    np.testing.assert_array_equal(read_case_image(dataset, "1").array, MASK[np.newaxis] * 255)
    np.testing.assert_array_equal(read_case_mask(dataset, "anna", "1"), MASK)


def test_ten_thousand_files_are_indexed_without_opening_one_in_little_memory(tmp_path: Path) -> None:
    for folder, suffix in [("images", ""), *((f"labels/expert_{number}", "_cFOS") for number in (1, 2, 3))]:
        (tmp_path / folder).mkdir(parents=True)
        for number in range(2_500):
            (tmp_path / folder / f"mouse_{number:05}{suffix}.png").touch()
    tracemalloc.start()
    try:
        with files_opened() as opened:
            dataset = read_dataset(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert opened == []
    assert [len(masks) for masks in dataset.masks.values()] == [2_500] * 3
    assert peak < 10_000 * 1_500


def test_masks_of_cellpose_are_found_beside_those_of_people(tmp_path: Path) -> None:
    names = [f"images/{case}.tif" for case in "12"] + [f"labels/anna/{case}.png" for case in "12"]
    cellpose = ["1_cp_masks.png", "2_cp_masks.tif", "1_flows_cp_masks.tif", "2_cp_output.png"]
    make(tmp_path, *names, *(f"labels/cellpose/{name}" for name in cellpose), without="")
    dataset = read_dataset(tmp_path)
    assert list(dataset.masks["cellpose"]) == list(dataset.masks["anna"]) == ["1", "2"]
    expected = "2 pictures of flows or outlines by Cellpose not used: 1_flows_cp_masks.tif, 2_cp_output.png"
    assert expected in warnings(tmp_path)


def test_what_cellpose_left_among_the_images_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "images/0002_cp_masks.png", "images/0002_flows.tif")
    (tmp_path / "images/0002_seg.npy").write_bytes(b"")
    (tmp_path / "labels/expert_2/0002_seg.npy").write_bytes(b"")
    pickle, pictures, mask = problems(tmp_path)
    assert "images: 0002_seg.npy: _seg.npy files of Cellpose are Python pickles" in pickle
    assert "images: 2 files by Cellpose among the images: 0002_cp_masks.png, 0002_flows.tif; move" in pictures
    assert "expert_2: 0002_seg.npy: _seg.npy files" in mask


def test_folder_with_nothing_but_pickles_is_one_problem(tmp_path: Path) -> None:
    make(tmp_path, without="labels/expert_10")
    (tmp_path / "labels/cellpose").mkdir()
    (tmp_path / "labels/cellpose/0002_seg.npy").write_bytes(b"")
    (line,) = problems(tmp_path)
    assert "pickles" in line


def test_umlauts_match_whether_composed_or_not(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "Mäuse 3 #1")
    table = f"case,group\n{apart},H\n"
    make(tmp_path, "images/Mäuse 3 #1.png", f"labels/anna/{apart}_süß.png", without="", table=table)
    dataset = read_dataset(tmp_path)
    assert dataset.cases == list(dataset.masks["anna"]) == ["Mäuse 3 #1"]
    assert strata(dataset)["group"].tolist() == ["H"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("of_folders", ["NFC", "NFD"])
def test_names_match_whether_composed_or_not(tmp_path: Path, form: str, of_folders: str) -> None:
    def said(name: str) -> str:
        return unicodedata.normalize(form, name)

    folders = [unicodedata.normalize(of_folders, name) for name in ("labels/Jörg", "labels/Zoë", "labels/Übereinkunft")]
    table = f"case,group\n0002,{said('Käfig')}\n"
    make(tmp_path, *(f"{folder}/0002_cFOS.png" for folder in folders), without="labels", table=table)
    control = unicodedata.normalize(of_folders, "Käfig")
    text = f"experiment: experiment.csv\ncontrol_group: {control}\ninvert: [{said('Jörg')}]\n"
    (tmp_path / "dataset.yaml").write_text(f"{text}reference: {said('labels/Übereinkunft')}\n", encoding="utf-8")
    dataset = read_dataset(tmp_path)
    assert (dataset.raters, dataset.reference_name) == (["Jörg", "Zoë"], "Übereinkunft")
    assert strata(dataset)["group"].tolist() == ["Käfig", ""]
    (tmp_path / "dataset.yaml").write_text(f"raters: {said('labels/Jö*')}\n", encoding="utf-8")
    assert read_dataset(tmp_path).raters == ["Jörg"]
    rows = f"0002,{said('Jörg')},human,{folders[0]}/0002_cFOS.png"
    (tmp_path / "annotations.csv").write_text(f"case,annotator,kind,path\n{rows}\n", encoding="utf-8")
    assert set(read_annotations(read_dataset(tmp_path), tmp_path / "annotations.csv")["annotator"]) == {"Jörg"}


def test_images_may_lie_in_the_folder_itself(tmp_path: Path) -> None:
    make(tmp_path, "0144.png", "labels/anna/0144.png", without="", images=".", table="case,group\n0144,H\n")
    dataset = read_dataset(tmp_path)
    assert dataset.cases == ["0144"]
    assert "not searched" not in warnings(tmp_path)


def test_what_is_left_alone_is_told_once_per_folder(tmp_path: Path) -> None:
    make(tmp_path, "images/previews/0002.png")
    for name in ("images/a.jpg", "images/b.txt", "labels/expert_2/c.csv", "labels/readme.md"):
        (tmp_path / name).write_text("x")
    first, second = read_dataset(tmp_path).warnings
    assert first.what == "2 files are not images that can be read and 1 folder is not searched: a.jpg, b.txt, previews"
    assert second.what == "1 file is not an image that can be read: c.csv"


def test_masks_beside_the_folders_of_raters_are_mentioned(tmp_path: Path) -> None:
    make(tmp_path, "labels/0002.png")
    assert "1 mask outside the raters' folders: 0002.png; move them to labels/<rater>/" in warnings(tmp_path)


def test_index_keeps_what_is_fine_and_tells_every_problem(tmp_path: Path) -> None:
    files = [f"labels/expert_2/x{number}_cFOS.png" for number in range(30)]
    dataset, found = index_dataset(make(tmp_path, *files, min_object_size=-1))
    assert dataset is not None
    assert dataset.raters == ["expert_2", "expert_10"]
    assert list(dataset.masks["expert_2"]) == ["0002", "0010"]
    assert len(found) == 31
    assert {problem.level for problem in found} == {"error"}


def test_index_without_images_is_nothing(tmp_path: Path) -> None:
    dataset, found = index_dataset(make(tmp_path, without="images"))
    assert dataset is None
    assert len(found) == 1
    assert index_dataset(tmp_path / "nowhere")[0] is None


def test_warnings_name_what_deserves_a_look(tmp_path: Path) -> None:
    make(tmp_path, "images/3.png", without="labels/expert_10", table="case,group\n0010,H\n")
    row, only, unmarked = read_dataset(tmp_path).warnings
    assert "experiment.csv: 2 cases have no row in the experiment table: '0002', '3'" in str(row)
    assert "'expert_2' is the only rater" in str(only)
    assert "no rater annotated 1 of 3 images: '3'" in str(unmarked)
    assert {warning.level for warning in (row, only, unmarked)} == {"warning"}


def test_table_that_is_not_named_is_mentioned(tmp_path: Path) -> None:
    (make(tmp_path) / "experiment.csv").write_text(EXPERIMENT)
    assert "experiment.csv: is not used; name it as `experiment`" in str(read_dataset(tmp_path).warnings[0])


def test_missing_folder(tmp_path: Path) -> None:
    assert "nowhere: is not a folder; give a dataset folder" in problems(tmp_path / "nowhere")[0]


def test_empty_folder_names_images_and_raters_at_once(tmp_path: Path) -> None:
    no_images, no_raters = problems(tmp_path)
    assert "images: no such folder" in no_images
    assert "matches no folder of a rater" in no_raters


def test_masks_without_folders_of_raters(tmp_path: Path) -> None:
    (line,) = problems(make(tmp_path, "images/1.png", "labels/1.png", without=""))
    assert "1 mask outside the raters' folders: 1.png; move them to labels/<rater>/" in line


def test_empty_folder_of_a_rater_and_broken_links(tmp_path: Path) -> None:
    (make(tmp_path) / "labels/ben").mkdir()
    (tmp_path / "images/0003.png").symlink_to(tmp_path / "gone.png")
    link, empty = problems(tmp_path)
    assert "0003.png: is a link to a missing file" in link
    assert "labels/ben: holds no mask; expected files named after the images" in empty


def test_folder_without_images_is_one_problem_not_one_per_mask(tmp_path: Path) -> None:
    make(tmp_path, without="images")
    (tmp_path / "images").mkdir()
    (line,) = problems(tmp_path)
    assert "images: holds no image" in line


@pytest.mark.parametrize(
    ("files", "settings", "message"),
    [
        ((), {"raters": {"Anna": "labels/anna"}}, r"labels/anna: no such folder; expected the masks of 'Anna'"),
        ((), {"raters": {}}, "raters lists no rater"),
        ((), {"raters": "labels/nobody_*"}, "matches no folder of a rater"),
        ((), {"raters": "."}, "is not a pattern of folders"),
        ((), {"reference": "labels/est_GT"}, "labels/est_GT: no such folder"),
        ((), {"ignore": "ignored"}, "ignored: no such folder"),
        ((), {"region_masks": "regions"}, "regions: no such folder"),
        ((), {"raters": {"est": "labels/expert_2"}, "reference": "a/est"}, "'est' is both a rater and the reference"),
        (("a/x/0002_cFOS.png", "b/x/0002_cFOS.png"), {"raters": "[ab]/*"}, "matches 2 folders named 'x'"),
        (("labels/expert_2/0003_cFOS.png",), {}, r"0003_cFOS\.png: mask without image; expected a name <case>_cFOS"),
        (("labels/expert_2/0002_GABA.png",), {}, r"0002_GABA\.png: mask without image"),
        ((), {"mask_suffix": ""}, r"0002_cFOS\.png: mask without image; expected a name <case>\.<ext>"),
        (("ignored/0003.png", "ignored/0002.png"), {"ignore": "ignored"}, r"ignored/0003\.png: mask without image"),
        (("images/0002.tif",), {}, r"second image of case '0002', in addition to 0002\.png"),
        (("labels/expert_2/0002_cFOS.tif",), {}, r"second mask of case '0002', in addition to 0002_cFOS\.png"),
        ((), {"min_objct_size": 3}, "unknown key 'min_objct_size'; did you mean 'min_object_size'?"),
        ((), {"control_group": "H"}, "control_group is given without `experiment`"),
        ((), {"min_object_size": -1}, "min_object_size is '-1'; expected a whole number"),
        ((), {"raters": {"a": "labels/expert_2", "b": "labels/expert_2"}}, "'a' and 'b' are the same folder"),
        ((), {"raters": {"a": "labels/expert_2"}, "reference": "./labels/expert_2"}, "are the same folder"),
        ((), {"images": "images/0002.png"}, "0002.png: is a file; expected the images there"),
        (("images/B7.png", "images/b7.tif"), {}, r"b7\.tif: differs from B7\.png only by upper and lower case"),
        (("labels/expert_2/2_cFOS.png",), {}, "mask without image; .*; rename it, if it belongs to image '0002'"),
        (("images/B7.png", "labels/expert_2/b7_cFOS.png"), {}, "rename it, if it belongs to image 'B7'"),
        ((), {"experiment": "table.csv"}, r"table\.csv: cannot be read as a CSV table"),
    ],
)
def test_one_problem_one_line(tmp_path: Path, files: tuple[str, ...], settings: dict[str, Any], message: str) -> None:
    found = problems(make(tmp_path, *files, **settings))
    assert any(re.search(message, line) for line in found), found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "cannot be read"),
        ("name: a\nname", "cannot be read"),
        ("- a list", "expected settings, got a list; write one line `key: value` for each"),
        ("!!python/object/apply:os.system ['touch broken']", "cannot be read"),
        ("7: seven", "unknown key '7'"),
    ],
)
def test_unreadable_yaml(tmp_path: Path, text: str, message: str) -> None:
    (make(tmp_path) / "dataset.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("case,group\n0002,H\n0003,H\n", "case '0003' has no image"),
        ("case,group\n2,H\n", "case '2' has no image; did a spreadsheet change '0002'?"),
        ("case,group\n0002,C\n", "the control_group 'H' is not one of the groups C"),
        ("case,group\n0002,H\n0002,C\n", "case '0002' has several rows"),
        ("case,group\n0002,H\n0010,\n", "case '0010' has no group"),
        ("case,group,split\n0002,H,validation\n", "split of case '0002' is 'validation'; expected train or test"),
        ("image,group\n0002,H\n", "no column case; expected case, group, got image, group"),
        ("case,group\n0002,H,too,many\n", "cannot be read as a CSV table"),
        ('case,group\n"0002,H\n', "cannot be read as a CSV table"),
    ],
)
def test_problems_of_the_table(tmp_path: Path, table: str, message: str) -> None:
    found = problems(make(tmp_path, table=table, control_group="H"))
    assert any(message in line for line in found), found


def test_all_problems_at_once_the_first_twenty_in_full(tmp_path: Path) -> None:
    files = [f"labels/expert_2/x{number}_cFOS.png" for number in range(30)]
    found = problems(make(tmp_path, *files, table="case,group\n7,H\n"))
    assert len(found) == 21
    assert found[-1] == "… and 11 more problems"


def test_every_wrong_key_of_dataset_yaml_at_once(tmp_path: Path) -> None:
    assert len(problems(make(tmp_path, nme="x", min_object_size=-1, equivalence_margin="wide"))) == 3


def test_hash_follows_content_and_role_and_nothing_else(tmp_path: Path) -> None:
    first = make(tmp_path / "first", table=EXPERIMENT)
    before = data_hash(read_dataset(first))
    moved = shutil.copytree(first, tmp_path / "second", copy_function=shutil.copy)  # new times
    assert data_hash(read_dataset(moved)) == before
    (moved / "experiment.csv").write_text(EXPERIMENT.replace("CA1", "DG"))
    changed_table = data_hash(read_dataset(moved))
    (moved / "labels/expert_10").rename(moved / "labels/expert_11")
    changed_rater = data_hash(read_dataset(moved))
    write_mask(moved / "images/0002.png", ~MASK)
    changed_image = data_hash(read_dataset(moved))
    assert len({before, changed_table, changed_rater, changed_image}) == 4


@pytest.mark.parametrize(
    ("lab", "n_cases", "raters"), [("lab-inns1", 5, "1345"), ("lab-mue", 5, "1345"), ("lab-wue1", 36, "12345")]
)
def test_real_lab_as_it_lies_counts_its_consensus_as_a_rater(
    data_dir: Path, lab: str, n_cases: int, raters: str
) -> None:
    dataset = read_dataset(data_dir / "segebarth2020" / lab)
    assert len(dataset.cases) == n_cases
    assert dataset.raters == ["est_GT", *(f"expert_{rater}" for rater in raters)]
    assert dataset.settings.mask_suffix == "_cFOS"
    assert all(list(masks) == dataset.cases for masks in dataset.masks.values())
    assert dataset.warnings == []


def test_real_lab_with_reference_and_groups(data_dir: Path, tmp_path: Path) -> None:
    lab = data_dir / "segebarth2020" / "lab-wue1"
    codes = pd.read_csv(lab / "groups_wue1.csv", dtype={"file_id": str})
    table = pd.DataFrame({"case": codes["file_id"], "group": codes["group_id"] // 3, "region": codes["group_id"] % 3})
    (tmp_path / "images").symlink_to(lab / "images")
    (tmp_path / "labels").symlink_to(lab / "labels")
    make(tmp_path, without="", table=table.to_csv(index=False), reference="labels/est_GT", control_group=2)
    dataset = read_dataset(tmp_path)
    assert dataset.raters == [f"expert_{number}" for number in range(1, 6)]
    assert (dataset.reference_name, len(dataset.reference)) == ("est_GT", 36)
    assert strata(dataset).groupby(["group", "region"]).size().tolist() == [4] * 9
    assert read_case_mask(dataset, "est_GT", "0001").dtype == bool

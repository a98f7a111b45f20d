"""Who drew what; every way a foreign table or folder can be wrong has its message."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segassay.data.annotations import ANNOTATION_COLUMNS, read_annotations
from segassay.data.dataset import Dataset, read_dataset
from segassay.errors import DataError
from segassay.io.images import write_labels, write_mask

MASK = np.eye(4, dtype=bool)


def write_all(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_mask(folder / name, MASK)


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    """Cases 002, 010 and z1 by two raters, one of whom lacks a case, and a reference."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    for case in ("002", "010", "z1"):
        write_labels(folder / "images" / f"{case}.png", np.ones((4, 4), dtype=np.uint8))
    write_all(folder / "labels" / "anna", ["002_c.png", "010_c.png", "z1_c.png"])
    write_all(folder / "labels" / "ben", ["002_c.png", "z1_c.png"])
    write_all(folder / "labels" / "published", ["002_c.png"])
    (folder / "dataset.yaml").write_text("reference: labels/published\n")
    return read_dataset(folder)


@pytest.fixture
def write_csv(tmp_path):
    """Write `annotations.csv` beside masks u1.png and u2.png."""

    def write(text: str) -> Path:
        write_all(tmp_path / "foreign", ["u1.png", "u2.png"])
        path = tmp_path / "foreign" / "annotations.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def names(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(table[["case", "annotator", "kind"]].itertuples(index=False, name=None))


def test_raters_are_human_and_the_reference_is_a_consensus(dataset):
    table = read_annotations(dataset)
    assert tuple(table.columns) == ANNOTATION_COLUMNS
    assert names(table) == [
        ("002", "published", "consensus"),
        ("002", "anna", "human"),
        ("002", "ben", "human"),
        ("010", "anna", "human"),
        ("z1", "anna", "human"),
        ("z1", "ben", "human"),
    ]
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in table["path"])
    assert not table["missing"].any()


def test_table_of_another_tool(dataset, write_csv):
    path = write_csv(
        "case,annotator,kind,path,fold,seed,held_out,trained_on,prob,remark\n"
        "010,staple/s7,model,u1.png,2,7,true,staple,maps/p.tif,x\n"
        f"002,staple/s7,model,{dataset.folder.parent}/foreign/u2.png,,7,,staple,,\n"
    )
    table = read_annotations(dataset, path).query("kind == 'model'").set_index("case")
    assert list(table.index) == ["002", "010"]
    assert table.loc["010", "path"] == str(path.parent / "u1.png")
    assert table.loc["010", "prob"] == str(path.parent / "maps" / "p.tif")
    assert table.loc["010", ["fold", "seed", "held_out", "trained_on"]].tolist() == [2, 7, True, "staple"]
    assert pd.isna(table.loc["002", "fold"])
    assert pd.isna(table.loc["002", "held_out"])
    assert table.loc["002", "prob"] == ""


def test_how_many_raters_and_images_a_model_learned_from_is_kept_where_it_is_said(dataset, write_csv):
    path = write_csv("case,annotator,kind,path,n_train,n_raters\n010,m,model,u1.png,12,2\n002,m,model,u2.png,,2\n")
    table = read_annotations(dataset, path)
    assert tuple(table.columns) == (*ANNOTATION_COLUMNS, "n_raters", "n_train")
    of_model = table[table["annotator"] == "m"].set_index("case")
    assert of_model["n_raters"].tolist() == [2, 2]
    assert (of_model.loc["010", "n_train"], of_model["n_train"].isna().sum()) == (12, 1)
    assert table.loc[table["kind"] != "model", ["n_raters", "n_train"]].isna().all(axis=None)
    assert {str(table[column].dtype) for column in ("n_raters", "n_train", "seed")} == {"Int64"}


def test_semicolons_and_byte_order_mark(dataset, write_csv):
    path = write_csv("\ufeffcase;annotator;kind;path\n002;unet;model;u1.png\n")
    assert ("002", "unet", "model") in names(read_annotations(dataset, path))


def test_without_dataset_cases_are_those_of_the_table(write_csv):
    path = write_csv("case,annotator,kind,path\n10,anna,human,u1.png\n9,anna,human,u2.png\n")
    assert names(read_annotations(None, path)) == [("9", "anna", "human"), ("10", "anna", "human")]


def test_file_that_does_not_exist_is_a_missing_prediction(dataset, write_csv):
    path = write_csv(
        "case,annotator,kind,path\n002,unet,model,lost.png\n010,unet,model,u1.png\n010,ben,human,lost.png\n"
    )
    table = read_annotations(dataset, path)
    assert names(table[table["missing"]]) == [("002", "unet", "model"), ("010", "ben", "human")]


def test_masks_of_the_dataset_may_be_listed_again(dataset, write_csv):
    path = write_csv(
        f"case,annotator,kind,path\n002,anna,human,{dataset.masks['anna']['002']}\n002,unet,model,u1.png\n"
    )
    assert len(read_annotations(dataset, path)) == len(read_annotations(dataset)) + 1


def test_repeated_annotations_of_a_person(dataset, write_csv):
    path = write_csv("case,annotator,kind,path,session\n002,anna,human,u1.png,2\n002,anna,human,u2.png,3\n")
    table = read_annotations(dataset, path).query("case == '002' and annotator == 'anna'")
    assert table["session"].fillna(1).tolist() == [1, 2, 3]


def test_a_known_truth(dataset, write_csv, tmp_path):
    write_all(tmp_path / "t", ["002.png"])
    table = read_annotations(dataset, None, {"truth": tmp_path / "t"})
    assert names(table)[0] == ("002", "truth", "truth")
    path = write_csv("case,annotator,kind,path\n002,truth,consensus,u1.png\n")
    assert names(read_annotations(dataset, path))[0] == ("002", "truth", "truth")


def test_order_of_the_rows_does_not_matter(dataset, write_csv):
    lines = ["002,unet,model,u1.png", "010,unet,model,u2.png", "z1,vnet,model,u1.png"]
    head = "case,annotator,kind,path\n"
    forth = read_annotations(dataset, write_csv(head + "\n".join(lines)))
    pd.testing.assert_frame_equal(forth, read_annotations(dataset, write_csv(head + "\n".join(lines[::-1]))))


def test_a_name_of_more_digits_than_python_makes_a_number_of(dataset, write_csv):
    long = "1" * 5000
    table = read_annotations(dataset, write_csv(f"case,annotator,kind,path\n002,{long},model,u1.png\n"))
    assert ("002", long, "model") in names(table)


class TestFoldersOfMasks:
    @pytest.mark.parametrize("files", [["002.png", "010.nii.gz"], ["002_pred.png", "010_pred.tif"]])
    def test_files_are_named_as_the_cases(self, dataset, tmp_path, files):
        write_all(tmp_path / "out", files)
        (tmp_path / "out" / "dataset.json").write_text("{}")
        table = read_annotations(dataset, None, {"nnunet": tmp_path / "out"})
        assert names(table[table["annotator"] == "nnunet"]) == [("002", "nnunet", "model"), ("010", "nnunet", "model")]
        assert table.loc[table["annotator"] == "nnunet", "held_out"].isna().all()

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            ([], "no mask; expected files <case>.png"),
            (
                ["liver.png", "spleen.png"],
                "no file belongs to a case, the first is liver.png; expected names such as 002",
            ),
            (["002.png", "liver.png"], "liver.png belongs to no case; expected <case>.<ext>"),
            (["002.png", "002.tif"], "second mask of case '002'"),
        ],
    )
    def test_unusable(self, dataset, tmp_path, files, message):
        write_all(tmp_path / "out", files)
        with pytest.raises(DataError, match=message):
            read_annotations(dataset, None, {"nnunet": tmp_path / "out"})

    def test_no_folder(self, dataset, tmp_path):
        with pytest.raises(DataError, match=r"masks \(--masks\) nnunet=.*nowhere: no such folder"):
            read_annotations(dataset, None, {"nnunet": tmp_path / "nowhere"})

    @pytest.mark.parametrize("name", ["anna", "published", "unet"])
    def test_name_that_is_taken(self, dataset, tmp_path, write_csv, name):
        write_all(tmp_path / "out", ["002.png"])
        path = write_csv("case,annotator,kind,path\n002,unet,model,u1.png\n")
        with pytest.raises(DataError, match=f"'{name}' is already an annotator; choose another name"):
            read_annotations(dataset, path, {name: tmp_path / "out"})


HEAD = "case,annotator,kind,path,held_out,session,seed\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,annotator,file\n002,unet,u1.png\n", r"no column kind, path; expected case, annotator, kind, path, got"),
        ("case,annotator,kind,path\n", "no rows; expected one for each mask"),
        (HEAD + "002,unet,modell,u1.png,,,\n", "row 2: kind is 'modell'; expected one of human, consensus, model"),
        (HEAD + ",unet,model,u1.png,,,\n", "row 2: case is empty"),
        (HEAD + "002,,model,u1.png,,,\n", "row 2: annotator is empty"),
        (HEAD + "002,unet,model,,,,\n", "row 2: path is empty"),
        (
            HEAD + "002,unet,model,u1.png,,,\n002,unet,model,u2.png,,,\n",
            "row 3: second mask of case '002' by 'unet' in addition to row 2",
        ),
        (HEAD + "002,eva,human,u1.png,,1,\n002,eva,human,u2.png,,1,\n", "row 3: second mask .* in the column session"),
        (HEAD + "002,unet,model,u1.png,,,\n10,unet,model,u2.png,,,\n", "row 3: case '10' is not in .* zeros of '010'"),
        (HEAD + "002,unet,model,u1.png,,,\nq,unet,model,u2.png,,,\n", "row 3: case 'q' is not in"),
        (
            HEAD + "a,unet,model,u1.png,,,\nb,unet,model,u2.png,,,\n",
            "no case in common; the table has 'a', the dataset '002'",
        ),
        (HEAD + "002,anna,human,u1.png,,,\n", "row 2: the dataset has another mask of case '002' by 'anna'; rename"),
        (HEAD + "010,ben,model,u1.png,,,\n", "annotator 'ben' is model in the table and human in the dataset; rename"),
        (
            HEAD + "002,x,model,u1.png,,,\n010,x,human,u2.png,,,\n",
            "annotator 'x' is model and human; expected one kind",
        ),
        (HEAD + "002,unet,model,u1.png,maybe,,\n", "row 2: held_out is 'maybe'; expected true, false or nothing"),
        (HEAD + "002,unet,model,u1.png,False,,\n", "row 2: 'unet' was trained on this case"),
        (HEAD + "002,unet,model,u1.png,,,7.5\n", "row 2: seed is '7.5'; expected a whole number"),
        ("case,annotator,kind,path,n_train\n002,m,model,u1.png,many\n", "row 2: n_train is 'many'; expected a whole"),
        (HEAD + "002,gt,truth,lost.png,,,\n", "row 2: .*lost.png does not exist; a mask by 'gt'"),
        (HEAD + "002,unet,model,annotations.csv,,,\n", "row 2: .*annotations.csv has no image ending"),
        (HEAD + "002,unet,model,u\0.png,,,\n", "cannot be read as a CSV table in UTF-8: it holds a NUL character"),
        (
            HEAD + f"002,unet,model,{'u' * 10_000},,,\n",
            "row 2: path 'u+...u+' is too long for a path; correct the cell",
        ),
        (HEAD + "002,unet,model,u1.png,,,,,9\n", "cannot be read as a CSV table"),
    ],
)
def test_broken_tables(dataset, write_csv, text, message):
    with pytest.raises(DataError, match=message):
        read_annotations(dataset, write_csv(text))


def test_a_path_in_memory_that_no_file_can_have(dataset):
    table = pd.DataFrame([{"case": "002", "annotator": "unet", "kind": "model", "path": "u\0.png"}])
    with pytest.raises(DataError, match=r"path 'u\\x00.png' holds a letter that no path can hold; correct"):
        read_annotations(dataset, table)


def test_all_problems_at_once(dataset, write_csv, tmp_path):
    path = write_csv(HEAD + "002,unet,modell,u1.png,,,\nq,unet,modell,u2.png,,,x\n")
    with pytest.raises(DataError) as caught:
        read_annotations(dataset, path, {"nnunet": tmp_path / "nowhere"})
    assert str(caught.value).startswith(f"{path} has 5 problems:\nrow 2: kind is 'modell'")
    assert "masks (--masks) nnunet=" in str(caught.value)


def test_nothing_exists(write_csv):
    path = write_csv("case,annotator,kind,path\n1,unet,model,a.png\n2,unet,model,b.png\n")
    with pytest.raises(DataError, match="none of 2 masks exists; expected paths that are absolute or relative to"):
        read_annotations(None, path)


def test_table_that_is_not_there(dataset, tmp_path):
    with pytest.raises(DataError, match=r"annotations.csv cannot be read as a CSV table"):
        read_annotations(dataset, tmp_path / "annotations.csv")


def test_a_relative_path_may_lead_into_the_dataset_and_nowhere_else(dataset, write_csv, tmp_path):
    write_all(tmp_path / "secret", ["u1.png"])
    head = "case,annotator,kind,path\n"
    inside = read_annotations(dataset, write_csv(head + "002,u,model,../data/labels/anna/002_c.png\n"))
    assert ("002", "u", "model") in names(inside)
    for path in ("../secret/u1.png", "../../secret/u1.png", "./x/../../secret/u1.png"):
        table = write_csv(head + f"002,u,model,u1.png\n010,u,model,{path}\n")
        with pytest.raises(DataError, match=r"row 3: path '.*u1\.png' leaves the folder of the table; move the table"):
            read_annotations(dataset, table)
    with pytest.raises(DataError, match=r"row 2: path '../data/labels/anna/002_c.png' leaves the folder"):
        read_annotations(None, write_csv(head + "002,u,model,../data/labels/anna/002_c.png\n"))
    absolute = read_annotations(dataset, write_csv(head + f"002,u,model,{tmp_path / 'secret/u1.png'}\n"))
    assert ("002", "u", "model") in names(absolute)


def test_maps_may_not_leave_the_folder_either_and_tables_in_memory_may(dataset, write_csv, tmp_path, monkeypatch):
    write_all(tmp_path / "secret", ["u1.png"])
    table = write_csv("case,annotator,kind,path,prob\n002,u,model,u1.png,../secret/p.tif\n")
    with pytest.raises(DataError, match=r"row 2: prob '../secret/p.tif' leaves the folder of the table"):
        read_annotations(dataset, table)
    monkeypatch.chdir(table.parent)
    rows = pd.DataFrame({"case": ["002"], "annotator": ["u"], "kind": ["model"], "path": ["../secret/u1.png"]})
    assert ("002", "u", "model") in names(read_annotations(dataset, rows))


def _table(folder: Path, rows: list[str], files: list[str]) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "annotations.csv").write_text("\n".join(["case,annotator,kind,path", *rows]) + "\n")
    return folder / "annotations.csv"


def test_separators_of_windows_lead_to_the_file(tmp_path: Path) -> None:
    rows = [r"001,unet,model,pred\001.png", r"002,unet,model,.\pred\002.png"]
    table = read_annotations(None, _table(tmp_path, rows, ["pred/001.png", "pred/002.png"]))
    assert [Path(path).relative_to(tmp_path).as_posix() for path in table["path"]] == ["pred/001.png", "pred/002.png"]
    assert not table["missing"].any()


def test_a_file_whose_name_holds_a_backslash_comes_first(tmp_path: Path) -> None:
    table = read_annotations(None, _table(tmp_path, [r"001,unet,model,a\b.png"], [r"a\b.png", "a/b.png"]))
    assert Path(table["path"].iloc[0]).name == r"a\b.png"


def test_a_model_without_a_single_file_is_an_error_and_not_a_bad_model(tmp_path: Path) -> None:
    rows = ["001,anna,human,anna/001.png", "001,unet,model,pred/001.png", "002,unet,model,pred/002.png"]
    with pytest.raises(
        DataError, match=r"row 3: none of 2 files of 'unet' exists, such as .*001\.png; correct the paths"
    ):
        read_annotations(None, _table(tmp_path, rows, ["anna/001.png"]))


def test_a_model_with_some_files_has_failed_predictions(tmp_path: Path) -> None:
    rows = ["001,unet,model,pred/001.png", "002,unet,model,pred/002.png"]
    table = read_annotations(None, _table(tmp_path, rows, ["pred/001.png"]))
    assert table["missing"].tolist() == [False, True]

"""Tables of annotations from other computers: separators of Windows, endings in case names, models without a file."""

from pathlib import Path

import pytest

from segassay.data.annotations import read_annotations
from segassay.errors import DataError


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

"""Listing a folder: what is an image, what is left alone, and what is said about it."""

import os
import unicodedata
from pathlib import Path

import pytest

from segassay.data.names import case_of, how_to_rename, list_images, natural_key, written_by_cellpose
from segassay.errors import Problem
from watching import files_opened


def listed(folder: Path, *names: str) -> tuple[list[str], list[Problem]]:
    """Cases found in a folder with these empty files (folders end in `/`), and what was said."""
    for name in names:
        path = folder / name
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_bytes(b"")
    found, problems = list_images(folder)
    assert all(case_of(path.name) == case for case, path in found)
    return [case for case, _ in found], problems


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("expert_2", "expert_10"),
        ("0144", "2000"),
        ("a", "a1"),
        ("01", "1"),
        ("00", "01"),
        ("09", "010"),
        ("9" * 5000, "0" + "1" * 5001),
    ],
)
def test_natural_order(first: str, second: str) -> None:
    assert natural_key(first) < natural_key(second)


def test_every_kind_of_image_in_natural_order(tmp_path: Path) -> None:
    names = ("10.png", "9.TIF", "8.tiff", "7.ome.tif", "6.nii", "5.nii.gz", "mouse 3 #2.left.png", "Mäuse.png")
    cases, problems = listed(tmp_path, *names)
    assert cases == ["5", "6", "7", "8", "9", "10", "Mäuse", "mouse 3 #2.left"]
    assert problems == []


def test_letters_are_composed_whatever_the_system_made_of_them(tmp_path: Path) -> None:
    taken_apart = unicodedata.normalize("NFD", "Mäuse")
    assert taken_apart != "Mäuse"
    assert listed(tmp_path, f"{taken_apart}.png")[0] == ["Mäuse"]


def test_what_a_system_writes_by_itself_is_no_news(tmp_path: Path) -> None:
    system = (".DS_Store", "._0144.png", ".hidden.png", "Thumbs.db", "desktop.ini", "__MACOSX/", ".git/")
    assert listed(tmp_path, "0144.png", *system) == (["0144"], [])


def test_one_warning_counts_and_names_everything_else(tmp_path: Path) -> None:
    others = ("a.jpg", "b.txt", "c.czi", "d.npy", "e.csv", "f.pdf", "old/", "png")
    cases, (problem,) = listed(tmp_path, "0144.png", *others)
    assert cases == ["0144"]
    assert problem.level == "warning"
    expected = "7 files are not images that can be read and 1 folder is not searched: a.jpg, b.txt, c.czi, d.npy, e.csv"
    assert problem.what == f"{expected} and 3 more"
    assert problem.file == str(tmp_path)


def test_known_names_are_no_news(tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text("name: x")
    assert list_images(tmp_path, known={"dataset.yaml"}) == ([], [])


def test_pickles_of_cellpose_are_refused_in_one_message_that_names_the_export(tmp_path: Path) -> None:
    cases, (problem,) = listed(tmp_path, "0144_cp_masks.png", "0144_seg.npy", "0145_SEG.NPY")
    assert cases == ["0144_cp_masks"]
    assert problem.level == "error"
    assert "0144_seg.npy, 0145_SEG.NPY: _seg.npy files of Cellpose are Python pickles" in problem.what
    for word in ("Save masks as PNG/tif", "--save_tif", "--save_png", "<image>_cp_masks.tif"):
        assert word in problem.action


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    with files_opened() as opened:
        (tmp_path / "watched").write_bytes(b"")
    assert [Path(name).name for name in opened] == ["watched"]
    (tmp_path / "0144_seg.npy").write_bytes(b"")
    with files_opened() as opened:
        assert list_images(tmp_path)[0] == []
    assert opened == []


def test_pictures_and_masks_that_cellpose_writes_beside_an_image(tmp_path: Path) -> None:
    pictures = [
        "a_cp_output.png",
        "a_dP_cp_masks.tif",
        "a_flows.tif",
        "a_flows_cp_masks.tif",
        "a_outlines_cp_masks.png",
    ]
    for name in [*pictures, "a.png", "a_cp_masks.png", "b_flows.png", "a_cFOS.png"]:
        (tmp_path / name).write_bytes(b"")
    files, _ = list_images(tmp_path)
    assert sorted(written_by_cellpose(files, {"a"}, masks=False)) == pictures
    assert sorted(written_by_cellpose(files, {"a"})) == sorted([*pictures, "a_cp_masks.png"])
    assert written_by_cellpose(files, {"c"}) == []


def test_links_are_followed_and_broken_ones_told(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").symlink_to(tmp_path / "real")
    (tmp_path / "images" / "2.png").symlink_to(tmp_path / "gone")
    (tmp_path / "images" / "3.png").symlink_to(tmp_path / "images" / "3.png")
    cases, problems = listed(tmp_path / "images")
    assert cases == ["1"]
    assert [Path(problem.file).name for problem in problems] == ["2.png", "3.png"]
    assert {problem.what for problem in problems} == {"is a link to a missing file"}


@pytest.mark.parametrize(("encoding", "action"), [("utf-8", "rename the file"), ("ascii", "set LANG=C.UTF-8")])
def test_a_name_that_a_locale_cannot_read_is_no_wrong_name(
    monkeypatch: pytest.MonkeyPatch, encoding: str, action: str
) -> None:
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: encoding)
    assert how_to_rename("file").startswith(action)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_would_be_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.png")
    cases, (problem,) = listed(tmp_path, "2.png")
    assert cases == ["2"]
    assert "is neither a file nor a folder" in problem.what


def test_folders_named_like_images_and_names_that_cannot_be_written(tmp_path: Path) -> None:
    cases, problems = listed(tmp_path, "1.png/", "2\n3.png", os.fsdecode(b"\xff.png"), "4 5.png", "6\u202fPM.png")
    assert cases == ["4 5", "6\u202fPM"]
    assert sorted(problem.level for problem in problems) == ["error", "error", "warning"]
    for problem in problems:
        str(problem).encode()
        assert "\n" not in str(problem)


@pytest.mark.parametrize(
    ("error", "expected"),
    [(PermissionError(13, "Permission denied"), "permissions"), (FileNotFoundError(2, "x"), "name")],
)
def test_folder_that_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, expected: str
) -> None:
    def refuse(path: object) -> None:
        raise error

    monkeypatch.setattr(os, "scandir", refuse)
    files, problems = list_images(tmp_path)
    assert files == []
    assert "cannot be listed" in problems[0].what
    assert expected in problems[0].action

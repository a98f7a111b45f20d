"""An evaluation read back from its folder: the same tables, the same page; what is damaged is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import segassay
from segassay.assay.frames import as_written
from segassay.assay.read import read_results
from segassay.errors import DataError
from written_evaluation import CASES


@pytest.fixture
def folder(written: SimpleNamespace, tmp_path: Path) -> Path:
    """A copy, to be broken."""
    return Path(shutil.copytree(written.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("figures", "*.xlsx")))


def test_all_that_was_written_is_read_and_names_stay_text(written):
    read, found = read_results(written.folder), written.found
    assert (read.name, read.summary, read.verdicts) == (found.name, found.summary, found.verdicts)
    assert set(read.annotations["case"]) == set(CASES.values())
    frames = read.frames
    assert (
        frames.keys()
        == found.frames.keys()
        > {"calibration", "uncertainty", "specifications", "strategies", "subjects", "groups"}
    )
    for name, frame in found.frames.items():
        pd.testing.assert_frame_equal(frames[name], frame, check_dtype=False, rtol=1e-11, obj=name)
    pd.testing.assert_frame_equal(
        segassay.compare(read, "anna/s0", "staple/s0"), segassay.compare(found, "anna/s0", "staple/s0"), rtol=1e-9
    )
    assert read.plot.available == found.plot.available


def test_reading_twice_changes_nothing(written):
    read = read_results(written.folder)
    texts: dict[str, str] = {}
    again = as_written(read, texts.__setitem__)
    assert texts.keys() == read.frames.keys()
    for name, text in texts.items():
        assert text.encode() == (written.folder / "tables" / f"{name}.csv").read_bytes()
        pd.testing.assert_frame_equal(read.frames[name], type(read)(**vars(again)).frames[name], check_exact=True)


def test_a_study_is_read_from_its_evaluation(folder):
    assert read_results(folder.rename(folder.with_name("evaluation")).parent).name == "data in memory"


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def row_removed(path: Path) -> None:
    """A whole row less: still a table."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize("name", ["summary.json", "tables/scores.csv", "tables/calibration.csv"])
@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (remove, "is missing"),
        (empty, "is empty"),
        (cut, "is not as it was written"),
        (flip, "is not as it was written"),
        (row_removed, "is not as it was written"),
    ],
)
def test_a_damaged_file_is_named(folder: Path, name: str, damage: Callable[[Path], None], what: str) -> None:
    damage(folder / name)
    with pytest.raises(DataError) as error:
        read_results(folder)
    assert str(error.value) == f"{folder / name}: {what}; evaluate again, or take the folder from a copy"


def test_all_damaged_files_are_named_at_once(folder):
    flip(folder / "tables" / "counts.csv")
    remove(folder / "summary.json")
    with pytest.raises(DataError, match=r"(?s)has 2 problems:.*summary.json: is missing.*counts.csv: is not as it was"):
        read_results(folder)


@pytest.mark.parametrize("damage", [remove, empty, cut])
def test_a_damaged_list_is_named(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder / "files.json")
    with pytest.raises(DataError, match=r"files\.json"):
        read_results(folder)


def test_checklists_may_be_filled_in(folder):
    path = folder / "tables" / "checklist_grras.csv"
    path.write_text(path.read_text(encoding="utf-8") + "filled in\n", encoding="utf-8")
    read_results(folder)


def relist(folder: Path, change: Callable[[dict], object], table: str = "") -> None:
    """Change the list, as somebody would who also corrects the checksum of a table."""
    from segassay.io.hashes import sha256_of

    content = json.loads((folder / "files.json").read_text(encoding="utf-8"))
    change(content)
    if table:
        content["files"][table] = sha256_of(folder / table)
    (folder / "files.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda of: of.update(format=2), "is of format 2, written by SegAssay"),
        (lambda of: of["files"].update({"../../etc/passwd": "0"}), "names '../../etc/passwd', which is no file"),
        (lambda of: of["files"].update({"/etc/passwd": "0"}), "names '/etc/passwd', which is no file"),
        (lambda of: of["types"]["scores"].update(value="object"), "names the type 'object'"),
        (lambda of: of["types"]["scores"].update(words="float64"), "scores.csv cannot be read: "),
        (lambda of: of["types"]["scores"].pop("words"), "scores.csv cannot be read: has the columns"),
        (lambda of: of["types"].pop("scores"), "cannot be read by this version: there is no table scores.csv"),
        (lambda of: of["files"].pop("tables/scores.csv"), "lists no tables/scores.csv"),
        (lambda of: of["files"].pop("summary.json"), "summary.json is empty"),
        (lambda of: of.update(files=[1]), "is not a list of files"),
    ],
)
def test_a_list_that_somebody_wrote_is_refused(folder: Path, change: Callable[[dict], object], message: str) -> None:
    relist(folder, change)
    with pytest.raises(DataError) as error:
        read_results(folder)
    assert message in str(error.value)


def test_a_measure_of_another_version_is_no_traceback(folder):
    path = folder / "tables" / "scores.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",objectivity/f1,", ",objectivity/f9,"), encoding="utf-8")
    relist(folder, dict, "tables/scores.csv")
    with pytest.raises(DataError, match=r"by this version: scores.csv has the measure 'objectivity/f9', which this"):
        read_results(folder)


def test_a_folder_of_an_earlier_version_says_so(folder, tmp_path):
    remove(folder / "files.json")
    with pytest.raises(DataError, match=r"has no files.json: it was removed, or an earlier version wrote the folder"):
        read_results(folder)
    with pytest.raises(DataError, match=r"is not a folder; expected one that `segassay evaluate`"):
        read_results(tmp_path / "nowhere")

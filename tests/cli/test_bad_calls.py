"""Every way in which a call, an annotations table or settings can be wrong, and a full disk: one clear message, exit
code 1 or 2, no traceback, and nothing written."""

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

from breaking import content, error_of, good_dataset, put
from command import run
from segassay.io.images import write_labels


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good_dataset(tmp_path_factory.mktemp("good") / "data")


@pytest.fixture
def data(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "data"))


class Call(NamedTuple):
    """A call that must fail: what is prepared, the words, the exit code and what is said."""

    name: str
    prepare: Callable[[Path], object]
    words: str
    code: int
    says: str


def nothing(folder: Path) -> None:
    """The call alone is wrong."""


def beside(name: str, data: str | bytes) -> Callable[[Path], object]:
    """A file beside the dataset."""
    return put(f"../{name}", data)


TABLE = "case,annotator,kind,path"
MASK_PATH = "data/labels/rater_a/001_c.png"
EVALUATE = "evaluate {data} --out {tmp}/out --no-mlflow --jobs 1"
ANNOTATIONS = EVALUATE + " --annotations {tmp}/a.csv"
SIMULATE = "simulate --out {tmp}/out --settings {tmp}/s.yaml"


def rows(*lines: str, head: str = TABLE) -> Callable[[Path], object]:
    return beside("a.csv", "\n".join([head, *lines]) + "\n")


CALLS = [
    # output
    Call("output exists", lambda f: (f / "../out").mkdir(), EVALUATE, 2, "exists already"),
    Call("output is a file", beside("out", ""), EVALUATE, 2, "is a file"),
    Call(
        "output below a file",
        beside("file", ""),
        "evaluate {data} --out {tmp}/file/out --no-mlflow",
        2,
        "cannot be written",
    ),
    Call(
        "output holds the input",
        nothing,
        "evaluate {data} --out {tmp} --overwrite --no-mlflow",
        2,
        "contains files that are evaluated",
    ),
    Call(
        "consensus over its input",
        nothing,
        "consensus {data} --out {data} --overwrite",
        2,
        "contains files that are fused",
    ),
    Call(
        "consensus among the raters", nothing, "consensus {data} --out {data}/labels/rater_c", 2, "labels, which holds"
    ),
    Call("no such method", nothing, "consensus {data} --out {tmp}/out --method average", 2, "expected one of staple"),
    # datasets and folders of masks
    Call(
        "no such dataset", nothing, "evaluate {tmp}/nowhere --out {tmp}/out --no-mlflow", 1, "nowhere: is not a folder"
    ),
    Call(
        "a dataset that is a file",
        beside("file", ""),
        "consensus {tmp}/file --out {tmp}/out",
        1,
        "file: is not a folder",
    ),
    Call("nothing to evaluate", nothing, "evaluate --out {tmp}/out --no-mlflow", 2, "nothing to evaluate"),
    Call("masks without name", nothing, EVALUATE + " --masks {data}/labels/rater_a", 2, "expected a name and a folder"),
    Call("masks named twice", nothing, EVALUATE + " --masks m={data} --masks m={data}", 2, "'m' is given twice"),
    Call(
        "masks by a name that is taken",
        nothing,
        EVALUATE + " --masks rater_a={data}/labels/rater_b",
        1,
        "already an annotator",
    ),
    Call("masks nowhere", nothing, EVALUATE + " --masks m={tmp}/gone", 1, "gone"),
    Call(
        "masks of other cases",
        lambda f: write_mask_file(f.parent / "m" / "liver.png"),
        EVALUATE + " --masks m={tmp}/m",
        1,
        "liver.png",
    ),
    # annotations.csv
    Call("no annotations", nothing, ANNOTATIONS, 1, "a.csv cannot be read"),
    Call("annotations that are a folder", lambda f: (f / "../a.csv").mkdir(), ANNOTATIONS, 1, "a.csv cannot be read"),
    Call("annotations without rows", rows(), ANNOTATIONS, 1, "no rows"),
    Call("no column of paths", rows("001,m,model", head="case,annotator,kind"), ANNOTATIONS, 1, "no column path"),
    Call("unknown kind", rows(f"001,m,modell,{MASK_PATH}"), ANNOTATIONS, 1, "kind is 'modell'"),
    Call("mask that is nowhere", rows("001,m,truth,gone.png"), ANNOTATIONS, 1, "gone.png does not exist"),
    Call("a folder for a mask", rows("001,m,truth,data"), ANNOTATIONS, 1, "does not exist"),
    Call("unknown case", rows(f"001,m,model,{MASK_PATH}", f"77,m,model,{MASK_PATH}"), ANNOTATIONS, 1, "'77' is not in"),
    Call(
        "zeros lost in annotations",
        rows(f"002,m,model,{MASK_PATH}", f"1,m,model,{MASK_PATH}"),
        ANNOTATIONS,
        1,
        "zeros of '001'",
    ),
    Call("mask listed twice", rows(*[f"001,m,model,{MASK_PATH}"] * 2), ANNOTATIONS, 1, "second mask of case '001'"),
    Call(
        "session that is no number",
        rows(f"001,m,human,{MASK_PATH},two", head=TABLE + ",session"),
        ANNOTATIONS,
        1,
        "session is 'two'",
    ),
    Call("path twice", rows(f"001,m,model,{MASK_PATH},x", head=TABLE + ",path"), ANNOTATIONS, 1, "2 columns 'path'"),
    # simulation
    Call("simulation of size x", nothing, "simulate --out {tmp}/out --size 3x4", 2, "--size 3x4"),
    Call("simulation of no image", nothing, "simulate --out {tmp}/out --cases 0", 2, "n_cases"),
    Call("no settings", nothing, SIMULATE, 2, "s.yaml cannot be read"),
    Call("unknown setting of a simulation", beside("s.yaml", "n_case: 3\n"), SIMULATE, 2, "n_cases"),
    Call(
        "impossible rate",
        beside("s.yaml", "raters: [{{name: a, miss_rate: 2}}]\n".replace("{{", "{").replace("}}", "}")),
        SIMULATE,
        2,
        "miss_rate",
    ),
    Call(
        "a rater that leaves the folder",
        beside("s.yaml", "raters: [{name: ../../a}]\n"),
        SIMULATE,
        2,
        "valid folder names",
    ),
    Call(
        "Python in settings",
        beside("s.yaml", "seed: !!python/object/apply:os.system ['touch pwned']\n"),
        SIMULATE,
        2,
        "s.yaml",
    ),
    Call("settings in UTF-16", beside("s.yaml", "seed: 3\n".encode("utf-16")), SIMULATE, 2, "s.yaml"),
    Call("settings as a list", beside("s.yaml", "- 3\n"), SIMULATE, 2, "s.yaml"),
    # download
    Call("unknown data", nothing, "download other --out {tmp}/out", 2, "expected segebarth2020"),
    Call("unknown lab", nothing, "download segebarth2020 --out {tmp}/out --labs moon", 2, "moon"),
    Call("no such mirror", nothing, "download segebarth2020 --out {tmp}/out --labs mue --mirror {tmp}/gone", 2, "gone"),
    Call(
        "a mirror that is no archive",
        beside("m.zip", "no archive"),
        "download segebarth2020 --out {tmp}/out --mirror {tmp}/m.zip",
        1,
        "m.zip",
    ),
    Call(
        "an archive of paths that go up",
        lambda f: write_archive(f / "../m.zip", "../pwned", "../../pwned", "lab-mue/../../../pwned", "/pwned"),
        "download segebarth2020 --out {tmp}/out --labs mue --mirror {tmp}/m.zip",
        1,
        "none of its 30 files",
    ),
]


def write_archive(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "no picture")


def write_mask_file(path: Path) -> None:
    path.parent.mkdir()
    write_labels(path, np.ones((12, 16), dtype=np.uint8))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_wrong_call_or_table_is_one_clear_message(data, tmp_path, monkeypatch, capsys, call):
    call.prepare(data)
    before = content(tmp_path)
    words = [word.format(data=data, tmp=tmp_path) for word in call.words.split()]
    assert run(monkeypatch, *words) == call.code
    assert call.says in re.sub(r"\s+", " ", error_of(capsys.readouterr().err))
    assert content(tmp_path) == before
    assert not Path("pwned").exists()


@pytest.mark.parametrize("command", ["consensus", "simulate"])
@pytest.mark.parametrize("n_written", [0, 5])
def test_a_full_disk_leaves_nothing(data, tmp_path, monkeypatch, capsys, command, n_written):
    """The disk is full after some files."""
    from segassay.io import images

    real, written = images.os.replace, 0

    def replace(source: object, target: object) -> None:
        nonlocal written
        written += 1
        if written > n_written:
            raise OSError(28, "No space left on device")
        real(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(images.os, "replace", replace)
    words = {
        "consensus": ["consensus", data, "--out", tmp_path / "out"],
        "simulate": ["simulate", "--out", tmp_path / "out", "--cases", 2, "--size", "32,32"],
    }[command]
    before = content(tmp_path)
    assert run(monkeypatch, *words) == 2
    assert "No space left on device" in error_of(capsys.readouterr().err)
    assert content(tmp_path) == before


def test_a_full_disk_at_the_tables_of_an_evaluation_leaves_nothing(data, tmp_path, monkeypatch, capsys):
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("segassay.assay.run._computed", lambda *_: SimpleNamespace(classes={}))
    monkeypatch.setattr("segassay.assay.run._gallery", lambda *_: None)
    monkeypatch.setattr("segassay.assay.run.write_results", fail)
    assert run(monkeypatch, "evaluate", data, "--out", tmp_path / "out", "--no-mlflow") == 2
    assert "out cannot be written: No space left on device" in error_of(capsys.readouterr().err)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_current_folder_that_was_removed_is_one_message(data, tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run(monkeypatch, "check", data) == 2
    assert "the current folder was removed" in error_of(capsys.readouterr().err)


def test_nothing_is_unpickled_and_yaml_is_plain():
    """Files that can run code are read by no part of the project."""
    root = Path(__file__).parents[2]
    sources = {path: path.read_text() for folder in ("evaluation", "src") for path in (root / folder).rglob("*.py")}
    assert len(sources) > 30
    rules = (
        (r"\bnp\.load\((?![^)]*allow_pickle=False)", "np.load needs allow_pickle=False"),
        (r"\btorch\.load\((?![^)]*weights_only=True)", "torch.load needs weights_only=True"),
        (
            r"\bimport (pickle|dill|joblib|shelve|marshal)\b|read_pickle|\byaml\.(unsafe_load|full_load|Loader\b)",
            "may run code",
        ),
        (r"\byaml\.(safe_)?load", "YAML is read by segassay.io.yaml_files alone"),
        (r"(?<![\w.])(eval|exec)\(", "runs code"),
    )
    del sources[root / "evaluation/segassay/io/yaml_files.py"]
    for path, text in sources.items():
        for pattern, why in rules:
            assert not re.search(pattern, text), f"{path}: {why}"

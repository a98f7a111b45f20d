"""The page on sharing tells the truth: its export runs, its about.yaml is valid, its table lists the files."""

import re
import shlex
from pathlib import Path

import monai.bundle
import pytest

from command import run
from secret_members import write_members
from segassay_monai.sharing.about import About, read_about
from segassay_monai.sharing.zoo import files

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "share.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line) for language, block in BLOCKS if not language for line in block.splitlines()]
(ABOUT,) = [block for language, block in BLOCKS if language == "yaml"]


def test_every_export_of_the_page_runs_and_writes_the_files_of_its_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_members(Path("STUDY"), [1, 2])
    Path("about.yaml").write_text(ABOUT, encoding="utf-8")
    monkeypatch.setattr(files, "LARGEST", 15_000)
    exports = [words for words in COMMANDS if words[:3] == ["segassay", "export", "zoo"]]
    assert len(exports) == 2
    assert [run(monkeypatch, *words[1:]) for words in exports] == [0, 0]
    bundle = Path("neurons_fluorescence_segmentation")
    rows = re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(.+?)`", row)}
    assert len(named) == 14
    assert [name for name in named if not (bundle / name).exists()] == []


def test_its_about_has_every_entry(tmp_path):
    path = tmp_path / "about.yaml"
    path.write_text(ABOUT, encoding="utf-8")
    assert set(read_about(path).model_fields_set) == set(About.model_fields)


@pytest.mark.parametrize(
    "words", [words for words in COMMANDS if words[:3] == ["python", "-m", "monai.bundle"]], ids=" ".join
)
def test_commands_of_monai_exist(words):
    command = getattr(monai.bundle, words[3])
    names = command.__code__.co_varnames[: command.__code__.co_argcount]
    of_the_configuration = {"dataset_dir", "output_dir"} if words[3] == "run" else set()
    assert {word[2:] for word in words if word.startswith("--")} <= {*names, *of_the_configuration}

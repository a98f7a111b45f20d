"""The page on prediction tells the truth: its commands run, and write what it says."""

import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

from command import run
from drawn_members import write_members
from explained import unexplained
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.prediction.files import DEFAULT, SAVE
from small_studies import finish_study

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "predict.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study and new images of the names of the page."""
    settings = Simulation(shape=(30, 44), n_cases=6, images_per_subject=1, n_nuclei=4)
    data = simulate(tmp_path / "DATASET", settings)
    members = {
        "staple": write_members(tmp_path / "a", data, seeds=(14, 15)),
        "strict": write_members(tmp_path / "b", data, seeds=(2, 3), trained_on="strict"),
    }
    finish_study(tmp_path / "STUDY", members, best="staple")
    shutil.copytree(data / "images", tmp_path / "IMAGES")
    rows = [f"case_{number:04},{'HC'[number % 2]}" for number in range(6)]
    (tmp_path / "experiment.csv").write_text("\n".join(["case,group", *rows]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_runs_and_writes_what_the_page_lists(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [shlex.split(line) for line in re.findall(r"^segassay .*$", PAGE, re.MULTILINE)]
    assert len(commands) == 5
    for words in commands:
        assert run(monkeypatch, *words[1:]) == 0, words
    listed = re.findall(r"`([\w.]+/?)`", PAGE.split("## What is written")[1].split("`--save`")[0])
    written = {path.name + "/" * path.is_dir() for path in (folder / "COUNTED").iterdir() if path.name[0] != "."}
    assert set(listed) - {"failed.csv"} == written - {"settings.yaml"}
    for table in (folder / "COUNTED").glob("*.csv"):
        of_files = {"path", "prob", "uncertainty"} if table.name == "annotations.csv" else set()
        assert set(unexplained(table.name, pd.read_csv(table, nrows=0).columns)) == of_files, table.name
    assert len(list(folder.glob("STUDY/members/*/familiar.json"))) == 2
    assert (folder / "SPLIT" / "geojson" / "case_0000.geojson").is_file()
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    for attribute in ("cases", "objects", "review", "annotations", "failed"):
        assert hasattr(names["done"], attribute)


def test_the_kinds_of_files_of_the_page_are_those_of_the_command() -> None:
    text = PAGE.split("`--save` chooses")[1].split("or `all`")[0]
    assert set(re.findall(r"`(\w+)`", text)) == set(SAVE)
    assert "`mask` (always written), `instances`, `rois`, `overlay` (these four by default)" in text
    assert set(DEFAULT) == {"mask", "instances", "rois", "overlay"}

"""A study from someone else runs no code until the user says --trust."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from command import run
from segassay.errors import DataError, UsageError
from segassay.io.yaml_files import parse_yaml
from segassay_monai.cli.study import app
from segassay_monai.study.file import as_yaml, read_study_file
from segassay_monai.study.identity import training_length
from segassay_monai.study.plan import plan_study
from small_datasets import make_dataset

CASES = [f"c{number}" for number in range(6)]


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    images = {case: np.full((8, 8), number) for number, case in enumerate(CASES)}
    masks = {rater: dict.fromkeys(CASES, np.eye(8, dtype=bool)) for rater in ("anna", "ben")}
    make_dataset(tmp_path / "lab", masks, images, raters="labels/*")
    return tmp_path


def study(lab: Path, settings: dict[str, Any], *, of_strategy: bool = False) -> Path:
    strategy = {"target": "staple", "settings": settings if of_strategy else {}}
    own = {} if of_strategy else {"settings": settings}
    path = lab / "study.yaml"
    path.write_text(yaml.safe_dump({"dataset": "lab", "strategies": [strategy], "n_folds": 2, "seeds": 1, **own}))
    return path


@pytest.mark.parametrize("of_strategy", [True, False])
@pytest.mark.parametrize(
    "value",
    [
        "$__import__('pathlib').Path('ran').touch() or 2",
        "%other.yaml::epochs",
        "@fold",
        ["$print(1)"],
        {"a": ["$print(1)"]},
        {"_target_": "os.system", "command": "touch ran"},
    ],
)
def test_a_setting_that_is_a_program_is_refused_before_it_runs(
    lab: Path, monkeypatch: pytest.MonkeyPatch, value: Any, of_strategy: bool
) -> None:
    monkeypatch.chdir(lab)
    path = study(lab, {"epochs": value}, of_strategy=of_strategy)
    with pytest.raises(UsageError, match=r"settings\.epochs is .* a program and not a plain value.*add --trust"):
        plan_study(path)
    for command in ("plan", "run", "status"):
        result = CliRunner().invoke(app, [command, str(path)])
        assert isinstance(result.exception, UsageError)
    assert not (lab / "ran").exists()
    assert not (lab / "study_results").exists()
    read_study_file(path)  # reading alone runs nothing, so it needs no trust


def test_with_trust_the_program_runs(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab)
    planned = plan_study(study(lab, {"epochs": "$__import__('pathlib').Path('ran').touch() or 2"}), trust=True)
    assert not (lab / "ran").exists()
    assert training_length(planned.members[0].settings)[0] == 200
    assert (lab / "ran").exists(), "the program of these tests is a dud"


@pytest.mark.parametrize("name", ["config_file", "workflow_name", "args_file", "init_id", "~initialize", "imports#0"])
def test_a_setting_cannot_name_another_program_of_monai(lab: Path, name: str) -> None:
    with pytest.raises(UsageError, match="settings"):
        plan_study(study(lab, {name: "evil.yaml"}))


def test_plain_settings_need_no_trust_and_are_written_without_aliases(lab: Path) -> None:
    channels = [4, 8]
    planned = plan_study(study(lab, {"channels": channels, "epochs": 2, "device": "cpu", "val_interval": 1}))
    written = as_yaml(planned.file)
    assert parse_yaml(written)["strategies"][0]["settings"]["channels"] == channels


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names of folders")
@pytest.mark.parametrize("named", [True, False], ids=["in dataset.yaml", "by a folder"])
def test_the_name_of_a_rater_that_is_a_program_is_refused_before_it_runs(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], named: bool
) -> None:
    monkeypatch.chdir(lab)
    program = "$open('ran','w')"
    if named:
        raters = {program: "labels/anna", "ben": "labels/ben"}
        (lab / "lab/dataset.yaml").write_text(yaml.safe_dump({"raters": raters}))
    else:
        (lab / "lab/labels/anna").rename(lab / "lab/labels" / program)
    path = study(lab, {})
    path.write_text(path.read_text().replace("target: staple", "target: expert"))
    with pytest.raises(DataError, match="which a training runs as a program"):
        plan_study(path)
    assert run(monkeypatch, "train", lab / "lab", "--rater", "expert", "--out", lab / "model") != 0
    assert "which a training runs as a program" in capsys.readouterr().err
    assert not (lab / "ran").exists()

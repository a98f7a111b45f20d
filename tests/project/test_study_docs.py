"""The page on studies tells the truth: its file is a valid study, and its commands run on it."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bundles import TINY
from command import run
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.study.file import StrategyFile, StudyFile, read_study_file
from segassay_monai.study.plan import plan_study

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "study.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def block(language: str) -> str:
    (found,) = (content for name, content in BLOCKS if name == language)
    return found


def test_the_file_of_the_page_has_every_key_and_says_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mystudy.yaml"
    path.write_text(block("yaml"), encoding="utf-8")
    found = read_study_file(path)
    assert set(yaml.safe_load(block("yaml"))) == set(StudyFile.model_fields) - {"ensembles"}
    path.write_text("dataset: mydata\n", encoding="utf-8")
    default = read_study_file(path)
    said = {"strategies": [], "settings": {}, "folds": None}
    assert found.folds == list(range(default.n_folds))
    assert found.model_copy(update=said) == default.model_copy(update={"strategies": []})
    assert [one.target for one in found.strategies[:3]] == [one.target for one in default.strategies]
    assert all(f"`{key}`" in PAGE for key in StrategyFile.model_fields)


def test_the_commands_of_the_page_run(
    new_store: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a smaller study of its name; the job of the cluster is its first member."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))
    simulate(tmp_path / "mydata", Simulation(shape=(56, 96), n_cases=6, n_nuclei=5, images_per_subject=1))
    small = {"dataset": "mydata", "n_folds": 2, "folds": [0], "seeds": 1, "strategies": ["staple"], "settings": TINY}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(small), encoding="utf-8")
    (job,) = (line for line in block("sh").splitlines() if line.startswith("segassay"))
    assert run(monkeypatch, *shlex.split(job.replace("$SLURM_ARRAY_TASK_ID", "1"))[1:]) == 0
    study = plan_study(tmp_path / "study.yaml")
    assert study.is_done(study.members[0])
    commands = [shlex.split(line) for line in block("").splitlines()]
    assert [words[:3] for words in commands] == [["segassay", "study", name] for name in ("plan", "run", "status")]
    for words in commands:
        assert run(monkeypatch, *words[1:]) == 0
    assert (study.out / "evaluation" / "report.html").is_file()

"""The state of a task in words: from claims, failures and the file of its progress, whatever lies there."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from segassay_monai.study import identity, store
from segassay_monai.study.plan import Study, plan_study
from segassay_monai.study.status import show_status, state_of
from segassay_monai.training.progress_file import PROGRESS, TrainingProgress, unfinished, write_progress
from small_datasets import make_dataset


@pytest.fixture
def study(tmp_path: Path) -> Study:
    mask, cases = np.eye(8, dtype=bool), [f"c{number}" for number in range(6)]
    images = {case: np.full((8, 8), number) for number, case in enumerate(cases)}
    make_dataset(
        tmp_path / "lab", {rater: dict.fromkeys(cases, mask) for rater in ("anna", "ben")}, images, raters="labels/*"
    )
    content = {"dataset": "lab", "strategies": ["staple"], "seeds": 2, "n_folds": 2}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return plan_study(tmp_path / "study.yaml")


@pytest.fixture
def partial(study: Study) -> Path:
    """Folder of the first member, of which an epoch is finished."""
    folder = unfinished(study.place(study.members[0]))
    folder.mkdir(parents=True)
    (folder / "resume.pt").write_bytes(b"")
    return folder


def test_a_member_shows_its_epoch_and_minutes_while_it_runs_and_when_it_is_interrupted(
    study: Study, partial: Path
) -> None:
    first = study.members[0]
    write_progress(partial, TrainingProgress(epoch=3, epochs=14, minutes_left=5.0))
    assert state_of(study, first) == ("interrupted", "epoch 3/14, 5.0 min left")
    with store.claim(study, first.folder):
        assert state_of(study, first) == ("running", "epoch 3/14, 5.0 min left")
    assert state_of(study, study.members[1]) == ("waiting", "")


@pytest.mark.parametrize("content", [None, b"", b'{"epoch": 3', b'{"epoch": "[red]", "epochs": 1, "minutes_left": 0}'])
def test_progress_that_cannot_be_read_is_unknown(
    study: Study, partial: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (partial / PROGRESS).write_bytes(content)
    assert state_of(study, study.members[0]) == ("interrupted", "progress unknown")
    show_status(study)
    assert "progress unknown" in capsys.readouterr().out


def test_words_in_the_log_are_no_progress(study: Study, partial: Path) -> None:
    first = study.members[0]
    log = store.log_file(study, first)
    log.parent.mkdir(parents=True)
    log.write_text("epoch 13/14: loss 0.1, F1 on selection images 0.9, 0.1 min left\n", encoding="utf-8")
    assert state_of(study, first) == ("interrupted", "progress unknown")


def test_a_prediction_that_runs_has_no_epochs(study: Study) -> None:
    prediction = study.predictions[0]
    with store.claim(study, prediction.folder):
        assert state_of(study, prediction) == ("running", "")


def test_a_failure_shows_its_first_line(study: Study) -> None:
    store.note_failure(study, study.members[0], "a.png is broken; export it\nmore")
    assert state_of(study, study.members[0]) == ("failed", "a.png is broken; export it")


def test_the_status_of_a_study_loads_neither_torch_nor_monai_nor_mlflow(study: Study) -> None:
    """They take seconds; the version of torch, which is part of a member's identity, is read without loading it."""
    lines = (
        "import sys\n"
        "from segassay.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print([name for name in ('torch', 'monai', 'mlflow', 'matplotlib') if name in sys.modules])\n"
    )
    words = [sys.executable, "-c", lines, "study", "status", str(study.path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "6 waiting" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_of_torch_is_that_which_torch_says() -> None:
    assert identity._torch_version() == torch.__version__

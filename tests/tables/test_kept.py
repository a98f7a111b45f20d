"""An evaluation that was killed resumes: the same files, nothing is compared twice, and nothing stale is used."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from class_scenes import RIGHT, values
from class_scenes import save as save_classes
from command import without_pictures
from folders import contents
from killed_evaluations import Killed, kill_at
from segassay import evaluate
from segassay.data.classes import ClassMap
from segassay.simulation.dataset import Simulation, simulate
from segassay.tables import kept
from segassay.tables.jobs import Annotator, Job
from small_datasets import save


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five images of several raters, whose experiment has all tables; everything that is compared is kept at once."""
    monkeypatch.setattr(kept, "SECONDS", 0.0)
    without_pictures(monkeypatch)
    return simulate(tmp_path / "data", Simulation(n_cases=5, images_per_subject=1, shape=(48, 48), n_nuclei=4, seed=1))


def test_a_killed_evaluation_resumes_with_the_same_files(data, tmp_path, monkeypatch, caplog):
    whole = evaluate(data, tmp_path / "whole")
    with monkeypatch.context() as patch:
        first = kill_at(patch, 3)
        with pytest.raises(Killed):
            evaluate(data, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    cases = list(whole.agreement["case"].unique())
    assert first == cases[:3]
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO, "segassay"):
        rest = kill_at(patch, None)
        evaluate(data, tmp_path / "out")
    assert rest == cases[3:]
    assert "it resumes with 3 of 5 cases" in caplog.text
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", "whole"]


@pytest.mark.parametrize("change", ["a mask", "a damaged line", "a cut line", "another version", "a setting"])
def test_what_changed_is_compared_again(data, tmp_path, monkeypatch, change):
    with monkeypatch.context() as patch:
        kill_at(patch, 3)
        with pytest.raises(Killed):
            evaluate(data, tmp_path / "out")
    (file,) = tmp_path.glob(".out.compared")
    lines = file.read_bytes().splitlines(keepends=True)
    if change == "a mask":
        mask = min((data / "labels").glob("*/*"))
        before = mask.stat()
        save(mask, np.zeros((48, 48), dtype=bool))
        os.utime(mask, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    elif change == "a damaged line":
        middle = len(lines[0]) // 2
        file.write_bytes(
            lines[0][:middle] + bytes([lines[0][middle] ^ 1]) + lines[0][middle + 1 :] + b"".join(lines[1:])
        )
    elif change == "a cut line":
        file.write_bytes(b"".join(lines)[:-10])
    elif change == "another version":
        monkeypatch.setattr(kept, "version", lambda package: "0.0.1")
    else:
        settings = yaml.safe_load((data / "dataset.yaml").read_text())
        (data / "dataset.yaml").write_text(yaml.safe_dump(settings | {"min_object_size": 9}))
    with monkeypatch.context() as patch:
        rest = kill_at(patch, None)
        evaluate(data, tmp_path / "out")
    assert len(rest) == (5 if change in ("another version", "a setting") else 3)
    evaluate(data, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_an_error_of_the_data_leaves_nothing_behind(data, tmp_path, monkeypatch):
    mask = sorted((data / "labels").glob("*/*"))[-1]
    mask.write_bytes(b"no image")
    with pytest.raises(Exception, match=mask.name):
        evaluate(data, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_short_evaluation_writes_nothing_besides_its_result(data, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "SECONDS", 60.0)
    with monkeypatch.context() as patch:
        kill_at(patch, 3)
        with pytest.raises(Killed):
            evaluate(data, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_class_with_the_pixels_of_all_is_compared_apart_from_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their probabilities are other channels of a map."""
    monkeypatch.setattr(kept, "SECONDS", 0.0)
    scored = kill_at(monkeypatch, None)
    classes = ClassMap((1, 2), names=(("organ", (1, 2)), ("tumour", (2,))))
    paths = [save_classes(tmp_path / name, {"1": values(RIGHT)}) / "1.png" for name in ("anna", "ben")]
    for meaning in (classes, classes.only("organ"), classes.only("organ")):
        job = Job("1", tuple(Annotator(path.parent.name, "human", path, meaning) for path in paths))
        list(kept.compared([job], 1, tmp_path / "kept"))
    assert len(scored) == 2

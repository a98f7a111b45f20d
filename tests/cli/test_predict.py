"""`segassay predict` as the shell calls it: what it prints, its exit codes, and a kill -9 in the middle."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command import run
from drawn_members import write_members
from folders import contents
from forked import Forked
from segassay.simulation.dataset import Simulation, simulate


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Simulation(shape=(64, 64), n_cases=14, images_per_subject=1, n_nuclei=4)
    return simulate(tmp_path_factory.mktemp("predict") / "data", settings)


@pytest.fixture(scope="module")
def models(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_members(tmp_path_factory.mktemp("models"), dataset, seeds=(14, 15))


def test_it_prints_what_was_done_what_failed_and_what_to_do(
    dataset: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for path in sorted((dataset / "images").iterdir())[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "bad.png").write_bytes(b"no image")
    words = ["predict", models, folder, "--out", tmp_path / "out", "--save", "mask, rois"]
    assert run(monkeypatch, *words) == 1
    shown = capsys.readouterr().err
    assert f"3 images, {(tmp_path / 'out' / 'objects.csv').read_text().count(chr(10)) - 1} objects: " in shown
    assert f"failed: {folder / 'bad.png'} is truncated or broken (no PNG header); export or copy it again" in shown
    assert "1 image failed, see" in shown
    (folder / "bad.png").unlink()
    assert run(monkeypatch, *words) == 0
    assert "3 of 3 images were predicted before" in (shown := capsys.readouterr().err)
    assert shown.count("predicted") == 1  # by the call before, not again
    assert run(monkeypatch, *words, "--flips") == 2
    assert "error: " in (shown := capsys.readouterr().err)
    assert "flips False, now True" in shown
    assert run(monkeypatch, "predict", models, folder, "--save", "masks", "--out", tmp_path / "new") == 2
    assert run(monkeypatch, "predict", models, tmp_path / "nowhere", "--out", tmp_path / "new") == 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no kill -9")
def test_killed_between_two_images_the_same_call_gives_the_same_bytes(
    dataset: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["predict", str(models), str(dataset), "--save", "all", "--out"]
    process = Forked(
        [sys.executable, "-m", "segassay", *words, str(tmp_path / "killed")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
    )
    records = tmp_path / "killed" / ".records"
    while len(list(records.glob("*.json"))) < 2:
        assert process.poll() is None, process.stderr
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert 2 <= len(list(records.glob("*.json"))) < 14
    for name in ("killed", "whole"):
        assert run(monkeypatch, *words, tmp_path / name) == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")

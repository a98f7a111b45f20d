"""`evaluate` and `check` with `--cluster`: the same bytes as with `--jobs`, also where workers are killed."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import run, without_pictures
from folders import contents
from machines import Machines
from segassay.simulation.dataset import Simulation, simulate
from segassay.tables import case, kept
from segassay.tables.case import CaseRows
from segassay.tables.jobs import Job


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Simulation(shape=(48, 48), n_cases=6, images_per_subject=1, n_nuclei=4)
    return simulate(tmp_path_factory.mktemp("cluster") / "data", settings)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two machines; a case with a file `<case>.deadly` beside its image kills the worker that compares it."""
    found, score = Machines(tmp_path_factory.mktemp("machines")), case.score_case

    def deadly(job: Job) -> CaseRows:
        if Path(job.image[0].parent, f"{job.case}.deadly").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return score(job)

    deadly.__module__, deadly.__qualname__ = score.__module__, score.__qualname__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(case, "score_case", deadly)
        found.start(2)
    yield found
    found.stop()


def same(one: Path, two: Path) -> bool:
    first, second = contents(one), contents(two)
    assert list(first) == list(second)
    return [name for name in first if first[name] != second[name]] == []


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evaluation by one process."""
    folder = tmp_path_factory.mktemp("whole") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        assert run(patch, "evaluate", data, "--no-mlflow", "--out", folder, "--jobs", "1") == 0
    return folder


def test_an_evaluation_has_the_same_bytes_though_a_worker_is_killed(
    data, machines, whole, tmp_path, monkeypatch, capsys
):
    without_pictures(monkeypatch)
    compared = kept.each_in_order

    def killed(*given):
        for place, rows in enumerate(compared(*given)):
            if place == 2:
                machines.kill_worker(0)
            yield rows

    monkeypatch.setattr(kept, "each_in_order", killed)
    monkeypatch.chdir(data.parent)  # workers are in another folder
    capsys.readouterr()
    words = ["evaluate", data.name, "--no-mlflow", "--out", tmp_path / "cluster", "--cluster", machines.address]
    assert run(monkeypatch, *words) == 0
    assert f"cluster: {machines.address}, dashboard: http://127.0.0.1:" in capsys.readouterr().err
    assert same(whole, tmp_path / "cluster")


def test_a_case_that_kills_every_worker_is_named_the_others_are_kept_and_the_next_call_resumes(
    data, machines, whole, tmp_path, monkeypatch, capsys, caplog
):
    without_pictures(monkeypatch)
    names = sorted(path.stem for path in (data / "images").iterdir())
    (data / "images" / f"{names[3]}.deadly").touch()
    words = ["evaluate", data, "--no-mlflow", "--out", tmp_path / "out", "--cluster", machines.address]
    try:
        assert run(monkeypatch, *words) == 1
    finally:
        (data / "images" / f"{names[3]}.deadly").unlink()
    assert f"error: case {names[3]}: its process was killed, also when it ran alone" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    caplog.set_level("INFO", "segassay")
    assert run(monkeypatch, *words) == 0
    assert f"it resumes with {len(names) - 1} of {len(names)} cases" in caplog.text
    assert same(whole, tmp_path / "out")


def test_a_check_finds_the_same(data, machines, monkeypatch, capsys):
    mask = min((data / "labels").glob("*/*"))
    before = mask.read_bytes()
    mask.write_bytes(before[:50])
    monkeypatch.chdir(data.parent)
    try:
        found = []
        for options in (["--jobs", "1"], ["--cluster", machines.address]):
            assert run(monkeypatch, "check", data.name, "--json", "--quiet", *options) == 1
            found.append(json.loads(capsys.readouterr().out))
    finally:
        mask.write_bytes(before)
    assert found[0] == found[1]
    assert mask.name in json.dumps(found[0]["problems"])

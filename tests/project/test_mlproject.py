"""The MLflow project: every entry point is a command that segassay has, and one is run as its users run it."""

import os
import re
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Listener
from pathlib import Path

import mlflow
import pytest
import yaml

from forked import Forked
from segassay.simulation.dataset import Simulation, simulate

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "mlflow"
ENTRY_POINTS = yaml.safe_load((PROJECT / "MLproject").read_text(encoding="utf-8"))["entry_points"]


def test_the_entry_points_are_those_of_the_documentation():
    assert set(ENTRY_POINTS) == {"train", "study", "evaluate", "predict"}
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    called = re.findall(r"mlflow run mlflow -e (\w+) --env-manager local((?: -P \w+=\S+)+)", text)
    assert {name for name, _ in called} == set(ENTRY_POINTS)
    for name, given in called:
        required = {key for key, about in ENTRY_POINTS[name]["parameters"].items() if not isinstance(about, dict)}
        assert set(re.findall(r"-P (\w+)=", given)) == required, name


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_an_entry_point_calls_segassay_with_all_its_parameters(name, monkeypatch, capsys):
    from segassay import cli

    command, parameters = ENTRY_POINTS[name]["command"], ENTRY_POINTS[name]["parameters"]
    start, _, words = command.partition("segassay ")
    assert start == "cd .. && "
    assert set(re.findall(r"\{(\w+)\}", command)) == set(parameters)
    options = [word for word in shlex.split(words) if word.startswith("--")]
    path = shlex.split(words)[: 2 if name == "study" else 1]
    monkeypatch.setattr(sys, "argv", ["segassay", *path, "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code in (0, None)
    shown = capsys.readouterr().out
    assert all(option in shown for option in options), options


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    """Folder with a command `segassay`, which asks this process for a copy of it that runs `python -m segassay`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    with Listener(None, "AF_UNIX" if sys.platform == "linux" else None, authkey=b"tests") as calls:
        (folder / "segassay").write_text(CALL.format(python=sys.executable, address=calls.address))
        (folder / "segassay").chmod(0o755)

        def answer() -> None:
            with calls.accept() as call:
                words, cwd, environment = call.recv()
                call.send(Forked([sys.executable, "-m", "segassay", *words], cwd=cwd, env=environment).wait())

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        yield folder
        answering.join(5)


CALL = """#!{python} -E
import os, sys
from multiprocessing.connection import Client
with Client({address!r}, authkey=b"tests") as call:
    call.send((sys.argv[1:], os.getcwd(), dict(os.environ)))
    sys.exit(call.recv())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the `segassay` of this test is a script with a #! line")
def test_mlflow_runs_an_evaluation_from_a_clone(
    installed: Path, new_store: Callable[[Path], str], tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", f"{installed}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))
    data = simulate(tmp_path / "data", Simulation(shape=(32, 32), n_cases=2, images_per_subject=1, n_nuclei=3))
    monkeypatch.chdir(ROOT)
    done = mlflow.projects.run(
        "mlflow",
        entry_point="evaluate",
        parameters={"dataset": str(data), "out": str(tmp_path / "out")},
        env_manager="local",
        experiment_name="project",
        backend_config={},
    )
    assert done.get_status() == "FINISHED"
    assert (tmp_path / "out" / "report.html").is_file()
    (evaluation,) = mlflow.MlflowClient().search_runs(
        [one.experiment_id for one in mlflow.search_experiments()], "tags.kind = 'evaluation'"
    )
    assert evaluation.data.tags["mlflow.parentRunId"] == done.run_id

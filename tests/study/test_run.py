"""A study of eight tiny members, run once: what it leaves, what a break does to it, and who tries to cheat.

Processes are killed while they work; the tables must be those of the study that was left alone, byte for byte. Where
they can be, workers are copies of this process; `make demo`, which the gate runs first, starts them as users do.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import psutil
import pytest
import torch
import yaml

from bundles import TINY
from class_datasets import draw_dataset
from command import run
from forked import Forked
from machines import Machines
from segassay.errors import DataError, UsageError
from segassay.simulation.dataset import RaterHabit, Simulation, simulate
from segassay_monai.study import scheduler, store
from segassay_monai.study.estimate import estimate
from segassay_monai.study.masks import list_masks
from segassay_monai.study.plan import Study, plan_study
from segassay_monai.study.run import run_study
from segassay_monai.study.show import print_plan
from segassay_monai.study.status import state_of
from segassay_monai.study.store import read_state
from segassay_monai.training.progress_file import unfinished

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")

STUDY = {
    "dataset": "data",
    "n_folds": 2,
    "seeds": 2,
    "strategies": ["staple", {"target": "expert", "seeds": 1}],
    "settings": {**TINY, "epochs": 3, "tile_size": 32},
    "masks": {"truth": "data/truth"},
}
RATERS = (RaterHabit("strict", brightness_threshold=1.5), RaterHabit("lenient", brightness_threshold=1))
N_MEMBERS = 2 * 2 + 2 * 2  # of the consensus, and of two raters
N_TASKS = N_MEMBERS + 2  # an ensemble of each fold


@pytest.fixture(scope="module")
def folder(new_store: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset and its study, not yet run; with a store of its own."""
    folder = tmp_path_factory.mktemp("study")
    new_store(folder)
    simulate(folder / "data", Simulation(shape=(32, 48), n_cases=6, images_per_subject=1, n_nuclei=3, raters=RATERS))
    (folder / "lab.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    """The study, run in peace, by one worker; that several give the same is shown below."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", _store(folder))
        patch.setattr(subprocess, "Popen", Forked)
        assert run(patch, "study", "run", folder / "lab.yaml", "--jobs", "1") == 0
    return plan_study(folder / "lab.yaml")


@pytest.fixture
def _forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that a study starts are copies of the process that starts them."""
    monkeypatch.setattr(subprocess, "Popen", Forked)


@pytest.fixture
def copy(study: Study, tmp_path: Path) -> Study:
    """The finished study in another place, to be broken."""
    shutil.copytree(study.path.parent, tmp_path / "copy")
    return plan_study(tmp_path / "copy" / study.path.name)


@pytest.fixture
def fresh(study: Study, tmp_path: Path) -> Path:
    """The same study elsewhere, of which nothing was done."""
    shutil.copytree(study.dataset.folder, tmp_path / "data")
    return Path(shutil.copy(study.path, tmp_path))


def _store(folder: Path) -> str:
    return f"sqlite:///{(folder / 'mlflow.db').as_posix()}"


def start(path: Path, *options: str) -> "subprocess.Popen[bytes]":
    main = "from segassay.cli import main; main()"
    words = [sys.executable, "-W", "ignore", "-c", main, "study", "run", str(path), *options]
    environment = os.environ | {"MLFLOW_TRACKING_URI": _store(path.parent), "OMP_NUM_THREADS": "1"}
    with (path.parent / "run.log").open("ab") as log:
        return Forked(words, env=environment, stdout=log, stderr=log)


def wait_for(happened: Callable[[], object], process: "subprocess.Popen[bytes]", seconds: float = 300) -> None:
    """Until something has happened, which must be before the process ends."""
    end = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, "ended before it was killed"
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def tables(study: Study) -> dict[str, bytes]:
    files = [*(study.out / "evaluation" / "tables").glob("*.csv"), study.out / "annotations.csv"]
    return {path.relative_to(study.out).as_posix(): path.read_bytes() for path in files}


def test_every_mask_is_of_a_case_that_no_member_has_seen(study):
    table = list_masks(study)
    assert len(table) == 6 * (2 + 2 + 1)
    assert table["held_out"].all()
    assert set(table["annotator"]) == {
        "staple/s0",
        "staple/s1",
        "staple/s0-1",
        *(f"{r}/s0" for r in study.dataset.raters),
    }
    for member in study.members:
        state = torch.load(study.checkpoint(member), weights_only=True)["member"]
        own = table[(table["annotator"] == member.annotator) & (table["fold"] == member.fold)]
        assert set(own["case"]) == set(state["held_out"])
        assert not set(own["case"]) & {*state["train"], *state["val"]}
        assert set(own["n_train"]) == {len(state["train"]) + len(state["val"])}
    assert all((study.out / path).is_file() for path in table["path"])


def test_the_report_compares_people_models_and_ensembles(study):
    strategies = pd.read_csv(study.out / "evaluation" / "tables" / "strategies.csv")
    assert {"raters", "expert models", "consensus:staple models", "consensus:staple ensembles of 2"} <= set(
        strategies["group"]
    )
    assert "f1_against_truth" in set(strategies["measure"])
    assert (study.out / "evaluation" / "report.html").is_file()


def test_strategies_are_listed_beside_the_study_and_members_below_it(study, folder):
    client = mlflow.MlflowClient(_store(folder))
    (experiment,) = (e for e in client.search_experiments() if e.name == "lab")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "Study `lab`" in experiment.tags["mlflow.note.content"]
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    kinds = pd.Series([run.data.tags["kind"] for run in runs]).value_counts().to_dict()
    assert kinds == {"member": N_MEMBERS, "ensemble": 2, "strategy": 4, "evaluation": 1, "study": 1}
    (parent,) = (run for run in runs if run.data.tags["kind"] == "study")
    below = {run.data.tags["kind"] for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id}
    assert below == {"member", "ensemble", "evaluation"}
    assert all(("mlflow.parentRunId" in run.data.tags) == (run.data.tags["kind"] in below) for run in runs)
    assert {run.info.status for run in runs} == {"FINISHED"}
    digests = {run.inputs.dataset_inputs[0].dataset.digest for run in runs if run.data.tags["kind"] != "evaluation"}
    assert digests == {parent.data.params["data/hash"][:12]}, "that of an evaluation is of its masks, too"
    names = [run.info.run_name for run in runs if run.data.tags["kind"] in ("member", "ensemble")]
    assert {"staple/s00 fold 00", "staple/s01 fold 01", "staple/s00-01 fold 00"} <= set(names)
    strategy = next(run for run in runs if run.data.tags.get("strategy") == "consensus:staple ensembles of 2")
    assert strategy.info.run_name == "consensus:staple ensembles of 02"
    names = {"by strategy/f1_pairwise", "interval/f1_pairwise_low", "interval/f1_pairwise_high"}
    assert names <= set(strategy.data.metrics)


def test_the_run_of_the_study_has_its_numbers_verdicts_and_report(study, folder):
    client = mlflow.MlflowClient(_store(folder))
    (experiment,) = (e for e in client.search_experiments() if e.name == "lab")
    (run,) = client.search_runs([experiment.experiment_id], "tags.kind = 'study'")
    scores = pd.read_csv(study.out / "evaluation" / "tables" / "scores.csv")
    own = scores[(scores["measure"] == "f1_pairwise") & (scores["target"] == "staple/s0-1")].iloc[0]
    assert run.data.metrics["validity/f1_pairwise"] == pytest.approx(own["value"])
    assert len([name for name in run.data.metrics if not name.endswith(("_low", "_high", "undefined"))]) <= 25
    words = ("supported", "not supported", "cannot be judged")
    assert all(run.data.tags[f"verdict.{one}"] in words for one in ("objectivity", "reliability", "validity"))
    assert run.data.tags["mlflow.note.content"].startswith(f"Study of {N_MEMBERS} members in 2 folds with 2 seeds.")
    assert {"report.html", "view", "study.yaml"} <= {file.path for file in client.list_artifacts(run.info.run_id)}
    (version,) = client.search_model_versions("name='lab'")
    assert version.tags["annotator"] == "staple/s0-1"
    assert version.tags["n_members"] == "4"
    assert version.description.startswith("# staple/s0-1 of study lab")


def test_the_run_of_the_study_alone_gives_its_report_and_tables_again(study, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", _store(folder))
    run_id = read_state(study)["run"]
    assert run(monkeypatch, "report", "--run", run_id, "--out", tmp_path / "again") == 0
    evaluation = study.out / "evaluation"
    files = sorted(path.relative_to(evaluation) for path in evaluation.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.*"))
    assert all((evaluation / path).read_bytes() == (tmp_path / "again" / path).read_bytes() for path in files)


def test_run_again_it_does_nothing(study, folder, monkeypatch, capfd):
    before = {path: path.stat().st_mtime_ns for path in study.out.rglob("*") if path.suffix in (".csv", ".pt", ".html")}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", _store(folder))
    assert run(monkeypatch, "study", "run", study.path) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "objectivity:" in capfd.readouterr().out
    assert len(mlflow.MlflowClient(_store(folder)).search_model_versions("name='lab'")) == 1


def test_plan_and_status_of_what_is_done(study, capsys, monkeypatch):
    found = estimate(study)
    assert found.total_minutes == found.total_bytes == 0
    assert found.source == f"{N_MEMBERS} finished members"
    print_plan(study, found)
    assert "All members are trained" in capsys.readouterr().out
    assert run(monkeypatch, "study", "status", study.path) == 0
    assert f"{N_TASKS} done" in capsys.readouterr().out
    assert run(monkeypatch, "study", "plan", study.path, "--ids") == 0
    assert capsys.readouterr().out.split() == [member.id for member in study.members]


def test_other_settings_make_other_members_and_the_old_ones_stay(copy, capsys):
    copy.path.write_text(yaml.safe_dump(STUDY | {"settings": {**STUDY["settings"], "epochs": 4}}))
    other = plan_study(copy.path)
    assert not any(other.is_done(member) for member in other.members)
    found = dataclasses.replace(estimate(study_of_first_member(copy)), of_member={m.id: 0.0 for m in other.members})
    print_plan(other, found)
    assert f"{N_TASKS} folders hold members of other settings" in capsys.readouterr().out


def study_of_first_member(study: Study) -> Study:
    return dataclasses.replace(study, members=study.members[:1], predictions=())


def test_a_model_of_another_fold_is_not_taken(copy):
    one, other = (m for m in copy.members if m.annotator == "staple/s0")
    shutil.copy(copy.checkpoint(other), copy.checkpoint(one))
    with pytest.raises(DataError, match="holds staple/s0 of fold 1; expected staple/s0 of fold 0"):
        list_masks(copy)


def test_predictions_of_training_images_are_not_taken(copy):
    one, other = (m for m in copy.members if m.annotator == "staple/s0")
    for name in ("annotations.csv", "masks"):
        path = copy.place(one) / "held_out" / name
        (shutil.rmtree if path.is_dir() else os.remove)(path)
        place = copy.place(other) / "held_out" / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, path)
    with pytest.raises(DataError, match=f"case {other.held_out[0]} was used in the training of staple/s0"):
        list_masks(copy)


def test_a_model_that_says_it_is_of_another_fold_is_found_by_its_images(copy):
    """The worst cheat: the checkpoint itself is forged, but it cannot forget the images it has seen."""
    one, other = (m for m in copy.members if m.annotator == "staple/s0")
    state = torch.load(copy.checkpoint(other), weights_only=True)
    state["member"] |= {"fold": 0, "train": list(other.held_out), "val": [], "held_out": list(one.held_out)}
    torch.save(state, copy.checkpoint(one))
    with pytest.raises(DataError, match="was used in the training of staple/s0 and cannot be scored"):
        list_masks(copy)


@pytest.mark.usefixtures("_forked_workers")
def test_killed_and_with_failures_it_ends_with_the_same_tables(study, fresh, new_store, monkeypatch, capfd):
    """Killed inside a training and inside the evaluation; two members fail; then two processes share what is left.

    It begins with the members of the study but for two.
    """
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(fresh.parent))
    planned = plan_study(fresh)
    for member in planned.members[2:]:
        shutil.copytree(study.place(member), planned.place(member))
    killed_inside_a_training_it_takes_its_workers_along(planned)
    killed_inside_the_evaluation_it_leaves_none(planned)
    what_fails_is_reported_and_counted_and_the_rest_goes_on(planned, monkeypatch, capfd)
    two_at_once_do_what_is_left(planned, monkeypatch)
    assert tables(planned) == tables(study)


def killed_inside_a_training_it_takes_its_workers_along(planned: Study) -> None:
    process = start(planned.path)
    wait_for(lambda: any((planned.out / "members").glob("*.partial/resume.pt")), process)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    process.kill()
    process.wait()
    assert not psutil.wait_procs(workers, timeout=30)[1], "workers end with the process that started them"
    assert not all(planned.is_done(task) for task in planned.tasks.values())


def killed_inside_the_evaluation_it_leaves_none(planned: Study) -> None:
    process = start(planned.path, "--jobs", "1")
    wait_for(lambda: (planned.out / "evaluation.partial").is_dir(), process)
    process.kill()
    process.wait()
    assert all(planned.is_done(task) for task in planned.tasks.values())
    assert not (planned.out / "evaluation").exists()


def what_fails_is_reported_and_counted_and_the_rest_goes_on(
    planned: Study, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One member cannot be written, and the process of another one is killed; all others are done."""
    killed, blocked = planned.members[:2]
    for task in (killed, blocked, *planned.predictions):
        shutil.rmtree(planned.place(task))
        store.log_file(planned, task).unlink()
    planned.place(blocked).write_text("in the way")
    killer = threading.Thread(target=kill_worker, args=[store.log_file(planned, killed)])
    killer.start()
    capfd.readouterr()
    assert run(monkeypatch, "study", "run", planned.path, "--jobs", "1") == 1
    killer.join()
    printed, errors = capfd.readouterr()
    assert f"failed: {killed.id}: its process ended with " in printed, errors
    assert f"failed: {blocked.id}: {planned.place(blocked)} is a file" in printed
    assert state_of(planned, planned.predictions[0]) == ("failed", f"{killed.id} failed, a member of it")
    assert sum(planned.is_done(member) for member in planned.members) == N_MEMBERS - 2
    lost = pd.read_csv(planned.out / "evaluation" / "tables" / "missing.csv")
    assert set(lost["annotator"]) == {killed.annotator, blocked.annotator, "staple/s0-1"}


def two_at_once_do_what_is_left(planned: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process and this one, whose workers start together; what failed is tried again by the same call."""
    planned.place(planned.members[1]).unlink()
    shutil.rmtree(planned.place(planned.members[-1]))
    other = start(planned.path, "--jobs", "1")
    wait_for(psutil.Process(other.pid).children, other)
    assert run(monkeypatch, "study", "run", planned.path, "--jobs", "1") == 0
    assert other.wait(300) == 0, (planned.path.parent / "run.log").read_text()


def kill_worker(log: Path) -> None:
    """Kill the process that works on something, as a system does that is out of memory."""
    while not log.exists():
        time.sleep(0.02)
    here = psutil.Process()
    for child in here.children():
        if child.cmdline() == here.cmdline() or "segassay_monai.study.worker" in child.cmdline():
            child.kill()


@pytest.mark.usefixtures("_forked_workers")
def test_on_a_cluster_whose_machine_is_lost_the_members_and_masks_are_the_same(study, copy, tmp_path, monkeypatch):
    """Two members are trained and ensembles predict again, by two machines of which one is killed."""
    again = [member for member in copy.members if member.annotator == "staple/s1"]
    gone = [*again, *(one for one in copy.predictions if any(member in again for member in one.members))]
    for task in gone:
        shutil.rmtree(copy.place(task))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", _store(copy.path.parent))
    machines = Machines(tmp_path / "machines").start(2)
    killed = threading.Thread(target=_kill_when, args=(machines, unfinished(copy.place(again[0]))))
    killed.start()
    try:
        assert run(monkeypatch, "study", "run", copy.path, "--cluster", machines.address) == 0
    finally:
        killed.join()
        machines.stop()
    for task in gone:
        one, other = (masks(of.place(task)) for of in (study, copy))
        assert one == other
        assert one
    for member in again:
        one, other = (torch.load(of.checkpoint(member), weights_only=True)["model"] for of in (study, copy))
        assert all(torch.equal(one[name], other[name]) for name in one)


def masks(folder: Path) -> dict[str, bytes]:
    found = [path for kind in ("masks", "prob") for path in folder.rglob(f"{kind}/*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def _kill_when(machines: Machines, begun: Path) -> None:
    """Kill the first machine as soon as a member is in training."""
    end = time.monotonic() + 300
    while not begun.exists() and time.monotonic() < end:
        time.sleep(0.01)
    machines.kill_worker(0)


def test_a_job_of_a_cluster_trains_one_member(study, fresh, new_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(fresh.parent))
    assert run(monkeypatch, "study", "run", fresh, "--member", "2") == 0
    planned = plan_study(fresh)
    assert [planned.is_done(member) for member in planned.members] == [number == 1 for number in range(N_MEMBERS)]
    one, same = (torch.load(s.checkpoint(s.members[1]), weights_only=True)["model"] for s in (planned, study))
    assert all(torch.equal(one[name], same[name]) for name in same)


HOLDS = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_member_that_another_process_trains_is_not_trained_again(fresh, new_store, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(fresh.parent))
    monkeypatch.setattr("segassay_monai.study.run._MOMENT", 0.1)
    planned = plan_study(fresh)
    with store.claim(planned, planned.members[0].folder):  # makes the file
        pass
    lock = planned.out / ".claims" / f"{planned.members[0].folder}.lock"
    words = [sys.executable, "-c", HOLDS, str(lock)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert run(monkeypatch, "study", "run", fresh, "--member", "1") == 2
        other.communicate("")
    assert "another process is training this member" in capfd.readouterr().err
    assert not planned.is_done(planned.members[0])


def test_if_no_member_can_be_trained_that_is_said_and_nothing_is_judged(fresh, new_store, monkeypatch):
    """With a single model there is something to judge; what failed then counts as missing."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(fresh.parent))
    planned = plan_study(fresh)
    first, *others = planned.members
    judged: list[Study] = []

    def failing(study: Study, *words: object) -> None:
        for member in others if first.id in done else planned.members:
            store.note_failure(study, member, "a.png is broken; export it\nmore")

    done: set[str] = set()
    monkeypatch.setattr("segassay_monai.study.run.work_side_by_side", failing)
    monkeypatch.setattr("segassay_monai.study.run.judge", lambda study, workers: judged.append(study) or [])
    what = rf"lab.yaml has 8 members, of which none could be trained; {first.id}: a.png is broken; export it; "
    what += "fix what stopped"
    with pytest.raises(DataError, match=what):
        run_study(planned)
    assert not judged
    done.add(first.id)
    monkeypatch.setattr(Study, "is_done", lambda study, task: task.id in done)
    monkeypatch.setattr("segassay_monai.study.run.mend", lambda study, tasks: None)
    run_study(planned)
    assert len(judged) == 1


@pytest.mark.usefixtures("_forked_workers")
def test_processes_that_cannot_start_end_the_run(fresh):
    planned = plan_study(fresh)
    shutil.rmtree(planned.dataset.folder / "images")
    with pytest.raises(DataError, match="a process for trainings ended at once, with exit code 1"):
        scheduler.work_side_by_side(planned, 1, {}, lambda word, name: None)


@pytest.mark.usefixtures("_forked_workers")
def test_an_estimate_by_a_trial_leaves_nothing_behind_but_the_memory_it_took(fresh):
    planned = plan_study(fresh)
    found = estimate(planned)
    assert found.source == "1 short trial of 10 steps"
    assert found.n_workers >= 1
    assert found.total_minutes > 0
    assert found.total_bytes > N_TASKS * 10_000
    assert [path.name for path in planned.out.iterdir() if path.is_file()] == ["state.json"]
    assert 100 * 2**20 < store.memory_of_worker(planned) < 4 * 2**30
    assert not list(fresh.parent.glob("mlflow*"))


@pytest.mark.usefixtures("_forked_workers")
def test_a_trial_that_cannot_start_says_why(fresh):
    planned = plan_study(fresh)
    image = next(iter(planned.dataset.images.values()))
    image.write_bytes(b"no image")
    with pytest.raises((DataError, UsageError), match=image.name):
        estimate(planned)


def test_touching_objects_of_classes_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    draw_dataset(tmp_path / "data", n=4, raters=["anna"])
    touching = {"name": "touching", "target": "staple", "settings": {"objects": "touching"}}
    content = {"dataset": "data", "strategies": ["staple", touching], "settings": TINY, "n_folds": 2}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    study = plan_study(tmp_path / "study.yaml")
    with pytest.raises(UsageError, match=r"--objects touching: .* touching objects of classes are not told apart"):
        run_study(study)
    assert not study.out.exists()

"""A study at an address: what another machine finds there, and what is lost when one is killed, cut off or replaced."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import platformdirs
import pytest
import yaml

from command import run
from folders import contents
from object_store import MemoryStore
from segassay.errors import UsageError
from segassay.io.sending import TakenOverError
from segassay.io.stores import TransferError
from segassay.io.transfers import as_copied
from segassay_monai.study.file import as_yaml
from segassay_monai.study.plan import COPY, PlannedMember, Study, plan_study
from segassay_monai.study.run import run_member
from segassay_monai.study.show import print_plan
from segassay_monai.study.status import show_status
from segassay_monai.study.store import open_tasks, write_state
from segassay_monai.study.stored import fetch, send_rest, sender
from segassay_monai.study.there import tasks_there
from segassay_monai.study.whole import mend, remember

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")

ADDRESS = "memory://bucket/results/lab"
PLAN = {"minutes": lambda member: 1.0, "total_minutes": 3.0, "n_workers": 1, "total_bytes": 9, "source": "a trial"}
"""An estimate."""


@pytest.fixture
def store(finished: Study, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """A store with the dataset of the finished study."""
    found = MemoryStore(monkeypatch)
    found.put_folder(finished.dataset.folder, "bucket/data")
    return found


@pytest.fixture
def machine(
    store: MemoryStore, finished: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Study]:
    """The study as a machine of some name plans it, whose cache folder is its own."""
    path = tmp_path / "lab.yaml"
    content = yaml.safe_load(finished.path.read_text()) | {"dataset": "memory://bucket/data", "output_dir": ADDRESS}
    path.write_text(yaml.safe_dump(content))

    def on(name: str) -> Study:
        monkeypatch.setattr(platformdirs, "user_cache_dir", lambda program: str(tmp_path / name / program))
        monkeypatch.setattr("platform.node", lambda: name)
        return plan_study(path)

    return on


@pytest.fixture
def anna(machine: Callable[[str], Study], finished: Study) -> Study:
    """The study on Anna's machine, which has begun to send, and has trained all; nothing was sent yet."""
    study = machine("anna")
    fetch(study, progress=False)
    for folder in ("members", "predictions"):
        shutil.copytree(finished.out / folder, study.out / folder)
    for task in study.tasks.values():
        remember(study, task)
    write_state(study, run="123")
    (study.out / COPY).write_text(as_yaml(study.file))
    return study


def done(study: Study) -> dict[str, bytes]:
    """What there is of tasks that are done."""
    return {name: of for name, of in contents(study.out).items() if name.split("/")[0] in ("members", "predictions")}


def say_nothing(word: str, name: str) -> None:
    """Report nothing."""


def test_members_are_those_of_a_study_in_folders_and_are_copied_to_a_machine_that_has_none(
    anna, machine, finished, store
):
    assert [member.identity for member in anna.members] == [member.identity for member in finished.members]
    sender(anna, say_nothing)("done", anna.members[0].id)
    assert "uploaded.json" not in store.content("bucket/results/lab")
    ben = machine("ben")
    assert len(open_tasks(ben)) == 3
    fetch(ben, progress=False)
    assert open_tasks(ben) == []
    assert done(ben) == done(finished)
    mend(ben, ben.tasks.values())
    assert open_tasks(ben) == [], "their checksums hold"


def test_killed_while_it_sends_only_whole_tasks_are_there_and_the_next_call_sends_the_rest(anna, machine, store):
    first = anna.members[0]
    for task in (*anna.members[1:], *anna.predictions):
        (anna.out / "checksums" / f"{task.folder}.json").unlink()
    sender(anna, say_nothing)("done", first.id)
    for task in (*anna.members[1:], *anna.predictions):
        remember(anna, task)
    with store.lost_after(3):
        sender(anna, say_nothing)("done", anna.members[1].id)
    half = [name for name in store.content("bucket/results/lab") if anna.members[1].folder in name]
    assert len(half) >= 1
    ben = machine("ben")
    fetch(ben, progress=False)
    assert [task.id for task in ben.tasks.values() if ben.is_done(task)] == [first.id]


def test_a_store_that_is_away_ends_no_training_and_what_is_missing_is_sent_at_the_end(anna, store, caplog, monkeypatch):
    told = []
    report = sender(anna, lambda word, name: told.append((word, name)))
    with store.lost_after(0), caplog.at_level(logging.WARNING, "segassay"):
        report("done", anna.members[0].id)
        report("done", anna.members[1].id)
    assert told == [("done", anna.members[0].id), ("done", anna.members[1].id)]
    assert caplog.text.count("The study continues, and sends later what is missing there") == 1
    with (
        store.lost_after(0),
        pytest.raises(TransferError, match=r"the study is complete in .*/anna/.*; repeat the command"),
    ):
        send_rest(anna, progress=False)
    send_rest(anna, progress=False)
    there = store.content("bucket/results/lab")
    listed = json.loads(there.pop("uploaded.json"))["files"]
    assert listed.keys() == there.keys() >= done(anna).keys()


def test_what_is_damaged_there_is_noticed_and_made_again_and_then_whole_there(anna, machine, store, caplog):
    send_rest(anna, progress=False)
    member, (ensemble,) = anna.members[0], anna.predictions
    store.put(f"bucket/results/lab/members/{member.folder}/model.pt", b"damaged")
    store.remove(f"bucket/results/lab/predictions/{ensemble.folder}/annotations.csv")
    ben = machine("ben")
    fetch(ben, progress=False)
    mend(ben, ben.tasks.values())
    assert "model.pt is not as it was written; the member is trained again" in caplog.text
    assert "annotations.csv is missing; it is predicted again" in caplog.text
    assert {task.id for task in open_tasks(ben)} == {member.id, ensemble.id}
    for task in (member, ensemble):  # trained and predicted again
        shutil.copytree(anna.place(task), ben.place(task))
        remember(ben, task)
    send_rest(ben, progress=False)
    store.read.clear()
    cleo = machine("cleo")
    fetch(cleo, progress=False)
    assert done(cleo) == done(anna)


def test_a_damaged_object_is_sent_again_by_the_machine_that_has_it(anna, machine, store):
    send_rest(anna, progress=False)
    name = f"members/{anna.members[0].folder}/model.pt"
    store.put(f"bucket/results/lab/{name}", b"cut")
    fetch(machine("anna"), progress=False)
    send_rest(anna, progress=False)
    assert store.content("bucket/results/lab")[name] == anna.checkpoint(anna.members[0]).read_bytes()


def test_the_machine_that_was_started_last_has_the_address_and_the_other_one_ends(anna, machine, store, caplog):
    sender(anna, say_nothing)("done", anna.members[0].id)
    ben = machine("ben")
    fetch(ben, progress=False)
    assert f"{ADDRESS}: anna began to send this study there, and has not finished" in caplog.text
    before = store.content("bucket/results/lab")
    (anna.place(anna.members[0]) / "more.txt").write_text("late")
    for send in (
        lambda: sender(anna, say_nothing)("done", anna.members[0].id),
        lambda: send_rest(anna, progress=False),
    ):
        with pytest.raises(TakenOverError, match="was taken over by another machine, ben, which has begun"):
            send()
    assert store.content("bucket/results/lab") == before
    send_rest(ben, progress=False)
    caplog.clear()
    fetch(machine("anna"), progress=False)
    assert caplog.text == "", "Ben has ended"


def test_a_repeated_call_copies_and_sends_nothing_again_and_keeps_members_of_other_settings(anna, machine, store):
    old = "members/staple_fold0_seed9-v1-00000000/model.pt"
    store.put(f"bucket/results/lab/{old}", b"of other settings")
    (anna.out / "evaluation").mkdir()
    (anna.out / "evaluation" / "report.html").write_text("first")
    (anna.out / "evaluation" / "old.csv").write_text("gone in the second")
    send_rest(anna, progress=False)
    store.read.clear()
    store.written.clear()
    anna = machine("anna")
    fetch(anna, progress=False)
    (anna.out / "evaluation" / "report.html").write_text("second")
    (anna.out / "evaluation" / "old.csv").unlink()
    send_rest(anna, progress=False)
    assert store.read == []
    assert store.written == ["/bucket/results/lab/evaluation/report.html"]
    there = store.content("bucket/results/lab")
    assert there[old] == b"of other settings"
    assert "evaluation/old.csv" not in there


def test_status_and_plan_name_what_is_whole_there(anna, machine, capsys):
    sender(anna, say_nothing)("done", anna.members[0].id)
    ben = machine("ben")
    show_status(ben)
    shown = capsys.readouterr().out
    assert "lab: 3 done" in shown
    assert shown.count(f"in {ADDRESS}") == 3
    print_plan(ben, SimpleNamespace(**PLAN), tasks_there(ben))
    assert f"3 of these are complete in {ADDRESS}; `segassay study run` copies them." in capsys.readouterr().out
    show_status(machine("anna"))
    assert ADDRESS not in capsys.readouterr().out


def test_workers_plan_the_study_of_the_copies_without_asking_the_store(anna, store):
    store.empty()
    found = plan_study(anna.path, at=as_copied())
    assert (found.out, found.dataset.folder, found.members) == (anna.out, anna.dataset.folder, anna.members)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"output_dir": "memory://bucket/other"},
            "memory://bucket/other holds something that is no study; give another",
        ),
        ({"output_dir": "memory://bucket"}, "memory://bucket: expected a folder in it"),
        ({"output_dir": "memory://bucket/data/raters.csv"}, r"lies in memory://bucket/data, which is read"),
        ({"output_dir": "memory://bucket/data"}, "lies in memory://bucket/data, which is read"),
        ({"dataset": f"{ADDRESS}/data"}, f"{ADDRESS} contains files that are read; give another"),
        ({"dataset": "memory://bucket/nowhere"}, "memory://bucket/nowhere is not there, or holds no file"),
        ({"masks": {"net": "memory://bucket/nowhere"}}, "memory://bucket/nowhere is not there, or holds no file"),
        ({"output_dir": "s9://bucket/lab"}, "s9://bucket/lab: no kind of store is called s9"),
    ],
)
def test_an_address_that_cannot_be_that_of_a_study_is_one_message(machine, store, content, message):
    path = machine("anna").path
    store.put("bucket/other/uploaded.json", b'{"files": {"report.html": "1"}}')
    store.put("bucket/other/report.html", b"of an evaluation")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | content))
    before = store.content("bucket")
    with pytest.raises((UsageError, TransferError), match=message):
        plan_study(path)
    assert store.content("bucket") == before


def test_members_of_jobs_on_several_machines_meet_there_and_none_takes_the_address_from_the_other(
    anna, machine, store, monkeypatch
):
    trained = []

    def copy(study: Study, member: PlannedMember) -> None:  # a training
        trained.append(member.id)
        shutil.copytree(anna.place(member), study.place(member))
        remember(study, member)

    monkeypatch.setattr("segassay_monai.study.run._train", copy)
    for name, number in (("ben", 0), ("cleo", 1)):
        study = machine(name)
        run_member(study, study.members[number])
    first, second = (member.id for member in anna.members)
    assert trained == [first, second]
    run_member(machine("dora"), anna.members[0])
    assert trained == [first, second], "it was copied"
    erik = machine("erik")
    fetch(erik, progress=False)
    assert [task.id for task in open_tasks(erik)] == [erik.predictions[0].id]
    send_rest(erik, progress=False)
    before = store.content("bucket/results/lab")
    assert "uploaded.json" in before
    run_member(machine("fred"), anna.members[1])
    assert store.content("bucket/results/lab") == before, "it stays whole"


def test_a_member_whose_store_is_away_at_the_end_is_not_lost_and_is_sent_by_the_next_call(
    anna, machine, store, monkeypatch
):
    monkeypatch.setattr("segassay_monai.study.run._train", None)
    member = anna.members[0]
    with store.lost_after(0), pytest.raises(TransferError, match=r"the member is complete in .*/anna/.*; repeat the"):
        run_member(anna, member)
    run_member(anna, member)
    assert f"members/{member.folder}/model.pt" in store.content("bucket/results/lab")


def test_an_evaluation_does_not_replace_a_study_that_is_being_sent(anna, store, monkeypatch, capsys):
    words = ["memory://bucket/data", "--no-mlflow", "--jobs", "1", "--out", ADDRESS]
    assert run(monkeypatch, "evaluate", *words) == 2
    assert f"error: {ADDRESS} exists already" in capsys.readouterr().err


def test_the_command_goes_on_with_what_another_machine_left_and_leaves_the_study_whole_there(
    anna, machine, store, new_store, unrendered, tmp_path, monkeypatch, capfd, caplog
):
    """Only the evaluation is left; the folder of this machine is empty."""
    sender(anna, say_nothing)("done", anna.members[0].id)
    ben = machine("ben")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))
    assert run(monkeypatch, "study", "run", ben.path, "--quiet") == 0
    printed, errors = capfd.readouterr()
    assert f"written: {ADDRESS}/evaluation/report.html" in printed, errors
    assert "anna began to send this study there" in caplog.text
    there = store.content("bucket/results/lab")
    assert {name: of for name, of in there.items() if name.startswith("evaluation/")} == {
        f"evaluation/{name}": of for name, of in contents(ben.out / "evaluation").items()
    }
    assert {"uploaded.json", "certificate.json", "methods.md", "study.yaml", "annotations.csv"} <= there.keys()
    assert "uploading.json" not in there
    assert json.loads(there["certificate.json"])["study_file"] == "study.yaml"
    assert yaml.safe_load(there["study.yaml"])["dataset"] == "memory://bucket/data"
    cleo = machine("cleo")
    store.written.clear()
    assert run(monkeypatch, "study", "run", cleo.path, "--quiet") == 0, "nothing is left to do"
    assert {Path(name).name for name in store.written} <= {"state.json"}
    assert contents(cleo.out / "evaluation") == contents(ben.out / "evaluation")


def test_a_training_takes_the_address_of_its_dataset_and_names_it(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda program: str(tmp_path / "cache" / program))
    monkeypatch.chdir(tmp_path)
    masks = [name for name in store.content("bucket/data") if name.startswith("labels/")]
    for name in masks:
        store.put(f"bucket/data/{name}", b"no image")
    assert run(monkeypatch, "train", "memory://bucket/data", "--out", "model", "--quiet") == 1
    assert "memory://bucket/data/labels/" in (error := capsys.readouterr().err)
    assert "cache" not in error
    assert run(monkeypatch, "train", "memory://bucket/nowhere", "--out", "model", "--quiet") == 1
    assert "memory://bucket/nowhere is not there, or holds no file" in capsys.readouterr().err
    assert run(monkeypatch, "train", "memory://bucket/data", "--out", "memory://bucket/model", "--quiet") == 2
    assert "--out memory://bucket/model: this command takes a folder of this machine" in capsys.readouterr().err

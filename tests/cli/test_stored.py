"""Datasets and results in an object store: the same bytes as in folders, and messages that name addresses."""

import logging
import shutil
from pathlib import Path

import platformdirs
import pytest

from command import run, without_pictures
from folders import contents
from object_store import MemoryStore
from segassay import evaluate
from segassay.checks.check import check_dataset
from segassay.errors import DataError, UsageError
from segassay.io.stores import TransferError
from segassay.simulation.dataset import Simulation, simulate
from segassay.tables import kept


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Simulation(n_cases=4, images_per_subject=1, shape=(48, 48), n_nuclei=4, seed=1)
    return simulate(tmp_path_factory.mktemp("stored") / "lab", settings)


@pytest.fixture
def store(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """A store with the dataset, and with masks by a model."""
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    without_pictures(monkeypatch)
    found = MemoryStore(monkeypatch)
    found.put_folder(made, "bucket/lab")
    found.put_folder(min((made / "labels").iterdir()), "bucket/predicted/net")
    return found


def sent(store: MemoryStore, place: str) -> dict[str, bytes]:
    return {name: of for name, of in store.content(place).items() if name != "uploaded.json"}


def test_an_evaluation_from_and_to_a_store_has_the_bytes_of_one_of_folders(store, made, tmp_path):
    shutil.copytree(min((made / "labels").iterdir()), tmp_path / "net")
    evaluate(made, tmp_path / "out", masks={"net": tmp_path / "net"})
    evaluate("memory://bucket/lab/", "memory://bucket/out", masks={"net": "memory://bucket/predicted/net"})
    assert sent(store, "bucket/out") == contents(tmp_path / "out")
    assert list((tmp_path / "cache" / "segassay" / "results").rglob("*.json")) == []  # nothing of it stays here


def test_a_table_of_masks_is_read_with_the_files_that_it_names(store, made):
    case = min((made / "images").iterdir()).stem
    mask = next(path for path in min((made / "labels").iterdir()).iterdir() if path.stem.startswith(case))
    row = f"{case},net,model,net/{mask.name}"
    store.put("bucket/predicted/annotations.csv", f"case,annotator,kind,path\n{row}\n".encode())
    found = evaluate("memory://bucket/lab", annotations="memory://bucket/predicted/annotations.csv")
    assert "net" in set(found.counts["annotator"])
    with pytest.raises(UsageError, match=r"memory://bucket/a\.csv: the table names files of its folder"):
        evaluate("memory://bucket/lab", annotations="memory://bucket/a.csv")


def test_what_is_there_is_refused_before_anything_is_copied_and_may_be_replaced(store, tmp_path):
    store.put("bucket/out/notes.txt", b"mine")
    with pytest.raises(UsageError, match=r"memory://bucket/out exists already; give another out \(--out\), or"):
        evaluate("memory://bucket/lab", "memory://bucket/out")
    assert store.read == []
    evaluate("memory://bucket/lab", "memory://bucket/out", overwrite=True)
    assert "notes.txt" not in store.content("bucket/out")
    with pytest.raises(UsageError, match="memory://bucket/out exists already"):
        evaluate("memory://bucket/lab", "memory://bucket/out")


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("memory://bucket", "memory://bucket: expected a folder in it, such as memory://bucket/result"),
        ("memory://bucket/lab", "memory://bucket/lab contains files that are read; give another folder"),
        ("memory://bucket/lab/images", r"bucket/lab/images contains files that are evaluated .*; give another folder"),
        ("memory://bucket/lab/labels/new", "memory://bucket/lab/labels/new lies in memory://bucket/lab/labels, which"),
        ("memory://bucket/lab/dataset.yaml", r"memory://bucket/lab/dataset\.yaml is a file; give another"),
    ],
)
def test_a_bucket_a_file_and_the_dataset_itself_are_never_replaced(store, out, message):
    before = store.content("bucket")
    with pytest.raises(UsageError, match=message):
        evaluate("memory://bucket/lab", out, overwrite=True)
    assert store.content("bucket") == before


def test_a_connection_that_is_lost_at_the_end_loses_nothing_and_the_next_call_resumes(
    store, made, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(kept, "SECONDS", 0.0)
    evaluate(made, tmp_path / "out")
    local = evaluate_lost(store)
    assert contents(local) == contents(tmp_path / "out")
    assert "uploaded.json" not in store.content("bucket/out")
    with caplog.at_level(logging.WARNING, "segassay"):
        evaluate("memory://bucket/lab", "memory://bucket/out")
    assert "it resumes with 4 of 4 cases" in caplog.text
    assert sent(store, "bucket/out") == contents(tmp_path / "out")


def evaluate_lost(store: MemoryStore) -> Path:
    """Evaluate, and lose the connection while the result is sent; the folder that the message names."""
    evaluate("memory://bucket/lab")  # so that nothing has to be copied any more
    with store.lost_after(3), pytest.raises(TransferError) as error:
        evaluate("memory://bucket/lab", "memory://bucket/out")
    message = str(error.value)
    assert message.startswith("memory://bucket/out cannot be written (")
    assert message.endswith("; repeat the command: what was copied stays")
    return Path(message.partition("the result is complete in ")[2].rpartition("; repeat")[0])


def test_messages_name_addresses_and_no_copies(store, monkeypatch, capsys):
    masks = [name for name in store.content("bucket/lab") if name.startswith("labels/")]
    store.put(f"bucket/lab/{masks[0]}", b"no image")
    found = check_dataset("memory://bucket/lab")
    assert [problem.file for problem in found.errors] == [f"memory://bucket/lab/{masks[0]}"]
    with pytest.raises(DataError) as error:
        evaluate("memory://bucket/lab")
    assert error.value.file == f"memory://bucket/lab/{masks[0]}"
    assert "cache" not in str(error.value)
    assert run(monkeypatch, "check", "memory://bucket/lab", "--quiet") == 1
    shown = capsys.readouterr()
    assert "memory://bucket/lab" in shown.out
    assert "cache" not in shown.out + shown.err


def test_the_commands_take_addresses_and_the_others_refuse_them(store, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["memory://bucket/lab", "--no-mlflow", "--out", "memory://bucket/out"]
    assert run(monkeypatch, "evaluate", *words) == 0
    assert "written: memory://bucket/out/report.html\n" in capsys.readouterr().out
    assert "uploaded.json" in store.content("bucket/out")
    assert run(monkeypatch, "simulate", "--out", "s3://bucket/sim") == 2
    assert run(monkeypatch, "consensus", "s3://bucket/lab", "--out", "consensus") == 2
    assert run(monkeypatch, "report", "s3://bucket/out") == 2
    assert run(monkeypatch, "planner", "s3://bucket/out", "--out", "plan") == 2
    expected = "this command takes a folder of this machine; check, evaluate, predict and STUDY.yaml take"
    assert [expected in line for line in capsys.readouterr().err.splitlines()] == [True] * 4
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []

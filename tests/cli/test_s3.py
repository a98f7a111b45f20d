"""The commands on a server that speaks S3: the bytes of folders, and one message for each thing that goes wrong."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import platformdirs
import pytest
import yaml
from moto.server import ThreadedMotoServer

from command import run, without_pictures
from folders import contents
from segassay.io.sending import TakenOverError
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.study.plan import plan_study
from segassay_monai.study.store import open_tasks
from segassay_monai.study.stored import fetch, send_rest, sender


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    """A server with an empty bucket, and credentials in the environment, as people have them."""
    found = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    found.start()
    with pytest.MonkeyPatch.context() as patch:
        host, port = found.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "key")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.delenv("AWS_PROFILE", raising=False)
        fsspec.filesystem("s3").mkdir("bucket")
        yield found
        found.stop()
    fsspec.filesystem("s3").clear_instance_cache()


@pytest.fixture(scope="module")
def data(server: ThreadedMotoServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, here and there."""
    settings = Simulation(n_cases=3, images_per_subject=1, shape=(48, 48), n_nuclei=4)
    folder = simulate(tmp_path_factory.mktemp("s3") / "lab", settings)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    fsspec.filesystem("s3").pipe({f"bucket/lab/{name}": path.read_bytes() for name, path in files.items()})
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    without_pictures(monkeypatch)


def test_an_evaluation_in_a_bucket_has_the_bytes_of_one_in_a_folder(data, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "evaluate", data, "--no-mlflow", "--jobs", "1", "--out", tmp_path / "out") == 0
    words = ["s3://bucket/lab", "--no-mlflow", "--jobs", "1", "--out", "s3://bucket/out"]
    assert run(monkeypatch, "evaluate", *words) == 0
    assert "written: s3://bucket/out/report.html\n" in capsys.readouterr().out
    store = fsspec.filesystem("s3", use_listings_cache=False)
    found = {key.removeprefix("bucket/out/"): store.cat_file(key) for key in store.find("bucket/out")}
    listed = json.loads(found.pop("uploaded.json"))
    folder = tmp_path / "out"
    expected = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == expected
    assert listed["files"].keys() == expected.keys()
    assert run(monkeypatch, "evaluate", *words) == 2
    assert "error: s3://bucket/out exists already" in capsys.readouterr().err


def test_a_study_in_a_bucket_goes_on_on_another_machine(server, finished, tmp_path, monkeypatch):
    """What is sent and copied is that of tests/study/test_stored.py; here each call of a store is one of S3."""
    files = {path.relative_to(finished.dataset.folder).as_posix(): path for path in files_of(finished.dataset.folder)}
    fsspec.filesystem("s3").pipe({f"bucket/data/{name}": path.read_bytes() for name, path in files.items()})
    content = yaml.safe_load(finished.path.read_text())
    (tmp_path / "lab.yaml").write_text(
        yaml.safe_dump(content | {"dataset": "s3://bucket/data", "output_dir": "s3://bucket/study"})
    )
    first = plan_study(tmp_path / "lab.yaml")
    fetch(first, progress=False)
    for folder in ("members", "predictions", "checksums"):
        shutil.copytree(finished.out / folder, first.out / folder)
    sender(first, lambda word, name: None)("done", first.members[0].id)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "another" / name))
    second = plan_study(tmp_path / "lab.yaml")
    fetch(second, progress=False)
    assert open_tasks(second) == []
    assert contents(second.out / "members") == contents(finished.out / "members")
    with pytest.raises(TakenOverError):
        send_rest(first, progress=False)
    send_rest(second, progress=False)
    store = fsspec.filesystem("s3", use_listings_cache=False)
    assert store.exists("bucket/study/uploaded.json")
    assert not store.exists("bucket/study/uploading.json")


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_bucket_that_is_not_there_and_a_server_that_is_gone_are_one_message(
    data, server, tmp_path, monkeypatch, capsys
):
    for words in (["check", "s3://no-bucket/lab"], ["check", "s3://bucket/nothing"]):
        assert run(monkeypatch, *words) == 1
        assert capsys.readouterr().err == (
            f"error: {words[1]} is not there, or holds no file; give the address of a folder or file that exists\n"
        )
    words = ["evaluate", data, "--no-mlflow", "--jobs", "1", "--out", "s3://no-bucket/out"]
    assert run(monkeypatch, *words) == 1
    assert "error: s3://no-bucket/out cannot be written" in capsys.readouterr().err
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # else it is asked again and again for ten seconds
    fsspec.filesystem("s3").clear_instance_cache()
    assert run(monkeypatch, "check", "s3://bucket/lab") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: s3://bucket/lab cannot be listed: ")
    assert error.count("\n") == 1
    fsspec.filesystem("s3").clear_instance_cache()

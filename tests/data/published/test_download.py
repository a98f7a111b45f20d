"""Fetching the published labs: all as published or not there at all, and never fetched twice."""

import io
import os
import sys
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from folders import contents
from published import cut_short, manifest_of, publish, right, serve, status
from segassay import cli
from segassay.data.cases import read_case_ignore, read_case_mask
from segassay.data.dataset import read_dataset, strata
from segassay.data.published import download as module
from segassay.data.published import fetching
from segassay.data.published.download import download
from segassay.data.published.fetching import HELP
from segassay.data.published.segebarth2020 import DOI, REPOSITORY
from segassay.errors import DataError, UsageError


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def tiny_lab(name: str, suffix: str, *raters: str) -> dict[str, bytes]:
    """Three images of 10 × 10, all different, and a mask by each rater."""
    files = {}
    for index, case in enumerate(("0001", "0010", "0100")):
        files[f"{name}/images/{case}.png"] = png(np.full((10, 10), index, np.uint8))
        for number, rater in enumerate((*raters, "est_GT")):
            mask = np.zeros((10, 10), np.uint8)
            mask[: 2 + index, : 3 + number] = 255
            files[f"{name}/labels/{rater}/{case}{suffix}.png"] = png(mask)
    return files


MUE = tiny_lab("lab-mue", "_cFOS", "expert_1", "expert_3")
FIRST, SECOND, THIRD = (list(MUE)[index] for index in (0, 4, 8))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(fetching, "_PAUSE_S", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def fetch(out: Path, mirror: object, **options: object) -> Path:
    """The tiny lab-mue from a mirror; returns its folder."""
    (lab,) = download(out, labs=["mue"], mirror=str(mirror), manifest=manifest_of(MUE), **options)
    assert (lab.folder, lab.n_files) == (out / "lab-mue", len(MUE))
    return lab.folder


def refused(out: Path, mirror: object, error: type[Exception] = DataError, **options: object) -> list[str]:
    """Lines of the error, of which the last one helps."""
    with pytest.raises(error) as caught:
        fetch(out, mirror, **options)
    return str(caught.value).split("\n")


def assert_complete(out: Path) -> None:
    """As published, with what SegAssay writes, and nothing else in the folder."""
    found = contents(out)
    assert {name: found.pop(name) for name in list(found) if name in MUE} == MUE
    assert sorted(found) == ["lab-mue/SOURCE.txt", "lab-mue/dataset.yaml"]


@pytest.fixture(scope="module")
def published(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three labs that stand beside the project."""
    out = tmp_path_factory.mktemp("published") / "out"
    labs = download(out, labs=["wue1", "inns1", "mue"], mirror=data_dir)
    assert [lab.folder.name for lab in labs] == ["lab-wue1", "lab-inns1", "lab-mue"]
    assert [(lab.n_files, lab.is_new) for lab in labs] == [(253, True), (30, True), (30, True)]
    return out


@pytest.mark.parametrize(
    ("name", "n_cases", "raters", "size"),
    [("lab-wue1", 36, "12345", 30), ("lab-inns1", 5, "1345", 16), ("lab-mue", 5, "1345", 30)],
)
def test_a_lab_is_ready_to_use(published, data_dir, name, n_cases, raters, size):
    dataset = read_dataset(published / name)
    assert (dataset.name, len(dataset.cases)) == (name, n_cases)
    assert dataset.raters == [f"expert_{rater}" for rater in raters]
    assert all(list(masks) == dataset.cases for masks in (*dataset.masks.values(), dataset.reference))
    assert (dataset.reference_name, dataset.min_object_size, dataset.warnings) == ("est_GT", size, [])
    for part in ("images", "labels"):
        assert contents(published / name / part) == contents(data_dir / "segebarth2020" / name / part)


def test_the_experiment_of_lab_wue1(published):
    dataset = read_dataset(published / "lab-wue1")
    assert (dataset.settings.control_group, dataset.settings.spacing_um) == ("H", (0.62, 0.62))
    sizes = strata(dataset).groupby(["group", "region"]).size()
    assert sizes.index.tolist() == [(g, f"region_{r}") for g in ("H", "context_0", "context_1") for r in range(3)]
    assert sizes.tolist() == [4] * 9
    assert set(strata(dataset)["subject"]) == {""}


def test_a_finished_lab_is_left_alone_without_a_source(published, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in published.rglob("*")}
    labs = download(published, labs=["mue", "inns1"], mirror=tmp_path / "nowhere")
    assert [lab.is_new for lab in labs] == [False, False]
    assert {path: path.stat().st_mtime_ns for path in published.rglob("*")} == before


def test_corrupted_and_missing_files_are_named_and_the_others_kept(data_dir, tmp_path):
    lab = data_dir / "segebarth2020" / "lab-mue"
    names = ["images/1049.png", "labels/expert_3/1052_cFOS.png"]
    mirror = publish(tmp_path / "mirror" / "lab-mue", contents(lab))
    broken = bytearray((lab / names[0]).read_bytes())
    broken[1000] ^= 1
    (mirror / names[0]).write_bytes(broken)
    (mirror / names[1]).unlink()
    with pytest.raises(DataError) as caught:
        download(tmp_path / "out", labs=["mue"], mirror=mirror.parent)
    found, expected = (manifest_of({"": data})[""] for data in (bytes(broken), (lab / names[0]).read_bytes()))
    assert str(caught.value).split("\n") == [
        f"{mirror.parent} has 2 problems:",
        f"{mirror / names[0]}: SHA-256 is {found}, expected {expected}: damaged, or another version",
        f"{mirror / names[1]}: no such file",
        HELP,
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["lab-mue.partial"]
    assert len(contents(tmp_path / "out")) == 28
    rest = publish(tmp_path / "rest" / "lab-mue", {name: (lab / name).read_bytes() for name in names})
    download(tmp_path / "out", labs=["mue"], mirror=rest.parent)  # the other 28 are not asked for
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["lab-mue"]
    assert len(read_dataset(tmp_path / "out" / "lab-mue").cases) == 5


def test_labs_that_are_not_in_the_mirror_do_not_hold_up_the_others(data_dir, tmp_path):
    with pytest.raises(DataError) as caught:
        download(tmp_path / "out", labs=["inns2", "inns1", "mue", "wue2"], mirror=data_dir)
    assert str(caught.value).split("\n") == [
        f"{data_dir} has 2 problems:",
        f"lab-inns2: none of its 30 files is in {data_dir}",
        f"lab-wue2: none of its 30 files is in {data_dir}",
        f"Complete: lab-inns1, lab-mue. {HELP}",
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["lab-inns1", "lab-mue"]


def test_the_same_bytes_from_a_folder_an_archive_and_a_server(tmp_path):
    mirror = publish(tmp_path / "mirror", MUE)
    with zipfile.ZipFile(tmp_path / "main.zip", "w") as archive:
        for name, data in ({"../evil": b"", "bioimage_analysis-main/README.md": b""} | MUE).items():
            archive.writestr(name if name.startswith("..") else f"bioimage_analysis-main/train_data/{name}", data)
    fetch(tmp_path / "a", mirror)
    fetch(tmp_path / "b", tmp_path / "main.zip")
    with serve(MUE) as server:
        fetch(tmp_path / "c", server.url)
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(tmp_path / "c")
    assert_complete(tmp_path / "a")
    assert {path.name for path in tmp_path.rglob("*evil*")} == set()


def test_what_a_killed_run_left_is_continued_but_not_trusted(tmp_path):
    partial = tmp_path / "out" / "lab-mue.partial"
    left = {"images/0001.png": MUE[FIRST][:20], "dataset.yaml": b"name: old", "labels/expert_9/x.png": b"x"}
    publish(partial, left | {f".{Path(SECOND).name}.1a2b.tmp": b"half"})
    publish(tmp_path / "out", {SECOND.replace("lab-mue", partial.name): MUE[SECOND]})
    (partial / "labels" / "empty").mkdir()
    with serve(MUE) as server:
        fetch(tmp_path / "out", server.url)
    assert server.requests == dict.fromkeys(set(MUE) - {SECOND}, 1)
    assert_complete(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "lab-mue" / "labels").iterdir()) == [
        "est_GT",
        "expert_1",
        "expert_3",
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_run_fetches_nothing_twice(tmp_path, monkeypatch, error):
    def interrupt(path: Path, data: bytes) -> None:
        if path.name == Path(SECOND).name:
            raise error
        path.write_bytes(data)

    with serve(MUE) as server:
        with monkeypatch.context() as patch:
            patch.setattr(fetching, "write_bytes", interrupt)
            with pytest.raises(error):
                fetch(tmp_path / "out", server.url)
        assert not (tmp_path / "out" / "lab-mue").exists()
        kept = {name.replace(".partial", "") for name in contents(tmp_path / "out")}
        assert kept
        server.requests.clear()
        fetch(tmp_path / "out", server.url)
    assert server.requests == dict.fromkeys(set(MUE) - kept, 1)
    assert_complete(tmp_path / "out")


def test_a_folder_that_a_user_changed_is_refused(tmp_path):
    mirror = publish(tmp_path / "mirror", MUE)
    lab = fetch(tmp_path / "out", mirror)
    (lab / ".DS_Store").write_bytes(b"hidden")
    fetch(tmp_path / "out", mirror)
    (lab / "dataset.yaml").write_text("name: mine\n")
    (lab / "labels" / "me").mkdir()
    (lab / "labels" / "me" / "0001_cFOS.png").write_bytes(MUE[SECOND])
    before = contents(tmp_path / "out")
    assert refused(tmp_path / "out", mirror, UsageError) == [
        f"{lab} exists and is not as published: dataset.yaml (changed), labels/me/0001_cFOS.png (not part of it); "
        "give another out (--out), or overwrite (--overwrite) to replace it and everything in it"
    ]
    for name in list(MUE)[:6]:
        (tmp_path / "out" / name).write_bytes(b"mine")
    (tmp_path / "out" / THIRD).unlink()
    (line,) = refused(tmp_path / "out", tmp_path / "nowhere", UsageError)
    assert "images/0001.png (changed), images/0010.png (changed)" in line
    assert "and 3 more; give another out (--out)" in line
    assert len(contents(tmp_path / "out")) == len(before) - 1


def test_overwrite_fetches_only_what_differs(tmp_path):
    lab = fetch(tmp_path / "out", publish(tmp_path / "mirror", MUE))
    (tmp_path / "out" / FIRST).write_bytes(b"mine")
    (lab / "notes.txt").write_text("mine")
    with serve(MUE) as server:
        fetch(tmp_path / "out", server.url, overwrite=True)
        assert server.requests == {FIRST: 1}
        fetch(tmp_path / "out", server.url, overwrite=True)
        assert server.requests == {FIRST: 1}
    assert_complete(tmp_path / "out")


def test_a_failed_overwrite_leaves_the_folder_as_it_was(tmp_path):
    fetch(tmp_path / "out", publish(tmp_path / "mirror", MUE))
    (tmp_path / "out" / FIRST).write_bytes(b"mine")
    before = contents(tmp_path / "out" / "lab-mue")
    (tmp_path / "mirror" / FIRST).unlink()
    refused(tmp_path / "out", tmp_path / "mirror", overwrite=True)
    assert contents(tmp_path / "out" / "lab-mue") == before


def test_a_mirror_is_never_replaced_by_what_is_read_from_it(tmp_path):
    publish(tmp_path / "data", MUE)
    for mirror in (tmp_path / "data", tmp_path / "data" / "lab-mue" / "a.zip"):
        if mirror.suffix:
            with zipfile.ZipFile(mirror, "w") as archive:
                archive.writestr(FIRST, MUE[FIRST])
        (line,) = refused(tmp_path / "data", mirror, UsageError, overwrite=True)
        assert "which would be replaced; give another out (--out)" in line
    assert set(MUE) <= set(contents(tmp_path / "data"))


def test_an_output_that_cannot_be_a_folder_is_one_message(tmp_path):
    mirror = publish(tmp_path / "mirror", MUE)
    publish(tmp_path, {"file": b"", "out/lab-mue": b""})
    assert "cannot be written" in refused(tmp_path / "file", mirror, UsageError)[0]
    assert "is a file; give another out (--out)" in refused(tmp_path / "out", mirror, UsageError, overwrite=True)[0]


def wrong(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    right(handler, b"something else")


def test_a_server_that_stumbles_is_asked_again(tmp_path):
    with serve(MUE) as server:
        server.odd = {FIRST: [status(500), right], SECOND: [cut_short, right], THIRD: [wrong, right]}
        fetch(tmp_path / "out", server.url)
        assert server.requests == dict.fromkeys(MUE, 1) | {FIRST: 2, SECOND: 2, THIRD: 2}
    assert_complete(tmp_path / "out")


def test_a_file_that_a_server_lacks_is_named_and_the_others_kept(tmp_path):
    with serve(MUE) as server:
        del server.files[SECOND]
        assert refused(tmp_path / "out", server.url) == [
            f"{server.url}/{SECOND}: the server answered 404 Not Found",
            HELP,
        ]
        assert server.requests == dict.fromkeys(MUE, 1)
        server.requests.clear()
        server.files[SECOND] = MUE[SECOND]
        fetch(tmp_path / "out", server.url)
        assert server.requests == {SECOND: 1}
    assert_complete(tmp_path / "out")


def test_a_file_that_stays_wrong_is_asked_for_three_times(tmp_path):
    with serve(MUE | {SECOND: b"x"}) as server:
        line, _ = refused(tmp_path / "out", server.url)
        assert server.requests[SECOND] == 3
    expected = manifest_of(MUE)[SECOND]
    assert line.startswith(f"{server.url}/{SECOND}: SHA-256 is {manifest_of({'': b'x'})['']}, expected {expected}")


@pytest.mark.parametrize(("code", "n_requests"), [(403, 1), (503, 3)])
def test_a_server_that_refuses_everything_is_left_in_peace(tmp_path, code, n_requests):
    files = {f"lab-mue/images/{number:04}.png": b"" for number in range(100)}
    with serve(files) as server:
        server.odd = {name: [status(code)] for name in files}
        with pytest.raises(DataError) as caught:
            download(tmp_path / "out", labs=["mue"], mirror=server.url, manifest=manifest_of(files))
    first, last = str(caught.value).split("\n")
    assert first.startswith(f"{server.url}/lab-mue/images/0000.png: the server answered {code}")
    assert last == HELP
    assert sum(server.requests.values()) <= 2 * fetching._N_THREADS * n_requests
    assert not (tmp_path / "out").exists()


def test_a_wrong_url_is_not_asked_for_every_file(tmp_path):
    files = {f"lab-mue/images/{number:04}.png": b"" for number in range(200)}
    with serve({}) as server, pytest.raises(DataError) as caught:
        download(tmp_path / "out", labs=["mue"], mirror=server.url, manifest=manifest_of(files))
    lines = str(caught.value).split("\n")
    assert lines[1] == f"{server.url}/lab-mue/images/0000.png: the server answered 404 Not Found"
    assert len(lines) == fetching._N_SHOWN + 3
    assert sum(server.requests.values()) < 100


def test_without_a_network_it_says_where_else_the_files_are(tmp_path, monkeypatch):
    with serve({}) as server:
        closed = server.url
    monkeypatch.setattr(module, "BASE_URL", closed)
    with pytest.raises(DataError) as caught:
        download(tmp_path / "out")
    first, last = str(caught.value).split("\n")
    assert first.startswith(f"{closed}/lab-wue1/groups_wue1.csv: cannot be reached (")
    assert all(word in last for word in (DOI, REPOSITORY, "--mirror", "folder", ".zip", "URL", "run the same command"))
    assert not (tmp_path / "out").exists()


def test_the_repository_is_asked_at_the_pinned_commit():
    host, _, path = module.BASE_URL.removeprefix("https://").partition("/")
    assert host == "raw.githubusercontent.com"
    assert path == "matjesg/bioimage_analysis/eafeb5f8e1312ab29416144df0212761ddf4cfc4/train_data"


def test_lab_wue2_with_an_ignored_area_whose_palette_runs_from_white_to_black(tmp_path):
    files = tiny_lab("lab-wue2", "_GABA", "expert_6", "expert_7", "expert_8")
    index = np.full((10, 10), 255, np.uint8)  # black
    index[0, :4] = 0  # white
    picture = Image.fromarray(index, "P")
    picture.putpalette([grey for number in range(256) for grey in [255 - number] * 3])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    files["lab-wue2/ignored_regions/0010_ignore.png"] = buffer.getvalue()
    (lab,) = download(tmp_path / "out", labs=["wue2"], mirror=publish(tmp_path, files), manifest=manifest_of(files))
    dataset = read_dataset(lab.folder)
    assert dataset.raters == ["expert_6", "expert_7", "expert_8"]
    assert (dataset.reference_name, dataset.min_object_size) == ("est_GT", 112)
    ignored = read_case_ignore(dataset, "0010")
    assert ignored is not None
    assert ignored.mean() == 0.04
    assert ignored[0, :4].all()
    assert read_case_ignore(dataset, "0001") is None
    assert read_case_mask(dataset, "expert_8", "0001").sum() == 2 * 5


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Exit code of `segassay download …`."""
    monkeypatch.setenv("SEGASSAY_DEBUG", "")
    monkeypatch.setattr(sys, "argv", ["segassay", "download", *map(str, words)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_command_fetches_shows_progress_and_then_has_nothing_to_do(data_dir, tmp_path, monkeypatch, capsys):
    words = ["segebarth2020", "--out", tmp_path / "out", "--labs", "mue,lab-inns1", "--mirror", data_dir]
    assert run(monkeypatch, *words) == 0
    shown = capsys.readouterr()
    folders = [tmp_path / "out" / name for name in ("lab-inns1", "lab-mue")]
    assert shown.out == "".join(f"{folder}: 30 files as published\n" for folder in folders)
    lines = shown.err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "fetched 60 of 60 files"
    assert run(monkeypatch, *words[:-2]) == 0
    shown = capsys.readouterr()
    assert shown.out == "".join(f"{folder}: 30 files as published, nothing to do\n" for folder in folders)
    assert shown.err == ""


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["segebarth2021", "--out", "out"], 2, "no dataset 'segebarth2021' to download; expected segebarth2020"),
        (["segebarth2020", "--out", "out", "--labs", "wue3"], 2, "no lab 'wue3'; expected some of wue1, inns1, mue"),
        (["segebarth2020", "--out", "out", "--labs", ""], 2, "no lab ''; expected some of wue1"),
        (["segebarth2020", "--out", "out", "--mirror", "nowhere"], 2, "mirror (--mirror) nowhere: no such folder"),
        (["segebarth2020", "--out", "out", "--mirror", "mirror"], 1, "none of its 253 files is in mirror"),
        (["segebarth2020"], 2, "Missing option '--out'"),
        (["--out", "out"], 2, "Missing argument"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_one_message_and_writes_nothing(tmp_path, monkeypatch, capsys, words, code, message):
    monkeypatch.chdir(tmp_path)
    os.makedirs("mirror/lab-mue")
    assert run(monkeypatch, *words) == code
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert [path.name for path in tmp_path.iterdir()] == ["mirror"]

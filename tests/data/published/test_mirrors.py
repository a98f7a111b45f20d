"""Sources of published files: a folder, an archive or a URL, of which only named files are read and never too much."""

import re
import stat
import time
import warnings
import zipfile
from pathlib import Path

import pytest

from published import cut_short, endless, publish, serve, status
from segassay.data.published import mirrors
from segassay.data.published.mirrors import Failure, open_source
from segassay.errors import DataError, UsageError

FILES = {"lab-mue/images/0001.png": b"image", "lab-mue/labels/anna/0001_cFOS.png": b"mask"}
NAME = "lab-mue/images/0001.png"


def read_all(mirror: object) -> dict[str, bytes]:
    with open_source(str(mirror)) as source:
        return {name: source.read(name) for name in FILES}


def failure(mirror: object, name: str = NAME) -> Failure:
    with open_source(str(mirror)) as source, pytest.raises(Failure) as caught:
        source.read(name)
    return caught.value


def pack(path: Path, files: dict[str, bytes], before: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(before + name, content)
    return path


@pytest.mark.parametrize("inside", ["", "segebarth2020", "train_data"])
def test_a_folder_or_one_that_contains_it(tmp_path, inside):
    publish(tmp_path / inside, FILES)
    assert read_all(tmp_path) == FILES
    assert read_all(tmp_path.as_uri()) == FILES


def test_a_file_that_is_not_in_the_folder(tmp_path):
    publish(tmp_path, FILES)
    assert failure(tmp_path, "lab-mue/images/0002.png").kind == "missing"
    assert failure(tmp_path, "lab-mue/images").kind == "missing"


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(mirrors, "_LARGEST", 4)
    publish(tmp_path, FILES)
    assert failure(tmp_path).kind == "damaged"
    with open_source(str(tmp_path)) as source:
        assert source.read("lab-mue/labels/anna/0001_cFOS.png") == b"mask"


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        ("nowhere", "no such folder or file"),
        ("", "no lab found; expected a folder that holds lab-wue1, lab-inns1, lab-mue, lab-inns2, lab-wue2"),
        ("ftp://host/data", "expected a folder, a .zip archive, or a URL"),
        ("file://host/data", "expected a folder, a .zip archive, or a URL"),
        ("file:///nowhere/at/all", "no such folder or file"),
        ("http://[broken/data", "expected a folder, a .zip archive, or a URL"),
        ("https://host/train_data.zip", "an archive must be on this computer"),
    ],
)
def test_what_is_no_mirror(tmp_path, mirror, message):
    place = mirror if "://" in mirror else tmp_path / mirror
    with pytest.raises(UsageError, match=rf"mirror \(--mirror\) \S+: {message}"), open_source(str(place)):
        pass


@pytest.mark.parametrize("before", ["", "train_data/", "bioimage_analysis-main/train_data/", "doi_10/5061/lab-mue/x/"])
def test_files_are_found_by_the_end_of_their_path(tmp_path, before):
    assert read_all(pack(tmp_path / "a.zip", FILES, before)) == FILES
    assert read_all((tmp_path / "a.zip").as_uri()) == FILES


def test_archive_of_windows_and_of_a_mac(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, content in FILES.items():
            info = zipfile.ZipInfo("x")
            info.filename = f"train_data/{name}".replace("/", "\\")
            archive.writestr(info, content)
            folder, _, file = name.rpartition("/")
            archive.writestr(f"__MACOSX/train_data/{folder}/._{file}", b"something else")
    assert read_all(tmp_path / "a.zip") == FILES


def test_paths_of_an_archive_lead_nowhere(tmp_path):
    paths = ("../evil", f"../../{NAME}", f"{tmp_path}/evil", "C:\\evil", "lab-mue/../x", "lab-mue/images/../../../x")
    evil = dict.fromkeys(paths, b"evil")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in (evil | FILES).items():
            archive.writestr(name, content)
    before = sorted(tmp_path.parent.rglob("*"))
    assert read_all(tmp_path / "a.zip") == FILES
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_links_and_folders_in_an_archive_are_no_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo(NAME)
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("lab-mue/images/0002.png/", b"")
        archive.writestr("lab-mue/images/0003.png", b"image")
    assert failure(tmp_path / "a.zip").kind == "missing"
    assert failure(tmp_path / "a.zip", "lab-mue/images/0002.png").kind == "missing"


def test_a_member_that_unpacks_to_far_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(mirrors, "_LARGEST", 1 << 20)
    pack(tmp_path / "a.zip", {NAME: bytes(64 << 20)})
    found = failure(tmp_path / "a.zip")
    assert (found.kind, str(found)) == ("damaged", mirrors._TOO_LARGE)
    content = (tmp_path / "a.zip").read_bytes()
    size, lie = (64 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    (tmp_path / "lie.zip").write_bytes(content.replace(size, lie))
    assert content.count(size) == 2
    assert failure(tmp_path / "lie.zip").kind == "damaged"


def test_a_damaged_archive(tmp_path):
    content = pack(tmp_path / "a.zip", {NAME: b"image" * 99}).read_bytes()
    start = content.index(NAME.encode()) + len(NAME)
    (tmp_path / "b.zip").write_bytes(content[:start] + b"\xff" * 4 + content[start + 4 :])
    assert failure(tmp_path / "b.zip").kind == "damaged"
    for wrong in (content[: len(content) // 2], b"", b"no archive"):
        (tmp_path / "c.zip").write_bytes(wrong)
        with (
            pytest.raises(DataError, match=r"c\.zip cannot be read as a \.zip archive"),
            open_source(f"{tmp_path}/c.zip"),
        ):
            pass


def test_every_broken_byte_of_an_archive_is_a_failure_or_harmless(tmp_path):
    content = pack(tmp_path / "a.zip", {NAME: b"image" * 9}).read_bytes()
    for place in range(len(content)):
        broken = bytearray(content)
        broken[place] ^= 0xFF
        (tmp_path / "b.zip").write_bytes(broken)
        try:
            with open_source(str(tmp_path / "b.zip")) as source:
                source.read(NAME)
        except (Failure, DataError, UsageError):
            pass


def test_an_archive_of_archives_says_which_to_unpack(tmp_path):
    pack(tmp_path / "dryad.zip", {"train_data.zip": b"PK", "readme.txt": b""})
    with pytest.raises(UsageError, match=r"no lab in the archive; unpack train_data\.zip"):
        read_all(tmp_path / "dryad.zip")
    pack(tmp_path / "other.zip", {"readme.txt": b""})
    with pytest.raises(UsageError, match=r"expected train_data\.zip"):
        read_all(tmp_path / "other.zip")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_server():
    with serve(FILES) as server:
        assert read_all(server.url) == read_all(server.url + "/") == FILES


@pytest.mark.parametrize(
    ("code", "kind", "again"),
    [
        (404, "missing", False),
        (410, "missing", False),
        (401, "unreachable", False),
        (403, "unreachable", False),
        (429, "unreachable", True),
        (500, "unreachable", True),
        (503, "unreachable", True),
    ],
)
def test_a_server_that_refuses(code, kind, again):
    with serve(FILES) as server:
        server.odd[NAME] = [status(code)]
        found = failure(server.url)
    assert (found.kind, found.again) == (kind, again)
    assert str(found).startswith(f"the server answered {code} ")


def test_an_answer_that_breaks_off():
    with serve(FILES) as server:
        server.odd[NAME] = [cut_short]
        found = failure(server.url)
    assert (found.kind, found.again) == ("unreachable", True)
    assert "IncompleteRead" in str(found)


def test_an_answer_without_end(monkeypatch):
    monkeypatch.setattr(mirrors, "_LARGEST", 4 << 20)
    with serve(FILES) as server:
        server.odd[NAME] = [endless]
        assert failure(server.url).kind == "damaged"


def test_a_server_that_is_not_there():
    with serve({}) as server:
        closed = server.url
    found = failure(closed)
    assert (found.kind, found.again) == ("unreachable", True)
    assert re.fullmatch(r"cannot be reached \(Failed to establish a new connection: .*refused\)", str(found))


def test_a_server_that_is_silent(monkeypatch):
    monkeypatch.setattr(mirrors, "_TIMEOUT_S", (0.2, 0.2))
    with serve(FILES) as server:
        server.odd[NAME] = [lambda handler, content: time.sleep(1)]
        assert str(failure(server.url)) == "cannot be reached (Read timed out. (read timeout=0.2))"

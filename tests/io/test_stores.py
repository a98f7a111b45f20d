"""Copies of a store hold what it holds, and results are whole there or not marked so, when the connection is lost."""

import json
from pathlib import Path

import fsspec
import pytest

from folders import contents
from object_store import MemoryStore
from segassay.errors import DataError, UsageError
from segassay.io import stores
from segassay.io.addresses import is_address, refuse_address
from segassay.io.images import sha256
from segassay.io.sending import send_to
from segassay.io.stores import Store, TransferError, copy_from

FILES = {"dataset.yaml": b"name: lab\n", "images/1.png": b"one", "images/2.png": b"two", "labels/anna/1.png": b"a1"}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """A store with a folder `b/lab`; one file at a time travels, so that it is known which one is lost."""
    monkeypatch.setattr(stores, "_N_THREADS", 1)
    found = MemoryStore(monkeypatch)
    for name, content in FILES.items():
        found.put(f"b/lab/{name}", content)
    return found


@pytest.fixture
def local(tmp_path: Path) -> Path:
    return tmp_path / "of this address" / "lab"


def copy(local: Path, address: str = "memory://b/lab") -> dict[str, bytes]:
    copy_from(Store(address), local, progress=False)
    return contents(local)


def test_a_copy_holds_what_the_store_holds_and_is_not_made_twice(store, local):
    assert copy(local) == FILES
    assert len(store.read) == len(FILES)
    assert copy(local) == FILES
    assert len(store.read) == len(FILES)


def test_only_what_changed_travels_and_what_is_gone_is_removed_with_its_folder(store, local):
    copy(local)
    store.read.clear()
    store.put("b/lab/images/2.png", b"new")  # as long as before
    store.put("b/lab/images/3.png", b"three")
    store.remove("b/lab/labels/anna/1.png")
    expected = {name: of for name, of in FILES.items() if "anna" not in name}
    assert copy(local) == expected | {"images/2.png": b"new", "images/3.png": b"three"}
    assert sorted(store.read) == ["/b/lab/images/2.png", "/b/lab/images/3.png"]
    assert not (local / "labels").exists()  # a folder without masks would be a rater without masks


def test_a_copy_that_someone_changed_is_made_again(store, local):
    copy(local)
    (local / "images" / "1.png").write_bytes(b"other bytes")
    (local / "images" / "2.png").unlink()
    (local / "labels" / "ben").mkdir()
    (local / "labels" / "ben" / "1.png").write_bytes(b"nobody's")
    (local.parent / "copied.json").write_text((local.parent / "copied.json").read_text())
    assert copy(local) == FILES
    (local.parent / "copied.json").write_text('["half a li')
    assert copy(local) == FILES


def test_a_lost_connection_is_one_message_and_the_next_call_goes_on(store, local):
    with store.lost_after(3), pytest.raises(TransferError) as error:
        copy(local)
    assert str(error.value).startswith("memory://b/lab cannot be read (")
    assert "Connection reset by peer; repeat the command: what was copied stays" in str(error.value)
    assert [path for path in local.rglob("*") if path.name.endswith(".tmp")] == []
    store.read.clear()
    assert copy(local) == FILES
    assert len(store.read) == 1


def test_a_file_that_arrives_cut_is_no_file(store, local, monkeypatch):
    def cut(fs: object, key: str, path: str, **words: object) -> None:
        Path(path).write_bytes(b"o")

    with monkeypatch.context() as patch:
        patch.setattr(stores.Store("memory://b")._fs.__class__, "get_file", cut)
        with pytest.raises(TransferError, match=r"changed while it was copied: .* has 1 bytes, was listed with"):
            copy(local)
    assert not local.exists() or contents(local) == {}
    assert copy(local) == FILES


@pytest.mark.parametrize("name", ["../../evil.png", "images/./1.png", "a//b.png", "images\\3.png", "nul\0.png"])
def test_a_name_that_leaves_the_folder_or_is_none_here_is_refused(store, local, name):
    found = Store("memory://b/lab")
    with pytest.raises(DataError, match=r"memory://b/lab holds .*, which cannot be the name of a file; rename it"):
        found._check_names([name])
    with pytest.raises(DataError, match="'images', which is also a folder"):
        found._check_names(["images", "images/1.png"])


def test_a_single_file_is_copied_under_its_name(store, tmp_path):
    place = tmp_path / "one" / "2.png"
    copy_from(Store("memory://b/lab/images/2.png"), place, progress=False)
    assert place.read_bytes() == b"two"
    store.put("b/lab/images/2.png", b"another")
    copy_from(Store("memory://b/lab/images/2.png"), place, progress=False)
    assert place.read_bytes() == b"another"


def test_nothing_there_and_no_room_are_one_message_each(store, local, monkeypatch):
    with pytest.raises(TransferError, match="memory://b/nowhere is not there, or holds no file; give the address"):
        copy(local, "memory://b/nowhere")
    monkeypatch.setattr(stores, "_FREE", 2**60)
    with pytest.raises(DataError, match=r"memory://b/lab does not fit: 0.0 GiB are to be copied to .* free some space"):
        copy(local)
    assert not local.exists()


def test_a_cache_that_cannot_be_written_is_one_message_and_a_full_one_ends_no_call(store, tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file, no folder")
    with pytest.raises(UsageError, match=r"cannot be written \(.*\); free some space, or set XDG_CACHE_HOME to"):
        copy(tmp_path / "home" / "cache" / "lab")

    def full(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stores, "write_durably", full)
    assert copy(tmp_path / "address" / "lab") == FILES


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "s9://bucket/lab",
            "s9://bucket/lab: no kind of store is called s9; expected an address such as s3://bucket/lab",
        ),
        ("https://host/lab", "https://host/lab: expected a path, or an object store such as"),
        ("file:///etc", "file:///etc: expected a path"),
        ("ftp://anna:secret@host/lab", "ftp://…@host/lab: holds a password; give the password in"),
    ],
)
def test_an_address_without_meaning_is_refused_and_no_password_is_shown(address, message):
    with pytest.raises(UsageError) as error:
        Store(address)
    assert str(error.value).startswith(message)
    assert "secret" not in str(error.value)


def test_a_library_that_has_no_credentials_is_not_taken_for_an_unknown_kind():
    """Azure's raises a ValueError, as fsspec does where a kind is unknown."""

    class Locked(fsspec.AbstractFileSystem):
        def __init__(self, **settings: object) -> None:
            raise ValueError("Must provide either a connection_string\nor account_name")

    fsspec.register_implementation("locked", Locked)
    expected = "cannot be opened: Must provide either a connection_string or account_name; check the credentials of"
    with pytest.raises(UsageError, match=f"locked://bucket/lab: {expected}"):
        Store("locked://bucket/lab")


def test_a_path_is_no_address_also_where_it_looks_like_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_address("C:/labs")
    assert not is_address(Path("s3://bucket/lab"))
    with pytest.raises(UsageError, match="dataset s3://bucket/lab: this command takes a folder of this machine"):
        refuse_address(Path("s3://bucket/lab"), "dataset")
    (tmp_path / "s3:").mkdir()
    refuse_address(Path("s3:/lab"), "dataset")
    refuse_address("/data/s3:/lab", "dataset")


def result(folder: Path) -> Path:
    """A folder of three files."""
    for name, text in {"report.html": "<html>", "tables/a.csv": "a\n1\n", "figures/f1.svg": "<svg>"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def sent(store: MemoryStore) -> dict[str, bytes]:
    return {name: of for name, of in store.content("b/result").items() if name != "uploaded.json"}


def test_a_result_is_sent_whole_with_its_list_last(store, tmp_path):
    local = result(tmp_path / "work" / "result")
    send_to(Store("memory://b/result"), local, progress=False)
    assert sent(store) == contents(local)
    listed = json.loads(store.content("b/result")["uploaded.json"])["files"]
    assert listed == {name: sha256(local / name) for name in sorted(contents(local))}


def test_only_what_changed_is_sent_again_and_what_is_gone_is_removed(store, tmp_path):
    local = result(tmp_path / "work" / "result")
    send_to(Store("memory://b/result"), local, progress=False)
    store.written.clear()
    (local / "report.html").write_text("<HTML>")
    (local / "tables" / "a.csv").unlink()
    send_to(Store("memory://b/result"), local, progress=False)
    assert store.written == ["/b/result/report.html"]
    assert sent(store) == contents(local)


def test_an_interrupted_sending_is_not_whole_and_the_next_one_goes_on(store, tmp_path):
    local = result(tmp_path / "work" / "result")
    send_to(Store("memory://b/result"), local, progress=False)
    for name in contents(local):
        (local / name).write_text(f"new {name}")
    store.written.clear()
    with store.lost_after(2), pytest.raises(TransferError, match=r"cannot be written .* Connection reset by peer"):
        send_to(Store("memory://b/result"), local, progress=False)
    assert {"uploading.json"} == {"uploading.json", "uploaded.json"} & store.content("b/result").keys()
    send_to(Store("memory://b/result"), local, progress=False)
    assert len(store.written) == 3
    assert sent(store) == contents(local)


def test_what_another_machine_sent_in_between_is_not_taken_for_ours(store, tmp_path):
    local, other = result(tmp_path / "work" / "result"), result(tmp_path / "other" / "result")
    (other / "figures" / "f1.svg").write_text("<SVG>")  # as long as ours
    for folder in (local, other):
        with store.lost_after(2), pytest.raises(TransferError):
            send_to(Store("memory://b/result"), folder, progress=False)
    send_to(Store("memory://b/result"), local, progress=False)
    assert sent(store) == contents(local)

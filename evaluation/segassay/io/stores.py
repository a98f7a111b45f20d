"""Copy a folder of an object store to this machine; fsspec speaks to the store.

    address  ->  copy_from  ->  folder that holds what the store holds; only new and changed files travel

Credentials are those of fsspec and of the library for the kind of store; nothing here asks for them, keeps them or
shows them.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from segassay.errors import DataError, UsageError
from segassay.io.addresses import last_name, without_password
from segassay.io.durable import replaced, write_durably
from segassay.io.progress import show_progress

__all__ = ["Store", "TransferError", "alone_in", "copy_files", "copy_from", "each_file", "read_record", "write_record"]

_EXTRA = 'pip install "segassay[storage]"'
_NO_STORES = ("http", "https", "file", "local")  # folders of pages are not listed in one way; of files there are paths
_STATES = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "updated", "created")
_N_THREADS = 16  # a store answers many requests together in little more time than one
_FREE = 2**28  # bytes of the disk that stay free
_CREDENTIALS = "check the credentials of the store's library, such as AWS_PROFILE"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class TransferError(DataError):
    """A store does not answer, or refuses; a repeated call resumes."""


class Store:
    """A folder or file at an address.

    Args:
        address: Such as `s3://bucket/lab`.

    Raises:
        UsageError: If the kind of store is not known, its library is not installed or cannot open it, or there is a
            password in it.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        if without_password(address) != address:
            action = "give the password in the settings of fsspec, where no log shows it"
            raise UsageError(f"{without_password(address)}: holds a password; {action}")
        kind = address.partition("://")[0]
        if kind in _NO_STORES:
            raise UsageError(f"{address}: expected a path, or an object store such as s3://bucket/lab")
        try:
            from fsspec import get_filesystem_class
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise UsageError(f"{address}: addresses need fsspec; install it with: {_EXTRA}") from error
        try:
            get_filesystem_class(kind.rpartition("::")[2])
        except ValueError as error:
            raise UsageError(
                f"{address}: no kind of store is called {kind}; expected an address such as s3://bucket/lab"
            ) from error
        except ImportError as error:
            action = f"install it with: {_EXTRA}" if kind == "s3" else "install what it names"
            raise UsageError(f"{address}: {_reason(error)}; {action}") from error
        try:
            self._fs, root = url_to_fs(address, use_listings_cache=False)
        except Exception as error:  # each library of a store has its own; without credentials Azure's has a ValueError
            raise UsageError(f"{address}: cannot be opened: {_reason(error)}; {_CREDENTIALS}") from error
        self.root = str(root).rstrip("/")
        self.is_file = False  # `files` finds out

    @property
    def is_in_bucket(self) -> bool:
        """Whether it is something in a bucket, not a bucket as a whole."""
        return "/" in self.root.strip("/")

    def files(self) -> dict[str, tuple[int, str]]:
        """Path from the folder -> size and state of each file, in their order; of a file alone its own name.

        Returns:
            Nothing if nothing is there.

        Raises:
            TransferError: If the store does not answer, or refuses.
            DataError: If a name cannot be that of a file on this machine.
        """
        found: dict[str, tuple[int, str]] = {}
        with self._explained("listed"):
            try:
                self._fs.invalidate_cache()
                listed = self._fs.find(self.root, detail=True)
            except FileNotFoundError:
                return {}
        for key, about in listed.items():
            if str(key) == self.root:
                name, self.is_file = last_name(self.address), True
            elif str(key).endswith("/"):  # stands for a folder in some tools
                continue
            else:
                name = str(key).removeprefix(f"{self.root}/")
            state = next((str(about[word]) for word in _STATES if about.get(word) is not None), "")
            found[name] = int(about.get("size") or 0), state
        self._check_names(found)
        return dict(sorted(found.items()))

    def _check_names(self, names: Iterable[str]) -> None:
        folders = {above for name in names for above in _above(name)}
        for name in names:
            odd = {"", ".", ".."} & set(name.split("/")) or "\0" in name or "\\" in name
            if odd or name in folders:
                what = f"holds {name!r:.200}, which {'is also a folder' if not odd else 'cannot be the name of a file'}"
                raise DataError.of(self.address, what, "rename it in the store")

    def get(self, name: str, path: Path, size: int) -> None:
        """Copy one file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._explained(f"read ({name})"), replaced(path, wait=False) as new:
            self._fs.get_file(self._key(name), str(new))
            if new.stat().st_size != size:
                what = f"changed while it was copied: {name} has {new.stat().st_size} bytes, was listed with {size}"
                raise TransferError.of(self.address, what, "repeat the command")

    def put(self, path: Path, name: str) -> None:
        """Send one file."""
        with self._explained(f"written ({name})"):
            self._fs.put_file(str(path), self._key(name))

    def put_text(self, name: str, text: str) -> None:
        """Write a small file."""
        with self._explained(f"written ({name})"):
            self._fs.pipe_file(self._key(name), text.encode())

    def read_text(self, name: str) -> str:
        """Content of a small file."""
        with self._explained(f"read ({name})"):
            return bytes(self._fs.cat_file(self._key(name))).decode("utf-8", errors="replace")

    def remove(self, names: Iterable[str]) -> None:
        """Remove files."""
        with self._explained("written"):
            for name in names:
                self._fs.rm_file(self._key(name))

    def _key(self, name: str) -> str:
        return self.root if self.is_file else f"{self.root}/{name}"

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Turn any error of a store's library into one of ours."""
        again = "repeat the command: what was copied stays"
        try:
            yield
        except DataError:
            raise
        except FileNotFoundError as error:
            raise TransferError.of(self.address, f"cannot be {doing}: it is not there", "check the address") from error
        except PermissionError as error:
            raise TransferError.of(self.address, f"cannot be {doing}: {_reason(error)}", _CREDENTIALS) from error
        except OSError as error:
            if error.errno in _NO_ROOM:
                what = f"cannot be copied: {error.strerror} on this machine"
                raise DataError.of(self.address, what, "free some space, and repeat the command") from error
            raise TransferError.of(self.address, f"cannot be {doing}: {_reason(error)}", again) from error
        except Exception as error:  # each library of a store has its own
            raise TransferError.of(self.address, f"cannot be {doing}: {_reason(error)}", again) from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _above(name: str) -> Iterator[str]:
    """The folders that a file is in."""
    parts = name.split("/")
    yield from ("/".join(parts[:n]) for n in range(1, len(parts)))


def copy_from(store: Store, local: Path, *, progress: bool, left_out: Iterable[str] = ()) -> None:
    """Make a copy on this machine equal to what the store holds.

    Args:
        store: A folder or file.
        local: The copy, in a folder of its own, where `copied.json` says which state of each file it holds.
        progress: Whether to show how many files are copied.
        left_out: Files that are not copied.

    Raises:
        TransferError: If nothing is there, the store does not answer, or it refuses; what was copied stays.
        DataError: If the disk has too little room.
    """
    with alone_in(local.parent):
        there = {name: found for name, found in store.files().items() if name not in set(left_out)}
        if not there:
            action = "give the address of a folder or file that exists"
            raise TransferError.of(store.address, "is not there, or holds no file", action)
        places = {name: local if store.is_file else local / name for name in there}
        _remove_others(local, set(places.values()))
        record = local.parent / "copied.json"
        known = read_record(record)
        wanted = [name for name, found in there.items() if known.get(name) != [*found, *_local_state(places[name])]]

        def note(name: str) -> None:
            known[name] = [*there[name], *_local_state(places[name])]

        try:
            copy_files(store, {name: (places[name], there[name][0]) for name in wanted}, local.parent, note, progress)
        finally:
            write_record(record, {name: known[name] for name in there if name in known})


def copy_files(
    store: Store,
    places: Mapping[str, tuple[Path, int]],
    folder: Path,
    note: Callable[[str], None],
    progress: bool,
) -> None:
    """Copy some files of a store, each whole or not at all.

    Args:
        store: A folder or file.
        places: Path in the store -> its place here, and its size.
        folder: Above all places, on the same disk.
        note: Called with the path of each file that was copied.
        progress: Whether to show how many are copied.

    Raises:
        TransferError: If the store does not answer, or refuses; what was copied stays.
        DataError: If the disk has too little room.
    """
    _check_room(store, folder, sum(size for _, size in places.values()))

    def get(name: str) -> None:
        store.get(name, *places[name])
        note(name)

    each_file(get, list(places), "copy", "copied", progress)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make a folder of the cache, and let no other process change it meanwhile.

    Args:
        folder: The folder.

    Raises:
        UsageError: If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    except OSError as error:
        action = "free some space, or set XDG_CACHE_HOME to a folder that can be written"
        raise UsageError(f"{folder}: cannot be written ({error.strerror}); {action}") from error
    try:
        yield
    finally:
        lock.release()


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write what has travelled; where the disk is full, it travels again.

    Args:
        path: The record.
        content: What it says.
    """
    with suppress(OSError):
        write_durably(path, json.dumps(content))


def _remove_others(local: Path, kept: set[Path]) -> None:
    """Remove what the store does not hold (any more), also folders without files: one may have been a rater."""
    if local in kept:
        if local.is_dir():
            shutil.rmtree(local)
        return
    if local.is_file():
        local.unlink()
    for folder, _, names in os.walk(local, topdown=False):
        for name in names:
            if (path := Path(folder, name)) not in kept:
                path.unlink()
        if not os.listdir(folder):
            os.rmdir(folder)
    for path in kept:
        if path.is_dir():
            shutil.rmtree(path)


def _local_state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _check_room(store: Store, folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if n_bytes + _FREE > free:
        what = (
            f"does not fit: {n_bytes / 2**30:.1f} GiB are to be copied to {folder}, where {free / 2**30:.1f} are free"
        )
        raise DataError.of(store.address, what, "free some space, or set XDG_CACHE_HOME to a larger disk")


def read_record(path: Path) -> dict[str, Any]:
    """What a record says; nothing if it is missing or damaged.

    Args:
        path: The record.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def each_file(work: Callable[[str], None], names: list[str], verb: str, done: str, progress: bool) -> None:
    """Do something with each file, several at a time; the first error ends it.

    Args:
        work: What to do with a file.
        names: The files.
        verb: Such as `copy`, for the progress.
        done: Such as `copied`.
        progress: Whether to show how many are done.
    """
    with (
        show_progress(
            len(names) or 1, doing=f"{verb}ing", done=done, what="files", shown=progress and bool(names)
        ) as tell,
        ThreadPoolExecutor(_N_THREADS) as pool,
    ):
        running = {pool.submit(work, name): name for name in names}
        try:
            for future in as_completed(running):
                future.result()
                tell(running[future])
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise

"""Write files so that a power cut leaves the old or the new content, never half of it: on the disk first, then named.

text or bytes  ->  temporary file  ->  on the disk  ->  renamed

A rename alone may reach the disk before the content of the file; after a power cut the file is then empty.
"""

import errno
import os
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["replaced", "sync_files", "sync_folder", "write_durably"]

_NOT_NEEDED = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)  # pipes, and file systems that always write at once
_N_THREADS = 16  # a disk writes many files together in little more time than one


def write_durably(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; when this returns, it is on the disk.

    Args:
        path: The file; its folder exists.
        content: Its content, a text as UTF-8.

    Raises:
        OSError: If it cannot be written; an older file stays as it was.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_durably(Path(folder, "state.json"), "{}")
        ...     [(path.name, path.read_text()) for path in Path(folder).iterdir()]
        [('state.json', '{}')]
    """
    with replaced(path) as new:
        new.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replaced(path: Path, new: Path | None = None, *, wait: bool = True) -> Iterator[Path]:
    """A temporary file to write inside the block; it takes the place of `path` after it, once it is on the disk.

    Args:
        path: The file; its folder exists.
        new: The temporary file, in the same folder; by default one with a name that no other has.
        wait: Whether to wait for the disk. Without it, the caller does so for many files at once (`sync_files`,
            `sync_folder`), or can do without the file.

    Yields:
        The temporary file, which does not exist yet; it is removed if the block fails.

    Raises:
        OSError: If it cannot be written; an older file stays as it was.
    """
    new = new or path.with_name(f".{uuid.uuid4().hex}.tmp")  # short, because names may already have the maximum length
    try:
        yield new
        if wait:
            _sync(new)
        os.replace(new, path)
        if wait:
            _sync_names(path.parent)
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)


def sync_files(paths: Iterable[Path]) -> None:
    """Wait until these files and their names are on the disk.

    Raises:
        OSError: If one cannot be written, as the disk is full.
    """
    files = list(paths)
    with ThreadPoolExecutor(_N_THREADS) as pool:
        list(pool.map(_sync, files))
    for folder in {path.parent for path in files}:
        _sync_names(folder)


def sync_folder(folder: Path) -> None:
    """Wait until every file of a folder, and of the folders in it, is on the disk.

    Raises:
        OSError: If one cannot be written, as the disk is full.
    """
    files: list[Path] = []
    folders = [folder]
    for path in folder.rglob("*"):
        if not path.is_symlink():
            (folders if path.is_dir() else files).append(path)
    with ThreadPoolExecutor(_N_THREADS) as pool:
        list(pool.map(_sync, files))
    for place in folders:
        _sync_names(place)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in _NOT_NEEDED:
            raise
    finally:
        os.close(number)


def _sync_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; Windows has no such call."""
    if os.name != "nt":
        _sync(folder)

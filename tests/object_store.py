"""An object store in memory for tests: fsspec's own, whose connection a test can cut."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem


class MemoryStore:
    """Files of `memory://…`, and what travelled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._fs = fsspec.filesystem("memory")
        self._patch = monkeypatch
        self.read: list[str] = []
        self.written: list[str] = []
        self._left = -1  # files until the connection is lost; -1 never
        get, put = MemoryFileSystem.get_file, MemoryFileSystem.put_file

        def counted_get(fs: Any, key: str, path: str, **words: Any) -> None:
            self._one_more()
            get(fs, key, path, **words)
            self.read.append(key)

        def counted_put(fs: Any, path: str, key: str, **words: Any) -> None:
            self._one_more()
            put(fs, path, key, **words)
            self.written.append(key)

        monkeypatch.setattr(MemoryFileSystem, "get_file", counted_get)
        monkeypatch.setattr(MemoryFileSystem, "put_file", counted_put)
        self.empty()

    def _one_more(self) -> None:
        if self._left == 0:
            raise ConnectionResetError("Connection reset by peer")
        self._left -= 1

    def empty(self) -> None:
        """Remove everything."""
        MemoryFileSystem.store.clear()
        MemoryFileSystem.pseudo_dirs[:] = [""]

    @contextmanager
    def lost_after(self, n_files: int) -> Iterator[None]:
        """The connection is lost after so many files."""
        self._left = n_files
        try:
            yield
        finally:
            self._left = -1

    def put_folder(self, folder: Path, place: str) -> None:
        """Put the files of a folder there, as another program does."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(f"{place}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def put(self, key: str, content: bytes) -> None:
        """Write one file, as another program does."""
        self._fs.pipe_file(f"/{key}", content)

    def remove(self, key: str) -> None:
        """Remove one file."""
        self._fs.rm_file(f"/{key}")

    def content(self, place: str) -> dict[str, bytes]:
        """Path from a folder -> bytes of each of its files."""
        found = self._fs.find(f"/{place}")
        return {key.removeprefix(f"/{place}/"): self._fs.cat_file(key) for key in found}

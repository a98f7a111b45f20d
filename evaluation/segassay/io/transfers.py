"""Addresses of one call: what it reads is copied to this machine first, what it has made is sent when it is whole.

s3://bucket/lab  ->  copied  ->  folder in the user's cache, read like any other
s3://bucket/result  ->  written  ->  folder in the user's cache  ->  send
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import platformdirs

from segassay.errors import DataError, Problem, SegAssayError, UsageError
from segassay.io.addresses import is_address, last_name
from segassay.io.sending import UPLOADED, UPLOADING, kind_of, send_to
from segassay.io.stores import Store, TransferError, copy_from

__all__ = ["STUDY", "Transfers", "as_copied", "transfers"]

STUDY = "study"
"""Kind of a result that is sent in parts, as its members are trained."""

_Place = TypeVar("_Place")


@contextmanager
def transfers(*, absolute: bool = False, progress: bool = False) -> Iterator[Transfers]:
    """Copy what is read from a store, and send what was made; messages of errors inside name places as the user did.

    Args:
        absolute: Whether paths are made absolute, for workers that may be in other folders.
        progress: Whether to show on standard error how many files are copied.
    """
    found = Transfers(absolute, progress)
    try:
        yield found
    except SegAssayError as error:
        error.args = tuple(found.named(part) if isinstance(part, str) else part for part in error.args)
        if isinstance(error, DataError):
            error.file, error.what, error.action = error.args[1:4]
        raise


def as_copied() -> Transfers:
    """The places that another process has copied and looked at before it started this one; no store is asked."""
    return Transfers(absolute=False, progress=False, is_copied=True)


class Transfers:
    """The places of one call; what is neither an address nor a path passes through all functions as it is.

    Args:
        absolute: As of `transfers`.
        progress: As of `transfers`.
        is_copied: Whether all copies are made, and no store is asked.
    """

    def __init__(self, absolute: bool, progress: bool, *, is_copied: bool = False) -> None:
        self._absolute, self._progress, self._is_copied = absolute, progress, is_copied
        self._copies: dict[str, str] = {}  # file or folder here -> as the user gave it
        self._roots: dict[str, Path] = {}  # what was copied -> its copy
        self._target: Store | None = None

    def copied(self, place: _Place) -> _Place | Path:
        """The copy of a file or folder at an address, of which only what is new or changed travels; else the path.

        Raises:
            UsageError: If the kind of store is not known, its library is not installed, or the result would hold it.
            TransferError: If nothing is there, the store does not answer, or it refuses.
            DataError: If names cannot be those of files, or the disk has too little room.
        """
        if not isinstance(place, str) or not is_address(place):
            return self._path(place)
        local = _place_for(place, "copies")
        if self._is_copied:
            return local
        store = Store(place)
        if self._target is not None and f"{store.root}/".startswith(f"{self._target.root}/"):
            raise UsageError(f"{self._target.address} contains files that are read; give another folder")
        self._copies[str(local)] = store.address
        self._roots[store.root] = local
        copy_from(store, local, progress=self._progress)
        return local

    def among_copies(self, final: Path) -> Path:
        """The place of the result in a copy, if its address lies in what was copied; else its folder here.

        So `segassay.io.outputs.refuse_inputs` sees that it would replace what is read.
        """
        target = "" if self._target is None else self._target.root
        for root, local in self._roots.items():
            if f"{target}/".startswith(f"{root}/"):
                return Path(os.path.abspath(local / target[len(root) + 1 :]))
        return final

    def _path(self, place: _Place) -> _Place | Path:
        if not self._absolute or not isinstance(place, (str, os.PathLike)):
            return place
        given = Path(str(place))
        path = Path(os.path.abspath(given))
        if path != given:
            self._copies[str(path)] = str(given)
        return path

    def copied_table(self, place: _Place) -> _Place | Path:
        """The copy of a table that names files beside it, with all of its folder."""
        if not isinstance(place, str) or not is_address(place):
            return self._path(place)
        folder, _, name = place.rstrip("/").rpartition("/")
        if not Store(place).is_in_bucket or not Store(folder).is_in_bucket:
            raise UsageError(f"{place}: the table names files of its folder; put all of them into a folder")
        return Path(str(self.copied(folder))) / name

    def written(self, place: _Place, overwrite: bool, *, option: str, go_on: bool = False) -> _Place | Path:
        """Folder of this machine in which the result is made that `send` sends to an address.

        Args:
            place: Where the result shall be.
            overwrite: Whether what is there may be replaced.
            option: Name of the option, for messages.
            go_on: Whether a result that is there is copied, so that the call resumes it.

        Raises:
            UsageError: If something is there, or the address is a file or a whole bucket.
            TransferError: If the store does not answer, or refuses.
        """
        if not isinstance(place, str) or not is_address(place):
            return place
        store, there = self._aimed_at(place, option)
        is_whole = UPLOADED in there
        is_begun = UPLOADING in there and kind_of(store, there) != STUDY
        may_go_on = is_begun or (go_on and is_whole)
        if there and not (overwrite or may_go_on):
            raise UsageError(f"{store.address} exists already; give another {option}, or --overwrite to replace it")
        local = _place_for(place, "results")
        self._copies[str(local)] = store.address
        if go_on and not overwrite and is_whole and not local.exists():
            copy_from(store, local, progress=self._progress, left_out=(UPLOADED, UPLOADING))
        return local

    def _aimed_at(self, address: str, option: str) -> tuple[Store, dict[str, tuple[int, str]]]:
        """The folder at an address to which a result is sent, and what is there."""
        store = self._target = Store(address)
        if not store.is_in_bucket:
            raise UsageError(f"{option} {store.address}: expected a folder in it, such as {store.address}/result")
        there = store.files()
        if store.is_file:
            raise UsageError(f"{store.address} is a file; give another {option}")
        return store, there

    def resumed(self, place: _Place, *, option: str) -> _Place | Path:
        """Folder of this machine in which a study is made whose parts are sent to an address.

        Args:
            place: Where the study shall be.
            option: Name of the option, for messages.

        Raises:
            UsageError: If something else is there, or the address is a file or a whole bucket.
            TransferError: If the store does not answer, or refuses.
        """
        if not isinstance(place, str) or not is_address(place):
            return place
        local = _place_for(place, "results")
        if self._is_copied:
            return local
        store, there = self._aimed_at(place, option)
        self._copies[str(local)] = store.address
        if there and kind_of(store, there) != STUDY:
            raise UsageError(f"{store.address} holds something that is no study; give another {option}")
        return local

    def send(self, local: Path, *, keep: bool = False) -> None:
        """Send a result that is whole to the address of `written`; nothing if that was none.

        Args:
            local: Its folder.
            keep: Whether the folder stays, for a call that resumes it.

        Raises:
            TransferError: If the store does not answer, or refuses; the folder stays.
        """
        if self._target is None:
            return
        try:
            send_to(self._target, local, progress=self._progress)
        except TransferError as error:
            self._copies.pop(str(local), None)  # this message names the folder here
            what = f"{error.what}; the result is complete in {local}"
            raise TransferError.of(error.file, what, error.action) from error
        if not keep:
            shutil.rmtree(local, ignore_errors=True)

    def named(self, text: str) -> str:
        """A text that names every place as the user gave it."""
        for local, given in self._copies.items():
            inside = f"{given}/" if is_address(given) else str(Path(given) / "x")[:-1]
            first, *others = text.replace(local + os.sep, inside).split(local)
            for other in others:  # a longer name is another place
                first += (local if other[:1].isalnum() or other[:1] in ("_", "-", ".") else given) + other
            text = first
        return text

    def named_problem(self, problem: Problem) -> Problem:
        """A problem that names every place as the user gave it."""
        file, what, action = map(self.named, (problem.file, problem.what, problem.action))
        return replace(problem, file=file, what=what, action=action)


def _place_for(address: str, what: str) -> Path:
    """Where a copy or result of an address lies: always the same, with the name that it has in the store."""
    number = hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("segassay")).resolve() / what / number / last_name(address)

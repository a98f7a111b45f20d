"""Send a folder of this machine to an object store: at once, or in parts as they are made.

    folder  ->  send_to  ->  uploading.json, files, uploaded.json at the address
    folder  ->  begin_parts, send_part, …, send_last_part  ->  the same

`uploaded.json` lists the SHA-256 of each file and is written last, so that a result with it is whole. `uploading.json`
holds the number of the sending: whoever finds another number than its own there no longer sends parts.
"""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from segassay.errors import number_of
from segassay.io.images import sha256
from segassay.io.stores import Store, TransferError, alone_in, each_file, read_record, write_record

__all__ = [
    "UPLOADED",
    "UPLOADING",
    "TakenOverError",
    "begin_parts",
    "kind_of",
    "note_sent",
    "send_last_part",
    "send_part",
    "send_to",
]

UPLOADED = "uploaded.json"
"""List of the files of a result that is whole."""

UPLOADING = "uploading.json"
"""Lies beside a result while it is sent."""

_OWN = (UPLOADED, UPLOADING)


class TakenOverError(TransferError):
    """Another machine has begun to send to the same address."""


def send_to(store: Store, local: Path, *, progress: bool) -> None:
    """Make what the store holds equal to a folder of this machine.

    A file that the store has, as its `uploaded.json` says, is not sent again; nor is one that an interrupted sending
    from this machine has sent, as `sent.json` beside the folder says.

    Args:
        store: Where to.
        local: The folder.
        progress: Whether to show how many files are sent.

    Raises:
        TransferError: If the store does not answer, or refuses.
    """
    there = store.files()
    sent = _already_sent(store, there, read_record(_record_of(local)))
    _begin(store, local, there, sent, {})
    hashes = _send(store, local, _files_of(local), there, progress)
    _end(store, local, hashes, [name for name in there if name not in hashes and name not in _OWN], {})


def begin_parts(store: Store, local: Path, kind: str, *, takes_over: bool = True) -> str:
    """Begin to send parts of a result, or resume that; from now on another machine that has begun before sends no more.

    Args:
        store: Where to.
        local: Folder of the result, which may not exist yet.
        kind: What it is, in a word, such as `study`.
        takes_over: Whether another machine that has begun is to end; if not, parts are sent beside its own.

    Returns:
        Name of another machine that has begun and has not ended; empty if there is none.

    Raises:
        TransferError: If the store does not answer, or refuses.
        UsageError: If the folder above `local` cannot be written.
    """
    with alone_in(local.parent):
        there, record = store.files(), read_record(_record_of(local))
        found = _content(store, UPLOADING) if UPLOADING in there else {}
        if found and (found.get("sending") == record.get("sending") or not takes_over):
            return ""
        _begin(store, local, there, _already_sent(store, there, record), {"by": platform.node(), "kind": kind})
        return str(found.get("by") or "") if found else ""


def kind_of(store: Store, there: Iterable[str]) -> str:
    """What is sent to an address in parts, or was; empty for anything else.

    Args:
        store: The address.
        there: The files there.

    Returns:
        As `begin_parts` was told.
    """
    name = next((name for name in (UPLOADING, UPLOADED) if name in there), None)
    return str(_content(store, name).get("kind") or "") if name else ""


def send_part(store: Store, local: Path, names: Iterable[str], *, beside: bool = False) -> None:
    """Send some files, of which those that the store has are left out.

    Args:
        store: Where to; `begin_parts` was called.
        local: Folder of the result.
        names: Their paths in it.
        beside: Whether another machine may have the address.

    Raises:
        TakenOverError: If another machine has begun since.
        TransferError: If the store does not answer, or refuses.
    """
    with alone_in(local.parent):
        there = store.files()
        if not beside:
            _check_ours(store, local, there)
        _send(store, local, {name: local / name for name in names}, there, progress=False)


def send_last_part(
    store: Store, local: Path, kind: str, names: Iterable[str], *, replaced: tuple[str, ...], progress: bool
) -> None:
    """Send the files that are left, and say that the result is whole.

    Args:
        store: Where to; `begin_parts` was called.
        local: Folder of the result.
        kind: As of `begin_parts`.
        names: Paths of all its files.
        replaced: Beginnings of paths, such as `evaluation/`: other files there are removed from the store.
        progress: Whether to show how many files are sent.

    Raises:
        TakenOverError: If another machine has begun since.
        TransferError: If the store does not answer, or refuses.
    """
    with alone_in(local.parent):
        there = store.files()
        _check_ours(store, local, there)
        hashes = _send(store, local, {name: local / name for name in names}, there, progress)
        stale = [name for name in there if name.startswith(replaced) and name not in hashes]
        _end(store, local, hashes, stale, {"kind": kind})


def note_sent(local: Path, hashes: Mapping[str, str]) -> None:
    """Note what the store is known to hold, as it was copied from there.

    Args:
        local: Folder of the result.
        hashes: Path of each file in it -> SHA-256.
    """
    record = read_record(_record_of(local))
    write_record(_record_of(local), record | {"files": {**_files_in(record), **hashes}})


def _begin(store: Store, local: Path, there: Iterable[str], sent: Mapping[str, str], about: Mapping[str, str]) -> None:
    number = uuid.uuid4().hex
    store.put_text(UPLOADING, json.dumps({"sending": number, **about}))
    write_record(_record_of(local), {"sending": number, "files": sent})
    store.remove({UPLOADED} & set(there))


def _check_ours(store: Store, local: Path, there: Iterable[str]) -> None:
    found = _content(store, UPLOADING) if UPLOADING in there else {}
    if not found or found.get("sending") != read_record(_record_of(local)).get("sending"):
        by = f", {found['by']}," if found.get("by") else ""
        what = f"was taken over by another machine{by} which has begun to send there; this one sends no more"
        raise TakenOverError.of(store.address, what, "let only one of them work: it copies from there what it lacks")


def _send(
    store: Store, local: Path, files: Mapping[str, Path], there: Mapping[str, tuple[int, str]], progress: bool
) -> dict[str, str]:
    """Send those files that the store lacks; the SHA-256 of all."""
    hashes = {name: sha256(path) for name, path in files.items()}
    record = read_record(_record_of(local))
    sent = _files_in(record)
    sizes = {name: path.stat().st_size for name, path in files.items()}
    wanted = [
        name for name, found in hashes.items() if sent.get(name) != found or there.get(name, (-1,))[0] != sizes[name]
    ]

    def put(name: str) -> None:
        store.put(files[name], name)
        sent[name] = hashes[name]

    for name in wanted:
        sent.pop(name, None)
    try:
        each_file(put, wanted, "send", "sent", progress)
    finally:
        write_record(_record_of(local), record | {"files": sent})
    return hashes


def _end(store: Store, local: Path, hashes: Mapping[str, str], stale: Iterable[str], about: Mapping[str, str]) -> None:
    store.remove(stale)
    _check_sizes(store, local, hashes)
    store.put_text(UPLOADED, json.dumps({**about, "files": hashes}, indent=1, ensure_ascii=False) + "\n")
    store.remove([UPLOADING])
    _record_of(local).unlink(missing_ok=True)


def _record_of(local: Path) -> Path:
    return local.parent / "sent.json"


def _files_of(folder: Path) -> dict[str, Path]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path for path in paths}


def _already_sent(store: Store, there: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, str]:
    """File -> SHA-256 of what the store is known to hold."""
    if UPLOADING in there:
        return _files_in(own) if _content(store, UPLOADING).get("sending") == own.get("sending") else {}
    return _files_in(_content(store, UPLOADED)) if UPLOADED in there else {}


def _content(store: Store, name: str) -> dict[str, Any]:
    """What a small file of the store says; nothing if it is damaged."""
    try:
        found = json.loads(store.read_text(name))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _files_in(found: Mapping[str, Any]) -> dict[str, str]:
    files = found.get("files")
    return dict(files) if isinstance(files, dict) else {}


def _check_sizes(store: Store, local: Path, names: Iterable[str]) -> None:
    there = store.files()
    lacking = [name for name in names if there.get(name, (-1,))[0] != (local / name).stat().st_size]
    if lacking:
        what = f"does not hold {number_of(len(lacking), 'file')} as sent, such as {lacking[0]}"
        raise TransferError.of(
            store.address, what, "check whether another process writes there, and repeat the command"
        )

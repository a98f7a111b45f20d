"""What OUT holds so far: settings that made it, and one record per image, so that a second call resumes.

    OUT/settings.yaml (model, images, options), OUT/.records/<case>.json (written last of all files of an image)

An image counts as done if its record is there, its file has not changed since, and its results exist. Tables are made
of the records alone, so they do not depend on when and in how many calls the images were predicted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from segassay.errors import UsageError
from segassay.io.durable import sync_files, write_durably
from segassay.io.images import sha256, write_bytes
from segassay.io.outputs import ARGUMENTS, check_output
from segassay.io.yaml_files import read_yaml

__all__ = ["Record", "drop_others", "forget", "open_output", "read_record", "rows_of_objects", "write_record"]

_SETTINGS, _RECORDS, _LOCK = "settings.yaml", ".records", ".lock"

Record = dict[str, Any]
"""`inputs` (SHA-256 of the image's files), `files` (folder -> path), `case` (row of cases.csv), `objects` (rows)."""


@contextmanager
def open_output(out: Path, settings: Mapping[str, Any], overwrite: bool) -> Iterator[None]:
    """Make the folder of results, or resume one of the same settings; no other process may do so meanwhile.

    Args:
        out: The folder, absolute.
        settings: All that determines the results.
        overwrite: Whether a folder with other content is replaced.

    Raises:
        UsageError: If the folder exists and has other settings, is no folder of predictions, or another process is
            writing to it.
    """
    if overwrite and out.exists():
        check_output(out, overwrite=True, options=ARGUMENTS)
        shutil.rmtree(out)
    known = _read_settings(out)
    if known is None and not _is_begun(out):
        check_output(out, options=ARGUMENTS)
    elif known is not None and known != settings:
        differing = [key for key in {**known, **settings} if known.get(key) != settings.get(key)]
        shown = "; ".join(f"{key} {known.get(key)}, now {settings.get(key)}" for key in differing)
        raise UsageError(
            f"{out} holds predictions made with other settings ({shown}); give another {ARGUMENTS[0]}, or "
            f"{ARGUMENTS[1]} to replace it"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror}); give another {ARGUMENTS[0]}") from error
    try:
        with FileLock(out / _LOCK, timeout=0):
            (out / _RECORDS).mkdir(exist_ok=True)
            text = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)
            write_bytes(out / _SETTINGS, text.encode())
            for left in out.glob("*/.*.tmp"):  # from a call that was killed
                left.unlink(missing_ok=True)
            yield
    except Timeout as error:
        raise UsageError(f"{out}: another process is writing to it; wait for it, or give another folder") from error


def _is_begun(out: Path) -> bool:
    """Whether a call was killed before it had written the settings."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    return _LOCK in names and names <= {_LOCK, _RECORDS}


def _read_settings(out: Path) -> dict[str, Any] | None:
    """Settings of a folder of predictions; None for any other folder."""
    path = out / _SETTINGS
    if not path.is_file():
        return None
    try:
        content = read_yaml(path)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and "model_sha256" in content else None


def _path(out: Path, case: str) -> Path:
    return out / _RECORDS / f"{case}.json"


def read_record(out: Path, case: str, files: Sequence[Path]) -> Record | None:
    """Record of an image that is done; None if it is to be predicted."""
    try:
        record: Record = json.loads(_path(out, case).read_text(encoding="utf-8"))
        is_done = all((out / name).is_file() for name in record["files"].values())
        return record if is_done and record["inputs"] == [sha256(path) for path in files] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def rows_of_objects(out: Path, case: str) -> dict[str, Any]:
    """`columns` and `rows` of the objects of an image that is done, read from its record."""
    return dict(json.loads(_path(out, case).read_text(encoding="utf-8"))["objects"])


def write_record(out: Path, case: str, record: Record) -> None:
    """Write the record of an image, once all its files are on the disk: a power cut leaves none that is half written.

    Raises:
        UsageError: If the disk is full.
    """
    content = json.dumps(record, ensure_ascii=False, allow_nan=True) + "\n"
    try:
        sync_files(out / name for name in record["files"].values())
        write_durably(_path(out, case), content)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror}); check the free space") from error


def forget(out: Path, case: str) -> None:
    """Remove the files of an image, then its record."""
    path = _path(out, case)
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        files = {}
    for name in files.values():
        if (place := (out / name).resolve()).is_relative_to(out):  # a record of someone else may name any file
            place.unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def drop_others(out: Path, cases: Mapping[str, Any]) -> None:
    """Remove the results of images that are no longer there."""
    for path in (out / _RECORDS).glob("*.json"):
        if path.name.removesuffix(".json") not in cases:
            forget(out, path.name.removesuffix(".json"))

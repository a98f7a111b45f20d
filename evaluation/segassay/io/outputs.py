"""Output folders are written completely or not at all: work in a temporary folder, then rename it.

    prepare_output -> temporary folder next to the final one -> write -> publish_output

An existing folder is refused unless it may be overwritten, and stays as it is until the new one is finished. One
process at a time writes to a folder; a lock next to it says so, which ends with its process. What a process left that
was killed while it replaced a folder is found again.
"""

import errno
import glob
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock, Timeout

from segassay.errors import UsageError, current_folder
from segassay.io.addresses import refuse_address
from segassay.io.durable import sync_folder

__all__ = [
    "ARGUMENTS",
    "OPTIONS",
    "STUDY_FOLDERS",
    "alone",
    "check_output",
    "prepare_output",
    "publish_output",
    "recover_output",
    "refuse_inputs",
    "refuse_result",
    "unfinished_output",
    "whole_or_nothing",
]

logger = logging.getLogger("segassay")

UNFINISHED = "resume.pt"
"""A temporary folder with this file holds work that can be resumed; no other program may remove it."""

STUDY_FOLDERS = ("members", "predictions", "checksums", "evaluation", "evaluation_test", "failed", "logs")
"""Folders that a study writes in its own."""

ARGUMENTS = ("out (--out)", "overwrite (--overwrite)")
"""Names of both for a function that is called from Python and by the command line: argument, then option."""

OPTIONS: ContextVar[tuple[str, str]] = ContextVar("options", default=("--output_dir", "--overwrite True"))
"""Names of the options for the folder and for overwriting it, for messages; by default those of a bundle."""

_HELD: dict[tuple[Path, int], FileLock] = {}
"""Folder and thread that writes to it -> its lock, from `prepare_output` to `publish_output`."""

_ALONE: set[tuple[Path, int]] = set()
"""Those of `_HELD` that a block `alone` holds, which outlives `publish_output`."""


def check_output(output_dir: str | Path, overwrite: bool = False, *, options: tuple[str, str] | None = None) -> Path:
    """Refuse an output folder that exists, unless it may be overwritten; returns it as an absolute path.

    Args:
        output_dir: Folder that is to be written.
        overwrite: Whether it may be replaced.
        options: Names of the options for the folder and for overwriting it, for messages; by default `OPTIONS`.

    Raises:
        UsageError: If `output_dir` exists and may not be overwritten, holds the current folder, or is an address.
    """
    option, replace = options or OPTIONS.get()
    refuse_address(str(output_dir), option)
    current = current_folder()
    final = Path(str(output_dir)).resolve()  # the command line turns 2024 into a number
    recover_output(final)
    if final.exists() and not final.is_dir():
        raise UsageError(f"{final} is a file; give another {option}")
    if final.exists() and not overwrite:
        raise UsageError(f"{final} exists already; give another {option}, or {replace} to replace it")
    if current.is_relative_to(final):  # replacing would remove its content
        raise UsageError(f"{final} contains the current folder and cannot be replaced; give another {option}")
    return final


def unfinished_output(output_dir: str | Path) -> Path:
    """Temporary folder that `prepare_output` makes and `publish_output` turns into the final one.

    Example:
        >>> unfinished_output("results").name
        'results.partial'
    """
    final = Path(str(output_dir)).resolve()
    return final.with_name(final.name + ".partial")


def refuse_inputs(
    output_dir: Path,
    inputs: Iterable[str | os.PathLike[str]],
    *,
    folders: Iterable[str | os.PathLike[str]] = (),
    used: str,
    option: str,
) -> None:
    """Refuse an output folder that contains inputs, as replacing it would remove them, or that lies among them.

    Args:
        output_dir: Absolute, as from `check_output`.
        inputs: Input files and folders; results may lie in such a folder, as beside `images/` in that of a dataset.
        folders: Input folders of images, masks, areas or tables alone, in which nothing else may lie.
        used: What happens to them, as in "contains files that are evaluated".
        option: Name of the option for the folder, for messages.

    Raises:
        UsageError: If one of them is `output_dir` or lies in it, or `output_dir` lies in one of `folders`.
    """
    final, own = output_dir.resolve(), _with_links(folders)
    for place in sorted(_with_links(inputs) | own):
        if place.is_relative_to(final):
            raise UsageError(f"{option} {output_dir} contains files that are {used} ({place}); give another folder")
    for place in sorted(own):
        if final.is_relative_to(place):
            raise UsageError(
                f"{option} {output_dir} lies in {place}, which holds files that are {used}; give another folder"
            )


def refuse_result(output_dir: Path, result: Path) -> None:
    """Refuse an output folder, given as an argument, that holds or lies in a result that is read, or in its study.

    Args:
        output_dir: Absolute, as from `check_output`.
        result: Folder of the result; it may be that of a study, or lie in one.

    Raises:
        UsageError: As from `refuse_inputs`.
    """
    place = result.resolve()
    studies = [one for one in (place, place.parent) if (one / "study.yaml").is_file() and (one / "members").is_dir()]
    folders = [result, *(study / name for study in studies for name in STUDY_FOLDERS)]
    refuse_inputs(output_dir, [], folders=folders, used="read", option=ARGUMENTS[0])


def _with_links(places: Iterable[str | os.PathLike[str]]) -> set[Path]:
    """Absolute paths of files and folders; of a link both its own and what it leads to."""
    found, parents = set(), dict[str, str]()
    for place in places:
        path = os.path.abspath(place)
        parent, name = os.path.split(path)
        if parent not in parents:
            parents[parent] = os.path.realpath(parent)
        found.add(Path(parents[parent], name))
        if os.path.islink(path):
            found.add(Path(os.path.realpath(path)))
    return found


def prepare_output(
    output_dir: str | Path,
    overwrite: bool = False,
    *,
    options: tuple[str, str] | None = None,
    drop_unfinished: bool = False,
) -> Path:
    """Make the temporary folder that becomes `output_dir` when the work is done; arguments as of `check_output`.

    Args:
        output_dir: Folder that is to be written.
        overwrite: Whether it may be replaced.
        options: Names of the options for the folder and for overwriting it, for messages; by default `OPTIONS`.
        drop_unfinished: Whether interrupted work in it, which could be resumed, may be removed.

    Raises:
        UsageError: If `output_dir` exists and may not be overwritten, or cannot be written.
    """
    final = check_output(output_dir, overwrite, options=options)
    option, _ = options or OPTIONS.get()
    partial = unfinished_output(final)
    key = (final, threading.get_ident())
    if key not in _HELD:
        _HELD[key] = _lock(final, option)
    try:
        check_output(final, overwrite, options=options)  # another process may just have finished it
        if (partial / UNFINISHED).exists() and not drop_unfinished:
            raise UsageError(
                f"{partial} contains an unfinished training; repeat its command to resume it, or give another {option}"
            )
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
    except OSError as error:
        _release(final)
        raise UsageError(f"{final}: cannot be written ({error.strerror}); give another {option}") from error
    except BaseException:
        _release(final)
        raise
    return partial


@contextmanager
def alone(final: Path, option: str) -> Iterator[None]:
    """Refuse to write to a folder to which another process writes, from the start of the block to its end.

    Args:
        final: The folder, as an absolute path; it need not exist.
        option: Name of the option for the folder, for messages.

    Raises:
        UsageError: If another process or thread writes to it, or it cannot be written.
    """
    key = (final, threading.get_ident())
    if key in _HELD:
        yield
        return
    _HELD[key] = _lock(final, option)
    _ALONE.add(key)
    try:
        yield
    finally:
        _ALONE.discard(key)
        _release(final)


def _release(final: Path) -> None:
    """Unlock the folder, unless a block `alone` around this does it later."""
    key = (final, threading.get_ident())
    if key not in _ALONE and (lock := _HELD.pop(key, None)) is not None:
        with suppress(OSError):  # not possible on Windows, where the file stays
            Path(lock.lock_file).unlink()
        lock.release()


def _lock(final: Path, option: str) -> FileLock:
    lock = FileLock(final.with_name(f".{final.name}.lock"))
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"{final}: another process writes to this folder; wait for it, or give another {option}"
        ) from None
    except OSError as error:
        raise UsageError(f"{final}: cannot be written ({error.strerror}); give another {option}") from error
    return lock


@contextmanager
def whole_or_nothing(work_dir: Path) -> Iterator[None]:
    """Remove the temporary folder if the work in the `with` block fails; one with `UNFINISHED` stays.

    Raises:
        UsageError: If there is no space left.
    """
    try:
        yield
    except BaseException as error:
        if not (work_dir / UNFINISHED).exists():
            shutil.rmtree(work_dir, ignore_errors=True)
        _release(_final(work_dir))
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG):
            final = str(work_dir).removesuffix(".partial")
            raise UsageError(
                f"{final} cannot be written: {error.strerror}; free some space, or give another folder"
            ) from error
        raise


def publish_output(partial: Path) -> Path:
    """Turn the temporary folder into the final one; an older one is removed once the new one has replaced it.

    Everything in it is on the disk before it gets its name. If the process is killed while it replaces an older folder,
    `recover_output` finds the new one again.
    """
    final = _final(partial)
    old = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.old")
    with whole_or_nothing(partial):
        sync_folder(partial)
    if final.exists():
        final.rename(old)
    try:
        partial.rename(final)
    except OSError:
        if old.exists():
            old.rename(final)
        raise
    shutil.rmtree(old, ignore_errors=True)
    _release(final)
    return final


def _final(partial: Path) -> Path:
    return partial.with_name(partial.name.removesuffix(".partial"))


def recover_output(final: Path) -> None:
    """Find the folder again that a process was replacing when it was killed, and say so; else do nothing.

    Between its two renames the folder has neither name: the older one is hidden, and the new one, which is complete, is
    still called unfinished. An unfinished training is left to its own command, and the older folder taken.

    Args:
        final: The folder, as an absolute path.
    """
    olds = sorted(final.parent.glob(f".{glob.escape(final.name)}.????????.old"), key=os.path.getmtime)
    if not olds:
        return
    try:
        with alone(final, OPTIONS.get()[0]):
            partial = unfinished_output(final)
            if not final.exists():
                is_complete = partial.is_dir() and not (partial / UNFINISHED).exists()
                (partial if is_complete else olds.pop()).rename(final)
                which = "is complete now" if is_complete else "is the older one again"
                logger.warning(f"{final}: a process was killed while it replaced this folder, which {which}")
            for old in olds:
                shutil.rmtree(old, ignore_errors=True)
    except (UsageError, OSError):
        return  # another process is replacing it, or nothing can be written here, which a later step says

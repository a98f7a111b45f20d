"""Output folders are written completely or not at all: work in a temporary folder, then rename it.

    prepare_output -> temporary folder next to the final one -> write -> publish_output

An existing folder is refused unless it may be overwritten, and stays as it is until the new one is finished.
"""

import errno
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from segassay.errors import UsageError

__all__ = [
    "ARGUMENTS",
    "OPTIONS",
    "check_output",
    "prepare_output",
    "publish_output",
    "refuse_inputs",
    "unfinished_output",
    "whole_or_nothing",
]

UNFINISHED = "resume.pt"
"""A temporary folder with this file holds work that can be resumed; no other program may remove it."""

ARGUMENTS = ("out (--out)", "overwrite (--overwrite)")
"""Names of both for a function that is called from Python and by the command line: argument, then option."""

OPTIONS: ContextVar[tuple[str, str]] = ContextVar("options", default=("--output_dir", "--overwrite True"))
"""Names of the options for the folder and for overwriting it, for messages; by default those of a bundle."""


def check_output(output_dir: str | Path, overwrite: bool = False, *, options: tuple[str, str] | None = None) -> Path:
    """Refuse an output folder that exists, unless it may be overwritten; returns it as an absolute path.

    Args:
        output_dir: Folder that is to be written.
        overwrite: Whether it may be replaced.
        options: Names of the options for the folder and for overwriting it, for messages; by default `OPTIONS`.

    Raises:
        UsageError: If `output_dir` exists and may not be overwritten, or holds the current folder.
    """
    option, replace = options or OPTIONS.get()
    final = Path(str(output_dir)).resolve()  # the command line turns 2024 into a number
    if final.exists() and not final.is_dir():
        raise UsageError(f"{final} is a file; give another {option}")
    if final.exists() and not overwrite:
        raise UsageError(f"{final} exists already; give another {option}, or {replace} to replace it")
    if Path.cwd().is_relative_to(final):  # replacing would remove its content
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


def refuse_inputs(output_dir: Path, inputs: Iterable[str | Path], *, used: str, option: str) -> None:
    """Refuse an output folder that contains input files: replacing it would remove them.

    Args:
        output_dir: From `check_output`.
        inputs: Input files and folders.
        used: What happens to them, as in "contains files that are evaluated".
        option: Name of the option for the folder, for messages.

    Raises:
        UsageError: If one of them is `output_dir` or lies in it.
    """
    for place in sorted({Path(place).resolve() for place in inputs}):
        if place.is_relative_to(output_dir):
            raise UsageError(f"{option} {output_dir} contains files that are {used} ({place}); give another folder")


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
    if (partial / UNFINISHED).exists() and not drop_unfinished:
        raise UsageError(
            f"{partial} contains an unfinished training; repeat its command to resume it, or give another {option}"
        )
    try:
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{final}: cannot be written ({error.strerror}); give another {option}") from error
    return partial


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
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG):
            final = str(work_dir).removesuffix(".partial")
            raise UsageError(
                f"{final} cannot be written: {error.strerror}; free some space, or give another folder"
            ) from error
        raise


def publish_output(partial: Path) -> Path:
    """Turn the temporary folder into the final one; an older one is removed once the new one has replaced it."""
    final = partial.with_name(partial.name.removesuffix(".partial"))
    old = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.old")
    if final.exists():
        final.rename(old)
    try:
        partial.rename(final)
    except OSError:
        if old.exists():
            old.rename(final)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return final

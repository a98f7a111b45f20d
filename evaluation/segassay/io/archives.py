"""Open zip archives from anyone: names, links, sizes and checksums are looked at before anything is read or written.

    archive.zip -> list of its files, all checked -> ZipFile, or a folder

An archive with one bad entry is refused as a whole: whoever packed it was careless, or wants harm.
"""

import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unicodedata import normalize

from segassay.errors import DataError

__all__ = ["MAX_FILES", "MAX_RATIO", "MAX_TOTAL_BYTES", "open_archive", "unpack_archive"]

MAX_FILES = 100_000
"""Files of an archive; the ROIs of the largest image known are 30,000."""

MAX_TOTAL_BYTES = 1 << 36
"""Bytes of all files of an archive once unpacked: 64 GiB."""

MAX_RATIO = 500
"""How many times larger an archive may become: weights become 1.1 times as large, masks 20 to 300, a bomb 1000."""

_SMALL = 1 << 26  # bytes; an archive that stays below is harmless, whatever its ratio
_ENCRYPTED = 0x1
_BAD = frozenset('<>:"|?*') | {chr(number) for number in range(32)}


@contextmanager
def open_archive(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive for reading once all its entries are checked; nothing is unpacked.

    Args:
        path: The archive.

    Yields:
        The archive. A file that differs from its checksum raises `DataError` where it is read to its end.

    Raises:
        DataError: If it is missing or no zip archive; if an entry leaves the folder (`..`, absolute names, drives), is
            a link or a device, is encrypted, or has the name of another one (upper and lower case, or two spellings
            of one letter, do not make two names); or if it would be a bomb: more than `MAX_FILES`,
            `MAX_TOTAL_BYTES`, or `MAX_RATIO` times its own size.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with zipfile.ZipFile(f"{folder}/a.zip", "w") as archive:
        ...         archive.writestr("../evil", "x")
        ...     with open_archive(f"{folder}/a.zip"):
        ...         pass
        Traceback (most recent call last):
        segassay.errors.DataError: /...a.zip is refused: '../evil' leaves the folder of the archive; ask who made it ...
    """
    path = Path(path)
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise DataError.of(path, f"cannot be read ({error.strerror})", "give a .zip archive", kind="missing") from error
    except Exception as error:  # a damaged list of entries raises many kinds of errors
        what = f"is no zip archive, or a damaged one ({error})"
        raise DataError.of(path, what, "copy or download it again", kind="damaged") from error
    with archive:
        if problem := _problem(archive.infolist(), path.stat().st_size):
            action = "ask who made it for a plain archive, or unpack it yourself and give the folder"
            raise DataError.of(path, f"is refused: {problem}", action, kind="archive")
        try:
            yield archive
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise DataError.of(path, f"is damaged ({error})", "copy or download it again", kind="damaged") from error


def unpack_archive(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> Path:
    """Unpack a zip archive into a new folder; entries keep no permissions.

    Args:
        path: The archive.
        folder: Folder to write, whole or not at all; it does not exist yet.

    Returns:
        The folder.

    Raises:
        DataError: As of `open_archive`, or if a file differs from its checksum.
        FileExistsError: If the folder exists.
    """
    final = Path(folder)
    final.mkdir(parents=True)
    try:
        with open_archive(path) as archive:
            for info in archive.infolist():
                place = final.joinpath(*_parts(info.filename))
                if info.is_dir():
                    place.mkdir(parents=True, exist_ok=True)
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, place.open("xb") as target:
                    shutil.copyfileobj(source, target)
    except BaseException:
        shutil.rmtree(final, ignore_errors=True)
        raise
    return final


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def _problem(entries: list[zipfile.ZipInfo], size: int) -> str:
    """What is wrong with an archive, in words; empty if nothing is."""
    if len(entries) > MAX_FILES:
        return f"it holds {len(entries)} files, and the limit is {MAX_FILES}"
    total = sum(info.file_size for info in entries)
    if total > MAX_TOTAL_BYTES:
        return f"it would become {total / 2**30:.0f} GiB, and the limit is {MAX_TOTAL_BYTES / 2**30:.0f} GiB"
    if total > max(_SMALL, MAX_RATIO * size):
        return f"it would become {total / size:.0f} times as large, and the limit is {MAX_RATIO} times"
    known: dict[tuple[str, ...], tuple[str, bool]] = {}
    for info in entries:
        if problem := _problem_of_entry(info):
            return f"{info.filename!r} {problem}"
        key = tuple(normalize("NFC", part).casefold() for part in _parts(info.filename))
        if key in known and not (info.is_dir() and known[key][1]):
            return f"{info.filename!r} and {known[key][0]!r} are one name on many computers"
        known[key] = info.filename, info.is_dir()
    files = {key for key, (_, is_folder) in known.items() if not is_folder}
    for key in known:
        if above := next((key[:n] for n in range(1, len(key)) if key[:n] in files), None):
            return f"{known[above][0]!r} is a file and a folder"
    return ""


def _problem_of_entry(info: zipfile.ZipInfo) -> str:
    name, mode = info.filename, info.external_attr >> 16
    parts = _parts(name)
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        return "is an absolute name"
    if ".." in parts or not parts:
        return "leaves the folder of the archive"
    if any(_BAD & set(part) or part != part.rstrip(". ") for part in parts):
        return "holds characters that no file name should have"
    if stat.S_ISLNK(mode):
        return "is a link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is no file"
    return "is encrypted" if info.flag_bits & _ENCRYPTED else ""

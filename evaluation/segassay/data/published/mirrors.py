"""Sources of published files: a folder, a .zip archive or a URL; each gives the bytes of a file by its name.

    folder | archive.zip | http(s)://… | file:///… -> Source: name of a file -> its bytes, or a Failure

Only names that the caller knows are requested, and never more bytes than a published file can have. Archives are not
unpacked to disk, and a server cannot fill the memory.
"""

import io
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit
from urllib.request import url2pathname

import pooch

from segassay.data.published.segebarth2020 import LABS
from segassay.errors import DataError, UsageError

__all__ = ["Failure", "Source", "open_source"]

_LARGEST = 16 << 20  # bytes; the largest image known has 0.8 MB, one in colour without compression would have 4 MB
_TOO_LARGE = f"more than {_LARGEST >> 20} MiB, which no published file has"
_TIMEOUT_S = (5, 20)  # seconds to connect to one address, and between two parts of an answer
_LAB_NAMES = [lab.name for lab in LABS]


class Failure(Exception):
    """Why one file could not be fetched.

    Attributes:
        kind: `missing` and `damaged` concern this file, `unreachable` the whole source.
        again: Whether another attempt may help.
    """

    def __init__(self, kind: Literal["missing", "damaged", "unreachable"], what: str, *, again: bool = False) -> None:
        super().__init__(what)
        self.kind = kind
        self.again = again


@dataclass(frozen=True)
class Source:
    """A source of files.

    Attributes:
        name: As the user gave it.
        address: Function that gives the full address of a file, for messages.
        read: Bytes of a file such as `lab-wue1/images/0001.png`; raises `Failure`.
        place: Folder or archive on this computer; None for a server.
    """

    name: str
    address: Callable[[str], str]
    read: Callable[[str], bytes]
    place: Path | None = None


@contextmanager
def open_source(mirror: str) -> Iterator[Source]:
    """Open a folder, archive or URL as a source; an archive stays open inside the `with` block.

    Args:
        mirror: Folder with `lab-wue1/…`, or with the labs in `segebarth2020/` or `train_data/`; .zip archive that holds
            them at any depth; URL (http, https, file).

    Raises:
        UsageError: If it is none of these, or holds no lab.
        DataError: If an archive cannot be read.
    """
    url = _split(mirror)
    if url.scheme in ("http", "https"):
        yield _of_url(mirror)
        return
    path = Path(url2pathname(url.path) if url.scheme else mirror)
    if path.is_dir():
        yield _of_folder(path)
    elif path.is_file():
        with _open_zip(path) as source:
            yield source
    else:
        raise UsageError(
            f"mirror (--mirror) {mirror}: no such folder or file; expected a folder, a .zip archive or a URL"
        )


def _split(mirror: str) -> SplitResult:
    """Parts of a URL; without any if it is a path, such as `C:\\data`."""
    try:
        url = urlsplit(mirror if "://" in mirror else "")
    except ValueError:
        url = SplitResult("broken", "", "", "", "")
    elsewhere = url.scheme == "file" and url.netloc not in ("", "localhost")
    if elsewhere or url.scheme not in ("", "http", "https", "file"):
        raise UsageError(
            f"mirror (--mirror) {mirror}: expected a folder, a .zip archive, or a URL: http://, https:// or file:///"
        )
    return url


def _of_folder(path: Path) -> Source:
    for root in (path, path / "segebarth2020", path / "train_data"):
        if any((root / name).is_dir() for name in _LAB_NAMES):
            break
    else:
        raise UsageError(
            f"mirror (--mirror) {path}: no lab found; expected a folder that holds {', '.join(_LAB_NAMES)}, itself "
            "or in segebarth2020/ or train_data/"
        )

    def read(name: str) -> bytes:
        file = root / name
        if not file.is_file():
            raise Failure("missing", "no such file" if not file.exists() else "is no file")
        try:
            with file.open("rb") as opened:
                return _read_bounded(opened.read)
        except OSError as error:
            raise Failure("damaged", f"cannot be read ({error.strerror})") from error

    return Source(str(path), lambda name: str(root / name), read, root.resolve())


def _read_bounded(read: Callable[[int], bytes]) -> bytes:
    content = read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise Failure("damaged", _TOO_LARGE)
    return content


@contextmanager
def _open_zip(path: Path) -> Iterator[Source]:
    """Members are found by the end of their path; they are read into memory, so their paths cannot write files."""
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a damaged directory of members raises many kinds of errors
        what = f"cannot be read as a .zip archive ({error})"
        raise DataError(
            f"mirror (--mirror) {path} {what}; fetch it again", str(path), what, "fetch it again"
        ) from error
    with archive:
        members = _members(archive)
        if not members:
            inner = [info.filename for info in archive.infolist() if info.filename.endswith("train_data.zip")]
            advice = f"unpack {inner[0]} and give that" if inner else "expected train_data.zip of the publication"
            raise UsageError(f"mirror (--mirror) {path}: no lab in the archive; {advice}")

        def read(name: str) -> bytes:
            if name not in members:
                raise Failure("missing", "not in the archive")
            try:
                with archive.open(members[name]) as opened:
                    return _read_bounded(opened.read)
            except Failure:
                raise
            except Exception as error:  # each compression raises its own error
                raise Failure("damaged", f"cannot be unpacked ({error})") from error

        yield Source(str(path), lambda name: f"{path}, {name}", read, path.resolve())


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Files by their path from the lab's folder on; of two with the same end, the one at the lower depth."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in sorted(archive.infolist(), key=lambda info: (info.filename.count("/"), info.filename)):
        parts = info.filename.replace("\\", "/").split("/")
        starts = [index for index, part in enumerate(parts) if part in _LAB_NAMES]
        if starts and not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16):
            members.setdefault("/".join(parts[starts[-1] :]), info)
    return members


def _of_url(base: str) -> Source:
    if urlsplit(base).path.endswith(".zip"):
        raise UsageError(
            f"mirror (--mirror) {base}: an archive must be on this computer; download it and give the .zip file"
        )

    def address(name: str) -> str:
        return f"{base.rstrip('/')}/{quote(name)}"

    def read(name: str) -> bytes:
        buffer = _Buffer()
        try:
            pooch.HTTPDownloader(timeout=_TIMEOUT_S)(address(name), buffer, None)
        except OSError as error:  # the base class of all errors of `requests`
            raise _http_failure(error) from error
        return buffer.getvalue()

    return Source(base, address, read)


class _Buffer(io.BytesIO):
    """Buffer for one answer, with an upper limit of bytes."""

    def write(self, content: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(content) > _LARGEST:
            raise Failure("damaged", _TOO_LARGE)
        return super().write(content)


def _http_failure(error: OSError) -> Failure:
    answer = getattr(error, "response", None)
    if answer is None:
        return Failure("unreachable", f"cannot be reached ({_cause(error)})", again=True)
    what = f"the server answered {answer.status_code} {answer.reason}"
    if answer.status_code in (404, 410):
        return Failure("missing", what)
    return Failure("unreachable", what, again=answer.status_code >= 500 or answer.status_code in (408, 429))


def _cause(error: BaseException) -> str:
    """Message of the innermost nested error, without the address of the connection."""
    inner = getattr(error, "reason", error.args[0] if error.args else "")
    if isinstance(inner, BaseException):
        return _cause(inner)
    return re.sub(r"^.*?(object at 0x\w+>|port=\d+\)): ", "", str(inner)) or type(error).__name__

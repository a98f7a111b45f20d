"""Addresses in an object store, such as `s3://bucket/lab`, beside paths of this machine.

text or path  ->  is it an address?  which name, and which folder above it?
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from segassay.errors import UsageError

__all__ = ["is_address", "last_name", "refuse_address", "without_password"]


def is_address(place: object) -> bool:
    """Whether a place is an address in an object store, and no path.

    Example:
        >>> is_address("s3://bucket/lab"), is_address("labs/s3"), is_address(Path("labs"))
        (True, False, False)
    """
    return isinstance(place, str) and _is_kind(place.partition("://"))


def _is_kind(parts: tuple[str, str, str]) -> bool:
    """Whether a text, divided at `:/` or `://`, begins with a kind of store; one letter is a drive of Windows."""
    kind, found, _ = parts
    return bool(found) and len(kind) > 1 and kind.isascii() and kind.replace("+", "").replace("-", "").isalnum()


def last_name(address: str) -> str:
    """Name of the file or folder at an address.

    Example:
        >>> last_name("s3://bucket/mice/lab-7/"), last_name("s3://bucket")
        ('lab-7', 'bucket')
    """
    return address.rstrip("/").rpartition("/")[2]


def refuse_address(place: str | os.PathLike[str], option: str) -> None:
    """Refuse an address where only a path will do, also one that a path has shortened to `s3:/bucket`.

    Args:
        place: What the user gave.
        option: Its name, for the message.

    Raises:
        UsageError: If it is an address.

    Example:
        >>> refuse_address(Path("s3://bucket/sim"), "--out")
        Traceback (most recent call last):
        segassay.errors.UsageError: --out s3://bucket/sim: this command takes a folder of this machine; check, \
evaluate, predict and STUDY.yaml take addresses, with two slashes
    """
    text = os.fspath(place)
    if is_address(text) or (_is_kind(text.partition(":/")) and not Path(text.partition("/")[0]).exists()):
        address = text if is_address(text) else text.replace(":/", "://", 1)
        raise UsageError(
            f"{option} {without_password(address)}: this command takes a folder of this machine; check, evaluate, "
            "predict and STUDY.yaml take addresses, with two slashes"
        )


def without_password(address: str) -> str:
    """An address as it may be shown.

    Example:
        >>> without_password("ftp://anna:secret@host/lab")
        'ftp://…@host/lab'
    """
    parts = urlsplit(address)
    if ":" not in parts.netloc.rpartition("@")[0]:  # a name alone is a container of Azure
        return address
    return parts._replace(netloc=f"…@{parts.netloc.rpartition('@')[2]}").geturl()

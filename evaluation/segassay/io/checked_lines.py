"""Lines of JSON that each carry a checksum, so that a file whose writer was killed can be read up to that line.

content  ->  "crc32 json\\n"  ->  content, or nothing where the line is not as it was written
"""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["checked_line", "checked_lines"]


def checked_line(content: Any) -> str:
    """One line.

    Args:
        content: What JSON can hold, and numbers of numpy, which are written as those of Python with the same value.

    Example:
        >>> checked_line(["0144", 2])
        '8d2cb883 ["0144",2]\\n'
    """
    text = json.dumps(content, default=_plain, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x} {text}\n"


def checked_lines(path: Path) -> Iterator[Any]:
    """Contents of all lines that are whole, in their order; nothing if the file cannot be read."""
    try:
        with path.open("rb") as file:
            for line in file:
                checksum, _, text = line.rstrip(b"\n").partition(b" ")
                if line.endswith(b"\n") and checksum == f"{zlib.crc32(text):08x}".encode():
                    yield json.loads(text)
    except OSError:
        return


def _plain(number: Any) -> Any:
    return number.item()

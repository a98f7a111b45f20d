"""What is in a folder, to be compared with another one byte by byte."""

from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    """Path of each file within the folder -> its bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

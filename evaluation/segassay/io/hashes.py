"""Hashes of files, read a piece at a time, so that a large file never lies in memory."""

import hashlib
from pathlib import Path

__all__ = ["add_file", "sha256_of"]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes in hexadecimal.

    Raises:
        OSError: If it cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "empty"
        ...     path.touch()
        ...     sha256_of(path)[:8]
        'e3b0c442'
    """
    digest = hashlib.sha256()
    add_file(digest, path)
    return digest.hexdigest()


def add_file(digest: "hashlib._Hash", path: Path) -> None:
    """Add a file's bytes to what is hashed."""
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)

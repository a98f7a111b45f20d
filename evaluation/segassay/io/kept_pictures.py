"""Binary masks and images that were read, kept for the later steps of one task, which need not decode them again.

file  ->  mask (a bit per pixel) or image (whole numbers, as they are), decoded once inside `pictures_kept`
"""

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

import numpy as np

from segassay.io.picture import Picture

__all__ = ["FileVersion", "file_version", "keep_image", "keep_mask", "kept_image", "kept_mask", "pictures_kept"]

MOST_BYTES = 2**26
"""Size of all kept masks together, at most: 500 masks of 1024 × 1024 pixels. Of further ones none is kept."""

MOST_OF_IMAGES = 2**26
"""Size of all kept images together, at most: 64 grey ones of 1024 × 1024 pixels."""

FileVersion = tuple[str, int, int, int, int]
"""Path, and what changes with the content: inode, size, times of the content and of the file."""


@dataclass
class _Kept:
    """What is kept: masks as bits and shapes, and images; and the bytes of both."""

    masks: dict[FileVersion, tuple[np.ndarray, tuple[int, ...]]] = field(default_factory=dict)
    images: dict[FileVersion, Picture] = field(default_factory=dict)
    of_masks: int = 0
    of_images: int = 0


_KEPT: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextmanager
def pictures_kept() -> Iterator[None]:
    """Keep binary masks and images that this process reads inside the block; a file that changes is read again."""
    token = _KEPT.set(_Kept())
    try:
        yield
    finally:
        _KEPT.reset(token)


def kept_mask(path: object) -> Picture | None:
    """The mask of a file that was read before, as a picture of one boolean channel; None if it is not kept."""
    kept = _KEPT.get()
    if not kept or not kept.masks or (key := file_version(path)) is None or key not in kept.masks:
        return None
    bits, shape = kept.masks[key]
    return Picture(np.unpackbits(bits, count=math.prod(shape)).view(bool).reshape(1, *shape), None, None)


def keep_mask(path: object, picture: Picture, mask: np.ndarray) -> None:
    """Keep a mask if it is binary, there is room for it, and it does not depend on the image, as that of ROIs may.

    Args:
        path: Its file; of anything else nothing is kept.
        picture: Content of the file.
        mask: `(*spatial)`, what the content says.
    """
    kept = _KEPT.get()
    if not kept or mask.dtype != bool or picture.overlay or (key := file_version(path)) is None or key in kept.masks:
        return
    if kept.of_masks + mask.size // 8 < MOST_BYTES:
        kept.masks[key] = np.packbits(mask), mask.shape
        kept.of_masks += kept.masks[key][0].nbytes


def kept_image(path: object) -> Picture | None:
    """The image of a file that was read before; None if it is not kept."""
    kept = _KEPT.get()
    if not kept or not kept.images or (key := file_version(path)) is None or key not in kept.images:
        return None
    return replace(kept.images[key], array=kept.images[key].array.copy())


def keep_image(path: object, picture: Picture) -> None:
    """Keep an image of whole numbers if there is room for it; maps of real numbers are needed for one step only."""
    kept = _KEPT.get()
    if not kept or picture.array.dtype.kind not in "ui" or (key := file_version(path)) is None or key in kept.images:
        return
    if kept.of_images + picture.array.nbytes <= MOST_OF_IMAGES:
        kept.images[key] = replace(picture, array=picture.array.copy())
        kept.of_images += picture.array.nbytes


def file_version(path: object) -> FileVersion | None:
    """Path of a file and what changes with its content; None of what is no file, or of one that cannot be asked for.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     before = file_version(file.name)
        ...     _ = file.write(b"1"), file.flush()
        ...     before == file_version(file.name), file_version("no such file")
        (False, None)
    """
    if not isinstance(path, (str, os.PathLike)):
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return os.fspath(path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

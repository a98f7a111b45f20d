"""Turn pixels upright, as the orientation that a camera or an editor wrote into a TIFF or PNG asks viewers to do.

array (C, [planes,] rows, columns), orientation 1 to 8 (TIFF 6.0, tag 274)  ->  array as a viewer shows it

An exported bundle can carry this module unchanged: it imports numpy alone.
"""

import struct
from collections.abc import Iterator

import numpy as np

__all__ = ["exif_orientation", "png_chunks", "png_orientation", "turned", "turned_shape"]

_ORIENTATION = 274
_SHORT = 3


def turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """Array with its first row at the top and its first column at the left.

    Args:
        array: Rows and columns are the last two axes.
        orientation: What the first row and column as stored are: 1, top and left, needs no change.

    Example:
        >>> turned(np.array([[1, 2], [3, 4]]), 3).tolist(), turned(np.array([[1, 2], [3, 4]]), 6).tolist()
        ([[4, 3], [2, 1]], [[3, 1], [4, 2]])
    """
    if orientation > 4:  # stored columns are rows of the picture
        array = array.swapaxes(-1, -2)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return array[..., rows, columns]


def turned_shape(shape: tuple[int, ...], orientation: int) -> tuple[int, ...]:
    """Shape of `turned` arrays.

    Example:
        >>> turned_shape((20, 90), 3), turned_shape((20, 90), 6)
        ((20, 90), (90, 20))
    """
    return (*shape[:-2], shape[-1], shape[-2]) if orientation > 4 else shape


def exif_orientation(exif: bytes) -> int:
    """Orientation in an EXIF block, as in the chunk `eXIf` of a PNG; 1 if there is none or the block is broken."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (n_tags,) = struct.unpack_from(f"{order}H", exif, start)
        for place in range(start + 2, start + 2 + 12 * n_tags, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, place)
            if tag == _ORIENTATION and kind == _SHORT and 1 <= value <= 8:
                return int(value)
    except struct.error:
        return 1
    return 1


def png_orientation(data: bytes) -> int:
    """Orientation that a PNG has in its chunk `eXIf`; 1 without one."""
    return next((exif_orientation(content) for name, content in png_chunks(data) if name == b"eXIf"), 1)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk of a PNG, up to where the file is broken."""
    place = 8  # behind the signature
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        place += 12 + size

"""Read PNG: grey, colours, or for masks the numbers behind a palette.

file -> header (shape, checked against the size of the file) -> Picture(array (C, rows, columns))
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np

from segassay.io.formats import check_room, check_size
from segassay.io.mask_colours import drawn_on_transparent
from segassay.io.orientation import png_chunks, png_orientation, turned, turned_shape
from segassay.io.picture import Picture

__all__ = ["png_shape", "read_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3


@dataclass(frozen=True)
class _Header:
    rows: int
    columns: int
    bits: int
    colours: int
    n_samples: int
    n_bytes: int


def png_shape(path: Path) -> tuple[int, ...]:
    """Rows and columns of a PNG; no pixel is decoded."""
    header = _header(path)
    return turned_shape((header.rows, header.columns), png_orientation(path.read_bytes()))


def read_png(path: Path, *, as_mask: bool = False) -> Picture:
    """Grey or colours, 8 or 16 bits; no spacing, for a PNG stores that of a screen.

    Args:
        path: The file.
        as_mask: Keep the numbers behind a palette, which become colours otherwise; what is transparent is black.
    """
    header = _header(path)
    check_room(path, (header.rows, header.columns), header.n_samples, header.n_bytes)
    data = path.read_bytes()
    orientation = png_orientation(data)
    palette = None
    if as_mask and header.colours == _PALETTE:
        data, palette = _as_grey(data)
    array = imagecodecs.png_decode(data)  # unlike Pillow it keeps 16-bit colours
    if palette is not None and header.bits < 8:
        array = array // (255 // (2**header.bits - 1))  # the decoder stretches grey to 8 bits
    if array.ndim == 2:
        array = array[..., np.newaxis]
    n_colours = {2: 1, 4: 3}.get(array.shape[2], array.shape[2])  # the rest is alpha
    alpha = array[:, :, n_colours:]
    array = np.moveaxis(array[:, :, :n_colours], 2, 0)
    if as_mask and alpha.size:
        array = drawn_on_transparent(array, alpha[:, :, 0])
    array = np.ascontiguousarray(turned(array, orientation))
    return Picture(array, palette=palette, turned=orientation > 1, colours=n_colours == 3)


def _header(path: Path) -> _Header:
    with path.open("rb") as file:
        start = file.read(26)
    if len(start) < 26 or start[:8] != _SIGNATURE or start[12:16] != b"IHDR":
        raise ValueError("no PNG header")
    columns, rows, bits, colours = struct.unpack(">IIBB", start[16:])
    n_samples = {2: 3, 3: 3, 4: 2, 6: 4}.get(colours, 1)  # a palette becomes colours
    n_samples *= rows * columns
    n_bytes = n_samples * (2 if bits == 16 else 1)
    check_size(path, (rows, columns), n_bytes)
    return _Header(rows, columns, bits, colours, n_samples, n_bytes)


def _as_grey(data: bytes) -> tuple[bytes, np.ndarray]:
    """The same file with its numbers as grey values; and the colours `(n, 3)` of the numbers."""
    chunks = list(png_chunks(data))
    end = next((place for place, (name, _) in enumerate(chunks, start=1) if name == b"IEND"), len(chunks))
    chunks = chunks[:end]  # some programs write further bytes behind
    if not data.startswith(_SIGNATURE + b"".join(_chunk(name, content) for name, content in chunks)):
        raise ValueError("a chunk does not match its checksum, or is cut off")
    palette = next((content for name, content in chunks if name == b"PLTE"), b"")
    kept = [(name, content) for name, content in chunks if name not in (b"PLTE", b"tRNS", b"bKGD", b"hIST", b"sBIT")]
    grey = [(name, _with_colours(content, _GREY) if name == b"IHDR" else content) for name, content in kept]
    colours = np.frombuffer(palette[: len(palette) // 3 * 3], np.uint8).reshape(-1, 3)
    return _SIGNATURE + b"".join(_chunk(name, content) for name, content in grey), colours


def _with_colours(header: bytes, colours: int) -> bytes:
    return header[:9] + bytes([colours]) + header[10:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

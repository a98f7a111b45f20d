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
_GREY, _RGB, _PALETTE = 0, 2, 3
_OF_COLOURS = (b"PLTE", b"tRNS", b"bKGD", b"hIST", b"sBIT")  # chunks that a grey image cannot have, or has otherwise


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
    if as_mask and (one := _one_of_equal_channels(data, header)) is not None:
        grey = turned(imagecodecs.png_decode(one), orientation)
        return Picture(np.broadcast_to(grey, (3, *grey.shape)), turned=orientation > 1, colours=True)
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
    chunks = _whole_chunks(data)
    palette = next((content for name, content in chunks if name == b"PLTE"), b"")
    colours = np.frombuffer(palette[: len(palette) // 3 * 3], np.uint8).reshape(-1, 3)
    return _grey(chunks), colours


def _one_of_equal_channels(data: bytes, header: _Header) -> bytes | None:
    """A mask whose red, green and blue are equal, as many programs save it, as a grey file; None of any other.

    The filters of a PNG treat each channel alike, so that equal channels are equal before they are undone. To unpack
    and to undo them takes the decoder most of its time; here a faster library unpacks, and one channel is undone.
    """
    if header.colours != _RGB or header.bits != 8 or not imagecodecs.DEFLATE.available:
        return None
    length = 1 + 3 * header.columns  # of a line, with its filter
    try:
        chunks = _whole_chunks(data)
        packed = b"".join(content for name, content in chunks if name == b"IDAT")
        lines = np.frombuffer(imagecodecs.deflate_decode(packed, out=header.rows * length), np.uint8)
    except (ValueError, imagecodecs.DeflateError):
        return None  # the decoder says what is wrong
    interlaced = chunks[0][1][12] != 0
    if interlaced or lines.size != header.rows * length or any(name == b"tRNS" for name, _ in chunks):
        return None
    grey = _one_channel(lines, header)
    if grey is None:
        return None
    rest = [(name, content) for name, content in chunks if name not in (b"IDAT", b"IEND")]
    return _grey([*rest, (b"IDAT", zlib.compress(grey.tobytes(), 0)), (b"IEND", b"")])


def _one_channel(lines: np.ndarray, header: _Header) -> np.ndarray | None:
    """One of three equal channels of lines `(rows * (1 + 3 * columns),)`, `(rows, 1 + columns)`; None if they differ.

    Most bytes of a mask are 0 as its filters leave them, so only the others are looked at.
    """
    length = 1 + 3 * header.columns
    places = _not_zero(lines)
    row, place = np.divmod(places, length)
    places, row, place = (of[place > 0] for of in (places, row, place - 1))  # without the filter before each line
    red, rest = places[::3], places[: len(places) // 3 * 3].reshape(-1, 3)
    values = lines[places]
    of_pixels = values[: rest.size].reshape(-1, 3)
    if rest.size < len(places) or (rest != red[:, None] + np.arange(3)).any() or (place[::3] % 3).any():
        return None
    if (of_pixels != of_pixels[:, :1]).any():
        return None
    grey = np.zeros((header.rows, 1 + header.columns), np.uint8)
    grey[:, 0] = lines[::length]
    grey[row[::3], 1 + place[::3] // 3] = values[::3]
    return grey


def _not_zero(values: np.ndarray) -> np.ndarray:
    """Places of bytes `(n,)` that are not 0, eight looked at together; many times as fast where they are few."""
    whole = values.size // 8 * 8
    words = np.flatnonzero(values[:whole].view(np.uint64) != 0)
    inside, byte = np.nonzero(values[:whole].reshape(-1, 8)[words])
    return np.append(words[inside] * 8 + byte, whole + np.flatnonzero(values[whole:]))


def _whole_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Chunks up to the last; some programs write further bytes behind."""
    chunks = list(png_chunks(data))
    end = next((place for place, (name, _) in enumerate(chunks, start=1) if name == b"IEND"), len(chunks))
    if not data.startswith(_SIGNATURE + b"".join(_chunk(name, content) for name, content in chunks[:end])):
        raise ValueError("a chunk does not match its checksum, or is cut off")
    return chunks[:end]


def _grey(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A file whose numbers are grey values."""
    kept = [(name, content) for name, content in chunks if name not in _OF_COLOURS]
    grey = [(name, _with_colours(content, _GREY) if name == b"IHDR" else content) for name, content in kept]
    return _SIGNATURE + b"".join(_chunk(name, content) for name, content in grey)


def _with_colours(header: bytes, colours: int) -> bytes:
    return header[:9] + bytes([colours]) + header[10:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

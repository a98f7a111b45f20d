"""Small pictures for a page: an image as WebP, whole numbers as a PNG with a palette, all as `data:` addresses.

image (C, rows, columns), numbers (rows, columns)  ->  at most 512 pixels along the longer side  ->  data:image/…
"""

import base64
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import imagecodecs
import matplotlib
import numpy as np
from scipy import ndimage

from segassay.errors import DataError
from segassay.figures.overlays import coloured
from segassay.io.images import image_suffix, read_image
from segassay.io.windows import TiffWindows

__all__ = [
    "SIDE",
    "UNCERTAINTY_COLOURS",
    "VOTES_COLOURS",
    "image_url",
    "numbers_url",
    "palette",
    "reduced",
    "small_cut",
    "small_image",
]

SIDE = 512
"""Pixels along the longer side of a picture, at most."""

VOTES_COLOURS, UNCERTAINTY_COLOURS = "cividis", "magma"
"""Colour maps of matplotlib; both rise evenly in brightness, and colour-blind readers see their order."""

_LARGE = 2**26  # pixels from which a TIFF is read strip by strip
_TRIES = ((0, 60), (0, 35), (0.6, 20), (0.8, 8))  # blur in pixels, quality: the first that is small enough
_IMAGE_BYTES = 30_000
_FAR_TOO_LARGE = 50_000  # at the best quality: a lower one without blur has two thirds of it or more

Colour = tuple[int, int, int]


def reduced(array: np.ndarray, side: int, how: Literal["mean", "max"] = "mean") -> np.ndarray:
    """An array of at most `side` pixels along the longer side, each the mean, or the largest, of a block.

    Args:
        array: `(rows, columns)`; it stays as it is if it is small enough.
        side: Pixels along the longer side.
        how: `mean` gives real numbers, `max` keeps the type; a single marked pixel is never lost.

    Example:
        >>> reduced(np.array([[0, 0, 1, 0], [0, 0, 0, 3]]), 2, "max").tolist()
        [[0, 3]]
    """
    if max(array.shape) <= side:
        return array.astype(np.float32) if how == "mean" else array
    edges = [_edges(length, side, max(array.shape)) for length in array.shape]
    sizes = [np.diff(edge, append=length) for edge, length in zip(edges, array.shape, strict=True)]
    join, of = (np.maximum, array.dtype) if how == "max" else (np.add, np.dtype(np.float32))
    for axis, of_axis in enumerate(edges):
        array = _blocks(join, array, of_axis, axis, of)
    if how == "max":
        return array
    return array / np.outer(*sizes).astype(np.float32)


def _blocks(join: np.ufunc, array: np.ndarray, edges: np.ndarray, axis: int, of: np.dtype) -> np.ndarray:
    """Join the rows, or columns, of each block; as `join.reduceat`, but many times as fast where blocks are small."""
    lengths = np.diff(edges, append=array.shape[axis])
    if (lengths == lengths[0]).all():
        first, *others = (
            array[(slice(None),) * axis + (slice(place, None, lengths[0]),)] for place in range(lengths[0])
        )
        joined = first.astype(of)
        for other in others:
            join(joined, other.astype(of), out=joined)
        return joined
    joined = array.take(edges, axis).astype(of)
    for place in range(1, int(lengths.max())):
        longer = np.flatnonzero(lengths > place)
        rows = (slice(None),) * axis + (longer,)
        joined[rows] = join(joined[rows], array.take(edges[longer] + place, axis).astype(of))
    return joined


def _edges(length: int, side: int, longest: int) -> np.ndarray:
    """Where blocks start."""
    n_blocks = max(1, round(length * side / longest))
    return np.arange(n_blocks) * length // n_blocks


def small_image(paths: tuple[Path, ...], plane: tuple[slice | int, ...]) -> np.ndarray | None:
    """The first three channels of an image, reduced to `SIDE`; one file is held at a time.

    Args:
        paths: A file, or one for each channel.
        plane: Index `(*spatial)` that leaves two axes.

    Returns:
        float32 `(C, rows, columns)`; None if no pixel is a finite number, as where there are only masks.

    Raises:
        DataError: If a file cannot be read.
    """
    channels: list[np.ndarray] = []
    for path in paths:
        if len(channels) < 3:
            channels += _small_channels(path, plane)
    image = np.stack(channels[:3])
    return image if np.isfinite(image).any() else None


def _small_channels(path: Path, plane: tuple[slice | int, ...]) -> list[np.ndarray]:
    if _is_tiff(path):
        try:
            with TiffWindows(path) as windows:
                shape = windows.frame.array.shape
                if len(shape) == 3 and shape[1] * shape[2] > _LARGE:
                    return _of_strips(windows)
        except (ValueError, DataError):  # not in windows, or broken: the usual reader reads it, or says what is wrong
            pass
    array = read_image(path).array
    if _is_blank(array):
        return [np.full((1, 1), channel.flat[0], dtype=np.float32) for channel in array[:3]]
    return [reduced(channel[plane], SIDE) for channel in array[:3]]


def _is_blank(array: np.ndarray) -> bool:
    """Whether it holds one number for all pixels, as where there is no image."""
    return array.size > 1 and not any(array.strides[1:])


def small_cut(array: np.ndarray, take: Callable[[np.ndarray], np.ndarray]) -> np.ndarray | None:
    """The first three channels of a cut through a volume, reduced to `SIDE`.

    Args:
        array: The volume `(C, *spatial)`.
        take: Gives `(rows, columns)` of `(*spatial)`.

    Returns:
        As `small_image`.
    """
    if _is_blank(array):
        return None
    image = np.stack([reduced(take(channel), SIDE) for channel in array[:3]])
    return image if np.isfinite(image).any() else None


def _is_tiff(path: Path) -> bool:
    return isinstance(path, Path) and (image_suffix(path.name) or "").lower().endswith((".tif", ".tiff"))


def _of_strips(windows: TiffWindows) -> list[np.ndarray]:
    """As `reduced`, from a few rows at a time."""
    _, n_rows, n_columns = windows.frame.array.shape
    edges = _edges(n_rows, SIDE, max(n_rows, n_columns))
    columns = _edges(n_columns, SIDE, max(n_rows, n_columns))
    widths = np.diff(columns, append=n_columns)
    rows = [
        np.add.reduceat(
            windows.read(slice(int(top), int(end)), slice(0, n_columns))[:3].sum(1, dtype=float), columns, 1
        )
        / (widths * (end - top))
        for top, end in zip(edges, np.append(edges[1:], n_rows), strict=True)
    ]
    return list(np.stack(rows, axis=1).astype(np.float32))


def image_url(image: np.ndarray) -> str:
    """A picture of an image as a `data:` address; brightness of each channel from its 1st to its 99.8th percentile.

    Noise takes most of the room, so the picture of a noisy image is compressed more, and in the end blurred a little.

    Args:
        image: `(C, rows, columns)`, one to three channels, coloured as in `segassay.figures.overlays.overlay_png`.

    Example:
        >>> image_url(np.eye(8)[None]).startswith("data:image/")
        True
    """
    shown = coloured(image)
    content: bytes | bytearray = b""
    for blur, quality in _TRIES:
        if not blur and len(content) > _FAR_TOO_LARGE:
            continue
        smooth = _blurred(shown, blur, is_grey=len(image) == 1) if blur else shown
        kind, content = _encoded(np.ascontiguousarray(smooth), quality)
        if len(content) <= _IMAGE_BYTES:
            break
    return _url(kind, content)


def _blurred(shown: np.ndarray, blur: float, *, is_grey: bool) -> np.ndarray:
    """Colours `(rows, columns, 3)`, blurred; of grey ones one channel stands for all."""
    if is_grey:
        return np.repeat(ndimage.gaussian_filter(shown[:, :, :1], (blur, blur, 0)), 3, axis=2)
    return np.asarray(ndimage.gaussian_filter(shown, (blur, blur, 0)))


def _encoded(shown: np.ndarray, quality: int) -> tuple[str, bytes | bytearray]:
    if imagecodecs.WEBP.available:
        return "webp", imagecodecs.webp_encode(shown, level=quality, lossless=False, method=0)
    if imagecodecs.JPEG8.available:  # a library that was built without WebP
        return "jpeg", imagecodecs.jpeg8_encode(shown, level=quality)
    return "png", imagecodecs.png_encode(shown, level=9)


def palette(name: str, n: int) -> list[Colour]:
    """Colours of 0 to n - 1 from a colour map, from dark to bright; the darkest fifth is left out.

    Example:
        >>> palette("cividis", 3)
        [(53, 69, 108), (148, 142, 119), (253, 231, 55)]
    """
    shares = np.linspace(0.2, 1, n) if n > 1 else np.ones(1)
    return [(int(r), int(g), int(b)) for r, g, b, _ in matplotlib.colormaps[name](shares, bytes=True)]


def numbers_url(numbers: np.ndarray, colours: list[Colour]) -> str:
    """Whole numbers as a PNG with a palette, as a `data:` address; 0 is transparent.

    Args:
        numbers: `(rows, columns)` from 0 to the number of colours.
        colours: Of 1, 2, …; at most 255.

    Returns:
        The address; the same input gives the same text.

    Raises:
        ValueError: If there are more than 255 colours, or a number has none.

    Example:
        >>> url = numbers_url(np.array([[0, 1]]), [(254, 232, 56)])
        >>> imagecodecs.png_decode(base64.b64decode(url.split(",")[1])).tolist()
        [[[0, 0, 0, 0], [254, 232, 56, 255]]]
    """
    if len(colours) > 255 or numbers.max(initial=0) > len(colours):
        raise ValueError(f"{numbers.max(initial=0)} needs a colour, but there are {len(colours)}; at most 255 fit")
    bits = next(bits for bits in (1, 2, 4, 8) if len(colours) < 2**bits)
    rows = numbers.astype(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % (8 // bits))))
    packed = np.zeros((rows.shape[0], rows.shape[1] * bits // 8), dtype=np.uint8)
    for place in range(8 // bits):
        packed |= rows[:, place :: 8 // bits] << (8 - bits * (place + 1))
    lines = np.pad(packed, ((0, 0), (1, 0))).tobytes()  # 0 before each row: not filtered
    header = struct.pack(">IIBBBBB", numbers.shape[1], numbers.shape[0], bits, 3, 0, 0, 0)
    parts = [
        (b"IHDR", header),
        (b"PLTE", bytes([0, 0, 0, *(value for colour in colours for value in colour)])),
        (b"tRNS", b"\0"),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    ]
    chunks = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    ]
    return _url("png", b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def _url(kind: str, content: bytes | bytearray) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(bytes(content)).decode('ascii')}"

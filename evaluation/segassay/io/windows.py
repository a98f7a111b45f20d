"""Large TIFF images by windows, in bounded memory: read a part, write rows as they come.

file -> TiffWindows -> (C, height, width) of any window
strips of rows, from the top -> write_strips -> tiled TIFF, whole or not at all
"""

import math
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tifffile

from segassay.errors import DataError, UsageError
from segassay.io.encoding import tiff_words
from segassay.io.formats import quiet_decoders, tiff_layout

__all__ = ["TiffWindows", "write_strips"]

TILE = 256
"""Side of the tiles that are written, in pixels."""

_LARGEST_CHUNK = 2**27  # bytes of a tile or strip that is decoded at once


class TiffWindows:
    """A 2-D TIFF image of which windows are read; tiled, in strips, or not compressed.

    Args:
        path: Grey channels as pages, or interleaved colours without alpha.

    Attributes:
        shape: `(C, rows, columns)`.
        dtype: Number type of the file.
        spacing_um: As of `Picture`.

    Raises:
        DataError: If the file is broken.
        ValueError: If it cannot be read by windows: a volume, a palette, alpha, or compressed as a whole.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tifffile.imwrite(f"{folder}/a.tif", np.arange(4096, dtype=np.uint16).reshape(64, 64), tile=(16, 16))
        ...     with TiffWindows(Path(f"{folder}/a.tif")) as image:
        ...         image.shape, image.read(slice(15, 17), slice(0, 2)).tolist()
        ((1, 64, 64), [[[960, 961], [1024, 1025]]])
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = tifffile.TiffFile(path)
        except Exception as error:
            raise _damaged(path, error) from error
        try:
            with quiet_decoders():
                self._pages, self._colours, self.spacing_um = tiff_layout(path, self._file)
            self._check_chunks()
        except BaseException:
            self._file.close()
            raise
        page = self._pages[0]
        self.dtype = np.dtype(page.dtype).newbyteorder("=")
        n_channels = page.samplesperpixel if self._colours else len(self._pages)
        self.shape = (n_channels, page.imagelength, page.imagewidth)

    def _check_chunks(self) -> None:
        page = self._pages[0]
        n_bytes = math.prod(page.chunks) * page.dtype.itemsize
        if n_bytes > _LARGEST_CHUNK and not page.is_memmappable:
            raise ValueError(f"{self.path} is compressed in parts of {n_bytes} bytes, too large to be read by windows")

    def __enter__(self) -> "TiffWindows":
        """The image itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """Pixels `(C, height, width)` of a window inside the image.

        Raises:
            DataError: If a tile is missing or broken.
        """
        try:
            with quiet_decoders():
                windows = [self._of_page(page, rows, columns) for page in self._pages]
        except Exception as error:
            raise _damaged(self.path, error) from error
        if self._colours:
            return np.ascontiguousarray(np.moveaxis(windows[0], -1, 0))
        return np.stack([window[..., 0] for window in windows])

    def strips(self, height: int) -> Iterator[np.ndarray]:
        """All rows from the top, `height` at a time."""
        _, n_rows, n_columns = self.shape
        for start in range(0, n_rows, height):
            yield self.read(slice(start, min(start + height, n_rows)), slice(0, n_columns))

    def _of_page(self, page: Any, rows: slice, columns: slice) -> np.ndarray:
        """`(height, width, samples)` of a window of one page."""
        like = self._pages[0]  # of which the others hold only where their pixels are
        if like.is_memmappable and page.dataoffsets[0] % like.dtype.itemsize == 0:
            shape = (like.imagelength, like.imagewidth, like.samplesperpixel)
            dtype = like.dtype.newbyteorder(self._file.byteorder)
            whole = np.memmap(self.path, dtype, "r", offset=page.dataoffsets[0], shape=shape)
            return np.array(whole[rows, columns], dtype=self.dtype)
        window = np.zeros((rows.stop - rows.start, columns.stop - columns.start, like.samplesperpixel), self.dtype)
        height, width = like.chunks[:2]
        n_across = -(-like.imagewidth // width)
        for down in range(rows.start // height, -(-rows.stop // height)):
            for across in range(columns.start // width, -(-columns.stop // width)):
                chunk = self._chunk(page, down * n_across + across)
                _paste(window, chunk, (down * height, across * width), rows, columns)
        return window

    def _chunk(self, page: Any, index: int) -> np.ndarray:
        self._file.filehandle.seek(page.dataoffsets[index])
        data = self._file.filehandle.read(page.databytecounts[index])
        like = self._pages[0]
        decoded = like.decode(data, index, jpegtables=like.jpegtables)[0] if data else None
        if decoded is None:
            raise ValueError("a tile is missing")
        return np.asarray(decoded[0])


def _paste(window: np.ndarray, chunk: np.ndarray, corner: tuple[int, int], rows: slice, columns: slice) -> None:
    """Copy the part of a chunk that lies in the window."""
    parts = []
    for start, length, wanted in zip(corner, chunk.shape[:2], (rows, columns), strict=True):
        first, last = max(start, wanted.start), min(start + length, wanted.stop)
        parts.append((slice(first - wanted.start, last - wanted.start), slice(first - start, last - start)))
    (rows_to, rows_from), (columns_to, columns_from) = parts
    window[rows_to, columns_to] = chunk[rows_from, columns_from]


def _damaged(path: Path, error: Exception) -> DataError:
    cause = str(error).strip().split("\n")[0][:200] or type(error).__name__
    return DataError.of(path, f"is truncated or broken ({cause})", "export or copy it again", kind="damaged")


def write_strips(
    path: Path,
    strips: Iterator[np.ndarray],
    shape: tuple[int, int],
    dtype: type[np.generic],
    spacing_um: Sequence[float] | None = None,
) -> None:
    """Write a tiled TIFF from strips of rows, whole or not at all; the same input gives the same bytes.

    Args:
        path: Ends in .tif; its folder exists.
        strips: From the top, each `(height, columns)`; all but the last have a height that is a multiple of `TILE`.
        shape: `(rows, columns)` of the image.
        dtype: Number type of the file.
        spacing_um: Micrometres between rows and between columns.

    Raises:
        UsageError: If the file cannot be written; no partial file remains.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        tifffile.imwrite(
            temporary,
            _tiles(strips, shape[1], dtype),
            shape=shape,
            dtype=dtype,
            tile=(TILE, TILE),
            photometric="minisblack",
            compression="zlib",
            maxworkers=1,
            **tiff_words(shape, spacing_um),
        )
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; check the folder and the free space") from error
    finally:
        temporary.unlink(missing_ok=True)


def _tiles(strips: Iterator[np.ndarray], n_columns: int, dtype: type[np.generic]) -> Iterator[np.ndarray]:
    """Tiles in the order of the file; those at the end are filled with 0."""
    for strip in strips:
        for top in range(0, len(strip), TILE):
            for left in range(0, n_columns, TILE):
                part = strip[top : top + TILE, left : left + TILE]
                tile = np.zeros((TILE, TILE), dtype)
                tile[: part.shape[0], : part.shape[1]] = part
                yield tile

"""Large images by windows, in bounded memory: TIFF, NIfTI and OME-Zarr, images and volumes.

file -> open_windows -> Windows.read(window) -> (C, *window)
     -> strips_of -> (C, height, ...) from the first row or plane to the last
"""

import dataclasses
import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import tifffile

from segassay.errors import DataError
from segassay.io.channel_names import tiff_channel_names
from segassay.io.formats import blank, nifti_layout, quiet_decoders, tiff_layout
from segassay.io.ome_zarr import ZarrWindows
from segassay.io.picture import Picture

__all__ = ["ChosenChannels", "NiftiWindows", "TiffWindows", "Windows", "open_windows", "strips_of"]

_LARGEST_CHUNK = 2**27  # bytes of a tile or strip that is decoded at once


class Windows(Protocol):
    """An image of which windows are read.

    Attributes:
        path: Its file.
        frame: The picture without its pixels, which are all 0 and take no memory: shape, number type, pixel size and
            place.
    """

    path: Path
    frame: Picture

    def read(self, *window: slice) -> np.ndarray:
        """Pixels `(C, *window)` of a window inside the image, one slice for each spatial axis.

        Raises:
            DataError: If a part of the file is missing or broken.
        """
        ...


@contextmanager
def open_windows(path: Path, work: Path) -> Iterator[Windows]:
    """Open an image of which windows are read.

    Args:
        path: The image.
        work: An empty folder, for a compressed NIfTI: it is unpacked there, for it can only be read from its start.

    Raises:
        DataError: If the file is broken.
        ValueError: If it cannot be read by windows: another format, a palette, alpha, or compressed as a whole.
    """
    name = path.name.lower()
    if name.endswith((".tif", ".tiff")):
        with TiffWindows(path) as image:
            yield image
    elif name.endswith((".nii", ".nii.gz")):
        yield NiftiWindows(path, work)
    elif name.endswith(".zarr"):
        yield ZarrWindows(path)
    else:
        raise ValueError(f"{path} cannot be read by windows")


def strips_of(image: Windows, height: int) -> Iterator[np.ndarray]:
    """All pixels `(C, height, ...)` from the first row, or plane of a volume, to the last; `height` at a time."""
    first, *others = image.frame.array.shape[1:]
    for start in range(0, first, height):
        yield image.read(slice(start, min(start + height, first)), *(slice(0, length) for length in others))


class ChosenChannels:
    """Some channels of an image of which windows are read.

    Args:
        image: The image.
        places: Places of the channels, in the order to give them.

    Attributes:
        path: Its file.
        frame: As of `Windows`.
    """

    def __init__(self, image: Windows, places: Sequence[int]) -> None:
        self.path, self._image, self._places = image.path, image, list(places)
        names, array = image.frame.channel_names, image.frame.array
        self.frame = dataclasses.replace(
            image.frame,
            array=blank((len(self._places), *array.shape[1:]), array.dtype),
            channel_names=tuple(names[place] for place in self._places) if names else (),
        )

    def read(self, *window: slice) -> np.ndarray:
        """Pixels as of `Windows.read`."""
        return np.ascontiguousarray(self._image.read(*window)[self._places])


class TiffWindows:
    """A TIFF image or stack of which windows are read; tiled, in strips, or not compressed.

    Args:
        path: Grey channels and planes as pages, or interleaved colours without alpha.

    Attributes:
        path: The file.
        frame: As of `Windows`.

    Raises:
        DataError: If the file is broken.
        ValueError: If it cannot be read by windows: a palette, alpha, or compressed as a whole.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tifffile.imwrite(f"{folder}/a.tif", np.arange(4096, dtype=np.uint16).reshape(64, 64), tile=(16, 16))
        ...     with TiffWindows(Path(f"{folder}/a.tif")) as image:
        ...         image.frame.array.shape, image.read(slice(15, 17), slice(0, 2)).tolist()
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
                self._pages, self._colours, self._is_volume, spacing, unread = tiff_layout(path, self._file)
                n_channels = 3 if self._colours else len(self._pages)
                names = tiff_channel_names(self._file, n_channels)
            self._check_chunks()
        except BaseException:
            self._file.close()
            raise
        page = self._pages[0][0]
        depth = (len(self._pages[0]),) if self._is_volume else ()
        shape = (n_channels, *depth, page.imagelength, page.imagewidth)
        array = blank(shape, np.dtype(page.dtype).newbyteorder("="))
        self.frame = Picture(array, spacing, channel_names=names, unread=unread)

    def _check_chunks(self) -> None:
        page = self._pages[0][0]
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

    def read(self, *window: slice) -> np.ndarray:
        """Pixels as of `Windows.read`."""
        *planes, rows, columns = window
        plane = planes[0] if planes else slice(0, 1)
        try:
            with quiet_decoders():
                parts = [[self._of_page(page, rows, columns) for page in of[plane]] for of in self._pages]
        except Exception as error:
            raise _damaged(self.path, error) from error
        array = np.array(parts)  # channels, planes, rows, columns, samples
        array = np.moveaxis(array[0], -1, 0) if self._colours else array[..., 0]
        return np.ascontiguousarray(array if planes else array[:, 0])

    def _of_page(self, page: Any, rows: slice, columns: slice) -> np.ndarray:
        """`(height, width, samples)` of a window of one page."""
        like = self._pages[0][0]  # of which the others hold only where their pixels are
        if like.is_memmappable and page.dataoffsets[0] % like.dtype.itemsize == 0:
            shape = (like.imagelength, like.imagewidth, like.samplesperpixel)
            dtype = like.dtype.newbyteorder(self._file.byteorder)
            whole = np.memmap(self.path, dtype, "r", offset=page.dataoffsets[0], shape=shape)
            return np.array(whole[rows, columns], dtype=self.frame.array.dtype)
        shape = (rows.stop - rows.start, columns.stop - columns.start, like.samplesperpixel)
        window = np.zeros(shape, self.frame.array.dtype)
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
        like = self._pages[0][0]
        decoded = like.decode(data, index, jpegtables=like.jpegtables)[0] if data else None
        if decoded is None:
            raise ValueError("a tile is missing")
        return np.asarray(decoded[0])


class NiftiWindows:
    """A NIfTI of which windows are read, in the axes of its file.

    Args:
        path: The file; a compressed one is unpacked first.
        work: Folder for the unpacked file.

    Attributes:
        path: The file.
        frame: As of `Windows`.

    Raises:
        DataError: If the file is broken.
        ValueError: If its voxels are colours.
    """

    def __init__(self, path: Path, work: Path) -> None:
        self.path = path
        with quiet_decoders():
            file, self.frame = nifti_layout(path)
            if path.name.lower().endswith(".gz"):
                unpacked = work / "unpacked.nii"
                _unpack(path, unpacked, file.dataobj.offset + math.prod(file.shape) * file.get_data_dtype().itemsize)
                file, _ = nifti_layout(unpacked)
        self._file = file

    def read(self, *window: slice) -> np.ndarray:
        """Pixels as of `Windows.read`."""
        n_channels = len(self.frame.array)
        others = [slice(0, length) for length in self._file.shape[len(window) :]]
        try:
            array = np.asanyarray(self._file.dataobj[(*window, *others)])
        except Exception as error:
            raise _damaged(self.path, error) from error
        array = array.reshape(*(part.stop - part.start for part in window), n_channels)
        return np.ascontiguousarray(np.moveaxis(array, -1, 0), dtype=self.frame.array.dtype)


def _unpack(path: Path, unpacked: Path, size: int) -> None:
    """Write the first bytes of a gzip file to another."""
    left = size
    try:
        with gzip.open(path) as file, unpacked.open("wb") as copy:
            while left and (block := file.read(min(left, 1 << 22))):
                copy.write(block)
                left -= len(block)
            file.read(1)  # at the end of the file its checksum is compared
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, error) from error
    if left:
        raise _damaged(path, ValueError(f"{left} bytes are missing"))


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

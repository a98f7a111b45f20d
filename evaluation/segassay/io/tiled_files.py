"""Write large images from parts that are read when they are needed: tiled TIFF, OME-TIFF, compressed NIfTI.

read(*window) of each channel -> write_parts -> file, whole or not at all; the same input gives the same bytes
"""

import gzip
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tifffile

from segassay.errors import UsageError
from segassay.io.durable import replaced
from segassay.io.encoding import are_channels_last, nifti_header, ome_words, tiff_words
from segassay.io.picture import Picture

__all__ = ["write_parts"]

TILE = 256
"""Side of the tiles that are written, in pixels."""

_PIXELS = 2**22  # of a slab of a NIfTI


def write_parts(
    path: Path,
    channels: Sequence[Callable[..., np.ndarray]],
    frame: Picture,
    dtype: type[np.generic] | np.dtype,
) -> None:
    """Write numbers with the pixel size and place of an image, in one channel or several.

    Args:
        path: Ends in .tif, .ome.tif (more than one plane) or .nii.gz; its folder exists.
        channels: Each gives the numbers of a window of one channel, given one slice for each axis.
        frame: The image, `(C, *spatial)`; its pixels are not used.
        dtype: Number type of the file.

    Raises:
        UsageError: If the file cannot be written; no partial file remains.

    Example:
        >>> import tempfile
        >>> from segassay.io.images import read_image
        >>> array = np.eye(300, dtype=np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.ome.tif")
        ...     write_parts(path, [lambda *window: array[window]], Picture(array[None], (0.5, 0.5)), np.uint8)
        ...     read_image(path).spacing_um, bool((read_image(path).array == array).all())
        ((0.5, 0.5), True)
    """
    write = _write_nifti if path.name.lower().endswith(".nii.gz") else _write_tiff
    try:
        with replaced(path, wait=False) as new:
            write(new, path.name.lower(), channels, frame, np.dtype(dtype))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; check the folder and the free space") from error


def _write_tiff(
    path: Path, name: str, channels: Sequence[Callable[..., np.ndarray]], frame: Picture, dtype: np.dtype
) -> None:
    shape, n = frame.array.shape[1:], len(channels)
    words = ome_words(shape, dtype, frame.spacing_um, n) if name.endswith((".ome.tif", ".ome.tiff")) else None
    by_planes = words is None and n > 1 and len(shape) == 3 and are_channels_last(shape, frame.spacing_um)
    planes = range(shape[0]) if len(shape) == 3 else (None,)
    pages = [(read, plane) for read in channels for plane in planes]
    if by_planes:
        pages = [(read, plane) for plane in planes for read in channels]
    whole = shape if n == 1 else (shape[0], n, *shape[1:]) if by_planes else (n, *shape)
    tifffile.imwrite(
        path,
        _tiles(pages, shape[-2:], dtype),
        shape=whole,
        dtype=dtype,
        tile=(TILE, TILE),
        photometric="minisblack",
        compression="zlib",
        maxworkers=1,
        **(words or tiff_words(shape, frame.spacing_um, n)),
    )


def _tiles(
    pages: Sequence[tuple[Callable[..., np.ndarray], int | None]], shape: tuple[int, ...], dtype: np.dtype
) -> Iterator[np.ndarray]:
    """Tiles in the order of the file; those at the end are filled with 0."""
    n_rows, n_columns = shape
    for read, plane in pages:
        for top in range(0, n_rows, TILE):
            rows, columns = slice(top, min(top + TILE, n_rows)), slice(0, n_columns)
            strip = read(rows, columns) if plane is None else read(slice(plane, plane + 1), rows, columns)[0]
            for left in range(0, n_columns, TILE):
                part = strip[:, left : left + TILE]
                tile = np.zeros((TILE, TILE), dtype)
                tile[: part.shape[0], : part.shape[1]] = part
                yield tile


def _write_nifti(
    path: Path, name: str, channels: Sequence[Callable[..., np.ndarray]], frame: Picture, dtype: np.dtype
) -> None:
    *others, last = spatial = frame.array.shape[1:]
    n = max(_PIXELS // max(int(np.prod(others)), 1), 1)
    several = (*[1] * (3 - len(spatial)), len(channels)) if len(channels) > 1 else ()
    with path.open("xb") as file, gzip.GzipFile("", "wb", mtime=0, fileobj=file) as packed:
        packed.write(nifti_header((*spatial, *several), dtype, frame))
        for read in channels:
            for start in range(0, last, n):
                slab = read(*(slice(0, length) for length in others), slice(start, min(start + n, last)))
                packed.write(slab.astype(dtype).tobytes("F"))

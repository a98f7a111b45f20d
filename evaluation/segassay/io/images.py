"""Read and write single image files; only this module, `formats` and `encoding` know file formats.

    image file -> Picture(array (C, *spatial), spacing_um, affine)
    mask file  -> (*spatial) bool, or (*spatial) int32 when every object has its own number; with a Grid in its axes

Spatial axes are the file's own and never transposed: rows and columns of a PNG, planes, rows and columns of a TIFF, and
the axes of a NIfTI as nibabel stores them. Files are written whole or not at all; the same input gives the same bytes.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from segassay.errors import DataError, UsageError
from segassay.io.contents import what_it_is
from segassay.io.durable import replaced
from segassay.io.encoding import encode, encode_channels
from segassay.io.formats import (
    channel_names_of_tiff,
    nifti_affine,
    nifti_shape,
    quiet_decoders,
    read_nifti,
    read_tiff,
    tiff_shape,
)
from segassay.io.geojson_files import is_zipped_geojson, read_geojson
from segassay.io.grids import Grid, on_grid
from segassay.io.hashes import add_file
from segassay.io.held import HeldImage
from segassay.io.kept_pictures import keep_image, keep_mask, kept_image, kept_mask
from segassay.io.mask_values import class_values_of, mask_of
from segassay.io.ome_zarr import ZarrWindows, ome_zarr_files, ome_zarr_shape, read_ome_zarr
from segassay.io.outlines import fill_outlines
from segassay.io.picture import Picture
from segassay.io.png_files import png_shape, read_png
from segassay.io.roi_files import outlines_of_rois, read_rois

FOLDER_SUFFIXES = (".ome.zarr", ".zarr")
"""Endings of folders that are one image each."""

IMAGE_SUFFIXES = (".ome.tif", ".ome.tiff", ".png", ".tif", ".tiff", ".nii", ".nii.gz", *FOLDER_SUFFIXES)
"""Endings of image files, upper or lower case; the longest match counts."""

OUTLINE_SUFFIXES = (".zip", ".roi", ".geojson")
"""Endings of masks that hold outlines: ROIs of ImageJ, objects of QuPath."""


def image_suffix(name: str) -> str | None:
    """The image ending of a file name, as written there; None for any other file.

    Example:
        >>> image_suffix("0144.OME.TIF"), image_suffix("notes.txt")
        ('.OME.TIF', None)
    """
    found = [suffix for suffix in IMAGE_SUFFIXES if name.lower().endswith(suffix)]
    return name[-max(map(len, found)) :] if found else None


def is_folder_image(path: Path) -> bool:
    """Whether a path is an image that is a folder of files, by its name: OME-Zarr."""
    return path.name.lower().endswith(FOLDER_SUFFIXES)


def is_nifti(path: Path) -> bool:
    """Whether the name of a file says that it is a NIfTI."""
    return (image_suffix(path.name) or "").lower().startswith(".nii")


def outline_suffix(name: str) -> str | None:
    """The ending of a file of outlines, as written there; None for any other file.

    Example:
        >>> outline_suffix("0144_RoiSet.zip"), outline_suffix("0144.png")
        ('.zip', None)
    """
    return next((name[-len(suffix) :] for suffix in OUTLINE_SUFFIXES if name.lower().endswith(suffix)), None)


def strip_suffix(name: str) -> str:
    """The file name without its ending as an image or as outlines; any other name stays as it is.

    Example:
        >>> strip_suffix("0144.ome.tif"), strip_suffix("mouse 3.left.nii.gz")
        ('0144', 'mouse 3.left')
    """
    suffix = image_suffix(name) or outline_suffix(name)
    return name if suffix is None else name[: -len(suffix)]


def read_image(path: str | os.PathLike[str]) -> Picture:
    """Read one image with all its channels.

    PNG: grey or RGB, 8 or 16 bits; palettes become colours; no spacing, since a PNG stores the resolution of a screen.
    TIFF: grey, RGB, multi-channel and Z stacks by the axes the file names; several pages without named axes are a Z
    stack; spacing from OME or ImageJ metadata, not from the resolution tags alone, which usually describe a printer.
    NIfTI: a fourth axis is channels; spacing from the header, where an unknown unit means mm. OME-Zarr, a folder: axes,
    finest level and spacing from its metadata; no spacing without a unit of length.

    Args:
        path: A file whose name ends in one of `IMAGE_SUFFIXES`.

    Returns:
        Array `(C, *spatial)`, spacing and affine; an image of one bit has 0 and 1 in 8 bits.

    Raises:
        DataError: If the file is missing, truncated, empty, broken or a time series, holds no pixel, or its name has no
            image ending.

    Example:
        >>> import tempfile
        >>> import tifffile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tifffile.imwrite(f"{folder}/0144.tif", np.eye(3, dtype=np.uint16))
        ...     read_image(f"{folder}/0144.tif").array.shape
        (1, 3, 3)
    """
    if (kept := kept_image(path)) is not None:
        return kept
    picture = _read(path, as_mask=False)
    keep_image(path, picture)
    return picture


def _read(path: str | os.PathLike[str], *, as_mask: bool) -> Picture:
    if isinstance(path, HeldImage):
        return path.picture
    path = Path(path)
    with _naming(path):
        picture = _FORMATS[_kind(path)][0](path, as_mask=as_mask)
        if picture.array.dtype.kind not in "buif":
            what = f"holds numbers of type {picture.array.dtype}"
            raise DataError.of(path, what, expected="whole or real numbers, export it with these", kind="pixel-type")
    if picture.array.dtype == bool and not as_mask:  # numpy does not calculate with it as with numbers
        picture = replace(picture, array=picture.array.view(np.uint8))
    return picture


def image_shape(path: str | os.PathLike[str]) -> tuple[int, ...]:
    """Spatial shape of an image or mask from its header alone; no pixel is decoded.

    Raises:
        DataError: If the file is missing, its header is broken, or its name has no image ending.
    """
    if isinstance(path, HeldImage):
        return path.shape
    path = Path(path)
    with _naming(path):
        return _FORMATS[_kind(path)][1](path)


def read_channel_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Names that an OME-TIFF or OME-Zarr gives its channels, from its metadata alone; empty unless all have one.

    Raises:
        DataError: As `image_shape`.
    """
    if isinstance(path, HeldImage):
        return path.picture.channel_names
    path = Path(path)
    with _naming(path):
        kind = _kind(path)
        if kind == "zarr":
            return ZarrWindows(path).frame.channel_names
        return channel_names_of_tiff(path) if kind == "tiff" else ()


def holds_outlines(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds the outline of each object rather than pixels, by its name."""
    return not isinstance(path, HeldImage) and outline_suffix(Path(path).name) is not None


def read_grid(path: str | os.PathLike[str]) -> Grid:
    """Shape of an image, and for NIfTI where its voxels are, from its header alone. Raises as `image_shape`."""
    shape = image_shape(path)
    if isinstance(path, HeldImage):
        return Grid(path, shape, path.picture.affine)
    return Grid(path, shape, _affine(Path(path)))


def _affine(path: Path) -> np.ndarray | None:
    with _naming(path):
        return nifti_affine(path) if _kind(path) == "nifti" else None


_FORMATS: dict[str, tuple[Callable[..., Picture], Callable[[Path], tuple[int, ...]]]] = {
    "png": (read_png, png_shape),
    "tiff": (read_tiff, tiff_shape),
    "nifti": (read_nifti, nifti_shape),
    "zarr": (read_ome_zarr, ome_zarr_shape),
}


def _kind(path: Path) -> str:
    suffix = image_suffix(path.name)
    if suffix is None:
        expected = f"a name ending in {', '.join(IMAGE_SUFFIXES)}"
        raise DataError.of(path, "is not an image that can be read", expected=expected, kind="no-image")
    suffix = suffix.lower()
    if suffix in FOLDER_SUFFIXES:
        return "zarr"
    return "png" if suffix == ".png" else "nifti" if suffix.startswith(".nii") else "tiff"


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn any error of a decoder into a DataError that names the file."""
    try:
        with quiet_decoders():
            yield
    except DataError:
        raise
    except MemoryError as error:
        raise DataError.of(
            path, "does not fit into the memory of this computer", "save smaller parts of it", kind="memory"
        ) from error
    except FileNotFoundError as error:
        raise DataError.of(path, "does not exist", kind="missing") from error
    except IsADirectoryError as error:
        raise DataError.of(path, "is a folder", expected="a file", kind="is-folder") from error
    except PermissionError as error:
        raise DataError.of(path, "cannot be read: permission denied", kind="permission") from error
    except Exception as error:
        if (found := what_it_is(path)) is not None:
            what = f"is {found[0]}, although its name ends in {path.suffix}"
            raise DataError.of(path, what, found[1], kind="other-content") from error
        cause = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise DataError.of(
            path, f"is truncated or broken ({cause})", "export or copy it again", kind="damaged"
        ) from error


def read_mask(path: str | os.PathLike[str], grid: Grid | None = None) -> np.ndarray:
    """Read a mask: boolean if it is binary, int32 if every object has its own number.

    - One channel with a single value other than 0 (0/1, 0/255, any other): binary, foreground is above 0.
    - One 8-bit channel with more values, where 255 makes up at least half of the non-zero pixels, or where nearly all
      values are close to 0 or 255, as a JPEG leaves them: a binary mask, foreground is above 127.
    - Anything else, such as 1, 2, 3 … or more than 255 objects in 16 bits: a label image. A label image with a single
      object cannot be distinguished from a binary mask and is read as one.
    - Colours: one colour on black or white is a binary mask, foreground is where the brightest channel (on white, the
      darkest) is beyond half of the number type's range (127 of 255), or above 0 if all values are 0 and 1. Several
      colours are one object each. What is fully transparent is background.
    - A palette with more than two colours in use: a label image of the numbers behind them, unless the colours are
      distinct greys, which count as in a grey image.

    Outlines (`OUTLINE_SUFFIXES`, and ROIs that ImageJ saved in a TIFF without foreground, or in the image itself) are
    filled as `segassay.io.outlines.fill_outlines` describes.

    Args:
        path: A file whose name ends in one of `IMAGE_SUFFIXES` or `OUTLINE_SUFFIXES`.
        grid: Of its image: a NIfTI whose axes are mirrored or in another order is turned to those of the image.

    Returns:
        `(*spatial)` bool or int32; all False for an empty mask.

    Raises:
        DataError: If the file cannot be read, or holds fractions, negative numbers, NaN, several channels, a picture or
            only dark colours, or lies elsewhere than its image.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_mask(f"{folder}/0144.png", np.eye(2, dtype=bool))
        ...     read_mask(f"{folder}/0144.png")
        array([[ True, False],
               [False,  True]])
    """
    if holds_outlines(path):
        return _read_outlines(Path(path), grid)
    picture = kept_mask(path) or _read(path, as_mask=True)
    if picture.overlay and grid is not None and _is_canvas(picture, grid):
        rois = [(f"overlay {number}", data) for number, data in enumerate(picture.overlay, start=1)]
        return fill_outlines(path, outlines_of_rois(path, rois), grid.shape, grid.path)
    mask = mask_of(path if isinstance(path, HeldImage) else Path(path), picture)
    keep_mask(path, picture, mask)
    return mask if grid is None else fit(path, mask, grid)


def read_class_values(
    path: str | os.PathLike[str], grid: Grid | None = None, *, whole: bool = True, known: Collection[int] = ()
) -> np.ndarray:
    """Value of the class of each pixel, as the mask file stores it: the number behind a palette, 1.0 as 1.

    Args:
        path: A file whose name ends in one of `IMAGE_SUFFIXES`.
        grid: As for `read_mask`.
        whole: Whether fractions and negative numbers are errors; else they stay as they are.
        known: Values that masks may hold; they tell what a palette of greys stands for.

    Returns:
        Numbers `(*spatial)`.

    Raises:
        DataError: If the file cannot be read, holds fractions, negative numbers, NaN or several channels, or lies
            elsewhere than its image.
    """
    picture = _read(path, as_mask=True)
    if len(picture.array) > 1:
        expected = "one, with the class number of each pixel"
        raise DataError.of(path, f"has {len(picture.array)} channels", expected=expected)
    values = class_values_of(path, picture, whole=whole, known=known)[0]
    return values if grid is None else fit(path, values, grid)


def _read_outlines(path: Path, grid: Grid | None) -> np.ndarray:
    if grid is None:
        what = "holds outlines, which have no size without their image"
        raise DataError.of(path, what, "give the dataset with its images", kind="outlines-without-image")
    with _naming(path):
        is_geojson = path.suffix.lower() == ".geojson" or is_zipped_geojson(path)
        outlines = read_geojson(path) if is_geojson else read_rois(path)
        return fill_outlines(path, outlines, grid.shape, grid.path)


def _is_canvas(picture: Picture, grid: Grid) -> bool:
    """Whether a TIFF with ROIs holds no mask of its own: it is blank, or the image itself."""
    array = picture.array
    if not array.any():
        return True
    return len(np.unique(array)) > 2 and np.array_equal(array, read_image(grid.path).array)


def fit(path: str | os.PathLike[str], array: np.ndarray, grid: Grid) -> np.ndarray:
    """An array `(*spatial)` of a file in the axes of its image. Raises as `segassay.io.grids.on_grid`."""
    affine = path.picture.affine if isinstance(path, HeldImage) else _affine(Path(path))
    return np.ascontiguousarray(on_grid(path, array, affine, grid))


def write_image(path: str | os.PathLike[str], picture: Picture) -> None:
    """Write an image in its own number type; a TIFF also gets its spacing, a NIfTI spacing and affine.

    Args:
        path: As for `write_mask`, of several channels as for `write_maps`; PNG holds one channel of 8 or 16 bits.
        picture: Array `(C, *spatial)`; an OME-TIFF of several channels also holds their names.

    Raises:
        UsageError: As for `write_mask`.
    """
    if len(picture.array) == 1:
        _write(Path(path), picture.array[0], picture)
    else:
        _write_channels(Path(path), picture.array, picture)


def write_mask(path: str | os.PathLike[str], mask: np.ndarray, like: Picture | None = None) -> None:
    """Write a binary mask as 0 and 255 in 8 bits.

    Args:
        path: Ends in .png (two axes), .tif, .tiff, .ome.tif, .ome.tiff, .nii or .nii.gz; its folder exists.
        mask: Boolean, `(*spatial)`; may be empty of foreground.
        like: The image it belongs to: its shape is checked. A TIFF takes over its pixel size (in ImageJ's way, exact to
            ten digits), an OME-TIFF too (exactly), a NIfTI its affine, forms and units.

    Raises:
        TypeError: If `mask` is not boolean.
        UsageError: If the file cannot be written there or in that format; no partial file remains.
    """
    if mask.dtype != bool:
        raise TypeError(f"mask must be boolean, got {mask.dtype}; compare to a threshold first")
    _write(Path(path), mask.astype(np.uint8) * np.uint8(255), like)


def write_labels(path: str | os.PathLike[str], labels: np.ndarray, like: Picture | None = None) -> None:
    """Write an instance label image in 16 bits, or in 32 where object numbers exceed 65535 (not as PNG).

    Fiji opens both, 32 bits as real numbers that hold every object number up to 16,777,216; it opens no 64 bits.

    Args:
        path: As for `write_mask`.
        labels: Whole numbers, `(*spatial)`, 0 for background.
        like: As for `write_mask`.

    Raises:
        TypeError: If `labels` are not whole numbers.
        ValueError: If a label is negative.
        UsageError: As for `write_mask`.
    """
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"labels must be whole numbers, got {labels.dtype}; use write_mask for a mask, write_map for values"
        )
    if labels.size and labels.min() < 0:
        raise ValueError(f"labels must not be negative, got {labels.min()}")
    large = labels.size > 0 and labels.max() > np.iinfo(np.uint16).max
    _write(Path(path), labels.astype(np.uint32 if large else np.uint16), like)


def write_map(path: str | os.PathLike[str], values: np.ndarray, like: Picture | None = None) -> None:
    """Write one number per pixel, a probability or an uncertainty, as float32.

    Args:
        path: As for `write_mask`, without PNG.
        values: Real numbers, `(*spatial)`.
        like: As for `write_mask`.

    Raises:
        UsageError: As for `write_mask`.
    """
    _write(Path(path), values.astype(np.float32), like)


def write_maps(path: str | os.PathLike[str], values: np.ndarray, like: Picture | None = None) -> None:
    """Write several numbers per pixel, such as the probability of each class, as channels in float32.

    Args:
        path: Ends in .tif, .tiff, .ome.tif, .ome.tiff, .nii or .nii.gz; its folder exists.
        values: Real numbers, `(C, *spatial)`; of one channel the file is that of `write_map`.
        like: As for `write_mask`.

    Raises:
        UsageError: As for `write_mask`.
    """
    if len(values) == 1:
        write_map(path, values[0], like)
        return
    _write_channels(Path(path), values.astype(np.float32), like)


def _write_channels(path: Path, array: np.ndarray, like: Picture | None) -> None:
    _check_shape(path, array.shape[1:], like)
    data = encode_channels((image_suffix(path.name) or "").lower(), array, like)
    if data is None:
        raise UsageError(
            f"{path} cannot hold {len(array)} channels of {array.ndim - 1} axes; expected .tif, .ome.tif (more than "
            "one plane), .nii or .nii.gz"
        )
    write_bytes(path, data)


def _check_shape(path: Path, shape: tuple[int, ...], like: Picture | None) -> None:
    if like is not None and like.array.shape[1:] != shape:
        raise UsageError(f"{path}: expected the image's shape {like.array.shape[1:]}, got {shape}")


def _write(path: Path, array: np.ndarray, like: Picture | None) -> None:
    _check_shape(path, array.shape, like)
    suffix = (image_suffix(path.name) or "").lower()
    data = encode(suffix, np.ascontiguousarray(array), like)
    if data is None:
        raise UsageError(
            f"{path} cannot hold {array.ndim} axes of {array.dtype}; expected .png for two axes of 8 or 16 bits, "
            "or .tif, .ome.tif (more than one plane), .nii, .nii.gz for two or three axes"
        )
    write_bytes(path, data)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file completely or not at all: first under a temporary name in the same folder, then rename it.

    Raises:
        UsageError: If the folder is missing or cannot be written; an older file of that name stays as it was.
    """
    with written(path) as file:
        file.write(data)


@contextmanager
def written(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write inside the block, which is there after it completely or not at all.

    Args:
        path: The file.

    Raises:
        UsageError: As from `write_bytes`.
    """
    try:
        with replaced(Path(path), wait=False) as new, new.open("xb") as file:
            yield file
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}; check the folder, its permissions and the free space"
        ) from error


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes in hexadecimal; of an image that is a folder, of the names and bytes of its files.

    Raises:
        DataError: If the file cannot be read.
    """
    if isinstance(path, HeldImage):
        return path.sha256()
    path, digest = Path(path), hashlib.sha256()
    with _naming(path):
        if not is_folder_image(path) or not path.is_dir():
            add_file(digest, path)
            return digest.hexdigest()
        for file in ome_zarr_files(path):
            digest.update(f"{file.relative_to(path).as_posix()}\n{file.stat().st_size}\n".encode())
            add_file(digest, file)
    return digest.hexdigest()

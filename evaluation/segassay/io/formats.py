"""Readers of PNG, TIFF and NIfTI: each format becomes the same `Picture`.

    file -> header (shape, checked against the size of the file) -> Picture(array (C, *spatial), spacing_um, affine)

Only `images` calls these readers: it finds the format from the file name, and turns errors of decoders into messages.
"""

import logging
import math
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import nibabel
import numpy as np
import tifffile

from segassay.errors import DataError

UM_PER_UNIT = {
    "nm": 1e-3,
    "µm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "inch": 25400.0,
}
"""Micrometres per unit of length, by the names that files give it."""

PLACEMENT = (
    "pixdim",
    "xyzt_units",
    "qform_code",
    "sform_code",
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)
"""Fields of a NIfTI header that say where the voxels are; a mask has those of its image."""

_CHECKED_CODES = (2, 3, 4, 5, 32773)  # TIFF 6.0, tag Compression: CCITT RLE, fax 3, fax 4, LZW, PackBits
_MAX_UNCHECKED_BYTES = 2**28
_MAX_COMPRESSION = 2000  # deflate reaches 1032, run lengths of an empty mask somewhat more

_LOGGERS = ("tifffile", "nibabel.global")


@dataclass(frozen=True, eq=False)
class Picture:
    """One image as stored in its file.

    Attributes:
        array: `(C, *spatial)` in the file's own number type; grey images have one channel, alpha is dropped.
        spacing_um: Micrometres from one pixel to the next along each spatial axis, in array order; None if unknown.
        affine: NIfTI only: 4 × 4 matrix from voxel to world coordinates, in the file's unit.
        placement: NIfTI only: the fields of its header that say where the voxels are, such as `qform_code`.
    """

    array: np.ndarray
    spacing_um: tuple[float, ...] | None = None
    affine: np.ndarray | None = None
    placement: Mapping[str, np.ndarray] | None = None


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silence the logs of the decoders: `DataError` reports each problem of a file once."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _check_size(path: Path, shape: tuple[int, ...], n_bytes: int) -> None:
    """Refuse a header that claims more pixels than the file can hold, before memory is allocated."""
    if min(shape) < 1:
        raise DataError.of(path, f"holds no pixel: its shape is {shape}", "export it again", kind="no-pixel")
    size = path.stat().st_size
    if n_bytes > max(_MAX_UNCHECKED_BYTES, _MAX_COMPRESSION * size):
        what = f"claims {' × '.join(map(str, shape))} pixels, more than a file of {size} bytes can hold"
        raise DataError.of(path, what, "export or copy it again", kind="damaged")


def png_shape(path: Path) -> tuple[int, ...]:
    """Rows and columns from the header of a PNG."""
    with path.open("rb") as file:
        header = file.read(26)
    if len(header) < 26 or header[:8] != b"\x89PNG\r\n\x1a\n" or header[12:16] != b"IHDR":
        raise ValueError("no PNG header")
    columns, rows, bits, colours = struct.unpack(">IIBB", header[16:])
    n_samples = {2: 3, 3: 3, 4: 2, 6: 4}.get(colours, 1)  # a palette becomes colours
    _check_size(path, (rows, columns), rows * columns * n_samples * (2 if bits == 16 else 1))
    return rows, columns


def read_png(path: Path) -> Picture:
    """Grey or colours, 8 or 16 bits; palettes become colours; no spacing, for a PNG stores that of a screen."""
    png_shape(path)
    array = imagecodecs.png_decode(path.read_bytes())  # unlike Pillow it keeps 16-bit colours
    if array.ndim == 2:
        return Picture(array[np.newaxis])
    n_colours = {2: 1, 4: 3}.get(array.shape[2], array.shape[2])  # the rest is alpha
    return Picture(np.ascontiguousarray(np.moveaxis(array[:, :, :n_colours], 2, 0)))


def tiff_shape(path: Path) -> tuple[int, ...]:
    """Spatial shape from the tags of a TIFF."""
    with tifffile.TiffFile(path) as tif:
        series = _first_series(path, tif)
        return tuple(series.shape[axis] for axis in _tiff_axes(path, series)[1])


def read_tiff(path: Path) -> Picture:
    """Channels and spatial axes by the axes that the file names; spacing from OME or ImageJ metadata alone."""
    with tifffile.TiffFile(path) as tif:
        series = _first_series(path, tif)
        channel_axes, spatial_axes = _tiff_axes(path, series)
        if not all(_is_whole(page) for page in series.pages):  # tifffile would fill what is missing with zeros
            raise ValueError("some planes or rows are missing")
        _check_codes(path, series)
        array = series.asarray()
        if array.shape != series.shape:
            raise ValueError(f"expected shape {series.shape}, found {array.shape}")
        array = array.transpose(*channel_axes, *spatial_axes)
        array = array.reshape(-1, *(series.shape[axis] for axis in spatial_axes))
        array = _tiff_colours(array, series.keyframe)
        spacing = _ome_spacing_um(tif) if tif.is_ome else _imagej_spacing_um(tif)
    return Picture(_native(array), _spacing_or_none(spacing, array.ndim - 1))


def tiff_layout(path: Path, tif: tifffile.TiffFile) -> tuple[list[Any], bool, tuple[float, ...] | None]:
    """What is needed to read an image by windows.

    Returns:
        The page of each channel; whether the channels are colours of one page instead; and the pixel size.

    Raises:
        ValueError: If it is a volume, or its pixels are not the intensities themselves (palette, alpha, white is 0).
    """
    series = _first_series(path, tif)
    page = series.keyframe
    colours = page.samplesperpixel == 3 and page.photometric == tifffile.PHOTOMETRIC.RGB and page.planarconfig == 1
    is_grey = page.samplesperpixel == 1 and page.photometric == tifffile.PHOTOMETRIC.MINISBLACK
    channels, spatial = _tiff_axes(path, series)
    is_plain = is_grey or (colours and len(series.pages) == 1)
    if len(spatial) != 2 or not is_plain or np.dtype(page.dtype).kind not in "uif":
        raise ValueError(f"{path} cannot be read by windows")
    pages = [one for one in series.pages if one is not None]
    n_pages = 1 if colours else math.prod(series.shape[axis] for axis in channels)
    if len(pages) != n_pages or not all(_is_whole(one) for one in pages):
        raise ValueError("some planes or rows are missing")
    _check_codes_of_large(page)
    spacing = _ome_spacing_um(tif) if tif.is_ome else _imagej_spacing_um(tif)
    return pages, colours, _spacing_or_none(spacing, 2)


def _check_codes_of_large(page: Any) -> None:
    """Refuse compressions that `_check_codes` would have to decode as a whole first, and images turned by a tag."""
    if "Orientation" in page.tags and page.tags["Orientation"].value != 1:
        raise ValueError("an image that is turned by its tag is not read by windows")
    if page.compression in _CHECKED_CODES:
        raise ValueError(f"compression {page.compression} is not read by windows")


def _is_whole(page: Any) -> bool:
    return page is not None and len(page.dataoffsets) >= math.prod(page.chunked)


def _check_codes(path: Path, series: tifffile.TiffPageSeries) -> None:
    """Let libtiff check these compressions first: damaged data can crash the process in the faster decoder."""
    if series.keyframe.compression not in _CHECKED_CODES:
        return
    data = path.read_bytes()
    for page in series.pages:
        if page is not None and isinstance(page.index, int):
            imagecodecs.tiff_decode(data, index=page.index)


def _first_series(path: Path, tif: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    """The main image; smaller series are previews, series of the same size are further images."""
    tif.filehandle.seek(tif.pages.next_page_offset or 0)
    if tif.filehandle.read(tif.tiff.offsetsize) != bytes(
        tif.tiff.offsetsize
    ):  # tifffile would continue with fewer planes
        raise ValueError("the last planes are missing")
    if ".ome." in path.name.lower() and not tif.is_ome:
        raise DataError.of(
            path,
            "holds no OME metadata, although its name says so",
            "export it again, or rename it to .tif",
            kind="no-metadata",
        )
    first, *others = tif.series
    if any(other.shape == first.shape for other in others):
        raise DataError.of(
            path, f"holds {len(tif.series)} images", expected="one, save each as a separate file", kind="series"
        )
    _check_size(path, first.shape, int(first.nbytes))
    chunk = first.keyframe.chunks
    _check_size(path, chunk, math.prod(chunk) * first.dtype.itemsize)
    return first


def _tiff_axes(path: Path, series: tifffile.TiffPageSeries) -> tuple[list[int], list[int]]:
    """Positions of the channel axes and of the spatial axes; an unnamed page axis is depth."""
    axes = series.axes
    depth = [axis for axis, name in enumerate(axes) if name not in "CSYXT"]
    if len(depth) > 1 or "T" in axes or "Y" not in axes or "X" not in axes:
        raise DataError.of(
            path,
            f"has the axes {axes} {series.shape}",
            "save each time point or position as a separate file",
            expected="rows and columns, with at most depth and channels",
            kind="image-axes",
        )
    return [axis for axis, name in enumerate(axes) if name in "CS"], [*depth, axes.index("Y"), axes.index("X")]


def _tiff_colours(array: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    """Palette to RGB, alpha dropped, white-is-zero turned into black-is-zero."""
    photometric = page.photometric
    if photometric == tifffile.PHOTOMETRIC.PALETTE and len(array) == 1:
        return (np.asarray(page.colormap)[:, array[0]] >> 8).astype(np.uint8)
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE and array.dtype.kind in "bu":
        return ~array
    n_samples = page.samplesperpixel
    n_alpha = sum(int(extra) in (1, 2) for extra in page.extrasamples)
    if photometric == tifffile.PHOTOMETRIC.RGB and n_samples == 4:
        n_alpha = 1
    if n_alpha and len(array) % n_samples == 0:
        return array.reshape(-1, n_samples, *array.shape[1:])[:, :-n_alpha].reshape(-1, *array.shape[1:])
    return array


def _ome_spacing_um(tif: tifffile.TiffFile) -> dict[str, float]:
    for element in ElementTree.fromstring(tif.ome_metadata or "<OME/>").iter():
        if element.tag.rsplit("}", 1)[-1] == "Pixels":
            sizes = {axis: element.get(f"PhysicalSize{axis}") for axis in "ZYX"}
            units = {axis: UM_PER_UNIT.get(element.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "ZYX"}
            return {axis: float(size) * (units[axis] or np.nan) for axis, size in sizes.items() if size}
    return {}


def _imagej_spacing_um(tif: tifffile.TiffFile) -> dict[str, float]:
    metadata = tif.imagej_metadata or {}
    um = UM_PER_UNIT.get(str(metadata.get("unit", "")).replace("\\u00B5", "µ").replace("μ", "µ"))
    tags = tif.pages.first.tags
    if um is None or "XResolution" not in tags or "YResolution" not in tags:
        return {}
    spacing = {axis: um * tags[f"{axis}Resolution"].value[1] / tags[f"{axis}Resolution"].value[0] for axis in "YX"}
    return spacing | ({"Z": um * float(metadata["spacing"])} if "spacing" in metadata else {})


def _spacing_or_none(spacing: dict[str, float], n_axes: int) -> tuple[float, ...] | None:
    values = tuple(float(spacing.get(axis, np.nan)) for axis in "ZYX"[-n_axes:])
    return values if all(np.isfinite(value) and value > 0 for value in values) else None


def nifti_shape(path: Path) -> tuple[int, ...]:
    """Spatial shape from the header of a NIfTI."""
    return _nifti_axes(path, _load_nifti(path).shape)[0]


def read_nifti(path: Path) -> Picture:
    """A fourth axis is channels, and so are colours; an unknown unit of the spacing means mm."""
    file = _load_nifti(path)
    spatial, n_channels = _nifti_axes(path, file.shape)
    array = np.asanyarray(file.dataobj)  # the file's own type, unless the header asks for scaling
    if array.dtype.names:
        array = np.stack([array[name] for name in "RGB"], axis=-1).reshape(*spatial, 3)
        n_channels = 3
    array = np.moveaxis(array.reshape(*spatial, n_channels), -1, 0)
    um = UM_PER_UNIT.get(file.header.get_xyzt_units()[0], 1e3)
    zooms = [float(str(zoom)) * um for zoom in file.header.get_zooms()[: len(spatial)]]  # 0.62, not 0.6200000047…
    spacing = tuple(zooms) if all(np.isfinite(zoom) and zoom > 0 for zoom in zooms) else None
    placement = {name: np.array(file.header[name]) for name in PLACEMENT}
    return Picture(_native(array), spacing, np.asarray(file.affine), placement)


def _load_nifti(path: Path) -> Any:
    if path.stat().st_size == 0:
        raise ValueError("the file is empty")
    file: Any = nibabel.load(path)
    _check_size(path, file.shape, math.prod(file.shape) * file.get_data_dtype().itemsize)
    return file


def _nifti_axes(path: Path, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Spatial shape and number of channels; channels are the fourth axis, or the fifth after a single time point."""
    if len(shape) == 5 and shape[3] == 1:
        shape = (*shape[:3], shape[4])
    if not 2 <= len(shape) <= 4:
        raise DataError.of(
            path,
            f"has the shape {shape}",
            expected="2 or 3 spatial axes and at most one of channels",
            kind="image-axes",
        )
    return tuple(map(int, shape[:3])), int(shape[3]) if len(shape) == 4 else 1


def _native(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))

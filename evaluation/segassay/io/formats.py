"""Readers of TIFF and NIfTI: each format becomes the same `Picture`.

    file -> header (shape, checked against the size of the file) -> Picture(array (C, *spatial), spacing_um, affine)

`png_files` reads PNG. Only `images` calls these readers: it finds the format from the file name, and turns errors of
decoders into messages.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile

from segassay.errors import DataError
from segassay.io.channel_names import tiff_channel_names
from segassay.io.mask_colours import drawn_on_transparent
from segassay.io.orientation import turned, turned_shape
from segassay.io.picture import PLACEMENT, Picture
from segassay.io.spacing import nifti_spacing_um, nifti_unit, nifti_unread, tiff_spacing_um, tiff_unit, tiff_unread

_CHECKED_CODES = (2, 3, 4, 5, 32773)  # TIFF 6.0, tag Compression: CCITT RLE, fax 3, fax 4, LZW, PackBits
_MAX_UNCHECKED_BYTES = 2**28
_MAX_COMPRESSION = 2000  # deflate reaches 1032, run lengths of an empty mask somewhat more

_LOGGERS = ("tifffile", "nibabel.global", "roifile")


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silence the logs of the decoders: `DataError` reports each problem of a file once.

    By a filter: a new level makes Python forget the levels of all loggers, which takes longer than reading an image.
    """

    def is_critical(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.CRITICAL

    for name in _LOGGERS:
        logging.getLogger(name).addFilter(is_critical)
    try:
        yield
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(is_critical)


def check_size(path: Path, shape: tuple[int, ...], n_bytes: int, size: int | None = None) -> None:
    """Refuse a header that claims more pixels than the file can hold, before memory is allocated.

    Args:
        path: The file.
        shape: What its header claims.
        n_bytes: Of these pixels in memory.
        size: Bytes on disk, if they are in several files.
    """
    if min(shape) < 1:
        raise DataError.of(path, f"holds no pixel: its shape is {shape}", "export it again", kind="no-pixel")
    size = path.stat().st_size if size is None else size
    if n_bytes > max(_MAX_UNCHECKED_BYTES, _MAX_COMPRESSION * size):
        what = f"claims {' × '.join(map(str, shape))} pixels, more than a file of {size} bytes can hold"
        raise DataError.of(path, what, "export or copy it again", kind="damaged")


def check_room(path: Path, shape: tuple[int, ...], n_values: int, n_bytes: int) -> None:
    """Refuse to read an image as a whole that does not fit into the free memory, before any is allocated.

    Whatever reads a whole image needs it as stored, and once more as real numbers of four bytes.
    """
    needed = n_bytes + 4 * n_values
    if needed > _MAX_UNCHECKED_BYTES and needed > (free := _free_memory()):
        size = " × ".join(map(str, shape))
        what = f"has {size} pixels and needs {needed / 2**30:.1f} GiB of memory, but {free / 2**30:.1f} GiB are free"
        action = "close other programs, use a computer with more memory, or save smaller parts"
        raise DataError.of(path, what, action, kind="memory")


def _free_memory() -> int:
    import psutil  # large images alone need it

    return int(psutil.virtual_memory().available)


def tiff_shape(path: Path) -> tuple[int, ...]:
    """Spatial shape from the tags of a TIFF."""
    with tifffile.TiffFile(path) as tif:
        series = _first_series(path, tif)
        shape = tuple(series.shape[axis] for axis in _tiff_axes(path, series)[1])
        return turned_shape(shape, _orientation(series))


def _orientation(series: tifffile.TiffPageSeries) -> int:
    tag = series.keyframe.tags.get("Orientation")
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def read_tiff(path: Path, *, as_mask: bool = False) -> Picture:
    """Channels and spatial axes by the axes that the file names; spacing from OME or ImageJ metadata alone.

    Args:
        path: The file.
        as_mask: Keep the numbers behind a palette, take a fourth sample beside RGB as alpha, and keep ROIs.
    """
    with tifffile.TiffFile(path) as tif:
        series = _first_series(path, tif)
        check_room(path, series.shape, int(series.size), int(series.nbytes))
        channel_axes, spatial_axes = _tiff_axes(path, series)
        if not all(_is_whole(page) for page in series.pages):  # tifffile would fill what is missing with zeros
            raise ValueError("some planes or rows are missing")
        _check_codes(path, series)
        array = series.asarray()
        if array.shape != series.shape:
            raise ValueError(f"expected shape {series.shape}, found {array.shape}")
        array = array.transpose(*channel_axes, *spatial_axes)
        array = array.reshape(-1, *(series.shape[axis] for axis in spatial_axes))
        page, orientation = series.keyframe, _orientation(series)
        palette = _palette(page) if as_mask and len(array) == 1 else None
        array = turned(_tiff_colours(path, array, page, as_mask=as_mask), orientation)
        if as_mask and tif.is_imagej and page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            array = ~array  # the inverting colour table of ImageJ: its numbers count, as in Fiji
        colours = len(array) == 3 and page.photometric in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)
        spacing = tiff_spacing_um(tif, array.ndim - 1, orientation)
        unit = None if spacing is None else tiff_unit(tif)
        unread = tiff_unread(tif, array.ndim - 1) if spacing is None else ""
        overlay = _overlay(tif) if as_mask else ()
        names = () if as_mask else tiff_channel_names(tif, len(array))
    return Picture(
        _native(array),
        spacing,
        palette=palette,
        turned=orientation > 1,
        unit=unit,
        colours=colours,
        overlay=overlay,
        channel_names=names,
        unread=unread,
    )


def channel_names_of_tiff(path: Path) -> tuple[str, ...]:
    """Names of the channels from the metadata of a TIFF; no pixel is decoded."""
    with tifffile.TiffFile(path) as tif:
        series = _first_series(path, tif)
        lengths = [series.shape[axis] for axis in _tiff_axes(path, series)[0]]
        return tiff_channel_names(tif, math.prod(lengths))


def tiff_layout(
    path: Path, tif: tifffile.TiffFile
) -> tuple[list[list[Any]], bool, bool, tuple[float, ...] | None, str]:
    """What is needed to read an image by windows.

    Returns:
        The pages of each channel, one for each plane; whether the channels are colours of a page instead; whether it
        is a volume; the pixel size; and, if it is unknown, what the file gives as such.

    Raises:
        ValueError: If its pixels are not the intensities themselves (palette, alpha, white is 0).
    """
    series = _first_series(path, tif)
    page = series.keyframe
    colours = page.samplesperpixel == 3 and page.photometric == tifffile.PHOTOMETRIC.RGB and page.planarconfig == 1
    is_grey = page.samplesperpixel == 1 and page.photometric == tifffile.PHOTOMETRIC.MINISBLACK
    channels, spatial = _tiff_axes(path, series)
    of_pages = [axis for axis in range(len(series.axes)) if series.axes[axis] not in "YXS"]
    is_plain = is_grey or (colours and all(axis in spatial or series.axes[axis] == "S" for axis in channels))
    if not is_plain or np.dtype(page.dtype).kind not in "uif":
        raise ValueError(f"{path} cannot be read by windows")
    pages = [one for one in series.pages if one is not None]
    sizes = [series.shape[axis] for axis in of_pages]
    if len(pages) != math.prod(sizes) or not all(_is_whole(one) for one in pages):
        raise ValueError("some planes or rows are missing")
    _check_codes_of_large(page)
    depth = spatial[0] if len(spatial) == 3 else None
    order = sorted(range(len(of_pages)), key=lambda place: of_pages[place] == depth)  # depth last
    numbers = np.arange(len(pages)).reshape(sizes).transpose(order)
    numbers = numbers.reshape(-1, 1 if depth is None else series.shape[depth])
    rows = [[pages[number] for number in of_channel] for of_channel in numbers.tolist()]
    spacing = tiff_spacing_um(tif, len(spatial))
    unread = tiff_unread(tif, len(spatial)) if spacing is None else ""
    return rows, colours, depth is not None, spacing, unread


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
    first, *others = _own_series(path, tif)
    if any(other.shape == first.shape for other in others):
        raise DataError.of(
            path, f"holds {len(others) + 1} images", expected="one, save each as a separate file", kind="series"
        )
    check_size(path, first.shape, int(first.nbytes))
    chunk = first.keyframe.chunks
    check_size(path, chunk, math.prod(chunk) * first.dtype.itemsize)
    return first


def _own_series(path: Path, tif: tifffile.TiffFile) -> list[tifffile.TiffPageSeries]:
    """Series with pixels in this file: OME metadata also names those of other files, such as other positions."""
    if not tif.is_ome:
        return list(tif.series)
    files = [{page.parent.filehandle.name for page in series.pages if page is not None} for series in tif.series]
    own = [series for series, names in zip(tif.series, files, strict=True) if tif.filehandle.name in names]
    for series, names in zip(tif.series, files, strict=True):
        if series in own and len(names) > 1:
            what = f"is one of {len(names)} files of one image: {', '.join(sorted(names))}"
            action = "open them together in Fiji (Bio-Formats), and save the image as one file"
            raise DataError.of(path, what, action, kind="part-of-image")
    return own or list(tif.series)


def _overlay(tif: tifffile.TiffFile) -> tuple[bytes, ...]:
    metadata = tif.imagej_metadata or {}
    rois = [metadata.get("ROI"), *_listed(metadata.get("Overlays"))]
    return tuple(roi for roi in rois if isinstance(roi, bytes))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _tiff_axes(path: Path, series: tifffile.TiffPageSeries) -> tuple[list[int], list[int]]:
    """Positions of the channel axes and of the spatial axes; an unnamed page axis is depth."""
    axes = series.axes
    depth = [axis for axis, name in enumerate(axes) if name not in "CSYX" and (name != "T" or series.shape[axis] > 1)]
    if len(depth) > 1:
        depth = [axis for axis in depth if series.shape[axis] > 1] or depth[:1]
    if len(depth) > 1 or any(axes[axis] == "T" for axis in depth) or "Y" not in axes or "X" not in axes:
        raise DataError.of(
            path,
            f"has the axes {axes} {series.shape}",
            "save each time point or position as a separate file",
            expected="rows and columns, with at most depth and channels",
            kind="image-axes",
        )
    spatial = [*depth, axes.index("Y"), axes.index("X")]
    return [axis for axis in range(len(axes)) if axis not in spatial], spatial  # others are channels, or of length 1


def _palette(page: tifffile.TiffPage) -> np.ndarray | None:
    """Colours `(n, 3)` of the numbers of a page; None if these are no indices."""
    if page.photometric != tifffile.PHOTOMETRIC.PALETTE:
        return None
    colours = np.asarray(page.colormap)
    if colours.shape[-1] != 2 ** int(page.bitspersample):
        raise ValueError(f"{colours.shape[-1]} colours for numbers of {page.bitspersample} bits")
    return (colours >> 8).astype(np.uint8).T


def _tiff_colours(path: Path, array: np.ndarray, page: tifffile.TiffPage, *, as_mask: bool) -> np.ndarray:
    """Palette to RGB, alpha dropped, white-is-zero turned into black-is-zero."""
    photometric = page.photometric
    if photometric == tifffile.PHOTOMETRIC.SEPARATED:
        what = "is in CMYK, the colours of a printer"
        raise DataError.of(path, what, "export it in grey or RGB", kind="cmyk")
    palette = _palette(page)
    if palette is not None and len(array) == 1:
        return array if as_mask else np.moveaxis(palette[array[0]], -1, 0)
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE and array.dtype.kind in "bu":
        return ~array
    n_samples = page.samplesperpixel
    n_alpha = sum(int(extra) in (1, 2) for extra in page.extrasamples)
    if photometric == tifffile.PHOTOMETRIC.RGB and n_samples == 4 and (as_mask or not page.extrasamples):
        n_alpha = 1
    if n_alpha and len(array) % n_samples == 0:
        samples = array.reshape(-1, n_samples, *array.shape[1:])
        if as_mask and n_alpha == 1 and page.extrasamples and len(samples) == 1:
            return drawn_on_transparent(samples[0, :-1], samples[0, -1])
        return samples[:, :-n_alpha].reshape(-1, *array.shape[1:])
    return array


def nifti_shape(path: Path) -> tuple[int, ...]:
    """Spatial shape from the header of a NIfTI."""
    return _nifti_axes(path, _load_nifti(path).shape)[0]


def nifti_affine(path: Path) -> np.ndarray | None:
    """Matrix from voxel to world coordinates from the header of a NIfTI; None if the header says that it is unknown."""
    return _known_affine(_load_nifti(path))


def _known_affine(file: Any) -> np.ndarray | None:
    codes = [int(file.header[name]) for name in ("qform_code", "sform_code") if name in file.header]
    return np.asarray(file.affine) if any(codes) else None


def read_nifti(path: Path, *, as_mask: bool = False) -> Picture:
    """A fourth axis is channels, and so are colours; an unknown unit of the spacing means mm."""
    file = _load_nifti(path)
    n_values, is_scaled = math.prod(file.shape), (file.dataobj.slope, file.dataobj.inter) != (1, 0)
    check_room(path, file.shape, n_values, n_values * (8 if is_scaled else file.get_data_dtype().itemsize))
    spatial, n_channels = _nifti_axes(path, file.shape)
    colours = False
    array = np.asanyarray(file.dataobj)  # the file's own type, unless the header asks for scaling
    if array.dtype.names:
        array = np.stack([array[name] for name in "RGB"], axis=-1).reshape(*spatial, 3)
        n_channels = 3
        colours = True
    array = np.moveaxis(array.reshape(*spatial, n_channels), -1, 0)
    return _placed(file, _native(array), len(spatial), colours=colours)


def _placed(file: Any, array: np.ndarray, n_axes: int, *, colours: bool = False) -> Picture:
    """The picture of an array, with the spacing and the place that a NIfTI gives it."""
    spacing = nifti_spacing_um(file.header, n_axes)
    unit = None if spacing is None else nifti_unit(file.header)
    placement = {name: np.array(file.header[name]) for name in PLACEMENT}
    unread = nifti_unread(file.header)
    return Picture(array, spacing, np.asarray(file.affine), placement, unit=unit, colours=colours, unread=unread)


def nifti_layout(path: Path) -> tuple[Any, Picture]:
    """What is needed to read a NIfTI by windows: nibabel's image, and a picture without pixels (all 0).

    Raises:
        ValueError: If its channels are colours of one voxel.
    """
    file = _load_nifti(path)
    spatial, n_channels = _nifti_axes(path, file.shape)
    if file.get_data_dtype().names or file.get_data_dtype().kind not in "uif":
        raise ValueError(f"{path} cannot be read by windows")
    is_scaled = (file.dataobj.slope, file.dataobj.inter) != (1, 0)
    dtype = np.dtype(np.float64) if is_scaled else file.get_data_dtype().newbyteorder("=")
    return file, _placed(file, blank((n_channels, *spatial), dtype), len(spatial))


def blank(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of zeros that takes no memory, in the place of pixels that are read by windows."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def _load_nifti(path: Path) -> Any:
    if path.stat().st_size == 0:
        raise ValueError("the file is empty")
    import nibabel  # loads slowly, and most images are no NIfTI

    file: Any = nibabel.load(path)
    check_size(path, file.shape, math.prod(file.shape) * file.get_data_dtype().itemsize)
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
    spatial = shape[:2] if shape[2:3] == (1,) else shape[:3]  # one plane is an image of two axes
    return tuple(map(int, spatial)), int(shape[3]) if len(shape) == 4 else 1


def _native(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))

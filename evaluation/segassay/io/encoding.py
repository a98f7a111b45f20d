"""One channel as the bytes of a file: PNG, TIFF or NIfTI; the same array gives the same bytes.

An exported bundle can carry this module unchanged: it imports numpy, readers of image files and modules of this kind.
"""

import gzip
import io
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import imagecodecs
import numpy as np
import tifffile

from .picture import Picture
from .spacing import UM_PER_UNIT

__all__ = ["are_channels_last", "encode", "encode_channels", "nifti_header", "ome_words", "tiff_words"]

_NIFTI_OFFSET = 352  # bytes of the header and of the flag that no extension follows

_SAMPLES, _SAMPLE_BYTES, _HARDLY = 16, 2**12, 0.85  # parts that tell noise, and the share of its size that it keeps
_STRIP_BYTES = 2**18

_OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"

_OME_TYPES = {"uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "float32": "float"}
"""Names of number types in OME."""


def encode(suffix: str, array: np.ndarray, like: Picture | None) -> bytes | None:
    """Bytes of a file.

    A TIFF has the image's pixel size as ImageJ writes it, an OME-TIFF as OME does, a NIfTI its spacing, affine, forms
    and units. There is neither a date nor a random identifier in them.

    Args:
        suffix: Ending of the file name, in lower case.
        array: `(*spatial)`, contiguous.
        like: The image it belongs to.

    Returns:
        None if files of that kind cannot hold the array.
    """
    if suffix == ".png" and array.ndim == 2 and array.dtype in (np.uint8, np.uint16):
        return bytes(imagecodecs.png_encode(array))
    if suffix in (".tif", ".tiff") and array.ndim in (2, 3):
        return _encode_tiff(array, None if like is None else like.spacing_um)
    if suffix in (".ome.tif", ".ome.tiff") and array.ndim in (2, 3):
        words = ome_words(array.shape, array.dtype, None if like is None else like.spacing_um)
        return None if words is None else _tiff(array, **words)
    if suffix in (".nii", ".nii.gz") and array.ndim in (2, 3):
        data = _encode_nifti(array, like)
        return gzip.compress(data, mtime=0) if suffix == ".nii.gz" else data
    return None


def encode_channels(suffix: str, array: np.ndarray, like: Picture | None) -> bytes | None:
    """Bytes of a file of several channels: a TIFF as ImageJ orders them, an OME-TIFF, or a NIfTI with a fourth axis.

    Args:
        suffix: Ending of the file name, in lower case.
        array: `(C, *spatial)`.
        like: The image it belongs to.

    Returns:
        None if files of that kind cannot hold the array.
    """
    n_channels, *spatial = array.shape
    if suffix in (".tif", ".tiff") and len(spatial) in (2, 3):
        spacing = None if like is None else like.spacing_um
        ordered = np.moveaxis(array, 0, -3) if are_channels_last(tuple(spatial), spacing) else array
        return _tiff(np.ascontiguousarray(ordered), **tiff_words(tuple(spatial), spacing, n_channels))
    if suffix in (".ome.tif", ".ome.tiff") and len(spatial) in (2, 3):
        names = () if like is None else like.channel_names
        of_ome = ome_words(tuple(spatial), array.dtype, None if like is None else like.spacing_um, n_channels, names)
        return None if of_ome is None else _tiff(np.ascontiguousarray(array), **of_ome)
    if suffix in (".nii", ".nii.gz") and len(spatial) in (2, 3):
        last = np.moveaxis(array, 0, -1).reshape(*spatial, *[1] * (3 - len(spatial)), n_channels)
        data = _encode_nifti(last, like)
        return gzip.compress(data, mtime=0) if suffix == ".nii.gz" else data
    return None


def _encode_tiff(array: np.ndarray, spacing_um: Sequence[float] | None) -> bytes:
    return _tiff(array, **tiff_words(array.shape, spacing_um))


def tiff_words(shape: tuple[int, ...], spacing_um: Sequence[float] | None, n_channels: int = 1) -> dict[str, Any]:
    """Arguments of `tifffile.imwrite` that write the axes, and the pixel size in ImageJ's way.

    A volume of one plane has no pixel size, for ImageJ would take it for an image.
    """
    if not are_channels_last(shape, spacing_um):
        return {"metadata": {"axes": "C" * (n_channels > 1) + "ZYX"[-len(shape) :]}}
    assert spacing_um is not None, "else ImageJ is told nothing"
    n_planes = shape[0] if len(shape) == 3 else 1
    about = ["ImageJ=1.53t", "unit=\\u00B5m"]
    if n_channels > 1:
        about[1:1] = [f"images={n_channels * n_planes}", f"channels={n_channels}", f"slices={n_planes}"]
        about[4:4] = ["hyperstack=true", "mode=grayscale"]
    elif len(shape) == 3:
        about[1:1] = [f"images={n_planes}", f"slices={n_planes}"]
    if len(shape) == 3:
        about += [f"spacing={float(spacing_um[0])!r}", "loop=false"]
    rows, columns = (_pixels_per_um(spacing) for spacing in spacing_um[-2:])
    description = "\n".join(about) + "\n"
    return {"metadata": None, "description": description, "resolution": (columns, rows), "resolutionunit": 1}


def are_channels_last(shape: tuple[int, ...], spacing_um: Sequence[float] | None) -> bool:
    """Whether a TIFF is written as ImageJ does, which has all channels of a plane before those of the next."""
    return spacing_um is not None and shape[:-2] != (1,)


def _pixels_per_um(spacing: float) -> tuple[int, int]:
    """As the fraction of two 32-bit numbers that a TIFF holds: 40 of 13 for 0.325 µm."""
    inverse = spacing > 1
    fraction = Fraction(1 / Fraction(spacing) if inverse else spacing).limit_denominator(2**32 - 1)
    return (fraction.numerator, fraction.denominator) if inverse else (fraction.denominator, fraction.numerator)


def ome_words(
    shape: tuple[int, ...],
    dtype: np.dtype,
    spacing_um: Sequence[float] | None,
    n_channels: int = 1,
    names: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Arguments of `tifffile.imwrite` that write OME metadata; None for what OME cannot hold.

    OME has no volume of one plane, which would be read as an image, and few number types.
    """
    if shape[:-2] == (1,) or dtype.name not in _OME_TYPES:
        return None
    n_planes = shape[0] if len(shape) == 3 else 1
    sizes = {"X": shape[-1], "Y": shape[-2], "Z": n_planes, "C": n_channels, "T": 1}
    pixels = {"ID": "Pixels:0", "DimensionOrder": "XYZCT", "Type": _OME_TYPES[dtype.name]}
    pixels |= {f"Size{axis}": str(size) for axis, size in sizes.items()}
    for axis, spacing in zip("ZYX"[-len(shape) :], spacing_um or (), strict=False):
        pixels |= {f"PhysicalSize{axis}": repr(float(spacing)), f"PhysicalSize{axis}Unit": "µm"}
    ome = ElementTree.Element("OME", {"xmlns": _OME, "Creator": "SegAssay"})
    image = ElementTree.SubElement(ElementTree.SubElement(ome, "Image", ID="Image:0"), "Pixels", pixels)
    for channel in range(n_channels):
        name = {"Name": names[channel]} if len(names) == n_channels else {}
        ElementTree.SubElement(image, "Channel", {"ID": f"Channel:0:{channel}", **name, "SamplesPerPixel": "1"})
    ElementTree.SubElement(image, "TiffData", IFD="0", PlaneCount=str(n_planes * n_channels))
    xml = ElementTree.tostring(ome, encoding="us-ascii", xml_declaration=True)
    return {"metadata": None, "description": xml.decode("ascii")}


def _tiff(array: np.ndarray, **how: Any) -> bytes:
    file = io.BytesIO()
    if _is_noise(array):
        how |= {"rowsperstrip": max(1, _STRIP_BYTES // (array.shape[-1] * array.itemsize))}
    else:
        how |= {"compression": "zlib", "maxworkers": 1}
    tifffile.imwrite(file, array, photometric="minisblack", **how)
    return file.getvalue()


def _is_noise(array: np.ndarray) -> bool:
    """Whether real numbers are hardly smaller when compressed, as those of a network: that takes a tenth of a second.

    Some parts of an array, evenly spaced, stand for all of it.
    """
    if array.dtype.kind != "f" or array.nbytes < _SAMPLES * _SAMPLE_BYTES:
        return False
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    starts = np.linspace(0, flat.size - _SAMPLE_BYTES, _SAMPLES).astype(int)
    sample = np.concatenate([flat[start : start + _SAMPLE_BYTES] for start in starts])
    return len(zlib.compress(sample.tobytes(), 1)) > _HARDLY * sample.size


def _encode_nifti(array: np.ndarray, like: Picture | None) -> bytes:
    return bytes(_nifti(array, like).to_bytes())


def nifti_header(shape: tuple[int, ...], dtype: np.dtype, like: Picture | None) -> bytes:
    """Bytes of a NIfTI in front of its pixels, which follow with the first axis fastest."""
    header = _nifti(np.broadcast_to(np.zeros((), dtype), shape), like).header
    header.set_data_offset(_NIFTI_OFFSET)
    header.set_slope_inter(1, 0)
    return bytes(header.binaryblock) + bytes(_NIFTI_OFFSET - len(header.binaryblock))


def _nifti(array: np.ndarray, like: Picture | None) -> Any:
    """The image's placement; without one its affine in its unit; without one the spacing in mm."""
    affine, unit = np.eye(4), "unknown"
    if like is not None and like.spacing_um is not None:
        spacing = np.array(like.spacing_um)
        affine, unit = np.diag([*spacing / 1e3, *np.ones(4 - len(spacing))]), "mm"
    if like is not None and like.affine is not None:
        affine = like.affine
        if like.spacing_um is not None:
            um_per_unit = like.spacing_um[0] / np.linalg.norm(affine[:3, 0])
            unit = min(("micron", "mm", "meter"), key=lambda name: abs(np.log(UM_PER_UNIT[name] / um_per_unit)))
    import nibabel  # loads slowly, and most images are no NIfTI

    file = nibabel.Nifti1Image(array, affine)
    file.header.set_xyzt_units(unit)
    if like is not None and like.placement is not None:
        for name, value in like.placement.items():
            file.header[name] = value
    return file

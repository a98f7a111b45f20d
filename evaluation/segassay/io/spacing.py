"""Pixel sizes as files hold them, in micrometres.

    OME or ImageJ metadata of a TIFF, header of a NIfTI  ->  micrometres along each spatial axis; None if unknown

An exported bundle can carry this module unchanged: it imports numpy and readers of image files alone.
"""

import xml.etree.ElementTree as ElementTree
from typing import Any, NamedTuple

import numpy as np
import tifffile

__all__ = [
    "OF_SCANNERS_UM",
    "UM_PER_UNIT",
    "nifti_spacing_um",
    "nifti_unit",
    "nifti_unread",
    "shown_unit",
    "tiff_spacing_um",
    "tiff_unit",
    "tiff_unread",
    "um_per_unit",
]

_UNITS = {
    1e-3: ("nm", "nanometer", "nanometers", "nanometre", "nanometres"),
    1.0: ("µm", "um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"),
    1e3: ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
    1e4: ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    1e6: ("m", "meter", "meters", "metre", "metres"),
    25400.0: ("inch", "inches", "in"),
}
_NAMES = {name: names[0] for names in _UNITS.values() for name in names}
UM_PER_UNIT = {name: um for um, names in _UNITS.items() for name in names}
"""Micrometres per unit of length, by the names that files give it."""

_UNITS_OF_NIFTI = {0: "mm", 1: "m", 2: "mm", 3: "µm"}
"""By the number in the header, where 0 is unknown."""

_FINEST_PRINT_UM = 10
"""Finest pixel of a print: 2540 per inch. Microscopes, which give inches or centimetres too, are finer."""

_PRINTED_DPI = (72, 75, 90, 96, 100, 120, 144, 150, 180, 192, 200, 240, 300, 350, 360, 400, 600, 720, 1200, 2400)
_SAME_DPI = 0.005

OF_SCANNERS_UM = 100
"""Spacing from which on it is shown in millimetres where no file says: that of a scanner, not of a microscope."""


def tiff_spacing_um(tif: tifffile.TiffFile, n_axes: int, orientation: int = 1) -> tuple[float, ...] | None:
    """Pixel size of an open TIFF by its OME or ImageJ metadata; the resolution that a file is printed in is none.

    Resolution tags alone do not count. ImageJ takes them over as its own unit, so inches coarser than 10 µm do not
    count either, nor do centimetres in a usual resolution of prints and screens (72, 96, 300 per inch).

    Args:
        tif: The file.
        n_axes: Number of spatial axes.
        orientation: What the tag of this name asks viewers to do; above 4, rows and columns change places.
    """
    known = {axis: size.um for axis, size in _tiff_sizes(tif).items()}
    if orientation > 4:
        known = {{"X": "Y", "Y": "X"}.get(axis, axis): um for axis, um in known.items()}
    return _if_known([known.get(axis, np.nan) for axis in "ZYX"[-n_axes:]])


def tiff_unread(tif: tifffile.TiffFile, n_axes: int) -> str:
    """What an open TIFF gives as pixel size and is none, for messages: `PhysicalSizeX="0,25"`; empty if all are sizes.

    Args:
        tif: The file.
        n_axes: Number of spatial axes.
    """
    sizes = _tiff_sizes(tif)
    return ", ".join(sizes[axis].said for axis in "ZYX"[-n_axes:] if axis in sizes and not sizes[axis].is_read)


def nifti_spacing_um(header: Any, n_axes: int) -> tuple[float, ...] | None:
    """Pixel size by the header of a NIfTI; an unknown unit means mm, and there is none in a unit that NIfTI lacks."""
    if nifti_unread(header):
        return None
    um = UM_PER_UNIT[nifti_unit(header)]
    return _if_known([float(str(zoom)) * um for zoom in header.get_zooms()[:n_axes]])  # 0.62, not 0.6200000047…


def nifti_unread(header: Any) -> str:
    """The unit in the header of a NIfTI, for messages, if the format knows no such unit of length; else empty."""
    return "" if _nifti_code(header) in _UNITS_OF_NIFTI else f"xyzt_units={int(header['xyzt_units'])}"


def tiff_unit(tif: tifffile.TiffFile) -> str | None:
    """Unit in which an open TIFF gives its columns, which is that of the other axes in what programs write."""
    if not tif.is_ome:
        return _name_of_unit(str((tif.imagej_metadata or {}).get("unit", "")))
    pixels = (one for one in ElementTree.fromstring(tif.ome_metadata or "<OME/>").iter() if one.tag.endswith("Pixels"))
    return next((_name_of_unit(one.get("PhysicalSizeXUnit", "µm")) for one in pixels), None)


def nifti_unit(header: Any) -> str:
    """Unit of the header of a NIfTI; mm if it is unknown."""
    return _UNITS_OF_NIFTI.get(_nifti_code(header), "mm")


def _nifti_code(header: Any) -> int:
    """Unit of length; the unit of time in the higher bits may be anything."""
    return int(header["xyzt_units"]) % 8


def _if_known(spacing: list[float]) -> tuple[float, ...] | None:
    return tuple(spacing) if all(_is_size(value) for value in spacing) else None


def _is_size(value: float) -> bool:
    return bool(np.isfinite(value)) and value > 0


class _Size(NamedTuple):
    """Pixel size along one axis as a TIFF gives it: its words, whether they are a size, and micrometres or NaN."""

    said: str
    is_read: bool
    um: float

    @classmethod
    def of(cls, said: str, number: float, um_per_unit: float | None) -> "_Size":
        is_read = _is_size(number)
        return cls(said, is_read, number * um_per_unit if is_read and um_per_unit is not None else np.nan)


def _tiff_sizes(tif: tifffile.TiffFile) -> dict[str, _Size]:
    return _ome_sizes(tif) if tif.is_ome else _imagej_sizes(tif)


def _ome_sizes(tif: tifffile.TiffFile) -> dict[str, _Size]:
    for element in ElementTree.fromstring(tif.ome_metadata or "<OME/>").iter():
        if element.tag.rsplit("}", 1)[-1] == "Pixels":
            names = {axis: f"PhysicalSize{axis}" for axis in "ZYX"}
            given = {axis: element.get(name) for axis, name in names.items()}
            units = {axis: um_per_unit(element.get(f"{name}Unit", "µm")) for axis, name in names.items()}
            return {
                axis: _Size.of(f'{names[axis]}="{size}"', _number(size), units[axis])
                for axis, size in given.items()
                if size
            }
    return {}


def _imagej_sizes(tif: tifffile.TiffFile) -> dict[str, _Size]:
    metadata = tif.imagej_metadata or {}
    unit = _name_of_unit(str(metadata.get("unit", "")))
    tags = tif.pages.first.tags
    if unit is None or "XResolution" not in tags or "YResolution" not in tags:
        return {}
    um, sizes = UM_PER_UNIT[unit], {}
    for axis in "YX":
        pixels, units = tags[f"{axis}Resolution"].value
        sizes[axis] = _Size.of(f"{axis}Resolution={pixels}/{units}", units / pixels if pixels else np.nan, um)
    if any(_is_printed(unit, size.um) for size in sizes.values()):
        return {}
    if "spacing" in metadata:
        depth = metadata["spacing"]
        sizes["Z"] = _Size.of(f"spacing={depth}", abs(_number(depth)), um)
    return sizes


def _is_printed(unit: str, um: float) -> bool:
    """Whether a pixel size is one in which pictures are printed or shown, rather than measured."""
    if unit not in ("inch", "cm") or not um > _FINEST_PRINT_UM:
        return False
    dpi = UM_PER_UNIT["inch"] / um
    return unit == "inch" or any(abs(dpi / usual - 1) < _SAME_DPI for usual in _PRINTED_DPI)


def _number(text: object) -> float:
    try:
        return float(str(text))
    except ValueError:
        return np.nan


def um_per_unit(unit: str) -> float | None:
    """Micrometres per unit, by any of its names; None if it is no known unit of length."""
    name = _name_of_unit(unit)
    return None if name is None else UM_PER_UNIT[name]


def _name_of_unit(unit: str) -> str | None:
    name = unit.strip().replace("\\u00B5", "µ").replace("μ", "µ")
    return _NAMES.get(name, _NAMES.get(name.lower()))


def shown_unit(unit: str, smallest_um: float) -> tuple[str, float]:
    """Unit in which distances are shown, and the factor that turns those of the tables into it.

    Args:
        unit: That of the tables, `px` or `um`.
        smallest_um: The smallest distance between pixels of any image, in micrometres: from 100 on, as of scanners,
            distances are shown in millimetres.

    Example:
        >>> shown_unit("um", 620.0), shown_unit("um", 0.62), shown_unit("px", 1.0)
        (('mm', 0.001), ('µm', 1.0), ('px', 1.0))
    """
    return ("mm", 1e-3) if unit == "um" and smallest_um >= OF_SCANNERS_UM else ({"um": "µm"}.get(unit, unit), 1.0)

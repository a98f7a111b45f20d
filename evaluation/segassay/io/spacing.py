"""Pixel sizes as files hold them, in micrometres.

    OME or ImageJ metadata of a TIFF, header of a NIfTI  ->  micrometres along each spatial axis; None if unknown

An exported bundle can carry this module unchanged: it imports numpy and readers of image files alone.
"""

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import tifffile

__all__ = [
    "OF_SCANNERS_UM",
    "UM_PER_UNIT",
    "nifti_spacing_um",
    "nifti_unit",
    "shown_unit",
    "tiff_spacing_um",
    "tiff_unit",
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

OF_SCANNERS_UM = 100
"""Spacing from which on it is shown in millimetres where no file says: that of a scanner, not of a microscope."""


def tiff_spacing_um(tif: tifffile.TiffFile, n_axes: int, orientation: int = 1) -> tuple[float, ...] | None:
    """Pixel size of an open TIFF; resolution tags alone usually describe a printer and do not count.

    Args:
        tif: The file.
        n_axes: Number of spatial axes.
        orientation: What the tag of this name asks viewers to do; above 4, rows and columns change places.
    """
    known = _ome_spacing_um(tif) if tif.is_ome else _imagej_spacing_um(tif)
    if orientation > 4:
        known = {{"X": "Y", "Y": "X"}.get(axis, axis): um for axis, um in known.items()}
    return _if_known([float(known.get(axis, np.nan)) for axis in "ZYX"[-n_axes:]])


def nifti_spacing_um(header: Any, n_axes: int) -> tuple[float, ...] | None:
    """Pixel size by the header of a NIfTI; an unknown unit means mm."""
    um = UM_PER_UNIT[nifti_unit(header)]
    return _if_known([float(str(zoom)) * um for zoom in header.get_zooms()[:n_axes]])  # 0.62, not 0.6200000047…


def tiff_unit(tif: tifffile.TiffFile) -> str | None:
    """Unit in which an open TIFF gives its columns, which is that of the other axes in what programs write."""
    if not tif.is_ome:
        return _name_of_unit(str((tif.imagej_metadata or {}).get("unit", "")))
    pixels = (one for one in ElementTree.fromstring(tif.ome_metadata or "<OME/>").iter() if one.tag.endswith("Pixels"))
    return next((_name_of_unit(one.get("PhysicalSizeXUnit", "µm")) for one in pixels), None)


def nifti_unit(header: Any) -> str:
    """Unit of the header of a NIfTI; mm if it is unknown."""
    return _NAMES.get(header.get_xyzt_units()[0], "mm")


def _if_known(spacing: list[float]) -> tuple[float, ...] | None:
    return tuple(spacing) if all(np.isfinite(value) and value > 0 for value in spacing) else None


def _ome_spacing_um(tif: tifffile.TiffFile) -> dict[str, float]:
    for element in ElementTree.fromstring(tif.ome_metadata or "<OME/>").iter():
        if element.tag.rsplit("}", 1)[-1] == "Pixels":
            sizes = {axis: element.get(f"PhysicalSize{axis}") for axis in "ZYX"}
            units = {axis: um_per_unit(element.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "ZYX"}
            return {axis: float(size) * (units[axis] or np.nan) for axis, size in sizes.items() if size}
    return {}


def _imagej_spacing_um(tif: tifffile.TiffFile) -> dict[str, float]:
    metadata = tif.imagej_metadata or {}
    um = um_per_unit(str(metadata.get("unit", "")))
    tags = tif.pages.first.tags
    if um is None or "XResolution" not in tags or "YResolution" not in tags:
        return {}
    spacing = {axis: um * tags[f"{axis}Resolution"].value[1] / tags[f"{axis}Resolution"].value[0] for axis in "YX"}
    return spacing | ({"Z": um * abs(float(metadata["spacing"]))} if "spacing" in metadata else {})


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

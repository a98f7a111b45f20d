"""Read ROIs of ImageJ and Fiji: a .roi file, a RoiSet.zip, or the overlay of a TIFF.

file -> entries (bytes, within limits) -> Outline of each ROI

Nothing is unpacked to the disk. Lines, points and texts have no area and are refused by name.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from segassay.errors import DataError
from segassay.io.outlines import Outline

if TYPE_CHECKING:
    from roifile import ImagejRoi

__all__ = ["outlines_of_rois", "read_rois"]

_MAX_ENTRIES = 200_000
_MAX_ENTRY_BYTES = 2**26
_MAX_BYTES = 2**29
_STEPS = 32
"""Straight pieces of a curve in a composite ROI."""

_N_NUMBERS = {0: 2, 1: 2, 2: 4, 3: 6, 4: 0}
"""Numbers after each command of a composite path: move to, line to, square and cubic curve to, close."""


def read_rois(path: Path) -> list[Outline]:
    """Outlines of a .roi file or of a zip of them, in the order of the file; none of an empty zip.

    Raises:
        DataError: If the file is broken, too large, or holds anything else; the message names the entry.
    """
    if path.suffix.lower() == ".roi":
        if path.stat().st_size > _MAX_ENTRY_BYTES:
            raise DataError.of(path, "is too large for a ROI", "save it again", kind="damaged")
        return outlines_of_rois(path, [(path.name, path.read_bytes())])
    try:
        with zipfile.ZipFile(path) as archive:
            return outlines_of_rois(path, list(_entries(path, archive)))
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise DataError.of(path, f"is no readable zip ({error})", "save the ROIs again", kind="damaged") from error


def _entries(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    """Name and content of each ROI, decompressed no further than the limits."""
    entries = [entry for entry in archive.infolist() if not _is_of_the_system(entry)]
    others = [entry.filename for entry in entries if not entry.filename.lower().endswith(".roi")]
    if others:
        what = f"holds {others[0]!r}, which is no ROI"
        action = "unpack it, or save the ROIs alone with ROI Manager › More › Save"
        raise DataError.of(path, what, action, kind="no-roi")
    if len(entries) > _MAX_ENTRIES:
        raise DataError.of(path, f"holds {len(entries)} ROIs", expected=f"at most {_MAX_ENTRIES}", kind="too-large")
    left = _MAX_BYTES
    for entry in entries:
        limit = min(left, _MAX_ENTRY_BYTES)
        with archive.open(entry) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            what = f"{entry.filename!r} unpacks to more than {limit} bytes, too many for a ROI"
            raise DataError.of(path, what, "save the ROIs again", kind="too-large")
        left -= len(data)
        yield entry.filename, data


def _is_of_the_system(entry: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(entry.filename).parts
    return entry.is_dir() or "__MACOSX" in parts or (bool(parts) and parts[-1].startswith("._"))


def outlines_of_rois(path: str | os.PathLike[str], rois: Sequence[tuple[str, bytes]]) -> list[Outline]:
    """Outlines of ROIs.

    Args:
        path: Their file, for messages.
        rois: Name and content of each, as in a .roi file.

    Raises:
        DataError: If one is broken, or has no area; the message names it.
    """
    return [_outline(path, name, data) for name, data in rois]


def _outline(path: str | os.PathLike[str], name: str, data: bytes) -> Outline:
    import roifile

    try:
        roi = roifile.ImagejRoi.frombytes(data)
        paths = _paths(roi)
        plane = max(int(roi.z_position), int(roi.position)) - 1
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError, struct.error) as error:
        what = f"{name!r} is a broken ROI ({str(error).strip()[:100]})"
        raise DataError.of(path, what, "save the ROIs again", kind="damaged") from error
    if paths is None:
        kind = roi.subtype.name if roi.subtype.name in ("TEXT", "IMAGE") else roi.roitype.name
        what = f"{name!r} is a {kind.lower()}, which has no area"
        action = "remove it from the ROI Manager, or draw the outline of the object, and save the ROIs again"
        raise DataError.of(path, what, action, kind="roi-without-area")
    return Outline(f"the ROI {name!r}", tuple(paths), plane if plane >= 0 else None)


def _paths(roi: "ImagejRoi") -> list[np.ndarray] | None:
    """Closed lines of a ROI; None if it has no area."""
    from roifile import ROI_SUBTYPE, ROI_TYPE

    if roi.subtype in (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.IMAGE):
        return None
    if roi.multi_coordinates is not None:
        return _composite(roi.multi_coordinates)
    if roi.roitype == ROI_TYPE.OVAL:
        return _rows(roi, roi.right - roi.left, roi.bottom - roi.top)
    if roi.roitype == ROI_TYPE.RECT:
        return _rows(roi, roi.rounded_rect_arc_size, roi.rounded_rect_arc_size)
    if roi.roitype in (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED):
        points = roi.subpixel_coordinates
        return [roi.integer_coordinates + np.array([roi.left, roi.top]) if points is None else points]
    return None


def _rows(roi: "ImagejRoi", arc_width: float, arc_height: float) -> list[np.ndarray]:
    """Rows of a rectangle with round corners, each a rectangle; an oval has nothing but corners."""
    width, height = roi.right - roi.left, roi.bottom - roi.top
    rx, ry = min(arc_width, width) / 2, min(arc_height, height) / 2
    centres = np.arange(max(height, 0)) + 0.5
    to_corner = np.maximum(np.maximum(ry - centres, centres - (height - ry)), 0)
    share = np.clip(1 - (to_corner / ry) ** 2, 0, 1) if ry > 0 else np.ones(len(centres))
    inset = np.ceil(rx - rx * np.sqrt(share) - 0.5)
    inset = np.maximum(inset, 0)
    return [
        np.array([[left, y], [right, y], [right, y + 1], [left, y + 1]], dtype=float)
        for y, left, right in zip(np.arange(len(centres)) + roi.top, roi.left + inset, roi.right - inset, strict=True)
        if right > left
    ]


def _composite(numbers: np.ndarray) -> list[np.ndarray]:
    """Closed lines of a path of commands and numbers; curves become short lines."""
    paths: list[list[np.ndarray]] = []
    place = 0
    while place < len(numbers):
        command = int(numbers[place])
        n = _N_NUMBERS[command]
        points = np.asarray(numbers[place + 1 : place + 1 + n], dtype=float).reshape(-1, 2)
        if len(points) != n // 2:
            raise ValueError("its path ends early")
        if command == 0:
            paths.append([points])
        elif command != 4:
            paths[-1].append(_curve(np.concatenate([paths[-1][-1][-1:], points])))
        place += 1 + n
    return [np.concatenate(path) for path in paths]


def _curve(points: np.ndarray) -> np.ndarray:
    """Points of a Bézier curve after its first one (de Casteljau); of a line, only its end."""
    if len(points) == 2:
        return points[1:]
    t = np.linspace(0, 1, _STEPS + 1)[1:, np.newaxis, np.newaxis]
    levels = np.broadcast_to(points, (_STEPS, *points.shape))
    while levels.shape[1] > 1:
        levels = (1 - t) * levels[:, :-1] + t * levels[:, 1:]
    return np.asarray(levels[:, 0])

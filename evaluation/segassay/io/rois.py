"""Objects as regions of interest of ImageJ and Fiji: one zip archive for each image.

labels (*spatial), label -> confidence  ->  archive for the ROI Manager, the most confident object first
"""

import io
import math
import os
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np
from roifile import ROI_TYPE, ImagejRoi
from scipy import ndimage

from segassay.errors import UsageError
from segassay.io.edges import edge_loops_of_labels, edge_loops_of_strips
from segassay.io.images import write_bytes

__all__ = ["outlined", "write_rois"]

_MAX_INTEGER = 60535
"""ImageJ reads 16-bit coordinates above it as negative numbers."""

_STRIP = 2**22
"""Pixels of an object that are outlined at once."""

_MAX_EXACT = 2**24
"""Up to here every whole number is a float32, the type of coordinates in a composite ROI."""


def write_rois(
    path: str | os.PathLike[str],
    labels: np.ndarray,
    confidence: Mapping[int, float] | None = None,
    *,
    n_channels: int = 1,
    boxes: Mapping[int, tuple[slice, ...]] | None = None,
    class_of: Mapping[int, str] | None = None,
) -> None:
    """Write one ROI for each object; filled by ImageJ, it has exactly the object's pixels.

    An object in one piece without holes is a traced ROI, any other a composite ROI. Its name is its label, with zeros
    in front so that names sort like numbers (`0007`); its confidence is a property of the ROI. In a volume an object
    has one ROI for each plane (`0007_z003`, from 1 on as Fiji counts), which lies on that plane.

    Args:
        path: Archive, ending in .zip; its folder exists, an older archive is replaced.
        labels: Whole numbers, `(rows, columns)` or `(planes, rows, columns)`, 0 for background. The first axis of a
            NIfTI runs along the columns: hand over `labels.T`.
        confidence: Label -> confidence; the most confident object comes first, those without one last, equal ones
            by label. By default in the order of the labels.
        n_channels: Channels of the image that the ROIs of a volume are opened on; with one, a ROI has the number of
            its image in the stack, with several, its plane of the hyperstack.
        boxes: Label -> where it is; by default they are searched for. With them, no other part of a large `labels` is
            read, which may be on disk.
        class_of: Label -> name of its class, which becomes a part of the name of the ROI (`0007_tumour`).

    Raises:
        ValueError: If `labels` has not two or three axes.
        UsageError: If a ROI cannot hold the coordinates, or the file cannot be written; no partial file remains.

    Example:
        >>> import tempfile, roifile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_rois(f"{folder}/0144.zip", np.array([[1, 0, 2]]), {1: 0.6, 2: 0.9})
        ...     [roi.name for roi in roifile.roiread(f"{folder}/0144.zip")]
        ['0002', '0001']

    References:
        ImageJ 1.53t, ij.io.RoiDecoder and ij.process.PolygonFiller.
    """
    if max(labels.shape, default=0) > _MAX_EXACT:
        raise UsageError(f"{path}: ROIs hold coordinates up to {_MAX_EXACT}, got an image of {labels.shape}; cut it")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        boxes = _boxes(labels) if boxes is None else boxes
        digits = max(4, len(str(max(boxes, default=0))))
        planes = len(str(labels.shape[0]))
        for label, plane, polygons in outlined(labels, confidence, boxes):
            name = f"{label:0{digits}}" if plane is None else f"{label:0{digits}}_z{plane + 1:0{planes}}"
            if class_of:
                name += "_" + "".join(letter if letter.isalnum() else "_" for letter in class_of[label])
            roi = _roi([loop for polygon in polygons for loop in polygon])
            roi.name = name
            if confidence is not None and label in confidence:
                roi.props = f"confidence: {confidence[label]:.4f}\n"
            if plane is not None and n_channels == 1:
                roi.position = plane + 1
            elif plane is not None:
                roi.z_position = plane + 1
            entry = zipfile.ZipInfo(f"{name}.roi")  # dated 1980, so that the same objects give the same bytes
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            file.writestr(entry, roi.tobytes())
    write_bytes(path, archive.getvalue())


def outlined(
    labels: np.ndarray,
    confidence: Mapping[int, float] | None = None,
    boxes: Mapping[int, tuple[slice, ...]] | None = None,
) -> Iterator[tuple[int, int | None, list[list[np.ndarray]]]]:
    """Outlines of all objects, the most confident first.

    Args:
        labels: As for `write_rois`.
        confidence: As for `write_rois`.
        boxes: As for `write_rois`.

    Yields:
        Label, plane (None in two axes), and polygons as `edge_loops` gives them.

    Raises:
        ValueError: If `labels` has not two or three axes.

    Example:
        >>> [(label, plane) for label, plane, _ in outlined(np.array([[5, 0, 2]]), {5: 0.9})]
        [(5, None), (2, None)]
    """
    if labels.ndim not in (2, 3):
        raise ValueError(f"labels must have two or three axes, got {labels.ndim}")
    given = confidence if confidence is not None else {}
    boxes = _boxes(labels) if boxes is None else boxes
    at_once = _all_at_once(labels) if len(boxes) > 1 and math.prod(labels.shape) <= _STRIP else None
    for label in sorted(boxes, key=lambda label: (-_or_lowest(given.get(label)), label)):
        *planes, rows, columns = boxes[label]
        corner = np.array([columns.start, rows.start])
        for plane in range(planes[0].start, planes[0].stop) if planes else (None,):
            if at_once is not None:
                if polygons := at_once[plane or 0].get(label):
                    yield label, plane, polygons
                continue
            strips = (part == label for part in _strips(labels, plane, rows, columns))
            polygons = [[loop + corner for loop in polygon] for polygon in edge_loops_of_strips(strips)]
            if polygons:
                yield label, plane, polygons


def _all_at_once(labels: np.ndarray) -> list[dict[int, list[list[np.ndarray]]]]:
    """Outlines of all objects in each plane, by label."""
    planes = labels[None] if labels.ndim == 2 else labels
    return [edge_loops_of_labels(np.asarray(plane)) for plane in planes]


def _strips(labels: np.ndarray, plane: int | None, rows: slice, columns: slice) -> Iterator[np.ndarray]:
    """A box of one plane, in strips of rows, so that a large one is never held as a whole."""
    height = max(_STRIP // max(columns.stop - columns.start, 1), 1)
    for start in range(rows.start, rows.stop, height):
        part = slice(start, min(start + height, rows.stop))
        yield labels[part, columns] if plane is None else labels[plane, part, columns]


def _boxes(labels: np.ndarray) -> dict[int, tuple[slice, ...]]:
    """Label -> where it is; numbers far beyond the number of pixels, as hashes are, take no memory of their own."""
    if labels.max(initial=0) <= labels.size:
        found = ndimage.find_objects(labels.astype(np.int32, copy=False))
        return {label: box for label, box in enumerate(found, start=1) if box is not None}
    values, ranks = np.unique(labels, return_inverse=True)
    found = ndimage.find_objects(ranks.reshape(labels.shape).astype(np.int32) + 1)
    return {int(value): box for value, box in zip(values, found, strict=True) if value > 0}


def _or_lowest(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else float(value)


def _roi(loops: list[np.ndarray]) -> ImagejRoi:
    """One loop as a traced ROI, several as a composite one."""
    corners = np.concatenate(loops)
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    roi = ImagejRoi(top=top, left=left, bottom=bottom, right=right)
    if len(loops) == 1 and max(right, bottom) <= _MAX_INTEGER:
        roi.roitype = ROI_TYPE.TRACED
        roi.integer_coordinates = (corners - (left, top)).astype(np.int32)
        roi.n_coordinates = len(corners)
        return roi
    path: list[np.ndarray] = []
    for loop in loops:
        moves = np.ones((len(loop), 3), dtype=np.float32)  # 0 begins a loop, 1 draws a line
        moves[0, 0], moves[:, 1:] = 0, loop
        path += [moves.ravel(), np.full(1, 4, dtype=np.float32)]  # 4 closes it
    roi.roitype = ROI_TYPE.RECT
    roi.multi_coordinates = np.concatenate(path)
    roi.shape_roi_size = len(roi.multi_coordinates)
    return roi

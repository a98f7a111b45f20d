"""Fill outlines of objects as ImageJ does: a pixel belongs to an object if its centre lies inside.

outlines (x, y) in pixels, shape of the image  ->  object numbers (rows, columns) int32 | (planes, rows, columns) bool
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segassay.errors import DataError

__all__ = ["Outline", "fill_outlines"]

_LARGEST = 1e6
"""Pixels from the first one up to which a coordinate can be true."""

_TO_THE_RIGHT = 1e-8  # of ImageJ's PolygonFiller: an edge through the centre of a pixel leaves it out on the left


@dataclass(frozen=True, eq=False)
class Outline:
    """Outline of one object.

    Attributes:
        name: In messages.
        paths: Closed lines `(n, 2)` of x, y in pixels, from the upper left corner of the first pixel. A point is inside
            if it is inside an odd number of them, so a path within another one is a hole.
        plane: Of a volume, from 0; None if the file names none.
    """

    name: str
    paths: tuple[np.ndarray, ...]
    plane: int | None = None


def fill_outlines(
    path: str | os.PathLike[str], outlines: Sequence[Outline], shape: tuple[int, ...], image: str | os.PathLike[str]
) -> np.ndarray:
    """Number of the object of each pixel; in a volume only whether there is one.

    Pixels in two outlines belong to the smaller one, of equal ones to the later, so a nucleus drawn in a cell is kept.
    In a volume, outlines of neighbouring planes that touch are one object.

    Args:
        path: The file of the outlines, for messages.
        outlines: In the order of the file, which numbers the objects from 1 on.
        shape: Of the image.
        image: Its file, for messages.

    Returns:
        int32 `(rows, columns)`, 0 for background; or bool `(planes, rows, columns)`.

    Raises:
        DataError: If an outline lies outside the image, has no place, or names no plane of a volume.

    Example:
        >>> square = np.array([[0, 0], [2, 0], [2, 2], [0, 2]])
        >>> cell = Outline("cell", (square * 2,))
        >>> fill_outlines("a.roi", [cell, Outline("nucleus", (square + 1,))], (4, 5), "a.png")
        array([[1, 1, 1, 1, 0],
               [1, 2, 2, 1, 0],
               [1, 2, 2, 1, 0],
               [1, 1, 1, 1, 0]], dtype=int32)
    """
    labels = np.zeros(shape, dtype=np.int32)
    sizes = np.zeros(len(outlines) + 1, dtype=np.int64)  # of each number
    for number, outline in enumerate(outlines, start=1):  # one after another, since many large ones fill the memory
        box, mask = _filled(path, outline, shape[-2:], image)
        sizes[number] = np.count_nonzero(mask)
        part = labels[_plane_of(path, outline, shape)][box]
        taken = mask & (part > 0)
        mask[taken] = sizes[part[taken]] >= sizes[number]
        part[mask] = number
    return labels if len(shape) == 2 else labels > 0


def _plane_of(path: str | os.PathLike[str], outline: Outline, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) == 2:
        return ()
    if outline.plane is None:
        what = f"{outline.name} names no plane of the volume"
        raise DataError.of(path, what, "draw it on a plane, not on all of them", kind="outline-plane")
    if not 0 <= outline.plane < shape[0]:
        what = f"{outline.name} lies on plane {outline.plane + 1}, but the image has {shape[0]}"
        raise DataError.of(path, what, "check that it belongs to this image", kind="outline-plane")
    return (outline.plane,)


def _filled(
    path: str | os.PathLike[str], outline: Outline, shape: tuple[int, ...], image: str | os.PathLike[str]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Rows and columns around an outline, and the pixels in it."""
    points = np.concatenate([part.reshape(-1, 2) for part in outline.paths] or [np.zeros((0, 2))])
    if not np.isfinite(points).all() or np.abs(points).max(initial=0) > _LARGEST:
        raise DataError.of(
            path, f"{outline.name} has coordinates that cannot be right", "draw it again", kind="outline"
        )
    if not len(points):
        return (slice(0), slice(0)), np.zeros((0, 0), dtype=bool)
    (left, top), (right, bottom) = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    if right <= 0 or bottom <= 0 or left >= shape[1] or top >= shape[0]:
        what = f"{outline.name} lies outside its image {os.fspath(image)}, which has {shape[1]} × {shape[0]} pixels"
        raise DataError.of(path, what, "check that it belongs to this image", kind="outline-outside")
    rows = slice(max(int(top), 0), min(int(bottom), shape[0]))
    columns = slice(max(int(left), 0), min(int(right), shape[1]))
    return (rows, columns), _inside(outline.paths, rows, columns)


def _inside(paths: Sequence[np.ndarray], rows: slice, columns: slice) -> np.ndarray:
    """Pixels whose centres are inside an odd number of paths: along each row, edges are counted from the left."""
    width = columns.stop - columns.start
    crossed = np.zeros((rows.stop - rows.start, width + 1), dtype=np.uint8)  # an overflow keeps what is odd
    for path in paths:
        x1, y1, x2, y2 = _edges_down(np.asarray(path, dtype=float))
        first = np.clip(np.floor(y1 + 0.5).astype(int), rows.start, rows.stop)
        last = np.clip(np.floor(y2 + 0.5).astype(int), rows.start, rows.stop)
        n = last - first
        edge = np.repeat(np.arange(len(n)), n)
        row = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)
        slope = ((x2 - x1) / (y2 - y1))[edge]
        x = x1[edge] + (row + 0.5 - y1[edge]) * slope + _TO_THE_RIGHT
        column = np.clip(np.floor(x + 0.5).astype(int) - columns.start, 0, width)
        np.add.at(crossed, (row - rows.start, column), 1)
    np.cumsum(crossed, axis=1, dtype=np.uint8, out=crossed)
    return np.asarray(crossed[:, :-1] % 2 == 1)


def _edges_down(path: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Edges that are not horizontal, from their upper to their lower end."""
    start, end = path, np.roll(path, -1, axis=0)
    slanted = start[:, 1] != end[:, 1]
    start, end = start[slanted], end[slanted]
    up = (start[:, 1] > end[:, 1])[:, np.newaxis]
    upper, lower = np.where(up, end, start), np.where(up, start, end)
    return upper[:, 0], upper[:, 1], lower[:, 0], lower[:, 1]

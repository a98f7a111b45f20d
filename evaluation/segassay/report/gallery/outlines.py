"""Outlines of objects as short texts, which a browser turns into lines.

labels (rows, columns)  ->  closed polygons, simplified  ->  whole numbers  ->  text in base 64

A polygon goes through the middles of the pixel edges that separate an object from its surroundings, so that slanted
outlines are straight. Points that lie within a tolerance of the line between their neighbours are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Polygons", "decode_numbers", "encode_numbers", "outline_text", "traced"]

_DIGITS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", dtype=np.uint8)
_ROUNDS = 6  # in each, every second point may be left out


@dataclass(frozen=True, eq=False)
class Polygons:
    """Closed polygons.

    Attributes:
        points: float `(n, 2)`, row and column in pixels; the middle of the first pixel is (0, 0).
        loop: int `(n,)`, number of the polygon of each point, in order from 0.
    """

    points: np.ndarray
    loop: np.ndarray


def outline_text(labels: np.ndarray, *, scale: float | tuple[float, float], tolerance: float = 0.3) -> str:
    """Outlines of all objects of a plane as a text.

    Args:
        labels: Whole numbers `(rows, columns)`, 0 = background.
        scale: Units per pixel, or per row and per column; points are rounded to whole units from the corner of the
            first pixel.
        tolerance: How far, in pixels, the line may be from a point that is left out.

    Returns:
        `encode_numbers` of, for each polygon, the number of its points, its first point (column, row) relative to that
        of the polygon before, and each further point relative to the one before. Empty without objects.

    Example:
        >>> labels = np.zeros((4, 4), dtype=int)
        >>> labels[1:3, 1:3] = 1
        >>> decode_numbers(outline_text(labels, scale=2))
        [8, 3, 2, 2, 0, 1, 1, 0, 2, -1, 1, -2, 0, -1, -1, 0, -2]
    """
    per_row, per_column = scale if isinstance(scale, tuple) else (scale, scale)
    found = _simplified(traced(labels), max(tolerance, 0.5 / min(per_row, per_column)))
    if not len(found.points):
        return ""
    units = np.rint((found.points[:, ::-1] + 0.5) * (per_column, per_row)).astype(np.int64)
    first = np.append(True, found.loop[1:] != found.loop[:-1])
    kept = first | (np.diff(units, axis=0, prepend=units[:1]) != 0).any(axis=1)
    units, first = units[kept], first[kept]
    starts = np.flatnonzero(first)
    steps = np.diff(units, axis=0, prepend=0)
    steps[starts] = np.diff(units[starts], axis=0, prepend=0)
    numbers = np.insert(steps.ravel(), 2 * starts, np.diff(starts, append=len(units)))
    return encode_numbers(numbers)


def encode_numbers(numbers: Sequence[int] | np.ndarray) -> str:
    """Whole numbers as a text: base 64 VLQ, as in source maps; small ones take one letter.

    Example:
        >>> encode_numbers([0, 1, -1, 15, 16]), decode_numbers("ACDegB")
        ('ACDegB', [0, 1, -1, 15, 16])
    """
    values = np.asarray(numbers, dtype=np.int64)
    values = np.where(values < 0, (-values << 1) | 1, values << 1)
    digits = []
    while True:
        more = values >> 5
        digits.append((values & 31) | ((more > 0) << 5))
        if not more.any():
            break
        values = more
    table = np.stack(digits, axis=1) if values.size else np.zeros((0, 1), dtype=np.int64)
    used = np.ones(table.shape, dtype=bool)
    used[:, 1:] = np.logical_and.accumulate(table[:, :-1] >= 32, axis=1)
    return _DIGITS[table[used]].tobytes().decode("ascii")


def decode_numbers(text: str) -> list[int]:
    """The numbers of `encode_numbers`."""
    value_of = {int(digit): value for value, digit in enumerate(_DIGITS)}
    numbers, number, shift = [], 0, 0
    for letter in text.encode("ascii"):
        digit = value_of[letter]
        number |= (digit & 31) << shift
        shift += 5
        if digit < 32:
            numbers.append(-(number >> 1) if number & 1 else number >> 1)
            number, shift = 0, 0
    return numbers


def traced(labels: np.ndarray) -> Polygons:
    """Polygons around all objects, and around their holes; each goes through the middles of pixel edges.

    Args:
        labels: Whole numbers `(rows, columns)`, 0 = background; touching objects have their own polygons.

    Returns:
        Clockwise around objects, anticlockwise around holes; no points without objects.

    Example:
        >>> traced(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])).points.tolist()
        [[0.5, 1.0], [1.0, 1.5], [1.5, 1.0], [1.0, 0.5]]
    """
    n_rows, n_columns = labels.shape
    flat = labels.ravel()
    inside = np.flatnonzero(flat != 0)
    own = flat[inside]
    row, column = np.divmod(inside, n_columns)
    width = n_columns + 1  # corners of pixels in a line
    corner = own.astype(np.int64) * (width * (n_rows + 1)) + row * width + column  # the first; object by object
    sides = []  # step to the neighbour, where there is none, corners where the edge starts and ends, its middle
    for step, outermost, start, end, down, right in (
        (-n_columns, row == 0, 0, 1, -0.5, 0.0),
        (1, column == n_columns - 1, 1, width + 1, 0.0, 0.5),
        (n_columns, row == n_rows - 1, width + 1, width, 0.5, 0.0),
        (-1, column == 0, width, 0, 0.0, -0.5),
    ):
        edge = outermost | (flat.take(inside + step, mode="clip") != own)
        middle = np.stack([row[edge] + down, column[edge] + right], axis=1)
        sides.append((corner[edge] + start, corner[edge] + end, middle))
    starts, ends, middles = (np.concatenate(column) for column in zip(*sides, strict=True))
    by_start = np.argsort(starts, kind="stable")
    following = np.empty(len(starts), dtype=np.int64)
    following[np.argsort(ends, kind="stable")] = by_start
    order, loop = _walked(following, by_start)
    return Polygons(middles[order], loop)


def _walked(following: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges in the order in which they follow each other, loop after loop, and the number of the loop of each."""
    after = following.tolist()
    seen = bytearray(len(after))
    order: list[int] = []
    lengths: list[int] = []
    for place in first.tolist():
        if seen[place]:
            continue
        begun = len(order)
        while not seen[place]:
            seen[place] = 1
            order.append(place)
            place = after[place]
        lengths.append(len(order) - begun)
    return np.array(order, dtype=np.int64), np.repeat(np.arange(len(lengths)), lengths)


def _simplified(polygons: Polygons, tolerance: float) -> Polygons:
    """Without points within the tolerance of the line between the points that remain on both sides.

    Each point that stays remembers how far the line already is from points that were left out, so that the deviation
    never adds up to more than the tolerance.
    """
    points, loop = polygons.points, polygons.loop
    spent = np.zeros(len(points))  # deviation of the line from each point to the next one
    for turn in range(_ROUNDS):
        before, after, place, n_points = _around(loop)
        along = points[after] - points[before]
        away = points - points[before]
        length = np.hypot(along[:, 0], along[:, 1])
        off = np.abs(along[:, 0] * away[:, 1] - along[:, 1] * away[:, 0]) / np.maximum(length, 1e-9)
        off += np.maximum(spent[before], spent)
        every_second = (place % 2 == (turn + 1) % 2) & (place > 0)
        left_out = every_second & (off <= tolerance) & (n_points > 4)
        if not left_out.any() and turn > 0:
            break
        spent[before[left_out]] = off[left_out]
        points, loop, spent = points[~left_out], loop[~left_out], spent[~left_out]
    return Polygons(points, loop)


def _around(loop: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each point the positions of the point before and of the point after it, around its polygon; its place in the
    polygon, from 0; and the points of that."""
    counts = np.bincount(loop)
    n_points = np.repeat(counts, counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    places = np.arange(len(loop))
    place = places - first
    before = np.where(place == 0, places + n_points - 1, places - 1)
    after = np.where(place == n_points - 1, first, places + 1)
    return before, after, place, n_points

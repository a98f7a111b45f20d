"""Outlines of a mask along the edges of its pixels: filled again, they give exactly the same pixels.

    mask (rows, columns) bool  ->  polygons, each [outer loop, loops of its holes ...], each loop (n, 2) corners (x, y)
    labels (rows, columns)     ->  label -> polygons

Outlines through pixel centres, or between them at one half, lose or add pixels when another program fills them.
"""

from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["edge_loops", "edge_loops_of_labels", "edge_loops_of_strips"]


def edge_loops(mask: np.ndarray) -> list[list[np.ndarray]]:
    """Trace the outlines of a mask along the edges of its pixels.

    Pixels that touch only at a corner belong to different polygons, so that every loop passes each corner once: the
    polygons are valid in the sense of OGC Simple Features. Loops may touch each other at corners.

    Args:
        mask: Boolean, `(rows, columns)`.

    Returns:
        One polygon for each 4-connected part, from top to bottom: its outer loop, then its holes. A loop is an int64
        array `(n, 2)` of corners x, y (column, row; the pixel in row 0 and column 0 covers 0..1 in both), without
        repeating the first. The foreground is on the right hand, with y pointing down: by the shoelace formula the area
        of an outer loop is positive and that of a hole negative, as RFC 7946 wants it. Empty without foreground.

    Raises:
        TypeError: If `mask` is not boolean.
        ValueError: If it has not two axes.

    Example:
        >>> ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)
        >>> [loop.tolist() for loop in edge_loops(ring)[0]]
        [[[0, 0], [3, 0], [3, 3], [0, 3]], [[1, 2], [2, 2], [2, 1], [1, 1]]]

    References:
        Butler et al. (2016), The GeoJSON Format, RFC 7946, doi:10.17487/RFC7946, section 3.1.6.
    """
    return edge_loops_of_strips([mask])


def edge_loops_of_strips(strips: Iterable[np.ndarray]) -> list[list[np.ndarray]]:
    """The same of a mask that is seen strip by strip, from the top: memory grows with its outline, not with its area.

    Args:
        strips: Boolean `(height, columns)`, each directly below the one before.

    Returns:
        As from `edge_loops`.

    Raises:
        TypeError: As from `edge_loops`.
        ValueError: As from `edge_loops`.

    Example:
        >>> edge_loops_of_strips([np.ones((1, 2), bool), np.ones((1, 2), bool)])[0][0].tolist()
        [[0, 0], [2, 0], [2, 2], [0, 2]]
    """
    pairs: list[np.ndarray] = []
    edges = _edges(_labelled(strips, pairs), pairs)
    polygons: list[list[np.ndarray]] = [[] for _ in range(int(edges.parts.max(initial=-1)) + 1)]
    for first, loop in _loops(edges):
        polygons[edges.parts[first]].append(loop)
    return polygons


def edge_loops_of_labels(labels: np.ndarray) -> dict[int, list[list[np.ndarray]]]:
    """The same of many objects at once, as fast as of one: `{label: edge_loops(labels == label)}` for each label.

    Args:
        labels: Whole numbers, `(rows, columns)`, 0 for background.

    Returns:
        Label -> its polygons as from `edge_loops`; empty without objects.

    Raises:
        ValueError: If `labels` has not two axes.

    Example:
        >>> found = edge_loops_of_labels(np.array([[7, 2]]))
        >>> {label: polygons[0][0].tolist() for label, polygons in found.items()}
        {7: [[0, 0], [1, 0], [1, 1], [0, 1]], 2: [[1, 0], [2, 0], [2, 1], [1, 1]]}
    """
    if labels.ndim != 2:
        raise ValueError(f"labels must have two axes, got {labels.ndim}; trace one plane at a time")
    from skimage.measure import label as number_parts

    framed = np.pad(labels, 1)
    numbered = number_parts(framed, background=0, connectivity=1).astype(np.int64)
    edges = _edges([(numbered, int(numbered.max(initial=0)))], [], may_touch=True)
    polygons: dict[int, dict[int, list[np.ndarray]]] = {}  # label, part
    values = framed.ravel()[edges.pixels].tolist()
    for first, loop in _loops(edges):
        polygons.setdefault(values[first], {}).setdefault(int(edges.parts[first]), []).append(loop)
    return {value: [parts[number] for number in sorted(parts)] for value, parts in polygons.items()}


class _Edges(NamedTuple):
    """All edges between a part and anything else, walked with the part on the right: its top, right, bottom, left.

    Attributes:
        pixels: Pixel of each edge, numbered row by row in the mask with a frame of one pixel, which spares all
            questions about the border.
        parts: Number of its part, from 0, in the order of their first pixels.
        following: Number of the edge that follows.
        starts: x, y of its start.
        is_corner: Whether the walk turns there.
    """

    pixels: np.ndarray
    parts: np.ndarray
    following: np.ndarray
    starts: np.ndarray
    is_corner: np.ndarray


def _loops(edges: _Edges) -> Iterator[tuple[int, np.ndarray]]:
    """Each loop, and its first edge; edges on top of a pixel come first, row by row: an outer loop before its holes."""
    seen = bytearray(len(edges.pixels))
    next_of, turns = edges.following.data, edges.is_corner.view(np.uint8).data
    for first in range(len(edges.pixels)):
        if seen[first]:
            continue
        edge, corners = first, array("q")
        while not seen[edge]:
            seen[edge] = True
            if turns[edge]:
                corners.append(edge)
            edge = next_of[edge]
        yield first, edges.starts[np.frombuffer(corners, dtype=np.int64)]


def _edges(numbered: Iterable[tuple[np.ndarray, int]], pairs: list[np.ndarray], *, may_touch: bool = False) -> _Edges:
    """All edges of strips with provisional numbers of their parts, as `_labelled` gives them with its `pairs`.

    Where different parts `may_touch`, the whole image is one strip, whose numbers are final.
    """
    found: list[list[list[np.ndarray]]] = [[[] for _ in range(4)] for _ in range(4)]  # direction, kind of array
    row, width, n = 0, 2, 0
    for provisional, n_so_far in numbered:
        width, n = provisional.shape[1], n_so_far
        for direction, kinds in enumerate(found):
            own, *others = _edges_of_strip(provisional, direction, may_touch)
            for kept, values in zip(kinds, (own + row * width, *others), strict=True):
                kept.append(values)
        row += len(provisional) - 2
    size = (row + 2) * width
    root = _roots(n, pairs)
    step = (1, width, -1, -width)  # east, south, west, north
    pixels, parts, keys, next_keys, turns = [], [], [], [], []
    for direction, kinds in enumerate(found):
        own, part, diagonal, ahead = (np.concatenate(kept or [np.zeros(0, np.int64)]) for kept in kinds)
        kinds.clear()
        left = root[diagonal] == root[part]  # first choice, so that a part never pinches itself off
        straight = ~left & (root[ahead] == root[part])
        to_left = step[direction - 1] + step[direction]
        pixel = np.select([left, straight], [own + to_left, own + step[direction]], own)
        turn = np.select([left, straight], [-1, 0], 1)
        pixels.append(own)
        parts.append(root[part])
        keys.append(direction * size + own)
        next_keys.append((direction + turn) % 4 * size + pixel)
        turns.append(turn != 0)
    key = np.concatenate(keys)
    following = np.searchsorted(key, np.concatenate(next_keys))
    is_corner = np.zeros(len(key), dtype=bool)
    is_corner[following] = np.concatenate(turns)
    of_pixel, side = np.concatenate(pixels), key // size
    x = of_pixel % width - 1 + np.isin(side, (1, 2))
    y = of_pixel // width - 1 + (side >= 2)
    order = np.concatenate(parts)
    return _Edges(of_pixel, np.unique(order, return_inverse=True)[1], following, np.stack([x, y], axis=1), is_corner)


def _labelled(strips: Iterable[np.ndarray], pairs: list[np.ndarray]) -> Iterator[tuple[np.ndarray, int]]:
    """Each strip with provisional numbers of its 4-connected parts, framed by a column, and by the rows next to it.

    Args:
        strips: As of `edge_loops_of_strips`.
        pairs: Gets the numbers that are one part.

    Yields:
        int64 `(height + 2, columns + 2)`, and the largest number so far.
    """
    n = 0
    last: np.ndarray | None = None  # row above
    waiting: np.ndarray | None = None
    for strip in chain(strips, [None]):
        labels = None
        if strip is not None:
            _check(strip)
            if not len(strip):
                continue
            labels, n_new = ndimage.label(np.pad(strip, ((0, 0), (1, 1))), output=np.int64)
            labels[labels > 0] += n
            n += n_new
        if waiting is not None:
            above = np.zeros(waiting.shape[1], np.int64) if last is None else last
            below = np.zeros(waiting.shape[1], np.int64) if labels is None else labels[0]
            yield np.vstack([above, waiting, below]), n
            last = waiting[-1]
            touching = (last > 0) & (below > 0)
            if touching.any():
                pairs.append(np.unique(np.stack([last[touching], below[touching]]), axis=1))
        waiting = labels


def _check(mask: np.ndarray) -> None:
    if mask.dtype != bool:
        raise TypeError(f"mask must be boolean, got {mask.dtype}; trace one object at a time (labels == 7)")
    if mask.ndim != 2:
        raise ValueError(f"mask must have two axes, got {mask.ndim}; trace one plane at a time")


def _edges_of_strip(parts: np.ndarray, direction: int, may_touch: bool) -> list[np.ndarray]:
    """Edges of the pixels of a strip: the pixel, its part, and the parts ahead on the left and straight ahead."""
    flat, width = parts.ravel(), parts.shape[1]
    step = (1, width, -1, -width)
    outside = step[direction - 1]  # to the left of the walk
    own = np.flatnonzero(flat[width:-width]) + width
    beside = flat[own + outside]
    own = own[beside != flat[own] if may_touch else beside == 0]
    return [own, flat[own], flat[own + outside + step[direction]], flat[own + step[direction]]]


def _roots(n: int, pairs: list[np.ndarray]) -> np.ndarray:
    """Final number of each provisional one, in the order of their first pixels; 0 stays the background."""
    if not pairs:
        return np.arange(n + 1)
    one, other = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(n + 1, n + 1))
    number = connected_components(graph, directed=False)[1]
    first = np.full(number.max() + 1, n + 1)
    np.minimum.at(first, number, np.arange(n + 1))
    return np.asarray(first[number])

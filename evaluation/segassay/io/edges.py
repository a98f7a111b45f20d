"""Outlines of a mask along the edges of its pixels: filled again, they give exactly the same pixels.

    mask (rows, columns) bool  ->  polygons, each [outer loop, loops of its holes ...], each loop (n, 2) corners (x, y)

Outlines through pixel centres, or between them at one half, lose or add pixels when another program fills them.
"""

import numpy as np
from scipy import ndimage

__all__ = ["edge_loops"]


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
    if mask.dtype != bool:
        raise TypeError(f"mask must be boolean, got {mask.dtype}; trace one object at a time (labels == 7)")
    if mask.ndim != 2:
        raise ValueError(f"mask must have two axes, got {mask.ndim}; trace one plane at a time")
    parts, n_parts = ndimage.label(np.pad(mask, 1))  # 4-connected; the frame spares all questions about the border
    pixels, following, starts, is_corner = _edges(parts)
    part_of = parts.ravel()[pixels].tolist()
    polygons: list[list[np.ndarray]] = [[] for _ in range(n_parts)]
    seen = bytearray(len(pixels))
    for first in range(len(pixels)):  # edges on top of a pixel come first, row by row: an outer loop before its holes
        if seen[first]:
            continue
        edge, corners = first, []
        while not seen[edge]:
            seen[edge] = True
            if is_corner[edge]:
                corners.append(edge)
            edge = following[edge]
        polygons[part_of[first] - 1].append(starts[corners])
    return polygons


def _edges(parts: np.ndarray) -> tuple[np.ndarray, list[int], np.ndarray, list[bool]]:
    """All edges between a part and anything else, walked with the part on the right: its top, right, bottom, left.

    Args:
        parts: Numbered parts `(rows, columns)`, framed by 0.

    Returns:
        Of each edge: the flat index of its pixel, the number of the edge that follows, the x, y of its start without
        the frame, and whether the walk turns there.
    """
    flat, width, size = parts.ravel(), parts.shape[1], parts.size
    ahead = (1, width, -1, -width)  # east, south, west, north
    pixels, keys, next_keys, turns = [], [], [], []
    for direction, step in enumerate(ahead):
        outside = ahead[direction - 1]  # to the left of the walk
        own = np.flatnonzero(flat)
        own = own[flat[own + outside] != flat[own]]
        left = flat[own + outside + step] == flat[own]  # first choice, so that a part never pinches itself off
        straight = ~left & (flat[own + step] == flat[own])
        pixel = np.select([left, straight], [own + outside + step, own + step], own)
        turn = np.select([left, straight], [-1, 0], 1)
        pixels.append(own)
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
    return of_pixel, following.tolist(), np.stack([x, y], axis=1), is_corner.tolist()

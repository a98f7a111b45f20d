"""Divide an object whose bounding box is too large for the memory, as of a dense sheet of cells, block by block.

labels, prob on disk, one object -> blocks that overlap -> parts of each -> parts of two blocks that are one -> labels

Each block is divided together with what is around it, so that its own parts are those of the whole object wherever the
outline, within that margin, decides, but for single pixels between parts. A part of the block that reaches the end of
what it sees may be cut there, and would be divided otherwise: the block is divided again and sees twice as far, until
it sees its parts as a whole. Where a part reaches over the border of two blocks, both have seen it: two parts that
share more than half of the smaller one, in what the later block sees (if it does not see its parts as a whole, within
half a margin), are one. No part ends at a border unless the two blocks disagree.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segassay.masks.objects import label_objects
from segassay.masks.touching import Divide, divide

__all__ = ["LARGEST_BOX", "split_by_blocks", "split_objects"]

LARGEST_BOX = 2**24
"""Pixels of the bounding box of an object that is divided as a whole, which takes about 100 bytes for each."""

_BLOCK = {2: 1536, 3: 128}
"""Side of a block, by the number of axes."""

_MARGIN = {2: 256, 3: 32}
"""What a block sees around it, at first."""

_LARGEST_WINDOW = LARGEST_BOX
"""Pixels of a block with what it sees: where its parts are larger still, it does not see further."""

_Box = tuple[slice, ...]

logger = logging.getLogger("segassay")


def split_objects(
    labels: np.ndarray,
    prob: np.ndarray | None,
    boxes: Mapping[int, _Box],
    n: int,
    min_size: int = 0,
    *,
    spacing: Sequence[float] | None = None,
    by: Divide = divide,
) -> int:
    """Divide some numbered objects in place: their parts get the numbers -n - 1, -n - 2 and so on.

    Negative, so that they cannot be taken for objects that are still to be divided. The arrays may be on disk: only the
    bounding boxes are read, one at a time, and of a box of more than `LARGEST_BOX` pixels one block at a time.

    Args:
        labels: int32 `(*spatial)`, objects as `label_objects` gives them; changed.
        prob: As for `segassay.masks.touching.split_touching`.
        boxes: Number -> bounding box of each object to divide, in the order of their parts.
        n: Number of parts so far.
        min_size: As for `split_touching`.
        spacing: As for `split_touching`.
        by: Divides one object; `prob` is the map that it takes.

    Returns:
        Number of parts with these.

    Example:
        >>> labels = np.array([[1, 1, 0, 2]], dtype=np.int32)
        >>> split_objects(labels, None, {1: np.s_[0:1, 0:2], 2: np.s_[0:1, 3:4]}, 0), labels.tolist()
        (2, [[-1, -1, 0, -2]])
    """
    for number, box in boxes.items():
        if _n_pixels(box) > LARGEST_BOX:
            n = split_by_blocks(labels, prob, number, box, n, min_size, spacing=spacing, by=by)
            continue
        own = labels[box] == number
        parts = by(own, None if prob is None else prob[box], min_size, spacing)
        labels[box] = np.where(own, -(parts + n), labels[box])
        n += int(parts.max())
    return n


def split_by_blocks(
    labels: np.ndarray,
    prob: np.ndarray | None,
    number: int,
    box: _Box,
    n: int,
    min_size: int,
    *,
    spacing: Sequence[float] | None = None,
    by: Divide = divide,
) -> int:
    """Divide one object in place, as `split_objects` does for a large box.

    Args:
        labels: As there; changed.
        prob: As there.
        number: Of the object.
        box: Its bounding box.
        n: Number of parts so far.
        min_size: Smaller parts of a block join their neighbour.
        spacing: As there.
        by: As there.

    Returns:
        Number of parts with these, numbered by their first pixel.
    """
    n_seen, n_cut = 0, 0
    pairs: list[tuple[int, int]] = []
    parts_of = partial(_parts_of, min_size=min_size, spacing=spacing, by=by)
    for core in _blocks(box):
        block = _divide_block(labels, prob, number, box, n, core, parts_of)
        parts, inner, own = block.parts, block.inner, block.own
        parts[parts > 0] += n_seen
        near = tuple(
            slice(max(part.start - margin // 2, 0), part.stop + margin // 2) if block.is_cut else slice(None)
            for part, margin in zip(inner, block.margins, strict=True)
        )
        same = _first_of_same(n_seen, pairs)  # a sliver of a part counts as part of it, and joins nothing by itself
        pairs += _same(same[block.earlier[near]], parts[near], np.unique(parts[inner][own[inner]]))
        n_seen = max(n_seen, int(parts.max(initial=0)))
        n_cut += block.is_cut
        labels[core] = np.where(own[inner], -(parts[inner] + n), labels[core])
    if n_cut:
        size = " × ".join(str(part.stop - part.start) for part in box)
        logger.warning(
            "an object of %s pixels has parts too large to be seen as a whole (%d blocks): they may be divided "
            "otherwise than in a smaller image; look at them, or predict the image with larger pixels",
            size,
            n_cut,
        )
    return _renumber(labels, box, n, _roots(n_seen, pairs))


@dataclass(frozen=True, eq=False)
class _Block:
    """A block that is divided, with what it sees around it.

    Attributes:
        parts: int32, parts of the object in the window, from 1.
        own: Boolean, pixels of the object that no block before has divided.
        earlier: Parts of blocks before, from 1; 0 elsewhere.
        inner: Where the block lies in the window.
        margins: How far it sees along each axis.
        is_cut: Whether a part of the block reaches the end of what it sees.
    """

    parts: np.ndarray
    own: np.ndarray
    earlier: np.ndarray
    inner: _Box
    margins: tuple[int, ...]
    is_cut: bool


def _divide_block(
    labels: np.ndarray,
    prob: np.ndarray | None,
    number: int,
    box: _Box,
    n: int,
    core: _Box,
    parts_of: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
) -> _Block:
    """Divide one block, and again with a wider view along the axes where its parts reach the end of it."""
    margins = (_MARGIN[len(box)],) * len(box)
    while True:
        wide = _around(core, box, margins)
        seen = labels[wide]
        own = seen == number
        earlier = np.where(seen < -n, -seen - n, 0)  # parts of blocks before, in what this one sees around it
        parts = parts_of(own | (earlier > 0), None if prob is None else prob[wide])
        inner = tuple(slice(c.start - w.start, c.stop - w.start) for c, w in zip(core, wide, strict=True))
        cut = _cut_axes(parts, np.unique(parts[inner][own[inner]]), wide, box)
        further = tuple(margin * (1 + is_cut) for margin, is_cut in zip(margins, cut, strict=True))
        is_inside = bool((parts == 1).all())  # deep in one part, where no outline says anything
        if not any(cut) or is_inside or _n_pixels(_around(core, box, further)) > _LARGEST_WINDOW:
            return _Block(parts, own, earlier, inner, margins, any(cut))
        margins = further


def _blocks(box: _Box) -> Iterator[_Box]:
    """Blocks of a box, none of which overlap."""
    side = _BLOCK[len(box)]
    for corner in product(*(range(part.start, part.stop, side) for part in box)):
        yield tuple(slice(c, min(c + side, part.stop)) for c, part in zip(corner, box, strict=True))


def _around(core: _Box, box: _Box, margins: Sequence[int]) -> _Box:
    """A block with its margins inside the box."""
    return tuple(
        slice(max(c.start - margin, part.start), min(c.stop + margin, part.stop))
        for c, part, margin in zip(core, box, margins, strict=True)
    )


def _n_pixels(box: _Box) -> int:
    return math.prod(part.stop - part.start for part in box)


def _cut_axes(parts: np.ndarray, reaching: np.ndarray, wide: _Box, box: _Box) -> tuple[bool, ...]:
    """Axes along which one of the parts `reaching` lies at an end of the window that is none of the object."""
    cut = []
    for axis, (window, whole) in enumerate(zip(wide, box, strict=True)):
        ends = [0] * (window.start > whole.start) + [-1] * (window.stop < whole.stop)
        cut.append(bool(np.isin(np.take(parts, ends, axis=axis), reaching[reaching > 0]).any()))
    return tuple(cut)


def _parts_of(
    own: np.ndarray, prob: np.ndarray | None, min_size: int, spacing: Sequence[float] | None, by: Divide
) -> np.ndarray:
    """Parts of a window, in which the object may be in several pieces."""
    pieces = label_objects(own)
    if pieces.max(initial=0) <= 1:
        return by(own, prob, min_size, spacing) if own.any() else pieces
    parts = np.zeros_like(pieces)
    for number, where in enumerate(ndimage.find_objects(pieces), start=1):
        piece = pieces[where] == number
        found = by(piece, None if prob is None else prob[where], min_size, spacing)
        parts[where][piece] = found[piece] + parts.max()
    return parts


def _same(earlier: np.ndarray, parts: np.ndarray, reaching: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of an earlier part and one of this block that share more than half of the smaller one in the margin."""
    beside = (earlier > 0) & np.isin(parts, reaching)
    pairs, shared = np.unique(np.stack([earlier[beside], parts[beside]]), axis=1, return_counts=True)
    of_earlier = np.bincount(earlier.ravel())
    of_parts = np.bincount(parts[earlier > 0], minlength=int(parts.max(initial=0)) + 1)
    return [
        (int(a), int(b))
        for (a, b), count in zip(pairs.T, shared, strict=True)
        if 2 * count > min(of_earlier[a], of_parts[b])
    ]


def _roots(n: int, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """One number for each part, equal for parts that are one."""
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(n + 1, n + 1))
    return np.asarray(connected_components(graph, directed=False)[1])


def _first_of_same(n: int, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """The first of the parts that are one with each part; 0 for 0."""
    _, first, roots = np.unique(_roots(n, pairs), return_index=True, return_inverse=True)
    return np.asarray(first[roots], dtype=np.int32)


def _renumber(labels: np.ndarray, box: _Box, n: int, roots: np.ndarray) -> int:
    """Number the parts by their first pixel, from -n - 1 on; the number of parts."""
    final = np.zeros(int(roots.max()) + 1, dtype=np.int32)
    first, *others = box
    height = max(2**22 // int(np.prod([part.stop - part.start for part in others])), 1)
    strips = [slice(at, min(at + height, first.stop)) for at in range(first.start, first.stop, height)]
    n_found = 0
    for rows in strips:
        strip = labels[(rows, *others)]
        own = strip[strip < -n]
        found, places = np.unique(roots[-own - n], return_index=True)
        fresh = [root for root in found[np.argsort(places)] if not final[root]]
        final[fresh] = np.arange(n_found + 1, n_found + len(fresh) + 1)
        n_found += len(fresh)
    for rows in strips:
        strip = labels[(rows, *others)]
        own = strip < -n
        strip = np.array(strip)
        strip[own] = -(final[roots[-strip[own] - n]] + n)
        labels[(rows, *others)] = strip
    return n + n_found

"""Rim and centre lines of a mask by peeling it: erosions of 64 pixels at a time, as many as its objects are deep.

mask (*spatial) bool  ->  one bit per pixel  ->  eroded until nothing is left  ->  rim, centre lines

The same pixels as from the distance of each pixel to the background (`segassay.masks.boundaries`), in a third of the
time where objects are small. Where they are deep, or fill the image, the distance is faster, and is used.
"""

import numpy as np

from segassay.masks.boundaries import centre_lines, depth_in, rim

__all__ = ["rim_and_centre_lines"]

_MOST_LAYERS = 24
_ONE, _LAST = np.uint64(1), np.uint64(63)
_WORD = "<u8"  # 64 pixels, the first in the lowest bit


def rim_and_centre_lines(mask: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """`rim` and `centre_lines` of a mask.

    Args:
        mask: Boolean `(*spatial)`.
        width: Of the rim in pixels, 1 or more.

    Returns:
        Two boolean arrays `(*spatial)`; without any pixel both are empty.

    Example:
        >>> mask = np.pad(np.ones((3, 5), dtype=bool), 1)
        >>> of_rim, line = rim_and_centre_lines(mask, 1)
        >>> of_rim.astype(int)[2].tolist(), line.astype(int)[2].tolist()
        ([0, 1, 0, 0, 0, 1, 0], [0, 0, 1, 1, 1, 0, 0])
    """
    left = whole = _packed(mask)
    ends = _ends(left.shape[-1], mask.shape[-1])
    line = np.zeros_like(whole)
    deeper = np.zeros_like(whole)  # pixels more than `width` from the background
    for layer in range(1, _MOST_LAYERS + 1):
        inner = _eroded(left, *ends)
        line |= left & ~_dilated(inner)
        if layer == width:
            deeper = inner
        if not inner.max(initial=0):  # a third of the time of `any`, which makes booleans first
            kept = np.zeros(mask.shape, dtype=bool)
            kept[tuple(slice(width, max(n - width, width)) for n in mask.shape)] = True
            found = whole & ~(deeper & _packed(kept)) if deeper.any() else whole
            return _unpacked(found, mask.shape[-1]), _unpacked(line, mask.shape[-1])
        left = inner
    depth = depth_in(mask)
    return rim(mask, width, depth), centre_lines(mask, depth)


def _packed(mask: np.ndarray) -> np.ndarray:
    """Words `(…, words)` of the pixels along the last axis; bits behind the last pixel are 0."""
    parts = np.packbits(mask, axis=-1, bitorder="little")
    room = [(0, 0)] * (mask.ndim - 1) + [(0, -parts.shape[-1] % 8)]
    return np.pad(parts, room).view(_WORD)


def _unpacked(words: np.ndarray, length: int) -> np.ndarray:
    return np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little", count=length).view(bool)


def _ends(n_words: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Words in which only the first, and only the last, pixel is set."""
    first, last = np.zeros((2, n_words), dtype=_WORD)
    first[0] = _ONE
    last[(length - 1) // 64] = _ONE << np.uint64((length - 1) % 64)
    return first, last


def _eroded(words: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Pixels all of whose neighbours are set, across corners too; beyond the edge nothing is known."""
    inner = words.copy()
    for axis in range(words.ndim - 1):
        of, to = np.swapaxes(inner.copy(), axis, 0), np.swapaxes(inner, axis, 0)
        to[1:] &= of[:-1]
        to[:-1] &= of[1:]
    before, after = _moved(inner)
    before |= first
    after |= last
    inner &= before
    inner &= after
    return inner


def _dilated(words: np.ndarray) -> np.ndarray:
    """Pixels with a neighbour that is set, across corners too; bits behind the last pixel may be set."""
    outer = words.copy()
    for axis in range(words.ndim - 1):
        of, to = np.swapaxes(outer.copy(), axis, 0), np.swapaxes(outer, axis, 0)
        to[1:] |= of[:-1]
        to[:-1] |= of[1:]
    before, after = _moved(outer)
    outer |= before
    outer |= after
    return outer


def _moved(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel that before it, and that after it, along the last axis."""
    before, after = words << _ONE, words >> _ONE
    before[..., 1:] |= words[..., :-1] >> _LAST
    after[..., :-1] |= words[..., 1:] << _LAST
    return before, after

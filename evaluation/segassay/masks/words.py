"""Masks as bits, 64 pixels in a word: neighbours of a whole image in a few steps that stay in the processor's cache.

    mask (*spatial) bool  ->  words (…, words)  ->  eroded, dilated, surface  ->  mask

Bits behind the last pixel of a line are 0, unless a function says otherwise.
"""

import numpy as np

__all__ = ["dilated", "eroded", "line_ends", "packed", "places", "surface", "unpacked"]

_ONE, _LAST = np.uint64(1), np.uint64(63)
_WORD = "<u8"  # 64 pixels, the first in the lowest bit


def packed(mask: np.ndarray) -> np.ndarray:
    """Words `(…, words)` of the pixels of a boolean mask `(*spatial)`, along its last axis.

    Example:
        >>> packed(np.array([[True, False, True], [False, False, False]])).tolist()
        [[5], [0]]
    """
    parts = np.packbits(mask, axis=-1, bitorder="little")
    room = [(0, 0)] * (mask.ndim - 1) + [(0, -parts.shape[-1] % 8)]
    return np.pad(parts, room).view(_WORD)


def unpacked(words: np.ndarray, length: int) -> np.ndarray:
    """The mask of which these are the words, with `length` pixels along its last axis.

    Example:
        >>> unpacked(packed(np.array([True, False, True])), 3).tolist()
        [True, False, True]
    """
    return np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little", count=length).view(bool)


def places(words: np.ndarray, length: int) -> np.ndarray:
    """Places, in the flat mask, of the pixels that are set, as of `unpacked`; only words with such pixels are unpacked.

    Example:
        >>> places(packed(np.array([[True, False, True], [False, True, False]])), 3).tolist()
        [0, 2, 4]
    """
    flat = words.reshape(-1)
    busy = np.flatnonzero(flat)
    bits = np.unpackbits(flat[busy].view(np.uint8), bitorder="little").reshape(-1, 64)
    word, bit = np.divmod(np.flatnonzero(bits), 64)
    line, word = np.divmod(busy[word], words.shape[-1])
    return np.asarray(line * length + word * 64 + bit)


def line_ends(n_words: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Words `(n_words,)` in which only the first, and only the last, of `length` pixels is set."""
    first, last = np.zeros((2, n_words), dtype=_WORD)
    first[0] = _ONE
    last[(length - 1) // 64] = _ONE << np.uint64((length - 1) % 64)
    return first, last


def eroded(words: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Pixels all of whose neighbours are set, across corners too; beyond the edge nothing is known.

    `first` and `last` are the `line_ends`.
    """
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


def dilated(words: np.ndarray) -> np.ndarray:
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


def surface(words: np.ndarray) -> np.ndarray:
    """Pixels with a neighbour that is not set, across a face; beyond the edge none is set.

    Example:
        >>> unpacked(surface(packed(np.ones((3, 4), dtype=bool))), 4).astype(int)[1].tolist()
        [1, 0, 0, 1]
    """
    inside = words.copy()
    for axis in range(words.ndim - 1):
        of, to = np.swapaxes(words, axis, 0), np.swapaxes(inside, axis, 0)
        to[1:] &= of[:-1]
        to[:-1] &= of[1:]
        to[:1] = to[-1:] = 0
    before, after = _moved(words)
    inside &= before
    inside &= after
    return np.asarray(words & ~inside)


def _moved(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel that before it, and that after it, along the last axis."""
    before, after = words << _ONE, words >> _ONE
    before[..., 1:] |= words[..., :-1] >> _LAST
    after[..., :-1] |= words[..., 1:] << _LAST
    return before, after

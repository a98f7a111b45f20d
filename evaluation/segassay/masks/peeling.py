"""Rim and centre lines of a mask by peeling it: erosions of 64 pixels at a time, as many as its objects are deep.

mask (*spatial) bool  ->  one bit per pixel  ->  eroded until nothing is left  ->  rim, centre lines

The same pixels as from the distance of each pixel to the background (`segassay.masks.boundaries`), in a third of the
time where objects are small. Where they are deep, or fill the image, the distance is faster, and is used. Lines in
which nothing is left, nor in those beside them, are not looked at again.
"""

import numpy as np

from segassay.masks.boundaries import centre_lines, depth_in, rim
from segassay.masks.words import dilated, eroded, line_ends, packed, unpacked

__all__ = ["rim_and_centre_lines"]

_MOST_LAYERS = 24


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
    whole = packed(mask)
    ends = line_ends(whole.shape[-1], mask.shape[-1])
    line = np.zeros_like(whole)
    deeper = np.zeros_like(whole)  # pixels more than `width` from the background
    left, lines = whole, np.arange(len(whole))
    for layer in range(1, _MOST_LAYERS + 1):
        if mask.ndim > 1:
            near = _near_pixels(left)
            left, lines = left[near], lines[near]
        inner = eroded(left, *ends)
        is_last = not inner.max(initial=0)  # a third of the time of `any`, which makes booleans first
        line[lines] |= left if is_last else left & ~dilated(inner)
        if layer == width:
            deeper[lines] = inner
        if is_last:
            kept = np.zeros(mask.shape, dtype=bool)
            kept[tuple(slice(width, max(n - width, width)) for n in mask.shape)] = True
            found = whole & ~(deeper & packed(kept)) if deeper.any() else whole
            return unpacked(found, mask.shape[-1]), unpacked(line, mask.shape[-1])
        left = inner
    depth = depth_in(mask)
    return rim(mask, width, depth), centre_lines(mask, depth)


def _near_pixels(words: np.ndarray) -> np.ndarray:
    """Boolean `(lines,)`: those along the first axis that hold a pixel, and those beside them."""
    busy = np.bitwise_or.reduce(words, axis=tuple(range(1, words.ndim))) != 0
    near = busy.copy()
    near[1:] |= busy[:-1]
    near[:-1] |= busy[1:]
    return near

"""What the colours of a mask say: a binary mask, or the number of each pixel's object.

red, green, blue (3, *spatial)  ->  (*spatial) bool | (*spatial) int32
"""

import os

import numpy as np

from segassay.errors import DataError

__all__ = ["drawn_on_transparent", "of_colours", "of_two_colours"]

_SAME_HUE = 0.1
"""Difference between the shares of red, green and blue up to which colours are soft edges of one colour."""

_FEW_PIXELS = 2
_MANY_COLOURS = 20
"""From so many colours on, a picture has most of them in a few pixels each."""

_MANY_GREYS = 16
_ON_BLACK = "save the mask alone, objects as numbers or each in one colour on black, without the image and without JPEG"


def of_colours(path: str | os.PathLike[str], array: np.ndarray) -> np.ndarray:
    """One colour on black or white is a mask, several colours are one object each.

    Args:
        path: The file, for messages.
        array: `(3, *spatial)`, whole numbers, not all channels equal.

    Raises:
        DataError: If it is a picture, if neither black nor white is the background, or if nothing is bright.

    Example:
        >>> of_colours("a.png", np.array([[[0, 9, 0]], [[0, 0, 0]], [[0, 0, 200]]]))
        array([[0, 2, 1]], dtype=int32)
    """
    top = int(array.max())
    if top <= 1:
        return np.asarray(array.any(axis=0))
    limit = int(np.iinfo(np.uint8 if array.dtype == np.uint8 or top <= 255 else np.uint16).max)
    known, places, counts = _colours_in(array)
    bright = known.max(axis=1)
    if _is_on_white(known, counts, limit):
        array, known = limit - array, limit - known
        bright = known.max(axis=1)
    elif bright[counts.argmax()] > limit // 2:
        what = f"has neither a black nor a white background, but the colour {tuple(known[counts.argmax()].tolist())}"
        raise DataError.of(path, what, _ON_BLACK, kind="colours")
    shares = known[bright > 0] / bright[bright > 0, np.newaxis]
    if np.ptp(shares, axis=0).max() > _SAME_HUE:
        if bright.min() > 0 or _is_picture(known, counts, limit):
            what = f"is a picture of {len(known)} colours, like a photograph, a screenshot or a JPEG"
            raise DataError.of(path, what, _ON_BLACK, expected="a mask", kind="picture")
        numbers = np.cumsum(bright > 0) * (bright > 0)  # the background is 0
        return np.asarray(numbers[places].astype(np.int32))
    values = np.asarray(array.max(axis=0))
    if values.max() > limit // 2:
        return values > limit // 2
    if len(known) <= 2:
        return values > 0  # one dark colour
    action = "save the mask in black and white, or object numbers as a grey image without palette"
    what, expected = f"is a colour image with nothing brighter than {values.max()}", f"foreground above {limit // 2}"
    raise DataError.of(path, what, action, expected=expected, kind="colours")


def _colours_in(array: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours `(n, 3)` in ascending order, the place of each pixel's colour in them, and how often each occurs."""
    marked = array.any(axis=0)
    wide = array[:, marked].astype(np.uint64)  # mostly few pixels
    codes = (wide[0] << np.uint64(32)) | (wide[1] << np.uint64(16)) | wide[2]
    known, of_marked, counts = np.unique(codes, return_inverse=True, return_counts=True)
    places = np.zeros(marked.shape, dtype=np.intp)
    if not marked.all():
        known, counts = np.insert(known, 0, 0), np.insert(counts, 0, marked.size - len(codes))
        of_marked = of_marked + 1
    places[marked] = of_marked.reshape(-1)
    split = np.stack([known >> np.uint64(32), known >> np.uint64(16), known], axis=1) & np.uint64(0xFFFF)
    return split.astype(np.int64), places, counts


def _is_on_white(known: np.ndarray, counts: np.ndarray, limit: int) -> bool:
    """Whether white is the background: the most frequent colour, or more than half of it where there is black, too."""
    n_white = int(counts[(known == limit).all(axis=1)].sum())
    n_black = int(counts[(known == 0).all(axis=1)].sum())
    return n_white == int(counts.max()) and (n_black == 0 or 2 * n_white > int(counts.sum()))


def _is_picture(known: np.ndarray, counts: np.ndarray, limit: int) -> bool:
    greys = known[(known == known[:, :1]).all(axis=1), 0]
    n_rare = int(np.count_nonzero(counts <= _FEW_PIXELS))
    is_noisy = len(known) >= _MANY_COLOURS and 2 * n_rare > len(known)
    return is_noisy or int(np.count_nonzero((greys > 0) & (greys < limit))) >= _MANY_GREYS


def of_two_colours(numbers: np.ndarray, used: np.ndarray, colours: np.ndarray) -> np.ndarray | None:
    """Foreground of a palette of which two bright colours are used; None if one is dark, as black is.

    White is the background of another colour; of two other colours, the second one is the foreground.

    Args:
        numbers: `(*spatial)`.
        used: The two numbers.
        colours: `(2, 3)`, those of the two numbers, 0 to 255.
    """
    if colours.max(axis=1).min() <= 127:
        return None
    if (colours == colours[:, :1]).all():  # greys
        return np.asarray(numbers == used[colours[:, 0].argmax()])
    is_white = (colours == 255).all(axis=1)
    return np.asarray(numbers == (used[0] if is_white[1] else used[1]))


def drawn_on_transparent(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours `(C, *spatial)` in which fully transparent pixels are black, and black on a transparent layer is white.

    Args:
        colours: Whole numbers.
        alpha: `(*spatial)`, 0 is transparent; if no pixel or every pixel is, it says nothing.

    Example:
        >>> drawn_on_transparent(np.array([[[255, 0]]], np.uint8), np.array([[0, 255]], np.uint8))
        array([[[  0, 255]]], dtype=uint8)
    """
    seen = alpha > 0
    if seen.all() or not seen.any():
        return colours
    if colours[:, seen].any():
        return np.where(seen, colours, colours.dtype.type(0))
    return np.broadcast_to(alpha, colours.shape).astype(colours.dtype)

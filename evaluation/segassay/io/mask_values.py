"""What the pixel values of a mask say: a binary mask, or the number of each pixel's object.

Picture of a mask file  ->  (*spatial) bool | (*spatial) int32
the same with classes   ->  their values (C, *spatial)
"""

import os
from collections.abc import Collection

import numpy as np
from scipy import ndimage

from segassay.errors import DataError
from segassay.io.mask_colours import of_colours, of_two_colours
from segassay.io.picture import Picture

__all__ = ["class_values_of", "mask_of"]

_MAX_NUMBER = int(np.iinfo(np.int32).max)

_NEARLY_WHOLE = 1e-3
"""Rounding of whole numbers that a file stores with a scale factor, as 0.9999 and 1.0001."""

_NEARLY_ONE = 0.02

_VOID = [224, 224, 192]
"""Colour of the number 255 in the palette of PASCAL VOC: the border around objects, which belongs to none."""

_NEAR_0, _NEAR_255 = 32, 223
_RISING = 0.9  # share of the grey pixels of a soft edge that have a brighter neighbour
"""Up to and from where the compression of a JPEG leaves black and white pixels."""

_MAX_BETWEEN = 0.1


def mask_of(path: str | os.PathLike[str], picture: Picture) -> np.ndarray:
    """Boolean mask, or object numbers in int32, as `segassay.io.images.read_mask` describes.

    Raises:
        DataError: If the values are neither.
    """
    array = picture.array
    if array.dtype == bool and len(array) == 1:
        return np.asarray(array[0])
    if picture.palette is not None:
        return _of_palette(path, array[0], picture.palette)
    array = _whole_numbers(path, array.view(np.uint8) if array.dtype == bool else array)
    if _channels_differ(array) and (len(array) != 3 or not picture.colours):
        what = (
            f"has {len(array)} channels that differ and are no colours, as an image beside its mask, or probabilities"
        )
        action = "save the channel of the mask alone; threshold probabilities first"
        raise DataError.of(path, what, action, expected="one channel, or red, green and blue", kind="mask-channels")
    return _of_channels(path, array)


def class_values_of(
    path: str | os.PathLike[str], picture: Picture, *, whole: bool = True, known: Collection[int] = ()
) -> np.ndarray:
    """Values of classes as stored `(C, *spatial)`: numbers behind a palette, and whole real numbers as integers.

    Behind a palette of distinct greys are a grey image that a program made smaller, whose greys are the values, or
    numbers that were given greys to be seen. If all values are known, it is the one that holds more of them, else the
    second if no grey but 0 is known and a number is; if in doubt the first.

    Args:
        path: The file.
        picture: Its content.
        whole: Whether other numbers are errors; else they stay as they are.
        known: Values that masks may hold.

    Raises:
        DataError: If a value is negative, no whole number, or above 2,147,483,647.
    """
    array = picture.array.view(np.uint8) if picture.array.dtype == bool else picture.array
    if picture.palette is not None and (greys := _distinct_greys(array, picture.palette)) is not None:
        array = array if _are_numbers(np.unique(array), greys, known, whole=whole) else greys[array]
    return _whole_numbers(path, array) if whole else array


def _are_numbers(used: np.ndarray, greys: np.ndarray, known: Collection[int], *, whole: bool) -> bool:
    """Whether the numbers in use, rather than the greys behind them, are values of classes."""
    known_numbers, known_greys = (set(values.tolist()) & set(known) for values in (used, greys[used]))
    if whole:
        return len(known_numbers) > len(known_greys)
    return not known_greys - {0} and bool(known_numbers - {0})  # other values may occur, too: one grey is enough


def _distinct_greys(numbers: np.ndarray, palette: np.ndarray) -> np.ndarray | None:
    """The grey behind each number of a palette, if those in use are distinct greys; else None."""
    used = np.unique(numbers)
    if int(used.max()) >= len(palette):
        return None
    greys = palette[used, 0]
    are_greys = (palette[used] == greys[:, None]).all() and len(np.unique(greys)) == len(greys)
    return palette[:, 0] if are_greys else None


def _of_channels(path: str | os.PathLike[str], array: np.ndarray) -> np.ndarray:
    """One channel, several equal ones, or red, green and blue."""
    return of_colours(path, array) if _channels_differ(array) else _of_values(path, array[0])


def _channels_differ(array: np.ndarray) -> bool:
    return array.strides[0] != 0 and bool((array[1:] != array[0]).any())  # without strides they are one in memory


def _whole_numbers(path: str | os.PathLike[str], array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "uif":
        raise DataError.of(
            path, f"holds numbers of type {array.dtype}", expected="whole numbers or a binary mask", kind="mask-type"
        )
    if array.dtype.kind == "f":
        array = _rounded(path, array)
    if array.dtype.kind == "i" and array.min() < 0:
        what = f"holds the negative number {array.min()}"
        raise DataError.of(path, what, expected="0 for background and more for objects", kind="object-number")
    return array


def _rounded(path: str | os.PathLike[str], array: np.ndarray) -> np.ndarray:
    """Whole numbers of a file of real ones; 0 and nearly 1, as resampling leaves it, are a binary mask."""
    if not np.isfinite(array).all():
        action = "write 0 where nothing is marked"
        raise DataError.of(path, "holds NaN or infinity", action, expected="whole numbers", kind="not-a-mask")
    top = float(array.max())
    if abs(top - 1) <= _NEARLY_ONE and ((array == 0) | (array == top)).all():
        return (array > 0).astype(np.int64)
    whole = np.round(array)
    if (np.abs(array - whole) > _NEARLY_WHOLE).any():
        what = "holds fractions, as a probability map does"
        raise DataError.of(path, what, "threshold it first", expected="a mask", kind="not-a-mask")
    exact = 2 ** (np.finfo(array.dtype).nmant + 1)  # real numbers of so many bits make greater neighbours equal
    if top > min(exact, _MAX_NUMBER) and ((array != 0) & (array != top)).any():
        expected = f"object numbers up to {min(exact, _MAX_NUMBER)} in {array.dtype}, save whole numbers"
        raise DataError.of(path, f"holds the number {array.max()}", expected=expected, kind="object-number")
    return whole.astype(np.int64)


def _of_values(path: str | os.PathLike[str], values: np.ndarray) -> np.ndarray:
    """One channel of grey values or object numbers."""
    top = int(values.max())
    if ((values == 0) | (values == top)).all():
        return np.asarray(values > 0)
    if values.dtype == np.uint8 and (_is_soft(values) or _is_jpeg(values)):
        return values > 127
    if top > _MAX_NUMBER:
        expected = f"at most {_MAX_NUMBER}, renumber the objects"
        raise DataError.of(path, f"holds the object number {top}", expected=expected, kind="object-number")
    return values.astype(np.int32)


def _is_soft(values: np.ndarray) -> bool:
    """Whether 8 bits are a binary mask with soft edges: half is white, and the grey beside it grows towards the white.

    Grey objects beside white ones, as number 255 of a label image may be, are flat: most of their pixels have no
    brighter neighbour.
    """
    grey = (values > 0) & (values < 255)
    n_grey = np.count_nonzero(grey)
    if np.count_nonzero(values == 255) < n_grey:
        return False
    rising = grey & (ndimage.maximum_filter(values, size=3) > values)
    return bool(np.count_nonzero(rising) >= _RISING * n_grey)


def _is_jpeg(values: np.ndarray) -> bool:
    """Whether 8 bits are a binary mask that went through JPEG: several values near 0 and near 255, few between."""
    counts = np.bincount(values.ravel(), minlength=256)
    low, high = counts[1 : _NEAR_0 + 1], counts[_NEAR_255:]
    between = counts[_NEAR_0 + 1 : _NEAR_255].sum()
    several = np.count_nonzero(low) > 2 and np.count_nonzero(high) > 2 and np.count_nonzero(counts) > 10
    return bool(several and between <= _MAX_BETWEEN * high.sum())


def _of_palette(path: str | os.PathLike[str], numbers: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Up to two numbers are black and white, or whatever their colours are; more are object numbers.

    A palette of distinct greys says the same as a grey image: its greys count.
    """
    used = np.flatnonzero(np.bincount(numbers.ravel(), minlength=len(palette)))
    colours = np.zeros((max(len(palette), int(used.max()) + 1), 3), np.uint8)
    colours[: len(palette)] = palette
    of_used = colours[used]
    if len(used) <= 2:
        if not of_used[0].any() and (len(used) == 1 or of_used[1].max() <= 127):  # too dark to be told by eye
            return np.asarray(numbers > 0)
        bright = of_two_colours(numbers, used, of_used) if len(used) == 2 else None
        return _of_channels(path, np.moveaxis(colours[numbers], -1, 0)) if bright is None else bright
    greys = of_used[:, 0]
    if (of_used == greys[:, None]).all() and len(np.unique(greys)) == len(greys):
        return _of_values(path, colours[numbers, 0])
    if len(colours) == 256 and colours[255].tolist() == _VOID:
        numbers = np.where(numbers == 255, 0, numbers)
    return _of_values(path, numbers)

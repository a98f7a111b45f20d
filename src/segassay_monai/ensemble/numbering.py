"""Number the objects of several classes through, and draw them into one label image.

masks (K, *spatial), function that labels one mask  ->  number_through  ->  label image of all, of each class

An exported bundle can carry this module unchanged: it imports numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def number_through(
    masks: np.ndarray, order: Sequence[int], label: Callable[[np.ndarray, int], np.ndarray]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Number the objects of all classes, those of the first class first.

    Args:
        masks: Boolean `(K, *spatial)`, one per class.
        order: In which classes are drawn into the one image, where masks overlap.
        label: Finds the objects in the mask of a class, given its number: 1..n.

    Returns:
        int32 `(*spatial)`, all objects, those drawn later on top; and for each class int32 `(*spatial)`, its objects
        with the same numbers, whole.

    Example:
        >>> masks = np.array([[1, 1, 1], [0, 1, 0]], bool)
        >>> drawn, each = number_through(masks, [0, 1], lambda mask, _: mask.astype(int))
        >>> drawn, each[0]
        (array([1, 2, 1], dtype=int32), array([1, 1, 1], dtype=int32))
    """
    each: list[np.ndarray] = []
    n = 0
    for number, mask in enumerate(masks):
        found = label(mask, number)
        each.append(np.where(found > 0, found + n, 0).astype(np.int32))
        n += int(found.max(initial=0))
    drawn = np.zeros(masks.shape[1:], dtype=np.int32)
    for number in order:
        drawn = np.where(each[number] > 0, each[number], drawn)
    return drawn, each

"""Objects of several classes in one image, numbered through: those of the first class, then those of the second.

masks (K, *spatial)  ->  number_objects  ->  label image of all, label images of each class
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from segassay.masks.objects import label_objects

__all__ = ["number_objects"]


def number_objects(
    masks: np.ndarray,
    order: Sequence[int] | None = None,
    *,
    label: Callable[[np.ndarray, int], np.ndarray] | None = None,
    min_size: int = 0,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Number the objects of all classes.

    Args:
        masks: Boolean `(K, *spatial)`, one per class.
        order: In which classes are drawn into the one image, where masks overlap; by default as they are given.
        label: Finds the objects in the mask of a class, given its number; by default connected pixels.
        min_size: Smallest object in pixels, where `label` is not given.

    Returns:
        int32 `(*spatial)`, all objects, those drawn later on top; and for each class int32 `(*spatial)`, its objects
        with the same numbers, whole.

    Example:
        >>> drawn, each = number_objects(np.array([[1, 0, 1, 0], [0, 1, 0, 0]], bool))
        >>> drawn, len(each)
        (array([1, 3, 2, 0], dtype=int32), 2)
    """
    find = label or (lambda mask, _: label_objects(mask, min_size=min_size))
    each: list[np.ndarray] = []
    n = 0
    for number, mask in enumerate(masks):
        found = find(mask, number)
        each.append(np.where(found > 0, found + n, 0).astype(np.int32))
        n += int(found.max(initial=0))
    drawn = np.zeros(masks.shape[1:], dtype=np.int32)
    for number in range(len(masks)) if order is None else order:
        drawn = np.where(each[number] > 0, each[number], drawn)
    return drawn, each

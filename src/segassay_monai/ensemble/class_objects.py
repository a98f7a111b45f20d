"""Objects of several classes in one image, numbered through: those of the first class, then those of the second.

masks (K, *spatial)  ->  number_objects  ->  label image of all, label images of each class
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from segassay.masks.objects import label_objects
from segassay_monai.ensemble.numbering import number_through

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
    return number_through(masks, range(len(masks)) if order is None else order, find)

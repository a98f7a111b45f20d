"""Number the objects of a mask, and write them as instance labels.

mask (*spatial) -> label_objects -> labels 1..n (*spatial) -> SaveInstancesd -> instances/<case>.tif
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from .label_files import SaveLabelsd


class SaveInstancesd(SaveLabelsd):
    """Write the objects of each mask `(1, *spatial)` as instance labels; the arguments are those of `SaveLabelsd`."""

    def _labels(self, values: np.ndarray) -> np.ndarray:
        return label_objects(values[0] > 0, self.min_size)


def label_objects(mask: np.ndarray, min_size: int = 0) -> np.ndarray:
    """Number the connected objects of a mask 1..n, in the order of their first pixels.

    Pixels that touch at a corner belong to one object (8 neighbours in 2-D, 26 in 3-D).

    Args:
        mask: Boolean `(*spatial)`.
        min_size: Objects with fewer pixels than this are left out.

    Returns:
        int32 `(*spatial)`; all 0 if there is no object.

    Example:
        >>> mask = np.array([[1, 1, 0, 0, 1], [0, 0, 1, 0, 0]], dtype=bool)
        >>> label_objects(mask)
        array([[1, 1, 0, 0, 2],
               [0, 0, 1, 0, 0]], dtype=int32)
        >>> label_objects(mask, min_size=3).max()
        np.int32(1)

    References:
        Shiloach & Vishkin (1982), Journal of Algorithms 3:57-67, doi:10.1016/0196-6774(82)90008-6 (each round at least
        halves the number of parts of an object).
    """
    number = np.zeros(mask.shape, dtype=np.int32)
    number[mask] = np.arange(mask.sum())
    pairs = [(number[one][both], number[other][both]) for one, other, both in _neighbours(mask)]
    first = np.arange(mask.sum(), dtype=np.int32)  # of each pixel, an earlier one of its object
    while True:
        before = first.copy()
        for one, other in pairs:
            low, high = np.minimum(before[one], before[other]), np.maximum(before[one], before[other])
            np.minimum.at(first, high, low)
        while (first[first] != first).any():
            first = first[first]
        if (first == before).all():
            break
    _, label, size = np.unique(first, return_inverse=True, return_counts=True)
    kept = size >= min_size
    labels = np.zeros(mask.shape, dtype=np.int32)
    labels[mask] = np.where(kept, np.cumsum(kept), 0)[label]
    return labels


def _neighbours(mask: np.ndarray) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...], np.ndarray]]:
    """For each direction, the pixels, their neighbours in it, and where both are marked; each pair once."""
    for step in product((-1, 0, 1), repeat=mask.ndim):
        if step > (0,) * mask.ndim:
            one = tuple(slice(max(-by, 0), length - max(by, 0)) for by, length in zip(step, mask.shape, strict=True))
            other = tuple(slice(max(by, 0), length - max(-by, 0)) for by, length in zip(step, mask.shape, strict=True))
            yield one, other, mask[one] & mask[other]

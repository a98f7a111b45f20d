"""Number the objects of a mask, and write them as instance labels.

mask (*spatial) -> label_objects -> labels 1..n (*spatial) -> SaveInstancesd -> instances/<case>.tif
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform

from .image_files import PATH, write_like


class SaveInstancesd(MapTransform):
    """Write the objects of each mask as instance labels, in the format of its image.

    Args:
        keys: Entries with a mask `(1, *spatial)`.
        output_dir: Folder to write to; it is made if it is missing.
        min_size: Objects with fewer pixels (voxels) are left out.
        image_key: Entry with the image, which knows the path of its file.
    """

    def __init__(
        self, keys: KeysCollection, output_dir: str | os.PathLike[str], min_size: int = 0, image_key: str = "image"
    ) -> None:
        super().__init__(keys)
        self.output_dir, self.min_size, self.image_key = Path(output_dir), min_size, image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the files; return the case as it is."""
        for key in self.keys:
            labels = label_objects(np.asarray(data[key][0].cpu()) > 0, self.min_size)
            self.output_dir.mkdir(parents=True, exist_ok=True)
            write_like(data[self.image_key].meta[PATH], self.output_dir, labels)
        return dict(data)


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

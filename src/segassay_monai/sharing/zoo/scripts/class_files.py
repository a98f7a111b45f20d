"""Masks of classes: from probabilities to masks, and to files of their values and of their objects.

pred (K, *spatial), probabilities -> ClassMasksd -> masks (K, *spatial) -> SaveClassMasksd -> masks/<case>.png
                                                                        -> SaveClassInstancesd -> instances/<case>.tif
file of values -> LoadImageClassesd -> masks (K, *spatial), for comparison
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from .classes import Classes, class_masks, drawing_order, values_of
from .image_files import PATH, read_picture, write_like
from .instances import label_objects
from .numbering import number_through


class ClassMasksd(MapTransform):
    """Replace probabilities `(K, *spatial)` by the masks of the classes, uint8 `(K, *spatial)`.

    Args:
        keys: Entries with probabilities.
        classes: Name and values of each class.
    """

    def __init__(self, keys: KeysCollection, classes: Classes) -> None:
        super().__init__(keys)
        self.classes = classes

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with masks."""
        masks = {key: class_masks(data[key][None], self.classes)[0].to(torch.uint8) for key in self.keys}
        return dict(data) | masks


class SaveClassMasksd(MapTransform):
    """Write the masks of all classes as one image of their values, as raters draw them, in the format of its image.

    Args:
        keys: Entries with masks `(K, *spatial)`.
        output_dir: Folder to write to; it is made if it is missing.
        classes: Name and values of each class.
        image_key: Entry with the image, which knows the path of its file.
    """

    def __init__(
        self, keys: KeysCollection, output_dir: str | os.PathLike[str], classes: Classes, image_key: str = "image"
    ) -> None:
        super().__init__(keys)
        self.output_dir, self.classes, self.image_key = Path(output_dir), classes, image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the files; return the case as it is."""
        for key in self.keys:
            self.output_dir.mkdir(parents=True, exist_ok=True)
            values = self._values(np.asarray(data[key].cpu()) > 0)
            write_like(data[self.image_key].meta[PATH], self.output_dir, values, kind=self._kind)
        return dict(data)

    _kind = "values"

    def _values(self, masks: np.ndarray) -> np.ndarray:
        return values_of(masks, self.classes)


class SaveClassInstancesd(SaveClassMasksd):
    """Write the objects of all classes as instance labels, numbered through from the first class to the last.

    Args:
        keys: As of `SaveClassMasksd`, like the arguments below.
        output_dir: Folder to write to; it is made if it is missing.
        classes: Name and values of each class.
        min_size: Objects with fewer pixels (voxels) are left out.
        image_key: Entry with the image, which knows the path of its file.
    """

    _kind = "labels"

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str | os.PathLike[str],
        classes: Classes,
        min_size: int = 0,
        image_key: str = "image",
    ) -> None:
        super().__init__(keys, output_dir, classes, image_key)
        self.min_size = min_size

    def _values(self, masks: np.ndarray) -> np.ndarray:
        order = drawing_order(self.classes)
        return number_through(masks, order, lambda mask, _: label_objects(mask, self.min_size))[0]


class LoadImageClassesd(MapTransform):
    """Read masks of values into float32 tensors `(K, *spatial)`: 1 where a pixel has a value of the class.

    Args:
        keys: Entries that hold a path; replaced by the masks.
        classes: Name and values of each class.
    """

    def __init__(self, keys: KeysCollection, classes: Classes) -> None:
        super().__init__(keys)
        self.classes = classes

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with every path in `keys` replaced by its masks."""
        return dict(data) | {key: self._read(str(data[key])) for key in self.keys}

    def _read(self, path: str) -> torch.Tensor:
        values = read_picture(path).array[0]
        masks = [np.isin(values, list(of_class)) for _, of_class in self.classes]
        return torch.from_numpy(np.stack(masks).astype(np.float32))

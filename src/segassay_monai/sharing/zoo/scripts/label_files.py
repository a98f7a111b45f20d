"""Write objects as instance labels; the classes that say what an object is are in modules of their own.

mask (1, *spatial), or foreground and depth (2, *spatial) -> SaveLabelsd -> instances/<case>.tif
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform

from .image_files import PATH, write_like


class SaveLabelsd(MapTransform):
    """Write the objects of each entry as instance labels, in the format of its image; `_labels` makes them.

    Args:
        keys: Entries with a mask, or whatever the objects are found in.
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
            labels = self._labels(np.asarray(data[key].cpu()))
            self.output_dir.mkdir(parents=True, exist_ok=True)
            write_like(data[self.image_key].meta[PATH], self.output_dir, labels)
        return dict(data)

    @abstractmethod
    def _labels(self, values: np.ndarray) -> np.ndarray:
        """Labels `(*spatial)`, from 0."""

"""Objects that touch: the foreground of a prediction, divided along the valleys of its depth, as instance labels.

pred (2, *spatial), probability of the foreground and depth -> SaveTouchingd -> instances/<case>.tif
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform

from .depth import split_by_depth
from .image_files import PATH, write_like


class SaveTouchingd(MapTransform):
    """Write the objects of each prediction as instance labels, in the format of its image.

    Args:
        keys: Entries with a prediction `(2, *spatial)`: the probability of the foreground, and the depth.
        output_dir: Folder to write to; it is made if it is missing.
        min_size: Objects with fewer pixels (voxels) are left out; smaller parts join a neighbour.
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
            prob, depth = np.asarray(data[key].cpu(), dtype=np.float32)
            self.output_dir.mkdir(parents=True, exist_ok=True)
            labels = split_by_depth(prob > 0.5, depth, self.min_size)
            write_like(data[self.image_key].meta[PATH], self.output_dir, labels)
        return dict(data)

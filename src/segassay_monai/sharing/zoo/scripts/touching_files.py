"""Objects that touch: the foreground of a prediction, divided along the valleys of its depth, as instance labels.

pred (2, *spatial), probability of the foreground and depth -> SaveTouchingd -> instances/<case>.tif
"""

from __future__ import annotations

import numpy as np

from .depth import split_by_depth
from .label_files import SaveLabelsd


class SaveTouchingd(SaveLabelsd):
    """Write the objects of each prediction `(2, *spatial)`, the probability of the foreground and the depth.

    The arguments are those of `SaveLabelsd`; parts with fewer than `min_size` pixels (voxels) join a neighbour.
    """

    def _labels(self, values: np.ndarray) -> np.ndarray:
        prob, depth = values.astype(np.float32)
        return split_by_depth(prob > 0.5, depth, self.min_size)

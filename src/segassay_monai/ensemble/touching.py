"""Objects of a prediction whose members tell touching objects apart: the depth of the ensemble divides its foreground.

Prediction with a depth  ->  touching_objects  ->  labels (*spatial) int32
"""

from __future__ import annotations

import numpy as np

from segassay.masks.depth import split_by_depth
from segassay_monai.ensemble.ensemble_net import Prediction

__all__ = ["touching_objects"]


def touching_objects(
    prediction: Prediction, *, min_size: int = 0, counted: np.ndarray | None = None, member: int | None = None
) -> np.ndarray:
    """Objects of a prediction of one image, divided where the predicted depth has a valley.

    Args:
        prediction: Of one image, with a `depth`.
        min_size: Objects of fewer pixels are dropped; smaller parts join a neighbour.
        counted: Boolean `(*spatial)`, pixels that count; by default all.
        member: Number of the member whose own objects are wanted; by default those of the ensemble.

    Returns:
        int32 `(*spatial)`, objects 1..n, as `masks.depth.split_by_depth` gives them.

    Raises:
        ValueError: If the prediction has no depth.
    """
    if prediction.depth is None or prediction.packed_depths is None:
        raise ValueError("the model predicts no depth; train it with objects: touching")
    if member is None:
        mask, depth = prediction.masks()[0], prediction.depth[0, 0].cpu().numpy()
    else:
        mask = prediction.member_masks(member)[0]
        depth = prediction.packed_depths[member, 0] / np.float32(255)
    return split_by_depth(mask if counted is None else mask & counted, depth, min_size)

"""Volumes stored in other axes than those of the training: the network sees them as it learned them.

volume, axes of the training -> turn_to -> network -> Prediction -> prediction_back -> the same in the file's axes
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from segassay.io.volume_axes import Turn
from segassay_monai.ensemble.ensemble_net import Prediction

__all__ = ["prediction_back"]


def prediction_back(prediction: Prediction, turn: Turn) -> Prediction:
    """A prediction of one turned volume in the axes of its file.

    Args:
        prediction: On the CPU, of a single volume.
        turn: How the volume was turned.
    """

    def back(tensor: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(turn.back(tensor.numpy()))

    depth, depths = prediction.depth, prediction.packed_depths
    members = [turn.back(prediction.member_masks(number)) for number in range(len(prediction.packed_masks))]
    return replace(
        prediction,
        prob=back(prediction.prob),
        doubt=back(prediction.doubt),
        packed_masks=np.stack([np.packbits(masks)[None] for masks in members]),
        depth=None if depth is None else back(depth),
        packed_depths=None if depths is None else turn.back(depths),
    )

"""Agreement with the training target on whole images, as MONAI metrics; the object F1 selects the checkpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric

from segassay.masks.overlaps import label_objects, match_objects, pixel_agreement


class _PerCase(CumulativeIterationMetric):
    """One value per case, averaged over cases.

    Call it with probabilities `(B, 1, *spatial)` and targets `(B, C + 1, *spatial)`: the label and the area that
    counts. Foreground is where the mean of the label's channels (soft, or one for each rater) is above one half.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        assert y is not None
        masks = (y_pred[:, 0] > 0.5).cpu().numpy()
        labels, ignored = (y[:, :-1].float().mean(dim=1) > 0.5).cpu().numpy(), (y[:, -1] == 0).cpu().numpy()
        values = [self._compare(*case) for case in zip(labels, masks, ignored, strict=True)]
        return torch.tensor(values, dtype=torch.float64)[:, None]

    def _compare(self, label: np.ndarray, mask: np.ndarray, ignore: np.ndarray) -> float:
        raise AssertionError("a measure defines _compare")

    def aggregate(self) -> torch.Tensor:
        """Mean over the cases seen since `reset`."""
        return self.get_buffer().mean()

    def _sync(self) -> None:
        """Use the values of this process alone: other processes of a training do not validate and never answer."""
        if self._buffers is not None:
            self._synced_tensors = [torch.stack(values) for values in self._buffers]


class ObjectF1(_PerCase):
    """F1 of objects at an IoU above one half.

    Args:
        min_size: Smallest object in pixels; smaller ones are dropped from label and prediction.
    """

    def __init__(self, min_size: int = 0) -> None:
        super().__init__()
        self.min_size = min_size

    def _compare(self, label: np.ndarray, mask: np.ndarray, ignore: np.ndarray) -> float:
        reference = label_objects(label, min_size=self.min_size, ignore=ignore)
        prediction = label_objects(mask, min_size=self.min_size, ignore=ignore)
        return float(match_objects(reference, prediction, iou_thresholds=[0.5]).f1[0])


class PixelDice(_PerCase):
    """Dice of the two masks."""

    def _compare(self, label: np.ndarray, mask: np.ndarray, ignore: np.ndarray) -> float:
        return pixel_agreement(label, mask, ignore=ignore)[0]

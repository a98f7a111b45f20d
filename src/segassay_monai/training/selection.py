"""Agreement with the training target on whole images, as MONAI metrics; the object F1 selects the checkpoint."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import numpy as np
import torch
from monai.handlers import IgniteMetricHandler, from_engine
from monai.metrics import CumulativeIterationMetric

from segassay.masks.depth import split_by_depth
from segassay.masks.overlaps import label_objects, match_objects, pixel_agreement
from segassay_monai.ensemble.classes import (
    SEPARATE,
    THRESHOLD,
    TOUCHING,
    Classes,
    class_masks,
    is_exclusive,
    metric_names,
)


class _PerCase(CumulativeIterationMetric):
    """One value per case, averaged over cases.

    Call it with probabilities `(B, 1, *spatial)` and targets `(B, C + 1, *spatial)`: the label and the area that
    counts. Foreground is where the mean of the label's channels (soft, or one for each rater) is above one half.

    With K classes there are K probabilities, perhaps after that of the background, and K channels of the label for each
    rater. The value of a case is the mean over the classes that its label or its prediction has: if absent classes
    counted as right, a model that marks nothing would be the best of all where most images have one class of several.

    Args:
        classes: Of the model, as in `ensemble.classes`; by default one foreground.
        only: Number of the one class that counts; by default all do.
        objects: Of the model, as there. With `touching`, predictions are foreground and depth, and the label is an
            image of object numbers.
    """

    def __init__(self, classes: Classes = (), only: int | None = None, objects: str = SEPARATE) -> None:
        super().__init__()
        self.classes, self.only, self.objects = classes, only, objects

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        assert y is not None
        if self.objects == TOUCHING:
            prediction, target = y_pred.float().cpu().numpy(), y.int().cpu().numpy()
            pairs = zip(target, prediction, strict=True)
            values = [self._compare(own[0], self._found(*found), own[-1] == 0) for own, found in pairs]
            return torch.tensor(values, dtype=torch.float64)[:, None]
        n = max(len(self.classes), 1)
        masks = class_masks(y_pred[:, -n:], self.classes).cpu().numpy()
        share = y[:, :-1].float().unflatten(1, (-1, n)).mean(dim=1)
        labels, ignored = _majority(share, self.classes).cpu().numpy(), (y[:, -1] == 0).cpu().numpy()
        values = [self._mean(*case) for case in zip(labels, masks, ignored, strict=True)]
        return torch.tensor(values, dtype=torch.float64)[:, None]

    def _mean(self, labels: np.ndarray, masks: np.ndarray, ignore: np.ndarray) -> float:
        """Value of a case, from masks `(K, *spatial)`."""
        every = range(len(labels)) if self.only is None else [self.only]
        present = [number for number in every if ((labels[number] | masks[number]) & ~ignore).any()]
        return fmean(self._compare(labels[number], masks[number], ignore) for number in present or every)

    def _found(self, prob: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """What is compared with the label where objects touch, `(*spatial)`."""
        return prob > THRESHOLD

    def _compare(self, label: np.ndarray, mask: np.ndarray, ignore: np.ndarray) -> float:
        raise AssertionError("a measure defines _compare")

    def aggregate(self) -> torch.Tensor:
        """Mean over the cases seen since `reset`."""
        return self.get_buffer().mean()

    def _sync(self) -> None:
        """Use the values of this process alone: other processes of a training do not validate and never answer."""
        if self._buffers is not None:
            self._synced_tensors = [torch.stack(values) for values in self._buffers]


def _majority(share: torch.Tensor, classes: Classes) -> torch.Tensor:
    """Masks `(B, K, *spatial)` of the majority, given the share of raters of each class, as `consensus.classes`.

    Of exclusive classes a pixel is background unless more than half of the raters gave it any class.
    """
    if not is_exclusive(classes):
        return share > THRESHOLD
    first = share.argmax(dim=1, keepdim=True)
    marked = torch.zeros_like(share, dtype=torch.bool).scatter(1, first, True)
    return marked & (share.sum(dim=1, keepdim=True) > THRESHOLD)


class ObjectF1(_PerCase):
    """F1 of objects at an IoU above one half; with classes the mean over them.

    Args:
        min_size: Smallest object in pixels; smaller ones are dropped from label and prediction.
        classes: As of `PixelDice`.
        objects: As of `PixelDice`; those that touch are divided by the depth.
    """

    def __init__(self, min_size: int = 0, classes: Classes = (), objects: str = SEPARATE) -> None:
        super().__init__(classes, objects=objects)
        self.min_size = min_size

    def _found(self, prob: np.ndarray, depth: np.ndarray) -> np.ndarray:
        return split_by_depth(prob > THRESHOLD, depth, self.min_size)

    def _compare(self, label: np.ndarray, mask: np.ndarray, ignore: np.ndarray) -> float:
        reference = label_objects(label, min_size=self.min_size, ignore=ignore)
        prediction = label_objects(mask, min_size=self.min_size, ignore=ignore)
        return float(match_objects(reference, prediction, iou_thresholds=[0.5]).f1[0])


class PixelDice(_PerCase):
    """Dice of the two masks; with classes the mean over them, or that of one."""

    def _compare(self, label: np.ndarray, mask: np.ndarray, ignore: np.ndarray) -> float:
        return pixel_agreement(label, mask, ignore=ignore)[0]


def dice_metrics(classes: Classes = (), objects: str = SEPARATE) -> dict[str, IgniteMetricHandler]:
    """Metrics of a validation that do not select: `dice`, and with classes `dice_<class>` of each.

    Args:
        classes: Of the model, as in `ensemble.classes`.
        objects: Of the model, as there.

    Example:
        >>> list(dice_metrics()), list(dice_metrics([("zone", [1]), ("tumour", [2])]))
        (['dice'], ['dice', 'dice_zone', 'dice_tumour'])
    """
    metrics = {"dice": PixelDice(classes, objects=objects)}
    metrics |= {f"dice_{name}": PixelDice(classes, only=number) for number, name in enumerate(metric_names(classes))}
    return {
        name: IgniteMetricHandler(metric_fn=metric, output_transform=from_engine(["pred", "label"]))
        for name, metric in metrics.items()
    }

"""Dice + cross-entropy over the pixels that count, for one foreground and for classes."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from segassay_monai.ensemble.classes import SEPARATE, TOUCHING, Classes, Probabilities


class MaskedDiceCELoss(nn.Module):
    """Sum of soft Dice and cross-entropy, without ignored pixels, for hard and soft labels.

    Soft Dice computes the overlap of probability p and label q as p q. For a soft label it is then optimal at p = 1,
    not at p = q. Here the overlap is min(p, q), the (p + q - |p - q|) / 2 of the Dice semimetric loss: the same for a
    label of 0 or 1, and optimal at p = q for any other.

    Dice is computed over the whole batch, because a single tile may hold no object. A weight map, if given, weights the
    cross-entropy only. With several classes, Dice is the mean over them, without the background; the cross-entropy is
    that of the softmax of background and exclusive classes, or the mean over regions of their binary ones.

    Args:
        classes: Of the model, as in `ensemble.classes`; by default one foreground.
        objects: Of the model, as there. The depth of `touching` objects is a soft label beside the foreground: both
            have the same loss, whose best depth is the mean of what raters would give.

    References:
        Isensee et al. (2021), Nature Methods 18:203-211, doi:10.1038/s41592-020-01008-z (the sum of both); Wang et al.
        (2023), MICCAI, doi:10.1007/978-3-031-43898-1_46, arXiv:2303.16296 (the Dice semimetric loss).
    """

    def __init__(self, classes: Classes = (), objects: str = SEPARATE) -> None:
        super().__init__()
        self.n_channels = 2 if objects == TOUCHING else max(len(classes), 1)
        self.probabilities = Probabilities(classes)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar.

        Args:
            logits: Network output `(B, outputs, *spatial)`.
            target: `(B, K + 1 or K + 2, *spatial)`: the label of the foreground or of each class (0 to 1; of exclusive
                classes at most 1 together), the area that counts (0 or 1), and weights.
        """
        n = self.n_channels
        label, valid = target[:, :n].float(), target[:, n : n + 1].float()
        weight = valid * target[:, n + 1 : n + 2].float() if target.shape[1] > n + 1 else valid
        logits = logits.float()
        cross_entropy = (self._cross_entropy(logits, label) * weight).sum()
        cross_entropy = cross_entropy / weight.sum().clamp(min=1e-6)
        prob, label = self.probabilities(logits) * valid, label * valid
        dice = torch.stack([_dice(prob[:, number], label[:, number]) for number in range(n)]).mean()
        return cross_entropy + 1 - dice

    def _cross_entropy(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Of each pixel, `(B, 1, *spatial)`."""
        if self.probabilities.softmax:
            whole = torch.cat([1 - label.sum(dim=1, keepdim=True), label], dim=1)
            return -(whole * log_softmax(logits, dim=1)).sum(dim=1, keepdim=True)
        each = binary_cross_entropy_with_logits(logits, label, reduction="none")
        return each.mean(dim=1, keepdim=True) if self.n_channels > 1 else each


def _dice(prob: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    overlap = torch.minimum(prob, label).sum()
    return (2 * overlap + 1) / (prob.sum() + label.sum() + 1)  # + 1 pixel: smooth where nothing is labelled

"""Dice + cross-entropy over the pixels that count."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits


class MaskedDiceCELoss(nn.Module):
    """Sum of soft Dice and binary cross-entropy, without ignored pixels, for hard and soft labels.

    Soft Dice computes the overlap of probability p and label q as p q. For a soft label it is then optimal at p = 1,
    not at p = q. Here the overlap is min(p, q), the (p + q - |p - q|) / 2 of the Dice semimetric loss: the same for a
    label of 0 or 1, and optimal at p = q for any other.

    Dice is computed over the whole batch, because a single tile may hold no object. A weight map, if given, weights the
    cross-entropy only.

    References:
        Isensee et al. (2021), Nature Methods 18:203-211, doi:10.1038/s41592-020-01008-z (the sum of both); Wang et al.
        (2023), MICCAI, doi:10.1007/978-3-031-43898-1_46, arXiv:2303.16296 (the Dice semimetric loss).
    """

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar.

        Args:
            logits: Network output `(B, 1, *spatial)`.
            target: `(B, 2 or 3, *spatial)`: the label (0 to 1), the area that counts (0 or 1), and weights.
        """
        label, valid = target[:, :1].float(), target[:, 1:2].float()
        weight = valid * target[:, 2:3].float() if target.shape[1] > 2 else valid
        logits = logits.float()
        cross_entropy = (binary_cross_entropy_with_logits(logits, label, reduction="none") * weight).sum()
        cross_entropy = cross_entropy / weight.sum().clamp(min=1e-6)
        prob = torch.sigmoid(logits) * valid
        overlap = torch.minimum(prob, label * valid).sum()
        dice = (2 * overlap + 1) / (
            prob.sum() + (label * valid).sum() + 1
        )  # + 1 pixel: smooth where nothing is labelled
        return cross_entropy + 1 - dice

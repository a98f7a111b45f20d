"""Dice + cross-entropy over the pixels that count."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits


class MaskedDiceCELoss(nn.Module):
    """Sum of soft Dice and binary cross-entropy, both blind to ignored pixels.

    Dice is taken over the whole batch, since a single tile may hold no object at all.

    References:
        Isensee et al. (2021), Nature Methods 18:203-211, doi:10.1038/s41592-020-01008-z (the sum of both).
    """

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar.

        Args:
            logits: Network output `(B, 1, *spatial)`.
            target: `(B, 2, *spatial)`: the label (0 or 1), and the area that counts (0 or 1).
        """
        label, valid = target[:, :1].float(), target[:, 1:].float()
        logits = logits.float()
        n_valid = valid.sum().clamp(min=1)
        cross_entropy = (binary_cross_entropy_with_logits(logits, label, reduction="none") * valid).sum() / n_valid
        prob = torch.sigmoid(logits) * valid
        overlap = (prob * label).sum()
        dice = (2 * overlap + 1) / (
            prob.sum() + (label * valid).sum() + 1
        )  # + 1 pixel: smooth where nothing is labelled
        return cross_entropy + 1 - dice

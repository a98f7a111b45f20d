"""Predict with each member of an ensemble in turn, so that windows of large images are joined member by member.

image (B, C, *spatial) -> inferer with each member -> mean probability (B, K, *spatial), K = 1 without classes
"""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer


class MembersInferer(Inferer):
    """Mean probability of the members of a `MeanNet`, each predicted with another inferer.

    For images that need no windows, the result is that of the network itself.

    Args:
        inferer: Predicts an image with one member, whole or in windows.

    Example:
        >>> from monai.inferers import SimpleInferer
        >>> net = torch.nn.Module()
        >>> net.probabilities = torch.nn.Sigmoid()
        >>> net.members = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Threshold(9.0, 0.0)])
        >>> MembersInferer(SimpleInferer())(torch.zeros(1, 1, 2, 2), net).unique().tolist()
        [0.5]
    """

    def __init__(self, inferer: Inferer) -> None:
        super().__init__()
        self.inferer = inferer

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Return the mean probability `(B, K, *spatial)`, float32."""
        total = torch.zeros(len(inputs), 1, *inputs.shape[2:], device=inputs.device)
        for member in network.members:
            total = total + network.probabilities(self.inferer(inputs, member, *args, **kwargs).float())
        return total / len(network.members)

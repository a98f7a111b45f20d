"""An ensemble as one network that holds all its members: what an export contains.

    image (B, C, *spatial), normalised -> members -> mean probability (B, K, *spatial), K = 1 without classes

`EnsembleNet` reads its members from files, one at a time; this network is one module with one state dict. Both give the
same probabilities. An exported bundle carries this module unchanged: it imports torch, monai, numpy and modules of this
kind only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from .classes import SEPARATE, Classes, Probabilities
from .errors import PredictionError
from .network import NetworkSettings, read_checkpoint, read_network_settings, residual_unet


class MeanNet(nn.Module):
    """Mean probability of several members, all in memory.

    Args:
        n_members: Number of members.
        spatial_dims: As of `residual_unet`, like the arguments below.
        in_channels: Number of channels of the image.
        channels: Number of features per level.
        strides: Factors by which each axis shrinks from level to level.
        classes: Name and values of each class.
        objects: With `touching` the depth follows the probability of the foreground.

    Raises:
        ValueError: If there is no member.

    Example:
        >>> net = MeanNet(2, spatial_dims=2, in_channels=1, channels=[4, 8], strides=[[2, 2]]).eval()
        >>> tuple(net(torch.zeros(1, 1, 16, 24)).shape)
        (1, 1, 16, 24)
    """

    def __init__(
        self,
        n_members: int,
        spatial_dims: int,
        in_channels: int,
        channels: Sequence[int],
        strides: Sequence[Sequence[int]] | None = None,
        classes: Classes = (),
        objects: str = SEPARATE,
    ) -> None:
        super().__init__()
        if n_members < 1:
            raise ValueError(f"an ensemble needs at least one member, got {n_members}")
        self.members = nn.ModuleList(
            residual_unet(spatial_dims, in_channels, channels, strides, classes, objects) for _ in range(n_members)
        )
        self.probabilities = Probabilities(classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Average the members' probabilities.

        Args:
            image: Normalised images `(B, C, *spatial)`; sizes are multiples of `size_divisor`.

        Returns:
            Mean probability `(B, K, *spatial)`.
        """
        total = torch.zeros_like(image[:, :1])
        for member in self.members:
            total = total + self.probabilities(member(image))
        return total / len(self.members)


def read_mean_net(checkpoint_paths: Sequence[str | Path]) -> tuple[MeanNet, NetworkSettings]:
    """Build the network of an ensemble from its checkpoints, in evaluation mode on the CPU.

    Raises:
        PredictionError: If a file is not a checkpoint, or members differ in their network.
    """
    settings = read_network_settings(checkpoint_paths)
    net = MeanNet(len(checkpoint_paths), **settings.arguments())
    for path, member in zip(checkpoint_paths, net.members, strict=True):
        weights: Mapping[str, torch.Tensor] = read_checkpoint(path)["model"]
        try:
            member.load_state_dict(weights)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            what = f"the weights do not fit the network ({reason})"
            raise PredictionError.of(path, what, "train it again") from error
    return net.eval(), settings

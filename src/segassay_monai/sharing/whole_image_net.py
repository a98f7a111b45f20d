"""An ensemble as one network that takes an image as it comes from the microscope: what other programs load.

    raw intensities (B, C, *spatial) -> normalised -> padded -> members -> mean probability -> cut to (B, K, *spatial)
                                                                        -> and mean depth, of objects that touch

Normalisation is part of the network, because no format of other programs expresses it exactly. TorchScript and ONNX
take the network as it is; an export carries this file unchanged: it imports torch and monai only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.networks.nets import UNet
from torch import nn


class WholeImageNet(nn.Module):
    """Mean probability of several members for images of any size, with raw intensities.

    Args:
        network: Arguments of `monai.networks.nets.UNet`, whose output is one logit per pixel, or one for each class; of
            objects that touch one for the foreground and one for the depth.
        divisors: For each spatial axis, the size whose multiples the network accepts.
        n_members: Number of members.
        both_channels: Whether the output has the probability of the background, too, as first channel.
        lower: Percentile of a channel that becomes 0.
        upper: Percentile of a channel that becomes 1.
        limit: Normalised values are clipped to `[-limit, limit]`.
        intensity_range: The values that become 0 and 1, instead of the percentiles.
        normalised: Whether images come normalised, as tiles of one image must.
        softmax: Whether the outputs of the network are background and exclusive classes; else each is one of its own.
        depth: Whether the last output is the depth of each pixel in its object.

    Example:
        >>> unet = {"spatial_dims": 2, "in_channels": 1, "out_channels": 1, "channels": [4, 8], "strides": [[2, 2]]}
        >>> net = WholeImageNet(unet, divisors=[2, 2], both_channels=True).eval()
        >>> tuple(net(torch.zeros(1, 1, 7, 12)).shape)
        (1, 2, 7, 12)
    """

    def __init__(
        self,
        network: Mapping[str, Any],
        divisors: Sequence[int],
        n_members: int = 1,
        both_channels: bool = False,
        lower: float = 1.0,
        upper: float = 99.0,
        limit: float = 8.0,
        normalised: bool = False,
        softmax: bool = False,
        depth: bool = False,
        intensity_range: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(UNet(**network) for _ in range(n_members))
        self.axes = nn.ModuleList(_Axis(axis, divisor) for axis, divisor in enumerate(divisors, start=2))
        self.in_channels: int = network["in_channels"]
        self.strides: list[list[int]] = [list(step) for step in network["strides"]]
        self.divisors = list(divisors)
        self.both_channels = both_channels
        self.lower, self.upper, self.limit = lower, upper, limit
        self.is_fixed = intensity_range is not None
        self.lowest, self.highest = (0.0, 1.0) if intensity_range is None else map(float, intensity_range)
        self.normalised = normalised
        self.softmax = softmax
        self.depth = depth

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Predict images.

        Args:
            image: Raw intensities `(B, C, *spatial)`, of any number type and size.

        Returns:
            Mean probability of the foreground `(B, 1, *spatial)`, float32, or of each class `(B, K, *spatial)`; with
            `both_channels` after that of the background, and with `depth` before the mean depth.
        """
        image = image.float()
        padded = image if self.normalised else self.normalise(image)
        for axis in self.axes:
            padded = axis.pad(padded)  # type: ignore[operator]
        prob = torch.zeros_like(padded[:, :1])
        for member in self.members:
            logits = member(padded)
            prob = prob + (torch.softmax(logits, dim=1)[:, 1:] if self.softmax else torch.sigmoid(logits))
        prob = prob / len(self.members)
        for axis in self.axes:
            prob = axis.cut(prob, image)  # type: ignore[operator]
        if self.both_channels:
            marked = prob[:, :1] if self.depth else prob
            prob = torch.cat([1 - marked.sum(dim=1, keepdim=True), prob], dim=1)
        return prob

    def normalise(self, image: torch.Tensor) -> torch.Tensor:
        """Scale each channel of each image so that its percentiles, or the fixed values, become 0 and 1.

        A constant channel becomes 0 if it is scaled by percentiles.
        """
        if self.is_fixed:
            return ((image - self.lowest) / (self.highest - self.lowest)).clamp(-self.limit, self.limit)
        ordered = torch.sort(image.flatten(2), dim=2)[0]
        low = _percentile(ordered, self.lower)
        high = _percentile(ordered, self.upper)
        high = torch.where(high > low, high, ordered[:, :, -1:])
        spread = torch.where(high > low, high - low, torch.full_like(high, float("inf")))
        flat = (image.flatten(2) - low) / spread
        return flat.clamp(-self.limit, self.limit).reshape(image.shape)


def _percentile(ordered: torch.Tensor, percent: float) -> torch.Tensor:
    """Percentile of sorted values `(B, C, N)` as `(B, C, 1)`, between two values as `numpy.percentile` does."""
    last = torch.full([1], ordered.size(2) - 1, dtype=torch.float64, device=ordered.device)
    position = last * (percent / 100)
    below = position.floor()
    part = position - below
    a = ordered.index_select(2, below.long()).double()
    b = ordered.index_select(2, position.ceil().long()).double()
    return torch.where(part < 0.5, a + (b - a) * part, b - (b - a) * (1 - part)).float()


class _Axis(nn.Module):
    """Pads one axis at its end to a multiple by reflection, repeatedly if it is short, and cuts it again."""

    def __init__(self, axis: int, divisor: int) -> None:
        super().__init__()
        self.axis, self.divisor = axis, divisor

    def pad(self, image: torch.Tensor) -> torch.Tensor:
        size = image.size(self.axis)
        multiple = (size + self.divisor - 1) // self.divisor * self.divisor
        mirror = torch.arange(multiple, device=image.device) % (2 * size)
        return image.index_select(self.axis, torch.where(mirror < size, mirror, 2 * size - 1 - mirror))

    def cut(self, prob: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return prob.narrow(self.axis, 0, image.size(self.axis))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.pad(image)

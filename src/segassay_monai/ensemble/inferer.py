"""Predict one image with one network: as a whole, or level by level if it is too large for the memory.

    image (B, C, *spatial) -> padded to a size that the network accepts -> network, or its levels -> (B, K, *spatial)

An exported bundle can carry this module unchanged: it imports torch, monai, numpy and modules of this kind only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from monai.inferers import Inferer, SlidingWindowInferer
from monai.networks.nets import UNet

from .levels import by_levels


class WholeImageInferer(Inferer):
    """Predict whole images, and with less memory images that are too large for it: a U-Net level by level, or windows.

    Images are padded by reflection to sizes that the network accepts; the padding is cut off again. An image of up to
    eight times `max_pixels` has the result of the whole image, but for the last digits. Features between levels need
    50 to 80 bytes per pixel, so a still larger one is predicted in overlapping windows, which do not know what is
    around them, and so is one of another network than a U-Net of MONAI, such as a member that ONNX Runtime runs.
    Windows have the proportions of the divisors: shorter along an axis that the network halves less often.

    Args:
        divisor: The network accepts multiples of this size, one for each axis or one for all.
        max_pixels: Larger images are predicted in windows of about a quarter of this.
        overlap: Part of a window that the next one covers, too, of a network that has no levels.
    """

    _BY_LEVELS = 8  # times as many pixels as an image that is predicted whole

    def __init__(self, divisor: int | Sequence[int], max_pixels: int = 2**22, overlap: float = 0.25) -> None:
        super().__init__()
        self.divisor, self.max_pixels, self.overlap = divisor, max_pixels, overlap

    def __call__(self, inputs: torch.Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Return `network(inputs)` of shape `(B, C, *spatial)`."""
        spatial = inputs.shape[2:]
        divisors = [self.divisor] * len(spatial) if isinstance(self.divisor, int) else list(self.divisor)
        padded = pad_to_multiple(inputs, divisors)
        if spatial.numel() <= self.max_pixels:
            output = network(padded, *args, **kwargs)
        elif (
            isinstance(network, UNet) and not network.training and spatial.numel() <= self._BY_LEVELS * self.max_pixels
        ):
            output = by_levels(network, padded, self.max_pixels // 4)
        else:
            roi = window_size(padded.shape[2:], divisors, self.max_pixels // 4)
            windows = SlidingWindowInferer(roi, overlap=self.overlap, mode="gaussian")
            output = windows(padded, network, *args, **kwargs)
        return output[(..., *[slice(size) for size in spatial])]


def window_size(spatial: Sequence[int], divisors: Sequence[int], max_pixels: int) -> list[int]:
    """Largest window, in the proportions of the divisors, that fits into image and memory; at least the divisors.

    Example:
        >>> window_size([40, 512, 512], divisors=[2, 8, 8], max_pixels=2**18)
        [24, 96, 96]
        >>> window_size([8, 512, 512], divisors=[2, 8, 8], max_pixels=2**18)  # few slices leave room in their plane
        [8, 176, 176]
    """
    window = list(divisors)
    for multiple in range(1, max(-(-size // divisor) for size, divisor in zip(spatial, divisors, strict=True)) + 1):
        larger = [min(multiple * divisor, size) for size, divisor in zip(spatial, divisors, strict=True)]
        if prod(larger) > max_pixels and multiple > 1:
            break
        window = larger
    return window


def pad_to_multiple(inputs: torch.Tensor, divisors: Sequence[int]) -> torch.Tensor:
    """Pad the end of each spatial axis to a multiple by reflection, repeatedly on a short axis.

    Args:
        inputs: `(B, C, *spatial)`.
        divisors: One for each spatial axis.
    """
    for axis, divisor in enumerate(divisors, start=2):
        size = inputs.shape[axis]
        extra = -size % divisor
        if extra:
            mirror = torch.arange(size, size + extra, device=inputs.device) % (2 * size)
            mirror = torch.where(mirror < size, mirror, 2 * size - 1 - mirror)
            inputs = torch.cat([inputs, inputs.index_select(axis, mirror)], dim=axis)
    return inputs

"""Evaluate a U-Net on an image that is too large for the memory, level by level: as if it saw the whole image at once.

    image (B, C, *spatial) -> way down of the finest level, window by window -> the levels below, in the same way
                           -> way up of the finest level, window by window -> (B, K, *spatial)

What one level sees around a pixel is a few pixels wide, whatever the whole network sees; so windows of one level need
little around them, and none is computed twice. Only the features between two levels are kept for the whole image. An
exported bundle can carry this module unchanged: it imports torch, monai and modules of this kind only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

import torch
from monai.networks.layers.simplelayers import SkipConnection
from monai.networks.nets import UNet
from torch import nn


def by_levels(network: UNet, image: torch.Tensor, max_pixels: int) -> torch.Tensor:
    """Output of the network for a large image.

    Args:
        network: In evaluation mode, with a normalisation that does not look at the image, such as batch normalisation.
        image: `(B, C, *spatial)`; sizes are multiples of what the network halves.
        max_pixels: Pixels of a window; smaller levels are evaluated as a whole.

    Returns:
        `network(image)`, but for the last digits.

    Example:
        >>> net = UNet(2, in_channels=1, out_channels=1, channels=[4, 8, 8], strides=[2, 2], norm="BATCH").eval()
        >>> noise = torch.rand(1, 1, 64, 96)
        >>> with torch.no_grad():
        ...     found = by_levels(net, noise, max_pixels=256)
        ...     torch.allclose(found, net(noise), atol=1e-6)
        True
    """
    return _level(network.model, image, max_pixels, max_pixels // _RICHER)


_RICHER = 4  # times as much memory that a pixel of a level needs, between those of the image and the finest features


def _level(level: nn.Module, image: torch.Tensor, max_pixels: int, max_below: int) -> torch.Tensor:
    """Output of one level and all below it."""
    if image.shape[2:].numel() <= max_pixels:
        return _tensor(level(image))
    if not (isinstance(level, nn.Sequential) and isinstance(level[1], SkipConnection)):  # the coarsest
        return _windows(level, [image], [1] * (image.ndim - 2), max_pixels)
    down, skip, up = level
    strides = _strides(down)
    features = _windows(down, [image], strides, max_pixels, shrinks=True)
    below = _level(skip.get_submodule("submodule"), features, max_below, max_below)
    return _windows(up, [features, below], strides, max_pixels, shrinks=False)


def _windows(
    layer: nn.Module, inputs: Sequence[torch.Tensor], strides: Sequence[int], max_pixels: int, *, shrinks: bool = True
) -> torch.Tensor:
    """Output of a layer that shrinks, or enlarges, each axis by its stride; several inputs are joined as channels."""
    fine = strides if shrinks else [1] * len(strides)
    grid = [size // step for size, step in zip(inputs[0].shape[2:], fine, strict=True)]
    reach = sum(_radius(one) for one in layer.modules())
    output: torch.Tensor | None = None
    for window in _cover(grid, strides, reach, max_pixels):
        wide = [
            slice(max(part.start - reach, 0), min(part.stop + reach, size))
            for part, size in zip(window, grid, strict=True)
        ]
        part = torch.cat([_cut(one, wide, fine) for one in inputs], dim=1)
        own = [
            slice(part.start - around.start, part.stop - around.start)
            for part, around in zip(window, wide, strict=True)
        ]
        larger = [1] * len(strides) if shrinks else strides
        found = _cut(_tensor(layer(part)), own, larger)
        if output is None:
            sizes = [size * step for size, step in zip(grid, larger, strict=True)]
            output = found.new_empty((*found.shape[:2], *sizes))
        _cut(output, window, larger).copy_(found)
    assert output is not None, "an image has pixels"
    return output


def _cover(grid: Sequence[int], strides: Sequence[int], reach: int, max_pixels: int) -> Iterator[tuple[slice, ...]]:
    """Windows that cover a grid of pixels, none of which overlap, and fit into memory with what is around them."""
    sides = [1] * len(grid)
    for side in range(1, max(grid) + 1):
        larger = [min(side, size) for size in grid]
        pixels = [
            (s + 2 * reach if s < size else s) * step for s, size, step in zip(larger, grid, strides, strict=True)
        ]
        if prod(pixels) > max_pixels:
            break
        sides = larger
    starts = (range(0, size, side) for size, side in zip(grid, sides, strict=True))
    for corner in product(*starts):
        yield tuple(
            slice(start, min(start + side, size)) for start, side, size in zip(corner, sides, grid, strict=True)
        )


def _cut(image: torch.Tensor, window: Sequence[slice], steps: Sequence[int]) -> torch.Tensor:
    """Part of an image, whose pixels are smaller than those of the window by the steps; a view."""
    for axis, (part, step) in enumerate(zip(window, steps, strict=True), start=2):
        image = image.narrow(axis, part.start * step, (part.stop - part.start) * step)
    return image


def _radius(layer: nn.Module) -> int:
    """Pixels around one that a convolution sees, in its coarser image; 0 for other layers."""
    size, dilation = getattr(layer, "kernel_size", None), getattr(layer, "dilation", None)
    if not isinstance(size, tuple) or not isinstance(dilation, tuple):
        return 0
    return max(n // 2 * step for n, step in zip(size, dilation, strict=True))


def _strides(down: nn.Module) -> list[int]:
    """Factors by which a layer shrinks each axis: those of its first convolution."""
    steps = (getattr(one, "stride", None) for one in down.modules())
    return next(list(step) for step in steps if isinstance(step, tuple))


def _tensor(found: Any) -> torch.Tensor:
    assert isinstance(found, torch.Tensor)
    return found

"""Describe an image by a few numbers, which tell whether it is like the images that a member was trained on.

    raw image (C, *spatial), pixel size  ->  intensity_features  ->  log percentiles, spread, noise, sharpness
    raw image, a member                  ->  network_features    ->  mean and spread of each deepest channel

Neither holds a pixel of the image, its name or its path. Of a large image only a part is used, the same whether the
image is an array or is read by windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import product
from math import prod
from typing import Protocol

import numpy as np
import torch
from torch import nn

from segassay_monai.ensemble.images import NormalisePercentiled, as_float
from segassay_monai.ensemble.inferer import pad_to_multiple, window_size
from segassay_monai.ensemble.network import size_divisor

__all__ = ["PERCENTILES", "Pixels", "feature_counts", "intensity_features", "network_features"]

PERCENTILES = (1, 25, 50, 75, 99, 99.9)
_MAX_PIXELS = 2**22  # of a larger image every second, third, … pixel is used for percentiles
_MAX_WINDOWS, _WINDOW_PIXELS = 16, 2**16
_SMALLEST = 1e-3  # logarithms of smaller numbers, as of the noise of a constant image, are those of this


class Pixels(Protocol):
    """An image `(C, *spatial)` of which parts are read as they are needed."""

    shape: tuple[int, ...]

    def every(self, step: int) -> np.ndarray:
        """Each `step`-th pixel along each spatial axis, all channels."""
        ...

    def read(self, *window: slice) -> np.ndarray:
        """All channels of a window, one slice for each spatial axis."""
        ...


class _Held:
    """An image in memory as `Pixels`."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape = array, array.shape

    def every(self, step: int) -> np.ndarray:
        return self.array[(slice(None), *[slice(None, None, step)] * (self.array.ndim - 1))]

    def read(self, *window: slice) -> np.ndarray:
        return self.array[(slice(None), *window)]


def _pixels(image: np.ndarray | Pixels) -> Pixels:
    return _Held(image) if isinstance(image, np.ndarray) else image


def intensity_features(image: np.ndarray | Pixels, spacing_um: Sequence[float] | None = None) -> np.ndarray:
    """Logarithms (to base 2) of the brightness, contrast, noise and sharpness of an image, and of its pixel size.

    A step of 1 is a factor of 2. Noise is the median absolute difference of a pixel from the mean of its two neighbours
    along the last axis; sharpness compares differences of neighbours with those of pixels 4 apart.

    Args:
        image: Raw values `(C, *spatial)`, an array or `Pixels`; negative ones count by their size, with their sign.
        spacing_um: Size of a pixel along each axis.

    Returns:
        float64: for each channel those of `PERCENTILES`, of the spread from the 1st to the 99th, of the noise, of noise
        to spread and of the sharpness; then the area or volume of a pixel, NaN if it is unknown.

    Example:
        >>> image = np.random.default_rng(0).normal(100, 10, (1, 64, 64))
        >>> brighter = intensity_features(4 * image) - intensity_features(image)
        >>> brighter[[0, 2, 6, 7, 8, 9]].round(1).tolist()  # percentiles, spread, noise; not their ratio or sharpness
        [2.0, 2.0, 2.0, 2.0, 0.0, 0.0]
    """
    pixels = _pixels(image)
    parts = [pixels.read(*window) for window in _windows(pixels.shape[1:], [1] * (len(pixels.shape) - 1))]
    numbers = [
        _of_channel(sampled, [part[channel].astype(float) for part in parts])
        for channel, sampled in enumerate(_sampled(pixels))
    ]
    size = np.nan if spacing_um is None else float(np.log2(np.prod(np.asarray(spacing_um, dtype=float))))
    return np.array([*np.concatenate(numbers), size])


def _of_channel(sampled: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    percentiles = np.percentile(sampled.astype(float), PERCENTILES)
    spread = percentiles[4] - percentiles[0]
    noise = float(np.median([_noise(part) for part in parts]))
    sharpness = float(np.median([_sharpness(part) for part in parts]))
    brightness = np.sign(percentiles) * np.log2(1 + np.abs(percentiles))
    contrast = np.log2(np.maximum([spread, noise, noise / max(spread, _SMALLEST), sharpness], _SMALLEST))
    return np.concatenate([brightness, contrast])


def _sampled(pixels: Pixels) -> np.ndarray:
    """All pixels `(C, *spatial)`, of a large image every second, third, … along each axis."""
    spatial = pixels.shape[1:]
    return pixels.every(max(int(np.ceil((prod(spatial) / _MAX_PIXELS) ** (1 / len(spatial)))), 1))


def _noise(part: np.ndarray) -> float:
    if part.shape[-1] < 3:
        return 0.0
    between = part[..., 1:-1] - (part[..., :-2] + part[..., 2:]) / 2
    return float(np.median(np.abs(between)))


def _sharpness(part: np.ndarray) -> float:
    """Root mean square difference of neighbours along the last axis, in parts of that of pixels 4 apart."""
    if part.shape[-1] < 5:
        return 1.0
    near, far = (np.sqrt(np.mean((part[..., step:] - part[..., :-step]) ** 2)) for step in (1, 4))
    return float(near / far) if far else 1.0


def feature_counts(in_channels: int, channels: Sequence[int]) -> tuple[int, int]:
    """How many numbers `intensity_features` and `network_features` give for a network.

    Example:
        >>> feature_counts(2, [4, 8])
        (21, 16)
    """
    return in_channels * (len(PERCENTILES) + 4) + 1, 2 * channels[-1]


class _Deepest(Exception):
    """The deepest level of a network is computed."""


def network_features(
    image: np.ndarray | Pixels,
    network: nn.Module,
    strides: Sequence[Sequence[int]],
    intensity_range: Sequence[float] | None = None,
) -> np.ndarray:
    """Mean and standard deviation of each channel of the network's deepest level, over the image.

    The image is normalised as in training. Of a large one at most 16 evenly spaced windows of about 65,000 pixels are
    used.

    Args:
        image: Raw values `(C, *spatial)`, an array or `Pixels`.
        network: A member, a `residual_unet`; it is set to evaluation.
        strides: Those of the network.
        intensity_range: As of `NormalisePercentiled`.

    Returns:
        float64 `(2 × channels,)`: all means, then all standard deviations.

    Example:
        >>> from segassay_monai.ensemble.network import residual_unet
        >>> net = residual_unet(2, 1, [4, 8], [[2, 2]])
        >>> network_features(np.zeros((1, 20, 30)), net, [[2, 2]]).shape
        (16,)
    """
    found: list[torch.Tensor] = []

    def keep(module: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        found.append(output)
        raise _Deepest  # what follows takes most of the time

    hook = deepest_level(network).register_forward_hook(keep)
    divisors, device = size_divisor(strides), next(network.parameters()).device
    pixels = _pixels(image)
    low, high = _limits(pixels, intensity_range)
    try:
        network.eval()
        with torch.no_grad():
            for window in _windows(pixels.shape[1:], divisors):
                part = as_float(pixels.read(*window))
                normalised = ((part - low) / (high - low)).clamp(-_LIMIT, _LIMIT)
                with suppress(_Deepest):
                    network(pad_to_multiple(normalised[None].to(device), divisors))
    finally:
        hook.remove()
    level = torch.cat([output[0].flatten(1).double().cpu() for output in found], dim=1)
    return torch.cat([level.mean(dim=1), level.std(dim=1, correction=0)]).numpy()


_LIMIT = NormalisePercentiled("image").limit


def _limits(image: Pixels, intensity_range: Sequence[float] | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Values `(C, 1, …)` that become 0 and 1, as in `NormalisePercentiled`."""
    rule = NormalisePercentiled("image", intensity_range=intensity_range)
    shape = (image.shape[0], *[1] * (len(image.shape) - 1))
    if rule.intensity_range is not None:
        lowest, highest = rule.intensity_range
        return torch.full(shape, lowest), torch.full(shape, highest)
    flat = np.stack([channel.ravel() for channel in _sampled(image)]).astype(np.float32)
    low, high = np.percentile(flat, [rule.lower, rule.upper], axis=1)
    high = np.where(high > low, high, flat.max(axis=1))
    high = np.where(high > low, high, np.inf)
    return as_float(low.reshape(shape)), as_float(high.reshape(shape))


def deepest_level(network: nn.Module) -> nn.Module:
    """The module of a U-Net of MONAI that computes its coarsest features."""
    level = network.get_submodule("model")
    while isinstance(level, nn.Sequential) and len(level) > 1 and hasattr(level[1], "submodule"):
        level = level[1].get_submodule("submodule")
    return level


def _windows(shape: Sequence[int], divisors: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """The whole image, or evenly spaced windows of a large one."""
    size = window_size(list(shape), list(divisors), _WINDOW_PIXELS)
    n_fit = [length // edge for length, edge in zip(shape, size, strict=True)]
    n_axes = sum(n > 1 for n in n_fit)
    most = int(_MAX_WINDOWS ** (1 / n_axes) + 1e-9) if n_axes else 1
    corners = [
        np.linspace(0, length - edge, min(n, most)).astype(int) if n > 1 else [(length - edge) // 2]
        for length, edge, n in zip(shape, size, n_fit, strict=True)
    ]
    for corner in product(*corners):
        yield tuple(slice(max(int(start), 0), int(start) + edge) for start, edge in zip(corner, size, strict=True))

"""Describe an image by a few numbers, which tell whether it is like the images that a member was trained on.

    raw image (C, *spatial), pixel size  ->  intensity_features  ->  log percentiles, spread, noise, sharpness
    normalised image, a member           ->  network_features    ->  mean and spread of each channel of its deepest level

Neither holds a pixel of the image, its name or its path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import torch
from torch import nn

from segassay_monai.ensemble.inferer import pad_to_multiple, window_size
from segassay_monai.ensemble.network import size_divisor

__all__ = ["PERCENTILES", "intensity_features", "network_features"]

PERCENTILES = (1, 25, 50, 75, 99, 99.9)
_MAX_PIXELS = 2**22
"""Of larger images every second, third, … pixel is used for percentiles, and windows in between for the rest."""

_MAX_WINDOWS, _WINDOW_PIXELS = 16, 2**16
_SMALLEST = 1e-3
"""Logarithms of smaller numbers, as of the noise of a constant image, are those of this."""


def intensity_features(image: np.ndarray, spacing_um: Sequence[float] | None = None) -> np.ndarray:
    """Logarithms (to base 2) of the brightness, contrast, noise and sharpness of an image, and of its pixel size.

    A step of 1 is a factor of 2. Noise is the median absolute difference of a pixel from the mean of its two neighbours
    along the last axis; sharpness compares differences of neighbours with those of pixels 4 apart.

    Args:
        image: Raw values `(C, *spatial)`; negative ones count by their size, with their sign.
        spacing_um: Size of a pixel along each axis.

    Returns:
        float64: for each channel those of `PERCENTILES`, of the spread from the 1st to the 99th, of the noise, of noise
        to spread and of the sharpness; then the volume of a pixel, 0 if it is unknown.

    Example:
        >>> image = np.random.default_rng(0).normal(100, 10, (1, 64, 64))
        >>> brighter = intensity_features(4 * image) - intensity_features(image)
        >>> brighter[[0, 2, 6, 7, 8, 9]].round(1).tolist()  # percentiles, spread, noise; not their ratio or sharpness
        [2.0, 2.0, 2.0, 2.0, 0.0, 0.0]
    """
    numbers = [_of_channel(channel) for channel in np.asarray(image)]
    size = 0.0 if spacing_um is None else float(np.log2(np.prod(np.asarray(spacing_um, dtype=float))))
    return np.array([*np.concatenate(numbers), size])


def _of_channel(channel: np.ndarray) -> np.ndarray:
    pixels = channel[tuple(slice(None, None, step) for step in _steps(channel.shape))].astype(float)
    percentiles = np.percentile(pixels, PERCENTILES)
    spread = percentiles[4] - percentiles[0]
    parts = [channel[window].astype(float) for window in _windows(channel.shape, [1] * channel.ndim)]
    noise = float(np.median([_noise(part) for part in parts]))
    sharpness = float(np.median([_sharpness(part) for part in parts]))
    brightness = np.sign(percentiles) * np.log2(1 + np.abs(percentiles))
    contrast = np.log2(np.maximum([spread, noise, noise / max(spread, _SMALLEST), sharpness], _SMALLEST))
    return np.concatenate([brightness, contrast])


def _steps(shape: Sequence[int]) -> list[int]:
    step = int(np.ceil((np.prod(np.asarray(shape, dtype=float)) / _MAX_PIXELS) ** (1 / len(shape))))
    return [max(step, 1)] * len(shape)


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


def network_features(normalised: torch.Tensor, network: nn.Module, strides: Sequence[Sequence[int]]) -> np.ndarray:
    """Mean and standard deviation of each channel of the network's deepest level, over the image.

    Of a large image at most 16 evenly spaced windows of about 65,000 pixels are used.

    Args:
        normalised: Image `(C, *spatial)` as the network takes it.
        network: A member, a `residual_unet`; it is set to evaluation.
        strides: Those of the network.

    Returns:
        float64 `(2 × channels,)`: all means, then all standard deviations.

    Example:
        >>> from segassay_monai.ensemble.network import residual_unet
        >>> net = residual_unet(2, 1, [4, 8], [[2, 2]])
        >>> network_features(torch.zeros(1, 20, 30), net, [[2, 2]]).shape
        (16,)
    """
    found: list[torch.Tensor] = []
    hook = deepest_level(network).register_forward_hook(lambda module, given, output: found.append(output))
    divisors = size_divisor(strides)
    try:
        network.eval()
        with torch.no_grad():
            for window in _windows(normalised.shape[1:], divisors):
                network(pad_to_multiple(normalised[(slice(None), *window)][None], divisors))
    finally:
        hook.remove()
    levels = torch.cat([output[0].flatten(1).double().cpu() for output in found], dim=1)
    return torch.cat([levels.mean(dim=1), levels.std(dim=1, correction=0)]).numpy()


def deepest_level(network: nn.Module) -> nn.Module:
    """The module of a U-Net of MONAI that computes its coarsest features."""
    level = network.model
    while isinstance(level, nn.Sequential) and len(level) > 1 and hasattr(level[1], "submodule"):
        level = level[1].submodule
    return level


def _windows(shape: Sequence[int], divisors: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """The whole image, or evenly spaced windows of a large one."""
    size = window_size(list(shape), list(divisors), _WINDOW_PIXELS)
    n_fit = [max(length // edge, 1) for length, edge in zip(shape, size, strict=True)]
    starts = []
    for length, edge, n in zip(shape, size, n_fit, strict=True):
        n_taken = min(n, max(int(_MAX_WINDOWS ** (1 / sum(n > 1 for n in n_fit))), 1)) if max(n_fit) > 1 else 1
        starts.append(np.linspace(0, max(length - edge, 0), n_taken).astype(int) if n_taken > 1 else [max(length - edge, 0) // 2])
    for corner in product(*starts):
        yield tuple(slice(int(start), int(start) + edge) for start, edge in zip(corner, size, strict=True))

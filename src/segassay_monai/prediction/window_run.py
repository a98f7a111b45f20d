"""Predict an image window by window, each with as much around it as the network sees.

    Windows -> percentiles of the whole -> windows with a halo -> maps of each window, masks of its members

A window begins at a multiple of the network's divisor, and its halo is as wide as what the network sees. So each pixel
has the probability that it has if the whole image is predicted at once, but for the last digits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from math import prod

import numpy as np
import torch
from torch import nn

from segassay.io.windows import Windows, strips_of
from segassay.statistics.percentiles import percentiles_of_parts
from segassay_monai.ensemble.ensemble_net import EnsembleNet
from segassay_monai.ensemble.images import NormalisePercentiled, as_float, check_image, rescale
from segassay_monai.ensemble.inferer import WholeImageInferer, window_size
from segassay_monai.ensemble.network import size_divisor
from segassay_monai.prediction.case import Predictor

__all__ = ["DEPTH", "WindowRun", "receptive_radii", "strip_height"]

logger = logging.getLogger("segassay")

DEPTH = "depth"
"""Map of models that tell touching objects apart; it is no folder of results."""

_CORE = 768  # side of a window of a 2-D image, without its halo
_VOXELS = 2**23  # of a window of a volume, with its halo
_STRIP = 2**23  # pixels that are read at once
_AT_ONCE = 2**22  # numbers that are counted at once


class WindowRun:
    """Prediction of the windows of one image.

    Args:
        predictor: The model.
        image: The image.

    Raises:
        PredictionError: As from `predict_case`.
    """

    def __init__(self, predictor: Predictor, image: Windows) -> None:
        self.predictor, self.image, self.shape = predictor, image, image.frame.array.shape[1:]
        own, settings = predictor.network, predictor.settings
        first = as_float(image.read(*(slice(0, 1) for _ in self.shape)))
        check_image(image.path, first, settings.in_channels, settings.spatial_dims)
        divisors = size_divisor(settings.strides)
        whole = WholeImageInferer(divisors, max_pixels=2**62)
        self.network = EnsembleNet(
            own.network, own.checkpoint_paths, whole, own.flips, own.backend, own.classes, own.objects
        )
        halo = receptive_radii(own.network, settings.in_channels, divisors)
        self.core, self.halo = _sides(self.shape, divisors, halo, predictor.options.tile)
        self.low, self.high = self._limits()

    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        """The two values that become 0 and 1 in each channel, as for an image in memory."""
        n_channels, known = len(self.image.frame.array), self.predictor.settings.intensity_range
        if known is not None:
            self._check_pixels()
            low, high = (np.full(n_channels, value, dtype=np.float32) for value in known)
            return low, high
        settings = NormalisePercentiled("image")
        wanted = [settings.lower, settings.upper]
        found = [percentiles_of_parts(partial(self._channel, number), wanted) for number in range(n_channels)]
        low, high, top = np.array(found).T.astype(np.float32)
        return low, np.where(high > low, high, top)

    def _check_pixels(self) -> None:
        """Refuse an image with NaN or infinite pixels before anything is predicted."""
        for number in range(len(self.image.frame.array)):
            for _ in self._channel(number):
                pass

    def _channel(self, number: int) -> Iterator[np.ndarray]:
        for strip in strips_of(self.image, strip_height(self.shape)):
            flat = strip[number].ravel()
            for start in range(0, len(flat), _AT_ONCE):
                part = flat[start : start + _AT_ONCE]
                check_image(self.image.path, as_float(part[None]), 1, 1)
                yield part

    def windows(self) -> Iterator[tuple[slice, ...]]:
        """Windows that cover the image, none of which overlap."""
        starts = (range(0, length, side) for length, side in zip(self.shape, self.core, strict=True))
        for corner in product(*starts):
            yield tuple(
                slice(start, min(start + side, length))
                for start, side, length in zip(corner, self.core, self.shape, strict=True)
            )

    def predict(self, window: tuple[slice, ...]) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
        """Maps `(*window)`, named as their folders, `prob` `(K, *window)`; masks `(K, *window)` of each member."""
        wide = [
            slice(max(part.start - halo, 0), min(part.stop + halo, length))
            for part, halo, length in zip(window, self.halo, self.shape, strict=True)
        ]
        pixels = as_float(self.image.read(*wide))
        normalised = rescale(pixels, torch.from_numpy(self.low), torch.from_numpy(self.high))[None]
        device = self.predictor.device
        with torch.autocast(device.type, enabled=device.type == "cuda"):
            self.network(normalised.to(device))
        last = self.network.last
        assert last is not None, "the network has just predicted"
        own = tuple(
            slice(part.start - around.start, part.stop - around.start)
            for part, around in zip(window, wide, strict=True)
        )
        maps = {"prob": last.prob, "uncertainty": last.total, "disagreement": last.disagreement, "doubt": last.doubt}
        maps |= {} if last.depth is None else {DEPTH: last.depth}
        arrays = {kind: values[0].cpu().numpy()[(slice(None), *own)] for kind, values in maps.items()}
        arrays = {kind: values if kind == "prob" else values[0] for kind, values in arrays.items()}
        masks = (last.member_masks(number) for number in range(len(last.packed_masks)))
        return arrays, [mask[(slice(None), *own)] for mask in masks]


def strip_height(shape: Sequence[int]) -> int:
    """Rows of an image, or planes of a volume, that are read at once.

    Example:
        >>> strip_height((20_000, 16_384)), strip_height((40, 4096, 4096))
        (512, 1)
    """
    return max(_STRIP // prod(shape[1:]), 1)


def _sides(
    shape: Sequence[int], divisors: Sequence[int], halo: Sequence[int], tile: int | None
) -> tuple[list[int], list[int]]:
    """Sides of a window without its halo, multiples of the divisors; and its halo.

    A volume has the largest windows, in the proportions of its divisors, that fit into memory with their halo.
    """
    if tile is not None or len(shape) == 2:
        return [max((tile or _CORE) // divisor, 1) * divisor for divisor in divisors], list(halo)
    most = window_size([-(-length // d) * d for length, d in zip(shape, divisors, strict=True)], divisors, _VOXELS)
    core = [side if side >= length else side - 2 * h for side, length, h in zip(most, shape, halo, strict=True)]
    if all(side >= min(h, length) for side, length, h in zip(core, shape, halo, strict=True)):
        return core, list(halo)
    narrow = [min(h, side // 3 // d * d) for h, side, d in zip(halo, most, divisors, strict=True)]
    logger.info(
        f"masks can differ a little from those of the whole image: the network sees {list(halo)} voxels around each "
        f"voxel, but windows overlap by {narrow} only"
    )
    core = [side if side >= length else side - 2 * h for side, length, h in zip(most, shape, narrow, strict=True)]
    return [max(side // d, 1) * d for side, d in zip(core, divisors, strict=True)], narrow


def receptive_radii(network: nn.Module, in_channels: int, divisors: Sequence[int]) -> list[int]:
    """Distance along each axis from which a pixel can change the output of a network.

    Rounded up to a multiple of the divisor. A pixel that is not a number makes every output that depends on it not a
    number. What the network sees along one axis does not depend on the size of the others, which are therefore short.

    Args:
        network: A convolutional network; it is set to evaluation.
        in_channels: Number of its channels.
        divisors: It accepts multiples of them, one for each axis.

    Example:
        >>> receptive_radii(nn.Conv2d(1, 1, kernel_size=5, padding=2), in_channels=1, divisors=[1, 1])
        [3, 3]
    """
    network.eval()
    device = next(network.parameters()).device
    return [_radius(network, in_channels, divisors, axis, device) for axis in range(len(divisors))]


@torch.no_grad()
def _radius(network: nn.Module, in_channels: int, divisors: Sequence[int], axis: int, device: torch.device) -> int:
    side, divisor = 64, divisors[axis]
    while True:
        side *= 2
        shape = [*divisors]
        shape[axis] = -(-side // divisor) * divisor
        image = torch.zeros(1, in_channels, *shape, device=device)
        image.select(axis + 2, side // 2).fill_(torch.nan)
        reached = torch.isnan(network(image)[0, 0]).nonzero()[:, axis]
        radius = int((reached - side // 2).abs().max())
        if radius < side // 2 - divisor:
            return (radius // divisor + 1) * divisor + (divisor if divisor > 1 else 0)

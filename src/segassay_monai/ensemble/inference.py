"""What prediction needs: the network and its settings, reading, normalisation, the inferer, the ensemble.

    image file -> (C, *spatial) float32 -> members, one after another -> mean probability (B, 1, *spatial)
                                                                      -> total uncertainty = disagreement + doubt

This module imports torch, monai and numpy only, so that an exported bundle can carry it unchanged in its `scripts/`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.inferers import Inferer, SlidingWindowInferer
from monai.networks.nets import UNet
from monai.transforms import MapTransform
from torch import nn

THRESHOLD = 0.5
"""A mask is where the probability is above this."""


class PredictionError(ValueError):
    """A model and an image or network do not fit; the message is meant for the user."""


# ---------------------------------------------------------------------------------------------------------- the network


def network_strides(spacing: Sequence[float], n_levels: int) -> list[list[int]]:
    """By how much each level of a U-Net shrinks each axis, so that its pixels become as long as they are wide.

    From one level to the next an axis is halved if its pixels are less than twice as long as the shortest ones. Thick
    slices are thus left whole until the pixels in their plane have become as large.

    Args:
        spacing: Distance between pixels along each axis, in any unit.
        n_levels: Levels of the network, the finest included.

    Returns:
        One list per step between levels, with 1 or 2 for each axis; empty for one level.

    Example:
        >>> network_strides([1.0, 1.0], n_levels=3)
        [[2, 2], [2, 2]]
        >>> network_strides([5.0, 1.0, 1.0], n_levels=4)
        [[1, 2, 2], [1, 2, 2], [2, 2, 2]]

    References:
        Isensee et al. (2021), Nature Methods 18:203-211, doi:10.1038/s41592-020-01008-z (the rule of nnU-Net).
    """
    current, steps = list(map(float, spacing)), []
    for _ in range(n_levels - 1):
        step = [2 if length < 2 * min(current) else 1 for length in current]
        current = [length * factor for length, factor in zip(current, step, strict=True)]
        steps.append(step)
    return steps


def size_divisor(strides: Sequence[Sequence[int]]) -> list[int]:
    """Size along each axis of which the network accepts multiples.

    Example:
        >>> size_divisor([[1, 2, 2], [2, 2, 2]])
        [2, 4, 4]
    """
    return [prod(steps) for steps in zip(*strides, strict=True)]


def residual_unet(
    spatial_dims: int, in_channels: int, channels: Sequence[int], strides: Sequence[Sequence[int]] | None = None
) -> UNet:
    """Residual U-Net with one output channel (a logit per pixel) and batch normalisation.

    Batch normalisation uses statistics of the training set when it predicts, so the result for a pixel does not depend
    on the window that is predicted with it, as it would with instance normalisation.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        channels: Features per level, from the finest.
        strides: From each level to the next, by how much each axis shrinks; by default each is halved.

    Returns:
        The network; input `(B, in_channels, *spatial)`, output `(B, 1, *spatial)`. Sizes are multiples of `divisor`
        (`WholeImageInferer` pads to them).

    Raises:
        PredictionError: If strides do not fit the levels or axes.

    Example:
        >>> net = residual_unet(spatial_dims=3, in_channels=1, channels=[4, 8], strides=[[1, 2, 2]]).eval()
        >>> tuple(net(torch.zeros(1, 1, 5, 16, 24)).shape)
        (1, 1, 5, 16, 24)

    References:
        Ronneberger et al. (2015), MICCAI, doi:10.1007/978-3-319-24574-4_28; Kerfoot et al. (2019), STACOM,
        doi:10.1007/978-3-030-12029-0_40 (the residual variant).
    """
    steps = [[2] * spatial_dims] * (len(channels) - 1) if strides is None else [list(step) for step in strides]
    if len(steps) != len(channels) - 1 or any(len(step) != spatial_dims for step in steps):
        raise PredictionError(
            f"strides {steps}: expected {len(channels) - 1} steps of {spatial_dims} axes, for --channels has "
            f"{len(channels)} levels and --spatial_dims is {spatial_dims} (2 for images, 3 for volumes)"
        )
    return UNet(
        spatial_dims=spatial_dims,
        in_channels=in_channels,
        out_channels=1,
        channels=list(channels),
        strides=steps,  # type: ignore[arg-type]  # annotated too narrowly
        num_res_units=2,
        norm="BATCH",
    )


@dataclass(frozen=True)
class NetworkSettings:
    """What `residual_unet` is called with; a checkpoint carries it, so that the network can be built again."""

    spatial_dims: int
    in_channels: int
    channels: Sequence[int]
    strides: Sequence[Sequence[int]]

    def state_dict(self) -> dict[str, Any]:
        """Plain values for the checkpoint."""
        return asdict(self) | {"channels": list(self.channels), "strides": [list(step) for step in self.strides]}


def read_network_settings(checkpoint_paths: Sequence[str | Path]) -> NetworkSettings:
    """Settings of the network that all members share.

    Args:
        checkpoint_paths: At least one file, with the settings under `network`.

    Raises:
        PredictionError: If a file is no checkpoint, does not hold the settings, or members differ in them.
    """
    states: list[dict[str, Any]] = []
    for path in checkpoint_paths:
        state = read_checkpoint(path).get("network")
        if not isinstance(state, dict) or set(state) != {field.name for field in fields(NetworkSettings)}:
            raise PredictionError(
                f"{path}: does not say how its network is built, as a checkpoint of another version; train it again"
            )
        if states and state != states[0]:
            first = states[0]
            differing = [f"{name} {state[name]} and {first[name]}" for name in state if state[name] != first[name]]
            raise PredictionError(
                f"{path} and {checkpoint_paths[0]} hold different networks ({'; '.join(differing)}); members of an "
                "ensemble share one: leave one out"
            )
        states.append(state)
    return NetworkSettings(**states[0])


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Content of a checkpoint, tensors on the CPU.

    Raises:
        PredictionError: If the file is no checkpoint.
    """
    try:
        content = dict(torch.load(path, map_location="cpu", weights_only=True))
        content["model"]
    except Exception as error:
        raise PredictionError(
            f"{path}: not a checkpoint written by SegAssay ({type(error).__name__}); train it again"
        ) from error
    return content


# -------------------------------------------------------------------------------------------------------------- images


class ReadImaged(MapTransform):
    """Read the image file of a case into a float32 array `(C, *spatial)`.

    Args:
        keys: Entries that hold a path; replaced by the array.
        read: Reads one file and returns an object with an `array` of shape `(C, *spatial)`.
        n_channels: Channels that every image must have.
        spatial_dims: Spatial axes that every image must have.

    Raises:
        PredictionError: If an image has other channels or axes.
    """

    def __init__(
        self, keys: KeysCollection, read: Callable[[str], Any], n_channels: int, spatial_dims: int = 2
    ) -> None:
        super().__init__(keys)
        self.read, self.n_channels, self.spatial_dims = read, n_channels, spatial_dims

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with every path in `keys` replaced by its image."""
        return dict(data) | {key: self._read(data[key]) for key in self.keys}

    def _read(self, path: str) -> torch.Tensor:
        image = as_float(self.read(path).array)
        check_image(path, image, self.n_channels, self.spatial_dims)
        return image


def check_image(path: str | Path, image: torch.Tensor, n_channels: int, spatial_dims: int) -> None:
    """Refuse an image `(C, *spatial)` that the network is not made for, or with NaN or infinite pixels."""
    if not torch.isfinite(image).all():
        raise PredictionError(f"{path}: has pixels that are NaN or infinite; replace them, or export the image again")
    if (len(image), image.ndim - 1) != (n_channels, spatial_dims):
        raise PredictionError(
            f"{path}: expected {n_channels} channel(s) and {spatial_dims} axes, got {len(image)} and {image.ndim - 1}; "
            "keep images of one kind together, and use a model that was trained on such (volumes with --spatial_dims 3)"
        )


def as_float(array: np.ndarray) -> torch.Tensor:
    """Tensor of an image: float32, shape unchanged."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


class NormalisePercentiled(MapTransform):
    """Scale each channel so that two percentiles of the whole image become 0 and 1.

    Percentiles, unlike minimum and maximum, do not depend on a few hot pixels; values outside are kept up to `limit`,
    so bright objects still differ. Where both percentiles are equal, as with few objects on a background of one value,
    the maximum takes the place of the upper one. A constant channel becomes 0.

    Args:
        keys: Entries with an image `(C, *spatial)`.
        lower: Percentile that becomes 0.
        upper: Percentile that becomes 1.
        limit: Normalised values are clipped to `[-limit, limit]`.

    Example:
        >>> image = torch.arange(101, dtype=torch.float32).reshape(1, 1, 101)
        >>> NormalisePercentiled("image", lower=0, upper=50)({"image": image})["image"][0, 0, [0, 25, 50, 100]].tolist()
        [0.0, 0.5, 1.0, 2.0]
    """

    def __init__(self, keys: KeysCollection, lower: float = 1.0, upper: float = 99.0, limit: float = 8.0) -> None:
        super().__init__(keys)
        self.lower, self.upper, self.limit = lower, upper, limit

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with its images normalised."""
        return dict(data) | {key: self._normalise(data[key]) for key in self.keys}

    def _normalise(self, image: torch.Tensor) -> torch.Tensor:
        flat = np.asarray(image, dtype=np.float32).reshape(len(image), -1)
        percentiles = np.percentile(flat, [self.lower, self.upper], axis=1).astype(np.float32)
        low, high = torch.from_numpy(percentiles)
        high = torch.where(high > low, high, torch.from_numpy(flat.max(axis=1)))
        per_channel = (-1, *[1] * (image.ndim - 1))
        spread = torch.where(high > low, high - low, torch.inf).reshape(per_channel)
        return ((image - low.reshape(per_channel)) / spread).clamp(-self.limit, self.limit)


# ---------------------------------------------------------------------------------------------------------- prediction


class WholeImageInferer(Inferer):
    """Predict whole images, and in overlapping windows only what is too large for the memory.

    Images are padded by reflection to sizes that the network accepts, and cut back. Windows have the proportions of
    the divisors: an axis that the network halves less often, as that of thick slices, gets as much shorter an edge.

    Args:
        divisor: The network accepts multiples of this size, one for each axis or one for all.
        max_pixels: Larger images are predicted in windows of about a quarter of this.
        overlap: Part of a window shared with its neighbour.
    """

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
    """Pad the end of each spatial axis to a multiple by reflection, again and again on a short axis.

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


@dataclass(frozen=True, eq=False)
class Prediction:
    """What an ensemble says of a batch of images. Uncertainties are in bits per pixel, from 0 to 1, never rescaled.

    Attributes:
        prob: Mean probability of the members, float32 `(B, 1, *spatial)`.
        doubt: Mean of the members' own uncertainties, float32 `(B, 1, *spatial)`.
        packed_masks: uint8 `(M, B, n_bytes)`, one bit per member and pixel.
    """

    prob: torch.Tensor
    doubt: torch.Tensor
    packed_masks: np.ndarray

    @property
    def total(self) -> torch.Tensor:
        """Uncertainty of the ensemble, `(B, 1, *spatial)`: that of the mean probability."""
        return uncertainty(self.prob)

    @property
    def disagreement(self) -> torch.Tensor:
        """The part of `total` that is not in any member alone, `(B, 1, *spatial)`; 0 for a single member."""
        return (self.total - self.doubt).clamp(min=0)

    def member_mask(self, member: int, image: int = 0) -> np.ndarray:
        """Where one member has a probability above one half, boolean `(*spatial)`."""
        shape = self.prob.shape[2:]
        return np.unpackbits(self.packed_masks[member, image], count=shape.numel()).reshape(shape).astype(bool)


KEPT_BYTES = 2**26
"""Weights that an ensemble keeps in memory."""


class EnsembleNet(nn.Module):
    """Mean probability of several members, one in memory at a time.

    Of a member's probabilities only sums and one bit per pixel are kept, so memory does not grow with the number of
    members. Weights are kept up to 64 MiB in all, because to read those of a small network takes as long as to predict
    a small image; those beyond are read again whenever their turn comes.

    Args:
        network: The architecture shared by all members; its own weights are overwritten.
        checkpoint_paths: One file per member, with the weights under `model`.
        inferer: How one member predicts an image (whole or in windows).
        flips: Whether a member's probability is the mean over the image flipped along every set of axes.

    Attributes:
        last: What was predicted last, with the uncertainties; None before.

    Raises:
        ValueError: If there is no checkpoint.
        PredictionError: If a checkpoint does not fit `network` (when called).
    """

    def __init__(
        self, network: nn.Module, checkpoint_paths: Sequence[str | Path], inferer: Inferer, flips: bool = False
    ) -> None:
        super().__init__()
        if not checkpoint_paths:
            raise ValueError("an ensemble needs at least one checkpoint, got none")
        self.network = network
        self.checkpoint_paths = [Path(path) for path in checkpoint_paths]
        self.inferer = inferer
        self.flips = flips
        self.last: Prediction | None = None
        self._loaded: Path | None = None
        self._kept: dict[Path, Mapping[str, torch.Tensor]] = {}
        self._room = KEPT_BYTES

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Average the members' probabilities.

        Args:
            image: Normalised images `(B, C, *spatial)`.

        Returns:
            Mean probability `(B, 1, *spatial)`, float32.
        """
        self.last = None
        self.network.eval()
        prob = torch.zeros(len(image), 1, *image.shape[2:], device=image.device)
        doubt = torch.zeros_like(prob)
        # made before the first member is predicted: what is kept would else lie between what is freed, and split it up
        masks = np.zeros((len(self.checkpoint_paths), len(image), -(-image.shape[2:].numel() // 8)), dtype=np.uint8)
        for path, mask in zip(self.checkpoint_paths, masks, strict=True):
            self._load(path)
            member = self._predict(image)
            prob += member
            doubt += uncertainty(member)
            mask[:] = np.packbits((member > THRESHOLD).flatten(1).cpu().numpy(), axis=1)
            del member  # else it stays while the next one is predicted
        prob /= len(masks)
        doubt /= len(masks)
        self.last = Prediction(prob, doubt, masks)
        return prob

    def _predict(self, image: torch.Tensor) -> torch.Tensor:
        """Probability of the member just loaded, `(B, 1, *spatial)`."""
        flips = list(_subsets(range(2, image.ndim))) if self.flips else [()]
        total: torch.Tensor | None = None
        for axes in flips:
            flipped = torch.flip(image, axes) if axes else image
            prob = torch.sigmoid(self.inferer(flipped, self.network).float())
            prob = torch.flip(prob, axes) if axes else prob
            total = prob if total is None else total.add_(prob)
            del prob
        assert total is not None
        return total / len(flips) if len(flips) > 1 else total

    def _load(self, path: Path) -> None:
        if path == self._loaded:
            return
        if path in self._kept:
            for name, value in self.network.state_dict().items():  # several times as fast as load_state_dict
                value.copy_(self._kept[path][name])
        else:
            self._read(path)
        self._loaded = path

    def _read(self, path: Path) -> None:
        weights = read_checkpoint(path)["model"]
        try:
            self.network.load_state_dict(weights)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise PredictionError(
                f"{path}: the weights do not fit the network ({reason}); leave out --channels, --strides, "
                "--in_channels and --spatial_dims, which are read from the checkpoint"
            ) from error
        n_bytes = sum(value.nbytes for value in weights.values())
        if n_bytes <= self._room:
            self._kept[path] = weights
            self._room -= n_bytes


def _subsets(axes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return itertools.chain.from_iterable(itertools.combinations(axes, n) for n in range(len(axes) + 1))


def uncertainty(prob: torch.Tensor) -> torch.Tensor:
    """Entropy of a probability in bits: 0 where the ensemble is sure, 1 where it is undecided (p = 0.5).

    Example:
        >>> uncertainty(torch.tensor([0.0, 0.5, 1.0])).tolist()
        [0.0, 1.0, 0.0]
    """
    other = 1 - prob
    smallest = torch.finfo(prob.dtype).tiny  # 0 log 0 is 0
    bits = prob.clamp(min=smallest).log2_().mul_(prob).add_(other.clamp(min=smallest).log2_().mul_(other))
    return bits.abs_()  # not below 0, nor -0

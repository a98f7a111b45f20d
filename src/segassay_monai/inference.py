"""What prediction needs: reading, normalisation, the ensemble network, the inferer.

    image file -> (C, *spatial) float32 -> members, one after another -> mean probability (B, 1, *spatial)

This module imports torch, monai and numpy only, so that an exported bundle can carry it unchanged in its `scripts/`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.inferers import Inferer, SlidingWindowInferer
from monai.networks.nets import UNet
from monai.transforms import MapTransform
from torch import nn

Observer = Callable[[int, torch.Tensor], None]


class PredictionError(ValueError):
    """A model and an image or network do not fit; the message is meant for the user."""


def residual_unet(spatial_dims: int, in_channels: int, channels: Sequence[int]) -> UNet:
    """Residual U-Net with one output channel (a logit per pixel) and batch normalisation.

    Batch normalisation uses statistics of the training set when it predicts, so the result for a pixel does not depend
    on the window that is predicted with it, as it would with instance normalisation.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        channels: Features per level, from the finest; each further level halves the size.

    Returns:
        The network; input `(B, in_channels, *spatial)`, output `(B, 1, *spatial)`, sizes multiples of
        `2 ** (len(channels) - 1)` (`WholeImageInferer` pads to them).

    Example:
        >>> net = residual_unet(spatial_dims=2, in_channels=1, channels=[4, 8]).eval()
        >>> tuple(net(torch.zeros(1, 1, 16, 24)).shape)
        (1, 1, 16, 24)

    References:
        Ronneberger et al. (2015), MICCAI, doi:10.1007/978-3-319-24574-4_28; Kerfoot et al. (2019), STACOM,
        doi:10.1007/978-3-030-12029-0_40 (the residual variant).
    """
    return UNet(
        spatial_dims=spatial_dims,
        in_channels=in_channels,
        out_channels=1,
        channels=list(channels),
        strides=[2] * (len(channels) - 1),
        num_res_units=2,
        norm="BATCH",
    )


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
            "keep images of one kind together (volumes need --spatial_dims 3, colours --in_channels 3)"
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


class WholeImageInferer(Inferer):
    """Predict whole images, and in overlapping windows only what is too large for the memory.

    Images are padded by reflection to sizes that the network accepts, and cut back.

    Args:
        divisor: The network accepts multiples of this size.
        max_pixels: Larger images are predicted in windows of about a quarter of this.
        overlap: Part of a window shared with its neighbour.
    """

    def __init__(self, divisor: int, max_pixels: int = 2**22, overlap: float = 0.25) -> None:
        super().__init__()
        self.divisor, self.max_pixels, self.overlap = divisor, max_pixels, overlap

    def __call__(self, inputs: torch.Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Return `network(inputs)` of shape `(B, C, *spatial)`."""
        spatial = inputs.shape[2:]
        padded = pad_to_multiple(inputs, self.divisor)
        if spatial.numel() <= self.max_pixels:
            output = network(padded, *args, **kwargs)
        else:
            edge = int((self.max_pixels / 4) ** (1 / len(spatial))) // self.divisor * self.divisor
            roi = [min(max(edge, self.divisor), size) for size in padded.shape[2:]]
            windows = SlidingWindowInferer(roi, overlap=self.overlap, mode="gaussian")
            output = windows(padded, network, *args, **kwargs)
        return output[(..., *[slice(size) for size in spatial])]


def pad_to_multiple(inputs: torch.Tensor, divisor: int) -> torch.Tensor:
    """Pad the end of each spatial axis to a multiple of `divisor` by reflection, again and again on a short axis."""
    for axis in range(2, inputs.ndim):
        size = inputs.shape[axis]
        extra = -size % divisor
        if extra:
            mirror = torch.arange(size, size + extra, device=inputs.device) % (2 * size)
            mirror = torch.where(mirror < size, mirror, 2 * size - 1 - mirror)
            inputs = torch.cat([inputs, inputs.index_select(axis, mirror)], dim=axis)
    return inputs


class EnsembleNet(nn.Module):
    """Mean probability of several members, one in memory at a time.

    The weights of each member are read when its turn comes, so memory does not grow with the number of members.

    Args:
        network: The architecture shared by all members; its own weights are overwritten.
        checkpoint_paths: One file per member, with the weights under `model`.
        inferer: How one member predicts an image (whole or in windows).

    Attributes:
        observe: If set, called with the number of each member and its probability `(B, 1, *spatial)`, in turn.

    Raises:
        ValueError: If there is no checkpoint.
        PredictionError: If a checkpoint does not fit `network` (when called).
    """

    def __init__(self, network: nn.Module, checkpoint_paths: Sequence[str | Path], inferer: Inferer) -> None:
        super().__init__()
        if not checkpoint_paths:
            raise ValueError("an ensemble needs at least one checkpoint, got none")
        self.network = network
        self.checkpoint_paths = [Path(path) for path in checkpoint_paths]
        self.inferer = inferer
        self.observe: Observer | None = None
        self._loaded: Path | None = None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Average the members' probabilities.

        Args:
            image: Normalised images `(B, C, *spatial)`.

        Returns:
            Mean probability `(B, 1, *spatial)`, float32.
        """
        total: torch.Tensor | None = None
        for number, path in enumerate(self.checkpoint_paths):
            self._load(path)
            prob = torch.sigmoid(self.inferer(image, self.network).float())
            if self.observe is not None:
                self.observe(number, prob)
            total = prob.clone() if total is None else total.add_(prob)
        assert total is not None
        return total / len(self.checkpoint_paths)

    def _load(self, path: Path) -> None:
        if path != self._loaded:
            weights = torch.load(path, map_location="cpu", weights_only=True)["model"]
            try:
                self.network.load_state_dict(weights)
            except RuntimeError as error:
                reason = str(error).splitlines()[-1].strip()
                raise PredictionError(
                    f"{path}: the weights do not fit the network ({reason}); give --channels and --spatial_dims as in "
                    "its training"
                ) from error
            self.network.eval()
            self._loaded = path


def uncertainty(prob: torch.Tensor) -> torch.Tensor:
    """Entropy of a probability in bits: 0 where the ensemble is sure, 1 where it is undecided (p = 0.5).

    Example:
        >>> uncertainty(torch.tensor([0.0, 0.5, 1.0])).tolist()
        [0.0, 1.0, 0.0]
    """
    return (torch.special.entr(prob) + torch.special.entr(1 - prob)) / np.log(2)

"""Read and normalise images for the network.

    image file -> ReadImaged -> (C, *spatial) float32 -> NormalisePercentiled -> background near 0, objects near 1
                                                                              (or a fixed range of values: 0 to 1)

An exported bundle can carry this module unchanged: it imports torch, monai, numpy and modules of this kind only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from .errors import PredictionError


class ReadImaged(MapTransform):
    """Read the image file of a case into a float32 array `(C, *spatial)`.

    Args:
        keys: Entries that hold a path; replaced by the array.
        read: Reads one file and returns an object with an `array` of shape `(C, *spatial)`.
        n_channels: Number of channels that every image must have.
        spatial_dims: Number of spatial axes that every image must have.

    Raises:
        PredictionError: If an image has another number of channels or axes.
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
    """Refuse an image `(C, *spatial)` that does not fit the network, or has NaN or infinite pixels."""
    if not torch.isfinite(image).all():
        what = "has pixels that are NaN or infinite"
        raise PredictionError.of(path, what, "replace them, or export the image again")
    if (len(image), image.ndim - 1) != (n_channels, spatial_dims):
        found, expected = f"{len(image)} and {image.ndim - 1}", f"{n_channels} channel(s) and {spatial_dims} axes"
        action = (
            "keep images of one kind in a folder, and use a model trained on such images (--spatial_dims 3 for volumes)"
        )
        raise PredictionError.of(path, f"expected {expected}, got {found}", action)


def as_float(array: np.ndarray) -> torch.Tensor:
    """Tensor of an image: float32, shape unchanged."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


class NormalisePercentiled(MapTransform):
    """Scale each channel so that two percentiles of the whole image, or two fixed values, become 0 and 1.

    Percentiles, unlike minimum and maximum, do not depend on a few hot pixels; values outside are kept up to `limit`,
    so bright objects still differ. If both percentiles are equal, as with few objects on a background of one value,
    the maximum replaces the upper one. A constant channel becomes 0. Values that have a unit, as Hounsfield units in
    CT, lose it if each image is scaled by its own percentiles; a fixed range keeps it.

    Args:
        keys: Entries with an image `(C, *spatial)`.
        lower: Percentile that becomes 0.
        upper: Percentile that becomes 1.
        limit: Normalised values are clipped to `[-limit, limit]`.
        intensity_range: The values that become 0 and 1 in each channel of each image, instead of the percentiles.

    Raises:
        PredictionError: If the range is not two finite numbers, the lower one first.

    Example:
        >>> image = torch.arange(101, dtype=torch.float32).reshape(1, 1, 101)
        >>> NormalisePercentiled("image", lower=0, upper=50)({"image": image})["image"][0, 0, [0, 25, 50, 100]].tolist()
        [0.0, 0.5, 1.0, 2.0]
        >>> fixed = NormalisePercentiled("image", intensity_range=[0, 200])
        >>> fixed({"image": image})["image"][0, 0, [0, 25, 50, 100]].tolist()
        [0.0, 0.125, 0.25, 0.5]

    References:
        Isensee et al. (2021), Nature Methods 18:203-211, doi:10.1038/s41592-020-01008-z (why CT is not scaled image by
        image).
    """

    def __init__(
        self,
        keys: KeysCollection,
        lower: float = 1.0,
        upper: float = 99.0,
        limit: float = 8.0,
        intensity_range: Sequence[float] | None = None,
    ) -> None:
        super().__init__(keys)
        self.lower, self.upper, self.limit = lower, upper, limit
        self.intensity_range = check_intensity_range(intensity_range)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with its images normalised."""
        return dict(data) | {key: self._normalise(data[key]) for key in self.keys}

    def _normalise(self, image: torch.Tensor) -> torch.Tensor:
        if self.intensity_range is not None:
            low, high = (torch.full([len(image)], value) for value in self.intensity_range)
            return rescale(image, low, high, self.limit)
        flat = np.asarray(image, dtype=np.float32).reshape(len(image), -1)
        percentiles = np.percentile(flat, [self.lower, self.upper], axis=1).astype(np.float32)
        low, high = torch.from_numpy(percentiles)
        high = torch.where(high > low, high, torch.from_numpy(flat.max(axis=1)))
        return rescale(image, low, high, self.limit)


def check_intensity_range(intensity_range: Sequence[float] | None) -> tuple[float, float] | None:
    """The two values as numbers; None stays None.

    Raises:
        PredictionError: If they are not two finite numbers, the lower one first.

    Example:
        >>> check_intensity_range([-1000, 400])
        (-1000.0, 400.0)
    """
    if intensity_range is None:
        return None
    numbers = [float(value) for value in intensity_range if isinstance(value, (int, float)) and isfinite(value)]
    if len(numbers) != 2 or len(intensity_range) != 2 or not numbers[0] < numbers[1]:
        what = f"--intensity_range {intensity_range}: expected two numbers, the lower one first"
        raise PredictionError.of(None, what, "give for example --intensity_range [-1000,400] for lungs in CT")
    return numbers[0], numbers[1]


def rescale(image: torch.Tensor, low: torch.Tensor, high: torch.Tensor, limit: float = 8.0) -> torch.Tensor:
    """Scale each channel so that `low` becomes 0 and `high` 1; 0 where they are equal.

    Args:
        image: `(C, *spatial)`.
        low: `(C,)`.
        high: `(C,)`.
        limit: Values are clipped to `[-limit, limit]`.
    """
    per_channel = (-1, *[1] * (image.ndim - 1))
    spread = torch.where(high > low, high - low, torch.inf).reshape(per_channel)
    return ((image - low.reshape(per_channel)) / spread).clamp(-limit, limit)

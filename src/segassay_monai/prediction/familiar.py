"""Find images unlike those of the training, for which a model may be confident and wrong.

    familiar.json beside model.pt  ->  read_familiar  ->  Familiar.compare(image)  ->  distance, and whether above 1

An image is described by its raw brightness, contrast, noise, sharpness and pixel size, and by what the deepest level of
one member makes of it. Its distance in each of the two is the mean to its three nearest training images, in standard
deviations of the training images, divided by a limit that few of the familiar images exceed; the larger one counts.

Measured with one member of lab-wue1 (27 training and 9 held-out images): all nine held-out images are marked when they
are inverted, 4 times or a quarter as bright, blurred by 2 pixels, noisier, replaced by noise or black; so are the 5
images each of lab-mue and lab-inns1. With every second pixel left out 2 of 9 are marked: a change of magnification may
pass where the pixel size is unknown. Of images left out of the calibration 3 to 6 % are marked wrongly. In the
simulated demonstration, with 24 images, 14 and 3 of 100 new images are (8 % are expected of so few).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from torch import nn

from segassay.data.dataset import Dataset
from segassay.data.spacings import NOT_RESAMPLED
from segassay.errors import DataError, UsageError, number_of
from segassay_monai.ensemble.familiar import (
    Description,
    describe_training,
    description_path,
    read_description,
    read_member_network,
)
from segassay_monai.ensemble.image_features import Pixels, feature_counts, intensity_features, network_features
from segassay_monai.ensemble.members import has_seen, image_hashes
from segassay_monai.ensemble.network import NetworkSettings, read_network_settings
from segassay_monai.prediction.models import REGISTERED, find_model

__all__ = [
    "NOT_COMPARED",
    "Familiar",
    "Space",
    "describe_members",
    "distances",
    "make_space",
    "read_axes",
    "read_familiar",
]

logger = logging.getLogger("segassay")

QUANTILE = 0.975
"""Share of images like those of the training below each of the two limits; about .95 are below both."""

ROUGH = 39
"""With fewer images a limit is the largest of their distances, and each of the two marks 1 in n + 1 wrongly."""

_FEWEST, _NEIGHBOURS = 5, 3
_FLOOR = 0.05  # scale of a feature that hardly varies in the training, in parts of the usual scale

NOT_COMPARED: dict[str, Any] = {"unlike_training": None, "unlike_threshold": None, "is_unlike": None}
"""Columns of an image whose model holds nothing to compare with."""


@dataclass(frozen=True, eq=False)
class _Block:
    """Features of one kind: `rows` of the training images, in units of `scale`; `used` says which can be compared."""

    used: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    rows: np.ndarray
    limit: float


@dataclass(frozen=True, eq=False)
class Space:
    """Where the training images lie, and how far from them an image may be; `n_calibration` images set the limits."""

    blocks: tuple[_Block, _Block]
    n_calibration: int


@dataclass(frozen=True, eq=False)
class Familiar:
    """Compares images with those of the training of one member.

    Attributes:
        space: Where the training images lie.
        network: That of the member.
        settings: Of the network.
        pixel_sizes: Logarithm (to base 2) of the area or volume of a pixel in µm of each training image that has one.
        spacings: Logarithm (to base 2) of the size of a pixel along each axis `(n, axes)` of these images; None if the
            model does not say it, as those of earlier versions.
    """

    space: Space
    network: nn.Module
    settings: NetworkSettings
    pixel_sizes: np.ndarray = field(default_factory=lambda: np.zeros(0))
    spacings: np.ndarray | None = None

    def pixel_ratios(self, spacing_um: Sequence[float] | None) -> tuple[float, ...] | None:
        """How much longer a pixel is along each axis than in the training, where no training image is like that.

        Args:
            spacing_um: Size of a pixel along each axis, in the axes of the training; None if it is unknown.

        Returns:
            In parts of the median of the training; where only the areas or volumes of its pixels are known, all are
            their geometric mean. None if the side of a pixel is within a quarter of that of a training image along each
            axis and in its geometric mean, or a size is unknown.
        """
        if spacing_um is None or not len(self.pixel_sizes):
            return None
        limit, own = np.log2(NOT_RESAMPLED) + 1e-6, np.log2(np.asarray(spacing_um, dtype=float))
        means = own.mean() - self.pixel_sizes / len(own)
        along = means[:, None] if self.spacings is None else own - self.spacings
        if max(abs(means).min(), abs(along).min(axis=0).max()) <= limit:
            return None
        return tuple(np.broadcast_to(2 ** np.median(along, axis=0), len(own)).tolist())

    def compare(self, image: np.ndarray | Pixels, spacing_um: Sequence[float] | None = None) -> dict[str, Any]:
        """Compare one image with those of the training.

        Args:
            image: Raw values `(C, *spatial)`, an array or `Pixels`, with the channels of the training.
            spacing_um: Size of a pixel along each axis.

        Returns:
            Columns of cases.csv: `unlike_training` (distance, in parts of the limit), `unlike_threshold` (1), and
            `is_unlike`.
        """
        strides, intensity_range = self.settings.strides, self.settings.intensity_range
        features = network_features(image, self.network, strides, intensity_range)
        distance = float(distances(self.space, intensity_features(image, spacing_um)[None], features[None])[0])
        return {"unlike_training": distance, "unlike_threshold": 1.0, "is_unlike": distance > 1}


def read_familiar(checkpoints: Sequence[Path], device: str = "cpu") -> Familiar | None:
    """Prepare the comparison with the training images of the first member that holds their numbers.

    Args:
        checkpoints: The members' `model.pt`.
        device: Where its network runs.

    Returns:
        None, and a line in the log that says why, if no member holds numbers, or of too few images.

    Raises:
        DataError: If the file of a member is damaged.
    """
    for checkpoint in checkpoints:
        description = read_description(Path(checkpoint))
        if description is None:
            continue
        space = make_space(description)
        if space is None:
            break
        if space.n_calibration < ROUGH:
            n = number_of(space.n_calibration, "image")
            logger.info(f"images unlike the training: their limit is rough, because it comes from only {n}")
        _check_columns(Path(checkpoint), description)
        network, settings = read_member_network(Path(checkpoint))
        sizes, spacings = description.intensity[: description.n_training, -1], description.spacing_um
        known = ~np.isnan(sizes)
        if spacings is not None:
            known &= np.isfinite(spacings).all(axis=1)
        along = None if spacings is None else np.log2(spacings[known])
        return Familiar(space, network.to(device), settings, sizes[known], along)
    else:
        logger.info("the model does not say what its training images were like, so new ones are not compared with them")
        return None
    logger.info(f"the model was trained on fewer than {_FEWEST} images, so new ones are not compared with them")
    return None


def read_axes(checkpoints: Sequence[Path]) -> str | None:
    """Axes of the volumes that members were trained on, such as `LPS`; None if no member says them, or they differ.

    Raises:
        DataError: As from `read_familiar`.
    """
    found = [read_description(Path(checkpoint)) for checkpoint in checkpoints]
    axes = {description.axes for description in found if description is not None}
    return axes.pop() if len(axes) == 1 else None


_REMOVE = "remove it; images are then not compared with those of the training"


def _check_columns(checkpoint: Path, description: Description) -> None:
    """Refuse numbers that this network does not give."""
    settings = read_network_settings([checkpoint])
    found = description.intensity.shape[1], description.network.shape[1]
    if found != (expected := feature_counts(settings.in_channels, settings.channels)):
        what = (
            f"has {found[0]} and {found[1]} numbers per image, not {expected[0]} and {expected[1]} as its network gives"
        )
        raise DataError.of(description_path(checkpoint), what, _REMOVE)
    spacing = description.spacing_um
    if spacing is not None and spacing.shape[1] != settings.spatial_dims:
        what = (
            f"gives the size of a pixel along {spacing.shape[1]} axes, not {settings.spatial_dims} as its network has"
        )
        raise DataError.of(description_path(checkpoint), what, _REMOVE)


def describe_members(model: str | os.PathLike[str], dataset: Dataset) -> list[Path]:
    """Write `familiar.json` beside each member of a model that has none, as those of an earlier version.

    Args:
        model: As of `find_model`; its members are files that can be written beside.
        dataset: The dataset that they were trained on.

    Returns:
        The files; empty if every member has one.

    Raises:
        UsageError: If the model is registered or an exported bundle, or there is none.
        DataError: If it is another dataset, or one of its training images has changed.
    """
    found = find_model(model)
    if not found.members or str(model).startswith(REGISTERED):
        raise UsageError(f"model {model}: give the folder of its members, then export or register them again")
    written = []
    for checkpoint, member in zip(found.checkpoints, found.members, strict=True):
        if description_path(checkpoint).is_file():
            continue
        for case in (*member.train, *member.val):
            if case in dataset.images and not has_seen(member, image_hashes(dataset, case)):
                what = f"is not the image that {checkpoint} was trained on"
                raise DataError.of(dataset.images[case], what, "give the dataset of the training")
        written.append(describe_training(checkpoint, dataset))
    return written


def make_space(description: Description) -> Space | None:
    """Scale the features, and set the limit of each of the two distances.

    A limit is the quantile .975 of the distances of held-out images, and of each training image from the others; with
    fewer than 39 images the largest.

    Returns:
        None with fewer than 5 training images.

    References:
        Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World, doi:10.1007/b106715 (of n + 1 images
        that are alike each is equally likely to be the farthest); Sun et al. (2022), ICML, arXiv:2204.06507 (distance
        to the nearest neighbours among features).
    """
    if description.n_training < _FEWEST:
        return None
    blocks = [_block(features, description.n_training) for features in (description.intensity, description.network)]
    return Space((blocks[0], blocks[1]), len(description.network))


def _block(features: np.ndarray, n_training: int) -> _Block:
    """Median and scale of each feature over the training images; features that are unknown for one are left out."""
    used = np.isfinite(features[:n_training]).all(axis=0)
    training = features[:n_training, used]
    centre = np.median(training, axis=0)
    spread = 1.4826 * np.median(np.abs(training - centre), axis=0)
    scale = np.maximum(spread, training.std(axis=0, ddof=1))
    scale = np.maximum(scale, max(_FLOOR * float(np.median(scale)), 1e-6))
    block = _Block(used, centre, scale, (training - centre) / scale, 1.0)
    found = np.sort(_distances(block, features, n_training))
    place = min(round((len(found) + 1) * QUANTILE), len(found))
    return replace(block, limit=max(float(found[place - 1]), 1e-6))


def _distances(block: _Block, features: np.ndarray, n_training: int = 0) -> np.ndarray:
    """Mean distance to the nearest training images `(n,)`; of the first `n_training` rows, which are these, to others.

    A feature that is unknown of an image alone counts as usual.
    """
    known = np.where(np.isfinite(features[:, block.used]), features[:, block.used], block.centre)
    found = cdist((known - block.centre) / block.scale, block.rows) / np.sqrt(len(block.centre))
    found[np.arange(n_training), np.arange(n_training)] = np.inf
    return np.asarray(np.sort(found, axis=1)[:, :_NEIGHBOURS].mean(axis=1))


def distances(space: Space, intensity: np.ndarray, network: np.ndarray) -> np.ndarray:
    """Distance of each image from the training images, in parts of the limit.

    Args:
        space: What `make_space` returns.
        intensity: `(n, features)` of `intensity_features`.
        network: `(n, features)` of `network_features` with the same member.

    Returns:
        `(n,)`, the larger of the distances in intensity and in features of the network.
    """
    both = zip(space.blocks, (intensity, network), strict=True)
    return np.asarray(np.max([_distances(block, features) / block.limit for block, features in both], axis=0))

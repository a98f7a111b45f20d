"""What a configuration reads. Where nothing is given there is a placeholder, so that programs can look at it first.

    dataset_dir -> open_dataset, open_images      models -> open_checkpoints -> open_network_settings

Programs such as MONAI Label ask for the parts of a configuration before they name data or models. A run without them is
refused by the check of settings.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segassay.data.cases import read_case_image, read_seen_image
from segassay.data.dataset import Dataset, read_dataset
from segassay.data.settings import DatasetFile
from segassay.errors import UsageError
from segassay.io.images import Picture
from segassay_monai.ensemble.classes import SEPARATE, TOUCHING, names_of
from segassay_monai.ensemble.images import NormalisePercentiled, as_float
from segassay_monai.ensemble.members import Member, find_checkpoints, held_out_cases, read_as_seen
from segassay_monai.ensemble.network import NetworkSettings, network_strides, read_network_settings
from segassay_monai.ensemble.prediction import find_images
from segassay_monai.training.folds import plan_member
from segassay_monai.training.tiles import n_channels

__all__ = [
    "check_scaling",
    "open_checkpoints",
    "open_classes",
    "open_dataset",
    "open_held_out",
    "open_images",
    "open_member",
    "open_n_channels",
    "open_network_settings",
    "open_reader",
    "open_spacing",
]


def check_scaling(dataset: Dataset, intensity_range: Sequence[float] | None) -> None:
    """Refuse a fixed range in which the first image looks nearly constant, as one of another unit does.

    Args:
        dataset: The dataset; without images nothing is refused.
        intensity_range: The setting; None where each image is scaled by its percentiles.

    Raises:
        UsageError: If the 1st and the 99th percentile of a channel lie less than 2 % of the range apart, or half of its
            pixels would be clipped.
    """
    if intensity_range is None or not dataset.cases:
        return
    case = dataset.cases[0]
    image = read_seen_image(dataset, case).array
    scaled = NormalisePercentiled("image", intensity_range=intensity_range)
    for channel in scaled({"image": as_float(image)})["image"].flatten(1).numpy():
        low, middle, high = np.percentile(channel, [1, 50, 99])
        if high - low < NEARLY_CONSTANT or abs(middle) >= scaled.limit:
            lowest, highest = np.percentile(image, [1, 99])
            raise UsageError(
                f"--intensity_range {list(intensity_range)}: {dataset.images[case]} has values from {lowest:g} to "
                f"{highest:g} (1st and 99th percentile), of which this range leaves nearly nothing; give two values "
                "between which most of your images lie, or leave it out"
            )


NEARLY_CONSTANT = 0.02
"""Least part of a fixed range that an image fills."""


def open_dataset(dataset_dir: Any) -> Dataset:
    """The dataset; one without images if no folder is given.

    Example:
        >>> open_dataset(None).cases
        []
    """
    if dataset_dir is None:
        return Dataset(Path(), "", DatasetFile(), {}, {})
    return read_dataset(str(dataset_dir))  # the command line turns 2024 into a number


def open_images(dataset_dir: Any) -> dict[str, Path]:
    """The images to predict; none if no folder is given."""
    return {} if dataset_dir is None else find_images(str(dataset_dir))


def open_member(dataset: Dataset, **words: Any) -> Member:
    """The member to train; one without cases for a dataset without images. Arguments as of `plan_member`."""
    if dataset.cases:
        return plan_member(dataset, **words)
    plain = {name: words[name] for name in ("trained_on", "fold", "n_folds", "seed")}
    empty: dict[str, Any] = dict.fromkeys(("train", "val", "held_out", "seen_images", "seen_subjects"), ())
    return Member(dataset="", data_hash="", strategy="", initialised_from="", **plain, **empty)


def open_n_channels(dataset: Dataset) -> int:
    """Number of channels of the images; 1 without images."""
    return n_channels(dataset) if dataset.cases else 1


def open_classes(dataset: Dataset, objects: str = SEPARATE) -> list[tuple[str, tuple[int, ...]]]:
    """Name and values of each class of the dataset; empty if masks have one foreground.

    Args:
        dataset: The dataset.
        objects: The setting, one of `ensemble.classes.OBJECTS`.

    Raises:
        UsageError: If touching objects are asked of a dataset with classes.

    Example:
        >>> open_classes(open_dataset(None))
        []
    """
    classes = [] if dataset.classes is None else list(dataset.classes.names)
    if classes and objects == TOUCHING:
        raise UsageError(
            f"--objects {TOUCHING}: {dataset.folder} has {names_of(classes)}, and touching objects of classes are not "
            "told apart yet; leave it out, or name one class as `foreground` in dataset.yaml"
        )
    return classes


def open_spacing(dataset: Dataset) -> tuple[float, ...] | None:
    """Micrometres from pixel to pixel of the first image; None if it is not known."""
    return read_case_image(dataset, dataset.cases[0]).spacing_um if dataset.cases else None


def open_held_out(dataset: Dataset, members: Sequence[Member], cases: Any = None) -> list[str]:
    """The cases that may be scored; none without images. Arguments as of `held_out_cases`."""
    return held_out_cases(dataset, members, cases) if dataset.cases else []


def open_checkpoints(models: Any) -> list[Path]:
    """The checkpoints; none if no model is given."""
    return [] if models is None else find_checkpoints(models)


def open_reader(members: Sequence[Member]) -> Callable[[str], Picture]:
    """Reads the channels of an image that the members see; all channels if their names are not known."""
    return functools.partial(read_as_seen, members)


def open_network_settings(checkpoints: Sequence[Path]) -> NetworkSettings:
    """The network of the checkpoints; without any, that of a training with its default settings."""
    if checkpoints:
        return read_network_settings(checkpoints)
    return NetworkSettings(2, 1, [16, 32, 64, 128], network_strides([1, 1], n_levels=4))

"""Identity of a member: a hash of everything that determines its weights.

    settings of the training, data, dataset.yaml in part, TRAINING_VERSION, torch, threads  ->  hash

Names, folders and what a member is compared with do not change its identity.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from typing import Any

from segassay.data.dataset import Dataset, data_hash
from segassay.errors import UsageError
from segassay.io.images import sha256
from segassay.io.yaml_files import parse_yaml
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.settings import check_config
from segassay_monai.training.settings import ELSEWHERE, is_plain, known_before
from segassay_monai.training.version import TRAINING_VERSION

__all__ = ["DATASET_KEYS", "identity_of", "training_config", "training_length"]

DATASET_KEYS = ("min_object_size", "name", "spacing_um")
"""Keys of dataset.yaml that are part of the identity: the smallest object counts when the best state is chosen, the
name identifies the images that a checkpoint has seen, and the spacing determines tiles and strides. So are, where they
are given, the names of the channels that a network sees, and their places. The other keys locate files, whose content
is hashed, or concern the evaluation alone."""


def identity_of(path: Path, dataset: Dataset, settings: Mapping[str, Any], threads: int) -> str:
    """Hash of everything that determines the weights of a member.

    Args:
        path: STUDY.yaml, for messages.
        dataset: Dataset that it is trained on.
        settings: Settings of its training; all others have their defaults.
        threads: Threads of its process.

    Returns:
        64 hexadecimal digits.

    Raises:
        UsageError: If a setting is unknown or invalid.
    """
    config = training_config(path, settings)
    given = {name: value for name, value in config.items() if name in settings or is_plain(value)}
    if config["initialise_from"] is not None:
        given["initialise_from"] = _content(path, config["initialise_from"])
    content = {
        "training": {name: value for name, value in known_before(given).items() if name not in ELSEWHERE},
        "data": known_hash(dataset),
        "dataset": {name: getattr(dataset.settings, name) for name in DATASET_KEYS},
        "threads": threads,
        "torch": _torch_version(),
        "version": TRAINING_VERSION,
    }
    if dataset.settings.channels is not None or dataset.segmented:
        content["channels"] = {"seen": dataset.seen_channels, "places": dataset.segmented}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _torch_version() -> str:
    """`torch.__version__`, which torch keeps in a file of its own, without the seconds that torch takes to load."""
    package = find_spec("torch")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    names = run_path(str(Path(package.origin).with_name("version.py")))
    return str(names["__version__"])


def _content(path: Path, checkpoint: Any) -> str:
    try:
        return sha256(Path(str(checkpoint)))
    except OSError as error:
        raise UsageError(f"{path}: settings.initialise_from: {checkpoint} cannot be read ({error.strerror})") from None


@cache
def known_hash(dataset: Dataset) -> str:
    """`data_hash`, computed once."""
    settings = dataset.settings.model_copy(update={"endpoints": None})  # numbers of the lab, which train nothing
    return data_hash(dataclasses.replace(dataset, settings=settings))


@cache
def _train_yaml() -> dict[str, Any]:
    return dict(parse_yaml(config_path("train.yaml").read_text(encoding="utf-8")))


def training_config(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a training with these settings, checked as the training checks it.

    Raises:
        UsageError: As `identity_of`.
    """
    try:
        return _checked(json.dumps(settings, sort_keys=True), str(path))
    except TypeError:
        raise UsageError(
            f"{path}: settings: expected numbers, texts and lists of these, got {dict(settings)}"
        ) from None


@cache
def _checked(settings: str, path: str) -> dict[str, Any]:
    own, known = json.loads(settings), _train_yaml()
    for name in own:
        if "::" in name or "#" in name or isinstance(known.get(name), dict):
            raise UsageError(f"{path}: settings.{name}: expected one of the settings at the top of train.yaml")
    config = deepcopy(known) | {"dataset_dir": "checked", **own}
    try:
        check_config(config, "train.yaml")
    except UsageError as error:
        raise UsageError(f"{path}: settings: {error}") from None
    return config


def training_length(settings: Mapping[str, Any]) -> tuple[int, int]:
    """Number of steps and of validations of a training with these settings."""
    from monai.bundle import ConfigParser  # evaluates expressions, and loads torch

    parser = ConfigParser(deepcopy(_train_yaml()))
    parser.update(dict(settings))
    epochs, steps, interval = (
        int(parser.get_parsed_content(name)) for name in ("epochs", "iterations_per_epoch", "val_interval")
    )
    return epochs * steps, epochs // interval

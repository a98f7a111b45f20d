"""What the images of a member's training were like: numbers kept beside its checkpoint, without names or paths.

    checkpoint, dataset  ->  describe_training  ->  familiar.json beside model.pt  ->  read_description

Written at the end of a training, when the weights no longer change. A prediction compares new images with it
(`segassay_monai.prediction.familiar`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from segassay.data.cases import read_seen_image
from segassay.data.dataset import Dataset
from segassay.errors import DataError
from segassay.io.images import read_grid, write_bytes
from segassay.io.volume_axes import axes_of
from segassay_monai.ensemble.image_features import intensity_features, network_features
from segassay_monai.ensemble.members import member_from_state
from segassay_monai.ensemble.network import (
    NetworkSettings,
    read_checkpoint,
    read_network_settings,
    read_record,
    residual_unet,
)

__all__ = [
    "FAMILIAR",
    "Description",
    "describe_training",
    "description_bytes",
    "description_path",
    "parse_description",
    "read_description",
    "read_member_network",
]

FAMILIAR = "familiar.json"
_MAX_IMAGES = 100
_VERSION = 1
_AXES = [[side, 2 + front, 4 + up] for side in (0, 1) for front in (0, 1) for up in (0, 1)]


@dataclass(frozen=True, eq=False)
class Description:
    """Numbers of a member's images, one row each.

    Attributes:
        intensity: `(n, features)` of `intensity_features`; training and selection first, then held-out images. A pixel
            size that is unknown is NaN.
        network: `(n, features)` of `network_features` with this member.
        n_training: Rows of training and selection.
        spacing_um: Size of a pixel along each axis `(n_training, axes)`, NaN where unknown; None if the file does not
            say it, as those of earlier versions.
        axes: Of the volumes of training and selection, such as `LPS`; None if they are unknown, or differ.
    """

    intensity: np.ndarray
    network: np.ndarray
    n_training: int
    spacing_um: np.ndarray | None = None
    axes: str | None = None


def description_path(checkpoint: Path) -> Path:
    """The file beside a checkpoint.

    Example:
        >>> [description_path(Path("members") / name).name for name in ("model.pt", "0003.pt")]
        ['familiar.json', '0003.familiar.json']
    """
    return checkpoint.with_name(FAMILIAR if checkpoint.name == "model.pt" else f"{checkpoint.stem}.{FAMILIAR}")


def read_member_network(checkpoint: Path) -> tuple[nn.Module, NetworkSettings]:
    """Network of one member in evaluation mode on the CPU, and its settings.

    Raises:
        PredictionError: If the file is not a checkpoint.
    """
    settings = read_network_settings([checkpoint])
    network = residual_unet(**settings.arguments())
    network.load_state_dict(read_checkpoint(checkpoint)["model"])
    return network.eval(), settings


def describe_training(checkpoint: Path, dataset: Dataset) -> Path:
    """Write `familiar.json` beside a checkpoint, from the images of its training.

    At most 100 training and 100 held-out images are used, evenly spaced.

    Args:
        checkpoint: A `model.pt`; it is not changed.
        dataset: The dataset that the member was trained on.

    Returns:
        The file.

    Raises:
        DataError: If the dataset lacks an image of the training.
    """
    member = member_from_state(read_record(checkpoint).values["member"])
    missing = [case for case in (*member.train, *member.val, *member.held_out) if case not in dataset.images]
    if missing or member.dataset != dataset.name:
        what = f"is not the dataset {member.dataset!r} that {checkpoint} was trained on"
        raise DataError.of(dataset.folder, what, "give that one")
    network, settings = read_member_network(checkpoint)
    training = _spaced([*member.train, *member.val])
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    spacings: list[tuple[float, ...]] = []
    for case in [*training, *_spaced(member.held_out)]:
        picture = read_seen_image(dataset, case)
        own = network_features(picture.array, network, settings.strides, settings.intensity_range)
        rows.append((intensity_features(picture.array, picture.spacing_um), own))
        n_axes = picture.array.ndim - 1
        if len(rows) <= len(training):
            spacings.append(picture.spacing_um or (math.nan,) * n_axes)
    intensity, features = (np.array(column) for column in zip(*rows, strict=True))
    axes = {_axes_of(dataset, case) for case in (*member.train, *member.val)}
    one = axes.pop() if len(axes) == 1 else None
    path = description_path(checkpoint)
    write_bytes(path, description_bytes(Description(intensity, features, len(training), np.array(spacings), one)))
    return path


def _axes_of(dataset: Dataset, case: str) -> str | None:
    grid = read_grid(dataset.images[case])
    return axes_of(grid.affine, len(grid.shape))


def description_bytes(description: Description, **more: int) -> bytes:
    """Content of `familiar.json`: the numbers, each with six digits, and nothing else that a file may have held.

    Args:
        description: The numbers.
        more: Further entries.
    """
    spacing = description.spacing_um
    content = {
        "version": _VERSION,
        **more,
        "n_training": description.n_training,
        **({} if description.axes is None else {"axes": description.axes}),
        **({} if spacing is None else {"spacing_um": [_numbers(row) for row in spacing]}),
        "intensity": [_numbers(row) for row in description.intensity],
        "network": [_numbers(row) for row in description.network],
    }
    return (json.dumps(content, separators=(",", ":")) + "\n").encode()


def _spaced(cases: Sequence[str]) -> list[str]:
    n = min(len(cases), _MAX_IMAGES)
    return [cases[i * len(cases) // n] for i in range(n)]


def _numbers(features: np.ndarray) -> list[float | None]:
    """Six digits of each; NaN is null."""
    return [None if math.isnan(value) else float(f"{value:.6g}") for value in features.tolist()]


def read_description(checkpoint: Path) -> Description | None:
    """Numbers of a member's images; None if it has none, as members of an earlier version.

    Raises:
        DataError: If the file is damaged.
    """
    path = description_path(checkpoint)
    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _undescribed(path, error) from error
    return parse_description(text, path)


def parse_description(text: str, path: Path) -> Description:
    """Numbers in the content of a `familiar.json`.

    Args:
        text: The content.
        path: Its file, for the message.

    Raises:
        DataError: If it is damaged.
    """
    try:
        content = json.loads(text)
        intensity, network = (np.array(content[key], dtype=float) for key in ("intensity", "network"))
        n_training = int(content["n_training"])
        usable = intensity.ndim == network.ndim == 2 and len(intensity) == len(network) >= n_training > 0
        if not usable or content["version"] != _VERSION or not np.isfinite(network).all():
            raise ValueError("rows are missing")
        axes, spacing = content.get("axes"), _spacing(content.get("spacing_um"), n_training)
        if axes is not None and (not isinstance(axes, str) or sorted(map("LRPAIS".find, axes)) not in _AXES):
            raise ValueError("axes are unknown")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _undescribed(path, error) from error
    return Description(intensity, network, n_training, spacing, axes)


def _spacing(rows: Any, n_training: int) -> np.ndarray | None:
    if rows is None:
        return None
    spacing = np.array(rows, dtype=float)
    if spacing.ndim != 2 or len(spacing) != n_training or (spacing <= 0).any():
        raise ValueError("sizes of pixels are missing")
    return spacing


def _undescribed(path: Path, error: Exception) -> DataError:
    what = f"does not describe the images of a training ({type(error).__name__})"
    return DataError.of(path, what, "remove it; images are then not compared with those of the training")

"""Probabilities that members have predicted before, read from their files instead of predicted again.

    file of a map and its checksum  ->  as it was written: (K, *spatial)    damaged, missing: one message, and None

A map is real numbers of 32 bits, as the network gave them, so an ensemble of maps has the bytes of one of predictions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segassay.errors import SegAssayError
from segassay.io.images import read_image, sha256
from segassay_monai.ensemble.classes import Classes, channel_order

__all__ = ["StoredMap", "image_and_cases", "stored_probabilities"]

logger = logging.getLogger("segassay")


@dataclass(frozen=True)
class StoredMap:
    """The file in which a member has its probabilities of one case.

    Attributes:
        path: The file, as `WritePredictions` writes it.
        checksum: Its SHA-256 when it was written.
    """

    path: Path
    checksum: str


def stored_probabilities(
    maps: Sequence[Mapping[str, StoredMap]] | None, classes: Classes = (), order: Sequence[str] = ()
) -> Callable[[int, str, torch.Size], torch.Tensor | None] | None:
    """What `EnsembleNet` asks for probabilities that are known before it predicts.

    Args:
        maps: Case -> map, for each member in the order of the checkpoints; None where nothing is stored.
        classes: Of the members, as in `ensemble.classes`.
        order: Names of the classes in the order of the channels of a map; by default that of the members.

    Returns:
        A function of the number of a member, a case and the shape `(K, *spatial)`. It returns None where nothing is
        stored; and also, with a warning, where the file is missing, is not as it was written, or has another shape.
        None without maps.
    """
    if maps is None or not any(maps):
        return None
    own = channel_order(classes, order)

    def known(member: int, case: str, shape: torch.Size) -> torch.Tensor | None:
        stored = maps[member].get(case)
        if stored is None:
            return None
        array, problem = _read(stored, shape)
        if array is None:
            logger.warning(f"{stored.path} {problem}; {case} is predicted again")
            return None
        prob = np.empty_like(array)
        prob[own] = array
        return torch.from_numpy(prob)

    return known


def _read(stored: StoredMap, shape: torch.Size) -> tuple[np.ndarray | None, str]:
    """The numbers of a map, or what is wrong with it."""
    try:
        if sha256(stored.path) != stored.checksum:
            return None, "is not as it was written"
        array = read_image(stored.path).array
    except SegAssayError:
        return None, "is missing, or cannot be read"
    if array.shape != tuple(shape):
        return None, f"has shape {array.shape}, and the prediction {tuple(shape)}"
    return np.asarray(array, dtype=np.float32), ""


def image_and_cases(
    batch: Mapping[str, Any], device: torch.device, non_blocking: bool, **words: Any
) -> tuple[Any, ...]:
    """A batch as MONAI's engines give it to `EnsembleNet`: the images, no target, and the names of the cases."""
    image = batch["image"].to(device=device, non_blocking=non_blocking, **words)
    return image, None, (list(batch["case"]),), {}

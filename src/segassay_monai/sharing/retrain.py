"""Train a member of a study again, and compare its weights and its masks of the held-out cases with those kept.

Trained where it was, on the same versions, the weights are the same bit by bit. Elsewhere the last bits of a sum differ
and grow in the training, so that the masks are compared: two trainings of one seed agree at least as `SAME_MASKS`. A
mask of classes agrees where its values do. Of objects that touch the foreground is compared, and then the objects.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from segassay.io.images import read_image
from segassay.io.text_tables import read_text_table
from segassay.masks.overlaps import overlap_table
from segassay_monai.ensemble.classes import TOUCHING
from segassay_monai.ensemble.network import read_network_settings, read_record
from segassay_monai.study.plan import Study
from segassay_monai.study.worker import train

__all__ = ["SAME_MASKS", "SAME_OBJECTS", "retrain_member"]

SAME_MASKS = 0.9
"""Smallest Dice, over all pixels of the held-out cases, at which another environment is said to agree."""

SAME_OBJECTS = 0.8
"""The same of objects that touch, where only pixels count that both give to the same object. Two seeds of the example
in docs/touching.md agree with 0.84, and their foregrounds with 0.96."""


def retrain_member(study: Study, member: Mapping[str, Any], changes: list[str]) -> tuple[bool, str]:
    """Train a member again in a temporary folder; nothing of it is kept or logged.

    Args:
        study: The study, as planned here.
        member: The member in the certificate.
        changes: What is another here than where it was trained.

    Returns:
        Whether it agrees, and how well in words.
    """
    own = [planned for planned in study.members if planned.id == member["id"]]
    if not own:
        return False, "is no member of the study any more"
    with tempfile.TemporaryDirectory(prefix="segassay-") as name, _own_store(Path(name)):
        place = Path(name) / "member"
        train(study, own[0], place)
        if read_record(place / "model.pt").weights == member["weights"]:
            return True, "its weights agree bit by bit"
        places = (study.out / "members" / member["folder"] / "held_out", place / "held_out")
        is_touching = read_network_settings([place / "model.pt"]).objects == TOUCHING
        dice = {"masks": (_dice(*places, _same_foreground if is_touching else _same_values), SAME_MASKS)}
        if is_touching:
            dice["objects"] = (_dice(*places, _same_objects), SAME_OBJECTS)
    found = " and ".join(f"its {what} of the held-out cases agree with a Dice of {dice[what][0]:.3f}" for what in dice)
    agree = f"its weights differ; {found}"
    if not changes:
        return False, f"{agree}; expected the same bits, because versions and computer are the same"
    least = " and ".join(f"{tolerance:g}" for _, tolerance in dice.values())
    agrees = all(value >= tolerance for value, tolerance in dice.values())
    return agrees, f"{agree} (tolerance: {least}, because versions or computer differ)"


def _same_values(one: np.ndarray, other: np.ndarray) -> int:
    """Pixels that are marked in both, as the same class."""
    return int(np.count_nonzero((one == other) & (one > 0)))


def _same_foreground(one: np.ndarray, other: np.ndarray) -> int:
    """Pixels that are marked in both label images."""
    return int(np.count_nonzero((one > 0) & (other > 0)))


def _same_objects(one: np.ndarray, other: np.ndarray) -> int:
    """Pixels that both label images give to the same object: to two whose IoU exceeds one half."""
    pairs = overlap_table(one.astype(np.int64), other.astype(np.int64))
    return int(pairs.intersection[pairs.iou > 0.5].sum())


def _dice(then: Path, now: Path, same: Callable[[np.ndarray, np.ndarray], int]) -> float:
    """Dice over all pixels of all cases; 1 where nothing is marked, 0 where a mask is missing."""
    tables = [read_text_table(place / "annotations.csv").set_index("case")["path"] for place in (then, now)]
    if list(tables[0].index) != list(tables[1].index):
        return 0.0
    both = total = 0
    for case in tables[0].index:
        files = [place / table[case] for place, table in zip((then, now), tables, strict=True)]
        if not all(file.is_file() for file in files):
            return 0.0
        one, other = (read_image(file).array[0] for file in files)  # numbers as written: one class alone is no mask
        both += same(one, other)
        total += int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * both / total if total else 1.0


@contextmanager
def _own_store(folder: Path) -> Iterator[None]:
    """Log to a store that is removed."""
    name = "MLFLOW_TRACKING_URI"
    kept = {key: os.environ.pop(key) for key in (name, "MLFLOW_RUN_ID") if key in os.environ}
    os.environ[name] = f"sqlite:///{(folder / 'mlflow.db').as_posix()}"
    try:
        yield
    finally:
        del os.environ[name]
        os.environ.update(kept)

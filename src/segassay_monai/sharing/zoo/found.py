"""The members of a model and what is known of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from segassay_monai.ensemble.members import Member, find_checkpoints, read_members
from segassay_monai.ensemble.prediction import ensemble_name

__all__ = ["Model", "find_model"]


@dataclass(frozen=True)
class Model:
    """Members of one model."""

    checkpoints: tuple[Path, ...]
    members: tuple[Member, ...]
    name: str


def find_model(model: str | os.PathLike[str]) -> Model:
    """Find the members in a folder."""
    checkpoints = find_checkpoints(Path(model))
    members = read_members(checkpoints)
    return Model(tuple(checkpoints), tuple(members), ensemble_name(members))

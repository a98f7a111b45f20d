"""Train a member of a study again, and compare its weights and its masks of the held-out cases with those kept.

Trained where it was, on the same versions, the weights are the same bit by bit. Elsewhere the last bits of a sum differ
and grow in the training, so that the masks are compared: two trainings of one seed agree at least as `SAME_MASKS`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from segassay.io.images import read_mask
from segassay.io.text_tables import read_text_table
from segassay_monai.ensemble.members import weights_hash
from segassay_monai.ensemble.network import read_checkpoint
from segassay_monai.study.plan import Study
from segassay_monai.study.worker import train

__all__ = ["SAME_MASKS", "retrain_member"]

SAME_MASKS = 0.9
"""Smallest Dice, over all pixels of the held-out cases, at which another environment is said to agree."""


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
        new = read_checkpoint(place / "model.pt")["model"]
        if weights_hash(new) == member["weights"]:
            return True, "its weights agree bit by bit"
        dice = _dice(study.out / "members" / member["folder"] / "held_out", place / "held_out")
    agree = f"its weights differ; its masks of the held-out cases agree with a Dice of {dice:.3f}"
    if not changes:
        return False, f"{agree}; expected the same bits, because versions and computer are the same"
    return dice >= SAME_MASKS, f"{agree} (tolerance: {SAME_MASKS:g}, because versions or computer differ)"


def _dice(then: Path, now: Path) -> float:
    """Dice over all pixels of all cases; 1 where nothing is marked, 0 where a mask is missing."""
    tables = [read_text_table(place / "annotations.csv").set_index("case")["path"] for place in (then, now)]
    if list(tables[0].index) != list(tables[1].index):
        return 0.0
    both = total = 0
    for case in tables[0].index:
        files = [place / table[case] for place, table in zip((then, now), tables, strict=True)]
        if not all(file.is_file() for file in files):
            return 0.0
        one, other = (read_mask(file) > 0 for file in files)
        both += int(np.count_nonzero(one & other))
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

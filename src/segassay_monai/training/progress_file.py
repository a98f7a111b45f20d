"""Progress of a training in a file of its unfinished folder, for other processes.

    epoch finished -> OUTPUT.partial/progress.json -> `segassay study status`

The file is written whole or not at all. It only informs: one that is missing or damaged counts as no progress known.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = ["PROGRESS", "TrainingProgress", "read_progress", "remove_progress", "unfinished", "write_progress"]

PROGRESS = "progress.json"
"""File in the folder of an unfinished training."""


def unfinished(output_dir: str | Path) -> Path:
    """Folder in which a training writes until it is finished."""
    final = Path(str(output_dir)).resolve()
    return final.with_name(final.name + ".partial")


class TrainingProgress(BaseModel):
    """How far a training is.

    Attributes:
        epoch: Number of finished epochs.
        epochs: Number of all epochs.
        minutes_left: Estimated minutes until the last epoch is finished.
        losses: Mean loss of the last epochs of this process.
        f1: F1 on the selection images, of the last validation; None before the first.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    epoch: Annotated[int, Field(ge=0)]
    epochs: Annotated[int, Field(ge=1)]
    minutes_left: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    losses: list[Annotated[float, Field(allow_inf_nan=False)]] = []
    f1: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _not_beyond_the_end(self) -> TrainingProgress:
        if self.epoch > self.epochs:
            raise ValueError(f"epoch {self.epoch} of {self.epochs}")
        return self

    def __str__(self) -> str:
        """In words.

        Example:
            >>> print(TrainingProgress(epoch=3, epochs=14, minutes_left=5.5))
            epoch 3/14, 5.5 min left
        """
        return f"epoch {self.epoch}/{self.epochs}, {self.minutes_left:.1f} min left"


def write_progress(folder: Path, progress: TrainingProgress) -> None:
    """Write the progress whole or not at all; a reader may see the file before."""
    new = folder / f".{PROGRESS}.new"
    new.write_text(progress.model_dump_json() + "\n", encoding="utf-8")
    with suppress(PermissionError):  # on Windows, while another process reads it; the next epoch writes it again
        os.replace(new, folder / PROGRESS)


def read_progress(folder: Path) -> TrainingProgress | None:
    """Read the progress of an unfinished training; None if the file is missing or damaged."""
    try:
        return TrainingProgress.model_validate_json((folder / PROGRESS).read_bytes())
    except (OSError, ValidationError):
        return None


def remove_progress(folder: Path) -> None:
    """Remove the file from a finished training."""
    for name in (PROGRESS, f".{PROGRESS}.new"):
        (folder / name).unlink(missing_ok=True)

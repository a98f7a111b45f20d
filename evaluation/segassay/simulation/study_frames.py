"""Turn arrays of a simulated study into frames: names for every cell, whole numbers, measures of pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater
from segassay.masks.overlaps import IOU_THRESHOLDS
from segassay.simulation.study_members import Member
from segassay.tables.case import CASE_TABLES

REGION_PX, OBJECT_PX = 65_536, 60
_WHOLE_NUMBERS = {name for table in CASE_TABLES.values() for name, cells in table.columns.items() if cells is int}


def repeat_names(names: Sequence[str] | np.ndarray, shape: tuple[int, ...], axis: int) -> Any:
    """A name for each cell of an array, flat; names belong to one of its axes."""
    position = np.arange(shape[axis]).reshape([-1 if at == axis else 1 for at in range(len(shape))])
    return pd.Series(list(names)).array.take(np.broadcast_to(position, shape).ravel())


def frame_of(columns: dict[str, Any]) -> pd.DataFrame:
    """Whole numbers are nullable, as in the tables of an evaluation; they come as arrays."""
    return pd.DataFrame(
        {
            name: pd.arrays.IntegerArray(values.astype(np.int64), np.zeros(values.size, dtype=bool))
            if name in _WHOLE_NUMBERS
            else values
            for name, values in columns.items()
        }
    )


def measures_of_pairs(
    n_a: np.ndarray, n_b: np.ndarray, f1: np.ndarray, dice: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Columns of the measures, flat, for arrays of one shape; thresholds come as a further, last axis.

    F1 at .5 and Dice are the planted ones. F1 falls with the threshold; tp is the nearest whole number.
    """
    thresholds = np.asarray(IOU_THRESHOLDS)
    fall = 1 - 0.9 * ((thresholds - thresholds[0]) / (1 - thresholds[0])) ** 2
    shape = (*f1.shape, len(thresholds))
    f1_at = f1[..., None] * fall
    tp = np.minimum(np.rint(f1_at * ((n_a + n_b) / 2)[..., None]), np.minimum(n_a, n_b)[..., None])

    def each(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values[..., None], shape).ravel()

    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = (np.nan_to_num(tp / n[..., None]).ravel() for n in (n_b, n_a))
    mean_iou = 0.4 + 0.5 * dice
    return {
        "n_a": each(n_a.astype(int)),
        "n_b": each(n_b.astype(int)),
        "tp": tp.astype(int).ravel(),
        "precision": precision,
        "recall": recall,
        "f1": f1_at.ravel(),
        "mean_iou": each(mean_iou),
        "dice": each(dice),
        "iou": each(dice / (2 - dice)),
        "sq": (mean_iou[..., None] + (1 - mean_iou[..., None]) * (thresholds - thresholds[0])).ravel(),
        "n_merges": each(rng.poisson(1.0, f1.shape)),
        "n_splits": each(rng.poisson(1.0, f1.shape)),
        "n_px_a": each((n_a * OBJECT_PX).astype(int)),
        "n_px_b": each((n_b * OBJECT_PX).astype(int)),
    }


def positions_of_roles(members: list[Member]) -> tuple[list[int], list[int]]:
    """Positions of raters, and of annotators outside C₋r: models, ensembles, the truth."""
    human = [position for position, member in enumerate(members) if is_rater(member.kind)]
    return human, [position for position in range(len(members)) if position not in human]

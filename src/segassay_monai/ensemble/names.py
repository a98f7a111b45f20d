"""Names of ensembles, of their runs, and of the mean of their scores; nothing here needs torch.

seeds  ->  part of a name  ->  seeds
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["MEAN_OF_CLASSES", "run_name", "seed_range", "seeds_in"]

MEAN_OF_CLASSES = "mean of classes"
"""In the column `class` of scores.csv: the mean of the rows of all classes."""


def seed_range(seeds: Sequence[int]) -> str:
    """Seeds in a name.

    Example:
        >>> seed_range([0, 1, 2, 3]), seed_range([7]), seed_range([0, 2, 2])
        ('0-3', '7', '0,2')
    """
    each = sorted(set(seeds))
    is_range = len(each) > 1 and each == list(range(each[0], each[-1] + 1))
    return f"{each[0]}-{each[-1]}" if is_range else ",".join(map(str, each))


def run_name(trained_on: str, seeds: Sequence[int], fold: int | None) -> str:
    """Name of an MLflow run; such names sort as their seeds and folds do.

    Args:
        trained_on: What all members were trained on.
        seeds: Seeds of the members.
        fold: Fold of all members; None for several.

    Example:
        >>> run_name("staple", [7], 0), run_name("staple", [0, 1, 2, 3], None)
        ('staple/s07 fold 00', 'staple/s00-03')
    """
    padded = re.sub(r"\d+", lambda number: number[0].zfill(2), seed_range(seeds))
    return f"{trained_on}/s{padded}" + ("" if fold is None else f" fold {fold:02d}")


def seeds_in(text: str) -> list[int]:
    """Seeds that `seed_range` has put into a name.

    Example:
        >>> seeds_in("0-3"), seeds_in("7"), seeds_in("0,2")
        ([0, 1, 2, 3], [7], [0, 2])
    """
    first, is_range, last = text.partition("-")
    return list(range(int(first), int(last) + 1)) if is_range else [int(seed) for seed in text.split(",")]

"""Assignment of cases to folds, evenly over groups and regions; nothing here needs torch.

cases with group, region and subject  ->  fold of each case, the same for every seed
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from segassay.data.dataset import units_of
from segassay.errors import DataError

__all__ = ["assign_folds", "number_subjects", "strata_of"]


def assign_folds(table: pd.DataFrame, n_folds: int) -> np.ndarray:
    """Fold of each case, stratified by group (and region), grouped by subject; the same for every seed.

    Args:
        table: As from `segassay.data.dataset.strata`, one row per case.
        n_folds: Number of folds; the result has at most one per subject.

    Returns:
        Integers `(n_cases,)`.
    """
    units = units_of(table["subject"]).nunique()
    if n_folds < 2 or units < 2:
        what = f"cannot hold out any image: {len(table)} case(s) in {units} subject(s) and --n_folds {n_folds}"
        raise DataError.of(None, what, "give at least 2 folds, and images of at least 3 subjects (or 3 images)")
    return number_subjects(table, seed=[0]) % min(n_folds, units)


def number_subjects(table: pd.DataFrame, seed: Sequence[int]) -> np.ndarray:
    """Number the subjects so that consecutive numbers run through the strata evenly, shuffled within each stratum.

    `number % n` then spreads every stratum over `n` parts as evenly as possible.

    Args:
        table: As from `segassay.data.dataset.strata`.
        seed: Random seed of the shuffle.

    Returns:
        Integers `(n_cases,)`; cases of one subject share their number.
    """
    units = units_of(table["subject"])
    by_unit = pd.DataFrame({"unit": units, "stratum": strata_of(table)}).groupby("unit")["stratum"].min()
    rng = np.random.default_rng(list(seed))
    shuffled = by_unit.iloc[rng.permutation(len(by_unit))]
    names = sorted(set(by_unit))
    rank = {names[number]: place for place, number in enumerate(rng.permutation(len(names)))}
    ordered = shuffled.iloc[np.argsort(shuffled.map(rank).to_numpy(), kind="stable")]
    number = pd.Series(np.arange(len(ordered)), index=ordered.index)
    return units.map(number).to_numpy()


def strata_of(table: pd.DataFrame) -> pd.Series:
    """Group and region of each case, as one text."""
    return table["group"] + "\n" + table["region"]

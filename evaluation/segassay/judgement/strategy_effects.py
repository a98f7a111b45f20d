"""Effects of the experiment with the masks of the annotators of one strategy.

effects, normalised, groups  ->  mean and spread of η² in a group, its conclusions compared with those of the raters
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater
from segassay.qualities.scores.groups import Group
from segassay.qualities.scores.measure import Form
from segassay.qualities.scores.table import interval_row
from segassay.qualities.validity.effects import (
    decisive_effects,
    majority_verdict,
    values_of_units,
    weighted_eta_squared,
    weighted_rank_biserial,
)
from segassay.qualities.validity.records import ETA_SQUARED, ETA_SQUARED_SD, SAME_AS_MAJORITY, VOTES
from segassay.statistics.intervals import Interval, sd_over_seeds
from segassay.statistics.jackknife import left_out, mean_square_of

__all__ = ["ANNOTATORS", "effects_of_groups", "mean_eta_squared", "same_as_majority"]


ANNOTATORS = "n_cases counts annotators"


def effects_of_groups(
    groups: Sequence[Group],
    effects: pd.DataFrame,
    normalised: pd.DataFrame,
    *,
    level: float = 0.95,
) -> list[dict[str, Any]]:
    """Results of the annotators of each group for each effect.

    Args:
        groups: What `strategy_groups` returns.
        effects: What `segassay.tables.effects.effects` returns.
        normalised: What `segassay.tables.normalise.normalise` returns.
        level: Coverage of the intervals.

    Returns:
        Rows with `SCORE_COLUMNS`, `contrast` and `n_annotators`: `<measurement>_eta_squared`, its mean over annotators;
        `_eta_squared_sd`, with two annotators or more; `_same_as_majority`; and `_votes_<verdict>`, how many annotators
        lead to this conclusion.
    """
    raters = [name for group in groups if is_rater(group.kind) for name in group.names]
    tested, rows = decisive_effects(effects), []
    for measure, values, group_of in values_of_units(normalised):
        for (one, other), part in tested[tested["measure"] == measure].groupby(["group_1", "group_2"], sort=False):
            found, chosen = part.set_index("annotator"), values[group_of.isin([one, other])]
            known_raters = [rater for rater in raters if rater in found.index]
            in_second = (group_of[chosen.index] == other).to_numpy(dtype=bool)
            for group in groups:
                names = [name for name in group.names if name in found.index]
                about = {"contrast": found["contrast"].iloc[0], "n_annotators": len(names)}
                of_group = _effect(measure, found.loc[names], chosen[names], in_second, level) if names else []
                if names and known_raters:
                    same = same_as_majority(found["verdict"], names, known_raters)
                    of_group.append((SAME_AS_MAJORITY.form(measure), *same))
                rows += [
                    interval_row(form, group.target, interval, note=note) | about for form, interval, note in of_group
                ]
    return rows


def _effect(
    measure: str, found: pd.DataFrame, values: pd.DataFrame, in_second: np.ndarray, level: float
) -> list[tuple[Form, Interval, str]]:
    """Form, number and note of each result of the annotators of one group for one effect."""
    mean = mean_eta_squared(values, in_second, level)
    note = f"n_cases counts {found['unit'].iloc[0]}s; never below 0, also without an effect"
    rows = [(ETA_SQUARED.form(measure), mean, note)]
    if len(found) > 1:
        spread = sd_over_seeds(found["eta_squared"].to_numpy(dtype=float))
        rows.append((ETA_SQUARED_SD.form(measure, quality="reliability"), spread, ANNOTATORS))
    for verdict, n in found["verdict"].value_counts().sort_index().items():
        rows.append((VOTES.form(measure, variant=str(verdict)), _number(float(n), len(found)), ANNOTATORS))
    return rows


def _number(value: float, n_cases: int, n_undefined: int = 0) -> Interval:
    """A number without interval."""
    return Interval(value, math.nan, math.nan, "", n_cases, n_undefined, False)


def mean_eta_squared(values: pd.DataFrame, in_second: np.ndarray, level: float = 0.95) -> Interval:
    """Effect size η² of the Mann-Whitney test, mean over annotators, with an interval that may reach 0.

    Args:
        values: Measurements `(units, annotators)`, NaN if an annotator has none.
        in_second: `(units,)`, whether a unit is of the second group.
        level: Coverage of the intervals.

    Returns:
        The interval. The η² of an annotator is computed from its own units; an annotator without any unit in one of the
        groups is left out. Units (subjects, if there are any) are left out one at a time; control means are taken as
        given.
    """
    table, known = values.to_numpy(dtype=float), values.notna().to_numpy()
    tested = np.flatnonzero(known[in_second].any(axis=0) & known[~in_second].any(axis=0))
    covered = np.where(known[:, tested].any(axis=1), np.arange(len(table)), np.nan)

    def correlations(weights: np.ndarray, units: np.ndarray) -> np.ndarray:
        rows = units.astype(int)
        return np.stack([_of_annotator(weights, table[rows, place], in_second[rows]) for place in tested], axis=1)

    if not len(tested):
        return _number(math.nan, 0, len(table))
    every = np.ones((1, len(table)))
    value = np.mean([_eta_squared(every, table[:, place], in_second)[0] for place in tested])
    of_square = 3 * in_second.mean() * (1 - in_second.mean())  # η² of many units by the squared correlation
    found = mean_square_of(left_out(correlations, covered, np.arange(len(table))), highest=1.0, level=level)
    low, high = min(of_square * found.low, value), max(of_square * found.high, value)
    return dataclasses.replace(found, value=float(value), low=float(low), high=float(high))


def _of_annotator(weights: np.ndarray, values: np.ndarray, in_second: np.ndarray) -> np.ndarray:
    one, other = ~in_second & ~np.isnan(values), in_second & ~np.isnan(values)
    return weighted_rank_biserial(weights[:, one], weights[:, other], values[one], values[other])


def _eta_squared(weights: np.ndarray, values: np.ndarray, in_second: np.ndarray) -> np.ndarray:
    one, other = ~in_second & ~np.isnan(values), in_second & ~np.isnan(values)
    return weighted_eta_squared(weights[:, one], weights[:, other], values[one], values[other])


def same_as_majority(verdicts: pd.Series, names: Sequence[str], raters: Sequence[str]) -> tuple[Interval, str]:
    """Share of annotators that lead to the conclusion of most raters on an effect.

    Args:
        verdicts: Annotator -> verdict.
        names: The annotators.
        raters: Raters whose majority counts; a rater is compared with the other raters.

    Returns:
        The share without an interval, and a note. `n_cases` counts annotators; `n_undefined` counts those without a
        verdict, because the effect is not testable, and those for which no verdict of the raters has most votes.
    """
    testable = {name: verdict for name, verdict in verdicts.dropna().items() if verdict != "not_testable"}
    same = []
    for name in names:
        majority = majority_verdict(testable[rater] for rater in raters if rater != name and rater in testable)
        if majority is not None and name in testable:
            same.append(testable[name] == majority)
    of_raters = bool(set(names) & set(raters))
    note = f"{ANNOTATORS}, each held against the majority of the other raters" if of_raters else ANNOTATORS
    return _number(float(np.mean(same)) if same else math.nan, len(same), len(names) - len(same)), note

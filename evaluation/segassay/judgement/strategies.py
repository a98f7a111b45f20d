"""Strategies side by side: people, models by what they learned from, and disjoint ensembles of each size.

    annotations                        ->  groups: the raters, models and ensembles of each strategy
    scores of single annotators        ->  mean over the annotators of a group, against C₋r, a truth, a reference
    agreement                          ->  agreement within a group
    effects, normalised                ->  mean and spread of η² in a group, its verdicts beside those of the raters

All of it is one table with a row per group and measure. Annotators of a group count alike, whatever they were trained
on; intervals are over subjects or cases and, as everywhere, conditional on these annotators.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import SPENT_COLUMNS
from segassay.data.names import natural_key
from segassay.qualities.measure import LEAVE_ONE_OUT, PAIRWISE, Form
from segassay.qualities.objectivity.imprint import WITHOUT
from segassay.qualities.objectivity.raters import agreement_of_raters
from segassay.qualities.reliability.records import WITHIN
from segassay.qualities.scores.table import (
    FIELD_COLUMNS,
    MEASURES,
    SCORE_COLUMNS,
    Agreement,
    Findings,
    Score,
    annotator_kinds,
    interval_row,
    mean_over_pairs,
    mean_over_raters,
    pairs_noted,
    score_table,
    seeds_of,
)
from segassay.qualities.validity.effects import (
    decisive_effects,
    majority_verdict,
    values_of_units,
    weighted_eta_squared,
    without_repeats,
)
from segassay.qualities.validity.people import agreement_with_people
from segassay.qualities.validity.records import ETA_SQUARED, ETA_SQUARED_SD, MINUS_RATERS, SAME_AS_MAJORITY, VOTES
from segassay.statistics.intervals import DEFAULT, Interval, Resampling, bca, sd_over_seeds

__all__ = [
    "ANNOTATORS",
    "RATERS",
    "STRATEGY_COLUMNS",
    "StrategyGroup",
    "agreement_within",
    "annotator_points",
    "are_side_by_side",
    "effects_of_groups",
    "mean_eta_squared",
    "same_as_majority",
    "scores_of_groups",
    "spending_groups",
    "strategy_groups",
    "strategy_table",
]

RATERS = "raters"
"""The group of all people."""

ANNOTATORS = "n_cases counts annotators"

# fmt: off
STRATEGY_COLUMNS = (
    "group", "kind", "strategy", "n_members", "n_annotators", "measure", "contrast", "value", "low", "high",
    "n_cases", "n_undefined", "method", "approximate", "note",
)
# fmt: on
_RANK = {"human": 0, "model": 1, "ensemble": 2}


@dataclass(frozen=True)
class StrategyGroup:
    """Annotators of one strategy.

    Attributes:
        name: As in the table, such as `expert models` or `consensus:staple ensembles of 4`.
        kind: `human`, `model` or `ensemble`.
        strategy: As in the annotations, else what they were trained on, else the annotator's own name.
        members: Annotator -> its members as pairs of what they were trained on and seed; none where that is unknown.
        n_members: Members that each ensemble has, 1 for a model; None for people and where it is unknown.
        on_consensus: Whether all of them learned from several people's masks, and not from those of one person.
        n_raters: Raters whose masks each of them learned from; None where it is unknown or differs.
        n_train: Images that each of them learned from; None where it is unknown or differs.
    """

    name: str
    kind: str
    strategy: str
    members: dict[str, frozenset[tuple[str, int]]]
    n_members: int | None = None
    on_consensus: bool = False
    n_raters: int | None = None
    n_train: int | None = None

    def pairs(self) -> list[tuple[str, str]]:
        """Pairs of its annotators; of ensembles those that have no member in common."""
        return [(a, b) for a, b in combinations(self.members, 2) if self.kind != "ensemble" or self._disjoint(a, b)]

    def _disjoint(self, a: str, b: str) -> bool:
        one, other = self.members[a], self.members[b]
        return bool(one and other) and not one & other


def strategy_groups(annotations: pd.DataFrame) -> list[StrategyGroup]:
    """Raters, models and ensembles by how they came about.

    A strategy's ensembles of each size are a group, and so are its models, or ensembles, of consensuses that leave one
    rater out (`trained_on` has `_without_`).

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        The raters first, then models, then ensembles; models of single raters stand before those of a consensus. A mask
        of which neither strategy nor training is known is a group by itself, with the annotator's name.

    Example:
        >>> annotations = pd.DataFrame({"annotator": ["anna", "ben", "staple/s0", "staple/s0-1", "anna/s0"],
        ...     "kind": ["human", "human", "model", "ensemble", "model"], "seed": pd.NA,
        ...     "strategy": ["", "", "consensus:staple", "consensus:staple", "expert"],
        ...     "trained_on": ["", "", "staple", "staple", "anna"]})
        >>> [group.name for group in strategy_groups(annotations)]
        ['raters', 'expert models', 'consensus:staple models', 'consensus:staple ensembles of 2']
    """
    kinds = annotator_kinds(annotations)
    raters = {name for name, kind in kinds.items() if kind == "human"}
    rows_of = dict(list(annotations.groupby("annotator", sort=False)))
    found: dict[tuple[str, str, bool, int], dict[str, pd.DataFrame]] = {}
    for name, kind in kinds.items():
        if kind in _RANK:
            found.setdefault(_key(name, kind, rows_of[name]), {})[name] = rows_of[name]
    groups = [_group(key, rows, raters) for key, rows in found.items()]
    return sorted(groups, key=lambda group: (_RANK[group.kind], group.on_consensus, natural_key(group.name)))


def _key(name: str, kind: str, rows: pd.DataFrame) -> tuple[str, str, bool, int]:
    """Kind, strategy, whether a rater was left out, number of members (0: not known, or people)."""
    if kind == "human":
        return kind, "", False, 0
    strategy, trained_on = _text(rows["strategy"]), _text(rows["trained_on"])
    n_members = len(_members(name, rows)) if kind == "ensemble" else 1
    return kind, strategy or trained_on or name, WITHOUT in trained_on, n_members


def _text(column: pd.Series) -> str:
    return str(column.fillna("").iloc[0])


def _members(name: str, rows: pd.DataFrame) -> frozenset[tuple[str, int]]:
    trained_on = _text(rows["trained_on"])
    return frozenset((trained_on, seed) for seed in seeds_of(name, rows["seed"]))


def _group(key: tuple[str, str, bool, int], rows: dict[str, pd.DataFrame], raters: set[str]) -> StrategyGroup:
    kind, strategy, left_out, n_members = key
    trained_on = {_text(of["trained_on"]) for of in rows.values()}
    name = RATERS if kind == "human" else strategy
    if kind != "human" and strategy not in rows:
        name += f" {kind}s" + (f" of {n_members}" if kind == "ensemble" and n_members else "")
        name += " without one rater" if left_out else ""
    return StrategyGroup(
        name,
        kind,
        strategy,
        {name: _members(name, of) for name, of in rows.items()},
        n_members or None,
        kind != "human" and "" not in trained_on and not trained_on & raters,
        *(_same_number([of.get(column) for of in rows.values()]) for column in SPENT_COLUMNS),
    )


def _same_number(columns: Sequence[pd.Series | None]) -> int | None:
    """The number in all cells of all columns; None where they differ or one is empty."""
    numbers = {cell for column in columns for cell in ([pd.NA] if column is None else column)}
    number = numbers.pop() if len(numbers) == 1 else pd.NA
    return None if pd.isna(number) else int(number)


# --------------------------------------------------------------------------------------------------- masks of a group


def scores_of_groups(groups: Sequence[StrategyGroup], scores: Iterable[Score]) -> Iterator[tuple[Score, int]]:
    """Mean score of the annotators of each group.

    Args:
        groups: What `strategy_groups` returns.
        scores: Those of single annotators, as `agreement_of_raters` and `agreement_with_people` give them.

    Yields:
        Scores whose target is the group, and how many annotators they rest on; their mean is that over annotators of
        the means over cases: `<measure>_leave_one_out` (or `_pairwise`), the same with `_minus_raters`, and
        `<measure>_against_<name>`. Raters have none against a reference, which contains them.
    """
    known = {(score.target, score.measure): score for score in scores}
    forms = {score.measure: score.form for score in known.values() if _is_of_masks(score.form)}
    for group in groups:
        for measure, form in forms.items():
            own = {name: known[name, measure] for name in group.members if (name, measure) in known}
            own = {name: score for name, score in own.items() if len(score.values)}
            contains = any(score.contains_raters for score in own.values())
            if not own or (group.kind == "human" and contains):
                continue
            notes = {score.note for score in own.values()} - {""}
            if group.on_consensus and contains:
                notes = {f"own training target: {note}" for note in notes}
            n_undefined = sum(int(score.values.isna().sum()) for score in own.values())
            if n_undefined:
                n = sum(len(score.values) for score in own.values())
                notes.add(f"{n_undefined} of {n} scores undefined")
            values = pd.concat({name: score.values for name, score in own.items()}, axis=1, sort=False)
            of_group = replace(form, quality="validity")
            note = "; ".join(sorted(notes))
            mean = mean_over_raters(values)
            yield Score(of_group, group.name, mean, note=note, contains_raters=contains), len(own)


def _is_of_masks(form: Form) -> bool:
    """Whether a score is F1, mean IoU or Dice, or the difference of one of them to the raters."""
    return form.record.name in MEASURES or form.record is MINUS_RATERS


def agreement_within(groups: Sequence[StrategyGroup], agreement: Agreement) -> Iterator[tuple[Score, int]]:
    """Agreement of two annotators of one group, over all pairs; of ensembles over those without a common member.

    Args:
        groups: What `strategy_groups` returns.
        agreement: Agreement of all pairs.

    Yields:
        Scores `<measure>_within` whose target is the group, mean over pairs, then cases, and how many annotators are in
        these pairs.
    """
    for group in groups:
        for measure in MEASURES:
            values = agreement.of_pairs(group.pairs(), measure)
            if len(values.columns):
                n, n_annotators = len(values.columns), len({name for pair in values.columns for name in pair})
                mean, note = mean_over_pairs(values), pairs_noted(n)
                yield Score(WITHIN.form(measure), group.name, mean, note=note, n_pairs=n), n_annotators


# ------------------------------------------------------------------------------------------------- effects of a group


def effects_of_groups(
    groups: Sequence[StrategyGroup],
    effects: pd.DataFrame,
    normalised: pd.DataFrame,
    *,
    resampling: Resampling = DEFAULT,
) -> list[dict[str, Any]]:
    """What the annotators of each group find out about each effect.

    Args:
        groups: What `strategy_groups` returns.
        effects: What `segassay.tables.effects.effects` returns.
        normalised: What `segassay.tables.effects.normalise` returns.
        resampling: How intervals are drawn.

    Returns:
        Rows with `SCORE_COLUMNS`, `contrast` and `n_annotators`: `<measurement>_eta_squared`, its mean over annotators;
        `_eta_squared_sd`, from two annotators on; `_same_as_majority`; and `_votes_<verdict>`, how many led to this.
    """
    raters = [name for group in groups if group.kind == "human" for name in group.members]
    tested, rows = decisive_effects(effects), []
    for measure, values, group_of in values_of_units(normalised):
        for (one, other), part in tested[tested["measure"] == measure].groupby(["group_1", "group_2"], sort=False):
            found, chosen = part.set_index("annotator"), values[group_of.isin([one, other])]
            people = [rater for rater in raters if rater in found.index]
            in_second = (group_of[chosen.index] == other).to_numpy(dtype=bool)
            for group in groups:
                names = [name for name in group.members if name in found.index]
                about = {"contrast": found["contrast"].iloc[0], "n_annotators": len(names)}
                of_group = _effect(measure, found.loc[names], chosen[names], in_second, resampling) if names else []
                if names and people:
                    same = same_as_majority(found["verdict"], names, people)
                    of_group.append((SAME_AS_MAJORITY.form(measure), *same))
                rows += [
                    interval_row(form, group.name, interval, note=note) | about for form, interval, note in of_group
                ]
    return rows


def _effect(
    measure: str, found: pd.DataFrame, values: pd.DataFrame, in_second: np.ndarray, resampling: Resampling
) -> list[tuple[Form, Interval, str]]:
    """Form, number and note of what the annotators of one group find out about one effect."""
    mean = mean_eta_squared(values, in_second, resampling)
    note = f"n_cases counts {found['unit'].iloc[0]}s; never below 0, also without an effect"
    rows = [(ETA_SQUARED.form(measure), mean, note)]
    if len(found) > 1:
        spread = sd_over_seeds(found["eta_squared"].to_numpy(dtype=float))
        rows.append((ETA_SQUARED_SD.form(measure), spread, ANNOTATORS))
    for verdict, n in found["verdict"].value_counts().sort_index().items():
        rows.append((VOTES.form(measure, variant=str(verdict)), _number(float(n), len(found)), ANNOTATORS))
    return rows


def _number(value: float, n_cases: int, n_undefined: int = 0) -> Interval:
    """A number without interval."""
    return Interval(value, math.nan, math.nan, "", n_cases, n_undefined, False)


def mean_eta_squared(values: pd.DataFrame, in_second: np.ndarray, resampling: Resampling = DEFAULT) -> Interval:
    """Effect size η² of the Mann-Whitney test, mean over annotators, with its BCa interval over units.

    Args:
        values: Measurements `(units, annotators)`, NaN where an annotator has none.
        in_second: `(units,)`, whether a unit is of the second group.
        resampling: How intervals are drawn.

    Returns:
        The interval; each annotator's η² is of the units that it has, and an annotator without any in one of the
        groups takes no part. Resampled are units, subjects where there are any; control means are taken as given.
    """
    table, known = values.to_numpy(dtype=float), values.notna().to_numpy()
    tested = known[in_second].any(axis=0) & known[~in_second].any(axis=0)
    covered = np.where(known[:, tested].any(axis=1), np.arange(len(table)), np.nan)

    def statistic(weights: np.ndarray, units: np.ndarray) -> np.ndarray:
        rows = units.astype(int)
        sizes = [_eta_squared(weights, table[rows, place], in_second[rows]) for place in np.flatnonzero(tested)]
        return np.mean(sizes, axis=0)

    return bca(statistic, covered, np.arange(len(table)), resampling)


def _eta_squared(weights: np.ndarray, values: np.ndarray, in_second: np.ndarray) -> np.ndarray:
    one, other = ~in_second & ~np.isnan(values), in_second & ~np.isnan(values)
    return weighted_eta_squared(weights[:, one], weights[:, other], values[one], values[other])


def same_as_majority(verdicts: pd.Series, names: Sequence[str], raters: Sequence[str]) -> tuple[Interval, str]:
    """Share of annotators whose verdict on an effect is that of most raters.

    Args:
        verdicts: Annotator -> verdict.
        names: The annotators.
        raters: Whose majority counts; a rater is held against the other raters.

    Returns:
        The share without an interval, and a note. `n_cases` counts annotators, `n_undefined` those without a verdict
        because the effect is not testable, and those where no verdict of the raters has most votes.
    """
    testable = verdicts.where(verdicts != "not_testable")
    same = []
    for name in names:
        majority = majority_verdict(testable.reindex([rater for rater in raters if rater != name]).dropna())
        if majority is not None and pd.notna(testable[name]):
            same.append(testable[name] == majority)
    of_raters = bool(set(names) & set(raters))
    note = f"{ANNOTATORS}, each held against the majority of the other raters" if of_raters else ANNOTATORS
    return _number(float(np.mean(same)) if same else math.nan, len(same), len(names) - len(same)), note


# ---------------------------------------------------------------------------------------------------------- all of it


def strategy_table(found: Findings) -> pd.DataFrame:
    """All strategies and all people, side by side.

    Args:
        found: Tables, annotations, clusters and effects of an evaluation.

    Returns:
        Table with `STRATEGY_COLUMNS`, by group; where it is known of any group, also `n_raters` and `n_train`, from the
        masks of how many raters and on how many images it learned. `n_annotators` are those a row rests on; `contrast`
        is empty but for effects. Without rows where there is no model and no ensemble.
    """
    groups = strategy_groups(found.annotations)
    if all(group.kind == "human" for group in groups):
        return pd.DataFrame(columns=[*STRATEGY_COLUMNS, *FIELD_COLUMNS])
    tables, kinds = found.tables, annotator_kinds(found.annotations)
    agreement = Agreement(tables.agreement, tables.leave_one_out)
    single = [*agreement_of_raters(agreement, tables.counts, kinds), *agreement_with_people(agreement, kinds)]
    scores = [*scores_of_groups(groups, single), *agreement_within(groups, agreement)]
    masks = score_table([score for score, _ in scores], found.clusters, found.resampling)
    masks = masks.assign(contrast="", n_annotators=[n for _, n in scores])
    rows = []
    if len(found.effects) and found.normalised is not None:
        measured = without_repeats(found.effects, found.normalised)
        rows = effects_of_groups(groups, *measured, resampling=found.resampling)
    columns = [*SCORE_COLUMNS, "contrast", "n_annotators"]
    parts = [part for part in (masks, pd.DataFrame(rows, columns=columns)) if len(part)]
    return _described(pd.concat(parts, ignore_index=True) if parts else masks, groups)


def _described(table: pd.DataFrame, groups: Sequence[StrategyGroup]) -> pd.DataFrame:
    """Rows by group, with what is known of it."""
    order = {group.name: place for place, group in enumerate(groups)}
    table = table.sort_values("target", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)
    of = [groups[order[name]] for name in table["target"]]
    table = table.assign(
        group=table["target"],
        kind=[group.kind for group in of],
        strategy=[group.strategy for group in of],
        **{
            name: pd.array([getattr(group, name) for group in of], dtype="Int64")
            for name in ("n_members", *SPENT_COLUMNS)
        },
    )
    columns = list(STRATEGY_COLUMNS)
    if table[list(SPENT_COLUMNS)].notna().any(axis=None):
        place = columns.index("n_members") + 1
        columns[place:place] = SPENT_COLUMNS
    return table[[*columns, *FIELD_COLUMNS]]


# ------------------------------------------------------------------------------------------------------ for the figures


def annotator_points(groups: Sequence[StrategyGroup], scores: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    """What single annotators of each group reach, to be drawn beside the group's mean.

    Args:
        groups: What `strategy_groups` returns.
        scores: Table with `SCORE_COLUMNS` of single annotators.
        effects: What `segassay.tables.effects.effects` returns.

    Returns:
        `group, annotator, measure, contrast, value`: F1, mean IoU and Dice against C₋r or with the raters, and
        `<measurement>_eta_squared`.
    """
    group_of = {name: group.name for group in groups for name in group.members}
    own = scores[scores["base"].isin(MEASURES) & scores["comparison"].isin([LEAVE_ONE_OUT, PAIRWISE])]
    tested = decisive_effects(effects)
    parts = [
        own.rename(columns={"target": "annotator"}).assign(contrast=""),
        tested.assign(
            measure=[ETA_SQUARED.form(measure).name for measure in tested["measure"]], value=tested["eta_squared"]
        ),
    ]
    columns = ["annotator", "measure", "contrast", "value"]
    points = pd.concat([part[columns] for part in parts], ignore_index=True)
    points.insert(0, "group", points["annotator"].map(group_of))
    return points[points["group"].notna()].reset_index(drop=True)


def are_side_by_side(table: pd.DataFrame) -> bool:
    """Whether there is something to compare people with: models of one strategy, or two groups beside the people.

    Args:
        table: What `strategy_table` returns.
    """
    groups = table.loc[table["kind"] != "human", ["group", "kind"]].drop_duplicates()
    return len(groups) > 1 or bool((groups["kind"] == "model").any())


def spending_groups(table: pd.DataFrame) -> list[str]:
    """Groups of models that spent as many masks on another number of raters as some other group did.

    Args:
        table: What `strategy_table` returns.

    Returns:
        Names, by masks (raters × images), then raters; empty where it is not known who learned from how many.

    Example:
        >>> groups = {"group": ["a", "b", "c"], "kind": "model", "n_raters": [4, 1, 2], "n_train": [6, 24, 24]}
        >>> spending_groups(pd.DataFrame(groups))
        ['b', 'a']
    """
    if not set(SPENT_COLUMNS) <= set(table):
        return []
    models = table[table["kind"].eq("model")].drop_duplicates("group").dropna(subset=list(SPENT_COLUMNS))
    models = models.assign(n_masks=models["n_raters"] * models["n_train"])
    shared = models.groupby("n_masks")["n_raters"].transform("nunique") > 1
    return [str(name) for name in models[shared].sort_values(["n_masks", "n_raters"], kind="stable")["group"]]

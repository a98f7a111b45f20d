"""Strategies side by side: raters, models by what they were trained on, and disjoint ensembles of each size.

    groups, scores, effects  ->  one table with a row per group and measure, and the data of its figures

All annotators of a group have the same weight; intervals are over subjects or cases, conditional on these annotators.
"""

from collections.abc import Sequence

import pandas as pd

from segassay.data.annotations import SPENT_COLUMNS, is_rater
from segassay.data.facets import is_exchangeable
from segassay.judgement.measures import warned
from segassay.judgement.strategy_effects import effects_of_groups
from segassay.judgement.strategy_scores import agreement_within, scores_of_groups
from segassay.qualities.objectivity.raters import agreement_of_raters
from segassay.qualities.scores.groups import Group, strategy_groups
from segassay.qualities.scores.measure import LEAVE_ONE_OUT, PAIRWISE
from segassay.qualities.scores.table import (
    FIELD_COLUMNS,
    MEASURES,
    SCORE_COLUMNS,
    Agreement,
    Findings,
    annotator_kinds,
    score_table,
)
from segassay.qualities.validity.effects import decisive_effects, without_repeats
from segassay.qualities.validity.raters import agreement_with_raters
from segassay.qualities.validity.records import ETA_SQUARED

__all__ = [
    "STRATEGY_COLUMNS",
    "STRATEGY_FIELDS",
    "annotator_points",
    "are_side_by_side",
    "spending_groups",
    "strategy_table",
]


# fmt: off
STRATEGY_COLUMNS = (
    "group", "kind", "strategy", "n_members", "n_annotators", "measure", "contrast", "value", "low", "high",
    "n_cases", "n_undefined", "method", "approximate", "note",
)
# fmt: on
STRATEGY_FIELDS = ("quality", *FIELD_COLUMNS)
"""What a row is, as data."""


def strategy_table(found: Findings) -> pd.DataFrame:
    """All strategies and the raters, side by side; without the raters if they are exchangeable.

    Args:
        found: Tables, annotations, clusters and effects of an evaluation.

    Returns:
        Table with `STRATEGY_COLUMNS` and `STRATEGY_FIELDS`, by group. If they are known for any group, `n_raters` and
        `n_train` are the numbers of raters and images that it was trained on. `n_annotators` counts the annotators that
        a row rests on; `contrast` is empty except for effects. Without rows if there is no model and no ensemble.
    """
    exchangeable = is_exchangeable(found.annotations)
    groups = [one for one in strategy_groups(found.annotations) if not (exchangeable and is_rater(one.kind))]
    if all(is_rater(group.kind) for group in groups):
        return pd.DataFrame(columns=[*STRATEGY_COLUMNS, *STRATEGY_FIELDS])
    tables, kinds = found.tables, annotator_kinds(found.annotations)
    agreement = Agreement(tables.agreement, tables.leave_one_out, one_way=exchangeable)
    single = [*agreement_of_raters(agreement, tables.counts, kinds), *agreement_with_raters(agreement, kinds)]
    scores = [*scores_of_groups(groups, single), *agreement_within(groups, agreement)]
    masks = score_table([score for score, _ in scores], found.clusters, found.level)
    masks = masks.assign(contrast="", n_annotators=[n for _, n in scores])
    rows = []
    if len(found.effects) and found.normalised is not None:
        measured = without_repeats(found.effects, found.normalised)
        rows = effects_of_groups(groups, *measured, level=found.level)
    columns = [*SCORE_COLUMNS, "contrast", "n_annotators"]
    parts = [part for part in (masks, pd.DataFrame(rows, columns=columns)) if len(part)]
    table = pd.concat(parts, ignore_index=True) if parts else masks
    return _described(warned(table, found.clusters), groups)


def _described(table: pd.DataFrame, groups: Sequence[Group]) -> pd.DataFrame:
    """Rows by group, with the columns that describe the group."""
    order = {group.target: place for place, group in enumerate(groups)}
    table = table.sort_values("target", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)
    of = [groups[order[name]] for name in table["target"]]
    table = table.assign(
        group=table["target"],
        kind=[group.kind for group in of],
        strategy=[group.annotators[0].approach for group in of],
        **{
            name: pd.array([getattr(group, name) for group in of], dtype="Int64")
            for name in ("n_members", *SPENT_COLUMNS)
        },
    )
    columns = list(STRATEGY_COLUMNS)
    if table[list(SPENT_COLUMNS)].notna().any(axis=None):
        place = columns.index("n_members") + 1
        columns[place:place] = SPENT_COLUMNS
    return table[[*columns, *STRATEGY_FIELDS]]


def annotator_points(groups: Sequence[Group], scores: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    """Values of the single annotators of each group, drawn next to the mean of the group.

    Args:
        groups: What `strategy_groups` returns.
        scores: Table with `SCORE_COLUMNS` of single annotators.
        effects: What `segassay.tables.effects.effects` returns.

    Returns:
        `group, annotator, measure, contrast, value`: F1, mean IoU and Dice against C₋r or with the raters, and
        `<measurement>_eta_squared`.
    """
    group_of = {name: group.target for group in groups for name in group.names}
    own = scores[scores["base"].isin(MEASURES) & scores["comparison"].isin([LEAVE_ONE_OUT, PAIRWISE])]
    tested = decisive_effects(effects)
    parts = [
        own.rename(columns={"target": "annotator"}).assign(contrast=""),
        tested.assign(
            measure=[ETA_SQUARED.form(measure).name for measure in tested["measure"]], value=tested["eta_squared"]
        ),
    ]
    columns = ["annotator", "measure", "contrast", "value"]
    points = pd.concat([part[columns] for part in parts if len(part)] or [parts[0][columns]], ignore_index=True)
    points.insert(0, "group", points["annotator"].map(group_of))
    return points[points["group"].notna()].reset_index(drop=True)


def are_side_by_side(table: pd.DataFrame) -> bool:
    """Whether there are strategies to compare: a group of models, or two groups in addition to the raters.

    Args:
        table: What `strategy_table` returns.
    """
    groups = table.loc[~table["kind"].map(is_rater), ["group", "kind"]].drop_duplicates()
    return len(groups) > 1 or bool((groups["kind"] == "model").any())


def spending_groups(table: pd.DataFrame) -> list[str]:
    """Groups of models trained on the same number of masks as another group, but from another number of raters.

    Args:
        table: What `strategy_table` returns.

    Returns:
        Names, by masks (raters × images), then raters; empty if the numbers of raters and images are unknown.

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

"""Headlines: about twenty numbers that people compare between evaluations, chosen from the records of the measures.

scores, strategies, judged annotators  ->  one row per measure, with its interval, for MLflow and side-by-side views
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from segassay.judgement.judged import judged_annotators
from segassay.judgement.results import Results
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.groups import Group, strategy_groups, trained_alike
from segassay.qualities.scores.measure import AGAINST, LEAVE_ONE_OUT, PAIRWISE, Measure
from segassay.qualities.scores.table import ALL_RATERS, BETWEEN_RATERS
from segassay.qualities.validity import records as validity

__all__ = ["HEADLINE_COLUMNS", "agreement_names", "headlines", "of_strategies"]

HEADLINE_COLUMNS = ("quality", "measure", "contrast", "target", "value", "low", "high", "n_cases", "n_undefined")

_RATERS, _TRAININGS, _JUDGED = "raters", "trainings", "judged"


@dataclass(frozen=True, eq=False)
class _Headline:
    """A measure that is compared between evaluations.

    Attributes:
        record: Its record.
        whose: `raters` for the number of all raters, `trainings` for that of the trainings of the judged annotators,
            `judged` for that of the judged annotators themselves.
        of: Quantity, as in a form.
        comparisons: Comparisons, the preferred one first; empty for any.
    """

    record: Measure
    whose: str
    of: str = ""
    comparisons: tuple[str, ...] = ("",)


_WITH_RATERS = (LEAVE_ONE_OUT, PAIRWISE)
_CHOSEN = (
    _Headline(objectivity.F1, _RATERS),
    _Headline(objectivity.DICE, _RATERS),
    _Headline(objectivity.F1, _RATERS, comparisons=(LEAVE_ONE_OUT,)),
    _Headline(objectivity.ICC_A1, _RATERS, "count"),
    _Headline(objectivity.ICC_11, _RATERS, "count"),
    _Headline(objectivity.RATER_SHARE, _RATERS, "count"),
    _Headline(objectivity.IMPRINT, _RATERS),
    _Headline(objectivity.IMPRINT, _RATERS, "dice"),
    _Headline(objectivity.REMOVAL_OF_BIAS, _RATERS),
    _Headline(objectivity.WILLIAMS_INDEX, _JUDGED),
    _Headline(reliability.F1, _TRAININGS),
    _Headline(reliability.DICE, _TRAININGS),
    _Headline(reliability.MINUS_RATERS, _TRAININGS, "f1"),
    _Headline(reliability.MINUS_MODELS, _TRAININGS, "f1"),
    _Headline(reliability.CV, _TRAININGS, "count"),
    _Headline(reliability.PHI, _TRAININGS, "count"),
    _Headline(validity.F1, _JUDGED, comparisons=_WITH_RATERS),
    _Headline(validity.DICE, _JUDGED, comparisons=_WITH_RATERS),
    _Headline(validity.MINUS_RATERS, _JUDGED, "f1", _WITH_RATERS),
    _Headline(validity.F1, _JUDGED, comparisons=(AGAINST,)),
    _Headline(validity.AMOUNT_RATIO, _JUDGED, "count", ()),
    _Headline(validity.SAME_VERDICT, _JUDGED, "count", ()),
)
_AGREEMENT = (
    *(objectivity.F1, objectivity.DICE, reliability.F1, reliability.DICE, validity.F1, validity.DICE),
    *(reliability.MINUS_RATERS, reliability.MINUS_MODELS, validity.MINUS_RATERS),
)


def headlines(found: Results) -> pd.DataFrame:
    """The headlines of an evaluation; measures that it does not have are left out.

    Where several annotators are judged, their lowest number counts, as in the sentences of the verdicts; of trainings
    that of ensembles comes before that of single models.

    Args:
        found: The evaluation.

    Returns:
        Table with `HEADLINE_COLUMNS`; `target` is the annotator, or group, that the number is about. Effect sizes have
        one row per contrast. Without rows if there are no scores.
    """
    judged = judged_annotators(found.annotations)
    targets, trainings = (
        {_RATERS: [BETWEEN_RATERS, ALL_RATERS], _JUDGED: list(judged.names)},
        trained_alike(found.people),
    )
    rows = []
    for headline in _CHOSEN:
        own = found.scores[found.scores["record"].eq(headline.record.key) & found.scores["of"].eq(headline.of)]
        own = own[own["value"].notna()]
        if headline.whose == _TRAININGS:
            own = _of_trainings(own, trainings, judged.trained_on)
        else:
            own = own[own["target"].isin(targets[headline.whose])]
        for comparison in headline.comparisons or own["comparison"].unique():
            if len(one := own[own["comparison"].eq(comparison)]):
                rows.append(one[one["measure"].eq(one["measure"].iloc[0])].sort_values("value", kind="stable").iloc[0])
                break
    table = pd.DataFrame(rows).assign(contrast="") if rows else pd.DataFrame(columns=list(HEADLINE_COLUMNS))
    parts = [part for part in (table, _effects(found, judged.names)) if len(part)]
    whole = pd.concat(parts) if parts else table
    return whole[list(HEADLINE_COLUMNS)].reset_index(drop=True)


def agreement_names(references: Iterable[str]) -> set[str]:
    """Names of the headlines that are an F1 or Dice, or a difference from that of raters or models.

    Args:
        references: Names of references and of the truth.

    Example:
        >>> sorted(agreement_names(["truth"]))[:4]
        ['dice', 'dice_leave_one_out', 'dice_pairwise', 'f1']
    """
    return {
        headline.record.form(headline.of, comparison, reference=reference).name
        for headline in _CHOSEN
        if headline.record in _AGREEMENT
        for comparison in headline.comparisons
        for reference in (references if comparison == AGAINST else [""])
    }


def _of_trainings(rows: pd.DataFrame, groups: Sequence[Group], trained_on: tuple[str, ...]) -> pd.DataFrame:
    """Rows of the trainings on these masks: of ensembles, of the largest first, else of models."""
    for kind in ("ensemble", "model"):
        for masks in trained_on:
            of_masks = [group for group in groups if group.kind == kind and group.name == masks]
            sizes = [group.target_of_size(size) for group in of_masks for size in group.sizes]
            own = rows[rows["target"].isin([*(group.target for group in of_masks), *sizes])]
            if len(own):
                return own.tail(1)
    return rows.iloc[:0]


def _effects(found: Results, judged: tuple[str, ...]) -> pd.DataFrame:
    """η² of the counts of the group of annotators that is judged, one row per contrast."""
    if found.strategies.empty or not judged:
        return pd.DataFrame()
    own = {group.target for group in strategy_groups(found.people) if set(judged) & set(group.names)}
    table = found.strategies
    chosen = table["group"].isin(own) & table["base"].eq(validity.ETA_SQUARED.name) & table["of"].eq("count")
    table = table[chosen]
    return table.assign(target=table["group"])


def of_strategies(strategies: pd.DataFrame) -> pd.DataFrame:
    """The headlines of every strategy: agreement, its difference from that of the raters, and effects on counts.

    Args:
        strategies: What `strategy_table` returns.

    Returns:
        Table with `HEADLINE_COLUMNS`, `target` is the group; without rows if there are no strategies.
    """
    if strategies.empty:
        return pd.DataFrame(columns=list(HEADLINE_COLUMNS))
    quantity = strategies["of"].where(strategies["of"].ne(""), strategies["base"])
    agreement = strategies["base"].isin(["f1", "dice", "minus_raters", "within"]) & quantity.isin(["f1", "dice"])
    effects = strategies["base"].isin(["eta_squared", "same_as_majority"]) & quantity.eq("count")
    chosen = strategies[(agreement | effects) & strategies["value"].notna()]
    return chosen.assign(target=chosen["group"])[list(HEADLINE_COLUMNS)].reset_index(drop=True)

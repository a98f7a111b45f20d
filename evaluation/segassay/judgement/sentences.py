"""Sentences of the summary: numbers from the tables, with their intervals.

scores, effects  ->  sentences about raters alone, about models, about a reference
"""

from collections.abc import Iterable

import pandas as pd

from segassay.errors import number_of
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.measure import AGAINST, LEAVE_ONE_OUT
from segassay.qualities.scores.table import ALL_RATERS, BETWEEN_RATERS, rows_of
from segassay.qualities.validity import records as validity
from segassay.qualities.validity.effects import of_masks
from segassay.tables.mean_rater import MEAN_OF_RATERS
from segassay.tables.samples import on_deciding_unit

__all__ = [
    "concordance",
    "concordance_found",
    "format_interval",
    "joined",
    "objectivity_of_raters",
    "reliability_of_models",
    "validity_of_others",
]

_VERDICTS = {"none": "no difference", "not_testable": "not testable"}


def format_interval(value: float, low: float, high: float) -> str:
    """Value and interval as text, with two decimals.

    Example:
        >>> format_interval(0.5718, 0.5358, 0.608), format_interval(0.25, float("nan"), float("nan"))
        ('0.57 (0.54 to 0.61)', '0.25')
    """
    if pd.isna(value):
        return "undefined"
    numbers = [f"{number:.2f}".replace("-0.00", "0.00").replace("-", "−") for number in (value, low, high)]
    return numbers[0] if pd.isna(low) or pd.isna(high) else f"{numbers[0]} ({numbers[1]} to {numbers[2]})"


def joined(parts: Iterable[str], between: str = "; ") -> str:
    """The parts that are not empty, as one text.

    Example:
        >>> joined(["a is 1", "", "b is 2"])
        'a is 1; b is 2'
    """
    return between.join(part for part in parts if part)


def _interval_of(rows: pd.DataFrame) -> str:
    return format_interval(*rows[["value", "low", "high"]].iloc[0])


def _range_of(rows: pd.DataFrame) -> str:
    """From the lowest target to the highest, with their names."""
    ordered = rows.dropna(subset=["value"]).sort_values("value", kind="stable")
    ends = (
        [f"{value:.2f} ({target})" for target, value in ordered.iloc[[0, -1]][["target", "value"]].to_numpy()]
        if len(ordered)
        else []
    )
    return "undefined values" if not ends else ends[0] if len(ordered) == 1 else " to ".join(ends)


def objectivity_of_raters(scores: pd.DataFrame) -> str:
    """How raters agree, if nothing is known about models."""
    between = rows_of(scores, objectivity.F1.form(), BETWEEN_RATERS)
    if between.empty:
        return "There is at most one rater, so the agreement between raters is unknown."
    n_cases = int(between["n_cases"].iloc[0])
    first = f"Two raters agree on objects with a mean F1 of {_interval_of(between)} over {number_of(n_cases, 'image')}"
    own = rows_of(scores, objectivity.F1.form(comparison=LEAVE_ONE_OUT))
    all_together, own = own[own["target"] == ALL_RATERS], own[own["target"] != ALL_RATERS]
    if own.empty and len(all_together):  # exchangeable raters
        return f"{first}; a rater reaches {_interval_of(all_together)} against the consensus of the other raters."
    if own.empty:
        return f"{first}; there are too few raters to compare each with the consensus of the other raters."
    return f"{first}; single raters reach {_range_of(own)} against the consensus of the other raters."


def reliability_of_models(scores: pd.DataFrame) -> str:
    """How models that differ by the seed agree, if nothing is known about two ensembles."""
    rows = rows_of(scores, reliability.F1.form())
    if rows.empty:
        return "No two models differ only by the seed, so it is unknown what another training would change."
    if len(rows) > 4:
        return f"Models that were trained again with other seeds agree with a mean F1 of {_range_of(rows)}."
    parts = [
        f"{row['target']} with F1 {format_interval(row['value'], row['low'], row['high'])}"
        for row in rows.to_dict("records")
    ]
    return f"Models that were trained again with other seeds agree as follows: {'; '.join(parts)}."


def validity_of_others(scores: pd.DataFrame, effects: pd.DataFrame) -> str:
    """How annotators agree with a reference or a truth, and their conclusions on the experiment, without any model."""
    return " ".join([_against_reference(scores), _effects_sentence(effects)]).strip()


def _against_reference(scores: pd.DataFrame) -> str:
    known = scores[
        (scores["quality"] == "validity") & (scores["base"] == validity.F1.name) & (scores["comparison"] == AGAINST)
    ]
    if known.empty:
        return "There is no model, reference or truth to compare with."
    known = known[known["reference"] == known["reference"].iloc[0]]
    name, contains_raters = known[["reference", "contains_raters"]].iloc[0]
    contains = ", which contains the raters" if contains_raters else ""
    return f"Annotators reach an F1 of {_range_of(known)} against {name}{contains}."


def _effects_sentence(effects: pd.DataFrame) -> str:
    of = of_masks(effects)
    if of.empty:
        return ""
    measure = str(of["measure"].iloc[0])
    pairs = concordance(of, measure)
    if pairs.empty:
        return ""
    of_mean = set(of["annotator"]) == {MEAN_OF_RATERS}
    what = "object counts" if measure == "count" else f"masks, measured by {measure.replace('_', ' ')}"
    parts = [
        f"{row['group_2']} against {row['group_1']}: "
        + ", ".join(
            _VERDICTS.get(verdict, verdict) + ("" if of_mean else f" ({number_of(n, 'annotator')})")
            for verdict, n in row["votes"].items()
        )
        for row in pairs.to_dict("records")
    ]
    if of_mean:
        return f"Conclusions from the mean {measure.replace('_', ' ')} of the raters of each case: {'; '.join(parts)}."
    return f"Conclusions from {what}: {'; '.join(parts)}."


def concordance(effects: pd.DataFrame, measure: str = "count") -> pd.DataFrame:
    """How many annotators lead to each conclusion, pooled over regions; units are subjects, if there are any.

    Args:
        effects: What `segassay.tables.effects.effects` returns.
        measure: A tested measurement, such as `area`.

    Returns:
        One row per pair of groups: `group_1, group_2, votes`, a mapping of verdicts to numbers of annotators.
    """
    rows = effects[(effects["measure"] == measure) & (effects["region"] == "") & (effects["test"] == "mann_whitney")]
    rows = on_deciding_unit(rows)
    votes = [
        (one, other, dict(part["verdict"].value_counts().sort_index()))
        for (one, other), part in rows.groupby(["group_1", "group_2"], sort=False)
    ]
    return pd.DataFrame(votes, columns=["group_1", "group_2", "votes"])


def concordance_found(share: float, lowest: float, highest: float) -> str:
    """How often a conclusion is that of a rater, compared with raters among themselves.

    Example:
        >>> concordance_found(0.9, 0.8, 0.95)
        'the masks lead to the conclusion of a rater in 90 % of comparisons, those of another rater in 80 to 95 %'
    """
    of_raters = f"{lowest:.0%}" if f"{lowest:.0%}" == f"{highest:.0%}" else f"{lowest * 100:.0f} to {highest:.0%}"
    words = f"the masks lead to the conclusion of a rater in {share:.0%} of comparisons"
    return f"{words}, those of another rater in {of_raters}".replace("%", " %")

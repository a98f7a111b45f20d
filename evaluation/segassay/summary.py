"""What an evaluation says in three sentences, and the policy behind its numbers.

    scores, effects  ->  {objectivity, reliability, validity: {verdict, sentence, numbers}}

A verdict says what is missing where a quality cannot be judged. Sentences give numbers and draw no line of their own.
"""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pandas as pd

from segassay.scores import ALL_RATERS, BETWEEN_RATERS

__all__ = ["NUMBER_COLUMNS", "QUALITIES", "concordance", "format_interval", "summarise", "versions"]

QUALITIES = ("objectivity", "reliability", "validity")
NUMBER_COLUMNS = ("measure", "target", "value", "low", "high", "n_cases", "n_undefined")

_NO_RULE = "no rule for this verdict is laid down; the numbers are given"
_VERDICTS = {"none": "no difference", "not_testable": "not testable"}
_LIBRARIES = ("segassay", "numpy", "pandas", "scikit-image", "scipy", "matplotlib", "seaborn")


def summarise(scores: pd.DataFrame, effects: pd.DataFrame, annotations: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Verdict, sentence and numbers of each quality.

    Args:
        scores: What `build_scores` returns.
        effects: What `segassay.experiment.effects` returns; without rows where there is no experiment.
        annotations: What `read_annotations` returns.

    Returns:
        `{quality: {verdict, sentence, numbers}}`; `numbers` are the rows of scores with `NUMBER_COLUMNS`, where a value
        that does not exist is None.
    """
    missing = {
        "objectivity": _missing_for_objectivity(annotations),
        "reliability": _missing_for_reliability(scores),
        "validity": _missing_for_validity(scores, effects, annotations),
    }
    sentences = {
        "objectivity": _objectivity_sentence(scores),
        "reliability": _reliability_sentence(scores),
        "validity": " ".join([_validity_sentence(scores), _effects_sentence(effects)]).strip(),
    }
    return {
        quality: {
            "verdict": f"cannot be judged: {missing[quality]}",
            "sentence": sentences[quality],
            "numbers": _numbers(scores[scores["quality"] == quality]),
        }
        for quality in QUALITIES
    }


def _missing_for_objectivity(annotations: pd.DataFrame) -> str:
    raters = annotations.loc[annotations["kind"] == "human", "annotator"].unique()
    trained_on = set(annotations.loc[annotations["kind"].isin(["model", "ensemble"]), "trained_on"])
    if len(raters) < 2:
        return "no second rater"
    return _NO_RULE if len(trained_on & set(raters)) > 1 else "no models trained on single raters"


def _missing_for_reliability(scores: pd.DataFrame) -> str:
    targets = scores.loc[scores["quality"] == "reliability", "target"]
    if targets.empty:
        return "no models that differ by nothing but the seed"
    return _NO_RULE if targets.str.endswith("ensembles").any() else "no ensembles without a common member"


def _missing_for_validity(scores: pd.DataFrame, effects: pd.DataFrame, annotations: pd.DataFrame) -> str:
    if not annotations["kind"].isin(["model", "ensemble"]).any():
        return "no model or ensemble among the annotators"
    validity = scores[scores["quality"] == "validity"]
    if not (validity["measure"] == "f1_leave_one_out").any():
        return "fewer than 4 raters, so there is no consensus of the others"
    return "no experiment with a control group" if effects.empty else _NO_RULE


def _numbers(scores: pd.DataFrame) -> list[dict[Any, Any]]:
    rows = scores[list(NUMBER_COLUMNS)].astype(object)
    numbers: list[dict[Any, Any]] = rows.where(rows.notna(), None).to_dict("records")
    return numbers


# ------------------------------------------------------------------------------------------------------ sentences


def format_interval(value: float, low: float, high: float) -> str:
    """Value and interval for people.

    Example:
        >>> format_interval(0.5718, 0.5358, 0.608), format_interval(0.25, float("nan"), float("nan"))
        ('0.57 (0.54 to 0.61)', '0.25')
    """
    if pd.isna(value):
        return "undefined"
    numbers = [f"{number:.2f}".replace("-0.00", "0.00").replace("-", "−") for number in (value, low, high)]
    return numbers[0] if pd.isna(low) or pd.isna(high) else f"{numbers[0]} ({numbers[1]} to {numbers[2]})"


def _find(scores: pd.DataFrame, quality: str, measure: str, target: str | None = None) -> pd.DataFrame:
    found = scores[(scores["quality"] == quality) & (scores["measure"] == measure)]
    return found if target is None else found[found["target"] == target]


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


def _objectivity_sentence(scores: pd.DataFrame) -> str:
    between = _find(scores, "objectivity", "f1", BETWEEN_RATERS)
    if between.empty:
        return "There is one rater at most, so nobody's agreement with another person is known."
    n_cases = int(between["n_cases"].iloc[0])
    first = f"Two raters agree on objects with a mean F1 of {_interval_of(between)} over {n_cases} images"
    own = _find(scores, "objectivity", "f1_leave_one_out")
    own = own[own["target"] != ALL_RATERS]
    if own.empty:
        return f"{first}; there are too few raters to compare each with a consensus of the others."
    return f"{first}; against the consensus of the others, single raters reach {_range_of(own)}."


def _reliability_sentence(scores: pd.DataFrame) -> str:
    rows = _find(scores, "reliability", "f1")
    if rows.empty:
        return "No models here differ by nothing but the seed, so it is unknown what another training would change."
    parts = [
        f"{row['target']} with F1 {format_interval(row['value'], row['low'], row['high'])}"
        for row in rows.to_dict("records")
    ]
    return f"Trained again with other seeds, masks agree as follows: {'; '.join(parts)}."


def _validity_sentence(scores: pd.DataFrame) -> str:
    for ending, against in (("leave_one_out", "the consensus of the other raters"), ("pairwise", "the raters")):
        rows = _find(scores, "validity", f"f1_{ending}")
        rows = rows[rows["target"] != "truth"]
        if len(rows):
            human = rows.dropna(subset=["human_low"])
            people = (
                f", where the raters themselves reach {human['human_low'].min():.2f} to {human['human_high'].max():.2f}"
                if len(human)
                else ""
            )
            return f"Against {against}, {_range_of(rows)} is the F1 of models{people}."
    known = scores[(scores["quality"] == "validity") & scores["measure"].str.startswith("f1_against_")]
    if known.empty:
        return "There is no model, reference or truth to compare with."
    measure = known["measure"].iloc[0]
    name = measure.removeprefix("f1_against_")
    contains = "" if name == "truth" else ", which contains the raters,"
    return f"Against {name}{contains} annotators reach an F1 of {_range_of(known[known['measure'] == measure])}."


def _effects_sentence(effects: pd.DataFrame) -> str:
    pairs = concordance(effects)
    if pairs.empty:
        return ""
    parts = [
        f"{row['group_2']} against {row['group_1']}: "
        + ", ".join(f"{_VERDICTS.get(verdict, verdict)} with {n}" for verdict, n in row["votes"].items())
        for row in pairs.to_dict("records")
    ]
    return f"Number of annotators whose object counts lead to each conclusion: {'; '.join(parts)}."


def concordance(effects: pd.DataFrame, measure: str = "count") -> pd.DataFrame:
    """How many annotators lead to which conclusion, pooled over regions; units are subjects where there are any.

    Args:
        effects: What `segassay.experiment.effects` returns.
        measure: `count`, `density` or `mean_intensity`.

    Returns:
        One row per pair of groups: `group_1, group_2, votes`, a mapping of verdicts to numbers of annotators.
    """
    rows = effects[(effects["measure"] == measure) & (effects["region"] == "") & (effects["test"] == "mann_whitney")]
    rows = rows[rows["unit"] == ("subject" if (rows["unit"] == "subject").any() else "case")]
    votes = [
        (one, other, dict(part["verdict"].value_counts().sort_index()))
        for (one, other), part in rows.groupby(["group_1", "group_2"], sort=False)
    ]
    return pd.DataFrame(votes, columns=["group_1", "group_2", "votes"])


def versions() -> Mapping[str, str]:
    """Versions of what the numbers and figures rest on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}

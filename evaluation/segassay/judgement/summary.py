"""The summary of an evaluation: for each quality a verdict, a sentence, and the numbers behind them.

scores, effects  ->  {objectivity, reliability, validity, perhaps raters:
                      {verdict, outcome, missing, sentence, numbers, rule, criteria}}
"""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from typing import Any

import pandas as pd

from segassay.judgement.sentences import concordance, format_interval
from segassay.judgement.verdicts import judge
from segassay.judgement.version import RULE_OF_CLASSES, RULES_VERSION
from segassay.judgement.words import RULES, criterion_in_words, outcome_in_words, sentence
from segassay.qualities.scores.table import QUALITIES, Findings

__all__ = [
    "NUMBER_COLUMNS",
    "QUALITIES",
    "concordance",
    "format_interval",
    "judged_in",
    "outcome_of",
    "summarise",
    "verdict_of",
    "versions",
]

NUMBER_COLUMNS = ("measure", "target", "value", "low", "high", "n_cases", "n_undefined")

_LIBRARIES = ("segassay", "numpy", "pandas", "scipy", "matplotlib", "seaborn")


def summarise(scores: pd.DataFrame, found: Findings) -> dict[str, dict[str, Any]]:
    """Verdict, sentence and numbers of each quality, and without any model first of the `raters`.

    Args:
        scores: What `build_scores` and `further_measures` return, in one table.
        found: Tables, annotations, clusters and effects of the evaluation.

    Returns:
        `{quality: {verdict, outcome, missing, sentence, numbers, rule, criteria}}`: the judgements of
        `judgement.verdicts.judge` in words, of which `verdict` joins outcome and what is missing; and as `numbers` the
        rows of scores with `NUMBER_COLUMNS`; an undefined value is None. Validity may also have `uncounted`: shares
        of the `pixels` and `objects` that raters marked, and that do not count.
    """
    return {
        quality: {
            **verdict_of(*outcome_in_words(judgement)),
            "sentence": sentence(judgement, scores, found.effects),
            "numbers": _numbers(scores[scores["quality"] == quality]),
            "rule": RULES[quality],
            "criteria": [criterion_in_words(criterion, judgement.judged) for criterion in judgement.criteria],
            **({} if judgement.uncounted is None else {"uncounted": asdict(judgement.uncounted)}),
        }
        for quality, judgement in judge(found).items()
    }


def verdict_of(outcome: str, missing: str) -> dict[str, str]:
    """The parts of a summary that say how a quality was judged.

    Example:
        >>> verdict_of("supported", "")["verdict"]
        'supported'
    """
    return {"verdict": f"{outcome}: {missing}" if missing else outcome, "outcome": outcome, "missing": missing}


def outcome_of(judged: Mapping[str, Any]) -> tuple[str, str]:
    """Outcome of one judgement of a summary, and what is missing to judge.

    Args:
        judged: Such as `summary["validity"]`; a summary of an earlier version has the joined `verdict` alone.

    Example:
        >>> outcome_of({"verdict": "cannot be judged: no model", "outcome": "cannot be judged", "missing": "no model"})
        ('cannot be judged', 'no model')
        >>> outcome_of({"verdict": "supported"})
        ('supported', '')
    """
    if "outcome" in judged:
        return str(judged["outcome"]), str(judged["missing"])
    outcome, _, missing = str(judged["verdict"]).partition(": ")
    return outcome, missing


def judged_in(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """What a summary has verdicts of: `raters` if there is no model, then the qualities.

    Example:
        >>> judged_in({"raters": {}, "objectivity": {}})
        ('raters', 'objectivity', 'reliability', 'validity')
    """
    return (*(name for name in ("raters",) if name in summary), *QUALITIES)


def _numbers(scores: pd.DataFrame) -> list[dict[Any, Any]]:
    rows = scores[list(NUMBER_COLUMNS)].astype(object)
    numbers: list[dict[Any, Any]] = rows.where(rows.notna(), None).to_dict("records")
    return numbers


def versions(*, of_classes: bool = False) -> Mapping[str, str]:
    """Versions of the rules of the verdicts, and of the libraries that compute the numbers and draw the figures.

    Args:
        of_classes: Whether there are several classes, whose verdicts another rule joins.
    """
    return {
        "rules": str(RULES_VERSION),
        **({"rule_of_classes": RULE_OF_CLASSES} if of_classes else {}),
        "python": platform.python_version(),
        **_versions_of_libraries(),
    }


@cache
def _versions_of_libraries() -> dict[str, str]:
    """Found in files, which takes longer than a small table."""
    return {name: version(name) for name in _LIBRARIES}

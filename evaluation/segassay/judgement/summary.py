"""The summary of an evaluation: for each quality a verdict, a sentence, and the numbers behind them.

scores, effects  ->  {objectivity, reliability, validity: {verdict, sentence, numbers, rule, criteria}}, and raters
"""

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import pandas as pd

from segassay.judgement.sentences import concordance, format_interval
from segassay.judgement.verdicts import judge
from segassay.judgement.version import RULE_OF_CLASSES, RULES_VERSION
from segassay.judgement.words import RULES, criterion_in_words, sentence, verdict_in_words
from segassay.qualities.scores.table import QUALITIES, Findings

__all__ = ["NUMBER_COLUMNS", "QUALITIES", "concordance", "format_interval", "judged_in", "summarise", "versions"]

NUMBER_COLUMNS = ("measure", "target", "value", "low", "high", "n_cases", "n_undefined")

_LIBRARIES = ("segassay", "numpy", "pandas", "scipy", "matplotlib", "seaborn")


def summarise(scores: pd.DataFrame, found: Findings) -> dict[str, dict[str, Any]]:
    """Verdict, sentence and numbers of each quality, and without any model first of the `raters`.

    Args:
        scores: What `build_scores` and `further_measures` return, in one table.
        found: Tables, annotations, clusters and effects of the evaluation.

    Returns:
        `{quality: {verdict, sentence, numbers, rule, criteria}}`: the judgements of `judgement.verdicts.judge` in
        words, and as `numbers` the rows of scores with `NUMBER_COLUMNS`; an undefined value is None.
    """
    return {
        quality: {
            "verdict": verdict_in_words(judgement),
            "sentence": sentence(judgement, scores, found.effects),
            "numbers": _numbers(scores[scores["quality"] == quality]),
            "rule": RULES[quality],
            "criteria": [criterion_in_words(criterion, judgement.judged) for criterion in judgement.criteria],
        }
        for quality, judgement in judge(found).items()
    }


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

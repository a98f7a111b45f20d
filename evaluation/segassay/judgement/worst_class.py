"""Several classes: one verdict of each quality, which is that of the worst class.

    summary of all classes together, {class: its summary}  ->  summary whose verdicts the worst of them decides

All classes together show what is marked, and not what it is called: masks in which two classes are exchanged are as
good as before, and a class that is always missed hides behind those that are not.
"""

from collections.abc import Collection, Mapping
from typing import Any

from segassay.judgement.sentences import joined
from segassay.judgement.summary import judged_in, outcome_of, verdict_of

__all__ = ["CLASS_RULE", "judge_by_worst"]

CLASS_RULE = (
    "Masks have several classes: all classes together, and each class that somebody marks, are judged by this rule, "
    "and the worst decides. Not supported if one of them is not supported, else not judged if one cannot be judged."
)
"""What the report adds to the rule of each quality."""

_TOGETHER = "all classes together"
_WORST_FIRST = ("not supported", "cannot be judged", "supported")
_HOLDS = {"supported": True, "not supported": False}


def judge_by_worst(
    summary: Mapping[str, Any], classes: Mapping[str, Mapping[str, Any]], absent: Collection[str] = ()
) -> dict[str, Any]:
    """The verdicts of an evaluation of several classes.

    Args:
        summary: The summary of all classes together.
        classes: Class -> its summary.
        absent: Classes that nobody marks; they do not count.

    Returns:
        The same summary. Of each quality, and of `raters` if there is no model, the verdict is that of the worst, the
        sentence begins with it and names the others, and all of them are among the criteria. `together` has what all
        classes together alone gave: quality -> verdict and sentence.

    Example:
        >>> def found(verdict):
        ...     of = {"verdict": verdict, "sentence": "It reaches .9.", "rule": "", "criteria": []}
        ...     return {"objectivity": of, "reliability": of, "validity": of}
        >>> judged = judge_by_worst(found("supported"), {"zone": found("supported"), "tumour": found("not supported")})
        >>> judged["validity"]["verdict"], judged["together"]["validity"]["verdict"]
        ('not supported', 'supported')
        >>> judged["validity"]["sentence"]
        'Class tumour, not supported: It reaches .9. Others: supported: all classes together, class zone.'
    """
    judged = judged_in(summary)
    joint = {
        quality: _joint(
            summary[quality],
            {_TOGETHER: summary[quality]}
            | {f"class {name}": of[quality] for name, of in classes.items() if name not in absent},
            absent,
        )
        for quality in judged
    }
    kept = ("verdict", "outcome", "missing", "sentence")
    together = {
        quality: {part: summary[quality][part] for part in kept if part in summary[quality]} for quality in judged
    }
    return {**summary, **joint, "together": together}


def _joint(own: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]], absent: Collection[str]) -> dict[str, Any]:
    """Part of the summary about one quality.

    Args:
        own: That of all classes together.
        parts: That of all classes together, then of each class.
        absent: Classes that nobody marks.
    """
    words = {name: outcome_of(part)[0] for name, part in parts.items()}
    worst = min(words.values(), key=_WORST_FIRST.index)
    why = [f"{name}: {outcome_of(part)[1]}" for name, part in parts.items() if words[name] == worst]
    criteria = [
        {
            "name": name,
            "holds": _HOLDS.get(words[name]),
            "counts": True,
            "found": part["sentence"],
            "missing": outcome_of(part)[1],
        }
        for name, part in parts.items()
        if name != _TOGETHER
    ]
    return {
        **own,
        **verdict_of(worst, joined(why) if worst == "cannot be judged" else ""),
        "sentence": _sentence(parts, words, worst, absent),
        "rule": f"{own['rule']} {CLASS_RULE}",
        "criteria": [*own["criteria"], *criteria],
    }


def _sentence(
    parts: Mapping[str, Mapping[str, Any]], words: Mapping[str, str], worst: str, absent: Collection[str]
) -> str:
    """What was found of the first that decides, and the outcome of the others."""
    decides = next(name for name, word in words.items() if word == worst)
    others = {word: [name for name in words if words[name] == word and name != decides] for word in _WORST_FIRST}
    listed = [f"{word}: {joined(names, ', ')}" for word, names in others.items() if names]
    listed += [f"marked by nobody: {joined((f'class {name}' for name in absent), ', ')}"] if absent else []
    rest = f" Others: {joined(listed)}." if listed else ""
    return f"{decides[0].upper()}{decides[1:]}, {worst}: {parts[decides]['sentence']}{rest}"

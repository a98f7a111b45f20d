"""Texts of the verdicts: rules, verdicts, sentences, and the criteria behind them.

judgements, scores, effects  ->  verdict, sentence, rule and criteria of each quality, for `summary.json` and the report
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from segassay.data.annotations import WITHOUT
from segassay.judgement.conclusions import LARGE_EFFECT
from segassay.judgement.criteria import MIN_CASES, Criterion, Missing, Number, Shares, What, Why
from segassay.judgement.judged import Judged
from segassay.judgement.sentences import (
    concordance_found,
    format_interval,
    joined,
    objectivity_of_raters,
    reliability_of_models,
    validity_of_others,
)
from segassay.judgement.verdicts import (
    ENSEMBLES_ABOVE_MODELS,
    ENSEMBLES_ABOVE_RATERS,
    IMPRINT_MATTERS,
    REMOVAL_ABOVE,
    SCORE_ABOVE_MEAN_RATER,
    SCORE_ABOVE_WORST_RATER,
    WILLIAMS_AT_LEAST,
    Judgement,
)

__all__ = ["RULES", "criterion_in_words", "sentence", "verdict_in_words", "who"]

RULES = {
    "objectivity": (
        f"Supported if models trained on one rater do not imitate that rater noticeably (imprint below "
        f"{IMPRINT_MATTERS:g} F1), or if models of the consensus agree better with a rater they never saw than other "
        f"raters' models do (removal of bias above {REMOVAL_ABOVE:g} F1). The judged annotators must also agree with "
        "the raters about as well as the raters agree with each other (Williams index above "
        f"{WILLIAMS_AT_LEAST:g})."
    ),
    "reliability": (
        "Supported if two ensembles without a common member agree better than two raters do (by more than "
        f"{ENSEMBLES_ABOVE_RATERS:g} F1), and not worse than two single models do (at most "
        f"{-ENSEMBLES_ABOVE_MODELS:g} F1 less)."
    ),
    "validity": (
        "Supported if the F1 against the consensus of the other raters is at most "
        f"{-SCORE_ABOVE_WORST_RATER:g} below that of the worst rater and at most {-SCORE_ABOVE_MEAN_RATER:g} below the "
        "raters' mean, and if the masks lead to the raters' conclusions on the experiment at least as often as the "
        "masks of the rater who shares them least, never to the opposite conclusion, and never to an effect whose "
        "interval excludes all raters' effects. If images are the units, there is an effect if η² is at least "
        f"{LARGE_EFFECT:g}."
    ),
}
"""Each rule in words, for the report. Each line is compared with a whole 95 % interval."""

_OUTCOMES = {True: "supported", False: "not supported"}

_NAMES = {
    What.RATERS: "raters",
    What.MODELS: "models",
    What.SEEDS: "seeds",
    What.ENSEMBLES: "ensembles",
    What.HELD_OUT: "held out",
    What.IMPRINT: "imprint",
    What.REMOVAL: "removal of bias",
    What.IMPRINT_OR_REMOVAL: "imprint, or its removal by the consensus",
    What.WILLIAMS: "Williams index",
    What.GAIN_OVER_RATERS: "gain over raters",
    What.GAIN_OVER_MODELS: "gain over models",
    What.TO_WORST_RATER: "difference from the worst rater",
    What.TO_MEAN_RATER: "difference from the raters' mean",
    What.CONCORDANCE: "concordance of effects",
}

_NO_NUMBER = {
    What.MODELS: "no model or ensemble among the annotators",
    What.SEEDS: "no two models that differ only by the seed",
    What.ENSEMBLES: "no two ensembles without a common member",
    What.IMPRINT: "no held-out models trained on single raters, of 3 raters or more",
    What.REMOVAL: "no held-out models of the consensus without one rater ({of_first}{without}<rater>)",
    What.WILLIAMS: "no agreement of the judged annotators with two raters",
    What.GAIN_OVER_RATERS: "no common images",
    What.GAIN_OVER_MODELS: "no two single models trained as the ensembles were",
    What.TO_WORST_RATER: "no score of the raters on the same images",
    What.TO_MEAN_RATER: "no score of the raters on the same images",
    What.HELD_OUT: "unknown whether {who} saw these images in training (column held_out)",
}

_MISSING = {
    Why.FEW_CASES: "fewer than {least} images for the {name} ({n_cases})",
    Why.NO_INTERVAL: "no interval of the {name}, which needs two images or subjects",
    Why.EITHER_SIDE: "too few images: the {name}, {number}, may lie on either side of {line}",
    Why.NO_SECOND_RATER: "no second rater",
    Why.NO_EXPERIMENT: "no experiment with a control group",
    Why.NOT_TESTABLE: "too few units of the experiment to test an effect",
    Why.OTHER_CONCLUSIONS: (
        "too few units of the experiment: conclusions differ from the raters', though the effects may be as large"
    ),
}

_FOUND = {
    What.IMPRINT: "models trained on one rater carry an imprint of {number} F1",
    What.REMOVAL: (
        "models of the consensus agree better with a rater they never saw than other raters' models do, by {number} F1"
    ),
    What.WILLIAMS: "the Williams index of {who} is {number}{or_more}",
    What.GAIN_OVER_RATERS: "{number} more than two raters",
    What.GAIN_OVER_MODELS: "{number} more than two single models",
    What.TO_WORST_RATER: "{number} from the worst rater",
    What.TO_MEAN_RATER: "{number} from the raters' mean",
}


def who(judged: Judged) -> str:
    """The judged annotators, for a sentence.

    Example:
        >>> who(Judged(("staple/s0-1", "staple/s2-3"), "ensemble", ("staple",)))
        'the 2 staple ensembles'
    """
    if len(judged.names) == 1:
        return judged.names[0]
    of = "" if len(judged.trained_on) != 1 else f"{judged.trained_on[0]} "
    return f"the {len(judged.names)} {of}{judged.kind}s"


def verdict_in_words(judgement: Judgement) -> str:
    """ "supported", "not supported" or "cannot be judged: <what is missing>"."""
    if judgement.supported is not None:
        return _OUTCOMES[judgement.supported]
    missing = [_missing(one, judgement.judged) for one in judgement.criteria if one.met is None]
    return f"cannot be judged: {joined(dict.fromkeys(missing))}"


def criterion_in_words(criterion: Criterion, judged: Judged) -> dict[str, Any]:
    """Name, whether it is met, what was found, and what is missing; the last two may be empty."""
    found, missing = _found(criterion, judged), _missing(criterion, judged)
    return {"name": _NAMES[criterion.of], "holds": criterion.met, "found": found, "missing": missing}


def _found(criterion: Criterion, judged: Judged) -> str:
    if criterion.parts:
        return joined(_found(part, judged) for part in criterion.parts)
    rests_on = criterion.rests_on
    if isinstance(rests_on, Shares):
        return concordance_found(rests_on.own, rests_on.lowest, rests_on.highest)
    if rests_on is None:
        return ""
    more = " or more" if len(judged.names) > 1 else ""
    return _FOUND[criterion.of].format(number=_interval(rests_on), who=who(judged), or_more=more)


def _found_of(judgement: Judgement, *of: What) -> list[str]:
    """What was found of some criteria, in the order of the rule."""
    return [_found(criterion, judgement.judged) for criterion in judgement.criteria if criterion.of in of]


def _interval(number: Number) -> str:
    return format_interval(number.value, number.low, number.high)


def _missing(criterion: Criterion, judged: Judged) -> str:
    return joined(_one_missing(missing, judged) for missing in criterion.missing)


def _one_missing(missing: Missing, judged: Judged) -> str:
    if missing.why is Why.NO_NUMBER:
        first = judged.trained_on[0] if judged.trained_on else ""
        return _NO_NUMBER[missing.of].format(of_first=first, without=WITHOUT, who=who(judged))
    number, text = missing.number, _MISSING[missing.why]
    if number is None:
        return text
    line = f"{missing.line:g}".replace("-", "−")
    about = {"name": _NAMES[missing.of], "number": _interval(number), "n_cases": number.n_cases}
    return text.format(**about, line=line, least=MIN_CASES)


def sentence(judgement: Judgement, scores: pd.DataFrame, effects: pd.DataFrame) -> str:
    """What was found for a quality, in one sentence; if models cannot be judged, what is known without them.

    Args:
        judgement: The judgement.
        scores: As for `judge`.
        effects: As for `judge`.
    """
    return {"objectivity": _objectivity, "reliability": _reliability, "validity": _validity}[judgement.quality](
        judgement, scores, effects
    )


def _objectivity(judgement: Judgement, scores: pd.DataFrame, effects: pd.DataFrame) -> str:
    found = _found_of(judgement, What.IMPRINT, What.IMPRINT_OR_REMOVAL, What.WILLIAMS)
    n_cases = judgement.headline[0].n_cases if judgement.headline else None
    return _capitalised(found, n_cases) if any(found) else objectivity_of_raters(scores)


def _reliability(judgement: Judgement, scores: pd.DataFrame, effects: pd.DataFrame) -> str:
    if not judgement.headline:
        return reliability_of_models(scores)
    own = min(judgement.headline, key=lambda number: number.value)
    of = joined([own.target, own.note], ", ")
    start = f"two ensembles without a common member agree on objects with a mean F1 of {_interval(own)} ({of})"
    gains = joined(_found_of(judgement, What.GAIN_OVER_RATERS, What.GAIN_OVER_MODELS), ", and ")
    return _capitalised([joined([start, gains], ": ")], own.n_cases)


def _validity(judgement: Judgement, scores: pd.DataFrame, effects: pd.DataFrame) -> str:
    if not judgement.headline:
        return validity_of_others(scores, effects)
    lowest, several = min(judgement.headline, key=lambda number: number.value), len(judgement.headline) > 1
    whom = "the consensus of the other raters"
    whom = "single raters (too few for a consensus of the others)" if judgement.one_by_one else whom
    reach = f"{who(judgement.judged)} reach{'' if several else 'es'}"
    start = f"against {whom}, {reach} an F1 of {_interval(lowest)}{' or more' if several else ''}"
    gaps = joined(_found_of(judgement, What.TO_WORST_RATER, What.TO_MEAN_RATER), " and ")
    scored = joined([start, gaps], ", a difference of ")
    return _capitalised([f"{scored} ({lowest.n_cases} images)", *_found_of(judgement, What.CONCORDANCE)])


def _capitalised(parts: Sequence[str], n_cases: int | None = None) -> str:
    text = joined(parts)
    over = "" if n_cases is None else f" ({n_cases} images)"
    return f"{text[0].upper()}{text[1:]}{over}."

"""Texts of the verdicts: rules, verdicts, sentences, and the criteria behind them.

judgements, scores, effects  ->  verdict, sentence, rule and criteria of each quality, for `summary.json` and the report
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from segassay.data.annotations import WITHOUT
from segassay.data.named_channels import INTENSITY, measured_channel
from segassay.errors import number_of, shortlist
from segassay.judgement.amounts import AMOUNT_WITHIN
from segassay.judgement.conclusions import LARGE_EFFECT
from segassay.judgement.criteria import MIN_CASES, RATIOS, Criterion, Missing, Number, Shares, What, Why
from segassay.judgement.judged import Judged
from segassay.judgement.judgement import Judgement, Uncounted
from segassay.judgement.nearness import DICE_BLIND_ABOVE, NEAR
from segassay.judgement.nearness import MEASURES as NEARNESS
from segassay.judgement.raters_alone import APART, CONSISTENT_ABOVE, TOGETHER_ABOVE
from segassay.judgement.sentences import (
    concordance_found,
    format_interval,
    joined,
    objectivity_of_raters,
    reliability_of_models,
    validity_of_others,
)
from segassay.judgement.verdicts import (
    CONSENSUS_IMPRINT_MATTERS,
    ENSEMBLES_ABOVE_MODELS,
    IMPRINT_MATTERS,
    IMPRINT_OF_ONE_MATTERS,
    SHARE_OF_DISAGREEMENT,
    STANDING_ABOVE,
)
from segassay.qualities.scores.error_rates import LINE

__all__ = ["RULES", "UNDECIDED", "criterion_in_words", "outcome_in_words", "sentence", "who"]

_EVIDENCE = (
    "Evidence counts only if masks agree with the raters better than their mirror images, and masks of other images, "
    "do, are not the same as other "
    "masks, leave out no images that raters annotated, and neither agree with a rater better, nor go with a rater's "
    "single vote on a pixel or an object more often, than the raters' disagreement allows; and if two ensembles "
    "without a common member are each nearer to their own members than to those of the other."
)
_STANDING = (
    f"agree with the consensus of the other raters at most {-STANDING_ABOVE:g} worse than the median rater does, in "
    "finding objects (F1) and in their outlines (Dice, and NSD where it judges)"
)
_NEARNESS = (
    f"NSD judges where the median rater's Dice with the others is above {DICE_BLIND_ABOVE:g}, so that Dice hides "
    f"outlines that are off: the share of outlines within the distance that holds {NEAR:.0%} of those of two usual "
    "raters."
).replace("%", " %")
RULES = {
    "raters": (
        "Supported if the median rater agrees with the consensus of the other raters with an F1 of objects above "
        f"{TOGETHER_ABOVE['f1']:g} and a Dice of outlines above {TOGETHER_ABOVE['dice']:g} (of fewer than 4 raters: "
        "with the others; where both mark nothing they are not compared); if no rater is "
        f"{APART:g} or more below the median of the others, in F1, Dice, and NSD where it judges; and if the "
        "intraclass correlation of counts and areas (or volumes), of all raters together (ICC(A,k); ICC(1,k) if "
        f"raters are exchangeable), is above {CONSISTENT_ABOVE:g}. No rater may be a copy of another one, "
        f"or the consensus of the others. {_NEARNESS}"
    ),
    "objectivity": (
        "Supported if models trained on each single rater do not imitate that rater (an imprint below "
        f"{IMPRINT_MATTERS:g} on average, and below {IMPRINT_OF_ONE_MATTERS:g} for every rater), or if leaving any "
        f"rater out of the consensus changes by less than {CONSENSUS_IMPRINT_MATTERS:g} how its models agree with that "
        f"rater; in F1 of objects and in outlines. The judged masks must also {_STANDING}, and follow no single rater, "
        f"of 3 or more. {_NEARNESS} "
        f"{_EVIDENCE}"
    ),
    "reliability": (
        "Supported if two ensembles without a common member disagree less than two raters do, by at least "
        f"{1 - SHARE_OF_DISAGREEMENT:.0%}".replace("%", " %")
        + ", and agree not worse than two single models do (at most "
        f"{-ENSEMBLES_ABOVE_MODELS:g} less), in finding objects (F1) and in their outlines (Dice). {_EVIDENCE}"
    ),
    "validity": (
        f"Supported if the judged masks {_STANDING}; if their number of objects, area (of volumes: volume) and "
        "intensity differ from those of the median rater by less than a factor of "
        f"{AMOUNT_WITHIN:.2f} (or the usual factor between raters, if "
        f"that is larger), and in a group, region or batch of {MIN_CASES} images or more, from what it is in the "
        "others by no more than that (the value, not the whole interval); and, with an experiment, if they lead to the "
        "raters' conclusions at least as often as every rater but one does, never to the opposite of what most raters "
        "conclude, and never to an effect whose interval excludes all raters' effects. If images are the units, there "
        f"is an effect if η² is at least {LARGE_EFFECT:g}. {_NEARNESS} {_EVIDENCE}"
    ),
}
"""Each rule in words, for the report. Each line is compared with a whole 95 % interval."""

UNDECIDED = "cannot be judged"
_OUTCOMES = {True: "supported", False: "not supported", None: UNDECIDED}

_MEASURES = {
    "f1": ("finding objects", "F1"),
    "dice": ("outlines", "Dice"),
    "n_objects": ("number of objects", ""),
    "area_px": ("area", ""),
    "volume_px": ("volume", ""),
    INTENSITY: ("intensity", ""),
}


def _measured(measure: str) -> tuple[str, str]:
    """What a criterion judges, and the name of its number.

    Example:
        >>> _measured("dice"), _measured("mean_intensity_cFOS")
        (('outlines', 'Dice'), ('intensity in cFOS', ''))
        >>> _measured("nsd_2px")
        ('outlines within 2 px', 'NSD')
    """
    if measure in NEARNESS:
        return f"outlines within {NEARNESS[measure]} px", "NSD"
    channel = measured_channel(measure)
    return (f"intensity in {channel}", "") if channel else _MEASURES[measure]


_NAMES = {
    What.RATERS: "raters",
    What.MODELS: "models",
    What.SEEDS: "seeds",
    What.ENSEMBLES: "ensembles",
    What.HELD_OUT: "held out",
    What.ORIGINAL: "no copies",
    What.OWN_MEMBERS: "nearest to their own members",
    What.MEMBERS: "members of the ensembles among the models",
    What.COMPLETE: "no image left out",
    What.CREDIBLE: "better than mirrored",
    What.OWN_IMAGE: "better than masks of other images",
    What.PLAUSIBLE: "possible without knowing the raters' masks",
    What.NEUTRAL: "follows no single rater",
    What.IMPRINT: "imprint",
    What.CONSENSUS_IMPRINT: "imprint on the consensus",
    What.DEPENDENCE: "imprint of a rater, on single models or on the consensus",
    What.STANDING: "difference from the median rater",
    What.TO_RATERS: "disagreement compared with that of raters",
    What.TO_MODELS: "gain over single models",
    What.AMOUNT: "ratio to the median rater",
    What.AMOUNT_OF_GROUP: "ratio in a group, region or batch, divided by that in the other images",
    What.SMALL_PARTS: "ratio in small groups, regions and batches",
    What.CONCORDANCE: "concordance of effects",
    What.TOGETHER: "agreement of raters",
    What.APART: "distance of a rater from the others",
    What.CONSISTENT: "correlation of all raters together",
}

_NO_NUMBER = {
    What.MODELS: "no model or ensemble among the annotators",
    What.SEEDS: "no two models that differ only by the seed",
    What.ENSEMBLES: "no two ensembles without a common member",
    What.CREDIBLE: "no comparison of {who} with mirrored masks",
    What.OWN_IMAGE: "no comparison of {who} with masks of other images",
    What.IMPRINT: "no held-out models trained on single raters, of 3 raters or more",
    What.CONSENSUS_IMPRINT: "no held-out models of the consensus without each rater ({of_first}{without}<rater>)",
    What.STANDING: "no score of the raters on the same images",
    What.TO_RATERS: "no common images",
    What.TO_MODELS: "no two single models trained as the ensembles were",
    What.AMOUNT: "no amounts of the raters on the same images",
    What.AMOUNT_OF_GROUP: "no amounts of the raters on the same images of a group, region or batch",
    What.TOGETHER: "no common images of two raters",
    What.APART: "no common images of three raters",
    What.CONSISTENT: "no images that all raters annotated",
    What.HELD_OUT: "unknown whether {who} saw these images in training (column held_out)",
}

_MISSING = {
    Why.FEW_CASES: "fewer than {least} images in which something is marked ({n_cases})",
    Why.SMALL_PARTS: (
        "these are not judged on their own, because they or the others come from one subject, or have fewer than "
        "{least} images in which something is marked: {few}"
    ),
    Why.NO_INTERVAL: "no interval of the {name}, which needs two images or subjects",
    Why.SATURATED: "no difference between images in the {name}, so that nothing can be told from it",
    Why.CONSTANT: "the same {name}, {number}, in every image, so that it has no interval",
    Why.EITHER_SIDE: "too few images: the {name}, {number}, may lie on either side of {line}",
    Why.NO_SECOND_RATER: "no second rater",
    Why.NO_THIRD_RATER: "no third rater: of two, nobody can tell whether masks follow one of them",
    Why.NOT_TESTABLE: "too few units of the experiment to test an effect",
    Why.OTHER_CONCLUSIONS: (
        "too few units of the experiment: conclusions differ from the raters', though the effects may be as large"
    ),
    Why.COPIES: "{first} and {second} have the same masks in most images; trainings and raters never do",
    Why.NO_MEMBERS: (
        "the members of {names} are not among the models, so that nobody can tell whether these were made of them"
    ),
    Why.UNTESTED: "no models trained on {names} alone, who may be the rater that models follow",
    Why.SOME_IMAGES: "{first} has no mask of images that other models of the same training have; add them",
    Why.NO_NEARER: (
        "in {share:.0f} % of the images {first} is as far from its own members as from those of {second}, as a copy is"
    ),
    Why.NO_MASKS: (
        "{first} has no mask of {n_absent} of the {n_cases} images that raters annotated ({absent}); add them, or say "
        "that they were in training (column split in the experiment table)"
    ),
    Why.NO_BETTER_THAN_MIRRORED: "the masks of {first} agree with the raters no better than if they were mirrored",
    Why.NO_BETTER_THAN_ELSEWHERE: (
        "the masks of {first} agree with the raters no better than those of other images do, as if they did not "
        "depend on the image"
    ),
    Why.TOO_ALIKE: (
        "{first} agrees with {second} better than the raters' disagreement allows, as if it knew these masks"
    ),
    Why.KNOWS_VOTES: (
        "where the raters are split, {first} goes with a single vote more often than is possible without knowing these "
        "masks"
    ),
    Why.FOLLOWS_A_RATER: "{first} follows {second} more than the other raters",
    Why.WEAK_MODELS: "{first} agrees with the raters too badly, or on too few images, to show whom it imitates",
    Why.EXCHANGEABLE: "raters are exchangeable, so that no model can be said to imitate one of them",
    Why.MIXED_UP_MODELS: (
        "models agree less with {first} if they were trained on these masks; check column trained_on"
    ),
}

_FOUND = {
    What.IMPRINT: "models trained on one rater carry an imprint of at most {number} {unit} ({against})",
    What.CONSENSUS_IMPRINT: (
        "leaving a rater out of the consensus changes the agreement with that rater by at most {number} {unit} "
        "({against})"
    ),
    What.STANDING: "{number} {unit} from the median rater",
    What.TO_RATERS: "their disagreement, minus {share:.0f} % of that of two raters, is {number} {unit}",
    What.TO_MODELS: "{number} {unit} more than two single models",
    What.AMOUNT: "{number} times the {task} of the median rater",
    What.AMOUNT_OF_GROUP: (
        "in {against}, {number} times the {task} expected from the ratio to the median rater in the other images"
    ),
    What.COMPLETE: "{target} has masks of {n:.0f} of the {n_cases} images that raters annotated",
    What.CREDIBLE: "Dice {number} above mirrored masks",
    What.OWN_IMAGE: "Dice {number} above masks of other images (of pixels per cell of a coarse grid)",
    What.TOGETHER: "{target} agrees with {against} with {unit} {number}",
    What.APART: "{target} agrees with the others {number} {unit} less than the median of the other raters does",
    What.CONSISTENT: "the {task} of {target} together has an intraclass correlation of {number}",
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


def outcome_in_words(judgement: Judgement) -> tuple[str, str]:
    """The outcome, "supported", "not supported" or "cannot be judged"; and what is missing to judge, else empty."""
    outcome = _OUTCOMES[judgement.supported]
    if outcome != UNDECIDED:
        return outcome, ""
    undecided = [one for one in judgement.criteria if one.met is None and one.counts]
    missing = [
        _one_missing(missing, criterion.measure, judgement.judged)
        for criterion in undecided
        for missing in criterion.missing
    ]
    return outcome, joined(dict.fromkeys(missing))


def criterion_in_words(criterion: Criterion, judged: Judged) -> dict[str, Any]:
    """Name, whether it is met, whether it counts, what was found, and what is missing; the last two may be empty."""
    return {
        "name": _name(criterion.of, criterion.measure),
        "holds": criterion.met,
        "counts": criterion.counts,
        "found": _found(criterion, judged),
        "missing": _missing(criterion, judged),
    }


def _name(of: What, measure: str) -> str:
    return f"{_NAMES[of]} ({_measured(measure)[0]})" if measure else _NAMES[of]


def _found(criterion: Criterion, judged: Judged) -> str:
    if criterion.parts:
        return joined(_found(replace(part, measure=criterion.measure), judged) for part in criterion.parts)
    rests_on = criterion.rests_on
    if isinstance(rests_on, Shares):
        return concordance_found(rests_on.own, rests_on.lowest, rests_on.highest)
    if rests_on is None or criterion.of not in _FOUND:
        return ""
    task, unit = _measured(criterion.measure) if criterion.measure else ("", "")
    about: dict[str, Any] = {"number": _interval(rests_on), "unit": unit, "task": task, "against": rests_on.against}
    about |= {"target": rests_on.target, "n": rests_on.value, "n_cases": rests_on.n_cases}
    about["share"] = 100 * SHARE_OF_DISAGREEMENT
    return _FOUND[criterion.of].format(**about)


def _found_of(judgement: Judgement, *of: What) -> list[str]:
    """What was found of some criteria that count, in the order of the rule."""
    wanted = [criterion for criterion in judgement.criteria if criterion.of in of and criterion.counts]
    return [_found(criterion, judgement.judged) for criterion in wanted]


def _numbers_of(judgement: Judgement, of: What) -> list[str]:
    """Numbers of the criteria that count, each with its unit, or with the amount that it is a multiple of."""
    wanted = [one for one in judgement.criteria if one.of is of and one.counts and isinstance(one.rests_on, Number)]
    texts = []
    for one in wanted:
        task, unit = _measured(one.measure)
        assert isinstance(one.rests_on, Number)
        texts.append(f"{_interval(one.rests_on)} {unit or f'times the {task}'}")
    return texts


def _listed(texts: Sequence[str]) -> str:
    """Texts as a list in a sentence.

    Example:
        >>> _listed(["a", "b", "c"]), _listed(["a"]), _listed([])
        ('a, b and c', 'a', '')
    """
    return " and ".join(part for part in (", ".join(texts[:-1]), *texts[-1:]) if part)


def _interval(number: Number) -> str:
    return format_interval(number.value, number.low, number.high)


def _missing(criterion: Criterion, judged: Judged) -> str:
    return joined(_one_missing(missing, criterion.measure, judged) for missing in criterion.missing)


def _one_missing(missing: Missing, measure: str, judged: Judged) -> str:
    if missing.why is Why.NO_NUMBER:
        first = judged.trained_on[0] if judged.trained_on else "<consensus>"
        return _NO_NUMBER[missing.of].format(of_first=first, without=WITHOUT, who=who(judged))
    first, second = (*missing.names, "", "")[:2]
    about: dict[str, Any] = {"first": first, "second": second.replace("=", "the raters' "), "least": MIN_CASES}
    about |= {"names": joined(missing.names, ", "), "few": shortlist(missing.names)}
    number = missing.number
    if number is not None:
        line = _lines(missing, number)
        name = _name(missing.of, measure)
        about |= {"name": name, "number": _interval(number), "n_cases": number.n_cases, "line": line}
        about |= {
            "share": 100 * number.value,
            "n_absent": len(missing.names) - 1,
            "absent": shortlist(missing.names[1:]),
        }
    return _MISSING[missing.why].format(**about)


def _lines(missing: Missing, number: Number) -> str:
    """The line that an interval contains; of a ratio one of two, or both."""
    lines = [missing.line]
    if missing.of in RATIOS:
        lines = [line for line in (1 / missing.line, missing.line) if number.low <= line <= number.high] or lines
    return " or ".join(f"{line:.3g}".replace("-", "−") for line in lines)


def sentence(judgement: Judgement, scores: pd.DataFrame, effects: pd.DataFrame) -> str:
    """What was found for a quality, in one sentence; if models cannot be judged, what is known without them.

    Args:
        judgement: The judgement.
        scores: What `build_scores` and `further_measures` return, in one table.
        effects: What `segassay.tables.effects.effects` returns; without rows if there is no experiment.
    """
    text = {"raters": _raters, "objectivity": _objectivity, "reliability": _reliability, "validity": _validity}[
        judgement.quality
    ](judgement, scores, effects)
    left_out = f" Left out, because of too few masks or of marks at random: {joined(judgement.left_out, ', ')}."
    is_shown = judgement.left_out and (judgement.judged.names or judgement.quality == "raters")
    errs = (
        " Subjects have very unequal numbers of images: if a true mean is exactly at its line, its interval lies on "
        f"the wanted side {LINE.words}."
    )
    text += "" if judgement.uncounted is None else uncounted_in_words(judgement.uncounted)
    return f"{text}{left_out if is_shown else ''}{errs if judgement.supported and judgement.unequal else ''}"


def uncounted_in_words(shares: Uncounted) -> str:
    """How much of what raters marked does not count; empty if it is less than half a percent.

    Example:
        >>> uncounted_in_words(Uncounted(0.123, 0.4))
        ' Of what raters marked, 12 % of the pixels and 40 % of the objects do not count.'
    """
    pixels, objects = (f"{share:.0%}".replace("%", " %") for share in (shares.pixels, shares.objects))
    text = f" Of what raters marked, {pixels} of the pixels and {objects} of the objects do not count."
    return text if max(shares.pixels, shares.objects) >= 0.005 else ""


def _raters(judgement: Judgement, scores: pd.DataFrame, effects: pd.DataFrame) -> str:
    found = [part for part in _found_of(judgement, What.TOGETHER, What.APART, What.CONSISTENT) if part]
    alone = any(one.of is What.RATERS for one in judgement.criteria)
    few = "There is at most one rater, who has nobody to agree with." if alone else "There are too few images to judge."
    return _capitalised(found) if found else few


def _objectivity(judgement: Judgement, scores: pd.DataFrame, effects: pd.DataFrame) -> str:
    found = _found_of(judgement, What.IMPRINT, What.DEPENDENCE)
    standing = _numbers_of(judgement, What.STANDING)
    if not any(found) and not standing:
        return objectivity_of_raters(scores)
    several = len(judgement.judged.names) > 1
    differ = f"compared with the median rater, {who(judgement.judged)} differ{'' if several else 's'} by "
    return _capitalised([*found, f"{differ}{_listed(standing)}" if standing else ""])


def _reliability(judgement: Judgement, scores: pd.DataFrame, effects: pd.DataFrame) -> str:
    if not judgement.headline:
        return reliability_of_models(scores)
    own = min(judgement.headline, key=lambda number: number.value)
    start = f"two ensembles without a common member agree on objects with a mean F1 of {_interval(own)} ({own.target})"
    return _capitalised([start, *_found_of(judgement, What.TO_MODELS)], own.n_cases)


def _validity(judgement: Judgement, scores: pd.DataFrame, effects: pd.DataFrame) -> str:
    if not judgement.headline:
        return validity_of_others(scores, effects)
    lowest, several = min(judgement.headline, key=lambda number: number.value), len(judgement.headline) > 1
    whom = "the consensus of the other raters" if lowest.against == "others" else "single raters"
    reach = f"{who(judgement.judged)} reach{'' if several else 'es'}"
    start = f"against {whom}, {reach} an F1 of {_interval(lowest)}{' or more' if several else ''}"
    gaps = _listed(_numbers_of(judgement, What.STANDING))
    scored = joined([start, f"{gaps} from the median rater" if gaps else ""], ", a difference of ")
    ratios = _listed(_numbers_of(judgement, What.AMOUNT))
    amounts = f"{ratios} of the median rater" if ratios else ""
    concluded = _found_of(judgement, What.CONCORDANCE)
    lacks = "there is no experiment" if effects.empty else "raters are exchangeable and draw no conclusions"
    without = [] if concluded else [f"{lacks}, so that agreement and amounts alone are judged"]
    apart = next((_missing(one, judgement.judged) for one in judgement.criteria if one.of is What.SMALL_PARTS), "")
    return _capitalised([f"{scored} ({number_of(lowest.n_cases, 'image')})", amounts, *concluded, *without, apart])


def _capitalised(parts: Sequence[str], n_cases: int | None = None) -> str:
    text = joined(parts)
    over = "" if n_cases is None else f" ({number_of(n_cases, 'image')})"
    return f"{text[0].upper()}{text[1:]}{over}."

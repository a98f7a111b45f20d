"""The first screen of the report: one card per verdict, with what would settle it and its key number.

Results  ->  cards: outcome in a word, sentence, number, picture of the number and its limit
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from segassay.judgement.criteria import Criterion, Number, What
from segassay.judgement.judgement import Judgement
from segassay.judgement.nearness import MEASURES as NEARNESS
from segassay.judgement.results import Results
from segassay.judgement.sentences import format_interval
from segassay.judgement.summary import judged_in, outcome_of
from segassay.planning.settle import judgements_of, remedies
from segassay.report.naming import of_in_words

__all__ = ["OUTCOMES", "Card", "Gauge", "Key", "cards", "gauge"]

QUESTIONS = {
    "raters": "Raters: do they agree well enough to teach a model?",
    "objectivity": "Objective: does the result depend on who drew the masks?",
    "reliability": "Reliable: would another training change the result?",
    "validity": "Valid: does the result find what is there, and lead to the right conclusion?",
}
_NAMES = {"raters": "Raters", "objectivity": "Objectivity", "reliability": "Reliability", "validity": "Validity"}
OUTCOMES = {"supported": "yes", "not supported": "no"}
_UNITS = {"f1": "F1", "dice": "Dice"} | dict.fromkeys(NEARNESS, "NSD")
_TASKS = {"n_objects": "count", "area_px": "area", "volume_px": "volume"}
_WHOM = {"others": "the consensus of the other raters", "raters": "single raters"}


@dataclass(frozen=True)
class Gauge:
    """Places of a number on a line from 0 to 100, for a picture.

    Attributes:
        value: The number.
        low: Lower limit of its interval.
        high: Upper limit.
        limits: The limits of the criterion; one, two of a ratio, or none.
        good: First and last place of the good side; None without a limit.
        zero: Place of no difference; None if it is an end.
        ends: The numbers at both ends, as text.
        text: What the picture shows.
    """

    value: float
    low: float
    high: float
    limits: tuple[float, ...]
    good: tuple[float, float] | None
    zero: float | None
    ends: tuple[str, str]
    text: str


@dataclass(frozen=True)
class Card:
    """A verdict on the first screen.

    Attributes:
        quality: The quality, or `raters`.
        name: Its name.
        question: The question that it answers.
        outcome: `yes`, `no` or `open`.
        word: `supported`, `not supported` or `cannot be judged`.
        why: What is missing if it cannot be judged, as the summary states it.
        settle: What would settle it.
        sentence: What was found.
        key: The key number in words; empty without one.
        value: The key number with its interval.
        gauge: Its picture.
        judged: The part of the summary, with rule and criteria.
    """

    quality: str
    name: str
    question: str
    outcome: str
    word: str
    why: str
    settle: tuple[str, ...]
    sentence: str
    key: str
    value: str
    gauge: Gauge | None
    judged: dict[str, Any]


def cards(found: Results) -> list[Card]:
    """Cards of an evaluation: the raters' own first if there is no model."""
    judgements = judgements_of(found)
    return [_card(found, quality, judgements[quality]) for quality in judged_in(found.summary) if quality in judgements]


def _card(found: Results, quality: str, judgement: Judgement) -> Card:
    judged = found.summary[quality]
    word, why = outcome_of(judged)
    outcome = OUTCOMES.get(word, "open")
    key = _key(judgement)
    number = None if key is None else key.number
    of_all = "all classes together: " if "together" in found.summary else ""
    return Card(
        quality=quality,
        name=_NAMES[quality],
        question=QUESTIONS[quality],
        outcome=outcome,
        word=word,
        why=why,
        settle=remedies(judgement, found.annotations) if outcome == "open" else (),
        sentence=judged["sentence"],
        key="" if key is None else f"{of_all}{key.words}",
        value="" if number is None else format_interval(number.value, number.low, number.high),
        gauge=None if key is None else gauge(key),
        judged=judged,
    )


@dataclass(frozen=True)
class Key:
    """The key number of a verdict.

    Attributes:
        words: What it is.
        number: The number.
        limit: Its limit; NaN without one.
        above: Whether the good side is above the limit.
        scale: `share`, from 0 to 1; `difference`, around 0; or `ratio`, around 1 with a limit on both sides.
    """

    words: str
    number: Number
    limit: float = math.nan
    above: bool = True
    scale: str = "share"


_KEYS = {
    What.TOGETHER: ("agreement of the median rater with {against} ({unit})", True, "share"),
    What.APART: (
        "how much less {against} agrees with the others than the median rater does ({unit})",
        False,
        "difference",
    ),
    What.CONSISTENT: ("{task}: reliability of the mean of all raters (ICC)", True, "share"),
    What.IMPRINT: ("largest imprint of a rater: {against} ({unit})", False, "difference"),
    What.CONSENSUS_IMPRINT: ("largest imprint of a rater on the consensus: {against} ({unit})", False, "difference"),
    What.STANDING: ("difference from the median rater ({unit})", True, "difference"),
    What.TO_RATERS: ("disagreement of two ensembles, minus 80 % of that of two raters ({unit})", False, "difference"),
    What.TO_MODELS: ("agreement of two ensembles, minus that of two models ({unit})", True, "difference"),
    What.AMOUNT: ("{task}, divided by that of the median rater", True, "ratio"),
    What.AMOUNT_OF_GROUP: ("{task} in {against}, compared with the other images and with the raters", True, "ratio"),
    What.OWN_IMAGE: ("agreement above that of masks of other images (Dice)", True, "difference"),
    What.CREDIBLE: ("agreement above that of mirrored masks (Dice)", True, "difference"),
}
"""Subject of a criterion -> its number in words, whether the good side is above the limit, scale."""


def _key(judgement: Judgement) -> Key | None:
    """The number on which a verdict rests: of a criterion that is not met, else undecided; else the headline."""
    counted = [one for one in _flat(judgement.criteria) if one.counts]
    for met in (False, None):
        decisive = [one for one in counted if one.met is met and _is_shown(one)]
        if decisive and judgement.supported is met:
            return _key_of(decisive[0])
    if judgement.headline:
        lowest = min(judgement.headline, key=lambda number: number.value)
        if judgement.quality == "reliability":
            return Key("agreement of two ensembles without a common member (F1)", lowest)
        return Key(f"agreement with {_WHOM.get(lowest.against, lowest.against)} (F1)", lowest)
    return next((_key_of(one) for one in counted if _is_shown(one)), None)


def _flat(criteria: Iterable[Criterion]) -> Iterable[Criterion]:
    for one in criteria:
        yield one
        yield from (replace(part, measure=one.measure) for part in _flat(one.parts))


def _is_shown(one: Criterion) -> bool:
    number = _number_of(one)
    return one.of in _KEYS and number is not None and not math.isnan(number.value)


def _number_of(one: Criterion) -> Number | None:
    """The number of a criterion; if it is undecided, the number that is."""
    if one.met is None and one.missing and one.missing[0].number is not None:
        return one.missing[0].number
    return one.rests_on if isinstance(one.rests_on, Number) else None


def _key_of(one: Criterion) -> Key:
    words, above, scale = _KEYS[one.of]
    number = _number_of(one)
    assert number is not None
    task, unit = of_in_words(_TASKS.get(one.measure, one.measure)), _UNITS.get(one.measure, "F1")
    return Key(words.format(against=number.against, unit=unit, task=task), number, one.line, above, scale)


def gauge(key: Key) -> Gauge | None:
    """Places of a number, its interval and its limits; None without an interval.

    Args:
        key: The number, its limit and its scale.

    Example:
        >>> shown = gauge(Key("F1", Number(0.6, 0.5, 0.7, 20), 0.5))
        >>> shown.value, shown.low, shown.good, shown.ends
        (60.0, 50.0, (50.0, 100.0), ('0', '1'))
    """
    number = key.number
    ends = (number.value, number.low, number.high)
    if any(map(math.isnan, ends)) or (key.scale == "ratio" and min(ends) <= 0):
        return None
    turn = math.log if key.scale == "ratio" else float
    limits = () if math.isnan(key.limit) else (1 / key.limit, key.limit) if key.scale == "ratio" else (key.limit,)
    reach = max(abs(turn(one)) for one in (*ends, *limits)) * 1.2 or 0.1
    start, end = (0.0, 1.0) if key.scale == "share" else (-reach, reach)

    def place(one: float) -> float:
        return round(100 * (min(max(turn(one), start), end) - start) / (end - start), 2)

    value, low, high = map(place, ends)
    lines = tuple(map(place, limits))
    good = None
    if lines:
        good = (lines[0], lines[-1]) if len(lines) == 2 else (lines[0], 100.0) if key.above else (0.0, lines[0])
    back = math.exp if key.scale == "ratio" else float
    said = " and ".join(f"{limit:.3g}" for limit in limits)
    side = "between them" if len(lines) == 2 else "above" if key.above else "below"
    text = format_interval(*ends) + (f"; the limit is {said}, the good side is {side}" if limits else "")
    zero = None if key.scale == "share" else 50.0
    texts = tuple(f"{back(one):.2g}".replace("-", "−") for one in (start, end))
    return Gauge(value, low, high, lines, good, zero, (texts[0], texts[1]), text.replace("-", "−"))

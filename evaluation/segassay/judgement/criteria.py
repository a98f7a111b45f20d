"""Criteria of a verdict: numbers compared with lines, and what is missing if they are undecided.

    number, line  ->  criterion: met, not met, or undecided
    criteria      ->  met if all are, or if any is

A criterion is met if the whole interval is on the good side of the line, not met if the whole interval is on the other
side, and undecided otherwise, so that too few images never support or refute anything. This module has no texts; they
are in `words`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

import scipy

__all__ = [
    "MIN_CASES",
    "RATIOS",
    "Criterion",
    "Missing",
    "Number",
    "Shares",
    "What",
    "Why",
    "above",
    "all_above",
    "all_below",
    "all_met",
    "any_met",
    "below",
    "either",
    "is_saturated",
    "judging",
    "undecided",
    "within",
]

MIN_CASES = 10
"""With fewer images nothing is judged, because intervals are too narrow then."""

_SAME = 1e-9


class What(Enum):
    """Subject of a criterion."""

    RATERS = auto()
    MODELS = auto()
    SEEDS = auto()
    ENSEMBLES = auto()
    HELD_OUT = auto()
    ORIGINAL = auto()
    OWN_MEMBERS = auto()
    MEMBERS = auto()
    COMPLETE = auto()
    CREDIBLE = auto()
    OWN_IMAGE = auto()
    PLAUSIBLE = auto()
    NEUTRAL = auto()
    IMPRINT = auto()
    CONSENSUS_IMPRINT = auto()
    DEPENDENCE = auto()
    STANDING = auto()
    TO_RATERS = auto()
    TO_MODELS = auto()
    AMOUNT = auto()
    AMOUNT_OF_GROUP = auto()
    SMALL_PARTS = auto()
    CONCORDANCE = auto()
    TOGETHER = auto()
    APART = auto()
    CONSISTENT = auto()


RATIOS = (What.AMOUNT, What.AMOUNT_OF_GROUP)
"""Subjects that are ratios, with two lines: a factor, and 1 divided by it."""


class Why(Enum):
    """Why a criterion is undecided."""

    NO_NUMBER = auto()
    FEW_CASES = auto()
    SMALL_PARTS = auto()
    NO_INTERVAL = auto()
    SATURATED = auto()
    CONSTANT = auto()
    EITHER_SIDE = auto()
    NO_SECOND_RATER = auto()
    NO_THIRD_RATER = auto()
    NOT_TESTABLE = auto()
    OTHER_CONCLUSIONS = auto()
    COPIES = auto()
    NO_NEARER = auto()
    NO_MEMBERS = auto()
    UNTESTED = auto()
    SOME_IMAGES = auto()
    NO_MASKS = auto()
    NO_BETTER_THAN_MIRRORED = auto()
    NO_BETTER_THAN_ELSEWHERE = auto()
    TOO_ALIKE = auto()
    KNOWS_VOTES = auto()
    FOLLOWS_A_RATER = auto()
    WEAK_MODELS = auto()
    MIXED_UP_MODELS = auto()
    EXCHANGEABLE = auto()


@dataclass(frozen=True)
class Number:
    """A row of the scores: a value with its interval.

    Attributes:
        value: The value.
        low: Lower limit; NaN without an interval.
        high: Upper limit; NaN without an interval.
        n_cases: Number of images that it is computed from.
        target: Annotator or group that it belongs to.
        against: Rater or measure that it is about; may be empty.
        note: Note of the number; may be empty.
    """

    value: float
    low: float
    high: float
    n_cases: int
    target: str = ""
    against: str = ""
    note: str = ""


@dataclass(frozen=True)
class Shares:
    """Shares of conclusions of the experiment that are those of a rater, in [0, 1].

    Attributes:
        own: The smallest share of the judged annotators.
        lowest: The smallest share of a rater, compared with the other raters.
        bar: The smallest share but one, of two raters the smallest: one careless rater must not lower it.
        highest: The largest share of a rater, compared with the other raters.
    """

    own: float
    lowest: float
    bar: float
    highest: float


@dataclass(frozen=True)
class Missing:
    """Why a criterion is undecided.

    Attributes:
        of: Subject of the criterion.
        why: Reason.
        number: The number that is undecided; None without one.
        line: The line that it was compared with.
        names: Annotators that it is about; may be empty.
    """

    of: What
    why: Why
    number: Number | None = None
    line: float = math.nan
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Criterion:
    """One part of a rule.

    Attributes:
        of: Subject.
        met: Whether it is met; None if it is undecided.
        rests_on: The number, or the shares, that it rests on; None without any.
        missing: Why it is undecided; empty if it is decided.
        parts: Alternatives, of which one must be met.
        measure: What it compares, such as `f1`, `dice` or `n_objects`; may be empty.
        line: The line; for an amount the largest ratio.
        counts: Whether the verdict rests on it; a measure on which all agree completely cannot judge.
    """

    of: What
    met: bool | None
    rests_on: Number | Shares | None = None
    missing: tuple[Missing, ...] = ()
    parts: tuple["Criterion", ...] = ()
    measure: str = ""
    line: float = math.nan
    counts: bool = True


def above(of: What, number: Number | None, line: float, *, lack: Why = Why.NO_NUMBER, agree: float = 0.0) -> Criterion:
    """Whether an interval is above a line.

    Args:
        of: Subject of the criterion.
        number: The number; None without one.
        line: The line.
        lack: Reason to state if there is no number.
        agree: The value if all agree completely: 0 of a difference, 1 of an agreement.

    Example:
        >>> number = Number(value=0.2, low=0.1, high=0.3, n_cases=20)
        >>> [above(What.IMPRINT, number, line).met for line in (0.05, 0.1, 0.4)]
        [True, None, False]
    """
    return _beyond(of, number, line, lack, agree, up=True)


def below(of: What, number: Number | None, line: float, *, lack: Why = Why.NO_NUMBER, agree: float = 0.0) -> Criterion:
    """Whether an interval is below a line; arguments as for `above`."""
    return _beyond(of, number, line, lack, agree, up=False)


def _beyond(of: What, number: Number | None, line: float, lack: Why, agree: float, *, up: bool) -> Criterion:
    if number is None:
        return undecided(of, lack)
    if (why := _lacks(number, agree)) is not None:
        return undecided(of, why, number, line)
    is_above, is_below = number.low > line, number.high < line
    if is_below if up else is_above:
        return Criterion(of, False, number, line=line)
    if not (is_above if up else is_below):
        return undecided(of, Why.EITHER_SIDE, number, line)
    return undecided(of, Why.CONSTANT, number, line) if _is_constant(number) else Criterion(of, True, number, line=line)


def within(of: What, number: Number | None, factor: float) -> Criterion:
    """Whether the interval of a ratio is between 1 / factor and factor."""
    if number is None:
        return undecided(of, Why.NO_NUMBER)
    if (why := _lacks(number, agree=1.0)) is not None:
        return undecided(of, why, number, factor)
    if number.low > factor or number.high < 1 / factor:
        return Criterion(of, False, number, line=factor)
    if _is_constant(number):
        return undecided(of, Why.CONSTANT, number, factor)
    if number.low > 1 / factor and number.high < factor:
        return Criterion(of, True, number, line=factor)
    return undecided(of, Why.EITHER_SIDE, number, factor)


def _lacks(number: Number, agree: float) -> Why | None:
    """Why a number cannot be compared with any line; None if it can."""
    if number.n_cases < MIN_CASES:
        return Why.FEW_CASES
    if math.isnan(number.low) or math.isnan(number.high):
        return Why.NO_INTERVAL
    return Why.SATURATED if _is_constant(number) and abs(number.value - agree) < _SAME else None


def _is_constant(number: Number) -> bool:
    """Whether it is the same in every image: an interval without width can refute, and never supports."""
    return number.high - number.low < _SAME


def undecided(
    of: What, why: Why, number: Number | None = None, line: float = math.nan, names: Sequence[str] = ()
) -> Criterion:
    """An undecided criterion."""
    return Criterion(of, None, number, (Missing(of, why, number, line, tuple(names)),), line=line)


def all_above(of: What, numbers: Sequence[Number | None], line: float, *, lack: Why = Why.NO_NUMBER) -> Criterion:
    """Whether all numbers are above a line; the criterion rests on the number with the lowest lower limit."""
    criteria = [above(of, number, line, lack=lack) for number in numbers or [None]]
    return _joint(of, criteria, line, lambda number: number.low)


def all_below(of: What, numbers: Sequence[Number | None], line: float, *, lack: Why = Why.NO_NUMBER) -> Criterion:
    """Whether all numbers are below a line; the criterion rests on the number with the highest upper limit.

    The highest of several numbers is above the line by chance more often than one number, so that only a number whose
    interval at Bonferroni's level is above the line refutes the criterion.
    """
    criteria = [below(of, number, line, lack=lack) for number in numbers or [None]]
    reach = scipy.stats.norm.ppf(1 - 0.025 / len(criteria)) / scipy.stats.norm.ppf(0.975)
    for place, (one, number) in enumerate(zip(criteria, numbers, strict=False)):
        if one.met is False and number is not None and number.value - reach * (number.value - number.low) <= line:
            criteria[place] = undecided(of, Why.EITHER_SIDE, number, line)
    return _joint(of, criteria, line, lambda number: -number.high)


def _joint(of: What, criteria: Sequence[Criterion], line: float, order: Callable[[Number], float]) -> Criterion:
    met = all_met(criteria)
    known = [one.rests_on for one in criteria if isinstance(one.rests_on, Number) and not math.isnan(one.rests_on.low)]
    missing = next(one.missing for one in criteria if one.met is None) if met is None else ()
    shown = [one.rests_on for one in criteria if one.met is False and isinstance(one.rests_on, Number)] or known
    return Criterion(of, met, min(shown, key=order, default=None), missing, line=line)


def either(of: What, parts: Sequence[Criterion]) -> Criterion:
    """Alternatives, of which one must be met."""
    met = any_met(parts)
    missing = tuple(one for part in parts if part.met is None for one in part.missing) if met is None else ()
    return Criterion(of, met, None, missing, tuple(parts))


def judging(criteria: Sequence[Criterion]) -> tuple[Criterion, ...]:
    """The same criteria; a saturated one does not count if another one is not saturated.

    A measure on which all agree completely, such as F1 if every image holds one object, can show no difference.
    """
    saturated = [is_saturated(one) for one in criteria]
    if all(saturated):
        return tuple(criteria)
    return tuple(
        replace(one, counts=one.counts and not silent) for one, silent in zip(criteria, saturated, strict=True)
    )


def is_saturated(one: Criterion) -> bool:
    """Whether a criterion is undecided because everybody agrees completely."""
    if one.parts:  # of alternatives one must be, and no other may have a number
        known = [part for part in one.parts if part.met is not None or part.rests_on is not None]
        return any(map(is_saturated, one.parts)) and all(map(is_saturated, known))
    return one.met is None and all(missing.why is Why.SATURATED for missing in one.missing)


def all_met(criteria: Sequence[Criterion]) -> bool | None:
    """Whether all that count are met: False if one is not met, else None if one is undecided."""
    met = [criterion.met for criterion in criteria if criterion.counts]
    return False if False in met else None if None in met else True


def any_met(criteria: Sequence[Criterion]) -> bool | None:
    """Whether any is met: True if one is met, else None if one is undecided."""
    met = [criterion.met for criterion in criteria]
    return True if True in met else None if None in met else False

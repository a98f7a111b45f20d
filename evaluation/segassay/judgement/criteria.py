"""Criteria of a verdict: numbers compared with lines, and what is missing if they are undecided.

    number, line  ->  criterion: met, not met, or undecided
    criteria      ->  met if all are, or if any is

A criterion is met if the whole interval is on the good side of the line, not met if the whole interval is on the other
side, and undecided otherwise, so that too few images never support or refute anything. This module has no texts; they
are in `words`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import pandas as pd

from segassay.qualities.scores.measure import Form
from segassay.qualities.scores.table import rows_of

__all__ = [
    "MIN_CASES",
    "Criterion",
    "Missing",
    "Number",
    "Shares",
    "What",
    "Why",
    "above",
    "all_met",
    "any_met",
    "below",
    "either",
    "lowest_above",
    "number_of",
    "undecided",
]

MIN_CASES = 10
"""With fewer images nothing is judged, because intervals of ratios (BCa) are too narrow then."""


class What(Enum):
    """Subject of a criterion."""

    RATERS = auto()
    MODELS = auto()
    SEEDS = auto()
    ENSEMBLES = auto()
    HELD_OUT = auto()
    IMPRINT = auto()
    REMOVAL = auto()
    IMPRINT_OR_REMOVAL = auto()
    WILLIAMS = auto()
    GAIN_OVER_RATERS = auto()
    GAIN_OVER_MODELS = auto()
    TO_WORST_RATER = auto()
    TO_MEAN_RATER = auto()
    CONCORDANCE = auto()


class Why(Enum):
    """Why a criterion is undecided."""

    NO_NUMBER = auto()
    FEW_CASES = auto()
    NO_INTERVAL = auto()
    EITHER_SIDE = auto()
    NO_SECOND_RATER = auto()
    NO_EXPERIMENT = auto()
    NOT_TESTABLE = auto()
    OTHER_CONCLUSIONS = auto()


@dataclass(frozen=True)
class Number:
    """A row of the scores: a value with its interval.

    Attributes:
        value: The value.
        low: Lower limit; NaN without an interval.
        high: Upper limit; NaN without an interval.
        n_cases: Number of images that it is computed from.
        target: Annotator or group that it belongs to.
        note: Note of the score; may be empty.
    """

    value: float
    low: float
    high: float
    n_cases: int
    target: str = ""
    note: str = ""


@dataclass(frozen=True)
class Shares:
    """Shares of conclusions of the experiment that are those of a rater, in [0, 1].

    Attributes:
        own: The smallest share of the judged annotators.
        lowest: The smallest share of a rater, compared with the other raters.
        highest: The largest share of a rater, compared with the other raters.
    """

    own: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Missing:
    """Why a criterion is undecided.

    Attributes:
        of: Subject of the criterion.
        why: Reason.
        number: The number that is undecided; None without one.
        line: The line that it was compared with.
    """

    of: What
    why: Why
    number: Number | None = None
    line: float = math.nan


@dataclass(frozen=True)
class Criterion:
    """One part of a rule.

    Attributes:
        of: Subject.
        met: Whether it is met; None if it is undecided.
        rests_on: The number, or the shares, that it rests on; None without any.
        missing: Why it is undecided; empty if it is decided.
        parts: Alternatives, of which one must be met.
    """

    of: What
    met: bool | None
    rests_on: Number | Shares | None = None
    missing: tuple[Missing, ...] = ()
    parts: tuple["Criterion", ...] = ()


def number_of(scores: pd.DataFrame, form: Form, target: str) -> Number | None:
    """The number of one target; None if it is not in the scores, or undefined."""
    rows = rows_of(scores, form, target)
    rows = rows[rows["value"].notna()]
    if rows.empty:
        return None
    value, low, high, n_cases, note = rows[["value", "low", "high", "n_cases", "note"]].iloc[0]
    return Number(float(value), float(low), float(high), int(n_cases), target, "" if pd.isna(note) else str(note))


def above(of: What, number: Number | None, line: float, *, lack: Why = Why.NO_NUMBER) -> Criterion:
    """Whether an interval is above a line.

    Args:
        of: Subject of the criterion.
        number: The number; None without one.
        line: The line.
        lack: Reason to state if there is no number.

    Example:
        >>> number = Number(value=0.2, low=0.1, high=0.3, n_cases=20)
        >>> [above(What.IMPRINT, number, line).met for line in (0.05, 0.1, 0.4)]
        [True, None, False]
    """
    if number is not None and not _decides(number):
        return undecided(of, Why.FEW_CASES if number.n_cases < MIN_CASES else Why.NO_INTERVAL, number, line)
    if number is None:
        return undecided(of, lack)
    if number.low > line or number.high < line:
        return Criterion(of, number.low > line, number)
    return undecided(of, Why.EITHER_SIDE, number, line)


def below(of: What, number: Number | None, line: float) -> Criterion:
    """Whether an interval is below a line; arguments as for `above`."""
    other = above(of, number, line)
    return Criterion(of, None if other.met is None else not other.met, other.rests_on, other.missing)


def _decides(number: Number) -> bool:
    return number.n_cases >= MIN_CASES and not math.isnan(number.low) and not math.isnan(number.high)


def undecided(of: What, why: Why, number: Number | None = None, line: float = math.nan) -> Criterion:
    """An undecided criterion."""
    return Criterion(of, None, number, (Missing(of, why, number, line),))


def lowest_above(of: What, numbers: Sequence[Number | None], line: float, *, lack: Why = Why.NO_NUMBER) -> Criterion:
    """Whether all numbers are above a line; the criterion rests on the number with the lowest lower limit."""
    criteria = [above(of, number, line, lack=lack) for number in numbers or [None]]
    known = [number for number in numbers if number is not None]
    met = all_met(criteria)
    missing = next(one.missing for one in criteria if one.met is None) if met is None else ()
    return Criterion(of, met, min(known, key=lambda number: number.low, default=None), missing)


def either(of: What, parts: Sequence[Criterion]) -> Criterion:
    """Alternatives, of which one must be met."""
    met = any_met(parts)
    missing = tuple(one for part in parts if part.met is None for one in part.missing) if met is None else ()
    return Criterion(of, met, None, missing, tuple(parts))


def all_met(criteria: Sequence[Criterion]) -> bool | None:
    """Whether all are met: False if one is not met, else None if one is undecided."""
    met = [criterion.met for criterion in criteria]
    return False if False in met else None if None in met else True


def any_met(criteria: Sequence[Criterion]) -> bool | None:
    """Whether any is met: True if one is met, else None if one is undecided."""
    met = [criterion.met for criterion in criteria]
    return True if True in met else None if None in met else False

"""Criteria before any words: numbers, lines, what is missing, and how several criteria are joined."""

import math
from dataclasses import replace

import pytest

from segassay.judgement.criteria import (
    Criterion,
    Number,
    What,
    Why,
    above,
    all_above,
    all_below,
    all_met,
    any_met,
    below,
    either,
    judging,
    undecided,
    within,
)


def number(low: float, high: float, n_cases: int = 20) -> Number:
    return Number((low + high) / 2, low, high, n_cases)


@pytest.mark.parametrize(
    ("found", "met", "why"),
    [
        (number(0.1, 0.2), True, None),
        (number(-0.2, -0.1), False, None),
        (number(-0.1, 0.1), None, Why.EITHER_SIDE),
        (number(0.1, 0.2, n_cases=9), None, Why.FEW_CASES),
        (number(math.nan, math.nan), None, Why.NO_INTERVAL),
        (number(0.0, 0.0), None, Why.SATURATED),
        (None, None, Why.NO_SECOND_RATER),
    ],
)
def test_a_criterion_says_whether_it_is_met_on_what_it_rests_and_what_is_missing(
    found: Number | None, met: bool | None, why: Why | None
) -> None:
    criterion = above(What.TO_MODELS, found, 0.0, lack=Why.NO_SECOND_RATER)
    assert (criterion.met, criterion.rests_on) == (met, found)
    assert [missing.why for missing in criterion.missing] == ([] if why is None else [why])
    assert below(What.TO_MODELS, found, 0.0).met is (None if met is None else not met)


@pytest.mark.parametrize("line", [-0.05, 0.0, 0.1])
def test_a_limit_on_the_line_decides_nothing(line: float) -> None:
    for low, high in ((line, line + 0.1), (line - 0.1, line)):
        assert above(What.STANDING, number(low, high), line).met is None
    assert above(What.STANDING, number(line + 1e-6, line + 0.1), line).met
    assert above(What.STANDING, number(line - 0.1, line - 1e-6), line).met is False


def test_a_ratio_lies_within_a_factor_either_way() -> None:
    cases = {(0.9, 1.1): True, (0.4, 0.7): False, (1.4, 2.0): False, (0.7, 1.1): None, (1.1, 1.4): None}
    assert {limits: within(What.AMOUNT, number(*limits), 4 / 3).met for limits in cases} == cases
    assert within(What.AMOUNT, None, 4 / 3).missing[0].why is Why.NO_NUMBER
    assert within(What.AMOUNT, number(1.0, 1.0), 4 / 3).missing[0].why is Why.SATURATED
    assert within(What.AMOUNT, number(1.1, 1.1), 4 / 3).missing[0].why is Why.CONSTANT
    assert [within(What.AMOUNT, number(ratio, ratio), 4 / 3).met for ratio in (0.0, 2.0)] == [False, False]


def test_an_error_that_is_the_same_in_every_image_refutes_and_is_not_passed_over() -> None:
    """As a false object in every image does: the difference has no interval, but it is no agreement."""
    outlines = above(What.STANDING, number(-0.01, 0.01), -0.05)
    found = judging([above(What.STANDING, number(-0.33, -0.33), -0.05), outlines])
    assert [one.counts for one in found] == [True, True]
    assert all_met(found) is False
    assert [below(What.APART, number(value, value), 0.1).met for value in (0.3, 0.05)] == [False, None]
    assert below(What.APART, number(0.05, 0.05), 0.1).missing[0].why is Why.CONSTANT
    better = judging([above(What.STANDING, number(0.2, 0.2), -0.05), outlines])
    assert all_met(better) is None  # without an interval nothing is supported
    agreement = [above(What.TOGETHER, number(value, value), 0.5, agree=1.0) for value in (0.0, 1.0)]
    assert [one.met for one in agreement] == [False, None]
    assert agreement[1].missing[0].why is Why.SATURATED


def test_all_and_any_of_criteria() -> None:
    good, bad = above(What.IMPRINT, number(1, 2), 0), above(What.IMPRINT, number(-2, -1), 0)
    open_ = undecided(What.IMPRINT, Why.NO_NUMBER)
    assert [all_met(of) for of in ((good, good), (good, open_), (open_, bad), ())] == [True, None, False, True]
    assert [any_met(of) for of in ((bad, bad), (bad, open_), (open_, good), ())] == [False, None, True, False]
    assert either(What.DEPENDENCE, [bad, open_]).missing == open_.missing
    assert either(What.DEPENDENCE, [good, open_]).missing == ()
    assert all_met([good, replace(open_, counts=False)])


def test_of_several_numbers_all_must_lie_above_and_the_lowest_is_shown() -> None:
    numbers = [number(0.3, 0.4), number(0.1, 0.2)]
    assert all_above(What.STANDING, numbers, 0.0).met
    assert all_above(What.STANDING, numbers, 0.25).met is False
    assert all_above(What.STANDING, [*numbers, None], 0.0).met is None
    assert all_above(What.STANDING, [*numbers, None], 0.0).rests_on == numbers[1]
    assert all_above(What.STANDING, [], 0.0).missing[0].why is Why.NO_NUMBER


def test_of_several_numbers_the_highest_refutes_only_beyond_chance() -> None:
    """One of five is above a line at 95 % in one study of eight although none is."""
    low = [number(-0.05, 0.05)] * 4
    assert all_below(What.IMPRINT, [*low, number(0.11, 0.31)], 0.10).met is None
    assert all_below(What.IMPRINT, [*low, number(0.20, 0.30)], 0.10).met is False
    assert all_below(What.IMPRINT, low, 0.10).met
    assert all_below(What.IMPRINT, [number(0.11, 0.31)], 0.10).met is False  # alone it is no highest of several


def test_a_measure_on_which_all_agree_does_not_judge_unless_it_is_the_only_one() -> None:
    silent, good = above(What.STANDING, number(0.0, 0.0), -0.05), above(What.STANDING, number(1, 2), 0)
    assert [one.counts for one in judging([silent, good])] == [False, True]
    assert [one.counts for one in judging([silent, silent])] == [True, True]
    assert [one.counts for one in judging([either(What.DEPENDENCE, [silent, silent]), good])] == [False, True]
    assert [one.counts for one in judging([either(What.DEPENDENCE, [silent, good]), good])] == [True, True]
    lacking, open_ = undecided(What.IMPRINT, Why.WEAK_MODELS), above(What.IMPRINT, number(-1, 1), 0)
    assert [one.counts for one in judging([either(What.DEPENDENCE, [silent, lacking]), good])] == [False, True]
    assert [one.counts for one in judging([either(What.DEPENDENCE, [silent, open_]), good])] == [True, True]
    assert all_met(judging([silent])) is None
    assert all_met((Criterion(What.ORIGINAL, True), *judging([silent, good])))

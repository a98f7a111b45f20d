"""Cards of verdicts: the number on which a verdict rests, its picture, and its limit."""

import math

import pytest

from segassay.judgement.criteria import Criterion, Number, What, Why, undecided
from segassay.judgement.judged import Judged
from segassay.judgement.judgement import Judgement
from segassay.report.cards import Key, _key, cards, gauge

GOOD = Number(0.7, 0.65, 0.75, 20, "the median rater", "the consensus of the other raters")
FAR = Number(0.22, 0.2, 0.25, 20, "eva", "eva")


def test_a_verdict_rests_on_the_criterion_that_is_not_met():
    """The first number of all is fine, and would stand beside “not supported” without a reason."""
    criteria = (
        Criterion(What.TOGETHER, True, GOOD, measure="f1", line=0.5),
        Criterion(What.APART, False, FAR, measure="f1", line=0.1),
    )
    found = _key(Judgement("raters", Judged(), criteria))
    assert (found.number, found.limit, found.above) == (FAR, 0.1, False)
    assert "eva" in found.words
    assert _key(Judgement("raters", Judged(), criteria[:1])).number is GOOD


def test_an_undecided_verdict_shows_the_number_that_is_undecided():
    open_number = Number(0.1, 0.0, 0.2, 20, against="dice")
    criteria = (
        Criterion(What.TO_MODELS, True, GOOD, measure="f1", line=-0.02),
        undecided(What.TO_RATERS, Why.EITHER_SIDE, open_number, 0.0),
    )
    found = _key(Judgement("reliability", Judged(("a",)), criteria, headline=(GOOD,)))
    assert found.number is open_number


def test_a_criterion_that_does_not_count_is_not_shown():
    silent = Criterion(What.TOGETHER, None, FAR, measure="f1", counts=False)
    assert _key(Judgement("raters", Judged(), (silent,))) is None


@pytest.mark.parametrize(("measure", "unit"), [("f1", "F1"), ("dice", "Dice"), ("nsd_2px", "NSD")])
def test_a_key_number_names_what_it_is_measured_in(measure, unit):
    criterion = Criterion(What.STANDING, False, FAR, measure=measure, line=-0.05)
    assert _key(Judgement("validity", Judged(), (criterion,))).words == f"difference from the median rater ({unit})"


@pytest.mark.parametrize(
    ("key", "good", "limits"),
    [
        (Key("", GOOD, 0.5), (50.0, 100.0), (50.0,)),
        (Key("", GOOD), None, ()),
        (Key("", FAR, 0.1, above=False, scale="difference"), (0.0, 66.67), (66.67,)),
        (Key("", Number(1.0, 0.8, 1.25, 9), 4 / 3, scale="ratio"), (8.33, 91.67), (8.33, 91.67)),
    ],
)
def test_places_of_a_picture(key, good, limits):
    shown = gauge(key)
    assert shown.good == good
    assert shown.limits == limits
    assert 0 <= shown.low <= shown.value <= shown.high <= 100


def test_no_picture_without_an_interval():
    assert gauge(Key("", Number(0.5, math.nan, math.nan, 3))) is None
    assert gauge(Key("", Number(0.5, 0.0, 1.0, 3), 1.3, scale="ratio")) is None


def test_cards_say_what_the_summary_says(odd):
    found = cards(odd)
    assert [card.quality for card in found] == ["objectivity", "reliability", "validity"]
    for card in found:
        of = odd.summary[card.quality]
        assert (f"{card.word}: {card.why}" if card.why else card.word) == of["verdict"]
        assert card.sentence == of["sentence"]
        assert card.value
        assert bool(card.settle) == (card.outcome == "open")

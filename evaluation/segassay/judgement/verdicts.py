"""The three verdicts: lines and rules. docs/verdicts.md gives the reasons, `words` the texts.

    scores, effects, annotations  ->  criteria, each met, not met or undecided  ->  verdict

All lines were fixed before any study was run, and are compared with whole 95 % intervals. A quality is supported if
every criterion is met, not supported if one is not met, and otherwise it cannot be judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from segassay.data.annotations import raters_of
from segassay.judgement.conclusions import concordance_of_effects
from segassay.judgement.criteria import (
    Criterion,
    Number,
    What,
    Why,
    all_met,
    below,
    either,
    lowest_above,
    number_of,
    undecided,
)
from segassay.judgement.judged import Judged, judged_annotators
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.objectivity.imprint import removal_form
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.measure import LEAVE_ONE_OUT, PAIRWISE
from segassay.qualities.scores.table import ALL_RATERS, annotator_kinds, rows_of
from segassay.qualities.validity import records as validity

__all__ = ["Judgement", "judge"]

IMPRINT_MATTERS = 0.05
"""F1: one object in twenty. A smaller imprint does not matter for the result."""

REMOVAL_ABOVE = 0.0
"""F1: models of the consensus must agree better with a rater they never saw than other raters' models do, by any
amount."""

WILLIAMS_AT_LEAST = 0.95
"""Agreement with the raters, in multiples of their agreement with each other; a twentieth less does not matter."""

ENSEMBLES_ABOVE_RATERS = 0.05
"""F1: training again must change clearly less than asking another rater."""

ENSEMBLES_ABOVE_MODELS = -0.02
"""F1: ensembles should agree more than their members do; if the members agree perfectly, they cannot, so a loss is
tolerated that is smaller than the usual spread of trainings."""

SCORE_ABOVE_WORST_RATER = -0.05
"""F1: not clearly below the range of the raters."""

SCORE_ABOVE_MEAN_RATER = -0.10
"""F1: a single careless rater can make the range of the raters as wide as you like, so the score must not be far below
the average rater either."""


@dataclass(frozen=True)
class Judgement:
    """The judgement of one quality.

    Attributes:
        quality: The quality.
        judged: The annotators that it is about.
        criteria: The criteria of its rule.
        headline: Numbers that its sentence starts with: the Williams index, the agreement of two ensembles, or the
            scores of the judged annotators; if empty, only agreement between raters, or between models, is known.
        one_by_one: Whether scores are against single raters, because these are too few for a consensus of the others.
    """

    quality: str
    judged: Judged
    criteria: tuple[Criterion, ...]
    headline: tuple[Number, ...] = ()
    one_by_one: bool = False

    @property
    def supported(self) -> bool | None:
        """Whether the quality is supported; None if it cannot be judged."""
        return all_met(self.criteria)


def judge(scores: pd.DataFrame, effects: pd.DataFrame, annotations: pd.DataFrame) -> dict[str, Judgement]:
    """Judge each quality.

    Args:
        scores: What `build_scores` and `further_measures` return, in one table. The rules use, for objectivity,
            `imprint` and `removal_of_bias` of all raters and the `williams_index` of the judged annotators; for
            reliability, `f1`, `f1_minus_models` and `f1_minus_raters` of their ensembles; for validity,
            `f1_leave_one_out` (or `f1_pairwise`), the same with `_minus_raters` and `_minus_worst_rater`.
        effects: What `segassay.tables.effects.effects` returns; without rows if there is no experiment.
        annotations: What `read_annotations` returns.

    Returns:
        Quality -> judgement; `segassay.judgement.words` puts it in words.
    """
    judged = judged_annotators(annotations)
    raters = raters_of(annotator_kinds(annotations))
    return {
        "objectivity": _objectivity(scores, judged, raters),
        "reliability": _reliability(scores, judged, raters, annotations),
        "validity": _validity(scores, effects, judged, raters),
    }


def _objectivity(scores: pd.DataFrame, judged: Judged, raters: Sequence[str]) -> Judgement:
    if len(raters) < 2:
        return Judgement("objectivity", judged, (undecided(What.RATERS, Why.NO_SECOND_RATER),))
    if not judged.names:
        return Judgement("objectivity", judged, (undecided(What.MODELS, Why.NO_NUMBER),))
    of_rater = below(What.IMPRINT, number_of(scores, objectivity.IMPRINT.form(), ALL_RATERS), IMPRINT_MATTERS)
    if judged.of_consensus:
        of_rater = either(What.IMPRINT_OR_REMOVAL, [of_rater, _removal(scores, judged)])
    indices = [number_of(scores, objectivity.WILLIAMS_INDEX.form(), name) for name in judged.names]
    williams = lowest_above(What.WILLIAMS, indices, WILLIAMS_AT_LEAST)
    return Judgement("objectivity", judged, (of_rater, williams, *_held_out(judged)), _known(indices[:1]))


def _removal(scores: pd.DataFrame, judged: Judged) -> Criterion:
    """For the consensus that the judged annotators were trained on; for several, the smallest."""
    numbers = [number_of(scores, removal_form(on), ALL_RATERS) for on in judged.trained_on]
    return lowest_above(What.REMOVAL, numbers, REMOVAL_ABOVE)


def _held_out(judged: Judged) -> list[Criterion]:
    """A model agrees too well with everyone on images it was trained on: this may refute a quality, not support it."""
    return [] if judged.held_out or not judged.names else [undecided(What.HELD_OUT, Why.NO_NUMBER)]


def _known(numbers: Sequence[Number | None]) -> tuple[Number, ...]:
    return tuple(number for number in numbers if number is not None)


def _reliability(scores: pd.DataFrame, judged: Judged, raters: Sequence[str], annotations: pd.DataFrame) -> Judgement:
    measured = set(rows_of(scores, reliability.F1.form())["target"])
    if not measured:
        return Judgement("reliability", judged, (undecided(What.SEEDS, Why.NO_NUMBER),))
    targets = [target for target in _ensembles_of(judged, annotations) if target in measured]
    if not targets:
        return Judgement("reliability", judged, (undecided(What.ENSEMBLES, Why.NO_NUMBER),))
    lack = Why.NO_SECOND_RATER if len(raters) < 2 else Why.NO_NUMBER
    over_raters, over_models = (
        [number_of(scores, record.form(reliability.F1.name), target) for target in targets]
        for record in (reliability.MINUS_RATERS, reliability.MINUS_MODELS)
    )
    criteria = (
        lowest_above(What.GAIN_OVER_RATERS, over_raters, ENSEMBLES_ABOVE_RATERS, lack=lack),
        lowest_above(What.GAIN_OVER_MODELS, over_models, ENSEMBLES_ABOVE_MODELS),
        *_held_out(judged),
    )
    own = [number_of(scores, reliability.F1.form(), target) for target in targets]
    return Judgement("reliability", judged, criteria, _known(own))


def _ensembles_of(judged: Judged, annotations: pd.DataFrame) -> list[str]:
    """Groups of ensembles trained on the same masks as the judged annotators; all groups if that is unknown."""
    ensembles = [group for group in trained_alike(annotations) if group.kind == "ensemble"]
    whole = [group for group in ensembles if not group.annotators[0].leaves_a_rater_out]
    return [group.target for group in whole if not judged.trained_on or group.trained_on in judged.trained_on]


def _validity(scores: pd.DataFrame, effects: pd.DataFrame, judged: Judged, raters: Sequence[str]) -> Judgement:
    if not judged.names:
        return Judgement("validity", judged, (undecided(What.MODELS, Why.NO_NUMBER),))
    own_with = {
        comparison: _known([number_of(scores, validity.F1.form(comparison=comparison), name) for name in judged.names])
        for comparison in (LEAVE_ONE_OUT, PAIRWISE)
    }
    comparison = LEAVE_ONE_OUT if own_with[LEAVE_ONE_OUT] else PAIRWISE
    lack = Why.NO_SECOND_RATER if len(raters) < 2 else Why.NO_NUMBER
    to_worst, to_mean = (
        [number_of(scores, record.form(validity.F1.name, comparison), name) for name in judged.names]
        for record in (validity.MINUS_WORST_RATER, validity.MINUS_RATERS)
    )
    criteria = (
        lowest_above(What.TO_WORST_RATER, to_worst, SCORE_ABOVE_WORST_RATER, lack=lack),
        lowest_above(What.TO_MEAN_RATER, to_mean, SCORE_ABOVE_MEAN_RATER, lack=lack),
        concordance_of_effects(effects, judged.names, raters),
        *_held_out(judged),
    )
    return Judgement("validity", judged, criteria, own_with[comparison], one_by_one=comparison == PAIRWISE)

"""The three verdicts: lines and rules. docs/verdicts.md gives the reasons, `words` the texts.

    Findings  ->  criteria, each met, not met or undecided  ->  verdict

Finding objects (F1), their outlines (Dice) and their amounts (count, area, intensity) are judged one by one. Lines are
compared with whole 95 % intervals. A quality is supported if every criterion is met, not supported if one is not met,
and otherwise it cannot be judged.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from segassay.io.stored_tables import rows_where
from segassay.judgement.amounts import amounts
from segassay.judgement.conclusions import concordance_of_effects
from segassay.judgement.criteria import (
    Criterion,
    Number,
    What,
    Why,
    all_above,
    all_below,
    all_met,
    below,
    either,
    judging,
    undecided,
)
from segassay.judgement.dependence import Imprint, Models, consensus_imprints, held_out_agreement, imprints
from segassay.judgement.evidence import DICE, F1, Evidence, evidence_of, mean_of, median_over
from segassay.judgement.judged import Judged, judged_annotators
from segassay.judgement.judgement import Judgement, Uncounted
from segassay.judgement.originals import have_members, nearest_to_own_members
from segassay.judgement.preconditions import neutrality, preconditions, standing
from segassay.judgement.raters_alone import judge_raters
from segassay.qualities.scores.coverage import are_unequal
from segassay.qualities.scores.groups import Group, trained_alike
from segassay.qualities.scores.table import Findings

__all__ = ["Judgement", "judge"]

IMPRINT_MATTERS = 0.05
"""F1 and Dice, mean over raters: one object in twenty. A smaller imprint does not matter for the result."""

IMPRINT_OF_ONE_MATTERS = 0.10
"""F1 and Dice, of the rater with the largest imprint: one object in ten. The mean alone would hide a single rater."""

CONSENSUS_IMPRINT_MATTERS = 0.05
"""F1 and Dice, of every rater: one of several raters must not change the consensus by one object in twenty."""

STANDING_ABOVE = -0.05
"""F1 and Dice: not clearly below the median rater."""

SHARE_OF_DISAGREEMENT = 0.8
"""Training again must change at least a fifth less than asking another rater."""

ENSEMBLES_ABOVE_MODELS = -0.02
"""F1 and Dice: ensembles should agree more than their members do; if the members agree perfectly, they cannot, so a
loss is tolerated that is smaller than the usual spread of trainings."""


def judge(found: Findings) -> dict[str, Judgement]:
    """Judge each quality, and without any model the raters.

    Args:
        found: Tables, annotations, clusters and effects of an evaluation.

    Returns:
        Quality, or first `raters`, -> judgement; `segassay.judgement.words` puts it in words.
    """
    evidence, judged = evidence_of(found), judged_annotators(found.annotations)
    basis = Basis(
        cache(partial(preconditions, evidence)),
        cache(partial(_standing, evidence)),
        cache(partial(_own_members, evidence, found, judged)),
    )
    judgements = (
        _objectivity(evidence, found, judged, basis),
        _reliability(evidence, found, judged, basis),
        _validity(evidence, found, judged, basis),
    )
    left_out = (*evidence.few, *evidence.careless)
    raters = {} if judged.names else {"raters": judge_raters(evidence, found)}
    unequal = are_unequal(evidence.clusters)
    return {
        quality: replace(one, unequal=unequal)
        for quality, one in (raters | {one.quality: replace(one, left_out=left_out) for one in judgements}).items()
    }


class Basis(NamedTuple):
    """Criteria of several qualities, each computed once."""

    preconditions: Callable[[tuple[str, ...]], list[Criterion]]
    standing: Callable[[tuple[str, ...]], tuple[Criterion, ...]]
    own_members: Callable[[], tuple[Criterion, ...]]


def _objectivity(evidence: Evidence, found: Findings, judged: Judged, basis: Basis) -> Judgement:
    if lacking := _lacking(evidence, judged):
        return Judgement("objectivity", judged, (lacking,))
    models = held_out_agreement(evidence, found)
    criteria = (
        *judging(_dependence(evidence, models, judged)),
        *basis.standing(tuple(judged.names)),
        *basis.preconditions(tuple(judged.names)),
        *basis.own_members(),
        *neutrality(evidence, judged.names),
        *_held_out(judged),
    )
    return Judgement("objectivity", judged, criteria)


def _lacking(evidence: Evidence, judged: Judged) -> Criterion | None:
    if len(evidence.raters) < 2:
        return undecided(What.RATERS, Why.NO_SECOND_RATER)
    return None if judged.names else undecided(What.MODELS, Why.NO_NUMBER)


def _dependence(evidence: Evidence, models: Models, judged: Judged) -> list[Criterion]:
    """Models of single raters do not imitate them, or the consensus does not depend on any of its raters."""
    if evidence.exchangeable:
        return [replace(undecided(What.IMPRINT, Why.EXCHANGEABLE), measure=measure) for measure in evidence.measures]
    of_single, criteria = imprints(evidence, models), []
    of_consensus = [consensus_imprints(evidence, models, on) for on in judged.trained_on if judged.of_consensus]
    for measure in evidence.measures:
        found = _below_line(What.IMPRINT, of_single[measure], IMPRINT_OF_ONE_MATTERS)
        if judged.of_consensus:
            parts = [_below_line(What.CONSENSUS_IMPRINT, of[measure], CONSENSUS_IMPRINT_MATTERS) for of in of_consensus]
            found = either(What.DEPENDENCE, [found, *parts])
        criteria.append(replace(found, measure=measure))
    return criteria


def _below_line(of: What, imprint: Imprint, of_one: float) -> Criterion:
    """Whether the mean imprint, and that of every single rater, are below their lines."""
    if imprint.unusable is not None:
        why, names = imprint.unusable
        return undecided(of, why, names=names)
    if imprint.mixed_up:
        return undecided(of, Why.MIXED_UP_MODELS, names=imprint.mixed_up)
    largest = all_below(of, imprint.of_raters, of_one)
    if imprint.mean is None:
        return largest
    mean = below(of, imprint.mean, IMPRINT_MATTERS)
    decisive = mean if largest.met or mean.met is False else largest
    if imprint.untested and all_met([largest, mean]):
        return undecided(of, Why.UNTESTED, names=imprint.untested)
    return replace(decisive, met=all_met([largest, mean]), rests_on=largest.rests_on)


def _standing(evidence: Evidence, names: Sequence[str]) -> tuple[Criterion, ...]:
    return judging(
        [
            replace(
                all_above(
                    What.STANDING,
                    [
                        mean_of(evidence, standing(evidence, name, measure), target=name, against=measure)
                        for name in names
                    ],
                    STANDING_ABOVE,
                    lack=Why.NO_SECOND_RATER if len(evidence.raters) < 2 else Why.NO_NUMBER,
                ),
                measure=measure,
            )
            for measure in evidence.measures
        ]
    )


def _held_out(judged: Judged) -> list[Criterion]:
    """A model agrees too well with everyone on images it was trained on: this may refute a quality, not support it."""
    return [] if judged.held_out or not judged.names else [undecided(What.HELD_OUT, Why.NO_NUMBER)]


def _reliability(evidence: Evidence, found: Findings, judged: Judged, basis: Basis) -> Judgement:
    groups = trained_alike(found.annotations)
    if not judged.names:
        return Judgement("reliability", judged, (undecided(What.MODELS, Why.NO_NUMBER),))
    if not any(group.whole_pairs() for group in groups):
        return Judgement("reliability", judged, (undecided(What.SEEDS, Why.NO_NUMBER),))
    ensembles, models = _compared(groups, judged)
    if not ensembles:
        return Judgement("reliability", judged, (undecided(What.ENSEMBLES, Why.NO_NUMBER),))
    if len(evidence.raters) < 2:
        return Judgement("reliability", judged, (undecided(What.TO_RATERS, Why.NO_SECOND_RATER),))
    compared = sorted({name for group in ensembles for pair in group.whole_pairs() for name in pair})
    members = [models[key] for group in ensembles if (key := (group.strategy, group.trained_on)) in models]
    criteria = (
        *judging([_to_raters(evidence, ensembles, measure) for measure in (F1, DICE)]),
        *judging([_to_models(evidence, ensembles, models, measure) for measure in (F1, DICE)]),
        *basis.preconditions(tuple(compared)),
        *_no_copies_among(evidence, members),
        *basis.own_members(),
        have_members(ensembles, models),
        *_held_out(judged),
    )
    own = [mean_of(evidence, _between(evidence, group, F1), target=group.target, lowest=0.0) for group in ensembles]
    return Judgement("reliability", judged, criteria, tuple(number for number in own if number is not None))


def _own_members(evidence: Evidence, found: Findings, judged: Judged) -> tuple[Criterion, ...]:
    """Whether ensembles are those of their members: where two of one training are not, nothing about it holds."""
    ensembles, models = _compared(trained_alike(found.annotations), judged)
    return (nearest_to_own_members(evidence, ensembles, models),) if ensembles else ()


def _compared(groups: Sequence[Group], judged: Judged) -> tuple[list[Group], dict[tuple[str, str], Group]]:
    """Ensembles of the judged training of which two have no common member; and strategy, training -> single models."""
    ensembles = [group for group in groups if group.kind == "ensemble" and _of(group, judged) and group.whole_pairs()]
    return ensembles, {(group.strategy, group.trained_on): group for group in groups if group.kind == "model"}


def _of(group: Group, judged: Judged) -> bool:
    """Whether a group is trained on the same masks as the judged annotators; true if that is unknown."""
    whole = not group.annotators[0].leaves_a_rater_out
    return whole and (not judged.trained_on or group.trained_on in judged.trained_on)


def _no_copies_among(evidence: Evidence, groups: Sequence[Group]) -> list[Criterion]:
    copies = [pair for group in groups for pair in evidence.copies(group.names, group.names)]
    return [undecided(What.ORIGINAL, Why.COPIES, names=copies[0])] if copies else []


def _between(evidence: Evidence, group: Group, measure: str) -> np.ndarray:
    """`(N,)`, mean agreement of the pairs without a common member; NaN where nobody marks anything."""
    pairs = group.whole_pairs()
    values = [evidence.pairs[measure].between([a], [b])[:, 0, 0] for a, b in pairs]
    names = sorted({name for pair in pairs for name in pair})
    return np.where(evidence.marked(names), np.mean(values, axis=0) if values else np.nan, np.nan)


def _to_raters(evidence: Evidence, ensembles: Sequence[Group], measure: str) -> Criterion:
    """Disagreement of two ensembles minus a share of that of two raters, the median rater with the median other."""
    raters = median_over(median_over(evidence.between_raters(measure)))
    numbers = [
        mean_of(
            evidence,
            (1 - _between(evidence, group, measure)) - SHARE_OF_DISAGREEMENT * (1 - raters),
            target=group.target,
            against=measure,
        )
        for group in ensembles
    ]
    return replace(all_below(What.TO_RATERS, numbers, 0.0), measure=measure)


def _to_models(
    evidence: Evidence, ensembles: Sequence[Group], models: dict[tuple[str, str], Group], measure: str
) -> Criterion:
    numbers: list[Number | None] = []
    for group in ensembles:
        members = models.get((group.strategy, group.trained_on))
        if members is None or not members.whole_pairs():
            numbers.append(None)
            continue
        gap = _between(evidence, group, measure) - _between(evidence, members, measure)
        numbers.append(mean_of(evidence, gap, target=group.target, against=measure))
    return replace(all_above(What.TO_MODELS, numbers, ENSEMBLES_ABOVE_MODELS), measure=measure)


def _validity(evidence: Evidence, found: Findings, judged: Judged, basis: Basis) -> Judgement:
    if not judged.names:
        return Judgement("validity", judged, (undecided(What.MODELS, Why.NO_NUMBER),))
    criteria = [
        *basis.standing(tuple(judged.names)),
        *judging(list(amounts(evidence, judged, found))),
        *basis.preconditions(tuple(judged.names)),
        *basis.own_members(),
        *_held_out(judged),
    ]
    if not found.effects.empty and not evidence.exchangeable:
        criteria.append(concordance_of_effects(found.effects, judged.names, evidence.raters))
    own = [_score(evidence, name) for name in judged.names]
    shown = tuple(number for number in own if number is not None)
    return Judgement("validity", judged, tuple(criteria), shown, uncounted=_uncounted(evidence, found))


def _uncounted(evidence: Evidence, found: Findings) -> Uncounted | None:
    """How much less counts than the raters who are compared marked, over all images."""
    rows = rows_where(found.tables.uncounted, lambda table: table["rater"].isin(evidence.raters))
    n_px, n_px_counted, n_objects, n_counted = (float(rows[column].sum()) for column in _MARKED)
    if not n_px:
        return None
    return Uncounted(1 - n_px_counted / n_px, max(0.0, 1 - n_counted / n_objects))  # an area may divide objects


_MARKED = ("n_px", "n_px_counted", "n_objects", "n_objects_counted")


def _score(evidence: Evidence, name: str) -> Number | None:
    """F1 against C₋r, else with single raters: the median over raters."""
    values, against = evidence.with_others(name, F1), "others"
    if np.isnan(values).all():
        values, against = evidence.with_raters(name, F1), "raters"
    marked = np.where(evidence.marked([name]), median_over(values), np.nan)
    return mean_of(evidence, marked, target=name, against=against)

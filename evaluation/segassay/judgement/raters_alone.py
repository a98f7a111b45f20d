"""Do raters agree well enough to teach a model? The verdict on raters if there is no model yet.

Findings  ->  finding, outlines, amounts, and whether a rater is apart from the others  ->  verdict

Each line says what the consensus of the raters can be: one cannot learn more from masks than the raters have in common.
docs/verdicts.md gives the reasons.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from segassay.judgement.criteria import (
    MIN_CASES,
    Criterion,
    Number,
    What,
    Why,
    above,
    all_below,
    judging,
    undecided,
)
from segassay.judgement.evidence import DICE, F1, SHARED, Evidence, evidence_of, mean_of, median_over
from segassay.judgement.judged import Judged
from segassay.judgement.judgement import Judgement
from segassay.judgement.measures import where_marked
from segassay.qualities.objectivity.measurements import intraclass_correlation, one_way_correlation
from segassay.qualities.scores.table import Findings

__all__ = ["APART", "CONSISTENT_ABOVE", "TOGETHER_ABOVE", "judge_raters"]

TOGETHER_ABOVE = {F1: 0.5, DICE: 0.7}
"""Agreement of the median rater with the consensus of the others. F1 of objects is a κ, because nobody agrees by chance
on objects that nobody marked (Hripcsak & Rothschild 2005): at .5 three raters together reach .75 (Spearman and Brown).
A Dice above .7 is good agreement of outlines (Zijdenbos et al. 1994)."""

CONSISTENT_ABOVE = 0.75
"""ICC(A,k) of counts and areas, of all raters together: good (Koo & Li 2016), excellent (Cicchetti 1994)."""

APART = 0.10
"""F1, Dice and NSD that a rater may agree with the others less than the median of the other raters does: one object in
ten, as for the imprint of one rater."""

CONSENSUS_OF_OTHERS = "the consensus of the other raters"
_AMOUNTS = {"count": "n_objects", "area": "area_px"}


def judge_raters(evidence: Evidence, found: Findings) -> Judgement:
    """Judge whether these raters agree well enough to teach a model.

    Args:
        evidence: All comparisons.
        found: Tables, annotations and clusters of an evaluation.

    Returns:
        The judgement, under the name `raters`. A careless rater counts: the verdict is about all who drew enough masks.
    """
    everyone, where_drawn = (
        replace(one, raters=(*evidence.raters, *evidence.careless), careless=())
        for one in (evidence, evidence_of(replace(found, tables=where_marked(found.tables))))
    )
    if len(everyone.raters) < 2:
        return Judgement("raters", Judged(), (undecided(What.RATERS, Why.NO_SECOND_RATER),))
    own = {measure: _own(everyone, measure) for measure in everyone.measures}
    together = [_together(where_drawn, _own(where_drawn, measure), measure) for measure in TOGETHER_ABOVE]
    if (n_marked := int(everyone.marked().sum())) < MIN_CASES:
        few = undecided(What.TOGETHER, Why.FEW_CASES, Number(math.nan, math.nan, math.nan, n_marked))
        criteria = [replace(one, met=None, missing=few.missing) for one in together]
        return Judgement("raters", Judged(), tuple(criteria))
    criteria = [
        *judging(together),
        *judging(_consistent(everyone, found)),
        _original(everyone),
    ]
    if not evidence.exchangeable and len(everyone.raters) > 2:
        criteria += judging([_apart(everyone, own[measure], measure) for measure in own])
    return Judgement("raters", Judged(), tuple(criteria), left_out=evidence.few)


def _own(evidence: Evidence, measure: str) -> np.ndarray:
    """`(N, R)`, agreement of each rater with C₋r, or of fewer than 4 raters the median agreement with the others."""
    own = evidence.of_raters_with_others(measure)
    return median_over(evidence.between_raters(measure)) if np.isnan(own).all() else own


def _against(evidence: Evidence) -> str:
    return "the other raters" if np.isnan(evidence.of_raters_with_others(F1)).all() else CONSENSUS_OF_OTHERS


def _together(evidence: Evidence, own: np.ndarray, measure: str) -> Criterion:
    """Agreement of the median rater.

    Two who both mark nothing agree on absence, which says nothing about what they mark: undefined in `own`.
    """
    values = np.where(evidence.marked(), median_over(own), np.nan)
    number = mean_of(evidence, values, target="the median rater", against=_against(evidence), lowest=0.0)
    return replace(above(What.TOGETHER, number, TOGETHER_ABOVE[measure], agree=1.0), measure=measure)


def _apart(evidence: Evidence, own: np.ndarray, measure: str) -> Criterion:
    """How much less each rater agrees with the others than the median of the other raters does."""
    numbers = []
    for place, rater in enumerate(evidence.raters):
        less = median_over(np.delete(own, place, axis=1)) - own[:, place]
        numbers.append(mean_of(evidence, np.where(evidence.marked(), less, np.nan), target=rater, against=rater))
    return replace(all_below(What.APART, numbers, APART), measure=measure)


def _consistent(evidence: Evidence, found: Findings) -> list[Criterion]:
    """Whether the mean of all raters tells images with many objects, or a large area or volume, from the others."""
    estimate = one_way_correlation if evidence.exchangeable else intraclass_correlation
    rows = estimate(evidence.counts, evidence.raters, found.clusters, level=evidence.level)
    criteria = []
    for of, column in _AMOUNTS.items():
        number = _of_all(rows[rows["of"] == of], f"{len(evidence.raters)} raters")
        one = replace(above(What.CONSISTENT, number, CONSISTENT_ABOVE, agree=1.0), measure=found.amount(column))
        criteria.append(undecided_alike(one) if _is_alike(evidence, column) else one)
    return criteria


def _of_all(rows: pd.DataFrame, target: str) -> Number | None:
    """The number of all raters together, which is the second of the two of a measurement."""
    if len(rows) < 2:
        return None
    row = rows.iloc[-1]
    return Number(float(row["value"]), float(row["low"]), float(row["high"]), int(row["n_cases"]), target)


def _is_alike(evidence: Evidence, column: str) -> bool:
    """Whether most images have the same amount, so that nothing is there to be told apart."""
    table = evidence.counts.pivot(index="case", columns="annotator", values=column)
    values = table.reindex(index=evidence.cases, columns=list(evidence.raters)).astype(float).to_numpy()
    medians = median_over(values)[evidence.marked()]
    return bool(len(medians)) and pd.Series(medians).value_counts().iloc[0] > SHARED * len(medians)


def undecided_alike(criterion: Criterion) -> Criterion:
    """The criterion, which cannot judge because nearly all images have the same amount."""
    rests_on = criterion.rests_on if isinstance(criterion.rests_on, Number) else None
    return replace(undecided(What.CONSISTENT, Why.SATURATED, rests_on), measure=criterion.measure)


def _original(evidence: Evidence) -> Criterion:
    """No rater is the copy of another, or the consensus of the others."""
    copies = [*evidence.copies(evidence.raters, evidence.raters), *_consensuses(evidence, evidence.raters)]
    return undecided(What.ORIGINAL, Why.COPIES, names=copies[0]) if copies else Criterion(What.ORIGINAL, True)


def _consensuses(evidence: Evidence, raters: Sequence[str]) -> list[tuple[str, str]]:
    """Raters whose mask is C₋r in most images."""
    own, marked = evidence.of_raters_with_others(DICE), evidence.marked()
    with np.errstate(invalid="ignore"):
        same = (own[marked] > 1 - 1e-12).mean(axis=0) if marked.any() else np.zeros(len(raters))
    return [(rater, CONSENSUS_OF_OTHERS) for rater, share in zip(raters, same, strict=True) if share > SHARED]

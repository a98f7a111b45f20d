"""Are there as many objects, is as much marked, is it as bright as raters find, in all images and in each group?

counts of raters and of judged annotators (N,), groups  ->  ratios with intervals  ->  criteria

An annotator who misses a part of the objects in one group adds to the effect of that group. F1 hardly shows it, and the
conclusion need not change.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from segassay.data.named_channels import intensities_in
from segassay.judgement.criteria import MIN_CASES, Criterion, Number, What, within
from segassay.judgement.evidence import Evidence, index, median_over
from segassay.judgement.judged import Judged
from segassay.judgement.preconditions import MIN_RATERS_FOR_CEILING
from segassay.qualities.scores.table import Findings
from segassay.statistics.jackknife import LOGARITHM

__all__ = ["AMOUNTS", "AMOUNT_WITHIN", "amounts"]

AMOUNT_WITHIN = 4 / 3
"""Factor between an amount and that of the median rater, a quarter less or a third more; if raters usually differ by
more among themselves, their usual factor. Also between that factor in a group and in the other groups."""

AMOUNTS = ("n_objects", "area_px")
"""Columns of the table of counts that are compared with the median rater, and the intensity of each channel."""


def amounts(evidence: Evidence, judged: Judged, found: Findings) -> Iterator[Criterion]:
    """Criteria of each amount: that of all images, and that of each group of the experiment beside the other groups.

    A group counts if the median rater marks something in `MIN_CASES` of its images, and in as many of the others.

    Args:
        evidence: All comparisons.
        judged: The judged annotators; at least one.
        found: Gives the table of counts, and the groups.
    """
    counts = found.tables.counts
    known = [amount for amount in (*AMOUNTS, *intensities_in(list(counts))) if counts[amount].notna().any()]
    names = [*evidence.raters, *judged.names]
    groups = _groups(evidence, found)
    for amount in known:
        table = evidence.counts.pivot(index="case", columns="annotator", values=amount)
        values = table.reindex(index=evidence.cases, columns=names).astype(float).to_numpy()
        of_raters, own = values[:, : len(evidence.raters)], values[:, len(evidence.raters) :]
        called, usual = found.amount(amount), median_over(of_raters)
        factor = AMOUNT_WITHIN if evidence.exchangeable else max(AMOUNT_WITHIN, _usual_factor(of_raters))
        numbers = [_amount(evidence, own[:, k], usual, name, amount) for k, name in enumerate(judged.names)]
        yield _furthest([within(What.AMOUNT, number, factor) for number in numbers], called)
        inside = [groups == group for group in sorted(set(groups) - {""})]
        inside = [one for one in inside if min(((usual > 0) & of).sum() for of in (one, ~one)) >= MIN_CASES]
        beside = [
            _amount_beside(evidence, own[:, k], usual, one, name, groups[one][0])
            for k, name in enumerate(judged.names)
            for one in inside
        ]
        if beside:
            factor = AMOUNT_WITHIN if evidence.exchangeable else max(AMOUNT_WITHIN, _usual_beside(of_raters, inside))
            yield _furthest([_not_beyond(What.AMOUNT_OF_GROUP, number, factor) for number in beside], called)


def _groups(evidence: Evidence, found: Findings) -> np.ndarray:
    """`(N,)`, group of each image in the experiment; empty without one."""
    of = pd.Series(dtype=object) if found.groups is None else found.groups
    return of.reindex(evidence.cases).fillna("").to_numpy(dtype=object)


def _not_beyond(what: What, number: Number | None, factor: float) -> Criterion:
    """As `within`, but met if the value alone is between 1 / factor and factor.

    Groups are small: to place the whole interval there would take a multiple of the images that all else takes.
    """
    found = within(what, number, factor)
    if number is not None and 1 / factor < number.value < factor and number.low < number.value < number.high:
        return Criterion(what, True, number, line=factor) if number.n_cases >= MIN_CASES else found
    return found


def _furthest(criteria: Iterable[Criterion], called: str) -> Criterion:
    """Of several ratios the one that is not met, else one that is undecided, else the first."""
    return replace(min(criteria, key=lambda one: _OUTCOME_ORDER[one.met]), measure=called)


def _amount(evidence: Evidence, own: np.ndarray, usual: np.ndarray, name: str, amount: str) -> Number | None:
    """An annotator's amount divided by that of the median rater, `(N,)` each, over all images."""
    both = np.stack([own, usual], axis=1)
    both[np.isnan(both).any(axis=1)] = np.nan
    return index(evidence, both, _ratio, LOGARITHM, target=name, against=amount)


def _amount_beside(
    evidence: Evidence, own: np.ndarray, usual: np.ndarray, inside: np.ndarray, name: str, group: str
) -> Number | None:
    """The same in a group, divided by that in all others: what an annotator adds to the effect of this group."""
    both = np.where(np.isnan(own + usual)[:, None], np.nan, np.stack([own, usual], axis=1))
    values = np.hstack([np.where(of[:, None], both, np.nan) for of in (inside, ~inside)])
    return index(evidence, values, _ratio_of_ratios, LOGARITHM, target=name, against=group)


def _ratio_of_ratios(means: np.ndarray) -> np.ndarray:
    return _ratio(means[:, :2]) / _ratio(means[:, 2:])


_OUTCOME_ORDER = {False: 0, None: 1, True: 2}


def _ratio(means: np.ndarray) -> np.ndarray:
    return np.asarray(means[:, 0] / means[:, 1])


def _usual_factor(of_raters: np.ndarray) -> float:
    """By which factor the median rater's total differs from the median of the others, `(N, R)`; 1 for few raters."""
    ratios = _ratios_to_others(of_raters)
    return float(np.exp(np.median(np.abs(np.log(ratios))))) if len(ratios) else 1.0


def _usual_beside(of_raters: np.ndarray, inside: Sequence[np.ndarray]) -> float:
    """The same of a group beside the others: the largest over the groups."""
    factors = [1.0]
    for one in inside:
        ratios = [_ratios_to_others(of_raters[of]) for of in (one, ~one)]
        if len(ratios[0]) == len(ratios[1]) > 0:
            factors.append(float(np.exp(np.median(np.abs(np.log(ratios[0] / ratios[1]))))))
    return max(factors)


def _ratios_to_others(of_raters: np.ndarray) -> np.ndarray:
    """Each rater's total divided by that of the median of the others, of all that are above 0; empty for few raters."""
    found = []
    for rater in range(of_raters.shape[1] if of_raters.shape[1] >= MIN_RATERS_FOR_CEILING else 0):
        others = median_over(np.delete(of_raters, rater, axis=1))
        known = ~np.isnan(of_raters[:, rater]) & ~np.isnan(others)
        total, expected = of_raters[known, rater].sum(), others[known].sum()
        if total > 0 and expected > 0:
            found.append(total / expected)
    return np.array(found)

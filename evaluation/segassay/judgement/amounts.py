"""Are there as many objects, is as much marked, is it as bright as raters find, in all images and in each part?

counts of raters and of judged annotators (N,), parts (N,)  ->  ratios with intervals  ->  criteria

A part is a group, region or batch of the experiment. An annotator who misses a share of the objects in one group adds
to the effect of that group. F1 hardly shows it, and the conclusion need not change.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import scipy

from segassay.data.design import PARTS
from segassay.data.named_channels import intensities_in
from segassay.data.names import natural_key
from segassay.judgement.criteria import MIN_CASES, Criterion, Number, What, Why, is_saturated, undecided, within
from segassay.judgement.evidence import Evidence, index, median_over
from segassay.judgement.judged import Judged
from segassay.judgement.preconditions import MIN_RATERS_FOR_CEILING
from segassay.qualities.scores.table import Findings
from segassay.statistics.jackknife import LOGARITHM

__all__ = ["AMOUNTS", "AMOUNT_WITHIN", "amounts"]

AMOUNT_WITHIN = 4 / 3
"""Factor between an amount and that of the median rater, a quarter less or a third more; if raters usually differ by
more among themselves, their usual factor. Also between that factor in a part of the images and in the others."""

AMOUNTS = ("n_objects", "area_px")
"""Columns of the table of counts that are compared with the median rater, and the intensity of each channel."""


def amounts(evidence: Evidence, judged: Judged, found: Findings) -> Iterator[Criterion]:
    """Criteria of each amount: that of all images, and that of each group, region and batch beside the other images.

    A part is judged if the median rater marks something in `MIN_CASES` of its images, and in as many of the others, and
    these are of two subjects or more.
    Smaller ones are named by a criterion that does not count.

    Args:
        evidence: All comparisons.
        judged: The judged annotators; at least one.
        found: Gives the table of counts, and the parts.
    """
    counts = found.tables.counts
    known = [amount for amount in (*AMOUNTS, *intensities_in(list(counts))) if counts[amount].notna().any()]
    names = [*evidence.raters, *judged.names]
    parts, few = _parts(evidence, found)
    for amount in known:
        table = evidence.counts.pivot(index="case", columns="annotator", values=amount)
        values = table.reindex(index=evidence.cases, columns=names).astype(float).to_numpy()
        of_raters, own = values[:, : len(evidence.raters)], values[:, len(evidence.raters) :]
        called, usual = found.amount(amount), median_over(of_raters)
        factor = AMOUNT_WITHIN if evidence.exchangeable else max(AMOUNT_WITHIN, _usual_factor(of_raters))
        numbers = [_amount(evidence, own[:, k], usual, name, amount) for k, name in enumerate(judged.names)]
        yield _furthest([within(What.AMOUNT, number, factor) for number in numbers], called)
        large = {
            part: one
            for part, one in parts.items()
            if all(_are_enough(evidence, (usual > 0) & of) for of in (one, ~one))
        }
        reach = _reach(len({frozenset((one.tobytes(), (~one).tobytes())) for one in large.values()}))
        beside = []
        for part, one in large.items():
            factor = AMOUNT_WITHIN if evidence.exchangeable else max(AMOUNT_WITHIN, _usual_beside(of_raters, one))
            numbers = [
                _amount_beside(evidence, own[:, k], usual, one, name, part) for k, name in enumerate(judged.names)
            ]
            beside += [_not_beyond(number, factor, reach) for number in numbers]
        if beside:
            yield _furthest(beside, called)
        if small := [*(part for part in parts if part not in large), *few]:
            yield replace(undecided(What.SMALL_PARTS, Why.SMALL_PARTS, names=small), measure=called, counts=False)


def _parts(evidence: Evidence, found: Findings) -> tuple[dict[str, np.ndarray], list[str]]:
    """Name of each part, such as `region CA1`, -> `(N,)`, whether an image is in it; and parts with few images.

    There is none if all images are in it.
    """
    inside: dict[str, np.ndarray] = {}
    few: list[str] = []
    if found.parts is None:
        return inside, few
    table = found.parts.reindex(index=evidence.cases, columns=list(PARTS)).astype(object).fillna("")
    for column in PARTS:
        n_images = table[column].value_counts()
        for name in sorted(set(n_images.index) - {""}, key=natural_key):
            if MIN_CASES <= n_images[name] <= len(table) - MIN_CASES:
                inside[f"{column} {name}"] = (table[column] == name).to_numpy()
            elif n_images[name] < len(table):
                few.append(f"{column} {name}")
    return inside, few


def _are_enough(evidence: Evidence, images: np.ndarray) -> bool:
    return bool(images.sum() >= MIN_CASES) and len(set(evidence.clusters[images])) > 1


def _reach(n: int) -> float:
    """How many times as long an interval is that holds for all of so many parts together (Bonferroni)."""
    return float(scipy.stats.norm.ppf(1 - 0.025 / max(n, 1)) / scipy.stats.norm.ppf(0.975))


def _not_beyond(number: Number | None, factor: float, reach: float) -> Criterion:
    """As `within`, but met if the value alone is between 1 / factor and factor, and refuted by a longer interval.

    Parts are small: to place the whole interval there would take a multiple of the images that all else takes. Of
    several, the furthest is beyond the line by chance more often than one.
    """
    what = What.AMOUNT_OF_GROUP
    found = within(what, number, factor)
    if number is None or number.n_cases < MIN_CASES:
        return found
    if 1 / factor < number.value < factor and number.low < number.value < number.high:
        return Criterion(what, True, number, line=factor)
    low, high = (number.value * (end / number.value) ** reach for end in (number.low, number.high))
    if found.met is False and low <= factor and high >= 1 / factor:
        return undecided(what, Why.EITHER_SIDE, number, factor)
    return found


def _furthest(criteria: Iterable[Criterion], called: str) -> Criterion:
    """Of several ratios the one that is not met, else an undecided one (first with an interval), else the first."""
    return replace(min(criteria, key=lambda one: (_OUTCOME_ORDER[one.met], is_saturated(one))), measure=called)


def _amount(evidence: Evidence, own: np.ndarray, usual: np.ndarray, name: str, amount: str) -> Number | None:
    """An annotator's amount divided by that of the median rater, `(N,)` each, over all images."""
    both = np.stack([own, usual], axis=1)
    both[np.isnan(both).any(axis=1)] = np.nan
    return index(evidence, both, _ratio, LOGARITHM, target=name, against=amount)


def _amount_beside(
    evidence: Evidence, own: np.ndarray, usual: np.ndarray, inside: np.ndarray, name: str, part: str
) -> Number | None:
    """The same in a part, divided by that in all others: what an annotator adds to the effect of this group."""
    both = np.where(np.isnan(own + usual)[:, None], np.nan, np.stack([own, usual], axis=1))
    values = np.hstack([np.where(of[:, None], both, np.nan) for of in (inside, ~inside)])
    return index(evidence, values, _ratio_of_ratios, LOGARITHM, target=name, against=part)


def _ratio_of_ratios(means: np.ndarray) -> np.ndarray:
    return _ratio(means[:, :2]) / _ratio(means[:, 2:])


_OUTCOME_ORDER = {False: 0, None: 1, True: 2}


def _ratio(means: np.ndarray) -> np.ndarray:
    return np.asarray(means[:, 0] / means[:, 1])


def _usual_factor(of_raters: np.ndarray) -> float:
    """By which factor the median rater's total differs from the median of the others, `(N, R)`; 1 for few raters."""
    ratios = _ratios_to_others(of_raters)
    return float(np.exp(np.median(np.abs(np.log(ratios))))) if len(ratios) else 1.0


def _usual_beside(of_raters: np.ndarray, inside: np.ndarray) -> float:
    """The same of a part beside the other images."""
    ratios = [_ratios_to_others(of_raters[of]) for of in (inside, ~inside)]
    if not len(ratios[0]) == len(ratios[1]) > 0:
        return 1.0
    return float(np.exp(np.median(np.abs(np.log(ratios[0] / ratios[1])))))


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

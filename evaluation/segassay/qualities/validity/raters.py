"""Annotators compared with raters: an annotator and each rater r are scored against C₋r, the consensus without r.

agreement, leave_one_out  ->  Beside: scores of an annotator and of the raters on the same cases  ->  scores

A rater with a few images has the weight of every other in a mean over raters, and is easily the worst by chance.
So raters with too few of an annotator's cases are left out, and named in the note.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from segassay.data.annotations import is_trained, raters_of
from segassay.errors import number_of
from segassay.qualities.scores.measure import AGAINST, LEAVE_ONE_OUT, PAIRWISE, Measure
from segassay.qualities.scores.table import (
    Agreement,
    Score,
    containment,
    mean_over_raters,
    one_column,
    own_scores,
    rater_score,
    references,
)
from segassay.qualities.validity.records import DICE, F1, MEAN_IOU, MINUS_RATERS

__all__ = ["ENOUGH_CASES", "Beside", "agreement_with_raters", "beside"]

ENOUGH_CASES = 10
"""Images from which a rater counts; where nobody has as many, half of those of the rater who has most."""


def agreement_with_raters(agreement: Agreement, kinds: dict[str, str]) -> Iterator[Score]:
    """Models, ensembles and a truth against C₋r, with the raters' scores, and all annotators against a reference."""
    raters, of_masks = raters_of(kinds), (F1, MEAN_IOU, DICE)
    own = {record.name: own_scores(agreement, raters, record.name) for record in of_masks}
    for name, kind in kinds.items():
        if is_trained(kind) or kind == "truth":
            for record in of_masks:
                both = beside(agreement, raters, name, record.name, own[record.name])
                if both is not None:
                    yield from _beside_raters(both, record, name)
    for name, other, contains in references(kinds):
        for record in of_masks:
            values = agreement.of_pairs([(name, other)], record.name)
            if len(values.columns):
                note, form = containment(name, contains), record.form(comparison=AGAINST, reference=name)
                yield Score(form, other, values.iloc[:, 0], note=note, contains_raters=contains)


def raters_with_enough(n_cases: Mapping[str, int]) -> list[str]:
    """Raters with enough cases to decide: 10, or half of the largest number if that is smaller.

    Example:
        >>> raters_with_enough({"anna": 24, "ben": 10, "cleo": 2}), raters_with_enough({"anna": 5, "ben": 3, "cleo": 2})
        (['anna', 'ben'], ['anna', 'ben'])
    """
    enough = min(ENOUGH_CASES, max(n_cases.values(), default=0) / 2)
    return [rater for rater, n in n_cases.items() if n >= enough]


def without_note(n_cases: Mapping[str, int], what: str = "image") -> str:
    """Note that names the raters with too few cases; empty if all have enough.

    Example:
        >>> without_note({"anna": 24, "ben": 10, "cleo": 2})
        'without cleo (2 images)'
    """
    kept = set(raters_with_enough(n_cases))
    few = [f"{rater} ({number_of(n, what)})" for rater, n in n_cases.items() if rater not in kept]
    return f"without {', '.join(few)}" if few else ""


@dataclass(frozen=True, eq=False)
class Beside:
    """One annotator and the raters on the same cases.

    Attributes:
        scores: Scores of the annotator, `(cases, raters)`.
        rater_scores: Scores of each rater, `(cases, raters)`.
        comparison: `LEAVE_ONE_OUT`, or `PAIRWISE` if there are too few raters for it.
        note: Note that there are too few raters, or that some have too few cases; else empty.
    """

    scores: pd.DataFrame
    rater_scores: pd.DataFrame
    comparison: str
    note: str

    @cached_property
    def of_rater(self) -> pd.Series:
        """Mean score of each rater on the cases for which the annotator has a score."""
        rater_scores = self.rater_scores.to_numpy(dtype=float)
        known = ~np.isnan(rater_scores) & ~np.isnan(self.scores.to_numpy(dtype=float))
        with np.errstate(invalid="ignore"):
            mean = np.where(known, rater_scores, 0).sum(axis=0) / known.sum(axis=0)
        return pd.Series(mean, self.rater_scores.columns)

    @cached_property
    def human_range(self) -> tuple[float, float]:
        """Lowest and highest mean score of a rater; NaN where none has one."""
        known = self.of_rater.to_numpy()
        known = known[~np.isnan(known)]
        return (float(known.min()), float(known.max())) if known.size else (np.nan, np.nan)


def beside(
    agreement: Agreement, raters: list[str], name: str, measure: str, own_left_out: pd.DataFrame
) -> Beside | None:
    """One annotator and the raters on the same cases; None if they share no case.

    Args:
        agreement: Agreement of all pairs.
        raters: Their names.
        name: The annotator.
        measure: A column of the agreement.
        own_left_out: `own_scores` of the raters.
    """
    scores = agreement.with_others(name, measure)
    if agreement.one_way:
        return _beside_exchangeable(agreement, raters, name, measure, own_left_out)
    if len(scores.columns):
        rater_scores = _like(scores, own_left_out)
        return _of_raters_with_enough(Beside(scores, rater_scores, LEAVE_ONE_OUT, ""))
    pairs = {rater: agreement.of_pairs([(name, rater)], measure) for rater in raters}
    found = {rater: values.iloc[:, 0] for rater, values in pairs.items() if len(values.columns)}
    if not found:
        return None
    scores = pd.concat(found, axis=1, sort=False)
    own = {rater: rater_score(agreement, raters, rater, measure)[0] for rater in raters if len(raters) > 1}
    rater_scores = pd.DataFrame(own).reindex(index=scores.index, columns=scores.columns)
    note = "too few raters for C₋r: mean agreement with the raters"
    return _of_raters_with_enough(Beside(scores, rater_scores, PAIRWISE, note))


def _like(scores: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Other scores of the same cases and raters; to look these up takes long where they are the same already."""
    if others.index.equals(scores.index) and others.columns.equals(scores.columns):
        return others
    return others.reindex(index=scores.index, columns=scores.columns)


def _of_raters_with_enough(both: Beside) -> Beside:
    """The same without raters with too few of the cases, and without cases that only these have."""
    n_known = (~np.isnan(both.scores.to_numpy(dtype=float))).sum(axis=0)
    n_cases = dict(zip(map(str, both.scores.columns), n_known.tolist(), strict=True))
    kept = raters_with_enough(n_cases)
    if len(kept) == len(n_cases):
        return both
    covered = both.scores[kept].notna().any(axis=1)
    note = "; ".join(filter(None, [both.note, without_note(n_cases)]))
    return Beside(both.scores.loc[covered, kept], both.rater_scores.loc[covered, kept], both.comparison, note)


def _beside_exchangeable(
    agreement: Agreement, raters: list[str], name: str, measure: str, own_left_out: pd.DataFrame
) -> Beside | None:
    """As `beside`, with one column: the mean over the raters of a case."""
    scores = one_column(agreement.with_others(name, measure))
    if len(scores.columns):
        return Beside(scores, own_left_out.reindex(scores.index), LEAVE_ONE_OUT, "")
    scores = one_column(agreement.of_pairs([(name, rater) for rater in raters], measure))
    if scores.empty:
        return None
    own = one_column(agreement.of_pairs(list(combinations(raters, 2)), measure))
    own = own if len(own.columns) else scores * np.nan
    note = "too few raters for C₋r: mean agreement with the raters"
    return Beside(scores, own.reindex(scores.index), PAIRWISE, note)


def _beside_raters(both: Beside, record: Measure, name: str) -> Iterator[Score]:
    """Score of a model with the range of the raters on the same cases, and its difference from the raters."""
    scores, rater_scores, comparison, note = both.scores, both.rater_scores, both.comparison, both.note
    human_low, human_high = both.human_range
    form = record.form(comparison=comparison)
    yield Score(form, name, mean_over_raters(scores), human_low, human_high, note=note)
    rows = (~np.isnan(rater_scores.to_numpy(dtype=float))).any(axis=1)
    if rows.any():
        difference = (scores - rater_scores).loc[rows]
        yield Score(MINUS_RATERS.form(record.name, comparison), name, mean_over_raters(difference), note=note)

"""Agreement of the annotators of one strategy with raters, a truth, a reference, and with each other.

scores of single annotators, groups  ->  their mean over the annotators of each group
agreement, groups                    ->  agreement of two annotators of a group
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from segassay.data.annotations import is_rater
from segassay.qualities.reliability.records import WITHIN
from segassay.qualities.scores.groups import Group
from segassay.qualities.scores.measure import Form
from segassay.qualities.scores.table import (
    MEASURES,
    Agreement,
    Score,
    mean_over_pairs,
    mean_over_raters,
    pairs_noted,
)
from segassay.qualities.validity.records import MINUS_RATERS

__all__ = ["agreement_within", "scores_of_groups"]


def scores_of_groups(groups: Sequence[Group], scores: Iterable[Score]) -> Iterator[tuple[Score, int]]:
    """Mean score of the annotators of each group.

    Args:
        groups: What `strategy_groups` returns.
        scores: Those of single annotators, as `agreement_of_raters` and `agreement_with_raters` give them.

    Yields:
        Scores of the group, and how many annotators they rest on. A score is the mean over annotators of the means over
        cases: `<measure>_leave_one_out` (or `_pairwise`), the same with `_minus_raters`, and
        `<measure>_against_<name>`. Raters have no score against a reference that contains them.
    """
    known = {(score.target, score.measure): score for score in scores}
    forms = {score.measure: score.form for score in known.values() if _is_of_masks(score.form)}
    for group in groups:
        for measure, form in forms.items():
            own = {name: known[name, measure] for name in group.names if (name, measure) in known}
            own = {name: score for name, score in own.items() if len(score.values)}
            contains = any(score.contains_raters for score in own.values())
            if not own or (is_rater(group.kind) and contains):
                continue
            notes = {score.note for score in own.values()} - {""}
            if group.on_consensus and contains:
                notes = {f"own training target: {note}" for note in notes}
            n_undefined = sum(int(score.values.isna().sum()) for score in own.values())
            if n_undefined:
                n = sum(len(score.values) for score in own.values())
                notes.add(f"{n_undefined} of {n} scores undefined")
            values = pd.concat({name: score.values for name, score in own.items()}, axis=1, sort=False)
            of_group, mean, note = replace(form, quality="validity"), mean_over_raters(values), "; ".join(sorted(notes))
            yield Score(of_group, group.target, mean, note=note, contains_raters=contains), len(own)


def _is_of_masks(form: Form) -> bool:
    """Whether a score is F1, mean IoU or Dice, or the difference of one of them from the raters."""
    return form.record.name in MEASURES or form.record is MINUS_RATERS


def agreement_within(groups: Sequence[Group], agreement: Agreement) -> Iterator[tuple[Score, int]]:
    """Agreement of two annotators of one group, over all pairs; for ensembles, over pairs without a common member.

    Args:
        groups: What `strategy_groups` returns.
        agreement: Agreement of all pairs.

    Yields:
        Scores `<measure>_within` of the group, means over pairs, then over cases, and how many annotators are in these
        pairs.
    """
    for group in groups:
        for measure in MEASURES:
            values = agreement.of_pairs(group.all_pairs(), measure)
            if len(values.columns):
                n, n_annotators = len(values.columns), len({name for pair in values.columns for name in pair})
                mean, note = mean_over_pairs(values), pairs_noted(n)
                yield Score(WITHIN.form(measure), group.target, mean, note=note, n_pairs=n), n_annotators

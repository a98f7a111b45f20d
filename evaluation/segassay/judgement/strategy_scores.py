"""Masks of the annotators of one strategy, against raters, a truth, a reference, and against each other.

scores of single annotators, groups  ->  their mean over the annotators of each group
agreement, groups                    ->  agreement of two annotators of a group
"""

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from segassay.data.annotations import is_rater
from segassay.qualities.scores.groups import Group
from segassay.qualities.scores.table import MEASURES, Agreement, Score, mean_over_pairs, mean_over_raters

__all__ = ["agreement_within", "scores_of_groups"]


def scores_of_groups(groups: Sequence[Group], scores: Iterable[Score]) -> Iterator[tuple[Score, int]]:
    """Mean score of the annotators of each group.

    Args:
        groups: What `strategy_groups` returns.
        scores: Those of single annotators, as `agreement_of_raters` and `agreement_with_people` give them.

    Yields:
        Scores whose target is the group, and how many annotators they rest on; their mean is that over annotators of
        the means over cases: `<measure>_leave_one_out` (or `_pairwise`), the same with `_minus_raters`, and
        `<measure>_against_<name>`. Raters have none against a reference, which contains them.
    """
    found: dict[tuple[str, str], Score] = {(score.target, score.measure): score for score in scores}
    measures = dict.fromkeys(measure for _, measure in found if measure.startswith(MEASURES))
    for group in groups:
        for measure in measures:
            own = {name: found[name, measure] for name in group.names if (name, measure) in found}
            own = {name: score for name, score in own.items() if len(score.values)}
            notes = {score.note for score in own.values()} - {""}
            if not own or (is_rater(group.kind) and any("contains the raters" in note for note in notes)):
                continue
            if group.on_consensus:
                notes = {f"own training target: {note}" if "contains" in note else note for note in notes}
            n_undefined = sum(int(score.values.isna().sum()) for score in own.values())
            if n_undefined:
                n = sum(len(score.values) for score in own.values())
                notes.add(f"{n_undefined} of {n} scores undefined")
            values = pd.concat({name: score.values for name, score in own.items()}, axis=1, sort=False)
            note = "; ".join(sorted(notes))
            yield Score("validity", measure, group.target, mean_over_raters(values), note=note), len(own)


def agreement_within(groups: Sequence[Group], agreement: Agreement) -> Iterator[tuple[Score, int]]:
    """Agreement of two annotators of one group, over all pairs; of ensembles over those without a common member.

    Args:
        groups: What `strategy_groups` returns.
        agreement: Agreement of all pairs.

    Yields:
        Scores `<measure>_within` whose target is the group, mean over pairs, then cases, and how many annotators are in
        these pairs.
    """
    for group in groups:
        for measure in MEASURES:
            values = agreement.of_pairs(group.all_pairs(), measure)
            if len(values.columns):
                n, n_annotators = len(values.columns), len({name for pair in values.columns for name in pair})
                note = f"{n} pair{'s' if n > 1 else ''}"
                yield (
                    Score("reliability", f"{measure}_within", group.target, mean_over_pairs(values), note=note),
                    n_annotators,
                )

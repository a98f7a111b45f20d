"""Validity: does the result find what is there, and lead to the right conclusion of the experiment?"""

from collections.abc import Iterator

import pandas as pd

from segassay.scores import MEASURES, Agreement, Score, human_score, mean_over_raters, own_scores, references

__all__ = ["agreement_with_people"]


def agreement_with_people(agreement: Agreement, kinds: dict[str, str]) -> Iterator[Score]:
    """Models, ensembles and a truth against C₋r beside the raters' own scores, and everyone against a reference."""
    raters = [name for name, kind in kinds.items() if kind == "human"]
    for name, kind in kinds.items():
        if kind in ("model", "ensemble", "truth"):
            for measure in MEASURES:
                yield from _beside_humans(agreement, raters, name, measure)
    for name, other, note in references(kinds):
        for measure in MEASURES:
            values = agreement.of_pairs([(name, other)], measure)
            if len(values.columns):
                yield Score("validity", f"{measure}_against_{name}", other, values.iloc[:, 0], note=note)


def _beside_humans(agreement: Agreement, raters: list[str], name: str, measure: str) -> Iterator[Score]:
    """A model's score, what the raters reach on the same cases, and the difference between the two."""
    scores, ending, note = agreement.with_others(name, measure), "_leave_one_out", ""
    humans = own_scores(agreement, raters, measure).reindex(index=scores.index, columns=scores.columns)
    if not len(scores.columns):
        pairs = {rater: agreement.of_pairs([(name, rater)], measure) for rater in raters}
        found = {rater: values.iloc[:, 0] for rater, values in pairs.items() if len(values.columns)}
        if not found:
            return
        scores, ending = pd.concat(found, axis=1, sort=False), "_pairwise"
        note = "too few raters for C₋r: mean agreement with the raters"
        own = {rater: human_score(agreement, raters, rater, measure)[0] for rater in raters if len(raters) > 1}
        humans = pd.DataFrame(own).reindex(index=scores.index, columns=scores.columns)
    of_rater = humans.where(scores.notna()).mean()
    human_range = (of_rater.min(), of_rater.max())
    yield Score("validity", measure + ending, name, mean_over_raters(scores), *human_range, note=note)
    if humans.notna().any(axis=None):
        difference = (scores - humans).loc[humans.notna().any(axis=1)]
        yield Score("validity", f"{measure}{ending}_minus_raters", name, mean_over_raters(difference), note=note)

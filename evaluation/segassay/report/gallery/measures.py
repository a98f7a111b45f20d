"""Measures of each case, by which the gallery is sorted.

tables of an evaluation  ->  measures in words, case × measure
"""

from dataclasses import dataclass

import pandas as pd

from segassay.data.annotations import is_trained, raters_of
from segassay.io.spacing import shown_unit
from segassay.judgement.results import Results
from segassay.qualities.scores.table import annotator_kinds

__all__ = ["CaseMeasure", "case_measures", "persons_of", "values_by_case"]


@dataclass(frozen=True)
class CaseMeasure:
    """A number of each case.

    Attributes:
        key: Name, also of its column.
        words: What a heading says.
        explained: One sentence.
        low_first: Whether cases with a small number disagree most.
        n_digits: Digits behind the point.
    """

    key: str
    words: str
    explained: str
    low_first: bool = False
    n_digits: int = 2


def case_measures(found: Results, uncertain: str | None = None) -> tuple[list[CaseMeasure], pd.DataFrame]:
    """Every measure that at least one case has, and its values.

    Args:
        found: The evaluation.
        uncertain: Annotator whose mean uncertainty is a measure; None for no one.

    Returns:
        The measures, the disagreement first; and a table with one row per case, in natural order, and a column for each
        measure, NaN where it is undefined. Without two raters the disagreement is that of all annotators.
    """
    kinds, persons = annotator_kinds(found.annotations), persons_of(found.annotations)
    raters = raters_of(kinds)
    by_raters = len({persons[name] for name in raters}) > 1
    pairs = _Pairs(persons, frozenset(raters) if by_raters else None)
    whose = "raters" if by_raters else "annotators"
    agreement = found.tables.agreement
    agreement = agreement[agreement["iou_threshold"] == 0.5]
    of_pairs = agreement[pairs.are_of(agreement)]
    mean = of_pairs.groupby("case", observed=True)
    distances = found.tables.distances[pairs.are_of(found.tables.distances)]
    unit, factor = "px", 1.0
    if len(distances):
        unit, factor = shown_unit(str(distances["unit"].iloc[0]), float(distances["tolerance"].min()))
    columns: list[tuple[CaseMeasure, pd.Series]] = [
        (
            CaseMeasure("disagreement", "disagreement", f"1 − mean F1 of all pairs of {whose} (objects, IoU > 0.5)"),
            1 - mean["f1"].mean(),
        ),
        (CaseMeasure("dice", "Dice", f"mean Dice of all pairs of {whose}", low_first=True), mean["dice"].mean()),
        (
            CaseMeasure(
                "hd95",
                f"HD95 ({unit})",
                f"mean distance HD95 of the outlines of all pairs of {whose}, in {unit}",
                n_digits=1,
            ),
            distances.groupby("case", observed=True)["hd95"].mean() * factor,
        ),
    ]
    columns += _of_raters(found, raters) if by_raters else []
    if any(is_trained(kind) for kind in kinds.values()) and raters:
        words = CaseMeasure("models", "F1 of models", "mean F1 of models and ensembles with each rater", low_first=True)
        columns.append((words, _models(agreement, kinds)))
    if uncertain is not None:
        bins = found.tables.uncertainty[found.tables.uncertainty["annotator"] == uncertain]
        sums = bins.groupby("case", observed=True)[["sum_uncertainty", "n_pixels"]].sum()
        words = CaseMeasure(
            "uncertainty", "uncertainty", f"mean uncertainty of {uncertain} over all pixels", n_digits=3
        )
        columns.append((words, sums["sum_uncertainty"] / sums["n_pixels"]))
    cases = found.tables.counts["case"].astype(str).unique()
    values = {measure.key: column.reindex(cases).astype(float) for measure, column in columns}
    table = pd.DataFrame(values, index=cases)
    return [measure for measure, _ in columns if table[measure.key].notna().any()], table


@dataclass(frozen=True)
class _Pairs:
    persons: dict[str, str]
    among: frozenset[str] | None  # None: all annotators

    def are_of(self, table: pd.DataFrame) -> pd.Series:
        """Rows of two different persons, both among the annotators."""
        a, b = table["annotator_a"].astype(str), table["annotator_b"].astype(str)
        chosen = a.map(self.persons) != b.map(self.persons)
        if self.among is None:
            return chosen & a.isin(self.persons) & b.isin(self.persons)
        return chosen & a.isin(self.among) & b.isin(self.among)


def persons_of(annotations: pd.DataFrame) -> dict[str, str]:
    """Annotator -> person; itself where no person is named."""
    persons = annotations["person"] if "person" in annotations else pd.Series("", index=annotations.index)
    return {name: person or name for name, person in zip(annotations["annotator"], persons.fillna(""), strict=True)}


def _of_raters(found: Results, raters: list[str]) -> list[tuple[CaseMeasure, pd.Series]]:
    counts = found.tables.counts[found.tables.counts["annotator"].isin(raters)]
    n_objects = counts.groupby("case", observed=True)["n_objects"]
    votes = found.tables.votes
    marked = votes[votes["n_marked"] > 0]
    disputed = marked[marked["n_marked"] < marked["n_raters"]].groupby("case", observed=True)["n_pixels"].sum()
    share = disputed / marked.groupby("case", observed=True)["n_pixels"].sum()
    return [
        (
            CaseMeasure("disputed", "disputed", "share of the pixels marked by any rater that not all raters marked"),
            share,
        ),
        (CaseMeasure("objects", "objects", "mean number of objects that a rater drew", n_digits=1), n_objects.mean()),
        (
            CaseMeasure("range", "range of counts", "largest minus smallest number of objects of a rater", n_digits=0),
            n_objects.max() - n_objects.min(),
        ),
    ]


def _models(agreement: pd.DataFrame, kinds: dict[str, str]) -> pd.Series:
    """Mean F1 of what was trained with raters."""
    trained = {name for name, kind in kinds.items() if is_trained(kind)}
    raters = set(raters_of(kinds))
    a, b = agreement["annotator_a"].astype(str), agreement["annotator_b"].astype(str)
    rows = agreement[(a.isin(trained) & b.isin(raters)) | (b.isin(trained) & a.isin(raters))]
    means: pd.Series = rows.groupby("case", observed=True)["f1"].mean()
    return means


def values_by_case(table: pd.DataFrame) -> dict[str, list[float | None]]:
    """Case -> values in the order of the columns, four digits behind the point; None where undefined."""
    return {
        str(case): [None if pd.isna(value) else round(float(value), 4) for value in row]
        for case, row in zip(table.index, table.to_numpy(), strict=True)
    }

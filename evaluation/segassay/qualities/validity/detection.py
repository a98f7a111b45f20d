"""Validity: does the result find what is there, and lead to the right conclusion of the experiment?

    agreement, leave_one_out  ->  object_measures  ->  Compared  ->  detection, human_range, ceiling_normalised
    recall_by_size            ->  recall_of_sizes
    effects, normalised       ->  segassay.qualities.validity.effects, segassay.qualities.validity.specification

A model is held against C₋r, the consensus of all raters but r, for each r, beside r itself; against a reference, which
contains the raters; and against a truth, where one is known. Distances between outlines: `validity.outlines`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater, raters_of
from segassay.qualities.scores.table import (
    MEASURES,
    SCORE_COLUMNS,
    Agreement,
    Findings,
    Pairs,
    Rows,
    Score,
    annotator_kinds,
    human_score,
    interval_row,
    mean_over_raters,
    own_scores,
    references,
    score_table,
)
from segassay.qualities.validity import effects, specification
from segassay.qualities.validity.objects import OBJECT_MEASURES, object_measures
from segassay.statistics.intervals import DEFAULT, Interval, Resampling, bca_ratios

__all__ = [
    "OBJECT_MEASURES",
    "Compared",
    "agreement_with_people",
    "ceiling_normalised",
    "detection",
    "human_range",
    "measures",
    "not_judged",
    "recall_of_sizes",
]

DIRECTED = ("count_error", "relative_count_error", "merges", "splits")
"""What changes when the two annotators are swapped; of no use between two of whom neither is the reference."""

BESIDE_HUMANS = (*MEASURES, "iou", "ap", "pq")
"""What is compared with the raters' own scores: the more the better, 1 at best."""


def agreement_with_people(agreement: Agreement, kinds: dict[str, str]) -> Iterator[Score]:
    """Models, ensembles and a truth against C₋r beside the raters' own scores, and everyone against a reference."""
    raters = raters_of(kinds)
    own = {measure: own_scores(agreement, raters, measure) for measure in MEASURES}
    for name, kind in kinds.items():
        if kind in ("model", "ensemble", "truth"):
            for measure in MEASURES:
                yield from _beside_humans(agreement, raters, name, measure, own[measure])
    for name, other, note in references(kinds):
        for measure in MEASURES:
            values = agreement.of_pairs([(name, other)], measure)
            if len(values.columns):
                yield Score("validity", f"{measure}_against_{name}", other, values.iloc[:, 0], note=note)


@dataclass(frozen=True, eq=False)
class _Beside:
    """One annotator and the raters on the same cases: `scores` and `humans` are `(cases, raters)`."""

    scores: pd.DataFrame
    humans: pd.DataFrame
    ending: str
    note: str

    @cached_property
    def of_rater(self) -> pd.Series:
        """What each rater reaches where the annotator has a score."""
        humans = self.humans.to_numpy(dtype=float)
        known = ~np.isnan(humans) & self.scores.notna().to_numpy()
        with np.errstate(invalid="ignore"):
            mean = np.where(known, humans, 0).sum(axis=0) / known.sum(axis=0)
        return pd.Series(mean, self.humans.columns)


def _beside(
    agreement: Agreement, raters: list[str], name: str, measure: str, own_left_out: pd.DataFrame
) -> _Beside | None:
    scores = agreement.with_others(name, measure)
    if len(scores.columns):
        humans = own_left_out.reindex(index=scores.index, columns=scores.columns)
        return _Beside(scores, humans, "_leave_one_out", "")
    pairs = {rater: agreement.of_pairs([(name, rater)], measure) for rater in raters}
    found = {rater: values.iloc[:, 0] for rater, values in pairs.items() if len(values.columns)}
    if not found:
        return None
    scores = pd.concat(found, axis=1, sort=False)
    own = {rater: human_score(agreement, raters, rater, measure)[0] for rater in raters if len(raters) > 1}
    humans = pd.DataFrame(own).reindex(index=scores.index, columns=scores.columns)
    return _Beside(scores, humans, "_pairwise", "too few raters for C₋r: mean agreement with the raters")


def _beside_humans(
    agreement: Agreement, raters: list[str], name: str, measure: str, own_left_out: pd.DataFrame
) -> Iterator[Score]:
    """A model's score, what the raters reach on the same cases, and the difference between the two."""
    both = _beside(agreement, raters, name, measure, own_left_out)
    if both is None:
        return
    scores, humans, ending, note = both.scores, both.humans, both.ending, both.note
    human_low, human_high = both.of_rater.min(), both.of_rater.max()
    yield Score("validity", measure + ending, name, mean_over_raters(scores), human_low, human_high, note=note)
    if humans.notna().any(axis=None):
        difference = (scores - humans).loc[humans.notna().any(axis=1)]
        yield Score("validity", f"{measure}{ending}_minus_raters", name, mean_over_raters(difference), note=note)


# ------------------------------------------------------------------------------------------------------- all measures


class Compared(Agreement):
    """All comparisons of an evaluation with their `object_measures`.

    Attributes:
        measures: Those that the tables have.
    """

    def __init__(self, agreement: pd.DataFrame, leave_one_out: pd.DataFrame) -> None:
        pairs, others = object_measures(agreement), object_measures(leave_one_out)
        known = [str(name) for name in (pairs if len(pairs) else others)]
        curve = sorted(name for name in known if name.startswith("ap_"))
        self.measures = tuple(name for name in (*MEASURES, *OBJECT_MEASURES, *curve) if name in known)
        self._pairs, self._others = Pairs(pairs), Rows(others, ["annotator", "rater"])


def detection(
    agreement: Compared, annotations: pd.DataFrame, clusters: pd.Series, *, resampling: Resampling = DEFAULT
) -> pd.DataFrame:
    """`OBJECT_MEASURES` and the curve of average precision of everyone against C₋r, a reference and a truth.

    Args:
        agreement: The comparisons.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        resampling: How intervals are drawn.

    Returns:
        Rows with `SCORE_COLUMNS`, means over cases; those of raters against C₋r are of objectivity. Beside a truth,
        `human_low` to `human_high` is what the raters reach against it.
    """
    kinds = annotator_kinds(annotations)
    wanted = [measure for measure in agreement.measures if measure not in MEASURES]
    scores = [score for measure in wanted for score in _detection(agreement, kinds, measure)]
    return score_table(scores, clusters, resampling)


def _detection(agreement: Compared, kinds: dict[str, str], measure: str) -> Iterator[Score]:
    raters = raters_of(kinds)
    own = own_scores(agreement, raters, measure)
    for name, kind in kinds.items():
        if kind in ("model", "ensemble", "truth"):
            both = _beside(agreement, raters, name, measure, own)
            if both is not None and (both.ending == "_leave_one_out" or measure not in DIRECTED):
                human_low, human_high = both.of_rater.min(), both.of_rater.max()
                mean = mean_over_raters(both.scores)
                yield Score("validity", measure + both.ending, name, mean, human_low, human_high, note=both.note)
        elif is_rater(kind) and len(raters) > 1:
            own_score, ending, note = human_score(agreement, raters, name, measure)
            if ending == "_leave_one_out" or measure not in DIRECTED:
                yield Score("objectivity", measure + ending, name, own_score, note=note)
    for name, other, note in references(kinds):
        values = agreement.of_pairs([(name, other)], measure)
        if len(values.columns):
            human_low, human_high = np.nan, np.nan
            if kinds[name] == "truth" and kinds[other] in ("model", "ensemble"):
                people = agreement.of_pairs([(name, rater) for rater in raters], measure).reindex(values.index)
                human_low, human_high = people.mean().min(), people.mean().max()
            yield Score(
                "validity", f"{measure}_against_{name}", other, values.iloc[:, 0], human_low, human_high, note=note
            )


# ---------------------------------------------------------------------------------------------------- beside people


def human_range(
    agreement: Compared, annotations: pd.DataFrame, clusters: pd.Series, *, resampling: Resampling = DEFAULT
) -> pd.DataFrame:
    """Where a model stands among people: below the worst rater, within their range, or above the best.

    The model's score is the mean over r of its scores against C₋r, a rater's is that against C₋r of its own. Both are
    of the same cases, and the differences to the worst and to the best rater are paired over them. Who is worst and
    best is taken as given, so the interval to the best is somewhat too low, and that to the worst too high.

    Args:
        agreement: The comparisons.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        resampling: How intervals are drawn.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measure>_leave_one_out_minus_worst_rater` and `..._minus_best_rater` (`_pairwise`
        with fewer than 4 raters); `note` names that rater and says where the model stands. No rows without raters.
    """
    kinds = annotator_kinds(annotations)
    raters = raters_of(kinds)
    scores = []
    for name, both, measure in _beside_all(agreement, kinds):
        shared = both.scores.notna() & both.humans.notna()
        if not shared.any(axis=None) or len(raters) < 2:
            continue
        model = mean_over_raters(both.scores.loc[shared.any(axis=1)])
        of_rater = both.of_rater
        stands = position(float(model.mean()), float(of_rater.min()), float(of_rater.max()))
        for which, rater in (("worst", of_rater.idxmin()), ("best", of_rater.idxmax())):
            own = _filled(both.humans[rater].where(shared[rater]), model.index)
            note = "; ".join(filter(None, [f"{rater}; {stands}", both.note]))
            scores.append(
                Score("validity", f"{measure}{both.ending}_minus_{which}_rater", name, model - own, note=note)
            )
    return score_table(scores, clusters, resampling)


def _beside_all(agreement: Compared, kinds: dict[str, str]) -> Iterator[tuple[str, _Beside, str]]:
    raters, wanted = raters_of(kinds), [measure for measure in BESIDE_HUMANS if measure in agreement.measures]
    own = {measure: own_scores(agreement, raters, measure) for measure in wanted}
    for name, kind in kinds.items():
        for measure in wanted if kind in ("model", "ensemble") else ():
            both = _beside(agreement, raters, name, measure, own[measure])
            if both is not None:
                yield name, both, measure


def position(value: float, human_low: float, human_high: float) -> str:
    """Where a score stands in the human range, whose ends belong to it.

    Example:
        >>> position(0.4, 0.5, 0.7), position(0.7, 0.5, 0.7), position(0.71, 0.5, 0.7)
        ('below the worst rater', 'within the human range', 'above the best rater')
    """
    if value < human_low:
        return "below the worst rater"
    return "above the best rater" if value > human_high else "within the human range"


def _filled(values: pd.Series, cases: pd.Index) -> pd.Series:
    """Numbers for all cases whose mean is that of the defined ones, each gap at that mean."""
    mean, n = values.mean(), values.notna().sum()
    return mean + ((values - mean) * len(cases) / n).reindex(cases).fillna(0.0)


def ceiling_normalised(
    agreement: Compared, annotations: pd.DataFrame, clusters: pd.Series, *, resampling: Resampling = DEFAULT
) -> pd.DataFrame:
    """A model's score by that of the people: 1 where it agrees with the others as well as a person does.

    Args:
        agreement: The comparisons.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        resampling: How intervals are drawn.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measure>_leave_one_out_over_raters` (or `_pairwise`): the mean over r of the
        model's scores against C₋r by the mean over r of r's own, on the same cases, with BCa intervals. No rows
        without raters.
    """
    found, columns = [], []
    for name, both, measure in _beside_all(agreement, annotator_kinds(annotations)):
        shared = both.scores.notna() & both.humans.notna()
        rows = shared.any(axis=1)
        if rows.any():
            above, below = (mean_over_raters(part.where(shared).loc[rows]) for part in (both.scores, both.humans))
            columns.append((above, below))
            found.append((f"{measure}{both.ending}_over_raters", name, both.note))
    return _ratio_rows(found, columns, clusters, resampling)


def _ratio_rows(
    found: list[tuple[str, str, str]],
    columns: list[tuple[pd.Series, pd.Series]],
    clusters: pd.Series,
    resampling: Resampling,
) -> pd.DataFrame:
    """Rows of ratios of sums over cases: measure, target and note of each, and its numerators and denominators."""
    if not found:
        return _rows([])
    cases = list(dict.fromkeys(case for above, _ in columns for case in above.index))
    above, below = (
        np.column_stack([pair[side].reindex(cases).to_numpy(dtype=float) for pair in columns]) for side in (0, 1)
    )
    table = bca_ratios(above, below, clusters.reindex(cases).to_numpy(), resampling)
    rows = []
    for (measure, target, note), pair, interval in zip(found, columns, table.to_dict("records"), strict=True):
        n_undefined = int((pair[0].isna() | pair[1].isna()).sum())  # a case that is not covered is no such case
        ratio = Interval(**{str(key): value for key, value in interval.items()})
        rows.append(interval_row("validity", measure, target, ratio, n_undefined=n_undefined, note=note))
    return _rows(rows)


def _rows(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


# ------------------------------------------------------------------------------------------------------ recall by size


def recall_of_sizes(
    recall_by_size: pd.DataFrame, annotations: pd.DataFrame, clusters: pd.Series, *, resampling: Resampling = DEFAULT
) -> pd.DataFrame:
    """Share of the objects of each size that an annotator finds.

    Args:
        recall_by_size: Table of `tables.build`: objects of a reference by their size, and how many were matched.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        resampling: How intervals are drawn.

    Returns:
        Rows with `SCORE_COLUMNS`, `recall_<from>_<to>px_leave_one_out` and `..._against_<name>`: objects found by
        objects there, all cases and, for C₋r, all r together, with BCa intervals; `n_undefined` counts cases of the
        annotator without an object of that size. Those of raters against C₋r are of objectivity.
    """
    kinds = annotator_kinds(annotations)
    found, columns = [], []
    rows = recall_by_size.assign(
        against=[
            "_leave_one_out" if reference.startswith("-") else f"_against_{reference}"
            for reference in recall_by_size["reference"]
        ]
    )
    cases_of = {key: pd.unique(part["case"]) for key, part in rows.groupby(["against", "annotator"], sort=False)}
    keys = ["against", "size_low", "size_high", "annotator"]
    for (against, low, high, annotator), part in rows.groupby(keys, sort=False):
        sums = part.groupby("case", sort=False)[["n_found", "n_objects"]].sum().astype(float)
        sums = sums.reindex(cases_of[against, annotator])
        columns.append((sums["n_found"], sums["n_objects"]))
        reference = str(against).removeprefix("_against_")
        note = f"{reference} contains the raters" if kinds.get(reference) == "consensus" else ""
        found.append((f"recall_{low:g}_{high:g}px{against}", str(annotator), note))
    table = _ratio_rows(found, columns, clusters, resampling)
    return _with_human_range(table, kinds)


def _with_human_range(table: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    """Lowest and highest rater beside each model, except against what contains the raters."""
    table = table.copy()
    of_rater, left_out = table["target"].isin(raters_of(kinds)), table["measure"].str.endswith("_leave_one_out")
    fair = table["note"].eq("") & table["target"].map(kinds).isin(["model", "ensemble"])
    people = table[of_rater].groupby("measure")["value"].agg(["min", "max"])
    for column, end in (("human_low", "min"), ("human_high", "max")):
        table[column] = table["measure"].map(people[end]).where(fair).astype(float)
    table.loc[of_rater & left_out, "quality"] = "objectivity"
    return table


# ----------------------------------------------------------------------------------------------------------- all of it


def measures(found: Findings) -> pd.DataFrame:
    """All measures of validity beside `agreement_with_people`, and those of raters that come with them.

    Returns:
        Rows with `SCORE_COLUMNS`; what cannot be computed has none, and `not_judged` says why.
    """
    tables, annotations, clusters, resampling = found.tables, found.annotations, found.clusters, found.resampling
    agreement = Compared(tables.agreement, tables.leave_one_out)
    sizes = tables.recall_by_size
    parts = [
        detection(agreement, annotations, clusters, resampling=resampling),
        human_range(agreement, annotations, clusters, resampling=resampling),
        ceiling_normalised(agreement, annotations, clusters, resampling=resampling),
        recall_of_sizes(sizes, annotations, clusters, resampling=resampling) if len(sizes) else _rows([]),
        effects.measures(found),
        specification.measures(found),
    ]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else _rows([])


def not_judged(found: Findings) -> list[tuple[str, str]]:
    """Measures of validity that have no row, each with the reason."""
    kinds = annotator_kinds(found.annotations)
    missing = []
    if not {"model", "ensemble"} & set(kinds.values()):
        missing.append(("human_range, ceiling_normalised", "no model or ensemble among the annotators"))
    elif not len(raters_of(kinds)):
        missing.append(("human_range, ceiling_normalised", "no raters"))
    if found.tables.leave_one_out.empty:
        missing.append(("detection against C₋r", "fewer than 4 raters of one case"))
    if "truth" not in kinds.values():
        missing.append(("scores against the truth", "no truth is known"))
    return [*missing, *effects.not_judged(found)]

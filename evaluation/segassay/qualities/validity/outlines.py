"""Scores of outlines: distances between the outlines of two annotators, with a bound if one of them is empty.

distances, annotations  ->  HD95, ASSD and NSD of each annotator, of raters, and of trainings alike
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater, is_trained, raters_of
from segassay.data.facets import is_exchangeable
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.measure import AGAINST, LEAVE_ONE_OUT, PAIRWISE, Measure
from segassay.qualities.scores.table import (
    ALL_RATERS,
    BETWEEN_RATERS,
    Pairs,
    Score,
    annotator_kinds,
    containment,
    mean_over_pairs,
    mean_over_raters,
    references,
)
from segassay.qualities.validity import records as validity
from segassay.qualities.validity.raters import raters_with_enough, without_note

__all__ = ["distance_scores"]

_PAIR = ("case", "annotator_a", "annotator_b")
_COLUMNS = (*_PAIR, "unit", "diagonal")

_RECORDS: dict[str, tuple[Measure, ...]] = {
    "objectivity": (objectivity.HD95, objectivity.ASSD, objectivity.NSD),
    "reliability": (reliability.HD95, reliability.ASSD, reliability.NSD),
    "validity": (validity.HD95, validity.ASSD, validity.NSD),
}


def distance_scores(distances: pd.DataFrame, annotations: pd.DataFrame) -> Iterator[Score]:
    """Distances between outlines, averaged over the pairs where they are defined, and bounded over all pairs.

    Args:
        distances: Table of `segassay.tables.build`.
        annotations: What `read_annotations` returns.

    Yields:
        Per quality and target HD95 and ASSD, by unit, and NSD, which has none; nothing without distances.
    """
    if distances.empty:
        return
    distances = distances[[*_COLUMNS, *(record.name for record in _RECORDS["validity"])]]
    tables = []
    for place, record in enumerate(_RECORDS["validity"]):
        units = [("", distances)] if record is validity.NSD else distances.groupby("unit", sort=True)
        for unit, rows in units:
            values = rows[record.name]
            bound = values.fillna(rows["diagonal"].fillna(math.inf))  # infinite: size of the image is unknown
            tables.append((place, str(unit), Pairs(rows[list(_PAIR)].assign(distance=values, bound=bound))))
    one_way = is_exchangeable(annotations)
    for compared in _compared(annotations):
        for place, unit, table in tables:
            score = _score(compared, _RECORDS[compared.quality][place], unit, table, one_way)
            if score is not None:
                yield score


@dataclass(frozen=True)
class _Compared:
    """Pairs of annotators whose distances are one score."""

    quality: str
    target: str
    pairs: list[tuple[str, str]]
    comparison: str = ""
    reference: str = ""
    contains_raters: bool = False
    note: str = ""


def _score(compared: _Compared, record: Measure, unit: str, table: Pairs, one_way: bool) -> Score | None:
    """The score of these pairs; None if no pair has a common case."""
    values, bounds = table.of_pairs(compared.pairs, "distance"), table.of_pairs(compared.pairs, "bound")
    if not len(values.columns):
        return None
    left_out = compared.comparison == LEAVE_ONE_OUT
    in_range = left_out and compared.quality == "validity"
    values, bounds, without = _of_raters_with_enough(values, bounds) if in_range else (values, bounds, "")
    n, n_defined = (int(_known(columns).sum()) for columns in (bounds, values))
    undefined = f"{n - n_defined} of {n} comparisons undefined"
    average = mean_over_raters if left_out and not one_way else mean_over_pairs
    limit = float(np.mean(average(bounds)))
    human_low, human_high = _human_range(table, values) if in_range else (math.nan, math.nan)
    return Score(
        record.form(comparison=compared.comparison, variant=unit, reference=compared.reference),
        compared.target,
        average(values),
        human_low,
        human_high,
        note="; ".join(filter(None, [compared.note, undefined, without])),
        bound=limit if math.isfinite(limit) else math.nan,
        contains_raters=compared.contains_raters,
        n_pairs=len(values.columns),
        n_comparisons=n,
        n_comparisons_undefined=n - n_defined,
    )


def _known(values: pd.DataFrame) -> np.ndarray:
    """Where values are defined."""
    return ~np.isnan(values.to_numpy(dtype=float))


def _pairs_of(values: pd.DataFrame) -> list[tuple[str, str]]:
    """The pairs of annotators that columns are named after."""
    return [(str(pair[0]), str(pair[1])) for pair in values.columns]


def _of_raters_with_enough(values: pd.DataFrame, bounds: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Distances and bounds of pairs `(-r, annotator)` without raters r with too few cases; and a note of these."""
    names = [other.removeprefix("-") for other, _ in _pairs_of(bounds)]
    n_cases = dict(zip(names, _known(bounds).sum(axis=0).tolist(), strict=True))
    kept = raters_with_enough(n_cases)
    if len(kept) == len(names):
        return values, bounds, ""
    columns = [place for place, name in enumerate(names) if name in kept]
    covered = np.flatnonzero(_known(bounds)[:, columns].any(axis=1))
    return values.iloc[covered, columns], bounds.iloc[covered, columns], without_note(n_cases)


def _human_range(table: Pairs, values: pd.DataFrame) -> tuple[float, float]:
    """Lowest and highest mean distance of a rater r to C₋r, over cases for which `(-r, annotator)` is defined."""
    others = [str(other) for other, _ in _pairs_of(values)]
    own = table.of_pairs([(other, other.removeprefix("-")) for other in others], "distance")
    own.columns = [other for other, _ in _pairs_of(own)]
    means = own.where(values.set_axis(others, axis=1).notna()).mean()
    return float(means.min()), float(means.max())


def _compared(annotations: pd.DataFrame) -> Iterator[_Compared]:
    """All comparisons; C₋r of a rater r is called `-r` in the table of distances."""
    kinds = annotator_kinds(annotations)
    raters = raters_of(kinds)
    yield _Compared("objectivity", BETWEEN_RATERS, list(combinations(raters, 2)))
    yield _Compared("objectivity", ALL_RATERS, [(f"-{rater}", rater) for rater in raters], LEAVE_ONE_OUT)
    for name, kind in kinds.items():
        quality = "objectivity" if is_rater(kind) else "validity"
        if is_rater(kind) or is_trained(kind):
            yield _Compared(quality, name, [(name, rater) for rater in raters if rater != name], PAIRWISE)
        if is_rater(kind) or is_trained(kind) or kind == "truth":
            of = [name] if is_rater(kind) else raters
            yield _Compared(quality, name, [(f"-{rater}", name) for rater in of], LEAVE_ONE_OUT)
    for group in trained_alike(annotations):
        if pairs := group.whole_pairs():
            yield _Compared("reliability", group.target, pairs, note=f"{len(pairs)} pairs")
    for name, other, contains in references(kinds):
        yield _Compared("validity", other, [(name, other)], AGAINST, name, contains, containment(name, contains))

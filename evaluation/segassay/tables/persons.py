"""Persons instead of raters, where a person drew with several tools, or in several sessions: one person is one rater.

tables, annotations by rater  ->  the same by person; pairs of one person's masks become repetitions

Whatever is measured of raters is then measured of persons: each number of a person is the mean over that person's
masks, so that three tools do not outvote two other persons.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import annotator_order, is_rater, raters_of
from segassay.data.facets import persons_of
from segassay.data.named_channels import intensities_in
from segassay.errors import DataError
from segassay.tables.build import Tables

__all__ = ["by_person", "different_persons", "people_of"]

_AMOUNTS = ("n_objects", "area_px")
_KEYS = (
    *("case", "annotator_a", "annotator_b", "earlier", "iou_threshold", "unit", "reference", "annotator", "rater"),
    *("size_low", "contrast_low", "size_high", "threshold", "min_size", "measure", "tolerance_px"),
)
_EXCHANGED = (("n_a", "n_b"), ("precision", "recall"), ("n_merges", "n_splits"), ("n_px_a", "n_px_b"))
"""Columns that change places if the annotators of a pair do."""


def different_persons(annotations: pd.DataFrame) -> dict[str, str]:
    """Rater -> person; without raters if each is another person, so that nothing has to be changed.

    Args:
        annotations: What `read_annotations` returns.
    """
    kinds: dict[str, str] = dict(annotations[["annotator", "kind"]].drop_duplicates().itertuples(index=False))
    persons = persons_of(annotations, raters_of(kinds))
    return persons if len(set(persons.values())) < len(persons) else {}


def by_person(tables: Tables, annotations: pd.DataFrame) -> tuple[Tables, pd.DataFrame]:
    """The same tables and annotations with persons as raters.

    Args:
        tables: What `build_tables` returns.
        annotations: What `read_annotations` returns.

    Returns:
        As they are if each rater is another person. Else numbers of a person are means over the person's masks,
        `votes`, `single_votes` and `object_votes` have no rows, because a person has no single vote on a pixel or
        object, and `repeats` also has the
        pairs of masks of one person, with `between`, what differs between them.

    Raises:
        DataError: If a person has the name of a model, a reference or another annotator.
    """
    persons = different_persons(annotations)
    if not persons:
        return tables, annotations
    kinds: dict[str, str] = dict(annotations[["annotator", "kind"]].drop_duplicates().itertuples(index=False))
    if clash := sorted(set(persons.values()) & (kinds.keys() - persons.keys())):
        what = f"{clash[0]!r} is a person and a {kinds[clash[0]]}"
        raise DataError.of(None, what, "give the person another name in dataset.yaml")
    ranks = _ranks(kinds, persons)
    changed: dict[str, Any] = {
        "agreement": _pairs(tables.agreement, persons, ranks),
        "distances": _pairs(tables.distances, persons, ranks),
        "surface_shares": _pairs(tables.surface_shares, persons, ranks),
        "leave_one_out": _means(_renamed(tables.leave_one_out, persons)),
        "counts": _means(_renamed(tables.counts, persons)),
        "raters": _means(_renamed(tables.raters, persons), ("rater",)),
        "votes": tables.votes[:0],
        "recall_by_size": _means(_renamed(tables.recall_by_size, persons)),
        "recall_by_contrast": _means(_renamed(tables.recall_by_contrast, persons)),
        "repeats": _repetitions(tables, annotations, persons),
        "recounts": _means(_renamed(tables.recounts, persons)),
        "measured": _means(_renamed(tables.measured, persons)),
        "remeasured": _means(_renamed(tables.remeasured, persons)),
        "mirrored": _of_others(_means(_renamed(tables.mirrored, persons))),
        "elsewhere": _means(_renamed(tables.elsewhere, persons)),
        "resembling": _means(_renamed(tables.resembling, persons)),
        "uncounted": _means(_renamed(tables.uncounted, persons)),
        "boundaries": _pairs(tables.boundaries, persons, ranks),
        "single_votes": tables.single_votes[:0],
        "object_votes": tables.object_votes[:0],
        "facets": _facets(tables.counts, annotations, persons),
        "identical": _apart(_renamed(tables.identical, persons)).drop_duplicates(ignore_index=True),
    }
    return replace(tables, **changed), _annotations(annotations, persons)


def people_of(annotations: pd.DataFrame) -> pd.DataFrame:
    """The annotations that `by_person` returns, without the tables."""
    persons = different_persons(annotations)
    return _annotations(annotations, persons) if persons else annotations


def _annotations(annotations: pd.DataFrame, persons: Mapping[str, str]) -> pd.DataFrame:
    """One row of each case and person; models trained on a rater are models of the person."""
    names = annotations["annotator"].map(lambda name: persons.get(name, name))
    trained_on = annotations["trained_on"].map(lambda name: persons.get(name, name))
    table = annotations.assign(annotator=names, trained_on=trained_on)
    first = table[~table["kind"].map(is_rater) | ~table.duplicated(["case", "annotator"])]
    return first.reset_index(drop=True)


def _ranks(kinds: Mapping[str, str], persons: Mapping[str, str]) -> dict[str, int]:
    """Place of each annotator and person, and of its C₋r, in a pair."""
    named = {persons.get(name, name): kind for name, kind in kinds.items()}
    order = sorted(named, key=lambda name: annotator_order(name, named[name]))
    return {name: place for place, name in enumerate(chain((f"-{name}" for name in order), order))}


def _renamed(table: pd.DataFrame, persons: Mapping[str, str]) -> pd.DataFrame:
    names = {**persons, **{f"-{rater}": f"-{person}" for rater, person in persons.items()}}
    columns = [name for name in ("annotator", "annotator_a", "annotator_b", "rater", "reference") if name in table]
    return table.assign(**{name: table[name].map(lambda one: names.get(one, one)) for name in columns})


def _apart(table: pd.DataFrame) -> pd.DataFrame:
    """Without pairs of one person's masks."""
    return table[table["annotator_a"] != table["annotator_b"]]


def _of_others(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["annotator"] != table["rater"]].reset_index(drop=True)


def _pairs(table: pd.DataFrame, persons: Mapping[str, str], ranks: Mapping[str, int]) -> pd.DataFrame:
    """Pairs of different persons, each the mean over the pairs of their masks, all in the same direction."""
    named = _apart(_renamed(table, persons))
    turn = (named["annotator_a"].map(ranks) > named["annotator_b"].map(ranks)).to_numpy()
    turned = named.copy()
    for a, b in (("annotator_a", "annotator_b"), *_EXCHANGED):
        if a in named:
            turned[a], turned[b] = named[a].where(~turn, named[b]), named[b].where(~turn, named[a])
    if "shift" in named:
        turned["shift"] = named["shift"].where(~turn, -named["shift"])
    return _means(turned)


def _means(table: pd.DataFrame, keys: tuple[str, ...] = _KEYS) -> pd.DataFrame:
    """Mean of each number over rows that are the same otherwise, in the order of the first; text as in the first."""
    if table.empty:
        return table.reset_index(drop=True)
    by = [name for name in keys if name in table]
    numbers = table.columns.difference(by, sort=False)
    how = {name: "mean" if pd.api.types.is_numeric_dtype(table[name]) else "first" for name in numbers}
    as_floats = table.astype({name: float for name, one in how.items() if one == "mean"})
    return as_floats.groupby(by, sort=False, as_index=False, dropna=False).agg(how)[list(table.columns)]


def _repetitions(tables: Tables, annotations: pd.DataFrame, persons: Mapping[str, str]) -> pd.DataFrame:
    """Rows of `repeats`, and pairs of masks of one person at IoU > .5."""
    agreement = tables.agreement
    of = [agreement[side].map(persons) for side in ("annotator_a", "annotator_b")]
    same = of[0].notna() & of[0].eq(of[1]) & agreement["iou_threshold"].eq(0.5)
    rows = agreement[same].drop(columns="iou_threshold")
    facets = annotations.drop_duplicates("annotator").set_index("annotator")
    between = [
        _difference(facets, a, b) for a, b in rows[["annotator_a", "annotator_b"]].itertuples(index=False, name=None)
    ]
    renamed = rows.rename(columns={"annotator_a": "session_a", "annotator_b": "session_b"})
    again = renamed.assign(annotator=of[0][same], between=np.array(between, dtype=object))
    parts = [part for part in (tables.repeats.assign(between=""), again) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else tables.repeats


def _difference(facets: pd.DataFrame, a: str, b: str) -> str:
    """What differs between two masks of a person, such as `tool`."""
    known = [name for name in ("tool", "session", "site") if name in facets]
    differs = [name for name in known if str(facets.loc[a, name]) != str(facets.loc[b, name])]
    return ", ".join(f"other {name}" for name in differs) or "drawn again"


def _facets(counts: pd.DataFrame, annotations: pd.DataFrame, persons: Mapping[str, str]) -> pd.DataFrame:
    """Counts of each person at each level of each facet that has several, mean over masks that share both."""
    said = annotations.drop_duplicates("annotator").set_index("annotator")
    rows = counts[counts["annotator"].isin(list(persons))]
    measured = [*_AMOUNTS, *intensities_in(list(counts))]
    parts = []
    for facet in ("tool", "session", "site"):
        levels = said[facet].reindex(list(persons)).replace("", None) if facet in said else pd.Series(dtype=object)
        if levels.nunique() > 1:
            named = rows.assign(
                person=rows["annotator"].map(persons), facet=facet, level=rows["annotator"].map(levels.astype(object))
            )
            known = named[named["level"].notna()].astype(dict.fromkeys(measured, float))
            parts.append(known.groupby(["case", "person", "facet", "level"], as_index=False)[measured].mean())
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

"""What each annotator calls what: the classes of pixels and objects, compared between annotators.

    Job (files of a case), classes  ->  rows of each case  ->  counts, confusion of pixels and of objects, votes

Classes that exclude each other are compared. Where classes overlap, a pixel has several, so what it is confused with
has no answer: then there are only the counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segassay.data.annotations import is_rater
from segassay.data.classes import ClassMap
from segassay.data.dataset import Dataset
from segassay.data.facets import is_exchangeable
from segassay.masks.joint import JointOverlaps, foreground_runs, joint_overlaps
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import IOU_THRESHOLDS
from segassay.tables.columns import UNKNOWN, Columns
from segassay.tables.compared import Areas, read_masks
from segassay.tables.jobs import Job, make_jobs
from segassay.workers.order import Jobs, in_order

__all__ = ["ANOTHER", "BACKGROUND", "ONE", "UNITS", "ClassTables", "build_class_tables"]

BACKGROUND = "background"
ONE, ANOTHER = "one rater", "another rater"
"""Names in confusions of exchangeable raters, who have no names of their own."""

UNITS = ("pixels", "marked_pixels", "objects")
"""What is put into classes: pixels that at least one rater marks, with the background as one more class; pixels that at
least two raters mark, and their classes alone; objects that at least two raters found."""

Row = tuple[Any, ...]

_PAIR = {"case": str, "annotator_a": str, "annotator_b": str, "class_a": str, "class_b": str}
_COLUMNS: dict[str, dict[str, type]] = {
    "counts": {
        **{"case": str, "annotator": str, "class": str, "n_pixels": int, "n_objects": int},
        **{"share_of_area": float, "share_of_objects": float},
    },
    "confusion": _PAIR | {"n_pixels": int},
    "confusion_objects": _PAIR | {"n_objects": int},
    "votes": {"case": str, "unit": str, "pattern": int, "class": str, "n_raters": int, "n_items": int},
}


@dataclass(frozen=True, eq=False)
class ClassTables:
    """Classes of all annotators and cases; a prediction that is missing has no rows.

    Attributes:
        counts: Case × annotator × class: pixels of objects that are large enough; objects of the foreground of all
            classes together whose class this is; and the shares of both in those of all classes, an empty cell where
            nothing is marked. The class of an object is that of most of its pixels; of equally many, that which comes
            first in the dataset. Objects have no class where classes overlap.
        confusion: Case × pair of annotators × class of each: pixels that count, small objects included; `background`
            is one more class. Cells without a pixel have no row. Of exchangeable raters the pairs of a case are counted
            together, each in both orders, as `one rater` and `another rater`.
        confusion_objects: The same of objects that both annotators found, at IoU > .5.
        votes: Case × unit (`UNITS`) × pattern × class: how many raters put the `n_items` pixels or objects of the
            pattern into the class. Objects of several raters are one if they match, directly or over others, at
            IoU > .5. Without rows for a case in which a person is several raters.
    """

    counts: pd.DataFrame
    confusion: pd.DataFrame
    confusion_objects: pd.DataFrame
    votes: pd.DataFrame


def build_class_tables(
    dataset: Dataset,
    annotations: pd.DataFrame,
    *,
    n_jobs: Jobs = 1,
    progress: Callable[[str], None] | None = None,
) -> ClassTables:
    """Compare the classes of all annotators of all cases.

    Args:
        dataset: A dataset with classes.
        annotations: Table of `segassay.data.annotations.read_annotations`.
        n_jobs: As for `segassay.tables.build.build_tables`.
        progress: Called with the name of each case that is done.

    Returns:
        The tables; without rows of confusion and votes if classes overlap.

    Raises:
        DataError: If a file cannot be read, holds a value that is no class, or masks of one case differ in shape.
    """
    assert dataset.classes is not None, "it has classes"
    jobs, _ = make_jobs(dataset, annotations)
    columns = {name: Columns(of) for name, of in _COLUMNS.items()}
    for case, rows in in_order(partial(_rows_of_case, dataset.classes), jobs, n_jobs):
        for name, new in rows.items():
            columns[name].add(new)
        if progress is not None:
            progress(case)
    tables = ClassTables(**{name: of.frame() for name, of in columns.items()})
    if not is_exchangeable(annotations):
        return tables
    raters = set(annotations.loc[annotations["kind"].map(is_rater), "annotator"])
    labels = [BACKGROUND, *dataset.class_names]
    return replace(
        tables,
        confusion=_without_names(tables.confusion, raters, labels),
        confusion_objects=_without_names(tables.confusion_objects, raters, labels),
    )


def _without_names(table: pd.DataFrame, raters: set[str], labels: list[str]) -> pd.DataFrame:
    """Pairs of raters in both orders, and pairs with others, without the names of the raters."""
    a, b = (table[side].isin(raters) for side in ("annotator_a", "annotator_b"))
    turned = {"annotator_a": "annotator_b", "annotator_b": "annotator_a", "class_a": "class_b", "class_b": "class_a"}
    both, back = table[a & b], table[a & b].rename(columns=turned)
    parts = [
        *(rows.assign(annotator_a=ONE, annotator_b=ANOTHER) for rows in (both, back)),
        table[a & ~b].assign(annotator_a=ONE),
        table[b & ~a].rename(columns=turned).assign(annotator_a=ONE),
        table[~a & ~b],
    ]
    parts = [part[table.columns] for part in parts if len(part)]
    if not parts:
        return table
    found = pd.concat(parts).groupby(list(_PAIR), sort=False)[table.columns[-1]].sum().reset_index()
    places = [pd.Series(pd.factorize(found[key])[0]) for key in ("case", "annotator_a", "annotator_b")]
    places += [found[key].map(labels.index) for key in ("class_a", "class_b")]
    return found.iloc[np.lexsort(places[::-1])].reset_index(drop=True)


def _rows_of_case(classes: ClassMap, job: Job) -> tuple[str, dict[str, list[Row]]]:
    """Rows of all tables of one case."""
    values, areas, _ = read_masks(job, by_class=True)
    rows: dict[str, list[Row]] = {name: [] for name in _COLUMNS}
    if not classes.exclusive:
        rows["counts"] = [(job.case, *row) for row in _counts_of_regions(classes, values, areas, job.min_size)]
        return job.case, rows
    names = [name for name, _ in classes.names]
    n_counted = int(np.count_nonzero(areas.counted(next(iter(values.values())) >= 0))) if values else 0
    numbers = {name: _numbers(classes, values.pop(name), areas) for name in list(values)}
    objects = {name: label_objects(of > 0, min_size=job.min_size) for name, of in numbers.items()}
    pixels_of = {name: _pixels_by_class(objects[name], of, len(names)) for name, of in numbers.items()}
    rows["counts"] = list(_counts(names, pixels_of))
    if len(numbers) > 1:
        runs, n_pixels, _ = foreground_runs(list(numbers.values()))
        joint = joint_overlaps(list(objects.values()))
        labels = (BACKGROUND, *names)
        rows["confusion"] = list(_confusion(list(numbers), labels, runs, n_pixels, n_counted))
        rows["confusion_objects"] = list(_confusion_objects(list(numbers), names, joint, list(pixels_of.values())))
        persons = {a.name: a.person or a.name for a in job.annotators if is_rater(a.kind) and a.name in numbers}
        if len(set(persons.values())) == len(persons) > 1:
            at = [place for place, name in enumerate(numbers) if name in persons]
            rows["votes"] = [
                *_votes_on_pixels(labels, runs[at], n_pixels),
                *_votes_on_objects(names, joint, at, list(pixels_of.values())),
            ]
    return job.case, {name: [(job.case, *row) for row in of] for name, of in rows.items()}


def _numbers(classes: ClassMap, values: np.ndarray, areas: Areas) -> np.ndarray:
    """Place of the class of each pixel in the dataset, from 1; 0 for background and for pixels that do not count."""
    numbers = np.zeros(values.shape, dtype=np.min_scalar_type(len(classes.names)))
    counted = areas.counted(values)
    for place, (_, of_class) in enumerate(classes.names, start=1):
        numbers[counted & np.isin(values, of_class)] = place
    return numbers


def _counts_of_regions(classes: ClassMap, values: dict[str, np.ndarray], areas: Areas, min_size: int) -> Iterator[Row]:
    for annotator, of in values.items():
        marked = of[label_objects(areas.counted(of), min_size=min_size) > 0]
        for name, of_class in classes.names:
            n = int(np.count_nonzero(np.isin(marked, of_class)))
            yield annotator, name, n, UNKNOWN, n / len(marked) if len(marked) else np.nan, np.nan


def _pixels_by_class(objects: np.ndarray, numbers: np.ndarray, n_classes: int) -> np.ndarray:
    """Pixels of each object in each class, `(n_objects, n_classes)`."""
    inside = objects > 0
    n_objects = int(objects.max(initial=0))
    code = (objects[inside] - 1) * n_classes + numbers[inside] - 1
    return np.bincount(code, minlength=n_objects * n_classes).reshape(n_objects, n_classes)


def _counts(names: list[str], pixels_of: dict[str, np.ndarray]) -> Iterator[Row]:
    for annotator, of in pixels_of.items():
        n_pixels = of.sum(axis=0).tolist()
        n_objects = np.bincount(of.argmax(axis=1), minlength=len(names)).tolist()
        for name, n, n_of in zip(names, n_pixels, n_objects, strict=True):
            shares = (part / sum(whole) if sum(whole) else np.nan for part, whole in ((n, n_pixels), (n_of, n_objects)))
            yield annotator, name, n, n_of, *shares


def _confusion(
    annotators: list[str], labels: tuple[str, ...], runs: np.ndarray, n_pixels: np.ndarray, n_counted: int
) -> Iterator[Row]:
    """Cells with pixels of each pair; pixels that nobody marks are background for both."""
    nobody = n_counted - int(n_pixels.sum())
    for a, b in combinations(range(len(annotators)), 2):
        n = np.bincount(runs[a] * len(labels) + runs[b], weights=n_pixels, minlength=len(labels) ** 2).astype(np.int64)
        n[0] += nobody
        yield from _cells(annotators[a], annotators[b], labels, n)


def _confusion_objects(
    annotators: list[str], names: list[str], joint: JointOverlaps, pixels_of: list[np.ndarray]
) -> Iterator[Row]:
    for a, b in combinations(range(len(annotators)), 2):
        of_a, of_b = _matched(joint, a, b)
        code = pixels_of[a].argmax(axis=1)[of_a] * len(names) + pixels_of[b].argmax(axis=1)[of_b]
        yield from _cells(annotators[a], annotators[b], names, np.bincount(code, minlength=len(names) ** 2))


def _cells(a: str, b: str, labels: list[str] | tuple[str, ...], n: np.ndarray) -> Iterator[Row]:
    for code in np.flatnonzero(n).tolist():
        yield a, b, labels[code // len(labels)], labels[code % len(labels)], int(n[code])


def _matched(joint: JointOverlaps, a: int, b: int) -> tuple[np.ndarray, np.ndarray]:
    """Objects that both annotators found, as places among those of each."""
    overlaps = joint.pair(a, b)
    found = overlaps.iou > IOU_THRESHOLDS[0]
    return overlaps.a[found], overlaps.b[found]


def _votes_on_pixels(labels: tuple[str, ...], runs: np.ndarray, n_pixels: np.ndarray) -> Iterator[Row]:
    votes = _votes(runs, len(labels))
    marked = votes[:, 0] < len(runs)
    yield from _patterns(UNITS[0], labels, votes[marked], n_pixels[marked])
    several = votes[:, 0] < len(runs) - 1
    yield from _patterns(UNITS[1], labels[1:], votes[several][:, 1:], n_pixels[several])


def _votes(numbers: np.ndarray, n_labels: int) -> np.ndarray:
    """How many raters gave each number, `(n_items, n_labels)`, from the numbers that they gave, `(R, n_items)`."""
    n_items = numbers.shape[1]
    code = np.arange(n_items) * n_labels + numbers
    return np.bincount(code.ravel(), minlength=n_items * n_labels).reshape(n_items, n_labels)


def _votes_on_objects(
    names: list[str], joint: JointOverlaps, raters: list[int], pixels_of: list[np.ndarray]
) -> Iterator[Row]:
    """Objects that match are one; a rater who has several of them gives them one class, by all of their pixels."""
    starts = np.cumsum([0, *(len(pixels_of[rater]) for rater in raters)])
    pairs = [
        [starts[i] + of_a, starts[j] + of_b]
        for (i, a), (j, b) in combinations(enumerate(raters), 2)
        for of_a, of_b in [_matched(joint, a, b)]
    ]
    one, other = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(starts[-1], starts[-1]))
    n_items, item = connected_components(graph, directed=False) if starts[-1] else (0, np.zeros(0, dtype=int))
    votes = np.zeros((n_items, len(names)), dtype=np.int64)
    for start, rater in zip(starts, raters, strict=False):
        pixels = np.zeros((n_items, len(names)), dtype=np.int64)
        np.add.at(pixels, item[start : start + len(pixels_of[rater])], pixels_of[rater])
        found = pixels.any(axis=1)
        votes[np.flatnonzero(found), pixels[found].argmax(axis=1)] += 1
    several = votes.sum(axis=1) > 1
    yield from _patterns(UNITS[2], names, votes[several], np.ones(int(several.sum()), dtype=np.int64))


def _patterns(unit: str, labels: list[str] | tuple[str, ...], votes: np.ndarray, n_items: np.ndarray) -> Iterator[Row]:
    patterns, place = np.unique(votes, axis=0, return_inverse=True)
    n_of = np.bincount(place.ravel(), weights=n_items, minlength=len(patterns)).astype(np.int64)
    for number, (pattern, n) in enumerate(zip(patterns.tolist(), n_of.tolist(), strict=True)):
        for label, n_raters in zip(labels, pattern, strict=True):
            if n_raters:
                yield unit, number, label, n_raters, n

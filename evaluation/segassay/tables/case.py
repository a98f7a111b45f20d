"""The tables of one case, each declared once: its columns, and the function that makes its rows.

    Job (files of a case)  ->  ComparedCase  ->  CaseRows (name of the table -> rows)

`segassay.tables.build.Tables` explains the columns.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any

import numpy as np

from segassay.data.annotations import TRUTH
from segassay.data.cases import read_annotation
from segassay.data.named_channels import INTENSITY
from segassay.errors import DataError
from segassay.masks.joint import JointOverlaps, joint_overlaps, mean_values
from segassay.masks.numbers import Numbers, numbers_of
from segassay.masks.outlines import (
    average_surface_distance,
    boundary_shift,
    hausdorff_distance,
    image_diagonal,
    normalized_surface_dice,
    surface_shares,
)
from segassay.masks.overlaps import IOU_THRESHOLDS, match_each
from segassay.tables.boundaries import boundary_rows
from segassay.tables.cells import cells_of
from segassay.tables.columns import UNKNOWN
from segassay.tables.compared import ComparedCase, compare_case
from segassay.tables.contrast import OTHER_RATERS, background_of, found_by_contrast
from segassay.tables.counts import count_objects
from segassay.tables.jobs import Job, Session
from segassay.tables.map_rows import rows_of_maps
from segassay.tables.measured import measured_rows
from segassay.tables.object_votes import object_votes
from segassay.tables.plausible import identical_masks, mirrored_agreement
from segassay.tables.single_votes import single_votes
from segassay.tables.uncounted import uncounted

__all__ = ["CASE_TABLES", "RATES", "TOLERANCES", "CaseRows", "CaseTable", "score_case"]

Row = tuple[Any, ...]

_PAIR = {"case": str, "annotator_a": str, "annotator_b": str}
_MEASURES = {
    **dict.fromkeys(("n_a", "n_b", "tp"), int),
    **dict.fromkeys(("precision", "recall", "f1", "mean_iou", "dice", "iou", "sq"), float),
    **dict.fromkeys(("n_merges", "n_splits", "n_px_a", "n_px_b"), int),
}
RATES = ("sensitivity", "specificity", "sensitivity_leave_one_out", "specificity_leave_one_out")

TOLERANCES = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32)
"""Distances between outlines, in pixels of the smallest spacing, at which shares of surfaces are counted."""


@dataclass(frozen=True)
class CaseTable:
    """A table to which every case adds rows.

    Attributes:
        columns: Name and type of each: text, whole numbers (or `UNKNOWN`) or real numbers; the first is the case.
        rows: Gives the rows of a case, without their first cell; None if `segassay.tables.map_rows` does.
    """

    columns: Mapping[str, type]
    rows: Callable[[ComparedCase], Iterable[Row]] | None = None


@dataclass(frozen=True)
class CaseRows:
    """Rows of one case: name of the table -> tuples in the order of its columns; and the numbers of label images."""

    case: str
    of_table: dict[str, list[Row]]
    numbers: dict[str, Numbers]


def score_case(job: Job) -> CaseRows:
    """Compare all annotators of one case.

    Args:
        job: At least one annotator; its predictions may all be missing.

    Returns:
        Rows of every table of `CASE_TABLES`.

    Raises:
        DataError: If a file cannot be read, shapes differ, or a map holds no probabilities; for masks every problem
            of the case at once.
    """
    case = compare_case(job)
    of_maps = rows_of_maps(case)
    rows = {name: of_maps[name] if table.rows is None else table.rows(case) for name, table in CASE_TABLES.items()}
    of_table = {name: [(job.case, *row) for row in of_table] for name, of_table in rows.items()}
    labelled = {} if job.instances else {name: mask for name, mask in case.masks.items() if mask.dtype != bool}
    labelled = {name: mask for name, mask in labelled.items() if name not in case.outlined}
    return CaseRows(job.case, of_table, {name: numbers_of(mask) for name, mask in labelled.items()})


def _agreement(case: ComparedCase) -> Iterator[Row]:
    places = [(case.position(a), case.position(b)) for a, b in case.pairs]
    for pair, rows in zip(case.pairs, _measures(case.joint, places), strict=True):
        yield from ((*pair, *row) for row in rows)


def _leave_one_out(case: ComparedCase) -> Iterator[Row]:
    places = [(case.position(a), case.position(b)) for a, b in case.pairs_with_others]
    for pair, rows in zip(case.held_against_others, _measures(case.joint, places), strict=True):
        yield from ((*pair, *row) for row in rows)


def _measures(joint: JointOverlaps, places: Sequence[tuple[int | None, int | None]]) -> Iterator[list[tuple[Any, ...]]]:
    """Threshold and measures of each pair at each threshold; None is a prediction that is missing."""
    matches = match_each(joint.pair(a, b) for a, b in places if a is not None and b is not None)
    for a, b in places:
        n_px_a, n_px_b = (UNKNOWN if index is None else int(joint.n_shared[index, index]) for index in (a, b))
        if a is None or b is None:
            n_a, n_b = (UNKNOWN if index is None else len(joint.sizes[index]) for index in (a, b))
            scores = (n_a, n_b, 0, 0.0, 0.0, 0.0, np.nan, 0.0, 0.0, np.nan, UNKNOWN, UNKNOWN, n_px_a, n_px_b)
            yield [(threshold, *scores) for threshold in IOU_THRESHOLDS]
            continue
        found, pixels = next(matches), joint.pixel_agreement(a, b)
        coverage = (found.n_merges, found.n_splits, n_px_a, n_px_b)
        columns = (column.tolist() for column in (found.tp, found.precision, found.recall, found.f1, found.sq))
        yield [
            (threshold, found.n_a, found.n_b, *of_objects, found.mean_iou, *pixels, sq, *coverage)
            for threshold, *of_objects, sq in zip(IOU_THRESHOLDS, *columns, strict=True)
        ]


def _distances(case: ComparedCase) -> Iterator[Row]:
    """The pairs of annotators, then those of C₋r and an annotator."""
    spacing, (tolerance, unit) = _spacing(case), _pixel(case)
    diagonal = np.nan if case.shape is None else image_diagonal(case.shape, spacing)
    joint = case.surfaces
    for a, b in [*case.pairs, *case.pairs_with_others]:
        i, j = case.position(a), case.position(b)
        values, shift = (np.nan, np.nan, 0.0), np.nan
        if i is not None and j is not None:
            of_pair = joint[i, j]
            nsd = normalized_surface_dice(of_pair, tolerance)
            values = (hausdorff_distance(of_pair), average_surface_distance(of_pair), nsd)
            shift = boundary_shift(of_pair)
        yield a, b, *values, tolerance, unit, diagonal, shift


def _spacing(case: ComparedCase) -> tuple[float, ...] | None:
    return None if case.picture is None else case.picture.spacing_um


def _pixel(case: ComparedCase) -> tuple[float, str]:
    """The smallest spacing, and its unit."""
    spacing = _spacing(case)
    return (1.0, "px") if spacing is None else (float(min(spacing)), "um")


def _surface_shares(case: ComparedCase) -> Iterator[Row]:
    """Of pairs with a rater, or with a C₋r."""
    pairs = [pair for pair in case.pairs if set(pair) & set(case.raters)]
    pixel = _pixel(case)[0] * (1 + 1e-9)  # 3 × 0.1 is not above 0.3
    edges = [pixel * tolerance for tolerance in TOLERANCES]
    for a, b in [*pairs, *case.pairs_with_others]:
        i, j = case.position(a), case.position(b)
        shares = np.zeros(len(edges))
        if i is not None and j is not None:
            shares = surface_shares(case.surfaces[i, j], edges)
        for tolerance, share in zip(TOLERANCES, shares.tolist(), strict=True):
            yield a, b, tolerance, share


def _counts(case: ComparedCase) -> Iterator[Row]:
    for name in case.names:
        yield (name, *count_objects(case.joint, case.position(name), case.region_area), _input(case.masks.get(name)))


def _intensities(case: ComparedCase) -> Iterator[Row]:
    """Of channels with names; nothing if `mean_intensity` in `counts` is that of the only one."""
    picture = case.picture
    for measure, place in case.job.intensities:
        if measure == INTENSITY or picture is None:
            continue
        for name in case.names:
            index, value = case.position(name), np.nan
            if index is not None and len(case.joint.sizes[index]):
                value = float(mean_values(case.labels[name], picture.array[place], min_size=case.job.min_size).mean())
            yield name, measure, value


def _input(mask: np.ndarray | None) -> str:
    """How a file was read, as a mask or as labels; empty if there is none."""
    return "" if mask is None else "mask" if mask.dtype == bool else "labels"


def _rater_cases(case: ComparedCase) -> Iterator[Row]:
    for rater, rates in case.rates.items():
        yield (rater, *rates, *_is_consensus_of_others(case, rater))


def _is_consensus_of_others(case: ComparedCase, rater: str) -> tuple[int, int]:
    """Whether a rater's mask is that of STAPLE, or of a majority, of the others; 0 without C₋r or any mark."""
    own, others = case.of_marked[rater], case.of_marked.get(f"-{rater}")
    if others is None or not own.any():
        return 0, 0
    votes = case.votes.reshape(-1)[case.marked] - own
    one_each = not any(annotator.person for annotator in case.job.annotators)
    majority = one_each and np.array_equal(2 * votes > len(case.raters) - 1, own)
    return int(np.array_equal(others, own)), int(majority)


def _votes(case: ComparedCase) -> Iterator[Row]:
    n_raters = len(case.raters)
    if n_raters:
        votes, counted = (part.reshape(-1)[case.marked] for part in (case.votes, case.region))
        n_pixels = np.bincount(votes[counted], minlength=n_raters + 1)
        n_pixels[0] += case.region_area - int(n_pixels.sum())
        yield from ((n_raters, n_marked, n) for n_marked, n in enumerate(n_pixels))


def _recall_by_size(case: ComparedCase) -> Iterator[Row]:
    """Of truths, references and consensuses, and of each C₋r."""
    references = {a.name for a in case.job.annotators if a.kind in ("truth", "consensus")}
    for a, b in [*(pair for pair in case.pairs if pair[0] in references), *case.pairs_with_others]:
        index = case.position(a)
        if index is not None:
            for row in _found_by_size(case.joint, index, case.position(b), max(case.job.min_size, 1)):
                yield (a, b, *row)


def _found_by_size(joint: JointOverlaps, a: int, b: int | None, unit: int) -> list[tuple[int, ...]]:
    """size_low, size_high, objects of `a` of that size, and those that `b` has; classes are `unit` × 1, 2, 4, …"""
    sizes = joint.sizes[a]
    edges = unit * 2 ** np.arange(int(sizes.max(initial=1)).bit_length() + 1)
    size_class = np.searchsorted(edges, sizes, side="right") - 1
    n_objects = np.bincount(size_class, minlength=len(edges))
    n_found = np.zeros(len(edges), dtype=np.int64)
    if b is not None:
        overlaps = joint.pair(a, b)
        n_found = np.bincount(size_class[overlaps.a[overlaps.iou > IOU_THRESHOLDS[0]]], minlength=len(edges))
    present = np.flatnonzero(n_objects)
    columns = (edges[present], 2 * edges[present], n_objects[present], n_found[present])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _recall_by_contrast(case: ComparedCase) -> Iterator[Row]:
    """Of the objects of all other raters, for an annotator that is a person those of other persons; and of a truth."""
    if case.picture is None:
        return
    background = background_of(case.picture.array[case.job.channel][case.region & (case.votes == 0)])
    if background is None:
        return
    persons = {annotator.name: annotator.person or annotator.name for annotator in case.job.annotators}
    truths = [annotator.name for annotator in case.job.annotators if annotator.kind == TRUTH]
    for name, person in persons.items():
        others = [rater for rater in case.raters if persons[rater] != person]
        of_truths = {truth: [truth] for truth in truths if truth != name and truth in case.labels}
        references = {
            reference: [at for one in names if (at := case.position(one)) is not None]
            for reference, names in ({OTHER_RATERS: others} | of_truths).items()
        }
        for row in found_by_contrast(case.joint, references, case.position(name), background):
            yield (name, *row)


def _repeats(case: ComparedCase) -> Iterator[Row]:
    """Each pair of sessions of one rater, at the first threshold."""
    for name, of_annotator in groupby(case.job.sessions, key=lambda session: session.annotator):
        sessions = list(of_annotator)
        masks = [_read_session(session, case) for session in sessions]
        labels = [case.areas.label(mask) for mask in masks]
        joint = joint_overlaps(labels, min_size=case.job.min_size)
        pairs = list(combinations(range(len(labels)), 2))
        for (a, b), rows in zip(pairs, _measures(joint, pairs), strict=True):
            yield (name, sessions[a].number, sessions[b].number, *rows[0][1:])


def _read_session(session: Session, case: ComparedCase) -> np.ndarray:
    mask = read_annotation(session.path, session.meaning, instances=case.job.instances, grid=case.grid)
    if mask.shape != case.region.shape:
        what = f"has shape {mask.shape}, but the first session has {case.region.shape}"
        raise DataError.of(session.path, what, expected="the same")
    return mask


CASE_TABLES = {
    "agreement": CaseTable(_PAIR | {"iou_threshold": float} | _MEASURES, _agreement),
    "distances": CaseTable(
        _PAIR
        | dict.fromkeys(("hd95", "assd", "nsd", "tolerance"), float)
        | {"unit": str, "diagonal": float, "shift": float},
        _distances,
    ),
    "surface_shares": CaseTable(_PAIR | {"tolerance_px": int, "share": float}, _surface_shares),
    "leave_one_out": CaseTable(
        {"case": str, "rater": str, "annotator": str, "iou_threshold": float} | _MEASURES, _leave_one_out
    ),
    "counts": CaseTable(
        {"case": str, "annotator": str, "n_objects": int, "area_px": int, "mean_intensity": float}
        | {"region_area_px": int, "density": float, "input": str},
        _counts,
    ),
    "intensities": CaseTable({"case": str, "annotator": str, "measure": str, "value": float}, _intensities),
    "rater_cases": CaseTable(
        {"case": str, "rater": str} | dict.fromkeys(RATES, float) | {"is_staple": int, "is_majority": int}, _rater_cases
    ),
    "votes": CaseTable({"case": str} | dict.fromkeys(("n_raters", "n_marked", "n_pixels"), int), _votes),
    "recall_by_size": CaseTable(
        {"case": str, "reference": str, "annotator": str}
        | dict.fromkeys(("size_low", "size_high", "n_objects", "n_found"), int),
        _recall_by_size,
    ),
    "recall_by_contrast": CaseTable(
        {"case": str, "annotator": str, "reference": str, "contrast_low": float}
        | dict.fromkeys(("n_objects", "n_found"), int),
        _recall_by_contrast,
    ),
    "calibration": CaseTable(
        {"case": str, "annotator": str, "reference": str, "bin": int}
        | {"n_pixels": int, "sum_prob": float, "sum_squared_error": float, "n_foreground": int},
    ),
    "detections": CaseTable(
        {"case": str, "annotator": str, "reference": str}
        | dict.fromkeys(("bin", "n_matched", "n_false", "n_objects"), int),
    ),
    "prob_votes": CaseTable(
        {"case": str, "annotator": str}
        | dict.fromkeys(("level", "n_raters", "n_marked", "n_pixels"), int)
        | {"sum_prob": float, "sum_squared_prob": float},
    ),
    "uncertainty": CaseTable(
        {"case": str, "annotator": str, "reference": str, "bin": int}
        | {"n_pixels": int, "sum_uncertainty": float, "n_errors": int, "sum_disagreement": float},
    ),
    "repeats": CaseTable({"case": str, "annotator": str, "session_a": int, "session_b": int} | _MEASURES, _repeats),
    "recounts": CaseTable(
        {"case": str, "annotator": str, "threshold": float, "min_size": int, "n_objects": int, "density": float},
    ),
    "mirrored": CaseTable({"case": str, "annotator": str, "rater": str, "dice": float}, mirrored_agreement),
    "identical": CaseTable(_PAIR, identical_masks),
    "cells": CaseTable({"case": str, "annotator": str, "cells": str}, cells_of),
    "uncounted": CaseTable(
        {"case": str, "rater": str} | dict.fromkeys(("n_px", "n_px_counted", "n_objects", "n_objects_counted"), int),
        uncounted,
    ),
    "single_votes": CaseTable(
        {"case": str, "annotator": str, "rater": str}
        | dict.fromkeys(("n_others", "n_with", "n_without", "n_marked_with", "n_marked_without"), int),
        single_votes,
    ),
    "object_votes": CaseTable(
        {"case": str, "annotator": str, "voters": str, "n_objects": int, "n_marked": int}, object_votes
    ),
    "boundaries": CaseTable(
        _PAIR | dict.fromkeys(("boundary_iou", "centreline_dice", "masd"), float) | {"unit": str},
        lambda case: ((*row, _pixel(case)[1]) for row in boundary_rows(case)),
    ),
    "measured": CaseTable(
        {"case": str, "annotator": str, "measure": str, "value": float, "pixel_size": float, "n_axes": int},
        measured_rows,
    ),
    "remeasured": CaseTable(
        {"case": str, "annotator": str, "threshold": float, "min_size": int, "measure": str}
        | {"value": float, "pixel_size": float, "n_axes": int},
    ),
}

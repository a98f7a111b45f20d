"""Rows of the tables that need probability or uncertainty maps: each map is read once, and one is held at a time.

ComparedCase  ->  annotator by annotator its maps  ->  name of the table -> rows
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from segassay.data.annotations import TRUTH
from segassay.tables.compared import ComparedCase
from segassay.tables.detections import detection_bins
from segassay.tables.jobs import Annotator
from segassay.tables.maps import calibration_bins, read_map, uncertainty_bins, vote_bins
from segassay.tables.measured import SIZE_OF_ALL, pixel_size

__all__ = ["rows_of_maps"]

Row = tuple[Any, ...]

_THRESHOLDS = (0.3, 0.7)
"""Further thresholds of the probability, next to that of the model's masks, at which objects are counted again."""


def rows_of_maps(case: ComparedCase) -> dict[str, list[Row]]:
    """Rows of calibration, detections, prob_votes, uncertainty, recounts and remeasured, without their first cell.

    Raises:
        DataError: As `read_map`.
    """
    tables = ("calibration", "detections", "prob_votes", "uncertainty", "recounts", "remeasured")
    rows: dict[str, list[Row]] = {name: [] for name in tables}
    name, reference = _reference(case)
    objects, places = _objects(case, name, reference)
    for annotator in case.job.annotators:
        if annotator.name not in case.masks:
            continue
        prob = _prob(case, annotator) if case.raters or reference is not None or case.job.other_min_sizes else None
        if prob is not None and reference is not None and objects is not None:
            rows["calibration"] += _named(annotator, name, calibration_bins(prob, reference, case.region))
            own = (part.reshape(-1)[places] for part in (case.labels[annotator.name], prob, objects))
            rows["detections"] += _named(annotator, name, detection_bins(*own, min_size=case.job.min_size))
        if prob is not None and case.raters:
            of_votes = vote_bins(prob, case.votes, len(case.raters), case.region)
            rows["prob_votes"] += _named(annotator, None, of_votes)
        for threshold, sizes in _sizes_by_choice(case, annotator, prob):
            rows["recounts"] += _recounts(case, annotator, threshold, sizes)
            rows["remeasured"] += _remeasured(case, annotator, threshold, sizes)
        del prob
        if annotator.uncertainty is not None and reference is not None:
            values = read_map(annotator.uncertainty, case.region.shape, case.grid, annotator.meaning, shared=True)
            wrong = (case.masks[annotator.name] > 0) != reference
            bins = uncertainty_bins(values, wrong, case.votes, len(case.raters), case.region)
            rows["uncertainty"] += _named(annotator, name, bins)
    return rows


def _named(annotator: Annotator, reference: str | None, rows: Iterable[Row]) -> list[Row]:
    """Rows that begin with the annotator, and with the reference where there is one."""
    first = (annotator.name,) if reference is None else (annotator.name, reference)
    return [(*first, *row) for row in rows]


def _reference(case: ComparedCase) -> tuple[str, np.ndarray | None]:
    """Name and boolean mask of what maps are held against: the truth, else the consensus of all raters, else another
    consensus; None without any of these."""
    truth, other = (
        next((a.name for a in case.job.annotators if a.kind == kind and a.name in case.masks), None)
        for kind in (TRUTH, "consensus")
    )
    if truth is None and case.consensus is not None:
        return "consensus_staple", case.consensus
    name = other if truth is None else truth
    return ("", None) if name is None else (name, case.masks[name] > 0)


def _objects(case: ComparedCase, name: str, reference: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray]:
    """Objects of the reference, None without one or without maps; and the places of all pixels that have a label."""
    if name in case.labels:
        return case.labels[name], case.marked
    if reference is None or all(annotator.prob is None for annotator in case.job.annotators):
        return None, case.marked
    objects = case.areas.label(reference)
    return objects, np.union1d(case.marked, np.flatnonzero(objects))


def _prob(case: ComparedCase, annotator: Annotator) -> np.ndarray | None:
    if annotator.prob is None:
        return None
    return read_map(annotator.prob, case.region.shape, case.grid, annotator.meaning)


def _sizes_by_choice(
    case: ComparedCase, annotator: Annotator, prob: np.ndarray | None
) -> Iterator[tuple[float, np.ndarray]]:
    """Threshold, and pixels of each object: of the mask as it is, for which it is NaN, and of the map above others.

    Nothing if objects are not counted again.
    """
    if not case.job.other_min_sizes:
        return
    yield np.nan, np.bincount(case.labels[annotator.name].reshape(-1)[case.marked])[1:]
    if prob is not None:
        above = [prob > threshold for threshold in _THRESHOLDS]
        labels = case.areas.label_each(dict(zip(_THRESHOLDS, above, strict=True)))
        for of, (threshold, own) in zip(above, labels.items(), strict=True):
            yield threshold, np.bincount(own[of])[1:]


def _recounts(case: ComparedCase, annotator: Annotator, threshold: float, sizes: np.ndarray) -> Iterator[Row]:
    for min_size in case.job.other_min_sizes:
        n = int(np.count_nonzero(sizes >= max(min_size, 1)))
        yield annotator.name, threshold, min_size, n, n / case.region_area if case.region_area else np.nan


def _remeasured(case: ComparedCase, annotator: Annotator, threshold: float, sizes: np.ndarray) -> Iterator[Row]:
    """Area or volume, if it is tested."""
    measure = next((name for name in case.job.measured if name in SIZE_OF_ALL), None)
    for min_size in case.job.other_min_sizes if measure is not None else ():
        total = float(sizes[sizes >= max(min_size, 1)].sum())
        yield annotator.name, threshold, min_size, measure, total, pixel_size(case), case.region.ndim

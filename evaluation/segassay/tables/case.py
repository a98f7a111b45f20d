"""One case: its masks are read and labelled once, compared with each other, and leave only rows behind.

    Job (files of a case)  ->  masks, objects, C₋r, overlaps, outlines, maps  ->  CaseRows

C₋r, the consensus of all raters but r, takes part as one more annotator, under the name `-r`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from segassay.consensus.pixels import count_decisions, staple_of_decisions, without_rater
from segassay.data.annotations import is_rater
from segassay.data.cases import read_annotation, read_ignored_area, read_spaced_image
from segassay.data.nnunet import ClassMap
from segassay.errors import DataError
from segassay.io.images import Picture
from segassay.masks.objects import counted_pixels, label_objects
from segassay.masks.outlines import (
    average_surface_distance,
    boundary_shift,
    hausdorff_distance,
    image_diagonal,
    joint_surface_distances,
    normalized_surface_dice,
)
from segassay.masks.overlaps import IOU_THRESHOLDS, JointOverlaps, joint_overlaps, match_overlaps
from segassay.tables.columns import UNKNOWN
from segassay.tables.maps import calibration_bins, read_map, uncertainty_bins

__all__ = ["COLUMNS", "MIN_OTHERS", "TEXTS", "WHOLE_NUMBERS", "Annotator", "CaseRows", "Job", "score_case"]

MIN_OTHERS = 3
"""Raters that C₋r is made of, at least: STAPLE of two is nearly their intersection."""

RATES = ("sensitivity", "specificity", "sensitivity_leave_one_out", "specificity_leave_one_out")

_MEASURES = ("n_a", "n_b", "tp", "precision", "recall", "f1", "mean_iou", "dice", "iou")
_MORE_MEASURES = ("sq", "n_merges", "n_splits", "n_px_a", "n_px_b")
_PAIR = ("case", "annotator_a", "annotator_b")

COLUMNS = {
    "agreement": (*_PAIR, "iou_threshold", *_MEASURES, *_MORE_MEASURES),
    "distances": (*_PAIR, "hd95", "assd", "nsd", "tolerance", "unit", "diagonal", "shift"),
    "leave_one_out": ("case", "rater", "annotator", "iou_threshold", *_MEASURES, *_MORE_MEASURES),
    "counts": ("case", "annotator", "n_objects", "area_px", "mean_intensity", "region_area_px", "density", "input"),
    "rater_cases": ("case", "rater", *RATES),
    "votes": ("case", "n_raters", "n_marked", "n_pixels"),
    "recall_by_size": ("case", "reference", "annotator", "size_low", "size_high", "n_objects", "n_found"),
    "calibration": (
        *("case", "annotator", "reference", "bin"),
        *("n_pixels", "sum_prob", "sum_squared_error", "n_foreground"),
    ),
    "uncertainty": (
        *("case", "annotator", "reference", "bin"),
        *("n_pixels", "sum_uncertainty", "n_errors", "sum_disagreement"),
    ),
    "repeats": ("case", "annotator", "session_a", "session_b", *_MEASURES, *_MORE_MEASURES),
    "recounts": ("case", "annotator", "threshold", "min_size", "n_objects", "density"),
}
"""Columns of each table, in order; what they mean is said at `segassay.tables.build.Tables`."""

TEXTS = ("case", "rater", "annotator", "annotator_a", "annotator_b", "reference", "input", "unit")
WHOLE_NUMBERS = (
    *("n_a", "n_b", "tp", "n_merges", "n_splits", "n_px_a", "n_px_b", "n_objects", "area_px", "region_area_px"),
    *("n_raters", "n_marked", "n_pixels", "size_low", "size_high", "n_found", "bin", "n_foreground", "n_errors"),
    *("session_a", "session_b", "min_size"),
)

THRESHOLDS = (0.3, 0.7)
"""Probabilities, beside the one that a model's masks were made with, from which on pixels are counted again."""


@dataclass(frozen=True)
class Annotator:
    """One annotator of a case, and where what it drew lies."""

    name: str
    kind: str
    path: Path | None  # None: the prediction is missing
    classes: ClassMap | None = None  # of a mask of the dataset
    prob: Path | None = None
    uncertainty: Path | None = None


@dataclass(frozen=True)
class Job:
    """One case, with all that a process needs to know of it."""

    case: str
    annotators: tuple[Annotator, ...]
    image: tuple[Path, ...] = ()  # a file, or one for each channel
    channel: int = 0
    spacing_um: tuple[float, ...] | None = None
    ignore: Path | None = None
    ignored_class: ClassMap | None = None
    region: Path | None = None
    min_size: int = 0
    other_min_sizes: tuple[int, ...] = ()  # for which objects are counted again
    sessions: tuple[tuple[str, int, Path, ClassMap | None], ...] = ()  # name, session, mask; of those with several


@dataclass(frozen=True)
class CaseRows:
    """Rows of one case: name of the table -> tuples in the order of its columns."""

    case: str
    of_table: dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, eq=False)
class _Areas:
    """What counts of an image."""

    ignore: np.ndarray | None
    region: np.ndarray | None

    def label(self, mask: np.ndarray) -> np.ndarray:
        return label_objects(mask, ignore=self.ignore, region=self.region)

    def counted(self, mask: np.ndarray) -> np.ndarray:
        return counted_pixels(mask, ignore=self.ignore, region=self.region)


def score_case(job: Job) -> CaseRows:
    """Compare all annotators of one case.

    Args:
        job: At least one annotator; its predictions may all be missing.

    Returns:
        Rows of every table of `COLUMNS`.

    Raises:
        DataError: If a file cannot be read, shapes differ, or a map holds no probabilities; for masks every problem
            of the case at once.
    """
    masks, picture, areas = _read_case(job)
    image = None if picture is None else picture.array[job.channel]
    shape = next((array.shape for array in (image, *masks.values()) if array is not None), None)
    blank = np.zeros(shape or 1, dtype=np.int32)  # stands in where every prediction of a case is missing
    region = areas.counted(blank == 0) if shape else np.zeros(1, dtype=bool)
    labels = {name: areas.label(mask) for name, mask in masks.items()}
    rates, consensuses, full = _consensus_of_others(job, masks)
    labels |= {f"-{rater}": areas.label(mask) for rater, mask in consensuses.items()}
    joint = joint_overlaps(list(labels.values()) or [blank], min_size=job.min_size, values=image)
    position = {name: index for index, name in enumerate(labels)}  # C₋r stands behind all annotators

    names = [annotator.name for annotator in job.annotators]
    pairs = list(combinations(names, 2))
    outside = [a.name for a in job.annotators if a.kind in ("model", "ensemble", "truth")]
    left_out = [(rater, annotator) for rater in consensuses for annotator in (rater, *outside)]
    references = {a.name for a in job.annotators if a.kind in ("truth", "consensus")}
    with_others = [(f"-{rater}", annotator) for rater, annotator in left_out]
    by_size = [*(pair for pair in pairs if pair[0] in references), *with_others]
    region_area = int(np.count_nonzero(region)) if shape else UNKNOWN
    votes = np.zeros(region.shape, dtype=np.int32)
    raters = [a.name for a in job.annotators if is_rater(a.kind) and a.name in masks]
    for rater in raters:
        votes += labels[rater] > 0
    of_table: dict[str, list[tuple[Any, ...]]] = {
        "agreement": [(*pair, *row) for pair in pairs for row in _measures(joint, *map(position.get, pair))],
        "distances": list(_distances([*pairs, *with_others], labels, shape, picture.spacing_um if picture else None)),
        "leave_one_out": [
            (rater, other, *row)
            for rater, other in left_out
            for row in _measures(joint, position[f"-{rater}"], position.get(other))
        ],
        "counts": [(name, *_count(joint, position.get(name), region_area), _input(masks.get(name))) for name in names],
        "rater_cases": rates,
        "votes": [(len(raters), *row) for row in enumerate(np.bincount(votes[region], minlength=len(raters) + 1))]
        if raters
        else [],
        "recall_by_size": [
            (a, b, *row)
            for a, b in by_size
            if a in position
            for row in _found_by_size(joint, position[a], position.get(b), max(job.min_size, 1))
        ],
        "repeats": _repeats(job, region.shape, areas),
        "recounts": _recounts(job, labels, areas, region_area),
    }
    of_table |= _of_maps(job, masks, full, votes, len(raters), region)
    return CaseRows(job.case, {name: [(job.case, *row) for row in rows] for name, rows in of_table.items()})


def _read_case(
    job: Job,
) -> tuple[dict[str, np.ndarray], Picture | None, _Areas]:
    """Masks by annotator, image and areas, all of one shape; every problem of the case at once."""
    picture, expected = None, None
    if job.image:
        picture = read_spaced_image(job.image, job.spacing_um)
        channels = picture.array
        if job.channel >= len(channels):
            raise DataError(
                f"{job.image[0]} has {len(channels)} channels, but intensity_channel in dataset.yaml is {job.channel}; "
                "channels are counted from 0"
            )
        expected = channels.shape[1:]
    files = {annotator.name: annotator.path for annotator in job.annotators if annotator.path is not None}
    classes = {annotator.name: annotator.classes for annotator in job.annotators}
    of_what = next(iter([*job.image, *files.values()]), None)
    masks, problems = {}, []
    for name, path in [*files.items(), ("", job.ignore), ("-", job.region)]:
        if path is None:
            continue
        try:
            ignored = name == ""
            mask = read_ignored_area(path, job.ignored_class) if ignored else read_annotation(path, classes.get(name))
        except DataError as error:
            problems.append(str(error))
            continue
        expected = mask.shape if expected is None else expected
        if mask.shape != expected:
            problems.append(f"{path} has shape {mask.shape}, but {of_what} has {expected}; expected the same")
        masks[name] = mask
    if problems:
        raise DataError("\n".join(problems))
    areas = [masks.pop(name) > 0 if name in masks else None for name in ("", "-")]
    return masks, picture, _Areas(*areas)


def _consensus_of_others(
    job: Job, masks: dict[str, np.ndarray]
) -> tuple[list[tuple[Any, ...]], dict[str, np.ndarray], np.ndarray | None]:
    """Rater, sensitivity and specificity (full, leave-one-out) of each rater; C₋r where enough others remain; and the
    consensus of all, None without raters.

    Consensuses and rates are of whole images: ignored areas and regions matter to scores only.
    """
    raters = [a.name for a in job.annotators if is_rater(a.kind) and a.name in masks]
    if len(raters) < 2:
        alone = masks[raters[0]] > 0 if raters else None
        return [(rater, *[np.nan] * 4) for rater in raters], {}, alone
    drawn = np.stack([masks[rater] > 0 for rater in raters])
    decisions = count_decisions(drawn)
    full = staple_of_decisions(decisions)
    rates, consensuses = [], {}
    for index, rater in enumerate(raters):
        left_out = (np.nan, np.nan)
        if len(raters) > MIN_OTHERS:
            others = staple_of_decisions(without_rater(decisions, index)).mask
            left_out = _sensitivity_specificity(drawn[index], others)
            consensuses[rater] = others
        rates.append((rater, full.sensitivity[index], full.specificity[index], *left_out))
    return rates, consensuses, full.mask


def _sensitivity_specificity(mask: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Share of the reference's foreground that is marked, and of its background that is not; NaN if there is none."""
    n_reference, n_marked = np.count_nonzero(reference), np.count_nonzero(mask)
    n_shared, n_background = np.count_nonzero(mask & reference), mask.size - n_reference
    sensitivity = n_shared / n_reference if n_reference else np.nan
    return sensitivity, (n_background - (n_marked - n_shared)) / n_background if n_background else np.nan


def _measures(joint: JointOverlaps, a: int | None, b: int | None) -> list[tuple[Any, ...]]:
    """Threshold and measures of one pair at each threshold; None is a prediction that is missing."""
    n_px_a, n_px_b = (UNKNOWN if index is None else int(joint.n_shared[index, index]) for index in (a, b))
    if a is None or b is None:
        n_a, n_b = (UNKNOWN if index is None else len(joint.sizes[index]) for index in (a, b))
        scores = (n_a, n_b, 0, 0.0, 0.0, 0.0, np.nan, 0.0, 0.0, np.nan, UNKNOWN, UNKNOWN, n_px_a, n_px_b)
        return [(threshold, *scores) for threshold in IOU_THRESHOLDS]
    found, pixels = match_overlaps(joint.pair(a, b)), joint.pixel_agreement(a, b)
    coverage = (found.n_merges, found.n_splits, n_px_a, n_px_b)
    columns = (column.tolist() for column in (found.tp, found.precision, found.recall, found.f1, found.sq))
    return [
        (threshold, found.n_a, found.n_b, *of_objects, found.mean_iou, *pixels, sq, *coverage)
        for threshold, *of_objects, sq in zip(IOU_THRESHOLDS, *columns, strict=True)
    ]


def _distances(
    pairs: Sequence[tuple[str, str]],
    labels: dict[str, np.ndarray],
    shape: tuple[int, ...] | None,
    spacing: Sequence[float] | None,
) -> Iterator[tuple[Any, ...]]:
    """Pair, hd95, assd, nsd, tolerance, unit, diagonal, shift; a name that `labels` lacks is a missing prediction."""
    tolerance, unit = (1.0, "px") if spacing is None else (float(min(spacing)), "um")
    diagonal = np.nan if shape is None else image_diagonal(shape, spacing)
    position = {name: index for index, name in enumerate(labels)}
    drawn = [(position[a], position[b]) for a, b in pairs if a in labels and b in labels]
    joint = joint_surface_distances(list(labels.values()), spacing, pairs=drawn)
    for a, b in pairs:
        values, shift = (np.nan, np.nan, 0.0), np.nan
        if a in labels and b in labels:
            of_pair = joint[position[a], position[b]]
            nsd = normalized_surface_dice(of_pair, tolerance)
            values = (hausdorff_distance(of_pair), average_surface_distance(of_pair), nsd)
            shift = boundary_shift(of_pair)
        yield a, b, *values, tolerance, unit, diagonal, shift


def _count(joint: JointOverlaps, index: int | None, region_area: int) -> tuple[Any, ...]:
    """n_objects, area_px, mean_intensity, region_area_px, density."""
    if index is None:
        return UNKNOWN, UNKNOWN, np.nan, region_area, np.nan
    sizes = joint.sizes[index]
    mean_intensity = float(joint.mean_values[index].mean()) if joint.mean_values and len(sizes) else np.nan
    density = len(sizes) / region_area if region_area else np.nan
    return len(sizes), int(sizes.sum()), mean_intensity, region_area, density


def _input(mask: np.ndarray | None) -> str:
    """What a file was taken for; empty if there is none."""
    return "" if mask is None else "mask" if mask.dtype == bool else "labels"


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


def _repeats(job: Job, shape: tuple[int, ...], areas: _Areas) -> list[tuple[Any, ...]]:
    """Annotator, both sessions, and measures at the first threshold, of each pair of sessions of one person."""
    rows: list[tuple[Any, ...]] = []
    for name, drawn in groupby(job.sessions, key=itemgetter(0)):
        sessions, labels = [], []
        for _, session, path, classes in drawn:
            mask = read_annotation(path, classes)
            if mask.shape != shape:
                raise DataError(f"{path} has shape {mask.shape}, but the first session has {shape}; expected the same")
            sessions.append(session)
            labels.append(areas.label(mask))
        joint = joint_overlaps(labels, min_size=job.min_size)
        for a, b in combinations(range(len(labels)), 2):
            rows.append((name, sessions[a], sessions[b], *_measures(joint, a, b)[0][1:]))
    return rows


def _recounts(job: Job, labels: dict[str, np.ndarray], areas: _Areas, region_area: int) -> list[tuple[Any, ...]]:
    """Annotator, threshold (NaN: the mask as it is), smallest size that counts, objects, and these by area."""
    rows: list[tuple[Any, ...]] = []
    for annotator in job.annotators if job.other_min_sizes else ():
        if annotator.name not in labels:
            continue
        found = [(np.nan, labels[annotator.name])]
        if annotator.prob is not None:
            prob = read_map(annotator.prob, labels[annotator.name].shape)
            found += [(threshold, areas.label(prob > threshold)) for threshold in THRESHOLDS]
        for threshold, of_threshold in found:
            sizes = np.bincount(of_threshold[of_threshold > 0])[1:]
            for min_size in job.other_min_sizes:
                n = int(np.count_nonzero(sizes >= max(min_size, 1)))
                rows.append((annotator.name, threshold, min_size, n, n / region_area if region_area else np.nan))
    return rows


def _of_maps(
    job: Job,
    masks: dict[str, np.ndarray],
    consensus: np.ndarray | None,
    votes: np.ndarray,
    n_raters: int,
    region: np.ndarray,
) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the tables calibration and uncertainty: annotator, reference, bin and sums. One map is held at a time."""
    rows: dict[str, list[tuple[Any, ...]]] = {"calibration": [], "uncertainty": []}
    truth, others = (
        next((a.name for a in job.annotators if a.kind == kind and a.name in masks), None)
        for kind in ("truth", "consensus")
    )
    named = others if truth is None else truth
    if truth is None and consensus is not None:
        name, reference = "consensus_staple", consensus
    elif named is not None:
        name, reference = named, masks[named] > 0
    else:
        return rows
    for annotator in job.annotators:
        if annotator.name not in masks:
            continue
        if annotator.prob is not None:
            prob = read_map(annotator.prob, region.shape)
            rows["calibration"] += [(annotator.name, name, *row) for row in calibration_bins(prob, reference, region)]
        if annotator.uncertainty is not None:
            values, wrong = read_map(annotator.uncertainty, region.shape), (masks[annotator.name] > 0) != reference
            rows["uncertainty"] += [
                (annotator.name, name, *row) for row in uncertainty_bins(values, wrong, votes, n_raters, region)
            ]
    return rows

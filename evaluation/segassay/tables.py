"""The tables that every measure reads: who agrees with whom, who counts what, and what each rater's habit is.

    annotations  ->  one case at a time: masks, objects, C₋r, overlaps, outlines
                 ->  agreement, distances, leave_one_out, counts, raters

Each mask is read and labelled once. C₋r, the consensus of all raters but r, takes part as one more annotator.
A case leaves only its rows behind, so memory does not grow with their number; processes share the cases.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segassay.agreement import IOU_THRESHOLDS, JointOverlaps, joint_overlaps, match_overlaps
from segassay.annotations import annotator_order
from segassay.consensus import count_decisions, staple_of_decisions, without_rater
from segassay.dataset import Dataset, natural_key, read_spaced_image
from segassay.distances import (
    average_surface_distance,
    hausdorff_distance,
    joint_surface_distances,
    normalized_surface_dice,
)
from segassay.errors import DataError
from segassay.files import Picture, read_mask
from segassay.objects import counted_pixels, label_objects

__all__ = ["MIN_OTHERS", "Tables", "build_tables", "log_ratios"]

MIN_OTHERS = 3
"""Raters that C₋r is made of, at least: STAPLE of two is nearly their intersection."""

_MEASURES = ("n_a", "n_b", "tp", "precision", "recall", "f1", "mean_iou", "dice", "iou")
_AGREEMENT = ("case", "annotator_a", "annotator_b", "iou_threshold", *_MEASURES)
_DISTANCES = ("case", "annotator_a", "annotator_b", "hd95", "assd", "nsd", "tolerance", "unit")
_LEAVE_ONE_OUT = ("case", "rater", "annotator", "iou_threshold", *_MEASURES)
_COUNTS = ("case", "annotator", "n_objects", "area_px", "mean_intensity", "region_area_px", "density", "input")
_RATES = ("sensitivity", "specificity", "sensitivity_leave_one_out", "specificity_leave_one_out")
_RATER_CASES = ("case", "rater", *_RATES)
_WHOLE_NUMBERS = ("n_a", "n_b", "tp", "n_objects", "area_px", "region_area_px")
_TEXTS = ("case", "rater", "annotator", "annotator_a", "annotator_b", "input", "unit")
_UNKNOWN = -1  # a count that a missing prediction does not have; an empty cell in the tables


@dataclass(frozen=True, eq=False)
class Tables:
    """What all annotators did with all cases; columns, orders and empty cells are a contract with other tools.

    Attributes:
        agreement: Case × unordered pair of annotators × IoU threshold; `annotator_a` is the truth, the reference or a
            consensus if one is in the pair, else the first in natural order; precision = tp / n_b, recall = tp / n_a.
        distances: Case × the same pairs: HD95 and ASSD, empty cells where one side has no foreground; NSD at a
            tolerance of one pixel, the smallest spacing; in `unit`, `um` where the spacing is known, else `px`.
        leave_one_out: Case × rater × annotator × IoU threshold: the rater itself, and every model, ensemble and truth,
            against C₋rater, which is `a`. References and consensuses contain the rater and are left out.
        counts: Case × annotator: objects, their area, mean over objects of their mean raw value, region, density, and
            whether the file was taken for a `mask` (objects are connected components) or for `labels`.
        raters: One row per rater: STAPLE's sensitivity and specificity, means over cases; those of the rater's mask
            against C₋rater; log ratios of counts and areas against the other raters; mean agreement with C₋rater at
            IoU > .5 and, for where there are too few raters, the mean over cases of its mean agreement with the others.
        missing: Annotator and case of every prediction whose file does not exist; it scores 0 in agreement,
            leave_one_out and NSD, and its distances and what it would have counted are empty cells.
        notes: What was decided on the way, one sentence each.
    """

    agreement: pd.DataFrame
    distances: pd.DataFrame
    leave_one_out: pd.DataFrame
    counts: pd.DataFrame
    raters: pd.DataFrame
    missing: pd.DataFrame
    notes: list[str]


def build_tables(
    dataset: Dataset | None,
    annotations: pd.DataFrame,
    *,
    n_jobs: int = 2,
    progress: Callable[[str], None] | None = None,
) -> Tables:
    """Compare all annotators of all cases.

    Args:
        dataset: Gives images, ignored areas, regions and the minimum size. Without it there are no intensities, every
            pixel and every object counts, and a note says so.
        annotations: Table of `segassay.annotations.read_annotations`.
        n_jobs: Processes that share the cases; the result does not depend on it. With more than 1, a script that calls
            this needs the usual `if __name__ == "__main__":`.
        progress: Called with the name of each case that is done.

    Returns:
        The tables, in natural order of cases and annotators whatever the order of `annotations`.

    Raises:
        DataError: If a file cannot be read, masks of one case differ in shape, or no case has two annotators.
    """
    jobs, notes = _jobs(dataset, annotations)
    if not any(len(job.annotators) > 1 for job in jobs):
        raise DataError(
            "no case has masks of two annotators, so there is nothing to compare; add a rater, a `reference` in "
            "dataset.yaml, or masks with --annotations or --masks"
        )
    done = []
    for rows in _score_all(jobs, n_jobs):
        done.append(rows)
        if progress is not None:
            progress(rows.case)
    agreement = _frame(_AGREEMENT, [rows.agreement for rows in done])
    distances = _frame(_DISTANCES, [rows.distances for rows in done])
    leave_one_out = _frame(_LEAVE_ONE_OUT, [rows.leave_one_out for rows in done])
    counts = _frame(_COUNTS, [rows.counts for rows in done])
    rater_cases = _frame(_RATER_CASES, [rows.raters for rows in done])
    missing = [(annotator.name, job.case) for job in jobs for annotator in job.annotators if annotator.path is None]
    return Tables(
        agreement=agreement,
        distances=distances,
        leave_one_out=leave_one_out,
        counts=counts,
        raters=_raters(rater_cases, agreement, leave_one_out, counts),
        missing=pd.DataFrame(missing, columns=["annotator", "case"], dtype=object),
        notes=[*notes, *_notes(dataset, jobs, counts, distances)],
    )


# ------------------------------------------------------------------------------------------------- what is to be done


@dataclass(frozen=True)
class _Annotator:
    name: str
    kind: str
    path: Path | None  # None: the prediction is missing


@dataclass(frozen=True)
class _Job:
    """One case, with all that a process needs to know of it."""

    case: str
    annotators: tuple[_Annotator, ...]
    image: Path | None = None
    channel: int = 0
    spacing_um: tuple[float, ...] | None = None
    ignore: Path | None = None
    region: Path | None = None
    min_size: int = 0


def _jobs(dataset: Dataset | None, annotations: pd.DataFrame) -> tuple[list[_Job], list[str]]:
    """One job per case with masks, in natural order; also notes about rows that take no part."""
    predicted = annotations["kind"].isin(["model", "ensemble"])
    present = annotations[predicted | ~annotations["missing"]]
    order = present.assign(session=present["session"].fillna(0)).sort_values("session", kind="stable")
    first = order[~order.duplicated(["case", "annotator"])]
    notes = []
    if len(first) < len(present):
        notes.append(
            f"{len(present) - len(first)} masks are later sessions of one person; the tables hold the first session"
        )
    if len(present) < len(annotations):
        notes.append(f"{len(annotations) - len(present)} masks by people do not exist and count as not annotated")
    unknown = first.loc[first["kind"].isin(["model", "ensemble"]) & first["held_out"].isna(), "annotator"].unique()
    notes += [f"{name}: it is unknown whether it was trained on the cases it is scored on" for name in unknown]
    jobs = [_job(dataset, case, rows) for case, rows in first.groupby("case", sort=False)]
    return sorted(jobs, key=lambda job: natural_key(job.case)), notes


def _job(dataset: Dataset | None, case: Any, rows: pd.DataFrame) -> _Job:
    columns = ["annotator", "kind", "path", "missing"]
    annotators = [
        _Annotator(name, kind, None if missing else Path(path))
        for name, kind, path, missing in rows[columns].itertuples(index=False)
    ]
    annotators.sort(key=lambda annotator: annotator_order(annotator.name, annotator.kind))
    if dataset is None:
        return _Job(case, tuple(annotators))
    return _Job(
        case,
        tuple(annotators),
        image=dataset.images[case],
        channel=dataset.settings.intensity_channel,
        spacing_um=dataset.settings.spacing_um,
        ignore=dataset.ignore.get(case),
        region=dataset.region_masks.get(case),
        min_size=dataset.min_object_size,
    )


def _score_all(jobs: Sequence[_Job], n_jobs: int) -> Iterator["_CaseRows"]:
    if n_jobs <= 1 or len(jobs) < 2:
        yield from map(_score_case, jobs)
        return
    spawn = multiprocessing.get_context("spawn")  # a copy of a process with threads may hang
    with ProcessPoolExecutor(min(n_jobs, len(jobs), 61), mp_context=spawn) as pool:  # Windows takes no more
        try:
            yield from pool.map(_score_case, jobs)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


# -------------------------------------------------------------------------------------------------------- one case


@dataclass(frozen=True)
class _CaseRows:
    """Rows of one case for each table: tuples in the order of the columns."""

    case: str
    agreement: list[tuple[Any, ...]]
    distances: list[tuple[Any, ...]]
    leave_one_out: list[tuple[Any, ...]]
    counts: list[tuple[Any, ...]]
    raters: list[tuple[Any, ...]]


def _score_case(job: _Job) -> _CaseRows:
    masks, picture, ignore, region = _read_case(job)
    image = None if picture is None else picture.array[job.channel]
    labels = {name: label_objects(mask, ignore=ignore, region=region) for name, mask in masks.items()}
    rates, consensuses = _consensus_of_others(job, masks)
    labels |= {f"-{r}": label_objects(mask, ignore=ignore, region=region) for r, mask in consensuses.items()}
    shape = next((array.shape for array in (image, *masks.values()) if array is not None), None)
    blank = np.zeros(shape or 1, dtype=np.int32)  # stands in where every prediction of a case is missing
    joint = joint_overlaps(list(labels.values()) or [blank], min_size=job.min_size, values=image)
    position = {name: index for index, name in enumerate(labels)}  # C₋r stands under `-r`, behind all annotators

    names = [annotator.name for annotator in job.annotators]
    outside = [a.name for a in job.annotators if a.kind in ("model", "ensemble", "truth")]
    agreement = [
        (job.case, a, b, *measures)
        for a, b in combinations(names, 2)
        for measures in _measures(joint, position.get(a), position.get(b))
    ]
    foregrounds = {name: labels[name] > 0 for name in names if name in labels}
    distances = [(job.case, *row) for row in _distances(names, foregrounds, picture.spacing_um if picture else None)]
    leave_one_out = [
        (job.case, rater, annotator, *measures)
        for rater in consensuses
        for annotator in [rater, *outside]
        for measures in _measures(joint, position[f"-{rater}"], position.get(annotator))
    ]
    region_area = int(np.count_nonzero(counted_pixels(blank == 0, ignore=ignore, region=region))) if shape else _UNKNOWN
    counts = [
        (job.case, name, *_count(joint, position.get(name), region_area), _input(masks.get(name))) for name in names
    ]
    return _CaseRows(job.case, agreement, distances, leave_one_out, counts, [(job.case, *row) for row in rates])


def _read_case(
    job: _Job,
) -> tuple[dict[str, np.ndarray], Picture | None, np.ndarray | None, np.ndarray | None]:
    """Masks by annotator, image, ignored area and region, all of one shape; every problem of the case at once."""
    picture, expected = None, None
    if job.image is not None:
        picture = read_spaced_image(job.image, job.spacing_um)
        channels = picture.array
        if job.channel >= len(channels):
            raise DataError(
                f"{job.image} has {len(channels)} channels, but intensity_channel in dataset.yaml is {job.channel}; "
                "channels are counted from 0"
            )
        expected = channels.shape[1:]
    files = {annotator.name: annotator.path for annotator in job.annotators if annotator.path is not None}
    of_what = job.image or next(iter(files.values()), None)
    masks, problems = {}, []
    for name, path in [*files.items(), ("", job.ignore), ("-", job.region)]:
        if path is None:
            continue
        try:
            mask = read_mask(path)
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
    return masks, picture, areas[0], areas[1]


def _consensus_of_others(
    job: _Job, masks: dict[str, np.ndarray]
) -> tuple[list[tuple[Any, ...]], dict[str, np.ndarray]]:
    """Rater, sensitivity and specificity (full, leave-one-out) of each rater; and C₋r where enough others remain.

    Consensuses and rates are of whole images: ignored areas and regions matter to scores only.
    """
    raters = [a.name for a in job.annotators if a.kind == "human" and a.name in masks]
    if len(raters) < 2:
        return [(rater, *[np.nan] * 4) for rater in raters], {}
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
    return rates, consensuses


def _sensitivity_specificity(mask: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Share of the reference's foreground that is marked, and of its background that is not; NaN if there is none."""
    n_reference, n_marked = np.count_nonzero(reference), np.count_nonzero(mask)
    n_shared, n_background = np.count_nonzero(mask & reference), mask.size - n_reference
    sensitivity = n_shared / n_reference if n_reference else np.nan
    return sensitivity, (n_background - (n_marked - n_shared)) / n_background if n_background else np.nan


def _measures(joint: JointOverlaps, a: int | None, b: int | None) -> list[tuple[Any, ...]]:
    """Threshold and measures of one pair at each threshold; None is a prediction that is missing."""
    if a is None or b is None:
        n_a, n_b = (_UNKNOWN if index is None else len(joint.sizes[index]) for index in (a, b))
        return [(threshold, n_a, n_b, 0, 0.0, 0.0, 0.0, np.nan, 0.0, 0.0) for threshold in IOU_THRESHOLDS]
    matches, pixels = match_overlaps(joint.pair(a, b)), joint.pixel_agreement(a, b)
    return [
        (threshold, matches.n_a, matches.n_b, *scores, matches.mean_iou, *pixels)
        for threshold, *scores in zip(
            IOU_THRESHOLDS,
            matches.tp.tolist(),
            matches.precision.tolist(),
            matches.recall.tolist(),
            matches.f1.tolist(),
            strict=True,
        )
    ]


def _distances(
    names: Sequence[str], foregrounds: dict[str, np.ndarray], spacing: Sequence[float] | None
) -> Iterator[tuple[Any, ...]]:
    """Pair, hd95, assd, nsd, tolerance, unit; a name that `foregrounds` lacks is a missing prediction."""
    tolerance, unit = (1.0, "px") if spacing is None else (float(min(spacing)), "um")
    position = {name: index for index, name in enumerate(foregrounds)}
    joint = joint_surface_distances([foregrounds[name] for name in position], spacing)
    for a, b in combinations(names, 2):
        values = (np.nan, np.nan, 0.0)
        if a in position and b in position:
            of_pair = joint[position[a], position[b]]
            nsd = normalized_surface_dice(of_pair, tolerance)
            values = (hausdorff_distance(of_pair), average_surface_distance(of_pair), nsd)
        yield a, b, *values, tolerance, unit


def _count(joint: JointOverlaps, index: int | None, region_area: int) -> tuple[Any, ...]:
    """n_objects, area_px, mean_intensity, region_area_px, density."""
    if index is None:
        return _UNKNOWN, _UNKNOWN, np.nan, region_area, np.nan
    sizes = joint.sizes[index]
    mean_intensity = float(joint.mean_values[index].mean()) if joint.mean_values and len(sizes) else np.nan
    density = len(sizes) / region_area if region_area else np.nan
    return len(sizes), int(sizes.sum()), mean_intensity, region_area, density


def _input(mask: np.ndarray | None) -> str:
    """What a file was taken for; empty if there is none."""
    return "" if mask is None else "mask" if mask.dtype == bool else "labels"


# ------------------------------------------------------------------------------------------------------- over all cases


def _frame(columns: Sequence[str], cases: Sequence[list[tuple[Any, ...]]]) -> pd.DataFrame:
    frame = pd.DataFrame([row for rows in cases for row in rows], columns=list(columns))
    for column in frame.columns:
        if column in _WHOLE_NUMBERS:
            numbers = frame[column].astype("Int64")
            frame[column] = numbers.mask(numbers == _UNKNOWN)
        elif column not in _TEXTS:
            frame[column] = frame[column].astype(float)
    return frame


def _raters(
    rater_cases: pd.DataFrame, agreement: pd.DataFrame, leave_one_out: pd.DataFrame, counts: pd.DataFrame
) -> pd.DataFrame:
    """One row per rater in natural order; each mean is over the cases where its value is defined."""
    names = sorted(rater_cases["rater"].unique(), key=natural_key)
    by_rater = rater_cases.groupby("rater")
    table = pd.DataFrame({"rater": names, "n_cases": by_rater.size().reindex(names).to_numpy()})
    for column in _RATES:
        table[column] = by_rater[column].mean().reindex(names).to_numpy()
    for column, measure in (("log_count_ratio", "n_objects"), ("log_area_ratio", "area_px")):
        table[column] = log_ratios(counts, measure, names).mean().to_numpy()
    own = leave_one_out[
        (leave_one_out["rater"] == leave_one_out["annotator"]) & (leave_one_out["iou_threshold"] == 0.5)
    ]
    of_rater = own.groupby("rater")
    for measure in ("f1", "dice"):
        table[f"{measure}_leave_one_out"] = of_rater[measure].mean().reindex(names).to_numpy()
    table["n_cases_leave_one_out"] = of_rater.size().reindex(names, fill_value=0).to_numpy()
    for measure in ("f1", "dice"):
        table[f"{measure}_pairwise"] = _pairwise(agreement, measure, names)
    return table


def log_ratios(counts: pd.DataFrame, measure: str, raters: list[str]) -> pd.DataFrame:
    """Each rater against the others of the same case: log((n_r + .5) / (mean of the others + .5)).

    Args:
        counts: Table with case, annotator and `measure`.
        measure: `n_objects` or `area_px`.
        raters: Who is compared.

    Returns:
        One row per case, one column per rater; NaN where the rater has no mask, or nobody else has.
    """
    n = counts[counts["annotator"].isin(raters)].pivot(index="case", columns="annotator", values=measure)
    values = n.reindex(columns=raters).astype(float).to_numpy()
    drawn = ~np.isnan(values)
    n_others = drawn.sum(axis=1, keepdims=True) - 1
    sum_others = np.nansum(values, axis=1, keepdims=True) - values
    log_ratio = np.log((values + 0.5) / (sum_others / np.where(n_others > 0, n_others, np.nan) + 0.5))
    return pd.DataFrame(log_ratio, index=n.index, columns=raters)


def _pairwise(agreement: pd.DataFrame, measure: str, raters: list[str]) -> np.ndarray:
    """Mean over cases of each rater's mean agreement with the other raters, `(R,)`; NaN for a rater without others."""
    pairs = agreement[agreement["iou_threshold"] == 0.5]
    pairs = pairs[pairs["annotator_a"].isin(raters) & pairs["annotator_b"].isin(raters)]
    sides = [pairs[["case", side, measure]].set_axis(["case", "rater", measure], axis=1) for side in _AGREEMENT[1:3]]
    of_case = pd.concat(sides).groupby(["rater", "case"])[measure].mean()
    return of_case.groupby("rater").mean().reindex(raters).to_numpy()


def _notes(dataset: Dataset | None, jobs: Sequence[_Job], counts: pd.DataFrame, distances: pd.DataFrame) -> list[str]:
    """What a reader of the tables should know about how they came about."""
    notes = []
    if dataset is None:
        notes.append(
            "no dataset was given: pixel and object measures only, no intensities; the region is the whole image, and "
            "objects of every size count; distances are in pixels"
        )
    n_undefined = int(distances["hd95"].isna().sum())
    if n_undefined:
        notes.append(
            f"{n_undefined} of {len(distances)} distances between two masks (HD95, ASSD) are undefined: one of the two "
            "is empty or missing; NSD is 0 there"
        )
    n_raters = [sum(a.kind == "human" for a in job.annotators) for job in jobs]
    too_few = sum(0 < n <= MIN_OTHERS for n in n_raters)
    if too_few:
        notes.append(
            f"{too_few} of {len(jobs)} cases have fewer than {MIN_OTHERS + 1} raters: a consensus of the others would "
            f"rest on fewer than {MIN_OTHERS}, so leave_one_out has no rows there and pairwise agreement stands in"
        )
    kinds = {a.name: a.kind for job in jobs for a in job.annotators}
    for name in (name for name, kind in kinds.items() if kind == "consensus"):
        if any(n > MIN_OTHERS for n in n_raters):
            notes.append(f"{name} is a consensus that contains the rater left out, so it has no rows in leave_one_out")
    n_missing = counts[counts["input"] == ""].groupby("annotator").size()
    notes += [f"{name}: {n} missing predictions score 0" for name, n in n_missing.items()]
    n_labels = counts[counts["input"] == "labels"].groupby("annotator").size().to_dict()
    n_all = len(jobs) if dataset is None else len(dataset.cases)
    for annotator, n_cases in counts.groupby("annotator", sort=False).size().items():
        if n_cases < n_all:
            notes.append(f"{annotator} covers {n_cases} of {n_all} cases")
        if annotator in n_labels:
            n = n_labels[annotator]
            notes.append(f"{annotator}: {n} of {n_cases} files are label images, where each number is one object")
    return notes

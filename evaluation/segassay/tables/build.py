"""The tables that every measure reads: who agrees with whom, who counts what, and what each rater's habit is.

    annotations  ->  one job per case  ->  rows of each case  ->  agreement, distances, leave_one_out, counts, raters, …

A case leaves only its rows behind, as typed columns, so memory grows by the tables alone; processes share the cases
where these are enough to pay for their start.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import annotator_order, is_rater
from segassay.data.cases import image_files
from segassay.data.dataset import Dataset
from segassay.data.names import natural_key
from segassay.data.nnunet import ClassMap
from segassay.errors import DataError
from segassay.statistics.raters import log_ratio_to_others
from segassay.tables.case import COLUMNS, MIN_OTHERS, RATES, TEXTS, WHOLE_NUMBERS, Annotator, Job, score_case
from segassay.tables.columns import Columns
from segassay.tables.processes import in_order

__all__ = ["MIN_OTHERS", "Tables", "build_tables", "log_ratios"]

_MAPS = ("prob", "uncertainty")


def _empty(table: str) -> pd.DataFrame:
    return Columns(COLUMNS[table], texts=TEXTS, whole_numbers=WHOLE_NUMBERS).frame()


@dataclass(frozen=True, eq=False)
class Tables:
    """What all annotators did with all cases; columns, orders and empty cells are a contract with other tools.

    Attributes:
        agreement: Case × unordered pair of annotators × IoU threshold; `annotator_a` is the truth, the reference or a
            consensus if one is in the pair, else the first in natural order; precision = tp / n_b, recall = tp / n_a.
            `sq` is the mean IoU of the tp pairs, an empty cell without any; PQ = sq × f1, and f1 itself where tp = 0.
            `n_merges`: objects of b that cover more than half of two or more objects of a; `n_splits` the same with
            a and b exchanged. `n_px_a`, `n_px_b`: foreground that counts, before small objects are dropped.
        distances: Case × the same pairs, then those of leave_one_out, whose C₋rater stands as `-rater`: HD95 and ASSD,
            empty cells where one side has no foreground; NSD at a tolerance of one pixel, the smallest spacing; in
            `unit`, `um` where the spacing is known, else `px`. `diagonal` of the image, in the same unit, bounds what
            is undefined. `shift` is how far the outline of b lies outside that of a, negative for inside, over objects
            that overlap one of the other annotator; an empty cell where none does.
        leave_one_out: Case × rater × annotator × IoU threshold: the rater itself, and every model, ensemble and truth,
            against C₋rater, which is `a`. References and consensuses contain the rater and are left out. Columns of
            the measures as in `agreement`.
        counts: Case × annotator: objects, their area, mean over objects of their mean raw value, region, density, and
            whether the file was taken for a `mask` (objects are connected components) or for `labels`.
        raters: One row per rater: STAPLE's sensitivity and specificity, means over cases; those of the rater's mask
            against C₋rater; log ratios of counts and areas against the other raters; mean agreement with C₋rater at
            IoU > .5 and, for where there are too few raters, the mean over cases of its mean agreement with the others.
        missing: Annotator and case of every prediction whose file does not exist; it scores 0 in agreement,
            leave_one_out and NSD, and its distances and what it would have counted are empty cells.
        notes: What was decided on the way, one sentence each.
        votes: Case × number of human raters that marked a pixel: `case, n_raters, n_marked, n_pixels`, n_marked from 0
            to n_raters; only pixels that count, so n_pixels sums to the region's area.
        recall_by_size: `case, reference, annotator, size_low, size_high, n_objects, n_found`: objects of the reference
            with size_low ≤ pixels < size_high, and those of them matched at IoU > .5. Classes are min_object_size × 1,
            2, 4, …; those without objects have no row. The pairs are those of agreement whose `annotator_a` is a truth,
            the reference or a consensus, and those of leave_one_out, whose C₋rater stands as `-rater`.
        calibration: Case × annotator with a map in `prob` × bin of the probability p: `case, annotator, reference,
            bin, n_pixels, sum_prob, sum_squared_error, n_foreground`. Bin i of 20 holds i/20 < p ≤ (i+1)/20, the first
            also p = 0, so that bins from 1 on are p > .05. `n_foreground` counts pixels that the reference marks:
            the truth; without one `consensus_staple` of all raters of the case; without raters the first consensus.
        uncertainty: Case × annotator with a map in `uncertainty` × bin (50, made likewise): `case, annotator,
            reference, bin, n_pixels, sum_uncertainty, n_errors, sum_disagreement`. An error is a pixel where mask and
            reference differ; the disagreement of a pixel is 4 v (1 - v), v the share of raters that mark it, and an
            empty cell with fewer than two raters.
        repeats: Case × annotator × pair of sessions of one person: `case, annotator, session_a, session_b` and the
            measures of agreement at IoU > .5; a mask without session is session 0. All other tables hold the first
            session only.
        recounts: Only for an experiment with a control group. Case × annotator × threshold of the probability (an empty
            cell: the mask as it is) × `min_size`, half of the dataset's, as it is, and double: `case, annotator,
            threshold, min_size, n_objects, density`, the last objects per pixel that counts.
    """

    agreement: pd.DataFrame
    distances: pd.DataFrame
    leave_one_out: pd.DataFrame
    counts: pd.DataFrame
    raters: pd.DataFrame
    missing: pd.DataFrame
    notes: list[str]
    votes: pd.DataFrame = field(default_factory=partial(_empty, "votes"))
    recall_by_size: pd.DataFrame = field(default_factory=partial(_empty, "recall_by_size"))
    calibration: pd.DataFrame = field(default_factory=partial(_empty, "calibration"))
    uncertainty: pd.DataFrame = field(default_factory=partial(_empty, "uncertainty"))
    repeats: pd.DataFrame = field(default_factory=partial(_empty, "repeats"))
    recounts: pd.DataFrame = field(default_factory=partial(_empty, "recounts"))


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
        annotations: Table of `segassay.data.annotations.read_annotations`.
        n_jobs: Processes that share the cases, at most; fewer, or none beside this one, where the first two cases show
            that the others would not pay for their start. The result does not depend on it. With more than 1, a
            script that calls this needs the usual `if __name__ == "__main__":`.
        progress: Called with the name of each case that is done.

    Returns:
        The tables, in natural order of cases and annotators whatever the order of `annotations`.

    Raises:
        DataError: If a file cannot be read, masks of one case differ in shape, a probability or uncertainty map is
            missing or holds anything but numbers in [0, 1], or no case has two annotators.
    """
    jobs, notes = _jobs(dataset, annotations)
    if not any(len(job.annotators) > 1 for job in jobs):
        raise DataError(
            "no case has masks of two annotators, so there is nothing to compare; add a rater, a `reference` in "
            "dataset.yaml, or masks with --annotations or --masks"
        )
    columns = {name: Columns(names, texts=TEXTS, whole_numbers=WHOLE_NUMBERS) for name, names in COLUMNS.items()}
    for rows in in_order(score_case, jobs, n_jobs):
        for name, new in rows.of_table.items():
            columns[name].add(new)
        if progress is not None:
            progress(rows.case)
    tables = {name: table.frame() for name, table in columns.items()}
    rater_cases = tables.pop("rater_cases")
    agreement, leave_one_out, counts = tables["agreement"], tables["leave_one_out"], tables["counts"]
    missing = [(annotator.name, job.case) for job in jobs for annotator in job.annotators if annotator.path is None]
    return Tables(
        **tables,
        raters=_raters(rater_cases, agreement, leave_one_out, counts),
        missing=pd.DataFrame(missing, columns=["annotator", "case"], dtype=object),
        notes=[*notes, *_notes(dataset, jobs, counts, tables["distances"])],
    )


# ------------------------------------------------------------------------------------------------- what is to be done


def _jobs(dataset: Dataset | None, annotations: pd.DataFrame) -> tuple[list[Job], list[str]]:
    """One job per case with masks, in natural order; also notes about rows that take no part."""
    predicted = annotations["kind"].isin(["model", "ensemble"])
    present = annotations[predicted | ~annotations["missing"]]
    order = present.assign(session=present["session"].fillna(0)).sort_values("session", kind="stable")
    first = order[~order.duplicated(["case", "annotator"])]
    notes = []
    if len(first) < len(present):
        notes.append(
            f"{len(present) - len(first)} masks are later sessions of one person; the tables hold the first session"
            ", and `repeats` how well the sessions agree"
        )
    if len(present) < len(annotations):
        notes.append(f"{len(annotations) - len(present)} masks by people do not exist and count as not annotated")
    unknown = first.loc[first["kind"].isin(["model", "ensemble"]) & first["held_out"].isna(), "annotator"].unique()
    notes += [f"{name}: it is unknown whether it was trained on the cases it is scored on" for name in unknown]
    drawn = order[~order["missing"]]
    several = dict(list(drawn[drawn.duplicated(["case", "annotator"], keep=False)].groupby("case")))
    jobs = [_job(dataset, case, rows, several.get(case, drawn[:0])) for case, rows in first.groupby("case", sort=False)]
    return sorted(jobs, key=lambda job: natural_key(job.case)), notes


def _job(dataset: Dataset | None, case: Any, rows: pd.DataFrame, several: pd.DataFrame) -> Job:
    own = _files_of_classes(dataset, case)
    annotators = [_annotator(row, own) for row in rows.to_dict("records")]
    annotators.sort(key=lambda annotator: annotator_order(annotator.name, annotator.kind))
    again = [
        (name, int(session), Path(path), own.get(path))
        for name, session, path in several[["annotator", "session", "path"]].itertuples(index=False)
    ]
    again.sort(key=lambda drawn: (natural_key(drawn[0]), drawn[0]))  # sessions stay in their order
    if dataset is None:
        return Job(case, tuple(annotators), sessions=tuple(again))
    return Job(
        case,
        tuple(annotators),
        image=image_files(dataset, case),
        channel=dataset.settings.intensity_channel,
        spacing_um=dataset.settings.spacing_um,
        ignore=dataset.ignore.get(case),
        ignored_class=dataset.ignored_class,
        region=dataset.region_masks.get(case),
        min_size=dataset.min_object_size,
        other_min_sizes=_other_min_sizes(dataset),
        sessions=tuple(again),
    )


def _other_min_sizes(dataset: Dataset) -> tuple[int, ...]:
    """Half of the dataset's, as it is, and double; none where there is no experiment to compare them by."""
    if dataset.experiment is None or dataset.settings.control_group is None:
        return ()
    size = dataset.min_object_size
    return tuple(sorted({max(size // 2, min(size, 1)), size, 2 * size}))


def _annotator(row: dict[Any, Any], own: dict[str, ClassMap]) -> Annotator:
    maps = [Path(row[column]) if isinstance(row[column], str) and row[column] else None for column in _MAPS]
    path = None if row["missing"] else Path(row["path"])
    return Annotator(row["annotator"], row["kind"], path, own.get(row["path"]), *maps)


def _files_of_classes(dataset: Dataset | None, case: str) -> dict[str, ClassMap]:
    """Masks of a case in the dataset whose values are classes, as nnU-Net has them."""
    if dataset is None or dataset.classes is None:
        return {}
    masks = [*dataset.masks.values(), dataset.reference]
    return {os.path.abspath(paths[case]): dataset.classes for paths in masks if case in paths}


# ------------------------------------------------------------------------------------------------------- over all cases


def _raters(
    rater_cases: pd.DataFrame, agreement: pd.DataFrame, leave_one_out: pd.DataFrame, counts: pd.DataFrame
) -> pd.DataFrame:
    """One row per rater in natural order; each mean is over the cases where its value is defined."""
    names = sorted(rater_cases["rater"].unique(), key=natural_key)
    by_rater = rater_cases.groupby("rater")
    table = pd.DataFrame({"rater": names, "n_cases": by_rater.size().reindex(names).to_numpy()})
    for column in RATES:
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
    """`log_ratio_to_others` of a table of counts, case by case.

    Args:
        counts: Table with case, annotator and `measure`.
        measure: `n_objects` or `area_px`.
        raters: Who is compared.

    Returns:
        One row per case, one column per rater; NaN where the rater has no mask, or nobody else has.
    """
    n = counts[counts["annotator"].isin(raters)].pivot(index="case", columns="annotator", values=measure)
    values = n.reindex(columns=raters).astype(float).to_numpy()
    return pd.DataFrame(log_ratio_to_others(values), index=n.index, columns=raters)


def _pairwise(agreement: pd.DataFrame, measure: str, raters: list[str]) -> np.ndarray:
    """Mean over cases of each rater's mean agreement with the other raters, `(R,)`; NaN for a rater without others."""
    pairs = agreement[agreement["iou_threshold"] == 0.5]
    pairs = pairs[pairs["annotator_a"].isin(raters) & pairs["annotator_b"].isin(raters)]
    sides = [
        pairs[["case", side, measure]].set_axis(["case", "rater", measure], axis=1)
        for side in ("annotator_a", "annotator_b")
    ]
    of_case = pd.concat(sides).groupby(["rater", "case"])[measure].mean()
    return of_case.groupby("rater").mean().reindex(raters).to_numpy()


def _notes(dataset: Dataset | None, jobs: Sequence[Job], counts: pd.DataFrame, distances: pd.DataFrame) -> list[str]:
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
    n_raters = [sum(is_rater(a.kind) for a in job.annotators) for job in jobs]
    too_few = sum(0 < n <= MIN_OTHERS for n in n_raters)
    if too_few:
        notes.append(
            f"{too_few} of {len(jobs)} cases have fewer than {MIN_OTHERS + 1} raters: a consensus of the others would "
            f"rest on fewer than {MIN_OTHERS}, so leave_one_out has no rows there and pairwise agreement stands in"
        )
    without = sum(
        any(a.prob or a.uncertainty for a in job.annotators)
        and not any(a.path is not None and a.kind in ("human", "truth", "consensus") for a in job.annotators)
        for job in jobs
    )
    if without:
        notes.append(
            f"{without} of {len(jobs)} cases have maps of probability or uncertainty, but no truth, rater or consensus "
            "to hold them against"
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

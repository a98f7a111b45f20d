"""Build the tables that every measure reads: agreement of annotators, their counts, and the bias of each rater.

    annotations  ->  one job per case  ->  rows of each case  ->  agreement, distances, leave_one_out, counts, raters, …

Only the rows of each case are kept, as typed columns, or of many cases on the disk. Several processes share the
cases if these take longer than starting the processes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater
from segassay.data.classes import numbers_problem
from segassay.data.dataset import Dataset
from segassay.data.facets import is_exchangeable
from segassay.data.names import natural_key
from segassay.errors import DataError, raise_problems
from segassay.masks.numbers import Numbers
from segassay.statistics.raters import log_ratio_to_others
from segassay.tables.case import CASE_TABLES, RATES
from segassay.tables.cells import ELSEWHERE_COLUMNS, RESEMBLING_COLUMNS, agreement_elsewhere, resembling_cases
from segassay.tables.columns import Columns
from segassay.tables.compared import MIN_OTHERS
from segassay.tables.copies import notes_on_copies
from segassay.tables.counts import with_intensities
from segassay.tables.jobs import Job, make_jobs
from segassay.tables.kept import compared
from segassay.tables.measured import MEASURED_COLUMNS, REMEASURED_COLUMNS, in_units, notes_on_measured, with_endpoints
from segassay.tables.notes import Note
from segassay.tables.stored import are_stored, note_on_stored, stored_rows
from segassay.workers.order import Jobs

__all__ = ["MIN_OTHERS", "Tables", "build_tables", "log_ratios"]


def _empty(table: str) -> pd.DataFrame:
    return Columns(CASE_TABLES[table].columns).frame()


def _nothing_measured(columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns))


@dataclass(frozen=True, eq=False)
class Tables:
    """Tables of all annotators and cases; columns, orders and empty cells are a contract with other tools.

    Of many cases, those with several rows for each are a `segassay.io.stored_tables.StoredTable` in place of a frame.

    Attributes:
        agreement: Case × unordered pair of annotators × IoU threshold; `annotator_a` is the truth, the reference or a
            consensus if one is in the pair, else the first in natural order; precision = tp / n_b, recall = tp / n_a.
            `sq` is the mean IoU of the tp pairs, an empty cell without any; PQ = sq × f1, and f1 itself where tp = 0.
            `n_merges`: objects of b that cover more than half of two or more objects of a; `n_splits` the same with
            a and b exchanged. `n_px_a`, `n_px_b`: foreground that counts, before small objects are dropped.
        distances: Case × the same pairs, then those of leave_one_out, whose C₋rater is named `-rater`: HD95 and ASSD,
            empty cells where one side has no foreground; NSD at a tolerance of one pixel, the smallest spacing; in
            `unit`, `um` if the spacing is known, else `px`. `diagonal` of the image, in the same unit, bounds
            undefined distances. `shift` is how far the outline of b lies outside that of a, negative for inside, over
            objects that overlap one of the other annotator; an empty cell if none does.
        surface_shares: Case × pair × tolerance, the pairs of distances with a rater or a C₋r: share of both surfaces
            within `tolerance_px` pixels (of the smallest spacing) of the other; 0 for a missing prediction.
        leave_one_out: Case × rater × annotator × IoU threshold: the rater itself, and every model, ensemble and truth,
            against C₋rater, which is `a`. References and consensuses contain the rater and are left out. Columns of
            the measures as in `agreement`.
        counts: Case × annotator: objects, their area, mean over objects of their mean raw value (of several channels
            with names `mean_intensity_<channel>` of each that is measured), region, density, and whether the file was
            read as a `mask` (objects are connected components) or for `labels`.
        raters: One row per rater, without rows if raters are exchangeable: STAPLE's sensitivity and specificity, means
            over cases; those of the rater's mask against C₋rater; log ratios of counts and areas against the other
            raters; mean agreement with C₋rater at IoU > .5 and, for where there are too few raters, the mean over cases
            of its mean agreement with the others. Other raters are other persons.
        missing: Annotator and case of every prediction whose file does not exist; it scores 0 in agreement,
            leave_one_out and NSD, and its distances and counts are empty cells.
        notes: Remarks on how the tables were made.
        votes: Case × number of raters who marked a pixel: `case, n_raters, n_marked, n_pixels`, n_marked from 0
            to n_raters; only pixels that count, so n_pixels sums to the region's area.
        recall_by_size: `case, reference, annotator, size_low, size_high, n_objects, n_found`: objects of the reference
            with size_low ≤ pixels < size_high, and those of them matched at IoU > .5. Classes are min_object_size × 1,
            2, 4, …; those without objects have no row. The pairs are those of agreement whose `annotator_a` is a truth,
            the reference or a consensus, and those of leave_one_out, whose C₋rater is named `-rater`.
        recall_by_contrast: Only of cases with an image and a background that varies: `case, annotator, reference,
            contrast_low, n_objects, n_found`: objects of the reference with contrast_low ≤ contrast < contrast_low +
            0.25, and those of them of which an object of the annotator shares more than half of the smaller one of the
            two. The reference is a truth, or `other raters`: the objects of each other rater (of other persons),
            counted together. Contrast is the mean value of an object
            above the median of the pixels that no rater marks, in units of their spread (median absolute deviation ×
            1.4826). Contrasts beyond ±50 are in the last class.
        calibration: Case × annotator with a map in `prob` × bin of the probability p: `case, annotator, reference,
            bin, n_pixels, sum_prob, sum_squared_error, n_foreground`. Bin i of 20 holds i/20 < p ≤ (i+1)/20, the first
            also p = 0, so that bins from 1 on are p > .05. `n_foreground` counts pixels that the reference marks:
            the truth; without one `consensus_staple` of all raters of the case; without raters the first consensus.
        prob_votes: Case × annotator with a map in `prob` × level of the probability × number of raters that marked the
            pixel: `case, annotator, level, n_raters, n_marked, n_pixels, sum_prob, sum_squared_prob`. Level i of 10
            holds i/10 < p ≤ (i+1)/10, the first also p = 0. Only of cases with raters.
        uncertainty: Case × annotator with a map in `uncertainty` × bin (50, defined likewise): `case, annotator,
            reference, bin, n_pixels, sum_uncertainty, n_errors, sum_disagreement`. An error is a pixel where mask and
            reference differ; the disagreement of a pixel is 4 v (1 - v), v the share of raters that mark it, and an
            empty cell with fewer than two raters.
        repeats: Case × annotator × pair of sessions of one rater: `case, annotator, session_a, session_b` and the
            measures of agreement at IoU > .5; a mask without session is session 0. All other tables hold the first
            session only.
        recounts: Only for an experiment with a control group. Case × annotator × threshold of the probability (an empty
            cell: the mask as it is) × `min_size`, half of the dataset's, as it is, and double: `case, annotator,
            threshold, min_size, n_objects, density`, the last objects per pixel that counts.
        mirrored: Case × annotator × (other) rater: `case, annotator, rater, dice`, the Dice of the annotator's mirrored
            mask with the rater's mask, mean over the mirrors. A mask that finds what is there agrees better as it is.
        elsewhere: Case × annotator: `case, annotator, here, elsewhere`, the Dice with the (other) raters, median, of
            the annotator's mask of this image, and of those of other images, mean; of pixels per cell of a coarse
            grid (`segassay.tables.cells`). Who draws the same in every image agrees as well elsewhere.
        resembling: `case, earlier, rater, distance, usual` of pairs of images in which most raters have nearly the same
            masks: how far a rater's mask is from the nearest one of the earlier image, and how far a rater usually is
            from the nearest other one in one image; of the same cells.
        uncounted: Case × rater, only of cases with an ignored area, a region or a smallest size: `case, rater, n_px,
            n_px_counted, n_objects, n_objects_counted`, all that the rater marked and what of it counts.
        identical: `case, annotator_a, annotator_b` of every two masks that mark the same pixels, at least one;
            `annotator_b` may be a consensus of all raters, `=staple`, `=majority`, `=union` or `=intersection`.
        single_votes: Case × annotator × (other) rater × number of further raters that mark a pixel: `case, annotator,
            rater, n_others`, the pixels that the rater marks too, `n_with`, or not, `n_without`, and those of both that
            the annotator marks, `n_marked_with` and `n_marked_without`; only pixels around which no rater's mask
            changes (3 in each direction), of cases with 3 raters or more, each another person.
        object_votes: Case × annotator that is no rater × the raters who marked an object: `case, annotator, voters`
            (names with ` | ` between them, a bar in a name doubled), `n_objects`, each counted once as drawn by each of
            these raters, and `n_marked` of them by the annotator; of the same cases.
        boundaries: Case × the pairs of distances with a rater, a reference, a truth or a C₋r: `boundary_iou`, with a
            rim of 2 % of the diagonal, `centreline_dice`, and `masd` in `unit`, an empty cell where one side is empty.
        detections: Case × annotator with a map in `prob` × bin of the score of an object, the mean probability of its
            pixels: `case, annotator, reference, bin`, objects of the mask that match one of the reference at IoU > .5,
            `n_matched`, or none, `n_false`, and the objects of the reference, `n_objects`. Bins and reference as in
            calibration.
        facets: Only by person (`segassay.tables.persons`): case × person × facet (`tool`, `session`, `site`) × its
            level: `case, person, facet, level` and the numbers of `counts`.
        measured: Only for an experiment with a control group: `case, annotator, measure, value, unit` of every tested
            measurement that is not in `counts`; `annotator` is empty if the value is not of masks.
        remeasured: Like `recounts`, but the area or volume of all objects, if it is tested: `case, annotator,
            threshold, min_size, measure, value, unit`.
    """

    agreement: pd.DataFrame
    distances: pd.DataFrame
    leave_one_out: pd.DataFrame
    counts: pd.DataFrame
    raters: pd.DataFrame
    missing: pd.DataFrame
    notes: list[Note]
    votes: pd.DataFrame = field(default_factory=partial(_empty, "votes"))
    recall_by_size: pd.DataFrame = field(default_factory=partial(_empty, "recall_by_size"))
    recall_by_contrast: pd.DataFrame = field(default_factory=partial(_empty, "recall_by_contrast"))
    calibration: pd.DataFrame = field(default_factory=partial(_empty, "calibration"))
    surface_shares: pd.DataFrame = field(default_factory=partial(_empty, "surface_shares"))
    prob_votes: pd.DataFrame = field(default_factory=partial(_empty, "prob_votes"))
    uncertainty: pd.DataFrame = field(default_factory=partial(_empty, "uncertainty"))
    repeats: pd.DataFrame = field(default_factory=partial(_empty, "repeats"))
    recounts: pd.DataFrame = field(default_factory=partial(_empty, "recounts"))
    mirrored: pd.DataFrame = field(default_factory=partial(_empty, "mirrored"))
    elsewhere: pd.DataFrame = field(default_factory=partial(_nothing_measured, ELSEWHERE_COLUMNS))
    resembling: pd.DataFrame = field(default_factory=partial(_nothing_measured, RESEMBLING_COLUMNS))
    uncounted: pd.DataFrame = field(default_factory=partial(_empty, "uncounted"))
    identical: pd.DataFrame = field(default_factory=partial(_empty, "identical"))
    single_votes: pd.DataFrame = field(default_factory=partial(_empty, "single_votes"))
    object_votes: pd.DataFrame = field(default_factory=partial(_empty, "object_votes"))
    boundaries: pd.DataFrame = field(default_factory=partial(_empty, "boundaries"))
    detections: pd.DataFrame = field(default_factory=partial(_empty, "detections"))
    facets: pd.DataFrame = field(default_factory=pd.DataFrame)
    measured: pd.DataFrame = field(default_factory=partial(_nothing_measured, MEASURED_COLUMNS))
    remeasured: pd.DataFrame = field(default_factory=partial(_nothing_measured, REMEASURED_COLUMNS))


def build_tables(
    dataset: Dataset | None,
    annotations: pd.DataFrame,
    *,
    n_jobs: Jobs = 2,
    progress: Callable[[str], None] | None = None,
    kept: Path | None = None,
) -> Tables:
    """Compare all annotators of all cases.

    Args:
        dataset: Gives images, ignored areas, regions and the minimum size. Without it there are no intensities, every
            pixel and every object counts, and a note says so.
        annotations: Table of `segassay.data.annotations.read_annotations`.
        n_jobs: Workers, or processes that share the cases, at most; fewer, or none besides this one, if the first two
            cases show that starting them would take longer than the other cases. The result does not depend on it. With
            more than 1, a script that calls this needs the usual `if __name__ == "__main__":`.
        progress: Called with the name of each case that is done.
        kept: File that keeps what is compared, so that a call after a kill resumes (`segassay.tables.kept`). Of many
            cases, folders beside it hold the larger tables, which are then no frames (`segassay.tables.stored`).

    Returns:
        The tables, in natural order of cases and annotators for any order of `annotations`.

    Raises:
        DataError: If a file cannot be read, masks of one case differ in shape, a probability or uncertainty map is
            missing or holds numbers outside [0, 1], the numbers of label images look like classes, or no case has two
            annotators.
    """
    jobs, notes = make_jobs(dataset, annotations)
    if not any(len(job.annotators) > 1 for job in jobs):
        what = "no case has masks of two annotators, so there is nothing to compare"
        action = (
            "add a rater, a `reference` in dataset.yaml, or further masks: annotations (--annotations) or "
            "masks (--masks)"
        )
        raise DataError.of(None, what, action)
    stored = kept if are_stored(jobs, kept) else None
    tables, numbers = (
        _rows_in_memory(jobs, n_jobs, kept, progress) if stored is None else stored_rows(jobs, n_jobs, stored, progress)
    )
    undecided = _refuse_classes(numbers)
    rater_cases, measured, cells = (tables.pop(name) for name in ("rater_cases", "measured", "cells"))
    tables["remeasured"] = in_units(tables["remeasured"])
    tables["counts"] = with_intensities(tables["counts"], tables.pop("intensities"))
    if is_exchangeable(annotations):
        rater_cases = rater_cases[:0]
    agreement, leave_one_out, counts = tables["agreement"], tables["leave_one_out"], tables["counts"]
    everyone = list(counts["annotator"].unique())
    missing = [(annotator.name, job.case) for job in jobs for annotator in job.annotators if annotator.path is None]
    persons = _persons(jobs)
    return Tables(
        **tables,
        elsewhere=agreement_elsewhere(cells, persons),
        resembling=resembling_cases(cells, persons),
        raters=_raters(rater_cases, agreement, leave_one_out, counts, persons),
        missing=pd.DataFrame(missing, columns=["annotator", "case"], dtype=object),
        measured=with_endpoints(in_units(measured), dataset, everyone),
        notes=[
            *notes,
            *([] if stored is None else [note_on_stored(jobs)]),
            *notes_on_measured(measured, dataset, everyone),
            *_notes_on_distances(dataset, tables["distances"]),
            *_notes_on_references(jobs),
            *(Note("same_numbers", name) for name in undecided),
            *notes_on_copies(
                tables["identical"],
                counts,
                rater_cases,
                {a.name: a.kind for job in jobs for a in job.annotators},
                exchangeable=is_exchangeable(annotations),
            ),
            *_notes_on_annotators(counts, len(jobs) if dataset is None else len(dataset.cases)),
        ],
    )


def _rows_in_memory(
    jobs: Sequence[Job], n_jobs: Jobs, kept: Path | None, progress: Callable[[str], None] | None
) -> tuple[dict[str, Any], Mapping[str, list[Numbers]]]:
    """Every table of `CASE_TABLES`, and the numbers of label images, by annotator."""
    columns = {name: Columns(table.columns) for name, table in CASE_TABLES.items()}
    numbers = defaultdict[str, list[Numbers]](list)
    for rows in compared(jobs, n_jobs, kept):
        for name, new in rows.of_table.items():
            columns[name].add(new)
        for annotator, of_mask in rows.numbers.items():
            numbers[annotator].append(of_mask)
        if progress is not None:
            progress(rows.case)
    return {name: table.frame() for name, table in columns.items()}, numbers


def _refuse_classes(numbers: Mapping[str, Sequence[Numbers]]) -> list[str]:
    """Raise an error if numbers of an annotator are those of classes; else the annotators of whom they may be."""
    found = [numbers_problem(f"masks of {name}", images) for name, images in numbers.items()]
    raise_problems("label images", [problem for problem in found if problem is not None and problem.level == "error"])
    return [name for name, problem in zip(numbers, found, strict=True) if problem is not None]


def _persons(jobs: Sequence[Job]) -> dict[str, str]:
    """Rater -> person."""
    return {a.name: a.person or a.name for job in jobs for a in job.annotators if is_rater(a.kind)}


def _raters(
    rater_cases: pd.DataFrame,
    agreement: pd.DataFrame,
    leave_one_out: pd.DataFrame,
    counts: pd.DataFrame,
    persons: Mapping[str, str],
) -> pd.DataFrame:
    """One row per rater in natural order; each mean is over the cases where its value is defined."""
    names = sorted(rater_cases["rater"].unique(), key=natural_key)
    by_rater = rater_cases.groupby("rater")
    table = pd.DataFrame({"rater": names, "n_cases": by_rater.size().reindex(names).to_numpy()})
    for column in RATES:
        table[column] = by_rater[column].mean().reindex(names).to_numpy()
    for column, measure in (("log_count_ratio", "n_objects"), ("log_area_ratio", "area_px")):
        table[column] = log_ratios(counts, measure, names, persons).mean().to_numpy()
    own = leave_one_out[
        (leave_one_out["rater"] == leave_one_out["annotator"]) & (leave_one_out["iou_threshold"] == 0.5)
    ]
    of_rater = own.groupby("rater")
    for measure in ("f1", "dice"):
        table[f"{measure}_leave_one_out"] = of_rater[measure].mean().reindex(names).to_numpy()
    table["n_cases_leave_one_out"] = of_rater.size().reindex(names, fill_value=0).to_numpy()
    for measure in ("f1", "dice"):
        table[f"{measure}_pairwise"] = _pairwise(agreement, measure, names, persons)
    return table


def log_ratios(
    counts: pd.DataFrame, measure: str, raters: list[str], persons: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """`log_ratio_to_others` of a table of counts, case by case.

    Args:
        counts: Table with case, annotator and `measure`.
        measure: `n_objects` or `area_px`.
        raters: Raters to compare.
        persons: Rater -> person; the others of a rater are other persons, each the mean of that person's masks. By
            default each rater is a person.

    Returns:
        One row per case, one column per rater; NaN if the rater, or every other rater, has no mask.
    """
    n = counts[counts["annotator"].isin(raters)].pivot(index="case", columns="annotator", values=measure)
    table = n.reindex(columns=raters).astype(float)
    if persons is None or len({persons[rater] for rater in raters}) == len(raters):
        return pd.DataFrame(log_ratio_to_others(table.to_numpy()), index=n.index, columns=raters)
    of_person = table.T.groupby(persons.get).mean().T
    ratios = {}
    for rater in raters:
        beside = of_person.assign(**{persons[rater]: table[rater]})
        place = beside.columns.get_loc(persons[rater])
        ratios[rater] = log_ratio_to_others(beside.to_numpy())[:, place]
    return pd.DataFrame(ratios, index=n.index)


def _pairwise(agreement: pd.DataFrame, measure: str, raters: list[str], persons: Mapping[str, str]) -> np.ndarray:
    """Mean over cases of each rater's mean agreement with raters who are other persons, `(R,)`; NaN without others."""
    pairs = agreement[agreement["iou_threshold"] == 0.5]
    pairs = pairs[pairs["annotator_a"].isin(raters) & pairs["annotator_b"].isin(raters)]
    pairs = pairs[pairs["annotator_a"].map(persons) != pairs["annotator_b"].map(persons)]
    sides = [
        pairs[["case", side, measure]].set_axis(["case", "rater", measure], axis=1)
        for side in ("annotator_a", "annotator_b")
    ]
    of_case = pd.concat(sides).groupby(["rater", "case"])[measure].mean()
    return of_case.groupby("rater").mean().reindex(raters).to_numpy()


def _notes_on_distances(dataset: Dataset | None, distances: pd.DataFrame) -> Iterator[Note]:
    if dataset is None:
        yield Note("no_dataset")
    n_undefined = int(distances["hd95"].isna().sum())
    if n_undefined:
        yield Note("undefined_distances", n=n_undefined, n_all=len(distances))


def _notes_on_references(jobs: Sequence[Job]) -> Iterator[Note]:
    """Notes on cases and annotators without a reference to compare them with."""
    n_raters = [len({a.person or a.name for a in job.annotators if is_rater(a.kind)}) for job in jobs]
    too_few = sum(0 < n <= MIN_OTHERS for n in n_raters)
    if too_few:
        yield Note("few_raters", n=too_few, n_all=len(jobs))
    without = sum(
        any(a.prob or a.uncertainty for a in job.annotators)
        and not any(
            a.path is not None and (is_rater(a.kind) or a.kind in ("truth", "consensus")) for a in job.annotators
        )
        for job in jobs
    )
    if without:
        yield Note("maps_without_reference", n=without, n_all=len(jobs))
    if any(n > MIN_OTHERS for n in n_raters):
        kinds = {a.name: a.kind for job in jobs for a in job.annotators}
        yield from (Note("contains_left_out_rater", name) for name, kind in kinds.items() if kind == "consensus")


def _notes_on_annotators(counts: pd.DataFrame, n_all: int) -> Iterator[Note]:
    """Notes on missing masks of annotators, and on annotators whose files are label images."""
    n_missing = counts[counts["input"] == ""].groupby("annotator").size()
    yield from (Note("missing_predictions", str(name), n=int(n)) for name, n in n_missing.items())
    n_labels = counts[counts["input"] == "labels"].groupby("annotator").size().to_dict()
    for name, n_cases in counts.groupby("annotator", sort=False).size().items():
        if n_cases < n_all:
            yield Note("some_cases", str(name), n=int(n_cases), n_all=n_all)
        if name in n_labels:
            yield Note("label_images", str(name), n=int(n_labels[name]), n_all=int(n_cases))

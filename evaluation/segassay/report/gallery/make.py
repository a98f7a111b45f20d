"""The gallery of an evaluation: every case in a list, and pictures of those with most disagreement.

Results, dataset  ->  gallery (a dictionary that is the same after a turn through JSON)  ->  gallery.json, report

    version      1
    annotators   those with outlines: name, kind, n_objects (case -> number, only of cases with a picture)
    measures     of each case: key, words, explained, low_first, n_digits
    cases        [name, values of the measures], most disagreement first
    pictures     of the first cases, see `segassay.report.gallery.pictures.picture_of`
    colours      votes: of 1 to n raters, for each number of raters; uncertainty: of levels 1 to 15
    uncertain    annotator whose uncertainty is shown; empty without
    notes        sentences: what is not shown, and why
"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.data.annotations import TRUTH, is_rater, is_trained
from segassay.data.dataset import Dataset
from segassay.data.names import natural_key
from segassay.errors import number_of
from segassay.io.held import HeldImage
from segassay.judgement.judged import judged_annotators
from segassay.judgement.results import Results
from segassay.report.gallery.encoding import UNCERTAINTY_COLOURS, VOTES_COLOURS, palette
from segassay.report.gallery.measures import CaseMeasure, case_measures, values_by_case
from segassay.report.gallery.pictures import (
    MAX_OBJECTS,
    MAX_SINGLE,
    N_LEVELS,
    PictureJob,
    picture_of,
)
from segassay.tables.jobs import Annotator, make_jobs
from segassay.workers.order import Jobs, in_order

__all__ = ["MAX_BYTES", "MAX_LISTED", "MAX_PICTURES", "gallery_text", "make_gallery"]

MAX_PICTURES = 40
"""Cases with a picture, at most: those with most disagreement."""

MAX_BYTES = 3_500_000
"""Size of all pictures together, as text."""

MAX_ANNOTATORS = 60
"""Annotators with outlines, at most: raters, references, what the verdicts judge, then the others."""

MAX_LISTED = 2000
"""Cases in the list, at most: those with most disagreement."""

_ALONE = CaseMeasure(
    "single",
    "drawn by one rater",
    "objects that only one rater drew: no object of another rater shares more than half of the smaller of the two",
    n_digits=0,
)


def make_gallery(found: Results, dataset: Dataset | None, *, n_jobs: Jobs = 1) -> dict[str, Any]:
    """Make the gallery of an evaluation; its images and masks are read again, one case at a time.

    Args:
        found: The evaluation; the files, or arrays, are those of its annotations.
        dataset: Gives images, ignored areas and regions; None if there are only masks.
        n_jobs: Number of processes that share the cases, or workers; the gallery does not depend on it.

    Returns:
        The gallery, as the module describes it. A case without any file has no picture, and neither has one whose files
        can no longer be read: `notes` says so.

    Example:
        >>> import numpy as np
        >>> from segassay import evaluate
        >>> anna, ben = np.zeros((2, 32, 32), dtype=bool)
        >>> anna[4:12, 4:12] = ben[5:12, 4:12] = ben[20:24, 20:24] = True
        >>> gallery = make_gallery(evaluate(masks={"anna": {"1": anna}, "ben": {"1": ben}}), None)
        >>> gallery["cases"][0][:1], gallery["pictures"][0]["single"]
        (['1'], [['ben', 16, 40, 40, 8, 8, 0, 0, 1]])
    """
    names = _outlined(found)
    uncertain = _uncertain(found)
    measures, table = case_measures(found, uncertain)
    table = table[[measure.key for measure in measures]]
    order = _most_disagreement_first(table)
    pictures, notes = _pictures(found, dataset, order, names, uncertain, n_jobs)
    shown = {picture["case"]: picture for picture in pictures}
    if any("n_single" in picture for picture in pictures) and "disputed" in table:
        alone = {case: sum(one["n_single"].values()) for case, one in shown.items()}
        table = table.assign(single=pd.Series(alone, dtype=float).reindex(table.index))
        measures.append(_ALONE)
    values = values_by_case(table)
    n_raters = sorted({picture["n_raters"] for picture in pictures})
    return {
        "version": 1,
        "annotators": _annotators(found, names, list(shown)),
        "measures": [asdict(measure) for measure in measures],
        "cases": [[case, values[case]] for case in order[:MAX_LISTED]],
        "pictures": pictures,
        "colours": {
            "votes": {str(n): _hex(palette(VOTES_COLOURS, min(n, 255))) for n in n_raters if n},
            "uncertainty": _hex(palette(UNCERTAINTY_COLOURS, N_LEVELS - 1)),
        },
        "uncertain": uncertain or "",
        "notes": notes + _notes(found, names, order, pictures),
    }


def gallery_text(gallery: dict[str, Any]) -> str:
    """Content of `gallery.json`; the same gallery gives the same text."""
    return json.dumps(gallery, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def _outlined(found: Results) -> list[str]:
    """Annotators whose outlines are shown, the most important first."""
    judged = set(judged_annotators(found.annotations).names)

    def rank(name: str) -> int:
        kind = found.kinds[name]
        return 0 if is_rater(kind) else 1 if not is_trained(kind) else 2 if name in judged else 3

    return sorted(found.kinds, key=rank)[:MAX_ANNOTATORS]


def _uncertain(found: Results) -> str | None:
    """The annotator whose uncertainty is shown: one that the verdicts judge, else an ensemble, else any."""
    table = found.annotations
    has_map = table["uncertainty"].map(
        lambda cell: isinstance(cell, HeldImage) or (isinstance(cell, str) and cell != "")
    )
    with_map = table.loc[has_map & ~table["missing"], "annotator"].value_counts()
    judged = judged_annotators(table).names
    ranked = sorted(
        (name for name in found.kinds if name in with_map),
        key=lambda name: (name not in judged, found.kinds[name] != "ensemble", -int(with_map[name])),
    )
    return next(iter(ranked), None)


def _most_disagreement_first(table: pd.DataFrame) -> list[str]:
    """Cases by disagreement; equal ones by Dice, then in natural order; those without a number are last."""
    cases = sorted(map(str, table.index), key=natural_key)
    signs = {"disagreement": -1, "dice": 1}
    keys = {name: (signs[name] * table[name].round(9)).fillna(math.inf) for name in signs if name in table}
    return sorted(cases, key=lambda case: [column[case] for column in keys.values()])


def _pictures(
    found: Results, dataset: Dataset | None, order: list[str], names: list[str], uncertain: str | None, n_jobs: Jobs
) -> tuple[list[dict[str, Any]], list[str]]:
    """Pictures of the first cases, as many as fit; and sentences about those that are missing."""
    jobs = {str(job.case): job for job in make_jobs(dataset, found.annotations)[0]}
    maps = _maps(found, uncertain)
    classes = None if dataset is None else dataset.classes
    tasks = []
    for case in order[:MAX_PICTURES]:
        job = jobs[case]
        kept = tuple(one for one in job.annotators if one.name in names or is_rater(one.kind))
        tasks.append(PictureJob(replace(job, annotators=_without_maps(kept)), tuple(names), maps.get(case), classes))
    pictures: list[dict[str, Any]] = []
    n_bytes = 0
    moved: list[str] = []
    empty: list[str] = []
    made: Iterator[dict[str, Any]] = iter(in_order(picture_of, tasks, n_jobs))
    for picture in made:
        if "unreadable" in picture:
            (moved if picture["unreadable"] else empty).append(picture["case"])
            continue
        n_bytes += len(json.dumps(picture))
        if n_bytes > MAX_BYTES and pictures:
            break
        pictures.append(picture)
    notes = []
    if moved:
        notes.append(
            f"{number_of(len(moved), 'case')} without a picture, since a file can no longer be read: {_some(moved)}."
        )
    if empty:
        notes.append(
            f"{number_of(len(empty), 'case')} without a picture, since no image and no mask exists: {_some(empty)}."
        )
    return pictures, notes


def _without_maps(annotators: tuple[Annotator, ...]) -> tuple[Annotator, ...]:
    """The same without maps, which would be sent to another process for nothing."""
    return tuple(replace(one, prob=None, uncertainty=None) for one in annotators)


def _maps(found: Results, uncertain: str | None) -> dict[str, Any]:
    """Case -> uncertainty of the annotator."""
    rows = found.annotations
    rows = rows[(rows["annotator"] == uncertain) & ~rows["missing"]].drop_duplicates("case")
    cells = zip(rows["case"].astype(str), rows["uncertainty"], strict=True)
    return {
        case: cell if isinstance(cell, HeldImage) else Path(cell)
        for case, cell in cells
        if isinstance(cell, HeldImage) or (isinstance(cell, str) and cell)
    }


def _annotators(found: Results, names: list[str], cases: list[str]) -> list[dict[str, Any]]:
    counts = found.tables.counts
    counts = counts[counts["case"].astype(str).isin(cases) & counts["n_objects"].notna()]
    n_objects: dict[str, dict[str, int]] = {name: {} for name in names}
    for case, name, n in zip(
        counts["case"].astype(str), counts["annotator"].astype(str), counts["n_objects"], strict=True
    ):
        if name in n_objects:
            n_objects[name][case] = int(n)
    return [
        {"name": name, "kind": _group(found.kinds[name]), "n_objects": [n_objects[name].get(case) for case in cases]}
        for name in names
    ]


def _group(kind: str) -> str:
    """Kind of an annotator as the page groups them.

    Example:
        >>> _group("human"), _group("truth"), _group("ensemble")
        ('rater', 'reference', 'ensemble')
    """
    return "rater" if is_rater(kind) else "reference" if kind in ("consensus", TRUTH) else kind


def _hex(colours: list[tuple[int, int, int]]) -> list[str]:
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours]


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _notes(found: Results, names: list[str], order: list[str], pictures: list[dict[str, Any]]) -> list[str]:
    """What is not shown, and why."""
    notes = []
    n_shown, n_wanted = len(pictures), min(len(order), MAX_PICTURES)
    if n_shown < len(order):
        why = f"at most {MAX_PICTURES} images" if n_shown == n_wanted else f"at most {MAX_BYTES / 1e6:g} MB of pictures"
        notes.append(
            f"Pictures of {n_shown} of {len(order)} cases, those with most disagreement first, keep this page small "
            f"({why}); the list has the measures of "
            + ("all." if len(order) <= MAX_LISTED else f"the first {MAX_LISTED}; all are in the tables.")
        )
    if len(names) < len(found.kinds):
        notes.append(
            f"Outlines of {len(names)} of {len(found.kinds)} annotators: raters, references, those that the verdicts "
            "judge, then others."
        )
    if any(picture["left_out"] for picture in pictures):
        notes.append(
            f"In an image with many objects, only the {MAX_OBJECTS} largest of each annotator have outlines, and "
            "only as many annotators as fit; the list of annotators says where."
        )
    if any(sum(picture["n_single"].values()) > MAX_SINGLE for picture in pictures):
        notes.append(f"An image lists the {MAX_SINGLE} largest of the objects that only one rater drew.")
    if any(max(picture["shape"]) > 512 for picture in pictures):
        notes.append(
            "Large images are reduced to 512 pixels along the longer side, and outlines are simplified by less than a "
            "reduced pixel. A reduced pixel of the map of raters shows the largest number of raters in it."
        )
    return notes

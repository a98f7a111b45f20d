"""The picture of one case: its image, the outlines of each annotator, votes, uncertainty, objects of one rater.

Job (files of a case)  ->  dictionary of texts and whole numbers, about 50 kilobytes
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segassay.data.annotations import is_rater
from segassay.data.classes import ClassMap
from segassay.errors import DataError
from segassay.figures.overlays import most_marked_plane
from segassay.masks.objects import label_objects
from segassay.report.gallery.encoding import (
    SIDE,
    UNCERTAINTY_COLOURS,
    VOTES_COLOURS,
    image_url,
    numbers_url,
    palette,
    reduced,
    small_image,
)
from segassay.report.gallery.outlines import outline_text
from segassay.report.gallery.single import Single, single_objects
from segassay.tables.compared import read_masks
from segassay.tables.jobs import Job
from segassay.tables.maps import read_map

__all__ = ["MAX_OBJECTS", "MAX_OUTLINES", "MAX_SINGLE", "N_LEVELS", "PictureJob", "picture_of"]

MAX_OBJECTS = 1500
"""Objects of one annotator that are outlined in one picture: the largest."""

MAX_OUTLINES = 400_000
"""Letters of all outlines of one picture; annotators whose outlines do not fit have none there."""

MAX_SINGLE = 100
"""Objects of one rater that are listed for one case: the largest."""

N_LEVELS = 16
"""Steps of the uncertainty."""

_OUTLINE_SIDE, _TRACED_SIDE, _UNCERTAINTY_SIDE = 2048, 4096, 256
_MOST_COLOURS = 255
_FEW = 8  # annotators
_LARGE_SIDE = 1024
_TOLERANCES = (0.3, 0.8)
"""Pixels between outlines and their simplified form, of few annotators and of many on large images."""


@dataclass(frozen=True)
class PictureJob:
    """One case to show.

    Attributes:
        job: Files of the case; its annotators are those with outlines, and all raters.
        order: Names of the annotators with outlines, the most important first.
        uncertainty: Map that is shown; None if there is none.
        classes: What masks mean, if they have classes.
    """

    job: Job
    order: tuple[str, ...]
    uncertainty: Path | None = None
    classes: ClassMap | None = None


def picture_of(task: PictureJob) -> dict[str, Any]:
    """Make the picture of one case.

    Args:
        task: What to show.

    Returns:
        `case`; `shape` (rows, columns) in pixels and `plane` in words; `size` (width, height) in units of the outlines;
        `image`, `votes` and `uncertainty` as `data:` addresses, None if there is none; `n_raters`; `outlines`,
        annotator -> text; `left_out`, annotator -> objects that are outlined, and all; `single`, the largest objects
        of one rater as `_listed` describes them, and `n_single` for each rater.
        If a file can no longer be read, only `case` and `unreadable`.
    """
    try:
        return _picture(task)
    except DataError:  # the tables were made of the same files, so they were moved since
        return {"case": task.job.case, "unreadable": True}


def _picture(task: PictureJob) -> dict[str, Any]:
    job = task.job
    masks, areas, grid = read_masks(job)
    if grid is None:
        return {"case": job.case, "unreadable": False}
    persons = {a.name: a.person or a.name for a in job.annotators if is_rater(a.kind) and a.name in masks}
    votes = np.zeros(grid.shape, dtype=np.uint16)
    labels = {}
    for name in list(masks):
        mask = masks.pop(name)
        if name in persons:
            votes += areas.counted(mask)
        labels[name] = label_objects(mask, min_size=job.min_size, ignore=areas.ignore, region=areas.region)
    plane = _plane(votes, len(persons), labels)
    single = single_objects({name: labels[name] for name in persons}, list(persons.values()))
    scale = min(2.0, _OUTLINE_SIDE / max(votes[plane].shape))
    image = small_image(job.image, plane) if job.image else None
    uncertainty = None
    if task.uncertainty is not None:
        uncertainty = read_map(task.uncertainty, grid.shape, grid, task.classes, shared=True)[plane]
    shape = votes[plane].shape
    return {
        "case": job.case,
        "shape": list(shape),
        "plane": _in_words(plane, votes.shape),
        "size": [max(1, round(length * scale)) for length in reversed(shape)],
        "image": None if image is None else image_url(image),
        "n_raters": len(persons),
        "votes": _votes_url(votes[plane], len(persons)) if persons else None,
        "uncertainty": None if uncertainty is None else _uncertainty_url(uncertainty),
        **_outlines(task.order, {name: of[plane] for name, of in labels.items()}, scale),
        "single": [_listed(one, plane, scale) for one in single[:MAX_SINGLE]],
        "n_single": {name: sum(one.rater == name for one in single) for name in persons},
    }


def _plane(votes: np.ndarray, n_raters: int, labels: dict[str, np.ndarray]) -> tuple[slice | int, ...]:
    """What is shown of a volume: where most pixels are disputed, else where most are marked."""
    if votes.ndim == 2:
        return slice(None), slice(None)
    disputed = (votes > 0) & (votes < n_raters)
    if not disputed.any():
        disputed = votes > 0
    for of in labels.values() if not disputed.any() else ():
        disputed |= of > 0
    return most_marked_plane(disputed)


def _in_words(plane: tuple[slice | int, ...], shape: tuple[int, ...]) -> str:
    """Which plane of a volume is shown; empty for an image.

    Example:
        >>> _in_words((slice(None), slice(None), 6), (64, 64, 12))
        'plane 7 of 12 across axis 3'
    """
    return next(
        (
            f"plane {place + 1} of {shape[axis]} across axis {axis + 1}"
            for axis, place in enumerate(plane)
            if isinstance(place, int)
        ),
        "",
    )


def _votes_url(votes: np.ndarray, n_raters: int) -> str:
    if n_raters > _MOST_COLOURS:
        votes = -(-votes.astype(np.int64) * _MOST_COLOURS // n_raters)
    return numbers_url(reduced(votes, SIDE, "max"), palette(VOTES_COLOURS, min(n_raters, _MOST_COLOURS)))


def _uncertainty_url(values: np.ndarray) -> str:
    levels = np.rint(np.clip(reduced(values, _UNCERTAINTY_SIDE), 0, 1) * (N_LEVELS - 1)).astype(np.uint8)
    return numbers_url(levels, palette(UNCERTAINTY_COLOURS, N_LEVELS - 1))


def _outlines(order: tuple[str, ...], labels: dict[str, np.ndarray], scale: float) -> dict[str, Any]:
    """Outlines of each annotator, as long as they fit; objects that are outlined, and all, where these differ."""
    outlines, left_out, n_letters = {}, {}, 0
    fine, coarse = _TOLERANCES
    longest = max((max(of.shape) for of in labels.values()), default=1)
    tolerance = fine if len(order) <= _FEW else max(fine, min(coarse, coarse * longest / _LARGE_SIDE))
    for name in order:
        if name not in labels:
            continue
        shown, n_shown, n_objects = _traceable(labels[name])
        text = outline_text(shown, scale=scale * max(labels[name].shape) / max(shown.shape), tolerance=tolerance)
        if n_letters + len(text) > MAX_OUTLINES:
            left_out[name] = [0, n_objects or len(np.unique(labels[name][labels[name] > 0]))]
            continue
        n_letters += len(text)
        outlines[name] = text
        if n_shown < n_objects:
            left_out[name] = [n_shown, n_objects]
    return {"outlines": outlines, "left_out": left_out}


def _traceable(labels: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Labels whose outlines are short enough; the numbers of their objects and of all, 0 and 0 if none is left out."""
    if labels.max(initial=0) <= MAX_OBJECTS and max(labels.shape) <= _TRACED_SIDE:
        return labels, 0, 0
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    n_objects = int(np.count_nonzero(sizes))
    if n_objects > MAX_OBJECTS:
        is_kept = np.zeros(len(sizes), dtype=bool)
        is_kept[np.argsort(-sizes, kind="stable")[:MAX_OBJECTS]] = True
        labels = np.where(is_kept[labels], labels, 0)
    shown = reduced(labels, _TRACED_SIDE, "max")
    return shown, len(np.unique(shown[shown > 0])), n_objects


def _listed(one: Single, plane: tuple[slice | int, ...], scale: float) -> list[Any]:
    """Rater, pixels, box in units of the outlines (left, top, width, height), first and last plane; 0, 0 of an image.

    The planes are counted from 1; the last number says whether the object is in the plane that is shown.
    """
    rows, columns = (side for side, at in zip(one.box, plane, strict=True) if isinstance(at, slice))
    first, last, shown = next(
        (
            (low + 1, high + 1, low <= at <= high)
            for (low, high), at in zip(one.box, plane, strict=True)
            if isinstance(at, int)
        ),
        (0, 0, True),
    )
    box = [round(columns[0] * scale), round(rows[0] * scale)]
    box += [max(1, round((side[1] - side[0] + 1) * scale)) for side in (columns, rows)]
    return [one.rater, one.size, *box, first, last, int(shown)]

"""The picture of one case: its image, the outlines of each annotator, votes, uncertainty, objects of one rater.

Job (files of a case)  ->  dictionary of texts and whole numbers, about 50 kilobytes
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segassay.data.annotations import is_rater
from segassay.data.cases import read_spaced_image
from segassay.data.classes import ClassMap
from segassay.errors import DataError
from segassay.figures.planes import Cut
from segassay.io.images import Picture
from segassay.masks.objects import label_each
from segassay.report.gallery.cuts import cuts_of
from segassay.report.gallery.encoding import (
    SIDE,
    UNCERTAINTY_COLOURS,
    VOTES_COLOURS,
    image_url,
    numbers_url,
    palette,
    reduced,
    small_cut,
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
        of one rater as `_listed` describes them, and `n_single` for each rater. Of a volume also `why` this slice is
        shown, `way_up` in words, `um_per_unit` if the spacing is known, and `views`, further slices and the projection
        through all, each with the same keys from `shape` on.
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
    for name in persons:
        votes += areas.counted(masks[name])
    of_masks = label_each(list(masks.values()), min_size=job.min_size, ignore=areas.ignore, region=areas.region)
    labels = dict(zip(masks, of_masks, strict=True))
    masks.clear()
    picture = read_spaced_image(job.image, job.spacing_um, job.channels) if job.image and votes.ndim == 3 else None
    spacing = job.spacing_um if picture is None else picture.spacing_um
    cuts = cuts_of(votes, len(persons), labels, spacing, grid.affine)
    single = single_objects({name: labels[name] for name in persons}, list(persons.values()))
    uncertainty = None
    if task.uncertainty is not None:
        uncertainty = read_map(task.uncertainty, grid.shape, grid, task.classes, shared=True)
    first, *more = [_seen(task, cut, picture, votes, labels, uncertainty, len(persons), spacing) for cut in cuts]
    listed = [_listed(one, cuts[0], votes.shape) for one in single[:MAX_SINGLE]]
    n_single = {name: sum(one.rater == name for one in single) for name in persons}
    return {"case": job.case, **first, "single": listed, "n_single": n_single} | ({"views": more} if more else {})


def _seen(
    task: PictureJob,
    cut: Cut,
    picture: Picture | None,
    votes: np.ndarray,
    labels: dict[str, np.ndarray],
    uncertainty: np.ndarray | None,
    n_raters: int,
    spacing_um: tuple[float, ...] | None,
) -> dict[str, Any]:
    """What is shown of one cut; `picture` is that of a volume, an image is read here."""
    shown = cut.take(votes)
    scale = _scale(cut, shown.shape)
    if picture is not None:
        image = small_cut(picture.array, cut.take)
    else:
        image = small_image(task.job.image, (slice(None), slice(None))) if task.job.image and votes.ndim == 2 else None
    of_volume: dict[str, Any] = {} if cut.view is None else {"why": cut.why, "way_up": cut.view.way_up}
    if cut.view is not None and spacing_um is not None:
        of_volume["um_per_unit"] = round(cut.view.spacing[1] / scale[1], 6)
    return {
        "shape": list(shown.shape),
        "plane": cut.in_words(votes.shape),
        "size": [max(1, round(length * times)) for length, times in zip(shown.shape[::-1], scale[::-1], strict=True)],
        "image": None if image is None else image_url(image),
        "n_raters": n_raters,
        "votes": _votes_url(shown, n_raters) if n_raters else None,
        "uncertainty": None if uncertainty is None else _uncertainty_url(cut.take(uncertainty)),
        **_outlines(task.order, {name: cut.take(of) for name, of in labels.items()}, scale),
        **of_volume,
    }


def _scale(cut: Cut, shape: tuple[int, ...]) -> tuple[float, float]:
    """Units of the outlines per row and per column: 2 per smaller side of a pixel, less of a large image."""
    down, right = cut.stretch()
    scale = min(2.0, _OUTLINE_SIDE / max(shape[0] * down, shape[1] * right))
    return scale * down, scale * right


def _votes_url(votes: np.ndarray, n_raters: int) -> str:
    if n_raters > _MOST_COLOURS:
        votes = -(-votes.astype(np.int64) * _MOST_COLOURS // n_raters)
    return numbers_url(reduced(votes, SIDE, "max"), palette(VOTES_COLOURS, min(n_raters, _MOST_COLOURS)))


def _uncertainty_url(values: np.ndarray) -> str:
    levels = np.rint(np.clip(reduced(values, _UNCERTAINTY_SIDE), 0, 1) * (N_LEVELS - 1)).astype(np.uint8)
    return numbers_url(levels, palette(UNCERTAINTY_COLOURS, N_LEVELS - 1))


def _outlines(order: tuple[str, ...], labels: dict[str, np.ndarray], scale: tuple[float, float]) -> dict[str, Any]:
    """Outlines of each annotator, as long as they fit; objects that are outlined, and all, where these differ."""
    outlines, left_out, n_letters = {}, {}, 0
    fine, coarse = _TOLERANCES
    longest = max((max(of.shape) for of in labels.values()), default=1)
    tolerance = fine if len(order) <= _FEW else max(fine, min(coarse, coarse * longest / _LARGE_SIDE))
    for name in order:
        if name not in labels:
            continue
        shown, n_shown, n_objects = _traceable(labels[name])
        times = max(labels[name].shape) / max(shown.shape)
        text = outline_text(shown, scale=(scale[0] * times, scale[1] * times), tolerance=tolerance)
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


def _listed(one: Single, cut: Cut, shape: tuple[int, ...]) -> list[Any]:
    """Rater, pixels, box in units of the outlines (left, top, width, height), first and last plane; 0, 0 of an image.

    The planes are counted from 1; the last number says whether the object is in the plane that is shown.
    """
    rows, columns, planes = cut.where(one.box, shape)
    down, right = _scale(cut, cut.take(np.empty(shape, dtype=bool)).shape)
    box = [round(columns[0] * right), round(rows[0] * down)]
    box += [max(1, round((side[1] - side[0] + 1) * times)) for side, times in ((columns, right), (rows, down))]
    if planes is None or cut.place is None:
        return [one.rater, one.size, *box, 0, 0, 1]
    return [one.rater, one.size, *box, planes[0] + 1, planes[1] + 1, int(planes[0] <= cut.place <= planes[1])]

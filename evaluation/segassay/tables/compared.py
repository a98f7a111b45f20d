"""Read, label and compare the masks of one case once, for all of its tables.

    Job (files of a case)  ->  masks, objects, C₋r, overlaps  ->  ComparedCase

C₋r, the consensus of all raters but r, is one more annotator, with the name `-r`. Raters of one person have one vote
together, and r is left out with all masks of the same person. Where objects of a rater touch, C₋r is divided among the
objects that most of its raters drew; else its objects are connected pixels.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import numpy as np

from segassay.consensus.instances import keep_instances
from segassay.consensus.pixels import (
    Decisions,
    decisions_of_marked,
    staple_mask_of_decisions,
    staple_of_decisions,
    without_rater,
)
from segassay.data.annotations import TRUTH, is_rater, is_trained
from segassay.data.cases import read_annotation, read_ignored_area, read_spaced_image
from segassay.data.classes import ClassMap, read_classes
from segassay.data.named_channels import INTENSITY
from segassay.errors import DataError, number_of
from segassay.io.grids import Grid
from segassay.io.images import Picture, holds_outlines, read_grid, read_mask
from segassay.masks.joint import JointOverlaps, joint_overlaps
from segassay.masks.objects import any_of, counted_pixels, label_each, label_objects
from segassay.masks.outlines import SurfaceDistances, joint_surface_distances
from segassay.tables.columns import UNKNOWN
from segassay.tables.jobs import Job

__all__ = ["MIN_OTHERS", "RATERS_PER_CODE", "Areas", "ComparedCase", "compare_case", "read_masks"]

MIN_OTHERS = 3
"""Raters that C₋r is made of, at least: STAPLE of two is nearly their intersection."""

RATERS_PER_CODE = 8

_Key = TypeVar("_Key", bound=Hashable)
_Read = Callable[..., np.ndarray]  # of a path and the grid of the image


@dataclass(frozen=True, eq=False)
class Areas:
    """The parts of an image that count."""

    ignore: np.ndarray | None
    region: np.ndarray | None

    def label(self, mask: np.ndarray) -> np.ndarray:
        """Objects of a mask that count, numbered."""
        return label_objects(mask, ignore=self.ignore, region=self.region)

    def label_each(self, masks: Mapping[_Key, np.ndarray]) -> dict[_Key, np.ndarray]:
        """As `label`, of several masks, by their names."""
        found = label_each(list(masks.values()), ignore=self.ignore, region=self.region)
        return dict(zip(masks, found, strict=True))

    def counted(self, mask: np.ndarray) -> np.ndarray:
        """Pixels of a mask that count."""
        return counted_pixels(mask, ignore=self.ignore, region=self.region)


@dataclass(frozen=True, eq=False)
class ComparedCase:
    """Everything that the tables of a case need.

    Attributes:
        job: Files of the case.
        picture: The image; None if there is none.
        grid: Its pixels, else those of the first mask; None without image and masks.
        masks: `(*spatial)` as read, of every annotator whose file exists.
        areas: The parts of the image that count.
        shape: Of image and masks; None where there is no image and every prediction is missing.
        region: Boolean, the pixels that count; one False where there is no shape.
        foreground: Boolean `(*spatial)`, pixels that count, of every mask and then of every C₋r, under the name `-r`.
        labels: `(*spatial)` objects that count, of the same.
        marked: Places, in the flat image, of the pixels in the foreground of anything: a small part of most images.
        rates: Of each rater sensitivity and specificity, against the consensus of all and against C₋r.
        consensus: Of all raters, boolean; None without raters.
        joint: Overlaps of all that `labels` holds, in the same order.
    """

    job: Job
    picture: Picture | None
    grid: Grid | None
    masks: dict[str, np.ndarray]
    areas: Areas
    shape: tuple[int, ...] | None
    region: np.ndarray
    foreground: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    marked: np.ndarray
    rates: dict[str, tuple[float, float, float, float]]
    consensus: np.ndarray | None
    joint: JointOverlaps

    @property
    def names(self) -> list[str]:
        """All annotators, those whose prediction is missing too."""
        return [annotator.name for annotator in self.job.annotators]

    @property
    def outlined(self) -> set[str]:
        """Annotators who drew outlines, each of one object."""
        return {a.name for a in self.job.annotators if a.path is not None and holds_outlines(a.path)}

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All pairs of annotators."""
        return list(combinations(self.names, 2))

    @property
    def raters(self) -> list[str]:
        """Those with a mask."""
        return list(self.rates)

    @property
    def held_against_others(self) -> list[tuple[str, str]]:
        """Rater and annotator, for each C₋r: the rater itself, and every model, ensemble and truth."""
        outside = [a.name for a in self.job.annotators if is_trained(a.kind) or a.kind == TRUTH]
        return [(rater, other) for rater in self.raters if f"-{rater}" in self.labels for other in (rater, *outside)]

    @property
    def pairs_with_others(self) -> list[tuple[str, str]]:
        """`-rater` and annotator, in the order of `held_against_others`."""
        return [(f"-{rater}", annotator) for rater, annotator in self.held_against_others]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.labels)}

    def position(self, name: str) -> int | None:
        """Position of an annotator in `joint`; None if its prediction is missing."""
        return self._positions.get(name)

    @cached_property
    def surfaces(self) -> dict[tuple[int, int], SurfaceDistances]:
        """Distances between the outlines of `pairs` and `pairs_with_others`, by positions; none of missing ones."""
        places = [(self.position(a), self.position(b)) for a, b in [*self.pairs, *self.pairs_with_others]]
        spacing = None if self.picture is None else self.picture.spacing_um
        drawn = [(i, j) for i, j in places if i is not None and j is not None]
        return joint_surface_distances(
            list(self.labels.values()), spacing, pairs=drawn, foreground=list(self.foreground.values())
        )

    @cached_property
    def region_area(self) -> int:
        """Pixels that count; `UNKNOWN` where there is no shape."""
        return int(np.count_nonzero(self.region)) if self.shape else UNKNOWN

    @cached_property
    def of_marked(self) -> dict[str, np.ndarray]:
        """Boolean `(pixels,)`, `foreground` at the places `marked`."""
        return {name: mask.reshape(-1)[self.marked] for name, mask in self.foreground.items()}

    @cached_property
    def codes(self) -> list[np.ndarray]:
        """Which raters marked each pixel that counts: uint8 `(*spatial)`, a bit for each of the first 8, the next, …"""
        codes = []
        for start in range(0, len(self.raters), RATERS_PER_CODE):
            raters = self.raters[start : start + RATERS_PER_CODE]
            bits = np.array([self.of_marked[rater] for rater in raters])
            code = np.zeros(self.region.shape, dtype=np.uint8)
            code.reshape(-1)[self.marked] = np.packbits(bits, axis=0, bitorder="little")[0]
            codes.append(code)
        return codes

    @cached_property
    def votes(self) -> np.ndarray:
        """How many raters marked each pixel that counts, `(*spatial)`."""
        votes = np.zeros(self.region.shape, dtype=np.int32)
        of_marked = (self.of_marked[rater] for rater in self.raters)
        votes.reshape(-1)[self.marked] = sum(of_marked, np.zeros(len(self.marked), dtype=np.int32))
        return votes


def compare_case(job: Job) -> ComparedCase:
    """Read all masks of a case and compare them.

    Args:
        job: At least one annotator; its predictions may all be missing.

    Raises:
        DataError: If a file cannot be read or shapes differ; for masks every problem of the case at once.
    """
    picture = _read_picture(job)
    masks, areas, grid = read_masks(job)
    image = None if picture is None else picture.array[job.channel]
    shape = next((array.shape for array in (image, *masks.values()) if array is not None), None)
    blank = np.zeros(shape or 1, dtype=np.int32)  # a placeholder if every prediction of a case is missing
    raters = {a.name: a.person or a.name for a in job.annotators if is_rater(a.kind) and a.name in masks}
    rates, of_others, consensus = _consensus_of_others({rater: masks[rater] for rater in raters}, list(raters.values()))
    labels = areas.label_each(masks | {f"-{rater}": mask for rater, mask in of_others.items()})
    foreground = {name: areas.counted(mask) for name, mask in masks.items()}
    if any(_touches(masks[rater], labels[rater], areas) for rater in raters):
        spacing = None if picture is None else picture.spacing_um
        of_others = {rater: _divided(mask, rater, masks, raters, spacing) for rater, mask in of_others.items()}
        labels |= {f"-{rater}": areas.label(mask) for rater, mask in of_others.items()}
    foreground |= {f"-{rater}": areas.counted(mask) for rater, mask in of_others.items()}
    marked = np.flatnonzero(any_of(foreground.values(), blank.shape))
    return ComparedCase(
        job=job,
        picture=picture,
        grid=grid,
        masks=masks,
        areas=areas,
        shape=shape,
        region=areas.counted(blank == 0) if shape else np.zeros(1, dtype=bool),
        foreground=foreground,
        labels=labels,
        marked=marked,
        rates=rates,
        consensus=consensus,
        joint=joint_overlaps(list(labels.values()) or [blank], min_size=job.min_size, values=image, marked=marked),
    )


def _read_picture(job: Job) -> Picture | None:
    if not job.image:
        return None
    picture = read_spaced_image(job.image, job.spacing_um, job.channels)
    n_channels = number_of(len(picture.array), "channel")
    for name, place in (*job.intensities, ("", job.channel)):
        if place < len(picture.array):
            continue
        if name == INTENSITY:
            what = f"has {n_channels}, but intensity_channel in dataset.yaml is {place}"
            raise DataError.of(job.image[0], what, "correct intensity_channel; the first channel is 0")
        what = f"has {n_channels}, fewer than names of channels"
        raise DataError.of(job.image[0], what, "export it with all channels, or correct `channels` in dataset.yaml")
    return picture


def read_masks(job: Job, *, by_class: bool = False) -> tuple[dict[str, np.ndarray], Areas, Grid | None]:
    """Read all masks of a case.

    Args:
        job: Its files.
        by_class: Whether to read the value of the class of each pixel instead of the foreground.

    Returns:
        Masks `(*spatial)` by annotator, without those that are missing; the parts of the image that count; and its
        pixels, else those of the first mask, None without image and masks.

    Raises:
        DataError: If a file cannot be read or shapes differ; every problem of the case at once.
    """
    files: dict[tuple[str, str], tuple[Path, _Read]] = {
        ("mask", a.name): (
            a.path,
            partial(read_classes, classes=a.meaning)
            if by_class and isinstance(a.meaning, ClassMap)
            else partial(read_annotation, meaning=a.meaning, instances=job.instances),
        )
        for a in job.annotators
        if a.path is not None
    }
    if job.ignore is not None:
        files["area", "ignore"] = job.ignore, partial(read_ignored_area, ignored_class=job.ignored_class)
    if job.region is not None:
        files["area", "region"] = job.region, read_mask
    arrays, grid = _read_alike(files, read_grid(job.image[0]) if job.image else None)
    ignore, region = (arrays.get(("area", name)) for name in ("ignore", "region"))
    areas = Areas(None if ignore is None else ignore > 0, None if region is None else region > 0)
    return {name: array for (what, name), array in arrays.items() if what == "mask"}, areas, grid


def _read_alike(
    files: Mapping[_Key, tuple[Path, _Read]], grid: Grid | None
) -> tuple[dict[_Key, np.ndarray], Grid | None]:
    """Arrays in the axes of the image, else of the first that can be read; every problem at once."""
    arrays: dict[_Key, np.ndarray] = {}
    errors: list[DataError] = []
    for key, (path, read) in files.items():
        try:
            array = read(path, grid=grid)
            grid = read_grid(path) if grid is None else grid
        except DataError as error:
            errors.append(error)
            continue
        if array.shape != grid.shape:
            what = f"has shape {array.shape}, but {grid.path} has {grid.shape}"
            errors.append(DataError.of(path, what, expected="the same"))
        arrays[key] = array
    if errors:
        if len(errors) == 1:
            raise errors[0]
        raise DataError("\n".join(map(str, errors)), errors[0].file, f"and {len(errors) - 1} more cannot be compared")
    return arrays, grid


def _consensus_of_others(
    masks: Mapping[str, np.ndarray], persons: Sequence[str]
) -> tuple[dict[str, tuple[float, float, float, float]], dict[str, np.ndarray], np.ndarray | None]:
    """Sensitivity and specificity (full, leave-one-out) of each rater; C₋r if enough others remain; and the
    consensus of all, None without raters.

    Consensus masks and rates are of whole images: ignored areas and regions affect only scores. `persons` are those
    of the masks, in their order.
    """
    drawn = [counted_pixels(mask) for mask in masks.values()]
    if len(masks) < 2:
        return dict.fromkeys(masks, (np.nan,) * 4), {}, drawn[0] if masks else None
    decisions, whole = decisions_of_marked(drawn)
    full = staple_of_decisions(decisions, _weights(persons))
    enough = len(set(persons)) > MIN_OTHERS
    of_person = (
        {person: whole(_without_person(decisions, persons, person)) for person in set(persons)} if enough else {}
    )
    rates, of_others = {}, {}
    for index, (rater, person) in enumerate(zip(masks, persons, strict=True)):
        left_out = (np.nan, np.nan)
        if enough:
            of_others[rater] = of_person[person]
            left_out = _sensitivity_specificity(drawn[index], of_person[person])
        rates[rater] = (full.sensitivity[index], full.specificity[index], *left_out)
    return rates, of_others, whole(full.mask)


def _touches(mask: np.ndarray, labels: np.ndarray, areas: Areas) -> bool:
    """Whether objects of a mask touch, so that its foreground alone has fewer."""
    return mask.dtype != bool and labels.max(initial=0) > areas.label(mask > 0).max(initial=0)


def _divided(
    mask: np.ndarray,
    rater: str,
    masks: Mapping[str, np.ndarray],
    persons: Mapping[str, str],
    spacing: Sequence[float] | None,
) -> np.ndarray:
    """C₋r, its foreground divided among the objects that most of its raters drew."""
    others = [masks[other] for other, person in persons.items() if person != persons[rater]]
    return keep_instances(mask, others, spacing)


def _without_person(decisions: Decisions, persons: Sequence[str], person: str) -> np.ndarray:
    """Consensus of the raters who are other persons."""
    for index in reversed([place for place, one in enumerate(persons) if one == person]):
        decisions = without_rater(decisions, index)
    return staple_mask_of_decisions(decisions, _weights([one for one in persons if one != person]))


def _weights(persons: Sequence[str]) -> np.ndarray | None:
    """One vote for each person, however many masks they drew; None if each drew one."""
    n_masks = Counter(persons)
    return None if len(n_masks) == len(persons) else np.array([1 / n_masks[person] for person in persons])


def _sensitivity_specificity(mask: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Share of the reference's foreground that is marked, and of its background that is not; NaN if there is none."""
    n_reference, n_marked = np.count_nonzero(reference), np.count_nonzero(mask)
    n_shared, n_background = np.count_nonzero(mask & reference), mask.size - n_reference
    sensitivity = n_shared / n_reference if n_reference else np.nan
    return sensitivity, (n_background - (n_marked - n_shared)) / n_background if n_background else np.nan

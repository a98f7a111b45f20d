"""Find problems of masks: ignored areas, regions and masks of a case, and all masks of a rater.

files of a case     ->  masks, facts, problems
facts of all cases  ->  raters whose masks are of two kinds, or all empty
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from segassay.checks.classes import class_problems, pixels_of_classes
from segassay.checks.facts import CaseFacts, MaskFacts
from segassay.checks.images import as_problem
from segassay.checks.places import centre_of
from segassay.consensus.pixels import METHODS
from segassay.data.annotations import TRUTH
from segassay.data.cases import read_case_classes, read_case_ignore, read_case_mask, read_case_region
from segassay.data.classes import numbers_problem
from segassay.data.dataset import Dataset
from segassay.errors import DataError, Problem, number_of
from segassay.io.images import holds_outlines
from segassay.masks.numbers import numbers_of
from segassay.masks.objects import counted_pixels, label_objects, number_of_objects

__all__ = ["across_masks", "check_ignored", "check_masks", "check_region", "mask_files", "swapped"]

_TARGET = "masks made from all raters, so that no model can be trained on this rater"
_RESERVED = dict.fromkeys((*METHODS, "object", "random_rater", "expert"), _TARGET)
_RESERVED |= {TRUTH: "the known truth, with which raters are compared"}

_TOO_MUCH = 0.5
"""Share of an image, or of a rater's foreground, from which an ignored area or a mask gets a warning."""


_MUCH_UNCOUNTED = 0.05
"""Share of what all raters marked from which a warning says that it does not count."""


def check_ignored(dataset: Dataset, case: str) -> tuple[np.ndarray | None, list[Problem]]:
    """The ignored area of a case, None if it has none or it cannot be read; and its problems."""
    ignore, problems = _read_area(dataset, case, dataset.ignore, read_case_ignore)
    if ignore is not None and (share := float(ignore.mean())) > _TOO_MUCH:
        what = f"{share:.0%} of the image is ignored"
        action = "if the area is inverted, invert this mask: its foreground is ignored"
        problems.append(Problem(str(dataset.ignore[case]), what, action, "warning", kind="ignored-share"))
    return ignore, problems


def check_region(dataset: Dataset, case: str) -> tuple[np.ndarray | None, list[Problem]]:
    """The region of a case, None if it has none or it cannot be read; and its problems."""
    region, problems = _read_area(dataset, case, dataset.region_masks, read_case_region)
    if region is not None and not region.any():
        action = "draw the region, or remove this file to count the whole image"
        what = "the region mask is empty, so no object of this image counts"
        problems.append(Problem(str(dataset.region_masks[case]), what, action, "warning", kind="region-empty"))
    return region, problems


def _read_area(
    dataset: Dataset, case: str, files: Mapping[str, Path], read: Callable[[Dataset, str], np.ndarray | None]
) -> tuple[np.ndarray | None, list[Problem]]:
    try:
        return read(dataset, case), []
    except DataError as error:
        return None, _problems_of_reading(dataset.images[case], files[case], error)


def _problems_of_reading(image: Path, mask: Path, error: DataError) -> list[Problem]:
    """A mask whose image cannot be read is not a separate problem."""
    return [] if error.file == str(image) and image != mask else [as_problem(mask, error)]


def check_masks(
    dataset: Dataset, case: str, ignore: np.ndarray | None, region: np.ndarray | None
) -> tuple[dict[str, np.ndarray], dict[str, MaskFacts], list[Problem]]:
    """Masks of a case, facts of each and their problems, by annotator: raters in natural order, then the reference.

    Of several classes a mask holds their values. A mask that cannot be read is only among the problems.
    """
    masks, facts, problems = {}, {}, list[Problem]()
    for annotator, path in mask_files(dataset, case).items():
        try:
            mask, values = _read_mask(dataset, annotator, case)
        except DataError as error:
            problems += _problems_of_reading(dataset.images[case], path, error)
            continue
        masks[annotator] = mask if values is None else values
        facts[annotator] = _mask_facts(path, mask, ignore, region, dataset.min_object_size)
        if values is not None:
            counted = values[counted_pixels(mask, ignore=ignore, region=region) > 0]
            facts[annotator] = replace(facts[annotator], class_px=pixels_of_classes(dataset, counted))
        problems += _foreground_problems(facts[annotator])
    return masks, facts, problems


def _read_mask(dataset: Dataset, annotator: str, case: str) -> tuple[np.ndarray, np.ndarray | None]:
    """A mask, and the values of its classes if there are several. Raises as `read_case_mask`."""
    if not dataset.class_names:
        return read_case_mask(dataset, annotator, case), None
    values = read_case_classes(dataset, annotator, case)
    return values > 0, values


def mask_files(dataset: Dataset, case: str) -> dict[str, Path]:
    """File of every mask of a case, by annotator: raters in natural order, then the reference."""
    everyone = dict(dataset.masks)
    if dataset.reference_name is not None:
        everyone[dataset.reference_name] = dataset.reference
    return {annotator: paths[case] for annotator, paths in everyone.items() if case in paths}


def _mask_facts(
    path: Path, mask: np.ndarray, ignore: np.ndarray | None, region: np.ndarray | None, min_size: int
) -> MaskFacts:
    counted: dict[str, Any] = {"ignore": ignore, "region": region}
    n_objects = number_of_objects(mask, min_size=min_size, **counted)
    return MaskFacts(
        path=path,
        numbers=None if mask.dtype == bool or holds_outlines(path) else numbers_of(mask),
        n_objects=n_objects,
        n_drawn=n_objects if ignore is None and region is None and min_size <= 1 else number_of_objects(mask),
        n_pixels=mask.size,
        foreground_px=int(np.count_nonzero(mask)),
        counted_px=int(np.count_nonzero(counted_pixels(mask, **counted))),
        ignored_px=0 if ignore is None else int(np.count_nonzero(ignore & (mask > 0))),
        centre=centre_of(label_objects(mask, min_size=min_size, **counted) > 0) if n_objects == 1 else (),
    )


def _foreground_problems(mask: MaskFacts) -> Iterator[Problem]:
    may_be_full = mask.is_label_image or mask.class_px  # with crowded objects, or a class for everything
    if mask.foreground_px > _TOO_MUCH * mask.n_pixels and not may_be_full:
        what = f"{mask.foreground_px / mask.n_pixels:.0%} of the image is foreground"
        action = "if black and white are swapped, invert the mask: objects are bright, background is 0"
        yield Problem(str(mask.path), what, action, "warning", kind="foreground-share")
    if mask.foreground_px and not mask.counted_px:
        what = "no pixel of its foreground counts: all is ignored or outside the region mask"
        action = "check that the mask, the ignored area and the region mask belong to the same image"
        yield Problem(str(mask.path), what, action, "warning", kind="nothing-counts")
    elif mask.ignored_px > _TOO_MUCH * mask.foreground_px:
        what = f"{mask.ignored_px / mask.foreground_px:.0%} of its foreground lies in the ignored area"
        action = "check that the ignored area is not too large or inverted"
        yield Problem(str(mask.path), what, action, "warning", kind="foreground-ignored")


def across_masks(dataset: Dataset, cases: Sequence[CaseFacts]) -> Iterator[Problem]:
    """Problems that appear when the masks of all cases are compared."""
    yield from _reserved_names(dataset)
    yield from _areas_missing(dataset)
    yield from _uncounted(dataset, cases)
    yield from _rater_problems(dataset, cases)
    yield from _numbers_that_are_classes(dataset, cases)
    yield from _split_objects(dataset, cases)
    yield from class_problems(dataset, cases)


def _reserved_names(dataset: Dataset) -> Iterator[Problem]:
    for rater in dataset.raters:
        if rater in _RESERVED:
            what = f"a rater is named {rater!r}, which has another meaning: {_RESERVED[rater]}"
            action = "rename the folder, or name the rater under `raters` in dataset.yaml"
            yield Problem(str(dataset.folder), what, action, "warning", kind="rater-name")


def _areas_missing(dataset: Dataset) -> Iterator[Problem]:
    n_without = len(dataset.cases) - len(dataset.region_masks)
    if dataset.region_masks and n_without:
        without = [case for case in dataset.cases if case not in dataset.region_masks]
        what = f"no region mask for {n_without} of {number_of(len(dataset.cases), 'case')}, such as {without[0]!r}"
        folder = str(next(iter(dataset.region_masks.values())).parent)
        yield Problem(
            folder,
            what,
            "draw the masks, or leave it as it is: the whole image counts there",
            "warning",
            kind="region-missing",
        )


def _uncounted(dataset: Dataset, cases: Sequence[CaseFacts]) -> Iterator[Problem]:
    """What no model can miss, because it does not count: of all masks of which nothing else says so."""
    of_raters = [[facts.masks[rater] for facts in cases if rater in facts.masks] for rater in dataset.raters]
    masks = [mask for of in of_raters if any(mask.n_objects for mask in of) for mask in of if not _is_told(mask)]
    n_px, counted_px = sum(mask.foreground_px for mask in masks), sum(mask.counted_px for mask in masks)
    n_drawn, n_objects = sum(mask.n_drawn for mask in masks), sum(mask.n_objects for mask in masks)
    if not n_px:
        return
    shares = (1 - counted_px / n_px, 1 - n_objects / n_drawn)
    if max(shares) < _MUCH_UNCOUNTED:
        return
    pixels, objects = (f"{max(share, 0):.0%}" for share in shares)
    what = f"{pixels} of the pixels and {objects} of the objects that raters marked do not count"
    action = "check ignored areas, region masks and min_object_size: errors of a model there stay unseen"
    yield Problem(str(dataset.folder), what, action, "warning", kind="uncounted")


def _is_told(mask: MaskFacts) -> bool:
    """Whether a warning says of this very mask that most of it does not count."""
    return mask.foreground_px > 0 and (not mask.counted_px or mask.ignored_px > _TOO_MUCH * mask.foreground_px)


def swapped(masks: Sequence[MaskFacts]) -> bool:
    """Whether nearly everything is foreground in all of several binary masks, as if black and white were swapped."""
    return len(masks) > 1 and all(
        not mask.is_label_image and not mask.class_px and mask.foreground_px > _TOO_MUCH * mask.n_pixels
        for mask in masks
    )


def _inverted(dataset: Dataset, rater: str, folder: str, n_masks: int) -> Problem:
    said = dataset.settings.invert if isinstance(dataset.settings.invert, tuple) else ()
    what = f"most of the image is foreground in all {n_masks} masks"
    setting = f"invert: [{', '.join([*said, rater])}]"
    action = f"if black and white are swapped, write `{setting}` into dataset.yaml (or `invert: true` for all raters)"
    if rater in said or dataset.settings.invert is True:
        action = "if they are no longer swapped, take `invert` out of dataset.yaml"
    return Problem(folder, what, action, "warning", kind="inverted")


def _rater_problems(dataset: Dataset, cases: Sequence[CaseFacts]) -> Iterator[Problem]:
    for rater, paths in dataset.masks.items():
        masks = [facts.masks[rater] for facts in cases if rater in facts.masks]
        if swapped(masks):
            yield _inverted(dataset, rater, str(next(iter(paths.values())).parent), len(masks))
        folder = str(next(iter(paths.values())).parent) if paths else rater
        labelled = [mask for mask in masks if mask.is_label_image]
        binary = [mask for mask in masks if not mask.is_label_image and mask.n_objects > 1]
        if labelled and binary:
            kinds = f"{number_of(len(labelled), 'label image')} and {number_of(len(binary), 'binary mask')}"
            what = f"{kinds}, such as {binary[0].path.name}"
            action = "export all masks in the same way: only label images keep touching objects apart"
            yield Problem(folder, what, action, "warning", kind="mixed-masks")
        if len(masks) > 1 and not any(mask.foreground_px for mask in masks):
            yield Problem(
                folder,
                f"all {len(masks)} masks are empty",
                "export them again, or remove the rater",
                "warning",
                kind="all-empty",
            )
        elif any(mask.counted_px for mask in masks) and not any(mask.n_objects for mask in masks):
            what = f"no object is as large as min_object_size, {dataset.min_object_size} pixels"
            yield Problem(
                folder,
                what,
                "check min_object_size in dataset.yaml: its unit is pixels or voxels",
                "warning",
                kind="below-min-size",
            )


def _split_objects(dataset: Dataset, cases: Sequence[CaseFacts]) -> Iterator[Problem]:
    """Numbers in several pieces, where `objects: instances` says that each is one object."""
    for annotator, paths in _everyone(dataset).items() if dataset.holds_instances else ():
        masks = [facts.masks[annotator] for facts in cases if annotator in facts.masks]
        split = [mask for mask in masks if mask.numbers is not None and mask.numbers.n_split]
        if split:
            n_split = sum(mask.numbers.n_split for mask in split if mask.numbers is not None)
            numbers = "1 object number is" if n_split == 1 else f"{n_split} object numbers are"
            what = f"{numbers} in several pieces, such as in {split[0].path.name}; each counts as one object"
            action = "if the pieces are different objects, give each a number of its own"
            yield Problem(str(next(iter(paths.values())).parent), what, action, "warning", kind="split-objects")


def _everyone(dataset: Dataset) -> dict[str, dict[str, Path]]:
    """Files of each rater and of the reference."""
    return dataset.masks | ({dataset.reference_name: dataset.reference} if dataset.reference_name else {})


def _numbers_that_are_classes(dataset: Dataset, cases: Sequence[CaseFacts]) -> Iterator[Problem]:
    if dataset.holds_instances:
        return
    for annotator, paths in _everyone(dataset).items():
        numbers = [facts.masks[annotator].numbers for facts in cases if annotator in facts.masks]
        labelled = [of_mask for of_mask in numbers if of_mask is not None]
        folder = str(next(iter(paths.values())).parent) if paths else annotator
        problem = numbers_problem(folder, labelled)
        if problem is not None:
            yield problem

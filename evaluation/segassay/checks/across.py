"""Problems that show only when cases are held against each other.

masks of one case after the other  ->  Lookalikes  ->  copies, and a consensus among the raters
facts of all cases                 ->  images unlike the others, mixed kinds of masks, groups that cannot be tested
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from segassay.checks.summary import CaseFacts, ImageFacts
from segassay.consensus.pixels import count_decisions, staple_of_decisions, without_rater
from segassay.data.dataset import Dataset, strata
from segassay.data.names import natural_key
from segassay.data.settings import inside
from segassay.errors import DataError, Problem
from segassay.tables.effects import MEASURES, normalise

__all__ = ["Lookalikes", "across_cases"]

_MIN_OTHERS = 3
"""Raters that a consensus needs: STAPLE of two is nearly their intersection, and two people may well draw that."""
_SAME_SPACING = 0.01


class Lookalikes:
    """Annotators that drew the same in every case, told from one case at a time.

    A pair, or a rater and the consensus of the others, is not compared again after its first difference, so that this
    costs next to nothing where all is well. Cases in which nobody drew anything are no evidence.

    Args:
        raters: In natural order.
        reference_name: Compared for copies only; None if there is none.

    Example:
        >>> anna, ben = np.array([True, False]), np.array([True, True])
        >>> alike = Lookalikes(["anna", "ben", "copy"])
        >>> alike.compare({"anna": anna, "ben": ben, "copy": anna})
        >>> alike.copies()
        [('anna', 'copy')]
    """

    def __init__(self, raters: Sequence[str], reference_name: str | None = None) -> None:
        self._raters = list(raters)
        everyone = [*raters, *([reference_name] if reference_name is not None else [])]
        self._pairs = dict.fromkeys(combinations(everyone, 2), 0)
        self._consensus = dict.fromkeys(raters, 0) if len(self._raters) > _MIN_OTHERS else {}

    def compare(self, masks: Mapping[str, np.ndarray]) -> None:
        """Look at the masks of one more case.

        Args:
            masks: Boolean mask `(*spatial)` of every rater, and the reference, that the case has.
        """
        for pair in list(self._pairs):
            if pair[0] in masks and pair[1] in masks:
                _keep_if(self._pairs, pair, *(masks[name] for name in pair))
        raters = [rater for rater in self._raters if rater in masks]
        if len(raters) <= _MIN_OTHERS or not any(rater in self._consensus for rater in raters):
            return
        decisions = count_decisions(np.stack([masks[rater] for rater in raters]))
        for position, rater in enumerate(raters):
            if rater in self._consensus:
                others = staple_of_decisions(without_rater(decisions, position)).mask
                _keep_if(self._consensus, rater, masks[rater], others)

    def copies(self) -> list[tuple[str, str]]:
        """Pairs whose masks were the same in every case that both have, at least one of them not empty."""
        return [pair for pair, n_cases in self._pairs.items() if n_cases]

    def consensus(self) -> dict[str, int]:
        """Raters whose masks were the STAPLE consensus of at least 3 others in every case, and in how many cases.

        Copies of somebody else are left out.
        """
        copies = {name for pair in self.copies() for name in pair if set(pair) <= set(self._raters)}
        return {rater: n_cases for rater, n_cases in self._consensus.items() if n_cases and rater not in copies}


def _keep_if(counts: dict[Any, int], key: Any, one: np.ndarray, other: np.ndarray) -> None:
    """Count a case in which two masks are the same and not empty; forget the key where they differ."""
    if not np.array_equal(one, other):
        del counts[key]
    elif one.any():
        counts[key] += 1


def across_cases(dataset: Dataset, cases: Sequence[CaseFacts], alike: Lookalikes) -> Iterator[Problem]:
    """Problems of the dataset as a whole, in the order images, masks, raters, experiment.

    Args:
        dataset: Which file is what.
        cases: Facts of every case.
        alike: Which has compared the masks of every case.

    Yields:
        Problems.
    """
    images = [facts.image for facts in cases if facts.image is not None]
    yield from _unlike_images(images)
    yield from _same_pictures(images)
    yield from _settings_problems(dataset, images)
    yield from _areas_missing(dataset)
    yield from _rater_problems(dataset, cases)
    yield from _lookalike_problems(dataset, alike)
    yield from _experiment_problems(dataset)


# --------------------------------------------------------------------------------------------------------------- images


def _unlike_images(images: Sequence[ImageFacts]) -> Iterator[Problem]:
    export = "export all images in the same way"
    split = "keep images of one kind in a dataset; make a second dataset of the others"
    yield from _odd_ones(images, lambda image: len(image.shape), "spatial axes", split, "error")
    yield from _odd_ones(images, lambda image: image.n_channels, "channels", export, "error")
    yield from _odd_ones(images, lambda image: image.dtype, "pixels of type", export, "warning")


def _odd_ones(
    images: Sequence[ImageFacts],
    value_of: Callable[[ImageFacts], Any],
    what: str,
    action: str,
    level: Literal["error", "warning"],
) -> Iterator[Problem]:
    """Images that differ from most; of equally common values, that of the first image is the usual one."""
    values = [value_of(image) for image in images]
    for usual, n_usual in Counter(values).most_common(1):
        for image, value in zip(images, values, strict=True):
            if value != usual:
                has = f"has {what} {value}" if what.endswith("type") else f"has {value} {what}"
                yield Problem(
                    str(image.path), f"{has}, but {n_usual} of {len(images)} images have {usual}", action, level
                )


def _same_pictures(images: Sequence[ImageFacts]) -> Iterator[Problem]:
    first: dict[tuple[Any, ...], ImageFacts] = {}
    for image in images:
        known = first.setdefault((image.shape, image.dtype, image.digest), image)
        if known is not image:
            what = f"the same picture as {known.path.name}"
            yield Problem(
                str(image.path), what, "keep one: a picture counts once, and must not be in two folds", "warning"
            )


def _settings_problems(dataset: Dataset, images: Sequence[ImageFacts]) -> Iterator[Problem]:
    """What dataset.yaml says against what the images say; one problem each, however many images it concerns."""
    file, settings = str(dataset.folder / "dataset.yaml"), dataset.settings
    dark = [image for image in images if image.n_channels <= settings.intensity_channel]
    if dark:
        n_channels = "1 channel" if dark[0].n_channels == 1 else f"{dark[0].n_channels} channels"
        what = f"intensity_channel is {settings.intensity_channel}, but {_such_as(dark)} has {n_channels}"
        yield Problem(file, what, "the first channel is 0: correct the number, or leave intensity_channel out")
    spacing = settings.spacing_um
    if spacing is None:
        yield from _unlike_spacing(images)
        return
    wrong = [image for image in images if len(image.shape) != len(spacing)]
    if wrong:
        what = f"spacing_um has {len(spacing)} numbers, but {_such_as(wrong)} has {len(wrong[0].shape)} spatial axes"
        yield Problem(file, what, "give one number per axis: rows and columns, or planes, rows and columns")
    other = [
        image for image in images if image not in wrong and not _same_spacing(image.spacing_um or spacing, spacing)
    ]
    if other:
        what = f"spacing_um is {_listed(spacing)}, but {_such_as(other)} says {_listed(other[0].spacing_um)}"
        yield Problem(file, what, "check which is right; dataset.yaml is what counts", "warning")


def _unlike_spacing(images: Sequence[ImageFacts]) -> Iterator[Problem]:
    for usual, n_usual in Counter(image.spacing_um for image in images).most_common(1):
        for image in images:
            if len(image.shape) == len(usual or image.shape) and not _same_spacing(image.spacing_um, usual):
                what = (
                    f"spacing {_listed(image.spacing_um)}, but {n_usual} of {len(images)} images have {_listed(usual)}"
                )
                action = "sizes in pixels mean different things; correct the file, or give spacing_um in dataset.yaml"
                yield Problem(str(image.path), what, action, "warning")


def _same_spacing(one: tuple[float, ...] | None, other: tuple[float, ...] | None) -> bool:
    if one is None or other is None:
        return one is other
    return len(one) == len(other) and bool(np.allclose(one, other, rtol=_SAME_SPACING, atol=0))


def _listed(spacing_um: tuple[float, ...] | None) -> str:
    return "unknown" if spacing_um is None else " × ".join(f"{value:.4g}" for value in spacing_um) + " µm"


def _such_as(images: Sequence[ImageFacts]) -> str:
    return f"{images[0].path.name}" + (f" (and {len(images) - 1} more images)" if len(images) > 1 else "")


def _areas_missing(dataset: Dataset) -> Iterator[Problem]:
    n_without = len(dataset.cases) - len(dataset.region_masks)
    if dataset.region_masks and n_without:
        without = [case for case in dataset.cases if case not in dataset.region_masks]
        what = f"{n_without} of {len(dataset.cases)} cases have no region mask, such as {without[0]!r}"
        folder = str(next(iter(dataset.region_masks.values())).parent)
        yield Problem(folder, what, "draw it, or accept that their whole image counts", "warning")


# --------------------------------------------------------------------------------------------------------------- raters


def _rater_problems(dataset: Dataset, cases: Sequence[CaseFacts]) -> Iterator[Problem]:
    for rater, paths in dataset.masks.items():
        masks = [facts.masks[rater] for facts in cases if rater in facts.masks]
        folder = str(next(iter(paths.values())).parent) if paths else rater
        labelled = [mask for mask in masks if mask.is_label_image]
        binary = [mask for mask in masks if not mask.is_label_image and mask.n_objects > 1]
        if labelled and binary:
            what = f"{len(labelled)} label images and {len(binary)} binary masks, such as {binary[0].path.name}"
            action = "export all in the same way: touching objects are kept apart in label images only"
            yield Problem(folder, what, action, "warning")
        if len(masks) > 1 and not any(mask.foreground_px for mask in masks):
            yield Problem(
                folder, f"all {len(masks)} masks are empty", "export them again, or remove the rater", "warning"
            )
        elif any(mask.counted_px for mask in masks) and not any(mask.n_objects for mask in masks):
            what = f"no object is as large as min_object_size, {dataset.min_object_size} pixels"
            yield Problem(
                folder, what, "check min_object_size in dataset.yaml: its unit is pixels or voxels", "warning"
            )


def _lookalike_problems(dataset: Dataset, alike: Lookalikes) -> Iterator[Problem]:
    for one, other in alike.copies():
        if other == dataset.reference_name:
            action = f"remove the rater {one!r}, or the reference"
        else:
            action = "remove one: a copy would count as a second opinion"
        yield Problem(str(_folder_of(dataset, other)), f"the same masks as {one!r} in every case", action, "warning")
    for rater, n_cases in alike.consensus().items():
        what = f"equals the STAPLE consensus of the other raters on every image ({n_cases} compared)"
        folder = _folder_of(dataset, rater)
        setting = f"reference: {folder.relative_to(dataset.folder).as_posix()}"
        also = " and take it out of raters" if isinstance(dataset.settings.raters, dict) else ""
        yield Problem(str(folder), what, f"if it is one, write `{setting}` into dataset.yaml{also}", "warning")


def _folder_of(dataset: Dataset, annotator: str) -> Path:
    masks = dataset.masks.get(annotator, dataset.reference)
    return next(iter(masks.values())).parent


# ----------------------------------------------------------------------------------------------------------- experiment


def _experiment_problems(dataset: Dataset) -> Iterator[Problem]:
    if dataset.experiment is None or dataset.settings.experiment is None:
        return
    file, control = str(inside(dataset.folder, dataset.settings.experiment)), dataset.settings.control_group
    known = strata(dataset)
    known = known[known["group"] != ""]
    groups = sorted(known["group"].unique(), key=natural_key)
    if control is None and len(groups) > 1:
        what = f"names no control_group, so no effect can be tested; the groups are {', '.join(groups)}"
        yield Problem(str(dataset.folder / "dataset.yaml"), what, "write `control_group: <name>` into it", "warning")
    unit = "subject" if (known["subject"] != "").all() and len(known) else "case"
    units = known["subject"] if unit == "subject" else pd.Series(known.index, index=known.index)
    single = [group for group in groups if units[known["group"] == group].nunique() == 1]
    if single and len(groups) > 1:
        what = f"a single {unit} in {', '.join(f'group {group!r}' for group in single)}"
        yield Problem(file, what, f"add {unit}s: nothing can be tested with one", "warning")
    if control in groups:
        yield from _control_problems(file, dataset.experiment, known, str(control))


def _control_problems(file: str, table: pd.DataFrame, known: pd.DataFrame, control: str) -> Iterator[Problem]:
    try:
        normalise(pd.DataFrame(columns=["case", "annotator", *MEASURES.values()]), table, control)
    except DataError as error:
        what, _, action = str(error).partition("; ")
        yield Problem(file, what, action or "correct the table")
    for (region, batch), rows in known.groupby(["region", "batch"], sort=True):
        if control not in set(rows["group"]):
            where = " of ".join(f"{name} {value!r}" for name, value in (("region", region), ("batch", batch)) if value)
            what = f"{where or 'the experiment'} has no case of the control group {control!r}"
            action = f"its {len(rows)} cases cannot be compared with a control; add one, or remove them"
            yield Problem(file, what, action, "warning")

"""Check a dataset: every problem at once, and a summary of what is there.

    folder -> index (no pixel) -> one case after the other: problems, a few numbers of each -> across cases -> Check

Every image and mask is read once, and the pixels of one case are all that is in memory. Nothing is written.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segassay.checks.across import Lookalikes, across_cases
from segassay.checks.summary import CaseFacts, ImageFacts, MaskFacts, summarise_dataset
from segassay.data.cases import image_files, read_case_ignore, read_case_image, read_case_mask, read_case_region
from segassay.data.dataset import Dataset, index_dataset
from segassay.errors import DataError, Problem
from segassay.io.images import Picture
from segassay.masks.objects import counted_pixels, label_objects

__all__ = ["Check", "check_dataset"]

_TOO_MUCH = 0.5
"""Share of an image, or of a rater's foreground, from which on an ignored area or a mask deserves a look."""


@dataclass(frozen=True)
class Check:
    """What a check found.

    Attributes:
        problems: Errors first, then warnings; each in the order in which a reader would look.
        summary: Cases, raters, images, groups, as plain numbers and text; None where the folder cannot be understood.
    """

    problems: tuple[Problem, ...]
    summary: dict[str, Any] | None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What must be mended before the data can be used."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What may be meant so."""
        return tuple(problem for problem in self.problems if problem.level == "warning")


def check_dataset(
    folder: str | os.PathLike[str],
    *,
    progress: Callable[[int], AbstractContextManager[Callable[[str], None]]] = lambda n_cases: nullcontext(
        lambda case: None
    ),
) -> Check:
    """Find every problem of a dataset folder, and what it holds.

    Args:
        folder: Dataset folder.
        progress: As `progress.show_progress`: takes the number of cases, gives the function to call after each.

    Returns:
        Problems and summary; nothing is raised for what is wrong with the data.

    Example:
        >>> [str(problem) for problem in check_dataset("nowhere").errors]
        ['nowhere: is not a folder; give a dataset folder, which holds images/ and labels/']
    """
    dataset, found = index_dataset(folder)
    problems = list(found)
    if dataset is None:
        return Check(_errors_first(problems), None)
    dataset = _with_unique_rows(dataset)
    alike = Lookalikes(dataset.raters, dataset.reference_name)
    cases = []
    with progress(len(dataset.cases)) as advance:
        for case in dataset.cases:
            cases.append(_check_case(dataset, case, alike, problems))
            advance(case)
    problems += across_cases(dataset, cases, alike)
    return Check(_errors_first(problems), summarise_dataset(dataset, cases))


def _with_unique_rows(dataset: Dataset) -> Dataset:
    """A case that stands twice in the experiment table is an error that the index has told."""
    if dataset.experiment is None:
        return dataset
    return dataclasses.replace(dataset, experiment=dataset.experiment.drop_duplicates("case"))


def _errors_first(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.level != "error"))


def _check_case(dataset: Dataset, case: str, alike: Lookalikes, problems: list[Problem]) -> CaseFacts:
    """Facts of one case; its pixels are gone when this returns."""
    image = _check_image(dataset, case, problems)
    ignore = _check_area(dataset, case, dataset.ignore, read_case_ignore, problems)
    region = _check_area(dataset, case, dataset.region_masks, read_case_region, problems)
    ignored_share = _check_ignored(dataset, case, ignore, problems)
    region_share = _check_region(dataset, case, region, problems)
    masks = dict(_readable_masks(dataset, case, problems))
    facts = {
        annotator: _check_mask(path, masks[annotator], ignore, region, dataset.min_object_size, problems)
        for annotator, path in _mask_paths(dataset, case)
        if annotator in masks
    }
    if len(masks) == len(list(_mask_paths(dataset, case))):  # a consensus without an unreadable mask is another one
        alike.compare({annotator: mask > 0 for annotator, mask in masks.items()})
    area_px = _counted_area(image.shape, ignore, region) if image is not None else None
    return CaseFacts(case, image, facts, area_px, ignored_share, region_share)


def _counted_area(shape: tuple[int, ...], ignore: np.ndarray | None, region: np.ndarray | None) -> int:
    return int(np.count_nonzero(counted_pixels(np.ones(shape, dtype=bool), ignore=ignore, region=region)))


# ---------------------------------------------------------------------------------------------------------------- image


def _check_image(dataset: Dataset, case: str, problems: list[Problem]) -> ImageFacts | None:
    path = dataset.images[case]
    as_stored = dataclasses.replace(dataset, settings=dataset.settings.model_copy(update={"spacing_um": None}))
    try:
        picture = read_case_image(as_stored, case)
    except DataError as error:
        problems.append(as_problem(image_files(dataset, case), error))
        return None
    problems += _pixel_problems(path, picture, dataset.settings.intensity_channel)
    array = picture.array
    return ImageFacts(
        path=path,
        shape=array.shape[1:],
        n_channels=array.shape[0],
        dtype=str(array.dtype),
        spacing_um=picture.spacing_um,
        digest=hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest(),
    )


def _pixel_problems(path: Path, picture: Picture, intensity_channel: int) -> Iterator[Problem]:
    array = picture.array
    if array.dtype.kind in "fc":
        n_bad = array.size - int(np.count_nonzero(np.isfinite(array)))
        if n_bad:
            what = f"{n_bad} of {array.size} pixel values are NaN or infinite"
            yield Problem(str(path), what, "replace them by numbers, or export the image again")
            return
    constant = [channel.min() == channel.max() for channel in array]
    if all(constant):
        what = f"every pixel has the value {array.flat[0]}, the image shows nothing"
        yield Problem(str(path), what, "export it again, or remove the case", "warning")
    elif intensity_channel < len(array) and constant[intensity_channel]:
        what = f"channel {intensity_channel}, from which intensities are read, is {array[intensity_channel].flat[0]} "
        action = "set intensity_channel in dataset.yaml to the channel with the signal (the first is 0)"
        yield Problem(str(path), what + "everywhere", action, "warning")


def as_problem(paths: Sequence[Path], error: DataError) -> Problem:
    """An error of reading as a problem of the file it names; its message is `<file> <what>; <what to do>`."""
    text = str(error)
    path = next((path for path in paths if text.startswith(f"{path} ")), paths[0])
    what, _, action = text.removeprefix(f"{path} ").partition("; ")
    if action.startswith("expected"):
        expected, _, action = action.partition(": ")
        what = f"{what}; {expected}"
    return Problem(str(path), what, action or "correct the file, or export it again")


# ------------------------------------------------------------------------------------------------------ areas and masks


def _check_area(
    dataset: Dataset,
    case: str,
    files: Mapping[str, Path],
    read: Callable[[Dataset, str], np.ndarray | None],
    problems: list[Problem],
) -> np.ndarray | None:
    try:
        return read(dataset, case)
    except DataError as error:
        _add_once(problems, dataset.images[case], files[case], error)
        return None


def _add_once(problems: list[Problem], image: Path, mask: Path, error: DataError) -> None:
    """A mask that cannot be held against its unreadable image is not a problem of its own."""
    if not str(error).startswith(f"{image} "):
        problems.append(as_problem([mask], error))


def _check_ignored(dataset: Dataset, case: str, ignore: np.ndarray | None, problems: list[Problem]) -> float | None:
    if ignore is None:
        return None
    share = float(ignore.mean())
    if share > _TOO_MUCH:
        what = f"{share:.0%} of the image is ignored"
        action = "if the area is the wrong way round, invert this mask: its foreground is left out"
        problems.append(Problem(str(dataset.ignore[case]), what, action, "warning"))
    return share


def _check_region(dataset: Dataset, case: str, region: np.ndarray | None, problems: list[Problem]) -> float | None:
    if region is None:
        return None
    if not region.any():
        action = "draw the region, or remove this file if the whole image counts"
        what = "the region mask is empty, so no object of this image counts"
        problems.append(Problem(str(dataset.region_masks[case]), what, action, "warning"))
    return float(region.mean())


def _mask_paths(dataset: Dataset, case: str) -> Iterator[tuple[str, Path]]:
    """Annotator and file of every mask of a case: raters in natural order, then the reference."""
    everyone = dict(dataset.masks)
    if dataset.reference_name is not None:
        everyone[dataset.reference_name] = dataset.reference
    for annotator, paths in everyone.items():
        if case in paths:
            yield annotator, paths[case]


def _readable_masks(dataset: Dataset, case: str, problems: list[Problem]) -> Iterator[tuple[str, np.ndarray]]:
    for annotator, path in _mask_paths(dataset, case):
        try:
            yield annotator, read_case_mask(dataset, annotator, case)
        except DataError as error:
            _add_once(problems, dataset.images[case], path, error)


def _check_mask(
    path: Path,
    mask: np.ndarray,
    ignore: np.ndarray | None,
    region: np.ndarray | None,
    min_size: int,
    problems: list[Problem],
) -> MaskFacts:
    labels = label_objects(mask, min_size=min_size, ignore=ignore, region=region)
    facts = MaskFacts(
        path=path,
        is_label_image=mask.dtype != bool,
        n_objects=int(labels.max()),
        n_pixels=mask.size,
        foreground_px=int(np.count_nonzero(mask)),
        counted_px=int(np.count_nonzero(counted_pixels(mask, ignore=ignore, region=region))),
        ignored_px=0 if ignore is None else int(np.count_nonzero(ignore & (mask > 0))),
    )
    problems += _foreground_problems(facts)
    return facts


def _foreground_problems(mask: MaskFacts) -> Iterator[Problem]:
    if mask.foreground_px > _TOO_MUCH * mask.n_pixels and not mask.is_label_image:  # those may well be crowded
        what = f"{mask.foreground_px / mask.n_pixels:.0%} of the image is foreground"
        action = "if black and white are exchanged, invert the mask: objects are bright, background is 0"
        yield Problem(str(mask.path), what, action, "warning")
    if mask.foreground_px and not mask.counted_px:
        what = "no pixel of its foreground counts: all is ignored or outside the region mask"
        action = "check that the mask, the ignored area and the region mask belong to the same image"
        yield Problem(str(mask.path), what, action, "warning")
    elif mask.ignored_px > _TOO_MUCH * mask.foreground_px:
        what = f"{mask.ignored_px / mask.foreground_px:.0%} of its foreground lies in the ignored area"
        action = "check that the ignored area is not too large, or the wrong way round"
        yield Problem(str(mask.path), what, action, "warning")

"""Check a dataset: report all problems at once, and summarise its content.

    folder -> index (no pixel) -> one case after the other: problems, a few numbers of each -> across cases -> Check

Every image and mask is read once, one case at a time in each process, which holds the pixels of a single case. Nothing
is written.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from segassay.checks.experiment import experiment_problems, measurement_problems
from segassay.checks.facts import CaseFacts
from segassay.checks.images import across_images, check_image
from segassay.checks.lookalikes import Likeness, Lookalikes, likeness, lookalike_problems
from segassay.checks.masks import across_masks, check_ignored, check_masks, check_region, mask_files, swapped
from segassay.checks.places import place_problems
from segassay.checks.spellings import spelling_problems
from segassay.checks.summary import summarise_dataset
from segassay.data.dataset import Dataset, index_dataset, of_one_case
from segassay.errors import Problem
from segassay.io.transfers import transfers
from segassay.masks.objects import counted_pixels
from segassay.workers.order import Jobs, each_in_order
from segassay.workers.pool import Pool
from segassay.workers.tasks import LostError

__all__ = ["Check", "check_dataset", "problems_of"]


_Progress = Callable[[int], AbstractContextManager[Callable[[str], None]]]


def _no_progress(n_cases: int) -> AbstractContextManager[Callable[[str], None]]:
    return nullcontext(lambda case: None)


@dataclass(frozen=True)
class Check:
    """Result of a check.

    Attributes:
        problems: Errors first, then warnings.
        summary: Cases, raters, images, groups, as plain numbers and text; None if the folder is no readable dataset.
    """

    problems: tuple[Problem, ...]
    summary: dict[str, Any] | None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Problems to fix before the data can be used."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Problems that may be intended."""
        return tuple(problem for problem in self.problems if problem.level == "warning")


def check_dataset(
    folder: str | os.PathLike[str],
    *,
    n_jobs: Jobs = 1,
    progress: _Progress = _no_progress,
    quiet: bool = True,
) -> Check:
    """Find every problem of a dataset folder, and summarise its content.

    Args:
        folder: Dataset folder, or its address in an object store, such as `s3://bucket/lab`.
        n_jobs: Number of processes that share the cases, or workers; no result depends on it.
        progress: Like `show_progress`: takes the number of cases, and yields the function to call after each.
        quiet: Whether not to show how many files of an object store are copied.

    Returns:
        Problems and summary; problems of the data raise no error. In an empty folder the problems are that images and
        raters are missing.

    Example:
        >>> [str(problem) for problem in check_dataset("nowhere").errors]
        ['nowhere: is not a folder; give a dataset folder, which holds images/ and labels/']
    """
    with transfers(absolute=not isinstance(n_jobs, (int, Pool)), progress=not quiet) as at:
        found = _checked(at.copied(folder), progress, n_jobs)
        return dataclasses.replace(found, problems=tuple(map(at.named_problem, found.problems)))


def _checked(folder: str | os.PathLike[str], progress: _Progress, n_jobs: Jobs) -> Check:
    dataset, found = index_dataset(folder)
    if dataset is None:
        return Check(_errors_first(list(found)), None)
    dataset = _with_unique_rows(dataset)
    with progress(len(dataset.cases)) as advance:
        problems, cases = _check_cases(dataset, list(found), advance, n_jobs)
    return Check(problems, summarise_dataset(dataset, cases))


def problems_of(dataset: Dataset, *, n_jobs: Jobs = 1) -> tuple[Problem, ...]:
    """Every problem of a dataset that was read before, as `check_dataset` finds them; no errors of its folders.

    Args:
        dataset: From `read_dataset`; perhaps restricted to some cases.
        n_jobs: As of `check_dataset`.
    """
    return _check_cases(dataset, dataset.warnings, lambda case: None, n_jobs)[0]


def _check_cases(
    dataset: Dataset, problems: list[Problem], advance: Callable[[str], None], n_jobs: Jobs
) -> tuple[tuple[Problem, ...], list[CaseFacts]]:
    """These problems and those of images, masks and experiment; and the facts of every case."""
    alike = Lookalikes(dataset.raters, dataset.reference_name)
    cases, problems = [], list(problems)
    for case, found in zip(dataset.cases, each_in_order(_check_case, _Tasks(dataset, alike), n_jobs), strict=True):
        if isinstance(found, LostError):
            problems.append(Problem(str(dataset.images[case]), found.what, found.action, kind="lost"))
        else:
            facts, of_case, like = found
            cases.append(facts)
            problems += of_case
            alike.add(like)
        advance(case)
    images = [facts.image for facts in cases if facts.image is not None]
    problems += across_images(dataset, images)
    problems = [*_not_of_swapped(dataset, cases, problems), *across_masks(dataset, cases)]
    problems += place_problems(dataset, cases)
    problems += lookalike_problems(dataset, alike)
    problems += spelling_problems(dataset)
    problems += experiment_problems(dataset)
    problems += measurement_problems(dataset, images)
    return _errors_first(problems), cases


def _not_of_swapped(dataset: Dataset, cases: list[CaseFacts], problems: list[Problem]) -> list[Problem]:
    """Problems without those of single masks of a rater who swapped black and white in all of them."""
    known = set()
    for rater in dataset.raters:
        masks = [facts.masks[rater] for facts in cases if rater in facts.masks]
        known |= {str(mask.path) for mask in masks} if swapped(masks) else set()
    return [problem for problem in problems if problem.kind != "foreground-share" or problem.file not in known]


def _with_unique_rows(dataset: Dataset) -> Dataset:
    """Drop repeated cases of the experiment table, which `index_dataset` has already reported as errors."""
    if dataset.experiment is None:
        return dataset
    return dataclasses.replace(dataset, experiment=dataset.experiment.drop_duplicates("case"))


def _errors_first(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.level != "error"))


@dataclass(frozen=True, eq=False)
class _Task:
    case: str
    dataset: Dataset  # of this case alone
    open_names: frozenset[str]  # of annotators who may be copies
    open_raters: frozenset[str]  # who may be a consensus


class _Tasks(Sequence[_Task]):
    """The task of each case, made when it is asked for, so that what earlier cases have ruled out is not compared."""

    def __init__(self, dataset: Dataset, alike: Lookalikes) -> None:
        self._dataset, self._cases, self._alike = dataset, dataset.cases, alike

    def __len__(self) -> int:
        return len(self._cases)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        case = self._cases[place]
        return _Task(case, of_one_case(self._dataset, case), self._alike.open_names, self._alike.open_raters)


def _check_case(task: _Task) -> tuple[CaseFacts, list[Problem], Likeness]:
    """Facts and problems of one case, and who is like whom; its pixels are released on return."""
    case, dataset = task.case, task.dataset
    image, of_image = check_image(dataset, case)
    ignore, of_ignored = check_ignored(dataset, case)
    region, of_region = check_region(dataset, case)
    masks, facts, of_masks = check_masks(dataset, case, ignore, region)
    like = Likeness()
    if len(masks) == len(
        mask_files(dataset, case)
    ):  # without an unreadable mask the consensus would be a different one
        of_classes = bool(dataset.class_names)
        like = likeness(masks, dataset.raters, task.open_names, task.open_raters, of_classes=of_classes)
    area_px = _counted_area(image.shape, ignore, region) if image is not None else None
    of_case = CaseFacts(case, image, facts, area_px, _share(ignore), _share(region))
    return of_case, [*of_image, *of_ignored, *of_region, *of_masks], like


def _counted_area(shape: tuple[int, ...], ignore: np.ndarray | None, region: np.ndarray | None) -> int:
    return int(np.count_nonzero(counted_pixels(np.ones(shape, dtype=bool), ignore=ignore, region=region)))


def _share(area: np.ndarray | None) -> float | None:
    return None if area is None else float(area.mean())

"""Find the images to predict, and the case of each.

    file | folder (--recursive) | dataset folder  ->  find_images  ->  Images (case -> files, experiment)

A case is the name of its file without the ending; of a file in a sub-folder, with the names of its folders, joined by
two underscores. Two files of one case are refused.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pandas as pd

from segassay.data.cases import read_case_ignore, read_case_region, read_spaced_image, spaced
from segassay.data.dataset import Dataset, index_dataset, of_one_case, strata
from segassay.data.folders import data_places
from segassay.data.harmless import name_problems
from segassay.data.named_channels import names_of
from segassay.data.names import case_of, list_images, natural_key, written_by_cellpose
from segassay.errors import DataError, Problem, UsageError, is_writable, raise_problems
from segassay.io.images import IMAGE_SUFFIXES, Picture, image_suffix, is_folder_image
from segassay.io.windows import Windows
from segassay_monai.prediction.subjects import read_experiment_file

__all__ = ["Images", "find_images"]

logger = logging.getLogger("segassay")

_JOIN = "__"
_DATASET_FILES = ("dataset.yaml", "dataset.json")
_OF_MASKS = (
    *("no-rater", "rater-pattern", "loose-masks", "no-rater-folder", "folder-name-repeated", "folder-repeated"),
    *("no-folder", "no-mask", "second-mask", "mask-without-image", "rater-is-reference"),
)
"""Kinds of problems of a dataset that do not matter here, because its masks are not read."""


@dataclass(frozen=True, eq=False)
class Images:
    """The images to predict.

    Attributes:
        place: What the user gave.
        files: Case -> its file, or one file per channel; in natural order.
        dataset: The dataset that they belong to, which gives pixel size, ignored areas and regions; or None.
        experiment: Table with the columns case and group; or None.
        control_group: Group with which the others are compared; None if no effect is to be tested.
        subjects: Subject of each case of the dataset, empty where it is unknown.
    """

    place: Path
    files: Mapping[str, tuple[Path, ...]]
    dataset: Dataset | None = None
    experiment: pd.DataFrame | None = None
    control_group: str | None = None
    subjects: Mapping[str, str] = field(default_factory=dict)

    @property
    def places(self) -> list[Path]:
        """Places of the dataset that the images belong to, also if only its images are given; none without."""
        own = {path.parent.resolve() for paths in self.files.values() for path in paths}
        for folder in (self.place, self.place.parent, self.place.parent.parent):
            places = data_places(folder)
            if folder == self.place and self.dataset is not None:
                return places
            if len(places) > 1 and any(place.resolve() in own for place in places):
                return places
        return []

    def of_case(self, case: str) -> Images:
        """The image of one case alone, without the experiment: little to send to another process."""
        dataset = None if self.dataset is None else of_one_case(self.dataset, case)
        subjects = {case: self.subjects[case]} if case in self.subjects else {}
        return Images(self.place, {case: self.files[case]}, dataset, subjects=subjects)

    def read(self, case: str) -> Picture:
        """Image of a case with all its channels, and its pixel size."""
        own = self.dataset
        return read_spaced_image(
            self.files[case], own.settings.spacing_um if own else None, own.names_in_files if own else ()
        )

    def channels_of(self, picture: Picture) -> tuple[str, ...]:
        """Names of the channels of an image, by its dataset or its file; empty if they have none."""
        return (self.dataset.channels if self.dataset else ()) or names_of(picture)

    def spacing_of(self, image: Windows) -> tuple[float, ...] | None:
        """Pixel size of an image that is read by windows; None if neither its file nor the dataset gives it."""
        spacing = self.dataset.settings.spacing_um if self.dataset else None
        return spaced(image.path, image.frame, spacing).spacing_um

    def areas(self, case: str) -> dict[str, np.ndarray | None]:
        """Ignored area and region of a case, each None if there is none."""
        if self.dataset is None:
            return {"ignore": None, "region": None}
        return {"ignore": read_case_ignore(self.dataset, case), "region": read_case_region(self.dataset, case)}


def find_images(
    images: str | os.PathLike[str],
    *,
    recursive: bool = False,
    out: Path | None = None,
    experiment: str | os.PathLike[str] | None = None,
    control_group: str | None = None,
) -> Images:
    """Find the images to predict; no image is opened.

    Args:
        images: One image (a file, or the folder of an OME-Zarr), a folder of images, or a dataset folder.
        recursive: Whether folders in a folder of images are searched, too.
        out: Folder of the results, which is not searched.
        experiment: CSV table with the columns case and group; by default that of the dataset.
        control_group: Group with which the others are compared; by default that of the dataset.

    Raises:
        DataError: If there is no image, two files are images of one case, or the experiment table has problems.
        UsageError: If a control group is given without experiment.
    """
    place = Path(images)
    if is_folder_image(place) or not place.is_dir():
        found = Images(place, _of_file(place))
    elif _is_dataset(place, recursive):
        found = _of_dataset(place)
    else:
        found = Images(place, _of_folder(place, recursive, out))
    raise_problems(place, name_problems(str(place), "case", found.files, "rename the file, or its folder"))
    return _with_experiment(found, experiment, control_group)


def _is_dataset(place: Path, recursive: bool) -> bool:
    """Whether a folder is a dataset; `images/` alone is one of several folders if all are to be searched."""
    has_images = (place / "images").is_dir() and (not recursive or (place / "labels").is_dir())
    return has_images or any((place / name).is_file() for name in _DATASET_FILES)


def _of_dataset(place: Path) -> Images:
    """Images of a dataset folder; problems of its masks do not matter."""
    dataset, problems = index_dataset(place)
    errors = [problem for problem in problems if problem.level == "error"]
    raise_problems(place, errors if dataset is None else [one for one in errors if one.kind not in _OF_MASKS])
    assert dataset is not None, "a folder without images has a problem"
    files = {case: (path, *dataset.more_channels.get(case, ())) for case, path in dataset.images.items()}
    subjects = {str(case): str(subject) for case, subject in strata(dataset)["subject"].items()}
    return Images(place, files, dataset, dataset.experiment, dataset.settings.control_group, subjects)


def _of_file(place: Path) -> dict[str, tuple[Path, ...]]:
    if not place.exists():
        raise DataError.of(place, "does not exist", "give an image, a folder of images or a dataset folder")
    if image_suffix(place.name) is None:
        expected = f"a name ending in {', '.join(IMAGE_SUFFIXES)}"
        raise DataError.of(place, "is not an image that can be read", "export it as one", expected=expected)
    return {case_of(place.name): (place,)}


def _of_folder(place: Path, recursive: bool, out: Path | None) -> dict[str, tuple[Path, ...]]:
    """Case -> file in a folder, and in the folders below it."""
    folders = _folders(place, out) if recursive else [place]
    files: dict[str, tuple[Path, ...]] = {}
    problems: list[Problem] = []
    known: dict[str, Path] = {}
    for folder in folders:
        listed, found = list_images(folder, known=_names_of_folders(folder) if recursive else ())
        of_cellpose = set(written_by_cellpose(listed, {case for case, _ in listed}))
        problems += found
        start = normalize("NFC", _JOIN.join(folder.relative_to(place).parts))
        if not is_writable(start):
            what = f"the name {start!a} holds letters that cannot be written"
            problems.append(Problem(str(place), what, "rename the folder", kind="unwritable-name"))
        for name, path in listed:
            if path.name in of_cellpose:
                continue
            case = f"{start}{_JOIN}{name}" if start else name
            if (other := known.setdefault(case.casefold(), path)) is not path:
                what = f"and {other} would both be the case {case!r}"
                problems.append(Problem(str(path), what, "rename one of them", kind="second-image"))
            files.setdefault(case, (path,))
    for problem in problems:
        if problem.level == "warning":
            logger.warning(str(problem))
    raise_problems(place, [problem for problem in problems if problem.level == "error"])
    if not files:
        where = "" if recursive else ", or --recursive if they are in folders of it"
        raise DataError.of(place, "holds no image", f"give a folder with {', '.join(IMAGE_SUFFIXES)} files{where}")
    return {case: files[case] for case in sorted(files, key=natural_key)}


def _folders(place: Path, out: Path | None) -> list[Path]:
    """A folder and all below it, without hidden ones and that of the results; links are not followed."""
    found = []
    for folder, names, _ in os.walk(place):
        names[:] = sorted(name for name in names if _is_searched(Path(folder, name), out))
        found.append(Path(folder))
    return found


def _is_searched(folder: Path, out: Path | None) -> bool:
    return not folder.name.startswith(".") and not is_folder_image(folder) and folder.resolve() != out


def _names_of_folders(folder: Path) -> set[str]:
    return {entry.name for entry in os.scandir(folder) if entry.is_dir() and not is_folder_image(Path(entry.name))}


def _with_experiment(found: Images, experiment: str | os.PathLike[str] | None, control_group: str | None) -> Images:
    """The images with the experiment that the user gave, if any."""
    control = control_group or found.control_group
    table = found.experiment
    if experiment is not None:
        images = {case: paths[0] for case, paths in found.files.items()}
        table = read_experiment_file(Path(experiment), control, images)
    elif table is None and control_group is not None:
        raise UsageError("--control-group names a group of the experiment, but there is none; give --experiment")
    elif table is not None and control_group is not None and control_group not in set(table["group"]):
        groups = ", ".join(sorted(set(table["group"]), key=natural_key))
        raise UsageError(f"--control-group {control_group}: expected one of the groups {groups}")
    return replace(found, experiment=table, control_group=control)

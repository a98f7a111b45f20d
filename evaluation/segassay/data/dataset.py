"""The dataset folder: images, one folder of masks per rater, and the settings in `dataset.yaml`.

    folder -> Dataset (which file is what; only dataset.yaml, dataset.json and the experiment table are opened)

`images/<case>.<ext>` and `labels/<rater>/<case>[suffix].<ext>` need no settings; nor do nnU-Net's folders (`nnunet`).
Without `dataset.yaml` every folder of `labels/` is a rater. So is a published consensus, until `dataset.yaml` names it
as `reference`.
"""

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from unicodedata import normalize

import pandas as pd

from segassay.data.classes import ClassMap, Inverted, Meaning
from segassay.data.design import STRATA, read_experiment
from segassay.data.folder_images import find_images
from segassay.data.folders import read_settings, unused_areas, without_images
from segassay.data.harmless import annotator_problems, name_problems, why_harmful_to_train
from segassay.data.measurements import measurement_problems, measurements_of, read_endpoints
from segassay.data.named_channels import channel_problems, find_channels, intensity_places, segmented_places
from segassay.data.nnunet import DatasetJson
from segassay.data.raters import find_masks, folder_problems, rater_folders
from segassay.data.settings import DatasetFile, inside
from segassay.errors import Problem, UsageError, number_of, raise_problems, shortlist
from segassay.io.addresses import refuse_address
from segassay.io.images import sha256

_File = TypeVar("_File", Path, tuple[Path, ...])


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Files and settings of a dataset; cases and raters in natural order (2 before 10).

    Attributes:
        folder: The dataset folder.
        name: From `dataset.yaml`, else the folder's name.
        settings: `dataset.yaml` with its defaults; suffixes as found if the file does not give them.
        images: Image file of each case; that of the first channel if every channel has a file.
        masks: Mask file of each rater and case; a rater may lack cases.
        reference_name: Name of the reference, never a rater; None if there is none.
        reference: Its mask file of each case.
        ignore: Masks of the areas to leave out of sampling, loss and scores; a case may have none.
        region_masks: Masks of the region in which objects count; a case may have none.
        experiment: The experiment table as text, in the file's order; None if there is none.
        endpoints: Measurements of the lab, as `segassay.data.measurements.checked_endpoints` returns them; or None.
        channels: Names of the channels of the images (`segassay.data.named_channels`); empty if they have none.
        named_by_files: Whether these are the names in the files, where channels may have another order.
        more_channels: Files of the second and further channels of a case; without cases in a single file.
        classes: Only where `dataset.json`, `classes` or `foreground` says so: what the values in masks mean.
        warnings: What may be intended, but the user should look at.
    """

    folder: Path
    name: str
    settings: DatasetFile
    images: dict[str, Path]
    masks: dict[str, dict[str, Path]]
    reference_name: str | None = None
    reference: dict[str, Path] = field(default_factory=dict)
    ignore: dict[str, Path] = field(default_factory=dict)
    region_masks: dict[str, Path] = field(default_factory=dict)
    experiment: pd.DataFrame | None = None
    endpoints: pd.DataFrame | None = None
    channels: tuple[str, ...] = ()
    named_by_files: bool = False
    more_channels: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    classes: ClassMap | None = None
    warnings: list[Problem] = field(default_factory=list)

    def __repr__(self) -> str:
        """One line: the folder may hold thousands of files."""
        sizes = f"{number_of(len(self.cases), 'case')}, {number_of(len(self.raters), 'rater')}"
        return f"<Dataset {self.name}: {sizes}{f' ({shortlist(self.raters)})' if self.raters else ''} in {self.folder}>"

    @property
    def cases(self) -> list[str]:
        """All cases, in natural order."""
        return list(self.images)

    @property
    def raters(self) -> list[str]:
        """All raters, in natural order; never the reference."""
        return list(self.masks)

    @property
    def measurements(self) -> tuple[str, ...]:
        """Measurements that are tested for the experiment."""
        return measurements_of(self.settings, self.endpoints, self.intensities)

    @property
    def intensities(self) -> dict[str, int]:
        """Measurement of intensity -> place of its channel, from 0; `mean_intensity` alone without names."""
        return intensity_places(self.settings, self.channels)

    @property
    def segmented(self) -> tuple[int, ...]:
        """Places of the channels that a network sees, in its order; empty if it sees all."""
        return segmented_places(self.settings, self.channels)

    @property
    def seen_channels(self) -> tuple[str, ...]:
        """Names of the channels that a network sees; empty if they have none."""
        return tuple(self.channels[place] for place in self.segmented) or self.channels

    @property
    def names_in_files(self) -> tuple[str, ...]:
        """Names by which the channels of an image are put into order; empty if they are read in their order."""
        return self.channels if self.named_by_files else ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the file; empty if masks have only one."""
        return () if self.classes is None else tuple(name for name, _ in self.classes.names)

    @property
    def min_object_size(self) -> int:
        """Pixels or voxels below which an object does not count; 1 keeps every object."""
        return self.settings.min_object_size

    @property
    def holds_instances(self) -> bool:
        """Whether `dataset.yaml` says that each number in a label image is one object."""
        return self.settings.objects == "instances"

    def meaning_of(self, annotator: str) -> Meaning | None:
        """What the values in masks of a rater or the reference mean, if these are classes or inverted."""
        said = self.settings.invert
        if said is True or (isinstance(said, tuple) and annotator in said):
            return Inverted()
        return self.classes

    @property
    def ignored_class(self) -> ClassMap | None:
        """Classes of which one is the ignored area; None if `ignore` holds separate masks."""
        return self.classes if self.settings.ignore is None else None


def read_dataset(folder: str | os.PathLike[str]) -> Dataset:
    """Find the files of a dataset, without reading pixels.

    If `mask_suffix` is not given, it is the text after the case name in the masks (`0001_cFOS.png` of image
    `0001.tif`: `_cFOS`). Files that are not images are ignored, with a warning.

    Args:
        folder: Holds `images/`, `labels/` and perhaps `dataset.yaml`; or is nnU-Net's.

    Returns:
        The files of every case and rater, the settings, the experiment table and warnings.

    Raises:
        DataError: Lists every problem found, one per line: folders or images missing, a mask or a row of the experiment
            table without image, two files of one case, an absent control group, anything wrong in `dataset.yaml`. An
            empty folder lacks images and raters.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("images/0144.png", "labels/anna/0144.png", "labels/ben/0144.png"):
        ...         (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
        ...         (Path(folder) / name).touch()
        ...     dataset = read_dataset(folder)
        >>> dataset.cases, dataset.raters
        (['0144'], ['anna', 'ben'])
    """
    dataset, problems = index_dataset(folder)
    raise_problems(folder, [problem for problem in problems if problem.level == "error"])
    assert dataset is not None, "a folder without images has a problem"
    return dataset


def index_dataset(folder: str | os.PathLike[str]) -> tuple[Dataset | None, list[Problem]]:
    """Find the files of a dataset as `read_dataset`, but return all problems as records instead of an error.

    Args:
        folder: As for `read_dataset`.

    Returns:
        The usable files, None if there is no image or `dataset.yaml` gives no folder; and all errors and warnings.
    """
    refuse_address(folder, "dataset")
    folder = Path(folder)
    if not os.path.isdir(folder):
        action = "give a dataset folder, which holds images/ and labels/"
        return None, [Problem(str(folder), "is not a folder", action, kind="no-folder")]
    settings, layout, problems = read_settings(folder)
    if settings is None:
        return None, problems
    raters, of_raters = rater_folders(folder, settings)
    settings, raters, of_roles = without_images(folder, settings, raters)
    reference_name, everyone, of_reference = _with_reference(folder, settings, raters)
    channels, of_images = find_images(folder, settings, layout, everyone)
    images = {case: paths[0] for case, paths in channels.items()}
    affixes, masks, of_masks = find_masks(everyone, (settings.mask_prefix, settings.mask_suffix), images)
    of_each = {rater: masks[rater] for rater in raters}
    ignore_suffix, ignore, of_ignored = _find_ignored(folder, settings, layout, images, of_each)
    _, region_masks, of_regions = _find_area(folder, settings.region_masks, None, images)
    experiment, of_experiment = read_experiment(folder, settings, images)
    endpoints, of_endpoints = read_endpoints(folder, settings, images, list(everyone))
    one_file = all(len(paths) == 1 for paths in channels.values())
    names, named_by_files = find_channels(settings, layout.channel_names if layout else (), images, one_file=one_file)
    of_names = channel_problems(str(folder / "dataset.yaml"), settings, names)
    if of_names:  # the rest can be checked without them
        settings = settings.model_copy(update={"segment_channels": None, "intensity_channel": None})
    intensities = intensity_places(settings, names)
    of_endpoints += [*of_names, *measurement_problems(str(folder / "dataset.yaml"), settings, endpoints, intensities)]
    problems += [*of_images, *of_raters, *of_roles, *of_reference, *of_masks, *of_ignored, *of_regions]
    problems += [*of_experiment, *of_endpoints, *_unknown_inverted(folder, settings, everyone)]
    problems += _swapped_classes(folder, settings, layout)
    name = settings.name or folder.resolve().name
    problems += name_problems(
        str(folder), "dataset", [name], "write `name: …` into dataset.yaml", why=why_harmful_to_train
    )
    if reference_name is not None:
        problems += annotator_problems(str(folder), "reference", [reference_name], "rename the folder")
    if not images:
        return None, problems
    problems += [*_warnings(folder, of_each, images), *unused_areas(folder, settings)]
    dataset = Dataset(
        folder=folder,
        name=name,
        settings=settings.model_copy(
            update={"mask_prefix": affixes.prefix, "mask_suffix": affixes.suffix, "ignore_suffix": ignore_suffix}
        ),
        images=images,
        masks=of_each,
        reference_name=reference_name,
        reference=masks[reference_name] if reference_name is not None else {},
        ignore=ignore,
        region_masks=region_masks,
        experiment=experiment,
        endpoints=endpoints,
        channels=names,
        named_by_files=named_by_files,
        more_channels={case: paths[1:] for case, paths in channels.items() if len(paths) > 1},
        classes=classes_of(settings, layout),
        warnings=[problem for problem in problems if problem.level == "warning"],
    )
    return dataset, problems


def _unknown_inverted(folder: Path, settings: DatasetFile, everyone: Collection[str]) -> list[Problem]:
    unknown = [name for name in settings.invert if name not in everyone] if isinstance(settings.invert, tuple) else []
    what = f"invert names {shortlist(unknown)}; expected raters: {shortlist(list(everyone))}"
    action = "correct the names, or write `invert: true` for all masks"
    return [Problem(str(folder / "dataset.yaml"), what, action, kind="invert-unknown")] if unknown else []


def _swapped_classes(folder: Path, settings: DatasetFile, layout: DatasetJson | None) -> list[Problem]:
    """An error if the masks of a folder of nnU-Net hold several classes, and are said to be inverted or objects."""
    classes = classes_of(settings, layout)
    said = [key for key in ("invert", "objects") if getattr(settings, key)]
    if layout is None or classes is None or not classes.names or not said:
        return []
    what = f"{said[0]} does not go with the classes of dataset.json, which say what each value of a mask is"
    return [Problem(str(folder / "dataset.yaml"), what, f"leave {said[0]} out", kind="class-settings")]


def classes_of(
    settings: DatasetFile, layout: DatasetJson | None = None, said_in: str = "dataset.yaml"
) -> ClassMap | None:
    """What the values in masks mean, as nnU-Net's or our settings say."""
    if said := settings.class_values:
        values = tuple(sorted({value for of_class in said.values() for value in of_class}))
        names = tuple(said.items()) if len(said) > 1 else ()
        return ClassMap(values, settings.ignore_value, names=names, said_in=said_in)
    if settings.foreground is not None:
        return ClassMap(settings.foreground, others=True)
    return layout.classes if layout is not None else None


def _with_reference(
    folder: Path, settings: DatasetFile, raters: dict[str, Path]
) -> tuple[str | None, dict[str, Path], list[Problem]]:
    """Name of the reference, the folders of all raters and the reference, and their problems."""
    if settings.reference is None:
        return None, raters, list(folder_problems(folder, raters))
    place = inside(folder, settings.reference)
    name = normalize("NFC", place.name)
    problems = []
    if name in raters:
        what = f"{name!r} is both a rater and the reference"
        action = "list the raters under `raters:`, and give the reference another name"
        problems.append(Problem(str(folder / "dataset.yaml"), what, action, kind="rater-is-reference"))
    everyone = raters | {name: place}
    return name, everyone, [*problems, *folder_problems(folder, everyone)]


def _find_ignored(
    folder: Path,
    settings: DatasetFile,
    layout: DatasetJson | None,
    images: dict[str, Path],
    masks: dict[str, dict[str, Path]],
) -> tuple[str | None, dict[str, Path], list[Problem]]:
    """Masks of ignored areas: those named in dataset.yaml, else the masks with the class or value to ignore."""
    suffix, ignore, problems = _find_area(folder, settings.ignore, settings.ignore_suffix, images)
    classes = classes_of(settings, layout)
    if classes is None or classes.ignore is None or ignore:
        return suffix, ignore, problems
    if len(masks) > 1:
        name = "the class `ignore`" if layout is not None else "ignore_value"
        what = f"{name} is ambiguous for {len(masks)} raters, whose ignored areas may differ"
        action = "give one ignored area per image in a folder of masks, and name it as `ignore` in dataset.yaml"
        problems.append(Problem(str(folder / classes.said_in), what, action, kind="ambiguous-ignore"))
    return suffix, next(iter(masks.values()), {}), problems


def _find_area(
    folder: Path, path: str | None, suffix: str | None, images: dict[str, Path]
) -> tuple[str | None, dict[str, Path], list[Problem]]:
    """Suffix, masks and problems of ignored areas or regions; if the suffix is None, it is found."""
    if path is None:
        return suffix, {}, []
    affixes, masks, problems = find_masks({path: inside(folder, path)}, (None, suffix), images)
    return affixes.suffix, masks[path], problems


def _warnings(folder: Path, masks: dict[str, dict[str, Path]], images: dict[str, Path]) -> list[Problem]:
    found = []
    if len(masks) == 1:
        what = f"{next(iter(masks))!r} is the only rater; models can be trained, objectivity cannot be judged"
        found.append(
            Problem(str(folder), what, "add the masks of other raters, if there are any", "warning", kind="only-rater")
        )
    annotated = set().union(*masks.values())
    lacking = [repr(case) for case in images if case not in annotated]
    if lacking and annotated:
        what = f"no rater annotated {len(lacking)} of {number_of(len(images), 'image')}: {shortlist(lacking)}"
        found.append(
            Problem(
                str(folder),
                what,
                "add masks, or move the images away; they are not used",
                "warning",
                kind="not-annotated",
            )
        )
    if os.path.lexists(folder / "dataset.yml"):
        action = "rename it to dataset.yaml"
        found.append(Problem(str(folder / "dataset.yml"), "is not read", action, "warning", kind="not-read"))
    return found


def of_cases(dataset: Dataset, cases: Collection[str]) -> Dataset:
    """Restrict the dataset to these cases; its hash then depends on the others only through the experiment table.

    Raises:
        UsageError: If the dataset has no such case, or `cases` is empty.
    """
    if unknown := [case for case in cases if case not in dataset.images]:
        raise UsageError(f"{dataset.folder} has no case {shortlist(unknown)}")
    if not cases:
        raise UsageError(f"{dataset.folder}: no case is named")
    table, endpoints = dataset.experiment, dataset.endpoints
    return replace(
        _with_files(dataset, set(cases)),
        experiment=None if table is None else table[table["case"].isin(list(cases))],
        endpoints=None if endpoints is None else endpoints[endpoints["case"].isin(list(cases))],
    )


def of_one_case(dataset: Dataset, case: str) -> Dataset:
    """The files of one case, with the settings and without experiment, endpoints and warnings: little to send.

    In contrast to `of_cases`, it does not look at the tables.
    """
    return replace(_with_files(dataset, {case}), experiment=None, endpoints=None, warnings=[])


def _with_files(dataset: Dataset, cases: set[str]) -> Dataset:
    """The dataset with the files of these cases alone, in their order."""

    def kept(paths: dict[str, _File]) -> dict[str, _File]:
        if len(cases) == 1:  # of many cases, each is asked for alone
            return {case: paths[case] for case in cases if case in paths}
        return {case: path for case, path in paths.items() if case in cases}

    return replace(
        dataset,
        images=kept(dataset.images),
        masks={rater: kept(paths) for rater, paths in dataset.masks.items()},
        reference=kept(dataset.reference),
        ignore=kept(dataset.ignore),
        region_masks=kept(dataset.region_masks),
        more_channels=kept(dataset.more_channels),
    )


def of_class(dataset: Dataset, name: str) -> Dataset:
    """The dataset if one class is foreground and all others are background; the ignored area stays.

    Raises:
        UsageError: If the dataset has no class of this name.
    """
    if name not in dataset.class_names:
        known = shortlist(list(dataset.class_names)) or "none"
        raise UsageError(f"{dataset.folder} has no class {name!r}; its classes are {known}")
    assert dataset.classes is not None, "it has classes"
    return replace(dataset, classes=dataset.classes.only(name))


def case_raters(dataset: Dataset, case: str) -> list[str]:
    """Raters who annotated a case, in natural order; empty if no rater did."""
    return [rater for rater, masks in dataset.masks.items() if case in masks]


def data_hash(dataset: Dataset) -> str:
    """SHA-256 over the role and content of every file; moving, touching or renaming the folder does not change it.

    Roles are image (further channels by their number), mask by a rater, reference, ignored area, region mask (each
    with its case), experiment table and endpoints. Settings do not count; what the values of masks mean does.

    Returns:
        64 hexadecimal digits.
    """
    groups = {"image": dataset.images, "reference": dataset.reference, "ignore": dataset.ignore}
    groups |= {"region": dataset.region_masks} | {f"mask/{rater}": masks for rater, masks in dataset.masks.items()}
    files = {f"{role}/{case}": path for role, paths in groups.items() for case, path in paths.items()}
    for case, paths in dataset.more_channels.items():
        files |= {f"channel/{number}/{case}": path for number, path in enumerate(paths, start=1)}
    for role in ("experiment", "endpoints"):
        if (path := getattr(dataset.settings, role)) is not None:
            files[role] = inside(dataset.folder, path)
    meaning = b"" if dataset.classes is None else f"{dataset.classes}\n".encode()
    if dataset.classes is not None and dataset.classes.names:
        meaning += f"classes {dataset.classes.names}\n".encode()
    if dataset.settings.invert:
        meaning += f"invert {dataset.settings.invert}\n".encode()
    digest = hashlib.sha256(meaning)
    for role in sorted(files):
        digest.update(f"{role}\0{sha256(files[role])}\n".encode())
    return digest.hexdigest()


def units_of(subjects: pd.Series) -> pd.Series:
    """Unit of each case, which is left out or held out as a whole: its subject, else the case itself.

    Args:
        subjects: Case -> name of its subject, empty where it is unknown.

    Returns:
        Case -> name of its unit, which tells subjects from cases.

    Example:
        >>> units_of(pd.Series({"1": "m1", "2": "m1", "3": ""})).to_list()
        ['subject m1', 'subject m1', 'case 3']
    """
    return ("subject " + subjects).where(subjects != "", "case " + subjects.index.to_series())


def strata(dataset: Dataset) -> pd.DataFrame:
    """Group, region, subject and batch of each case, for stratified folds.

    Returns:
        One row per case in dataset order, indexed by case, with the text columns group, region, subject, batch and
        split; empty text if the experiment table has no value, or there is no table.
    """
    table: Any = pd.DataFrame({"case": []}, dtype=str) if dataset.experiment is None else dataset.experiment
    return table.set_index("case").reindex(index=dataset.cases, columns=list(STRATA), fill_value="").astype(str)

"""The dataset folder: images, one folder of masks per rater, and what `dataset.yaml` says about them.

    folder -> Dataset (which file is what; no pixel is read) -> one case at a time: image, masks, ignored area, region

`images/<case>.<ext>` and `labels/<rater>/<case>[suffix].<ext>` work as they are. Without `dataset.yaml` every folder of
`labels/` is a rater, a published consensus too, since nothing tells it apart: name it as `reference` in `dataset.yaml`.
"""

import dataclasses
import difflib
import hashlib
import os
import re
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from segassay.errors import DataError, UsageError
from segassay.files import Picture, image_shape, image_suffix, read_image, read_mask, sha256, strip_suffix
from segassay.text_table import read_text_table

STRATA = ("group", "region", "subject", "batch", "split")
"""Columns of the experiment table that say what a case is."""

_MAX_PROBLEMS = 20


class DatasetFile(BaseModel):
    """What `dataset.yaml` may say; every key is optional, paths are relative to the dataset folder and stay in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: str | None = None
    images: str = "images"
    raters: str | dict[str, str] = "labels/*"
    mask_suffix: str | None = None
    reference: str | None = None
    ignore: str | None = None
    ignore_suffix: str | None = None
    region_masks: str | None = None
    experiment: str | None = None
    control_group: str | None = None
    equivalence_margin: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    min_object_size: int = Field(default=1, ge=0)
    spacing_um: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] | None = None
    intensity_channel: int = Field(default=0, ge=0)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Which file is what; cases and raters in natural order (2 before 10).

    Attributes:
        folder: The dataset folder.
        name: From `dataset.yaml`, else the folder's name.
        settings: `dataset.yaml` with its defaults; suffixes as found where the file does not say.
        images: Image file of each case.
        masks: Mask file of each rater and case; a rater may lack cases.
        reference_name: Name of the reference, never a rater; None if there is none.
        reference: Its mask file of each case.
        ignore: Masks of what to leave out of sampling, loss and scores; a case may have none.
        region_masks: Masks of the region in which objects count; a case may have none.
        experiment: The experiment table as text, in the file's order; None if there is none.
        warnings: What may be meant so but deserves a look.
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
    warnings: list[str] = field(default_factory=list)

    @property
    def cases(self) -> list[str]:
        """All cases, in natural order."""
        return list(self.images)

    @property
    def raters(self) -> list[str]:
        """All raters, in natural order; never the reference."""
        return list(self.masks)

    @property
    def min_object_size(self) -> int:
        """Pixels or voxels below which an object does not count; 1 keeps every object."""
        return self.settings.min_object_size


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Key for sorting names as people do, numbers by their value.

    Example:
        >>> sorted(["expert_10", "expert_2", "0144"], key=natural_key)
        ['0144', 'expert_2', 'expert_10']
    """
    parts = re.findall(r"([0-9]+)|([^0-9]+)", text)
    return (*((0, int(number), "") if number else (1, 0, word) for number, word in parts), (0, -1, text))


# ----------------------------------------------------------------------------------------------------- reading a folder


def read_dataset(folder: str | os.PathLike[str]) -> Dataset:
    """Find out which file is what, without reading a pixel.

    Where `mask_suffix` is not given it is the text that follows the case name in the masks (`0001_cFOS.png` of image
    `0001.tif`: `_cFOS`), the same in all folders of masks. Hidden files and files that are no images are left alone.

    Args:
        folder: Holds `images/`, `labels/` and perhaps `dataset.yaml`.

    Returns:
        The files of every case and rater, the settings, the experiment table and warnings.

    Raises:
        DataError: Names every problem found, one a line: folders or images missing, a mask or a row of the experiment
            table without image, two files of one case, an absent control group, anything wrong in `dataset.yaml`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; expected a dataset folder with images/ and labels/")
    settings = _read_settings(folder / "dataset.yaml")
    problems: list[str] = []
    images = _read_images(folder / settings.images, problems)
    rater_folders = _rater_folders(folder, settings, problems)
    reference_name = (folder / settings.reference).name if settings.reference is not None else None
    mask_folders = dict(rater_folders)
    if settings.reference is not None and reference_name is not None:
        if reference_name in mask_folders:
            problems.append(f"dataset.yaml: {reference_name!r} is both a rater and the reference; rename the rater")
        mask_folders[reference_name] = folder / settings.reference
    suffix, masks = _read_masks(mask_folders, settings.mask_suffix, images, problems)
    ignore_folder = {"ignore": folder / settings.ignore} if settings.ignore else {}
    ignore_suffix, ignore = _read_masks(ignore_folder, settings.ignore_suffix, images, problems)
    region_folder = {"region_masks": folder / settings.region_masks} if settings.region_masks else {}
    _, regions = _read_masks(region_folder, None, images, problems)
    experiment = _read_experiment(folder, settings, images, problems)
    raise_problems(folder, problems)
    settings = settings.model_copy(update={"mask_suffix": suffix, "ignore_suffix": ignore_suffix})
    return Dataset(
        folder=folder,
        name=settings.name or folder.resolve().name,
        settings=settings,
        images=images,
        masks={rater: masks[rater] for rater in rater_folders},
        reference_name=reference_name,
        reference=masks[reference_name] if reference_name is not None else {},
        ignore=ignore.get("ignore", {}),
        region_masks=regions.get("region_masks", {}),
        experiment=experiment,
        warnings=_warnings(folder, list(rater_folders), images, experiment),
    )


def raise_problems(where: Path, problems: list[str]) -> None:
    """Raise one `DataError` that names every problem, one a line and at most 20; nothing where there is none."""
    if problems:
        shown = problems[:_MAX_PROBLEMS]
        more = [f"… and {len(problems) - len(shown)} more problems"] if len(problems) > len(shown) else []
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise DataError("\n".join([f"{where} has {count}:", *shown, *more]))


def _read_settings(path: Path) -> DatasetFile:
    if not path.exists():
        return DatasetFile()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if content is None:
        return DatasetFile()
    if not isinstance(content, Mapping):
        raise DataError(f"{path}: expected lines of the form `key: value`, got a {type(content).__name__}")
    problems = []
    for key in content:
        if key not in DatasetFile.model_fields:
            nearest = difflib.get_close_matches(str(key), DatasetFile.model_fields, n=1, cutoff=0)[0]
            problems.append(f"{path.name}: unknown key {key!r}; did you mean {nearest!r}?")
    try:
        settings = DatasetFile.model_validate({key: content[key] for key in content if key in DatasetFile.model_fields})
        problems += _path_problems(path.name, settings)
    except ValidationError as error:
        problems += [
            f"{path.name}: {'.'.join(map(str, detail['loc']))} is {detail['input']!r}; {detail['msg'].lower()}"
            for detail in error.errors()
        ]
    raise_problems(path, problems)
    return settings


def _path_problems(file: str, settings: DatasetFile) -> list[str]:
    """Paths are judged as written: a link that a user put into the folder is the user's own decision."""
    raters = settings.raters if isinstance(settings.raters, dict) else {"": settings.raters}
    paths = {key: getattr(settings, key) for key in ("images", "reference", "ignore", "region_masks", "experiment")}
    paths |= {f"raters.{rater}".rstrip("."): path for rater, path in raters.items()}
    problems = []
    for key, path in paths.items():
        if path is not None and _leaves_folder(path):
            problems.append(f"{file}: {key} is {path!r}; expected a relative path that stays inside the dataset folder")
    return problems


def _leaves_folder(path: str) -> bool:
    parts = os.path.normpath(path.replace("\\", "/")).replace("\\", "/").split("/")
    return not path or "\0" in path or PureWindowsPath(path).anchor != "" or path.startswith("/") or parts[0] == ".."


def list_images(folder: Path) -> list[Path]:
    """Image files of a folder in natural order of their names; hidden files and others are left alone.

    Raises:
        DataError: If the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".") and not entry.is_dir()]
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}; check its permissions") from error
    names = [name for name in names if image_suffix(name)]
    return [folder / name for name in sorted(names, key=lambda name: natural_key(strip_suffix(name)))]


def _read_images(folder: Path, problems: list[str]) -> dict[str, Path]:
    if not folder.is_dir():
        problems.append(f"{folder}: no such folder; expected the images there (`images` in dataset.yaml names another)")
        return {}
    images: dict[str, Path] = {}
    for path in list_images(folder):
        case = strip_suffix(path.name)
        if case in images:
            problems.append(f"{path}: second image of case {case!r} beside {images[case].name}; keep one")
        images.setdefault(case, path)
    if not images:
        problems.append(f"{folder} holds no image; expected files ending in .png, .tif, .tiff, .nii or .nii.gz")
    return images


def _rater_folders(folder: Path, settings: DatasetFile, problems: list[str]) -> dict[str, Path]:
    if isinstance(settings.raters, dict):
        found = {rater: folder / path for rater, path in settings.raters.items()}
        if not found:
            problems.append("dataset.yaml: raters names nobody; expected `rater: folder`, or leave it out for labels/*")
        return {rater: found[rater] for rater in sorted(found, key=natural_key)}
    others = {
        os.path.normpath(folder / path) for path in (settings.reference, settings.ignore, settings.region_masks) if path
    }
    try:
        folders = [path for path in folder.glob(settings.raters) if path.is_dir() and not path.name.startswith(".")]
    except (ValueError, IndexError) as error:
        problems.append(f"dataset.yaml: raters is {settings.raters!r}, which is no pattern of folders: {error}")
        return {}
    folders = [path for path in folders if os.path.normpath(path) not in others]
    if not folders:
        problems.append(
            f"{folder / settings.raters} finds no folder of a rater; expected one folder of masks per rater"
        )
    for name, count in Counter(path.name for path in folders).items():
        if count > 1:
            problems.append(
                f"{folder / settings.raters} finds {count} folders named {name!r}; name them under `raters:`"
            )
    return {path.name: path for path in sorted(folders, key=lambda path: natural_key(path.name))}


def _read_masks(
    folders: dict[str, Path], suffix: str | None, images: dict[str, Path], problems: list[str]
) -> tuple[str | None, dict[str, dict[str, Path]]]:
    """Case and file of every mask in folders that share one suffix; also the suffix, found where it is None."""
    files: dict[str, list[Path]] = {}
    for name, folder in folders.items():
        files[name] = list_images(folder) if folder.is_dir() else []
        if not folder.is_dir():
            problems.append(f"{folder}: no such folder; expected the masks of {name!r} there")
        elif not files[name]:
            problems.append(f"{folder} holds no mask; expected files named after the images, or no such folder")
    if suffix is None and folders:
        suffix = find_suffix([strip_suffix(path.name) for paths in files.values() for path in paths], images)
    masks = {name: _match_masks(paths, suffix or "", images, problems) for name, paths in files.items()}
    return suffix, masks


def find_suffix(stems: list[str], cases: Container[str]) -> str:
    """The text after a case name that explains most names of masks; the shortest of equals.

    Example:
        >>> find_suffix(["1_cFOS", "2_cFOS", "notes"], {"1", "2"})
        '_cFOS'
    """
    counts = Counter(stem[n:] for stem in stems for n in range(1, len(stem) + 1) if stem[:n] in cases)
    return max(counts, key=lambda suffix: (counts[suffix], -len(suffix), suffix), default="")


def _match_masks(paths: list[Path], suffix: str, images: dict[str, Path], problems: list[str]) -> dict[str, Path]:
    masks: dict[str, Path] = {}
    for path in paths if images else []:  # without images that alone is the problem
        stem = strip_suffix(path.name)
        case = stem[: len(stem) - len(suffix)]
        if not stem.endswith(suffix) or case not in images:
            expected = f"<case>{suffix}" if suffix else "<case>"
            problems.append(
                f"{path}: mask without image; expected a name {expected}.<ext> with <case> one of the images"
            )
        elif case in masks:
            problems.append(f"{path}: second mask of case {case!r} beside {masks[case].name}; keep one")
        else:
            masks[case] = path
    return {case: masks[case] for case in sorted(masks, key=natural_key)}


def _read_experiment(
    folder: Path, settings: DatasetFile, images: dict[str, Path], problems: list[str]
) -> pd.DataFrame | None:
    if settings.experiment is None:
        if settings.control_group is not None:
            problems.append(
                "dataset.yaml: control_group is given without `experiment`, the table that holds the groups"
            )
        return None
    path = folder / settings.experiment
    try:
        table = read_text_table(path)
    except DataError as error:
        problems.append(str(error))
        return None
    missing = [column for column in ("case", "group") if column not in table.columns]
    if missing:
        problems.append(
            f"{path}: no column {' and '.join(missing)}; expected case, group, got {', '.join(table.columns)}"
        )
        return None
    problems += _experiment_problems(path, table, settings, images)
    return table


def _experiment_problems(path: Path, table: pd.DataFrame, settings: DatasetFile, images: dict[str, Path]) -> list[str]:
    problems = []
    without_zeros = {case.lstrip("0"): case for case in images}
    for case in table["case"][~table["case"].isin(list(images))]:
        near = without_zeros.get(case.lstrip("0"))
        hint = f"; did a spreadsheet take the zeros of {near!r}?" if near else ""
        problems.append(f"{path}: case {case!r} has no image{hint}")
    problems += [
        f"{path}: case {case!r} has several rows; keep one"
        for case in table["case"][table["case"].duplicated()].unique()
    ]
    problems += [f"{path}: case {case!r} has no group" for case in table["case"][table["group"] == ""]]
    if settings.control_group is not None and settings.control_group not in set(table["group"]):
        groups = ", ".join(sorted(set(table["group"]), key=natural_key))
        problems.append(f"{path}: the control_group {settings.control_group!r} is none of the groups {groups}")
    if "split" in table:
        for case, split in table.loc[~table["split"].isin(["train", "test", ""]), ["case", "split"]].itertuples(
            index=False
        ):
            problems.append(f"{path}: split of case {case!r} is {split!r}; expected train or test")
    return problems


def _warnings(folder: Path, raters: list[str], images: dict[str, Path], experiment: pd.DataFrame | None) -> list[str]:
    found = []
    if len(raters) == 1:
        found.append(f"{folder}: {raters[0]!r} is the only rater; models can be trained, objectivity cannot be judged")
    if experiment is not None:
        known = set(experiment["case"])
        found += [f"{folder}: case {case!r} has no row in the experiment table" for case in images if case not in known]
    elif (folder / "experiment.csv").exists():
        found.append(f"{folder}: experiment.csv is not used; name it as `experiment` in dataset.yaml")
    return found


# ----------------------------------------------------------------------------------------------------- reading one case


def read_case_image(dataset: Dataset, case: str) -> Picture:
    """Image of one case; the dataset's `spacing_um` overrides that of the file.

    Raises:
        UsageError: If there is no such case.
        DataError: If the file cannot be read, or `spacing_um` has another number of axes.
    """
    path = _of_case(dataset, dataset.images, case, "image")
    return read_spaced_image(path, dataset.settings.spacing_um)


def read_spaced_image(path: Path, spacing_um: tuple[float, ...] | None) -> Picture:
    """Image of a file; `spacing_um` of dataset.yaml, if given, overrides that of the file. Raises as above."""
    picture = read_image(path)
    if spacing_um is None:
        return picture
    if len(spacing_um) != picture.array.ndim - 1:
        raise DataError(
            f"dataset.yaml: spacing_um has {len(spacing_um)} numbers, but {path} has {picture.array.ndim - 1} axes"
        )
    return dataclasses.replace(picture, spacing_um=spacing_um)


def read_case_mask(dataset: Dataset, annotator: str, case: str) -> np.ndarray:
    """Mask of one case by a rater or the reference, as `files.read_mask` tells it: bool, or int32 for a label image.

    Raises:
        UsageError: If there is no such rater or case, or that rater did not annotate the case.
        DataError: If the file cannot be read or its shape is not the image's.
    """
    everyone = dict(dataset.masks)
    if dataset.reference_name is not None:
        everyone[dataset.reference_name] = dataset.reference
    if annotator not in everyone:
        raise UsageError(f"{dataset.folder} has no rater {annotator!r}; expected one of {', '.join(everyone)}")
    return _read_fitting_mask(dataset, everyone[annotator], case, f"mask by {annotator}")


def read_case_ignore(dataset: Dataset, case: str) -> np.ndarray | None:
    """Boolean mask of what to leave out, `(*spatial)`; None where the case has none. Raises as `read_case_mask`."""
    return _read_case_area(dataset, dataset.ignore, case, "ignored area")


def read_case_region(dataset: Dataset, case: str) -> np.ndarray | None:
    """Boolean mask of where objects count, `(*spatial)`; None where the case has none. Raises as `read_case_mask`."""
    return _read_case_area(dataset, dataset.region_masks, case, "region mask")


def _read_case_area(dataset: Dataset, files: dict[str, Path], case: str, what: str) -> np.ndarray | None:
    _of_case(dataset, dataset.images, case, "image")
    return _read_fitting_mask(dataset, files, case, what) > 0 if case in files else None


def _read_fitting_mask(dataset: Dataset, files: dict[str, Path], case: str, what: str) -> np.ndarray:
    path = _of_case(dataset, files, case, what)
    mask = read_mask(path)
    shape = image_shape(dataset.images[case])
    if mask.shape != shape:
        raise DataError(
            f"{path} has shape {mask.shape}, but its image {dataset.images[case]} has {shape}; expected the same"
        )
    return mask


def _of_case(dataset: Dataset, files: dict[str, Path], case: str, what: str) -> Path:
    if case in files:
        return files[case]
    if case in dataset.images:
        raise UsageError(f"{dataset.folder}: case {case!r} has no {what}")
    nearest = difflib.get_close_matches(case, dataset.images, n=1, cutoff=0)
    raise UsageError(f"{dataset.folder} has no case {case!r}; did you mean {', '.join(map(repr, nearest))}?")


# ---------------------------------------------------------------------------------------------------- about the dataset


def case_raters(dataset: Dataset, case: str) -> list[str]:
    """Raters who annotated a case, in natural order; empty if nobody did."""
    return [rater for rater, masks in dataset.masks.items() if case in masks]


def data_hash(dataset: Dataset) -> str:
    """SHA-256 over what every file is for and its content; moving, touching or renaming the folder does not change it.

    Files count as image, mask by a rater, reference, ignored area, region mask (each with its case) or experiment
    table. Settings are no data and do not count.

    Returns:
        64 hexadecimal digits.
    """
    groups = {"image": dataset.images, "reference": dataset.reference, "ignore": dataset.ignore}
    groups |= {"region": dataset.region_masks} | {f"mask/{rater}": masks for rater, masks in dataset.masks.items()}
    files = {f"{role}/{case}": path for role, paths in groups.items() for case, path in paths.items()}
    if dataset.settings.experiment is not None:
        files["experiment"] = dataset.folder / dataset.settings.experiment
    digest = hashlib.sha256()
    for role in sorted(files):
        digest.update(f"{role}\0{sha256(files[role])}\n".encode())
    return digest.hexdigest()


def strata(dataset: Dataset) -> pd.DataFrame:
    """What each case is in the experiment, for stratified folds.

    Returns:
        One row per case in dataset order, indexed by case, with the text columns group, region, subject, batch and
        split; an empty text where the experiment table does not say, or there is none.
    """
    table: Any = pd.DataFrame({"case": []}, dtype=str) if dataset.experiment is None else dataset.experiment
    return table.set_index("case").reindex(index=dataset.cases, columns=list(STRATA), fill_value="").astype(str)

"""nnU-Net's folders, read as they are.

    imagesTr/<case>_0000.<ext>, <case>_0001.<ext> …   one file per channel
    labelsTr/<case>.<ext>                             each value is a class, 0 is background; never object numbers
    dataset.json                                      channel_names (version 1: modality), labels, file_ending

All classes count as foreground, the class `ignore` as ignored area. `dataset.yaml` may stand beside them and say
anything but `images`, which would make it a folder of the usual kind. `raters` may name further folders like
`labelsTr`, as `raters: labelsTr*`; their masks and those of the `reference` hold the same classes.

References:
    Isensee et al. (2021), Nature Methods 18:203-211, doi:10.1038/s41592-020-01008-z; dataset_format.md,
    region_based_training.md and ignore_label.md in the documentation of github.com/MIC-DKFZ/nnUNet.
"""

import json
import os
import re
import reprlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from segassay.data.names import case_of
from segassay.data.settings import DatasetFile
from segassay.errors import DataError, Problem, shortlist
from segassay.io.images import IMAGE_SUFFIXES, read_image

_NUMBERED = re.compile("(.+)_([0-9]{4})")


@dataclass(frozen=True)
class ClassMap:
    """What the values of a mask mean.

    Attributes:
        foreground: Values of the classes; 0 is background.
        ignore: Value of the area to leave out; None if there is none.
    """

    foreground: tuple[int, ...]
    ignore: int | None = None


@dataclass(frozen=True)
class DatasetJson:
    """What `dataset.json` says.

    Attributes:
        n_channels: Channels of every image.
        classes: What the values of a mask mean.
        file_ending: Of all images and masks.
        listed: Cases that it lists (version 1); empty if it lists none.
        n_cases: Number of cases that it promises; None if it does not say.
    """

    n_channels: int
    classes: ClassMap
    file_ending: str
    listed: tuple[str, ...]
    n_cases: int | None


def is_nnunet(folder: Path, settings: DatasetFile) -> bool:
    """Whether a folder is nnU-Net's: `imagesTr/` and `dataset.json`, no `images/` and no setting of that name."""
    usual = "images" in settings.model_fields_set or os.path.isdir(folder / "images")
    return not usual and os.path.isdir(folder / "imagesTr") and os.path.isfile(folder / "dataset.json")


def nnunet_settings(settings: DatasetFile) -> DatasetFile:
    """Settings with nnU-Net's folders and names where `dataset.yaml` says nothing else."""
    usual = {"images": "imagesTr", "raters": "labelsTr", "mask_suffix": ""}
    return settings.model_copy(update={key: usual[key] for key in usual.keys() - settings.model_fields_set})


# --------------------------------------------------------------------------------------------------------- dataset.json


def read_dataset_json(path: Path, problems: list[Problem]) -> DatasetJson | None:
    """Read what matters here of `dataset.json`, of version 1 or 2.

    Args:
        path: The file.
        problems: Gets everything that is wrong, and a warning where several classes become one foreground.

    Returns:
        None if something is wrong.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        problems.append(Problem(str(path), f"cannot be read as JSON: {error}", "correct it, and save it as UTF-8"))
        return None
    if not isinstance(content, dict):
        what = f"expected an object with channel_names and labels, got {reprlib.repr(content)}"
        problems.append(Problem(str(path), what, "write it as nnU-Net's documentation says"))
        return None
    found: list[Problem] = []
    n_channels = _n_channels(str(path), content, found)
    classes = _classes(str(path), content, found)
    ending = content.get("file_ending", ".nii.gz")
    if ending not in IMAGE_SUFFIXES:
        what = f"file_ending is {reprlib.repr(ending)}; expected one of {', '.join(IMAGE_SUFFIXES)}"
        found.append(Problem(str(path), what, "convert images and masks, such as to .nii.gz"))
    if "dataset" in content:
        what = "`dataset` lists the files of each case; expected them in imagesTr and labelsTr"
        found.append(Problem(str(path), what, "put files or links there and remove `dataset`"))
    problems += found
    if classes is None or any(problem.level == "error" for problem in found):
        return None
    return DatasetJson(n_channels, classes, ending, _listed(content), _number(content.get("numTraining")))


def _n_channels(path: str, content: Mapping[str, Any], problems: list[Problem]) -> int:
    names = content.get("channel_names", content.get("modality"))
    if isinstance(names, list):
        names = {str(number): name for number, name in enumerate(names)}
    if not isinstance(names, dict) or sorted(names) != sorted(map(str, range(len(names)))) or not names:
        what = f'channel_names is {reprlib.repr(names)}; expected names by number, such as {{"0": "DAPI", "1": "cFOS"}}'
        problems.append(Problem(path, what, "number the channels from 0"))
        return 0
    return len(names)


def _classes(path: str, content: Mapping[str, Any], problems: list[Problem]) -> ClassMap | None:
    values = _values_of_classes(content.get("labels"))
    numbers = [number for of_class in values.values() for number in of_class]
    if not values or any(_number(number) is None for number in numbers):
        came = reprlib.repr(content.get("labels"))
        what = f'labels is {came}; expected a number for each class, such as {{"background": 0, "cell": 1}}'
        problems.append(Problem(path, what, "write names and numbers of the classes"))
        return None
    ignore = values.pop("ignore", [None])[0]
    if ignore is not None and ignore < max(numbers):
        what = (
            f"the class `ignore` has the number {ignore}; expected the highest of all, which are up to {max(numbers)}"
        )
        problems.append(Problem(path, what, "number the classes as nnU-Net needs them"))
    foreground = tuple(sorted(set(numbers) - {0, ignore}))
    if not foreground:
        problems.append(Problem(path, "labels names no class beside background", "name the classes of the masks"))
    if len(foreground) > 1:
        names = shortlist([name for name, of_class in values.items() if of_class != [0]])
        what = f"the classes {names} are read as one foreground: what touches is one object, whatever its class"
        action = "to judge one class alone, write its masks to labels/<rater>/ and the images to images/"
        problems.append(Problem(path, what, action, "warning"))
    return ClassMap(foreground, ignore)


def _values_of_classes(labels: Any) -> dict[str, list[Any]]:
    """Values of each class: version 2 has name: value, or name: values for a region; version 1 has "value": name."""
    values: dict[str, list[Any]] = defaultdict(list)
    for key, entry in labels.items() if isinstance(labels, dict) else ():
        if isinstance(entry, str) and re.fullmatch("[0-9]{1,9}", key):
            values[entry].append(int(key))
        else:
            values[key] += entry if isinstance(entry, list) and entry else [entry]
    return values


def _number(value: Any) -> int | None:
    """A whole number from 0 on, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _listed(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Cases of version 1's `training`, a list of {image, label}; anything else lists none."""
    entries = content.get("training")
    masks = [entry.get("label") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return tuple(case_of(PurePosixPath(mask).name) for mask in masks if isinstance(mask, str))


# --------------------------------------------------------------------------------------------------------------- images


def group_channels(
    files: list[tuple[str, Path]], layout: DatasetJson, folder: Path, problems: list[Problem]
) -> dict[str, tuple[Path, ...]]:
    """Files of each case, one per channel in their order.

    Images without channel numbers, as the Medical Segmentation Decathlon has them, hold all channels in one file; so do
    pictures in colour, `<case>_0000.png`.

    Args:
        files: Image files in natural order, from `list_images`.
        layout: What `dataset.json` says.
        folder: The dataset folder.
        problems: Gets missing channels and cases, and warnings about files that are not used.

    Returns:
        Cases in the order of `files`; those with missing channels are left out.
    """
    if strange := [path.name for _, path in files if not path.name.endswith(layout.file_ending)]:
        what = f"{len(strange)} images do not end in {layout.file_ending}, as dataset.json says: {shortlist(strange)}"
        problems.append(Problem(str(folder / "imagesTr"), what, "they are not used; convert or remove them", "warning"))
    usable = [(stem, path) for stem, path in files if path.name.endswith(layout.file_ending)]
    numbered = any(_NUMBERED.fullmatch(stem) for stem, _ in usable)
    found: dict[str, dict[int, Path]] = defaultdict(dict)
    for stem, path in usable:
        match = _NUMBERED.fullmatch(stem)
        if numbered and match is None:
            what = f"no channel number; expected a name <case>_0000{layout.file_ending}"
            problems.append(Problem(str(path), what, "rename the file"))
            continue
        case, number = (match[1], int(match[2])) if match else (stem, 0)
        if number in found[case]:
            problems.append(
                Problem(str(path), f"second image of case {case!r} beside {found[case][number].name}", "keep one")
            )
        found[case].setdefault(number, path)
    in_one_file = not numbered or ("nii" not in layout.file_ending and max(map(len, found.values())) == 1)
    expected = [0] if in_one_file else list(range(layout.n_channels))
    for case, channels in found.items():
        if sorted(channels) != expected:
            numbers = ", ".join(f"{number:04}" for number in sorted(channels))
            what = (
                f"case {case!r} has the channels {numbers}; dataset.json names {layout.n_channels}, 0000 is the first"
            )
            problems.append(Problem(str(folder / "imagesTr"), what, "add or remove channels, or correct channel_names"))
    cases = {case: channels for case, channels in found.items() if sorted(channels) == expected}
    problems += _problems_of_cases(folder, layout, list(found))
    return {case: tuple(channels[number] for number in expected) for case, channels in cases.items()}


def _problems_of_cases(folder: Path, layout: DatasetJson, cases: list[str]) -> list[Problem]:
    """Cases that `dataset.json` promises and that are not there, and images that nobody asks for."""
    path, problems = str(folder / "dataset.json"), []
    known = set(cases)
    if lacking := [case for case in layout.listed if case not in known]:
        what = f"`training` lists {len(lacking)} cases that have no image in imagesTr: {shortlist(lacking)}"
        problems.append(Problem(path, what, "add the images, or remove them from the list"))
    elif layout.n_cases not in (None, len(cases)):
        what = f"numTraining is {layout.n_cases}, but imagesTr holds {len(cases)} cases"
        problems.append(Problem(path, what, "see whether files are missing, and correct the number", "warning"))
    if os.path.isdir(folder / "imagesTs"):
        action = "nothing, if they have no masks; else move images and masks to imagesTr and labelsTr"
        problems.append(Problem(str(folder / "imagesTs"), "is not used", action, "warning"))
    return problems


# ---------------------------------------------------------------------------------------------------------------- masks


def read_foreground(path: Path, classes: ClassMap) -> np.ndarray:
    """Boolean mask `(*spatial)` of all classes.

    Raises:
        DataError: If the file cannot be read, has several channels, or holds a value that is no class.
    """
    return np.isin(_read_classes(path, classes), classes.foreground)


def read_ignored(path: Path, classes: ClassMap) -> np.ndarray:
    """Boolean mask `(*spatial)` of the class `ignore`, empty where there is none. Raises as `read_foreground`."""
    values = _read_classes(path, classes)
    return np.zeros(values.shape, dtype=bool) if classes.ignore is None else values == classes.ignore


def _read_classes(path: Path, classes: ClassMap) -> np.ndarray:
    array = read_image(path).array
    if len(array) > 1:
        expected = "one, with the number of the class of each pixel"
        raise DataError.of(path, f"has {len(array)} channels", expected=expected)
    values = array[0]
    numbers = [0, *classes.foreground, *([] if classes.ignore is None else [classes.ignore])]
    known = np.isin(values, numbers)
    if not known.all():
        raise DataError.of(
            path,
            f"holds the value {values[~known][0]}",
            f"dataset.json names {', '.join(map(str, numbers))}: add the class to `labels`, or correct the mask",
        )
    return np.asarray(values)

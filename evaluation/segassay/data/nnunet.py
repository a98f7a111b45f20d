"""Read dataset folders of nnU-Net.

    imagesTr/<case>_0000.<ext>, <case>_0001.<ext> …   one file per channel
    labelsTr/<case>.<ext>                             each value is a class, 0 is background; never object numbers
    dataset.json                                      channel_names (version 1: modality), labels, file_ending

Classes may have any numbers, also with gaps, and regions (`"whole": [1, 2]`) may share them. All classes together are
the foreground, the class `ignore` is the ignored area. In a name of a class, what cannot be in the name of a folder
becomes `_`. The folder may also hold a `dataset.yaml` with
any key except `images`, which would make it a folder of the usual kind. `raters` may name further folders like
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

from segassay.data.channel_choice import usable_name
from segassay.data.class_rules import broken_class_names, same_values
from segassay.data.classes import ClassMap
from segassay.data.names import case_of
from segassay.data.settings import DatasetFile
from segassay.errors import Problem, shortlist
from segassay.io.images import IMAGE_SUFFIXES


@dataclass(frozen=True)
class DatasetJson:
    """Content of `dataset.json`.

    Attributes:
        n_channels: Channels of every image.
        channel_names: Their names, as written there.
        classes: Meaning of the values of a mask.
        file_ending: Of all images and masks.
        listed: Cases that it lists (version 1); empty if it lists none.
        n_cases: Number of cases that it states; None if it states none.
    """

    n_channels: int
    classes: ClassMap
    file_ending: str
    listed: tuple[str, ...]
    n_cases: int | None
    channel_names: tuple[str, ...] = ()


def is_nnunet(folder: Path, settings: DatasetFile) -> bool:
    """Whether a folder is nnU-Net's: `imagesTr/` and `dataset.json`, no `images/` and no setting of that name."""
    usual = "images" in settings.model_fields_set or os.path.isdir(folder / "images")
    return not usual and os.path.isdir(folder / "imagesTr") and os.path.isfile(folder / "dataset.json")


def nnunet_settings(settings: DatasetFile) -> DatasetFile:
    """Settings with nnU-Net's folders and names, unless `dataset.yaml` gives others."""
    usual = {"images": "imagesTr", "raters": "labelsTr", "mask_prefix": "", "mask_suffix": ""}
    return settings.model_copy(update={key: usual[key] for key in usual.keys() - settings.model_fields_set})


def read_dataset_json(path: Path) -> tuple[DatasetJson | None, list[Problem]]:
    """Read the keys of `dataset.json` that are used here, of version 1 or 2.

    Args:
        path: The file.

    Returns:
        The content, None if there is an error; and all problems, with a warning if several classes become one
        foreground.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        return None, [
            Problem(
                str(path), f"cannot be read as JSON: {error}", "correct it, and save it as UTF-8", kind="unreadable"
            )
        ]
    if not isinstance(content, dict):
        what = f"expected an object with channel_names and labels, got {reprlib.repr(content)}"
        return None, [Problem(str(path), what, "write it as described in nnU-Net's documentation", kind="no-settings")]
    names, of_channels = _channel_names(str(path), content)
    classes, of_classes = _classes(str(path), content)
    problems = [*of_channels, *of_classes]
    ending = content.get("file_ending", ".nii.gz")
    if ending not in IMAGE_SUFFIXES:
        what = f"file_ending is {reprlib.repr(ending)}; expected one of {', '.join(IMAGE_SUFFIXES)}"
        problems.append(Problem(str(path), what, "convert images and masks, such as to .nii.gz", kind="file-ending"))
    if "dataset" in content:
        what = "`dataset` lists the files of each case; expected them in imagesTr and labelsTr"
        problems.append(Problem(str(path), what, "put files or links there and remove `dataset`", kind="files-listed"))
    if classes is None or any(problem.level == "error" for problem in problems):
        return None, problems
    n_cases = _number(content.get("numTraining"))
    return DatasetJson(len(names), classes, ending, _listed(content), n_cases, names), problems


def _channel_names(path: str, content: Mapping[str, Any]) -> tuple[tuple[str, ...], list[Problem]]:
    names = content.get("channel_names", content.get("modality"))
    if isinstance(names, list):
        names = {str(number): name for number, name in enumerate(names)}
    if not isinstance(names, dict) or sorted(names) != sorted(map(str, range(len(names)))) or not names:
        what = f'channel_names is {reprlib.repr(names)}; expected names by number, such as {{"0": "DAPI", "1": "cFOS"}}'
        return (), [Problem(path, what, "number the channels from 0", kind="channel-names")]
    return tuple(str(names[str(number)]) for number in range(len(names))), []


def _classes(path: str, content: Mapping[str, Any]) -> tuple[ClassMap | None, list[Problem]]:
    values = _values_of_classes(content.get("labels"))
    numbers = [number for of_class in values.values() for number in of_class]
    if not values or any(_number(number) is None for number in numbers):
        came = reprlib.repr(content.get("labels"))
        what = f'labels is {came}; expected a number for each class, such as {{"background": 0, "cell": 1}}'
        return None, [Problem(path, what, "write names and numbers of the classes", kind="classes")]
    problems = []
    if background := [number for number in values.get("background", []) if number]:
        what = f"background has the number {background[0]}; expected 0, which is the background of every mask"
        problems.append(Problem(path, what, "number the classes as nnU-Net needs them", kind="classes"))
    ignore = values.pop("ignore", [None])[0]
    if ignore is not None and ignore < max(numbers):
        what = f"the class `ignore` has the number {ignore}; expected the highest number, above {max(numbers)}"
        problems.append(Problem(path, what, "number the classes as nnU-Net needs them", kind="ignore-number"))
    foreground = tuple(sorted(set(numbers) - {0, ignore}))
    if not foreground:
        problems.append(
            Problem(
                path, "labels names no class other than background", "name the classes of the masks", kind="no-class"
            )
        )
    if len(foreground) > 1:
        names = shortlist([name for name, of_class in values.items() if of_class != [0]])
        what = f"the classes {names} together are one foreground, in which touching pixels are one object"
        action = "nothing: each class is also fused and evaluated by itself"
        problems.append(Problem(path, what, action, "warning", kind="merged-classes"))
    named, of_names = _named(path, {name: tuple(of_class) for name, of_class in values.items() if of_class != [0]})
    return ClassMap(foreground, ignore, names=named if len(named) > 1 else ()), [*problems, *of_names]


def _named(
    path: str, values: dict[str, tuple[int, ...]]
) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], list[Problem]]:
    """Classes by names that can be those of folders and columns, and problems of classes that cannot be told apart."""
    problems = list(same_values(path, values))
    named = tuple((usable_name(name), of_class) for name, of_class in values.items())
    of_name: dict[str, str] = {}
    for (usable, _), name in zip(named, values, strict=True):
        if of_name.setdefault(usable.casefold(), name) != name:
            what = f"the classes {of_name[usable.casefold()]!r} and {name!r} would share the name {usable!r} in tables"
            problems.append(Problem(path, what, "name the classes as `classes` in dataset.yaml", kind="class-name"))
    if len(named) > 1:
        problems += [
            Problem(path, problem.what, "name the classes as `classes` in dataset.yaml", kind=problem.kind)
            for problem in broken_class_names(path, list(dict.fromkeys(usable for usable, _ in named)))
        ]
    return named, problems


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
    """Cases in the list `training` of {image, label} in version 1; empty for anything else."""
    entries = content.get("training")
    masks = [entry.get("label") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return tuple(case_of(PurePosixPath(mask).name) for mask in masks if isinstance(mask, str))

"""Images of nnU-Net, where every channel is a file: `<case>_0000.<ext>`, `<case>_0001.<ext>` …"""

import os
import re
from collections import defaultdict
from pathlib import Path

from segassay.data.nnunet import DatasetJson
from segassay.errors import Problem, number_of, shortlist

__all__ = ["group_channels"]

_NUMBERED = re.compile("(.+)_([0-9]{4})")


def group_channels(
    files: list[tuple[str, Path]], layout: DatasetJson, folder: Path
) -> tuple[dict[str, tuple[Path, ...]], list[Problem]]:
    """Files of each case, one per channel in their order.

    Images without channel numbers, as in the Medical Segmentation Decathlon, hold all channels in one file; so do
    colour images, `<case>_0000.png`.

    Args:
        files: Image files in natural order, from `list_images`.
        layout: What `dataset.json` says.
        folder: The dataset folder.

    Returns:
        Cases in the order of `files`, without those with missing channels; and problems: missing channels and cases,
        and warnings about files that are not used.
    """
    place, problems = str(folder / "imagesTr"), list[Problem]()
    usable = [(stem, path) for stem, path in files if path.name.endswith(layout.file_ending)]
    if strange := [path.name for _, path in files if not path.name.endswith(layout.file_ending)]:
        images = number_of(len(strange), "image")
        what = f"{images} without the ending {layout.file_ending} of dataset.json: {shortlist(strange)}"
        problems.append(
            Problem(place, what, "convert or remove them; they are not used", "warning", kind="file-ending")
        )
    found, numbered, of_names = _by_number(usable, layout)
    in_one_file = not numbered or ("nii" not in layout.file_ending and max(map(len, found.values())) == 1)
    expected = [0] if in_one_file else list(range(layout.n_channels))
    problems += of_names
    for case, channels in found.items():
        if sorted(channels) != expected:
            numbers = ", ".join(f"{number:04}" for number in sorted(channels))
            what = (
                f"case {case!r} has the channels {numbers}; dataset.json names {layout.n_channels}, 0000 is the first"
            )
            problems.append(Problem(place, what, "add or remove channels, or correct channel_names", kind="channels"))
    problems += _problems_of_cases(folder, layout, list(found))
    whole = {case: channels for case, channels in found.items() if sorted(channels) == expected}
    return {case: tuple(channels[number] for number in expected) for case, channels in whole.items()}, problems


def _by_number(
    files: list[tuple[str, Path]], layout: DatasetJson
) -> tuple[dict[str, dict[int, Path]], bool, list[Problem]]:
    """File of each case and channel, whether the names have channel numbers, and problems of files that do not fit."""
    found, problems = defaultdict[str, dict[int, Path]](dict), list[Problem]()
    numbered = any(_NUMBERED.fullmatch(stem) for stem, _ in files)
    for stem, path in files:
        match = _NUMBERED.fullmatch(stem)
        if numbered and match is None:
            what = f"no channel number; expected a name <case>_0000{layout.file_ending}"
            problems.append(Problem(str(path), what, "rename the file", kind="no-channel-number"))
            continue
        case, number = (match[1], int(match[2])) if match else (stem, 0)
        if number in found[case]:
            what = f"second image of case {case!r}, in addition to {found[case][number].name}"
            problems.append(Problem(str(path), what, "keep one", kind="second-image"))
        found[case].setdefault(number, path)
    return found, numbered, problems


def _problems_of_cases(folder: Path, layout: DatasetJson, cases: list[str]) -> list[Problem]:
    """Problems of cases that `dataset.json` lists but that are missing, and of images that are not listed."""
    path, problems = str(folder / "dataset.json"), []
    known = set(cases)
    if lacking := [case for case in layout.listed if case not in known]:
        what = f"`training` lists {number_of(len(lacking), 'case')} without an image in imagesTr: {shortlist(lacking)}"
        problems.append(
            Problem(path, what, "add the images, or remove them from the list", kind="listed-without-image")
        )
    elif layout.n_cases not in (None, len(cases)):
        what = f"numTraining is {layout.n_cases}, but imagesTr holds {number_of(len(cases), 'case')}"
        problems.append(
            Problem(path, what, "check whether files are missing, and correct the number", "warning", kind="n-cases")
        )
    if os.path.isdir(folder / "imagesTs"):
        action = "nothing, if they have no masks; else move images and masks to imagesTr and labelsTr"
        problems.append(Problem(str(folder / "imagesTs"), "is not used", action, "warning", kind="not-used"))
    return problems

"""Find the image files of each case in a dataset folder; no file is opened."""

import os
from collections.abc import Mapping
from pathlib import Path

from segassay.data.channels import group_channels
from segassay.data.harmless import name_problems, why_harmful_to_train
from segassay.data.names import (
    CELLPOSE_SUFFIX,
    common_suffix,
    find_affixes,
    list_images,
    what_to_do,
    written_by_cellpose,
)
from segassay.data.nnunet import DatasetJson
from segassay.data.settings import DatasetFile, inside
from segassay.errors import Problem, number_of, shortlist

__all__ = ["find_images"]


def find_images(
    folder: Path, settings: DatasetFile, layout: DatasetJson | None, raters: Mapping[str, Path]
) -> tuple[dict[str, tuple[Path, ...]], list[Problem]]:
    """Files of the image of each case in natural order; and all problems.

    If images share a suffix and no mask has the name of an image, the suffix is left out: `001_mask.png` belongs to
    `001_raw.png`, and the case is `001`.

    Args:
        folder: The dataset folder.
        settings: They name the folder of images.
        layout: What `dataset.json` says, if the folder is nnU-Net's.
        raters: Folder of masks of each rater and the reference.
    """
    place = inside(folder, settings.images)
    if not os.path.isdir(place):
        what = "is a file" if os.path.exists(place) else "no such folder"
        action = "put the images there, or name their folder as `images` in dataset.yaml"
        if os.path.isdir(folder / "imagesTr"):
            action = "if this is nnU-Net's folder, add its dataset.json"
        return {}, [Problem(str(place), f"{what}; expected the images there", action, kind="no-folder")]
    files, problems = list_images(place, known=_own_files(settings) if place == folder else ())
    if not files and not any(problem.level == "error" for problem in problems):
        what = "holds no image; expected files ending in .png, .tif, .tiff, .nii or .nii.gz"
        action = what_to_do(problems) or "put the images there, not into subfolders"
        problems.append(Problem(str(place), what, action, kind="no-image"))
    problems += name_problems(
        str(place), "case", [case for case, _ in files], "rename the file", why=why_harmful_to_train
    )
    if layout is not None:
        of_channels, found = group_channels(files, layout, folder)
        return of_channels, [*problems, *found]
    suffix = _suffix_of_images([case for case, _ in files], raters) if settings.image_suffix is None else None
    suffix = settings.image_suffix or suffix or ""
    if strange := [path.name for case, path in files if not case.endswith(suffix)]:
        what = f"{number_of(len(strange), 'image')} without the image_suffix {suffix!r}: {shortlist(strange)}"
        action = "rename or remove them, or correct image_suffix"
        problems.append(Problem(str(place), what, action, kind="image-suffix"))
    files = [(case.removesuffix(suffix), path) for case, path in files if case.endswith(suffix)]
    images, found = _one_per_case(place, files)
    return {case: (path,) for case, path in images.items()}, [*problems, *found]


def _suffix_of_images(cases: list[str], raters: Mapping[str, Path]) -> str:
    """What all images share at the end of their names, if only without it masks have the names of images."""
    suffix = common_suffix(cases) if cases else ""
    if not suffix:
        return ""
    stems = [stem for folder in raters.values() for stem, _ in list_images(folder, outlines=True)[0]]
    as_they_are, shorter = set(cases), {case.removesuffix(suffix) for case in cases}
    known, found = find_affixes(stems, as_they_are), find_affixes(stems, shorter)
    if any(known.case_in(stem) in as_they_are for stem in stems):
        return ""
    return suffix if any(found.case_in(stem) in shorter for stem in stems) else ""


def _own_files(settings: DatasetFile) -> set[str]:
    """Names in the dataset folder that are not images, if the folder itself holds the images."""
    folders = settings.rater_folders
    raters = folders.values() if isinstance(folders, dict) else [folders]
    named = [settings.reference, settings.ignore, settings.region_masks, settings.experiment, *raters]
    return {"dataset.yaml", "experiment.csv", *(path.replace("\\", "/").split("/")[0] for path in named if path)}


def _one_per_case(folder: Path, files: list[tuple[str, Path]]) -> tuple[dict[str, Path], list[Problem]]:
    problems: list[Problem] = []
    of_cellpose = set(written_by_cellpose(files, {case for case, _ in files}))
    if of_cellpose:
        what = f"{number_of(len(of_cellpose), 'file')} by Cellpose among the images: {shortlist(sorted(of_cellpose))}"
        problems.append(
            Problem(
                str(folder),
                what,
                f"move {CELLPOSE_SUFFIX} files to labels/cellpose/, others away",
                kind="cellpose-pictures",
            )
        )
    images: dict[str, Path] = {}
    folded: dict[str, str] = {}
    for case, path in files:
        if path.name in of_cellpose:
            continue
        if case in images:
            problems.append(
                Problem(
                    str(path),
                    f"second image of case {case!r}, in addition to {images[case].name}",
                    "keep one",
                    kind="second-image",
                )
            )
        elif folded.setdefault(case.casefold(), case) != case:
            what = f"differs from {images[folded[case.casefold()]].name} only by upper and lower case"
            problems.append(
                Problem(str(path), what, "rename one: some systems do not distinguish the two names", kind="name-case")
            )
        images.setdefault(case, path)
    return images, problems

"""Find the folder of each rater and the mask of each case in it; no file is opened.

dataset.yaml -> folder of each rater -> files -> case of each file, by its name without the suffix
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from segassay.data.harmless import annotator_problems, name_problems
from segassay.data.names import (
    Affixes,
    find_affixes,
    how_to_rename,
    is_image,
    is_of_the_system,
    list_images,
    natural_key,
    what_to_do,
    written_by_cellpose,
)
from segassay.data.settings import DatasetFile, inside
from segassay.data.tools import is_of_label_studio
from segassay.errors import Problem, number_of, shortlist


def rater_folders(folder: Path, settings: DatasetFile) -> tuple[dict[str, Path], list[Problem]]:
    """Folder of each rater in natural order, without the reference and the areas; and all problems."""
    raters = settings.rater_folders
    if isinstance(raters, dict):
        harmful = _harmful_names(folder, settings, raters)
        named = {rater: inside(folder, path) for rater, path in raters.items()}
        action = "write `rater: folder`, or leave it out for labels/*"
        empty = (
            [] if named else [Problem(str(folder / "dataset.yaml"), "raters lists no rater", action, kind="no-rater")]
        )
        problems = [*empty, *harmful, *_not_described(folder, settings, named)]
        return {rater: named[rater] for rater in sorted(named, key=natural_key)}, problems
    pattern = raters.replace("\\", "/")
    try:
        found = list(folder.glob(pattern)) or list(folder.glob(normalize("NFD", pattern)))
        paths = [path for path in found if path.name[:1] not in ("", ".")]
    except (ValueError, IndexError, NotImplementedError, OSError) as error:
        what = f"raters is {raters!r}, which is not a pattern of folders: {error}"
        return {}, [
            Problem(str(folder / "dataset.yaml"), what, "write a pattern such as labels/*", kind="rater-pattern")
        ]
    return _folders_of_pattern(folder, settings, raters, paths)


def _harmful_names(folder: Path, settings: DatasetFile, raters: Iterable[str]) -> list[Problem]:
    """Problems of names in dataset.yaml: of raters, and of their person, tool and site."""
    file = str(folder / "dataset.yaml")
    said = settings.facets.values()
    of_facets = [(word, [getattr(one, word) for one in said]) for word in ("person", "tool", "site")]
    problems = annotator_problems(file, "rater", raters)
    return problems + [problem for what, names in of_facets for problem in name_problems(file, what, names)]


def _not_described(folder: Path, settings: DatasetFile, named: dict[str, Path]) -> Iterator[Problem]:
    """Folders beside those of described raters: a forgotten mask of a person is not left out without a word."""
    if not settings.facets:
        return
    known = {*named.values(), *(inside(folder, path) for path in (settings.reference, settings.ignore) if path)}
    beside = {path.parent for path in named.values()}
    for place in sorted(beside, key=str):
        left = [path.name for path in place.glob("*") if os.path.isdir(path) and path not in known]
        if left:
            what = (
                f"{number_of(len(left), 'folder')} not listed under raters: {shortlist(sorted(left, key=natural_key))}"
            )
            action = "list them under `raters:` in dataset.yaml, or move them away; their masks are not used"
            yield Problem(str(place), what, action, "warning", kind="folder-not-listed")


def _folders_of_pattern(
    folder: Path, settings: DatasetFile, pattern: str, paths: list[Path]
) -> tuple[dict[str, Path], list[Problem]]:
    """Folder of each rater among all paths that match a pattern."""
    place, problems = str(folder / pattern), list[Problem]()
    others = {inside(folder, path) for path in (settings.reference, settings.ignore, settings.region_masks) if path}
    paths = [path for path in paths if not is_of_the_system(path.name)]
    folders = [path for path in paths if os.path.isdir(path) and path not in others]
    loose = [path.name for path in paths if is_image(path.name, outlines=True) and not os.path.isdir(path)]
    if loose:
        what = (
            f"{number_of(len(loose), 'mask')} outside the raters' folders: {shortlist(sorted(loose, key=natural_key))}"
        )
        level: Literal["error", "warning"] = "warning" if folders else "error"
        problems.append(Problem(place, what, "move them to labels/<rater>/", level, kind="loose-masks"))
    elif not folders:
        what = "matches no folder of a rater; expected one folder of masks per rater"
        action = "put the masks into labels/<rater>/, or name the folders as `raters` in dataset.yaml"
        problems.append(Problem(place, what, action, kind="no-rater-folder"))
    problems += annotator_problems(place, "rater", sorted(path.name for path in folders), how_to_rename("folder"))
    of_name = defaultdict(list)
    for path in sorted(folders, key=lambda path: natural_key(path.name)):
        of_name[normalize("NFC", path.name)].append(path)
    for name, same in of_name.items():
        if len(same) > 1:
            what = f"matches {len(same)} folders named {name!r}"
            problems.append(
                Problem(place, what, "list each folder under `raters:` in dataset.yaml", kind="folder-name-repeated")
            )
    return {name: same[0] for name, same in of_name.items()}, problems


def folder_problems(folder: Path, folders: dict[str, Path]) -> Iterator[Problem]:
    """Problems of folders with two names: they would be read as two raters who always agree."""
    first: dict[str, str] = {}
    for name, path in folders.items():
        other = first.setdefault(os.path.realpath(path), name)
        if other != name:
            what = f"{other!r} and {name!r} are the same folder, {path}"
            yield Problem(
                str(folder / "dataset.yaml"),
                what,
                "leave one of them out, or correct its folder",
                kind="folder-repeated",
            )


def find_masks(
    folders: dict[str, Path], affixes: tuple[str | None, str | None], images: dict[str, Path]
) -> tuple[Affixes, dict[str, dict[str, Path]], list[Problem]]:
    """Case and file of every mask.

    Args:
        folders: Folder of each annotator, or of an area.
        affixes: Text before the case, and between case and file ending. If both are None, they are those of most masks
            of all folders; a folder whose masks have others may have its own, as `0144_cp_masks.tif` by Cellpose next
            to `0144.png` by raters.
        images: Image of each case.

    Returns:
        The affixes; the masks by folder and case, in the order of the cases; and problems: missing or empty folders,
        masks without image and second masks of a case.
    """
    listed = {name: _list_masks(name, folder, images) for name, folder in folders.items()}
    files = {name: found for name, (found, _) in listed.items()}
    stems = {name: [stem for stem, _ in found] for name, found in files.items()}
    prefix, suffix = affixes
    common = Affixes(prefix or "", suffix or "")
    own = dict.fromkeys(folders, common)
    if suffix is None and folders:
        common = find_affixes([stem for names in stems.values() for stem in names], images, common)
        own = {name: _own_affixes(common, names, images) for name, names in stems.items()}
    matched = {name: _match(found, own[name], images) for name, found in files.items()}
    problems = [problem for _, found in (*listed.values(), *matched.values()) for problem in found]
    return common, {name: masks for name, (masks, _) in matched.items()}, problems


def _own_affixes(common: Affixes, stems: list[str], images: dict[str, Path]) -> Affixes:
    """The common affixes, unless they match no mask of a folder and others do."""
    for affixes in (common, find_affixes(stems, images)):
        if any(affixes.case_in(stem) in images for stem in stems):
            return affixes
    return common


def _list_masks(name: str, folder: Path, images: dict[str, Path]) -> tuple[list[tuple[str, Path]], list[Problem]]:
    if not os.path.isdir(folder):
        what = f"no such folder; expected the masks of {name!r} there"
        return [], [
            Problem(str(folder), what, "correct its name in dataset.yaml, or create the folder", kind="no-folder")
        ]
    files, problems = list_images(_objects_of_export(folder), outlines=True)
    pictures = written_by_cellpose(files, images, masks=False)
    if pictures:
        what = f"{number_of(len(pictures), 'picture')} of flows or outlines by Cellpose not used: {shortlist(pictures)}"
        problems.append(
            Problem(
                str(folder),
                what,
                "move them to another folder to silence this warning",
                "warning",
                kind="cellpose-pictures",
            )
        )
        files = [(stem, path) for stem, path in files if path.name not in set(pictures)]
    if not files and not any(problem.level == "error" for problem in problems):
        what = "holds no mask; expected files named after the images"
        action = what_to_do(problems) or "save the masks there, or remove the folder"
        problems.append(Problem(str(folder), what, action, kind="no-mask"))
    return files, problems


def _objects_of_export(folder: Path) -> Path:
    """The folder itself, or that of the objects in PASCAL VOC's layout: `Segmentation mask` of CVAT, labelme2voc."""
    is_export = any((folder / name).exists() for name in ("labelmap.txt", "class_names.txt", "SegmentationClass"))
    objects = [folder / name for name in ("SegmentationObjectPNG", "SegmentationObject")]
    return next((place for place in objects if is_export and place.is_dir()), folder)


def _match(
    files: list[tuple[str, Path]], affixes: Affixes, images: dict[str, Path]
) -> tuple[dict[str, Path], list[Problem]]:
    masks, problems = dict[str, Path](), list[Problem]()
    folded = None
    for stem, path in files if images else []:  # without images, their absence is the only problem
        case = affixes.case_in(stem)
        if case in images and case not in masks:
            masks[case] = path
        elif case in images:
            what = f"second mask of case {case!r}, in addition to {masks[case].name}"
            problems.append(Problem(str(path), what, "keep one", kind="second-mask"))
        else:
            folded = folded or {case.lstrip("0").casefold(): case for case in images}
            near = folded.get((case or stem).lstrip("0").casefold())
            expected = f"{affixes.name_of('<case>')}.<ext> with <case> one of the images"
            action = _how_to_name(stem, near, images, is_zip=path.suffix.lower() == ".zip")
            what = f"mask without image; expected a name {expected}"
            problems.append(Problem(str(path), what, action, kind="mask-without-image"))
    return {case: masks[case] for case in images if case in masks}, problems


def _how_to_name(stem: str, near: str | None, images: dict[str, Path], *, is_zip: bool) -> str:
    if near:
        return f"rename it, if it belongs to image {near!r}"
    if is_of_label_studio(stem):
        return (
            "Label Studio names masks by its own tasks: look up the image of each task in its Data Manager, and rename "
            f"masks to names such as {next(iter(images))}.png, in a folder for each person"
        )
    if is_zip:
        return "unpack it if it is an export of CVAT or another tool; else rename or remove it, or add its image"
    return "rename or remove it, or add its image"

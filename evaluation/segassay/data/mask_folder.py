"""Find the masks of one annotator in a folder, as given by `--masks NAME=DIR`."""

from collections.abc import Collection
from pathlib import Path

from segassay.data.names import Affixes, find_affixes, list_images

__all__ = ["find_masks_of_option"]


def find_masks_of_option(name: str, folder: Path, cases: Collection[str]) -> tuple[dict[str, Path], list[str]]:
    """Mask of each case; files are named after the cases, possibly with one prefix or suffix for all.

    Args:
        name: Name of the annotator.
        folder: Holds the masks.
        cases: All cases; if empty, because there is neither a dataset nor a table, every file is a case.

    Returns:
        File of each case; and one message per problem.
    """
    option = f"masks (--masks) {name}={folder}"
    if not folder.is_dir():
        return {}, [f"{option}: no such folder; expected masks named after the cases"]
    files, listed = list_images(folder, outlines=True)
    problems = [f"{option}: {problem}" for problem in listed if problem.level == "error"]
    if not files and not problems:
        problems.append(f"{option}: no mask; expected files <case>.png, .tif, .tiff, .nii or .nii.gz")
    stems = [stem for stem, _ in files]
    cases = dict.fromkeys(cases or stems)
    affixes = Affixes() if any(stem in cases for stem in stems) else find_affixes(stems, cases)
    found: dict[str, Path] = {}
    unknown = []
    for stem, path in files:
        case = affixes.case_in(stem)
        if case is None or case not in cases:
            unknown.append(path.name)
        elif case in found:
            problems.append(f"{path}: second mask of case {case!r}, in addition to {found[case].name}; keep one")
        else:
            found[case] = path
    if unknown and len(unknown) == len(files):
        problems.append(
            f"{option}: no file belongs to a case, the first is {unknown[0]}; expected names such as "
            f"{next(iter(cases))}.png"
        )
    else:
        expected = f"expected {affixes.name_of('<case>')}.<ext>"
        problems += [f"{option}: {file} belongs to no case; {expected}" for file in unknown]
    return found, problems

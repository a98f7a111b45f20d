"""Find the images in a folder and the case of each; no file is opened.

    folder -> image files in natural order -> case = name without suffix, the same text on every system

One warning per folder lists the files that are ignored, except those that a system writes itself (hidden files).
"""

import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

from segassay.data.tools import how_to_save
from segassay.errors import Problem, is_writable, shortlist
from segassay.io.images import image_suffix, is_folder_image, outline_suffix, strip_suffix

CELLPOSE_SUFFIX = "_cp_masks"
"""Text that Cellpose appends to the name of an image in its exported masks."""

_OF_THE_SYSTEM = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}
_OF_CELLPOSE = re.compile(rf"(.+?)(?:(_flows|_dP|_outlines|_cp_output)(?:{CELLPOSE_SUFFIX})?|{CELLPOSE_SUFFIX})")


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Key for natural sorting: numbers in names by their value, however many digits they have.

    Example:
        >>> sorted(["expert_10", "expert_2", "0144"], key=natural_key)
        ['0144', 'expert_2', 'expert_10']
    """
    parts = re.findall(r"0*([0-9]+)|([^0-9]+)", text)
    return (*((0, len(number), number) if number else (1, 0, word) for number, word in parts), (0, -1, text))


def case_of(name: str) -> str:
    """Case in a file name, with composed letters (NFC), since macOS may decompose them.

    Example:
        >>> case_of("Ma\\u0308use 7.ome.tif")
        'Mäuse 7'
    """
    return unicodedata.normalize("NFC", strip_suffix(name))


def names_of_cases(cases: Iterable[str], images: Container[str]) -> list[str]:
    """Cases of a table with composed letters (NFC), and without the ending of the image's file.

    Example:
        >>> names_of_cases(["001.png", "002", "v1.tif"], {"001", "002", "v1.tif"})
        ['001', '002', 'v1.tif']
    """
    composed = [unicodedata.normalize("NFC", case) for case in cases]
    return [strip_suffix(case) if case not in images and strip_suffix(case) in images else case for case in composed]


def list_images(
    folder: Path, known: Container[str] = (), *, outlines: bool = False
) -> tuple[list[tuple[str, Path]], list[Problem]]:
    """Image files of a folder in natural order, each with its `case_of`.

    Args:
        folder: Where to look; folders in it are not searched, but those of OME-Zarr images count.
        known: Names in the folder that are not images and belong there.
        outlines: Whether files of outlines count too, as they do for masks.

    Returns:
        Case (with the suffix, for a mask) and path, empty if the folder holds no image; and problems: a folder that is
        missing or cannot be listed, broken links, names that cannot be written, pickles of Cellpose, and one warning
        that counts and lists the ignored files.
    """
    usable, folders, problems = _list_folder(folder, known)
    pickles = [name for name in usable if name.lower().endswith("_seg.npy")]
    folders = {name for name in folders if not is_folder_image(Path(name))}
    images = {name: case_of(name) for name in usable if name not in folders and is_image(name, outlines=outlines)}
    if pickles:
        problems.append(_pickles_of_cellpose(folder, pickles))
    others = [name for name in usable if name not in images and name not in folders and name not in pickles]
    problems += _left_alone(folder, others, sorted(folders))
    found = [(images[name], folder / name) for name in sorted(images, key=lambda name: natural_key(images[name]))]
    return found, problems


def is_image(name: str, *, outlines: bool = False) -> bool:
    """Whether the name of a file is that of an image, or also of outlines."""
    return image_suffix(name) is not None or (outlines and outline_suffix(name) is not None)


def _list_folder(folder: Path, known: Container[str]) -> tuple[list[str], set[str], list[Problem]]:
    """Usable names in a folder, sorted; the folders among them; and problems of the other names."""
    usable, folders, problems = list[str](), set[str](), list[Problem]()
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not is_of_the_system(entry.name) and entry.name not in known]
            found.sort(key=lambda entry: entry.name)
            for entry in found:
                if (problem := _unusable(folder, entry)) is not None:
                    problems.append(problem)
                    continue
                usable.append(entry.name)
                if entry.is_dir():
                    folders.add(entry.name)
    except OSError as error:
        action = "check the name" if isinstance(error, (FileNotFoundError, NotADirectoryError)) else "check permissions"
        return (
            [],
            set(),
            [*problems, Problem(str(folder), f"cannot be listed: {error.strerror}", action, kind="not-listed")],
        )
    return usable, folders, problems


def is_of_the_system(name: str) -> bool:
    """Whether a system, rather than a person, put a file or folder there: hidden ones, and those of a NAS."""
    return name.startswith(".") or name.lower() in _OF_THE_SYSTEM


def _unusable(folder: Path, entry: os.DirEntry[str]) -> Problem | None:
    """Why a file cannot be used, whatever its content; None if it can."""
    name = entry.name
    if not is_writable(name):
        what = f"the name {name!a} holds letters that cannot be written"
        return Problem(str(folder), what, how_to_rename("file"), kind="unwritable-name")
    if entry.is_symlink() and not os.path.exists(entry.path):
        return Problem(entry.path, "is a link to a missing file", "fix or remove the link", kind="broken-link")
    if not entry.is_file() and not entry.is_dir():
        return Problem(entry.path, "is neither a file nor a folder", "remove it", kind="no-file")
    return None


_NOT_AN_IMAGE, _NOT_SEARCHED = "not-an-image", "not-searched"
"""Kinds of problems: of files alone, and of folders, perhaps beside files."""


def what_to_do(problems: Iterable[Problem]) -> str:
    """What to do with the files of other tools in a folder without any that can be read; empty if there are none."""
    found = (one for one in problems if one.kind == _NOT_AN_IMAGE)
    return next((one.action for one in found), "")


def how_to_rename(what: str) -> str:
    """What to do with a name that cannot be written: under a locale without UTF-8, the name may be right."""
    encoding = sys.getfilesystemencoding().lower()
    if encoding in ("utf-8", "utf8"):
        return f"rename the {what}"
    return f"set LANG=C.UTF-8 or PYTHONUTF8=1, since names are read as {encoding} now; else rename the {what}"


def _pickles_of_cellpose(folder: Path, names: list[str]) -> Problem:
    return Problem(
        str(folder),
        f"{shortlist(names)}: _seg.npy files of Cellpose are Python pickles, which can run code, and are never opened",
        "save the masks as images: in Cellpose `File > Save masks as PNG/tif`, on its command line --save_tif (or "
        f"--save_png, which leaves out images without objects); put <image>{CELLPOSE_SUFFIX}.tif into the rater's "
        "folder and move the _seg.npy files away",
        kind="cellpose-pickle",
    )


def _left_alone(folder: Path, names: list[str], folders: list[str]) -> list[Problem]:
    """One warning about everything in a folder that is not used."""
    what = []
    if names:
        what.append(
            f"{len(names)} {'file is not an image' if len(names) == 1 else 'files are not images'} that can be read"
        )
    if folders:
        what.append(f"{len(folders)} {'folder is' if len(folders) == 1 else 'folders are'} not searched")
    if not what:
        return []
    action = how_to_save([*names, *folders])
    return [
        Problem(
            str(folder),
            f"{' and '.join(what)}: {shortlist([*names, *folders])}",
            action,
            "warning",
            kind=_NOT_SEARCHED if folders else _NOT_AN_IMAGE,
        )
    ]


def written_by_cellpose(files: list[tuple[str, Path]], cases: Container[str], *, masks: bool = True) -> list[str]:
    """Names of files that Cellpose wrote next to an image: pictures of flows and outlines, and masks.

    Args:
        files: From `list_images`.
        cases: All cases; a file counts only if its name is a case followed by what Cellpose appends.
        masks: Whether masks count too, as `0144_cp_masks.tif`; else only pictures, as `0144_flows_cp_masks.tif`.
    """
    matches = [(path.name, _OF_CELLPOSE.fullmatch(stem)) for stem, path in files]
    return [name for name, match in matches if match and match[1] in cases and (masks or match[2])]


def find_suffix(stems: list[str], cases: Container[str]) -> str:
    """The text after the case name in most names of masks; the shortest of equally common ones.

    Example:
        >>> find_suffix(["1_cFOS", "2_cFOS", "notes"], {"1", "2"})
        '_cFOS'
    """
    counts = Counter(stem[n:] for stem in stems for n in range(1, len(stem) + 1) if stem[:n] in cases)
    return max(counts, key=lambda suffix: (counts[suffix], -len(suffix), suffix), default="")


def find_prefix(stems: list[str], cases: Container[str]) -> str:
    """The text before the case name in most names of masks, as in `Mask of 0144`; the shortest of equally common ones.

    Example:
        >>> find_prefix(["Mask of 1", "Mask of 2", "notes"], {"1", "2"})
        'Mask of '
    """
    counts = Counter(stem[:n] for stem in stems for n in range(1, len(stem)) if stem[n:] in cases)
    return max(counts, key=lambda prefix: (counts[prefix], -len(prefix), prefix), default="")


def common_suffix(cases: list[str]) -> str:
    """The text from the last `_`, `-`, `.` or blank on that all names share, as in `001_raw` and `002_raw`.

    Example:
        >>> common_suffix(["001_raw", "002_raw"]), common_suffix(["001", "002"])
        ('_raw', '')
    """
    found = re.search(r"[_\-. ][^_\-. ]*$", cases[0]) if len(cases) > 1 else None
    suffix = found[0] if found is not None and found.start() > 0 else ""
    return suffix if all(case.endswith(suffix) and len(case) > len(suffix) for case in cases) else ""


@dataclass(frozen=True)
class Affixes:
    """Text before and after the case in the names of masks.

    Example:
        >>> Affixes("Mask of ", "").case_in("Mask of 001"), Affixes("", "_cFOS").case_in("001")
        ('001', None)
    """

    prefix: str = ""
    suffix: str = ""

    def case_in(self, stem: str) -> str | None:
        """The case in the name of a mask; None if the name has not this form."""
        fits = stem.startswith(self.prefix) and stem.endswith(self.suffix)
        case = stem[len(self.prefix) : len(stem) - len(self.suffix)]
        return case if fits and len(stem) >= len(self.prefix) + len(self.suffix) else None

    def name_of(self, case: str) -> str:
        """Name of the mask of a case."""
        return f"{self.prefix}{case}{self.suffix}"


def find_affixes(stems: list[str], cases: Container[str], given: Affixes | None = None) -> Affixes:
    """What masks add to the names of their cases: a suffix, else a prefix; nothing if neither is found.

    Args:
        stems: Names of masks without their endings.
        cases: All cases.
        given: What the user says about one of them.
    """
    prefix = given.prefix if given is not None else ""
    suffix = find_suffix([stem.removeprefix(prefix) for stem in stems if stem.startswith(prefix)], cases)
    if prefix or any(Affixes("", suffix).case_in(stem) in cases for stem in stems):
        return Affixes(prefix, suffix)
    return Affixes(find_prefix(stems, cases), "")

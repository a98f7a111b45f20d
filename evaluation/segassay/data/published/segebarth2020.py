"""Facts about the labs of Segebarth et al. 2020 that a dataset folder needs and their files do not contain.

    lab -> its published files with their SHA-256 (`read_manifest`), and the files added to them (`lab_notes`)

Sizes and names are those of the publication (eLife 9:e59780, data doi:10.5061/dryad.4b8gtht9d). The groups of lab-wue1
are our interpretation: its table holds codes from 0 to 8 without names. code % 3 is the region, code // 3 the
condition. Condition 2 has the fewest nuclei in every region and is taken for the home-cage control `H`. The two groups
that were exposed to the training context cannot be told apart and are called `context_0` and `context_1`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from segassay.errors import DataError, Problem, UsageError
from segassay.io.text_tables import read_text_table

REPOSITORY = "https://github.com/matjesg/bioimage_analysis"
COMMIT = "eafeb5f8e1312ab29416144df0212761ddf4cfc4"
DOI = "10.5061/dryad.4b8gtht9d"

_CONDITIONS = ("context_0", "context_1", "H")


@dataclass(frozen=True)
class Lab:
    """One training set of the publication.

    Attributes:
        name: Name of its folder.
        min_object_size: Smallest object in pixels, as published.
        mask_suffix: What follows the case in the name of a mask.
        has_ignored: Whether `ignored_regions/` marks areas to leave out.
        groups: Table of group codes; None where none is published.
        pixels_per_um: Resolution; None where it is not stated.
    """

    name: str
    min_object_size: int
    mask_suffix: str = "_cFOS"
    has_ignored: bool = False
    groups: str | None = None
    pixels_per_um: float | None = None


LABS = (
    Lab("lab-wue1", 30, groups="groups_wue1.csv", pixels_per_um=1.61),
    Lab("lab-inns1", 16),
    Lab("lab-mue", 30),
    Lab("lab-inns2", 60),
    Lab("lab-wue2", 112, mask_suffix="_GABA", has_ignored=True),
)


def find_labs(names: Iterable[str] | None) -> list[Lab]:
    """Labs by their names, in the order of the publication; each once.

    Args:
        names: Long or short names; None means all.

    Raises:
        UsageError: If a name is unknown, or there is none.

    Example:
        >>> [lab.name for lab in find_labs(["lab-mue", "wue1"])]
        ['lab-wue1', 'lab-mue']
    """
    if names is None:
        return list(LABS)
    wanted = {name.strip().removeprefix("lab-"): name for name in names}
    known = [lab.name.removeprefix("lab-") for lab in LABS]
    if unknown := [name for short, name in wanted.items() if short not in known]:
        raise UsageError(f"no lab {unknown[0].strip()!r}; expected some of {', '.join(known)}")
    if not wanted:
        raise UsageError(f"no lab is given; expected some of {', '.join(known)}")
    return [lab for lab, short in zip(LABS, known, strict=True) if short in wanted]


def read_manifest() -> dict[str, str]:
    """SHA-256 of every published file of all five labs; names begin with that of the lab.

    Example:
        >>> len(read_manifest()), read_manifest()["lab-wue1/groups_wue1.csv"][:8]
        (373, '98ce8a24')
    """
    text = (files("segassay.data.published") / "segebarth2020.sha256").read_text(encoding="utf-8")
    rows = [line.split("  ", 1) for line in text.splitlines()]
    return {name: digest for digest, name in rows}


def lab_notes(lab: Lab, folder: Path) -> dict[str, bytes]:
    """Content of the files that SegAssay adds to the published files of a lab; always the same bytes.

    Args:
        lab: Which lab.
        folder: Folder of its published files; only the table of groups is read.

    Returns:
        Content of `dataset.yaml`, `SOURCE.txt` and, where groups are published, `experiment.csv`.

    Raises:
        DataError: If the table of groups cannot be read or holds no codes from 0 to 8.
    """
    notes = {"dataset.yaml": _dataset_yaml(lab), "SOURCE.txt": _source(lab)}
    if lab.groups is not None:
        notes["experiment.csv"] = _experiment(folder / lab.groups)
    return {name: text.encode() for name, text in sorted(notes.items())}


def _dataset_yaml(lab: Lab) -> str:
    lines = [
        "# Written by `segassay download segebarth2020`.",
        f"name: {lab.name}",
        "raters: labels/expert_*",
        f"mask_suffix: {lab.mask_suffix}",
        "reference: labels/est_GT  # the authors' STAPLE consensus of these raters",
        f"min_object_size: {lab.min_object_size}  # pixels, as published",
    ]
    if lab.has_ignored:
        lines += ["ignore: ignored_regions", "ignore_suffix: _ignore"]
    if lab.groups is not None:
        lines += [
            "",
            f"# The groups are our reading: {lab.groups} holds codes from 0 to 8 and does not name them.",
            "# code % 3 is the region, code // 3 the condition. Condition 2 has the fewest nuclei in every region and",
            "# is taken for the home-cage control H; the table does not tell apart the two that saw the context.",
            "experiment: experiment.csv",
            "control_group: H",
        ]
    if lab.pixels_per_um is not None:
        um = f"{1 / lab.pixels_per_um:.2f}"
        lines += [f"spacing_um: [{um}, {um}]  # {lab.pixels_per_um} pixels per micrometre, rounded"]
    return "\n".join(lines) + "\n"


def _source(lab: Lab) -> str:
    return "\n".join(
        [
            f"{lab.name}: images and masks as published, byte for byte, under the Apache License 2.0, with",
            "",
            "  Segebarth et al. (2020): On the objectivity, reliability, and validity of deep learning enabled",
            "  bioimage analyses. eLife 9:e59780. https://doi.org/10.7554/eLife.59780",
            "",
            "Please cite this article if you use them.",
            "",
            f"Repository: {REPOSITORY}",
            f"Commit:     {COMMIT}",
            f"Folder:     train_data/{lab.name}",
            f"Data:       https://doi.org/{DOI}",
            "Licence:    https://www.apache.org/licenses/LICENSE-2.0",
            "",
            "Not part of the publication: dataset.yaml, experiment.csv where there is one, and this file; written by",
            "`segassay download segebarth2020`, which also compared every other file with its SHA-256.",
            "",
        ]
    )


def _experiment(path: Path) -> str:
    """Case, group and region of lab-wue1 from its table of codes."""
    table = read_text_table(path)
    codes = {str(number): number for number in range(9)}
    if not {"file_id", "group_id"} <= set(table.columns) or not table["group_id"].isin(list(codes)).all():
        what = "expected the columns file_id and group_id with codes from 0 to 8"
        raise DataError.of_problem(Problem(str(path), what, "download it again", kind="table-columns"))
    rows = [(case, codes[code]) for case, code in zip(table["file_id"], table["group_id"], strict=True)]
    lines = [f"{case},{_CONDITIONS[code // 3]},region_{code % 3}" for case, code in rows]
    return "\n".join(["case,group,region", *lines]) + "\n"

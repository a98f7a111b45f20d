"""Files of one predicted image: what `--save` can name, and how each is written.

CasePrediction, kinds -> masks/ instances/ prob/ uncertainty/ disagreement/ doubt/ rois/ geojson/ overlays/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from segassay.errors import UsageError
from segassay_monai.ensemble.case_files import write_case
from segassay_monai.prediction.case import CasePrediction

__all__ = ["DEFAULT", "SAVE", "check_save", "write_files"]

_FOLDERS = {
    "mask": ("masks",),
    "instances": ("instances",),
    "prob": ("prob",),
    "uncertainty": ("uncertainty", "disagreement", "doubt"),
}
"""Kind -> folders of images."""

_DRAWN: dict[str, Callable[[Path, CasePrediction], str]] = {}
"""Kind -> function that writes its file, and returns the path relative to the folder."""

SAVE = (*_FOLDERS, *_DRAWN)
DEFAULT = tuple(kind for kind in SAVE if kind in ("mask", "instances", "rois", "overlay"))


def check_save(save: Iterable[str]) -> tuple[str, ...]:
    """Kinds of files to write, in a fixed order; the mask is always one of them.

    Raises:
        UsageError: If a kind is unknown.

    Example:
        >>> check_save(["prob"])
        ('mask', 'prob')
    """
    wanted = {"mask", *save}
    if unknown := sorted(wanted - {*SAVE, "all"}):
        raise UsageError(f"--save {','.join(unknown)}: expected some of {', '.join(SAVE)}, separated by commas, or all")
    return SAVE if "all" in wanted else tuple(kind for kind in SAVE if kind in wanted)


def write_files(folder: Path, found: CasePrediction, save: Collection[str]) -> dict[str, str]:
    """Write the files of one image, each whole or not at all.

    Args:
        folder: Folder of the results.
        found: The prediction.
        save: Kinds from `SAVE`.

    Returns:
        Folder -> path relative to `folder`.
    """
    arrays = {
        "masks": found.mask,
        "instances": found.labels,
        "prob": found.prob,
        "uncertainty": found.uncertainty,
        "disagreement": found.disagreement,
        "doubt": found.doubt,
    }
    kinds = [name for kind in save for name in _FOLDERS.get(kind, ())]
    written = write_case(folder, found.case, found.path, found.picture, arrays, kinds)
    return written | {kind: write(folder, found) for kind, write in _DRAWN.items() if kind in save}

"""Files of one predicted image: what `--save` can name, and how each is written.

CasePrediction, kinds -> masks/ instances/ prob/ uncertainty/ disagreement/ doubt/ rois/ geojson/ overlays/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from segassay.errors import UsageError
from segassay.figures.overlays import overlay_png
from segassay.figures.planes import largest_cut
from segassay.io.geojson import CLASS_COLOURS, write_geojson
from segassay.io.images import is_nifti, write_bytes
from segassay.io.rois import write_rois
from segassay_monai.ensemble.case_files import write_case
from segassay_monai.prediction.case import CasePrediction
from segassay_monai.prediction.thumbnails import thumbnail

__all__ = ["DEFAULT", "SAVE", "Colours", "check_save", "write_files", "write_thumbnail"]

_FOLDERS = {
    "mask": ("masks",),
    "instances": ("instances",),
    "prob": ("prob",),
    "uncertainty": ("uncertainty", "disagreement", "doubt"),
}
"""Kind -> folders of images."""


def _write_rois(path: Path, found: CasePrediction) -> None:
    labels, n = _as_seen(found, found.labels), len(found.picture.array)
    write_rois(path, labels, _confidence(found), n_channels=n, class_of=found.class_of)


def _write_geojson(path: Path, found: CasePrediction) -> None:
    labels, measured = _as_seen(found, found.labels), found.objects.drop(columns="class", errors="ignore")
    colours = Colours.of(found.classes, found.objects, found.colours).of_class
    write_geojson(path, labels, _confidence(found), measurements=measured, class_of=found.class_of, colours=colours)


def _write_overlay(path: Path, found: CasePrediction) -> None:
    image, labels = _shown(found, found.picture.array, found.labels[None])
    write_bytes(path, overlay_png(image, labels[0], Colours.of(found.classes, found.objects, found.colours).of_label))


@dataclass(frozen=True)
class Colours:
    """Classes of the objects of an image, and the colours of their outlines; all empty without classes.

    Attributes:
        class_of: Number of each object -> name of its class.
        of_class: Class -> its colour.
        of_label: Number of each object -> the colour of its class.
    """

    class_of: dict[int, str]
    of_class: dict[str, tuple[int, int, int]]
    of_label: dict[int, tuple[int, int, int]]

    @classmethod
    def of(cls, names: Sequence[str], objects: pd.DataFrame, chosen: Mapping[str, str]) -> Colours:
        """Of classes with these names, and objects with the columns `label` and `class`.

        Args:
            names: Of the classes.
            objects: A row of each object.
            chosen: Class -> its colour in dataset.yaml, such as `#e69f00`; others have one for their place.
        """
        of_class = {name: CLASS_COLOURS[number % len(CLASS_COLOURS)] for number, name in enumerate(names)}
        for name in of_class.keys() & chosen.keys():
            red, green, blue = bytes.fromhex(chosen[name].removeprefix("#"))
            of_class[name] = red, green, blue
        class_of = dict(zip(objects["label"].tolist(), objects["class"].tolist(), strict=True)) if names else {}
        return cls(class_of, of_class, {label: of_class[name] for label, name in class_of.items()})


def _as_seen(found: CasePrediction, array: np.ndarray) -> np.ndarray:
    """An array with rows before columns, as ImageJ and QuPath show the image; a NIfTI runs along the columns first."""
    return array.T if is_nifti(found.path) else array


def _shown(found: CasePrediction, *stacks: np.ndarray) -> list[np.ndarray]:
    """Arrays `(n, *spatial)` as pictures `(n, rows, columns)`.

    Of a volume the slice with most foreground, turned and in the proportions of its voxels as in the report.
    """
    if found.labels.ndim == 2:
        return [np.stack([_as_seen(found, array) for array in stack]) for stack in stacks]
    cut = largest_cut(found.labels > 0, found.picture.spacing_um, found.picture.affine)
    return [np.stack([cut.proportioned(array) for array in stack]) for stack in stacks]


def _confidence(found: CasePrediction) -> dict[int, float]:
    return dict(zip(found.objects["label"].tolist(), found.objects["confidence"].tolist(), strict=True))


_DRAWN: dict[str, tuple[str, str, Callable[[Path, CasePrediction], None]]] = {
    "rois": ("rois", ".zip", _write_rois),
    "geojson": ("geojson", ".geojson", _write_geojson),
    "overlay": ("overlays", ".png", _write_overlay),
}
"""Kind -> folder, ending, and function that writes the file."""

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
    for kind, (name, ending, write) in _DRAWN.items():
        if kind in save:
            (folder / name).mkdir(exist_ok=True)
            written[name] = f"{name}/{found.case}{ending}"
            write(folder / written[name], found)
    return written


def write_thumbnail(folder: Path, found: CasePrediction) -> dict[str, str]:
    """Write the small picture of an image for the page; where it is, as of `write_files`."""
    name = f".records/{found.case}.jpg"
    image, labels, uncertainty = _shown(found, found.picture.array, found.labels[None], found.uncertainty[None])
    picture = thumbnail(image, labels[0], uncertainty[0])
    write_bytes(folder / name, picture)
    return {"thumbnail": name}

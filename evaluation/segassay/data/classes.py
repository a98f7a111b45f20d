"""Masks of classes, as in nnU-Net, whose values are never object numbers; and label images that look like them.

mask file, ClassMap         ->  foreground (*spatial) bool | ignored area (*spatial) bool | classes (*spatial) int
numbers of label images     ->  an error, if they look like classes and nothing says what they are
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from segassay.errors import DataError, Problem, shortlist
from segassay.io.grids import Grid
from segassay.io.images import read_class_values, read_mask
from segassay.masks.numbers import Numbers, same_numbers, why_classes

__all__ = [
    "ClassMap",
    "Inverted",
    "Meaning",
    "numbers_problem",
    "read_classes",
    "read_foreground",
    "read_ignored",
]

_WHY = {
    "background": "no pixel is 0, the background: the numbers are {same}, as ilastik's Simple Segmentation writes them",
    "values": "{n_split} of {n} numbers are in several pieces, as in a map of probabilities or a grey image",
    "pieces": "{n_split} of {n} object numbers are in several pieces, as classes are, and objects are not",
    "inside": "object numbers lie inside others, as classes do, and objects do not",
    "sizes": "the numbers {same} are of the same order of size in every image, as classes are, and objects are not",
    "same": "every label image holds the numbers {same}, so they may be classes; each is read as one object",
}
_ACTION = (
    "if each number is one object, write `objects: instances` into dataset.yaml; if the numbers are classes, name them "
    "there, as `classes: {tumour: 1, liver: 2}`, or only the numbers that are foreground, as `foreground: [1]`"
)
_OF_VALUES = "threshold it first, at half of the largest value for instance, and save 0 and 255"


@dataclass(frozen=True)
class ClassMap:
    """Meaning of the values of a mask.

    Attributes:
        foreground: Values of the classes; 0 is background.
        ignore: Value of the ignored area; None if there is none.
        others: Whether any other value is background; otherwise only 0 is, and other values are errors.
        names: Each class by name, with its values; a region, as of nnU-Net, has several, which other classes may share.
            Empty if masks have only one class.
        known: Other values that may occur, and are background: those of the other classes, if this is one of several.
        said_in: The file that says so, for messages.
        channel: Place of the class among those of the dataset, and how many these are; of `only`. A map of
            probabilities has one channel for each.
    """

    foreground: tuple[int, ...]
    ignore: int | None = None
    others: bool = field(default=False, repr=False)  # without it, the hash of nnU-Net's data stays as it was
    names: tuple[tuple[str, tuple[int, ...]], ...] = field(default=(), repr=False)
    known: tuple[int, ...] = field(default=(), repr=False)
    said_in: str = field(default="dataset.json", repr=False, compare=False)
    channel: tuple[int, int] | None = field(default=None, repr=False)

    @property
    def exclusive(self) -> bool:
        """Whether a pixel belongs to one class at most: no value is in two classes."""
        values = [value for _, of_class in self.names for value in of_class]
        return len(values) == len(set(values))

    @property
    def several(self) -> bool:
        """Whether masks, also those of models, have several classes, even if only one of them is looked at."""
        return bool(self.names) or self.channel is not None

    def only(self, name: str) -> "ClassMap":
        """Meaning of the same masks if one class is foreground, and all others are background.

        Raises:
            KeyError: If there is no class of this name.

        Example:
            >>> classes = ClassMap((1, 2), names=(("zone", (1,)), ("organ", (1, 2))))
            >>> classes.only("organ"), classes.exclusive
            (ClassMap(foreground=(1, 2), ignore=None), False)
        """
        values, place = dict(self.names)[name], [known for known, _ in self.names].index(name)
        channel = (place, len(self.names))
        return ClassMap(values, self.ignore, known=self.foreground, said_in=self.said_in, channel=channel)


@dataclass(frozen=True)
class Inverted:
    """Meaning of a mask in which black and white are swapped: objects are 0."""


Meaning = ClassMap | Inverted
"""What the values of a mask mean, where they are neither a binary mask nor object numbers."""


def read_foreground(path: Path, meaning: Meaning, grid: Grid | None = None) -> np.ndarray:
    """Boolean mask `(*spatial)` of all classes, or of what is 0 in an inverted mask.

    Raises:
        DataError: If the file cannot be read, has several channels, holds a value that is no class, or lies elsewhere
            than the grid.
    """
    if isinstance(meaning, Inverted):
        return read_mask(path, grid) == 0
    return np.isin(_read_classes(path, meaning, grid), meaning.foreground)


def read_ignored(path: Path, classes: ClassMap, grid: Grid | None = None) -> np.ndarray:
    """Boolean mask `(*spatial)` of the class `ignore`, empty if there is none. Raises as `read_foreground`."""
    values = _read_classes(path, classes, grid)
    return np.zeros(values.shape, dtype=bool) if classes.ignore is None else values == classes.ignore


def read_classes(path: Path, classes: ClassMap, grid: Grid | None = None) -> np.ndarray:
    """Value of the class of each pixel, int32 `(*spatial)`; 0 for background and the ignored area.

    Raises as `read_foreground`.
    """
    values = _read_classes(path, classes, grid)
    return np.where(np.isin(values, classes.foreground), values, 0).astype(np.int32)


def _read_classes(path: Path, classes: ClassMap, grid: Grid | None) -> np.ndarray:
    ignored = [] if classes.ignore is None else [classes.ignore]
    numbers = sorted({0, *classes.foreground, *classes.known, *ignored})
    values = read_class_values(path, grid, whole=not classes.others, known=numbers)
    if classes.others:
        return values
    known = np.isin(values, numbers)
    if not known.all():
        raise DataError.of(
            path,
            f"holds the value {values[~known][0]}",
            f"{classes.said_in} names {', '.join(map(str, numbers))}: add the class there, or correct the mask",
            kind="class-value",
        )
    return values


def numbers_problem(file: str, images: Sequence[Numbers]) -> Problem | None:
    """An error if the numbers of label images are those of classes, a warning if they may be; else None.

    Args:
        file: The file, or the folder of an annotator.
        images: Its label images, in a dataset that does not say `objects: instances`.
    """
    same = same_numbers(images)
    why = why_classes(images)
    if why is None and not same:
        return None
    n, n_split = (sum(getattr(image, name) for image in images) for name in ("n", "n_split"))
    shared = set.intersection(*(set(image.sizes) for image in images if image.n))
    what = _WHY[why or "same"].format(n=n, n_split=n_split, same=shortlist([str(value) for value in sorted(shared)]))
    level: Literal["error", "warning"] = "warning" if why is None else "error"
    return Problem(file, what, _OF_VALUES if why == "values" else _ACTION, level, kind="numbers-like-classes")

"""Masks of classes, as in nnU-Net: their values are classes, never object numbers.

mask file, ClassMap  ->  foreground (*spatial) bool | ignored area (*spatial) bool
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segassay.errors import DataError
from segassay.io.images import read_image

__all__ = ["ClassMap", "read_foreground", "read_ignored"]


@dataclass(frozen=True)
class ClassMap:
    """Meaning of the values of a mask.

    Attributes:
        foreground: Values of the classes; 0 is background.
        ignore: Value of the ignored area; None if there is none.
    """

    foreground: tuple[int, ...]
    ignore: int | None = None


def read_foreground(path: Path, classes: ClassMap) -> np.ndarray:
    """Boolean mask `(*spatial)` of all classes.

    Raises:
        DataError: If the file cannot be read, has several channels, or holds a value that is no class.
    """
    return np.isin(_read_classes(path, classes), classes.foreground)


def read_ignored(path: Path, classes: ClassMap) -> np.ndarray:
    """Boolean mask `(*spatial)` of the class `ignore`, empty if there is none. Raises as `read_foreground`."""
    values = _read_classes(path, classes)
    return np.zeros(values.shape, dtype=bool) if classes.ignore is None else values == classes.ignore


def _read_classes(path: Path, classes: ClassMap) -> np.ndarray:
    array = read_image(path).array
    if len(array) > 1:
        expected = "one, with the class number of each pixel"
        raise DataError.of(path, f"has {len(array)} channels", expected=expected)
    values = array[0]
    numbers = [0, *classes.foreground, *([] if classes.ignore is None else [classes.ignore])]
    known = np.isin(values, numbers)
    if not known.all():
        raise DataError.of(
            path,
            f"holds the value {values[~known][0]}",
            f"dataset.json names {', '.join(map(str, numbers))}: add the class to `labels`, or correct the mask",
        )
    return np.asarray(values)

"""Drawn datasets with classes: bright discs of one class, dark ones of the other, on grey."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import yaml
from PIL import Image

EXCLUSIVE = {"bright": 3, "dark": 7}
NESTED = {"core": [2, 3], "edge": [3], "whole": [1, 2, 3]}
RATERS = ("anna", "ben", "cleo")


def draw_dataset(
    folder: Path,
    classes: Mapping[str, Any] = EXCLUSIVE,
    *,
    shape: Sequence[int] = (48, 48),
    n: int = 8,
    raters: Sequence[str] = RATERS,
    without: Mapping[int, Sequence[str]] | None = None,
    first: int = 0,
    **settings: Any,
) -> Path:
    """Images of discs (or balls, as NIfTI) at random places; raters draw them with another radius.

    Args:
        folder: Folder to write.
        classes: As in dataset.yaml; `EXCLUSIVE`, or names of other values for bright and dark discs.
        shape: Of each image.
        n: Number of images.
        raters: Each draws every disc by half a pixel larger than the one before.
        without: Number of an image -> classes that it lacks.
        first: Number of the first image; other numbers are other images.
        settings: Further keys of dataset.yaml.
    """
    values = {name: int(np.ravel(value)[0]) for name, value in classes.items()}
    for number in range(first, first + n):
        lacks = (without or {}).get(number, ())
        rng = np.random.default_rng(number)
        discs = [
            (name, [int(rng.integers(7, side - 7)) if side > 16 else side // 2 for side in shape], 5)
            for name in values
            for _ in range(2)
            if name not in lacks
        ]
        image = 100 + rng.normal(0, 4, shape)
        for name, centre, radius in discs:
            image[_disc(shape, centre, radius)] += 80 if list(values).index(name) % 2 == 0 else -80
        write(folder / "images" / f"c{number}", np.clip(image, 0, 255).astype(np.uint8))
        for place, rater in enumerate(raters):
            mask = np.zeros(shape, dtype=np.uint16)
            for name, centre, radius in discs:
                mask[_disc(shape, centre, radius + place / 2)] = values[name]
            write(folder / "labels" / rater / f"c{number}", mask)
    said = {"classes": dict(classes), **settings}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
    return folder


def _disc(shape: Sequence[int], centre: Sequence[int], radius: float) -> np.ndarray:
    places = np.indices(shape)
    return np.asarray(sum((axis - at) ** 2 for axis, at in zip(places, centre, strict=True)) < radius**2)


def write(stem: Path, array: np.ndarray) -> None:
    """A PNG, or of a volume a NIfTI."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    if array.ndim == 2:
        Image.fromarray(array).save(stem.with_suffix(".png"))
    else:
        affine = np.diag([0.001, 0.001, 0.003, 1.0])
        nib.save(nib.Nifti1Image(array, affine), stem.with_suffix(".nii.gz"))

"""Masks of classes in a dataset folder: pictures of digits, one per rater and case."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

CLASSES = {"zone": 1, "tumour": 2}

RIGHT = "000000000000 011110022220 011110022220 011110022220 000000000000 000000000000"
"""A zone and a tumour, each of 12 pixels, that do not touch."""


def values(picture: str, scale: int = 2) -> np.ndarray:
    """Class of each pixel of a picture of digits, each `scale` pixels wide and high."""
    digits = np.array([[int(digit) for digit in row] for row in picture.split()], dtype=np.uint8)
    return np.kron(digits, np.ones((scale, scale), dtype=np.uint8))


def swapped(mask: np.ndarray) -> np.ndarray:
    """The same with 1 and 2 exchanged."""
    return np.array([0, 2, 1], dtype=np.uint8)[mask]


def make(
    folder: Path,
    masks: Mapping[str, Mapping[str, np.ndarray]],
    classes: Mapping[str, Any] | None = None,
    experiment: str = "",
    **settings: Any,
) -> Path:
    """A dataset folder with these masks, rater -> case -> classes, and plain images."""
    shapes = {case: mask.shape for of in masks.values() for case, mask in of.items()}
    save(folder / "images", {case: np.full(shape, 90, dtype=np.uint8) for case, shape in shapes.items()})
    for rater, of in masks.items():
        save(folder / "labels" / rater, of)
    settings["classes"] = dict(CLASSES if classes is None else classes)
    if experiment:
        (folder / "experiment.csv").write_text(experiment, encoding="utf-8")
        settings["experiment"] = "experiment.csv"
    (folder / "dataset.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return folder


def save(folder: Path, masks: Mapping[str, np.ndarray]) -> Path:
    """Masks or images as PNG files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for case, mask in masks.items():
        Image.fromarray(mask).save(folder / f"{case}.png")
    return folder

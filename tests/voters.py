"""Raters and a model who mark drawn masks, compared, for tables of votes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from segassay.tables.compared import ComparedCase, compare_case
from segassay.tables.jobs import Annotator, Job


def compared_votes(
    tmp_path: Path, masks: Mapping[str, np.ndarray], people: Mapping[str, str] | None = None
) -> ComparedCase:
    """The case of masks of 0 and 1; `model` is a model, all others are raters, of whom some may be one person."""
    annotators = []
    for name, mask in masks.items():
        path = tmp_path / f"{name}.png"
        Image.fromarray(mask * np.uint8(255)).save(path)
        kind = "model" if name == "model" else "human"
        annotators.append(Annotator(name, kind, path, person=(people or {}).get(name, "")))
    return compare_case(Job("1", tuple(annotators)))

"""Drawn datasets with two channels: discs equally bright in the first, brighter in treated cases in the second."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from segassay.io.images import write_image, write_mask
from segassay.io.picture import Picture

NAMES = ("DAPI", "cFOS")
DAPI, MARKER, TREATED = 200, 40, 120
"""Grey values of discs: in the first channel, in the second of control cases, and of treated ones."""


def draw_channels(
    folder: Path,
    *,
    n: int = 12,
    names: Sequence[str] | None = NAMES,
    turned: Collection[int] = (),
    unnamed: Collection[int] = (),
    raters: Sequence[str] = ("anna", "ben"),
    shape: tuple[int, int] = (32, 40),
    **settings: Any,
) -> Path:
    """Cases c0, c1, … in the groups H (control) and C in turn; masks of all raters are the discs.

    Args:
        folder: Folder to write.
        n: Number of cases.
        names: Names in the files, OME-TIFF; None for none.
        turned: Numbers of cases whose channels are in the other order, with their names.
        unnamed: Numbers of cases whose channels have no names.
        raters: Names of the raters.
        shape: Of the images.
        settings: Keys of dataset.yaml.
    """
    (folder / "images").mkdir(parents=True)
    rows = ["case,group"]
    for number in range(n):
        rng = np.random.default_rng(number)
        mask = np.zeros(shape, dtype=bool)
        for place in ((8, 9), (22, 12), (15, 29))[: 2 + number % 2]:
            mask |= np.hypot(*(np.indices(shape) - np.reshape(place, (2, 1, 1)))) < 5
        light = (TREATED if number % 2 else MARKER) + number // 2
        image = np.stack([np.where(mask, DAPI, 20), np.where(mask, light, 10)]) + rng.integers(0, 3, (2, *shape))
        own = () if names is None or number in unnamed else tuple(names)
        if number in turned:
            image, own = image[::-1], own[::-1]
        picture = Picture(np.ascontiguousarray(image, dtype=np.uint8), channel_names=own)
        write_image(folder / "images" / f"c{number}.ome.tif", picture)
        for rater in raters:
            (folder / "labels" / rater).mkdir(parents=True, exist_ok=True)
            write_mask(folder / "labels" / rater / f"c{number}.png", mask)
        rows.append(f"c{number},{'C' if number % 2 else 'H'}")
    (folder / "experiment.csv").write_text("\n".join(rows) + "\n")
    said = {"experiment": "experiment.csv", "control_group": "H", **settings}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
    return folder

"""The cover of a model package: the sample, and beside it the probability over it.

normalised image (C, *spatial), prob (*spatial) -> cover.png, twice as wide as high
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.image import imsave

from segassay.figures.overlays import most_marked_plane

__all__ = ["write_cover"]

SIDE = 256


def write_cover(path: Path, image: np.ndarray, prob: np.ndarray) -> None:
    """Write the first channel, and the probability over it, of the middle of an image or of one plane of a volume.

    Args:
        path: PNG file.
        image: Normalised `(C, [planes,] rows, columns)`.
        prob: `([planes,] rows, columns)`.
    """
    grey, marked = np.clip(image[0], 0, 1), prob
    plane = most_marked_plane(marked)
    grey, marked = _square(grey[plane]), _square(marked[plane])
    shown = np.repeat(grey[..., None], 3, axis=2)
    colour = colormaps["magma"](marked)[..., :3]
    over = np.where(marked[..., None] > 0.02, 0.35 * shown + 0.65 * colour, shown)
    imsave(path, np.concatenate([shown, over], axis=1), metadata={"Software": "SegAssay"})


def _square(plane: np.ndarray) -> np.ndarray:
    """The middle of a plane, a square with a side of 256 pixels."""
    side = min(plane.shape)
    start = [(size - side) // 2 for size in plane.shape]
    middle = plane[start[0] : start[0] + side, start[1] : start[1] + side]
    nearest = np.arange(SIDE) * side // SIDE
    return middle[np.ix_(nearest, nearest)]

"""How ImageJ fills its regions of interest, written again: the rule of ij.process.PolygonFiller and of java.awt.geom.

Another implementation than the one that writes them; `tests/io/test_imagej.py` compares it with ImageJ itself.
"""

from pathlib import Path

import numpy as np
import roifile


def loops_of(roi: roifile.ImagejRoi) -> list[np.ndarray]:
    """Corners (x, y) of each closed loop of a traced or composite ROI."""
    if roi.integer_coordinates is not None:
        return [roi.integer_coordinates + np.array([roi.left, roi.top])]
    values, loops, place = roi.multi_coordinates.tolist(), [], 0
    while place < len(values):
        if values[place] == 4:
            place += 1
            continue
        if values[place] == 0:
            loops.append([])
        loops[-1].append(values[place + 1 : place + 3])
        place += 3
    return [np.array(loop) for loop in loops]


def filled(loops: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Pixels `(rows, columns)` whose centre has an odd number of outlines to its left."""
    crossings = np.zeros((shape[0], shape[1] + 1), dtype=int)
    for loop in loops:
        for (x1, y1), (x2, y2) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
            assert x1 == x2 or y1 == y2, "an outline runs along the edges of pixels"
            if x1 == x2:
                crossings[int(min(y1, y2)) : int(max(y1, y2)), int(x1)] += 1
    return crossings.cumsum(axis=1)[:, :-1] % 2 == 1


def read_filled(path: Path, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Name of each ROI of an archive, in its order -> pixels."""
    return {roi.name: filled(loops_of(roi), shape[-2:]) for roi in roifile.roiread(path)}

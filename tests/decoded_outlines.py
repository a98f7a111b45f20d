"""Outlines of the gallery as polygons and as pixels, read in another way than the page does."""

import numpy as np
from skimage.measure import points_in_poly

from segassay.report.gallery.outlines import decode_numbers


def polygons(text: str, scale: float) -> list[np.ndarray]:
    """`(n, 2)` column and row of each polygon, in pixels from the middle of the first pixel."""
    numbers, found, corner = iter(decode_numbers(text)), [], np.zeros(2, dtype=int)
    for n in numbers:
        corner = corner + np.array([next(numbers), next(numbers)])
        steps = [(next(numbers), next(numbers)) for _ in range(n - 1)]
        found.append(np.cumsum([corner, *steps], axis=0) / scale - 0.5)
    return found


def filled(text: str, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Pixels whose middles lie within an odd number of polygons."""
    rows, columns = np.indices(shape)
    middles = np.stack([columns.ravel(), rows.ravel()], axis=1)
    inside = np.zeros(len(middles), dtype=bool)
    for polygon in polygons(text, scale):
        inside ^= points_in_poly(middles, polygon)
    return inside.reshape(shape)

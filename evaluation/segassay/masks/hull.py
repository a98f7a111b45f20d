"""Few points whose convex hull is that of all pixels of an object.

pixels (n, axes)  ->  line_ends  ->  pixel_corners (m, axes)
"""

from itertools import product

import numpy as np

__all__ = ["line_ends", "pixel_corners"]


def line_ends(pixels: np.ndarray) -> np.ndarray:
    """First and last pixel of every line along the last axis; `pixels` are in the order of `np.argwhere`."""
    new_line = np.ones(len(pixels) + 1, dtype=bool)
    new_line[1:-1] = (pixels[1:, :-1] != pixels[:-1, :-1]).any(axis=1)
    return pixels[new_line[:-1] | new_line[1:]]


def pixel_corners(pixels: np.ndarray) -> np.ndarray:
    """All corners of pixels `(n, axes)`, in pixels."""
    corners = np.array(list(product((0, 1), repeat=pixels.shape[1])))
    return np.asarray((pixels[:, None] + corners).reshape(-1, pixels.shape[1]))

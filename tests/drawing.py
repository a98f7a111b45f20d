"""How masks are drawn in tests."""

import numpy as np


def draw(picture: str) -> np.ndarray:
    """Boolean mask from a picture: `#` is foreground."""
    return np.array([[pixel == "#" for pixel in row] for row in picture.split()])

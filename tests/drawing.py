"""How masks are drawn in tests, and whether what is drawn fits into its picture."""

import numpy as np
from matplotlib.figure import Figure


def draw(picture: str) -> np.ndarray:
    """Boolean mask from a picture: `#` is foreground."""
    return np.array([[pixel == "#" for pixel in row] for row in picture.split()])


def fits(figure: Figure) -> bool:
    """Whether nothing that is drawn is cut off by the edge of the picture."""
    figure.draw_without_rendering()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return drawn.x0 >= -0.01 and drawn.y0 >= -0.01 and drawn.x1 <= width + 0.01 and drawn.y1 <= height + 0.01

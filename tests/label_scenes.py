"""Label images for tests: from a picture, and at random."""

import numpy as np


def draw_labels(picture: str) -> np.ndarray:
    """Label image from a picture: digits are labels, `.` is background."""
    return np.array([[0 if pixel == "." else int(pixel) for pixel in row] for row in picture.split()])


def random_labels(seed: int, shape: tuple[int, ...] = (7, 8)) -> np.ndarray:
    """Small objects that touch and overlap in every way."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < 0.7, rng.integers(1, 5, shape), 0)

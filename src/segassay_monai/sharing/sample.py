"""A simulated image for an export: nobody's data.

number of channels, size -> simulated nuclei -> image (C, *spatial)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segassay.simulation.rendering import render
from segassay.simulation.scene import build_scene
from segassay.simulation.settings import Simulation

__all__ = ["sample_image"]


def sample_image(n_channels: int, shape: Sequence[int]) -> np.ndarray:
    """Simulate an image, always the same for the same arguments.

    Args:
        n_channels: Number of channels; each has its own nuclei.
        shape: Size in pixels, two or three axes.

    Returns:
        uint8 `(C, *spatial)`.

    Example:
        >>> sample_image(2, (32, 48)).shape
        (2, 32, 48)
    """
    settings = Simulation(shape=tuple(shape), n_cases=n_channels, regions={})
    return np.stack([render(build_scene(settings, index), settings, index) for index in range(n_channels)])

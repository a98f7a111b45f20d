"""A marker in the nuclei, as a second channel shows it.

Scene, settings  ->  marker_scene  ->  the same nuclei with the contrasts of the marker
"""

from dataclasses import replace

import numpy as np

from segassay.simulation.scene import MARKER, Scene, place_of, stream
from segassay.simulation.settings import Simulation

__all__ = ["marker_scene"]


def marker_scene(scene: Scene, settings: Simulation, index: int) -> Scene:
    """The same nuclei as they shine in the channel of the marker, whose contrast does not depend on the other channel.

    Light out of focus and debris are not marked.
    """
    rng, place = stream(settings, index, MARKER), place_of(settings, index)
    median = settings.marker_contrast * settings.effect(place.group, place.region).marker
    contrasts = median * np.exp(rng.normal(0, 0.4, len(scene.nuclei)))
    nuclei = [replace(blob, contrast=float(one)) for blob, one in zip(scene.nuclei, contrasts, strict=True)]
    return Scene(nuclei, out_of_focus=[], debris=[])

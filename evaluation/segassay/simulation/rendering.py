"""Render a scene as the image of a camera, and as the truth.

    Scene  ->  image (*spatial) grey;  truth (*spatial) labels

Light adds up: an uneven background with the fine texture of tissue, nuclei with soft edges, light out of focus, debris.
Slow changes of the illumination dim all of it; photons bring shot noise, the camera read noise.
"""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from segassay.simulation.marker import marker_scene
from segassay.simulation.scene import MARKER, NOISE, Blob, Scene, place_of, stamp, stream
from segassay.simulation.settings import Simulation

__all__ = ["render", "true_classes", "true_labels"]

TEXTURE_PX = 1.5  # grain of tissue
NUCLEAR_TEXTURE = 3.0  # factor by which chromatin is coarser than its surroundings


def render(scene: Scene, settings: Simulation, index: int) -> np.ndarray:
    """Render the image of a scene.

    Args:
        scene: All light sources of case `index`.
        settings: The experiment.
        index: Number of the case; each has its own background, illumination and noise.

    Returns:
        Grey values `(*spatial)` in `settings.dtype`; with a marker `(2, *spatial)`, the nuclei and the marker.
    """
    if not settings.channels:
        return _channel(scene, settings, index, stream(settings, index, NOISE))
    marked = marker_scene(scene, settings, index)
    seen = _channel(scene, settings, index, stream(settings, index, NOISE))
    return np.stack([seen, _channel(marked, settings, index, stream(settings, index, NOISE, MARKER))])


def _channel(scene: Scene, settings: Simulation, index: int, rng: np.random.Generator) -> np.ndarray:
    region = place_of(settings, index).region
    background = settings.background * (settings.regions[region].background if region else 1.0)
    background *= np.exp(rng.normal(0, settings.background_sd))
    illumination = _slow_changes(rng, settings)
    texture = settings.texture * _texture(rng, settings)
    nuclei = np.zeros(settings.shape)
    for blob in (*scene.nuclei, *scene.distractors):
        box, _, distance = stamp(blob, settings, reach_px=6 * blob.blur_px)
        nuclei[box] += blob.contrast * settings.noise_sd * expit(-distance / blob.blur_px)
    light = background * (1 + texture) + nuclei * (1 + NUCLEAR_TEXTURE * texture)
    light = np.maximum(light * illumination, 0.1 * background)
    grey = settings.gain * rng.poisson(light / settings.gain) + rng.normal(0, settings.read_noise, light.shape)
    full = np.iinfo(settings.dtype).max
    return np.clip(np.rint(grey * (full / 255)), 0, full).astype(settings.dtype)


def _slow_changes(rng: np.random.Generator, settings: Simulation, n_waves: int = 4) -> np.ndarray:
    """Illumination around 1: a product of cosines is cheap to spread over any number of axes."""
    illumination = np.ones(settings.shape)
    for _ in range(n_waves):
        # a cosine of random phase has a variance of 1/2
        wave = np.array(rng.normal(0, settings.unevenness * np.sqrt(2 ** len(settings.shape) / n_waves)))
        for n in settings.shape:
            cycles, phase = rng.uniform(0.2, 1.0), rng.uniform(0, 2 * np.pi)
            wave = wave[..., None] * np.cos(2 * np.pi * cycles * np.arange(n) / n + phase)
        illumination += wave
    return np.maximum(illumination, 0.2)


def _texture(rng: np.random.Generator, settings: Simulation) -> np.ndarray:
    """Fine random structure of mean 0 and standard deviation 1."""
    sigma = TEXTURE_PX / settings.axis_scale
    structure = gaussian_filter(rng.standard_normal(settings.shape), sigma, mode="wrap", truncate=3)
    return structure / max(float(structure.std()), 1e-9)


def true_labels(nuclei: Sequence[Blob], settings: Simulation) -> np.ndarray:
    """Render the truth of a scene.

    Args:
        nuclei: Those in focus.
        settings: Gives the shape of the image.

    Returns:
        Labels 1…n, `(*spatial)` int32; a pixel in two nuclei belongs to the one in which it is deeper.
    """
    labels, nearest = np.zeros(settings.shape, dtype=np.int32), np.zeros(settings.shape)
    for label, blob in enumerate(nuclei, start=1):
        box, _, distance = stamp(blob, settings, reach_px=1.0)
        labels[box][distance < nearest[box]] = label
        nearest[box] = np.minimum(nearest[box], distance)
    return labels


def true_classes(nuclei: Sequence[Blob], settings: Simulation) -> np.ndarray:
    """The truth of a scene as the number of the class of each pixel, `(*spatial)` int32; 0 for background."""
    kinds = np.array([0, *(blob.kind for blob in nuclei)], dtype=np.int32)
    return kinds[true_labels(nuclei, settings)]

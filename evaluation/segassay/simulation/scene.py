"""Build the scene under the simulated microscope: nuclei, light out of focus and debris.

    settings, case index  ->  Scene of blobs (ellipses, ellipsoids)  ->  stamp: distance (*box) to a blob's boundary

A blob is drawn into its own box only: into the image as light, into the truth as a label, into a rater's mask as that
rater would outline it. Positions and lengths are in pixels of the finest axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from segassay.simulation.settings import NucleusClass, Simulation

__all__ = ["Blob", "Place", "Scene", "build_scene", "kinds_of", "place_of", "random_blob", "stamp", "stream", "turn"]

SCENE, NOISE, SUBJECT, RATER, REPEAT, MARKER, KIND = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
)  # random streams; 0 would be the same as no stream


def stream(settings: Simulation, index: int, *names: int) -> np.random.Generator:
    """Random numbers for one purpose in one case, independent of other cases and purposes."""
    return np.random.default_rng([settings.seed, index, *names])


@dataclass(frozen=True)
class Place:
    """Place of a case in the experiment.

    Attributes:
        group: Name of the group.
        subject: Name of the animal, unique over groups.
        region: Name of the region; empty without regions.
        subject_index: Number of the animal over all groups.
    """

    group: str
    subject: str
    region: str
    subject_index: int


def place_of(settings: Simulation, index: int) -> Place:
    """Group, subject and region of case `index`.

    Example:
        >>> place_of(Simulation(), 5)
        Place(group='treated', subject='treated_02', region='region_1', subject_index=3)
    """
    within_group, group_index = divmod(index, len(settings.groups))
    group, number = list(settings.groups)[group_index], within_group // settings.images_per_subject
    regions = list(settings.regions) or [""]
    return Place(
        group=group,
        subject=f"{group}_{number + 1:02d}",
        region=regions[within_group % len(regions)],
        subject_index=number * len(settings.groups) + group_index,
    )


@dataclass(frozen=True)
class Blob:
    """An ellipsoid with a soft edge.

    Attributes:
        centre: `(D,)`.
        radii: `(D,)`, before the rotation.
        rotation: `(D, D)`, orthonormal.
        contrast: Light in its middle above the background, in `Simulation.noise_sd`.
        blur_px: Softness of its edge.
        kind: Number of its class, from 1; 0 without classes.
    """

    centre: np.ndarray
    radii: np.ndarray
    rotation: np.ndarray
    contrast: float
    blur_px: float
    kind: int = 0

    @cached_property
    def radius(self) -> float:
        """Radius of the ball of the same volume."""
        return float(np.prod(self.radii) ** (1 / self.radii.size))


@dataclass(frozen=True)
class Scene:
    """All light sources of one case.

    Attributes:
        nuclei: In focus; label k of the truth is number k − 1 here.
        out_of_focus: Blurred nuclei of other planes, not part of the truth.
        debris: Small bright specks, not part of the truth.
    """

    nuclei: list[Blob]
    out_of_focus: list[Blob]
    debris: list[Blob]

    @property
    def distractors(self) -> list[Blob]:
        """Light sources that are not nuclei in focus."""
        return [*self.out_of_focus, *self.debris]


def build_scene(settings: Simulation, index: int) -> Scene:
    """Place the nuclei, the light out of focus and the debris of case `index`.

    As many nuclei are placed as fit without hiding each other.
    """
    rng, place = stream(settings, index, SCENE), place_of(settings, index)
    effect = settings.effect(place.group, place.region)
    n_nuclei = rng.poisson(_expected_number(settings, place) * _subject_factor(settings, place))
    spot = rng.uniform(*_inside(settings))
    factor = effect.size ** (1 / len(settings.shape))
    nuclei: list[Blob] = []
    for kind in kinds_of(settings, index, n_nuclei):
        own = list(settings.classes.values())[kind - 1] if kind else NucleusClass()
        larger = factor * own.size ** (1 / len(settings.shape))
        radius_px = (larger * settings.radius_px[0], larger * settings.radius_px[1])
        is_bright = rng.random() < settings.bright_fraction
        median, spread = (settings.bright_contrast, 0.6) if is_bright else (settings.dim_contrast, 0.4)
        contrast = effect.intensity * own.intensity * median * np.exp(rng.normal(0, spread))
        blob = random_blob(rng, settings, radius_px, contrast, settings.blur_px)
        if (centre := _free_place(rng, settings, blob, nuclei, spot)) is not None:
            nuclei.append(replace(blob, centre=centre, kind=kind))
    return Scene(
        nuclei,
        out_of_focus=[
            random_blob(rng, settings, settings.radius_px, rng.uniform(0.2, 0.9), (2.5, 5.0))
            for _ in range(rng.poisson(settings.n_out_of_focus))
        ],
        debris=[
            random_blob(rng, settings, (0.5, 1.3), rng.uniform(2, 8), (0.2, 0.4))
            for _ in range(rng.poisson(settings.n_debris))
        ],
    )


def kinds_of(settings: Simulation, index: int, n: int) -> list[int]:
    """Number of the class of each of `n` nuclei of case `index`, from 1; 0 without classes."""
    shares = np.array([of_class.share for of_class in settings.classes.values()])
    if not len(shares):
        return [0] * n
    return (1 + stream(settings, index, KIND).choice(len(shares), size=n, p=shares / shares.sum())).tolist()


def _expected_number(settings: Simulation, place: Place) -> float:
    density = settings.regions[place.region].density if place.region else 1.0
    return settings.n_nuclei * density * settings.effect(place.group, place.region).count


def _subject_factor(settings: Simulation, place: Place) -> float:
    """A factor of mean 1 that all images of one animal share."""
    sd = settings.subject_sd
    return float(np.exp(stream(settings, place.subject_index, SUBJECT).normal(-(sd**2) / 2, sd)))


def random_blob(
    rng: np.random.Generator,
    settings: Simulation,
    radius_px: tuple[float, float],
    contrast: float,
    blur_px: tuple[float, float],
) -> Blob:
    """A blob anywhere in the image; most radii are near the middle of their range."""
    n_axes = len(settings.shape)
    radius = radius_px[0] + (radius_px[1] - radius_px[0]) * rng.beta(3, 3)
    return Blob(
        centre=rng.uniform(*_inside(settings)),
        radii=radius * np.exp(rng.normal(0, 0.12, n_axes)),
        rotation=np.linalg.qr(rng.normal(size=(n_axes, n_axes)))[0],
        contrast=float(contrast),
        blur_px=rng.uniform(*blur_px),
    )


def _inside(settings: Simulation) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest position of a centre, so far from the border that more than a sliver of the nucleus shows."""
    extent = (np.array(settings.shape) - 1) * settings.axis_scale
    margin = np.minimum(settings.radius_px[0] / 2, extent / 2)
    return margin, extent - margin


def _free_place(
    rng: np.random.Generator,
    settings: Simulation,
    blob: Blob,
    placed: Sequence[Blob],
    spot: np.ndarray,
    n_tries: int = 50,
) -> np.ndarray | None:
    """A centre where the blob hides no other one: anywhere, in the crowded spot, or touching a neighbour."""
    low, high = _inside(settings)
    touches, is_in_spot = rng.random() < settings.touching_fraction, rng.random() < settings.crowding
    centres = np.array([other.centre for other in placed]).reshape(len(placed), low.size)
    radii = np.array([other.radius for other in placed])
    for _ in range(n_tries):
        if touches and placed:
            neighbour, direction = rng.integers(len(placed)), rng.normal(size=low.size)
            reach = rng.uniform(0.9, 1.05) * (radii[neighbour] + blob.radius)
            centre = centres[neighbour] + reach * direction / np.linalg.norm(direction)
        elif is_in_spot:
            centre = rng.normal(spot, 0.15 * (high - low))
        else:
            centre = rng.uniform(low, high)
        apart = np.linalg.norm(centres - centre, axis=1) >= 0.85 * (radii + blob.radius)
        if apart.all() and np.all((low <= centre) & (centre <= high)):
            return centre
    return None  # the image is full


def stamp(blob: Blob, settings: Simulation, reach_px: float) -> tuple[tuple[slice, ...], np.ndarray, np.ndarray]:
    """Box of a blob, and the distance of each pixel to its boundary.

    Args:
        blob: The blob; it may be partly outside the image.
        settings: Gives the shape of the image and the spacing of its axes.
        reach_px: How far beyond the boundary to look.

    Returns:
        The box as slices into the image, offsets `(D, *box)` from the centre, and the distance `(*box)` to the
        boundary, negative inside; all in pixels of the finest axis.
    """
    scale = settings.axis_scale
    reach = blob.radii.max() + reach_px
    start = np.maximum(np.ceil((blob.centre - reach) / scale), 0).astype(int)
    stop = np.minimum(np.floor((blob.centre + reach) / scale) + 1, settings.shape).astype(int)
    stop = np.maximum(start, stop)
    column = (-1, *(1 for _ in scale))
    offsets = np.indices(stop - start) * scale.reshape(column) + (start * scale - blob.centre).reshape(column)
    along_radii = turn(blob.rotation / blob.radii[:, None], offsets)
    distance = (np.sqrt((along_radii**2).sum(axis=0)) - 1) * blob.radius
    return tuple(slice(a, b) for a, b in zip(start, stop, strict=True)), offsets, distance


def turn(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Matrix `(N, D)` times vectors `(D, *box)`; several times as fast as `np.tensordot` on small boxes."""
    return (matrix @ vectors.reshape(len(vectors), -1)).reshape(len(matrix), *vectors.shape[1:])

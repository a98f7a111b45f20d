"""Simulate raters with known habits: the mask that each would draw on a simulated scene.

    Scene, RaterHabit  ->  mask (*spatial) bool, or with `instances` or classes label image (*spatial) int32

Raters see contrast, not truth: they overlook dim nuclei, draw their own boundaries, merge neighbours and mistake debris
for nuclei. In a later session the habit is the same, but the random numbers differ.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit
from skimage.measure import label as label_values

from segassay.masks.objects import label_objects
from segassay.simulation.scene import RATER, REPEAT, Blob, Scene, random_blob, stamp, stream, turn
from segassay.simulation.settings import RaterHabit, Simulation

__all__ = ["annotate", "seen_probability"]

FAINT_CONTRAST = 1.0  # nuclei below are overlooked at a rater's full `miss_rate`, brighter ones in proportion less
SOFTNESS = 0.25  # of the brightness threshold, in contrast


def annotate(scene: Scene, settings: Simulation, index: int, *, session: int = 1) -> dict[str, np.ndarray]:
    """Simulate the masks of all raters in one session.

    Args:
        scene: The scene of case `index`.
        settings: The experiment and its raters.
        index: Number of the case.
        session: From 1; later ones have only the raters who annotated this case again.

    Returns:
        A boolean mask `(*spatial)` per rater, none for a rater who did not annotate the case in that session; with
        `settings.instances` an int32 label image, objects 1..n, with `settings.classes` one of the classes.
    """
    masks = {}
    for habit in settings.raters:
        # by name, so that adding a rater does not change the others
        name = zlib.crc32(habit.name.encode())
        rng = stream(settings, index, RATER, name)
        is_present = rng.random() >= habit.missing_cases
        if session > 1:
            rng = stream(settings, index, REPEAT, name, session)
            is_present &= rng.random() < habit.repeated_cases and session <= habit.n_sessions
        if is_present:
            masks[habit.name] = _rater_mask(rng, scene, settings, habit)
    return masks


def seen_probability(habit: RaterHabit, contrast: np.ndarray) -> np.ndarray:
    """Chance that a rater marks a nucleus.

    Args:
        habit: Habit of the rater.
        contrast: Contrast of each nucleus, any shape.

    Returns:
        Chances of the same shape, rising with contrast.

    Example:
        >>> seen_probability(RaterHabit("anna", brightness_threshold=2, miss_rate=0.5), np.array([2.0, 8.0])).round(3)
        array([0.375, 0.937])
    """
    overlooked = habit.miss_rate * np.minimum(1, FAINT_CONTRAST / np.maximum(contrast, 1e-9))
    return expit((contrast - habit.brightness_threshold) / SOFTNESS) * (1 - overlooked)


def _rater_mask(rng: np.random.Generator, scene: Scene, settings: Simulation, habit: RaterHabit) -> np.ndarray:
    """Draw all random numbers, needed or not, so that a changed habit uses the same ones."""
    contrast = np.array([blob.contrast for blob in scene.nuclei])
    pairs = _touching_pairs(scene.nuclei)
    u_seen, u_merged = rng.random(contrast.size), rng.random(len(pairs))
    wobbles = [_Wobble.random(rng, len(settings.shape)) for _ in scene.nuclei]

    seen = u_seen < seen_probability(habit, contrast)
    merged = pairs[(u_merged < habit.merge_rate) & seen[pairs].all(axis=1)]
    links = coo_array((np.ones(len(merged)), merged.T), shape=(contrast.size, contrast.size))
    drawing = connected_components(links, directed=False)[1] if contrast.size else np.zeros(0, dtype=int)

    outlines = [(scene.nuclei[i], wobbles[i], int(drawing[i])) for i in np.flatnonzero(seen)]
    for i, j in merged:
        outlines += [(blob, wobbles[i], int(drawing[i])) for blob in _bridges(scene.nuclei[i], scene.nuclei[j])]
    mistakes = _mistakes(rng, scene, settings, habit)
    outlines += [(blob, wobble, contrast.size + k) for k, (blob, wobble) in enumerate(mistakes)]
    if not settings.classes:
        return _paint(outlines, settings, habit)
    given = {contrast.size + k: 1 + int(rng.integers(len(settings.classes))) for k in range(len(mistakes))}
    for i in np.flatnonzero(seen):  # the first nucleus of a drawing says what it is called
        kind, other = scene.nuclei[i].kind, 1 + int(rng.integers(len(settings.classes) - 1))
        is_confused = rng.random() < habit.confusion
        given.setdefault(int(drawing[i]), other + (other >= kind) if is_confused else kind)
    return _paint(outlines, settings, habit, given)


@dataclass(frozen=True)
class _Wobble:
    """A smooth random function of the direction seen from a centre: larger or smaller, shifted, stretched."""

    constant: float
    shift: np.ndarray  # (D,)
    stretch: np.ndarray  # (D, D)

    @classmethod
    def random(cls, rng: np.random.Generator, n_axes: int) -> "_Wobble":
        """Draw a random wobble."""
        return cls(rng.normal(), rng.normal(size=n_axes), rng.normal(size=(n_axes, n_axes)))

    def at(self, offsets: np.ndarray) -> np.ndarray:
        """Values `(*box)` of mean 0 and variance 1 over draws, for offsets `(D, *box)`."""
        unit = offsets / np.maximum(np.sqrt((offsets**2).sum(axis=0)), 1e-9)
        terms = self.constant + turn(self.shift[None], unit)[0]
        return (terms + (unit * turn(self.stretch, unit)).sum(axis=0)) / np.sqrt(3)


def _touching_pairs(nuclei: Sequence[Blob], gap_px: float = 2.0) -> np.ndarray:
    """Index pairs `(P, 2)` of nuclei that touch or nearly so."""
    if len(nuclei) < 2:
        return np.zeros((0, 2), dtype=int)
    centres, radii = np.stack([blob.centre for blob in nuclei]), np.array([blob.radius for blob in nuclei])
    distance = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    return np.argwhere(np.triu(distance < radii[:, None] + radii[None] + gap_px, k=1))


def _bridges(one: Blob, other: Blob, n_steps: int = 4) -> Iterator[Blob]:
    """Blobs between two nuclei, which close the notches where one outline runs around both."""
    radii = 0.9 * np.minimum(one.radii.min(), other.radii.min()) * np.ones_like(one.radii)
    for t in np.arange(1, n_steps) / n_steps:
        yield replace(one, centre=(1 - t) * one.centre + t * other.centre, radii=radii)


def _mistakes(
    rng: np.random.Generator, scene: Scene, settings: Simulation, habit: RaterHabit
) -> list[tuple[Blob, _Wobble]]:
    """Marks that are not nuclei: on distractors as long as there are any, then on noise."""
    order, n_mistakes = rng.permutation(len(scene.distractors)), rng.poisson(habit.false_positives)
    blobs = [scene.distractors[i] for i in order[:n_mistakes]]
    blobs += [random_blob(rng, settings, settings.radius_px, 0, (1, 1)) for _ in range(n_mistakes - len(blobs))]
    smallest = 1.3 * settings.radius_px[0]  # specks are drawn as large as small nuclei
    return [(replace(b, radii=np.maximum(b.radii, smallest)), _Wobble.random(rng, b.radii.size)) for b in blobs]


def _paint(
    outlines: Sequence[tuple[Blob, _Wobble, int]],
    settings: Simulation,
    habit: RaterHabit,
    given: Mapping[int, int] | None = None,
) -> np.ndarray:
    """Mask of outlines, each with the number of its drawing; a gap keeps different drawings apart.

    With classes that are `given` to the drawings, each pixel of the mask has that of its drawing, int32.

    With instances there is no gap: where drawings overlap, a pixel belongs to the one in which it is deepest, and
    what is cut off from its drawing is an object of its own.
    """
    nearest, second = np.full(settings.shape, np.inf), np.full(settings.shape, np.inf)
    owner = np.full(settings.shape, -1)
    reach_px = max(habit.dilation_px, 0) + 4 * habit.jitter_px + 2
    for blob, wobble, drawing in outlines:
        box, offsets, distance = stamp(blob, settings, reach_px)
        distance = distance - habit.dilation_px - habit.jitter_px * wobble.at(offsets)
        closer, foreign = distance < nearest[box], owner[box] != drawing
        rival = np.where(closer, nearest[box], distance)
        second[box] = np.where(foreign, np.minimum(second[box], rival), second[box])
        owner[box][closer] = drawing
        nearest[box] = np.minimum(nearest[box], distance)
    if settings.instances:
        return label_objects(label_values(np.where(nearest < 0, owner + 1, 0), connectivity=owner.ndim))
    gap_px = 1.1 * np.linalg.norm(
        settings.axis_scale
    )  # more than the diagonal, otherwise full connectivity would join them
    mask = (nearest < 0) & (second > nearest + gap_px)
    if given is None:
        return mask
    kinds = np.zeros(max(given, default=-1) + 2, dtype=np.int32)  # the last is that of no drawing, -1
    kinds[list(given)] = list(given.values())
    return np.where(mask, kinds[owner], 0)

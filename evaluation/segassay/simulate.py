"""Simulated nuclei annotated by several raters: images whose truth is known.

    settings, case index  ->  image (*spatial) grey, truth (*spatial) labels, {rater: mask (*spatial) bool}

A case is a list of blobs (ellipses, ellipsoids), each drawn into its own box: into the image as light, into the truth
as a label, into a rater's mask as that rater would outline it. Raters see contrast, not truth: they overlook dim ones,
draw their own boundaries, merge neighbours and take debris for nuclei. `Simulation.shape` sets the number of axes.

Lengths are in pixels of the finest axis (`_px`), contrasts in standard deviations of the background's noise.
"""

import json
import shutil
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import yaml
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from segassay.errors import UsageError
from segassay.files import Picture, write_bytes, write_labels, write_mask

BACKGROUND, GAIN, READ_NOISE = 24.0, 4.0, 1.5  # grey values of 255, the gain per photon; chosen after real images
NOISE_SD = (GAIN * BACKGROUND + READ_NOISE**2) ** 0.5
FAINT_CONTRAST = 2.0  # nuclei below are overlooked at a rater's full `miss_rate`, brighter ones in proportion less
SOFTNESS = 0.4  # of the brightness threshold, in contrast
SCENE, NOISE, SUBJECT, RATER = 1, 2, 3, 4  # random streams of one case; 0 would equal the absence of a stream

_Range = tuple[float, float]


@dataclass(frozen=True)
class RaterHabit:
    """How one rater annotates.

    Attributes:
        name: Becomes the name of the rater's folder.
        brightness_threshold: Contrast at which every second nucleus is taken for one, in standard deviations of the
            background's noise.
        dilation_px: How far outlines lie outside the true boundary; negative is inside.
        miss_rate: Chance to overlook a nucleus of faint contrast that the threshold would let pass.
        merge_rate: Chance to draw two touching nuclei as one.
        false_positives: Expected number of marks per image that are no nucleus; on debris and out-of-focus light first.
        jitter_px: Standard deviation of the boundary around the rater's habitual one; smooth along the outline.
        missing_cases: Fraction of the cases that the rater never annotated.
    """

    name: str
    brightness_threshold: float = 1.5
    dilation_px: float = 0.0
    miss_rate: float = 0.1
    merge_rate: float = 0.1
    false_positives: float = 1.0
    jitter_px: float = 0.8
    missing_cases: float = 0.0


DEFAULT_RATERS = (
    RaterHabit("average"),
    RaterHabit("generous", brightness_threshold=0.9, dilation_px=1.2, merge_rate=0.3, false_positives=2.0),
    RaterHabit("strict", brightness_threshold=2.5, dilation_px=-0.8, merge_rate=0.0, false_positives=0.2),
)


@dataclass(frozen=True)
class Simulation:
    """Settings of a simulated experiment; together with `seed` they determine every byte.

    Case i belongs to group i modulo the number of groups, and within its group each subject has `images_per_subject`
    consecutive cases, so that a case does not depend on how many there are.

    Attributes:
        shape: Size of the images in pixels or voxels, array-axis order; two or three axes.
        n_cases: Number of images.
        images_per_subject: Images of one animal.
        groups: Name of each group to its factor on the expected number of bright nuclei; the first is the control.
        n_nuclei: Expected number of nuclei per image where that factor is 1.
        bright_fraction: Share of these that is bright; only bright nuclei react to the group.
        subject_sd: Standard deviation of the logarithm of a subject's own factor on bright nuclei.
        radius_px: Smallest and largest radius of a nucleus.
        touching_fraction: Share of nuclei placed against another one.
        bright_contrast: Median contrast of bright nuclei.
        dim_contrast: Median contrast of dim nuclei.
        n_out_of_focus: Expected number of blurred nuclei of other planes per image; no part of the truth.
        n_debris: Expected number of small bright specks per image; no part of the truth.
        spacing_um: Distance between pixels, one number or one per array axis.
        dtype: `uint8` or `uint16`, of the images.
        min_object_size: Smallest object that counts, in pixels or voxels, as `dataset.yaml` states it.
        raters: Habits of the raters.
        seed: The only source of randomness.

    Raises:
        UsageError: If a setting is impossible.
    """

    shape: tuple[int, ...] = (256, 256)
    n_cases: int = 12
    images_per_subject: int = 2
    groups: Mapping[str, float] = field(default_factory=lambda: {"control": 1.0, "treated": 1.6})
    n_nuclei: float = 24.0
    bright_fraction: float = 0.6
    subject_sd: float = 0.1
    radius_px: tuple[float, float] = (5.0, 10.0)
    touching_fraction: float = 0.25
    bright_contrast: float = 4.0
    dim_contrast: float = 1.5
    n_out_of_focus: float = 8.0
    n_debris: float = 6.0
    spacing_um: float | tuple[float, ...] = 0.62
    dtype: str = "uint8"
    min_object_size: int = 30
    raters: tuple[RaterHabit, ...] = DEFAULT_RATERS
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be simulated."""
        names, spacing = [rater.name for rater in self.raters], self.spacing_um
        for is_valid, expected, came in (
            (len(self.shape) in (2, 3) and min(self.shape) >= 1, "shape must be two or three sizes", self.shape),
            (self.n_cases >= 1, "n_cases must be at least 1", self.n_cases),
            (self.images_per_subject >= 1, "images_per_subject must be at least 1", self.images_per_subject),
            (len(self.groups) >= 1, "groups must name at least one group", self.groups),
            (all(f >= 0 for f in self.groups.values()), "groups must have factors of 0 or more", self.groups),
            (0 <= self.bright_fraction <= 1, "bright_fraction must be within 0 and 1", self.bright_fraction),
            (0 < self.radius_px[0] <= self.radius_px[1], "radius_px must be (smallest, largest)", self.radius_px),
            (np.size(spacing) in (1, len(self.shape)), "spacing_um needs one number, or one per axis", spacing),
            (np.min(spacing) > 0, "spacing_um must be positive", spacing),
            (self.dtype in ("uint8", "uint16"), "dtype must be uint8 or uint16", self.dtype),
            (len(names) == len(set(names)) and names, "raters must have names that differ", names),
            (all(Path(n).name == n != "" and n[0] != "." for n in names), "raters need names fit for folders", names),
            (self.seed >= 0, "seed must be 0 or more", self.seed),
        ):  # fmt: skip
            if not is_valid:
                raise UsageError(f"{expected}, got {came}")

    @cached_property
    def axis_spacing_um(self) -> tuple[float, ...]:
        """Distance between pixels along each array axis."""
        return tuple(np.broadcast_to(np.asarray(self.spacing_um, dtype=float), len(self.shape)).tolist())

    @cached_property
    def axis_scale(self) -> np.ndarray:
        """Pixels of the finest axis per step along each array axis, `(D,)`."""
        return np.array(self.axis_spacing_um) / min(self.axis_spacing_um)


def simulate_case(settings: Simulation, index: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """One image, its truth and what each rater drew.

    Args:
        settings: The experiment.
        index: Number of the case, from 0; it may lie beyond `settings.n_cases`.

    Returns:
        The image `(*spatial)` in `settings.dtype`; the truth `(*spatial)` int32 with labels 1…n; and a boolean mask
        `(*spatial)` per rater, none for a rater who never annotated this case.

    Example:
        >>> image, truth, masks = simulate_case(Simulation(shape=(64, 64), n_nuclei=4), index=0)
        >>> image.dtype, truth.shape, sorted(masks)
        (dtype('uint8'), (64, 64), ['average', 'generous', 'strict'])
    """
    scene = _scene(settings, index)
    return _render(scene, settings, index), _truth(scene.nuclei, settings), _annotate(scene, settings, index)


def simulate(out: Path, settings: Simulation, *, overwrite: bool = False) -> Path:
    """Write a simulated experiment as a dataset folder.

    Beside images, rater masks, `experiment.csv` and `dataset.yaml` it holds what is known: `truth/` (label images, no
    rater) and `simulation.json` (every setting; per case the counts, and the contrasts of label 1, 2, …).

    Args:
        out: Folder to make; written whole or not at all.
        settings: The experiment.
        overwrite: Replace a folder of that name with all that is in it.

    Returns:
        The folder.

    Raises:
        UsageError: If `out` exists and `overwrite` is False, or if it cannot be written.
    """
    out = Path(out).absolute()
    if out.exists() and not (overwrite and out.is_dir()):
        raise UsageError(f"{out} exists already; choose another name for the folder, or allow to overwrite it")
    draft, old = (out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.{kind}") for kind in ("tmp", "old"))
    try:
        draft.mkdir(parents=True)
        _write_dataset(draft, settings)
        if out.exists():
            out.rename(old)
        draft.rename(out)
    except OSError as error:
        if old.exists() and not out.exists():
            old.rename(out)
        raise UsageError(f"{out} cannot be written: {error.strerror}; check permissions and free space") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return out


def _write_dataset(folder: Path, settings: Simulation) -> None:
    cases: list[dict[str, Any]] = []
    for index in range(settings.n_cases):
        case, scene = f"case_{index:04d}", _scene(settings, index)
        image, truth = _render(scene, settings, index), _truth(scene.nuclei, settings)
        _write_case(folder, case, settings, image, truth, _annotate(scene, settings, index))
        group_index, subject_index = _group_and_subject(settings, index)
        group = list(settings.groups)[group_index]
        cases.append({"case": case, "group": group, "subject": f"{group}_{subject_index + 1:02d}"})
        cases[-1] |= {"n_objects": len(scene.nuclei), "n_bright": sum(blob.bright for blob in scene.nuclei)}
        cases[-1] |= {"contrasts": [round(blob.contrast, 3) for blob in scene.nuclei]}
    description: dict[str, Any] = {"name": f"simulation_{settings.seed}", "images": "images", "raters": "labels/*"}
    description |= {"control_group": next(iter(settings.groups)), "min_object_size": settings.min_object_size}
    description |= {"experiment": "experiment.csv", "spacing_um": list(settings.axis_spacing_um)}
    table = pd.DataFrame(cases, columns=["case", "group", "subject"]).to_csv(index=False, lineterminator="\n")
    known = json.dumps({"settings": asdict(settings), "cases": cases}, indent=1) + "\n"
    write_bytes(folder / "experiment.csv", table.encode())
    write_bytes(folder / "simulation.json", known.encode())
    write_bytes(folder / "dataset.yaml", yaml.safe_dump(description, sort_keys=False).encode())


def _write_case(
    folder: Path, case: str, settings: Simulation, image: np.ndarray, truth: np.ndarray, masks: dict[str, np.ndarray]
) -> None:
    for name in ("images", "truth", *(f"labels/{rater}" for rater in masks)):
        (folder / name).mkdir(parents=True, exist_ok=True)
    suffix = ".png" if image.ndim == 2 else ".nii.gz"
    like = Picture(image[np.newaxis], spacing_um=settings.axis_spacing_um)
    _write_image(folder / "images" / f"{case}{suffix}", like)
    write_labels(folder / "truth" / f"{case}{suffix}", truth, like)
    for rater, mask in masks.items():
        write_mask(folder / "labels" / rater / f"{case}{suffix}", mask, like)


def _write_image(path: Path, picture: Picture) -> None:
    image = picture.array[0]
    if image.ndim == 2:
        Image.fromarray(image).save(path)
        return
    file = nibabel.Nifti1Image(image, np.diag([*np.array(picture.spacing_um) / 1e3, 1]))
    file.header.set_xyzt_units("mm")
    nibabel.save(file, path)


@dataclass(frozen=True)
class _Blob:
    """An ellipsoid with a soft edge; positions and lengths in pixels of the finest axis."""

    centre: np.ndarray  # (D,)
    radii: np.ndarray  # (D,)
    rotation: np.ndarray  # (D, D) orthonormal
    contrast: float
    blur_px: float
    bright: bool = False

    @cached_property
    def radius(self) -> float:
        """Radius of the ball of the same volume."""
        return float(np.prod(self.radii) ** (1 / self.radii.size))


@dataclass(frozen=True)
class _Scene:
    nuclei: list[_Blob]
    distractors: list[_Blob]  # out-of-focus nuclei and debris: light, but no truth


def _scene(settings: Simulation, index: int) -> _Scene:
    rng = np.random.default_rng([settings.seed, index, SCENE])
    group_index, subject_index = _group_and_subject(settings, index)
    subject_rng = np.random.default_rng([settings.seed, subject_index * len(settings.groups) + group_index, SUBJECT])
    factor = list(settings.groups.values())[group_index]
    factor *= np.exp(subject_rng.normal(-(settings.subject_sd**2) / 2, settings.subject_sd))  # its mean is 1
    n_bright = rng.poisson(settings.n_nuclei * settings.bright_fraction * factor)
    n_dim = rng.poisson(settings.n_nuclei * (1 - settings.bright_fraction))
    bright = rng.permutation(np.arange(n_bright + n_dim) < n_bright)
    nuclei: list[_Blob] = []
    for is_bright in bright:
        median, spread = (settings.bright_contrast, 0.5) if is_bright else (settings.dim_contrast, 0.3)
        blob = _random_blob(rng, settings, settings.radius_px, median * np.exp(rng.normal(0, spread)), (0.5, 1.2))
        if (centre := _free_place(rng, settings, blob, nuclei)) is not None:  # a full image holds no more
            nuclei.append(replace(blob, centre=centre, bright=bool(is_bright)))
    distractors = [
        _random_blob(rng, settings, settings.radius_px, rng.uniform(0.4, 1.8), (2.5, 5.0))
        for _ in range(rng.poisson(settings.n_out_of_focus))
    ] + [
        _random_blob(rng, settings, (0.5, 1.3), rng.uniform(3, 12), (0.2, 0.4))
        for _ in range(rng.poisson(settings.n_debris))
    ]
    return _Scene(nuclei, distractors)


def _group_and_subject(settings: Simulation, index: int) -> tuple[int, int]:
    """Number of the group, and number of the subject within it."""
    within_group, group_index = divmod(index, len(settings.groups))
    return group_index, within_group // settings.images_per_subject


def _random_blob(
    rng: np.random.Generator, settings: Simulation, radius_px: _Range, contrast: float, blur_px: _Range
) -> _Blob:
    n_axes = len(settings.shape)
    return _Blob(
        centre=rng.uniform(*_inside(settings)),
        radii=rng.uniform(*radius_px) * np.exp(rng.normal(0, 0.12, n_axes)),
        rotation=np.linalg.qr(rng.normal(size=(n_axes, n_axes)))[0],
        contrast=float(contrast),
        blur_px=rng.uniform(*blur_px),
    )


def _inside(settings: Simulation) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest place of a centre: not so close to the border that a nucleus would show a mere sliver."""
    extent = (np.array(settings.shape) - 1) * settings.axis_scale
    margin = np.minimum(settings.radius_px[0] / 2, extent / 2)
    return margin, extent - margin


def _free_place(
    rng: np.random.Generator, settings: Simulation, blob: _Blob, placed: Sequence[_Blob], n_tries: int = 50
) -> np.ndarray | None:
    """A centre at which the blob hides no other one: anywhere, or against a neighbour; None if none was found."""
    if not placed:
        return blob.centre
    centres, radii = np.stack([other.centre for other in placed]), np.array([other.radius for other in placed])
    low, high = _inside(settings)
    touches = rng.random() < settings.touching_fraction
    for _ in range(n_tries):
        centre = rng.uniform(low, high)
        if touches:
            neighbour, direction = rng.integers(len(placed)), rng.normal(size=centre.size)
            reach = rng.uniform(0.9, 1.05) * (radii[neighbour] + blob.radius)
            centre = centres[neighbour] + reach * direction / np.linalg.norm(direction)
        apart = np.linalg.norm(centres - centre, axis=1) >= 0.85 * (radii + blob.radius)
        if apart.all() and np.all((low <= centre) & (centre <= high)):
            return centre
    return None


def _stamp(blob: _Blob, settings: Simulation, reach_px: float) -> tuple[tuple[slice, ...], np.ndarray, np.ndarray]:
    """Box around a blob, offsets `(D, *box)` from its centre, distance `(*box)` to its boundary (negative inside)."""
    scale = settings.axis_scale
    reach = blob.radii.max() + reach_px
    start = np.maximum(np.ceil((blob.centre - reach) / scale), 0).astype(int)
    stop = np.minimum(np.floor((blob.centre + reach) / scale) + 1, settings.shape).astype(int)
    axes = [np.arange(a, max(a, b)) * s - c for a, b, s, c in zip(start, stop, scale, blob.centre, strict=True)]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"))
    along_radii = _turn(blob.rotation / blob.radii[:, None], offsets)
    distance = (np.sqrt((along_radii**2).sum(axis=0)) - 1) * blob.radius
    return tuple(slice(a, max(a, b)) for a, b in zip(start, stop, strict=True)), offsets, distance


def _turn(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Matrix `(N, D)` times vectors `(D, *box)`; several times as fast as `np.tensordot` on small boxes."""
    return (matrix @ vectors.reshape(len(vectors), -1)).reshape(len(matrix), *vectors.shape[1:])


def _render(scene: _Scene, settings: Simulation, index: int) -> np.ndarray:
    """The image as a camera gives it: uneven background, soft nuclei, shot noise and read noise."""
    rng = np.random.default_rng([settings.seed, index, NOISE])
    light = _background(rng, settings)
    for blob in (*scene.nuclei, *scene.distractors):
        box, _, distance = _stamp(blob, settings, reach_px=6 * blob.blur_px)
        light[box] += blob.contrast * NOISE_SD * expit(-distance / blob.blur_px)
    grey = GAIN * rng.poisson(light / GAIN) + rng.normal(0, READ_NOISE, light.shape)
    full = np.iinfo(settings.dtype).max
    return np.clip(np.rint(grey * (full / 255)), 0, full).astype(settings.dtype)


def _background(rng: np.random.Generator, settings: Simulation, n_waves: int = 4) -> np.ndarray:
    """A few slow waves: a product of cosines is cheap to spread over any number of axes."""
    light = np.full(settings.shape, BACKGROUND)
    for _ in range(n_waves):
        wave = np.array(rng.normal(0, 0.06 * BACKGROUND))
        for n in settings.shape:
            cycles, phase = rng.uniform(0.2, 1.2), rng.uniform(0, 2 * np.pi)
            wave = wave[..., None] * np.cos(2 * np.pi * cycles * np.arange(n) / n + phase)
        light += wave
    return np.maximum(light, 0.2 * BACKGROUND)


def _truth(nuclei: Sequence[_Blob], settings: Simulation) -> np.ndarray:
    """Labels 1…n; a pixel of two nuclei belongs to the one in which it lies deeper."""
    labels, nearest = np.zeros(settings.shape, dtype=np.int32), np.zeros(settings.shape)
    for label, blob in enumerate(nuclei, start=1):
        box, _, distance = _stamp(blob, settings, reach_px=1.0)
        labels[box][distance < nearest[box]] = label
        nearest[box] = np.minimum(nearest[box], distance)
    return labels


def _annotate(scene: _Scene, settings: Simulation, index: int) -> dict[str, np.ndarray]:
    masks = {}
    for habit in settings.raters:
        # by name, so that another rater in the list changes nothing for this one
        rng = np.random.default_rng([settings.seed, index, RATER, zlib.crc32(habit.name.encode())])
        if rng.random() >= habit.missing_cases:
            masks[habit.name] = _rater_mask(rng, scene, settings, habit)
    return masks


def _rater_mask(rng: np.random.Generator, scene: _Scene, settings: Simulation, habit: RaterHabit) -> np.ndarray:
    """Every number is drawn whether it is needed or not: a changed habit meets the same luck."""
    contrast = np.array([blob.contrast for blob in scene.nuclei])
    pairs = _touching_pairs(scene.nuclei)
    u_seen, u_found, u_merged = rng.random(contrast.size), rng.random(contrast.size), rng.random(len(pairs))
    wobbles = [_Wobble.random(rng, len(settings.shape)) for _ in scene.nuclei]

    seen = u_seen < expit((contrast - habit.brightness_threshold) / SOFTNESS)
    seen &= u_found >= habit.miss_rate * np.minimum(1, FAINT_CONTRAST / np.maximum(contrast, 1e-9))
    merged = pairs[(u_merged < habit.merge_rate) & seen[pairs].all(axis=1)]
    links = coo_array((np.ones(len(merged)), merged.T), shape=(contrast.size, contrast.size))
    drawing = connected_components(links, directed=False)[1] if contrast.size else np.zeros(0, dtype=int)

    outlines = [(scene.nuclei[i], wobbles[i], int(drawing[i])) for i in np.flatnonzero(seen)]
    for i, j in merged:
        outlines += [(blob, wobbles[i], int(drawing[i])) for blob in _bridges(scene.nuclei[i], scene.nuclei[j])]
    mistakes = _mistakes(rng, scene, settings, habit)
    outlines += [(blob, wobble, contrast.size + k) for k, (blob, wobble) in enumerate(mistakes)]
    return _paint(outlines, settings, habit)


@dataclass(frozen=True)
class _Wobble:
    """A smooth random function of the direction seen from a centre: larger or smaller, shifted, stretched."""

    constant: float
    shift: np.ndarray  # (D,)
    stretch: np.ndarray  # (D, D)

    @classmethod
    def random(cls, rng: np.random.Generator, n_axes: int) -> "_Wobble":
        """Draw one."""
        return cls(rng.normal(), rng.normal(size=n_axes), rng.normal(size=(n_axes, n_axes)))

    def at(self, offsets: np.ndarray) -> np.ndarray:
        """Values `(*box)` of mean 0 and variance 1 over draws, for offsets `(D, *box)`."""
        unit = offsets / np.maximum(np.sqrt((offsets**2).sum(axis=0)), 1e-9)
        terms = self.constant + _turn(self.shift[None], unit)[0]
        return (terms + (unit * _turn(self.stretch, unit)).sum(axis=0)) / np.sqrt(3)


def _touching_pairs(nuclei: Sequence[_Blob], gap_px: float = 2.0) -> np.ndarray:
    """Index pairs `(P, 2)` of nuclei that touch or nearly so."""
    if len(nuclei) < 2:
        return np.zeros((0, 2), dtype=int)
    centres, radii = np.stack([blob.centre for blob in nuclei]), np.array([blob.radius for blob in nuclei])
    distance = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    return np.argwhere(np.triu(distance < radii[:, None] + radii[None] + gap_px, k=1))


def _bridges(one: _Blob, other: _Blob, n_steps: int = 4) -> Iterator[_Blob]:
    """Blobs between two nuclei, which close the notches where one outline runs around both."""
    radii = 0.9 * np.minimum(one.radii.min(), other.radii.min()) * np.ones_like(one.radii)
    for t in np.arange(1, n_steps) / n_steps:
        yield replace(one, centre=(1 - t) * one.centre + t * other.centre, radii=radii)


def _mistakes(
    rng: np.random.Generator, scene: _Scene, settings: Simulation, habit: RaterHabit
) -> list[tuple[_Blob, _Wobble]]:
    """What the rater takes for nuclei: distractors as far as there are any, then noise."""
    order, n_mistakes = rng.permutation(len(scene.distractors)), rng.poisson(habit.false_positives)
    blobs = [scene.distractors[i] for i in order[:n_mistakes]]
    blobs += [_random_blob(rng, settings, settings.radius_px, 0, (1, 1)) for _ in range(n_mistakes - len(blobs))]
    smallest = 0.8 * settings.radius_px[0]  # a speck is drawn as large as a small nucleus
    return [(replace(b, radii=np.maximum(b.radii, smallest)), _Wobble.random(rng, b.radii.size)) for b in blobs]


def _paint(outlines: Sequence[tuple[_Blob, _Wobble, int]], settings: Simulation, habit: RaterHabit) -> np.ndarray:
    """Mask of outlines, each with the number of its drawing; a gap keeps different drawings apart."""
    nearest, second = np.full(settings.shape, np.inf), np.full(settings.shape, np.inf)
    owner = np.full(settings.shape, -1)
    reach_px = max(habit.dilation_px, 0) + 4 * habit.jitter_px + 2
    for blob, wobble, drawing in outlines:
        box, offsets, distance = _stamp(blob, settings, reach_px)
        distance = distance - habit.dilation_px - habit.jitter_px * wobble.at(offsets)
        closer, foreign = distance < nearest[box], owner[box] != drawing
        rival = np.where(closer, nearest[box], distance)
        second[box] = np.where(foreign, np.minimum(second[box], rival), second[box])
        owner[box][closer] = drawing
        nearest[box] = np.minimum(nearest[box], distance)
    gap_px = 1.1 * np.linalg.norm(settings.axis_scale)  # more than the diagonal, else full connectivity would join them
    return (nearest < 0) & (second > nearest + gap_px)

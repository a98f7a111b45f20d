"""Settings of a simulation: images, raters with known habits, an experiment with known effects.

    settings.yaml or Simulation(...)  ->  Simulation; with `seed` it determines every byte

Lengths are in pixels of the finest axis (`_px`), contrasts in standard deviations of the noise at the usual background.
Numbers of objects are expected numbers per image of any size.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import ConfigDict

from segassay.data.class_rules import broken_class_names
from segassay.data.harmless import why_harmful
from segassay.data.named_channels import broken_channel_names
from segassay.errors import UsageError

__all__ = [
    "DEFAULT_RATERS",
    "EFFECTS",
    "Effect",
    "NucleusClass",
    "RaterHabit",
    "Region",
    "Simulation",
    "keep_effect",
]

EFFECTS = ("both", "count", "intensity", "size", "marker", "none")
"""Choices of the group effects that a simulation keeps; `both` are all of them."""

_EXACT = ConfigDict(extra="forbid", allow_inf_nan=False)  # for files: a mistyped name is an error, not ignored


def _require(*rules: tuple[str, bool | np.bool_, object]) -> None:
    for expected, holds, came in rules:
        if not holds:
            raise UsageError(f"{expected}, got {came}")


def _fits_folder(name: str) -> bool:
    fits = Path(name).name == name != "" and name[0] not in ".-" and not set(name) & set('\\:*?"<>|\0\n')
    return fits and why_harmful(name) is None


def _is_range(limits: tuple[float, float]) -> bool:
    return 0 < limits[0] <= limits[1] < math.inf


@dataclass(frozen=True)
class RaterHabit:
    """How one rater annotates.

    Attributes:
        name: Name of the rater and of the rater's folder.
        brightness_threshold: Contrast at which every second nucleus is marked.
        dilation_px: How far outlines lie outside the true boundary; negative is inside.
        miss_rate: Chance to overlook a nucleus of faint contrast (up to 1) that is above the threshold; it falls
            in proportion for brighter ones, to half at a contrast of 2.
        merge_rate: Chance to draw two touching nuclei as one.
        false_positives: Expected number of marks per image that are no nucleus; on debris and out-of-focus light first.
        jitter_px: Standard deviation of the outline around the rater's usual one; smooth along the outline.
        missing_cases: Chance that the rater never annotated a case.
        repeated_cases: Chance that the rater annotated a case, not missing, again in each later session.
        n_sessions: Sessions of the rater, including the first; the habit stays, the random numbers differ.
        confusion: Chance to give a nucleus that is marked one of the other classes, if there are any.
    """

    name: str
    brightness_threshold: float = 0.9
    dilation_px: float = 0.0
    miss_rate: float = 0.1
    merge_rate: float = 0.1
    false_positives: float = 1.0
    jitter_px: float = 0.8
    missing_cases: float = 0.0
    repeated_cases: float = 0.0
    n_sessions: int = 2
    confusion: float = 0.0

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    def __post_init__(self) -> None:
        """Refuse habits that cannot be simulated."""
        rates = ("miss_rate", "merge_rate", "missing_cases", "repeated_cases", "confusion")
        _require(
            ("raters need names that are valid folder names", _fits_folder(self.name), self.name),
            *((f"{rate} must be within 0 and 1", 0 <= getattr(self, rate) <= 1, getattr(self, rate)) for rate in rates),
            ("false_positives must be 0 or more", self.false_positives >= 0, self.false_positives),
            ("jitter_px must be 0 or more", self.jitter_px >= 0, self.jitter_px),
            ("n_sessions must be at least 1", self.n_sessions >= 1, self.n_sessions),
        )


@dataclass(frozen=True)
class Effect:
    """Effect of a group on the nuclei.

    Attributes:
        count: Factor on their expected number.
        intensity: Factor on the contrast of each.
        size: Factor on the area of each, in three axes on its volume.
        marker: Factor on the contrast of each in the channel of the marker, if there is one.
    """

    count: float = 1.0
    intensity: float = 1.0
    size: float = 1.0
    marker: float = 1.0

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    def __post_init__(self) -> None:
        """Refuse negative factors."""
        _require(
            ("count must be a factor of 0 or more", self.count >= 0, self.count),
            ("intensity must be a factor above 0", self.intensity > 0, self.intensity),
            ("size must be a factor above 0", self.size > 0, self.size),
            ("marker must be a factor above 0", self.marker > 0, self.marker),
        )


@dataclass(frozen=True)
class Region:
    """Properties of one region of the tissue.

    Attributes:
        density: Factor on the expected number of nuclei, in every group.
        background: Factor on the background.
        groups: Effects of groups that differ in this region from `Simulation.groups`.
    """

    density: float = 1.0
    background: float = 1.0
    groups: Mapping[str, Effect] = field(default_factory=dict)

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    def __post_init__(self) -> None:
        """Refuse negative factors."""
        _require(
            ("density must be a factor of 0 or more", self.density >= 0, self.density),
            ("background must be a factor above 0", self.background > 0, self.background),
        )


@dataclass(frozen=True)
class NucleusClass:
    """One of several classes of nuclei.

    Attributes:
        share: Of all nuclei, in proportion to those of the other classes.
        intensity: Factor on the contrast of each.
        size: Factor on the area of each, in three axes on its volume.
    """

    share: float = 1.0
    intensity: float = 1.0
    size: float = 1.0

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    def __post_init__(self) -> None:
        """Refuse shares and factors that are not above 0."""
        _require(
            *(
                (f"{name} must be above 0", 0 < getattr(self, name) < math.inf, getattr(self, name))
                for name in ("share", "intensity", "size")
            )
        )


DEFAULT_RATERS = (
    RaterHabit("average", miss_rate=0.3, jitter_px=0.5, repeated_cases=0.5),
    RaterHabit("generous", 0.5, dilation_px=0.4, miss_rate=0.2, merge_rate=0.3, false_positives=2.0, jitter_px=0.5),
    RaterHabit("strict", 1.4, dilation_px=-0.2, miss_rate=0.2, merge_rate=0.0, false_positives=0.2, jitter_px=0.5),
)
"""Three raters who disagree as raters do on real images."""


@dataclass(frozen=True)
class Simulation:
    """Settings of a simulated experiment; together with `seed` they determine every byte.

    Case i belongs to group i modulo the number of groups. Within its group each subject has `images_per_subject`
    consecutive cases, and consecutive cases alternate between the regions, so that a case does not depend on the
    number of cases.

    Attributes:
        shape: Size of the images in pixels or voxels, array-axis order; two or three axes.
        n_cases: Number of images.
        images_per_subject: Images of one animal.
        groups: Effect of belonging to each group; the first is the control.
        regions: Properties of each region; if empty, the experiment has no regions.
        subject_sd: Standard deviation of the logarithm of a subject's own factor on the number of nuclei.
        n_nuclei: Expected number of nuclei per image of the control, before the region's density.
        radius_px: Smallest and largest radius of a nucleus.
        bright_fraction: Share of the nuclei that are bright.
        bright_contrast: Median contrast of bright nuclei.
        dim_contrast: Median contrast of dim nuclei.
        touching_fraction: Share of nuclei placed against another one.
        crowding: Share of the other nuclei in the one crowded spot of the image.
        n_out_of_focus: Expected number of blurred nuclei of other planes per image; not part of the truth.
        n_debris: Expected number of small bright specks per image; not part of the truth.
        blur_px: Smallest and largest blur of a nucleus in focus.
        background: Usual background, in grey values of 255.
        background_sd: Standard deviation of the logarithm of an image's own background.
        unevenness: Standard deviation of slow changes of the light within an image, as a share of it.
        texture: Standard deviation of the fine texture of tissue, as a share of the background; that of nuclei is three
            times as strong.
        gain: Grey values of 255 per photon; sets the shot noise.
        read_noise: Standard deviation of the camera's noise, in grey values of 255.
        spacing_um: Distance between pixels, one number or one per array axis.
        dtype: `uint8` or `uint16`, of the images.
        min_object_size: Smallest object that counts, in pixels or voxels, as `dataset.yaml` states it.
        instances: Whether raters draw label images, in which nuclei touch; else masks, with a gap between nuclei that
            were drawn apart.
        raters: Habits of the raters.
        channels: Names of two channels: that of the nuclei, which raters see, and that of a marker in them; by default
            there is one channel, without a name.
        marker_contrast: Median contrast of nuclei in the channel of the marker.
        classes: Name -> properties of each class of nuclei, two or more; masks and truth then hold the classes,
            numbered from 1 in this order. By default there are none.
        seed: The only source of randomness.

    Raises:
        UsageError: If a setting is impossible.
    """

    shape: tuple[int, ...] = (256, 256)
    n_cases: int = 16
    images_per_subject: int = 2
    groups: Mapping[str, Effect] = field(default_factory=lambda: {"control": Effect(), "treated": Effect(1.6, 1.2)})
    regions: Mapping[str, Region] = field(
        default_factory=lambda: {"region_1": Region(), "region_2": Region(density=1.3, background=0.8)}
    )
    subject_sd: float = 0.1
    n_nuclei: float = 20.0
    radius_px: tuple[float, float] = (4.0, 11.0)
    bright_fraction: float = 0.35
    bright_contrast: float = 2.8
    dim_contrast: float = 0.85
    touching_fraction: float = 0.25
    crowding: float = 0.3
    n_out_of_focus: float = 8.0
    n_debris: float = 6.0
    blur_px: tuple[float, float] = (0.5, 1.2)
    background: float = 24.0
    background_sd: float = 0.25
    unevenness: float = 0.12
    texture: float = 0.08
    gain: float = 3.0
    read_noise: float = 1.5
    spacing_um: float | tuple[float, ...] = 0.62
    dtype: str = "uint8"
    min_object_size: int = 30
    instances: bool = False
    raters: tuple[RaterHabit, ...] = DEFAULT_RATERS
    channels: tuple[str, ...] = ()
    marker_contrast: float = 2.0
    classes: Mapping[str, NucleusClass] = field(default_factory=dict)
    seed: int = 0

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    def __post_init__(self) -> None:
        """Refuse settings that cannot be simulated."""
        names, spacing = [rater.name for rater in self.raters], self.spacing_um
        harmful = [name for name in (*self.groups, *self.regions) if why_harmful(name)]
        unknown = [group for region in self.regions.values() for group in region.groups if group not in self.groups]
        shares = ("bright_fraction", "touching_fraction", "crowding")
        positive = ("bright_contrast", "dim_contrast", "marker_contrast", "background", "gain")
        strange = [problem.what for problem in broken_channel_names("", self.channels)]
        odd = [problem.what for problem in broken_class_names("", list(self.classes))]
        amounts = (
            *("subject_sd", "n_nuclei", "n_out_of_focus", "n_debris", "background_sd", "unevenness", "texture"),
            *("read_noise", "min_object_size", "seed"),
        )
        _require(
            (
                "shape must be two or three sizes of 1 or more",
                len(self.shape) in (2, 3) and min(self.shape) >= 1,
                self.shape,
            ),
            ("n_cases must be at least 1", self.n_cases >= 1, self.n_cases),
            ("images_per_subject must be at least 1", self.images_per_subject >= 1, self.images_per_subject),
            ("groups must name at least one group", len(self.groups) >= 1, dict(self.groups)),
            ("regions may only name groups of the experiment", not unknown, unknown),
            ("groups and regions must have names", all((*self.groups, *self.regions)), [*self.groups, *self.regions]),
            ("groups and regions need names that are no formulas", not harmful, harmful),
            *((f"{x} must be within 0 and 1", 0 <= getattr(self, x) <= 1, getattr(self, x)) for x in shares),
            *((f"{x} must be above 0", 0 < getattr(self, x) < math.inf, getattr(self, x)) for x in positive),
            *((f"{x} must be 0 or more", 0 <= getattr(self, x) < math.inf, getattr(self, x)) for x in amounts),
            ("radius_px must be (smallest, largest)", _is_range(self.radius_px), self.radius_px),
            ("blur_px must be (smallest, largest)", _is_range(self.blur_px), self.blur_px),
            ("spacing_um needs one number, or one per axis", np.size(spacing) in (1, len(self.shape)), spacing),
            ("spacing_um must be positive", np.min(spacing) > 0, spacing),
            ("dtype must be uint8 or uint16", self.dtype in ("uint8", "uint16"), self.dtype),
            ("channels must be two names, or none", len(self.channels) in (0, 2), self.channels),
            ("channels must have names that columns can have", not strange, strange),
            ("classes must be two or more, or none", len(self.classes) != 1, list(self.classes)),
            ("classes must have names that folders and columns can have", not odd, odd),
            ("instances do not go with classes", not (self.instances and self.classes), self.instances),
            ("raters must name at least one rater", len(names) >= 1, names),
            ("raters must have names that differ", len(names) == len({*names}), names),
            ("raters must not be called truth", "truth" not in names, names),
        )

    @cached_property
    def axis_spacing_um(self) -> tuple[float, ...]:
        """Distance between pixels along each array axis."""
        return tuple(np.broadcast_to(np.asarray(self.spacing_um, dtype=float), len(self.shape)).tolist())

    @cached_property
    def axis_scale(self) -> np.ndarray:
        """Pixels of the finest axis per step along each array axis, `(D,)`."""
        return np.array(self.axis_spacing_um) / min(self.axis_spacing_um)

    @cached_property
    def noise_sd(self) -> float:
        """Standard deviation of the noise at the usual background, in grey values of 255: the unit of contrast."""
        return math.sqrt(self.gain * self.background + self.read_noise**2)

    def effect(self, group: str, region: str = "") -> Effect:
        """Effect of a group, in a region if it has one of its own there."""
        own = self.regions[region].groups if region else {}
        return own.get(group, self.groups[group])


def keep_effect(settings: Simulation, which: str) -> Simulation:
    """The same experiment with only some of its effects; `none` makes all groups equal.

    Args:
        settings: The experiment; its regions may still differ in density, which is not an effect of a group.
        which: One of `EFFECTS`.

    Raises:
        UsageError: If `which` is none of them.

    Example:
        >>> keep_effect(Simulation(), "none").groups["treated"]
        Effect(count=1.0, intensity=1.0, size=1.0, marker=1.0)
    """
    if which not in EFFECTS:
        raise UsageError(f"effect {which!r}: expected one of {', '.join(EFFECTS)}")

    def kept(groups: Mapping[str, Effect]) -> dict[str, Effect]:
        return {
            group: Effect(
                count=effect.count if which in ("both", "count") else 1.0,
                intensity=effect.intensity if which in ("both", "intensity") else 1.0,
                size=effect.size if which in ("both", "size") else 1.0,
                marker=effect.marker if which in ("both", "marker") else 1.0,
            )
            for group, effect in groups.items()
        }

    regions = {name: replace(region, groups=kept(region.groups)) for name, region in settings.regions.items()}
    return replace(settings, groups=kept(settings.groups), regions=regions)

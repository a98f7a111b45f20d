"""Facts that a check keeps of each case: numbers and text only, so that 10,000 cases need little memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segassay.io.spacing import OF_SCANNERS_UM, UM_PER_UNIT
from segassay.masks.numbers import Numbers

__all__ = ["CaseFacts", "ImageFacts", "MaskFacts", "spacing_range", "spacing_text"]


@dataclass(frozen=True)
class ImageFacts:
    """Facts of an image; `spacing_um` and its `unit` are those of the file, `digest` is equal for equal pixels."""

    path: Path
    shape: tuple[int, ...]
    n_channels: int
    dtype: str
    spacing_um: tuple[float, ...] | None
    unit: str | None
    digest: str


@dataclass(frozen=True)
class MaskFacts:
    """Facts of a mask.

    Attributes:
        path: Its file.
        numbers: Those of a label image, in which every object has its own number; None for a binary mask.
        n_objects: Objects that count: inside the region, not ignored, not too small.
        n_drawn: All objects, those that do not count too.
        n_pixels: Pixels of the whole image.
        foreground_px: Foreground of the whole image.
        counted_px: Foreground inside the region and not ignored.
        ignored_px: Foreground that is ignored.
        class_px: Pixels of each class that count, in the order of the dataset; empty if masks have only one class.
        centre: Of one object that counts, from 0 to 1 along each axis; empty if there are several, or none.
    """

    path: Path
    numbers: Numbers | None
    n_objects: int
    n_drawn: int
    n_pixels: int
    foreground_px: int
    counted_px: int
    ignored_px: int
    class_px: tuple[int, ...] = ()
    centre: tuple[float, ...] = ()

    @property
    def is_label_image(self) -> bool:
        """Whether every object has its own number."""
        return self.numbers is not None


@dataclass(frozen=True)
class CaseFacts:
    """Facts of a case.

    Attributes:
        case: Its name.
        image: None if it cannot be read.
        masks: Readable masks by rater or reference.
        area_px: Pixels that count: inside the region and not ignored; None if the image cannot be read.
        ignored_share: Share of the image that is ignored; None without an ignored area.
        region_share: Share of the image inside the region; None without a region mask.
    """

    case: str
    image: ImageFacts | None
    masks: dict[str, MaskFacts]
    area_px: int | None
    ignored_share: float | None
    region_share: float | None


def spacing_text(spacing_um: Sequence[float], digits: int, unit: str | None = None) -> str:
    """A spacing as people read it.

    Args:
        spacing_um: Micrometres along each axis.
        digits: Significant digits.
        unit: That of the file; by default millimetres if the spacing is that of a scanner, else micrometres.

    Example:
        >>> spacing_text([0.62, 0.62], 4), spacing_text([2000, 500, 500], 4), spacing_text([50, 8, 8], 4, "mm")
        ('0.62 × 0.62 µm', '2 × 0.5 × 0.5 mm', '0.05 × 0.008 × 0.008 mm')
    """
    if unit is None:
        unit = "mm" if min(spacing_um) >= OF_SCANNERS_UM else "µm"
    return " × ".join(f"{value / UM_PER_UNIT[unit]:.{digits}g}" for value in spacing_um) + f" {unit}"


def spacing_range(spacings_um: Sequence[Sequence[float]], digits: int, unit: str | None = None) -> str:
    """Several spacings as people read them: the smallest and the largest of each axis.

    Args:
        spacings_um: Micrometres along each axis; at least one, all of one number of axes.
        digits: Significant digits.
        unit: As for `spacing_text`.

    Example:
        >>> spacing_range([[700, 700, 500], [900, 900, 3000], [800, 800, 3000]], 4)
        '0.7 to 0.9 × 0.7 to 0.9 × 0.5 to 3 mm'
    """
    axes = list(zip(*spacings_um, strict=True))
    if unit is None:
        unit = "mm" if min(map(min, axes)) >= OF_SCANNERS_UM else "µm"
    ends = ([f"{end / UM_PER_UNIT[unit]:.{digits}g}" for end in (min(axis), max(axis))] for axis in axes)
    return " × ".join(low if low == high else f"{low} to {high}" for low, high in ends) + f" {unit}"

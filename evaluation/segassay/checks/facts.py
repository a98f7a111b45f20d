"""What a check keeps of a case: numbers and text alone, so that those of 10,000 cases need little memory."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CaseFacts", "ImageFacts", "MaskFacts"]


@dataclass(frozen=True)
class ImageFacts:
    """What is kept of an image; `spacing_um` is the file's own, `digest` tells equal pixels."""

    path: Path
    shape: tuple[int, ...]
    n_channels: int
    dtype: str
    spacing_um: tuple[float, ...] | None
    digest: str


@dataclass(frozen=True)
class MaskFacts:
    """What is kept of a mask.

    Attributes:
        path: Its file.
        is_label_image: Every object has its own number.
        n_objects: Objects that count: inside the region, not ignored, not too small.
        n_pixels: Of the whole image.
        foreground_px: Foreground of the whole image.
        counted_px: Foreground inside the region and not ignored.
        ignored_px: Foreground that is ignored.
    """

    path: Path
    is_label_image: bool
    n_objects: int
    n_pixels: int
    foreground_px: int
    counted_px: int
    ignored_px: int


@dataclass(frozen=True)
class CaseFacts:
    """What is kept of a case.

    Attributes:
        case: Its name.
        image: None if it cannot be read.
        masks: By rater or reference; those that can be read.
        area_px: Pixels that count: inside the region and not ignored; None if the image cannot be read.
        ignored_share: Of the image; None without ignored area.
        region_share: Of the image; None without region mask.
    """

    case: str
    image: ImageFacts | None
    masks: dict[str, MaskFacts]
    area_px: int | None
    ignored_share: float | None
    region_share: float | None

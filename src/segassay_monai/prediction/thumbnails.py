"""Small pictures for the review: the whole image, and beside it the place where the model is least sure.

image, labels, uncertainty of a case  ->  thumbnail  ->  JPEG of about 20 kB
"""

from __future__ import annotations

import imagecodecs
import numpy as np
from scipy.ndimage import maximum_filter, uniform_filter

from segassay.figures.overlays import most_marked_plane

__all__ = ["thumbnail"]

_SIDE = 240  # pixels of each half, at most along the longer side
_OUTLINE, _FRAME = (0, 229, 255), (255, 159, 28)
_QUALITY = 65
_GAP = 6


def thumbnail(image: np.ndarray, labels: np.ndarray, uncertainty: np.ndarray) -> bytes:
    """Draw outlines of objects on a small picture of an image, next to an enlarged part of it.

    Args:
        image: Raw values `(C, *spatial)`; brightness runs from the 1st to the 99.8th percentile of each channel. Of a
            volume the plane with most objects is shown, of many channels the first three.
        labels: Objects, integers `(*spatial)`.
        uncertainty: `(*spatial)`; the enlarged part is where its mean is highest.

    Returns:
        A JPEG: left the whole image with a frame, right the part in the frame.

    Example:
        >>> labels = np.zeros((90, 60), dtype=int)
        >>> labels[10:20, 10:20] = 1
        >>> thumbnail(labels[None] * 9.0, labels, labels / 2)[:3]
        b'\\xff\\xd8\\xff'
    """
    plane = most_marked_plane(labels > 0)
    flat, shown, unsure = image[(slice(None), *plane)], labels[plane], uncertainty[plane]
    colours = _colours(flat)
    side = int(np.clip(max(shown.shape) // 4, 64, _SIDE))
    corner = _least_sure(unsure, side)
    part = tuple(slice(start, start + side) for start in corner)
    factor = -(-max(shown.shape) // _SIDE)
    times = max(_SIDE // max(shown.shape), 1)
    small = _enlarged(_shrunk(colours, factor), times)
    height, width = small.shape[:2]
    whole = _outlined(small, _resized(shown, height, width))
    _frame(whole, [start * times // factor for start in corner], max(side * times // factor, 2))
    width = max(height * colours[part].shape[1] // len(colours[part]), 1)
    near = _outlined(_resized(colours[part], height, width), _resized(shown[part], height, width))
    gap = np.full((height, _GAP, 3), 128, dtype=np.uint8)
    return bytes(imagecodecs.jpeg8_encode(np.concatenate([whole, gap, near], axis=1), level=_QUALITY))


def _colours(flat: np.ndarray) -> np.ndarray:
    """uint8 `(height, width, 3)` of channels `(C, height, width)`: grey for one, blank blue for two."""
    step = max(int(np.sqrt(flat[0].size / 2**20)), 1)
    channels = []
    for channel in flat[:3]:
        low, high = np.percentile(channel[::step, ::step], [1, 99.8])
        bright = np.clip((channel.astype(np.float32) - low) / max(high - low, 1e-9), 0, 1)
        channels.append((255 * bright).astype(np.uint8))
    if len(channels) == 1:
        channels *= 3
    if len(channels) == 2:
        channels.append(np.zeros_like(channels[0]))
    return np.stack(channels, axis=-1)


def _least_sure(unsure: np.ndarray, side: int) -> list[int]:
    """Corner of the window with the highest mean uncertainty, inside the image where it is large enough."""
    step = max(side // 32, 1)
    coarse = uniform_filter(
        _shrunk(unsure[..., None], step)[..., 0].astype(float), max(side // step, 1), mode="constant"
    )
    centre = np.unravel_index(int(np.argmax(coarse)), coarse.shape)
    corner = [int(place) * step + step // 2 - side // 2 for place in centre]
    return [int(np.clip(start, 0, max(length - side, 0))) for start, length in zip(corner, unsure.shape, strict=True)]


def _shrunk(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks `(height, width, C)`; the rest at the end is left out."""
    if factor == 1 or min(pixels.shape[:2]) < factor:
        return pixels[::factor, ::factor].copy()
    height, width = (length // factor for length in pixels.shape[:2])
    blocks = pixels[: height * factor, : width * factor].reshape(height, factor, width, factor, -1)
    return np.asarray(blocks.mean(axis=(1, 3)).astype(pixels.dtype))


def _enlarged(pixels: np.ndarray, times: int) -> np.ndarray:
    return np.asarray(pixels.repeat(times, axis=0).repeat(times, axis=1))


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The nearest pixel at each place."""
    rows, columns = (np.arange(n) * length // n for n, length in zip((height, width), pixels.shape, strict=False))
    return np.asarray(pixels[rows[:, None], columns])


def _outlined(colours: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The picture with a line one pixel wide around each object, and between two that touch."""
    grown = maximum_filter(labels, size=3)
    drawn = colours.copy()
    drawn[grown != labels] = _OUTLINE
    return drawn


def _frame(picture: np.ndarray, corner: list[int], side: int) -> None:
    top, left = corner
    bottom, right = min(top + side, len(picture)) - 1, min(left + side, picture.shape[1]) - 1
    picture[[top, bottom], left : right + 1] = _FRAME
    picture[top : bottom + 1, [left, right]] = _FRAME

"""Changes of masks, of which the cheats are made: one array of all images in, another one out.

masks (N, H, W)  ->  masks (N, H, W)
"""

from collections.abc import Callable

import numpy as np
from cheat_studies import each_object, jittered
from scipy import ndimage

Rng = np.random.Generator
Change = Callable[[np.ndarray], np.ndarray]
EIGHT = np.ones((3, 3), dtype=bool)


def every_second(mask: np.ndarray) -> np.ndarray:
    """Drop every second object."""
    return each_object(mask, lambda one, number: one & (number % 2 == 1))


def left_objects(mask: np.ndarray) -> np.ndarray:
    """Drop the objects in the right half of the image: always the same ones."""
    half = mask.shape[2] / 2
    return each_object(mask, lambda one, _: one & (np.nonzero(one)[1].mean() < half))


def largest(mask: np.ndarray, n: int) -> np.ndarray:
    """Keep the `n` largest objects of every image."""
    out = np.zeros_like(mask)
    for labels, result in zip(map(numbered, mask), out, strict=True):
        sizes = np.bincount(labels.ravel())
        result[:] = np.isin(labels, 1 + np.argsort(sizes[1:], kind="stable")[::-1][:n])
    return out


def numbered(image: np.ndarray) -> np.ndarray:
    """Objects of an image, numbered."""
    labels: np.ndarray = ndimage.label(image, EIGHT)[0]
    return labels


def halved(mask: np.ndarray) -> np.ndarray:
    """Cut every object in two."""

    def cut(one: np.ndarray, _: int) -> np.ndarray:
        middle = int(np.nonzero(one)[1].mean())
        kept = one.copy()
        kept[:, middle : middle + 2] = False
        return kept

    return each_object(mask, cut)


def in_space(change: Change) -> Change:
    """Apply a change of an image to every image."""
    return lambda mask: np.stack([change(image) for image in mask])


def dilated(mask: np.ndarray, px: int = 2) -> np.ndarray:
    """Dilate twice."""
    return in_space(
        lambda image: ndimage.binary_dilation(ndimage.binary_dilation(image, iterations=px), iterations=px)
    )(mask)


def closed(mask: np.ndarray) -> np.ndarray:
    """Merge neighbours."""
    return in_space(lambda image: np.pad(ndimage.binary_closing(np.pad(image, 8), EIGHT, 8), 0)[8:-8, 8:-8])(mask)


def shifted(mask: np.ndarray, px: int = 9) -> np.ndarray:
    """Move every mask."""
    return np.roll(mask, (px, px), axis=(1, 2))


def scattered(mask: np.ndarray, rng: Rng) -> np.ndarray:
    """Move every object to a random place."""
    return each_object(mask, lambda one, _: np.roll(one, tuple(rng.integers(0, one.shape)), axis=(0, 1)))


def salted(mask: np.ndarray, rng: Rng, share: float = 0.01) -> np.ndarray:
    """Turn single pixels over."""
    return mask ^ (rng.random(mask.shape) < share)


def discs(mask: np.ndarray) -> np.ndarray:
    """The same four discs on every image."""
    y, x = np.indices(mask.shape[1:])
    period = mask.shape[1] / 2
    one = np.hypot(y % period - period / 2, x % period - period / 2) < 8
    return np.broadcast_to(one, mask.shape).copy()


def grown_by(px: int) -> Change:
    """Dilate by so many pixels."""
    return in_space(lambda image: ndimage.binary_dilation(image, EIGHT, px))


def lopsided(mask: np.ndarray) -> np.ndarray:
    """Every object goes 3 pixels too far on one side."""
    return mask | np.roll(mask, 3, axis=2)


def rounded(mask: np.ndarray) -> np.ndarray:
    """A disc of the same area in the same place instead of the largest object of each image."""
    out, axes = np.zeros_like(mask), np.indices(mask.shape[1:])
    for image, result in zip(largest(mask, 1), out, strict=True):
        if image.any():
            centre = [axis[image].mean() for axis in axes]
            result[:] = np.hypot(axes[0] - centre[0], axes[1] - centre[1]) < np.sqrt(image.sum() / np.pi)
    return out


def grown(mask: np.ndarray, rng: Rng) -> np.ndarray:
    """Dilate by one pixel, and move the outlines by a fifth of one."""
    return jittered(in_space(lambda image: ndimage.binary_dilation(image, EIGHT))(mask), rng, 0.2)


def with_speck(masks: np.ndarray) -> np.ndarray:
    """The same, and a false object in a corner of every image."""
    marked = masks.copy()
    marked[:, 2:5, 2:6] = True
    return marked

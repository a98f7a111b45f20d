"""Masks whose outlines are difficult, for the tests of outlines, ROIs and GeoJSON."""

import numpy as np
from scipy import ndimage

from drawing import draw
from segassay.masks.objects import label_objects

DRAWN = {
    "one pixel": draw("#"),
    "one pixel inside": draw("... .#. ..."),
    "line": draw("##### ....."),
    "ring": draw("##### #...# #.#.# #...# #####"),
    "island in a ring": draw("####### #.....# #.###.# #.#.#.# #.###.# #.....# #######"),
    "corner touch": draw("##.. ##.. ..## ..##"),
    "corner touches of single pixels": draw("#.#. .#.# #.#. .#.#"),
    "ring that bites its tail": draw("##. #.# ###"),
    "hole of two pixels at a corner": draw("##### #.### ##.## #####"),
    "hole that touches the outside at a corner": draw(".#### ##.## #####"),
    "two holes at a corner of the outline": draw("###. #.## ##.# ####"),
    "everything": np.ones((4, 6), dtype=bool),
    "nothing": np.zeros((4, 6), dtype=bool),
}


def noise(seed: int) -> np.ndarray:
    """A random mask: white noise, or blobs, of random size and density."""
    rng = np.random.default_rng(seed)
    values = ndimage.gaussian_filter(rng.normal(size=rng.integers(3, 60, 2)), rng.choice([0, 0.7, 2]))
    return np.asarray(values > np.quantile(values, rng.uniform(0.2, 0.8)))


def noisy_labels(seed: int) -> np.ndarray:
    """Objects of a random mask, connected at corners too; every other one without its middle rows."""
    labels = label_objects(noise(seed))
    return np.where((labels % 3 == 0) & (np.arange(len(labels))[:, None] % 5 == 2), 0, labels)

"""Images with objects that are found by chance, for the coverage of intervals that rest on single objects.

rng, number of images  ->  counts of objects per image and class
"""

import numpy as np
from scipy import special

from segassay.qualities.objectivity.contrast import half_of_counts
from segassay.statistics.intervals import Interval

__all__ = ["CONTRAST", "by_contrast", "by_score", "half_interval", "half_weighted"]

CONTRAST = np.arange(0.125, 8, 0.25)
N_BINS = 20


def by_contrast(spread: float, rng: np.random.Generator, n: int) -> np.ndarray:
    """Objects by their contrast, and those that a rater marks, `(n, 2, K)`.

    Args:
        spread: Standard deviation over images of the logarithm of the contrast at which half are marked.
        rng: Random numbers.
        n: Images.
    """
    share = np.exp(-(np.log(CONTRAST) ** 2) / 2) / CONTRAST
    objects = rng.poisson(30 * share / share.sum() * rng.gamma(3, 1 / 3, (n, 1)))
    chance = 0.97 * special.expit(3 * (np.log(CONTRAST) - np.log(1.1) - rng.normal(0, spread, (n, 1))))
    return np.stack([objects, rng.binomial(objects, chance)], axis=1).astype(float)


def half_interval(counts: np.ndarray) -> Interval:
    """The package's interval of the contrast at which half are marked."""
    return half_of_counts(CONTRAST, counts[:, 0], counts[:, 1], np.arange(len(counts)))[0]


def half_weighted(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The contrast itself, of all images together."""
    n, n_found = (weights @ counts[:, place] for place in (0, 1))
    return np.array([half_of_counts(CONTRAST, n, n_found, np.zeros(1))[0].value])


def by_score(clumped: bool, rng: np.random.Generator, n: int) -> np.ndarray:
    """Matched objects and others by score, and objects of the reference in each bin, `(n, 3, 20)`.

    Args:
        clumped: Whether half of the images are without objects.
        rng: Random numbers.
        n: Images.
    """
    objects = rng.poisson(6 * rng.gamma(2, 0.5, n)) * (rng.random(n) > 0.5 * clumped)
    matched = rng.binomial(objects, rng.beta(8, 2, n))
    scores = [(2.5, 1.5, matched), (1.5, 3, rng.poisson(1.5 * rng.gamma(1, 1, n)))]
    counts = np.zeros((n, 3, N_BINS))
    for place, (a, b, number) in enumerate(scores):
        image = np.repeat(np.arange(n), number)
        bins = np.minimum((rng.beta(a, b, len(image)) * N_BINS).astype(int), N_BINS - 1)
        np.add.at(counts, (image, place, bins), 1)
    counts[:, 2] = objects[:, None]
    return counts

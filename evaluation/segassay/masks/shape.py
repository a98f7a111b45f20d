"""Shape of the objects of one mask, each as a number without unit, for two and three axes.

labels (*spatial)  ->  axis_ratios, solidities (n,)
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from segassay.masks.hull import line_ends, pixel_corners

__all__ = ["axis_ratios", "solidities"]


def axis_ratios(labels: np.ndarray, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Minor axis of each object divided by its major axis: 1 is round, 0 is a line of single pixels.

    The axes are those of the ellipse, or ellipsoid, with the object's second moments: the square roots of the two
    largest eigenvalues of the covariance of its pixel centres.

    Args:
        labels: Objects 1..n of shape `(*spatial)`, 0 = background, as `label_objects` gives them.
        spacing: Distance between pixels along each axis; by default 1.

    Returns:
        float64 `(n,)`, in [0, 1]; NaN for an object of one pixel. Without objects an empty array.

    Example:
        >>> axis_ratios(np.array([[1, 1, 1, 0, 2], [1, 1, 1, 0, 2], [1, 1, 1, 0, 2]]))
        array([1., 0.])

    References:
        IBSI, Zwanenburg et al. (2020), Radiology 295(2):328-338, doi:10.1148/radiol.2020191145: elongation.
    """
    places = np.argwhere(labels) * np.asarray(spacing if spacing is not None else (1.0,) * labels.ndim)
    of_object = labels[labels > 0] - 1
    n = np.bincount(of_object)
    means = np.stack([np.bincount(of_object, axis) / n for axis in places.T], axis=1)
    apart = places - means[of_object]
    covariance = np.empty((len(n), labels.ndim, labels.ndim))
    for i, j in product(range(labels.ndim), repeat=2):
        covariance[:, i, j] = np.bincount(of_object, apart[:, i] * apart[:, j]) / n
    smaller, largest = np.linalg.eigvalsh(covariance)[:, -2:].clip(0).T
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(smaller / largest))


def solidities(labels: np.ndarray) -> np.ndarray:
    """Pixels of each object divided by the area, or volume, of its convex hull: 1 is convex, less is lobed or ragged.

    The hull is that of the pixels' corners, as in ImageJ, so that a pixel has the area 1.

    Args:
        labels: Objects 1..n of shape `(*spatial)`, 0 = background, as `label_objects` gives them.

    Returns:
        float64 `(n,)`, in (0, 1]. Without objects an empty array.

    Example:
        >>> solidities(np.array([[1, 0, 2, 2], [1, 1, 2, 2]])).round(3)
        array([0.857, 1.   ])

    References:
        Ferreira & Rasband (2012), ImageJ User Guide, Analyze › Set Measurements: shape descriptors.
    """
    found = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        pixels = np.argwhere(labels[box] == number)
        found.append(len(pixels) / ConvexHull(pixel_corners(line_ends(pixels))).volume)
    return np.array(found, dtype=float)

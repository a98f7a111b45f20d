"""FROC: how many objects are found, and how many false positives that costs, as the score that is asked for falls.

scores, matched of all predicted objects, number of true objects and of images  ->  froc  ->  mean_sensitivity
"""

import numpy as np

__all__ = ["FALSE_POSITIVES_PER_IMAGE", "froc", "mean_sensitivity"]

FALSE_POSITIVES_PER_IMAGE = (0.125, 0.25, 0.5, 1, 2, 4, 8)


def froc(scores: np.ndarray, matched: np.ndarray, *, n_objects: int, n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Free-response curve of all images together.

    Args:
        scores: `(n,)`, of each predicted object, such as the mean probability of its pixels.
        matched: Boolean `(n,)`, whether it matches an object of the reference; each of these matches at most one.
        n_objects: Objects of the reference.
        n_images: Images, those without any object too.

    Returns:
        False positives per image and sensitivity, `(k,)` each, one point per distinct score, from the highest on.
        Without predictions no point; without objects the sensitivity is NaN.

    Raises:
        ValueError: If shapes differ, a score is NaN, there is no image, or more objects are matched than there are.

    Example:
        >>> per_image, sensitivity = froc([0.9, 0.8, 0.8], [True, False, True], n_objects=4, n_images=2)
        >>> per_image.tolist(), sensitivity.tolist()
        ([0.0, 0.5], [0.25, 0.5])

    References:
        Bunch et al. (1978), J. Appl. Photogr. Eng. 4(4):166-171, doi:10.1117/12.956999.
    """
    scores, matched = np.asarray(scores, dtype=float), np.asarray(matched, dtype=bool)
    if scores.ndim != 1 or scores.shape != matched.shape or np.isnan(scores).any():
        raise ValueError(f"expected a number and a match per object, got shapes {scores.shape} and {matched.shape}")
    if n_images < 1 or int(matched.sum()) > n_objects:
        raise ValueError(f"{matched.sum()} objects are matched of {n_objects}, in {n_images} images")
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)  # equal scores are one point
    hits = np.cumsum(matched[order])[last]
    with np.errstate(invalid="ignore"):
        return (last + 1 - hits) / n_images, np.divide(hits, n_objects or np.nan)


def mean_sensitivity(
    per_image: np.ndarray, sensitivity: np.ndarray, at: tuple[float, ...] = FALSE_POSITIVES_PER_IMAGE
) -> float:
    """Mean sensitivity at numbers of false positives per image: one number for a FROC curve.

    Args:
        per_image: From `froc`.
        sensitivity: From `froc`.
        at: Numbers of false positives per image that are tolerated.

    Returns:
        In [0, 1]: at each number that of the last point with no more false positives, 0 if there is none. NaN without
        objects.

    Example:
        >>> mean_sensitivity(np.array([0.0, 0.5]), np.array([0.25, 0.5]), at=(0.25, 1.0))
        0.375

    References:
        Setio et al. (2017), Med. Image Anal. 42:1-13, doi:10.1016/j.media.2017.06.015.
    """
    reached = np.concatenate([[0.0], sensitivity])
    return float(reached[np.searchsorted(per_image, at, side="right")].mean())

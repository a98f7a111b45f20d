"""Objects that only one rater drew.

labels of raters (R, *spatial)  ->  objects that share at most half of the smaller one with any object of another rater
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from segassay.masks.joint import joint_overlaps

__all__ = ["Single", "single_objects"]


@dataclass(frozen=True)
class Single:
    """An object that only one rater drew.

    Attributes:
        rater: Its rater.
        size: Pixels (voxels).
        box: First and last index along each axis.
    """

    rater: str
    size: int
    box: tuple[tuple[int, int], ...]


def single_objects(labels: Mapping[str, np.ndarray], persons: Sequence[str]) -> list[Single]:
    """Objects of one rater that no other rater drew.

    Another rater drew the object too if one of that rater's objects shares more than half of the smaller of the two
    with it. So an object that another rater outlined more tightly, or cut in two, is no object of one rater.

    Args:
        labels: Rater -> label image `(*spatial)`, numbered from 1 without gaps.
        persons: Person of each rater, in the same order: two raters of one person are not two raters.

    Returns:
        The largest first; none with the objects of fewer than two persons.

    Example:
        >>> anna, ben = np.array([[1, 1, 0, 2], [1, 1, 1, 0]])
        >>> single_objects({"anna": anna, "ben": ben}, ["anna", "ben"])[0]
        Single(rater='anna', size=1, box=((3, 3),))
    """
    if len(set(persons)) < 2:
        return []
    raters = list(labels)
    joint = joint_overlaps(list(labels.values()))
    found = []
    for own, rater in enumerate(raters):
        alone = np.ones(len(joint.sizes[own]), dtype=bool)
        for other, person in enumerate(persons):
            if person != persons[own]:
                pair = joint.pair(own, other)
                smaller = np.minimum(pair.size_a[pair.a], pair.size_b[pair.b])
                alone[pair.a[2 * pair.intersection > smaller]] = False
        boxes = ndimage.find_objects(labels[rater]) if alone.any() else []
        for index in np.flatnonzero(alone).tolist():
            box = tuple((side.start, side.stop - 1) for side in boxes[index])
            found.append(Single(rater, int(joint.sizes[own][index]), box))
    return sorted(found, key=lambda one: (-one.size, raters.index(one.rater), one.box))

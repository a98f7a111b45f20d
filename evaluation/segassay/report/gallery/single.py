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
    first = np.cumsum([0, *(len(sizes) for sizes in joint.sizes)])
    sizes = np.concatenate(joint.sizes)
    pair = np.repeat(np.arange(len(raters) ** 2), np.diff(joint.starts))
    of_a, of_b = np.divmod(pair, len(raters))
    a, b = first[of_a] + joint.a, first[of_b] + joint.b
    person = np.unique(list(persons), return_inverse=True)[1]
    same = (person[of_a] != person[of_b]) & (2 * joint.intersection > np.minimum(sizes[a], sizes[b]))
    alone = np.ones(len(sizes), dtype=bool)
    alone[a[same]] = alone[b[same]] = False
    found = []
    for place, rater in enumerate(raters):
        own = np.flatnonzero(alone[first[place] : first[place + 1]])
        boxes = ndimage.find_objects(labels[rater]) if len(own) else []
        for index in own.tolist():
            box = tuple((side.start, side.stop - 1) for side in boxes[index])
            found.append((-int(joint.sizes[place][index]), place, box))
    return [Single(raters[place], -size, box) for size, place, box in sorted(found)]

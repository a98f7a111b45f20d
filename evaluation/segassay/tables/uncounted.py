"""How much of what raters marked does not count: ignored areas, what lies outside the regions, and small objects.

ComparedCase  ->  pixels and objects of each rater, all and those that count
"""

from collections.abc import Iterator

import numpy as np

from segassay.masks.objects import number_of_objects
from segassay.tables.compared import ComparedCase

__all__ = ["uncounted"]


def uncounted(case: ComparedCase) -> Iterator[tuple[str, int, int, int, int]]:
    """Rater, pixels that it marked, those of objects that count, objects that it drew, and those that count.

    Without rows if everything counts: if the case has no ignored area, no region, and no smallest size of objects.
    """
    job = case.job
    if job.ignore is None and job.region is None and job.min_size <= 1:
        return
    for rater in case.raters:
        place = case.position(rater)
        if place is not None:
            mask, sizes = case.masks[rater], case.joint.sizes[place]
            yield rater, int(np.count_nonzero(mask)), int(sizes.sum()), number_of_objects(mask), len(sizes)

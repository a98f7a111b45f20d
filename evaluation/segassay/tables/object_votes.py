"""Which raters marked an object, and how often an annotator marks it too.

ComparedCase  ->  annotator, the raters who marked an object, and how many of these the annotator marks

As in `single_votes`, for whole objects: an annotator marks an object if half of the smaller one of two is shared, so
that outlines can be moved, shrunk or grown without changing what is found.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from segassay.tables.compared import ComparedCase
from segassay.tables.single_votes import MAX_RATERS

__all__ = ["object_votes", "voters_as_text", "voters_in"]

_BETWEEN = " | "


def voters_as_text(names: Iterable[str]) -> str:
    """Names of raters as the column `voters` holds them; a bar in a name is doubled.

    Example:
        >>> voters_as_text(["anna", "ben | cleo"])
        'anna | ben || cleo'
    """
    return _BETWEEN.join(name.replace("|", "||") for name in names)


def voters_in(text: str) -> set[str]:
    """The names in a cell of the column `voters`.

    Example:
        >>> sorted(voters_in("anna | ben || cleo"))
        ['anna', 'ben | cleo']
    """
    return {name.replace("||", "|") for name in text.split(_BETWEEN)}


def object_votes(case: ComparedCase) -> Iterator[tuple[str, str, int, int]]:
    """Rows of an annotator who is no rater, by the raters who marked an object.

    Returns:
        annotator, names of the raters, objects that just these marked, and those of them that the annotator marks. An
        object is counted as often as it has raters, once as drawn by each. Without rows where there are fewer than 3
        raters, or several masks of one person.
    """
    raters, places = case.raters, [case.position(rater) for rater in case.raters]
    persons = [annotator.person or annotator.name for annotator in case.job.annotators if annotator.name in raters]
    if case.shape is None or not 3 <= len(raters) <= MAX_RATERS or len(set(persons)) < len(raters):
        return
    known = [place for place in places if place is not None]
    votes = [np.stack([case.joint.shares_half(own, place) for place in known]) for own in known]
    codes = np.concatenate([np.left_shift(1, np.arange(len(known))) @ of_rater for of_rater in votes])
    patterns, which = np.unique(codes, return_inverse=True)
    n_objects = np.bincount(which, minlength=len(patterns)).tolist()
    voters = [voters_as_text(r for place, r in enumerate(raters) if code >> place & 1) for code in patterns]
    for name in case.names:
        place = case.position(name)
        if place is not None and name not in raters:
            marked = np.concatenate([case.joint.shares_half(own, place) for own in known])
            n_marked = np.bincount(which[marked], minlength=len(patterns)).tolist()
            yield from ((name, *row) for row in zip(voters, n_objects, n_marked, strict=True))

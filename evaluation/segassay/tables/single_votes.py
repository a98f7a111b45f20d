"""What a single rater's vote changes: how often an annotator marks pixels that the rater marks, or does not.

ComparedCase  ->  annotator, rater, number of other raters that mark a pixel, and how many pixels the annotator marks

Who has not seen the raters' masks cannot know how one of them voted where the others are split. Only pixels count
around which no rater's mask changes, since outlines can be moved a little without changing what is found.
"""

from collections.abc import Iterator

import numpy as np

from segassay.consensus.patterns import tally
from segassay.masks.neighbours import alike_around
from segassay.tables.compared import RATERS_PER_CODE, ComparedCase

__all__ = ["MAX_RATERS", "single_votes"]

MAX_RATERS = 62
"""Raters whose votes on a pixel fit into one whole number."""

_FEW_RATERS = 16  # whose patterns of votes are all counted


def single_votes(case: ComparedCase) -> Iterator[tuple[str, str, int, int, int, int, int]]:
    """Rows of an annotator and another rater r, by the number of further raters that mark a pixel.

    Returns:
        annotator, r, number of further raters that mark a pixel, pixels that r marks too, pixels that r does not mark,
        and those of both that the annotator marks. Further raters are neither r nor the annotator. Without rows where
        there are fewer than 3 raters, or several masks of one person, who has no single vote on a pixel.
    """
    raters = case.raters
    persons = [annotator.person or annotator.name for annotator in case.job.annotators if annotator.name in raters]
    if case.shape is None or not 3 <= len(raters) <= MAX_RATERS or len(set(persons)) < len(raters):
        return
    patterns, n_pixels, n_marked = _patterns(case)
    n_votes = patterns.sum(axis=1)
    for name, marked in n_marked.items():
        own = patterns[:, raters.index(name)] if name in raters else np.zeros(len(patterns), dtype=np.int64)
        for place, rater in enumerate(raters):
            if rater != name:
                votes = patterns[:, place] > 0
                others = n_votes - own - patterns[:, place]
                most = len(raters) - 1 - (name in raters)
                counts = [
                    np.bincount(others[chosen], of[chosen], most + 1).astype(int).tolist()
                    for of in (n_pixels, marked)
                    for chosen in (votes, ~votes)
                ]
                yield from ((name, rater, n_others, *row) for n_others, row in enumerate(zip(*counts, strict=True)))


def _patterns(case: ComparedCase) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Patterns of votes `(P, R)`, pixels of each `(P,)`, and those that each annotator marks."""
    code = case.codes[0]
    if len(case.codes) > 1:
        code = np.zeros(code.shape, dtype=np.min_scalar_type(2 ** len(case.raters)))
        for place, part in enumerate(case.codes):
            code |= part.astype(code.dtype) << code.dtype.type(place * RATERS_PER_CODE)
    still = alike_around(code) & case.region
    codes = code[still]
    if len(case.raters) <= _FEW_RATERS:  # as `unique`, without sorting a million pixels
        counts = tally(codes, 2 ** len(case.raters))
        found = np.flatnonzero(counts)
        n_pixels = counts[found]
    else:
        found, n_pixels = np.unique(codes, return_counts=True)
    code_of, still_of = (part.reshape(-1)[case.marked] for part in (code, still))
    which = np.searchsorted(found, code_of[still_of])
    n_marked = {
        name: np.bincount(which[case.of_marked[name][still_of]], minlength=len(found))
        for name in case.names
        if name in case.labels
    }
    patterns = (found.astype(np.int64)[:, None] >> np.arange(len(case.raters))) & 1
    return patterns, n_pixels, n_marked

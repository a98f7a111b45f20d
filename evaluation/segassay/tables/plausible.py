"""What a mask that is no evidence looks like: no better than its mirror image, or the same as another mask.

ComparedCase  ->  agreement of mirrored masks with the raters; masks that are pixel for pixel the same
"""

from collections.abc import Iterator
from hashlib import blake2b
from itertools import combinations

import numpy as np

from segassay.tables.compared import ComparedCase

__all__ = ["CONSENSUSES", "identical_masks", "mirrored_agreement"]

CONSENSUSES = ("=staple", "=majority", "=union", "=intersection")
"""Names of the raters' own consensuses in the table of identical masks; `=` starts no annotator's name."""


def mirrored_agreement(case: ComparedCase) -> Iterator[tuple[str, str, float]]:
    """Annotator, (other) rater, and Dice of the annotator's mirrored mask with the rater's mask.

    The mask is mirrored along each axis and along all of them; the Dice is the mean over these. A mask that finds what
    is there agrees better than its mirror images; one that marks nothing, everything, or the same place in every image
    does not.
    """
    if case.shape is None or not case.raters:
        return
    foreground = {name: case.labels[name] > 0 for name in case.names if name in case.labels}
    raters = [rater for rater in case.raters if rater in foreground]
    stack = np.stack([foreground[rater].reshape(-1) for rater in raters], axis=1)
    n_rater = stack.sum(axis=0)
    for name, mask in foreground.items():
        places = np.nonzero(mask)
        shared, n_own = zip(*(_shared(places, axes, stack, case) for axes in _mirrors(len(case.shape))), strict=True)
        total = np.array(n_own)[:, None] + n_rater
        with np.errstate(invalid="ignore"):
            dice = np.where(total > 0, 2 * np.array(shared) / total, 1.0).mean(axis=0)
        yield from ((name, rater, float(value)) for rater, value in zip(raters, dice, strict=True) if rater != name)


def _mirrors(n_axes: int) -> list[tuple[int, ...]]:
    """Each axis, and all of them."""
    return [*((axis,) for axis in range(n_axes)), tuple(range(n_axes))]


def _shared(
    places: tuple[np.ndarray, ...], axes: tuple[int, ...], stack: np.ndarray, case: ComparedCase
) -> tuple[np.ndarray, int]:
    """Pixels that a mirrored mask shares with each column of `stack`, and its own that count."""
    shape = case.region.shape
    turned = [shape[axis] - 1 - at if axis in axes else at for axis, at in enumerate(places)]
    flat = np.ravel_multi_index(tuple(turned), shape)
    flat = flat[case.region.reshape(-1)[flat]]
    return stack[flat].sum(axis=0), len(flat)


def identical_masks(case: ComparedCase) -> Iterator[tuple[str, str]]:
    """Pairs of annotators whose masks mark the same pixels, and annotators whose mask is a consensus of the raters.

    Masks that mark nothing are left out. Of the consensuses (`CONSENSUSES`) only annotators other than raters are said
    to be the same, since a rater who marks most may well be the union of all.
    """
    digests = {name: _digest(case.labels[name] > 0) for name in case.names if name in case.labels}
    drawn = {name: digest for name, digest in digests.items() if digest}
    yield from ((a, b) for a, b in combinations(drawn, 2) if drawn[a] == drawn[b])
    if len(case.raters) < 2:
        return
    for other, digest in _of_consensuses(case).items():
        yield from ((name, other) for name in drawn if name not in case.raters and digest and drawn[name] == digest)


def _of_consensuses(case: ComparedCase) -> dict[str, bytes]:
    votes, n = case.votes, len(case.raters)
    assert case.consensus is not None
    masks = (case.consensus & case.region, 2 * votes > n, votes > 0, votes == n)
    return {name: _digest(mask) for name, mask in zip(CONSENSUSES, masks, strict=True)}


def _digest(mask: np.ndarray) -> bytes:
    """Fingerprint of the marked pixels; empty if there are none."""
    return blake2b(np.packbits(mask).tobytes(), digest_size=16).digest() if mask.any() else b""

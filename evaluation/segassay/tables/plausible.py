"""What a mask that is no evidence looks like: no better than its mirror image, or the same as another mask.

ComparedCase  ->  agreement of mirrored masks with the raters; masks that are pixel for pixel the same
"""

from collections.abc import Iterator
from hashlib import blake2b
from itertools import combinations

import numpy as np

from segassay.tables.compared import RATERS_PER_CODE, ComparedCase

__all__ = ["CONSENSUSES", "identical_masks", "mirrored_agreement"]

CONSENSUSES = ("=staple", "=majority", "=union", "=intersection")
"""Names of the raters' own consensuses in the table of identical masks; `=` starts no annotator's name."""


_BITS = np.unpackbits(np.arange(2**RATERS_PER_CODE, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(int)
"""Of each code its bits."""


def mirrored_agreement(case: ComparedCase) -> Iterator[tuple[str, str, float]]:
    """Annotator, (other) rater, and Dice of the annotator's mirrored mask with the rater's mask.

    The mask is mirrored along each axis and along all of them; the Dice is the mean over these. A mask that finds what
    is there agrees better than its mirror images; one that marks nothing, everything, or the same place in every image
    does not.
    """
    if case.shape is None or not case.raters:
        return
    named = [name for name in case.names if name in case.labels]
    n_rater = np.array([np.count_nonzero(case.of_marked[rater]) for rater in case.raters])
    region = None if case.region.all() else case.region.reshape(-1)
    codes = [code.reshape(-1) for code in case.codes]
    for name in named:
        places = np.unravel_index(case.marked[case.of_marked[name]], case.region.shape)
        mirrored = _mirrored(places, case.region.shape)
        counted = [flat if region is None else flat[region[flat]] for flat in mirrored]
        shared = [_n_of_each(codes, flat)[: len(n_rater)] for flat in counted]
        total = np.array([len(flat) for flat in counted])[:, None] + n_rater
        with np.errstate(invalid="ignore"):
            dice = np.where(total > 0, 2 * np.array(shared) / total, 1.0).mean(axis=0)
        yield from (
            (name, rater, float(value)) for rater, value in zip(case.raters, dice, strict=True) if rater != name
        )


def _n_of_each(codes: list[np.ndarray], places: np.ndarray) -> np.ndarray:
    """How many of the places each rater marks, from `ComparedCase.codes`; numbers behind the last rater are 0."""
    counts = [np.bincount(code[places], minlength=len(_BITS)) for code in codes]
    return np.concatenate([n @ _BITS for n in counts])


def _mirrored(places: tuple[np.ndarray, ...], shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Where pixels come to lie if the image is mirrored along each axis, and along all of them."""
    turned = [length - 1 - at for length, at in zip(shape, places, strict=True)]
    for axis in range(len(shape)):
        yield np.ravel_multi_index((*places[:axis], turned[axis], *places[axis + 1 :]), shape)
    yield np.ravel_multi_index(tuple(turned), shape)


def identical_masks(case: ComparedCase) -> Iterator[tuple[str, str]]:
    """Pairs of annotators whose masks mark the same pixels, and annotators whose mask is a consensus of the raters.

    Masks that mark nothing are left out. Of the consensuses (`CONSENSUSES`) only annotators other than raters are said
    to be the same, since a rater who marks most may well be the union of all.
    """
    digests = {name: _digest(case.of_marked[name]) for name in case.names if name in case.labels}
    drawn = {name: digest for name, digest in digests.items() if digest}
    yield from ((a, b) for a, b in combinations(drawn, 2) if drawn[a] == drawn[b])
    if len(case.raters) < 2:
        return
    for other, digest in _of_consensuses(case).items():
        yield from ((name, other) for name in drawn if name not in case.raters and digest and drawn[name] == digest)


def _of_consensuses(case: ComparedCase) -> dict[str, bytes]:
    votes, region, n = *(part.reshape(-1)[case.marked] for part in (case.votes, case.region)), len(case.raters)
    assert case.consensus is not None
    masks = (case.consensus.reshape(-1)[case.marked] & region, 2 * votes > n, votes > 0, votes == n)
    return {name: _digest(mask) for name, mask in zip(CONSENSUSES, masks, strict=True)}


def _digest(mask: np.ndarray) -> bytes:
    """Fingerprint of the marked pixels; empty if there are none."""
    return blake2b(np.packbits(mask).tobytes(), digest_size=16).digest() if mask.any() else b""

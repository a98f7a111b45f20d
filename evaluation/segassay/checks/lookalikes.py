"""Find annotators with the same masks in every case: copies, and a consensus among the raters.

masks of a case  ->  Likeness  ->  Lookalikes of all cases  ->  copies, consensus
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from segassay.consensus.pixels import count_decisions, staple_of_decisions, without_rater
from segassay.data.dataset import Dataset
from segassay.errors import Problem
from segassay.masks.objects import label_objects

__all__ = ["Likeness", "Lookalikes", "likeness", "lookalike_problems"]

_EMPTY = "empty"

_MIN_OTHERS = 3
"""Raters that a consensus needs: STAPLE of two is nearly their intersection, which a rater may well draw."""


@dataclass(frozen=True)
class Likeness:
    """Who is like whom in one case.

    Attributes:
        digests: Of the mask of each annotator who may be a copy: equal for equal masks only.
        consensus: Rater who may be a consensus -> whether his mask is that of the others, and whether it is empty.
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    consensus: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)


def likeness(
    masks: Mapping[str, np.ndarray],
    raters: Sequence[str],
    open_names: Collection[str],
    open_raters: Collection[str],
    *,
    of_classes: bool = False,
) -> Likeness:
    """Compare the masks of one case.

    Args:
        masks: Mask `(*spatial)` of every rater and the reference in this case: boolean, or with a number per object, or
            with the values of classes. Two who divide the same foreground into other objects, or classes, differ.
        raters: In natural order.
        open_names: Annotators who may be copies of one another.
        open_raters: Raters who may be the consensus of the others.
        of_classes: Whether numbers are values of classes.
    """
    digests = {name: _digest(mask, of_classes) for name, mask in masks.items() if name in open_names}
    present = [rater for rater in raters if rater in masks]
    if len(present) <= _MIN_OTHERS or not any(rater in open_raters for rater in present):
        return Likeness(digests)
    marked = np.stack([masks[rater] > 0 for rater in present])
    decisions = count_decisions(marked)
    says_nothing = bool((marked == marked[0]).all())  # as where raters only name given objects
    consensus = {}
    for position, rater in enumerate(present):
        if rater in open_raters:
            others = staple_of_decisions(without_rater(decisions, position)).mask
            own = marked[position]
            consensus[rater] = np.array_equal(own, others), says_nothing or not own.any()
    return Likeness(digests, consensus)


def _digest(mask: np.ndarray, of_classes: bool) -> str:
    """Of the pixels that are marked, and of what tells them apart beyond that."""
    marked = mask > 0
    if not marked.any():
        return f"{mask.shape} {_EMPTY}"
    words = hashlib.blake2b(np.packbits(marked).tobytes(), digest_size=16)
    if of_classes:
        words.update(mask.astype(np.int64).tobytes())
    elif mask.dtype != bool and not np.array_equal(own := _by_first_pixel(mask), label_objects(marked)):
        words.update(own.tobytes())
    return f"{mask.shape} {words.hexdigest()}"


def _by_first_pixel(labels: np.ndarray) -> np.ndarray:
    """Label image whose objects are numbered in the order of their first pixels, whatever their numbers were."""
    numbers, first, places = np.unique(labels, return_index=True, return_inverse=True)
    is_object = numbers > 0
    rank = np.zeros(len(numbers), dtype=np.int32)
    rank[np.flatnonzero(is_object)[np.argsort(first[is_object])]] = np.arange(1, int(is_object.sum()) + 1)
    return rank[places].reshape(labels.shape)


class Lookalikes:
    """Finds annotators with the same masks in every case, one case at a time.

    A pair, or a rater and the consensus of the others, is not compared again after its first difference, so the
    usual dataset costs little time. Cases with only empty masks are no evidence.

    Args:
        raters: In natural order.
        reference_name: The reference, compared for copies only; None if there is none.

    Example:
        >>> anna, ben = np.array([True, False]), np.array([True, True])
        >>> alike = Lookalikes(["anna", "ben", "copy"])
        >>> masks = {"anna": anna, "ben": ben, "copy": anna}
        >>> alike.add(likeness(masks, ["anna", "ben", "copy"], alike.open_names, alike.open_raters))
        >>> alike.copies()
        [('anna', 'copy')]
    """

    def __init__(self, raters: Sequence[str], reference_name: str | None = None) -> None:
        everyone = [*raters, *([reference_name] if reference_name is not None else [])]
        self._raters = list(raters)
        self._pairs = dict.fromkeys(combinations(everyone, 2), 0)
        self._consensus = dict.fromkeys(raters, 0) if len(self._raters) > _MIN_OTHERS else {}

    @property
    def open_names(self) -> frozenset[str]:
        """Annotators who may be copies of one another."""
        return frozenset(name for pair in self._pairs for name in pair)

    @property
    def open_raters(self) -> frozenset[str]:
        """Raters who may be the consensus of the others."""
        return frozenset(self._consensus)

    def add(self, like: Likeness) -> None:
        """Take one more case into account."""
        for one, other in list(self._pairs):
            if one in like.digests and other in like.digests:
                is_same = like.digests[one] == like.digests[other]
                _keep_if(self._pairs, (one, other), is_same, like.digests[one].endswith(_EMPTY))
        for rater, (is_same, is_empty) in like.consensus.items():
            if rater in self._consensus:
                _keep_if(self._consensus, rater, is_same, is_empty)

    def copies(self) -> list[tuple[str, str]]:
        """Pairs with the same masks in every case that both have, at least one of them not empty."""
        return [pair for pair, n_cases in self._pairs.items() if n_cases]

    def consensus(self) -> dict[str, int]:
        """Raters whose masks are the STAPLE consensus of at least 3 others in every case, and the number of cases.

        Copies of another rater are left out.
        """
        copies = {name for pair in self.copies() for name in pair if set(pair) <= set(self._raters)}
        return {rater: n_cases for rater, n_cases in self._consensus.items() if n_cases and rater not in copies}


def _keep_if(counts: dict[Any, int], key: Any, is_same: bool, is_empty: bool) -> None:
    """Count a case in which two masks are the same and not empty; forget the key where they differ."""
    if not is_same:
        del counts[key]
    elif not is_empty:
        counts[key] += 1


def lookalike_problems(dataset: Dataset, alike: Lookalikes) -> Iterator[Problem]:
    """Problems of copies and of a consensus, after `alike` has compared the masks of every case."""
    for one, other in alike.copies():
        if other == dataset.reference_name:
            action = f"remove the rater {one!r}, or the reference"
        else:
            action = "remove one: a copy would count as a second rater"
        yield Problem(
            str(_folder_of(dataset, other)), f"the same masks as {one!r} in every case", action, "warning", kind="copy"
        )
    for rater, n_cases in alike.consensus().items():
        what = f"equals the STAPLE consensus of the other raters on every image ({n_cases} compared)"
        folder = _folder_of(dataset, rater)
        setting = f"reference: {folder.relative_to(dataset.folder).as_posix()}"
        also = " and take it out of raters" if isinstance(dataset.settings.rater_folders, dict) else ""
        yield Problem(
            str(folder),
            what,
            f"if it is a consensus, write `{setting}` into dataset.yaml{also}",
            "warning",
            kind="consensus",
        )


def _folder_of(dataset: Dataset, annotator: str) -> Path:
    masks = dataset.masks.get(annotator, dataset.reference)
    return next(iter(masks.values())).parent

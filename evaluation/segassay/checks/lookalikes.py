"""Find annotators with the same masks in every case: copies, and a consensus among the raters.

masks of one case after the other  ->  Lookalikes  ->  copies, consensus
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from segassay.consensus.pixels import count_decisions, staple_of_decisions, without_rater
from segassay.data.dataset import Dataset
from segassay.errors import Problem

__all__ = ["Lookalikes", "lookalike_problems"]

_MIN_OTHERS = 3
"""Raters that a consensus needs: STAPLE of two is nearly their intersection, which a rater may well draw."""


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
        >>> alike.compare({"anna": anna, "ben": ben, "copy": anna})
        >>> alike.copies()
        [('anna', 'copy')]
    """

    def __init__(self, raters: Sequence[str], reference_name: str | None = None) -> None:
        self._raters = list(raters)
        everyone = [*raters, *([reference_name] if reference_name is not None else [])]
        self._pairs = dict.fromkeys(combinations(everyone, 2), 0)
        self._consensus = dict.fromkeys(raters, 0) if len(self._raters) > _MIN_OTHERS else {}

    def compare(self, masks: Mapping[str, np.ndarray]) -> None:
        """Compare the masks of one more case.

        Args:
            masks: Boolean mask `(*spatial)` of every rater and the reference in this case.
        """
        for pair in list(self._pairs):
            if pair[0] in masks and pair[1] in masks:
                _keep_if(self._pairs, pair, *(masks[name] for name in pair))
        raters = [rater for rater in self._raters if rater in masks]
        if len(raters) <= _MIN_OTHERS or not any(rater in self._consensus for rater in raters):
            return
        decisions = count_decisions(np.stack([masks[rater] for rater in raters]))
        for position, rater in enumerate(raters):
            if rater in self._consensus:
                others = staple_of_decisions(without_rater(decisions, position)).mask
                _keep_if(self._consensus, rater, masks[rater], others)

    def copies(self) -> list[tuple[str, str]]:
        """Pairs with the same masks in every case that both have, at least one of them not empty."""
        return [pair for pair, n_cases in self._pairs.items() if n_cases]

    def consensus(self) -> dict[str, int]:
        """Raters whose masks are the STAPLE consensus of at least 3 others in every case, and the number of cases.

        Copies of another rater are left out.
        """
        copies = {name for pair in self.copies() for name in pair if set(pair) <= set(self._raters)}
        return {rater: n_cases for rater, n_cases in self._consensus.items() if n_cases and rater not in copies}


def _keep_if(counts: dict[Any, int], key: Any, one: np.ndarray, other: np.ndarray) -> None:
    """Count a case in which two masks are the same and not empty; forget the key where they differ."""
    if not np.array_equal(one, other):
        del counts[key]
    elif one.any():
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
            str(folder), what, f"if it is one, write `{setting}` into dataset.yaml{also}", "warning", kind="consensus"
        )


def _folder_of(dataset: Dataset, annotator: str) -> Path:
    masks = dataset.masks.get(annotator, dataset.reference)
    return next(iter(masks.values())).parent

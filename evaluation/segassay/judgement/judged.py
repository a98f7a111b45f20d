"""Which annotators the verdicts are about.

annotations  ->  the ensembles of a consensus, else its models, else other ensembles, else other models
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from segassay.qualities.scores.groups import Origin, grouped, origins

__all__ = ["Judged", "judged_annotators"]


@dataclass(frozen=True)
class Judged:
    """The annotators that the verdicts are about.

    Attributes:
        names: Their names; empty without any model.
        kind: `model` or `ensemble`.
        trained_on: The consensus, or raters, that they were trained on; empty if that is unknown.
        of_consensus: Whether they were trained on a consensus of several raters.
        held_out: Whether it is known that none of them was trained on an image that it is scored on.
    """

    names: tuple[str, ...] = ()
    kind: str = ""
    trained_on: tuple[str, ...] = ()
    of_consensus: bool = False
    held_out: bool = False


def judged_annotators(annotations: pd.DataFrame) -> Judged:
    """The judged annotators: the ensembles of a consensus, else its models, else other ensembles, else other models.

    Among ensembles that were trained alike, those with most members are judged. Models of a consensus without one rater
    are only used for the removal of bias and are not judged.

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        The judged annotators in natural order; without names if there is no model.
    """
    candidates = [one for one in origins(annotations) if one.is_trained and not one.leaves_a_rater_out]
    of = grouped(candidates, lambda one: (one.of_consensus, one.kind))
    for of_consensus, kind in ((True, "ensemble"), (True, "model"), (False, "ensemble"), (False, "model")):
        if chosen := _largest(of.get((of_consensus, kind), ())):
            return Judged(
                tuple(one.name for one in chosen),
                kind,
                tuple(dict.fromkeys(one.trained_on for one in chosen if one.trained_on)),
                of_consensus,
                all(one.held_out for one in chosen),
            )
    return Judged()


def _largest(candidates: Sequence[Origin]) -> list[Origin]:
    """Those with the most members among all that were trained on the same masks."""
    of_training = grouped(candidates, lambda one: one.trained_on)
    most = {trained_on: max(_size(one) for one in of) for trained_on, of in of_training.items()}
    return [one for one in candidates if _size(one) == most[one.trained_on]]


def _size(one: Origin) -> int:
    """Number of members; 0 if it is unknown what they were trained on, so that they cannot be compared."""
    return len(one.seeds) if one.trained_on or one.strategy else 0

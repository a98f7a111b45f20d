"""Are two ensembles of two trainings? An ensemble is nearer to its own members than to those of another one.

agreement of ensembles and members (N,)  ->  criterion that is met or undecided
"""

from collections.abc import Mapping, Sequence

import numpy as np

from segassay.judgement.criteria import MIN_CASES, Criterion, Number, What, Why, undecided
from segassay.judgement.evidence import DICE, SHARED, Evidence
from segassay.qualities.scores.groups import Group
from segassay.qualities.scores.pairs import mean_of_known

__all__ = ["have_members", "nearest_to_own_members", "relative_distance"]


def relative_distance(n_members: int) -> float:
    """Distance of an ensemble from its members, as a share of that from those of another one, from which it is a copy.

    Members that err independently differ from the mean of n of them by √(1 - 1/n) of their spread, from the mean of n
    others by √(1 + 1/n). A copy is as far from both. The line is in the middle.

    Args:
        n_members: Of the ensemble; at least 1.

    Example:
        >>> [round(relative_distance(n), 3) for n in (1, 2, 3, 10)]
        [0.5, 0.789, 0.854, 0.952]
    """
    return float(1 + np.sqrt((n_members - 1) / (n_members + 1))) / 2


def nearest_to_own_members(
    evidence: Evidence, ensembles: Sequence[Group], models: Mapping[tuple[str, str], Group]
) -> Criterion:
    """Whether no ensemble is, in most images, as far from its own members as from those of the other ensemble.

    It need not be a copy pixel for pixel: outlines that were moved, and specks, do not bring it nearer to its members.

    Args:
        evidence: All comparisons.
        ensembles: Ensembles that are compared.
        models: Strategy and training -> the single models, the members.
    """
    for group in ensembles:
        for pair in group.whole_pairs():
            for one, other in (pair, pair[::-1]):
                own = _members_of(group, one, models)
                if not own:
                    continue
                share, n_cases = _as_far(evidence, one, other, own, relative_distance(max(len(group.seeds[one]), 1)))
                if n_cases >= MIN_CASES and share > SHARED:
                    number = Number(share, np.nan, np.nan, n_cases, one, other)
                    return undecided(What.OWN_MEMBERS, Why.NO_NEARER, number, SHARED, [one, other])
    return Criterion(What.OWN_MEMBERS, True, line=SHARED)


def have_members(ensembles: Sequence[Group], models: Mapping[tuple[str, str], Group]) -> Criterion:
    """Whether of each ensemble that is compared at least one member is among the models; arguments as above."""
    alone = [name for group in ensembles for name in group.names if not _members_of(group, name, models)]
    return undecided(What.MEMBERS, Why.NO_MEMBERS, names=alone) if alone else Criterion(What.MEMBERS, True)


def _members_of(group: Group, ensemble: str, models: Mapping[tuple[str, str], Group]) -> list[str]:
    single = models.get((group.strategy, group.trained_on))
    members = [] if single is None else single.annotators
    return [model.name for model in members if model.seeds <= group.seeds[ensemble]]


def _as_far(evidence: Evidence, one: str, other: str, own: Sequence[str], line: float) -> tuple[float, int]:
    """Share of the images in which an ensemble is as far from its members as the other one is, and their number.

    The distance is 1 - Dice; only images count in which something is marked, and members and ensembles differ.
    """
    near, far = 1 - mean_of_known(evidence.pairs[DICE].between(own, [one, other]), axis=1).T
    known = evidence.marked([one, other]) & (far > 0) & ~np.isnan(near)
    return float(np.mean(near[known] > line * far[known])) if known.any() else 0.0, int(known.sum())

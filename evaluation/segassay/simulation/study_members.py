"""Annotators of a simulated study: raters, models, ensembles and the truth."""

from dataclasses import dataclass

from segassay.data.annotations import annotator_order
from segassay.simulation.study import SimulatedStudy


@dataclass(frozen=True)
class Member:
    """One annotator of the study.

    Attributes:
        name: `expert_1`, `expert_1/s0`, `staple/s0`, `staple_without_expert_1/s0`, `staple/s0-1`, `truth`.
        kind: As in annotations.csv.
        strategy: `expert` or `consensus:staple`; empty for raters and the truth.
        trained_on: A rater, `staple`, or `staple_without_expert_1`.
        raters: Position of the rater itself, or positions of the raters it learned from.
        seeds: Of its members.
    """

    name: str
    kind: str
    strategy: str = ""
    trained_on: str = ""
    raters: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()

    @property
    def role(self) -> str:
        """`human`, `model` (which an ensemble is too) or `truth`."""
        return "model" if self.kind == "ensemble" else self.kind


def cast(study: SimulatedStudy) -> list[Member]:
    """All annotators in their order: the truth, raters, models of raters and of consensuses, ensembles.

    Example:
        >>> [member.name for member in cast(SimulatedStudy(n_seeds=1, n_consensus_seeds=2))][:6]
        ['truth', 'expert_1', 'expert_1/s0', 'expert_2', 'expert_2/s0', 'expert_3']
        >>> [member.name for member in cast(SimulatedStudy(n_seeds=1, n_consensus_seeds=2))][11:15]
        ['staple/s0', 'staple/s0-1', 'staple/s1', 'staple_without_expert_1/s0']
    """
    everyone = tuple(range(study.n_raters))
    targets: list[tuple[str, str, tuple[int, ...], int]]
    targets = [("expert", name, (r,), study.n_seeds) for r, name in enumerate(study.raters)]
    targets += [("consensus:staple", "staple", everyone, study.n_consensus_seeds)]
    targets += [
        ("consensus:staple", f"staple_without_{name}", tuple(s for s in everyone if s != r), study.n_seeds)
        for r, name in enumerate(study.raters)
    ]
    members = [Member("truth", "truth")]
    members += [Member(name, "human", raters=(r,)) for r, name in enumerate(study.raters)]
    members += [
        Member(f"{trained_on}/s{seed}", "model", strategy, trained_on, raters, (seed,))
        for strategy, trained_on, raters, n_seeds in targets
        for seed in range(n_seeds)
    ]
    size = study.ensemble_size
    starts = range(0, study.n_consensus_seeds - size + 1, size) if size > 1 else ()
    members += [
        Member(f"staple/s{start}-{seeds[-1]}", "ensemble", "consensus:staple", "staple", everyone, seeds)
        for start in starts
        for seeds in [tuple(range(start, start + size))]
    ]
    return sorted(members, key=lambda member: annotator_order(member.name, member.kind))

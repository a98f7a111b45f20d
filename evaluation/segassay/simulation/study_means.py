"""Expected values of a simulated study: mean agreement of every pair (A, A), mean counts (A,)."""

import numpy as np

from segassay.data.annotations import is_rater
from segassay.simulation.study import SimulatedStudy
from segassay.simulation.study_members import Member, cast

RATERS_AGREE = 0.55  # F1 of two raters of average agreeableness
_F1 = {
    ("human", "model"): 0.02,
    ("model", "model"): 0.10,
    ("others", "human"): 0.05,
    ("others", "model"): 0.07,
    ("human", "truth"): 0.06,
    ("model", "truth"): 0.08,
    ("others", "truth"): 0.10,
}  # above that
SAME_TARGET = 0.05  # F1 of two models above that, where they learned the same masks
ENSEMBLE_GAIN = 0.03  # F1 of two ensembles above that of two models
PART_GAIN = 0.15  # F1 of an ensemble and one of its members above that of two models


def mean_agreement(study: SimulatedStudy) -> tuple[np.ndarray, np.ndarray]:
    """Expected F1 of all pairs, given the raters and the seeds of the models.

    Returns:
        float64 `(A, A)` of the annotators of `cast`, symmetric, its diagonal meaningless; and `(R, A)` of each C₋r with
        each of them.
    """
    members = cast(study)
    own = np.array([_own(study, member) for member in members]) + _luck(study, members, 1)
    between = np.array([[_between(study, one, other) for other in members] for one in members])
    others = np.array([_F1.get(("others", member.role), 0.0) + _gain(study, member) for member in members])
    return RATERS_AGREE + own[:, None] + own + between, np.tile(RATERS_AGREE + own + others, (study.n_raters, 1))


def _own(study: SimulatedStudy, member: Member) -> float:
    """Agreement of each annotator with all others, above the average: models inherit it from their raters."""
    if not member.raters:
        return 0.0
    inherited = float(np.mean([study.agreeableness[r] for r in member.raters]))
    return inherited if is_rater(member.kind) else study.imprint * inherited


def _gain(study: SimulatedStudy, member: Member) -> float:
    return study.consensus_gain if member.strategy.startswith("consensus") else 0.0


def _luck(study: SimulatedStudy, members: list[Member], stream: int) -> np.ndarray:
    """Noise `(A,)` of each training; an ensemble has the mean noise of its members."""
    luck = np.random.default_rng([study.seed_of_models, stream]).normal(size=len(members))
    of_model = {(m.trained_on, m.seeds[0]): z for m, z in zip(members, luck, strict=True) if m.kind == "model"}
    return study.seed_sd * np.array(
        [np.mean([of_model[m.trained_on, seed] for seed in m.seeds]) if m.seeds else 0.0 for m in members]
    )


def _between(study: SimulatedStudy, one: Member, other: Member) -> float:
    """Agreement of two annotators from what they have in common."""
    one, other = sorted((one, other), key=lambda member: ("human", "model", "truth").index(member.role))
    common = _F1.get((one.role, other.role), 0.0)
    if is_rater(one.role) and other.role == "model":
        common += _gain(study, other) + (study.imprint * study.habit if one.raters == other.raters else 0.0)
    if one.role == other.role == "model" and one.trained_on == other.trained_on:
        common += SAME_TARGET + (ENSEMBLE_GAIN if one.kind == other.kind == "ensemble" else 0.0)
        common += PART_GAIN if one.kind != other.kind and set(one.seeds) & set(other.seeds) else 0.0
    return common


def mean_log_count(study: SimulatedStudy) -> np.ndarray:
    """Log of the ratio of counted to true objects for each annotator of `cast`, `(A,)`; seeds differ as those of F1."""
    members = cast(study)
    inherited = [
        (1.0 if is_rater(member.kind) else study.imprint) * np.mean([study.log_count_bias[r] for r in member.raters])
        if member.raters
        else 0.0
        for member in members
    ]
    return np.array(inherited, dtype=float) + _luck(study, members, 2)

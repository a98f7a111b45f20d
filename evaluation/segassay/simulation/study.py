"""A study that never was, as arrays: what is planted, what is drawn, what is to be expected.

    SimulatedStudy  ->  cast (who annotates)  ->  means (A, A)  ->  Draws: scores (N, C, P), counts and light (N, C, A)

Nothing is rendered and nothing is trained. The agreement of two annotators in a case is a mean plus effects of the
subject, the case, each annotator in this case, and luck, so that every expectation is known. Planted are:

- raters who count more or less than others (`log_count_bias`) and who agree more or less with everybody
  (`agreeableness`);
- expert models, which inherit the share `imprint` of both, and of `habit`: what a rater's agreement with its own copy
  would be above that with anybody else's;
- consensus models, which agree better with every rater by `consensus_gain`, whether trained on all raters
  (`strategy` consensus:staple, `trained_on` staple) or on all but one (`trained_on` staple_without_expert_1);
- the spread of trainings that differ by the seed (`seed_sd`), and ensembles, which average the luck of their members;
- effects of the groups on the number of objects and their light.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from segassay.data.annotations import annotator_order, is_rater

__all__ = [
    "BIASED",
    "NULL",
    "Draws",
    "Member",
    "SimulatedStudy",
    "cast",
    "draw",
    "mean_agreement",
    "mean_log_count",
]

RATERS_AGREE = 0.55  # F1 of two raters, before anybody's agreeableness
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
DICE_SLOPE, DICE_AT_0 = 0.8, 0.17  # the mean Dice for a mean F1
BETA = (4.0, 1.0)  # skewness -1.05: most cases are good, a few are bad
OBJECTS, LIGHT = 80.0, 60.0  # expected in a control case


@dataclass(frozen=True)
class SimulatedStudy:
    """What is planted.

    Attributes:
        log_count_bias: One per rater: log of the factor on what others count.
        agreeableness: One per rater: F1 above that of an average rater, with everybody.
        imprint: Share of a rater's bias, agreeableness and habit that its models inherit.
        habit: F1 of a rater with a perfect copy of itself above that with anybody else's.
        consensus_gain: F1 of a consensus model with a rater above that of another rater's model.
        seed_sd: Standard deviation of a model's F1 over seeds, with everybody.
        n_seeds: Models of each rater, and of the consensus without each rater.
        n_consensus_seeds: Models of the consensus of all raters.
        ensemble_size: Members of each ensemble of these; none is in two, and a rest is in none.
        count_effects: Factor of each group on the number of objects; the first group is the control.
        light_effects: Factor of each group on the mean intensity.
        n_subjects: Subjects in each group.
        n_regions: Regions of each subject.
        n_images: Images of each region.
        skewed: Effects are beta-distributed, long towards low scores, instead of normal.
        subject_sd: Standard deviation of F1 over subjects.
        case_sd: Of F1 over the cases of a subject.
        annotator_sd: Of F1 of one annotator in one case, with everybody.
        noise_sd: Of F1 of one pair in one case; also of the log light that one annotator finds in a case.
        subject_spread: Standard deviation over subjects of log counts, and of log light.
        case_spread: The same over the cases of a subject.
        seed: Draws subjects and cases.
        seed_of_models: Draws what the seeds of the trainings do. Intervals are conditional on it.
    """

    log_count_bias: tuple[float, ...] = (-0.4, -0.1, 0.0, 0.2, 0.3)
    agreeableness: tuple[float, ...] = (-0.04, 0.0, 0.02, 0.01, 0.01)
    imprint: float = 0.5
    habit: float = 0.10
    consensus_gain: float = 0.04
    seed_sd: float = 0.01
    n_seeds: int = 2
    n_consensus_seeds: int = 8
    ensemble_size: int = 2
    count_effects: tuple[float, ...] = (1.0, 1.5)
    light_effects: tuple[float, ...] = (1.0, 1.2)
    n_subjects: int = 5
    n_regions: int = 2
    n_images: int = 1
    skewed: bool = False
    subject_sd: float = 0.03
    case_sd: float = 0.04
    annotator_sd: float = 0.03
    noise_sd: float = 0.04
    subject_spread: float = 0.15
    case_spread: float = 0.15
    seed: int = 0
    seed_of_models: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no study."""
        if len(self.log_count_bias) != len(self.agreeableness) or self.n_raters < 2:
            raise ValueError(
                f"expected a bias and an agreeableness for each of at least 2 raters, got {self.log_count_bias} and "
                f"{self.agreeableness}"
            )
        if len(self.count_effects) != len(self.light_effects) or self.n_cases < 1 or self.ensemble_size < 1:
            raise ValueError(
                "expected two effects for each group, at least one case and one member per ensemble, got "
                f"{self.count_effects}, {self.light_effects}, {self.n_cases} cases, {self.ensemble_size} members"
            )

    @property
    def n_raters(self) -> int:
        """Raters, each with all cases."""
        return len(self.log_count_bias)

    @property
    def n_cases(self) -> int:
        """Cases: groups × subjects × regions × images."""
        return len(self.count_effects) * self.n_subjects * self.n_regions * self.n_images

    @property
    def raters(self) -> tuple[str, ...]:
        """Names of the raters."""
        return tuple(f"expert_{number}" for number in range(1, self.n_raters + 1))


NULL = SimulatedStudy(
    log_count_bias=(0.0,) * 5,
    agreeableness=(0.0,) * 5,
    imprint=0.0,
    consensus_gain=0.0,
    count_effects=(1.0, 1.0),
    light_effects=(1.0, 1.0),
)
"""No rater differs from another, no model inherits anything, no group has an effect."""

BIASED = SimulatedStudy(
    log_count_bias=(-0.9, -0.2, 0.0, 0.3, 0.5),
    agreeableness=(-0.10, 0.0, 0.03, 0.03, 0.04),
    imprint=0.8,
    habit=0.15,
    consensus_gain=0.06,
    seed_sd=0.02,
)
"""Raters differ much and models inherit most of it; consensus models agree better with those they never saw."""


# ------------------------------------------------------------------------------------------------------ who annotates


@dataclass(frozen=True)
class Member:
    """One annotator of the study.

    Attributes:
        name: `expert_1`, `expert_1/s0`, `staple/s0`, `staple_without_expert_1/s0`, `staple/s0-1`, `truth`.
        kind: As in annotations.csv.
        strategy: `expert` or `consensus:staple`; empty for people and the truth.
        trained_on: A rater, `staple`, or `staple_without_expert_1`.
        raters: Positions of the raters that it is, or learned from.
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
        """Human, model (which an ensemble is too) or truth."""
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


# ----------------------------------------------------------------------------------------------- what is to be expected


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
    """What an annotator's agreement with everybody has above the average: models inherit it from their raters."""
    if not member.raters:
        return 0.0
    inherited = float(np.mean([study.agreeableness[r] for r in member.raters]))
    return inherited if is_rater(member.kind) else study.imprint * inherited


def _gain(study: SimulatedStudy, member: Member) -> float:
    return study.consensus_gain if member.strategy.startswith("consensus") else 0.0


def _luck(study: SimulatedStudy, members: list[Member], stream: int) -> np.ndarray:
    """`(A,)`; each training has its luck, an ensemble the mean luck of its members."""
    luck = np.random.default_rng([study.seed_of_models, stream]).normal(size=len(members))
    of_model = {(m.trained_on, m.seeds[0]): z for m, z in zip(members, luck, strict=True) if m.kind == "model"}
    return study.seed_sd * np.array(
        [np.mean([of_model[m.trained_on, seed] for seed in m.seeds]) if m.seeds else 0.0 for m in members]
    )


def _between(study: SimulatedStudy, one: Member, other: Member) -> float:
    """What two annotators have in common."""
    one, other = sorted((one, other), key=lambda member: ("human", "model", "truth").index(member.role))
    common = _F1.get((one.role, other.role), 0.0)
    if one.role == "human" and other.role == "model":
        common += _gain(study, other) + (study.imprint * study.habit if one.raters == other.raters else 0.0)
    if one.role == other.role == "model" and one.trained_on == other.trained_on:
        common += SAME_TARGET + (ENSEMBLE_GAIN if one.kind == other.kind == "ensemble" else 0.0)
    return common


def mean_log_count(study: SimulatedStudy) -> np.ndarray:
    """Log of the factor on what is there that each annotator of `cast` counts, `(A,)`; seeds differ as those of F1."""
    members = cast(study)
    inherited = [
        (1.0 if is_rater(member.kind) else study.imprint) * np.mean([study.log_count_bias[r] for r in member.raters])
        if member.raters
        else 0.0
        for member in members
    ]
    return np.array(inherited, dtype=float) + _luck(study, members, 2)


# ----------------------------------------------------------------------------------------------------- what is drawn


@dataclass(frozen=True, eq=False)
class Draws:
    """Independent studies of the same cast: N of them, C cases, A annotators, P pairs of these, R raters.

    Attributes:
        pairs: int `(P, 2)`, positions in `cast`; the first stands first there.
        f1: `(N, C, P)`.
        dice: `(N, C, P)`.
        f1_others: `(N, C, R, A)`, against C₋r.
        dice_others: `(N, C, R, A)`.
        counts: `(N, C, A)`, whole numbers.
        light: `(N, C, A)`, mean intensity.
    """

    pairs: np.ndarray
    f1: np.ndarray
    dice: np.ndarray
    f1_others: np.ndarray
    dice_others: np.ndarray
    counts: np.ndarray
    light: np.ndarray


def draw(study: SimulatedStudy, n: int = 1, *, pairs: np.ndarray | None = None) -> Draws:
    """Draw studies that differ by their subjects and cases only.

    Cases stand by group, then subject, then region, then image. A score outside [0, 1] is put to the nearer end.

    Args:
        study: What is planted; the first of n studies is not the one that n = 1 gives.
        n: Number of studies.
        pairs: int `(P, 2)`, positions in `cast`; all pairs by default.

    Returns:
        The studies.
    """
    rng = np.random.default_rng([study.seed, 0])
    f1_means, others_means = mean_agreement(study)
    n_annotators, n_cases = len(f1_means), study.n_cases
    pairs = np.array(list(combinations(range(n_annotators), 2))) if pairs is None else np.asarray(pairs)
    common = _case_effects(study, rng, n)
    annotator = study.annotator_sd * _standard(study, rng, (n, n_cases, n_annotators))
    consensus = study.annotator_sd * _standard(study, rng, (n, n_cases, study.n_raters))

    shared = common[..., None] + annotator[..., pairs[:, 0]] + annotator[..., pairs[:, 1]]
    shared_others = (common[..., None] + consensus)[..., None] + annotator[:, :, None]
    means, scores = f1_means[pairs[:, 0], pairs[:, 1]], []
    for of_means, of_shared in ((means, shared), (others_means, shared_others)):
        for mean in (of_means, DICE_AT_0 + DICE_SLOPE * of_means):
            noise = study.noise_sd * _standard(study, rng, of_shared.shape)
            scores.append(np.clip(mean + of_shared + noise, 0, 1))
    f1, dice, f1_others, dice_others = scores
    there = _log_measurements(study, rng, n, study.count_effects)
    seen = there[..., None] + mean_log_count(study)
    light = _log_measurements(study, rng, n, study.light_effects)[..., None]
    light = light + study.noise_sd * rng.normal(size=(n, n_cases, n_annotators))
    return Draws(
        pairs,
        f1,
        dice,
        f1_others,
        dice_others,
        counts=rng.poisson(OBJECTS * np.exp(seen)).astype(float),
        light=LIGHT * np.exp(light),
    )


def _standard(study: SimulatedStudy, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draws of mean 0 and standard deviation 1."""
    if not study.skewed:
        return rng.normal(size=shape)
    a, b = BETA
    return (rng.beta(a, b, size=shape) - a / (a + b)) * (a + b) * math.sqrt((a + b + 1) / (a * b))


def _case_effects(study: SimulatedStudy, rng: np.random.Generator, n: int) -> np.ndarray:
    """`(n, C)`, of the subject and of the case."""
    n_subjects = len(study.count_effects) * study.n_subjects
    subject = study.subject_sd * _standard(study, rng, (n, n_subjects))
    case = study.case_sd * _standard(study, rng, (n, study.n_cases))
    return np.repeat(subject, study.n_regions * study.n_images, axis=1) + case


def _log_measurements(
    study: SimulatedStudy, rng: np.random.Generator, n: int, effects: tuple[float, ...]
) -> np.ndarray:
    """`(n, C)`, log of a factor whose mean is the effect of the group."""
    n_subjects, n_inside = len(effects) * study.n_subjects, study.n_regions * study.n_images
    subject = np.repeat(study.subject_spread * rng.normal(size=(n, n_subjects)), n_inside, axis=1)
    case = study.case_spread * rng.normal(size=(n, study.n_cases))
    of_group = np.repeat(np.log(effects), study.n_subjects * n_inside)
    return of_group + subject + case - (study.subject_spread**2 + study.case_spread**2) / 2

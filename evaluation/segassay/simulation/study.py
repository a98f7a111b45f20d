"""Settings of a simulated study: known raters, models and effects, drawn as arrays.

    SimulatedStudy  ->  cast (who annotates)  ->  means (A, A)  ->  Draws: scores (N, C, P), counts and light (N, C, A)

No image is rendered and no model is trained. The agreement of two annotators in a case is a mean plus random effects
of the subject, the case, each annotator in this case, and noise, so every expectation is known. Planted are:

- raters who count more or less than others (`log_count_bias`) and who agree more or less with all others
  (`agreeableness`);
- expert models, which inherit the share `imprint` of both, and of `habit`: how much more a rater would agree with a
  copy of itself than with a copy of another rater;
- consensus models, which agree better with every rater by `consensus_gain`, whether trained on all raters
  (`strategy` consensus:staple, `trained_on` staple) or on all but one (`trained_on` staple_without_expert_1);
- the spread of trainings that differ by the seed (`seed_sd`), and ensembles, which average the noise of their members;
- effects of the groups on the number of objects and their light.
"""

from dataclasses import dataclass

__all__ = ["BIASED", "NULL", "SimulatedStudy"]


@dataclass(frozen=True)
class SimulatedStudy:
    """Settings of a simulated study.

    Attributes:
        log_count_bias: One per rater: log of the ratio of its counts to those of the others.
        agreeableness: One per rater: F1 with all others, above that of an average rater.
        imprint: Share of a rater's bias, agreeableness and habit that its models inherit.
        habit: F1 of a rater with a perfect copy of itself, above that with a copy of another rater.
        consensus_gain: F1 of a consensus model with a rater above that of another rater's model.
        seed_sd: Standard deviation over seeds of a model's F1 with all others.
        n_seeds: Models of each rater, and of the consensus without each rater.
        n_consensus_seeds: Models of the consensus of all raters.
        ensemble_size: Members of each ensemble of these; no model is in two ensembles, and a remainder is in none.
        count_effects: Factor of each group on the number of objects; the first group is the control.
        light_effects: Factor of each group on the mean intensity.
        n_subjects: Subjects in each group.
        n_regions: Regions of each subject.
        n_images: Images of each region.
        skewed: Effects are beta-distributed, long towards low scores, instead of normal.
        subject_sd: Standard deviation of F1 over subjects.
        case_sd: Of F1 over the cases of a subject.
        annotator_sd: Of F1 of one annotator in one case with all others.
        noise_sd: Of F1 of one pair in one case; also of the log light that one annotator finds in a case.
        subject_spread: Standard deviation over subjects of log counts, and of log light.
        case_spread: The same over the cases of a subject.
        seed: Draws subjects and cases.
        seed_of_models: Draws the effects of the training seeds. Intervals are conditional on it.
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
        """Refuse impossible settings."""
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
"""Raters differ much and models inherit most of it; consensus models agree better with unseen raters."""

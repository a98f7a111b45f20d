"""Draw a simulated study: scores of all pairs (N, C, P), counts and light of all annotators (N, C, A)."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from segassay.simulation.study import SimulatedStudy
from segassay.simulation.study_means import mean_agreement, mean_log_count

DICE_SLOPE, DICE_AT_0 = 0.8, 0.17  # the mean Dice for a mean F1
BETA = (4.0, 1.0)  # skewness -1.05: most cases are good, a few are bad
OBJECTS, LIGHT = 80.0, 60.0  # expected in a control case


@dataclass(frozen=True, eq=False)
class Draws:
    """Independent studies of the same cast: N of them, C cases, A annotators, P pairs of these, R raters.

    Attributes:
        pairs: int `(P, 2)`, positions in `cast`; the first comes first there.
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

    Cases are sorted by group, subject, region and image. A score outside [0, 1] is set to the nearer bound.

    Args:
        study: The settings; the first of n studies differs from the one that n = 1 gives.
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

"""Simulated studies to test the truthfulness of the assay, and the expectations of their means.

SimulatedStudy, number of studies  ->  values (N, C) of each measure, and their expectations
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from segassay.qualities.objectivity.imprint import imprint
from segassay.simulation.study import SimulatedStudy
from segassay.simulation.study_draws import Draws, draw
from segassay.simulation.study_members import cast
from segassay.statistics.raters import log_ratio_to_others

N_TRUTH = 100_000
STUDY = SimulatedStudy(n_seeds=2, n_consensus_seeds=1, ensemble_size=1, n_regions=1)


def study_of(n_cases: int, **settings: Any) -> SimulatedStudy:
    """Study with half of the cases in each group, and one case per subject."""
    return replace(STUDY, n_subjects=n_cases // 2, **settings)


class Cast:
    """Positions of the annotators, and the pairs to draw."""

    def __init__(self, study: SimulatedStudy) -> None:
        members = cast(study)
        at = {member.name: position for position, member in enumerate(members)}
        self.raters = [at[name] for name in study.raters]
        self.models = np.array([[at[f"{name}/s{seed}"] for seed in range(study.n_seeds)] for name in study.raters])
        self.without = np.array([at[f"staple_without_{name}/s0"] for name in study.raters])
        self.staple, self.truth = at["staple/s0"], at["truth"]
        pairs = [*combinations(self.raters, 2)]
        self.n_between = len(pairs)
        pairs += [(model, rater) for model in self.models[:, 0] for rater in self.raters]
        pairs += zip(self.without, self.raters, strict=True)
        pairs += [(self.truth, model) for model in self.models.ravel()]
        pairs += [(self.staple, rater) for rater in self.raters]
        self.pairs = np.array(pairs)

    def split(self, of_pairs: np.ndarray) -> tuple[np.ndarray, ...]:
        """Raters (..., pairs); models with raters (..., R, R); without (..., R); truth (..., R, S); staple (..., R)."""
        n, shape = len(self.raters), of_pairs.shape[:-1]
        ends = np.cumsum([self.n_between, n * n, n, self.models.size])
        between, square, without, truth, staple = np.split(of_pairs, ends, axis=-1)
        return between, square.reshape(*shape, n, n), without, truth.reshape(*shape, *self.models.shape), staple


def drawn_in_parts(study: SimulatedStudy, n: int, who: Cast, at_once: int = 20_000) -> Iterator[Draws]:
    """Draw studies in parts that fit into memory."""
    step = max(1, at_once // study.n_cases)
    for start in range(0, n, step):
        yield draw(replace(study, seed=study.seed + 1 + start), min(step, n - start), pairs=who.pairs)


def case_means(drawn: Draws, who: Cast) -> dict[str, np.ndarray]:
    """Measures that are means over cases: values `(N, C)`."""
    between, square, without, _, _ = who.split(drawn.f1)
    own = drawn.f1_others[..., np.arange(len(who.raters)), who.raters].mean(axis=-1)
    log_ratio = log_ratio_to_others(drawn.counts[..., who.raters].reshape(-1, len(who.raters)))
    return {
        "f1 between raters": between.mean(axis=-1),
        "f1 of raters against C₋r": own,
        "f1 of a model minus f1 of raters": drawn.f1_others[..., who.staple].mean(axis=-1) - own,
        "imprint": imprint(square)[..., 0],
        "removal of bias": without[..., 0] - square[..., 1:, 0].mean(axis=-1),
        "log count ratio": log_ratio.reshape(*drawn.counts.shape[:2], -1)[..., 0],
    }


def planted_means(study: SimulatedStudy, who: Cast, n: int = N_TRUTH) -> dict[str, float]:
    """Expectations of `case_means`, from cases of other seeds."""
    sums: dict[str, float] = {}
    n_studies = -(-n // study.n_cases)
    for drawn in drawn_in_parts(replace(study, seed=10**6), n_studies, who):
        for name, values in case_means(drawn, who).items():
            sums[name] = sums.get(name, 0.0) + float(values.sum()) / (n_studies * study.n_cases)
    return sums

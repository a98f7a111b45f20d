"""Computations of reliability, in the order of scores.csv, and what is missing if they are not possible.

All intervals are over cases, for the given seeds, except those of the spread over seeds.
"""

from collections.abc import Iterator
from typing import Any

from segassay.qualities.reliability import records as of
from segassay.qualities.reliability.calibration import calibration_of_annotators
from segassay.qualities.reliability.designs import designs_of
from segassay.qualities.reliability.flips import flip_rate_of_verdicts, flip_rates
from segassay.qualities.reliability.image_quality import quality_against_score
from segassay.qualities.reliability.rater_probabilities import probabilities_of_raters
from segassay.qualities.reliability.saturation import saturation
from segassay.qualities.reliability.selective import selective_risk
from segassay.qualities.reliability.spread import ratio_of_sds, spread_over_seeds
from segassay.qualities.reliability.uncertainty import uncertainty_of_annotators
from segassay.qualities.reliability.variance import generalizability, repeatability, variance_components
from segassay.qualities.scores.computation import Computation
from segassay.qualities.scores.groups import pairs_of_folds, trained_alike
from segassay.qualities.scores.measure import Gap
from segassay.qualities.scores.table import Agreement, Findings

__all__ = ["computations"]


def computations(found: Findings) -> list[Computation]:
    """All measures of reliability except means of agreement.

    Args:
        found: Tables, annotations, clusters and effects of an evaluation.

    Returns:
        What `segassay.qualities.scores.computation.compute_all` takes.
    """
    agreement = Agreement(found.tables.agreement, found.tables.leave_one_out)
    tables, annotations, clusters = found.tables, found.annotations, found.clusters
    how: dict[str, Any] = {"level": found.level}
    of_scores = (agreement, tables.counts, annotations, clusters)
    designs = designs_of(*of_scores, **how)
    return [
        Computation(
            (of.SD, of.CV, of.RANGE),
            lambda: spread_over_seeds(agreement, tables.counts, annotations),
        ),
        Computation((of.SD_RATIO,), lambda: ratio_of_sds(*of_scores, **how)),
        Computation(
            (of.FLIP_RATE,),
            lambda: flip_rates(tables.agreement, tables.counts, annotations, clusters, **how),
        ),
        Computation(
            (of.FLIP_RATE_OF_VERDICTS,),
            lambda: flip_rate_of_verdicts(found.effects, annotations),
        ),
        Computation(
            (of.SEM, of.MDC95, of.REPEATABILITY),
            lambda: repeatability(designs),
        ),
        Computation(
            (of.VARIANCE,),
            lambda: variance_components(designs),
        ),
        Computation(
            (of.PHI, of.RATERS_FOR_PHI, of.SEEDS_FOR_PHI),
            lambda: generalizability(designs),
        ),
        Computation(
            (of.DISAGREEMENT, of.SATURATION_A, of.SATURATION_REST),
            lambda: saturation(agreement, annotations, clusters, **how),
        ),
        Computation(
            (of.ECE, of.BRIER),
            lambda: calibration_of_annotators(tables.calibration, clusters, **how),
        ),
        Computation(
            (of.DICE_OF_SHARES, of.BRIER_OF_RATERS, of.ECE_OF_RATERS),
            lambda: probabilities_of_raters(tables.prob_votes, clusters, **how),
        ),
        Computation(
            (of.UNCERTAINTY_SPEARMAN, of.UNCERTAINTY_AUROC, of.UNCERTAINTY_AURC),
            lambda: uncertainty_of_annotators(tables.uncertainty, clusters, **how),
        ),
        Computation(
            (of.QUALITY_SPEARMAN,),
            lambda: quality_against_score(agreement, annotations, clusters, **how),
        ),
        Computation(
            (of.IMAGE_AURC,),
            lambda: selective_risk(agreement, tables.uncertainty, tables.counts, annotations, clusters, **how),
        ),
        Computation((of.F1, of.MEAN_IOU, of.DICE), None, gaps=lambda: _without_pairs(found)),
    ]


def _without_pairs(found: Findings) -> Iterator[Gap]:
    """Agreement of trainings, which has only rows of means of agreement."""
    if not any(group.whole_pairs() for group in trained_alike(found.annotations)):
        yield of.F1.gap("seeds")
    if not pairs_of_folds(found.annotations):
        yield of.F1.gap("folds")

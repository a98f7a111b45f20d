"""Computations of validity, in the order of scores.csv, and what is missing if they are not possible.

Means of agreement alone, `agreement_with_raters` and distances between outlines, are computed by `judgement.measures`.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from segassay.data.annotations import is_rater, is_trained, raters_of
from segassay.data.facets import is_exchangeable
from segassay.qualities.scores.computation import Computation
from segassay.qualities.scores.measure import Gap
from segassay.qualities.scores.table import Findings, annotator_kinds, score_rows
from segassay.qualities.validity import concordance, effects
from segassay.qualities.validity import records as of
from segassay.qualities.validity.amounts import amounts_against_raters
from segassay.qualities.validity.boundaries import boundary_scores
from segassay.qualities.validity.ceiling import ceiling_normalised, human_range
from segassay.qualities.validity.detection import Compared, detection
from segassay.qualities.validity.free_response import free_response
from segassay.qualities.validity.sizes import recall_of_sizes
from segassay.qualities.validity.specification import specification_curve, specification_shares, specifications
from segassay.qualities.validity.tolerance import nsd_at_tolerance
from segassay.tables.mean_rater import MEAN_OF_RATERS

__all__ = ["computations"]

_EFFECTS = (
    *(of.ETA_SQUARED_SD, of.VOTES, of.DEVIATIONS, of.SAME_VERDICT, of.SIGN_DISAGREEMENT),
    *(of.ETA_SQUARED_RATIO, of.DIFFERENCE, of.TYPE_S, of.TYPE_M),
)
_LIMITS = (of.AMOUNT_LIMIT_LOW, of.AMOUNT_LIMIT_HIGH, of.AMOUNT_SLOPE)


def computations(found: Findings) -> list[Computation]:
    """All measures of validity except means of agreement, and the rows of raters that are computed with them.

    Args:
        found: Tables, annotations, clusters and effects of an evaluation.

    Returns:
        What `segassay.qualities.scores.computation.compute_all` takes.
    """
    one_way = is_exchangeable(found.annotations)
    agreement = Compared(found.tables.agreement, found.tables.leave_one_out, one_way=one_way)
    tables, sizes = found.tables, found.tables.recall_by_size
    annotations, clusters = found.annotations, found.clusters
    how: dict[str, Any] = {"level": found.level}
    of_objects = (of.IOU, of.AP, of.AP_AT_THRESHOLD, of.PQ, of.SQ)
    of_counts = (of.COUNT_ERROR, of.ABSOLUTE_COUNT_ERROR, of.RELATIVE_COUNT_ERROR, of.MERGES, of.SPLITS)
    of_false = (of.FALSE_POSITIVES, of.FALSE_POSITIVE_PX)
    return [
        Computation((*of_objects, *of_counts, *of_false), lambda: detection(agreement, annotations, clusters, **how)),
        Computation(
            (of.NSD_OF_RATERS,),
            lambda: nsd_at_tolerance(
                tables.distances, tables.surface_shares, tables.counts, annotations, clusters, **how
            ),
        ),
        Computation((of.FROC_SENSITIVITY,), lambda: free_response(tables.detections, clusters, **how)),
        Computation(
            (of.BOUNDARY_IOU, of.CL_DICE, of.MASD),
            lambda: boundary_scores(tables.boundaries, annotations, clusters, **how),
        ),
        Computation(
            (of.AMOUNT_BIAS, *_LIMITS, of.AMOUNT_CCC, of.AMOUNT_RATIO),
            lambda: amounts_against_raters(
                found.tables.counts, annotations, clusters, margin=found.equivalence_margin, **how
            ),
        ),
        Computation(
            (of.MINUS_WORST_RATER, of.MINUS_BEST_RATER),
            lambda: human_range(agreement, annotations, clusters, **how),
            gaps=lambda: _without_models(found),
        ),
        Computation((of.OVER_RATERS,), lambda: ceiling_normalised(agreement, annotations, clusters, **how)),
        Computation(
            (of.RECALL,),
            lambda: recall_of_sizes(sizes, annotations, clusters, **how) if len(sizes) else score_rows([]),
        ),
        Computation(
            (of.F1, of.MEAN_IOU, of.DICE, of.MINUS_RATERS, *of_objects, *of_counts, *of_false),
            None,
            gaps=lambda: _without_references(found),
        ),
        *_of_effects(found),
        Computation(
            (of.SPECIFICATIONS_EFFECT, of.SPECIFICATIONS_SIGNIFICANT, of.SPECIFICATIONS_SAME_SIGN),
            lambda: _specifications(found),
        ),
    ]


def _of_effects(found: Findings) -> list[Computation]:
    """Where all regions have one area, densities repeat the counts and are left out."""
    if is_exchangeable(found.annotations) and all(map(is_rater, found.annotations["kind"])):
        return [Computation(_EFFECTS, None, gaps=lambda: [of.DIFFERENCE.gap("exchangeable")])]
    if found.effects.empty or found.normalised is None:
        return [Computation(_EFFECTS, None, gaps=lambda: [of.DIFFERENCE.gap("experiment")])]
    annotations, kinds = found.annotations, annotator_kinds(found.annotations)
    tested, normalised = effects.without_repeats(found.effects, found.normalised)
    return [
        Computation(
            (of.ETA_SQUARED_SD,),
            lambda: effects.variation_per_effect(tested, annotations),
            gaps=lambda: _without_strategies(annotations),
        ),
        Computation((of.VOTES,), lambda: effects.votes(tested, annotations)),
        Computation((of.DEVIATIONS,), lambda: effects.variation_per_model(tested, annotations)),
        Computation(
            (of.SAME_VERDICT, of.SIGN_DISAGREEMENT),
            lambda: concordance.same_verdicts(tested, annotations),
            gaps=lambda: [] if raters_of(kinds) else [of.SAME_VERDICT.gap("raters")],
        ),
        Computation(
            (of.ETA_SQUARED_RATIO,),
            lambda: concordance.effect_ratios(normalised, annotations, level=found.level),
        ),
        Computation(
            (of.DIFFERENCE,),
            lambda: concordance.equivalence(normalised, annotations, margin=found.equivalence_margin),
        ),
        Computation(
            (of.TYPE_S, of.TYPE_M),
            lambda: concordance.type_s_and_m(tested, annotations),
            gaps=lambda: [] if "truth" in kinds.values() else [of.TYPE_S.gap("truth")],
        ),
    ]


def _without_models(found: Findings) -> Iterator[Gap]:
    kinds = annotator_kinds(found.annotations)
    if not any(map(is_trained, kinds.values())):
        yield of.MINUS_WORST_RATER.gap("models")
    elif not raters_of(kinds):
        yield of.MINUS_WORST_RATER.gap("raters")


def _without_references(found: Findings) -> Iterator[Gap]:
    if found.tables.leave_one_out.empty:
        yield of.F1.gap("raters")
    if "truth" not in annotator_kinds(found.annotations).values():
        yield of.F1.gap("truth")


def _without_strategies(annotations: pd.DataFrame) -> Iterator[Gap]:
    if not effects.strategies(annotations):
        yield of.ETA_SQUARED_SD.gap("annotators")


def _specifications(found: Findings) -> pd.DataFrame:
    """Shares of the specifications of an evaluation, else of those that its effects hold; no rows without either."""
    table = found.specifications
    if table is None:
        of_annotators = found.effects[found.effects["annotator"] != MEAN_OF_RATERS]
        if of_annotators.empty:
            return score_rows([])
        table = specifications(of_annotators, found.annotations)
    return specification_shares(specification_curve(table))

"""Computations of objectivity, in the order of scores.csv, and what is missing if they are not possible.

Means of agreement alone, `agreement_of_raters` and distances between outlines, are computed by `judgement.measures`.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from segassay.data.annotations import TRAINED, WITHOUT, raters_of
from segassay.data.facets import is_exchangeable
from segassay.data.named_channels import intensities_in
from segassay.qualities.objectivity import records as of
from segassay.qualities.objectivity.facets import facet_shares
from segassay.qualities.objectivity.imprint import held_out_models, rater_imprint, removal_of_bias
from segassay.qualities.objectivity.measurements import (
    alpha_of_counts,
    bias_tests,
    intraclass_correlation,
    limits_of_agreement,
    one_way_correlation,
    rater_share,
)
from segassay.qualities.objectivity.models import alternative_annotator, energy_distance, williams
from segassay.qualities.objectivity.raters import (
    agreement_of_objects,
    agreement_of_pixels,
    boundary_shift,
    intra_rater_repeatability,
    sensitivity_and_specificity,
)
from segassay.qualities.objectivity.sets import amounts_as_distributions, best_and_matched_dice
from segassay.qualities.scores.computation import Computation
from segassay.qualities.scores.measure import LEAVE_ONE_OUT, Gap
from segassay.qualities.scores.table import Findings, annotator_kinds, score_rows
from segassay.statistics.raters import MIN_CASES_FOR_ALT_TEST

__all__ = ["computations"]


def computations(found: Findings) -> list[Computation]:
    """All measures of objectivity except means of agreement.

    Args:
        found: Tables, annotations and clusters of an evaluation.

    Returns:
        What `segassay.qualities.scores.computation.compute_all` takes.
    """
    tables, annotations, clusters = found.tables, found.annotations, found.clusters
    raters, one_way = raters_of(annotator_kinds(annotations)), is_exchangeable(annotations)
    how: dict[str, Any] = {"level": found.level}
    shares_of_facets = cache(lambda: facet_shares(tables.facets, clusters, **how))
    of_counts = (tables.counts, raters, clusters)
    of_agreement = (tables.agreement, annotations, clusters)
    return [
        Computation((of.BIAS_TEST,), lambda: bias_tests(*of_counts), gaps=lambda: _without_raters(len(raters))),
        Computation((of.BOUNDARY_SHIFT,), lambda: boundary_shift(tables.distances, raters, clusters, **how)),
        Computation(
            (of.STAPLE_SENSITIVITY, of.STAPLE_SPECIFICITY, of.SENSITIVITY, of.SPECIFICITY),
            lambda: sensitivity_and_specificity(tables.raters, tables.leave_one_out, tables.counts, clusters, **how),
            gaps=lambda: _without_leave_one_out(found),
        ),
        Computation((of.POSITIVE_AGREEMENT,), lambda: agreement_of_objects(tables.agreement, raters, clusters, **how)),
        Computation(
            (of.FLEISS_KAPPA, of.GWET_AC1, of.KRIPPENDORFF_ALPHA),
            lambda: agreement_of_pixels(tables.votes, clusters, **how),
            gaps=lambda: _without_votes(found, len(raters)),
        ),
        Computation((of.KRIPPENDORFF_ALPHA,), lambda: alpha_of_counts(*of_counts, **how)),
        Computation(
            (of.ICC_A1, of.ICC_AK),
            lambda: intraclass_correlation(*of_counts, **how),
            gaps=lambda: _without_intensity(found),
        ),
        Computation(
            (of.ICC_11, of.ICC_1K), lambda: one_way_correlation(*of_counts, **how) if one_way else score_rows([])
        ),
        Computation((of.RATER_SHARE,), lambda: rater_share(*of_counts, **how)),
        Computation(
            (of.FACET_SHARE,),
            shares_of_facets,
            gaps=lambda: [of.FACET_SHARE.form().gap()] if len(tables.facets) and shares_of_facets().empty else [],
        ),
        Computation(
            (of.DIFFERENCE, of.LIMIT_LOW, of.LIMIT_HIGH, of.SLOPE, of.CCC),
            lambda: limits_of_agreement(*of_counts, **how),
        ),
        Computation(
            (of.REPEATED, of.REPEATABILITY),
            lambda: intra_rater_repeatability(tables.repeats, clusters, **how),
            gaps=lambda: [of.REPEATED.form("f1").gap()] if tables.repeats.empty else [],
        ),
        Computation(
            (of.IMPRINT,), lambda: rater_imprint(*of_agreement, **how), gaps=lambda: _without_expert_models(found)
        ),
        Computation((of.IMPRINT,), lambda: rater_imprint(*of_agreement, measure="dice", **how)),
        Computation((of.REMOVAL_OF_BIAS,), lambda: removal_of_bias(*of_agreement, **how)),
        Computation((of.REMOVAL_OF_BIAS,), lambda: removal_of_bias(*of_agreement, measure="dice", **how)),
        Computation(
            (of.WILLIAMS_INDEX,),
            lambda: williams(*of_agreement, **how),
            gaps=lambda: _without_models(found, len(raters)),
        ),
        Computation(
            (of.ADVANTAGE, of.WINNING_RATE),
            lambda: alternative_annotator(*of_agreement, **how),
            gaps=lambda: _without_alt_test(found, len(raters)),
        ),
        Computation(
            (of.ENERGY_DISTANCE,),
            lambda: energy_distance(*of_agreement, **how),
            gaps=lambda: _without_sets(found, len(raters)),
        ),
        Computation((of.DICE_MAX, of.DICE_MATCH), lambda: best_and_matched_dice(*of_agreement, **how)),
        Computation(
            (of.CRPS,),
            lambda: amounts_as_distributions(found.tables.counts, found.annotations, found.clusters, **how),
        ),
    ]


def _without_raters(n_raters: int) -> Iterator[Gap]:
    if n_raters < 2:
        yield of.BIAS_TEST.gap("raters", n_raters=n_raters)


def _without_votes(found: Findings, n_raters: int) -> Iterator[Gap]:
    if n_raters > 1 and found.tables.votes.empty:
        yield of.FLEISS_KAPPA.gap("persons")


def _without_leave_one_out(found: Findings) -> Iterator[Gap]:
    if found.tables.leave_one_out.empty:
        for record in (of.SENSITIVITY, of.F1):
            yield record.form(comparison=LEAVE_ONE_OUT).gap()


def _without_intensity(found: Findings) -> Iterator[Gap]:
    for name in intensities_in(list(found.tables.counts)):
        if found.tables.counts[name].isna().all():
            yield of.ICC_A1.form(name).gap("intensity")


def _without_expert_models(found: Findings) -> Iterator[Gap]:
    """Imprint and removal of bias, which need models that are known not to be trained on a case."""
    _, raters, trained = held_out_models(found.tables.agreement, found.annotations, of.F1.name)
    models = found.annotations[found.annotations["kind"] == "model"]
    unknown = models.loc[models["held_out"].isna(), "annotator"].nunique()
    n_raters = len(set(raters) & set(trained))
    if n_raters < of.MIN_RATERS_FOR_IMPRINT:
        yield of.IMPRINT.gap("unknown" if unknown else "models", n_raters=n_raters, unknown=unknown)
    if not n_raters or not any(WITHOUT in name for name in trained):
        yield of.REMOVAL_OF_BIAS.gap("unknown" if unknown else "models", unknown=unknown)


def _has_models(found: Findings) -> bool:
    return bool(found.annotations["kind"].isin(TRAINED).any())


def _without_models(found: Findings, n_raters: int) -> Iterator[Gap]:
    if not _has_models(found) or n_raters < 2:
        yield of.WILLIAMS_INDEX.gap("models")


def _without_alt_test(found: Findings, n_raters: int) -> Iterator[Gap]:
    n_cases = found.annotations["case"].nunique()
    if not _has_models(found) or n_raters < of.MIN_RATERS_FOR_ALT_TEST:
        yield of.WINNING_RATE.form().gap()
    elif n_cases < MIN_CASES_FOR_ALT_TEST:
        yield of.WINNING_RATE.gap("cases", n_cases=n_cases)


def _without_sets(found: Findings, n_raters: int) -> Iterator[Gap]:
    models = found.annotations[found.annotations["kind"] == "model"]
    if models["annotator"].nunique() < 2 or n_raters < 2:
        yield of.ENERGY_DISTANCE.form().gap()

"""Measures of objectivity, one record each; the other modules of this package compute them."""

from dataclasses import replace

from segassay.qualities.objectivity import questions
from segassay.qualities.scores import error_rates
from segassay.qualities.scores.coverage import (
    ALPHA,
    CONCORDANCE,
    CORRELATION,
    FACET_SHARES,
    LIMITS,
    MEANS,
    NO_INTERVAL,
    PIXELS,
    RATER_SHARES,
    RATIOS,
    SHARES,
    SLOPES,
    WITHIN_CASE,
)
from segassay.qualities.scores.measure import GAP, Gap, Measure
from segassay.statistics.raters import MIN_CASES_FOR_ALT_TEST
from segassay.tables.compared import MIN_OTHERS

__all__ = ["MIN_RATERS_FOR_ALT_TEST", "MIN_RATERS_FOR_IMPRINT", "RECORDS"]

MIN_RATERS_FOR_IMPRINT = 3
"""Raters with models of their own; with fewer, a rater with whom everyone agrees cannot be told from an imprint."""

MIN_RATERS_FOR_ALT_TEST = 3

_OF_QUANTITY_FIRST = ("of", "name")
_UNKNOWN = "; {unknown} models leave it open whether cases were held out"

# agreement of raters, on masks and outlines

F1 = Measure(
    name="f1",
    quality="objectivity",
    question=questions.AGREEMENT,
    against="the consensus of the other raters, or each other rater",
    section="masks",
    functions=("qualities.objectivity.raters.agreement_of_raters",),
    coverage=(MEANS,),
    words="F1",
    needs=f"needs {MIN_OTHERS + 1} raters of a case, so that {MIN_OTHERS} remain for C₋r",
    estimators=("masks.overlaps.match_objects",),
)
MEAN_IOU = replace(F1, name="mean_iou", words="mean IoU")
DICE = replace(F1, name="dice", words="Dice", estimators=("masks.overlaps.pixel_agreement",))
POSITIVE_AGREEMENT = Measure(
    name="positive_agreement",
    plain="share of marked objects on which two raters agree",
    quality="objectivity",
    question=questions.AGREEMENT_ON_OBJECTS,
    against="each other rater",
    section="chance",
    functions=("qualities.objectivity.raters.agreement_of_objects",),
    coverage=(SHARES,),
    needs="needs 2 raters",
    estimators=("statistics.raters.positive_agreement",),
)
HD95 = Measure(
    name="hd95",
    quality="objectivity",
    question=questions.OUTLINES,
    against="the consensus of the other raters, and each other rater",
    section="outlines",
    functions=("qualities.validity.outlines.distance_scores",),
    coverage=(MEANS,),
    words="HD95",
    needs="needs 2 raters",
    estimators=("masks.outlines.hausdorff_distance",),
)
ASSD = replace(HD95, name="assd", words="ASSD", estimators=("masks.outlines.average_surface_distance",))
NSD = replace(HD95, name="nsd", words="NSD", estimators=("masks.outlines.normalized_surface_dice",))

# how a rater differs from the others

LOG_COUNT_RATIO = Measure(
    name="log_count_ratio",
    plain="objects marked, log ratio to the others",
    quality="objectivity",
    question=questions.BIAS,
    against="the mean of the other raters",
    section="raters",
    functions=("qualities.objectivity.raters.agreement_of_raters",),
    coverage=(MEANS,),
    needs="needs 2 raters",
    estimators=("statistics.raters.log_ratio_to_others",),
)
LOG_AREA_RATIO = replace(LOG_COUNT_RATIO, name="log_area_ratio", plain="area marked, log ratio to the others")
BIAS_TEST = replace(
    LOG_COUNT_RATIO,
    name="bias_test",
    plain="p-value: {of} equal to that of the others",
    section="measurements",
    functions=("qualities.objectivity.measurements.bias_tests",),
    coverage=(NO_INTERVAL,),
    errors=error_rates.BIAS,
    unit="p",
    estimators=("statistics.raters.bias_test", "statistics.raters.friedman"),
    gaps={"raters": Gap("agreement and bias of raters", "{needs}, there are {n_raters}")},
)
BOUNDARY_SHIFT = Measure(
    name="boundary_shift",
    plain="outlines outside (+) or inside (−) those of the others",
    quality="objectivity",
    question=questions.WIDTH,
    against="each other rater",
    section="measurements",
    functions=("qualities.objectivity.raters.boundary_shift",),
    coverage=(MEANS,),
    needs="needs 2 raters",
    estimators=("masks.outlines.boundary_shift",),
)
STAPLE_SENSITIVITY = Measure(
    name="staple_sensitivity",
    plain="foreground of STAPLE that is marked",
    quality="objectivity",
    question=questions.MISSED_AND_ADDED,
    against="STAPLE of all raters, which contains the rater",
    section="raters",
    functions=("qualities.objectivity.raters.sensitivity_and_specificity",),
    coverage=(NO_INTERVAL,),
    needs="needs 2 raters",
    estimators=("consensus.pixels.staple",),
)
STAPLE_SPECIFICITY = replace(
    STAPLE_SENSITIVITY, name="staple_specificity", plain="background of STAPLE that is left unmarked"
)
SENSITIVITY = replace(
    STAPLE_SENSITIVITY,
    name="sensitivity",
    plain="foreground that is marked",
    against="the consensus of the other raters",
    coverage=(MEANS,),
    needs=F1.needs,
    estimators=(),
)
SPECIFICITY = replace(SENSITIVITY, name="specificity", plain="background that is left unmarked")

# agreement beyond chance

FLEISS_KAPPA = Measure(
    name="fleiss_kappa",
    plain="agreement on {of} beyond chance, Fleiss’ κ",
    quality="objectivity",
    question=questions.PIXELS_BEYOND_CHANCE,
    against="all other raters",
    section="chance",
    functions=("qualities.objectivity.raters.agreement_of_pixels",),
    coverage=(PIXELS,),
    words="Fleiss’ κ",
    link="of",
    needs="needs 2 raters",
    estimators=("statistics.chance.fleiss_kappa",),
    gaps={
        "persons": Gap(
            "agreement of pixels beyond chance", "a person drew several masks, and has no single vote on a pixel"
        )
    },
)
GWET_AC1 = replace(
    FLEISS_KAPPA,
    name="gwet_ac1",
    plain="agreement on {of} beyond chance, Gwet’s AC1",
    words="Gwet’s AC1",
    estimators=("statistics.chance.gwet_ac1",),
    gaps={},
)
KRIPPENDORFF_ALPHA = replace(
    GWET_AC1,
    name="krippendorff_alpha",
    plain="agreement on {of} beyond chance, Krippendorff’s α",
    coverage=(PIXELS, ALPHA),
    words="Krippendorff’s α",
    functions=(
        "qualities.objectivity.raters.agreement_of_pixels",
        "qualities.objectivity.measurements.alpha_of_counts",
    ),
    estimators=("statistics.chance.krippendorff_alpha",),
)

# whether raters measure the same

ICC_A1 = Measure(
    name="icc_a1",
    plain="{of}: reliability of one rater, ICC(A,1)",
    quality="objectivity",
    question=questions.DISTINGUISHED_CASES,
    against="all other raters",
    section="measurements",
    functions=("qualities.objectivity.measurements.intraclass_correlation",),
    coverage=(CORRELATION,),
    words="ICC(A,1)",
    link="of",
    needs="needs 2 raters",
    estimators=("statistics.reliability.icc_a1_weighted",),
    gaps={"intensity": replace(GAP, why="no image, or no object on any")},
)
ICC_AK = replace(
    ICC_A1,
    name="icc_ak",
    plain="{of}: reliability of the mean of all raters, ICC(A,k)",
    words="ICC(A,k)",
    estimators=("statistics.reliability.icc_ak_weighted",),
)
ICC_11 = replace(
    ICC_A1,
    name="icc_11",
    plain="{of}: reliability of one rater, ICC(1,1)",
    question=questions.DISTINGUISHED_BY_ANYBODY,
    words="ICC(1,1)",
    functions=("qualities.objectivity.measurements.one_way_correlation",),
    needs="needs 2 exchangeable raters",
    estimators=("statistics.reliability.icc_11_weighted",),
    gaps={},
)
ICC_1K = replace(
    ICC_11,
    name="icc_1k",
    plain="{of}: reliability of the mean of all raters, ICC(1,k)",
    words="ICC(1,k)",
    estimators=("statistics.reliability.icc_1k_weighted",),
)
RATER_SHARE = Measure(
    name="rater_share",
    plain="{of}: share of the variance that is due to the rater",
    quality="objectivity",
    question=questions.SHARE_OF_RATER,
    against="all other raters",
    section="measurements",
    functions=("qualities.objectivity.measurements.rater_share",),
    coverage=(RATER_SHARES,),
    needs="needs 2 raters",
    estimators=("statistics.components.crossed_components",),
)
FACET_SHARE = Measure(
    name="variance_share",
    plain="{of}: share of the variance that is due to the {variant}",
    quality="objectivity",
    question=questions.SHARE_OF_FACETS,
    against="all other persons, and all other tools, sessions or sites",
    section="measurements",
    functions=("qualities.objectivity.facets.facet_shares",),
    coverage=(FACET_SHARES,),
    needs="needs 2 persons who used the same tools, sessions or sites (facets of raters in dataset.yaml)",
    order=("name", "of", "variant"),
    estimators=("statistics.components.crossed_components",),
)
DIFFERENCE = Measure(
    name="difference",
    plain="{of}: mean difference",
    quality="objectivity",
    question=questions.LIMITS,
    against="each other rater",
    section="two raters",
    functions=("qualities.objectivity.measurements.limits_of_agreement",),
    coverage=(MEANS,),
    needs="needs 2 raters",
    estimators=("statistics.methods.bland_altman",),
)
LIMIT_LOW = replace(
    DIFFERENCE, name="limit_low", plain="{of}: lower limit of 95 % of the differences", coverage=(LIMITS,)
)
LIMIT_HIGH = replace(LIMIT_LOW, name="limit_high", plain="{of}: upper limit of 95 % of the differences")
SLOPE = replace(LIMIT_LOW, name="slope", plain="{of}: growth of the difference with size", coverage=(SLOPES,))
CCC = replace(
    LIMIT_LOW,
    name="ccc",
    plain="{of}: nearness to equality, Lin’s concordance",
    plain_gaps={"ccc": "nearness of two raters to equality, Lin’s concordance"},
    coverage=(CONCORDANCE,),
    question=questions.EQUALITY,
    words="concordance",
    link="of",
    estimators=("statistics.methods.lins_ccc",),
)

# whether a rater repeats the same masks

REPEATED = Measure(
    name="repeated",
    plain="{of} of two sessions of one rater",
    quality="objectivity",
    question=questions.REPETITION,
    against="the same rater in another session",
    section="chance",
    functions=("qualities.objectivity.raters.intra_rater_repeatability",),
    coverage=(MEANS,),
    needs="nobody annotated a case twice (column session of annotations.csv)",
    plain_gaps={"f1_repeated": "F1 of two sessions of one rater"},
    order=_OF_QUANTITY_FIRST,
    estimators=("masks.overlaps.match_objects", "masks.overlaps.pixel_agreement"),
)
REPEATABILITY = replace(
    REPEATED,
    name="repeatability_coefficient",
    plain="{of}: largest usual difference of two repetitions",
    section="measurements",
    coverage=(WITHIN_CASE,),
    order=("name", "of"),
    estimators=("statistics.reliability.repeatability_coefficient",),
)

# models and the raters they were trained on

IMPRINT = Measure(
    name="imprint",
    plain="imprint of the rater that a model was trained on",
    quality="objectivity",
    question=questions.IMITATION,
    against="models trained on other raters",
    section="imprint",
    functions=("qualities.objectivity.imprint.rater_imprint", "qualities.objectivity.imprint.imprint"),
    coverage=(MEANS,),
    errors=error_rates.IMPRINT,
    needs=f"needs held-out models of {MIN_RATERS_FOR_IMPRINT} raters",
    gaps={
        "models": replace(GAP, why="{needs}, there are {n_raters}"),
        "unknown": replace(GAP, why="{needs}, there are {n_raters}" + _UNKNOWN),
    },
)
REMOVAL_OF_BIAS = replace(
    IMPRINT,
    name="removal_of_bias",
    plain="bias of single raters that a consensus removes",
    errors=None,
    question=questions.REMOVAL,
    functions=("qualities.objectivity.imprint.removal_of_bias",),
    needs="needs held-out models of raters and of a consensus without one (staple_without_<rater>)",
    gaps={"models": GAP, "unknown": replace(GAP, why="{needs}" + _UNKNOWN)},
)
WILLIAMS_INDEX = Measure(
    name="williams_index",
    quality="objectivity",
    question=questions.LIKE_RATERS,
    against="the raters, relative to their agreement with each other",
    section="imprint",
    functions=("qualities.objectivity.models.williams",),
    coverage=(RATIOS,),
    words="Williams index",
    needs="needs a model or ensemble and 2 raters",
    estimators=("statistics.raters.williams_index",),
    gaps={"models": Gap("{name} of models", GAP.why, "{words} of models")},
)
WINNING_RATE = Measure(
    name="alt_test_winning_rate",
    plain="share of raters whom it can replace",
    quality="objectivity",
    question=questions.REPLACEMENT,
    against="each rater, both compared with the other raters",
    section="imprint",
    functions=("qualities.objectivity.models.alternative_annotator",),
    coverage=(NO_INTERVAL,),
    needs=f"needs a model or ensemble and {MIN_RATERS_FOR_ALT_TEST} raters",
    estimators=("statistics.raters.alt_test",),
    gaps={"cases": replace(GAP, why=f"needs {MIN_CASES_FOR_ALT_TEST} cases, there are {{n_cases}}")},
)
ADVANTAGE = replace(
    WINNING_RATE, name="alt_test_advantage", plain="how often it is as good as a rater, or better", coverage=(MEANS,)
)
ENERGY_DISTANCE = Measure(
    name="generalized_energy_distance",
    plain="difference between the set of masks of models and that of raters",
    quality="objectivity",
    question=questions.SPREAD_OF_MASKS,
    against="the masks of all raters",
    section="imprint",
    functions=("qualities.objectivity.models.energy_distance",),
    coverage=(MEANS,),
    needs="needs 2 models and 2 raters",
    estimators=("statistics.raters.generalized_energy_distance",),
)
DICE_MAX = replace(
    ENERGY_DISTANCE,
    name="dice_max",
    plain="",
    question=questions.COVERED_BY_MASKS,
    against="every rater",
    functions=("qualities.objectivity.sets.best_and_matched_dice",),
    words="Dice of the best model",
    estimators=("statistics.sets.best_agreement",),
)
DICE_MATCH = replace(
    DICE_MAX, name="dice_match", words="Dice of matched models", estimators=("statistics.sets.matched_agreement",)
)
CRPS = replace(
    DICE_MAX,
    name="crps",
    plain="{of}: error of the spread over models, CRPS",
    question=questions.DISTRIBUTIONS,
    section="measurements",
    functions=("qualities.objectivity.sets.amounts_as_distributions",),
    words="CRPS",
    link="of",
    estimators=("statistics.sets.crps",),
)

RECORDS = tuple(record for record in list(globals().values()) if isinstance(record, Measure))
"""All of the above, in this order."""

"""Measures of validity, one record each; the other modules of this package compute them."""

from dataclasses import replace

from segassay.qualities.objectivity import records as of_raters
from segassay.qualities.objectivity.questions import OUTLINES
from segassay.qualities.scores import error_rates
from segassay.qualities.scores.coverage import (
    AMOUNT_RATIOS,
    DETECTION,
    EFFECT_RATIO,
    EFFECTS,
    EQUIVALENCE,
    MEANS,
    NO_INTERVAL,
    RATIOS,
    SHARES,
    SPREAD_OF_EFFECTS,
)
from segassay.qualities.scores.measure import CSV_ONLY, GAP, NO_ROWS, Gap, Measure
from segassay.qualities.validity import effect_questions, questions
from segassay.tables.compared import MIN_OTHERS

__all__ = ["RECORDS"]

_OF_FIRST = ("of", "name", "variant", "comparison")
_BESIDE = ("of", "comparison", "name")
_NO_MODEL = "needs a model or ensemble, and raters"
_NO_TRUTH = "no truth is known"
_NO_EXPERIMENT = "no experiment with a control group"
_ONLY_EXCHANGEABLE = (
    "exchangeable raters draw no conclusions, only their mean does: needs a reference, a model or masks of a "
    "consensus, and an experiment"
)
_OF_RANGE = "human_range, ceiling_normalised"

F1 = Measure(
    name="f1",
    quality="validity",
    question=questions.FOUND,
    against="the consensus of all raters but one, or each rater; a reference or a truth",
    section="masks",
    functions=("qualities.validity.raters.agreement_with_raters",),
    coverage=(MEANS,),
    words="F1",
    needs="needs a model, an ensemble, a reference or a truth",
    estimators=("masks.overlaps.match_objects",),
    gaps={
        "raters": Gap("detection against C₋r", f"fewer than {MIN_OTHERS + 1} raters of one case"),
        "truth": Gap("scores against the truth", _NO_TRUTH),
    },
)
MEAN_IOU = replace(F1, name="mean_iou", words="mean IoU")
DICE = replace(F1, name="dice", words="Dice", estimators=("masks.overlaps.pixel_agreement",))
MINUS_RATERS = replace(
    F1,
    name="minus_raters",
    against="the raters' own scores on the same cases",
    words=", minus that of the raters",
    needs=_NO_MODEL,
    order=_BESIDE,
    estimators=(),
)
HD95 = replace(
    F1,
    name="hd95",
    question=OUTLINES,
    section="outlines",
    functions=("qualities.validity.outlines.distance_scores",),
    words="HD95",
    estimators=("masks.outlines.hausdorff_distance",),
)
ASSD = replace(HD95, name="assd", words="ASSD", estimators=("masks.outlines.average_surface_distance",))
NSD = replace(HD95, name="nsd", words="NSD", estimators=("masks.outlines.normalized_surface_dice",))
NSD_OF_RATERS = replace(
    NSD,
    name="nsd_of_raters",
    plain="outlines as close as raters draw them, NSD",
    question=questions.TOLERATED,
    against="each (other) rater",
    functions=("qualities.validity.tolerance.nsd_at_tolerance", "qualities.validity.tolerance.tolerance_of_raters"),
    section="ceiling",
    words="NSD at the raters’ tolerance",
    needs="needs 2 raters with outlines in one image",
    gaps={NO_ROWS: GAP},
)
BOUNDARY_IOU = replace(
    F1,
    name="boundary_iou",
    question=questions.BOUNDARIES,
    section=CSV_ONLY,
    functions=("qualities.validity.boundaries.boundary_scores",),
    words="boundary IoU",
    estimators=("masks.boundaries.boundary_iou",),
    gaps={},
)
CL_DICE = replace(BOUNDARY_IOU, name="cl_dice", words="clDice", estimators=("masks.boundaries.centreline_dice",))
MASD = replace(BOUNDARY_IOU, name="masd", words="MASD", estimators=("masks.boundaries.mean_average_surface_distance",))

IOU = replace(
    F1,
    name="iou",
    section=CSV_ONLY,
    functions=("qualities.validity.detection.detection",),
    words="IoU",
    estimators=("masks.overlaps.pixel_agreement",),
)
AP = replace(
    F1,
    name="ap",
    plain="objects found, mean over required overlaps, AP",
    question=questions.OVERLAP,
    section="objects",
    functions=("qualities.validity.detection.detection", "qualities.validity.objects.average_precision"),
    words="AP",
)
AP_AT_THRESHOLD = replace(
    AP,
    name="ap_at_threshold",
    plain="objects found at an overlap of .{variant}, {of}",
    section=CSV_ONLY,
    order=("of", "variant", "comparison"),
)
PQ = replace(
    F1,
    name="pq",
    plain="objects found and well drawn, PQ",
    question=questions.RECOGNITION,
    section="objects",
    functions=("qualities.validity.detection.detection", "qualities.validity.objects.panoptic_quality"),
    words="PQ",
)
SQ = replace(
    PQ,
    name="sq",
    plain="overlap of objects that are found, SQ",
    functions=("qualities.validity.detection.detection",),
    words="SQ",
)
COUNT_ERROR = replace(
    F1,
    name="count_error",
    plain="objects too many (+) or too few (−)",
    question=questions.COUNTS,
    section="objects",
    functions=("qualities.validity.detection.detection", "qualities.validity.objects.object_measures"),
    words="",
    estimators=(),
)
ABSOLUTE_COUNT_ERROR = replace(
    COUNT_ERROR, name="absolute_count_error", plain="wrong number of objects, without sign", section=CSV_ONLY
)
RELATIVE_COUNT_ERROR = replace(
    COUNT_ERROR, name="relative_count_error", plain="objects too many or too few, as a share"
)
MERGES = replace(
    COUNT_ERROR,
    name="merges",
    plain="neighbours drawn as one object",
    question=questions.FUSED_OR_CUT,
    functions=("qualities.validity.objects.object_measures",),
)
SPLITS = replace(MERGES, name="splits", plain="objects drawn as several")
FALSE_POSITIVES = replace(
    MERGES, name="false_positives", plain="objects that are not there", question=questions.FALSE_MARKS
)
FALSE_POSITIVE_PX = replace(
    FALSE_POSITIVES,
    name="false_positive_px",
    plain="pixels of objects that are not there",
    words="false positive pixels",
)
FROC_SENSITIVITY = replace(
    FALSE_POSITIVES,
    name="froc_sensitivity",
    plain="",
    against="the truth; else the consensus of all raters; else another consensus",
    section=CSV_ONLY,
    functions=("qualities.validity.free_response.free_response",),
    coverage=(DETECTION,),
    words="sensitivity at few false positives (FROC)",
    needs="needs a map of probabilities and a reference with objects",
    gaps={NO_ROWS: GAP},
    estimators=("masks.free_response.froc", "masks.free_response.mean_sensitivity"),
)
RECALL = Measure(
    name="recall",
    plain="objects of {variant} that are found",
    quality="validity",
    question=questions.SIZES,
    against=F1.against,
    section="sizes",
    functions=("qualities.validity.sizes.recall_of_sizes",),
    coverage=(SHARES,),
    needs=F1.needs,
)

AMOUNT_BIAS = replace(
    of_raters.DIFFERENCE,
    name="amount_bias",
    plain="{of}: mean difference from the median rater",
    quality="validity",
    question=questions.AMOUNTS,
    against="the median rater of each case",
    section="amounts",
    functions=("qualities.validity.amounts.amounts_against_raters",),
    words="bias",
    link="of",
    needs=_NO_MODEL,
    gaps={NO_ROWS: Gap("counts and areas against the median rater", GAP.why)},
)
AMOUNT_LIMIT_LOW = replace(
    AMOUNT_BIAS,
    name="amount_limit_low",
    plain="{of}: lower limit of 95 % of the differences from the median rater",
    words="lower limit",
    coverage=of_raters.LIMIT_LOW.coverage,
    gaps={},
)
AMOUNT_LIMIT_HIGH = replace(
    AMOUNT_LIMIT_LOW,
    name="amount_limit_high",
    plain="{of}: upper limit of 95 % of the differences from the median rater",
    words="upper limit",
)
AMOUNT_SLOPE = replace(
    AMOUNT_LIMIT_LOW,
    name="amount_slope",
    plain="{of}: growth of the difference from the median rater with size",
    words="slope",
    coverage=of_raters.SLOPE.coverage,
)
AMOUNT_CCC = replace(
    AMOUNT_LIMIT_LOW,
    name="amount_ccc",
    plain="{of}: nearness to the median rater, Lin’s concordance",
    words="Lin’s concordance",
    coverage=of_raters.CCC.coverage,
    estimators=of_raters.CCC.estimators,
)
AMOUNT_RATIO = replace(
    AMOUNT_BIAS,
    name="amount_ratio",
    plain="{of}: ratio to the median rater",
    question=questions.EQUAL_AMOUNTS,
    coverage=(AMOUNT_RATIOS,),
    errors=error_rates.EQUIVALENT_RATIO,
    words="ratio of mean",
    link="",
    estimators=("statistics.equivalence.ratio_equivalence",),
    gaps={},
)

MINUS_WORST_RATER = Measure(
    name="minus_worst_rater",
    quality="validity",
    question=questions.RANGE_OF_RATERS,
    against="the rater with the lowest score on the same cases",
    section="ceiling",
    functions=("qualities.validity.ceiling.human_range", "qualities.validity.ceiling.position"),
    coverage=(MEANS,),
    words=", minus that of the worst rater",
    needs=_NO_MODEL,
    order=_BESIDE,
    shown=("f1", "dice", "ap", "pq"),
    gaps={
        "models": Gap(_OF_RANGE, "no model or ensemble among the annotators", _OF_RANGE.replace("_", " ")),
        "raters": Gap(_OF_RANGE, "no raters", _OF_RANGE.replace("_", " ")),
    },
    plain_gaps={_OF_RANGE: "models compared with the worst and the best rater"},
)
MINUS_BEST_RATER = replace(
    MINUS_WORST_RATER,
    name="minus_best_rater",
    against="the rater with the highest score on the same cases",
    words=", minus that of the best rater",
)
OVER_RATERS = replace(
    MINUS_WORST_RATER,
    name="over_raters",
    question=questions.SHARE_OF_RATERS,
    against="the raters' own scores on the same cases",
    functions=("qualities.validity.ceiling.ceiling_normalised",),
    coverage=(RATIOS,),
    words=", divided by that of the raters",
)

ETA_SQUARED = Measure(
    name="eta_squared",
    plain="{of}: size of the effect, η²",
    quality="validity",
    question=effect_questions.EFFECTS,
    against="the other strategies, and the raters",
    section="strategies",
    functions=("judgement.strategy_effects.effects_of_groups", "judgement.strategy_effects.mean_eta_squared"),
    coverage=(EFFECTS,),
    words="η²",
    needs=_NO_EXPERIMENT,
    order=_OF_FIRST,
    estimators=("statistics.groups.mann_whitney",),
)
ETA_SQUARED_SD = replace(
    ETA_SQUARED,
    name="eta_squared_sd",
    plain="{of}: spread of the size of the effect η² between annotators",
    question=effect_questions.VARIATION,
    against="other annotators of the strategy",
    section="conclusions",
    functions=("qualities.validity.effects.variation_per_effect",),
    coverage=(SPREAD_OF_EFFECTS,),
    words="η² sd",
    gaps={
        "annotators": Gap(
            "variation_per_effect, votes, variation_per_model",
            "no two annotators of one strategy",
            "variation per effect, votes, variation per model",
        )
    },
)
VOTES = Measure(
    name="votes",
    plain="{of}: annotators who conclude “{variant}”",
    quality="validity",
    question=effect_questions.VOTING,
    against="other annotators of the strategy",
    section="conclusions",
    functions=("qualities.validity.effects.votes",),
    coverage=(NO_INTERVAL,),
    needs=_NO_EXPERIMENT,
    order=_OF_FIRST,
)
DEVIATIONS = replace(
    VOTES,
    name="deviations_from_majority",
    plain="{of}: conclusions that differ from those of most",
    functions=("qualities.validity.effects.variation_per_model",),
)
SAME_AS_MAJORITY = replace(
    VOTES,
    name="same_as_majority",
    plain="{of}: same conclusion as most raters",
    question=effect_questions.MAJORITY,
    against="the majority of the (other) raters",
    section="strategies",
    functions=("judgement.strategy_effects.same_as_majority",),
)
SAME_VERDICT = replace(
    VOTES,
    name="same_verdict",
    plain="{of}: share of raters with the same conclusion",
    errors=error_rates.CONCLUSION,
    question=effect_questions.CONCLUSIONS,
    against="each (other) rater",
    functions=("qualities.validity.concordance.same_verdicts",),
    gaps={"raters": Gap("same_verdicts, effect_ratios", "no raters", "same verdicts, effect ratios")},
)
SIGN_DISAGREEMENT = replace(
    SAME_VERDICT, name="sign_disagreement", plain="{of}: share of raters with the opposite conclusion", errors=None
)
ETA_SQUARED_RATIO = replace(
    ETA_SQUARED,
    name="eta_squared_ratio",
    plain="{of}: size of the effect η² divided by that of the raters",
    question=effect_questions.EFFECT_SIZE,
    against="the mean of the (other) raters' effects",
    section="conclusions",
    functions=(
        "qualities.validity.concordance.effect_ratios",
        "qualities.validity.effects.weighted_eta_squared",
        "qualities.validity.effects.weighted_rank_biserial",
    ),
    coverage=(EFFECT_RATIO,),
    words="η² ratio",
)
DIFFERENCE = Measure(
    name="difference",
    plain="{of}: difference in multiples of the control mean",
    quality="validity",
    question=effect_questions.EQUIVALENCE,
    against="the mean of the (other) raters; a reference or a truth",
    section="equivalence",
    functions=("qualities.validity.concordance.equivalence",),
    coverage=(EQUIVALENCE,),
    errors=error_rates.EQUIVALENT,
    needs=_NO_EXPERIMENT,
    order=_OF_FIRST,
    estimators=("statistics.methods.equivalence_test",),
    gaps={
        "experiment": Gap("effects between annotators", GAP.why),
        "exchangeable": Gap("effects between annotators", _ONLY_EXCHANGEABLE),
    },
)
TYPE_S = Measure(
    name="type_s",
    plain="{of}: significant effects with the wrong sign",
    quality="validity",
    question=effect_questions.WRONG_SIGNS,
    against="the effect of a truth in the same images",
    section="conclusions",
    functions=("qualities.validity.concordance.type_s_and_m",),
    coverage=(NO_INTERVAL,),
    needs=_NO_TRUTH,
    order=_OF_FIRST,
    gaps={"truth": Gap("type_s_and_m", GAP.why, "type s and m")},
    plain_gaps={"type_s_and_m": "wrong sign or exaggeration of significant effects"},
)
TYPE_M = replace(TYPE_S, name="type_m", plain="{of}: exaggeration of significant effects")
SPECIFICATIONS_EFFECT = Measure(
    name="specifications_effect",
    plain="median effect over all analyses",
    quality="validity",
    question=effect_questions.OTHER_CHOICES,
    against="other ways to analyse the same images",
    section="conclusions",
    functions=("qualities.validity.specification.specification_shares",),
    coverage=(NO_INTERVAL,),
    needs=_NO_EXPERIMENT,
)
SPECIFICATIONS_SIGNIFICANT = replace(
    SPECIFICATIONS_EFFECT, name="specifications_significant", plain="share of analyses with a significant effect"
)
SPECIFICATIONS_SAME_SIGN = replace(
    SPECIFICATIONS_EFFECT,
    name="specifications_same_sign",
    plain="share of analyses with the same direction of the effect",
)

RECORDS = tuple(record for record in list(globals().values()) if isinstance(record, Measure))
"""All of the above, in this order."""

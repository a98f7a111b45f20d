"""Measures of validity, one record each; the other modules of this package compute them."""

from dataclasses import replace

from segassay.qualities.scores.coverage import (
    EFFECT_RATIO,
    EFFECTS,
    EQUIVALENCE,
    MEANS,
    NO_INTERVAL,
    NOT_MEASURED,
    RATIOS,
    SHARES,
)
from segassay.qualities.scores.measure import CSV_ONLY, Measure

__all__ = ["RECORDS"]

_OF_FIRST = ("of", "name", "variant", "comparison")
_BESIDE = ("of", "comparison", "name")
_NO_MODEL = "needs a model or ensemble, and raters"
_NO_EXPERIMENT = "no experiment with a control group"

# masks and outlines

F1 = Measure(
    name="f1",
    quality="validity",
    question="Does a model find the objects and pixels that raters and references have?",
    against="the consensus of all raters but one, or each rater; a reference or a truth",
    section="masks",
    functions=("qualities.validity.raters.agreement_with_raters",),
    coverage=(MEANS,),
    words="F1",
    needs="needs a model, an ensemble, a reference or a truth",
    estimators=("masks.overlaps.match_objects",),
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
    question="How far are the outlines apart?",
    section="outlines",
    functions=("qualities.validity.outlines.distance_scores",),
    words="HD95",
    estimators=("masks.outlines.hausdorff_distance",),
)
ASSD = replace(HD95, name="assd", words="ASSD", estimators=("masks.outlines.average_surface_distance",))
NSD = replace(HD95, name="nsd", words="NSD", estimators=("masks.outlines.normalized_surface_dice",))

# objects

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
    question="How fast does that fall as more overlap is asked for?",
    section="objects",
    functions=("qualities.validity.detection.detection", "qualities.validity.objects.average_precision"),
    words="AP",
)
AP_AT_THRESHOLD = replace(AP, name="ap_at_threshold", section=CSV_ONLY, order=("of", "variant", "comparison"))
PQ = replace(
    F1,
    name="pq",
    question="Is it recognition or outlines that a model lacks?",
    section="objects",
    functions=("qualities.validity.detection.detection", "qualities.validity.objects.panoptic_quality"),
    words="PQ",
)
SQ = replace(PQ, name="sq", functions=("qualities.validity.detection.detection",), words="SQ")
COUNT_ERROR = replace(
    F1,
    name="count_error",
    question="How many objects too many or too few?",
    section="objects",
    functions=("qualities.validity.detection.detection", "qualities.validity.objects.object_measures"),
    words="",
    estimators=(),
)
ABSOLUTE_COUNT_ERROR = replace(COUNT_ERROR, name="absolute_count_error", section=CSV_ONLY)
RELATIVE_COUNT_ERROR = replace(COUNT_ERROR, name="relative_count_error")
MERGES = replace(
    COUNT_ERROR,
    name="merges",
    question="Are neighbours fused, or single objects cut?",
    functions=("qualities.validity.objects.object_measures",),
)
SPLITS = replace(MERGES, name="splits")
RECALL = Measure(
    name="recall",
    quality="validity",
    question="Which sizes of objects are missed?",
    against=F1.against,
    section="sizes",
    functions=("qualities.validity.sizes.recall_of_sizes",),
    coverage=(SHARES,),
    needs=F1.needs,
)

# compared with raters

MINUS_WORST_RATER = Measure(
    name="minus_worst_rater",
    quality="validity",
    question="Is the model as good as the worst rater, or better than the best?",
    against="the rater with the lowest score on the same cases",
    section="ceiling",
    functions=("qualities.validity.ceiling.human_range", "qualities.validity.ceiling.position"),
    coverage=(MEANS,),
    words=", minus that of the worst rater",
    needs=_NO_MODEL,
    order=_BESIDE,
    shown=("f1", "dice", "ap", "pq"),
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
    question="How much of what raters reach does the model reach?",
    against="the raters' own scores on the same cases",
    functions=("qualities.validity.ceiling.ceiling_normalised",),
    coverage=(RATIOS,),
    words=", divided by that of the raters",
)

# conclusions of the experiment

ETA_SQUARED = Measure(
    name="eta_squared",
    quality="validity",
    question="How large are the effects that a strategy finds?",
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
    question="Does the effect depend on who of one strategy annotated?",
    against="other annotators of the strategy",
    section="conclusions",
    functions=("qualities.validity.effects.variation_per_effect",),
    coverage=(NOT_MEASURED,),
    words="η² sd",
)
VOTES = Measure(
    name="votes",
    quality="validity",
    question="How do they vote, and who deviates from the majority?",
    against="other annotators of the strategy",
    section="conclusions",
    functions=("qualities.validity.effects.votes",),
    coverage=(NO_INTERVAL,),
    needs=_NO_EXPERIMENT,
    order=_OF_FIRST,
)
DEVIATIONS = replace(
    VOTES, name="deviations_from_majority", functions=("qualities.validity.effects.variation_per_model",)
)
SAME_AS_MAJORITY = replace(
    VOTES,
    name="same_as_majority",
    question="Does a strategy lead to the conclusion of most raters?",
    against="the majority of the (other) raters",
    section="strategies",
    functions=("judgement.strategy_effects.same_as_majority",),
)
SAME_VERDICT = replace(
    VOTES,
    name="same_verdict",
    question="Does the model lead to the conclusions of the raters?",
    against="each (other) rater",
    functions=("qualities.validity.concordance.same_verdicts",),
)
SIGN_DISAGREEMENT = replace(SAME_VERDICT, name="sign_disagreement")
ETA_SQUARED_RATIO = replace(
    ETA_SQUARED,
    name="eta_squared_ratio",
    question="Does it find smaller or larger effects than the raters?",
    against="the mean of the (other) raters' effects",
    section="conclusions",
    functions=(
        "qualities.validity.concordance.effect_ratios",
        "qualities.validity.effects.weighted_eta_squared",
    ),
    coverage=(EFFECT_RATIO,),
    words="η² ratio",
)
DIFFERENCE = Measure(
    name="difference",
    quality="validity",
    question="Are its measurements the same, for all that matters?",
    against="the mean of the (other) raters; a reference or a truth",
    section="equivalence",
    functions=("qualities.validity.concordance.equivalence",),
    coverage=(EQUIVALENCE,),
    needs=_NO_EXPERIMENT,
    order=_OF_FIRST,
    estimators=("statistics.methods.equivalence_test",),
)
TYPE_S = Measure(
    name="type_s",
    quality="validity",
    question="Of what it finds significant, how much has the wrong sign or is exaggerated?",
    against="the effect of a truth in the same images",
    section="conclusions",
    functions=("qualities.validity.concordance.type_s_and_m",),
    coverage=(NO_INTERVAL,),
    needs="no truth is known",
    order=_OF_FIRST,
)
TYPE_M = replace(TYPE_S, name="type_m")
SPECIFICATIONS_EFFECT = Measure(
    name="specifications_effect",
    quality="validity",
    question="Would other choices have led to another conclusion?",
    against="other ways to analyse the same images",
    section="conclusions",
    functions=("qualities.validity.specification.specification_shares",),
    coverage=(NO_INTERVAL,),
    needs=_NO_EXPERIMENT,
)
SPECIFICATIONS_SIGNIFICANT = replace(SPECIFICATIONS_EFFECT, name="specifications_significant")
SPECIFICATIONS_SAME_SIGN = replace(SPECIFICATIONS_EFFECT, name="specifications_same_sign")

RECORDS = tuple(record for record in list(globals().values()) if isinstance(record, Measure))
"""All of the above, in this order."""

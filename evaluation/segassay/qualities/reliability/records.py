"""Measures of reliability, one record each; the other modules of this package compute them."""

from dataclasses import replace

from segassay.qualities.scores.coverage import (
    BRIER_SCORE,
    CALIBRATION,
    COMPONENTS,
    MEANS,
    NO_INTERVAL,
    NOT_MEASURED,
    RANKS,
    RELIABILITY,
    SD_RATIOS,
    SHARES,
    SPREAD,
    WITHIN_CASE,
)
from segassay.qualities.scores.measure import Measure

__all__ = ["RECORDS"]

_NO_SEEDS = "no two models, or disjoint ensembles, that differ by nothing but the seed"
_NO_PROB = "the annotations name no probability maps (column prob) of cases that have a reference"
_NO_UNCERTAINTY = "the annotations name no uncertainty maps (column uncertainty) of cases that have a reference"

# agreement of trainings

F1 = Measure(
    name="f1",
    quality="reliability",
    question="Would another training draw the same masks?",
    against="a training that differs by the seed, or by the fold",
    section="masks",
    functions=("qualities.reliability.seeds.agreement_of_seeds", "qualities.reliability.seeds.agreement_of_folds"),
    coverage=(MEANS,),
    words="F1",
    needs=_NO_SEEDS,
    estimators=("masks.overlaps.match_objects",),
)
MEAN_IOU = replace(F1, name="mean_iou", words="mean IoU")
DICE = replace(F1, name="dice", words="Dice", estimators=("masks.overlaps.pixel_agreement",))
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
WITHIN = Measure(
    name="within",
    quality="reliability",
    question="How similar are the models of one strategy, compared with raters?",
    against="another annotator of the strategy",
    section="strategies",
    functions=("judgement.strategy_scores.agreement_within",),
    coverage=(MEANS,),
    words="of two annotators of the group",
    needs="needs two annotators of one strategy",
    order=("of", "name"),
)
MINUS_MODELS = Measure(
    name="minus_models",
    quality="reliability",
    question="Are ensembles more alike than single models, and than raters?",
    against="agreement of two single models",
    section="seeds",
    functions=("qualities.reliability.ensembles.ensembles_beside",),
    coverage=(MEANS,),
    words=", minus that of single models",
    needs="needs two disjoint ensembles, and two models, trained alike",
    order=("of", "name"),
)
MINUS_RATERS = replace(
    MINUS_MODELS,
    name="minus_raters",
    against="agreement of two raters",
    words=", minus that of the raters",
    needs="needs two disjoint ensembles and two raters",
)

# how far a result moves with the seed

SD = Measure(
    name="sd",
    quality="reliability",
    question="How far does the mean score, or count, of a study move with the seed?",
    against="trainings that differ by the seed",
    section="seeds",
    functions=("qualities.reliability.spread.spread_over_seeds",),
    coverage=(SPREAD,),
    needs=_NO_SEEDS,
)
CV = replace(
    SD,
    name="cv",
    functions=("qualities.reliability.spread.spread_over_seeds", "qualities.reliability.spread.cv_over_seeds"),
    estimators=("qualities.reliability.spread.cv_over_seeds",),
)
RANGE = replace(SD, name="range", coverage=(NO_INTERVAL,))
SD_RATIO = Measure(
    name="sd_ratio",
    quality="reliability",
    question="How much steadier are ensembles than their members?",
    against="single models",
    section="seeds",
    functions=("qualities.reliability.spread.ratio_of_sds",),
    coverage=(SD_RATIOS,),
    needs="needs two disjoint ensembles of one size, and two of the models, trained alike",
)
FLIP_RATE = Measure(
    name="flip_rate",
    quality="reliability",
    question="Which share of what one training marks does another one not mark?",
    against="a training that differs by the seed",
    section="seeds",
    functions=("qualities.reliability.flips.flip_rates",),
    coverage=(SHARES,),
    needs=_NO_SEEDS,
)
FLIP_RATE_OF_VERDICTS = Measure(
    name="flip_rate_verdicts",
    quality="reliability",
    question="Does the conclusion of the experiment depend on the seed?",
    against="a training that differs by the seed",
    section="seeds",
    functions=("qualities.reliability.flips.flip_rate_of_verdicts",),
    coverage=(NO_INTERVAL,),
    needs="needs an experiment with testable effects and two models, or disjoint ensembles, that differ by the seed",
)

# variance and generalizability

SEM = Measure(
    name="sem",
    quality="reliability",
    question="By how much does the count or score of one image change with the seed?",
    against="trainings that differ by the seed",
    section="variance",
    functions=("qualities.reliability.variance.repeatability",),
    coverage=(WITHIN_CASE,),
    needs="needs two models that differ by nothing but the seed, on two cases or more",
    estimators=("statistics.reliability.sem",),
)
MDC95 = replace(SEM, name="mdc95", estimators=("statistics.reliability.mdc95",))
REPEATABILITY = replace(
    SEM, name="repeatability_coefficient", estimators=("statistics.reliability.repeatability_coefficient",)
)
VARIANCE = Measure(
    name="variance",
    quality="reliability",
    question="Is it the image, the rater trained on, or the seed?",
    against="models of other raters and seeds",
    section="variance",
    functions=("qualities.reliability.variance.variance_components",),
    coverage=(COMPONENTS,),
    needs="needs models of two raters or more with two seeds in common, on two cases or more",
    estimators=("statistics.components.three_way_components",),
)
PHI = Measure(
    name="phi",
    quality="reliability",
    question="How many raters and seeds does a reliable count need?",
    against="other raters, or trainings with other seeds",
    section="variance",
    functions=("qualities.reliability.variance.generalizability",),
    coverage=(RELIABILITY,),
    needs="needs two raters, or two models that differ by nothing but the seed, on two cases or more",
    estimators=("statistics.reliability.phi",),
)
RATERS_FOR_PHI = replace(
    PHI,
    name="raters_for_phi",
    functions=(
        "qualities.reliability.variance.generalizability",
        "qualities.reliability.variance.numbers_for_phi",
    ),
    coverage=(RELIABILITY,),
)
SEEDS_FOR_PHI = replace(RATERS_FOR_PHI, name="seeds_for_phi")

# size of ensembles

DISAGREEMENT = Measure(
    name="disagreement",
    quality="reliability",
    question="Does another member still help?",
    against="an ensemble without a common member",
    section="members",
    functions=("qualities.reliability.saturation.saturation",),
    coverage=(MEANS,),
    needs="needs disjoint ensembles of one size, and models or disjoint ensembles of another, trained alike",
)
SATURATION_A = replace(
    DISAGREEMENT,
    name="saturation_a",
    functions=("qualities.reliability.saturation.saturation", "qualities.reliability.saturation.fit_saturation"),
    coverage=(NOT_MEASURED,),
)
SATURATION_REST = replace(SATURATION_A, name="saturation_rest")

# probabilities and uncertainty

ECE = Measure(
    name="ece",
    quality="reliability",
    question="Do probabilities mean what they say?",
    against="a reference or a truth",
    section="probabilities",
    functions=(
        "qualities.reliability.calibration.calibration_of_annotators",
        "qualities.reliability.calibration.expected_calibration_error",
    ),
    coverage=(CALIBRATION,),
    needs=_NO_PROB,
)
BRIER = replace(
    ECE,
    name="brier",
    coverage=(BRIER_SCORE,),
    functions=("qualities.reliability.calibration.calibration_of_annotators",),
)
UNCERTAINTY_SPEARMAN = Measure(
    name="uncertainty_spearman",
    quality="reliability",
    question="Is the model uncertain where it errs, or where raters disagree?",
    against="a reference or a truth, or the raters",
    section="probabilities",
    functions=(
        "qualities.reliability.uncertainty.uncertainty_of_annotators",
        "qualities.reliability.uncertainty.spearman_of_counts",
    ),
    coverage=(MEANS,),
    needs=_NO_UNCERTAINTY,
)
UNCERTAINTY_AUROC = replace(
    UNCERTAINTY_SPEARMAN,
    name="uncertainty_auroc",
    functions=(
        "qualities.reliability.uncertainty.uncertainty_of_annotators",
        "qualities.reliability.uncertainty.auroc",
    ),
)
UNCERTAINTY_AURC = replace(
    UNCERTAINTY_SPEARMAN,
    name="uncertainty_aurc",
    functions=(
        "qualities.reliability.uncertainty.uncertainty_of_annotators",
        "qualities.reliability.uncertainty.area_under_risk_coverage",
    ),
)
QUALITY_SPEARMAN = Measure(
    name="quality_spearman",
    quality="reliability",
    question="Can poor images be told without annotating them?",
    against="the raters, a reference or a truth",
    section="probabilities",
    functions=("qualities.reliability.image_quality.quality_against_score",),
    coverage=(RANKS,),
    needs="needs two models that differ by nothing but the seed, and raters, a reference or a truth, on three cases",
)

RECORDS = tuple(record for record in list(globals().values()) if isinstance(record, Measure))
"""All of the above, in this order."""

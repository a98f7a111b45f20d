"""Measures of reliability, one record each; the other modules of this package compute them."""

from dataclasses import replace

from segassay.qualities.objectivity import records as of_raters
from segassay.qualities.objectivity.questions import OUTLINES
from segassay.qualities.reliability import questions
from segassay.qualities.scores.coverage import (
    BRIER_SCORE,
    CALIBRATION,
    CALIBRATION_OF_RATERS,
    COMPONENTS,
    FITTED_A,
    FITTED_REST,
    IMAGE_RISK,
    MEANS,
    NO_INTERVAL,
    RANKS,
    RELIABILITY,
    SD_RATIOS,
    SHARES,
    SPREAD,
    WITHIN_CASE,
)
from segassay.qualities.scores.measure import GAP, NO_ROWS, Gap, Measure

__all__ = ["RECORDS"]

_NO_SEEDS = "no two models, or disjoint ensembles, that differ by nothing but the seed"
_NO_FOLDS = "cannot be judged: no test split; out of fold a case is held out by one fold only"
_NO_PROB = "the annotations name no probability maps (column prob) of cases that have a reference"
_NO_UNCERTAINTY = "the annotations name no uncertainty maps (column uncertainty) of cases that have a reference"

F1 = Measure(
    name="f1",
    quality="reliability",
    question=questions.SAME_MASKS,
    against="a training that differs by the seed, or by the fold",
    section="masks",
    functions=("qualities.reliability.seeds.agreement_of_seeds", "qualities.reliability.seeds.agreement_of_folds"),
    coverage=(MEANS,),
    words="F1",
    needs=_NO_SEEDS,
    estimators=("masks.overlaps.match_objects",),
    gaps={"seeds": Gap("agreement of seeds", GAP.why), "folds": Gap("agreement of folds", _NO_FOLDS)},
)
MEAN_IOU = replace(F1, name="mean_iou", words="mean IoU")
DICE = replace(F1, name="dice", words="Dice", estimators=("masks.overlaps.pixel_agreement",))
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
WITHIN = Measure(
    name="within",
    quality="reliability",
    question=questions.ALIKE_MODELS,
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
    question=questions.ALIKE_ENSEMBLES,
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

SD = Measure(
    name="sd",
    plain="{of}: standard deviation over seeds",
    quality="reliability",
    question=questions.SPREAD_OF_MEANS,
    against="trainings that differ by the seed",
    section="seeds",
    functions=("qualities.reliability.spread.spread_over_seeds",),
    coverage=(SPREAD,),
    needs=_NO_SEEDS,
    gaps={NO_ROWS: Gap("spread over seeds", GAP.why)},
)
CV = replace(
    SD,
    name="cv",
    plain="{of}: coefficient of variation over seeds",
    functions=("qualities.reliability.spread.spread_over_seeds", "qualities.reliability.spread.cv_over_seeds"),
    estimators=("qualities.reliability.spread.cv_over_seeds",),
)
RANGE = replace(SD, name="range", plain="{of}: range over seeds", coverage=(NO_INTERVAL,))
SD_RATIO = Measure(
    name="sd_ratio",
    plain="{of}: spread of ensembles divided by that of models",
    quality="reliability",
    question=questions.STEADINESS,
    against="single models",
    section="seeds",
    functions=("qualities.reliability.spread.ratio_of_sds",),
    coverage=(SD_RATIOS,),
    needs="needs two disjoint ensembles of one size, and two of the models, trained alike",
    gaps={NO_ROWS: Gap("ratio of the ensembles' sd to the members'", GAP.why)},
)
FLIP_RATE = Measure(
    name="flip_rate",
    plain="share of {of} that only one of two trainings marks",
    quality="reliability",
    question=questions.FLIPS,
    against="a training that differs by the seed",
    section="seeds",
    functions=("qualities.reliability.flips.flip_rates",),
    coverage=(SHARES,),
    needs=_NO_SEEDS,
    gaps={NO_ROWS: Gap("flip rates of pixels and objects", GAP.why)},
)
FLIP_RATE_OF_VERDICTS = Measure(
    name="flip_rate_verdicts",
    plain="share of conclusions that change with the seed",
    quality="reliability",
    question=questions.FLIPPED_CONCLUSIONS,
    against="a training that differs by the seed",
    section="seeds",
    functions=("qualities.reliability.flips.flip_rate_of_verdicts",),
    coverage=(NO_INTERVAL,),
    needs="needs an experiment with testable effects and two models, or disjoint ensembles, that differ by the seed",
    gaps={NO_ROWS: Gap("flip rate of verdicts", GAP.why)},
)

SEM = Measure(
    name="sem",
    plain="{of}: standard error of one measurement",
    quality="reliability",
    question=questions.CHANGE_OF_IMAGE,
    against="trainings that differ by the seed",
    section="variance",
    functions=("qualities.reliability.variance.repeatability",),
    coverage=(WITHIN_CASE,),
    needs="needs two models that differ by nothing but the seed, on two cases or more",
    estimators=("statistics.reliability.sem",),
    gaps={NO_ROWS: Gap("standard error of measurement, minimal detectable change, repeatability coefficient", GAP.why)},
)
MDC95 = replace(
    SEM,
    name="mdc95",
    plain="{of}: smallest change of one image that is not noise",
    estimators=("statistics.reliability.mdc95",),
)
REPEATABILITY = replace(
    SEM,
    name="repeatability_coefficient",
    plain=of_raters.REPEATABILITY.plain,
    estimators=("statistics.reliability.repeatability_coefficient",),
)
VARIANCE = Measure(
    name="variance",
    plain="{of}: variance due to {variant}",
    quality="reliability",
    question=questions.SOURCES,
    against="models of other raters and seeds",
    section="variance",
    functions=("qualities.reliability.variance.variance_components",),
    coverage=(COMPONENTS,),
    needs="needs models of two raters or more with two seeds in common, on two cases or more",
    estimators=("statistics.components.three_way_components",),
    gaps={NO_ROWS: Gap("variance components case × seed × rater", GAP.why)},
)
PHI = Measure(
    name="phi",
    plain="{of}: reliability of the mean over raters and seeds, Φ",
    plain_gaps={"phi": "reliability of the mean over raters and seeds, Φ"},
    quality="reliability",
    question=questions.NUMBERS,
    against="other raters, or trainings with other seeds",
    section="variance",
    functions=("qualities.reliability.variance.generalizability",),
    coverage=(RELIABILITY,),
    needs="needs two raters, or two models that differ by nothing but the seed, on two cases or more",
    estimators=("statistics.reliability.phi",),
    gaps={NO_ROWS: Gap("number of raters and seeds for Φ ≥ .9", GAP.why)},
)
RATERS_FOR_PHI = replace(
    PHI,
    name="raters_for_phi",
    plain="{of}: raters needed for a reliability Φ of {variant}",
    functions=(
        "qualities.reliability.variance.generalizability",
        "qualities.reliability.variance.numbers_for_phi",
    ),
    coverage=(RELIABILITY,),
)
SEEDS_FOR_PHI = replace(
    RATERS_FOR_PHI, name="seeds_for_phi", plain="{of}: seeds needed for a reliability Φ of {variant}"
)

DISAGREEMENT = Measure(
    name="disagreement",
    plain="disagreement of two ensembles of {variant} members",
    quality="reliability",
    question=questions.MEMBERS,
    against="an ensemble without a common member",
    section="members",
    functions=("qualities.reliability.saturation.saturation",),
    coverage=(MEANS,),
    needs="needs disjoint ensembles of one size, and models or disjoint ensembles of another, trained alike",
    gaps={NO_ROWS: Gap("saturation curve", GAP.why)},
)
SATURATION_A = replace(
    DISAGREEMENT,
    name="saturation_a",
    plain="disagreement that more members remove",
    functions=("qualities.reliability.saturation.saturation", "qualities.reliability.saturation.fit_saturation"),
    coverage=(FITTED_A,),
)
SATURATION_REST = replace(
    SATURATION_A,
    name="saturation_rest",
    plain="disagreement that no number of members removes",
    coverage=(FITTED_REST,),
)

ECE = Measure(
    name="ece",
    plain="calibration error of probabilities, ECE",
    quality="reliability",
    question=questions.PROBABILITIES,
    against="a reference or a truth",
    section="probabilities",
    functions=(
        "qualities.reliability.calibration.calibration_of_annotators",
        "qualities.reliability.calibration.expected_calibration_error",
    ),
    coverage=(CALIBRATION,),
    needs=_NO_PROB,
    gaps={NO_ROWS: Gap("calibration", GAP.why)},
)
BRIER = replace(
    ECE,
    name="brier",
    plain="squared error of probabilities, Brier score",
    coverage=(BRIER_SCORE,),
    functions=("qualities.reliability.calibration.calibration_of_annotators",),
)
DICE_OF_SHARES = replace(
    ECE,
    name="dice_of_shares",
    plain="probabilities and shares of raters, Dice over thresholds",
    question=questions.SHARES_OF_RATERS,
    against="every rater",
    functions=(
        "qualities.reliability.rater_probabilities.probabilities_of_raters",
        "qualities.reliability.rater_probabilities.dice_of_shares",
    ),
    coverage=(MEANS,),
    words="Dice of shares",
    gaps={NO_ROWS: Gap("probabilities against every rater", "{needs}, and raters")},
)
BRIER_OF_RATERS = replace(
    DICE_OF_SHARES,
    name="brier_of_raters",
    plain="squared error of probabilities, against each rater",
    functions=(
        "qualities.reliability.rater_probabilities.probabilities_of_raters",
        "qualities.reliability.rater_probabilities.brier_of_raters",
    ),
    words="brier of raters",
)
ECE_OF_RATERS = replace(
    DICE_OF_SHARES,
    name="ece_of_raters",
    plain="calibration error of probabilities, against each rater",
    functions=DICE_OF_SHARES.functions[:1],
    coverage=(CALIBRATION_OF_RATERS,),
    words="ece of raters",
)
UNCERTAINTY_SPEARMAN = Measure(
    name="uncertainty_spearman",
    plain="rank correlation of uncertainty with {of}",
    quality="reliability",
    question=questions.UNCERTAINTY,
    against="a reference or a truth, or the raters",
    section="probabilities",
    functions=(
        "qualities.reliability.uncertainty.uncertainty_of_annotators",
        "qualities.reliability.uncertainty.spearman_of_counts",
    ),
    coverage=(MEANS,),
    needs=_NO_UNCERTAINTY,
    gaps={NO_ROWS: Gap("uncertainty against error and disagreement", GAP.why)},
)
UNCERTAINTY_AUROC = replace(
    UNCERTAINTY_SPEARMAN,
    name="uncertainty_auroc",
    plain="how well uncertainty finds {of}, AUROC",
    functions=(
        "qualities.reliability.uncertainty.uncertainty_of_annotators",
        "qualities.reliability.uncertainty.auroc",
    ),
)
UNCERTAINTY_AURC = replace(
    UNCERTAINTY_SPEARMAN,
    name="uncertainty_aurc",
    plain="error left if uncertain pixels are left out, AURC",
    functions=(
        "qualities.reliability.uncertainty.uncertainty_of_annotators",
        "qualities.reliability.uncertainty.area_under_risk_coverage",
    ),
)
QUALITY_SPEARMAN = Measure(
    name="quality_spearman",
    plain="rank correlation of agreement of models with {of} against raters",
    quality="reliability",
    question=questions.POOR_IMAGES,
    against="the raters, a reference or a truth",
    section="probabilities",
    functions=("qualities.reliability.image_quality.quality_against_score",),
    coverage=(RANKS,),
    needs="needs two models that differ by nothing but the seed, and raters, a reference or a truth, on three cases",
    gaps={NO_ROWS: Gap("quality of an image against its score", GAP.why)},
)
IMAGE_AURC = replace(
    QUALITY_SPEARMAN,
    name="image_aurc",
    plain="error left if uncertain images are left out, AURC of {of}",
    plain_gaps={"image_aurc": "error left if uncertain images are left out, AURC"},
    question=questions.SELECTION,
    functions=("qualities.reliability.selective.selective_risk", "qualities.reliability.selective.image_aurc"),
    estimators=("qualities.reliability.selective.image_aurc",),
    coverage=(IMAGE_RISK,),
    words="AURC of images",
    needs="needs uncertainty maps, or two models that differ by nothing but the seed, and a score of three cases",
    gaps={NO_ROWS: GAP},
)

RECORDS = tuple(record for record in list(globals().values()) if isinstance(record, Measure))
"""All of the above, in this order."""

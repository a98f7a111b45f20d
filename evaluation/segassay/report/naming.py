"""Plain names of numbers for people who do not know the tables: "objects of 1 to 2 pixels that are found".

row of scores (name of its measure, quantity, variant, what it is compared with)  ->  words
"""

from collections.abc import Mapping
from typing import Any

from segassay.data.named_channels import INTENSITY, measured_channel
from segassay.qualities.scores.measure import AGAINST, LEAVE_ONE_OUT, PAIRWISE, QUANTITY_WORDS

__all__ = ["of_in_words", "plain_gap", "plain_name"]

_OF = {
    "count": "number of objects",
    "density": "objects per area",
    "area": "area",
    "mean_intensity": "mean intensity",
    "object_size": "mean size of objects",
    "pixels": "pixels",
    "objects": "objects",
    "log_count": "logarithm of the number of objects",
    **{"iou": "IoU", "sq": "SQ", "nsd": "NSD", "hd95": "HD95", "assd": "ASSD"},
    **{name: name.replace("_", " ") for name in ("count_error", "absolute_count_error", "relative_count_error")},
}
_VERDICTS = {"none": "no difference", "not_testable": "not testable"}
_OTHERS = "the consensus of the other raters"

_PLAIN = {
    "positive_agreement": "share of marked objects on which two raters agree",
    "log_count_ratio": "objects marked, log ratio to the others",
    "log_area_ratio": "area marked, log ratio to the others",
    "bias_test": "p-value: {of} equal to that of the others",
    "boundary_shift": "outlines outside (+) or inside (−) those of the others",
    "staple_sensitivity": "foreground of STAPLE that is marked",
    "staple_specificity": "background of STAPLE that is left unmarked",
    "sensitivity": "foreground that is marked",
    "specificity": "background that is left unmarked",
    "fleiss_kappa": "agreement on {of} beyond chance, Fleiss’ κ",
    "gwet_ac1": "agreement on {of} beyond chance, Gwet’s AC1",
    "krippendorff_alpha": "agreement on {of} beyond chance, Krippendorff’s α",
    "icc_a1": "{of}: reliability of one rater, ICC(A,1)",
    "icc_ak": "{of}: reliability of the mean of all raters, ICC(A,k)",
    "icc_11": "{of}: reliability of one rater, ICC(1,1)",
    "icc_1k": "{of}: reliability of the mean of all raters, ICC(1,k)",
    "rater_share": "{of}: share of the variance that is due to the rater",
    "variance_share": "{of}: share of the variance that is due to the {variant}",
    "limit_low": "{of}: lower limit of 95 % of the differences",
    "limit_high": "{of}: upper limit of 95 % of the differences",
    "slope": "{of}: growth of the difference with size",
    "ccc": "{of}: nearness to equality, Lin’s concordance",
    "repeated": "{of} of two sessions of one rater",
    "repeatability_coefficient": "{of}: largest usual difference of two repetitions",
    "imprint": "imprint of the rater that a model was trained on",
    "removal_of_bias": "bias of single raters that a consensus removes",
    "alt_test_winning_rate": "share of raters whom it can replace",
    "alt_test_advantage": "how often it is as good as a rater, or better",
    "generalized_energy_distance": "difference between the set of masks of models and that of raters",
    "crps": "{of}: error of the spread over models, CRPS",
    "sd": "{of}: standard deviation over seeds",
    "cv": "{of}: coefficient of variation over seeds",
    "range": "{of}: range over seeds",
    "sd_ratio": "{of}: spread of ensembles divided by that of models",
    "flip_rate": "share of {of} that only one of two trainings marks",
    "flip_rate_verdicts": "share of conclusions that change with the seed",
    "sem": "{of}: standard error of one measurement",
    "mdc95": "{of}: smallest change of one image that is not noise",
    "variance": "{of}: variance due to {variant}",
    "phi": "{of}: reliability of the mean over raters and seeds, Φ",
    "raters_for_phi": "{of}: raters needed for a reliability Φ of {variant}",
    "seeds_for_phi": "{of}: seeds needed for a reliability Φ of {variant}",
    "disagreement": "disagreement of two ensembles of {variant} members",
    "saturation_a": "disagreement that more members remove",
    "saturation_rest": "disagreement that no number of members removes",
    "ece": "calibration error of probabilities, ECE",
    "brier": "squared error of probabilities, Brier score",
    "dice_of_shares": "probabilities and shares of raters, Dice over thresholds",
    "brier_of_raters": "squared error of probabilities, against each rater",
    "ece_of_raters": "calibration error of probabilities, against each rater",
    "uncertainty_spearman": "rank correlation of uncertainty with {of}",
    "uncertainty_auroc": "how well uncertainty finds {of}, AUROC",
    "uncertainty_aurc": "error left if uncertain pixels are left out, AURC",
    "quality_spearman": "rank correlation of agreement of models with {of} against raters",
    "image_aurc": "error left if uncertain images are left out, AURC of {of}",
    "nsd_of_raters": "outlines as close as raters draw them, NSD",
    "ap": "objects found, mean over required overlaps, AP",
    "ap_at_threshold": "objects found at an overlap of .{variant}, {of}",
    "pq": "objects found and well drawn, PQ",
    "sq": "overlap of objects that are found, SQ",
    "count_error": "objects too many (+) or too few (−)",
    "absolute_count_error": "wrong number of objects, without sign",
    "relative_count_error": "objects too many or too few, as a share",
    "merges": "neighbours drawn as one object",
    "splits": "objects drawn as several",
    "false_positives": "objects that are not there",
    "false_positive_px": "pixels of objects that are not there",
    "recall": "objects of {variant} that are found",
    "amount_bias": "{of}: mean difference from the median rater",
    "amount_limit_low": "{of}: lower limit of 95 % of the differences from the median rater",
    "amount_limit_high": "{of}: upper limit of 95 % of the differences from the median rater",
    "amount_slope": "{of}: growth of the difference from the median rater with size",
    "amount_ccc": "{of}: nearness to the median rater, Lin’s concordance",
    "amount_ratio": "{of}: ratio to the median rater",
    "eta_squared": "{of}: size of the effect, η²",
    "eta_squared_sd": "{of}: spread of the size of the effect η² between annotators",
    "votes": "{of}: annotators who conclude “{variant}”",
    "deviations_from_majority": "{of}: conclusions that differ from those of most",
    "same_as_majority": "{of}: same conclusion as most raters",
    "same_verdict": "{of}: share of raters with the same conclusion",
    "sign_disagreement": "{of}: share of raters with the opposite conclusion",
    "eta_squared_ratio": "{of}: size of the effect η² divided by that of the raters",
    "type_s": "{of}: significant effects with the wrong sign",
    "type_m": "{of}: exaggeration of significant effects",
    "specifications_effect": "median effect over all analyses",
    "specifications_significant": "share of analyses with a significant effect",
    "specifications_same_sign": "share of analyses with the same direction of the effect",
}
"""Name of a measure -> words; where it is not here, the words of its record are plain already."""

_DIFFERENCES = {"objectivity": "{of}: mean difference", "validity": "{of}: difference in multiples of the control mean"}


_GAPS = {
    "f1_repeated": "F1 of two sessions of one rater",
    "image_aurc": "error left if uncertain images are left out, AURC",
    "human_range, ceiling_normalised": "models compared with the worst and the best rater",
    "type_s_and_m": "wrong sign or exaggeration of significant effects",
    "phi": "reliability of the mean over raters and seeds, Φ",
    "ccc": "nearness of two raters to equality, Lin’s concordance",
}


def of_in_words(of: str) -> str:
    """A quantity in plain words.

    Example:
        >>> of_in_words("count"), of_in_words("f1"), of_in_words("freezing_time")
        ('number of objects', 'F1', 'freezing time')
        >>> of_in_words("mean_intensity_cFOS")
        'mean intensity in cFOS'
    """
    if channel := measured_channel(of):
        return f"{_OF[INTENSITY]} in {channel}"
    return _OF.get(of) or QUANTITY_WORDS.get(of) or of.replace("_", " ")


def plain_name(row: Mapping[Any, Any]) -> str:
    """Plain name of a row of scores.

    Args:
        row: With the columns `record`, `base`, `of`, `variant`, `comparison`, `reference` and `words`.

    Example:
        >>> row = {"base": "recall", "of": "", "variant": "1_2px", "comparison": "leave_one_out", "reference": ""}
        >>> plain_name(row | {"record": "validity/recall", "words": "recall 1 2px …"})
        'objects of 1 to 2 pixels that are found, against the consensus of the other raters'
    """
    quality = str(row["record"]).partition("/")[0]
    template = _DIFFERENCES.get(quality) if row["base"] == "difference" else _PLAIN.get(str(row["base"]))
    if template is None:
        words, of = str(row["words"]), str(row["of"]).replace("_", " ")
        return of_in_words(row["of"]) + words.removeprefix(of) if of and words.startswith(of) else words
    words = template.format(of=of_in_words(row["of"]) or "all", variant=_variant(str(row["variant"])))
    said = "{of}" in template or not row["of"]
    more = [words if said else f"{words}, of {of_in_words(row['of'])}", _unit(str(row["variant"]))]
    more.append("" if "the others" in words else _compared(row))
    return ", ".join(part for part in more if part)


def _unit(variant: str) -> str:
    return {"px": "in pixels", "um": "in µm"}.get(variant, "")


def _variant(variant: str) -> str:
    """A variant in words: sizes of objects, verdicts, components of variance.

    Example:
        >>> _variant("4096_8192px"), _variant("not_testable"), _variant("case:rater")
        ('4096 to 8192 pixels', 'not testable', 'image × rater')
    """
    ends = variant.removesuffix("px").split("_")
    if variant.endswith("px") and len(ends) == 2 and all(end.isdigit() for end in ends):
        return f"{ends[0]} to {ends[1]} pixels"
    if variant in _VERDICTS:
        return _VERDICTS[variant]
    parts = ["image" if part == "case" else part.replace("_", " ") for part in variant.split(":")]
    return " × ".join(parts)


def _compared(row: Mapping[Any, Any]) -> str:
    """What a row is compared with; empty if its name says it."""
    if row["comparison"] == AGAINST:
        return f"against {row['reference']}"
    return {LEAVE_ONE_OUT: f"against {_OTHERS}", PAIRWISE: "with each rater"}.get(str(row["comparison"]), "")


def plain_gap(measure: str, words: str) -> str:
    """Plain name of a measure that could not be computed.

    Example:
        >>> plain_gap("alt_test_winning_rate", "alt test winning rate"), plain_gap("x", "spread over seeds")
        ('share of raters whom it can replace', 'spread over seeds')
    """
    plain = _GAPS.get(measure) or _PLAIN.get(measure, "")
    return plain if plain and "{" not in plain else words

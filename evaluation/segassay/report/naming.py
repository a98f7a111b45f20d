"""Plain names of numbers for people who do not know the tables: "objects of 1 to 2 pixels that are found".

row of scores (name of its measure, quantity, variant, what it is compared with)  ->  words
"""

from collections.abc import Mapping
from typing import Any

from segassay.data.named_channels import INTENSITY, measured_channel
from segassay.qualities.catalogue import CATALOGUE
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

_OF_GAPS = {record.name: record.plain for record in CATALOGUE.values() if record.plain and "{" not in record.plain}
_OF_GAPS |= {name: plain for record in CATALOGUE.values() for name, plain in record.plain_gaps.items()}
"""Names in not_judged.csv -> plain names, where the words of the gap are not plain."""


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
        row: With the columns `record`, `of`, `variant`, `comparison` and `reference`.

    Example:
        >>> row = {"of": "", "variant": "1_2px", "comparison": "leave_one_out", "reference": ""}
        >>> plain_name(row | {"record": "validity/recall"})
        'objects of 1 to 2 pixels that are found, against the consensus of the other raters'
    """
    record, quantity, variant = CATALOGUE[row["record"]], of_in_words(row["of"]), str(row["variant"])
    if not record.plain:
        form = record.form(row["of"], row["comparison"], variant=variant, reference=row["reference"])
        return form.words_with(quantity)
    words = record.plain.format(of=quantity or "all", variant=_variant(variant))
    said = "{of}" in record.plain or not quantity
    more = [words if said else f"{words}, of {quantity}", _unit(variant), _compared(row)]
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
    return _OF_GAPS.get(measure, words)

"""Range of each measure that is a mean over cases: intervals stay inside, and a constant sample has limits.

Form of a row  ->  lowest and highest value
"""

import math

from segassay.qualities.scores.measure import Form

__all__ = ["bounds_of"]

# fmt: off
_SHARES = (
    "f1", "mean_iou", "dice", "nsd", "iou", "ap", "ap_at_threshold", "pq", "sq", "sensitivity", "specificity",
    "repeated", "within", "alt_test_advantage", "uncertainty_auroc", "uncertainty_aurc", "boundary_iou", "cl_dice",
)
# fmt: on
_DIFFERENCES_OF_SHARES = (
    "minus_raters",
    "minus_models",
    "minus_worst_rater",
    "minus_best_rater",
    "removal_of_bias",
    "uncertainty_spearman",
)
_NOT_NEGATIVE = ("hd95", "assd", "masd", "absolute_count_error", "merges", "splits")


def bounds_of(form: Form) -> tuple[float, float]:
    """Lowest and highest value that a measure can have; infinite where there is none, or none is known.

    Example:
        >>> from segassay.qualities.objectivity.records import DICE, IMPRINT, LOG_COUNT_RATIO
        >>> bounds_of(DICE.form()), bounds_of(IMPRINT.form()), bounds_of(LOG_COUNT_RATIO.form())
        ((0.0, 1.0), (-2.0, 2.0), (-inf, inf))
    """
    name = form.record.name
    if name in _SHARES:
        return 0.0, 1.0
    if name in _DIFFERENCES_OF_SHARES:
        return -1.0, 1.0
    if name == "imprint":  # a difference of two differences
        return -2.0, 2.0
    return (0.0, math.inf) if name in _NOT_NEGATIVE else (-math.inf, math.inf)

"""Coverage of intervals: how many contained the true value in simulations, and the warning that follows from it.

    coverage of a measure, method, number of clusters  ->  warning, or nothing

The shares are those of docs/truthfulness.md: of 95 % intervals, how many hold a planted value at 10, 20 and 40 cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = [
    "ALPHA",
    "AMOUNT_RATIOS",
    "BRIER_SCORE",
    "CALIBRATION",
    "CALIBRATION_OF_RATERS",
    "CLUMPED",
    "COMPONENTS",
    "CONCORDANCE",
    "CORRELATION",
    "DETECTION",
    "EFFECTS",
    "EFFECT_RATIO",
    "EQUIVALENCE",
    "FACET_SHARES",
    "FITTED_A",
    "FITTED_REST",
    "IMAGE_RISK",
    "LIMITS",
    "MEANS",
    "NO_INTERVAL",
    "PIXELS",
    "RANKS",
    "RATER_SHARES",
    "RATIOS",
    "RELIABILITY",
    "SD_RATIOS",
    "SHARES",
    "SHIFTS",
    "SLOPES",
    "SPREAD",
    "SPREAD_OF_EFFECTS",
    "UNEQUAL",
    "WITHIN_CASE",
    "Coverage",
    "are_unequal",
    "coverage_warning",
]

ENOUGH = 0.02
"""How far the share of intervals that hold the truth may lie below the level; below that the report warns."""

TOO_MUCH = 0.035
"""How far it may lie above: 2 percentage points, and 2 standard errors of 500 studies."""

_OF_EQUAL = {
    "constant": "no interval: all cases say the same, so nothing says how far they would vary",
    "binomial": "all cases say the same; the interval is of the share of cases that may yet differ",
}
"""Method -> warning where nothing varies."""


@dataclass(frozen=True)
class Coverage:
    """What the interval of one kind of measure covers.

    Attributes:
        why: What else a reader should know, or do.
        benchmark: Measure in `benchmarks/results/truthfulness.json`; empty if none was run.
        share: Number of cases -> lowest and highest share of intervals that contain the planted value, over all kinds
            of data.
        data: The kind of data, where it is of one only.
        always: Whether the report adds `why` to every such interval.
        level: Share that should hold the truth.
    """

    why: str
    benchmark: str = ""
    share: dict[int, tuple[float, float]] = field(default_factory=dict, hash=False)
    data: str = ""
    always: bool = False
    level: float = 0.95


MEANS = Coverage("means over cases hold what they promise")
NO_INTERVAL = Coverage("there is no interval")
EQUIVALENCE = Coverage(
    "fewest where few differences are far larger than all others",
    "difference, 90 %",
    {10: (0.476, 0.872), 20: (0.634, 0.884), 40: (0.836, 0.888)},
    level=0.9,
)
AMOUNT_RATIOS = Coverage(
    "fewest where few images differ far more than all others",
    "ratio of mean amounts, 90 %",
    {10: (0.376, 0.91), 20: (0.644, 0.882), 40: (0.742, 0.882)},
    level=0.9,
)
CLUMPED = Coverage(
    "most cases have one and the same value",
    "mean",
    {10: (0.898, 0.898), 20: (0.877, 0.877), 40: (0.948, 0.948)},
    data="eight of ten are 0",
)
UNEQUAL_MEANS = Coverage(
    "subjects have very unequal numbers of images, and values may have a long tail",
    "mean",
    {10: (0.934, 0.934), 20: (0.922, 0.922), 40: (0.91, 0.91)},
    data="subjects with 1, 1, 2, 3, 8 images, skewed",
)
SLOPES = Coverage(
    "fewest where a few images have far higher counts",
    "slope of the difference",
    {10: (0.91, 0.976), 20: (0.918, 0.966), 40: (0.916, 0.964)},
)
CONCORDANCE = Coverage(
    "fewest where a few images have far higher counts",
    "Lin's concordance",
    {10: (0.918, 0.94), 20: (0.89, 0.96), 40: (0.896, 0.946)},
)
LIMITS = Coverage(
    "wide, so that they also hold where a few images have far higher counts",
    "limit of agreement",
    {10: (0.93, 0.98), 20: (0.952, 0.966), 40: (0.932, 0.98)},
)
CORRELATION = Coverage(
    "fewest where a few images have far higher counts",
    "ICC(A,1) of counts",
    {10: (0.932, 0.98), 20: (0.866, 0.974), 40: (0.844, 0.976)},
)
ALPHA = Coverage(
    "intervals hold what they promise",
    "counts, α on a ratio scale",
    {10: (0.954, 0.982), 20: (0.958, 0.972), 40: (0.964, 0.972)},
)
RATER_SHARES = Coverage(
    "intervals hold what they promise",
    "share of the rater in the variance",
    {10: (0.958, 0.978), 20: (0.95, 0.978), 40: (0.952, 0.966)},
)
FACET_SHARES = Coverage(
    "fewest where a few images have far higher counts",
    "share of a facet in the variance",
    {10: (0.96, 0.99), 20: (0.94, 0.96), 40: (0.92, 0.93)},
)
DETECTION = Coverage(
    "intervals hold what they promise",
    "FROC sensitivity",
    {10: (0.96, 0.974), 20: (0.96, 0.968), 40: (0.966, 0.972)},
)
WITHIN_CASE = Coverage(
    "fewest where a few images have far higher counts",
    "SEM, repeatability",
    {10: (0.902, 0.962), 20: (0.926, 0.962), 40: (0.928, 0.974)},
)
PIXELS = Coverage(
    "intervals hold what they promise",
    "Fleiss' κ of pixels",
    {10: (0.942, 0.948), 20: (0.954, 0.956), 40: (0.934, 0.962)},
)
SHARES = Coverage(
    "intervals hold what they promise",
    "recall, flips, positive agreement",
    {10: (0.95, 0.982), 20: (0.936, 0.99), 40: (0.948, 0.99)},
)
RATIOS = Coverage(
    "intervals hold what they promise",
    "score over that of raters",
    {10: (0.964, 0.996), 20: (0.948, 0.982), 40: (0.93, 0.964)},
)
SD_RATIOS = Coverage(
    "intervals hold what they promise",
    "ratio of sds",
    {10: (0.964, 0.964), 20: (0.952, 0.952), 40: (0.97, 0.97)},
)
BRIER_SCORE = Coverage(
    "intervals hold what they promise",
    "Brier score",
    {10: (0.974, 0.974), 20: (0.98, 0.98), 40: (0.962, 0.962)},
)
CALIBRATION = Coverage(
    "intervals hold what they promise",
    "expected calibration error",
    {10: (0.972, 0.972), 20: (0.968, 0.968), 40: (0.958, 0.958)},
)
CALIBRATION_OF_RATERS = Coverage(
    "intervals hold what they promise",
    "calibration error against raters",
    {10: (0.976, 0.976), 20: (0.958, 0.958), 40: (0.946, 0.946)},
)
IMAGE_RISK = Coverage(
    "fewest of 10 images whose risks are alike",
    "risk of the most certain images",
    {10: (0.918, 0.96), 20: (0.942, 0.96), 40: (0.93, 0.956)},
)
RANKS = Coverage(
    "intervals hold what they promise",
    "Spearman's correlation",
    {10: (0.978, 0.98), 20: (0.976, 0.988), 40: (0.962, 0.966)},
)
COMPONENTS = Coverage(
    "fewest of those of small components",
    "variance component case:seed",
    {10: (0.938, 0.938), 20: (0.927, 0.927), 40: (0.921, 0.921)},
)
RELIABILITY = Coverage(
    "intervals hold what they promise",
    "Φ of one rater and seed",
    {10: (0.958, 0.958), 20: (0.978, 0.978), 40: (0.974, 0.974)},
)
EFFECTS = Coverage(
    "fewest where all units of one group are above those of the other",
    "mean η²",
    {10: (0.886, 1.0), 20: (0.96, 0.996), 40: (0.938, 0.998)},
)
EFFECT_RATIO = Coverage(
    "fewest where raters find small effects; read it beside the intervals of the shifts",
    "ratio of η²",
    {10: (0.942, 1.0), 20: (0.908, 1.0), 40: (0.926, 0.992)},
)
SHIFTS = Coverage(
    "fewest where a small group scatters more than a large one",
    "shift of two groups",
    {10: (0.776, 0.994), 20: (0.88, 0.988), 40: (0.868, 0.996)},
)
UNEQUAL = {MEANS: UNEQUAL_MEANS}
"""What is known where subjects have very unequal numbers of cases."""
FITTED_A = Coverage(
    "intervals hold what they promise", "saturation a", {10: (0.944, 0.956), 20: (0.946, 0.958), 40: (0.952, 0.96)}
)
FITTED_REST = Coverage(
    "intervals hold what they promise", "saturation rest", {10: (0.942, 0.966), 20: (0.946, 0.972), 40: (0.952, 0.968)}
)
SPREAD_OF_EFFECTS = Coverage(
    "intervals hold what they promise, as if annotators were drawn from many",
    "sd of η² over annotators",
    {10: (0.945, 0.96), 20: (0.94, 0.955), 40: (0.96, 0.97)},
)
SPREAD = Coverage(
    "exact where trainings scatter normally; where one in ten fails, only 55 to 89 % hold the truth",
    "sd over seeds of F1",
    data="one in ten fails",
    always=True,
)


def coverage_warning(
    known: Sequence[Coverage], method: str, n_clusters: int, *, clumped: bool = False, unequal: bool = False
) -> str:
    """Warning about the coverage of an interval.

    Args:
        known: What is known of the intervals of this measure: `Measure.coverage`.
        method: That of the interval, as in the table of scores.
        n_clusters: Subjects, or cases, that the interval rests on.
        clumped: Whether it is a mean, and more than half of the cases have one value.
        unequal: Whether a subject has twice as many cases as subjects have on average.

    Returns:
        One sentence; empty where the interval keeps its promise, as those of most means do, and where there is none.

    Example:
        >>> coverage_warning([CONCORDANCE], "jackknife-t", 24)
        'of such 95 % intervals 89 to 96 % hold the truth: fewest where a few images have far higher counts'
        >>> coverage_warning([RATIOS], "jackknife-t", 12)
        'of such 95 % intervals 96 to 100 % hold the truth, so that they may be wider than need be'
        >>> coverage_warning([MEANS], "Hall-t", 24)
        ''
    """
    if method in _OF_EQUAL:
        return _OF_EQUAL[method]
    kinds = [CLUMPED] if clumped else [UNEQUAL.get(kind, kind) if unequal else kind for kind in known]
    for kind in kinds if method else ():
        if kind.always:
            return f"the interval is {kind.why}" if kind.benchmark else kind.why
        size = max((n for n in kind.share if n <= n_clusters), default=min(kind.share, default=0))
        low, high = kind.share.get(size, (kind.level, kind.level))
        shares = f"about {100 * low:.0f}" if kind.data else f"{100 * low:.0f} to {100 * high:.0f}"
        held = f"of such {100 * kind.level:.0f} % intervals {shares} % hold the truth"
        if low < kind.level - ENOUGH:
            return f"{held}: {kind.why}"
        if high >= kind.level + TOO_MUCH:
            return f"{held}, so that they may be wider than need be"
    return ""


def are_unequal(clusters: np.ndarray) -> bool:
    """Whether a subject has at least twice as many cases as subjects have on average.

    Args:
        clusters: `(n,)`, name of each case's subject, or of the case itself.

    Example:
        >>> are_unequal(np.array(["a", "a", "a", "a", "b", "c"])), are_unequal(np.array(["a", "b"])), are_unequal([])
        (True, False, False)
    """
    sizes = np.unique(np.asarray(clusters, dtype=str), return_counts=True)[1]
    return bool(len(sizes) and sizes.max() >= 2 * sizes.mean())

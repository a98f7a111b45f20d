"""Coverage of intervals: how many contained the true value in simulations, and the warning that follows from it.

    coverage of a measure, method, number of clusters  ->  warning, or nothing

The shares are those of docs/truthfulness.md: of 95 % intervals, how many hold a planted value at 10, 20 and 40 cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = [
    "COMPONENTS",
    "EFFECT_RATIO",
    "ICC_BCA",
    "ICC_JACKKNIFE",
    "MEANS",
    "NOT_MEASURED",
    "NO_INTERVAL",
    "SPREAD",
    "WILLIAMS",
    "Coverage",
    "coverage_warning",
]

ENOUGH = 0.93
"""Share of 95 % intervals that have to hold the truth; below it the report warns."""


@dataclass(frozen=True)
class Coverage:
    """What the interval of one kind of measure covers.

    Attributes:
        why: What else a reader should know, or do.
        benchmark: Measure and method in `benchmarks/results/truthfulness.json`; empty if none was run.
        share: Number of cases -> share of the intervals that contain the planted value.
        always: Whether the report adds `why` to every such interval.
    """

    why: str
    benchmark: tuple[str, str] = ("", "")
    share: dict[int, float] = field(default_factory=dict, hash=False)
    always: bool = False


MEANS = Coverage("means over cases hold what they promise")
NO_INTERVAL = Coverage("there is no interval")
NOT_MEASURED = Coverage("it was not measured how often such intervals hold the truth")
ICC_JACKKNIFE = Coverage(
    "a little too narrow at every size",
    ("ICC(A,1) of counts", "jackknife-t"),
    {10: 0.929, 20: 0.918, 40: 0.928},
)
ICC_BCA = Coverage(
    "the others lie too low twice as often as too high",
    ("ICC(A,1) of counts", "BCa"),
    {10: 0.849, 20: 0.880, 40: 0.906},
)
WILLIAMS = Coverage(
    "a little too narrow at every size",
    ("Williams index of Dice", "BCa"),
    {10: 0.897, 20: 0.924, 40: 0.928},
)
COMPONENTS = Coverage(
    "the others mostly lie too low, most of all those of small components",
    ("variance component rater of F1", "BCa"),
    {10: 0.836, 20: 0.778, 40: 0.821},
)
EFFECT_RATIO = Coverage(
    "read it beside the intervals of the shifts, which hold their 95 %",
    ("ratio of η²", "BCa"),
    {10: 0.777, 20: 0.880, 40: 0.921},
)
SPREAD = Coverage(
    "exact where trainings scatter normally; too narrow where now and then one goes far wrong",
    ("sd over seeds of F1", "chi-square"),
    always=True,
)


def coverage_warning(known: Sequence[Coverage], method: str, n_clusters: int) -> str:
    """Warning about the coverage of an interval.

    Args:
        known: What is known of the intervals of this measure: `Measure.coverage`.
        method: That of the interval, as in the table of scores.
        n_clusters: Subjects, or cases, that the interval rests on.

    Returns:
        One sentence; empty where the interval keeps its promise, as those of means do, and where nothing is known.

    Example:
        >>> coverage_warning([ICC_JACKKNIFE, ICC_BCA], "jackknife-t", 24)
        'of such 95 % intervals about 92 % hold the truth: a little too narrow at every size'
        >>> coverage_warning([MEANS], "bootstrap-t", 24)
        ''
    """
    for kind in known:
        if kind.always:
            return f"the interval is {kind.why}"
        if not kind.share or method != kind.benchmark[1]:
            continue
        size = max((n for n in kind.share if n <= n_clusters), default=min(kind.share))
        if kind.share[size] < ENOUGH:
            return f"of such 95 % intervals about {100 * kind.share[size]:.0f} % hold the truth: {kind.why}"
    return ""

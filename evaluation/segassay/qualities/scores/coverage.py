"""How far intervals can be trusted: what they were measured to cover, and the sentence a report prints beside them.

    measure, number of clusters  ->  warning, or nothing

The shares are those of docs/truthfulness.md: of 95 % intervals, how many hold a planted value at 10, 20 and 40 cases.
"""

from dataclasses import dataclass

__all__ = ["MEASURED", "Coverage", "coverage_warning"]

ENOUGH = 0.93
"""Share of 95 % intervals that have to hold the truth; below it the report warns."""


@dataclass(frozen=True)
class Coverage:
    """What the interval of one kind of measure covers.

    Attributes:
        names: Beginnings, or ends, of the names of such measures.
        benchmark: Measure and method in `benchmarks/results/truthfulness.json`.
        share: Number of cases -> share of the intervals that hold the planted value.
        why: What else a reader should know, or do.
    """

    names: tuple[str, ...]
    benchmark: tuple[str, str]
    share: dict[int, float]
    why: str


MEASURED = (
    Coverage(
        ("icc_a1_", "icc_ak_"),
        ("ICC(A,1) of counts", "jackknife-t"),
        {10: 0.929, 20: 0.918, 40: 0.928},
        "a little too narrow at every size",
    ),
    Coverage(
        ("icc_a1_", "icc_ak_", "phi_"),
        ("ICC(A,1) of counts", "BCa"),
        {10: 0.849, 20: 0.880, 40: 0.906},
        "the others lie too low twice as often as too high",
    ),
    Coverage(
        ("williams_index",),
        ("Williams index of Dice", "BCa"),
        {10: 0.897, 20: 0.924, 40: 0.928},
        "a little too narrow at every size",
    ),
    Coverage(
        ("variance_", "rater_share_"),
        ("variance component rater of F1", "BCa"),
        {10: 0.836, 20: 0.778, 40: 0.821},
        "the others mostly lie too low, most of all those of small components",
    ),
    Coverage(
        ("_eta_squared_ratio",),
        ("ratio of η²", "BCa"),
        {10: 0.777, 20: 0.880, 40: 0.921},
        "read it beside the intervals of the shifts, which hold their 95 %",
    ),
    Coverage(
        ("sd_f1", "sd_count", "cv_"),
        ("sd over seeds of F1", "chi-square"),
        {},
        "exact where trainings scatter normally; too narrow where now and then one goes far wrong",
    ),
)


def coverage_warning(measure: str, method: str, n_clusters: int) -> str:
    """What to print beside the interval of a measure.

    Args:
        measure: Name of a measure, as in the table of scores.
        method: That of its interval, also from there.
        n_clusters: Subjects, or cases, that the interval rests on.

    Returns:
        One sentence; empty where the interval keeps its promise, as those of means do.

    Example:
        >>> coverage_warning("icc_a1_count", "jackknife-t", 24)
        'of such 95 % intervals about 92 % hold the truth: a little too narrow at every size'
        >>> coverage_warning("f1_leave_one_out", "bootstrap-t", 24)
        ''
    """
    for kind in MEASURED:
        if measure.startswith(kind.names) or measure.endswith(kind.names):
            if not kind.share:
                return f"the interval is {kind.why}"
            size = max((n for n in kind.share if n <= n_clusters), default=min(kind.share))
            if method == kind.benchmark[1] and kind.share[size] < ENOUGH:
                return f"of such 95 % intervals about {100 * kind.share[size]:.0f} % hold the truth: {kind.why}"
    return ""

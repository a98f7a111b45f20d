"""How often intervals hold the truth, of any kind of interval on any kind of data.

Kind: generator of (n, ...) data, statistic, interval  ->  share of intervals that hold the statistic of 100,000 cases
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from segassay.statistics.intervals import Interval

N_TRUTH = 100_000
Draw = Callable[[np.random.Generator, int], np.ndarray]
Weighted = Callable[[np.ndarray, np.ndarray], np.ndarray]
Row = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of interval on one kind of data; `truth` is a statistic of weighted cases, or a number.

    It is repeated `at_most` times, since a few take long.
    """

    measure: str
    data: str
    draw: Draw
    interval: Callable[[np.ndarray], Interval]
    truth: Weighted | float
    at_most: int = 500


def rows_of(
    every: Iterable[Kind], n_replicates: int, sizes: tuple[int, ...], series: tuple[int, ...] = ()
) -> Iterator[Row]:
    """Coverage of some kinds, each with its own seed; another series has others."""
    for place, kind in enumerate(every):
        truth = truth_of(kind)
        for n in sizes:
            rng = np.random.default_rng([place, n, *series])
            found = [kind.interval(kind.draw(rng, n)) for _ in range(min(n_replicates, kind.at_most))]
            yield {"measure": kind.measure, "data": kind.data, "n_cases": n} | _covered(found, truth)


def truth_of(kind: Kind) -> float:
    """The value that the intervals should hold."""
    if isinstance(kind.truth, float):
        return kind.truth
    every = kind.draw(np.random.default_rng(1), N_TRUTH)
    return float(kind.truth(np.ones((1, len(every))), every)[0])


def _covered(found: list[Interval], truth: float) -> Row:
    low, high = np.array([(one.low, one.high) for one in found]).T
    defined = np.isfinite(low) & np.isfinite(high)
    inside = (low <= truth + 1e-12) & (truth <= high + 1e-12)
    methods = {one.method for one in found if np.isfinite(one.low)}
    return {
        "method": ", ".join(sorted(methods - {"binomial"}) or sorted(methods)),
        "truth": truth,
        "coverage": float(inside[defined].mean()) if defined.any() else None,
        "too_high": float((low[defined] > truth).mean()) if defined.any() else None,
        "width": float(np.median((high - low)[defined])) if defined.any() else None,
        "undefined": float((~defined).mean()),
        "n": int(defined.sum()),
    }

"""How many images, raters and seeds does a study need? Answered from a pilot or from a finished study.

    variance components of scores and of counts  ->  plan: every number of raters and seeds, with the images it needs

Two aims: a mean score whose 95 % interval is narrow enough, and counts of single images that are reliable enough (Φ).
What a pilot cannot tell, such as the spread over seeds where only people annotated, is left out and said.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from segassay.data.annotations import is_rater
from segassay.errors import DataError, UsageError
from segassay.statistics.components import three_way_components, two_way_components
from segassay.statistics.reliability import phi

__all__ = [
    "PLAN_COLUMNS",
    "Pilot",
    "images_needed",
    "interval_width",
    "make_plan",
    "read_pilot",
]

N_RATERS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20)
N_SEEDS = (1, 2, 3, 4, 6, 8, 12, 16)
MAX_IMAGES = 1_000_000
_SIDES = ("annotator_a", "annotator_b")
PLAN_COLUMNS = ("n_raters", "n_seeds", "n_cases", "width", "width_beyond", "phi", "annotations", "enough")

_FACETS = {
    "case": ("case",),
    "rater": ("rater",),
    "seed": ("seed",),
    "case:rater": ("case", "rater"),
    "case:seed": ("case", "seed"),
    "rater:seed": ("rater", "seed"),
    "residual": ("case", "rater", "seed"),
}


@dataclass(frozen=True, eq=False)
class Pilot:
    """What was learnt from the images, raters and seeds at hand.

    Attributes:
        score: Variance components of the score of objects (F1 at IoU > .5 against the consensus of the others).
        log_count: Variance components of the logarithm of the number of objects, plus one half, of an image.
        scored: Whose scores these are: `raters`, or `models`.
        n_cases: Images that all of them have.
        n_raters: Raters at hand, or raters that models were trained on.
        n_seeds: Seeds of each; 1 where nothing differs by the seed alone.
        notes: What the pilot cannot tell.
    """

    score: Mapping[str, float]
    log_count: Mapping[str, float]
    scored: str
    n_cases: int
    n_raters: int
    n_seeds: int
    notes: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------------------------------- the numbers


def interval_width(
    components: Mapping[str, float], *, n_cases: int, n_raters: int, n_seeds: int, beyond: bool = False
) -> float:
    """Expected full width of the 95 % interval of a mean score.

    The error variance is the sum of the components, each divided by how often it is drawn. For these raters and seeds,
    as all intervals of a report are meant, only components that contain the case count. Beyond them raters and seeds
    are drawn at random too, with the degrees of freedom of Satterthwaite.

    Args:
        components: Variances by name (case, rater, seed, case:rater, case:seed, rater:seed, residual); what is missing
            or NaN is unknown and left out.
        n_cases: Images.
        n_raters: Raters.
        n_seeds: Seeds of each rater's models.
        beyond: Whether the interval is to hold for other raters and seeds as well.

    Returns:
        Full width in the unit of the score; NaN with a single case, infinite where one rater or seed is to stand for
        all of them.

    Raises:
        ValueError: If a number is below 1.

    Example:
        >>> components = {"case": 0.04, "rater": 0.01, "residual": 0.01}
        >>> round(interval_width(components, n_cases=36, n_raters=4, n_seeds=1), 3)
        0.14
        >>> round(interval_width(components, n_cases=36, n_raters=4, n_seeds=1, beyond=True), 3)
        0.293

    References:
        Brennan (2001), Generalizability Theory, doi:10.1007/978-1-4757-3456-0; Satterthwaite (1946), Biometrics Bull.
        2(6):110-114, doi:10.2307/3002019.
    """
    n = {"case": n_cases, "rater": n_raters, "seed": n_seeds}
    if min(n.values()) < 1:
        raise ValueError(f"expected one case, rater and seed or more, got {n}")
    if n_cases == 1:
        return math.nan
    known = [name for name in _FACETS if components.get(name, math.nan) > 0 and (beyond or "case" in _FACETS[name])]
    if not known:
        return 0.0
    if any(n.get(name) == 1 for name in known):
        return math.inf
    parts = np.array([components[name] / math.prod(n[facet] for facet in _FACETS[name]) for name in known])
    df = np.array([math.prod(max(n[facet] - 1, 1) for facet in _FACETS[name]) for name in known], dtype=float)
    effective = parts.sum() ** 2 / (parts**2 / df).sum() if beyond else n_cases - 1
    return float(2 * stats.t.ppf(0.975, effective) * math.sqrt(parts.sum()))


def images_needed(components: Mapping[str, float], *, width: float, n_raters: int, n_seeds: int) -> int | None:
    """Smallest number of images whose interval, for these raters and seeds, is not wider than wanted.

    Args:
        components: As for `interval_width`.
        width: Full width that is wanted.
        n_raters: Raters.
        n_seeds: Seeds.

    Returns:
        Images, at least 2; None where a million do not suffice.

    Raises:
        ValueError: If the width is not above 0.

    Example:
        >>> images_needed({"case": 0.04, "rater": 0.01, "residual": 0.01}, width=0.1, n_raters=4, n_seeds=1)
        68
    """
    if not width > 0:
        raise ValueError(f"width must be above 0, got {width}")

    def fits(n_cases: int) -> bool:
        return interval_width(components, n_cases=n_cases, n_raters=n_raters, n_seeds=n_seeds) <= width

    low, high = 1, 2
    while not fits(high):
        low, high = high, 2 * high
        if low >= MAX_IMAGES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def make_plan(
    pilot: Pilot,
    *,
    width: float = 0.1,
    min_phi: float = 0.9,
    n_raters: Iterable[int] = N_RATERS,
    n_seeds: Iterable[int] = N_SEEDS,
) -> pd.DataFrame:
    """What every number of raters and seeds needs and reaches.

    Args:
        pilot: From `read_pilot`.
        width: Wanted full width of the 95 % interval of the mean score.
        min_phi: Wanted reliability of the count of a single image.
        n_raters: Numbers of raters to look at.
        n_seeds: Numbers of seeds to look at; only 1 where the pilot knows nothing of seeds.

    Returns:
        Table with `PLAN_COLUMNS`: images needed for the width, the width then for these raters and seeds, the width if
        it is to hold for other raters and seeds too, Φ (empty where the pilot cannot tell), masks to draw (images ×
        raters), and whether both aims are met; fewest masks first among those that meet them.

    Raises:
        UsageError: If the width is not above 0, or Φ not between 0 and 1.
    """
    if not width > 0 or not 0 < min_phi < 1:
        raise UsageError(f"expected a width above 0 and Φ between 0 and 1, got {width:g} and {min_phi:g}")
    rows = []
    for raters, seeds in product(n_raters, n_seeds if pilot.n_seeds > 1 else [1]):
        needed = images_needed(pilot.score, width=width, n_raters=raters, n_seeds=seeds)
        if needed is None:
            raise UsageError(f"no number of images gives an interval {width:g} wide; ask for a wider one")
        size: dict[str, Any] = {"n_cases": needed, "n_raters": raters, "n_seeds": seeds}
        reliability = phi(pilot.log_count, raters, seeds)
        rows.append(
            size
            | {
                "width": interval_width(pilot.score, **size),
                "width_beyond": interval_width(pilot.score, **size, beyond=True),
                "phi": reliability,
                "annotations": needed * raters,
                "enough": reliability >= min_phi,
            }
        )
    table = pd.DataFrame(rows, columns=list(PLAN_COLUMNS))
    order = ["enough", "annotations", "n_raters", "n_seeds"]
    return table.sort_values(order, ascending=[False, True, True, True], kind="stable").reset_index(drop=True)


# ------------------------------------------------------------------------------------------------------------ the pilot


def read_pilot(result: Path) -> Pilot:
    """Variance components of a finished evaluation.

    Where models were trained on single raters, their scores against the raters they did not learn from and their counts
    are taken apart into case, rater and seed; else the raters' own.

    Args:
        result: Folder written by `segassay evaluate`.

    Returns:
        The components, and what they rest on.

    Raises:
        DataError: If the folder is no such result, or has fewer than 2 raters or 3 cases that all of them annotated.
    """
    tables = {name: _read_table(result, name) for name in ("annotations", "leave_one_out", "agreement", "counts")}
    annotations = tables["annotations"].drop_duplicates("annotator").set_index("annotator")
    counts = tables["counts"].pivot(index="case", columns="annotator", values="n_objects")
    experts = annotations[(annotations["kind"] == "model") & (annotations["strategy"] == "expert")]
    experts = experts[experts["seed"].notna()]
    if experts["trained_on"].nunique() > 1:
        return _pilot_of_models(tables, counts[experts.index].add(0.5).apply(np.log), experts)
    raters = list(annotations.index[annotations["kind"].map(is_rater)])
    if len(raters) < 2:
        raise DataError(f"{result} has {len(raters)} rater; a pilot needs two or more, or models of two or more")
    return _pilot_of_raters(result, tables, counts[raters].add(0.5).apply(np.log).dropna(), raters)


def _read_table(result: Path, name: str) -> pd.DataFrame:
    path = result / "tables" / f"{name}.csv"
    try:
        return pd.read_csv(path, dtype={"case": str, "annotator": str, "rater": str}, keep_default_na=True)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read; expected a folder written by `segassay evaluate`") from error


def _pilot_of_raters(
    result: Path, tables: Mapping[str, pd.DataFrame], log_count: pd.DataFrame, raters: list[str]
) -> Pilot:
    own = tables["leave_one_out"].query("iou_threshold == 0.5 and annotator == rater")
    notes = ["no models that differ by the seed: what another seed changes is unknown and left out"]
    if own.empty:  # fewer than 4 raters: mean agreement with the others
        notes.append("too few raters for the consensus of the others: scores are mean agreements with the other raters")
        pairs = tables["agreement"].query("iou_threshold == 0.5")
        pairs = pairs[pairs["annotator_a"].isin(raters) & pairs["annotator_b"].isin(raters)]
        own = pd.concat([pairs[["case", side, "f1"]].set_axis(["case", "rater", "f1"], axis=1) for side in _SIDES])
    scores = own.pivot_table(index="case", columns="rater", values="f1").dropna()
    if len(scores) < 3 or len(log_count) < 3:
        raise DataError(f"{result} has {len(scores)} images annotated by all raters; a pilot needs 3 or more")
    return Pilot(
        score=_known(two_way_components(scores.to_numpy())),
        log_count=_known(two_way_components(log_count.to_numpy())),
        scored="raters",
        n_cases=len(scores),
        n_raters=len(raters),
        n_seeds=1,
        notes=tuple(notes),
    )


def _pilot_of_models(tables: Mapping[str, pd.DataFrame], log_count: pd.DataFrame, experts: pd.DataFrame) -> Pilot:
    against = tables["leave_one_out"].query("iou_threshold == 0.5")
    against = against[against["annotator"].isin(experts.index)]
    scores = against.groupby(["case", "annotator"], sort=False)["f1"].mean().reset_index()
    counted = log_count.reset_index().melt(id_vars="case", var_name="annotator", value_name="log_count").dropna()
    of = {"score": (scores, "f1"), "log_count": (counted, "log_count")}
    components = {
        name: _known(
            three_way_components(
                table[column].to_numpy(),
                case=table["case"].to_numpy(),
                seed=table["annotator"].map(experts["seed"]).to_numpy(),
                rater=table["annotator"].map(experts["trained_on"]).to_numpy(),
            )
        )
        for name, (table, column) in of.items()
    }
    n_seeds = int(experts.groupby("trained_on")["seed"].nunique().min())
    notes = [] if n_seeds > 1 else ["one seed per rater: what another seed changes counts as a difference of raters"]
    n_cases, n_raters = scores["case"].nunique(), experts["trained_on"].nunique()
    return Pilot(components["score"], components["log_count"], "models", n_cases, n_raters, n_seeds, tuple(notes))


def _known(components: pd.DataFrame) -> dict[str, float]:
    return {str(name): float(value) for name, value in components["reml"].dropna().items()}


# -------------------------------------------------------------------------------------------------------------- writing

"""Estimate how many images, raters and seeds a study needs, from a pilot or a finished study.

    variance components of scores and of counts  ->  plan: every number of raters and seeds, with the images it needs

Two aims: a mean score whose 95 % interval is narrow enough, and counts of single images that are reliable enough (Φ).
What a pilot cannot estimate, such as the spread over seeds without models, is left out and reported.
"""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import scipy

from segassay.errors import UsageError
from segassay.judgement.results import Results
from segassay.planning.pilot import FACETS, Pilot, read_pilot
from segassay.statistics.reliability import phi

__all__ = [
    "PLAN_COLUMNS",
    "Units",
    "images_needed",
    "interval_width",
    "make_plan",
    "plan",
    "plan_of_classes",
    "units_of_pilot",
]

N_RATERS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20)
N_SEEDS = (1, 2, 3, 4, 6, 8, 12, 16)
MAX_IMAGES = 1_000_000
PLAN_COLUMNS = ("n_raters", "n_seeds", "n_cases", "n_subjects", "width", "width_beyond", "phi", "annotations", "enough")


@dataclass(frozen=True)
class Units:
    """What images are drawn as, and what the report of the pilot says about it.

    Attributes:
        images_per_subject: Mean number of images of a subject; 1 where each image counts by itself.
        correlation: Intraclass correlation of the mean scores of two images of one subject.
        calibration: Error variance of the report of the pilot, divided by that of the formula for the pilot's size:
            the methods of the report allow for skewness and for subjects of unequal size.
    """

    images_per_subject: float = 1.0
    correlation: float = 0.0
    calibration: float = 1.0


def units_of_pilot(pilot: Pilot) -> Units:
    """Units with which `interval_width` at the size of the pilot is the width that the report of the pilot states."""
    units = Units(pilot.images_per_subject, pilot.correlation)
    size: dict[str, Any] = {"n_cases": pilot.n_cases, "n_raters": pilot.n_raters, "n_seeds": pilot.n_seeds}
    expected = interval_width(pilot.score, **size, units=units)
    ratio = pilot.reported / expected if expected > 0 else math.nan
    return replace(units, calibration=ratio**2) if ratio > 0 else units


def interval_width(
    components: Mapping[str, float],
    *,
    n_cases: int,
    n_raters: int,
    n_seeds: int,
    units: Units | None = None,
    beyond: bool = False,
) -> float:
    """Expected full width of the 95 % interval of a mean score.

    The error variance is the sum of the components, each divided by how often it is drawn. For these raters and seeds,
    as in all intervals of a report, only components that contain the case count. Beyond them, raters and seeds are
    drawn at random too, with the degrees of freedom of Satterthwaite. Where images come from subjects, subjects are
    drawn: m images of each, which correlate by ρ, multiply the error variance by 1 + (m - 1) ρ, and the degrees of
    freedom are those of subjects.

    Args:
        components: Variances by name (case, rater, seed, case:rater, case:seed, rater:seed, residual); missing
            and NaN components are left out.
        n_cases: Images.
        n_raters: Raters.
        n_seeds: Seeds of each rater's models.
        units: Images of a subject, their correlation, and the calibration by a report; by default single images.
        beyond: Whether the interval also covers other raters and seeds.

    Returns:
        Full width in the unit of the score; NaN with a single case or fewer than two subjects, infinite if one rater
        or seed represents all others.

    Raises:
        ValueError: If a number is below 1.

    Example:
        >>> components = {"case": 0.04, "rater": 0.01, "residual": 0.01}
        >>> round(interval_width(components, n_cases=36, n_raters=4, n_seeds=1), 3)
        0.14
        >>> round(interval_width(components, n_cases=36, n_raters=4, n_seeds=1, beyond=True), 3)
        0.293

        As many images, but three of each of twelve animals:

        >>> animals = Units(images_per_subject=3, correlation=0.5)
        >>> round(interval_width(components, n_cases=36, n_raters=4, n_seeds=1, units=animals), 3)
        0.214

    References:
        Kish (1965), Survey Sampling, section 5.4, for the correlation within subjects; Brennan (2001), Generalizability
        Theory, doi:10.1007/978-1-4757-3456-0; Satterthwaite (1946), Biometrics Bull. 2(6):110-114, doi:10.2307/3002019.
    """
    n = {"case": n_cases, "rater": n_raters, "seed": n_seeds}
    if min(n.values()) < 1:
        raise ValueError(f"expected one case, rater and seed or more, got {n}")
    units = units or Units()
    n_units = n_cases / units.images_per_subject
    if n_units < 2:
        return math.nan
    known = [name for name in FACETS if components.get(name, math.nan) > 0 and (beyond or "case" in FACETS[name])]
    if not known:
        return 0.0
    if any(n.get(name) == 1 for name in known):
        return math.inf
    of_subjects = units.calibration * (1 + (units.images_per_subject - 1) * units.correlation)
    parts = np.array(
        [
            components[name]
            / math.prod(n[facet] for facet in FACETS[name])
            * (of_subjects if "case" in FACETS[name] else 1)
            for name in known
        ]
    )
    drawn = n | {"case": n_units}
    df = np.array([math.prod(max(drawn[facet] - 1, 1) for facet in FACETS[name]) for name in known], dtype=float)
    effective = parts.sum() ** 2 / (parts**2 / df).sum() if beyond else n_units - 1
    return float(2 * scipy.stats.t.ppf(0.975, effective) * math.sqrt(parts.sum()))


def images_needed(
    components: Mapping[str, float], *, width: float, n_raters: int, n_seeds: int, units: Units | None = None
) -> int | None:
    """Smallest number of images for which the interval, with these raters and seeds, is not wider than `width`.

    Args:
        components: As for `interval_width`.
        width: Wanted full width.
        n_raters: Raters.
        n_seeds: Seeds.
        units: As for `interval_width`; whole subjects are planned.

    Returns:
        Images, of at least 2 subjects; None if a million images are not enough.

    Raises:
        ValueError: If the width is not above 0.

    Example:
        >>> images_needed({"case": 0.04, "rater": 0.01, "residual": 0.01}, width=0.1, n_raters=4, n_seeds=1)
        68
    """
    if not width > 0:
        raise ValueError(f"width must be above 0, got {width}")

    per_subject = (units or Units()).images_per_subject

    def images_of(n_subjects: int) -> int:
        return math.ceil(n_subjects * per_subject - 1e-9)

    def fits(n_subjects: int) -> bool:
        size: dict[str, Any] = {"n_cases": images_of(n_subjects), "n_raters": n_raters, "n_seeds": n_seeds}
        return interval_width(components, **size, units=units) <= width

    low, high = 1, 2
    while not fits(high):
        low, high = high, 2 * high
        if images_of(low) >= MAX_IMAGES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return images_of(high)


def plan(evaluation: Results | str | os.PathLike[str], *, width: float = 0.1, min_phi: float = 0.9) -> pd.DataFrame:
    """Estimate from an evaluation how many images, raters and seeds the next study needs.

    Args:
        evaluation: What `segassay.evaluate` returns, or the folder that it wrote.
        width: Wanted full width of the 95 % interval of the mean score.
        min_phi: Wanted reliability of the count of a single image.

    Returns:
        Table of `make_plan`; if no number of raters and seeds meets both aims, `enough` is False in all rows,
        as where all masks are empty.

    Raises:
        UsageError: If an aim is impossible.
        DataError: If there are fewer than 2 raters, 2 subjects or 3 cases that all of them annotated.

    Example:
        >>> import numpy as np
        >>> from segassay import evaluate
        >>> masks = {rater: {f"{n}": np.zeros((32, 32), dtype=bool) for n in (2, 4, 6)} for rater in ("anna", "ben")}
        >>> for rater, width in (("anna", 3), ("ben", 4)):
        ...     for case, mask in masks[rater].items():
        ...         mask[: 4 * int(case) : 4, :width] = True  # objects of one row
        >>> plan(evaluate(masks=masks)).loc[0, ["n_raters", "n_cases", "enough"]].astype(int).tolist()
        [2, 2, 1]
    """
    return make_plan(read_pilot(evaluation), width=width, min_phi=min_phi)


def make_plan(
    pilot: Pilot,
    *,
    width: float = 0.1,
    min_phi: float = 0.9,
    n_raters: Iterable[int] = N_RATERS,
    n_seeds: Iterable[int] = N_SEEDS,
) -> pd.DataFrame:
    """Images needed and reliability reached for every number of raters and seeds.

    Args:
        pilot: From `read_pilot`.
        width: Wanted full width of the 95 % interval of the mean score.
        min_phi: Wanted reliability of the count of a single image.
        n_raters: Numbers of raters to consider.
        n_seeds: Numbers of seeds to consider; only 1 if the pilot has no models that differ by the seed.

    Returns:
        Table with `PLAN_COLUMNS`: images needed for the width (with those that lack the class, if the pilot is of one
        of several), of how many subjects (0 where none are named), the resulting width for these raters and seeds, the
        width for other raters and seeds too, Φ (empty if the pilot cannot estimate it), masks to draw (images ×
        raters), and whether both aims are met; fewest masks first among those that meet them. Images of a subject are
        as many as in the pilot.

    Raises:
        UsageError: If the width is not above 0, or Φ not between 0 and 1.
    """
    if not width > 0 or not 0 < min_phi < 1:
        raise UsageError(f"expected a width above 0 and Φ between 0 and 1, got {width:g} and {min_phi:g}")
    rows, units = [], units_of_pilot(pilot)
    for raters, seeds in product(n_raters, n_seeds if pilot.n_seeds > 1 else [1]):
        needed = images_needed(pilot.score, width=width, n_raters=raters, n_seeds=seeds, units=units)
        if needed is None:
            raise UsageError(f"no number of images gives an interval {width:g} wide; ask for a wider one")
        size: dict[str, Any] = {"n_cases": needed, "n_raters": raters, "n_seeds": seeds}
        reliability = phi(pilot.log_count, raters, seeds)
        n_all = math.ceil(needed / pilot.share - 1e-9)
        rows.append(
            size
            | {
                "n_cases": n_all,
                "n_subjects": int(n_all / units.images_per_subject + 1e-9) if pilot.n_subjects else 0,
                "width": interval_width(pilot.score, **size, units=units),
                "width_beyond": interval_width(pilot.score, **size, units=units, beyond=True),
                "phi": reliability,
                "annotations": n_all * raters,
                "enough": reliability >= min_phi,
            }
        )
    return _best_first(pd.DataFrame(rows, columns=list(PLAN_COLUMNS)))


def plan_of_classes(plans: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What all classes need together: for every number of raters and seeds the most images, and the smallest Φ.

    Args:
        plans: Class -> its plan, from `make_plan`; at least one.

    Returns:
        Table as of `make_plan`, of the numbers of raters and seeds that all plans have: as many images and subjects as
        the class needs that needs most, the widest intervals and the lowest Φ, and whether both aims are met in all.

    Example:
        >>> one, other = (Pilot({"case": v}, {"case": 1.0}, "raters", 9, 3, 1) for v in (0.01, 0.04))
        >>> plans = {"zone": make_plan(one), "tumour": make_plan(other)}
        >>> bool(plan_of_classes(plans)["n_cases"][0] == plans["tumour"]["n_cases"][0])
        True
    """
    every = pd.concat(plans.values(), ignore_index=True)
    rows = every.groupby(["n_raters", "n_seeds"], as_index=False, sort=False).agg(
        n_cases=("n_cases", "max"),
        n_subjects=("n_subjects", "max"),
        width=("width", "max"),
        width_beyond=("width_beyond", "max"),
        phi=("phi", lambda values: values.min(skipna=False)),
        n=("enough", "size"),
        enough=("enough", "all"),
    )
    rows = rows[rows["n"] == len(plans)]
    return _best_first(rows.assign(annotations=rows["n_cases"] * rows["n_raters"])[list(PLAN_COLUMNS)])


def _best_first(table: pd.DataFrame) -> pd.DataFrame:
    order = ["enough", "annotations", "n_raters", "n_seeds"]
    return table.sort_values(order, ascending=[False, True, True, True], kind="stable").reset_index(drop=True)

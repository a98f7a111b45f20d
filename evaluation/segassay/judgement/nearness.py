"""Do outlines of large objects lie where raters draw them? NSD at a tolerance from the raters, where Dice cannot tell.

    shares of outlines by distance, agreement of raters  ->  tolerance in pixels  ->  NSD of all pairs, or nothing

A Dice of .97 hides an outline that is several pixels off if objects are large. Where raters agree with a Dice above
`DICE_BLIND_ABOVE`, an error as large as their own disagreement moves Dice by less than any line: NSD judges there,
beside Dice. Where raters agree less, their tolerance is so wide for these objects that Dice shows what is beyond it.
"""

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from segassay.io.stored_tables import parts_of
from segassay.qualities.scores.table import THRESHOLD
from segassay.tables.case import TOLERANCES

__all__ = ["DICE_BLIND_ABOVE", "MEASURES", "NEAR", "nearness_of_pairs", "tolerance_px"]

DICE_BLIND_ABOVE = 0.95
"""Dice of the median rater with the others: what raters disagree by is less than the 0.05 by which lines are drawn."""

NEAR = 0.95
"""Share of the outlines of two usual raters that is within the tolerance, of what is within the largest one (Nikolov et
al. 2021, doi:10.2196/26151): what is further apart belongs to another object."""

MEASURES: Mapping[str, int] = MappingProxyType({f"nsd_{tolerance}px": tolerance for tolerance in TOLERANCES})
"""Names of NSD, each of one tolerance  ->  the tolerance, in pixels."""


def tolerance_px(surface_shares: pd.DataFrame, counts: pd.DataFrame, raters: list[str]) -> int:
    """How far apart usual raters draw an outline: the distance within which 95 % of the outlines of two of them are.

    In each image the higher median over the other raters counts of each rater, then the median rater, then the median
    image: one careless rater of three or more does not widen the tolerance for everyone.

    Args:
        surface_shares: Table of `segassay.tables.build`.
        counts: Table of `segassay.tables.build`; images in which a rater marks nothing say nothing about outlines.
        raters: Raters to compare.

    Returns:
        In pixels of the smallest spacing, one of the distances in `surface_shares`, and at least 1; 0 where no two
        raters have an outline in one image.

    Example:
        >>> shares = pd.DataFrame({"case": "1", "annotator_a": "a", "annotator_b": "b", "tolerance_px": [0, 1, 2, 32],
        ...                        "share": [0.5, 0.7, 0.78, 0.8]})
        >>> counts = pd.DataFrame({"case": "1", "annotator": ["a", "b"], "area_px": [9, 9]})
        >>> tolerance_px(shares, counts, ["a", "b"])
        2
    """
    marked = pd.MultiIndex.from_frame(counts.loc[counts["area_px"].fillna(0) > 0, ["case", "annotator"]])
    parts = parts_of(surface_shares, ["case", *_SIDES, "tolerance_px", "share"])
    of_case = [_usual_shares(rows, marked, raters) for rows in parts]
    of_case = [part for part in of_case if len(part)]
    if not of_case:
        return 0
    usual = pd.concat(of_case).median()
    near = usual.index[(usual >= NEAR) & (usual.index >= 1)]
    return int(near[0]) if len(near) else 0


def _usual_shares(rows: pd.DataFrame, marked: pd.MultiIndex, raters: list[str]) -> pd.DataFrame:
    """Case × distance: the median rater's share of outlines within it, of that within the largest one."""
    rows = rows[rows[list(_SIDES)].isin(raters).all(axis=1)]
    for side in _SIDES:
        rows = rows[pd.MultiIndex.from_frame(rows[["case", side]]).isin(marked)]
    if rows.empty:
        return pd.DataFrame()
    table = rows.pivot(index=["case", *_SIDES], columns="tolerance_px", values="share").astype(float)
    table = table.div(table.iloc[:, -1].where(lambda widest: widest > 0), axis=0)
    both = pd.concat(
        [
            table.rename_axis(index={side: "rater"}).droplevel(other)
            for side, other in zip(_SIDES, _SIDES[::-1], strict=True)
        ]
    )
    of_rater = both.groupby(["case", "rater"]).quantile(0.5, interpolation="higher")
    return of_rater.groupby("case").median()


_SIDES = ("annotator_a", "annotator_b")


def nearness_of_pairs(surface_shares: pd.DataFrame, tolerance: int) -> tuple[pd.DataFrame, str]:
    """NSD at a tolerance, as the table of agreement has other measures.

    Args:
        surface_shares: Table of `segassay.tables.build`; pairs with a rater, and with a C₋r, which is called `-r`.
        tolerance: In pixels, one of those in the table.

    Returns:
        Table with `case, annotator_a, annotator_b, iou_threshold` and NSD; and the name of that column, one of
        `MEASURES`.
    """
    rows = surface_shares[surface_shares["tolerance_px"] == tolerance]
    keys = rows[["case", *_SIDES]].reset_index(drop=True)
    measure = next(name for name, of_name in MEASURES.items() if of_name == tolerance)
    keys["iou_threshold"], keys[measure] = THRESHOLD, rows["share"].to_numpy(dtype=float)
    return keys, measure

"""Flip rates: the share of the pixels, objects or conclusions of one training that change with another seed.

agreement, counts, effects, annotations  ->  flip rates of pixels, objects and conclusions
"""

import math

import pandas as pd

from segassay.qualities.reliability.records import FLIP_RATE, FLIP_RATE_OF_VERDICTS
from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.table import THRESHOLD, Pairs, interval_row, pairs_noted, score_rows
from segassay.statistics.intervals import Interval
from segassay.statistics.jackknife import SHARE, jackknife_ratio
from segassay.tables.samples import on_deciding_unit

__all__ = ["flip_rate_of_verdicts", "flip_rates"]


def flip_rates(
    agreement: pd.DataFrame,
    counts: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Share of the pixels and objects of one training that change with another seed.

    Args:
        agreement: `tables.agreement`.
        counts: `tables.counts`, for the area of each case that counts.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        `flip_rate_pixels`: share of all pixels that count whose label differs; `flip_rate_foreground`: share of the
        pixels marked by one that the other did not mark, 1 - Dice of all cases together; `flip_rate_objects`: the same
        of objects, 1 - 2 TP / (n_a + n_b) at IoU > .5. Ratios of sums over pairs and cases. Undefined if nothing is
        marked anywhere, and for a missing prediction.
    """
    rows = agreement[agreement["iou_threshold"] == THRESHOLD]
    pixels = rows["n_px_a"].astype(float) + rows["n_px_b"].astype(float)
    objects = rows["n_a"].astype(float) + rows["n_b"].astype(float)
    area = counts.groupby("case")["region_area_px"].first().astype(float)
    columns = {
        "pixels": pixels,
        "pixels_flipped": pixels * (1 - rows["dice"]),
        "objects": objects,
        "objects_flipped": objects - 2 * rows["tp"].astype(float),
        "area": rows["case"].map(area).where(pixels.notna()),
    }
    pairs_of = Pairs(rows.assign(**columns))
    found = []
    for group in trained_alike(annotations):
        for name, above, below in (
            ("pixels", "pixels_flipped", "area"),
            ("foreground", "pixels_flipped", "pixels"),
            ("objects", "objects_flipped", "objects"),
        ):
            parts = [pairs_of.of_pairs(group.whole_pairs(), column) for column in (above, below)]
            if parts[0].empty:
                continue
            sums = [part.sum(axis=1, min_count=1) for part in parts]
            drawn = clusters.reindex(sums[0].index).to_numpy()
            interval = jackknife_ratio(sums[0].to_numpy(), sums[1].to_numpy(), drawn, SHARE, level=level)
            if math.isfinite(interval.value):
                n_undefined = int(parts[0].isna().sum().sum())
                n_pairs = len(parts[0].columns)
                note = pairs_noted(n_pairs) + (f"; {n_undefined} comparisons undefined" if n_undefined else "")
                form = FLIP_RATE.form(name)
                found.append(interval_row(form, group.target, interval, note=note, n_pairs=n_pairs))
    return score_rows(found)


def flip_rate_of_verdicts(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """How often the conclusion on an effect differs between two trainings that differ by the seed.

    Args:
        effects: What `segassay.tables.effects.effects` returns: units are subjects where there are any.
        annotations: What `read_annotations` returns.

    Returns:
        Rows `flip_rate_verdicts`: share of effects (measure × region × two groups) × pairs of seeds whose verdicts
        differ. `n_cases` counts these comparisons, `n_undefined` those with a verdict `not_testable`. No interval,
        because comparisons share data and seeds. No row if nothing is testable.
    """
    rows = effects[effects["test"] == "mann_whitney"]
    rows = on_deciding_unit(rows)
    key = ["measure", "region", "group_1", "group_2"]
    verdicts = rows.set_index([*key, "annotator"])["verdict"].unstack("annotator")
    verdicts = verdicts.where(verdicts != "not_testable")
    found = []
    for group in trained_alike(annotations):
        pairs = [(a, b) for a, b in group.whole_pairs() if a in verdicts and b in verdicts]
        sides = [verdicts[[pair[side] for pair in pairs]].to_numpy(dtype=object) for side in (0, 1)]
        known = pd.notna(sides[0]) & pd.notna(sides[1])
        if known.any():
            rate = float((sides[0][known] != sides[1][known]).mean())
            n = int(known.sum())
            interval = Interval(rate, math.nan, math.nan, "", n, known.size - n, True)
            note = f"n_cases counts comparisons: {len(verdicts)} effects × {len(pairs)} pairs"
            form = FLIP_RATE_OF_VERDICTS.form()
            found.append(interval_row(form, group.target, interval, note=note, n_pairs=len(pairs)))
    return score_rows(found)

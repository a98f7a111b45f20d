"""Boundaries and centre lines of pairs of masks: boundary IoU, clDice and mean average surface distance.

ComparedCase  ->  pairs with a rater or a C₋r, and of each the three measures
"""

from collections.abc import Iterator

import numpy as np

from segassay.masks.boundaries import mean_average_surface_distance, rim_width
from segassay.masks.peeling import rim_and_centre_lines
from segassay.tables.compared import ComparedCase

__all__ = ["boundary_rows"]


def boundary_rows(case: ComparedCase) -> Iterator[tuple[str, str, float, float, float]]:
    """Pair of annotators, boundary IoU, clDice and MASD, of pairs with a rater, a reference or a C₋r.

    Overlaps with a missing prediction are 0, distances NaN. Masks count within the region, and are not reduced by the
    smallest object size.
    """
    others = {a.name for a in case.job.annotators if a.kind in ("truth", "consensus")} | set(case.raters)
    pairs = [*(pair for pair in case.pairs if set(pair) & others), *case.pairs_with_others]
    if case.shape is None:
        yield from ((a, b, 0.0, 0.0, np.nan) for a, b in pairs)
        return
    width = rim_width(case.shape)
    parts = {}
    for name, mask in case.foreground.items():
        drawn = (part.reshape(-1)[case.marked] for part in rim_and_centre_lines(mask, width))
        parts[name] = tuple(part.astype(np.float32) for part in (case.of_marked[name], *drawn))
    for a, b in pairs:
        i, j = case.position(a), case.position(b)
        if i is None or j is None:
            yield a, b, 0.0, 0.0, np.nan
        else:
            yield a, b, *_overlaps(parts[a], parts[b]), mean_average_surface_distance(case.surfaces[i, j])


def _overlaps(a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...]) -> tuple[float, float]:
    """Boundary IoU and clDice from mask, rim and centre lines `(pixels,)` of both."""
    (mask_a, rim_a, line_a), (mask_b, rim_b, line_b) = a, b
    if not mask_a.any() or not mask_b.any():
        both = float(not mask_a.any() and not mask_b.any())
        return both, both
    shared = float(rim_a @ rim_b)
    found_a, found_b = float(line_a @ mask_b / line_a.sum()), float(line_b @ mask_a / line_b.sum())
    iou = shared / (float(rim_a.sum() + rim_b.sum()) - shared)
    return iou, 2 * found_a * found_b / (found_a + found_b) if found_a + found_b else 0.0

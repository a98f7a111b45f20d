"""Values of overlapping classes: masks that may contradict each other become one image of values.

masks (K, *spatial) bool, values of each class  ->  values (*spatial) int32

Classes overlap if they share values, as parts of a tumour that are nested (nnU-Net calls them regions). Whoever draws
their masks one by one, a consensus or a model, writes them by this one rule. An exported bundle can carry this module
unchanged: it imports numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["values_of_regions"]

_CHUNK = 1 << 16  # pixels at a time


def values_of_regions(masks: Sequence[np.ndarray] | np.ndarray, regions: Sequence[Sequence[int]]) -> np.ndarray:
    """Write the masks of overlapping classes as one value per pixel, that whose classes are those of the pixel.

    Masks that were made one by one need not be possible together: a core outside of the whole. There the value is
    written whose classes differ in the fewest from those of the pixel; of several the first in ascending order, 0, the
    background, before all.

    Args:
        masks: Boolean `(*spatial)`, one for each of the K classes.
        regions: Values of each class, above 0.

    Returns:
        int32 `(*spatial)`; empty masks give 0 everywhere.

    Raises:
        ValueError: If there are not as many masks as classes.

    Example:
        >>> whole, core = np.array([[1, 1, 0, 0], [0, 1, 1, 0]], dtype=bool)
        >>> values_of_regions([whole, core], [[1, 2], [2]])  # the third pixel is in the core alone
        array([1, 2, 0, 0], dtype=int32)
    """
    if len(masks) != len(regions) or not len(masks):
        raise ValueError(f"expected a mask for each class, got {len(masks)} for {len(regions)}")
    values = np.array([0, *sorted({value for of_class in regions for value in of_class})], dtype=np.int32)
    belongs = np.stack([np.isin(values, list(of_class)) for of_class in regions], axis=1).astype(np.float32)
    flat = [np.asarray(mask, dtype=bool).reshape(-1) for mask in masks]
    found = np.zeros(flat[0].size, dtype=np.int32)
    for start in range(0, found.size, _CHUNK):
        chunk = np.stack([mask[start : start + _CHUNK] for mask in flat]).astype(np.float32)
        # classes of the value, plus those of the pixel (the same for all values), less twice what both have
        n_wrong = belongs.sum(axis=1)[:, None] - 2 * (belongs @ chunk)
        found[start : start + _CHUNK] = values[n_wrong.argmin(axis=0)]
    return found.reshape(np.shape(masks[0]))

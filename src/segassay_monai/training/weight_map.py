"""Weights of pixels in the loss: higher near objects than in empty background, highest in gaps between neighbours.

label (*spatial) -> distance to the nearest object, sum of the distances to the nearest two -> weight (*spatial) float32
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from segassay.masks.objects import label_objects

FAR = 0.1  # v_bal: weight of background far from any object; that of objects is 1
RIM = 10.0  # sigma_bal: how fast the weight of background falls with the distance to the nearest object
GAP = 6.0  # sigma_sep: how wide a gap between two objects may be
REACH = 30.0  # gaps with d1 + d2 above this have weight 0, where the formula says less than 4e-6 of the narrowest gap's


def weight_map(label: np.ndarray, gaps: float, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Weight of each pixel of a label: `w_bal + gaps * w_sep`.

    With d1 and d2 the distances to the nearest and the second nearest object, `w_bal` is 1 on objects and
    `0.1 + 0.9 exp(-d1² / (2 * 10²))` elsewhere; `w_sep` is `exp(-(d1 + d2)² / (2 * 6²))` on background where d1 + d2 is
    at most 30, else 0. The pixels that separate neighbouring objects thus have the highest weight.

    Args:
        label: Boolean mask or integer label image `(*spatial)`; objects as `masks.objects.label_objects` finds them.
        gaps: Weight of a gap, the λ of the article (there 50); 0 leaves `w_bal`.
        spacing: Distance between pixels along each axis, in the unit of the distances above; by default 1.

    Returns:
        float32 array `(*spatial)`; 0.1 everywhere if there is no object.

    Example:
        >>> label = np.array([1, 1, 0, 0, 1], dtype=bool)
        >>> weight_map(label, gaps=50).round(1)
        array([ 1. ,  1. , 45.1, 45.1,  1. ], dtype=float32)

    References:
        Falk et al. (2019), Nature Methods 16:67-70, doi:10.1038/s41592-018-0261-2.
    """
    labels = label_objects(label)
    if not labels.any():
        return np.full(labels.shape, FAR, dtype=np.float32)
    nearest = ndimage.distance_transform_edt(labels == 0, sampling=spacing)
    weight = FAR + (1 - FAR) * np.exp(-(nearest**2) / (2 * RIM**2))
    if gaps > 0:
        width = _gap_width(labels, np.ones(labels.ndim) if spacing is None else np.asarray(spacing, dtype=float))
        is_gap = (width <= REACH) & (labels == 0)
        weight[is_gap] += gaps * np.exp(-(width[is_gap] ** 2) / (2 * GAP**2))
    return weight.astype(np.float32)


def _gap_width(labels: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Sum of the distances to the nearest two objects `(*spatial)`; exact up to `REACH`, else any larger number."""
    first, second = np.full((2, *labels.shape), np.inf)
    margin = np.ceil(REACH / spacing).astype(int)
    for number, found in enumerate(ndimage.find_objects(labels), start=1):
        box = tuple(slice(max(axis.start - m, 0), axis.stop + m) for axis, m in zip(found, margin, strict=True))
        distance = ndimage.distance_transform_edt(labels[box] != number, sampling=spacing)
        second[box] = np.minimum(second[box], np.maximum(first[box], distance))
        first[box] = np.minimum(first[box], distance)
    return first + second

"""Order of the axes that a network takes: the order of the files that it was trained on.

strides of the network, what the caller says -> network_axes -> zyx (TIFF), or xyz (NIfTI)
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from segassay.errors import UsageError
from segassay_monai.ensemble.network import size_divisor

__all__ = ["as_seen", "network_axes"]

logger = logging.getLogger("segassay")


def network_axes(strides: Sequence[Sequence[int]], asked: str | None = None) -> str:
    """Names of the axes in the order of the network.

    A checkpoint does not say whether it was trained on TIFF (z, y, x) or NIfTI (x, y, z), and a program that takes one
    for the other turns each volume. Thick slices tell: the network halves the axis across them less often.

    Args:
        strides: Of the network.
        asked: What the caller says.

    Raises:
        UsageError: If `asked` is no order of these axes.

    Example:
        >>> network_axes([[2, 2, 1], [2, 2, 2]]), network_axes([[1, 2, 2]]), network_axes([[2, 2]])
        ('xyz', 'zyx', 'yx')
    """
    known = ("yx", "xy") if len(strides[0]) == 2 else ("zyx", "xyz")
    if asked is not None:
        if asked not in known:
            raise UsageError(f"--axes {asked}: expected {known[0]}, as in TIFF, or {known[1]}, as in NIfTI")
        return asked
    if len(known[0]) == 2:
        return known[0]
    first, _, last = size_divisor(strides)
    if first == last:
        logger.warning("the axes of volumes are taken for z, y, x, as in TIFF; of a model of NIfTI: --axes xyz")
    return known[int(last < first)]


def as_seen(array: np.ndarray, axes: str) -> np.ndarray:
    """An array `(..., *spatial)` in the order of a network as `(..., [planes,] rows, columns)`, or the other way round.

    Example:
        >>> as_seen(np.zeros((1, 7, 6, 5)), "xyz").shape
        (1, 5, 6, 7)
    """
    lead = array.ndim - len(axes)
    return array.transpose(*range(lead), *reversed(range(lead, array.ndim))) if axes[0] == "x" else array

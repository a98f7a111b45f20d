"""A heat map with the number in each cell."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from segassay.figures.style import INK

__all__ = ["MOST_NUMBERS", "heat_map"]

MOST_NUMBERS = 25
"""Columns up to which the number stands in each cell; above, it would be too small to read, and the table has it."""

_LABEL_PT = 8


def heat_map(
    axes: Axes, values: pd.DataFrame, label: str, *, low: float | None = None, high: float | None = None
) -> None:
    """Draw a table, its rows from the top, beside a bar of its colours; numbers in up to `MOST_NUMBERS` columns.

    Args:
        axes: Where to draw; the middle of the first cell is at (0, 0).
        values: Numbers; NaN is an empty cell.
        label: What the numbers are.
        low: Number of the darkest colour; by default the lowest one.
        high: Number of the brightest colour; by default the highest one.
    """
    numbers = values.to_numpy(dtype=float)
    known = numbers[np.isfinite(numbers)]
    low = low if low is not None else min(known, default=math.nan)
    high = high if high is not None else max(known, default=math.nan)
    edges = (np.arange(n + 1) - 0.5 for n in reversed(numbers.shape))
    cells: dict[str, Any] = {"cmap": "cividis", "vmin": low, "vmax": high, "edgecolors": "white", "linewidth": 1}
    image = axes.pcolormesh(*edges, np.ma.masked_invalid(numbers), **cells)
    axes.figure.figure.colorbar(image, ax=axes, label=label, shrink=0.8)
    middle, size = (low + high) / 2 + 0.02 * (high - low), "small" if len(values) <= 10 else "x-small"
    for (row, column), value in np.ndenumerate(numbers):
        if np.isfinite(value) and len(values.columns) <= MOST_NUMBERS:  # dark on light colours, white on dark ones
            colour = INK if value > middle else "white"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, size=size)
    is_long = max(map(len, map(str, values.columns))) > 3
    turned: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if is_long else {}
    axes.set_xticks(range(len(values.columns)), values.columns, **turned)
    axes.set_yticks(range(len(values)), values.index)
    axes.set(xlim=(-0.5, len(values.columns) - 0.5), ylim=(len(values) - 0.5, -0.5), facecolor="0.95")
    axes.tick_params(length=0)
    if len(values.columns) > MOST_NUMBERS:
        axes.tick_params(labelsize=_LABEL_PT * MOST_NUMBERS / len(values.columns))
    axes.spines[:].set_visible(False)

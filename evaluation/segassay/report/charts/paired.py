"""Chart of paired differences between evaluations: one row per annotator or group, one column per measure."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from segassay.figures.style import ACCENT, INK, PALE, figure_on, name_rows, plot_style

__all__ = ["MAX_ROWS", "differences_figure"]

MAX_ROWS = 30
"""Rows that are drawn; the table has all."""

_WORDS = {"f1": "F1", "mean_iou": "mean IoU", "dice": "Dice"}


def differences_figure(differences: pd.DataFrame, place: Figure | None = None) -> Figure:
    """Differences from the first evaluation on the same cases, with their 95 % intervals.

    Args:
        differences: Table of `segassay.report.compare.compare_evaluations`, of one evaluation, with at least one row.
        place: Where to draw; by default a new figure.

    Returns:
        Blue where the adjusted p is below .05; the number of cases stands beside each name.

    Raises:
        ValueError: If there is no row.
    """
    if differences.empty:
        raise ValueError("expected at least one difference")
    names = list(dict.fromkeys(differences["name"]))[:MAX_ROWS]
    measures = [measure for measure in _WORDS if measure in set(differences["measure"])]
    n = differences.groupby("name")["n_cases"].max()
    labels = [f"{name} (n = {n[name]})" for name in names]
    with plot_style():
        width = 2.2 * len(measures) + 0.075 * max(map(len, labels)) + 0.5
        figure = figure_on(place, max(width, 4), 0.32 * len(names) + 1.1)
        for axes, measure in zip(
            figure.subplots(1, len(measures), sharey=True, squeeze=False)[0], measures, strict=True
        ):
            rows = differences[differences["measure"] == measure].set_index("name").reindex(names)
            colours = np.where(rows["p_adjusted"] < 0.05, ACCENT, PALE).tolist()
            axes.axvline(0, color=INK, linewidth=0.8)
            at = range(len(names))
            axes.hlines(at, rows["low"].to_numpy(float), rows["high"].to_numpy(float), colors=colours, linewidth=1.6)
            axes.scatter(rows["difference"], at, c=colours, s=26, zorder=3)
            axes.set(xlabel=f"difference of {_WORDS[measure]}")
            axes.locator_params(axis="x", nbins=4)
            name_rows(axes, labels)
    return figure

"""Charts of models: which rater a model imitates, and how much more members of an ensemble help."""

import itertools

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from segassay.figures.style import CURVES, axes_on, curve_style, plot_style
from segassay.report.charts.heat_map import heat_map

__all__ = ["imprint_matrix", "saturation_figure"]


def imprint_matrix(agreement: pd.DataFrame, place: Figure | Axes | None = None) -> Figure:
    """How models trained on each rater, or on a consensus, agree with each rater.

    Args:
        agreement: Mean agreement: one row per what models were trained on, one column per rater.
        place: Where to draw; by default a new figure.

    Returns:
        Heat map with the number in each cell, and a frame around models with their own rater; the scale runs from the
        lowest to the highest value, because the differences within a column matter.
    """
    with plot_style():
        width = 0.75 * len(agreement.columns) + 0.09 * max(map(len, agreement.index)) + 1.6
        axes = axes_on(place, max(width, 4), 0.42 * len(agreement) + 1.6)
        heat_map(axes, agreement, "mean F1 (IoU > 0.5)")
        for (row, name), (column, rater) in itertools.product(enumerate(agreement.index), enumerate(agreement.columns)):
            if name == rater:
                corner = (column - 0.46, row - 0.44)
                axes.add_patch(Rectangle(corner, 0.92, 0.88, fill=False, edgecolor=CURVES[1], linewidth=2))
        axes.set(xlabel="scored on the masks of", ylabel="models trained on")
    return axes.figure.figure


def saturation_figure(curve: pd.DataFrame, place: Figure | Axes | None = None) -> Figure:
    """How agreement grows with the number of members of an ensemble.

    Args:
        curve: What `segassay.qualities.reliability.saturation.saturation_curve` returns.
        place: Where to draw; by default a new figure.

    Returns:
        Points as measured, and the fitted line through each training.
    """
    with plot_style():
        axes = axes_on(place, 5.2, 3.2)
        for number, (name, part) in enumerate(curve.groupby("trained_on", sort=False)):
            style = curve_style(number)
            points, line = style | {"linestyle": ""}, style | {"marker": "", "linewidth": 1.2}
            axes.plot(part["n_members"], part["agreement"], **points)
            axes.plot(part["n_members"], part["fitted"], **line)
            axes.plot([], [], **style, label=str(name))
        axes.set(xlabel="members of each ensemble", ylabel="mean F1 of two ensembles\nwithout a common member")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return axes.figure.figure

"""Chart of how bright the objects are that each annotator marks, and of the contrast at which half are marked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter

from segassay.figures.style import curve_style, figure_on, name_rows, plot_style
from segassay.qualities.objectivity.contrast import half_contrast
from segassay.tables.contrast import CONTRAST_STEP, OTHER_RATERS

__all__ = ["contrast_figure", "of_contrast"]

N_POINTS = 8
"""Points of each annotator, with about as many objects each."""

_ENOUGH = 20  # objects of an annotator, below which no curve is drawn


def of_contrast(recall_by_contrast: pd.DataFrame, annotators: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Rows of each annotator that are drawn: objects of the truth, without one those of the other raters.

    Args:
        recall_by_contrast: Table of `segassay.tables.build`.
        annotators: Whose rows, in this order; those for whom fewer than 20 objects are known are left out.
    """
    truths = recall_by_contrast["reference"].ne(OTHER_RATERS)
    table = recall_by_contrast[truths if truths.any() else ~truths]
    rows = {name: table[table["annotator"] == name] for name in annotators}
    return {name: own for name, own in rows.items() if own["n_objects"].sum() >= _ENOUGH}


def contrast_figure(rows: dict[str, pd.DataFrame], clusters: pd.Series, place: Figure | None = None) -> Figure:
    """Share of the objects that an annotator marks, by their contrast with the background.

    Args:
        rows: What `of_contrast` returns, with at least one annotator.
        clusters: Case -> subject, or the case itself, for the intervals.
        place: Where to draw; by default a new figure.

    Returns:
        Left, points with about as many objects each, and a logistic curve; right, the contrast at which an annotator
        marks every second object, with its 95 % interval over cases, empty if the share does not rise to one half.
    """
    reference = next(iter(rows.values()))["reference"].iloc[0]
    whose = "that another rater marked" if reference == OTHER_RATERS else f"of {reference}"
    every = pd.concat(rows.values())
    ends = CONTRAST_STEP / 2, float(every["contrast_low"].clip(lower=1).max()) + CONTRAST_STEP
    with plot_style():
        figure = figure_on(place, 9.5, max(0.3 * len(rows) + 1.4, 3.4))
        left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
        for at, own in enumerate(rows.values()):
            half, curve = half_contrast(own, clusters)
            style = curve_style(at)
            _draw_points(left, own, {**style, "linestyle": ""})
            x = np.geomspace(*ends, 200)
            left.plot(x, curve(x), **(style | {"marker": ""}))
            right.plot([half.low, half.high], [at, at], color=style["color"], linewidth=1.5)
            right.plot(half.value, at, **(style | {"linestyle": ""}))
        left.axhline(0.5, color="#888888", linewidth=0.8, linestyle=":")
        left.set(xlim=ends, ylim=(-0.03, 1.03), xlabel="contrast (sd of the background)")
        for axes in (left, right):
            axes.set_xscale("log")
            axes.xaxis.set(
                major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_locator=NullLocator()
            )
        left.set_ylabel(f"share of the objects\n{whose}")
        left.yaxis.set_major_formatter(PercentFormatter(1))
        left.set_title(f"n = {every['case'].nunique()} images", loc="left", size="medium")
        right.set(xlabel="contrast at which half are marked")
        name_rows(right, [f"{name} (n = {own['n_objects'].sum():.0f})" for name, own in rows.items()])
        left.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_points(axes: Axes, own: pd.DataFrame, style: dict[str, Any]) -> None:
    sums = own.groupby("contrast_low")[["n_objects", "n_found"]].sum().astype(float).sort_index()
    sums["sum"] = (np.maximum(sums.index.to_numpy(), 0) + CONTRAST_STEP / 2) * sums["n_objects"]
    before = sums["n_objects"].cumsum() - sums["n_objects"] / 2
    group = np.minimum(np.floor(before / sums["n_objects"].sum() * N_POINTS), N_POINTS - 1)
    points = sums.groupby(group.to_numpy()).sum()
    axes.plot(points["sum"] / points["n_objects"], points["n_found"] / points["n_objects"], markersize=4, **style)

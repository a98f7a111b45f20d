"""Chart of measurements of each annotator against those of the raters: differences over means (Bland–Altman)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segassay.figures.style import ACCENT, INK, figure_on, plot_style
from segassay.statistics.intervals import mean_interval
from segassay.statistics.methods import limit_of_agreement

__all__ = ["bland_altman_figure", "with_the_median"]

COLUMNS = 4
_LIMIT = "#d55e00"


def with_the_median(
    counts: pd.DataFrame, annotators: Sequence[str], raters: Sequence[str], column: str
) -> dict[str, pd.DataFrame]:
    """Measurement of each case by each annotator, and its median over the raters other than this one.

    Args:
        counts: Table of `segassay.tables.build`.
        annotators: Whose measurements.
        raters: The raters.
        column: Column of `counts`, such as `n_objects`.

    Returns:
        Annotator -> columns `own` and `median`, one row per case that has both; annotators without two are left out.

    Example:
        >>> counts = pd.DataFrame({"case": ["1"] * 3 + ["2"] * 3, "annotator": ["a", "b", "c"] * 2,
        ...                        "n_objects": [4, 6, 8, 1, 1, 1]})
        >>> with_the_median(counts, ["a"], ["a", "b", "c"], "n_objects")["a"].to_numpy().tolist()
        [[4.0, 7.0], [1.0, 1.0]]
    """
    table = counts.pivot(index="case", columns="annotator", values=column).astype(float)
    table = table.reindex(counts["case"].unique())
    found = {}
    for name in (one for one in annotators if one in table):
        others = [rater for rater in raters if rater != name and rater in table]
        both = pd.DataFrame({"own": table[name], "median": table[others].median(axis=1)}).dropna()
        if len(both) > 1:
            found[name] = both
    return found


def bland_altman_figure(
    measured: dict[str, pd.DataFrame], clusters: pd.Series, words: str, place: Figure | None = None
) -> Figure:
    """Differences from the median rater against the mean of both, one panel per annotator.

    Args:
        measured: What `with_the_median` returns, with at least one annotator.
        clusters: Case -> subject, or the case itself, for the intervals.
        words: What was measured, such as `number of objects`.
        place: Where to draw; by default a new figure.

    Returns:
        Dots are cases. Lines: mean difference and the limits that contain 95 % of the differences, each with its 95 %
        interval as a band.

    Raises:
        ValueError: If there is no annotator.

    References:
        Bland & Altman (1986), Lancet 327(8476):307-310, doi:10.1016/S0140-6736(86)90837-8.
    """
    if not measured:
        raise ValueError("expected measurements of at least one annotator")
    n_columns = min(COLUMNS, len(measured))
    n_rows = -(-len(measured) // n_columns)
    with plot_style():
        figure = figure_on(place, max(2.1 * n_columns + 0.8, 4), 1.9 * n_rows + 0.6)
        panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes in panels[len(measured) :]:
            axes.set_visible(False)
        for axes, (name, both) in zip(panels, measured.items(), strict=False):
            _panel(axes, both, clusters)
            axes.set_title(f"{name} (n = {len(both)})", loc="left", size="small")
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.spines[["top", "right"]].set_visible(False)
        figure.supxlabel(f"{words}, mean of annotator and median of the other raters", fontsize="medium")
        figure.supylabel("annotator minus median", fontsize="medium")
    return figure


def _panel(axes: Axes, both: pd.DataFrame, clusters: pd.Series) -> None:
    own, median = both["own"].to_numpy(), both["median"].to_numpy()
    of = clusters.reindex(both.index).to_numpy()
    axes.axhline(0, color=INK, linewidth=0.8)
    lines = [(mean_interval(own - median, of), ACCENT)]
    lines += [(limit_of_agreement(own, median, of, z=z), _LIMIT) for z in (-1.96, 1.96)]
    for found, colour in lines:
        axes.axhline(found.value, color=colour, linewidth=1.4, linestyle="-" if colour == ACCENT else "--")
        if np.isfinite([found.low, found.high]).all():
            axes.axhspan(found.low, found.high, color=colour, alpha=0.15, linewidth=0)
    axes.plot((own + median) / 2, own - median, "o", color=INK, markersize=3, alpha=0.6, markeredgewidth=0)

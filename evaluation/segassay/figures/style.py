"""Style of all figures: colours and axes; the same figure always gives the same bytes."""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Literal

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, ACCENT, PALE = "#222222", "#0072b2", "#8a8a8a"
"""Text and zero lines; results; absent results. The blue is from Okabe and Ito's colour-blind safe palette."""


def encode_figure(figure: Figure, kind: Literal["svg", "png"]) -> bytes:
    """Bytes of a figure as `svg` or `png`; the same figure always gives the same bytes.

    `Figure.savefig` would draw it twice, the first time only for the layout.
    """
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "segassay", "svg.fonttype": "path"}):
        figure.set_dpi(150)
        if kind == "svg":
            FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
        else:
            FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return file.getvalue()


def figure_on(place: Figure | None, width: float, height: float) -> Figure:
    """The figure to draw on: a new one of this size in inches, or the given one resized to it."""
    if place is None:
        return Figure(figsize=(width, height), layout="constrained")
    place.set_size_inches(width, height)
    return place


def axes_on(place: Figure | Axes | None, width: float, height: float) -> Axes:
    """The axes to draw on: the given axes unchanged, else new axes of `figure_on`."""
    if isinstance(place, Axes):
        return place
    axes: Axes = figure_on(place, width, height).subplots()
    return axes


def plot_style() -> AbstractContextManager[object]:
    """Style of all figures with axes, as a context manager."""
    import seaborn as sns

    stack = ExitStack()
    stack.enter_context(sns.axes_style("ticks", {"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": "0.6"}))
    stack.enter_context(sns.plotting_context("paper", font_scale=1.1))
    return stack


def _intervals(axes: Axes, low: pd.Series, high: pd.Series, colours: Sequence[str]) -> None:
    axes.hlines(range(len(low)), low.to_numpy(float), high.to_numpy(float), colors=list(colours), linewidth=1.6)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Label one row per name, the first on top."""
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


CURVES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colours of curves, of Okabe and Ito; readers who see no green tell them apart too, some of them barely."""

_MARKERS = "osD^vP"
_DASHES = ((0, ()), (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.5, 1.2, 1.5)))


def curve_style(number: int, *, hollow: bool = False) -> dict[str, Any]:
    """Style of one of several curves: no two of the first 72 have the same colour, marker and dash.

    Two of the first 12 differ in marker or dash, so that they are told apart in print without colours.

    Args:
        number: Place among the curves, from 0.
        hollow: Whether markers have no face, for models next to raters.

    Returns:
        Keywords of `matplotlib.axes.Axes.plot`.

    Example:
        >>> curve_style(1)
        {'color': '#d55e00', 'marker': 's', 'linestyle': (0, (5, 1.6)), 'markerfacecolor': '#d55e00'}
    """
    colour = CURVES[number % len(CURVES)]
    marker = _MARKERS[(number + number // 12) % len(_MARKERS)]
    dash = _DASHES[number % len(_DASHES)]
    return {"color": colour, "marker": marker, "linestyle": dash, "markerfacecolor": "white" if hollow else colour}

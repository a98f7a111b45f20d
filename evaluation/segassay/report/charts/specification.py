"""Chart of validity: the effect in each analysis of the same images."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from segassay.data.names import natural_key
from segassay.figures.style import ACCENT, INK, PALE, add_legend, figure_on, plot_style
from segassay.qualities.validity.specification import CHOICES

__all__ = ["specification_figure"]

_WORDS = {"measure": "measured", "unit": "units", "min_size": "at least", "threshold": "probability"}


def specification_figure(curve: pd.DataFrame, place: Figure | None = None) -> Figure:
    """Effects of all specifications, sorted, above the choices that make each of them.

    Args:
        curve: What `segassay.qualities.validity.specification.specification_curve` returns.
        place: Where to draw; by default a new figure.

    Returns:
        One column per contrast. Above, effects with their 95 % intervals, blue where p < .05; below, one row per
        choice, and a mark where a specification made it. Choices that all specifications share have no row.

    Raises:
        ValueError: If no specification has an effect.
    """
    shown = curve[curve["effect"].notna()]
    if shown.empty:
        raise ValueError("the curve has no specification with an effect")
    contrasts, rows = list(shown["contrast"].unique()), _choice_rows(shown)
    with plot_style():
        height = 2.4 + 0.19 * len(rows)
        figure = figure_on(place, max(3.2 * len(contrasts) + 1.6, 5.5), height + 0.7)
        panels = figure.subplots(
            2, len(contrasts), sharex="col", sharey="row", squeeze=False, height_ratios=[2.4, max(height - 2.4, 0.2)]
        )
        for column, contrast in enumerate(contrasts):
            part = shown[shown["contrast"] == contrast].reset_index(drop=True)
            _effects(panels[0, column], part)
            panels[0, column].set_title(contrast, loc="left")
            _choices(panels[1, column], part, rows)
        panels[0, 0].set_ylabel("shift, multiples\nof the control mean")
        figure.supxlabel("specifications, by their effect", fontsize="medium")
        marks = [("p < .05", ACCENT), ("p ≥ .05", PALE)]
        handles = [Line2D([], [], marker="o", linestyle="", color=colour, label=label) for label, colour in marks]
        add_legend(figure, handles, "outside upper right")
    return figure


def _effects(axes: Axes, part: pd.DataFrame) -> None:
    colours = np.where(part["significant"], ACCENT, PALE).tolist()
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.vlines(range(len(part)), part["low"].to_numpy(float), part["high"].to_numpy(float), colors=colours, alpha=0.5)
    axes.scatter(range(len(part)), part["effect"], c=colours, s=14, zorder=3)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _choice_rows(shown: pd.DataFrame) -> list[tuple[str, object, str]]:
    """Column, value and name of each choice, in the order of `CHOICES`."""
    rows: list[tuple[str, object, str]] = []
    for column in (choice for choice in CHOICES if choice in shown):
        values = sorted(shown[column].unique(), key=lambda value: natural_key(str(value)))
        if len(values) > 1:
            rows += [(column, value, _name(column, value)) for value in values]
    return rows


def _name(column: str, value: object) -> str:
    if isinstance(value, float) and np.isnan(value):
        return "mask as it is"
    words = str(value).replace("_", " ") if column == "measure" else str(value)
    words = f"> {words}" if column == "threshold" else f"{words} px" if column == "min_size" else words
    return f"{_WORDS[column]} {words}" if column in _WORDS else words


def _choices(axes: Axes, part: pd.DataFrame, rows: list[tuple[str, object, str]]) -> None:
    colours = np.where(part["significant"], ACCENT, PALE)
    for row, (column, value, _) in enumerate(rows):
        made = part[column].isna() if isinstance(value, float) and np.isnan(value) else part[column] == value
        at = np.flatnonzero(made)
        axes.scatter(at, np.full(len(at), row), marker="|", s=26, c=colours[at], linewidths=1.2)
        if row and column != rows[row - 1][0]:
            axes.axhline(row - 0.5, color="0.85", linewidth=0.8)
    axes.set(yticks=range(len(rows)), yticklabels=[name for _, _, name in rows], xticks=[])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", length=0)

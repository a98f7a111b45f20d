"""Charts of strategies side by side, and of models trained on the same number of masks by few raters or by many."""

import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from segassay.figures.style import ACCENT, INK, add_legend, figure_on, name_rows, plot_style
from segassay.qualities.reliability.records import WITHIN
from segassay.qualities.scores.groups import RATERS
from segassay.qualities.scores.measure import LEAVE_ONE_OUT, PAIRWISE
from segassay.qualities.validity.records import ETA_SQUARED, F1

__all__ = ["spending_figure", "strategies_figure"]

MARKS = {"human": (INK, "o"), "model": (ACCENT, "o"), "ensemble": (ACCENT, "D")}
CONTRASTS = (("#d55e00", "o"), ("#009e73", "s"), ("#cc79a7", "D"), ("#e69f00", "^"), ("#56b4e9", "v"))
BAND = "0.9"
_LETTERS = 30  # of a group's name in one line
_APART = 0.27  # between contrasts of one group, as a share of the distance to the next group
_DOTS = 0.1  # between the dots of annotators and their mean, as such a share


def strategies_figure(table: pd.DataFrame, points: pd.DataFrame, place: Figure | None = None) -> Figure:
    """Raters, models and ensembles side by side: score, agreement within the group, and effects.

    Args:
        table: What `segassay.judgement.strategies.strategy_table` returns, with at least one row.
        points: What `segassay.judgement.strategies.annotator_points` returns.
        place: Where to draw; by default a new figure.

    Returns:
        One row per group. F1 against the consensus of the other raters (if these are too few, against each rater), with
        the range of single raters as a grey band; F1 of two annotators of the group; and, per measurement, η² of each
        pair of groups of the experiment. Large marks are means with 95 % intervals, dots single annotators. A panel
        without any value is left out.
    """
    names = list(dict.fromkeys(table["group"]))
    labels = [_label(table, name) for name in names]
    score, against = _score(table)
    panels = {score: f"F1 against\n{against}", WITHIN.form("f1").name: "F1 of two annotators\nof the group"}
    panels = {measure: text for measure, text in panels.items() if (table["measure"] == measure).any()}
    measured, contrasts = _measured(table)
    n_panels = len(panels) + len(measured)
    with plot_style():
        lines = [line for label in labels for line in label.split("\n")]
        step = max(0.42, 0.16 + 0.14 * len(contrasts), 0.18 * max(label.count("\n") + 1 for label in labels))
        width = 2.3 * n_panels + 0.075 * max(map(len, lines)) + 0.4
        figure = figure_on(place, width, step * len(names) + 1.5)
        all_axes = figure.subplots(1, n_panels, sharey=True, squeeze=False)[0] if n_panels else []
        for axes, (measure, text) in zip(all_axes, panels.items(), strict=False):
            if measure == score:
                _range_of_raters(axes.axvspan, points, score)
            _marks(axes, table, points, measure, names)
            axes.set_xlabel(text)
        for axes, (measure, words) in zip(all_axes[len(panels) :], measured.items(), strict=True):
            _effects(axes, table, points, measure, names, contrasts)
            axes.set(xlabel=words, xlim=(-0.02, None))
        for axes in all_axes:
            name_rows(axes, labels)
            axes.locator_params(axis="x", nbins=5)
        handles = [*_legend_of_raters(points, score), *_legend_of_contrasts(contrasts)]
        if handles:
            add_legend(figure, handles, "outside lower center")
    return figure


def _label(table: pd.DataFrame, name: str) -> str:
    """Name of a group, wrapped into short lines, with its number of annotators."""
    n = int(table.loc[table["group"] == name, "n_annotators"].max())
    words = re.sub(r" (?=\d+$)", "\N{NO-BREAK SPACE}", name)  # “of 4” stays in one line
    return textwrap.fill(f"{words}\N{NO-BREAK SPACE}({n})", _LETTERS)


def _score(table: pd.DataFrame) -> tuple[str, str]:
    """Name of the measure of agreement with raters, and in words what it is against."""
    left_out = F1.form(comparison=LEAVE_ONE_OUT).name
    if (table["measure"] == left_out).any():
        return left_out, "the consensus of\nthe other raters"
    return F1.form(comparison=PAIRWISE).name, "each (other) rater"


def _measured(table: pd.DataFrame) -> tuple[dict[str, str], list[str]]:
    """Measures of effects with their words, and pairs of groups of the experiment."""
    rows = table[table["base"] == ETA_SQUARED.name]
    words = {measure: f"η² of {of.replace('_', ' ')}" for measure, of in zip(rows["measure"], rows["of"], strict=True)}
    return words, list(dict.fromkeys(rows["contrast"]))


def _marks(axes: Axes, table: pd.DataFrame, points: pd.DataFrame, measure: str, names: Sequence[str]) -> None:
    """Mean and interval of each group, and its annotators."""
    rows = table[table["measure"] == measure].set_index("group")
    for place, name in enumerate(names):
        if name in rows.index:
            row = rows.loc[name]
            colour, marker = MARKS[str(row["kind"])]
            own = _values(points, measure, name)
            _group(axes, place, row, own, colour, marker)


def _values(points: pd.DataFrame, measure: str, name: str, contrast: str = "") -> np.ndarray:
    chosen = (points["measure"] == measure) & (points["group"] == name) & (points["contrast"] == contrast)
    return points.loc[chosen, "value"].to_numpy(dtype=float)


def _group(
    axes: Axes, place: float, row: Any, own: np.ndarray, colour: str, marker: str, *, upright: bool = False
) -> None:
    """One mean with its interval at a place, and next to it dots of the annotators, if there are several."""
    dots, mean = (np.full(len(own), place + _DOTS), own), ([place], [row["value"]])
    line = ([place, place], [row["low"], row["high"]])
    if not upright:
        dots, mean, line = dots[::-1], mean[::-1], line[::-1]
    if len(own) > 1:
        axes.plot(*dots, marker, color=colour, markersize=3, alpha=0.5, markeredgewidth=0)
    axes.plot(*line, color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot(*mean, marker, color=colour, markersize=6, markeredgecolor="white", markeredgewidth=0.8, zorder=4)


def _range_of_raters(span: Callable[..., object], points: pd.DataFrame, score: str) -> None:
    """A band from the lowest to the highest rater, if there are at least two."""
    raters = _values(points, score, RATERS)
    if len(raters) > 1:
        span(np.nanmin(raters), np.nanmax(raters), color=BAND, linewidth=0, zorder=0)


def _effects(
    axes: Axes,
    table: pd.DataFrame,
    points: pd.DataFrame,
    measure: str,
    names: Sequence[str],
    contrasts: Sequence[str],
    *,
    upright: bool = False,
) -> None:
    """Effect sizes of each group, with the pairs of groups of the experiment next to each other."""
    rows = table[table["measure"] == measure].set_index(["group", "contrast"])
    for number, contrast in enumerate(contrasts):
        colour, marker = CONTRASTS[number % len(CONTRASTS)]
        shift = (number - (len(contrasts) - 1) / 2) * min(_APART, 0.8 / len(contrasts))
        for place, name in enumerate(names):
            if (name, contrast) in rows.index:
                own = _values(points, measure, name, contrast)
                _group(axes, place + shift, rows.loc[(name, contrast)], own, colour, marker, upright=upright)


def _legend_of_raters(points: pd.DataFrame, score: str) -> list[Patch]:
    several = len(_values(points, score, RATERS)) > 1
    return [Patch(color=BAND, label="from the lowest to the highest rater")] if several else []


def _legend_of_contrasts(contrasts: Sequence[str]) -> list[Line2D]:
    styles = [CONTRASTS[number % len(CONTRASTS)] for number in range(len(contrasts))]
    return [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=f"η²: {contrast}")
        for contrast, (colour, marker) in zip(contrasts, styles, strict=True)
    ]


def spending_figure(
    table: pd.DataFrame, points: pd.DataFrame, names: Sequence[str], place: Figure | None = None
) -> Figure:
    """Models trained on the same number of masks: many images by few raters, or few images by many raters.

    Args:
        table: What `segassay.judgement.strategies.strategy_table` returns.
        points: What `segassay.judgement.strategies.annotator_points` returns.
        names: Groups, from left to right, as `segassay.judgement.strategies.spending_groups` gives them.
        place: Where to draw; by default a new figure.

    Returns:
        F1 against the consensus of the other raters, with the range of single raters as a grey band, and, per
        measurement, η² of each pair of groups of the experiment. Large marks are means with 95 % intervals, dots single
        annotators; a line joins groups with the same number of masks, unless two of them also have the same number of
        raters.
    """
    score, against = _score(table)
    measured, contrasts = _measured(table[table["group"].isin(names)])
    about = table.drop_duplicates("group").set_index("group").loc[list(names)]
    about = about.assign(n_masks=about["n_raters"] * about["n_train"])
    labels = _prices(about)
    step = max(0.85, 0.075 * max(len(line) for label in labels for line in label.split("\n")))
    with plot_style():
        figure = figure_on(place, max((step * len(names) + 1.2) * (1 + len(measured)), 4.5), 3.6)
        first, *others = figure.subplots(1, 1 + len(measured), squeeze=False)[0]
        _range_of_raters(first.axhspan, points, score)
        rows = table[table["measure"] == score].set_index("group")
        for _, alike in about.assign(place=range(len(names))).groupby("n_masks"):
            if alike["n_raters"].is_unique:
                first.plot(alike["place"], rows["value"].reindex(alike.index), color="0.6", linewidth=1)
        for position, name in enumerate(names):
            if name in rows.index:
                colour, marker = MARKS["model"]
                _group(first, position, rows.loc[name], _values(points, score, name), colour, marker, upright=True)
        first.set_ylabel(f"F1 against\n{against}")
        for axes, (measure, words) in zip(others, measured.items(), strict=True):
            _effects(axes, table, points, measure, names, contrasts, upright=True)
            axes.set(ylabel=words, ylim=(-0.02, None))
        for axes in (first, *others):
            axes.set_xticks(range(len(names)), labels)
            axes.set(xlim=(-0.6, len(names) - 0.4))
            axes.grid(axis="y", color="0.92")
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        figure.supxlabel(f"raters × images ({_joined(about['n_masks'])} masks)", fontsize="medium")
        handles = [*_legend_of_raters(points, score), *_legend_of_contrasts(contrasts)]
        if handles:
            add_legend(figure, handles, "outside upper center")
    return figure


def _joined(numbers: pd.Series) -> str:
    return " or ".join(map(str, sorted(numbers.unique())))


def _prices(about: pd.DataFrame) -> list[str]:
    """Raters × images of each group, with its name if two groups have the same."""
    prices = [f"{row['n_raters']} × {row['n_train']}" for row in about.to_dict("records")]
    names = [textwrap.fill(str(name).replace(" models", ""), 14, break_long_words=False) for name in about.index]
    return [f"{price}\n{name}" if prices.count(price) > 1 else price for price, name in zip(prices, names, strict=True)]

"""Charts of spread: effect sizes of all annotators for each effect, and where the variance of a score comes from."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from segassay.data.annotations import kind_label
from segassay.figures.style import ACCENT, INK, add_legend, figure_on, name_rows, plot_style
from segassay.qualities.scores.groups import part_of_target

__all__ = ["variance_figure", "variation_per_effect"]

KINDS = {
    "human": (INK, "o"),
    "model": (ACCENT, "s"),
    "ensemble": ("#d55e00", "D"),
    "consensus": ("#009e73", "^"),
    "truth": ("#cc79a7", "*"),
}
"""Kind of annotator -> colour and marker."""


def variation_per_effect(tested: pd.DataFrame, kinds: Mapping[str, str], place: Figure | None = None) -> Figure:
    """How much the size of each effect of the experiment varies between annotators.

    Args:
        tested: Rows of `segassay.qualities.validity.effects.decisive_effects`.
        kinds: Annotator -> kind; others are not drawn.
        place: Where to draw; by default a new figure.

    Returns:
        One row per measurement and pair of groups, one column of dots per kind of annotator: η² of single annotators,
        filled where the groups differ (adjusted p < .05); behind each kind a line of one standard deviation to both
        sides of its mean, within 0 to 1. The number of annotators is in the legend.

    Raises:
        ValueError: If no annotator has an effect.
    """
    rows = tested[tested["annotator"].isin(list(kinds)) & tested["eta_squared"].notna()]
    if rows.empty:
        raise ValueError("expected the effect of at least one annotator")
    rows = rows.assign(kind=rows["annotator"].map(kinds), effect=_names(rows))
    effects, shown = list(dict.fromkeys(rows["effect"])), [kind for kind in KINDS if kind in set(rows["kind"])]
    with plot_style():
        figure = figure_on(place, 5.4 + 0.075 * max(map(len, effects)), (0.25 + 0.17 * len(shown)) * len(effects) + 1.5)
        axes = figure.subplots()
        for at, kind in enumerate(shown):
            colour, marker = KINDS[kind]
            offset = 0.17 * (at - (len(shown) - 1) / 2) / (0.25 + 0.17 * len(shown))
            for place_of, effect in enumerate(effects):
                _spread(
                    axes, rows[(rows["effect"] == effect) & (rows["kind"] == kind)], place_of + offset, colour, marker
                )
        name_rows(axes, effects)
        axes.set(xlabel="effect size η²", xlim=(-0.02, max(1.0 * rows["eta_squared"].max() + 0.05, 0.3)))
        handles = [_key(kind, rows.loc[rows["kind"] == kind, "annotator"].nunique()) for kind in shown]
        handles.append(Line2D([], [], marker="o", linestyle="", color=INK, markerfacecolor="white", label="p ≥ .05"))
        add_legend(figure, handles, "outside lower center")
    return figure


def _names(rows: pd.DataFrame) -> list[str]:
    return [
        f"{measure.replace('_', ' ')}: {contrast}"
        for measure, contrast in zip(rows["measure"], rows["contrast"], strict=True)
    ]


def _spread(axes: Axes, rows: pd.DataFrame, at: float, colour: str, marker: str) -> None:
    values = rows["eta_squared"].to_numpy(dtype=float)
    if len(values) > 1:
        mean, sd = values.mean(), values.std(ddof=1)
        axes.plot(
            [max(mean - sd, 0), min(mean + sd, 1)],
            [at, at],
            color=colour,
            linewidth=4,
            alpha=0.3,
            solid_capstyle="butt",
        )
    faces = np.where(rows["verdict"].isin(["higher", "lower"]), colour, "white").tolist()
    axes.scatter(
        values, np.full(len(values), at), c=faces, edgecolors=colour, marker=marker, s=18, linewidths=0.9, zorder=3
    )


def _key(kind: str, n: int) -> Line2D:
    colour, marker = KINDS[kind]
    return Line2D([], [], marker=marker, linestyle="", color=colour, label=f"{kind_label(kind)} (n = {n})")


def variance_figure(scores: pd.DataFrame, place: Figure | None = None) -> Figure:
    """Where the variance of a score comes from: cases, raters that models were trained on, seeds, and their pairs.

    Args:
        scores: Rows `variance` of a table with `SCORE_COLUMNS`: one per term and quantity.
        place: Where to draw; by default a new figure.

    Returns:
        One panel per quantity, one row per component; dots with 95 % intervals, in squares of the quantity's unit, and
        the share of the sum beside each.

    Raises:
        ValueError: If there is no component.
    """
    if scores.empty:
        raise ValueError("expected at least one component of variance")
    quantities = list(dict.fromkeys(scores["of"]))
    terms = list(dict.fromkeys(map(part_of_target, scores["target"])))
    with plot_style():
        figure = figure_on(place, 3.6 * len(quantities) + 1.2, 0.34 * len(terms) + 1.7)
        panels = figure.subplots(1, len(quantities), sharey=True, squeeze=False)[0]
        for axes, quantity in zip(panels, quantities, strict=True):
            rows = scores[scores["of"] == quantity]
            rows = rows.set_axis(list(map(part_of_target, rows["target"]))).reindex(terms)
            total = rows["value"].sum()
            places = np.arange(len(terms))
            axes.axvline(0, color=INK, linewidth=0.8)
            axes.hlines(places, rows["low"].to_numpy(float), rows["high"].to_numpy(float), colors=ACCENT, linewidth=1.6)
            axes.plot(rows["value"], places, "o", color=ACCENT)
            for at, value in enumerate(rows["value"]):
                share = f"{value / total:.0%}" if total > 0 and np.isfinite(value) else ""
                axes.annotate(share, (1.01, at), xycoords=("axes fraction", "data"), va="center", size="small")
            name_rows(axes, [term.replace(":", " × ") for term in terms])
            n = int(rows["n_cases"].max())
            axes.set_title(f"{quantity.replace('_', ' ')} (n = {n} images)", loc="left", size="medium")
        figure.supxlabel("variance with 95 % interval; share of the sum", fontsize="medium")
    return figure

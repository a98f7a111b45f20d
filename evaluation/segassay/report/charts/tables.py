"""Charts of tables: agreement of annotators, how raters differ, effects of the experiment for each annotator."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from segassay.data.annotations import is_rater
from segassay.errors import number_of
from segassay.figures.style import (
    ACCENT,
    INK,
    PALE,
    _intervals,
    add_legend,
    axes_on,
    curve_style,
    figure_on,
    name_rows,
    plot_style,
)
from segassay.io.stored_tables import parts_of
from segassay.qualities.objectivity.records import LOG_AREA_RATIO, LOG_COUNT_RATIO
from segassay.report.charts.heat_map import MOST_NUMBERS, heat_map
from segassay.statistics.intervals import mean_intervals
from segassay.tables.samples import unit_of


def mean_agreement(agreement: pd.DataFrame, annotators: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean F1 at IoU > .5 of each pair, and the number of cases that it is the mean of.

    Args:
        agreement: Table of `segassay.tables.build`.
        annotators: Rows and columns, in this order.

    Returns:
        Two symmetric tables `(annotators, annotators)`; NaN and 0 on the diagonal, and for a pair without a
        common case.

    Example:
        >>> rows = {"annotator_a": ["a", "a"], "annotator_b": ["b", "b"], "iou_threshold": 0.5, "f1": [0.5, 1.0]}
        >>> mean, n = mean_agreement(pd.DataFrame(rows), ["a", "b"])
        >>> float(mean.loc["b", "a"]), int(n.loc["a", "b"])
        (0.75, 2)
    """
    rows = agreement[agreement["iou_threshold"] == 0.5]
    of_pair, names = rows.groupby(["annotator_a", "annotator_b"])["f1"], list(annotators)
    mean, n = (
        part.unstack().reindex(index=names, columns=names).astype(float) for part in (of_pair.mean(), of_pair.size())
    )
    return mean.fillna(mean.T), n.fillna(n.T).fillna(0).astype(int)


def images_in_words(n: pd.DataFrame) -> str:
    """The numbers of images that pairs have in common.

    Example:
        >>> images_in_words(pd.DataFrame([[0, 3], [3, 0]]))
        'n = 3 images'
    """
    known = n.to_numpy()[n.to_numpy() > 0]
    low, high = min(known, default=0), max(known, default=0)
    return f"n = {number_of(low, 'image')}" if low == high else f"n = {low} to {high} images"


def agreement_matrix(agreement: pd.DataFrame, annotators: Sequence[str], place: Figure | Axes | None = None) -> Figure:
    """Heat map of F1 at IoU > .5 between all annotators, mean over the cases that both have.

    Args:
        agreement: Table of `segassay.tables.build`.
        annotators: Rows and columns, in this order; readable up to about 15. Above `MOST_NUMBERS` the figure no longer
            grows, as its pixels and the memory for them would with the square of their number.
        place: Where to draw; by default a new figure.

    Returns:
        The figure; a pair without a common case is an empty cell.
    """
    mean, n = mean_agreement(agreement, annotators)
    width = 0.62 * min(len(annotators), MOST_NUMBERS) + 0.075 * max(map(len, annotators)) + 1.4
    with plot_style():
        axes = axes_on(place, max(width, 4), max(width - 1, 3.2))
        heat_map(axes, mean, "mean F1 of objects (IoU > 0.5)", low=0, high=1)
        axes.set_title(images_in_words(n), loc="left", size="medium")
    return axes.figure.figure


def rater_habits(raters: pd.DataFrame, scores: pd.DataFrame, place: Figure | None = None) -> Figure:
    """How each rater differs from the others: objects and area marked, sensitivity and specificity.

    Args:
        raters: Table of `segassay.tables.build`, one row per rater.
        scores: Table of `segassay.qualities.scores.table`, for the intervals of the log ratios.
        place: Where to draw; by default a new figure.

    Returns:
        Four panels, one row per rater. Sensitivity and specificity are against the consensus of the other raters or, if
        these are too few, of all raters; the label says which.
    """
    left_out = bool(raters["sensitivity_leave_one_out"].notna().any())
    ending = "_leave_one_out" if left_out else ""
    whose = "consensus of the others" if left_out else "consensus of all raters"
    panels = (
        (LOG_COUNT_RATIO.name, "objects marked,\nlog ratio to the others"),
        (LOG_AREA_RATIO.name, "area marked,\nlog ratio to the others"),
        (f"sensitivity{ending}", f"sensitivity of pixels, against\nthe {whose}"),
        (f"specificity{ending}", f"specificity of pixels, against\nthe {whose}"),
    )
    names = raters["rater"].tolist()
    with plot_style():
        figure = figure_on(place, 10.5, 0.34 * len(names) + 1.5)
        for axes, (column, label) in zip(figure.subplots(1, 4, sharey=True), panels, strict=True):
            is_ratio = column in (LOG_COUNT_RATIO.name, LOG_AREA_RATIO.name)
            if is_ratio:
                axes.axvline(0, color=INK, linewidth=0.8)
                found = scores[scores["measure"] == column].set_index("target").reindex(names)
                _intervals(axes, found["low"], found["high"], [ACCENT] * len(names))
            axes.plot(raters[column], range(len(names)), "o", color=ACCENT, clip_on=False)
            axes.set(xlabel=label)
            axes.locator_params(axis="x", nbins=4)
            name_rows(axes, names)
    return figure


def effects_by_annotator(effects: pd.DataFrame, measure: str, place: Figure | None = None) -> Figure:
    """Effects of the experiment for each annotator: one panel per pair of groups, pooled over regions.

    Args:
        effects: Table of `segassay.tables.effects.effects`.
        measure: A tested measurement, such as `area`.
        place: Where to draw; by default a new figure.

    Returns:
        Hodges-Lehmann shifts with their 95 % intervals; units are subjects, if there are any. A contrast that cannot be
        tested with so few units is drawn hollow.

    Raises:
        ValueError: If the table has no pair of groups for this measure.
    """
    shown = effects[(effects["measure"] == measure) & (effects["region"] == "") & (effects["test"] == "mann_whitney")]
    unit = unit_of(shown["unit"] == "subject")
    shown = shown[shown["unit"] == unit]
    if shown.empty:
        raise ValueError(f"effects has no pair of groups for the measure {measure!r}")
    names = list(dict.fromkeys(shown["annotator"]))
    contrasts = list(dict.fromkeys(zip(shown["group_1"], shown["group_2"], strict=True)))
    n_columns = min(len(contrasts), 3)
    n_rows = -(-len(contrasts) // n_columns)
    with plot_style():
        height = n_rows * (0.3 * len(names) + 0.9) + 1.0
        figure = figure_on(place, max(3.1 * n_columns + 1.2, 5.5), height)
        panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes in panels[len(contrasts) :]:
            axes.set_visible(False)
        for axes, (one, other) in zip(panels, contrasts, strict=False):
            of_pair = shown[(shown["group_1"] == one) & (shown["group_2"] == other)].set_index("annotator")
            _effect_panel(axes, of_pair.reindex(names))
            axes.set_title(f"{other} − {one}", loc="left")
        figure.supxlabel(f"shift of {measure.replace('_', ' ')} in multiples of the control mean", fontsize="medium")
        add_legend(figure, _effect_legend(), "outside upper right")
    return figure


def _effect_panel(axes: Axes, of_pair: pd.DataFrame) -> None:
    axes.axvline(0, color=INK, linewidth=0.8)
    decided = of_pair["verdict"].isin(["higher", "lower"])
    colours = np.where(decided, ACCENT, PALE).tolist()
    _intervals(axes, of_pair["hl_low"], of_pair["hl_high"], colours)
    filled = np.where(of_pair["verdict"] == "not_testable", "white", colours).tolist()
    rows = np.arange(len(of_pair))
    axes.scatter(of_pair["hl_shift"], rows, s=34, c=filled, edgecolors=colours, linewidths=1.4, zorder=3)
    for row in rows[of_pair["hl_shift"].isna().to_numpy()]:
        axes.annotate("no value", (0.02, row), xycoords=("axes fraction", "data"), va="center", color=PALE)
    name_rows(axes, of_pair.index.tolist())
    axes.tick_params(axis="x", labelbottom=True)


def _effect_legend() -> list[Line2D]:
    marks = (
        ("differ (adjusted p < .05)", ACCENT, ACCENT),
        ("no difference found", PALE, PALE),
        ("not testable: too few units", PALE, "white"),
    )
    return [
        Line2D([], [], marker="o", linestyle="", label=label, markeredgecolor=edge, markerfacecolor=face)
        for label, edge, face in marks
    ]


def f1_over_threshold(
    agreement: pd.DataFrame,
    leave_one_out: pd.DataFrame,
    kinds: Mapping[str, str],
    place: Figure | Axes | None = None,
    *,
    clusters: pd.Series | None = None,
) -> Figure:
    """F1 of objects against the overlap from which an object counts as found, one line per annotator.

    Args:
        agreement: Table of `segassay.tables.build`.
        leave_one_out: Table of `tables.build`; if it is empty, mean agreement with the raters is drawn instead.
        kinds: Annotator -> kind, in the order of the legend. Each has a colour, marker and dash; markers of models are
            hollow, a truth is black.
        place: Where to draw; by default a new figure.
        clusters: Case -> subject, or the case itself, for the intervals; by default every case is one of its own.

    Returns:
        The figure, with 95 % intervals of the means; references and consensuses, which contain the raters, are not
        drawn.
    """
    curves, of_case, against = _curves(agreement, leave_one_out, kinds)
    ends = _ends(of_case, clusters)
    names = [name for name in kinds if name in curves.index]
    with plot_style():
        axes = axes_on(place, 7.6, max(3.6, 0.24 * len(names) + 1))
        numbers = itertools.count()
        for name in names:
            style: dict[str, Any] = {"color": INK, "marker": "o", "linestyle": ":", "markerfacecolor": INK}
            if kinds[name] != "truth":
                style = curve_style(next(numbers), hollow=not is_rater(kinds[name]))
            axes.plot(curves.columns, curves.loc[name], markersize=4.5, label=name, **style)
            own = ends.loc[[name]]
            at, low, high = own.index.get_level_values("iou_threshold"), own["low"].to_numpy(), own["high"].to_numpy()
            axes.vlines(at, low, high, colors=to_hex(axes.lines[-1].get_color()), linewidth=0.8, alpha=0.5)
        n = of_case.index.get_level_values("case").nunique()
        against = f"{against}\n(n = {n} images)"
        axes.set(
            xlabel="IoU above which an object counts as found", ylabel=f"mean F1 against\n{against}", ylim=(0, 1.02)
        )
        axes.grid(axis="y", color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
        if axes is place:
            axes.legend(frameon=False)
        else:
            axes.figure.figure.legend(loc="outside right center", frameon=False)
    return axes.figure.figure


def _curves(
    agreement: pd.DataFrame, leave_one_out: pd.DataFrame, kinds: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.Series, str]:
    """`(annotators, thresholds)`, mean over raters of means over cases; numbers of cases; what they are against."""
    table, columns, against = leave_one_out, ["annotator", "rater"], "the consensus of the other raters"
    if table.empty:
        table, columns, against = agreement, ["annotator_a", "annotator_b"], "each of the other raters"
    sums, of_case = [], []
    for part in parts_of(table, ["case", *columns, "iou_threshold", "f1"]):
        rows = part if table is leave_one_out else _both_ways(part, kinds)
        rows = rows[rows["annotator"].isin(list(kinds))]
        sums.append(rows.groupby(["annotator", "rater", "iou_threshold"])["f1"].agg(["sum", "count"]))
        of_case.append(rows.groupby(["case", "annotator", "iou_threshold"])["f1"].mean())
    total = pd.concat(sums).groupby(level=["annotator", "rater", "iou_threshold"]).sum()
    mean = (total["sum"] / total["count"]).groupby(level=["annotator", "iou_threshold"]).mean()
    return mean.unstack(), pd.concat(of_case), against


def _both_ways(agreement: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Each annotator but a consensus with each rater."""
    sides = [
        agreement.rename(columns={one: "annotator", other: "rater"})
        for one, other in (("annotator_a", "annotator_b"), ("annotator_b", "annotator_a"))
    ]
    rows = pd.concat(sides)
    return rows[rows["rater"].map(kinds).map(is_rater) & (rows["annotator"].map(kinds) != "consensus")]


def _ends(of_case: pd.Series, clusters: pd.Series | None) -> pd.DataFrame:
    """`low` and `high` of the interval over cases, by annotator and threshold."""
    table = of_case.unstack(["annotator", "iou_threshold"])
    units = table.index.to_numpy() if clusters is None else clusters.reindex(table.index).to_numpy()
    bounds = np.tile([0.0, 1.0], (table.shape[1], 1))
    found = mean_intervals(table.to_numpy(dtype=float), units, bounds=bounds)
    return found[["low", "high"]].set_axis(table.columns, axis=0)

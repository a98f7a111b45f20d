"""Pictures for people: outlines on an image, and what the tables of an evaluation say at one glance."""

import io
import itertools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, Normal, Stroke
from matplotlib.ticker import MaxNLocator

OUTLINES = ("#00e5ff", "#ff9f1c", "#f15bb5", "#9ef01a", "#fee440", "#b388ff")
"""Colours that show on grey images and differ for colour-blind eyes at least in brightness."""


def overlay(image: np.ndarray, masks: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """Draw an image with one outline per annotator, each in its colour.

    Args:
        image: `(C, *spatial)`; a volume is shown in the middle plane across its shortest axis. Brightness runs from
            the 1st to the 99.8th percentile.
        masks: Annotator -> boolean mask `(*spatial)`, drawn in this order.
        title: Heading.

    Returns:
        A figure that no window owns; save it with `figure.savefig`.

    Example:
        >>> mask = np.zeros((1, 8, 12), bool)
        >>> mask[:, 2:5, 3:9] = True
        >>> figure = overlay(mask.astype(float), {"expert_1": mask[0]}, title="0144")
        >>> figure.axes[0].get_title(loc="left")
        '0144'
    """
    shown = _plane(np.moveaxis(image, 0, -1)[..., :3], image.ndim - 1)
    height, width = shown.shape[:2]
    figure = Figure(figsize=(8, 8 * height / width + 0.7), dpi=max(100, round(width / 8)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(_brighten(shown), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    colours = itertools.cycle(OUTLINES)
    entries = []
    for (annotator, mask), colour in zip(masks.items(), colours, strict=False):
        _outline(axes, _plane(mask[..., None], mask.ndim)[..., 0], color=colour)
        entries.append(Line2D([], [], color=colour, label=annotator, path_effects=_edged(2.5)))
    _frame(axes, (height, width), title)
    figure.legend(handles=entries, loc="outside lower center", ncols=min(len(entries), 5) or 1, frameon=False)
    return figure


def _outline(axes: Axes, mask: np.ndarray, *, color: str, linewidth: float = 1, linestyle: str = "-") -> None:
    """Draw the outline of a mask `(height, width)`; padded, so that it closes at the border."""
    if mask.any():
        height, width = mask.shape
        x, y = np.arange(-1, width + 1), np.arange(-1, height + 1)
        outline = axes.contour(x, y, np.pad(mask, 1), [0.5], colors=[color], linewidths=linewidth, linestyles=linestyle)
        if color == CONSENSUS_COLOUR:
            outline.set(path_effects=_edged(linewidth + 1.4))


def _edged(linewidth: float) -> list[AbstractPathEffect]:
    """A dark edge, with which light lines show on light ground."""
    return [Stroke(linewidth=linewidth, foreground="0.2"), Normal()]


def _frame(axes: Axes, shape: tuple[int, ...], title: str) -> None:
    height, width = shape
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)  # without `set_axis_off`, which would leave no room for the title
    axes.set_title(title, loc="left")


def _plane(array: np.ndarray, n_axes: int) -> np.ndarray:
    """The middle plane `(height, width, C)` of `(*spatial, C)`, across the shortest axis."""
    for n_left in range(n_axes, 2, -1):
        across = int(np.argmin(array.shape[:n_left]))
        array = array.take(array.shape[across] // 2, axis=across)
    return array


def _brighten(shown: np.ndarray) -> np.ndarray:
    """Stretch brightness to 0..1; `(height, width)` for one channel, else `(height, width, 3)`."""
    shown = shown.astype(float)
    low, high = np.percentile(shown, [1, 99.8])
    stretched = np.clip((shown - low) / max(high - low, 1e-9), 0, 1)
    if shown.shape[-1] == 2:
        stretched = np.concatenate([stretched, np.zeros_like(stretched[..., :1])], axis=-1)
    return stretched[..., 0] if shown.shape[-1] == 1 else stretched


# ---------------------------------------------------------------------------------------------- raters and consensus

CONSENSUS_COLOUR = "#ffffff"
_ZOOM_PX = 192  # so many pixels fill a panel well


def most_marked_plane(marked: np.ndarray) -> tuple[slice | int, ...]:
    """Index of what a figure shows: all of an image; of a volume, the plane across its shortest axis with most marked.

    Args:
        marked: Boolean `(*spatial)`, two or three axes.

    Returns:
        An index that gives two axes; the middle plane where nothing is marked.

    Example:
        >>> marked = np.zeros((4, 9, 8), dtype=bool)
        >>> marked[3, 2:4, 5] = True
        >>> most_marked_plane(marked)
        (3, slice(None, None, None), slice(None, None, None))
    """
    index: list[slice | int] = [slice(None)] * marked.ndim
    if marked.ndim == 3:
        across = int(np.argmin(marked.shape))
        amount = np.count_nonzero(marked, axis=tuple(axis for axis in range(3) if axis != across))
        index[across] = int(amount.argmax()) if amount.any() else len(amount) // 2
    return tuple(index)


def consensus_overview(
    image: np.ndarray,
    masks: Mapping[str, np.ndarray],
    consensus: np.ndarray,
    *,
    title: str,
    consensus_name: str = "consensus",
) -> Figure:
    """An image with its raters' outlines, the consensus, and how many raters marked each pixel.

    A large image is shown whole with the consensus alone, and the raters where they disagree most: in a part of 192
    pixels, or a sixth of the longer side if that is more.

    Args:
        image: `(C, height, width)`; brightness from the 1st to the 99.8th percentile of what is shown.
        masks: Legend entry of each rater -> boolean mask `(height, width)`; colours repeat after 6, with other dashes.
        consensus: Boolean mask `(height, width)`.
        title: Heading.
        consensus_name: Legend entry of the consensus.

    Returns:
        A figure of two or three panels.

    Example:
        >>> mask = np.zeros((12, 16), bool)
        >>> mask[3:8, 4:12] = True
        >>> figure = consensus_overview(mask[None].astype(float), {"anna": mask, "ben": ~mask}, mask, title="0144")
        >>> [axes.get_title(loc="left") for axes in figure.axes[:2]]
        ['raters and consensus', 'how many of 2 raters marked a pixel']
    """
    votes = np.stack(list(masks.values())).sum(axis=0)
    box = _most_disputed(votes, len(masks))
    shown = np.moveaxis(image, 0, -1)[..., :3]
    is_zoom = consensus[box].size < consensus.size
    n_panels = 3 if is_zoom else 2
    height, width = consensus.shape
    figure = Figure(figsize=(4 * n_panels + 0.5, 4 * height / width + 1.2), layout="constrained")
    panels = list(figure.subplots(1, n_panels))
    where = ""
    if is_zoom:
        where = " in the box"
        whole = panels.pop(0)
        whole.imshow(_brighten(shown), cmap="gray", vmin=0, vmax=1)
        _outline(whole, consensus, color=OUTLINES[0], linewidth=0.6)
        rows, columns = box
        corner = (columns.start - 0.5, rows.start - 0.5)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        whole.add_patch(Rectangle(corner, *size, fill=False, edgecolor=OUTLINES[4], linewidth=1.5))
        _frame(whole, consensus.shape, "consensus; box: most disagreement")

    dashes: tuple[Literal["-", "--", ":"], ...] = ("-", "--", ":")
    styles = itertools.cycle(itertools.product(dashes, OUTLINES))
    entries = [Line2D([], [], color=CONSENSUS_COLOUR, linewidth=2, label=consensus_name, path_effects=_edged(3.4))]
    panels[0].imshow(_brighten(shown[box]), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    _outline(panels[0], consensus[box], color=CONSENSUS_COLOUR, linewidth=2)
    for (name, mask), (dash, colour) in zip(masks.items(), styles, strict=False):
        _outline(panels[0], mask[box], color=colour, linestyle=dash)
        entries.append(Line2D([], [], color=colour, linestyle=dash, label=name, path_effects=_edged(2.5)))
    _frame(panels[0], consensus[box].shape, f"raters and consensus{where}")

    colours = matplotlib.colormaps["cividis"].resampled(len(masks) + 1)
    counts = panels[1].imshow(votes[box], cmap=colours, vmin=-0.5, vmax=len(masks) + 0.5, interpolation="nearest")
    _outline(panels[1], consensus[box], color=CONSENSUS_COLOUR, linewidth=1)
    _frame(panels[1], consensus[box].shape, f"how many of {len(masks)} raters marked a pixel")
    figure.colorbar(counts, ax=panels[1], ticks=MaxNLocator(integer=True, nbins=7), shrink=0.8)
    figure.suptitle(title, x=0.01, ha="left")
    n_columns = int(10 * figure.get_figwidth() / (7 + max(len(str(entry.get_label())) for entry in entries)))
    figure.legend(
        handles=entries, loc="outside lower center", ncols=min(len(entries), max(n_columns, 1)), frameon=False
    )
    return figure


def _most_disputed(votes: np.ndarray, n_raters: int) -> tuple[slice, slice]:
    """Rows and columns of the part with most disagreement; all of a small image."""
    part = min(1.0, max(1 / 6, _ZOOM_PX / max(votes.shape)))
    size = [max(1, round(part * length)) for length in votes.shape]
    disputed = np.minimum(votes, n_raters - votes)
    amount = disputed if disputed.any() else votes
    sums = np.pad(amount, ((1, 0), (1, 0))).cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    high, wide = size
    inside = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(row), int(row) + high), slice(int(column), int(column) + wide)


# ------------------------------------------------------------------------------------------------- tables as figures

INK, ACCENT, PALE = "#222222", "#0072b2", "#8a8a8a"
"""Text and zero lines; what is found; what is not. The blue is of Okabe and Ito's colour-blind safe palette."""


def encode_figure(figure: Figure, kind: str) -> bytes:
    """Bytes of a figure as `svg` or `png`, the same at every time for the same figure."""
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "segassay", "svg.fonttype": "path"}):
        figure.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return file.getvalue()


def agreement_matrix(agreement: pd.DataFrame, annotators: Sequence[str]) -> Figure:
    """Heat map of F1 at IoU > .5 between all annotators, mean over the cases that both have.

    Args:
        agreement: Table of `segassay.tables`.
        annotators: Rows and columns, in this order; readable up to about 15.

    Returns:
        The figure; a pair without a common case is an empty cell.
    """
    import seaborn as sns

    rows = agreement[agreement["iou_threshold"] == 0.5]
    mean = rows.groupby(["annotator_a", "annotator_b"])["f1"].mean().unstack()
    mean = mean.reindex(index=list(annotators), columns=list(annotators)).astype(float)
    both_sides = mean.fillna(mean.T)
    width = 0.62 * len(annotators) + 0.075 * max(map(len, annotators)) + 1.4
    with plot_style():
        figure = Figure(figsize=(max(width, 4), max(width - 1, 3.2)), layout="constrained")
        axes = figure.subplots()
        colours = {"cmap": "cividis", "vmin": 0, "vmax": 1, "linewidths": 1, "linecolor": "white"}
        bar = {"label": "mean F1 of objects (IoU > 0.5)", "shrink": 0.8}
        numbers = {"size": 9 if len(annotators) <= 10 else 8}
        sns.heatmap(both_sides, ax=axes, annot=True, fmt=".2f", annot_kws=numbers, square=True, cbar_kws=bar, **colours)
        for text in axes.texts:  # the side of the grey middle of the colours on which it can be read
            text.set_color(INK if float(text.get_text()) > 0.52 else "white")
        axes.set(xlabel="", ylabel="", facecolor="0.95")
        axes.tick_params(axis="x", rotation=40 if max(map(len, annotators)) > 3 else 0, length=0)
        axes.tick_params(axis="y", rotation=0, length=0)
        for label in axes.get_xticklabels():
            label.set(ha="right" if max(map(len, annotators)) > 3 else "center", rotation_mode="anchor")
    return figure


def plot_style() -> AbstractContextManager[object]:
    """How all figures with axes look."""
    import seaborn as sns

    stack = ExitStack()
    stack.enter_context(sns.axes_style("ticks", {"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": "0.6"}))
    stack.enter_context(sns.plotting_context("paper", font_scale=1.1))
    return stack


def rater_habits(raters: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """How each rater differs from the others: objects and area marked, and what a consensus finds right.

    Args:
        raters: Table of `segassay.tables`, one row per rater.
        scores: Table of `segassay.scores`, for the intervals of the log ratios.

    Returns:
        Four panels, one row per rater. Sensitivity and specificity are against the consensus of the other raters, or of
        all raters, saying so, where the others are too few.
    """
    left_out = bool(raters["sensitivity_leave_one_out"].notna().any())
    ending = "_leave_one_out" if left_out else ""
    whose = "consensus of the others" if left_out else "consensus of all raters"
    panels = (
        ("log_count_ratio", "objects marked,\nlog ratio to the others"),
        ("log_area_ratio", "area marked,\nlog ratio to the others"),
        (f"sensitivity{ending}", f"sensitivity of pixels\nto the {whose}"),
        (f"specificity{ending}", f"specificity of pixels\nto the {whose}"),
    )
    names = raters["rater"].tolist()
    with plot_style():
        figure = Figure(figsize=(10.5, 0.34 * len(names) + 1.5), layout="constrained")
        for axes, (column, label) in zip(figure.subplots(1, 4, sharey=True), panels, strict=True):
            is_ratio = column.startswith("log")
            if is_ratio:
                axes.axvline(0, color=INK, linewidth=0.8)
                found = scores[scores["measure"] == column].set_index("target").reindex(names)
                _intervals(axes, found["low"], found["high"], [ACCENT] * len(names))
            axes.plot(raters[column], range(len(names)), "o", color=ACCENT, clip_on=False)
            axes.set(xlabel=label)
            if not is_ratio:
                axes.locator_params(axis="x", nbins=4)
            name_rows(axes, names)
    return figure


def _intervals(axes: Axes, low: pd.Series, high: pd.Series, colours: Sequence[str]) -> None:
    axes.hlines(range(len(low)), low.to_numpy(float), high.to_numpy(float), colors=list(colours), linewidth=1.6)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """One row per name, the first on top."""
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def effects_by_annotator(effects: pd.DataFrame, measure: str) -> Figure:
    """The effect that each annotator's masks yield: one panel per pair of groups, pooled over regions.

    Args:
        effects: Table of `segassay.experiment.effects`.
        measure: `count`, `density` or `mean_intensity`.

    Returns:
        Hodges-Lehmann shifts with their 95 % intervals; units are subjects where there are any. A contrast that no
        sample of this size could decide is drawn hollow.

    Raises:
        ValueError: If the table has no pair of groups for this measure.
    """
    shown = effects[(effects["measure"] == measure) & (effects["region"] == "") & (effects["test"] == "mann_whitney")]
    unit = "subject" if (shown["unit"] == "subject").any() else "case"
    shown = shown[shown["unit"] == unit]
    if shown.empty:
        raise ValueError(f"effects has no pair of groups for the measure {measure!r}")
    names = list(dict.fromkeys(shown["annotator"]))
    contrasts = list(dict.fromkeys(zip(shown["group_1"], shown["group_2"], strict=True)))
    n_columns = min(len(contrasts), 3)
    n_rows = -(-len(contrasts) // n_columns)
    with plot_style():
        height = n_rows * (0.3 * len(names) + 0.9) + 0.5
        figure = Figure(figsize=(max(3.1 * n_columns + 1.2, 5.5), height), layout="constrained")
        panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes in panels[len(contrasts) :]:
            axes.set_visible(False)
        for axes, (one, other) in zip(panels, contrasts, strict=False):
            of_pair = shown[(shown["group_1"] == one) & (shown["group_2"] == other)].set_index("annotator")
            _effect_panel(axes, of_pair.reindex(names))
            axes.set_title(f"{other} − {one}", loc="left")
        figure.supxlabel(f"shift of {measure.replace('_', ' ')} in multiples of the control mean", fontsize="medium")
        figure.legend(handles=_effect_legend(), loc="outside upper right", ncols=3, frameon=False)
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
        ("not testable: too few", PALE, "white"),
    )
    return [
        Line2D([], [], marker="o", linestyle="", label=label, markeredgecolor=edge, markerfacecolor=face)
        for label, edge, face in marks
    ]


def f1_over_threshold(agreement: pd.DataFrame, leave_one_out: pd.DataFrame, kinds: Mapping[str, str]) -> Figure:
    """F1 of objects as the overlap that counts as found grows, one line per annotator.

    Args:
        agreement: Table of `segassay.tables`.
        leave_one_out: Table of `segassay.tables`; where it is empty, each annotator's mean agreement with the raters.
        kinds: Annotator -> kind, in the order of the legend. People have solid lines, models dashed ones, a truth dots.

    Returns:
        The figure; references and consensuses, which contain the raters, are not drawn.
    """
    import seaborn as sns

    curves, against = _curves(agreement, leave_one_out, kinds)
    names = [name for name in kinds if name in curves.index]
    with plot_style():
        figure = Figure(figsize=(7.6, max(3.6, 0.24 * len(names) + 1)), layout="constrained")
        axes = figure.subplots()
        colours = itertools.cycle(sns.color_palette("colorblind"))
        markers = itertools.chain.from_iterable(itertools.repeat(mark, 10) for mark in itertools.cycle("os^D"))
        for name in names:
            is_truth = kinds[name] == "truth"
            colour, marker = (INK, "o") if is_truth else (next(colours), next(markers))
            line = ":" if is_truth else "-" if kinds[name] == "human" else "--"
            axes.plot(curves.columns, curves.loc[name], line, marker=marker, markersize=4, color=colour, label=name)
        axes.set(xlabel="IoU above which an object counts as found", ylabel=f"mean F1 against\n{against}", ylim=(0, 1))
        axes.grid(axis="y", color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right center", frameon=False)
    return figure


def _curves(agreement: pd.DataFrame, leave_one_out: pd.DataFrame, kinds: Mapping[str, str]) -> tuple[pd.DataFrame, str]:
    """`(annotators, thresholds)`, mean over raters of means over cases; and what the annotators are compared with."""
    rows, against = leave_one_out, "the consensus of the other raters"
    if rows.empty:
        sides = [
            agreement.rename(columns={one: "annotator", other: "rater"})
            for one, other in (("annotator_a", "annotator_b"), ("annotator_b", "annotator_a"))
        ]
        rows, against = pd.concat(sides), "each of the other raters"
        of_people = rows["rater"].map(kinds) == "human"
        rows = rows[of_people & (rows["annotator"].map(kinds) != "consensus")]
    mean = rows.groupby(["annotator", "rater", "iou_threshold"])["f1"].mean()
    return mean.groupby(level=["annotator", "iou_threshold"]).mean().unstack(), against

"""Charts of maps: are probabilities as often right as they say, and does uncertainty tell where masks are wrong?"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from segassay.figures.style import CURVES, INK, figure_on, plot_style
from segassay.io.stored_tables import parts_of
from segassay.qualities.reliability.calibration import by_bin, reliability_diagram
from segassay.qualities.reliability.uncertainty import EVENTS, risk_coverage
from segassay.statistics.jackknife import SHARE, jackknife_ratio

__all__ = ["calibration_figure", "risk_coverage_figure", "uncertainty_figure"]

N_BINS = 25
"""Bins of uncertainty that are drawn; the table has twice as many."""

MAX_ANNOTATORS = 6
_MARKERS = "os^Dvp"


def _marks(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, str, str]]:
    """The first annotators with their rows, colour and marker."""
    names = list(table["annotator"].unique())[:MAX_ANNOTATORS]
    for name, colour, marker in zip(names, CURVES, _MARKERS, strict=False):
        yield name, table[table["annotator"] == name], colour, marker


def calibration_figure(
    calibration: pd.DataFrame, clusters: pd.Series, errors: Mapping[str, str], place: Figure | None = None
) -> Figure:
    """Reliability diagram: how often pixels are foreground, against the probability that was predicted.

    Args:
        calibration: `tables.calibration`, with at least one row; of the first six annotators.
        clusters: Case -> subject, or the case itself, for the intervals.
        errors: Annotator -> its ECE in words, for the legend.
        place: Where to draw; by default a new figure.

    Returns:
        Above, one line per annotator with 95 % intervals over cases for each bin; below, the number of pixels per bin.
    """
    points = reliability_diagram(calibration)
    with plot_style():
        figure = figure_on(place, 4.6, 5.2)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        upper.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
        for name, rows, colour, marker in _marks(calibration):
            own = points[points["annotator"] == name]
            ends = _ends(rows, "n_foreground", clusters, own["bin"])
            upper.vlines(own["mean_prob"], *ends, colors=colour, linewidth=1, alpha=0.6)
            n_cases, ece = rows["case"].nunique(), errors.get(name, "")
            label = f"{name} (n = {n_cases}){f', ECE {ece}' if ece else ''}"
            upper.plot(own["mean_prob"], own["frequency"], marker=marker, color=colour, markersize=4, label=label)
            lower.plot(own["mean_prob"], own["n_pixels"], marker=marker, color=colour, markersize=3, linewidth=1)
        upper.set(ylabel="share of foreground", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        lower.set(xlabel="predicted probability", ylabel="pixels", yscale="log")
        for axes in (upper, lower):
            axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", frameon=False, fontsize="small")
    return figure


def _ends(rows: pd.DataFrame, column: str, clusters: pd.Series, bins: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval over cases of a share of pixels in each bin."""
    cases = rows["case"].unique()
    n, events = by_bin(rows, "n_pixels", cases), by_bin(rows, column, cases)
    of = clusters.reindex(cases).to_numpy()
    found = [jackknife_ratio(np.where(n[:, at] > 0, events[:, at], np.nan), n[:, at], of, SHARE) for at in bins]
    return np.array([one.low for one in found], dtype=float), np.array([one.high for one in found], dtype=float)


def uncertainty_figure(uncertainty: pd.DataFrame, clusters: pd.Series, place: Figure | None = None) -> Figure:
    """Errors and disagreement of raters, against the uncertainty of a pixel, in 25 bins.

    Args:
        uncertainty: `tables.uncertainty`, with at least one row; of the first six annotators.
        clusters: Case -> subject, or the case itself, for the intervals.
        place: Where to draw; by default a new figure.

    Returns:
        Left the share of pixels that are errors; right, where cases have two raters, their mean disagreement, 4 v
        (1 - v) for the share v that marks the pixel, with 95 % intervals over cases. Lines rise if uncertainty tells
        something.
    """
    known = [name for name in EVENTS if uncertainty[EVENTS[name]].notna().any()]
    words = {"errors": "share of errors", "disagreement": "disagreement of raters"}
    columns = ["annotator", "case", "bin", "n_pixels", "sum_uncertainty", *EVENTS.values()]
    halved = pd.concat(map(_halved, parts_of(uncertainty, columns)), ignore_index=True)
    with plot_style():
        figure = figure_on(place, 3.6 * len(known) + 0.6, 3.9)
        panels = figure.subplots(1, len(known), squeeze=False)[0]
        for axes, name in zip(panels, known, strict=True):
            for annotator, rows, colour, marker in _marks(halved):
                part = rows[rows[EVENTS[name]].notna()]
                if part.empty:
                    continue
                sums = part.groupby("bin")[["n_pixels", "sum_uncertainty", EVENTS[name]]].sum().astype(float)
                low, high = _ends(part, EVENTS[name], clusters, sums.index.to_series())
                at = sums["sum_uncertainty"] / sums["n_pixels"]
                axes.vlines(at, low, high, colors=colour, linewidth=1, alpha=0.6)
                label = f"{annotator} (n = {part['case'].nunique()})"
                axes.plot(
                    at, sums[EVENTS[name]] / sums["n_pixels"], marker=marker, color=colour, markersize=4, label=label
                )
            axes.set(xlabel="uncertainty of the pixel", ylabel=words[name], xlim=(-0.02, 1.02), ylim=(0, None))
            axes.spines[["top", "right"]].set_visible(False)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", frameon=False, fontsize="small")
    return figure


def _halved(part: pd.DataFrame) -> pd.DataFrame:
    """Bins of all rows of some cases, two of them made one."""
    keys = ["annotator", "case", "bin"]
    bins = part.assign(bin=part["bin"].astype(int) // 2).groupby(keys, sort=False, as_index=False)
    return bins[list(part.columns.drop(keys))].sum(min_count=1)


def risk_coverage_figure(uncertainty: pd.DataFrame, place: Figure | None = None) -> Figure:
    """Share of errors among the pixels that are kept, if the most uncertain ones are left to a person.

    Args:
        uncertainty: `tables.uncertainty`, with at least one row; of the first six annotators.
        place: Where to draw; by default a new figure.

    Returns:
        A thick line per annotator, all cases together, thin lines of single cases; dotted, a random order.
    """
    with plot_style():
        figure = figure_on(place, 4.8, 4.0)
        axes: Axes = figure.subplots()
        for name, rows, colour, _ in _marks(uncertainty):
            cases = rows["case"].unique()
            n, errors = by_bin(rows, "n_pixels", cases), by_bin(rows, "n_errors", cases)
            for of_case in zip(n, errors, strict=True):
                axes.plot(*_from_zero(*risk_coverage(*of_case)), color=colour, linewidth=0.6, alpha=0.3)
            label = f"{name} (n = {len(cases)})"
            axes.plot(
                *_from_zero(*risk_coverage(n.sum(axis=0), errors.sum(axis=0))), color=colour, linewidth=2, label=label
            )
            axes.axhline(errors.sum() / n.sum(), color=colour, linewidth=1, linestyle=":")
        axes.set(xlabel="share of pixels kept, the most certain first", ylabel="share of errors among them")
        axes.set(xlim=(0, 1.01), ylim=(0, None))
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", frameon=False, fontsize="small")
    return figure


def _from_zero(coverage: np.ndarray, risk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve from a coverage of 0 on; the risk of the first bin is that of every part of it."""
    return np.concatenate([[0], coverage]), np.concatenate([risk[:1], risk])

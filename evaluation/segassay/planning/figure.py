"""Draw a plan: the width of an interval against images, and the reliability of counts against raters."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segassay.figures.style import encode_figure, plot_style
from segassay.planning.pilot import Pilot
from segassay.planning.planner import interval_width, units_of_pilot

__all__ = ["draw_plan"]

_SHOWN_RATERS = (2, 3, 5, 10, 20)
_SHOWN_SEEDS = (1, 2, 4, 8)


def draw_plan(pilot: Pilot, plan: pd.DataFrame, *, width: float, min_phi: float) -> bytes:
    """Width of the interval against images, Φ against raters, with the wanted values as lines; PNG bytes."""
    with plot_style():
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _widths(left, pilot, plan, width)
        _reliabilities(right, plan, min_phi)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=6, frameon=False)
    return encode_figure(figure, "png")


def _widths(axes: Axes, pilot: Pilot, plan: pd.DataFrame, width: float) -> None:
    units = units_of_pilot(pilot)
    fewest = max(5, 2 * units.images_per_subject)  # two subjects
    n_cases = np.unique(np.ceil(np.geomspace(fewest, max(500, 10 * fewest), 60))).astype(int)
    n_seeds = int(plan["n_seeds"].max())
    raters = [number for number in _SHOWN_RATERS if number in set(plan["n_raters"])]
    for number, colour in zip(raters, _shades(len(raters)), strict=True):
        for beyond, line in ((False, "-"), (True, ":")):
            size: dict[str, Any] = {"n_raters": number, "n_seeds": n_seeds, "units": units, "beyond": beyond}
            widths = [interval_width(pilot.score, n_cases=n, **size) for n in n_cases]
            axes.plot(n_cases, widths, line, color=colour, label=None if beyond else f"{number} raters")
    axes.axhline(width, color="0.3", linestyle="--", linewidth=1)
    axes.axvline(pilot.n_cases, color="0.8", linewidth=1, zorder=0)
    axes.annotate("pilot ", (pilot.n_cases, 1), xycoords=("data", "axes fraction"), va="top", ha="right", color="0.5")
    top = 1.1 * interval_width(pilot.score, n_cases=n_cases[0], n_raters=raters[0], n_seeds=n_seeds, units=units)
    each = f", {units.images_per_subject:.3g} of each subject" if pilot.n_subjects else ""
    axes.set(xscale="log", xlabel=f"images{each}", ylabel="width of the 95 % interval", ylim=(0, max(top, 1.5 * width)))
    axes.set_xticks([5, 10, 20, 50, 100, 200, 500], ["5", "10", "20", "50", "100", "200", "500"])
    axes.minorticks_off()
    axes.plot([], [], ":", color="0.4", label="other raters too")
    axes.set_title("Mean F1" + (f", {n_seeds} seeds" if pilot.n_seeds > 1 else ""), loc="left")


def _reliabilities(axes: Axes, plan: pd.DataFrame, min_phi: float) -> None:
    seeds = [number for number in _SHOWN_SEEDS if number in set(plan["n_seeds"])]
    for number, colour in zip(seeds, _shades(len(seeds)), strict=True):
        rows = plan[plan["n_seeds"] == number].sort_values("n_raters")
        label = f"{number} seed{'s' if number > 1 else ''}"
        axes.plot(rows["n_raters"], rows["phi"], marker="o", markersize=4, color=colour, label=label)
    axes.axhline(min_phi, color="0.3", linestyle="--", linewidth=1)
    axes.set(xlabel="raters", ylabel="Φ of the number of objects", ylim=(0, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("Count of a single image", loc="left")
    if len(seeds) > 1:
        axes.legend(frameon=False, loc="lower right")


def _shades(n: int) -> list[tuple[float, ...]]:
    import seaborn as sns

    return list(sns.color_palette("viridis_r", n + 1)[1:])

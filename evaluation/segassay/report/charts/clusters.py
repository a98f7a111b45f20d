"""Chart of agreement with annotators sorted by how alike they are, beside the tree that sorts them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segassay.figures.style import INK, figure_on, plot_style
from segassay.report.charts.heat_map import heat_map
from segassay.report.charts.tables import images_in_words, mean_agreement

__all__ = ["can_be_clustered", "clustered_agreement"]

MIN_ANNOTATORS = 3


def can_be_clustered(agreement: pd.DataFrame, annotators: Sequence[str]) -> bool:
    """Whether there are three annotators, and every pair of them has a common case."""
    _, n = mean_agreement(agreement, annotators)
    return len(n) >= MIN_ANNOTATORS and bool((n.to_numpy() + np.eye(len(n), dtype=int) > 0).all())


def clustered_agreement(agreement: pd.DataFrame, annotators: Sequence[str], place: Figure | None = None) -> Figure:
    """Heat map of F1 at IoU > .5 between all annotators, with those next to each other who agree best.

    Args:
        agreement: Table of `segassay.tables.build`.
        annotators: At least three, every pair of them with a common case.
        place: Where to draw; by default a new figure.

    Returns:
        The tree of average linkage of 1 - F1, its leaves ordered so that neighbours are alike, above the heat map; the
        scale runs from the lowest to the highest value.

    Raises:
        ValueError: If there are fewer annotators, or a pair has no common case.

    References:
        Bar-Joseph, Gifford & Jaakkola (2001), Bioinformatics 17(S1):S22-S29 (order of the leaves),
        doi:10.1093/bioinformatics/17.suppl_1.S22.
    """
    mean, n = mean_agreement(agreement, annotators)
    if not can_be_clustered(agreement, annotators):
        raise ValueError(f"expected {MIN_ANNOTATORS} annotators or more, every pair of them with a common case")
    apart = 1 - mean.to_numpy()
    np.fill_diagonal(apart, 0)
    tree = scipy.cluster.hierarchy.linkage(
        scipy.spatial.distance.squareform(apart, checks=False), method="average", optimal_ordering=True
    )
    shown: dict[str, Any] = scipy.cluster.hierarchy.dendrogram(tree, no_plot=True)
    names = [mean.index[leaf] for leaf in shown["leaves"]]
    longest = max(map(len, names))
    with plot_style():
        side = 0.42 * len(names)
        figure = figure_on(place, max(side + 0.075 * longest + 1.9, 4), side + 0.05 * longest + 1.9)
        above, axes = figure.subplots(2, 1, sharex=True, height_ratios=[0.8, max(side, 1)])
        _tree(above, shown)
        heat_map(axes, mean.loc[names, names], "mean F1 of objects (IoU > 0.5)")
        above.set_title(images_in_words(n), loc="left", size="medium")
    return figure


def _tree(axes: Axes, shown: dict[str, Any]) -> None:
    for places, heights in zip(shown["icoord"], shown["dcoord"], strict=True):
        axes.plot((np.array(places) - 5) / 10, heights, color=INK, linewidth=1)
    axes.set(ylabel="1 − F1", ylim=(0, None))
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.locator_params(axis="y", nbins=3)

"""Who calls what what: classes of raters against those of other raters and of models, as shares in the cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
from matplotlib.figure import Figure

from segassay.figures.style import figure_on, plot_style
from segassay.report.charts.heat_map import heat_map
from segassay.tables.classes import ANOTHER, BACKGROUND, ONE

__all__ = ["Confusion", "confusion_figure", "confusions"]

_MAX_LETTERS = 24
_WHAT = {"n_pixels": "pixels", "n_objects": "objects found by both"}


@dataclass(frozen=True, eq=False)
class Confusion:
    """One panel: of what a rater calls the row, the share that another annotator calls the column.

    Attributes:
        shares: `(classes, classes)`, and one more column for the background if it is about pixels; a row without any
            pixel or object is NaN.
        n: Number of comparisons: pixels or objects, counted for each pair of annotators, of raters in both orders.
        what: What is counted.
        other: Who the columns are of.
    """

    shares: pd.DataFrame
    n: int
    what: str
    other: str


def confusions(
    pixels: pd.DataFrame, objects: pd.DataFrame, names: Sequence[str], raters: Sequence[str], judged: Sequence[str] = ()
) -> list[Confusion]:
    """Shares of raters with each other, and with each of the judged annotators; without those that have no number.

    Args:
        pixels: Table `confusion`, of `segassay.tables.classes.ClassTables`.
        objects: Table `confusion_objects`.
        names: Names of the classes.
        raters: Names of the raters, who count the same; pairs of raters count in both orders.
        judged: Models and ensembles.

    Example:
        >>> row = {"case": "1", "annotator_a": "anna", "annotator_b": "ben", "class_a": "zone"}
        >>> rows = [row | {"class_b": name, "n_pixels": 30} for name in ("zone", "tumour")]
        >>> shown, = confusions(pd.DataFrame(rows), pd.DataFrame(), ["zone", "tumour"], ["anna", "ben"])
        >>> shown.shares.round(2).to_numpy().tolist(), shown.n
        ([[0.67, 0.33, 0.0], [1.0, 0.0, 0.0]], 120)
    """
    everyone = {*raters, ONE, ANOTHER}
    found = []
    for table in (pixels, objects):
        if table.empty:
            continue
        for others in (everyone, *({name} for name in judged)):
            cells = _of(table, everyone, others, names)
            n = int(cells.to_numpy().sum())
            if n:
                total = cells.sum(axis=1)
                other = ANOTHER if others is everyone else next(iter(others))
                shares = cells.div(total.where(total > 0), axis=0)
                found.append(Confusion(shares, n, _WHAT[str(table.columns[-1])], other))
    return found


def _of(table: pd.DataFrame, raters: set[str], others: set[str], names: Sequence[str]) -> pd.DataFrame:
    """Cells with the raters' classes as rows; both orders of a pair count if both are raters."""
    amount = table.columns[-1]
    columns = [*names, *([BACKGROUND] if amount == "n_pixels" else [])]
    whole = pd.DataFrame(0, index=list(names), columns=columns)
    for own, other in pairwise("aba"):
        rows = table[table[f"annotator_{own}"].isin(raters) & table[f"annotator_{other}"].isin(others)]
        if own == "b":  # pairs without names stand in the table in both orders
            rows = rows[rows["annotator_b"].ne(ANOTHER)]
        cells = rows.pivot_table(index=f"class_{own}", columns=f"class_{other}", values=amount, aggfunc="sum")
        whole += cells.reindex(index=list(names), columns=columns).fillna(0).astype(int)
    return whole


def confusion_figure(panels: Sequence[Confusion], place: Figure | None = None) -> Figure:
    """Heat maps of shares, numbers in the cells; colours that colour-blind readers tell apart.

    Args:
        panels: What `confusions` returns, at least one.
        place: Where to draw; by default a new figure.

    Returns:
        The figure, one column for pixels and one for objects, one row for each other annotator.
    """
    rows = [[one for one in panels if one.other == other] for other in dict.fromkeys(one.other for one in panels)]
    n_columns, size = max(map(len, rows)), len(panels[0].shares)
    longest = min(max(len(str(name)) for name in panels[0].shares.columns), _MAX_LETTERS)
    side = 0.55 * (size + 1) + 0.06 * longest + 1.5
    with plot_style():
        figure = figure_on(place, max(n_columns * (side + 0.6), 4.5), len(rows) * max(side, 2.8))
        grid = figure.subplots(len(rows), n_columns, squeeze=False)
        for axes in grid.ravel():
            axes.set_visible(False)
        for axes, one in ((grid[at, column], one) for at, row in enumerate(rows) for column, one in enumerate(row)):
            axes.set_visible(True)
            shown = one.shares.rename(index=_short, columns=_short)
            heat_map(axes, shown, "share of the row", low=0, high=1)
            axes.set(ylabel=f"class by {ONE}", xlabel=f"class by {_short(one.other)}")
            axes.set_title(f"{one.what} (n = {one.n:,} comparisons)", loc="left", size="medium")
    return figure


def _short(name: str) -> str:
    return name if len(name) <= _MAX_LETTERS else f"{name[: _MAX_LETTERS - 1]}…"

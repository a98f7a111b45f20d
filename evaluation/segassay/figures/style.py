"""Style of all figures: colours and axes; the same figure always gives the same bytes."""

import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import matplotlib
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, ACCENT, PALE = "#222222", "#0072b2", "#8a8a8a"
"""Text and zero lines; results; absent results. The blue is from Okabe and Ito's colour-blind safe palette."""


SIZES = {"paper": (1.0, 1.1), "talk": (1.3, 1.7)}
"""Style -> size of a figure, and of its text and lines, in multiples of those for a page."""

_Place = Literal["outside lower center", "outside upper center", "outside upper right"]

_STYLE: ContextVar[str] = ContextVar("style", default="paper")


@contextmanager
def in_style(name: str) -> Iterator[None]:
    """Draw all figures in the block in a style of `SIZES`."""
    token = _STYLE.set(name)
    try:
        yield
    finally:
        _STYLE.reset(token)


def encode_figure(
    figure: Figure,
    kind: Literal["svg", "png", "pdf"],
    *,
    dpi: int = 150,
    text: Literal["path", "none"] = "path",
    level: int = 6,
) -> bytes:
    """Bytes of a figure; the same figure always gives the same bytes.

    `Figure.savefig` would draw it twice, the first time only for the layout.

    Args:
        figure: The figure.
        kind: Format.
        dpi: Pixels per inch of a `png`.
        text: Whether an `svg` has its letters as outlines, which look the same everywhere, or as text, which can be
            edited; `none` is matplotlib's word for text.
        level: How much time a `png` takes to become smaller, 1 to 9: a photograph hardly does.
    """
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "segassay", "svg.fonttype": text, "pdf.fonttype": 42}):
        figure.set_dpi(dpi)
        if kind == "svg":
            FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
        elif kind == "pdf":
            from matplotlib.backends.backend_pdf import FigureCanvasPdf  # loads a writer of fonts

            figure.set_dpi(72)
            FigureCanvasPdf(figure).print_pdf(file, metadata={"CreationDate": None})
        else:
            FigureCanvasAgg(figure).print_png(file, metadata={"Software": None}, pil_kwargs={"compress_level": level})
    return file.getvalue()


def figure_on(place: Figure | None, width: float, height: float) -> Figure:
    """The figure to draw on: a new one of this size in inches, or the given one resized to it."""
    scale, _ = SIZES[_STYLE.get()]
    if place is None:
        return Figure(figsize=(width * scale, height * scale), layout="constrained")
    place.set_size_inches(width * scale, height * scale)
    return place


def axes_on(place: Figure | Axes | None, width: float, height: float) -> Axes:
    """The axes to draw on: the given axes unchanged, else new axes of `figure_on`."""
    if isinstance(place, Axes):
        return place
    axes: Axes = figure_on(place, width, height).subplots()
    return axes


def add_legend(figure: Figure, handles: Sequence[Artist], loc: _Place) -> None:
    """A legend outside of the axes, in as many columns as fit into the width of the figure."""
    _, text = SIZES[_STYLE.get()]
    inches = 0.5 + 0.075 * text * max((len(str(handle.get_label())) for handle in handles), default=0)
    n_columns = max(1, min(len(handles), int(figure.get_figwidth() / inches)))
    figure.legend(handles=list(handles), loc=loc, ncols=n_columns, frameon=False)


_AXES: dict[str, Any] = {
    **{"figure.facecolor": "white", "axes.facecolor": "white", "axes.edgecolor": "0.6", "axes.axisbelow": True},
    **{"text.color": INK, "axes.labelcolor": INK, "xtick.color": ".15", "ytick.color": ".15"},
    **{"axes.grid": False, "grid.color": ".8", "grid.linestyle": "-"},
    **{"xtick.direction": "out", "xtick.bottom": True, "xtick.top": False},
    **{"ytick.direction": "out", "ytick.left": True, "ytick.right": False},
    **dict.fromkeys([f"axes.spines.{side}" for side in ("left", "bottom", "right", "top")], True),
    **{"font.family": ["sans-serif"], "lines.solid_capstyle": "round"},
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    **{"patch.edgecolor": "w", "patch.force_edgecolor": True},
}
"""Axes with ticks and without a grid: seaborn's style `ticks`, which is written out because seaborn loads slowly."""

_SIZES_OF_LINES = {
    **{"axes.linewidth": 1.25, "grid.linewidth": 1, "lines.linewidth": 1.5, "lines.markersize": 6},
    **{"patch.linewidth": 1, "xtick.major.width": 1.25, "ytick.major.width": 1.25},
    **{"xtick.minor.width": 1, "ytick.minor.width": 1, "xtick.major.size": 6, "ytick.major.size": 6},
    **{"xtick.minor.size": 4, "ytick.minor.size": 4},
}
_SIZES_OF_TEXT = {
    **{"font.size": 12, "axes.labelsize": 12, "axes.titlesize": 12, "legend.title_fontsize": 12},
    **{"xtick.labelsize": 11, "ytick.labelsize": 11, "legend.fontsize": 11},
}
_PAPER = 0.8
"""Scale of both sizes on paper; with these it is seaborn's context `paper`."""


def plot_style() -> AbstractContextManager[object]:
    """Style of all figures with axes, as a context manager."""
    _, text = SIZES[_STYLE.get()]
    lines = {name: size * _PAPER for name, size in _SIZES_OF_LINES.items()}
    texts = {name: size * _PAPER * text for name, size in _SIZES_OF_TEXT.items()}
    settings: Any = _AXES | lines | texts  # matplotlib lists the names that it knows
    return matplotlib.rc_context(settings)


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

"""Figures of classes: an image with the classes of each annotator in colour, next to their consensus."""

import colorsys
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from segassay.figures.overlays import _brighten, _frame, _outline

__all__ = ["CLASS_COLOURS", "class_colours", "class_overview"]

CLASS_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
"""Okabe and Ito's palette without black, which grey images have."""

_FILL = 0.45
_MAX_RATERS = 10
_COLUMNS = 4
_MARGIN_PX = 8
_SMALLEST_PX = 48


def class_colours(names: Sequence[str], said: Mapping[str, str] | None = None) -> dict[str, str]:
    """A colour for each class: that of `dataset.yaml`, else the next one that colour-blind readers tell apart.

    From the eighth class on, hues that are a golden angle apart.

    Args:
        names: Of the classes, in their order.
        said: Colours of some of them.

    Example:
        >>> class_colours(["zone", "tumour", "organ"], {"zone": "#56B4E9"})
        {'zone': '#56b4e9', 'tumour': '#e69f00', 'organ': '#009e73'}
    """
    known = {name: colour.lower() for name, colour in (said or {}).items()}
    free = [colour for colour in CLASS_COLOURS if colour not in known.values()]
    found: dict[str, str] = {}
    for name in names:
        found[name] = known.get(name) or (free.pop(0) if free else _hue(len(found)))
    return found


def _hue(number: int) -> str:
    red, green, blue = colorsys.hsv_to_rgb(0.618034 * number % 1, 0.75, 0.9)
    return "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))


def class_overview(
    image: np.ndarray,
    raters: Mapping[str, np.ndarray],
    consensus: np.ndarray,
    colours: Mapping[str, str],
    *,
    title: str,
) -> Figure:
    """The consensus, the classes of each rater, and how many raters differ from the consensus, side by side.

    Shown is the part of the image that anybody marked. Of classes that contain others, the smaller ones are on top.

    Args:
        image: `(C, height, width)`; brightness from the 1st to the 99.8th percentile of what is shown.
        raters: Rater -> boolean masks `(K, height, width)` of the classes; of more than 10 raters the first 10.
        consensus: Boolean masks `(K, height, width)`.
        colours: Class -> colour, in the order of the masks.
        title: Heading.

    Returns:
        A figure with a panel for each.

    Example:
        >>> masks = np.zeros((2, 12, 16), bool)
        >>> masks[0, 3:8, 4:12] = True
        >>> colours = class_colours(["cell", "nucleus"])
        >>> figure = class_overview(masks[:1] * 1.0, {"anna": masks}, masks, colours, title="7")
        >>> [axes.get_title(loc="left") for axes in figure.axes[:3]]
        ['consensus', 'anna', 'raters who differ']
    """
    differing = np.zeros(consensus.shape[1:], dtype=int)
    for masks in raters.values():
        differing += (masks != consensus).any(axis=0)
    box = _marked_part([consensus, *raters.values()])
    shown = _brighten(np.moveaxis(image, 0, -1)[(*box, slice(None, 3))])
    names = list(raters)[:_MAX_RATERS]
    panels = {"consensus": consensus, **{name: raters[name] for name in names}}
    n_panels = len(panels) + 1
    n_columns = min(range(min(_COLUMNS, n_panels), 2, -1), key=lambda n: -n_panels % n, default=n_panels)
    n_rows = -(-n_panels // n_columns)
    height, width = shown.shape[:2]
    figure = Figure(figsize=(3.2 * n_columns + 0.5, n_rows * (3.2 * height / width + 0.35) + 0.9), layout="constrained")
    axes = list(figure.subplots(n_rows, n_columns, squeeze=False).flat)
    sizes = np.sum([masks.sum(axis=(1, 2)) for masks in panels.values()], axis=0)
    on_top = np.argsort(-sizes, kind="stable")
    for place, (name, masks) in zip(axes, panels.items(), strict=False):
        _draw(place, shown, masks[(slice(None), *box)], list(colours.values()), on_top)
        _frame(place, (height, width), name)
    counts = matplotlib.colormaps["cividis"].resampled(len(raters) + 1)
    last = axes[len(panels)]
    drawn = last.imshow(differing[box], cmap=counts, vmin=-0.5, vmax=len(raters) + 0.5, interpolation="nearest")
    _frame(last, (height, width), "raters who differ")
    figure.colorbar(drawn, ax=last, ticks=MaxNLocator(integer=True, nbins=7), shrink=0.8)
    for empty in axes[n_panels:]:
        empty.set_axis_off()
    more = f"; {len(raters) - len(names)} more raters are not shown" if len(raters) > len(names) else ""
    figure.suptitle(title + more, x=0.01, ha="left")
    entries = [Patch(facecolor=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=entries, loc="outside lower center", ncols=min(len(entries), 6), frameon=False)
    return figure


def _draw(axes: Axes, shown: np.ndarray, masks: np.ndarray, colours: Sequence[str], order: np.ndarray) -> None:
    """The image with every class `(K, height, width)` filled and outlined, in this order."""
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    fill = np.zeros((*masks.shape[1:], 4))
    for number in order:
        fill[masks[number]] = (*matplotlib.colors.to_rgb(colours[number]), _FILL)
    axes.imshow(fill, interpolation="nearest")
    for number in order:
        _outline(axes, masks[number], color=colours[number], linewidth=1.2)


def _marked_part(stacks: Sequence[np.ndarray]) -> tuple[slice, slice]:
    """Rows and columns with all that is marked in masks `(K, height, width)`, and a margin; all if nothing is."""
    marked: np.ndarray = np.zeros(stacks[0].shape[1:], dtype=bool)
    for masks in stacks:
        marked |= masks.any(axis=0)
    if not marked.any():
        return slice(0, marked.shape[0]), slice(0, marked.shape[1])
    box = []
    for axis, length in enumerate(marked.shape):
        inside = np.flatnonzero(marked.any(axis=1 - axis))
        middle = (inside[0] + inside[-1]) / 2
        half = max((inside[-1] - inside[0] + 1) / 2 + _MARGIN_PX, _SMALLEST_PX / 2)
        start = int(max(0, min(middle - half, length - 2 * half)))
        box.append(slice(start, int(min(length, start + 2 * half + 1))))
    return box[0], box[1]

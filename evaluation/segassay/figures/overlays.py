"""Figures of images: outlines of annotators, or of objects, on an image; raters next to their consensus."""

import itertools
from collections.abc import Mapping
from typing import Literal

import imagecodecs
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, Normal, Stroke
from matplotlib.ticker import MaxNLocator

OUTLINES = ("#00e5ff", "#ff9f1c", "#f15bb5", "#9ef01a", "#fee440", "#b388ff")
"""Colours that are visible on grey images and differ at least in brightness for colour-blind readers."""


def overlay(image: np.ndarray, masks: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """Draw an image with one outline per annotator, each in its colour.

    Args:
        image: `(C, *spatial)`; a volume is shown in the middle plane across its shortest axis. Brightness runs from
            the 1st to the 99.8th percentile.
        masks: Annotator -> boolean mask `(*spatial)`, drawn in this order.
        title: Heading.

    Returns:
        A figure without a window; save it with `figure.savefig`.

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
    """A dark edge that makes light lines visible on a light background."""
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


def overlay_png(
    image: np.ndarray, labels: np.ndarray, colour_of: Mapping[int, tuple[int, int, int]] | None = None
) -> bytes:
    """An image with the outline of each object as a PNG, pixel by pixel, without a frame or a legend.

    Outlines are the outermost pixels of the objects, so that they show what was counted; touching objects stay apart.
    They are yellow with a dark edge: visible on bright and on dark images, and to colour-blind readers.

    Args:
        image: `(C, *spatial)`. One channel is grey, two are magenta and green, of more the first three red, green and
            blue. Brightness of each channel runs from its 1st to its 99.8th percentile.
        labels: Whole numbers or boolean, `(*spatial)`; of a volume the plane across the shortest axis with most
            foreground is shown.
        colour_of: Label -> colour of its outline, where that is not yellow.

    Returns:
        Bytes of the file. Small images are enlarged to about 800 pixels, at most 4096 along the longer side, large ones
        reduced to at most 4096; the same input gives the same bytes.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> labels = np.zeros((40, 60), dtype=int)
        >>> labels[10:20, 10:30] = 1
        >>> imagecodecs.png_decode(overlay_png(labels[None] / 2, labels)).shape
        (800, 1200, 3)
    """
    if image.shape[1:] != labels.shape:
        raise ValueError(f"image must have the shape (C, *{labels.shape}), got {image.shape}")
    plane = most_marked_plane(labels > 0)
    shown, labels = image[:3][(slice(None), *plane)], labels[plane]
    step = -(-max(labels.shape) // 4096)
    longest = max(labels.shape)
    enlarged = max(1, min(800 // max(1, min(labels.shape)), 4096 // longest) if longest < 2000 else 1)
    shown = coloured(shown[:, ::step, ::step]).repeat(enlarged, axis=0).repeat(enlarged, axis=1)
    labels = labels[::step, ::step].repeat(enlarged, axis=0).repeat(enlarged, axis=1)
    width = max(1, min(enlarged // 2, _THICK), round(max(labels.shape) / 1000))
    line = _rims(labels, width)
    edge = _grown(line, width) & ~line
    shown[edge] //= 2
    shown[line] = _LINE
    if colour_of:
        palette = np.full((int(labels.max(initial=0)) + 1, 3), _LINE, dtype=np.uint8)
        for label, colour in colour_of.items():
            palette[label] = colour
        shown[line] = palette[labels[line]]
    return bytes(imagecodecs.png_encode(shown, level=2))


_THICK = 16
"""Width of an outline in the enlarged picture of a tiny image, at most."""

_LINE = (240, 228, 66)
"""Yellow of Okabe and Ito's colour-blind safe palette."""


def _rims(labels: np.ndarray, width: int) -> np.ndarray:
    """Pixels of an object no further than `width` from a pixel that is not of it."""
    rim = np.zeros(labels.shape, dtype=bool)
    height, wide = labels.shape
    if labels.max(initial=0) < 2**16:  # numbers are only compared, small ones faster
        labels = labels.astype(np.uint16)
    framed = np.pad(labels, width)
    for shift in range(1, width + 1):
        for way in (width - shift, width + shift):
            rim |= framed[way : way + height, width : width + wide] != labels
            rim |= framed[width : width + height, way : way + wide] != labels
    return rim & (labels > 0)


def _grown(mask: np.ndarray, width: int) -> np.ndarray:
    """Pixels of a mask, and those at most `width` steps along rows and columns from one."""
    for _ in range(width):
        grown = mask.copy()
        grown[1:] |= mask[:-1]
        grown[:-1] |= mask[1:]
        grown[:, 1:] |= mask[:, :-1]
        grown[:, :-1] |= mask[:, 1:]
        mask = grown
    return mask


def coloured(channels: np.ndarray) -> np.ndarray:
    """Colours of an image, each channel stretched on its own from its 1st to its 99.8th percentile.

    Args:
        channels: `(C, height, width)`. One channel is grey, two are magenta and green, three red, green and blue.

    Returns:
        uint8 `(height, width, 3)`.

    Example:
        >>> coloured(np.array([[[0.0, 1.0]]])).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    order = {1: (0, 0, 0), 2: (0, 1, 0)}.get(len(channels), (0, 1, 2))
    bright = [_stretched(channel) for channel in channels]
    return np.stack([bright[channel] for channel in order], axis=-1)


def _stretched(channel: np.ndarray) -> np.ndarray:
    """Brightness as 0..255, from the 1st to the 99.8th percentile; what is no finite number is black."""
    values = channel.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        values[~finite] = values[finite].min() if finite.any() else 0
    low, high = np.percentile(values, [1, 99.8]).astype(np.float32)
    scaled = (values - low) * np.float32(255 / max(high - low, 1e-9))
    return (np.clip(scaled, 0, 255) + np.float32(0.5)).astype(np.uint8)


CONSENSUS_COLOUR = "#ffffff"


_ZOOM_PX = 192  # side of the part that is shown enlarged
_WHOLE_PX = 2048  # longer side of an image that is shown whole; four times as many pixels as its panel


def most_marked_plane(marked: np.ndarray) -> tuple[slice | int, ...]:
    """Index of what a figure shows: a whole image; of a volume, the plane across its shortest axis with most marked.

    Args:
        marked: Boolean `(*spatial)`, two or three axes.

    Returns:
        An index that leaves two axes; the middle plane if nothing is marked.

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

    A large image is shown whole with the consensus alone. The raters are shown in the part where they disagree most:
    192 pixels wide, or a sixth of the longer side if that is more.

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
    votes = np.zeros(consensus.shape, dtype=np.min_scalar_type(len(masks)))
    for mask in masks.values():
        votes += mask
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
        step = _step(consensus.shape)
        small = _blocks(np.logical_or, consensus, step)
        whole.imshow(_brighten(shown[::step, ::step]), cmap="gray", vmin=0, vmax=1)
        _outline(whole, small, color=CONSENSUS_COLOUR, linewidth=0.6)
        rows, columns = box
        corner = (columns.start / step - 0.5, rows.start / step - 0.5)
        size = ((columns.stop - columns.start) / step, (rows.stop - rows.start) / step)
        whole.add_patch(Rectangle(corner, *size, fill=False, edgecolor=CONSENSUS_COLOUR, linewidth=1.5, linestyle="--"))
        _frame(whole, small.shape, "consensus; box: most disagreement")

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
    """Rows and columns of the part with most disagreement; the whole of a small image."""
    step = _step(votes.shape)
    part = min(1.0, max(1 / 6, _ZOOM_PX / max(votes.shape)))
    disputed = np.minimum(votes, n_raters - votes)
    amount = _blocks(np.add, disputed if disputed.any() else votes, step)
    size = [max(1, round(part * length)) for length in amount.shape]
    sums = np.pad(amount, ((1, 0), (1, 0))).cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    high, wide = size
    inside = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(row) * step, (int(row) + high) * step), slice(int(column) * step, (int(column) + wide) * step)


def _step(shape: tuple[int, ...]) -> int:
    """By how much an image is reduced where it is shown whole; 1 up to `_WHOLE_PX` pixels along its longer side."""
    return -(-max(shape) // _WHOLE_PX)


def _blocks(function: np.ufunc, array: np.ndarray, step: int) -> np.ndarray:
    """A function of every block of `step` by `step` pixels `(height, width)`; the last ones may be smaller."""
    if step == 1:
        return array
    rows, columns = (list(range(0, length, step)) for length in array.shape)
    return np.asarray(function.reduceat(function.reduceat(array, rows, axis=0), columns, axis=1))

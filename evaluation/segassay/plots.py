"""Pictures for people: an image with the outlines that annotators drew on it."""

import itertools
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke

OUTLINES = ("#00e5ff", "#ff9f1c", "#f15bb5", "#9ef01a", "#fee440", "#b388ff")
"""Colours that show on grey images and differ for colour-blind eyes at least in brightness."""


def overlay(image: np.ndarray, masks: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """Draw an image with one outline per annotator, each in its colour.

    Args:
        image: `(C, *spatial)`; a volume is shown in its middle plane, brightness from the 1st to the 99.8th percentile.
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
        plane = _plane(mask[..., None], mask.ndim)[..., 0]
        if plane.any():  # padded, so that outlines close at the border
            axes.contour(
                np.arange(-1, width + 1),
                np.arange(-1, height + 1),
                np.pad(plane, 1),
                [0.5],
                colors=[colour],
                linewidths=1,
            )
        entries.append(
            Line2D(
                [], [], color=colour, label=annotator, path_effects=[Stroke(linewidth=2.5, foreground="0.3"), Normal()]
            )
        )
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)  # without `set_axis_off`, which would leave no room for the title
    axes.set_title(title, loc="left")
    figure.legend(handles=entries, loc="outside lower center", ncols=min(len(entries), 5) or 1, frameon=False)
    return figure


def _plane(array: np.ndarray, n_axes: int) -> np.ndarray:
    """The middle plane `(height, width, C)` of `(*spatial, C)`."""
    for _ in range(n_axes - 2):
        array = array[len(array) // 2]
    return array


def _brighten(shown: np.ndarray) -> np.ndarray:
    """Stretch brightness to 0..1; `(height, width)` for one channel, else `(height, width, 3)`."""
    shown = shown.astype(float)
    low, high = np.percentile(shown, [1, 99.8])
    stretched = np.clip((shown - low) / max(high - low, 1e-9), 0, 1)
    if shown.shape[-1] == 2:
        stretched = np.concatenate([stretched, np.zeros_like(stretched[..., :1])], axis=-1)
    return stretched[..., 0] if shown.shape[-1] == 1 else stretched

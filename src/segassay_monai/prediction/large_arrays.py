"""Maps and objects of a large image on disk: written window by window, labelled strip by strip, divided one by one.

maps of windows -> LargeArrays -> label_large, split_large -> objects 1..n, those that touch apart
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from segassay.masks.depth import divide_by_depth
from segassay.masks.strips import StripLabels
from segassay.masks.touching import divide
from segassay.masks.touching_blocks import split_objects
from segassay_monai.ensemble.case_files import MAPS
from segassay_monai.ensemble.classes import Classes, class_masks, drawing_order
from segassay_monai.prediction.window_run import DEPTH, strip_height

__all__ = ["LargeArrays", "label_large", "object_boxes", "split_large"]

_BATCH = 2000  # objects that are divided before what they used of the memory is given back

Box = tuple[slice, ...]


class LargeArrays:
    """Arrays `(*spatial)` of an image in files of a folder: `labels` and `prob`, perhaps all `MAPS`.

    Of a model of classes, `layers` has labels and probability of each class; `labels` are then the objects of all.

    A file is opened for each access, since what is read of an open one counts as memory of the process.

    Args:
        folder: A folder without such files.
        shape: Of the image.
        keep_maps: Whether the uncertainties are kept, too.
        keep_depth: Whether the depth is kept, too.
        classes: Of the model.
    """

    def __init__(
        self, folder: Path, shape: tuple[int, ...], keep_maps: bool, keep_depth: bool = False, classes: Classes = ()
    ) -> None:
        self.folder, self.shape, self.classes = folder, shape, classes
        self.kinds = (*(MAPS[1:] if keep_maps else ()), *[DEPTH] * keep_depth)
        self._ending = ""
        self.layers = [self]
        if classes:
            self.layers = [copy(self) for _ in classes]
            for number, layer in enumerate(self.layers):
                layer._ending = f"_{number}"
                layer.layers = self.layers
            self.open("labels", "w+")
        for kind in self.kinds:
            self.open(kind, "w+")
        for layer in self.layers:
            layer.open("prob", "w+")
            layer.open("labels", "w+")

    def open(self, kind: str, mode: str = "r") -> np.memmap:
        """An array on disk."""
        dtype = np.int32 if kind == "labels" else np.float32
        name = kind + self._ending * (kind in ("prob", "labels"))
        return np.memmap(self.folder / name, dtype, mode, shape=self.shape)  # type: ignore[call-overload]

    def read(self, kind: str, window: Box) -> np.ndarray:
        """A part of an array."""
        return np.array(self.open(kind)[window])

    def probs(self, window: Box) -> np.ndarray:
        """A part of the probabilities of all classes `(K, *window)`."""
        return np.stack([layer.read("prob", window) for layer in self.layers])

    def masks(self, window: Box) -> np.ndarray:
        """A part of the masks of all classes, boolean `(K, *window)`."""
        return np.asarray(class_masks(torch.from_numpy(self.probs(window))[None], self.classes)[0].numpy())

    def write(self, window: Box, maps: Mapping[str, np.ndarray]) -> None:
        """Set a part of all maps that are kept, `prob` `(K, *window)` and the others `(*window)`; or of the labels."""
        for kind in ("labels",) if "labels" in maps else self.kinds:
            self.open(kind, "r+")[window] = maps[kind]
        for layer, prob in zip(self.layers, maps.get("prob", ()), strict=False):
            layer.open("prob", "r+")[window] = prob

    def strips(self) -> Iterator[Box]:
        """Windows of rows, or of planes, from the first to the last."""
        height = strip_height(self.shape)
        for start in range(0, self.shape[0], height):
            yield slice(start, min(start + height, self.shape[0])), *(slice(0, length) for length in self.shape[1:])


def label_large(
    arrays: LargeArrays,
    counted: Callable[[Box], np.ndarray],
    min_size: int,
    divide: Callable[[LargeArrays], None] | None = None,
) -> int:
    """Number the objects as `label_objects` does, those of several classes as `number_objects` does.

    Args:
        arrays: With all maps.
        counted: Which pixels of a window count.
        min_size: Smaller objects are left out.
        divide: Divides the objects of one layer that touch.

    Returns:
        The number of pixels that count.
    """
    n = 0
    for number, layer in enumerate(arrays.layers):
        _label(layer, number, counted, min_size)
        if divide is not None:
            divide(layer)
        if arrays.classes:
            n = _renumber(layer, n)
    if arrays.classes:
        _draw(arrays)
    return sum(int(counted(strip).sum()) for strip in arrays.strips())


def _label(layer: LargeArrays, number: int, counted: Callable[[Box], np.ndarray], min_size: int) -> None:
    labels = StripLabels()
    for strip in layer.strips():
        layer.write(strip, {"labels": labels.add(layer.masks(strip)[number] & counted(strip))})
    final = labels.finish(min_size)
    for strip in layer.strips():
        layer.write(strip, {"labels": final[layer.read("labels", strip)]})


def _renumber(layer: LargeArrays, n: int) -> int:
    """Let the objects of a class follow those of the classes before it; returns the number of all so far."""
    last = n
    for strip in layer.strips():
        labels = layer.read("labels", strip)
        labels[labels > 0] += n
        last = max(last, int(labels.max(initial=0)))
        layer.write(strip, {"labels": labels})
    return last


def _draw(arrays: LargeArrays) -> None:
    """One label image of all classes, in which inner regions lie on top."""
    for strip in arrays.strips():
        drawn = np.zeros([part.stop - part.start for part in strip], dtype=np.int32)
        for number in drawing_order(arrays.classes):
            labels = arrays.layers[number].read("labels", strip)
            drawn = np.where(labels > 0, labels, drawn)
        arrays.write(strip, {"labels": drawn})


def split_large(arrays: LargeArrays, min_size: int, spacing: Sequence[float] | None) -> None:
    """Divide touching objects, as `split_touching`, or `split_by_depth` if there is a depth, does in memory."""
    boxes = iter(object_boxes(arrays).items())
    kind, by = (DEPTH, divide_by_depth) if DEPTH in arrays.kinds else ("prob", divide)
    n = 0
    while batch := dict(islice(boxes, _BATCH)):
        n = split_objects(arrays.open("labels", "r+"), arrays.open(kind), batch, n, min_size, spacing=spacing, by=by)
    for strip in arrays.strips():
        arrays.write(strip, {"labels": -arrays.read("labels", strip)})


def object_boxes(arrays: LargeArrays) -> dict[int, Box]:
    """Bounding box of each object, from those of its parts in strips; in the order of their numbers."""
    found: dict[int, Box] = {}
    for (first, *_), strip in ((window, arrays.read("labels", window)) for window in arrays.strips()):
        present = np.unique(strip)
        present = present[present > 0]
        ranks = np.searchsorted(present, strip).astype(np.int32) + 1
        ranks[strip == 0] = 0
        for label, (rows, *others) in zip(present.tolist(), ndimage.find_objects(ranks), strict=True):
            box = (slice(rows.start + first.start, rows.stop + first.start), *others)
            found[label] = _joined(found[label], box) if label in found else box
    return {label: found[label] for label in sorted(found)}


def _joined(one: Box, other: Box) -> Box:
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))

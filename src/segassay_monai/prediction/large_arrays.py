"""Maps and objects of a large image on disk: written window by window, labelled strip by strip, divided one by one.

maps of windows -> LargeArrays -> label_large -> objects 1..n -> split_large -> touching objects apart
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from scipy import ndimage

from segassay.masks.depth import divide_by_depth
from segassay.masks.strips import StripLabels
from segassay.masks.touching import divide
from segassay.masks.touching_blocks import split_objects
from segassay_monai.ensemble.case_files import MAPS
from segassay_monai.ensemble.ensemble_net import THRESHOLD
from segassay_monai.prediction.window_run import DEPTH, strip_height

__all__ = ["LargeArrays", "label_large", "object_boxes", "split_large"]

_BATCH = 2000  # objects that are divided before what they used of the memory is given back

Box = tuple[slice, ...]


class LargeArrays:
    """Arrays `(*spatial)` of an image in files of a folder: `labels` and `prob`, perhaps all `MAPS`.

    A file is opened for each access, since what is read of an open one counts as memory of the process.

    Args:
        folder: A folder without such files.
        shape: Of the image.
        keep_maps: Whether the uncertainties are kept, too.
        keep_depth: Whether the depth is kept, too.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], keep_maps: bool, keep_depth: bool = False) -> None:
        self.folder, self.shape = folder, shape
        self.kinds = (*(MAPS if keep_maps else ("prob",)), *[DEPTH] * keep_depth)
        for kind in (*self.kinds, "labels"):
            self.open(kind, "w+")

    def open(self, kind: str, mode: str = "r") -> np.memmap:
        """An array on disk."""
        dtype = np.int32 if kind == "labels" else np.float32
        return np.memmap(self.folder / kind, dtype, mode, shape=self.shape)  # type: ignore[call-overload]

    def read(self, kind: str, window: Box) -> np.ndarray:
        """A part of an array."""
        return np.array(self.open(kind)[window])

    def write(self, window: Box, maps: Mapping[str, np.ndarray]) -> None:
        """Set a part of all maps that are kept, or of the labels."""
        for kind in ("labels",) if "labels" in maps else self.kinds:
            self.open(kind, "r+")[window] = maps[kind]

    def strips(self) -> Iterator[Box]:
        """Windows of rows, or of planes, from the first to the last."""
        height = strip_height(self.shape)
        for start in range(0, self.shape[0], height):
            yield slice(start, min(start + height, self.shape[0])), *(slice(0, length) for length in self.shape[1:])


def label_large(arrays: LargeArrays, counted: Callable[[Box], np.ndarray], min_size: int) -> int:
    """Number the objects as `label_objects` does; returns the number of pixels that count.

    Args:
        arrays: With all maps.
        counted: Which pixels of a window count.
        min_size: Smaller objects are left out.
    """
    labels, n_counted = StripLabels(), 0
    for strip in arrays.strips():
        inside = counted(strip)
        provisional = labels.add((arrays.read("prob", strip) > THRESHOLD) & inside)
        arrays.write(strip, {"labels": provisional})
        n_counted += int(inside.sum())
    final = labels.finish(min_size)
    for strip in arrays.strips():
        arrays.write(strip, {"labels": final[arrays.read("labels", strip)]})
    return n_counted


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

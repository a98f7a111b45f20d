"""Objects and files of a large image: measured block by block, written from arrays on disk.

LargeArrays -> measure_classes -> rows of objects.csv
            -> write_large -> masks/ instances/ prob/ … rois/ geojson/ overlays/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from segassay.figures.overlays import overlay_png
from segassay.figures.planes import Cut, view_of
from segassay.io.geojson import write_geojson
from segassay.io.images import Picture, is_nifti, write_bytes
from segassay.io.rois import write_rois
from segassay.io.tiled_files import write_parts
from segassay.io.windows import Windows
from segassay.masks.large_objects import large_object_properties
from segassay.masks.properties import object_properties
from segassay_monai.ensemble.case_files import MAPS, map_type
from segassay_monai.ensemble.classes import entropy, meaning_of_values, values_of
from segassay_monai.prediction.case import axes_of
from segassay_monai.prediction.files import Colours
from segassay_monai.prediction.large_arrays import Box, LargeArrays, object_boxes
from segassay_monai.prediction.thumbnails import thumbnail

__all__ = ["measure_classes", "measure_objects", "write_large"]

_BLOCK = {2: 2048, 3: 192}  # side of the blocks whose objects are measured together, by the number of axes
_STRIP = 2**22  # pixels of a larger object that are measured at once
_SHOWN = 4096
_READS = 50  # what is around each is read, too


def measure_classes(arrays: LargeArrays, image: Windows, frame: Picture, channels: Sequence[str] = ()) -> pd.DataFrame:
    """Rows of the objects of all classes, with a column `class`; without classes those of `measure_objects`."""
    if not arrays.classes:
        return measure_objects(arrays, image, frame, channels)
    tables = [measure_objects(layer, image, frame, channels) for layer in arrays.layers]
    for table, (name, _) in zip(tables, arrays.classes, strict=True):
        table.insert(1, "class", name)
    return pd.concat(tables, ignore_index=True)


def measure_objects(arrays: LargeArrays, image: Windows, frame: Picture, channels: Sequence[str] = ()) -> pd.DataFrame:
    """Rows of all objects, as `object_properties` gives them for the whole image.

    Args:
        arrays: With all labels.
        image: The image.
        frame: Its picture, with the pixel size to use.
        channels: Names of its channels; by default they have numbers.
    """
    boxes = object_boxes(arrays)
    names, side = axes_of(image.path, len(arrays.shape)), _BLOCK[len(arrays.shape)]
    blocks: dict[tuple[int, ...], list[int]] = {}
    tables = []
    for label, box in boxes.items():
        if max(part.stop - part.start for part in box) > side:
            tables.append(_measure_alone(arrays, image, frame, label, box, names, channels))
        else:
            blocks.setdefault(tuple(part.start // side for part in box), []).append(label)
    tables += [_measure(arrays, image, frame, boxes, labels, names, channels) for labels in blocks.values()]
    if not tables:
        nothing = np.zeros((1,) * len(arrays.shape), dtype=np.int32)
        blank = np.zeros((len(frame.array), *nothing.shape))
        return object_properties(nothing, blank, nothing * 1.0, frame.spacing_um, axes=names, channels=channels)
    return pd.concat(tables).sort_values("label", ignore_index=True)


def _measure(
    arrays: LargeArrays,
    image: Windows,
    frame: Picture,
    boxes: Mapping[int, Box],
    labels: Sequence[int],
    names: str,
    channels: Sequence[str],
) -> pd.DataFrame:
    """Rows of the objects of one block; others in its window are left out."""
    own = [boxes[label] for label in labels]
    window = tuple(
        slice(min(box[axis].start for box in own), max(box[axis].stop for box in own)) for axis in range(len(names))
    )
    part = arrays.read("labels", window)
    part[~np.isin(part, labels)] = 0
    pixels, prob = image.read(*window), arrays.read("prob", window)
    table = object_properties(part, pixels, prob, frame.spacing_um, axes=names, channels=channels)
    return _placed(table, window, arrays.shape, names)


def _measure_alone(
    arrays: LargeArrays, image: Windows, frame: Picture, label: int, box: Box, names: str, channels: Sequence[str]
) -> pd.DataFrame:
    """Row of an object that is larger than a block, strip by strip."""

    def strips() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        rows, *others = box
        height = max(_STRIP // prod(part.stop - part.start for part in others), 1)
        for start in range(rows.start, rows.stop, height):
            window = (slice(start, min(start + height, rows.stop)), *others)
            yield arrays.read("labels", window) == label, image.read(*window), arrays.read("prob", window)

    table = large_object_properties(label, strips(), frame.spacing_um, axes=names, channels=channels)
    return _placed(table, box, arrays.shape, names)


def _placed(table: pd.DataFrame, window: Box, shape: Sequence[int], names: str) -> pd.DataFrame:
    """Rows of objects in a window, with their places in the whole image."""
    at_border = np.zeros(len(table), dtype=bool)
    for name, where, length in zip(names, window, shape, strict=True):
        for column in (f"centroid_{name}", f"bbox_{name}_min", f"bbox_{name}_max"):
            table[column] += where.start
        at_border |= (table[f"bbox_{name}_min"] == 0) | (table[f"bbox_{name}_max"] == length)
    return table.assign(touches_border=at_border)


def write_large(
    out: Path,
    case: str,
    arrays: LargeArrays,
    image: Windows,
    frame: Picture,
    objects: pd.DataFrame,
    save: Sequence[str],
    order: Sequence[str],
    colours: Mapping[str, str],
) -> dict[str, str]:
    """Write the files of a large image: tiled TIFF or OME-TIFF, NIfTI for NIfTI, and of the overlay every few pixels.

    Args:
        out: Folder of the results.
        case: Name of the case.
        arrays: With all objects.
        image: The image.
        frame: Its picture, with the pixel size to use.
        objects: From `measure_classes`.
        save: Kinds of files, from `files.SAVE`.
        order: Names of the classes in the order of their probabilities; empty for that of the model.
        colours: Class -> its colour in dataset.yaml.

    Returns:
        Folder -> path relative to `out`.
    """
    ending = map_type(image.path, frame)
    values = meaning_of_values(arrays.classes)
    kinds: dict[str, tuple[type[np.generic], list[Callable[..., np.ndarray]]]] = {
        "masks": (_whole(max(values)) if values else np.uint8, [partial(_mask, arrays)])
    }
    if "instances" in save:
        kinds["instances"] = (_whole(len(objects)), [partial(_part, arrays, "labels")])
    if "prob" in save:
        names = [name for name, _ in arrays.classes]
        own: Sequence[int] = range(len(arrays.layers))
        if names and sorted(order) == sorted(names):
            own = [names.index(name) for name in order]
        kinds["prob"] = (np.float32, [partial(_part, arrays.layers[number], "prob") for number in own])
    if "uncertainty" in save:
        kinds |= {kind: (np.float32, [partial(_part, arrays, kind)]) for kind in MAPS[1:]}
    written = {}
    for kind, (dtype, channels) in kinds.items():
        written[kind] = _place(out, kind, f"{case}{ending}")
        write_parts(out / written[kind], channels, frame, dtype)
    return written | _write_outlines(out, case, arrays, image, frame, objects, save, colours)


def _part(arrays: LargeArrays, kind: str, *window: slice) -> np.ndarray:
    return arrays.read(kind, window)


def _mask(arrays: LargeArrays, *window: slice) -> np.ndarray:
    masks = arrays.masks(window)
    return values_of(masks, arrays.classes) if arrays.classes else masks[0] * np.uint8(255)


def _whole(largest: int) -> type[np.generic]:
    return np.uint32 if largest > np.iinfo(np.uint16).max else np.uint16


class _OnDisk:
    """Labels of which parts are read, with rows before columns as ImageJ shows them: an index is that of an array.

    The file is opened again after some parts, since what was read of an open one counts as memory of the process.
    """

    def __init__(self, arrays: LargeArrays, is_turned: bool) -> None:
        self.arrays, self.is_turned = arrays, is_turned
        self.shape = arrays.shape[::-1] if is_turned else arrays.shape
        self.ndim = len(self.shape)
        self._open: np.ndarray | None = None
        self._n_read = 0

    def __getitem__(self, place: tuple[slice | int, ...]) -> np.ndarray:
        if self._open is None or self._n_read % _READS == 0:
            labels = self.arrays.open("labels")
            self._open = labels.T if self.is_turned else labels
        self._n_read += 1
        return np.array(self._open[place])


def _write_outlines(
    out: Path,
    case: str,
    arrays: LargeArrays,
    image: Windows,
    frame: Picture,
    objects: pd.DataFrame,
    save: Sequence[str],
    colours: Mapping[str, str],
) -> dict[str, str]:
    confidence = dict(zip(objects["label"].tolist(), objects["confidence"].tolist(), strict=True))
    of_classes = Colours.of([name for name, _ in arrays.classes], objects, colours)
    class_of, measured = of_classes.class_of, objects.drop(columns="class", errors="ignore")
    is_turned = is_nifti(image.path)
    boxes = {label: box[::-1] if is_turned else box for label, box in object_boxes(arrays).items()}
    labels: Any = _OnDisk(arrays, is_turned)
    shown = _shown(arrays, image, frame, is_turned)
    n = len(frame.array)
    words: dict[str, Any] = {"boxes": boxes, "class_of": class_of}
    of_qupath: dict[str, Any] = {"measurements": measured, "colours": of_classes.of_class}
    writers: dict[str, tuple[str, str, Callable[[Path], None]]] = {
        "rois": ("rois", ".zip", lambda path: write_rois(path, labels, confidence, n_channels=n, **words)),
        "geojson": (
            "geojson",
            ".geojson",
            lambda path: write_geojson(path, labels, confidence, **words, **of_qupath),
        ),
        "overlay": ("overlays", ".png", lambda path: write_bytes(path, overlay_png(*shown[:2], of_classes.of_label))),
    }
    written = {}
    for kind, (folder, ending, write) in writers.items():
        if kind in save:
            written[folder] = _place(out, folder, f"{case}{ending}")
            write(out / written[folder])
    written["thumbnail"] = f".records/{case}.jpg"
    write_bytes(out / written["thumbnail"], thumbnail(*shown))
    return written


def _shown(
    arrays: LargeArrays, image: Windows, frame: Picture, is_turned: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image `(C, rows, columns)`, labels and uncertainty of what is drawn: every few pixels, of a volume one slice."""
    cut = _largest_cut(arrays, frame)
    plane: list[int | None] = [None] * len(arrays.shape)
    if cut.view is not None:
        plane[cut.view.across] = cut.place
    sides = [length for length, part in zip(arrays.shape, plane, strict=True) if part is None]
    step = max(-(-max(sides) // _SHOWN), 1)
    found: list[list[np.ndarray]] = [[], [], []]
    first = next(axis for axis, part in enumerate(plane) if part is None)
    n_rows = arrays.shape[first]
    height = max(2**23 // max(sides) // step, 1) * step
    thinned = tuple(slice(None, None, step) if part is None else 0 for part in plane)
    for start in range(0, n_rows, height):
        window = [
            slice(0, length) if part is None else slice(part, part + 1)
            for length, part in zip(arrays.shape, plane, strict=True)
        ]
        window[first] = slice(start, min(start + height, n_rows))
        prob = torch.from_numpy(arrays.probs(tuple(window))[(slice(None), *thinned)])
        found[0].append(image.read(*window)[(slice(None), *thinned)].copy())  # a view would keep the whole window
        found[1].append(arrays.read("labels", tuple(window))[thinned].copy())
        found[2].append(entropy(prob[None], arrays.classes)[0, 0].numpy())
    pixels, labels, unsure = (np.concatenate(parts, axis=-2) for parts in found)
    if cut.view is not None:
        turned = [cut.stretched(cut.view.turn(picture)) for picture in (*pixels, labels, unsure)]
        return np.stack(turned[:-2]), turned[-2], turned[-1]
    if is_turned:
        pixels, labels, unsure = pixels.swapaxes(1, 2), labels.T, unsure.T
    return pixels, labels, unsure


def _largest_cut(arrays: LargeArrays, frame: Picture) -> Cut:
    """What is drawn, as `figures.planes.largest_cut` chooses it, of objects that are read part by part."""
    if len(arrays.shape) != 3:
        return Cut()
    view = view_of(arrays.shape, frame.spacing_um, frame.affine)
    amount = np.zeros(arrays.shape[view.across], dtype=np.int64)
    others = tuple(axis for axis in range(3) if axis != view.across)
    for window in arrays.strips():
        amount[window[view.across]] += np.count_nonzero(arrays.read("labels", window), axis=others)
    return Cut(view, int(amount.argmax()) if amount.any() else len(amount) // 2)


def _place(out: Path, folder: str, name: str) -> str:
    (out / folder).mkdir(exist_ok=True)
    return f"{folder}/{name}"

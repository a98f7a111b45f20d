"""Maps and objects of a large image: kept on disk row by row, measured block by block, written as tiled files.

strips -> LargeArrays -> measure_objects -> rows of objects.csv
                      -> write_large -> masks/ instances/ prob/ … rois/ geojson/ overlays/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from segassay.figures.overlays import overlay_png
from segassay.io.geojson import write_geojson
from segassay.io.images import write_bytes
from segassay.io.rois import write_rois
from segassay.io.windows import TiffWindows, write_strips
from segassay.masks.properties import object_properties
from segassay_monai.ensemble.case_files import MAPS
from segassay_monai.ensemble.ensemble_net import THRESHOLD
from segassay_monai.prediction.thumbnails import thumbnail

__all__ = ["LargeArrays", "measure_objects", "write_large"]

_ROWS, _BLOCK, _SHOWN = 512, 2048, 4096


class LargeArrays:
    """Arrays `(rows, columns)` of an image in files of a folder: `labels` and `prob`, perhaps all `MAPS`.

    Args:
        folder: An empty folder.
        shape: Of the image.
        keep_maps: Whether the uncertainties are kept, too; else only a small picture of their total.
    """

    def __init__(self, folder: Path, shape: tuple[int, int], keep_maps: bool) -> None:
        self.folder, self.shape = folder, shape
        self.kinds = MAPS if keep_maps else ("prob",)
        self.step = max(-(-max(shape) // _SHOWN), 1)
        self._unsure: list[np.ndarray] = []
        self._row = 0

    def add(self, maps: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
        """Append a strip of all maps and of provisional labels."""
        for kind in self.kinds:
            self._append(kind, maps[kind])
        self._append("labels", labels)
        first = -self._row % self.step
        self._unsure.append(maps["uncertainty"][first :: self.step, :: self.step].copy())
        self._row += len(labels)

    def _append(self, kind: str, strip: np.ndarray) -> None:
        with (self.folder / kind).open("ab") as file:
            strip.tofile(file)

    def finish(self, final: np.ndarray) -> None:
        """Replace provisional labels by final ones."""
        labels = self.open("labels", "r+")
        for rows in _strips(self.shape[0]):
            labels[rows] = final[labels[rows]]
        labels.flush()

    @property
    def unsure(self) -> np.ndarray:
        """Uncertainty of every `step`-th pixel."""
        return np.concatenate(self._unsure)

    def open(self, kind: str, mode: str = "r") -> np.memmap:
        """An array on disk."""
        dtype = np.int32 if kind == "labels" else np.float32
        return np.memmap(self.folder / kind, dtype, mode, shape=self.shape)  # type: ignore[call-overload]

    def strips(self, kind: str) -> Iterator[np.ndarray]:
        """Rows from the top, read as they are needed."""
        dtype = np.dtype(np.int32 if kind == "labels" else np.float32)
        n_columns = self.shape[1]
        for rows in _strips(self.shape[0]):
            count = (rows.stop - rows.start) * n_columns
            offset = rows.start * n_columns * dtype.itemsize
            yield np.fromfile(self.folder / kind, dtype, count, offset=offset).reshape(-1, n_columns)


def _strips(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, _ROWS):
        yield slice(start, min(start + _ROWS, n_rows))


def measure_objects(arrays: LargeArrays, image: TiffWindows, spacing_um: Sequence[float] | None) -> pd.DataFrame:
    """Rows of all objects, as `object_properties` gives them for the whole image."""
    boxes = _boxes(arrays)
    blocks: dict[tuple[int, int], list[int]] = {}
    for label, (rows, columns) in boxes.items():
        blocks.setdefault((rows.start // _BLOCK, columns.start // _BLOCK), []).append(label)
    tables = [_measure(arrays, image, spacing_um, boxes, labels) for labels in blocks.values()]
    if not tables:
        nothing = np.zeros((1, 1), dtype=np.int32)
        return object_properties(nothing, np.zeros((image.shape[0], 1, 1)), nothing * 1.0, spacing_um)
    return pd.concat(tables).sort_values("label", ignore_index=True)


def _boxes(arrays: LargeArrays) -> dict[int, tuple[slice, slice]]:
    """Bounding box of each object, from those of its parts in strips."""
    found: dict[int, tuple[slice, slice]] = {}
    for start, strip in zip(range(0, arrays.shape[0], _ROWS), arrays.strips("labels"), strict=True):
        present = np.unique(strip)
        present = present[present > 0]
        ranks = np.searchsorted(present, strip) + 1
        ranks[strip == 0] = 0
        for label, (rows, columns) in zip(present.tolist(), ndimage.find_objects(ranks), strict=True):
            box = (slice(rows.start + start, rows.stop + start), columns)
            found[label] = _joined(found[label], box) if label in found else box
    return found


def _joined(one: tuple[slice, slice], other: tuple[slice, slice]) -> tuple[slice, slice]:
    rows, columns = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return rows, columns


def _measure(
    arrays: LargeArrays,
    image: TiffWindows,
    spacing_um: Sequence[float] | None,
    boxes: Mapping[int, tuple[slice, slice]],
    labels: Sequence[int],
) -> pd.DataFrame:
    """Rows of the objects of one block; others in its window are left out."""
    own = [boxes[label] for label in labels]
    rows, columns = (
        slice(min(box[axis].start for box in own), max(box[axis].stop for box in own)) for axis in range(2)
    )
    part = np.array(arrays.open("labels")[rows, columns])
    part[~np.isin(part, labels)] = 0
    prob = np.array(arrays.open("prob")[rows, columns])
    table = object_properties(part, image.read(rows, columns), prob, spacing_um)
    for name, start, length in (("y", rows.start, arrays.shape[0]), ("x", columns.start, arrays.shape[1])):
        for column in (f"centroid_{name}", f"bbox_{name}_min", f"bbox_{name}_max"):
            table[column] += start
        at_border = (table[f"bbox_{name}_min"] == 0) | (table[f"bbox_{name}_max"] == length)
        table["touches_border"] = at_border if name == "y" else table["touches_border"] | at_border
    return table


def write_large(
    out: Path,
    case: str,
    arrays: LargeArrays,
    image: TiffWindows,
    objects: pd.DataFrame,
    save: Sequence[str],
    spacing_um: Sequence[float] | None,
) -> dict[str, str]:
    """Write the files of a large image: tiled TIFF, and of the overlay every few pixels.

    Returns:
        Folder -> path relative to `out`.
    """
    images: dict[str, tuple[type[np.generic], Iterator[np.ndarray]]] = {
        "masks": (np.uint8, ((strip > THRESHOLD) * np.uint8(255) for strip in arrays.strips("prob")))
    }
    if "instances" in save:
        large = len(objects) > np.iinfo(np.uint16).max
        images["instances"] = (np.uint32 if large else np.uint16, arrays.strips("labels"))
    maps = (["prob"] if "prob" in save else []) + (list(MAPS[1:]) if "uncertainty" in save else [])
    images |= {kind: (np.float32, arrays.strips(kind)) for kind in maps}
    written = {}
    for kind, (dtype, strips) in images.items():
        written[kind] = _place(out, kind, f"{case}.tif")
        write_strips(out / written[kind], strips, arrays.shape, dtype, spacing_um)
    return written | _write_outlines(out, case, arrays, image, objects, save)


def _write_outlines(
    out: Path, case: str, arrays: LargeArrays, image: TiffWindows, objects: pd.DataFrame, save: Sequence[str]
) -> dict[str, str]:
    confidence = dict(zip(objects["label"].tolist(), objects["confidence"].tolist(), strict=True))
    labels, step = arrays.open("labels"), arrays.step
    height = max(_ROWS // step, 1) * step
    small = np.concatenate([strip[:, ::step, ::step] for strip in image.strips(height)], axis=1)
    small_labels = np.array(labels[::step, ::step])
    writers: dict[str, tuple[str, str, Callable[[Path], None]]] = {
        "rois": ("rois", ".zip", lambda path: write_rois(path, labels, confidence)),
        "geojson": ("geojson", ".geojson", lambda path: write_geojson(path, labels, confidence, measurements=objects)),
        "overlay": ("overlays", ".png", lambda path: write_bytes(path, overlay_png(small, small_labels))),
    }
    written = {}
    for kind, (folder, ending, write) in writers.items():
        if kind in save:
            written[folder] = _place(out, folder, f"{case}{ending}")
            write(out / written[folder])
    written["thumbnail"] = f".records/{case}.jpg"
    write_bytes(out / written["thumbnail"], thumbnail(small, small_labels, arrays.unsure))
    return written


def _place(out: Path, folder: str, name: str) -> str:
    (out / folder).mkdir(exist_ok=True)
    return f"{folder}/{name}"

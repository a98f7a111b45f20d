"""Predict one large image in bounded memory: window by window, with all that a window's edge cannot know around it.

    TIFF by windows -> percentiles of the whole -> windows with a halo -> strips of maps on disk
    strips of the mask -> objects across strips -> files, rows of objects.csv, row of cases.csv

A window begins at a multiple of the network's divisor, and its halo is as wide as what the network sees. So each pixel
has the probability that it has if the whole image is predicted at once, but for the last digits.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from segassay.errors import DataError
from segassay.io.images import image_shape, image_suffix
from segassay.io.windows import TiffWindows
from segassay.masks.objects import counted_pixels
from segassay.masks.strips import StripLabels
from segassay.statistics.percentiles import percentiles_of_parts
from segassay_monai.ensemble.ensemble_net import THRESHOLD, EnsembleNet
from segassay_monai.ensemble.images import NormalisePercentiled, as_float, check_image, rescale
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import size_divisor
from segassay_monai.ensemble.uncertainty import UncertaintySums
from segassay_monai.prediction.case import Predictor
from segassay_monai.prediction.large_files import LargeArrays, measure_objects, write_large

__all__ = ["LARGEST", "LargePrediction", "open_large", "predict_large", "receptive_radius"]

LARGEST = 2**25
"""Pixels of an image that is predicted in memory; larger TIFF images are read by windows."""

_CORE, _STRIP = 768, 512  # sides of windows without halo, and rows that are read at once


@dataclass(frozen=True, eq=False)
class LargePrediction:
    """What is kept of the prediction of a large image.

    Attributes:
        files: Folder -> path relative to the folder of the results.
        objects: One row per object.
        counts: Number, area and density of objects, as `subjects.count_case` gives them.
        summary: Means of the uncertainties, and the quality.
        spacing_um: Pixel size.
    """

    files: dict[str, str]
    objects: pd.DataFrame
    counts: dict[str, float]
    summary: dict[str, float]
    spacing_um: tuple[float, ...] | None


def open_large(files: Sequence[Path]) -> TiffWindows | None:
    """The image of a case, if it is large and can be read by windows."""
    path = files[0]
    if len(files) > 1 or not (image_suffix(path.name) or "").lower().endswith((".tif", ".tiff")):
        return None
    if prod(image_shape(path)) <= LARGEST:
        return None
    try:
        return TiffWindows(path)
    except ValueError:
        return None


@torch.no_grad()
def predict_large(
    predictor: Predictor,
    case: str,
    image: TiffWindows,
    out: Path,
    save: Sequence[str],
    *,
    spacing_um: tuple[float, ...] | None = None,
    channel: int = 0,
    ignore: np.ndarray | None = None,
    region: np.ndarray | None = None,
) -> LargePrediction:
    """Predict a large image and write its files.

    Args:
        predictor: The model.
        case: Name of the case.
        image: The image.
        out: Folder of the results; maps are kept in it while they are made, 4 to 20 bytes per pixel.
        save: Kinds of files, from `files.SAVE`.
        spacing_um: Pixel size, if another than in the file.
        channel: Channel whose intensity is measured.
        ignore: Boolean `(rows, columns)`; objects have no pixel here.
        region: Boolean `(rows, columns)`; objects have no pixel outside.

    Raises:
        PredictionError: As from `predict_case`.
        DataError: If touching objects are to be separated, which needs the whole image.
    """
    if predictor.options.split_touching:
        action = "cut it into smaller images, or leave out --split-touching"
        raise DataError.of(image.path, f"has {prod(image.shape[1:])} pixels, too many to separate objects", action)
    work = out / ".records" / f"{case}.partial"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        arrays = LargeArrays(work, (image.shape[1], image.shape[2]), keep_maps="uncertainty" in save)
        sums = UncertaintySums(len(predictor.network.checkpoint_paths))
        run = _Run(predictor, image, sums, ignore, region, {*arrays.kinds, "uncertainty"})
        labels, n_counted = StripLabels(), 0
        for maps, counted in run.strips():
            arrays.add(maps, labels.add((maps["prob"] > THRESHOLD) & counted))
            n_counted += int(counted.sum())
        arrays.finish(labels.finish(predictor.options.min_object_size))
        spacing = spacing_um or image.spacing_um
        objects = measure_objects(arrays, image, spacing)
        files = write_large(out, case, arrays, image, objects, save, spacing)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    counts = _counts(objects, n_counted, channel if image.shape[0] > 1 else None)
    return LargePrediction(files, objects, counts, sums.row(), spacing)


def _counts(objects: pd.DataFrame, n_counted: int, channel: int | None) -> dict[str, float]:
    intensity = objects["mean_intensity" if channel is None else f"mean_intensity_{channel}"]
    return {
        "n_objects": len(objects),
        "area_px": int(objects["area_px"].sum()),
        "mean_intensity": float(intensity.mean()) if len(objects) else float("nan"),
        "region_area_px": n_counted,
        "density": len(objects) / n_counted if n_counted else float("nan"),
    }


class _Run:
    """Prediction of an image, strip by strip."""

    def __init__(
        self,
        predictor: Predictor,
        image: TiffWindows,
        sums: UncertaintySums,
        ignore: np.ndarray | None,
        region: np.ndarray | None,
        kinds: Collection[str],
    ) -> None:
        self.predictor, self.image, self.sums = predictor, image, sums
        self.ignore, self.region, self.kinds = ignore, region, kinds
        own, settings = predictor.network, predictor.settings
        first = as_float(image.read(slice(0, 1), slice(0, 1)))
        check_image(image.path, first, settings.in_channels, settings.spatial_dims)
        divisors = size_divisor(settings.strides)
        whole = WholeImageInferer(divisors, max_pixels=2**62)
        self.network = EnsembleNet(own.network, own.checkpoint_paths, whole, own.flips, own.backend)
        self.halo = receptive_radius(own.network, settings.in_channels, max(divisors))
        self.core = max((predictor.options.tile or _CORE) // max(divisors), 1) * max(divisors)
        self.low, self.high = self._percentiles()

    def _percentiles(self) -> tuple[np.ndarray, np.ndarray]:
        """The two that become 0 and 1 in each channel, as for an image in memory."""
        settings = NormalisePercentiled("image")
        wanted = [settings.lower, settings.upper]
        n_channels = self.image.shape[0]
        found = [percentiles_of_parts(partial(self._channel, number), wanted) for number in range(n_channels)]
        low, high, top = np.array(found).T.astype(np.float32)
        return low, np.where(high > low, high, top)

    def _channel(self, number: int) -> Iterator[np.ndarray]:
        for strip in self.image.strips(_STRIP):
            check_image(self.image.path, as_float(strip[number : number + 1]), 1, 2)
            yield strip[number]

    def strips(self) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        """Maps `(height, columns)` of each strip from the top, and which of its pixels count."""
        _, n_rows, n_columns = self.image.shape
        for rows in _parts(n_rows, self.core):
            maps = {kind: np.empty((rows.stop - rows.start, n_columns), dtype=np.float32) for kind in self.kinds}
            for columns in _parts(n_columns, self.core):
                for kind, values in self._window(rows, columns).items():
                    if kind in maps:
                        maps[kind][:, columns] = values
            yield maps, self._counted(rows, slice(0, n_columns))

    def _counted(self, rows: slice, columns: slice) -> np.ndarray:
        everything = np.ones((rows.stop - rows.start, columns.stop - columns.start), dtype=bool)
        ignore = None if self.ignore is None else self.ignore[rows, columns]
        region = None if self.region is None else self.region[rows, columns]
        return counted_pixels(everything, ignore=ignore, region=region)

    def _window(self, rows: slice, columns: slice) -> dict[str, np.ndarray]:
        """Maps of a window, predicted with its halo."""
        _, n_rows, n_columns = self.image.shape
        wide = [_widened(part, self.halo, size) for part, size in ((rows, n_rows), (columns, n_columns))]
        pixels = as_float(self.image.read(*wide))
        normalised = rescale(pixels, torch.from_numpy(self.low), torch.from_numpy(self.high))[None]
        device = self.predictor.device
        with torch.autocast(device.type, enabled=device.type == "cuda"):
            self.network(normalised.to(device))
        last = self.network.last
        assert last is not None, "the network has just predicted"
        own = tuple(
            slice(part.start - around.start, part.stop - around.start)
            for part, around in zip((rows, columns), wide, strict=True)
        )
        maps = {"prob": last.prob, "uncertainty": last.total, "disagreement": last.disagreement, "doubt": last.doubt}
        arrays = {kind: values[0, 0].cpu().numpy()[own] for kind, values in maps.items()}
        masks = [last.member_mask(number)[own] for number in range(len(last.packed_masks))]
        self.sums.add(arrays, masks, self._counted(rows, columns))
        return arrays


def _parts(length: int, size: int) -> Iterator[slice]:
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))


def _widened(part: slice, halo: int, length: int) -> slice:
    return slice(max(part.start - halo, 0), min(part.stop + halo, length))


def receptive_radius(network: nn.Module, in_channels: int, divisor: int) -> int:
    """Distance from which a pixel can change the output of a 2-D network, rounded up to a multiple of the divisor.

    A pixel that is not a number makes every output that depends on it not a number.

    Example:
        >>> receptive_radius(nn.Conv2d(1, 1, kernel_size=5, padding=2), in_channels=1, divisor=1)
        3
    """
    network.eval()
    device = next(network.parameters()).device
    side = 256
    while True:
        side *= 2
        image = torch.zeros(1, in_channels, side, side, device=device)
        image[..., side // 2, side // 2] = torch.nan
        with torch.no_grad():
            reached = torch.isnan(network(image)[0, 0]).nonzero()
        radius = int((reached - side // 2).abs().max())
        if radius < side // 2 - divisor:
            return (radius // divisor + 1) * divisor + (divisor if divisor > 1 else 0)

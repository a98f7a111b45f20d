"""Predict one large image or volume in bounded memory: window by window, with all that its edges cannot know around it.

file by windows -> WindowRun -> maps on disk
strips of the mask -> objects across strips -> files, rows of objects.csv, row of cases.csv
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from segassay.data.named_channels import INTENSITY
from segassay.io.images import image_shape
from segassay.io.volume_axes import CANONICAL, TurnedWindows, turn_to
from segassay.io.windows import Windows, open_windows, strips_of
from segassay.masks.objects import counted_pixels
from segassay_monai.ensemble.classes import TOUCHING
from segassay_monai.ensemble.members import pixel_hash_of_parts
from segassay_monai.ensemble.uncertainty import UncertaintySums
from segassay_monai.prediction.case import Predictor
from segassay_monai.prediction.familiar import NOT_COMPARED
from segassay_monai.prediction.large_arrays import LargeArrays, label_large, split_large
from segassay_monai.prediction.large_files import measure_classes, write_large
from segassay_monai.prediction.window_run import WindowRun, strip_height

__all__ = ["LARGEST", "LargePixels", "LargePrediction", "open_large", "predict_large"]

LARGEST = 2**25
"""Pixels of an image that is predicted in memory; larger ones are read by windows."""


@dataclass(frozen=True, eq=False)
class LargePrediction:
    """What is kept of the prediction of a large image.

    Attributes:
        files: Folder -> path relative to the folder of the results.
        objects: One row per object.
        counts: Number, area and density of objects, as `subjects.count_case` gives them.
        summary: Means of the uncertainties, and the quality.
        spacing_um: Pixel size.
        unlike: Columns of the comparison with the images of the training.
    """

    files: dict[str, str]
    objects: pd.DataFrame
    counts: dict[str, float]
    summary: dict[str, float]
    spacing_um: tuple[float, ...] | None
    unlike: dict[str, Any]


@contextmanager
def open_large(files: Sequence[Path], work: Path) -> Iterator[Windows | None]:
    """The image of a case, if it is large and can be read by windows; else None.

    Args:
        files: Of the image.
        work: Folder that is made for what is only needed meanwhile, and removed at the end.
    """
    if len(files) > 1 or prod(image_shape(files[0])) <= LARGEST:
        yield None
        return
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        with ExitStack() as stack:
            try:
                image = stack.enter_context(open_windows(files[0], work))
            except ValueError:
                image = None
            yield image
    finally:
        shutil.rmtree(work, ignore_errors=True)


class LargePixels:
    """A large image as `ensemble.image_features` takes it.

    Args:
        image: The image.
    """

    def __init__(self, image: Windows) -> None:
        self.image, self.shape = image, image.frame.array.shape
        self._every: tuple[int, np.ndarray] | None = None

    def every(self, step: int) -> np.ndarray:
        """Each `step`-th pixel along each spatial axis, all channels."""
        if self._every is None or self._every[0] != step:
            spatial = self.shape[1:]
            height = -(-strip_height(spatial) // step) * step
            inner = (slice(None), *[slice(None, None, step)] * len(spatial))
            parts = [strip[inner].copy() for strip in strips_of(self.image, height)]
            self._every = step, np.concatenate(parts, axis=1)
        return self._every[1]

    def read(self, *window: slice) -> np.ndarray:
        """All channels of a window."""
        return self.image.read(*window)

    def hash(self) -> str:
        """As `ensemble.members.pixel_hash`."""
        height = strip_height(self.shape[1:])
        strips = (strip[number] for number in range(self.shape[0]) for strip in strips_of(self.image, height))
        return pixel_hash_of_parts(self.shape, strips)

    def hashes(self) -> tuple[str, ...]:
        """As `ensemble.members.pixel_hashes`."""
        turn = turn_to(CANONICAL, self.image.frame.place, len(self.shape) - 1)
        return (self.hash(), *([] if turn is None else [LargePixels(TurnedWindows(self.image, turn)).hash()]))


@torch.no_grad()
def predict_large(
    predictor: Predictor,
    case: str,
    image: Windows,
    out: Path,
    work: Path,
    save: Sequence[str],
    *,
    spacing_um: tuple[float, ...] | None = None,
    seen: Windows | None = None,
    channels: Sequence[str] = (),
    intensities: Mapping[str, int] | None = None,
    ignore: np.ndarray | None = None,
    region: np.ndarray | None = None,
    order: Sequence[str] = (),
    colours: Mapping[str, str] | None = None,
) -> LargePrediction:
    """Predict a large image and write its files.

    Args:
        predictor: The model.
        case: Name of the case.
        image: The image.
        out: Folder of the results.
        work: Folder for maps while they are made, 8 to 24 bytes per pixel, and 8 more for each class.
        save: Kinds of files, from `files.SAVE`.
        spacing_um: Pixel size, if another than in the file.
        seen: The image with the channels that the network sees, if it does not see all.
        channels: Names of all channels; empty if they have none.
        intensities: Measurement -> place of its channel; by default `mean_intensity` of the first.
        ignore: Boolean `(*spatial)`; objects have no pixel here.
        region: Boolean `(*spatial)`; objects have no pixel outside.
        order: Names of the classes in the order of their probabilities; by default that of the model.
        colours: Class -> its colour in dataset.yaml; others have one for their place.

    Raises:
        PredictionError: As from `predict_case`.
    """
    frame = image.frame if spacing_um is None else dataclasses.replace(image.frame, spacing_um=spacing_um)
    options, known = predictor.options, predictor.familiar
    pixels, turn = seen or image, predictor.turn_of(image.frame)
    learned = pixels if turn is None else TurnedWindows(pixels, turn)
    run = WindowRun(predictor, learned)
    classes, is_touching = predictor.settings.classes, predictor.settings.objects == TOUCHING
    kept: dict[str, Any] = {"keep_maps": "uncertainty" in save, "keep_depth": is_touching}
    arrays = LargeArrays(work, frame.array.shape[1:], **kept, classes=classes)
    sums = UncertaintySums(len(predictor.network.checkpoint_paths), classes)
    areas = _Areas(ignore, region)
    for window in run.windows():
        maps, masks = run.predict(window)
        if turn is not None:
            window = turn.window_back(window, frame.array.shape[1:])
            maps, masks = {kind: turn.back(values) for kind, values in maps.items()}, [turn.back(m) for m in masks]
        sums.add(maps, masks, areas.counted(window))
        arrays.write(window, maps)
    size, spacing = options.min_object_size, frame.spacing_um
    is_divided = options.split_touching or is_touching
    divide = partial(split_large, min_size=size, spacing=spacing) if is_divided else None
    n_counted = label_large(arrays, areas.counted, size, divide)
    objects = measure_classes(arrays, image, frame, channels)
    files = write_large(out, case, arrays, image, frame, objects, save, order, colours or {})
    measured = intensities or {INTENSITY: 0}
    counts = _counts(objects, n_counted, _columns(measured, len(frame.array), channels))
    if classes:
        counts |= _drawn(arrays, image, measured, len(objects))
    unlike = dict(NOT_COMPARED) if known is None else known.compare(LargePixels(learned), frame.spacing_um)
    return LargePrediction(files, objects, counts, sums.row(), frame.spacing_um, unlike)


@dataclass(frozen=True, eq=False)
class _Areas:
    """Ignored area and region of an image."""

    ignore: np.ndarray | None
    region: np.ndarray | None

    def counted(self, window: tuple[slice, ...]) -> np.ndarray:
        everything = np.ones([part.stop - part.start for part in window], dtype=bool)
        ignore = None if self.ignore is None else self.ignore[window]
        region = None if self.region is None else self.region[window]
        return counted_pixels(everything, ignore=ignore, region=region)


def _drawn(arrays: LargeArrays, image: Windows, intensities: Mapping[str, int], n: int) -> dict[str, float]:
    """Area and mean intensities of the objects in the label image of all classes, where one can hide another."""
    n_px, totals = np.zeros(n + 1, dtype=np.int64), {name: np.zeros(n + 1) for name in intensities}
    for strip in arrays.strips():
        labels = arrays.read("labels", strip).ravel()
        n_px += np.bincount(labels, minlength=n + 1)
        pixels = image.read(*strip)
        for name, place in intensities.items():
            totals[name] += np.bincount(labels, pixels[place].ravel(), minlength=n + 1)
    shown = np.flatnonzero(n_px[1:]) + 1
    means = {
        name: float((total[shown] / n_px[shown]).mean()) if len(shown) else float("nan")
        for name, total in totals.items()
    }
    return {"area_px": int(n_px[1:].sum())} | means


def _columns(intensities: Mapping[str, int], n_channels: int, channels: Sequence[str]) -> dict[str, str]:
    """Measurement -> column of the objects."""
    if n_channels == 1:
        return dict.fromkeys(intensities, INTENSITY)
    return {name: f"{INTENSITY}_{channels[place] if channels else place}" for name, place in intensities.items()}


def _counts(objects: pd.DataFrame, n_counted: int, columns: Mapping[str, str]) -> dict[str, float]:
    means = {name: float(objects[column].mean()) if len(objects) else float("nan") for name, column in columns.items()}
    return {
        "n_objects": len(objects),
        "area_px": int(objects["area_px"].sum()),
        **means,
        "region_area_px": n_counted,
        "density": len(objects) / n_counted if n_counted else float("nan"),
    }

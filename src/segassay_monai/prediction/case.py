"""Predict one image: what the network says, the objects of it, and what is measured on them.

image (C, *spatial) -> normalised -> EnsembleNet -> mask, objects, probability, uncertainty  ->  CasePrediction
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from segassay.io.images import Picture, is_nifti
from segassay.io.volume_axes import Turn, turn_to
from segassay.masks.objects import counted_pixels, label_objects
from segassay.masks.properties import object_properties
from segassay.masks.touching import split_touching
from segassay_monai.ensemble.backends import load_backend
from segassay_monai.ensemble.class_objects import number_objects
from segassay_monai.ensemble.classes import drawing_order
from segassay_monai.ensemble.ensemble_net import EnsembleNet, Prediction
from segassay_monai.ensemble.images import NormalisePercentiled, as_float, check_image
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import NetworkSettings, read_network_settings, residual_unet, size_divisor
from segassay_monai.ensemble.prediction import case_arrays, on_cpu
from segassay_monai.ensemble.touching import touching_objects
from segassay_monai.ensemble.uncertainty import uncertainty_row
from segassay_monai.prediction.familiar import Familiar, read_axes, read_familiar
from segassay_monai.prediction.models import Model
from segassay_monai.prediction.turned import prediction_back

__all__ = ["CasePrediction", "Options", "Predictor", "axes_of", "load_predictor", "predict_case"]

_WINDOWS = 4  # an image of up to so many windows is predicted as a whole


@dataclass(frozen=True)
class Options:
    """How images are predicted.

    Attributes:
        min_object_size: Smaller objects are left out, in pixels or voxels.
        split_touching: Whether objects that touch are separated, by watershed; a model that has learned to tell them
            apart does so by itself.
        flips: Whether each image is predicted in all its mirror images, which are averaged.
        device: Such as `cpu` or `cuda:1`; by default a GPU if there is one.
        tile: Side of the windows in which large images are predicted, in pixels; by default as memory allows.
        backend: What runs the members, see `load_backend`.
    """

    min_object_size: int = 0
    split_touching: bool = False
    flips: bool = False
    device: str | None = None
    tile: int | None = None
    backend: str = "torch"


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model that is ready to predict; images are predicted one after another.

    Attributes:
        network: The ensemble.
        settings: Of the network of each member.
        device: Where it predicts.
        options: How images are predicted.
        familiar: Compares images with those of the training; None if the model does not hold what they were like.
        axes: Of the volumes of the training, such as `LPS`; None if they are unknown, or differ.
    """

    network: EnsembleNet
    settings: NetworkSettings
    device: torch.device
    options: Options
    familiar: Familiar | None
    axes: str | None = None

    def turn_of(self, picture: Picture) -> Turn | None:
        """How a volume is put into the axes of the training; None if it has them, or these or its own are unknown."""
        return turn_to(self.axes, picture.place, picture.array.ndim - 1)


@dataclass(frozen=True, eq=False)
class CasePrediction:
    """Prediction of one image.

    Attributes:
        case: Name of the case.
        path: Its image file.
        picture: The image.
        mask: Boolean `(*spatial)`: where the probability exceeds one half; with classes, the values of the classes.
        labels: int32 `(*spatial)`: the objects that count, numbered from 1; with classes those of the first class, then
            those of the second. Where regions overlap, the inner one is on top.
        objects: One row per object (`masks.properties`); with classes a column `class`.
        prob: Mean probability of the members, float32 `(*spatial)`, or `(K, *spatial)` of each class.
        uncertainty: From 0 to 1, float32 `(*spatial)`; the sum of the next two.
        disagreement: Between members.
        doubt: Within members.
        counted: Boolean `(*spatial)`: pixels inside the region and outside the ignored area.
        summary: Means of the uncertainties, and the quality (`ensemble.uncertainty`).
        classes: Names of the classes; empty if the model has one foreground.
        colours: Class -> its colour in dataset.yaml, such as `#e69f00`; others have one by their place.
    """

    case: str
    path: Path
    picture: Picture
    mask: np.ndarray
    labels: np.ndarray
    objects: pd.DataFrame
    prob: np.ndarray
    uncertainty: np.ndarray
    disagreement: np.ndarray
    doubt: np.ndarray
    counted: np.ndarray
    summary: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict)

    @property
    def class_of(self) -> dict[int, str]:
        """Number of each object -> name of its class; empty without classes."""
        if not self.classes:
            return {}
        return dict(zip(self.objects["label"].tolist(), self.objects["class"].tolist(), strict=True))


def load_predictor(model: Model, options: Options) -> Predictor:
    """Build the network of a model on its device.

    Raises:
        PredictionError: If a checkpoint cannot be used.
    """
    settings = read_network_settings(model.checkpoints)
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    network = residual_unet(**settings.arguments()).to(device)
    divisor = size_divisor(settings.strides)
    size = {} if options.tile is None else {"max_pixels": _WINDOWS * options.tile**settings.spatial_dims}
    inferer = WholeImageInferer(divisor, **size)
    backend = load_backend(options.backend, model.checkpoints)
    ensemble = EnsembleNet(
        network, model.checkpoints, inferer, options.flips, backend, settings.classes, settings.objects
    )
    familiar = read_familiar(model.checkpoints, str(device))
    return Predictor(ensemble, settings, device, options, familiar, read_axes(model.checkpoints))


@torch.no_grad()
def predict_case(
    predictor: Predictor,
    case: str,
    path: Path,
    picture: Picture,
    *,
    ignore: np.ndarray | None = None,
    region: np.ndarray | None = None,
    order: Sequence[str] = (),
    seen: Sequence[int] = (),
    channels: Sequence[str] = (),
) -> CasePrediction:
    """Predict one image.

    The network sees a volume in the axes of its training; all that is returned has those of the file.

    Args:
        predictor: The model.
        case: Name of the case.
        path: Its image file, for messages.
        picture: The image, with all its channels.
        ignore: Boolean `(*spatial)`; objects have no pixel here.
        region: Boolean `(*spatial)`; objects have no pixel outside.
        order: Names of the classes in the order of their probabilities; by default that of the model.
        seen: Places of the channels that the network sees, in its order; by default all.
        channels: Names of all channels, for the columns of intensities; by default they have numbers.

    Raises:
        PredictionError: If the image has another number of channels or axes than the network, or NaN pixels.
    """
    pixels, turn = picture.array[list(seen)] if seen else picture.array, predictor.turn_of(picture)
    image = as_float(pixels if turn is None else turn.to(pixels))
    check_image(path, image, predictor.settings.in_channels, predictor.settings.spatial_dims)
    normalise = NormalisePercentiled("image", intensity_range=predictor.settings.intensity_range)
    normalised = normalise({"image": image})["image"][None].to(predictor.device)
    with torch.autocast(predictor.device.type, enabled=predictor.device.type == "cuda"):
        predictor.network(normalised)
    last = predictor.network.last
    assert last is not None, "the network has just predicted"
    prediction = on_cpu(last) if turn is None else prediction_back(on_cpu(last), turn)
    arrays = case_arrays(prediction, order)
    mask, prob = arrays["masks"], arrays["prob"]
    counted = counted_pixels(np.ones(mask.shape, dtype=bool), ignore=ignore, region=region)
    axes = axes_of(path, mask.ndim)
    labels, objects = _objects(prediction, counted, predictor.options, picture, axes, channels)
    return CasePrediction(
        case=case,
        path=path,
        picture=picture,
        mask=mask,
        labels=labels,
        objects=objects,
        prob=prob,
        uncertainty=arrays["uncertainty"],
        disagreement=arrays["disagreement"],
        doubt=arrays["doubt"],
        counted=counted,
        summary=uncertainty_row(case, prediction, ignore=ignore, region=region),
        classes=tuple(name for name, _ in prediction.classes),
    )


def _objects(
    prediction: Prediction,
    counted: np.ndarray,
    options: Options,
    picture: Picture,
    axes: str,
    channels: Sequence[str],
) -> tuple[np.ndarray, pd.DataFrame]:
    """Objects that count, and what is measured on them; each class alone, as regions overlap."""
    prob, spacing, size = prediction.prob[0].numpy(), picture.spacing_um, options.min_object_size

    def find(mask: np.ndarray, number: int) -> np.ndarray:
        if prediction.depth is not None:
            return touching_objects(prediction, min_size=size, counted=counted)
        if options.split_touching:
            return split_touching(mask, prob[number], size, spacing=spacing)
        return label_objects(mask, min_size=size)

    masks, order = prediction.masks() & counted, drawing_order(prediction.classes) or [0]
    labels, each = number_objects(masks, order, label=find)
    tables = [
        object_properties(of_class, picture.array, of_prob, spacing, axes=axes, channels=channels)
        for of_class, of_prob in zip(each, prob, strict=True)
    ]
    if not prediction.classes:
        return labels, tables[0]
    for table, (name, _) in zip(tables, prediction.classes, strict=True):
        table.insert(1, "class", name)
    return labels, pd.concat(tables, ignore_index=True)


def axes_of(path: Path, n_axes: int) -> str:
    """Names of the axes of an image: a NIfTI runs along x first."""
    return "xyz"[:n_axes] if is_nifti(path) else "zyx"[-n_axes:]

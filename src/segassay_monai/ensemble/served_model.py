"""Prediction with a registered ensemble in MLflow; `ensemble.registry` logs this file as the code of the model.

image as numpy array, raw intensities -> normalised -> EnsembleNet -> mean probability (B, K, *spatial)
"""

import threading
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch
from mlflow.pyfunc import PythonModel, PythonModelContext

try:
    from segassay_monai import (
        EnsembleNet,
        NormalisePercentiled,
        PredictionError,
        WholeImageInferer,
        as_float,
        check_image,
        read_network_settings,
        residual_unet,
        size_divisor,
    )
except ModuleNotFoundError as error:
    if error.name != "segassay_monai":
        raise
    what = "this model needs SegAssay, which is not installed here"
    action = "install it with its extra monai, in the version that the metadata in MLmodel names"
    raise ModuleNotFoundError(f"{what}; {action}", name=error.name) from error


class EnsembleModel(PythonModel):
    """An ensemble as an MLflow model; predicts the same as the run id `inference`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Build the network from the checkpoints."""
        paths = sorted(Path(context.artifacts["members"]).glob("*.pt"))
        self.settings = read_network_settings(paths)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network = residual_unet(**self.settings.arguments()).to(self.device)
        inferer = WholeImageInferer(size_divisor(self.settings.strides))
        classes, objects = self.settings.classes, self.settings.objects
        self.ensemble = EnsembleNet(network, paths, inferer, classes=classes, objects=objects)
        self.normalise = NormalisePercentiled("image", intensity_range=self.settings.intensity_range)
        self.lock = threading.Lock()  # the members share one network, and a server predicts in several threads

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Predict the probability of every pixel.

        Args:
            context: Not used.
            model_input: Raw intensities of one image `(C, *spatial)` or of several of one size `(B, C, *spatial)`.
            params: Not used.

        Returns:
            float32 `(B, K, *spatial)`, one channel per class, in the order of the training (K is 1 without classes);
            `B` is 1 for one image. Of a model of touching objects it is the foreground, in which they are joined.

        Raises:
            PredictionError: If the images do not fit the network, or pixels are NaN or infinite.
        """
        images = as_float(np.asarray(model_input))
        n_channels, n_axes = self.settings.in_channels, self.settings.spatial_dims
        if images.ndim == n_axes + 1:
            images = images[None]
        if images.ndim != n_axes + 2:
            what = (
                f"expected an image ({n_channels} channel(s), then {n_axes} axes) or a batch of such, got an array of "
                f"shape {tuple(images.shape)}"
            )
            raise PredictionError.of(None, what, "add the channel axis, or use a model for such images")
        prob = np.empty((len(images), max(len(self.settings.classes), 1), *images.shape[2:]), dtype=np.float32)
        for number, image in enumerate(images):  # one after another, as images may be large
            check_image(f"image {number}", image, n_channels, n_axes)
            prob[number] = self._predict(self.normalise({"image": image})["image"][None])
        return prob

    @torch.no_grad()
    def _predict(self, image: torch.Tensor) -> np.ndarray:
        """Normalised image `(1, C, *spatial)` -> probability `(K, *spatial)`."""
        with self.lock, torch.autocast(self.device.type, enabled=self.device.type == "cuda"):
            return self.ensemble(image.to(self.device))[0].cpu().numpy()


mlflow.models.set_model(EnsembleModel())

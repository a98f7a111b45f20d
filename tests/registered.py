"""Models as MLflow's registry serves them."""

from pathlib import Path

import mlflow
import numpy as np

from segassay.io.images import read_image
from segassay_monai.ensemble.registry import log_model
from segassay_monai.prediction.run import predict


def assert_served_as_predicted(models: Path, image: Path, tmp_path: Path) -> None:
    """A logged ensemble gives the probabilities of `segassay predict`."""
    with mlflow.start_run():
        model = log_model(sorted(models.rglob("model.pt")), name="ensemble", metrics={})
    pixels = read_image(image).array.astype(np.float32)
    prob = mlflow.pyfunc.load_model(model.model_uri).predict(pixels[None])
    done = predict(models, image, out=tmp_path / "out", save=["prob"])
    np.testing.assert_allclose(prob[0], read_image(done.out / "prob" / f"{image.stem}.tif").array, atol=1e-6)

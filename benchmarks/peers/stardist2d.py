"""StarDist 2D from scratch: its default configuration, the augmentation of its example, thresholds chosen at the end.

The first 85 % of the budget train, the rest is left for StarDist's own choice of thresholds on the validation images.
Epochs have 10 steps, so that the best state by validation loss can be chosen within minutes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from budget import Budget, Case, Prediction, read_cases, run
from csbdeep.utils import normalize
from csbdeep.utils.tf import keras_import
from stardist import fill_label_holes
from stardist.models import Config2D, StarDist2D

RANDOM = np.random.default_rng(0)


def augment(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Random flips, right angles, brightness and noise, as in StarDist's example of a training."""
    turns = RANDOM.integers(4)
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    for axis in range(2):
        if RANDOM.random() > 0.5:
            image, labels = np.flip(image, axis), np.flip(labels, axis)
    image = image * RANDOM.uniform(0.6, 2) + RANDOM.uniform(-0.2, 0.2)
    return image + 0.02 * RANDOM.uniform(0, 1) * RANDOM.normal(size=image.shape), labels


def one_thread() -> None:
    """Keep TensorFlow on one thread."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def arrays_of(cases: Sequence[Case]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Images scaled by percentiles, and labels without holes, as StarDist's documentation prepares them."""
    images = [normalize(case.image, 1, 99.8) for case in cases]
    return images, [fill_label_holes(case.labels) for case in cases]


def train(data: Path, model: Path, budget: Budget, seed: int, settings: dict[str, str]) -> None:
    """Train, then choose the thresholds."""
    one_thread()
    np.random.seed(seed)  # noqa: NPY002 - StarDist draws from it
    tf.random.set_seed(seed)
    images, labels = arrays_of(read_cases(data, "train"))
    validation = arrays_of(read_cases(data, "val"))
    length = {"train_epochs": 100_000, "train_steps_per_epoch": 10, "train_tensorboard": False}
    config = Config2D(n_rays=32, grid=(2, 2), n_channel_in=1, **length)
    star = StarDist2D(config, name="stardist", basedir=str(model))
    star.prepare_for_training()
    training, steps = budget.part(0.85), [0]

    class Stop(keras_import("callbacks", "Callback")):  # type: ignore[misc]
        """Ends the training when its part of the budget is spent."""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            steps[0] += 1
            self.model.stop_training = training.is_over

    star.callbacks.append(Stop())
    star.train(images, labels, validation_data=validation, augmenter=augment, seed=seed)
    star.optimize_thresholds(*validation)
    print("steps:", steps[0])


def predict(data: Path, model: Path, cases: Sequence[Case]) -> Iterator[Prediction]:
    """Predict with StarDist's defaults and the chosen thresholds."""
    one_thread()
    star = StarDist2D(None, name="stardist", basedir=str(model))
    for case in cases:
        labels, _ = star.predict_instances(normalize(case.image, 1, 99.8))
        yield labels.astype(np.int32), None


if __name__ == "__main__":
    run(train, predict, ["tensorflow_cpu", "stardist"])

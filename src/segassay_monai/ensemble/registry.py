"""Register an ensemble as a version of a model in MLflow, which is then loaded by its name.

    checkpoints -> logged model of the active run -> version of the registered model -> models:/NAME@best

The model consists of code and weights, without a pickle: MLflow keeps `served_model.py` and the checkpoints.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from segassay.errors import UsageError
from segassay.tracking import is_active, kept, load_mlflow, log_metrics
from segassay_monai.ensemble.familiar import description_path
from segassay_monai.ensemble.network import NetworkSettings, read_network_settings, read_record

__all__ = ["log_model", "register_ensemble"]

logger = logging.getLogger("segassay")

_CODE = Path(__file__).with_name("served_model.py")
_CONTENT = "content_hash"
_EXAMPLE_SIZE = 16  # pixels per axis


@kept
def register_ensemble(
    checkpoints: Sequence[Path],
    *,
    name: str,
    tags: Mapping[str, Any],
    metrics: Mapping[str, float] | None = None,
    card: str = "",
    alias: str = "best",
) -> str:
    """Register an ensemble as a version of a model, and set an alias to it; the active MLflow run keeps its files.

    The same weights and tags are registered once; a second call only sets the alias.

    Args:
        checkpoints: One file per member.
        name: Name of the registered model; it is created if it does not exist.
        tags: Tags of this version, such as scores, strategy, seeds and data; values become text, `None` is left out.
        metrics: Numbers that MLflow shows with the model.
        card: Model card in Markdown, the description of the version.
        alias: Name that points to this version, and no longer to an earlier one.

    Returns:
        The version.

    Raises:
        RuntimeError: Outside `tracking.run`.
        PredictionError: If a file is not a checkpoint, or members have different networks.
        UsageError: If there is no checkpoint, or MLflow refuses the name, a tag or the alias.

    Example:
        with tracking.run("lab-wue1", "staple/s0-3", tags={"kind": "ensemble"}, params={}):
            register_ensemble(paths, name="lab-wue1", tags={"strategy": "consensus", "f1": 0.71})
        mlflow.pyfunc.load_model("models:/lab-wue1@best").predict(images)  # float32 (B, C, *spatial)
    """
    from mlflow.exceptions import MlflowException

    if not is_active():
        raise RuntimeError(
            "an ensemble is logged into the active MLflow run, but there is none; open one with tracking.run"
        )
    if not checkpoints:
        raise UsageError(f"model {name!r}: an ensemble needs at least one checkpoint, got none; train first")
    texts = {key: str(value) for key, value in tags.items() if value is not None}
    texts[_CONTENT] = _content_hash(checkpoints, texts)
    try:
        number = _version_with(texts[_CONTENT], name) or _add_version(checkpoints, name, texts, metrics or {}, card)
        load_mlflow().MlflowClient().set_registered_model_alias(name, alias, number)
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        raise UsageError(f"MLflow refuses model {name!r} with alias {alias!r}: {error}; give another name") from error
    logger.info(f"registered: models:/{name}@{alias} is version {number}")
    return number


def _content_hash(checkpoints: Sequence[Path], tags: Mapping[str, str]) -> str:
    """SHA-256 of networks, weights and tags; the order of the members does not matter."""
    network = read_network_settings(checkpoints).state_dict()
    members = sorted(read_record(path).weights for path in checkpoints)
    return hashlib.sha256(json.dumps([network, members, dict(tags)], sort_keys=True).encode()).hexdigest()


def _version_with(content_hash: str, name: str) -> str | None:
    """Version of the registered model with this content; None if there is none."""
    from mlflow.exceptions import MlflowException

    client = load_mlflow().MlflowClient()
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise  # an invalid name
    versions = client.search_model_versions(f"tags.{_CONTENT} = '{content_hash}'")  # names may contain quotes
    return next((str(found.version) for found in versions if found.name == name), None)


def _add_version(
    checkpoints: Sequence[Path], name: str, tags: Mapping[str, str], metrics: Mapping[str, float], card: str
) -> str:
    model = log_model(checkpoints, name="ensemble", metrics=metrics)
    with redirect_stderr(io.StringIO()):  # MLflow prints a line that does not say what is new
        found = load_mlflow().register_model(model.model_uri, name, tags=dict(tags))
    if card:
        load_mlflow().MlflowClient().update_model_version(name, found.version, card)
    return str(found.version)


@kept
def log_model(checkpoints: Sequence[Path], *, name: str, metrics: Mapping[str, float]) -> Any:
    """Log checkpoints as one model of the active MLflow run: code, weights, signature, an example, and its numbers.

    Args:
        checkpoints: One file per member.
        name: Name of the logged model in the run.
        metrics: Numbers that are shown with the model.

    Returns:
        What MLflow knows about the model, with `model_uri`.
    """
    mlflow, settings = load_mlflow(), read_network_settings(checkpoints)
    with tempfile.TemporaryDirectory() as folder:
        members = Path(folder) / "members"
        members.mkdir()
        for number, path in enumerate(checkpoints):  # all files are named model.pt
            registered = members / f"{number:04d}.pt"
            shutil.copyfile(path, registered)
            if description_path(Path(path)).is_file():
                shutil.copyfile(description_path(Path(path)), description_path(registered))
        model = mlflow.pyfunc.log_model(
            name=name,
            python_model=str(_CODE),
            artifacts={"members": str(members)},
            signature=_signature(settings),
            input_example=_example(settings),
            pip_requirements=_requirements(),
            metadata={"segassay": version("segassay")},
        )
    log_metrics(metrics, model=model.model_id)
    return model


def _signature(settings: NetworkSettings) -> Any:
    """What goes in and comes out: raw intensities `(B, C, *spatial)` and probabilities `(B, K, *spatial)`, float32."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    axes, number = (-1,) * settings.spatial_dims, np.dtype("float32")
    image, prob = (-1, settings.in_channels, *axes), (-1, max(len(settings.classes), 1), *axes)
    return ModelSignature(Schema([TensorSpec(number, image)]), Schema([TensorSpec(number, prob)]))


def _example(settings: NetworkSettings) -> np.ndarray:
    """A small image with a bright square, as raw intensities `(1, C, *spatial)`."""
    image = np.full((1, settings.in_channels, *[_EXAMPLE_SIZE] * settings.spatial_dims), 100, np.float32)
    square: Any = (..., *[slice(4, 10)] * settings.spatial_dims)
    image[square] = 1000
    return image


def _requirements() -> list[str]:
    """Packages that the model needs, with the installed versions; MLflow would take seconds to find them.

    SegAssay is not among them: in no registry is this name ours, so whoever took it there could run programs wherever
    a model is loaded. The metadata of the model has its version, and `served_model.py` says that it is missing.
    """
    packages = ("mlflow", "monai", "numpy", "torch")
    return [
        f"{package}=={version(package).partition('+')[0]}" for package in packages
    ]  # no registry has versions with +cpu

"""Registry: an ensemble becomes a version of a model in MLflow, to be loaded by its name.

    checkpoints -> logged model of the active run -> version of the registered model -> models:/NAME@best

The model is code and weights, never a pickle: MLflow keeps `served_model.py` and the checkpoints, which are read as
everywhere else.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from segassay.errors import UsageError
from segassay.tracking import is_active, load_mlflow
from segassay_monai.ensemble.network import read_checkpoint, read_network_settings

__all__ = ["register_ensemble"]

logger = logging.getLogger("segassay")

_CODE = Path(__file__).with_name("served_model.py")
_CONTENT = "content_hash"


def register_ensemble(checkpoints: Sequence[Path], *, name: str, tags: Mapping[str, Any], alias: str = "best") -> str:
    """Make an ensemble the version of a registered model that an alias names; the active MLflow run keeps its files.

    The very same weights and tags are registered once: again, only the alias is set.

    Args:
        checkpoints: One file per member.
        name: Name of the registered model, made where it is missing.
        tags: What is known of this version, as its scores, strategy, seeds and data; values become text, `None` is left
            out.
        alias: Name that points to this version, and to no earlier one any more.

    Returns:
        The version.

    Raises:
        RuntimeError: Outside `tracking.run`.
        PredictionError: If a file is no checkpoint, or members hold different networks.
        UsageError: If there is no checkpoint, or MLflow refuses the name, a tag or the alias.

    Example:
        with tracking.run("lab-wue1", "staple/s0-3", tags={"kind": "ensemble"}, params={}):
            register_ensemble(paths, name="lab-wue1", tags={"strategy": "consensus", "f1": 0.71})
        mlflow.pyfunc.load_model("models:/lab-wue1@best").predict(image)
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
        number = _version_with(texts[_CONTENT], name) or _add_version(checkpoints, name, texts)
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
    members = sorted(_weights_hash(read_checkpoint(path)["model"]) for path in checkpoints)
    return hashlib.sha256(json.dumps([network, members, dict(tags)], sort_keys=True).encode()).hexdigest()


def _weights_hash(weights: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for key in sorted(weights):
        digest.update(key.encode() + weights[key].numpy().tobytes())
    return digest.hexdigest()


def _version_with(content_hash: str, name: str) -> str | None:
    """Version of the registered model that holds this content, if there is one."""
    from mlflow.exceptions import MlflowException

    client = load_mlflow().MlflowClient()
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise  # a name that cannot be
    versions = client.search_model_versions(f"tags.{_CONTENT} = '{content_hash}'")  # names may hold quotes
    return next((str(found.version) for found in versions if found.name == name), None)


def _add_version(checkpoints: Sequence[Path], name: str, tags: Mapping[str, str]) -> str:
    mlflow = load_mlflow()
    with tempfile.TemporaryDirectory() as folder:
        members = Path(folder) / "members"
        members.mkdir()
        for number, path in enumerate(checkpoints):  # each is called model.pt where it lies
            shutil.copyfile(path, members / f"{number:04d}.pt")
        model = mlflow.pyfunc.log_model(
            name="ensemble",
            python_model=str(_CODE),
            artifacts={"members": str(members)},
            signature=False,  # MLflow's cannot say "one image or several, of any type"
            pip_requirements=_requirements(),
        )
    return str(mlflow.register_model(model.model_uri, name, tags=dict(tags)).version)


def _requirements() -> list[str]:
    """Packages that the model needs, as they are installed here; MLflow would take seconds to find out."""
    packages = ("segassay", "mlflow", "monai", "numpy", "torch")
    return [f"{package}=={version(package).partition('+')[0]}" for package in packages]  # +cpu is found nowhere

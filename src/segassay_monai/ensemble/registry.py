"""Register an ensemble as a version of a model in MLflow, which is then loaded by its name.

    checkpoints -> logged model of the active run -> version of the registered model -> models:/NAME@best

The model consists of code and weights, without a pickle: MLflow keeps `served_model.py` and the checkpoints.
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
from segassay_monai.ensemble.familiar import description_path
from segassay_monai.ensemble.members import weights_hash
from segassay_monai.ensemble.network import read_checkpoint, read_network_settings

__all__ = ["register_ensemble"]

logger = logging.getLogger("segassay")

_CODE = Path(__file__).with_name("served_model.py")
_CONTENT = "content_hash"


def register_ensemble(checkpoints: Sequence[Path], *, name: str, tags: Mapping[str, Any], alias: str = "best") -> str:
    """Register an ensemble as a version of a model, and set an alias to it; the active MLflow run keeps its files.

    The same weights and tags are registered once; a second call only sets the alias.

    Args:
        checkpoints: One file per member.
        name: Name of the registered model; it is created if it does not exist.
        tags: Tags of this version, such as scores, strategy, seeds and data; values become text, `None` is left out.
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
    members = sorted(weights_hash(read_checkpoint(path)["model"]) for path in checkpoints)
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


def _add_version(checkpoints: Sequence[Path], name: str, tags: Mapping[str, str]) -> str:
    mlflow = load_mlflow()
    with tempfile.TemporaryDirectory() as folder:
        members = Path(folder) / "members"
        members.mkdir()
        for number, path in enumerate(checkpoints):  # all files are named model.pt
            registered = members / f"{number:04d}.pt"
            shutil.copyfile(path, registered)
            if description_path(Path(path)).is_file():
                shutil.copyfile(description_path(Path(path)), description_path(registered))
        model = mlflow.pyfunc.log_model(
            name="ensemble",
            python_model=str(_CODE),
            artifacts={"members": str(members)},
            signature=False,  # MLflow's cannot express "one image or several, of any type"
            pip_requirements=_requirements(),
        )
    return str(mlflow.register_model(model.model_uri, name, tags=dict(tags)).version)


def _requirements() -> list[str]:
    """Packages that the model needs, with the installed versions; MLflow would take seconds to find them."""
    packages = ("segassay", "mlflow", "monai", "numpy", "torch")
    return [
        f"{package}=={version(package).partition('+')[0]}" for package in packages
    ]  # no registry has versions with +cpu

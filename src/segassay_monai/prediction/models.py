"""Find the model that predicts: one ensemble of one strategy, wherever it is kept.

folder of members | study | checkpoint | models:/NAME@best | exported bundle  ->  find_model  ->  Model
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from segassay.data.annotations import WITHOUT
from segassay.data.names import natural_key
from segassay.errors import UsageError, shortlist
from segassay.io.addresses import is_address, refuse_address
from segassay.io.outputs import STUDY_FOLDERS
from segassay.tracking import load_mlflow
from segassay_monai.ensemble.members import Member, common_value, find_checkpoints, read_members
from segassay_monai.ensemble.network import read_network_settings, read_record
from segassay_monai.ensemble.prediction import ensemble_name
from segassay_monai.prediction.bundles import is_bundle, read_bundle
from segassay_monai.study.best import read_best
from segassay_monai.study.file import read_study_file
from segassay_monai.targets import OF

__all__ = ["REGISTERED", "Model", "find_model", "model_places"]

REGISTERED = "models:/"
"""What the address of a model in the registry of MLflow begins with."""


@dataclass(frozen=True)
class Model:
    """An ensemble, or a single member, that predicts.

    Attributes:
        checkpoints: One file per member, in the order in which they are averaged.
        name: Annotator name, such as `staple/s0-3`.
        strategy: Strategy of all members; empty if it is not known.
        trained_on: Training target of all members; empty if they have several.
        dataset: Name of the dataset that they were trained on; empty if it is not known.
        members: What each was trained on; empty for an exported bundle, which does not hold it.
        min_object_size: Smallest object, in pixels, that counted in the study; None if it is not known.
        names: Of the channels that the network of an exported bundle sees; empty if they have none.
        image_names: Of all channels of the images that it was trained on.
    """

    checkpoints: tuple[Path, ...]
    name: str
    strategy: str = ""
    trained_on: str = ""
    dataset: str = ""
    members: tuple[Member, ...] = ()
    min_object_size: int | None = None
    names: tuple[str, ...] = ()
    image_names: tuple[str, ...] = ()

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that the members see, in their order; empty if they are not known."""
        return self.members[0].channels if self.members else self.names

    @property
    def image_channels(self) -> tuple[str, ...]:
        """Names of all channels of the images that the members were trained on; empty if they are not known."""
        return self.members[0].image_channels if self.members else self.image_names

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the network and of the members' weights in their order; the same wherever they are kept."""
        weights = [read_record(path).weights for path in self.checkpoints]
        content = [read_network_settings(self.checkpoints).state_dict(), *weights]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def find_model(
    model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, strategy: str | None = None
) -> Model:
    """Find a model, and refuse to average members of several strategies.

    Args:
        model: Folder with members (every `model.pt` below it); folder or YAML file of a study, which means its best
            ensemble; one checkpoint, or several; `models:/NAME@best` of the MLflow registry; folder or zip of an
            exported bundle.
        strategy: Which members to use, by their training target, where there are several strategies.

    Raises:
        UsageError: If there is no model, it is an address, or there are members of several strategies or datasets.
        DataError: If a file is no checkpoint, two have the same weights, or the study is not finished.
        PredictionError: If members have different networks.

    Example:
        >>> find_model("nowhere")
        Traceback (most recent call last):
        segassay.errors.UsageError: model nowhere: no such file or folder; give a folder of members, a study, \
model.pt, models:/NAME@best or an exported bundle
    """
    if not isinstance(model, (str, os.PathLike)):
        return _of_members(find_checkpoints([Path(path) for path in model]), "the members", strategy)
    if str(model).startswith(REGISTERED):
        return _of_members(_registered(str(model)), str(model), strategy)
    refuse_address(model, "model")
    path = Path(model)
    if not path.exists():
        raise UsageError(
            f"model {path}: no such file or folder; give a folder of members, a study, model.pt, models:/NAME@best or "
            "an exported bundle"
        )
    if is_bundle(path):
        found = read_bundle(path)
        return Model(
            found.checkpoints,
            found.name,
            min_object_size=found.min_object_size,
            names=found.channels,
            image_names=found.image_channels,
        )
    if (out := _study_folder(path)) is not None and strategy is None:
        best = read_best(out)
        return _model(best.checkpoints, best.annotator, best.min_object_size)
    if path.is_file() and out is None:
        return _of_members([path], str(path), strategy)
    folder = path if out is None else out / "members"
    try:
        checkpoints = find_checkpoints(folder)
    except UsageError:
        raise UsageError(f"model {folder}: expected a folder with trained members (model.pt), found none") from None
    return _of_members(checkpoints, str(folder), strategy)


def model_places(model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> tuple[list[Path], list[Path]]:
    """Files and folders by which a model is given; and those in a study that hold what it has made alone."""
    given = [model] if isinstance(model, (str, os.PathLike)) else model
    paths = [Path(path) for path in given if not str(path).startswith(REGISTERED)]
    studies = [out for path in paths if (out := _study_folder(path)) is not None]
    return paths, [out / name for out in studies for name in STUDY_FOLDERS]


def _study_folder(path: Path) -> Path | None:
    """Folder of a study, given it, its study.yaml, or the file with which it was run; None if the path is another."""
    if path.suffix in (".yaml", ".yml"):
        if (path.parent / "members").is_dir():
            return path.parent
        out = str(read_study_file(path).output_dir)
        if is_address(out):
            raise UsageError(f"model {path}: the study is kept at an address; give that: {out}")
        return path.resolve().parent / out
    return path if (path / "members").is_dir() and (path / "study.yaml").is_file() else None


def _registered(uri: str) -> list[Path]:
    """Checkpoints of a registered model, downloaded if they are not on this machine."""
    mlflow = load_mlflow()
    try:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except (mlflow.exceptions.MlflowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"model {uri}: not found in {mlflow.get_tracking_uri()} ({reason}); set MLFLOW_TRACKING_URI, or give files"
        ) from error
    found = sorted((folder / "artifacts" / "members").glob("*.pt"))
    if not found:
        raise UsageError(f"model {uri}: is not an ensemble that SegAssay registered; give files")
    return found


def _of_members(checkpoints: Sequence[Path], place: str, strategy: str | None) -> Model:
    """The one ensemble among checkpoints."""
    members = read_members(checkpoints)
    groups: dict[str, list[Path]] = {}
    for path, label in zip(checkpoints, _labels(members), strict=True):
        groups.setdefault(label, []).append(path)
    known = sorted(groups, key=natural_key)
    if strategy is not None and strategy not in groups:
        raise UsageError(f"--strategy {strategy}: {place} has no such members; expected one of {', '.join(known)}")
    if strategy is None and len(groups) > 1:
        raise UsageError(
            f"{place} holds members of {len(groups)} strategies, which are not averaged: {', '.join(known)}; give one "
            "of them as --strategy, or a study, which means its best ensemble"
        )
    return _model(groups[strategy or known[0]], None, None)


def _labels(members: Sequence[Member]) -> list[str]:
    """Strategy of each member as users know it: its training target, and more where that alone is ambiguous."""
    targets = [_target(member.trained_on) for member in members]
    strategies: dict[str, set[str]] = {}
    for target, member in zip(targets, members, strict=True):
        strategies.setdefault(target, set()).add(member.strategy)
    return [
        target if len(strategies[target]) == 1 else f"{target} ({member.strategy})"
        for target, member in zip(targets, members, strict=True)
    ]


def _target(trained_on: str) -> str:
    """A training target; of one of some raters, their number, because seeds of one strategy have other raters.

    Example:
        >>> _target("staple_of_anna+ben"), _target("staple_without_anna")
        ('staple_of_2', 'staple_without_anna')
    """
    method, of, raters = trained_on.partition(OF)
    return f"{method}{OF}{raters.count('+') + 1}" if of and WITHOUT not in method and "+" in raters else trained_on


def _model(checkpoints: Sequence[Path], name: str | None, min_object_size: int | None) -> Model:
    """The model of these checkpoints, in the order of folds and seeds."""
    members = read_members(checkpoints)
    pairs = sorted(
        zip(members, checkpoints, strict=True), key=lambda pair: (pair[0].fold, pair[0].seed, pair[0].trained_on)
    )
    datasets = sorted({member.dataset for member in members})
    if len(datasets) > 1:
        raise UsageError(
            f"members of {len(datasets)} datasets are not averaged: {shortlist(datasets)}; give a folder with members "
            "of one dataset"
        )
    ordered, paths = tuple(member for member, _ in pairs), tuple(path for _, path in pairs)
    read_network_settings(paths)  # refuses members of different networks
    return Model(
        paths,
        name or ensemble_name(ordered),
        strategy=common_value(ordered, "strategy"),
        trained_on=common_value(ordered, "trained_on"),
        dataset=datasets[0],
        members=ordered,
        min_object_size=min_object_size,
    )

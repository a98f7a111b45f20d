"""Check the settings of a run: their names, types and ranges.

    configuration, its command line included -> check_config -> UsageError: --epoch; did you mean --epochs?

MONAI adds any name from the command line to the configuration, so `--epoch 8` would silently train the default number
of epochs. Defaults are in the configurations alone; a test checks that both have the same names.
"""

from __future__ import annotations

import difflib
import inspect
import math
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from pydoc import locate
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from segassay.data.folders import data_places
from segassay.errors import DataError, SegAssayError, UsageError
from segassay.io.outputs import OPTIONS, refuse_inputs
from segassay.io.yaml_files import read_yaml
from segassay_monai.bundle.paths import config_path
from segassay_monai.ensemble.errors import PredictionError


def _ordered(values: list[float] | None) -> list[float] | None:
    if values is not None and (len(values) != 2 or not -math.inf < values[0] < values[1] < math.inf):
        raise ValueError("not two numbers in order")
    return values


_Count = Annotated[int, Field(ge=1, description="1 or more")]
_CountOrNone = Annotated[int, Field(ge=0, description="0 or more")]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, description="a number above 0")]
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False, description="0 or more")]
_Part = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, description="a number from 0 to 1")]
_Flag = Annotated[bool, Field(description="True or False")]
_Dimensions = Annotated[int, Field(ge=2, le=3, description="2 for images or 3 for volumes")]
_Channels = Annotated[
    list[_Count | str],  # texts are expressions
    Field(strict=False, min_length=2, description="two or more whole numbers above 0, such as [16,32,64,128]"),
]
_Range = Annotated[
    list[float] | None,
    AfterValidator(_ordered),
    Field(description="two numbers, the lower one first, such as [-1000,400]"),
]
_PerAxis = Annotated[_Count | list[Any], Field(description="1 or more")]
"""One number for all axes, or a list with one for each."""


class _Settings(BaseModel):
    """Settings of all configurations; messages quote the description of a setting as what is expected."""

    model_config = ConfigDict(strict=True)

    dataset_dir: Any
    output_dir: Any
    overwrite: _Flag
    device: Any
    spatial_dims: _Dimensions
    in_channels: _Count
    channels: _Channels
    strides: Any
    max_pixels: _Count

    @field_validator("*", mode="wrap")
    @classmethod
    def _known_when_evaluated(cls, value: Any, check: Any) -> Any:
        return value if _is_expression(value) else check(value)


class InferenceSettings(_Settings):
    """Settings of `inference.yaml`."""

    models: Any
    min_object_size: _CountOrNone
    flips: _Flag


class EvaluateSettings(_Settings):
    """Settings of `evaluate.yaml`."""

    models: Any
    cases: Any
    rater: Any
    n_figures: _CountOrNone
    flips: _Flag
    experiment: Any
    stored: Any


class TrainSettings(_Settings):
    """Settings of `train.yaml`."""

    rater: Any
    fold: _CountOrNone
    n_folds: Annotated[int, Field(ge=2, description="at least 2 folds")]
    seed: _CountOrNone
    initialise_from: Any
    n_train: Annotated[int | None, Field(ge=2, description="2 or more images")]
    strategy: Any
    val_fraction: Annotated[float, Field(gt=0, lt=1, description="a number between 0 and 1, such as 0.125")]
    epochs: _Count
    iterations_per_epoch: _Count
    batch_size: _Count
    tile_size: _PerAxis
    learning_rate: _Positive
    warm_up: _Part
    weight_decay: _Amount
    foreground: _Part
    intensity_range: _Range
    intensity_scale: _Part
    intensity_shift: _Amount
    gamma: _Amount
    blur: _Amount
    noise: _Amount
    elastic: Annotated[float, Field(ge=0, le=5, description="0 to 5 pixels (more would fold the image)")]
    weight_map: _Amount
    objects: Annotated[Literal["separate", "touching"], Field(description="separate or touching")]
    val_interval: _Count
    lr_steps: Annotated[int, Field(ge=10, description="10 or more")]
    n_cached: _CountOrNone
    num_workers: _CountOrNone
    experiment: Any


SETTINGS: dict[str, type[_Settings]] = {
    "train.yaml": TrainSettings,
    "evaluate.yaml": EvaluateSettings,
    "inference.yaml": InferenceSettings,
}

_MONAI_KEYS = ("_meta_", "initialize", "finalize", "imports", "run", "training", "evaluating", "inference")


def check_config(config: Mapping[str, Any], config_name: str) -> None:
    """Check the settings of a configuration, before any of its expressions is evaluated.

    Args:
        config: The configuration, overrides of the command line included.
        config_name: The configuration of the bundle that it belongs to, such as `train.yaml`.

    Raises:
        UsageError: If a setting is unknown (the message names the nearest known one), of the wrong type or out of
            range.
    """
    known = _own_config(config_name)
    model = SETTINGS[config_name]
    others = [name for name in config if name not in known and name not in _MONAI_KEYS]
    referenced = set(_references(config)) if others else set()
    for name, value in config.items():
        if name in others and name not in referenced:
            raise UsageError(f"unknown setting --{name}{_nearest(name, _settable([*known, *referenced]))}")
        if name in known and name not in model.model_fields:
            _check_component(name, value, known[name])
    _check_values(config, model, known)
    _check_levels(config)
    _check_interval(config)
    _check_output_holds_no_input(config)
    _check_paths(config)


@cache
def _own_config(name: str) -> dict[str, Any]:
    """A configuration of the bundle, read once; nobody may change it."""
    return dict(read_yaml(config_path(name)))


def check_required(config: Mapping[str, Any], required: Mapping[str, str]) -> None:
    """Check that the settings without default are given.

    Args:
        config: The configuration, overrides of the command line included.
        required: Setting -> what to give.

    Raises:
        UsageError: If one is missing.
    """
    for name, expected in required.items():
        if config.get(name) is None:
            raise UsageError(f"--{name} is missing: give {expected}")


def _is_expression(value: Any) -> bool:
    """Whether a value is an expression, known only after evaluation."""
    return isinstance(value, str) and value.startswith(("$", "@", "%"))


def _check_values(config: Mapping[str, Any], model: type[_Settings], known: Mapping[str, Any]) -> None:
    """Check the type and range of each setting."""
    try:
        model.model_validate({name: config[name] for name in model.model_fields if name in config})
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            if problem["type"] != "missing":  # from a configuration of an earlier version
                name = str(problem["loc"][0])
                expected = _expected(problem, config[name], known[name], str(model.model_fields[name].description))
                raise UsageError(f"--{name} {config[name]}: expected {expected}") from None


def _expected(problem: Mapping[str, Any], value: Any, default: Any, otherwise: str) -> str:
    """Expected value for a message: an example of the right type, else the range."""
    is_item = any(isinstance(part, int) for part in problem["loc"])
    if is_item or _is_expression(default):
        return otherwise
    if problem["type"] == "bool_type":
        return "True or False"
    if problem["type"] in ("int_type", "float_type"):
        whole = "a whole number" if problem["type"] == "int_type" and isinstance(value, float) else "a number"
        return otherwise if default is None else f"{whole} such as {default}"
    is_known = problem["type"] == "list_type" and default is not None
    return f"a list such as {default}" if is_known else otherwise


def _check_component(path: str, value: Any, known: Any) -> None:
    """Check the names in a component of the configuration, and the types of plain values."""
    if _is_expression(value):
        return
    if type(known) in (bool, int, float, list):
        try:
            TypeAdapter(type(known)).validate_python(value, strict=not isinstance(known, list))
        except ValidationError as error:
            expected = _expected(error.errors(include_url=False)[0], value, known, f"something like {known}")
            raise UsageError(f"--{path} {value}: expected {expected}") from None
    if isinstance(known, Mapping) and isinstance(value, Mapping) and value.get("_target_") == known.get("_target_"):
        for name, part in value.items():
            if name in known:
                _check_component(f"{path}#{name}", part, known[name])
            else:
                _check_name(path, name, known)


def _check_name(path: str, name: str, known: Mapping[str, Any]) -> None:
    """Check that a component takes a name that our configuration does not give."""
    names = _parameters(known["_target_"]) if "_target_" in known else list(known)
    if names is not None and name not in names and not name.startswith("_"):
        raise UsageError(f"unknown setting --{path}#{name}{_nearest(name, names, prefix=f'{path}#')}")


def _parameters(target: str) -> list[str] | None:
    """Names of the parameters of a component; None if it takes any name, or cannot be found."""
    from monai.bundle import ConfigParser

    component = ConfigParser().locator.get_component_module_name(target)
    found = locate(f"{component}.{target}" if isinstance(component, str) else target)
    if not callable(found):
        return None
    parameters = inspect.signature(found).parameters.values()
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters) else [p.name for p in parameters]


def _check_levels(config: Mapping[str, Any]) -> None:
    """Check that each level of the network can halve the size of a tile; `tile_shape` checks it for volumes."""
    channels, tile_size = config.get("channels"), config.get("tile_size")
    if not isinstance(channels, (list, tuple)) or not isinstance(tile_size, int) or config.get("spatial_dims") != 2:
        return
    smallest = 2 ** len(channels)
    if tile_size < smallest or tile_size % (smallest // 2):
        raise UsageError(
            f"--tile_size {tile_size}: expected a multiple of {smallest // 2}, at least {smallest}, because --channels "
            f"has {len(channels)} levels"
        )


def _check_interval(config: Mapping[str, Any]) -> None:
    interval, epochs = config.get("val_interval"), config.get("epochs")
    if isinstance(interval, int) and isinstance(epochs, int) and interval > epochs:
        raise UsageError(
            f"--val_interval {interval}: expected at most --epochs {epochs}; else no checkpoint is selected"
        )


def _check_output_holds_no_input(config: Mapping[str, Any]) -> None:
    """Check that overwriting the output cannot remove an input, and that it does not lie among inputs."""
    models, output_dir = config.get("models"), config.get("output_dir")
    dataset_dir = config.get("dataset_dir")
    inputs = [dataset_dir, config.get("initialise_from"), *(models if isinstance(models, (list, tuple)) else [models])]
    if output_dir is None or _is_expression(output_dir):
        return
    places = data_places(str(dataset_dir)) if os.path.isdir(str(dataset_dir)) else []
    refuse_inputs(
        Path(str(output_dir)).resolve(),
        [str(path) for path in inputs if path is not None],
        folders=places,
        used="read",
        option=OPTIONS.get()[0],
    )


def _check_paths(config: Mapping[str, Any]) -> None:
    for name in ("dataset_dir", "models", "output_dir"):
        if "::" in str(config.get(name)) and not str(config[name]).startswith("$"):  # MONAI turns # into ::
            option = OPTIONS.get()[0] if name == "output_dir" else f"--{name}"
            typed = str(config[name]).replace("::", "#")
            raise UsageError(f"{option} {typed}: a bundle cannot read paths with #; rename the folder")
    if "::" in str(config.get("rater")) and not str(config["rater"]).startswith("$"):
        rater = str(config["rater"]).replace("::", "#")
        raise UsageError(f"--rater {rater}: a bundle cannot read names with #; rename the folder of the rater")


def _references(node: Any) -> Iterator[str]:
    """Top-level names that a value refers to with `@` or `%`."""
    from monai.bundle.reference_resolver import ReferenceResolver  # loads torch, and few configurations need it

    if isinstance(node, str):
        for reference in ReferenceResolver.match_refs_pattern(node):
            yield reference.split("::")[0]
        if node.startswith("%"):
            yield node[1:].split("::")[0]
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _settable(names: list[str]) -> list[str]:
    """Names without that of the dataset, where the user gives it, and the folder to write, by other names."""
    return names if OPTIONS.get()[0] == "--output_dir" else [name for name in names if name != "dataset_dir"]


def _nearest(name: str, names: list[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if not close:
        return "; the settings are at the top of the configuration file"
    option = OPTIONS.get()[0] if close == ["output_dir"] else f"--{prefix}{close[0]}"
    return f"; did you mean {option}?"


def find_own_error(error: BaseException | None) -> SegAssayError | None:
    """Find the `SegAssayError` in a chain of causes that MONAI wrapped; None if there is none."""
    while error is not None and not isinstance(error, SegAssayError):
        if isinstance(error, PredictionError):  # exported modules do not import our errors
            return DataError(str(error), error.file, error.what, error.action).with_traceback(error.__traceback__)
        error = error.__cause__ or error.__context__
    return error

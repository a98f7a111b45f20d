"""Settings of a run: a mistyped one is an error, and errors reach the user as one message.

MONAI adds any name it is given on the command line to the configuration, so `--epoch 8` would silently train the
default number of epochs.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver

from segassay.errors import DataError, SegAssayError, UsageError
from segassay_monai.bundle.paths import config_path
from segassay_monai.ensemble.inference import PredictionError

_ONE_OR_MORE = ("1 or more", lambda number: number >= 1)
_ZERO_OR_MORE = ("0 or more", lambda number: number >= 0)
_MORE_THAN_ZERO = ("a number above 0", lambda number: number > 0)
_PART = ("a number from 0 to 1", lambda number: 0 <= number <= 1)
_RANGES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "fold": _ZERO_OR_MORE,
    "n_folds": ("at least 2 folds", lambda number: number >= 2),
    "seed": _ZERO_OR_MORE,
    "n_train": ("2 or more images", lambda number: number >= 2),
    "val_fraction": ("a number between 0 and 1, such as 0.125", lambda number: 0 < number < 1),
    "epochs": _ONE_OR_MORE,
    "iterations_per_epoch": _ONE_OR_MORE,
    "batch_size": _ONE_OR_MORE,
    "tile_size": _ONE_OR_MORE,
    "spatial_dims": ("2 for images or 3 for volumes", lambda number: number in (2, 3)),
    "in_channels": _ONE_OR_MORE,
    "max_pixels": _ONE_OR_MORE,
    "learning_rate": _MORE_THAN_ZERO,
    "warm_up": _PART,
    "weight_decay": _ZERO_OR_MORE,
    "foreground": _PART,
    "intensity_scale": _PART,
    "intensity_shift": _ZERO_OR_MORE,
    "gamma": _ZERO_OR_MORE,
    "blur": _ZERO_OR_MORE,
    "noise": _ZERO_OR_MORE,
    "elastic": ("0 to 5 pixels (more would fold the image)", lambda number: 0 <= number <= 5),
    "weight_map": _ZERO_OR_MORE,
    "val_interval": _ONE_OR_MORE,
    "lr_steps": ("10 or more", lambda number: number >= 10),
    "n_cached": _ZERO_OR_MORE,
    "num_workers": _ZERO_OR_MORE,
    "min_object_size": _ZERO_OR_MORE,
    "n_figures": _ZERO_OR_MORE,
}
_PER_AXIS = ("tile_size",)  # one number for all axes, or a list with one for each
_IN_WORKER = re.compile(
    r"Original Traceback.*?^segassay\S*\.(DataError|UsageError|PredictionError): (.+?)(?=\n\n|\n*\Z)", re.S | re.M
)
_MONAI_KEYS = ("_meta_", "initialize", "finalize", "imports", "run", "training", "evaluating", "inference")


def check_settings(config_name: str, required: Mapping[str, str]) -> None:
    """Check the settings of the running configuration; stands first in its `initialize`.

    Args:
        config_name: The configuration of the bundle that it should agree with, such as `train.yaml`.
        required: Settings without default -> what to give.

    Raises:
        UsageError: Naming the nearest setting for an unknown one, a setting that must be a number, or a missing one.
    """
    show_plain_errors()
    config = running_config()
    known = yaml.safe_load(config_path(config_name).read_text(encoding="utf-8"))
    _check_names(config, known)
    for name, expected in required.items():
        if config.get(name) is None:
            raise UsageError(f"--{name} is missing: give {expected}")
    for name, (expected, is_possible) in _RANGES.items():
        value = config.get(name)
        is_undefined = isinstance(value, float) and not math.isfinite(value)
        if isinstance(value, (int, float)) and (is_undefined or not is_possible(value)):
            raise UsageError(f"--{name} {value}: expected {expected}")
    _check_levels(config)
    interval, epochs = config.get("val_interval"), config.get("epochs")
    if isinstance(interval, int) and isinstance(epochs, int) and interval > epochs:
        raise UsageError(f"--val_interval {interval}: expected at most --epochs {epochs}, else no state is kept")
    _check_output_holds_no_input(config)
    for name in ("dataset_dir", "models", "output_dir"):
        if "::" in str(config.get(name)) and not str(config[name]).startswith("$"):  # MONAI turns # into ::
            raise UsageError(f"--{name} {config[name]}: paths with # are not possible in a bundle; rename the folder")


def _check_levels(config: Mapping[str, Any]) -> None:
    """Each level of the network after the first halves the size of a tile; for volumes see `tile_shape`."""
    channels, tile_size = config.get("channels"), config.get("tile_size")
    if not isinstance(channels, (list, tuple)) or any(isinstance(number, str) for number in channels):
        return  # expressions, known only when they are evaluated
    if len(channels) < 2 or any(type(number) is not int or number < 1 for number in channels):
        raise UsageError(f"--channels {channels}: expected two or more whole numbers above 0, such as [16,32,64,128]")
    smallest = 2 ** len(channels)
    if (
        isinstance(tile_size, int)
        and config.get("spatial_dims") == 2
        and (tile_size < smallest or tile_size % (smallest // 2))
    ):
        raise UsageError(
            f"--tile_size {tile_size}: expected a multiple of {smallest // 2} from {smallest} on, for --channels has "
            f"{len(channels)} levels"
        )


def running_config() -> dict[str, Any]:
    """The configuration in effect, command-line overrides included, as plain values before evaluation.

    MONAI gives expressions no access to the configuration as a whole, so the parser that evaluates this call is looked
    up on the stack.
    """
    frame = inspect.currentframe()
    while frame is not None:
        candidate = frame.f_locals.get("self")
        if isinstance(candidate, ConfigParser):
            return dict(candidate.get())
        frame = frame.f_back
    raise RuntimeError("no configuration is running: call this from a bundle's configuration")


def _check_output_holds_no_input(config: Mapping[str, Any]) -> None:
    """Overwriting must never remove what is read."""
    models = config.get("models")
    read = [config.get("dataset_dir"), config.get("initialise_from")]
    inputs = [*read, *(models if isinstance(models, (list, tuple)) else [models])]
    output_dir = config.get("output_dir")
    if output_dir is None or str(output_dir)[:1] in ("$", "@", "%"):
        return  # an expression, known only when it is evaluated
    final = Path(str(output_dir)).resolve()
    for path in inputs:
        if path is not None and Path(str(path)).resolve().is_relative_to(final):
            raise UsageError(f"--output_dir {final} holds what is read ({path}); give a folder of its own")


def _check_names(config: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    referenced = set(_references(config))
    for name, value in config.items():
        if name in known:
            _check_value(name, value, known[name])
        elif name not in (*_MONAI_KEYS, *referenced):
            raise UsageError(f"unknown setting --{name}{_nearest(name, [*known, *referenced])}")


def _check_value(path: str, value: Any, known: Any) -> None:
    if isinstance(value, str) and value[:1] and value[0] in "$@%":
        return  # an expression, known only when it is evaluated
    if isinstance(known, bool):
        if not isinstance(value, bool):  # any text would count as true
            raise UsageError(f"--{path} {value}: expected True or False")
    elif isinstance(known, (int, float)) and not (path in _PER_AXIS and isinstance(value, (list, tuple))):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UsageError(f"--{path} {value}: expected a number such as {known}")
        if isinstance(known, int) and isinstance(value, float):
            raise UsageError(f"--{path} {value}: expected a whole number such as {known}")
    elif isinstance(known, list) and not isinstance(value, (list, tuple)):
        raise UsageError(f"--{path} {value}: expected a list such as {known}")
    if isinstance(known, Mapping) and isinstance(value, Mapping) and value.get("_target_") == known.get("_target_"):
        allowed = list(known) if "_target_" not in known else None
        for name in set(value) - set(known):
            names = allowed if allowed is not None else _parameters(known["_target_"])
            if names is not None and name not in names and not name.startswith("_"):
                raise UsageError(f"unknown setting --{path}#{name}{_nearest(name, names, prefix=f'{path}#')}")
        for name in set(value) & set(known):
            _check_value(f"{path}#{name}", value[name], known[name])


def _parameters(target: str) -> list[str] | None:
    """Names that a component takes; None if it takes any, or cannot be found."""
    from pydoc import locate

    component = ConfigParser().locator.get_component_module_name(target)
    found = locate(f"{component}.{target}" if isinstance(component, str) else target)
    if not callable(found):
        return None
    parameters = inspect.signature(found).parameters.values()
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters) else [p.name for p in parameters]


def _references(node: Any) -> Iterator[str]:
    """Top-level names that some value refers to with `@` or `%`."""
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


def _nearest(name: str, names: list[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return (
        f"; did you mean --{prefix}{close[0]}?"
        if close
        else "; the settings stand at the top of the configuration file"
    )


def show_plain_errors() -> None:
    """Let an error of ours end the program with its message alone; `SEGASSAY_DEBUG=1` shows the traceback as well."""
    if sys.excepthook is not _report:
        sys.excepthook = _report


def _report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    ours = find_own_error(error)
    if ours is None or os.environ.get("SEGASSAY_DEBUG"):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.shutdown()
    print(f"error: {ours}", file=sys.stderr)  # noqa: T201
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ours.exit_code)  # an exception hook cannot set the exit code otherwise


def find_own_error(error: BaseException | None) -> SegAssayError | None:
    """The error of ours that MONAI wrapped, if there is one in the chain of causes.

    Of an error in a process that loads data only the text arrives, as a traceback within the message.
    """
    while error is not None and not isinstance(error, SegAssayError):
        if isinstance(error, PredictionError):
            return DataError(str(error))
        if found := _IN_WORKER.search(str(error)):
            return UsageError(found[2]) if found[1] == "UsageError" else DataError(found[2])
        error = error.__cause__ or error.__context__
    return error


def write_config(path: Path) -> None:
    """Write the configuration in effect as YAML, so that the run can be repeated from it."""
    path.write_text(config_text(), encoding="utf-8")


def config_text() -> str:
    """The configuration in effect as YAML."""
    config = {key: value for key, value in running_config().items() if key != "_meta_"}
    return yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)


def _plain(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_plain(value) for value in node]
    return node if isinstance(node, (str, int, float, bool, type(None))) else str(node)

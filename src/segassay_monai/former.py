"""Former names, used by configurations and registered models of an earlier version; each is a public name now.

segassay_monai.inference.strides  ->  segassay_monai.network_strides
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import segassay_monai

MODULES = (
    "evaluation",
    "handlers",
    "inference",
    "learning_rate",
    "loss",
    "member",
    "metrics",
    "processes",
    "resume",
    "settings",
    "transforms",
)
"""Former modules; each of their names is now a name of `segassay_monai`."""

_RENAMED = {
    "evaluation.evaluate": "run_evaluating",
    "evaluation.predict": "run_inference",
    "inference.divisor": "size_divisor",
    "inference.strides": "network_strides",
    "processes.device": "process_device",
    "processes.join": "join_processes",
    "settings.check": "check_settings",
}


def names_of(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a former module, which finds its names among the public ones.

    Example:
        >>> names_of("bundle")("config_path")("train.yaml").name
        'train.yaml'
    """

    def find(name: str) -> Any:
        public = _RENAMED.get(f"{module}.{name}", name)
        if public not in segassay_monai.__all__:
            raise AttributeError(f"module 'segassay_monai.{module}' has no attribute {name!r}")
        return getattr(segassay_monai, public)

    return find


def module_of(name: str) -> ModuleType:
    """A former module, for expressions such as `segassay_monai.transforms.n_channels(...)`."""
    module = ModuleType(f"segassay_monai.{name}")
    module.__dict__["__getattr__"] = names_of(name)
    return module

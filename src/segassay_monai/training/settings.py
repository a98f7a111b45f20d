"""Settings of a training: what is one, and which change nothing in the weights."""

from collections.abc import Mapping
from typing import Any

__all__ = ["ELSEWHERE", "NEW", "group_of", "is_plain", "known_before"]

ELSEWHERE = (
    "bundle_root",
    "dataset_dir",
    "experiment",
    "lr_steps",
    "n_cached",
    "output_dir",
    "overwrite",
    "strategy",
)
"""Settings of a training that change nothing in its weights; `num_workers` and `device` do."""

NEW = {"intensity_range": None, "objects": "separate"}
"""Settings that an earlier version did not have, with the value that stands for what it did."""


def known_before(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without new ones that change nothing, so that a training is the same as before there were these.

    Example:
        >>> known_before({"epochs": 2, "objects": "separate"}), known_before({"objects": "touching"})
        ({'epochs': 2}, {'objects': 'touching'})
    """
    return {name: value for name, value in settings.items() if NEW.get(name, ...) != value}


def is_plain(value: Any) -> bool:
    """Whether it is a setting: nothing that is built or computed.

    Example:
        >>> [is_plain(value) for value in (8, "staple", [16, 32], "$min(2, @epochs)", {"_target_": "AdamW"})]
        [True, True, True, False, False]
    """
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return not isinstance(value, Mapping) and not str(value).startswith(("$", "@", "%"))


_GROUPS = {
    "data": ("fold", "n_folds", "n_train", "n_val", "rater", "spatial_dims", "val_fraction"),
    "network": ("channels", "initialise_from", "intensity_range", "max_pixels", "objects", "strides"),
    "augmentation": (
        *("blur", "elastic", "foreground", "gamma", "intensity_scale", "intensity_shift", "noise", "tile_size"),
    ),
    "training": (
        *("batch_size", "epochs", "iterations_per_epoch", "learning_rate", "seed", "val_interval", "warm_up"),
        *("weight_decay", "weight_map"),
    ),
}
"""Group of parameters in MLflow -> settings; all others are of the call."""


def group_of(setting: str) -> str:
    """Group in which MLflow lists a setting among the parameters of a run.

    Example:
        >>> group_of("channels"), group_of("output_dir")
        ('network', 'call')
    """
    return next((group for group, names in _GROUPS.items() if setting in names), "call")

"""Settings of a training: what is one, and which change nothing in the weights."""

from collections.abc import Mapping
from typing import Any

__all__ = ["ELSEWHERE", "is_plain"]

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


def is_plain(value: Any) -> bool:
    """Whether it is a setting: nothing that is built or computed.

    Example:
        >>> [is_plain(value) for value in (8, "staple", [16, 32], "$min(2, @epochs)", {"_target_": "AdamW"})]
        [True, True, True, False, False]
    """
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return not isinstance(value, Mapping) and not str(value).startswith(("$", "@", "%"))

"""Training and prediction with MONAI: what the bundle's configuration names by `_target_`, and what drives it."""

from segassay_monai import (
    bundle,
    evaluation,
    handlers,
    inference,
    learning_rate,
    loss,
    member,
    metrics,
    processes,
    resume,
    settings,
    training,
    transforms,
)

__all__ = [
    "bundle",
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
    "training",
    "transforms",
]

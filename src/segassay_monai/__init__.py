"""Training and prediction with MONAI: what the bundle's configuration names by `_target_`, and what drives it."""

from segassay_monai import (
    bundle,
    case_uncertainty,
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
    targets,
    training,
    transforms,
    weight_map,
)

__all__ = [
    "bundle",
    "case_uncertainty",
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
    "targets",
    "training",
    "transforms",
    "weight_map",
]

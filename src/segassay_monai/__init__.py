"""Training and prediction with MONAI: what the bundle's configuration names by `_target_`, and what drives it."""

from segassay_monai import bundle, evaluation, inference, loss, member, metrics, settings, training, transforms

__all__ = ["bundle", "evaluation", "inference", "loss", "member", "metrics", "settings", "training", "transforms"]

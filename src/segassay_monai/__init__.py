"""Training and prediction with MONAI: what the bundle's configuration names by `_target_`, and what drives it."""

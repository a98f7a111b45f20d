"""The version of the training: a part of what a member is known by, beside its settings and data."""

TRAINING_VERSION = 1
"""Raise it by one with every change after which the same settings and data make other weights: another reading of
images or masks, consensus, normalisation, tile, loss, network, optimiser, or choice of the best state. Members of
studies are then trained again. Do not raise it where weights stay the same. `tests/training/test_version.py` fails
where they do not, and says how to record the new ones."""

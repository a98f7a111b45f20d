"""The version of the training: a part of the identity of a member, as its settings and data are."""

TRAINING_VERSION = 2
"""Raise it by one with every change that gives other weights for the same settings and data: of the reading of images
or masks, consensus, normalisation, tiles, loss, network, optimiser, or the choice of the best state. Studies then train
their members again. Do not raise it if the weights stay the same. `tests/training/test_version.py` fails if they do
not, and says how to record the new ones. A consensus that is cached has a version of its own
(`segassay.consensus.cache`): raise that, too, if the reading of masks or the consensus changes."""

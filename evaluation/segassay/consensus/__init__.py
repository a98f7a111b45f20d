"""Consensus: fuse the masks of several raters into one, by pixels, by objects or by classes; cache it and write it."""

from segassay.consensus.classes import fuse_classes
from segassay.consensus.objects import object_consensus
from segassay.consensus.pixels import intersection, majority_vote, soft_mean, staple, union

__all__ = ["fuse_classes", "intersection", "majority_vote", "object_consensus", "soft_mean", "staple", "union"]

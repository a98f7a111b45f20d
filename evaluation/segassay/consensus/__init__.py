"""Consensus: masks of several raters become one, by pixels or by objects; cached and written."""

from segassay.consensus.objects import object_consensus
from segassay.consensus.pixels import intersection, majority_vote, soft_mean, staple, union

__all__ = ["intersection", "majority_vote", "object_consensus", "soft_mean", "staple", "union"]

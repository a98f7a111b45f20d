"""Masks: objects of one mask, overlaps and distances between two masks of one image. Arrays in, numbers out."""

from segassay.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)

"""Stands for `segassay.masks.depth`, whose file a bundle holds in place of this one."""

from segassay.masks.depth import split_by_depth

__all__ = ["split_by_depth"]

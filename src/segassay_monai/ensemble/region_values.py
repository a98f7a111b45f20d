"""Stands for `segassay.masks.region_values`, whose file a bundle holds in place of this one."""

from segassay.masks.region_values import values_of_regions

__all__ = ["values_of_regions"]

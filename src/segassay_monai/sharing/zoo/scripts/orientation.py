"""Stands for `segassay.io.orientation`, whose file a bundle holds in place of this one."""

from segassay.io.orientation import png_orientation, turned

__all__ = ["png_orientation", "turned"]

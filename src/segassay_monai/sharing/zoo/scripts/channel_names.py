"""Stands for `segassay.io.channel_names`, whose file a bundle holds in place of this one."""

from segassay.io.channel_names import tiff_channel_names

__all__ = ["tiff_channel_names"]

"""Stands for `segassay.io.encoding`, whose file a bundle holds in place of this one."""

from segassay.io.encoding import encode, encode_channels

__all__ = ["encode", "encode_channels"]

"""Stands for `segassay.io.picture`, whose file a bundle holds in place of this one."""

from segassay.io.picture import PLACEMENT, Picture

__all__ = ["PLACEMENT", "Picture"]

"""Stands for `segassay_monai.ensemble.numbering`, whose file a bundle holds in place of this one."""

from segassay_monai.ensemble.numbering import number_through

__all__ = ["number_through"]

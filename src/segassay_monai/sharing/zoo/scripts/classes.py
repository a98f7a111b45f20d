"""Stands for `segassay_monai.ensemble.classes`, whose file a bundle holds in place of this one."""

from segassay_monai.ensemble.classes import Classes, class_masks, drawing_order, values_of

__all__ = ["Classes", "class_masks", "drawing_order", "values_of"]

"""Stands for `segassay.io.spacing`, whose file a bundle holds in place of this one."""

from segassay.io.spacing import nifti_spacing_um, tiff_spacing_um

__all__ = ["nifti_spacing_um", "tiff_spacing_um"]

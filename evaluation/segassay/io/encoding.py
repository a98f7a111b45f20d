"""One channel as the bytes of a file: PNG, TIFF or NIfTI; the same array gives the same bytes."""

import gzip
import io

import imagecodecs
import nibabel
import numpy as np
import tifffile

from segassay.io.formats import UM_PER_UNIT, Picture

__all__ = ["encode"]


def encode(suffix: str, array: np.ndarray, like: Picture | None) -> bytes | None:
    """Bytes of a file.

    Args:
        suffix: Ending of the file name, in lower case.
        array: `(*spatial)`, contiguous.
        like: The image it belongs to; a NIfTI copies its affine and spacing.

    Returns:
        None if files of that kind cannot hold the array.
    """
    if suffix == ".png" and array.ndim == 2 and array.dtype in (np.uint8, np.uint16):
        return bytes(imagecodecs.png_encode(array))
    if suffix in (".tif", ".tiff") and array.ndim in (2, 3):
        return _encode_tiff(array)
    if suffix in (".nii", ".nii.gz") and array.ndim in (2, 3):
        data = _encode_nifti(array, like)
        return gzip.compress(data, mtime=0) if suffix == ".nii.gz" else data
    return None


def _encode_tiff(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    metadata = {"axes": "ZYX"[-array.ndim :]}
    tifffile.imwrite(file, array, photometric="minisblack", compression="zlib", metadata=metadata, maxworkers=1)
    return file.getvalue()


def _encode_nifti(array: np.ndarray, like: Picture | None) -> bytes:
    """The image's affine in the image's unit; without one, the spacing in mm."""
    affine, unit = np.eye(4), "unknown"
    if like is not None and like.spacing_um is not None:
        spacing = np.array(like.spacing_um)
        affine, unit = np.diag([*spacing / 1e3, *np.ones(4 - len(spacing))]), "mm"
    if like is not None and like.affine is not None:
        affine = like.affine
        if like.spacing_um is not None:
            um_per_unit = like.spacing_um[0] / np.linalg.norm(affine[:3, 0])
            unit = min(("micron", "mm", "meter"), key=lambda name: abs(np.log(UM_PER_UNIT[name] / um_per_unit)))
    file = nibabel.Nifti1Image(array, affine)
    file.header.set_xyzt_units(unit)
    return bytes(file.to_bytes())

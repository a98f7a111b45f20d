"""Write what an ensemble predicts of one case: mask, instance labels, probability and uncertainties.

Prediction, labels, image -> case_files -> masks/ instances/ prob/ uncertainty/ disagreement/ doubt/
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from segassay.io.images import (
    Picture,
    image_suffix,
    is_folder_image,
    is_nifti,
    write_bytes,
    write_labels,
    write_map,
    write_maps,
    write_mask,
)

__all__ = ["MAPS", "map_type", "write_case"]

MAPS = ("prob", "uncertainty", "disagreement", "doubt")
"""Folders of real numbers; the others are `masks` and `instances`."""


def write_case(
    folder: Path,
    case: str,
    image: Path,
    picture: Picture,
    arrays: dict[str, np.ndarray],
    kinds: Collection[str] | None = None,
) -> dict[str, str]:
    """Write the files of one case, each whole or not at all.

    Files of a NIfTI image are NIfTI with its affine, those of an OME-TIFF or OME-Zarr are OME-TIFF. Others are TIFF
    with the pixel size of the image, if it is known; a 2-D mask without pixel size is a PNG. A mask of classes has
    their values, in 16 bits, or in 32 where a value needs them, and never as a PNG then.

    Args:
        folder: Where the folders of all kinds are.
        case: Name of the case.
        image: Its image file.
        picture: Content of that file.
        arrays: Kind -> array `(*spatial)`: `masks`, boolean or the values of classes, whole numbers `instances`, and
            the `MAPS`; `prob` is `(K, *spatial)` with classes.
        kinds: The kinds to write; by default all.

    Returns:
        Kind -> path relative to the folder.
    """
    ending = map_type(image, picture)
    is_png = ending == ".tif" and picture.array.ndim == 3 and picture.spacing_um is None
    is_png &= "masks" not in arrays or arrays["masks"].max(initial=0) <= np.iinfo(np.uint16).max
    written: dict[str, str] = {}
    for kind, array in arrays.items():
        if kinds is not None and kind not in kinds:
            continue
        name = f"{kind}/{case}{'.png' if kind == 'masks' and is_png else ending}"
        (folder / kind).mkdir(parents=True, exist_ok=True)
        twin = _twin(kind, arrays, written)
        if twin is None:
            write = _write_map if kind in MAPS else write_mask if array.dtype == bool else write_labels
            write(folder / name, array, picture)
        else:
            write_bytes(folder / name, (folder / twin).read_bytes())
        written[kind] = name
    return written


def _twin(kind: str, arrays: dict[str, np.ndarray], written: dict[str, str]) -> str | None:
    """The file of uncertainty, where doubt is all of it, as of a single member: it need not be compressed again."""
    whole = written.get("uncertainty") if kind == "doubt" else None
    return whole if whole is not None and np.array_equal(arrays["uncertainty"], arrays["doubt"]) else None


def _write_map(path: Path, array: np.ndarray, picture: Picture) -> None:
    (write_maps if array.ndim == picture.array.ndim else write_map)(path, array, picture)


def map_type(image: Path, picture: Picture) -> str:
    """Ending of all files but a PNG; OME has no volume of one plane."""
    if is_nifti(image):
        return ".nii.gz"
    is_ome = ".ome." in (image_suffix(image.name) or "").lower() or is_folder_image(image)
    return ".ome.tif" if is_ome and picture.array.shape[1:-2] != (1,) else ".tif"

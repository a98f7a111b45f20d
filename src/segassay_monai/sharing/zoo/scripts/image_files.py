"""Read images as in the training, and write probabilities and masks in the format of the image.

    PNG, TIFF, NIfTI -> LoadImageFiled -> (C, *spatial) float32, axes in the order of the file, never transposed
    pred (1, *spatial) -> SaveImageFiled -> prob/<case>.tif, masks/<case>.png

MONAI's own readers transpose the rows and columns of PNG and TIFF, which gives another prediction.
"""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import imagecodecs
import nibabel
import numpy as np
import tifffile
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

SUFFIXES = (".ome.tif", ".ome.tiff", ".nii.gz", ".png", ".tif", ".tiff", ".nii")
"""Endings of image files; the first match counts."""


def split_name(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Name of the case, and the ending of the file in lower case; empty if the file is no image.

    Example:
        >>> split_name("images/mouse 3.left.OME.TIF"), split_name("notes.txt")
        (('mouse 3.left', '.ome.tif'), ('notes.txt', ''))
    """
    name = Path(path).name
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)], suffix


def find_images(folder: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Find the images of a folder, or of the `images/` in it, as data of a MONAI dataset; empty if there are none."""
    root = Path(folder)
    root = root / "images" if (root / "images").is_dir() else root
    files = sorted(root.iterdir()) if root.is_dir() else []
    return [{"image": str(path)} for path in files if split_name(path)[1] and not path.name.startswith(".")]


def find_labelled(folder: str | os.PathLike[str], label_dir: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Find the images that have a mask of the same name in another folder; empty if there are none."""
    masks = Path(label_dir)
    found = {split_name(path)[0]: str(path) for path in sorted(masks.iterdir())} if masks.is_dir() else {}
    cases = [(split_name(item["image"])[0], item) for item in find_images(folder)]
    return [item | {"label": found[case]} for case, item in cases if case in found]


def check_images(data: list[dict[str, str]], folder: str | os.PathLike[str]) -> None:
    """Refuse a folder without images, and two images of one case, whose masks would have the same name."""
    if not data:
        raise ValueError(f"{folder}: expected a folder with {', '.join(SUFFIXES)} files; give another --dataset_dir")
    known: dict[str, str] = {}
    for item in data:
        case = split_name(item["image"])[0]
        if case in known:
            raise ValueError(f"{item['image']} and {known[case]} are two images of one case; rename or remove one")
        known[case] = item["image"]


class LoadImageFiled(MapTransform):
    """Read image files into float32 tensors `(C, *spatial)`.

    Args:
        keys: Entries that hold a path; replaced by the image.
        n_channels: Number of channels that every image must have.
        spatial_dims: Number of spatial axes that every image must have.

    Raises:
        ValueError: If an image cannot be read, has other channels or axes, or pixels that are NaN or infinite.
    """

    def __init__(self, keys: KeysCollection, n_channels: int, spatial_dims: int) -> None:
        super().__init__(keys)
        self.n_channels, self.spatial_dims = n_channels, spatial_dims

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with every path in `keys` replaced by its image."""
        return dict(data) | {key: self._read(str(data[key])) for key in self.keys}

    def _read(self, path: str) -> MetaTensor:
        pixels, affine = read_pixels(path)
        image = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))
        if (len(image), image.ndim - 1) != (self.n_channels, self.spatial_dims):
            expected = f"{self.n_channels} channel(s) and {self.spatial_dims} axes"
            raise ValueError(f"{path}: expected {expected}, got {len(image)} and {image.ndim - 1}")
        if not torch.isfinite(image).all():
            raise ValueError(f"{path} has pixels that are NaN or infinite; replace them")
        return MetaTensor(image, affine=None if affine is None else torch.from_numpy(affine), meta={PATH: path})


PATH = "filename_or_obj"
"""Where a MetaTensor of MONAI holds the path of its file."""


class LoadImageMaskd(MapTransform):
    """Read masks into float32 tensors `(1, *spatial)`: 1 where any channel is above 0, for comparison."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with every path in `keys` replaced by its mask."""
        masks = {key: (read_pixels(str(data[key]))[0] > 0).any(axis=0, keepdims=True) for key in self.keys}
        return dict(data) | {key: torch.from_numpy(mask.astype(np.float32)) for key, mask in masks.items()}


class SaveImageFiled(MapTransform):
    """Write each prediction in the format of its image: probabilities as they are, masks as 0 and 255 in 8 bits.

    Args:
        keys: Entries with a prediction `(1, *spatial)`: float for probabilities, else a mask.
        output_dir: Folder to write to; it is made if it is missing.
        image_key: Entry with the image, which knows the path of its file.
    """

    def __init__(self, keys: KeysCollection, output_dir: str | os.PathLike[str], image_key: str = "image") -> None:
        super().__init__(keys)
        self.output_dir, self.image_key = Path(output_dir), image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the files; return the case as it is."""
        for key in self.keys:
            values = np.asarray(data[key][0].cpu())
            self.output_dir.mkdir(parents=True, exist_ok=True)
            write_like(data[self.image_key].meta[PATH], self.output_dir, values)
        return dict(data)


def write_like(image: str, folder: Path, values: np.ndarray) -> Path:
    """Write a map or mask `(*spatial)` of an image: NIfTI in the same place, TIFF, or a mask of a PNG as PNG."""
    case, suffix = split_name(image)
    is_map = values.dtype.kind == "f"
    values = values.astype(np.float32) if is_map else (values > 0).astype(np.uint8) * np.uint8(255)
    if suffix.startswith(".nii"):
        path, like = folder / f"{case}.nii.gz", _load_nifti(image)
        header = like.header.copy()
        header.set_data_dtype(values.dtype)
        nibabel.save(nibabel.Nifti1Image(values, like.affine, header), path)
    elif suffix == ".png" and not is_map:
        path = folder / f"{case}.png"
        path.write_bytes(imagecodecs.png_encode(values))
    else:
        path = folder / f"{case}.tif"
        axes = {"axes": "ZYX"[-values.ndim :]}
        tifffile.imwrite(path, values, photometric="minisblack", compression="zlib", metadata=axes)
    return path


def read_pixels(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Read an image.

    Returns:
        Array `(C, *spatial)` in the number type of the file, and the affine of a NIfTI.

    Raises:
        ValueError: If the file is no PNG, TIFF or NIfTI, is incomplete, or is a time series.
    """
    suffix = split_name(path)[1]
    if not suffix:
        raise ValueError(f"{path}: expected a name ending in {', '.join(SUFFIXES)}")
    if suffix == ".png":
        return _read_png(Path(path)), None
    return _read_nifti(path) if suffix.startswith(".nii") else (_read_tiff(path), None)


def _read_png(path: Path) -> np.ndarray:
    """Grey or colours; a palette becomes colours, alpha is dropped."""
    array = imagecodecs.png_decode(path.read_bytes())
    if array.ndim == 2:
        return array[np.newaxis]
    n_colours = {2: 1, 4: 3}.get(array.shape[2], array.shape[2])
    return np.moveaxis(array[:, :, :n_colours], 2, 0)


def _load_nifti(path: str | os.PathLike[str]) -> Any:
    return nibabel.load(path)


def _read_nifti(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """A fourth axis is channels, and so are colours."""
    file = _load_nifti(path)
    shape = tuple(file.shape)
    shape = (*shape[:3], shape[4]) if len(shape) == 5 and shape[3] == 1 else shape
    if not 2 <= len(shape) <= 4:
        raise ValueError(f"{path} has the shape {shape}; expected 2 or 3 axes and at most one of channels")
    array = np.asanyarray(file.dataobj)
    n_channels = shape[3] if len(shape) == 4 else 1
    if array.dtype.names:
        array, n_channels = np.stack([array[name] for name in "RGB"], axis=-1), 3
    return np.moveaxis(array.reshape(*shape[:3], n_channels), -1, 0), np.asarray(file.affine)


def _read_tiff(path: str | os.PathLike[str]) -> np.ndarray:
    """Channels and spatial axes as the file names them; several pages without a name are planes."""
    with tifffile.TiffFile(path) as tif:
        series = _only_series(path, tif)
        axes, page = series.axes, series.keyframe
        depth = [axis for axis, name in enumerate(axes) if name not in "CSYXT"]
        if len(depth) > 1 or "T" in axes or not {"Y", "X"} <= set(axes):
            raise ValueError(f"{path} has the axes {axes}; expected rows and columns, with at most depth and channels")
        spatial = [*depth, axes.index("Y"), axes.index("X")]
        channels = [axis for axis, name in enumerate(axes) if name in "CS"]
        array = series.asarray().transpose(*channels, *spatial)
        array = array.reshape(-1, *(series.shape[axis] for axis in spatial))
        return _tiff_colours(array, page)


def _only_series(path: str | os.PathLike[str], tif: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    """The image of the file; smaller ones are previews. A file that lost planes is refused, not filled with zeros."""
    tif.filehandle.seek(tif.pages.next_page_offset or 0)
    is_cut = tif.filehandle.read(tif.tiff.offsetsize) != bytes(tif.tiff.offsetsize)
    first, *others = tif.series
    is_whole = all(page is not None and len(page.dataoffsets) >= math.prod(page.chunked) for page in first.pages)
    if is_cut or not is_whole:
        raise ValueError(f"{path} is incomplete: some planes or rows are missing; copy it again")
    if any(other.shape == first.shape for other in others):
        raise ValueError(f"{path} holds {len(tif.series)} images; save each as a separate file")
    return first


def _tiff_colours(array: np.ndarray, page: Any) -> np.ndarray:
    """Palette to RGB, alpha dropped, white-is-zero turned into black-is-zero."""
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE and len(array) == 1:
        return (np.asarray(page.colormap)[:, array[0]] >> 8).astype(np.uint8)
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and array.dtype.kind in "bu":
        return ~array
    n_samples, n_alpha = page.samplesperpixel, sum(int(extra) in (1, 2) for extra in page.extrasamples)
    if page.photometric == tifffile.PHOTOMETRIC.RGB and n_samples == 4:
        n_alpha = 1
    if n_alpha and len(array) % n_samples == 0:
        kept = array.reshape(-1, n_samples, *array.shape[1:])[:, :-n_alpha]
        return kept.reshape(-1, *array.shape[1:])
    return array

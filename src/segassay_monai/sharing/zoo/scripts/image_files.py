"""Read images as in the training, and write probabilities and masks in the format of the image, with its pixel size.

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

from .encoding import encode, encode_channels
from .orientation import png_orientation, turned
from .picture import PLACEMENT, Picture
from .spacing import nifti_spacing_um, tiff_spacing_um

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
        picture = read_picture(path)
        array = self._seen(path, picture.array)
        image = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        if (len(image), image.ndim - 1) != (self.n_channels, self.spatial_dims):
            expected = f"{self.n_channels} channel(s) and {self.spatial_dims} axes"
            raise ValueError(f"{path}: expected {expected}, got {len(image)} and {image.ndim - 1}")
        if not torch.isfinite(image).all():
            raise ValueError(f"{path} has pixels that are NaN or infinite; replace them")
        affine = None if picture.affine is None else torch.from_numpy(picture.affine)
        return MetaTensor(image, affine=affine, meta={PATH: path})

    def _seen(self, path: str, array: np.ndarray) -> np.ndarray:
        """Channels of an image that the network sees."""
        return array


PATH = "filename_or_obj"
"""Where a MetaTensor of MONAI holds the path of its file."""


class LoadImageMaskd(MapTransform):
    """Read masks into float32 tensors `(1, *spatial)`: 1 where any channel is above 0, for comparison."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with every path in `keys` replaced by its mask."""
        masks = {key: (read_picture(str(data[key])).array > 0).any(axis=0, keepdims=True) for key in self.keys}
        return dict(data) | {key: torch.from_numpy(mask.astype(np.float32)) for key, mask in masks.items()}


class SaveImageFiled(MapTransform):
    """Write each prediction in the format of its image: probabilities as they are, masks as 0 and 255 in 8 bits.

    Args:
        keys: Entries with a prediction `(1, *spatial)`: float for probabilities, else a mask. Probabilities of several
            classes `(K, *spatial)` become channels.
        output_dir: Folder to write to; it is made if it is missing.
        image_key: Entry with the image, which knows the path of its file.
    """

    def __init__(self, keys: KeysCollection, output_dir: str | os.PathLike[str], image_key: str = "image") -> None:
        super().__init__(keys)
        self.output_dir, self.image_key = Path(output_dir), image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the files; return the case as it is."""
        for key in self.keys:
            values = np.asarray(data[key].cpu())
            self.output_dir.mkdir(parents=True, exist_ok=True)
            kind = "channels" if len(values) > 1 else ""
            write_like(data[self.image_key].meta[PATH], self.output_dir, values if kind else values[0], kind=kind)
        return dict(data)


def write_like(image: str | os.PathLike[str], folder: Path, values: np.ndarray, *, kind: str = "") -> Path:
    """Write a map, mask or labels `(*spatial)` of an image, in its place and with its pixel size.

    Args:
        image: File of the image. NIfTI gives NIfTI, OME-TIFF gives OME-TIFF, and the others TIFF; a mask of an image of
            two axes without pixel size is a PNG.
        folder: Folder that exists.
        values: Real numbers for a map, bytes or booleans for a mask (0 and 255 in the file), else labels from 0.
        kind: `values` for a mask of the values of classes; `channels` for maps `(K, *spatial)`; else as `values` tell.
    """
    case, suffix = split_name(image)
    spatial = values.shape[1:] if kind == "channels" else values.shape
    place = _read_place(image, len(spatial))
    is_mask = not kind and (values.dtype.kind == "b" or values.dtype == np.uint8)
    large = values.size > 0 and values.max() > np.iinfo(np.uint16).max
    if suffix.startswith(".nii"):
        ending = ".nii.gz"
    elif suffix.startswith(".ome.") and spatial[:-2] != (1,):  # OME has no volume of one plane
        ending = ".ome.tif"
    else:
        is_png = (is_mask or (kind == "values" and not large)) and len(spatial) == 2 and place.spacing_um is None
        ending = ".png" if is_png else ".tif"
    if is_mask:
        values = (values > 0).astype(np.uint8) * np.uint8(255)
    elif values.dtype.kind == "f":
        values = values.astype(np.float32)
    else:
        values = values.astype(np.uint32 if large else np.uint16)
    data = (encode_channels if kind == "channels" else encode)(ending, np.ascontiguousarray(values), place)
    if data is None:
        raise ValueError(f"{image}: files ending in {ending} cannot hold {values.ndim} axes of {values.dtype}")
    path = folder / f"{case}{ending}"
    path.write_bytes(data)
    return path


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read an image.

    Returns:
        Array `(C, *spatial)` in the number type of the file, its pixel size, and the affine of a NIfTI.

    Raises:
        ValueError: If the file is no PNG, TIFF or NIfTI, is incomplete, or is a time series.
    """
    suffix = split_name(path)[1]
    if not suffix:
        raise ValueError(f"{path}: expected a name ending in {', '.join(SUFFIXES)}")
    if suffix == ".png":
        return Picture(_read_png(Path(path)))
    try:
        array = _read_nifti(path) if suffix.startswith(".nii") else _read_tiff(path)
    except tifffile.TiffFileError as error:
        raise ValueError(f"{path} is no TIFF, or not a whole one: {error}") from error
    array = array.view(np.uint8) if array.dtype == bool else array
    place = _read_place(path, array.ndim - 1)
    return Picture(array, place.spacing_um, place.affine, place.placement)


def _read_place(path: str | os.PathLike[str], n_axes: int) -> Picture:
    """Where the pixels of an image are, without them."""
    suffix, none = split_name(path)[1], np.empty(0)
    if suffix == ".png":
        return Picture(none)  # it has the resolution of a screen
    if suffix.startswith(".nii"):
        file = _load_nifti(path)
        placement = {name: np.array(file.header[name]) for name in PLACEMENT}
        return Picture(none, nifti_spacing_um(file.header, n_axes), np.asarray(file.affine), placement)
    with tifffile.TiffFile(path) as tif:
        return Picture(none, tiff_spacing_um(tif, n_axes, _orientation(tif.series[0].keyframe)))


def _read_png(path: Path) -> np.ndarray:
    """Grey or colours; a palette becomes colours, alpha is dropped."""
    data = path.read_bytes()
    array = imagecodecs.png_decode(data)
    array = array[..., np.newaxis] if array.ndim == 2 else array
    n_colours = {2: 1, 4: 3}.get(array.shape[2], array.shape[2])
    return turned(np.moveaxis(array[:, :, :n_colours], 2, 0), png_orientation(data))


def _load_nifti(path: str | os.PathLike[str]) -> Any:
    return nibabel.load(path)


def _read_nifti(path: str | os.PathLike[str]) -> np.ndarray:
    """A fourth axis is channels, and so are colours; one plane is an image of two axes."""
    file = _load_nifti(path)
    shape = tuple(file.shape)
    shape = (*shape[:3], shape[4]) if len(shape) == 5 and shape[3] == 1 else shape
    if not 2 <= len(shape) <= 4:
        raise ValueError(f"{path} has the shape {shape}; expected 2 or 3 axes and at most one of channels")
    spatial = shape[:2] if shape[2:3] == (1,) else shape[:3]
    array = np.asanyarray(file.dataobj)
    n_channels = shape[3] if len(shape) == 4 else 1
    if array.dtype.names:
        array, n_channels = np.stack([array[name] for name in "RGB"], axis=-1), 3
    return np.moveaxis(array.reshape(*spatial, n_channels), -1, 0)


def _read_tiff(path: str | os.PathLike[str]) -> np.ndarray:
    """Channels and spatial axes as the file names them; several pages without a name are planes."""
    with tifffile.TiffFile(path) as tif:
        series = _only_series(path, tif)
        axes, page = series.axes, series.keyframe
        depth = [
            axis for axis, name in enumerate(axes) if name not in "CSYX" and (name, series.shape[axis]) != ("T", 1)
        ]
        if len(depth) > 1:
            depth = [axis for axis in depth if series.shape[axis] > 1] or depth[:1]
        if len(depth) > 1 or any(axes[axis] == "T" for axis in depth) or not {"Y", "X"} <= set(axes):
            raise ValueError(f"{path} has the axes {axes}; expected rows and columns, with at most depth and channels")
        spatial = [*depth, axes.index("Y"), axes.index("X")]
        channels = [axis for axis in range(len(axes)) if axis not in spatial]  # or axes of length 1
        array = series.asarray().transpose(*channels, *spatial)
        array = array.reshape(-1, *(series.shape[axis] for axis in spatial))
        return turned(_tiff_colours(array, page), _orientation(page))


def _orientation(page: Any) -> int:
    """How viewers shall turn a TIFF."""
    tag = page.tags.get("Orientation")
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


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
    if page.photometric == tifffile.PHOTOMETRIC.RGB and n_samples == 4 and not page.extrasamples:
        n_alpha = 1
    if n_alpha and len(array) % n_samples == 0:
        kept = array.reshape(-1, n_samples, *array.shape[1:])[:, :-n_alpha]
        return kept.reshape(-1, *array.shape[1:])
    return array

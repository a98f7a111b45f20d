"""OME-Zarr images (NGFF 0.1 to 0.5): a folder of chunks whose metadata name axes, resolutions and pixel size.

    NAME.ome.zarr -> ZarrWindows -> (C, *spatial) of any window of its finest level
                  -> read_ome_zarr -> Picture

Which chunks there are and how they are compressed is read by `zarr_arrays`.
"""

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segassay.errors import DataError
from segassay.io.channel_names import zarr_channel_names
from segassay.io.formats import blank, check_room, check_size
from segassay.io.picture import Picture
from segassay.io.spacing import um_per_unit
from segassay.io.zarr_arrays import ZarrArray, open_array, read_json

__all__ = ["ZarrWindows", "ome_zarr_files", "ome_zarr_shape", "read_ome_zarr"]

_OF_FIVE = "tczyx"  # axes of NGFF 0.1 and 0.2, which name none


class ZarrWindows:
    """An OME-Zarr image of which windows are read, at its finest level.

    Args:
        path: Folder of the image.

    Attributes:
        path: The folder.
        frame: The picture without its pixels, as of `windows.Windows`: rows and columns, and depth in front if it has
            more than one plane; spacing if the axes have a unit of length.

    Raises:
        DataError: If it is a plate, several images, a time series, or the numbers cannot be read.
        ValueError: If the metadata are broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        folder, about, image = _multiscale(path)
        level = image["datasets"][0]
        self._array: ZarrArray = open_array(path, folder / str(level["path"]))
        axes = _axes(image, len(self._array.shape))
        self._order, self._n_channel_axes = _places_of(path, axes, self._array.shape)
        lengths = [self._array.shape[place] for place in self._order]
        shape = (math.prod(lengths[: self._n_channel_axes]), *lengths[self._n_channel_axes :])
        spacing = _spacing(image, level, axes, self._order[self._n_channel_axes :])
        names = zarr_channel_names(about, shape[0])
        self.frame = Picture(blank(shape, self._array.dtype), spacing, channel_names=names)

    def read(self, *window: slice) -> np.ndarray:
        """Pixels `(C, *window)` of a window inside the image, one slice for each spatial axis.

        Raises:
            DataError: If a chunk is missing or broken.
        """
        parts = [slice(0, length) for length in self._array.shape]
        for place, part in zip(self._order[self._n_channel_axes :], window, strict=True):
            parts[place] = part
        try:
            array = self._array.read(parts)
        except DataError:
            raise
        except Exception as error:
            cause = str(error).strip().split("\n")[0][:200] or type(error).__name__
            what = f"is truncated or broken ({cause})"
            raise DataError.of(self.path, what, "export or copy it again", kind="damaged") from error
        others = [place for place in range(array.ndim) if place not in self._order]
        array = array.transpose(*others, *self._order)
        return np.ascontiguousarray(array.reshape(-1, *(part.stop - part.start for part in window)))

    def check_size(self) -> None:
        """Refuse metadata that claim more pixels than the files of the array can hold."""
        size = sum(file.stat().st_size for file in ome_zarr_files(self._array.folder))
        n_bytes = math.prod(self._array.shape) * self._array.dtype.itemsize
        check_size(self.path, self._array.shape, n_bytes, size)


def _multiscale(path: Path) -> tuple[Path, Mapping[str, Any], Mapping[str, Any]]:
    """Folder of the one image that a folder holds, the metadata of this folder, and of them those of the image."""
    if not path.is_dir():
        found = "does not exist" if not path.exists() else "is a file"
        raise DataError.of(path, found, expected="the folder of an OME-Zarr image", kind="no-folder")
    about = _attributes(path, path)
    if "plate" in about or "well" in about:
        what, action = "is a plate of many images", "give the folder of each image, with a name that ends in .zarr"
        raise DataError.of(path, what, action, kind="series")
    folder = path
    if "multiscales" not in about and "bioformats2raw.layout" in about:
        folder = path / "0"
        if (path / "1").is_dir():
            action = "convert each series into a folder of its own (bioformats2raw --series 0)"
            raise DataError.of(path, "holds several images", action, kind="series")
        about = _attributes(path, folder)
    images = about.get("multiscales")
    if not isinstance(images, list) or not images or not isinstance(images[0], dict) or not images[0].get("datasets"):
        what = "has no `multiscales`, the metadata that say where the image is"
        raise DataError.of(path, what, "export it as OME-Zarr (NGFF), or copy it again", kind="no-metadata")
    return folder, about, images[0]


def _attributes(path: Path, folder: Path) -> Mapping[str, Any]:
    """Metadata of a group: NGFF 0.5 in zarr.json under `ome`, earlier ones in .zattrs."""
    about = read_json(path, folder / "zarr.json").get("attributes") or read_json(path, folder / ".zattrs")
    own = about.get("ome", about)
    if not isinstance(own, dict):
        raise ValueError("`ome` in zarr.json is no JSON object")
    return own


def _axes(image: Mapping[str, Any], n_axes: int) -> list[tuple[str, str, str]]:
    """Name, type and unit of each axis."""
    given = image.get("axes") or (list(_OF_FIVE) if n_axes == len(_OF_FIVE) else [])
    axes = [{"name": axis} if isinstance(axis, str) else dict(axis) for axis in given]
    if len(axes) != n_axes:
        raise ValueError(f"its metadata name {len(axes)} axes, its array has {n_axes}")
    return [(str(axis["name"]).lower(), str(axis.get("type", "")), str(axis.get("unit") or "")) for axis in axes]


def _places_of(path: Path, axes: Sequence[tuple[str, str, str]], shape: Sequence[int]) -> tuple[list[int], int]:
    """Places of the axis of channels, if any, then of depth, rows and columns; and the number of the first kind."""
    names = [name for name, _, _ in axes]
    channels = [place for place, (name, kind, _) in enumerate(axes) if kind == "channel" or (name == "c" and not kind)]
    spatial = [names.index(name) for name in "zyx" if name in names]
    if "z" in names and shape[names.index("z")] == 1:
        spatial = spatial[1:]
    others = [place for place in range(len(axes)) if place not in channels + spatial and shape[place] > 1]
    if others or "y" not in names or "x" not in names or len(set(names)) < len(names):
        action = "save each time point or position as an image of its own"
        expected = "rows and columns, with at most depth and channels"
        sizes = " × ".join(map(str, shape))
        raise DataError.of(
            path, f"has the axes {''.join(names)} ({sizes})", action, expected=expected, kind="image-axes"
        )
    return channels + spatial, len(channels)


def _spacing(
    image: Mapping[str, Any], level: Mapping[str, Any], axes: Sequence[tuple[str, str, str]], spatial: Sequence[int]
) -> tuple[float, ...] | None:
    """Micrometres between pixels along each spatial axis; None if the scale or a unit is not known."""
    scale = np.ones(len(axes))
    for step in [*(level.get("coordinateTransformations") or ()), *(image.get("coordinateTransformations") or ())]:
        if step.get("type") == "scale":
            values = step.get("scale")
            if not isinstance(values, list) or len(values) != len(axes):
                return None
            scale = scale * np.array(values, dtype=float)
    units = [um_per_unit(axes[place][2]) for place in spatial]
    if any(unit is None for unit in units) or not level.get("coordinateTransformations"):
        return None
    found = tuple(float(scale[place]) * float(unit or 0) for place, unit in zip(spatial, units, strict=True))
    return found if all(math.isfinite(value) and value > 0 for value in found) else None


def ome_zarr_shape(path: Path) -> tuple[int, ...]:
    """Spatial shape from the metadata of an OME-Zarr image."""
    return ZarrWindows(path).frame.array.shape[1:]


def read_ome_zarr(path: Path, *, as_mask: bool = False) -> Picture:
    """All pixels of the finest level; masks are read like images."""
    image = ZarrWindows(path)
    blank_array = image.frame.array
    image.check_size()
    check_room(path, blank_array.shape, blank_array.size, blank_array.size * blank_array.itemsize)
    array = image.read(*(slice(0, length) for length in blank_array.shape[1:]))
    return dataclasses.replace(image.frame, array=array)


def ome_zarr_files(folder: Path) -> Iterator[Path]:
    """All files in a folder and below it, sorted, without links and without those that a system has put there."""
    for here, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(here, name)
            if name != ".DS_Store" and not path.is_symlink() and path.is_file():
                yield path

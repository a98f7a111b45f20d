"""Training data of a case: image, label, the area that counts, and random tiles of them.

    case -> LoadCased  -> image (C, *spatial) float32, label (1 or R, *spatial), valid (1, *spatial) uint8
         -> RandTiled  -> the same, tile-sized, turned by any angle, flipped and bent
         -> RandRaterd -> label (1, *spatial)

With K classes a label has K channels, or R times K: those of the first rater, then those of the second. Of objects that
touch it has two, foreground and depth, and the case has its `instances`, which whole images are compared with.

`valid` is 0 in ignored areas, which are left out of sampling, loss and scores. `weight`, if requested, is the weight of
a pixel in the loss.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable, Transform
from torch.nn.functional import grid_sample

from segassay.data.cases import read_case_ignore, read_case_region, read_seen_image
from segassay.data.dataset import Dataset
from segassay.errors import UsageError
from segassay.masks.depth import depth_map
from segassay.masks.objects import counted_pixels
from segassay_monai.ensemble.class_objects import number_objects
from segassay_monai.ensemble.classes import SEPARATE, TOUCHING, Classes
from segassay_monai.ensemble.images import as_float, check_image
from segassay_monai.targets import is_soft, read_instances, read_label_instances, read_labels
from segassay_monai.training.weight_map import weight_map as weigh

BEND_EVERY = 32  # pixels between the control points of an elastic deformation


class LoadCased(Transform):
    """Read a case of a dataset: its image, its label, and the area that counts.

    Args:
        dataset: The dataset of the case.
        trained_on: Training target, see `segassay_monai.targets`.
        n_channels: Number of channels of every image that the network sees.
        spatial_dims: Number of spatial axes that every image must have.
        weight_map: Weight of the gaps between neighbouring objects (see `training.weight_map`); at 0 all pixels
            count the same and the case gets no `weight`.
        cache_dir: Folder of computed consensus masks; by default the user's cache folder.
        classes: Of the model, as in `ensemble.classes`; by default all are one foreground.
        objects: Of the model, as there; `touching` adds the depth to the label, and `instances`.
    """

    def __init__(
        self,
        dataset: Dataset,
        trained_on: str,
        n_channels: int,
        spatial_dims: int = 2,
        weight_map: float = 0.0,
        cache_dir: Path | None = None,
        classes: Classes = (),
        objects: str = SEPARATE,
    ) -> None:
        self.dataset, self.trained_on, self.cache_dir, self.classes = dataset, trained_on, cache_dir, classes
        self.objects = objects
        self.n_channels, self.spatial_dims, self.weight_map = n_channels, spatial_dims, weight_map

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case named in `case` with `image`, `label` and `valid`.

        `labelled` has the labelled pixels, as indices of the flat image, on which RandTiled may centre a tile; with
        classes a list of the same for each class that the case has.
        """
        case = data["case"]
        picture = read_seen_image(self.dataset, case)
        image = as_float(picture.array)
        check_image(self.dataset.images[case], image, self.n_channels, self.spatial_dims)
        valid = read_valid(self.dataset, case, image.shape[1:])
        if self.objects == TOUCHING:
            return dict(data) | {"image": image} | self._touching(case, valid, relative_spacing(picture.spacing_um))
        label = read_labels(self.dataset, case, self.trained_on, self.cache_dir, self.classes) * valid
        loaded = dict(data) | {
            "image": image,
            "label": torch.from_numpy(label.astype(np.uint8) if label.dtype == bool else label),
            "valid": torch.from_numpy(valid[None].astype(np.uint8)),
            "labelled": _labelled(label, len(self.classes)),
        }
        if self.weight_map > 0:
            spacing = relative_spacing(picture.spacing_um)
            weights = [weigh(mask, self.weight_map, spacing) for mask in _objects(label > 0.5, len(self.classes))]
            loaded["weight"] = torch.from_numpy(np.stack(weights))
        return loaded

    def _touching(self, case: str, valid: np.ndarray, spacing: Sequence[float] | None) -> dict[Hashable, Any]:
        """Entries of a case whose objects may touch; `label` is float32 `(2, *spatial)`, or that of each rater."""
        each = read_label_instances(self.dataset, case, self.trained_on, self.cache_dir)
        label = np.stack([[labels > 0, depth_map(labels, spacing)] for labels in each]).astype(np.float32)
        label = (label.mean(axis=0) if is_soft(self.trained_on) else label.reshape(-1, *valid.shape)) * valid
        instances = read_instances(self.dataset, case, self.trained_on, self.cache_dir) if len(each) > 1 else each[0]
        loaded: dict[Hashable, Any] = {
            "label": torch.from_numpy(label),
            "valid": torch.from_numpy(valid[None].astype(np.uint8)),
            "labelled": _labelled(label > 0, 0),
            "instances": torch.from_numpy((instances * valid)[None]),
        }
        if self.weight_map > 0:
            weighed = [instances] if is_soft(self.trained_on) else each
            weights = [weigh(labels * valid, self.weight_map, spacing) for labels in weighed]
            loaded["weight"] = torch.from_numpy(np.stack(weights))
        return loaded


def _labelled(label: np.ndarray, n_classes: int) -> torch.Tensor | list[torch.Tensor]:
    """As `labelled` of `LoadCased`."""
    of_each = [
        torch.from_numpy(np.flatnonzero(label[first :: n_classes or 1].any(axis=0))) for first in range(n_classes)
    ]
    if n_classes:
        return [pixels for pixels in of_each if len(pixels)]
    return torch.from_numpy(np.flatnonzero(label.any(axis=0)))


def _objects(masks: np.ndarray, n_classes: int) -> Iterator[np.ndarray]:
    """Objects of each rater, for the weight map: a mask, or with classes the objects of all, numbered through."""
    if not n_classes:
        yield from masks
    for first in range(0, len(masks) if n_classes else 0, n_classes or 1):
        yield number_objects(masks[first : first + n_classes])[0]


def relative_spacing(spacing_um: Sequence[float] | None) -> list[float] | None:
    """Distances between pixels in units of the smallest; None if they are not known.

    Example:
        >>> relative_spacing((2.0, 0.5, 0.5))
        [4.0, 1.0, 1.0]
    """
    return None if spacing_um is None else [float(distance / min(spacing_um)) for distance in spacing_um]


def n_channels(dataset: Dataset) -> int:
    """Number of channels of the first image that the network sees, for which it is built."""
    return len(read_seen_image(dataset, dataset.cases[0]).array)


def read_valid(dataset: Dataset, case: str, spatial: Sequence[int]) -> np.ndarray:
    """Area that counts, boolean `(*spatial)`: inside the region and outside ignored areas, if there are any."""
    ignore, region = read_case_ignore(dataset, case), read_case_region(dataset, case)
    return counted_pixels(np.ones(spatial, dtype=bool), ignore=ignore, region=region)


class RandRaterd(Randomizable, MapTransform):
    """Draw one rater at every call: keep the same channels of all entries that have channels per rater.

    Entries of one rater are not changed.

    Args:
        keys: Entries `(R, *spatial)`, all of one R; the first may have `n_classes` channels for each rater.
        n_classes: Number of classes, or of foreground and depth; 0 for one foreground.
    """

    def __init__(self, keys: KeysCollection, n_classes: int = 0) -> None:
        MapTransform.__init__(self, keys)
        self.n_classes = n_classes

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with entries `(1, *spatial)`, or `(n_classes, *spatial)`."""
        n_raters = len(data[self.keys[0]]) // (self.n_classes or 1)
        chosen = self.R.randint(n_raters) if n_raters > 1 else 0
        return dict(data) | {key: _of_rater(data[key], chosen, n_raters) for key in self.keys}


def _of_rater(channels: torch.Tensor, chosen: int, n_raters: int) -> torch.Tensor:
    n = len(channels) // n_raters
    return channels[chosen * n : (chosen + 1) * n]


class RandTiled(Randomizable, MapTransform):
    """Draw one tile: move, rotate, flip and deform it in a single resampling.

    With probability `foreground` the tile is centred near a random labelled pixel, else anywhere in the area that
    counts. With classes, one of those that the case has is drawn first, then a pixel of it, so that rare classes are
    seen as often as others. Tiles can exceed the border of small images; there the image is reflected and `valid` is 0.
    A single resampling keeps the tile sharp and leaves no empty corners after a rotation.

    Args:
        keys: Entries to cut, each `(channels, *spatial)` with equal `*spatial`; must contain `label` and `valid`.
        tile_size: Edge lengths of the tile in pixels, one per spatial axis.
        foreground: Probability that the tile is centred on foreground.
        rotate: Largest angle in radians; pi is any angle.
        flip: Probability of a flip along each axis.
        jitter: Largest shift of the centre, as a part of the tile, so that objects are not always in its middle.
        elastic: Standard deviation of an elastic deformation along each axis, in pixels of the most finely sampled
            axis; 0 for none. At 4 no tile is folded, at 5 one in several hundred has a folded spot.
        spacing: Distance between pixels along each axis, in any unit. Rotations and deformations use these distances,
            so that objects keep their shape. Rotations are in the plane of the two most finely sampled axes, or in one
            of several such planes, drawn at random. By default all are equal, and rotations are in the last two axes.

    Returns (when called):
        The case with tiles: `image` and `weight` interpolated linearly, `label` and `valid` to the nearest pixel.
    """

    NEAREST = ("label", "valid")

    def __init__(
        self,
        keys: KeysCollection,
        tile_size: Sequence[int],
        foreground: float = 0.75,
        rotate: float = np.pi,
        flip: float = 0.5,
        jitter: float = 0.25,
        elastic: float = 0.0,
        spacing: Sequence[float] | None = None,
    ) -> None:
        MapTransform.__init__(self, keys)
        self.tile_size = [int(size) for size in tile_size]
        self.foreground, self.rotate, self.flip, self.jitter = foreground, rotate, flip, jitter
        self.elastic = elastic
        n = len(self.tile_size)
        self.spacing = np.array(relative_spacing(spacing) or [1.0] * n)
        self.planes = [(n - 2, n - 1)] if spacing is None else finest_planes(spacing)
        steps = BEND_EVERY / self.spacing
        self._splines = [cubic_splines(size, step) for size, step in zip(self.tile_size, steps, strict=True)]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return one random tile of the case."""
        spatial = data["label"].shape[1:]
        centre = self._draw_centre(data["labelled"], data["valid"][0])
        matrix = self._draw_matrix()
        bend = self._draw_bend() if self.elastic > 0 else None
        position = tile_position(self.tile_size, centre, matrix, bend)
        pixel, inside = nearest_pixel(position, spatial)
        grid = sampling_grid(position, spatial)
        result = {key: value for key, value in data.items() if key not in ("labelled", "instances")}
        for key in self.keys:
            if key in self.NEAREST:
                result[key] = data[key].flatten(1)[:, pixel.flatten()].reshape(-1, *self.tile_size)
            else:
                result[key] = grid_sample(data[key][None], grid, "bilinear", "reflection", align_corners=False)[0]
        if inside is not None:
            result["valid"] = result["valid"] * inside
        return result

    def _draw_centre(self, labelled: torch.Tensor | list[torch.Tensor], valid: torch.Tensor) -> np.ndarray:
        on_foreground = self.R.random() < self.foreground and len(labelled) > 0
        if isinstance(labelled, list):
            labelled = labelled[self.R.randint(len(labelled))] if on_foreground else valid.new_empty(0)
        chosen = labelled[self.R.randint(len(labelled))] if on_foreground else self._draw_valid(valid)
        pixel = np.array(np.unravel_index(int(chosen), valid.shape), dtype=float)
        return pixel + self.R.uniform(-self.jitter, self.jitter, valid.ndim) * self.tile_size * on_foreground

    def _draw_valid(self, valid: torch.Tensor) -> int:
        flat = valid.flatten()
        for _ in range(20):  # nearly always the first one: ignored areas are small
            pixel = self.R.randint(len(flat))
            if flat[pixel]:
                return int(pixel)
        counted = torch.nonzero(flat)
        return int(counted[self.R.randint(len(counted))]) if len(counted) else int(self.R.randint(len(flat)))

    def _draw_matrix(self) -> np.ndarray:
        """Flips, then a rotation in one plane; maps offsets in the tile to offsets in the image, both in pixels."""
        n = len(self.tile_size)
        matrix = np.diag(np.where(self.R.random(n) < self.flip, -1.0, 1.0))
        angle = self.R.uniform(-self.rotate, self.rotate)
        plane = self.planes[self.R.randint(len(self.planes)) if len(self.planes) > 1 else 0]
        turn = np.eye(n)
        turn[np.ix_(plane, plane)] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return turn @ matrix * self.spacing / self.spacing[:, None]

    def _draw_bend(self) -> torch.Tensor:
        """Shift of each pixel of the tile along each axis, in pixels of that axis, `(n, *tile_size)`."""
        n_controls = [splines.shape[1] for splines in self._splines]
        controls = [self.R.normal(0, self.elastic / distance, n_controls) for distance in self.spacing]
        bend = torch.from_numpy(np.stack(controls).astype(np.float32))
        for splines in self._splines:
            bend = torch.tensordot(bend, splines, dims=([1], [1]))  # the axis that was spanned goes to the end
        return bend


def tile_shape(tile_size: int | Sequence[int], divisor: Sequence[int]) -> list[int]:
    """Edge lengths of a tile, from one number for all axes or one for each.

    Args:
        tile_size: The setting.
        divisor: The network accepts multiples of this size, one for each axis.

    Raises:
        UsageError: If the number of lengths is not that of the axes, or a length is not a multiple.

    Example:
        >>> tile_shape(64, divisor=[4, 8, 8]), tile_shape([20, 64, 64], divisor=[4, 8, 8])
        ([64, 64, 64], [20, 64, 64])
    """
    shape = list(tile_size) if isinstance(tile_size, Sequence) else [tile_size] * len(divisor)
    fits = len(shape) == len(divisor) and all(
        isinstance(length, int) and length > 0 and length % step == 0
        for length, step in zip(shape, divisor, strict=True)
    )
    if not fits:
        raise UsageError(
            f"--tile_size {tile_size}: expected a multiple of {' × '.join(map(str, divisor))} along the "
            f"{len(divisor)} axes, as one number or one for each axis"
        )
    return shape


def finest_planes(spacing: Sequence[float]) -> list[tuple[int, int]]:
    """Pairs of axes that are sampled as finely as the two finest; one pair, or more if axes are sampled equally.

    Example:
        >>> finest_planes([1.0, 1.0, 5.0]), finest_planes([1.0, 1.0, 1.0])
        ([(0, 1)], [(0, 1), (0, 2), (1, 2)])
    """
    second_finest = sorted(spacing)[1]
    fine = [axis for axis, distance in enumerate(spacing) if distance <= 1.01 * second_finest]
    return list(itertools.combinations(fine, 2))


def cubic_splines(size: int, step: float) -> torch.Tensor:
    """Weights of control points, `step` pixels apart, that make a smooth curve along a line of pixels.

    The squared weights of a pixel add up to 1, so with independent control points every pixel has their variance.

    Returns:
        float32 `(size, n_controls)`, four cubic B-splines per pixel.

    Example:
        >>> cubic_splines(size=3, step=2)
        tensor([[0.2357, 0.9428, 0.2357, 0.0000, 0.0000],
                [0.0307, 0.7064, 0.7064, 0.0307, 0.0000],
                [0.0000, 0.2357, 0.9428, 0.2357, 0.0000]])
    """
    place = np.arange(size) / step
    control = np.arange(int(place[-1]) + 4) - 1
    distance = np.abs(place[:, None] - control)
    near, far = 2 / 3 - distance**2 + distance**3 / 2, (2 - distance).clip(min=0) ** 3 / 6
    weights = np.where(distance < 1, near, far)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return torch.from_numpy(weights.astype(np.float32))


def tile_position(
    tile_size: Sequence[int], centre: np.ndarray, matrix: np.ndarray, bend: torch.Tensor | None = None
) -> torch.Tensor:
    """Position of each pixel of a tile in the image.

    Args:
        tile_size: Shape of the tile.
        centre: Image coordinates (pixels, array-axis order) of the middle of the tile.
        matrix: `(n, n)`, maps an offset from the middle of the tile to an offset from `centre`.
        bend: `(n, *tile_size)`, added to the offsets from the middle of the tile.

    Returns:
        float32 `(n, *tile_size)`, image coordinates.
    """
    n = len(tile_size)
    middle = [(size - 1) / 2 for size in tile_size]
    offsets = [
        (torch.arange(size, dtype=torch.float32) - m).reshape([-1 if axis == i else 1 for axis in range(n)])
        for i, (size, m) in enumerate(zip(tile_size, middle, strict=True))
    ]
    if bend is not None:
        offsets = [offset + move for offset, move in zip(offsets, bend, strict=True)]
    # the middle of an even-sized tile lies between pixels; at right angles no value may be interpolated
    shift = (np.abs(matrix) @ np.array(middle) + 0.5) % 1 - 0.5
    start = np.round(centre) + shift
    moved = [sum(float(matrix[i, j]) * offsets[j] for j in range(n)) for i in range(n)]
    return torch.stack([torch.as_tensor(axis) + float(first) for axis, first in zip(moved, start, strict=True)])


def nearest_pixel(position: torch.Tensor, spatial: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Nearest pixel of the image to each position, reflected at the borders.

    Args:
        position: Image coordinates `(n, *tile_size)`.
        spatial: Shape of the image.

    Returns:
        Indices of the flat image, int64 `(*tile_size)`, and a boolean `(*tile_size)` that is True inside the image;
        None if all positions are inside.
    """
    flat, inside = torch.zeros(1, dtype=torch.int64), None
    for index, size in zip(position.round().long(), spatial, strict=True):
        lowest, highest = index.aminmax()
        if lowest < 0 or highest >= size:
            within = (index >= 0) & (index < size)
            inside = within if inside is None else inside & within
            index = index % (2 * size)
            index = torch.minimum(index, 2 * size - 1 - index)
        flat = flat * size + index
    return flat, inside


def sampling_grid(position: torch.Tensor, spatial: Sequence[int]) -> torch.Tensor:
    """Image coordinates `(n, *tile_size)` as `grid_sample` takes them, `align_corners=False`: `(1, *tile_size, n)`."""
    scaled = [(2 * axis + 1) / size - 1 for axis, size in zip(position, spatial, strict=True)]
    return torch.stack(scaled[::-1], dim=-1)[None]  # x before y

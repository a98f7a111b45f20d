"""What training needs of a case: its consensus as label, tiles from it, and the area that counts.

    case -> LoadCased -> image (C, *spatial) float32, label (1, *spatial) uint8, valid (1, *spatial) uint8
         -> RandTiled -> the same, tile-sized, turned by any angle and flipped

`valid` is 0 in ignored areas: they are left out of sampling, loss and scores.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable, Transform
from torch.nn.functional import grid_sample

from segassay.cache import cached_staple
from segassay.cases import read_case_ignore, read_case_image, read_case_mask, read_case_region
from segassay.dataset import Dataset, case_raters
from segassay.errors import DataError
from segassay.files import image_shape
from segassay.objects import counted_pixels
from segassay_monai.inference import as_float, check_image

CONSENSUS = "staple"


class LoadCased(Transform):
    """Read a case of a dataset: its image, the label to learn, and the area that counts.

    The label is the mask of one rater, or the STAPLE consensus of all raters of the case.

    Args:
        dataset: The dataset the case belongs to.
        trained_on: A rater of the dataset, or `staple`.
        n_channels: Channels that every image must have.
        spatial_dims: Spatial axes that every image must have.
        cache_dir: Folder of computed consensus masks; by default the user's cache folder.
    """

    def __init__(
        self, dataset: Dataset, trained_on: str, n_channels: int, spatial_dims: int = 2, cache_dir: Path | None = None
    ) -> None:
        self.dataset, self.trained_on, self.cache_dir = dataset, trained_on, cache_dir
        self.n_channels, self.spatial_dims = n_channels, spatial_dims

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with `image`, `label` and `valid`; its name is read from `case`."""
        case = data["case"]
        image = as_float(read_case_image(self.dataset, case).array)
        check_image(self.dataset.images[case], image, self.n_channels, self.spatial_dims)
        valid = read_valid(self.dataset, case, image.shape[1:])
        label = read_target(self.dataset, case, self.trained_on, self.cache_dir) & valid
        return dict(data) | {
            "image": image,
            "label": torch.from_numpy(label[None].astype(np.uint8)),
            "valid": torch.from_numpy(valid[None].astype(np.uint8)),
        }


def n_channels(dataset: Dataset) -> int:
    """Channels of the first image; a network is built for this number."""
    return len(read_case_image(dataset, dataset.cases[0]).array)


def read_valid(dataset: Dataset, case: str, spatial: Sequence[int]) -> np.ndarray:
    """Area that counts, boolean `(*spatial)`: inside the region and outside ignored areas, where there are any."""
    ignore, region = read_case_ignore(dataset, case), read_case_region(dataset, case)
    return counted_pixels(np.ones(spatial, dtype=bool), ignore=ignore, region=region)


def read_target(dataset: Dataset, case: str, trained_on: str, cache_dir: Path | None = None) -> np.ndarray:
    """Mask that a model is trained towards: one rater's, or the consensus of all raters of the case.

    Returns:
        Boolean mask `(*spatial)`; ignored areas are still in it.
    """
    if trained_on != CONSENSUS:
        return read_case_mask(dataset, trained_on, case) > 0
    raters = case_raters(dataset, case)
    paths = [dataset.masks[rater][case] for rater in raters]
    reading = "" if dataset.classes is None else str(dataset.classes)
    mask = cached_staple(
        paths, lambda: [read_case_mask(dataset, rater, case) > 0 for rater in raters], cache_dir, reading=reading
    ).mask
    if mask.shape != image_shape(dataset.images[case]):  # read from the cache, beside an image that was exchanged
        raise DataError(f"{paths[0]} has shape {mask.shape}, another than its image {dataset.images[case]}")
    return mask


class RandTiled(Randomizable, MapTransform):
    """Draw one tile: where, at which angle, and flipped or not, in a single resampling.

    With probability `foreground` the tile is centred near a random labelled pixel, else anywhere in the area that
    counts. Tiles reach over the border of small images; there the image is reflected and `valid` is 0. A single
    resampling keeps the tile sharp and leaves no empty corners after a turn.

    Args:
        keys: Entries to cut, each `(channels, *spatial)` with equal `*spatial`; must contain `label` and `valid`.
        tile_size: Edge lengths of the tile in pixels, one per spatial axis.
        foreground: Probability that the tile is centred on foreground.
        rotate: Largest angle in radians, in the plane of the last two axes; pi is any angle.
        flip: Probability of a flip along each axis.
        jitter: The centre is moved by up to this part of the tile, so that objects are not always in its middle.

    Returns (when called):
        The case with tiles: `image` interpolated linearly, `label` and `valid` to the nearest pixel.
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
    ) -> None:
        MapTransform.__init__(self, keys)
        self.tile_size = [int(size) for size in tile_size]
        self.foreground, self.rotate, self.flip, self.jitter = foreground, rotate, flip, jitter

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return one random tile of the case."""
        centre = self._draw_centre(data["label"][0], data["valid"][0])
        matrix = self._draw_matrix()
        spatial = data["label"].shape[1:]
        grid, inside = tile_grid(spatial, self.tile_size, centre, matrix)
        result = dict(data)
        for key in self.keys:
            mode = "nearest" if key in self.NEAREST else "bilinear"
            tile = grid_sample(data[key][None].float(), grid, mode, "reflection", align_corners=False)[0]
            result[key] = tile.to(data[key].dtype)
        result["valid"] = result["valid"] * inside
        return result

    def _draw_centre(self, label: torch.Tensor, valid: torch.Tensor) -> np.ndarray:
        on_foreground = self.R.random() < self.foreground
        candidates = torch.nonzero(label.flatten()) if on_foreground else torch.empty(0)
        chosen = candidates[self.R.randint(len(candidates))] if len(candidates) else self._draw_valid(valid)
        pixel = np.array(np.unravel_index(int(chosen), label.shape), dtype=float)
        return pixel + self.R.uniform(-self.jitter, self.jitter, label.ndim) * self.tile_size * on_foreground

    def _draw_valid(self, valid: torch.Tensor) -> int:
        flat = valid.flatten()
        for _ in range(20):  # nearly always the first try: ignored areas are small
            pixel = self.R.randint(len(flat))
            if flat[pixel]:
                return int(pixel)
        counted = torch.nonzero(flat)
        return int(counted[self.R.randint(len(counted))]) if len(counted) else int(self.R.randint(len(flat)))

    def _draw_matrix(self) -> np.ndarray:
        """Flips, then a turn in the plane of the last two axes; maps offsets in the tile to offsets in the image."""
        n = len(self.tile_size)
        matrix = np.diag(np.where(self.R.random(n) < self.flip, -1.0, 1.0))
        angle = self.R.uniform(-self.rotate, self.rotate)
        turn = np.eye(n)
        turn[-2:, -2:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return turn @ matrix


def tile_grid(
    spatial: Sequence[int], tile_size: Sequence[int], centre: np.ndarray, matrix: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where each pixel of a tile lies in the image.

    Args:
        spatial: Shape of the image.
        tile_size: Shape of the tile.
        centre: Image coordinates (pixels, array-axis order) of the middle of the tile.
        matrix: `(n, n)`, maps an offset from the middle of the tile to an offset from `centre`.

    Returns:
        Grid `(1, *tile_size, n)` for `torch.nn.functional.grid_sample` with `align_corners=False`, and the boolean
        `(1, *tile_size)` that is True for pixels inside the image.
    """
    n = len(spatial)
    middle = [(size - 1) / 2 for size in tile_size]
    offsets = torch.meshgrid(
        *[torch.arange(size, dtype=torch.float32) - m for size, m in zip(tile_size, middle, strict=True)], indexing="ij"
    )
    # the middle of an even-sized tile lies between pixels; on a right angle no value must be interpolated
    shift = (np.abs(matrix) @ np.array(middle) + 0.5) % 1 - 0.5
    start = np.round(centre) + shift
    position = torch.stack(
        [start[i] + sum(float(matrix[i, j]) * offsets[j] for j in range(n)) for i in range(n)], dim=-1
    )
    size = torch.tensor(list(spatial), dtype=torch.float32)
    inside = ((position > -0.5) & (position < size - 0.5)).all(dim=-1)
    grid = ((2 * position + 1) / size - 1).flip(-1)  # grid_sample wants x before y
    return grid[None].to(torch.float32), inside[None]

"""Objects in a bundle have the numbers that this package gives them."""

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from monai.data import MetaTensor

from segassay.masks import objects as ours
from segassay_monai.sharing.zoo.scripts.instances import SaveInstancesd, label_objects


def comb(n: int) -> np.ndarray:
    """Teeth that are joined in the last row alone, and a spiral: neighbours that are far apart along the object."""
    mask = np.zeros((n, n), dtype=bool)
    mask[:, ::2], mask[-1] = True, True
    spiral = np.ones((n, n), dtype=bool)
    for ring in range(1, n // 2, 2):
        spiral[ring : n - ring, ring] = spiral[n - 1 - ring, ring : n - ring] = False
        spiral[ring : n - ring, n - 1 - ring] = spiral[ring, ring + 2 : n - ring] = False
    return np.concatenate([mask, np.zeros((2, n), dtype=bool), spiral])


@given(arrays.arrays(bool, arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9)), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_any_mask_is_numbered_as_by_this_package(mask, min_size):
    np.testing.assert_array_equal(label_objects(mask, min_size), ours.label_objects(mask, min_size=min_size))


@pytest.mark.parametrize("density", [0.0, 0.2, 0.41, 0.6, 1.0])
@pytest.mark.parametrize("shape", [(150, 130), (12, 40, 30)])
def test_large_masks_at_every_density_are_numbered_as_by_this_package(shape, density):
    mask = np.random.default_rng(1).random(shape) < density
    found = label_objects(mask, 4)
    np.testing.assert_array_equal(found, ours.label_objects(mask, min_size=4))
    assert found.dtype == np.int32


def test_winding_objects_stay_whole():
    mask = comb(64)
    np.testing.assert_array_equal(label_objects(mask), ours.label_objects(mask))


def test_small_objects_are_left_out_of_the_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 5), np.uint8))
    mask = torch.tensor([[[1, 1, 0, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 1, 1]]], dtype=torch.uint8)
    data = {"image": MetaTensor(torch.zeros(1, 3, 5), meta={"filename_or_obj": str(tmp_path / "a.tif")}), "pred": mask}
    assert SaveInstancesd("pred", tmp_path / "new", min_size=2)(data)["pred"] is mask
    expected = [[1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 2, 2]]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "new" / "a.tif"), expected)

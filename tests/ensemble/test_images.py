"""Images as a network receives them: read, and normalised by percentiles."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from segassay.io.images import read_image
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.ensemble.images import NormalisePercentiled, ReadImaged


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def test_a_png_is_read_as_its_rows_and_columns(tmp_path):
    picture = np.arange(15, dtype=np.uint8).reshape(3, 5) ** 2
    Image.fromarray(picture).save(tmp_path / "image.png")
    case = ReadImaged("image", read_image, 1)({"case": "0001", "image": str(tmp_path / "image.png")})
    np.testing.assert_array_equal(case["image"][0], picture)
    assert case["image"].dtype == torch.float32
    assert case["case"] == "0001"


def test_predicting_an_image_with_other_channels_is_an_error(tmp_path):
    Image.fromarray(np.arange(54, dtype=np.uint8).reshape(3, 6, 3)).save(tmp_path / "image.png")
    with pytest.raises(PredictionError, match=r"image\.png: expected 1 channel\(s\) and 2 axes, got 3 and 2"):
        ReadImaged("image", read_image, 1)({"image": str(tmp_path / "image.png")})


def normalise(image: np.ndarray, **settings: Any) -> np.ndarray:
    tensor = torch.from_numpy(np.ascontiguousarray(image, np.float32))
    return NormalisePercentiled("image", **settings)({"image": tensor})["image"].numpy()


def test_percentiles_become_0_and_1_also_for_16_bit():
    for top in (1, 255, 65535):
        image = np.linspace(0, top, 1001).reshape(1, 7, 143)
        low, high = np.percentile(image, [1, 99])
        np.testing.assert_allclose(normalise(image), (image - low) / (high - low), atol=1e-5)


def test_brightness_and_contrast_of_the_microscope_do_not_matter():
    image = noise(1, 40, 50)
    np.testing.assert_allclose(normalise(image), normalise(image * 3000 + 700), atol=1e-3)


def test_hot_pixels_do_not_dim_the_image():
    image = noise(1, 100, 100)
    hot = image.copy()
    hot[0, 3, 4] = hot[0, 90, 7] = 1e6
    cool = np.ones_like(image, dtype=bool)
    cool[0, 3, 4] = cool[0, 90, 7] = False
    np.testing.assert_allclose(normalise(hot)[cool], normalise(image)[cool], atol=0.01)
    assert normalise(hot).max() == 8


def test_a_constant_image_is_0():
    assert not normalise(np.full((2, 5, 6), 300)).any()


def test_few_objects_on_a_background_of_one_value_are_not_lost():
    image = np.zeros((1, 100, 100))
    image[0, 40:43, 50:53] = 80
    np.testing.assert_array_equal(normalise(image), image / 80)


def test_channels_are_normalised_each_on_its_own():
    image = noise(2, 30, 40)
    image[1] *= 500
    for channel in (0, 1):
        np.testing.assert_array_equal(normalise(image)[channel], normalise(image[[channel]])[0])


def test_a_fixed_range_is_the_same_for_all_images_and_channels():
    image = noise(2, 30, 40) * 3000 - 1000
    expected = np.clip((image + 1000) / 1400, -8, 8)
    np.testing.assert_allclose(normalise(image, intensity_range=(-1000, 400)), expected, atol=1e-6)
    np.testing.assert_array_equal(normalise(image[:, :3], intensity_range=(-1000, 400))[0], expected[0, :3])
    assert normalise(np.full((1, 4, 4), 1e9), intensity_range=(0, 1)).max() == 8


@pytest.mark.parametrize("wrong", [(5, 5), (7, 1), (0, np.inf), (0,), (0, 1, 2), ("a", "b")])
def test_a_range_that_is_none_is_refused(wrong):
    with pytest.raises(PredictionError, match="expected two numbers, the lower one first; give for example"):
        normalise(np.zeros((1, 4, 4)), intensity_range=wrong)


def test_volumes_are_normalised_as_a_whole():
    image = noise(1, 4, 9, 10)
    np.testing.assert_allclose(normalise(image), normalise(image.reshape(1, 36, 10)).reshape(image.shape))

"""Rendering: light, noise and blur as stated, and a truth that fits the image."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from segassay.simulation.rendering import render, true_labels
from segassay.simulation.scene import Blob, Scene, build_scene
from segassay.simulation.settings import Effect, Region, Simulation

VOLUME = Simulation(shape=(24, 96, 96), spacing_um=(1, 0.5, 0.5), n_nuclei=10)
IN_BOTH = pytest.mark.parametrize("settings", [Simulation(), VOLUME], ids=["2d", "3d"])
EMPTY = Scene([], [], [])
EVEN = Simulation(background_sd=0, unevenness=0, texture=0, regions={}, dtype="uint16")


def grey(scene: Scene, settings: Simulation, index: int = 0) -> np.ndarray:
    """Image in grey values of 255, whatever its type."""
    image = render(scene, settings, index)
    return image * (255 / np.iinfo(image.dtype).max)


@IN_BOTH
def test_nuclei_stand_out_by_their_contrast(settings: Simulation):
    scene = build_scene(settings, 0)
    image, truth = render(scene, settings, 0), true_labels(scene.nuclei, settings)
    brightness = ndimage.mean(image, truth, range(1, truth.max() + 1))
    contrast = [blob.contrast for blob in scene.nuclei]
    assert np.corrcoef(brightness, contrast)[0, 1] > 0.85
    assert 8 < np.median(image[truth == 0]) < 50


def test_background_has_shot_noise_and_read_noise():
    settings = replace(EVEN, shape=(400, 400))
    image = grey(EMPTY, settings)
    assert abs(image.mean() - settings.background) < 0.1
    assert abs(image.std() / settings.noise_sd - 1) < 0.02
    only_read = grey(EMPTY, replace(settings, gain=1e-6, read_noise=4))
    assert abs(only_read.std() / 4 - 1) < 0.02


def test_background_is_uneven_and_differs_between_images():
    settings = replace(EVEN, unevenness=0.15, background_sd=0.3)
    slow = np.stack([ndimage.gaussian_filter(grey(EMPTY, settings, index), 10) for index in range(30)])
    levels = slow.mean(axis=(1, 2))
    within = slow.std(axis=(1, 2)) / levels
    even = ndimage.gaussian_filter(grey(EMPTY, EVEN), 10)
    assert even.std() / even.mean() < 0.03
    assert 0.06 < within.mean() < 0.2
    assert 0.18 < np.log(levels).std() < 0.45
    shapes = (slow / slow.mean(axis=(1, 2), keepdims=True) - 1).reshape(30, -1)
    assert abs(np.corrcoef(shapes)[np.triu_indices(30, 1)].mean()) < 0.15  # each image has another


def test_regions_differ_in_background():
    settings = replace(EVEN, groups={"all": Effect()}, regions={"dim": Region(background=0.5), "bright": Region()})
    dim, bright = (grey(EMPTY, settings, index).mean() for index in (0, 1))
    assert abs(dim - 12) < 0.3
    assert abs(bright - 24) < 0.3


def test_texture_is_coarser_than_noise():
    plain, textured = (grey(EMPTY, replace(EVEN, texture=texture, gain=0.01)) for texture in (0, 0.2))
    assert abs(np.corrcoef(plain[:, 1:].ravel(), plain[:, :-1].ravel())[0, 1]) < 0.05
    assert np.corrcoef(textured[:, 1:].ravel(), textured[:, :-1].ravel())[0, 1] > 0.5
    assert abs(textured.std() / (0.2 * 24) - 1) < 0.15


def test_light_and_edge_of_a_nucleus_are_as_stated():
    settings = replace(EVEN, shape=(81, 81), gain=1e-6, read_noise=0)
    for blur_px in (0.5, 4.0):
        contrast = 100 / settings.noise_sd
        nucleus = Blob(np.array([40.0, 40]), np.array([12.0, 12]), np.eye(2), contrast, blur_px)
        profile = grey(Scene([nucleus], [], []), settings)[40, 40:] - settings.background
        assert abs(profile[0] - 100 / (1 + np.exp(-12 / blur_px))) < 0.2
        assert abs(profile[12] - 50) < 0.2  # half its light at the boundary
        assert abs(profile[16] - 100 / (1 + np.exp(4 / blur_px))) < 0.2


def test_16_bits_show_the_same_scene_finer():
    settings = Simulation(shape=(96, 128), n_nuclei=8)
    scene = build_scene(settings, 0)
    coarse, fine = (render(scene, replace(settings, dtype=dtype), 0) for dtype in ("uint8", "uint16"))
    assert (coarse.dtype, fine.dtype) == (np.uint8, np.uint16)
    np.testing.assert_allclose(fine / 257, coarse, atol=0.51)


def test_nothing_but_background_is_an_image_and_an_empty_truth():
    assert render(EMPTY, Simulation(), 0).std() > 0
    assert not true_labels([], Simulation()).any()


def test_truth_labels_have_no_gap_and_a_sensible_size():
    sizes = []
    for index in range(6):
        truth = true_labels(build_scene(Simulation(), index).nuclei, Simulation())
        assert truth.dtype == np.int32
        sizes += np.bincount(truth.ravel())[1:].tolist()
    assert min(sizes) >= 15
    assert 100 < np.median(sizes) < 300


def test_a_pixel_of_two_nuclei_belongs_to_the_one_in_which_it_lies_deeper():
    large = Blob(np.array([20.0, 20]), np.full(2, 10.0), np.eye(2), 1, 1)
    small = Blob(np.array([20.0, 32]), np.full(2, 5.0), np.eye(2), 1, 1)
    settings = Simulation(shape=(41, 61))
    row = true_labels([large, small], settings)[20]
    assert (row[11:28] == 1).all()
    assert (row[30:37] == 2).all()
    np.testing.assert_array_equal(true_labels([small, large], settings)[20] % 2 + 1, np.where(row, row, 1))


def test_nuclei_are_round_in_micrometres_and_fill_the_volume():
    settings = Simulation(
        shape=(40, 120, 120), spacing_um=(1.5, 0.5, 0.5), n_nuclei=30, touching_fraction=0, crowding=0
    )
    truth = true_labels(build_scene(settings, 0).nuclei, settings)
    boxes = np.array([[(s.start, s.stop) for s in box] for box in ndimage.find_objects(truth)])  # (n, axis, 2)
    whole = ((boxes[..., 0] > 0) & (boxes[..., 1] < truth.shape)).all(axis=1)
    extents = np.diff(boxes[whole])[..., 0] * settings.axis_spacing_um
    assert whole.sum() > 5
    np.testing.assert_allclose(extents.mean(axis=0) / extents.mean(), 1, atol=0.15)
    assert (truth[30:] > 0).sum() > 0.1 * (truth > 0).sum()


@pytest.mark.parametrize("shape", [(1, 1), (5, 200), (1, 60, 60)])
def test_images_smaller_than_a_nucleus(shape: tuple[int, ...]):
    settings = Simulation(shape=shape)
    scene = build_scene(settings, 1)
    assert render(scene, settings, 1).shape == true_labels(scene.nuclei, settings).shape == shape

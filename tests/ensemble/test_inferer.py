"""Whole images, windows and padding: the result for a pixel does not depend on how it was predicted."""

from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.networks.nets import UNet
from torch import nn

from networks import CHANNELS, image, trained, unet
from segassay_monai.ensemble.inferer import WholeImageInferer, pad_to_multiple, window_size
from segassay_monai.ensemble.levels import by_levels
from segassay_monai.ensemble.network import (
    network_strides,
    residual_unet,
    size_divisor,
)


def change_by_window(network: nn.Module) -> float:
    """Largest change of the logits in the middle when half of the surroundings is cut off."""
    inputs = image(1, 1, 96, 96)
    whole, window = network(inputs), network(inputs[..., 24:72, 24:72])
    return (whole[..., 44:52, 44:52] - window[..., 20:28, 20:28]).abs().max().item()


@torch.no_grad()
def test_the_result_for_a_pixel_does_not_depend_on_the_window():
    assert change_by_window(unet(0)) < 1e-5
    instance = UNet(2, 1, 1, list(CHANNELS), [2], num_res_units=2, norm="INSTANCE")
    assert change_by_window(trained(instance, 0)) > 1e-3, "instance normalisation should show what is avoided"


@torch.no_grad()
@pytest.mark.parametrize("max_pixels", [4 * 64**2, 4 * 40**2])
@pytest.mark.parametrize("shape", [(160, 200), (161, 201)])
def test_windows_and_whole_image_agree_at_every_pixel(shape, max_pixels):
    inputs, network = image(1, 1, *shape), unet(0, channels=(2, 3, 4))
    whole = WholeImageInferer(divisor=4)(inputs, network)
    windows = WholeImageInferer(divisor=4, max_pixels=max_pixels)(inputs, network)
    assert windows.shape == (1, 1, *shape)
    torch.testing.assert_close(windows, whole, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("steps", [[[1, 2, 2], [2, 2, 2]], [[2, 2, 1], [2, 2, 1]], [[1, 1, 1], [2, 2, 2]]])
def test_windows_and_whole_volume_agree_at_every_voxel(steps):
    network, inputs = trained(residual_unet(3, 2, (2, 3, 4), steps), 0), image(2, 2, 11, 34, 31)
    whole = WholeImageInferer(size_divisor(steps))(inputs, network)
    shapes: list[int] = []
    hook = network.model[0].register_forward_hook(lambda module, given, found: shapes.append(given[0][0, 0].numel()))
    windows = WholeImageInferer(size_divisor(steps), max_pixels=4 * 2**11)(inputs, network)
    hook.remove()
    assert len(shapes) > 1, "nothing was predicted in windows"
    assert max(shapes) <= 2**11, "windows are bounded"
    torch.testing.assert_close(windows, whole, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("max_pixels", [1, 40, 900])
def test_the_smallest_windows_of_levels_give_the_whole_image(max_pixels):
    inputs, network = image(1, 1, 40, 52), unet(0, channels=(2, 3, 4))
    torch.testing.assert_close(by_levels(network, inputs, max_pixels), network(inputs), rtol=0, atol=1e-5)


@torch.no_grad()
def test_images_whose_features_need_much_memory_are_predicted_in_overlapping_windows():
    inputs, network = image(1, 1, 96, 96), unet(0)
    whole, windows = network(inputs), WholeImageInferer(divisor=2, max_pixels=96 * 96 // 9)(inputs, network)
    assert (whole - windows).abs().max() > 1e-4, "levels keep features of the whole image"


@torch.no_grad()
def test_wide_kernels_and_few_units_are_evaluated_by_levels_too():
    network = UNet(2, 1, 1, [2, 3, 4], [2, 2], kernel_size=5, up_kernel_size=5, num_res_units=0, norm="BATCH")
    inputs = image(1, 1, 96, 88)
    whole = trained(network, 0)(inputs)
    torch.testing.assert_close(by_levels(network, inputs, max_pixels=900), whole, rtol=0, atol=1e-5)


@torch.no_grad()
def test_large_images_are_predicted_in_windows_and_small_ones_whole():
    shapes: list[tuple[int, ...]] = []

    def network(inputs: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(inputs.shape[2:]))
        return inputs.clone()

    inferer = WholeImageInferer(divisor=8, max_pixels=64 * 64)
    inferer(image(1, 1, 64, 64), network)
    assert shapes == [(64, 64)]
    shapes.clear()
    output = inferer(image(1, 1, 65, 64), network)
    assert set(shapes) == {(32, 32)}
    torch.testing.assert_close(output, image(1, 1, 65, 64))
    shapes.clear()
    inferer(image(1, 1, 24, 24, 24), network)
    assert set(shapes) == {(8, 8, 8)}, "a window of a volume must be bounded as well"
    shapes.clear()
    WholeImageInferer(divisor=[1, 8, 8], max_pixels=64 * 64)(image(1, 1, 24, 24, 24), network)
    assert set(shapes) == {(2, 16, 16)}, "thick slices get flat windows"


@torch.no_grad()
def test_windows_of_what_has_no_levels_agree_away_from_borders():
    """The receptive field of one level and two convolutions reaches few pixels; slices are 4 times as thick."""
    steps = network_strides([4, 1, 1], n_levels=2)
    network, inputs = trained(residual_unet(3, 1, (2, 2), steps), 0), image(1, 1, 20, 96, 90)
    whole = torch.sigmoid(WholeImageInferer(size_divisor(steps))(inputs, network))
    shapes: list[tuple[int, ...]] = []

    def watched(window: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(window.shape[2:]))
        return network(window)

    windows = torch.sigmoid(WholeImageInferer(size_divisor(steps), max_pixels=4 * 2**15)(inputs, watched))
    assert set(shapes) == {(20, 40, 40)}
    assert whole.shape == windows.shape == inputs.shape
    difference = (whole - windows).abs()[0, 0]
    assert difference[:, 12:28, 12:28].max() < 1e-5  # far from the borders of the only window that covers them
    assert difference.max() > 1e-4, "nothing was predicted in windows"
    assert difference.mean() < 0.03


@given(
    spatial=st.lists(st.integers(1, 12), min_size=2, max_size=3),
    powers=st.lists(st.integers(0, 3), min_size=3, max_size=3),
    max_pixels=st.integers(1, 5000),
)
def test_a_window_fits_into_image_and_memory_and_suits_the_network(spatial, powers, max_pixels):
    divisors = [2**power for power in powers[: len(spatial)]]
    padded = [n * size for n, size in zip(spatial, divisors, strict=True)]
    window = window_size(padded, divisors, max_pixels)
    assert all(edge % size == 0 for edge, size in zip(window, divisors, strict=True))
    assert all(edge <= size for edge, size in zip(window, padded, strict=True))
    assert prod(window) <= max_pixels or window == divisors


@torch.no_grad()
def test_any_size_is_padded_to_what_the_network_accepts_and_cut_back():
    network = unet(0, channels=(2, 2, 2, 2))
    for shape in [(1, 1), (1, 9), (7, 8), (8, 8), (13, 30)]:
        assert WholeImageInferer(divisor=8)(image(2, 1, *shape), network).shape == (2, 1, *shape)
    volume = trained(residual_unet(3, 1, (2, 2)), 0)
    assert WholeImageInferer(divisor=2)(image(1, 1, 1, 5, 6), volume).shape == (1, 1, 1, 5, 6)


@torch.no_grad()
def test_a_fitting_size_is_predicted_as_it_is():
    inputs, network = image(1, 1, 16, 24), unet(0)
    assert torch.equal(WholeImageInferer(divisor=8)(inputs, network), network(inputs))


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 20), min_size=2, max_size=3),
    divisors=st.lists(st.sampled_from([1, 2, 8, 16]), min_size=3, max_size=3),
)
def test_padding_is_the_symmetric_padding_of_numpy(shape, divisors):
    inputs, divisors = image(1, 2, *shape), divisors[: len(shape)]
    widths = [(0, 0), (0, 0), *[(0, -size % multiple) for size, multiple in zip(shape, divisors, strict=True)]]
    expected = np.pad(inputs.numpy(), widths, mode="symmetric")
    np.testing.assert_array_equal(pad_to_multiple(inputs, divisors), expected)
    assert all(size % multiple == 0 for size, multiple in zip(expected.shape[2:], divisors, strict=True))

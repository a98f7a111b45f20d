"""The network that takes raw intensities, held against our own reading, normalisation, padding and averaging."""

from pathlib import Path

import monai
import numpy as np
import pytest
import torch

from segassay_monai.ensemble.ensemble_net import EnsembleNet
from segassay_monai.ensemble.images import NormalisePercentiled
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import residual_unet, size_divisor
from segassay_monai.sharing.weights import read_whole_image_net, save_torchscript

IMAGES = {
    "grey values": lambda rng, shape: rng.integers(0, 256, shape),
    "camera": lambda rng, shape: rng.integers(100, 65536, shape),
    "small range": lambda rng, shape: 5 + 1e-5 * rng.random(shape),
    "tiny": lambda rng, shape: 1e-7 * rng.random(shape),
    "negative": lambda rng, shape: rng.normal(-300, 20, shape),
    "few objects": lambda rng, shape: 9.0 * (rng.random(shape) > 0.995),
    "hot pixels": lambda rng, shape: rng.random(shape) + 1e5 * (rng.random(shape) > 0.995),
    "constant": lambda rng, shape: np.full(shape, 7.0),
}


def ours(settings, checkpoints, image):
    """Mean probability of an image `(C, *spatial)` as our own prediction makes it."""
    ensemble = EnsembleNet(
        residual_unet(**settings.state_dict()), checkpoints, WholeImageInferer(size_divisor(settings.strides))
    )
    with torch.no_grad():
        return ensemble(NormalisePercentiled("image")({"image": image})["image"][None])[0]


def sizes(settings):
    return [(37, 61), (32, 48), (1, 9)] if settings.spatial_dims == 2 else [(5, 13, 21), (4, 16, 16), (1, 3, 40)]


@pytest.fixture(scope="module")
def net(ensemble):
    return read_whole_image_net(ensemble[1])


@pytest.fixture(scope="module")
def script_file(net, tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "net.pt"
    save_torchscript(net, path)
    return path


@pytest.fixture(scope="module")
def script(script_file):
    return torch.jit.load(script_file)


@pytest.mark.parametrize("kind", IMAGES)
def test_normalisation_is_that_of_training_to_the_last_bit(ensemble, script, kind):
    settings, _ = ensemble
    shape = (settings.in_channels, *sizes(settings)[0])
    image = torch.from_numpy(IMAGES[kind](np.random.default_rng(1), shape).astype(np.float32))
    expected = NormalisePercentiled("image")({"image": image})["image"]
    assert torch.equal(script.normalise(image[None])[0], expected)


def test_masks_of_any_size_are_those_of_the_ensemble(ensemble, net, script):
    settings, checkpoints = ensemble
    rng = np.random.default_rng(2)
    for size in sizes(settings):
        image = torch.from_numpy(rng.gamma(2.0, 300.0, (settings.in_channels, *size)).astype(np.float32))
        image[..., :3] = 0  # a dark border, as images have that were registered
        prob = ours(settings, checkpoints, image)
        if min(size) > 3:
            assert 0 < (prob > 0.5).float().mean() < 1
        for found in (net(image[None]), script(image[None])):
            torch.testing.assert_close(found[0], prob, rtol=0, atol=1e-6)
            assert torch.equal(found[0] > 0.5, prob > 0.5)


def test_images_of_a_batch_do_not_change_each_other(ensemble, net):
    settings, _ = ensemble
    batch = torch.rand(2, settings.in_channels, *sizes(settings)[0], generator=torch.Generator().manual_seed(3))
    batch[1] *= 1000
    alone = torch.cat([net(image[None]) for image in batch])
    torch.testing.assert_close(net(batch), alone, rtol=0, atol=1e-5)


def test_integers_are_taken_as_they_are(ensemble, script):
    settings, _ = ensemble
    image = torch.randint(0, 255, (1, settings.in_channels, *sizes(settings)[0]), dtype=torch.uint8)
    assert torch.equal(script(image), script(image.float()))


def test_both_channels_are_background_and_foreground(ensemble, net):
    settings, checkpoints = ensemble
    image = torch.rand(1, settings.in_channels, *sizes(settings)[0], generator=torch.Generator().manual_seed(4))
    both, foreground = read_whole_image_net(checkpoints, both_channels=True)(image), net(image)
    assert torch.equal(both, torch.cat([1 - foreground, foreground], dim=1))


def test_torchscript_names_no_path_and_is_the_same_twice(net, script_file, tmp_path):
    save_torchscript(net, tmp_path / "net.pt")
    content = (tmp_path / "net.pt").read_bytes()
    for place in (tmp_path, script_file.parent, Path(monai.__file__).parent, Path(torch.__file__).parent, Path.home()):
        assert str(place).encode() not in content
    assert content == script_file.read_bytes()

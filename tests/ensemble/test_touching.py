"""Members that tell touching objects apart: their depths are averaged, then divide the foreground."""

from pathlib import Path

import numpy as np
import pytest
import torch

from networks import INFERER, SETTINGS, image, trained
from segassay.masks.depth import split_by_depth
from segassay_monai.ensemble.classes import TOUCHING
from segassay_monai.ensemble.ensemble_net import EnsembleNet, uncertainty
from segassay_monai.ensemble.network import NetworkSettings, read_network_settings, residual_unet
from segassay_monai.ensemble.touching import touching_objects

WORDS = SETTINGS.state_dict() | {"objects": TOUCHING}


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("members")
    for seed in range(3):
        content = {"model": trained(residual_unet(**WORDS), seed).state_dict(), "network": WORDS}
        torch.save(content, folder / f"{seed}.pt")
    return sorted(folder.iterdir())


@torch.no_grad()
@pytest.mark.parametrize("flips", [False, True])
def test_probability_and_depth_are_means_over_the_members(members: list[Path], flips: bool) -> None:
    settings = read_network_settings(members)
    assert settings.objects == TOUCHING
    net = EnsembleNet(residual_unet(**WORDS), members, INFERER, flips, objects=TOUCHING)
    pixels = image(1, 1, 20, 26)
    returned, last = net(pixels), net.last
    assert last is not None
    assert last.depth is not None
    outputs = []
    for seed in range(3):
        own = trained(residual_unet(**WORDS), seed)
        own.load_state_dict(torch.load(members[seed], weights_only=True)["model"])
        own.eval()
        each = [torch.sigmoid(torch.flip(own(torch.flip(pixels, axes)), axes)) for axes in _turns(flips)]
        outputs.append(torch.stack(each).mean(dim=0))
    mean = torch.stack(outputs).mean(dim=0)
    torch.testing.assert_close(returned, mean[:, :1], rtol=0, atol=1e-6)
    torch.testing.assert_close(last.prob, returned)
    torch.testing.assert_close(last.depth, mean[:, 1:], rtol=0, atol=1e-6)
    doubt = torch.stack([uncertainty(output[:, :1]) for output in outputs]).mean(dim=0)
    torch.testing.assert_close(last.doubt, doubt, rtol=0, atol=1e-5)
    torch.testing.assert_close(last.total, uncertainty(mean[:, :1]), rtol=0, atol=1e-5)
    found = touching_objects(last, min_size=2)
    expected = split_by_depth(last.prob[0, 0].numpy() > 0.5, last.depth[0, 0].numpy(), 2)
    np.testing.assert_array_equal(found, expected)
    counted = np.arange(26) < 13 * np.ones((20, 1))
    assert not touching_objects(last, counted=counted)[~counted].any()
    for number, output in enumerate(outputs):
        own_objects = touching_objects(last, member=number)
        np.testing.assert_array_equal(own_objects > 0, output[0, 0].numpy() > 0.5)
        assert not np.array_equal(own_objects, touching_objects(last))


def _turns(flips: bool) -> list[tuple[int, ...]]:
    return [(), (2,), (3,), (2, 3)] if flips else [()]


def test_a_model_without_a_depth_says_so() -> None:
    net = EnsembleNet(residual_unet(**SETTINGS.state_dict()), [Path("a.pt")], INFERER)
    net._load = lambda path: None
    net(image(1, 1, 8, 8))
    assert net.last is not None
    assert net.last.depth is None
    with pytest.raises(ValueError, match="no depth"):
        touching_objects(net.last)


def test_checkpoints_of_models_without_it_are_as_before() -> None:
    assert "objects" not in SETTINGS.state_dict()
    assert NetworkSettings(**SETTINGS.state_dict()).objects == "separate"
    assert NetworkSettings(**WORDS).state_dict() == WORDS

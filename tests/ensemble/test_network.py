"""The network: how its levels shrink an image, and how it is built again from a checkpoint."""

import os
from math import prod

import pytest
import torch

from networks import CHANNELS, SETTINGS, image, trained
from segassay.errors import DataError
from segassay_monai.bundle.settings import find_own_error
from segassay_monai.ensemble import network
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.ensemble.network import (
    network_strides,
    read_network_settings,
    read_record,
    residual_unet,
    size_divisor,
    weights_hash,
)


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        ((1, 1), [[2, 2]] * 3),
        ((1.9, 1, 1), [[2, 2, 2]] * 3),
        ((2, 1, 1), [[1, 2, 2], [2, 2, 2], [2, 2, 2]]),
        ((5, 1, 1), [[1, 2, 2], [1, 2, 2], [2, 2, 2]]),
        ((1, 1, 30), [[2, 2, 1]] * 3),
        ((0.3, 0.1, 0.2), [[1, 2, 1], [2, 2, 2], [2, 2, 2]]),
    ],
)
def test_an_axis_is_halved_once_the_others_are_nearly_as_coarse(spacing, expected):
    assert network_strides(spacing, n_levels=4) == expected
    assert network_strides([1000 * length for length in spacing], n_levels=4) == expected
    assert size_divisor(expected) == [prod(step[axis] for step in expected) for axis in range(len(spacing))]


@torch.no_grad()
def test_an_axis_that_is_not_halved_may_have_any_length():
    unet = trained(residual_unet(3, 1, (2, 2, 2), network_strides([8, 1, 1], n_levels=3)), 0)
    assert unet(image(1, 1, 7, 12, 8)).shape == (1, 1, 7, 12, 8)
    plain = trained(residual_unet(3, 1, (2, 2, 2)), 0)
    assert [tuple(value.shape) for value in unet.parameters()] == [tuple(value.shape) for value in plain.parameters()]


@pytest.mark.parametrize("wrong", [[[2, 2]], [[2, 2, 2], [2, 2, 2]]])
def test_strides_that_do_not_fit_are_told(wrong):
    with pytest.raises(ValueError, match="expected 1 steps of 3 axes, because --channels has 2 levels") as caught:
        residual_unet(3, 1, CHANNELS, wrong)
    assert isinstance(find_own_error(caught.value), DataError)


def test_the_network_is_built_again_from_its_checkpoint(checkpoints):
    settings = read_network_settings(checkpoints)
    assert settings.state_dict() == SETTINGS.state_dict()
    content = torch.load(checkpoints[0], weights_only=True)
    built = residual_unet(**content["network"])
    built.load_state_dict(content["model"])


def test_members_of_different_networks_are_named(checkpoints):
    content = torch.load(checkpoints[2], weights_only=True)
    content["network"] |= {"channels": [8, 16]}
    torch.save(content, checkpoints[2])
    with pytest.raises(
        ValueError,
        match=r"s2.model\.pt: its network differs from that of \S+s0.model\.pt \(channels \[8, 16\] and \[4, 8\]\)",
    ):
        read_network_settings(checkpoints)


@pytest.mark.parametrize("key", ["network", "model"])
def test_a_checkpoint_that_lacks_something_must_be_trained_again(checkpoints, key):
    content = torch.load(checkpoints[1], weights_only=True)
    del content[key]
    torch.save(content, checkpoints[1])
    with pytest.raises(ValueError, match=r"s1.model\.pt: .*train it again") as caught:
        read_network_settings(checkpoints)
    assert isinstance(find_own_error(caught.value), DataError)


def test_what_a_checkpoint_says_is_read_again_only_if_the_file_changed(checkpoints, monkeypatch):
    path, read = checkpoints[0], []
    original = network.read_checkpoint
    monkeypatch.setattr(network, "read_checkpoint", lambda one: (read.append(one), original(one))[1])
    content = torch.load(path, weights_only=True)
    first = read_record(path)
    assert first.weights == weights_hash(content["model"])
    assert first.values["network"] == content["network"]
    assert "model" not in first.values
    assert read_record(str(path)) is first
    assert len(read) == 1
    before = path.stat()
    content["model"] = {name: value + 1 for name, value in content["model"].items()}
    torch.save(content, path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a program that copies leaves it
    assert read_record(path).weights == weights_hash(content["model"]) != first.weights
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(PredictionError, match="damaged"):
        read_record(path)
    path.unlink()
    with pytest.raises(PredictionError, match="missing"):
        read_record(path)

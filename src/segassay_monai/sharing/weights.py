"""The network of an export, and its files: TorchScript and a plain state dict (ONNX is written by `save_onnx`).

    checkpoints -> read_whole_image_net -> save_torchscript, save_state

No file names a path of this machine: TorchScript's notes for debuggers, which do, are left out.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from segassay.errors import UsageError
from segassay_monai.ensemble.backends import scripted
from segassay_monai.ensemble.classes import TOUCHING, Classes, is_exclusive, names_of
from segassay_monai.ensemble.mean_net import read_mean_net
from segassay_monai.ensemble.network import size_divisor
from segassay_monai.sharing.whole_image_net import WholeImageNet

__all__ = ["network_arguments", "output_names", "read_whole_image_net", "save_state", "save_torchscript"]

_UNET = ("in_channels", "out_channels", "channels", "strides", "num_res_units", "act", "norm")


def read_whole_image_net(
    checkpoint_paths: Sequence[str | Path], *, both_channels: bool = False, normalised: bool = False
) -> WholeImageNet:
    """Build the network of an ensemble that takes whole images, in evaluation mode on the CPU.

    Args:
        checkpoint_paths: One file per member.
        both_channels: As of `WholeImageNet`.
        normalised: As of `WholeImageNet`.

    Raises:
        PredictionError: If a file is not a checkpoint, or members differ in their network.
        UsageError: If `both_channels` is asked of a model of regions.
    """
    mean, settings = read_mean_net(checkpoint_paths)
    softmax = is_exclusive(settings.classes)
    if both_channels and settings.classes and not softmax:
        raise UsageError(f"--both-channels: {names_of(settings.classes)} overlap, so there is no background channel")
    net = WholeImageNet(
        **network_arguments(mean.members[0]),
        n_members=len(mean.members),
        both_channels=both_channels,
        normalised=normalised,
        softmax=softmax,
        depth=settings.objects == TOUCHING,
        intensity_range=settings.intensity_range,
    )
    net.members.load_state_dict(mean.members.state_dict())
    return net.eval()


def network_arguments(member: nn.Module) -> dict[str, Any]:
    """Arguments `network` and `divisors` of `WholeImageNet` for members like this one, as plain values.

    Example:
        >>> from segassay_monai import residual_unet
        >>> found = network_arguments(residual_unet(2, 1, [4, 8]))
        >>> found["divisors"], found["network"]["channels"], found["network"]["norm"]
        ([2, 2], [4, 8], 'BATCH')
    """
    network = {"spatial_dims": member.dimensions} | {name: getattr(member, name) for name in _UNET}
    network |= {"channels": list(network["channels"]), "strides": [list(step) for step in network["strides"]]}
    return {"network": network, "divisors": size_divisor(network["strides"])}


def output_names(net: WholeImageNet, classes: Classes) -> list[str]:
    """Names of the channels of what a network gives, in their order.

    Args:
        net: The network.
        classes: Of the model.

    Example:
        >>> unet = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, "channels": [4, 8], "strides": [[2, 2]]}
        >>> output_names(WholeImageNet(unet, divisors=[2, 2], both_channels=True, depth=True), [])
        ['background', 'foreground', 'depth']
    """
    marked = [name for name, _ in classes] or ["foreground"]
    return ["background"] * net.both_channels + marked + ["depth"] * net.depth


def save_state(net: nn.Module, path: Path) -> None:
    """Write the weights as a plain state dict."""
    torch.save(net.state_dict(), path)


def save_torchscript(net: nn.Module, path: Path) -> None:
    """Write a network as TorchScript, without the notes for debuggers, which hold the paths of this machine."""
    scripted(net).save(str(path))
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist() if not name.endswith(".debug_pkl")}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in records.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # with a date that does not change

"""Small networks with weights of their own, images, and checkpoints of them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import (
    NetworkSettings,
    residual_unet,
)

CHANNELS = (4, 8)
INFERER = WholeImageInferer(divisor=2)
SETTINGS = NetworkSettings(spatial_dims=2, in_channels=1, channels=CHANNELS, strides=[[2, 2]])


def trained(network: nn.Module, seed: int) -> nn.Module:
    """The network with weights and normalisation statistics of its own, as after a training."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                noise = torch.randn(value.shape, generator=rng)
                value.copy_(noise.abs() + 0.5 if name.endswith("running_var") else value + 0.3 * noise)
    return network.eval()


def unet(seed: int, channels: Sequence[int] = CHANNELS, in_channels: int = 1) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return trained(residual_unet(2, in_channels, channels), seed)


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def save(folder: Path, networks: Sequence[nn.Module]) -> list[Path]:
    """A checkpoint for each network."""
    paths = [folder / f"s{seed}" / "model.pt" for seed in range(len(networks))]
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True)
        content = {"model": networks[seed].state_dict(), "member": {"seed": seed}, "network": SETTINGS.state_dict()}
        torch.save(content, path)
    return paths

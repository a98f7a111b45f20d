"""Members with weights drawn at random, in checkpoints as a training leaves them."""

from collections.abc import Sequence
from pathlib import Path

import torch

from segassay.data.dataset import read_dataset
from segassay_monai.ensemble.network import NetworkSettings, network_strides, residual_unet
from segassay_monai.training.folds import plan_member
from segassay_monai.training.inputs import open_classes, open_n_channels


def write_members(
    folder: Path,
    dataset: Path,
    seeds: Sequence[int],
    spacing: Sequence[float] = (1, 1),
    trained_on: str = "staple",
    objects: str = "separate",
    intensity_range: Sequence[float] | None = None,
) -> Path:
    """Checkpoints as a training leaves them, with weights drawn at random."""
    data = read_dataset(dataset)
    strides = network_strides(spacing, n_levels=2)
    settings = NetworkSettings(
        len(spacing), open_n_channels(data), [2, 4], strides, open_classes(data), objects, intensity_range
    )
    for seed in seeds:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = residual_unet(**settings.arguments())
            for value in network.parameters():
                value.data += 0.3 * torch.randn_like(value)
        member = plan_member(data, trained_on=trained_on, fold=0, n_folds=2, seed=seed, val_fraction=0.5)
        content = {"model": network, "member": member, "network": settings}
        (folder / f"s{seed}").mkdir(parents=True, exist_ok=True)
        path = folder / f"s{seed}" / "model.pt"
        torch.save({name: part.state_dict() for name, part in content.items()}, path)
    return folder

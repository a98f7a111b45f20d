"""Checkpoints whose names and hashes tell where they come from, so that a test finds them where they do not belong."""

from collections.abc import Sequence
from pathlib import Path

import torch

from networks import SETTINGS, unet
from segassay_monai.ensemble.members import Member

SECRETS = ("secretdataset", "secretcase", "secretsubject", "secretrater", "c0ffee" * 10)
"""Parts of every name and hash in the checkpoints."""


def write_members(folder: Path, seeds: Sequence[int]) -> Path:
    """Checkpoints as a training leaves them, in a folder for each seed."""
    for seed in seeds:
        member = Member(
            dataset="secretdataset",
            data_hash="c0ffee" * 10,
            strategy="expert",
            trained_on="secretrater",
            fold=0,
            n_folds=2,
            seed=seed,
            train=("secretcase1", "secretcase2"),
            val=("secretcase3",),
            held_out=("secretcase4",),
            seen_images=("c0ffee" * 10,),
            seen_subjects=("secretdataset: secretsubject",),
            initialised_from="",
        )
        content = {"model": unet(seed).state_dict(), "member": member.state_dict(), "network": SETTINGS.state_dict()}
        path = folder / f"s{seed}" / "model.pt"
        path.parent.mkdir(parents=True)
        torch.save(content, path)
    return folder

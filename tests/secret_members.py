"""Checkpoints whose names and hashes tell where they come from, so that a test finds them where they do not belong."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from networks import SETTINGS, unet
from segassay_monai.ensemble.members import Member

DATA_HASH = "decade" * 10  # the certificate alone says it
SECRETS = ("secretdataset", "secretcase", "secretsubject", "secretrater", "c0ffee" * 10)
"""Parts of every name and hash in the checkpoints."""


def write_members(folder: Path, seeds: Sequence[int]) -> Path:
    """Checkpoints as a training leaves them, in a folder for each seed; the last says what its images were like."""
    for seed in seeds:
        member = Member(
            dataset="secretdataset",
            data_hash=DATA_HASH,
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
    rows = np.random.default_rng(0).normal(size=(9, 27)).round(3)
    familiar = {"version": 1, "n_training": 7, "intensity": rows[:, :11].tolist(), "network": rows[:, 11:].tolist()}
    path.with_name("familiar.json").write_text(
        json.dumps(familiar | {"cases": ["secretcase1"], "dataset": "secretdataset"})
    )
    return folder

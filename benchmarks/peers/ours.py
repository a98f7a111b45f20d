"""SegAssay by the user's command: one member, or with `members=N` an ensemble of N; `epochs=N` sets their length.

A training has a fixed length, so `epochs` says what fits into the budget; the CPU seconds that it really took are
measured. `mode=objects` predicts touching objects one by one.
"""

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from budget import Budget, Case, Prediction, read_about, run

from segassay.masks.objects import label_objects
from segassay_monai.ensemble.ensemble_net import EnsembleNet
from segassay_monai.ensemble.images import NormalisePercentiled
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import read_network_settings, residual_unet, size_divisor


def train(data: Path, model: Path, budget: Budget, seed: int, settings: dict[str, str]) -> None:
    """Train each member with `segassay train`."""
    about, chosen = read_about(data), dict(settings)
    n_members = int(chosen.pop("members", "1"))
    words = [word for name, value in (about["ours"] | chosen).items() for word in (f"--{name}", str(value))]
    for number in range(seed, seed + n_members):
        out = model / f"seed{number}"
        command = [sys.executable, "-W", "ignore", "-m", "segassay", "train", str(data / "dataset"), "--quiet"]
        command += ["--fold", "0", "--seed", str(number), "--out", str(out), *words]
        print(shlex.join(command), flush=True)
        subprocess.run(command, check=True)


def predict(data: Path, model: Path, cases: Sequence[Case]) -> Iterator[Prediction]:
    """Mean probability of the members, above one half."""
    torch.set_num_threads(1)
    checkpoints = sorted(model.glob("seed*/model.pt"))
    settings = read_network_settings(checkpoints)
    network = residual_unet(settings.spatial_dims, settings.in_channels, settings.channels, settings.strides)
    ensemble = EnsembleNet(network, checkpoints, WholeImageInferer(size_divisor(settings.strides))).eval()
    normalise = NormalisePercentiled("image")
    for case in cases:
        with torch.no_grad():
            prob = ensemble(normalise({"image": torch.as_tensor(case.image)[None]})["image"][None])[0, 0].numpy()
        yield label_objects(prob > 0.5), prob


if __name__ == "__main__":
    run(train, predict, ["torch", "monai", "segassay"])

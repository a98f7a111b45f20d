"""SegAssay by the user's command: one member, or with `members=N` an ensemble of N; `epochs=N` sets their length.

A training has a fixed length, so `epochs` says what fits into the budget; the CPU seconds that it really took are
measured. With `objects=touching` a member also learns where objects that touch end.
"""

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from budget import Budget, Case, Prediction, read_about, run

from segassay_monai.ensemble.ensemble_net import EnsembleNet
from segassay_monai.ensemble.images import NormalisePercentiled
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import read_network_settings, residual_unet, size_divisor
from segassay_monai.ensemble.prediction import objects_of_classes


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
    more = {"objects": settings.objects} if hasattr(settings, "objects") else {}
    network = residual_unet(**settings.arguments())
    ensemble = EnsembleNet(network, checkpoints, WholeImageInferer(size_divisor(settings.strides)), **more).eval()
    normalise = NormalisePercentiled("image", intensity_range=settings.intensity_range)
    is_touching = more.get("objects") == "touching"
    smallest = read_about(data)["min_object_size"] if is_touching else 0  # smaller parts join a neighbour
    for case in cases:
        with torch.no_grad():
            prob = ensemble(normalise({"image": torch.as_tensor(case.image)[None]})["image"][None])[0, 0].numpy()
        yield objects_of_classes(ensemble.last, min_size=smallest)[0], prob


if __name__ == "__main__":
    run(train, predict, ["torch", "monai", "segassay"])

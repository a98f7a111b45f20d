"""Memory and time of each member of an ensemble, compared with MONAI's EnsembleEvaluator.

    OMP_NUM_THREADS=1 python benchmarks/ensemble.py [correctness memory time]

Networks of the bundle's default size with random weights predict real images of lab-wue1, whole. Both contenders run as
a MONAI engine with the same networks and the same inferer: SegAssay's EnsembleNet in a SupervisedEvaluator (mean, doubt
and masks of the members), MONAI's EnsembleEvaluator with MeanEnsembled (mean). Memory is the median of three new
processes, because the allocator makes equal runs differ.
"""

import functools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from measuring import ROOT, circumstances, data_dir, peak_mib, save, show
from monai.engines import EnsembleEvaluator, SupervisedEvaluator
from monai.transforms import Activationsd, Compose, MeanEnsembled

from segassay.data.dataset import read_dataset
from segassay.data.published.download import download
from segassay.io.images import read_image
from segassay_monai.ensemble.ensemble_net import EnsembleNet
from segassay_monai.ensemble.images import NormalisePercentiled, ReadImaged
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import residual_unet

RESULTS = ROOT / "benchmarks" / "results" / "ensemble.json"
CHANNELS = [16, 32, 64, 128]
INFERER = WholeImageInferer(divisor=8)
CPU = torch.device("cpu")
N_MEMBERS, N_IMAGES, N_ROUNDS, N_PROCESSES = 8, 2, 2, 3
Predict = Callable[[torch.Tensor], torch.Tensor]


def main() -> None:
    """Run the given sections, or measure the memory of one contender when called by `memory`."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(memory_of_one(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))))
        return
    for section in sys.argv[1:] or ["correctness", "memory", "time"]:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            lab = read_dataset(download(work / "labs", labs=["wue1"], mirror=data_dir())[0].folder)
            read, normalise = ReadImaged("image", read_image, n_channels=1), NormalisePercentiled("image")
            paths = [str(lab.images[case]) for case in lab.cases[:N_IMAGES]]
            images = [normalise(read({"image": path}))["image"][None] for path in paths]
            save_members(work)
            torch.save(images, work / "images.pt")
            conditions = circumstances(lab, ["segassay", "torch", "monai", "numpy"])
            conditions |= {"threads": torch.get_num_threads(), "image_shape": list(images[0].shape[2:])}
            result = {"correctness": correctness, "memory": memory, "time": time_per_member}[section](work, images)
            save(RESULTS, section, conditions | result)


def network_of(seed: int) -> torch.nn.Module:
    """Network with random weights and batch statistics from a seed."""
    torch.manual_seed(seed)
    network = residual_unet(spatial_dims=2, in_channels=1, channels=CHANNELS)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.copy_(0.5 + torch.rand_like(value))
    return network.eval()


def save_members(work: Path) -> None:
    """Save the checkpoints of all members."""
    for seed in range(N_MEMBERS):
        torch.save({"model": network_of(seed).state_dict()}, work / f"{seed}.pt")


def segassay(work: Path, n_members: int) -> Predict:
    """SegAssay: one member in memory at a time."""
    paths = [work / f"{seed}.pt" for seed in range(n_members)]
    ensemble = EnsembleNet(residual_unet(spatial_dims=2, in_channels=1, channels=CHANNELS), paths, INFERER)
    return functools.partial(_run, functools.partial(SupervisedEvaluator, network=ensemble))


def monai(work: Path, n_members: int) -> Predict:
    """MONAI: all networks and all their probabilities in memory."""
    keys = [f"pred_{seed}" for seed in range(n_members)]
    networks = [residual_unet(spatial_dims=2, in_channels=1, channels=CHANNELS).eval() for _ in keys]
    for seed, network in enumerate(networks):
        network.load_state_dict(torch.load(work / f"{seed}.pt", weights_only=True)["model"])
    mean = Compose([Activationsd(keys, sigmoid=True), MeanEnsembled(keys, output_key="pred")])
    settings: dict[str, Any] = {"pred_keys": keys, "networks": networks, "inferer": INFERER, "postprocessing": mean}
    return functools.partial(_run, functools.partial(EnsembleEvaluator, **settings))


CONTENDERS = {"segassay": segassay, "monai": monai}


def _run(engine: Callable[..., Any], image: torch.Tensor) -> torch.Tensor:
    evaluator = engine(device=CPU, val_data_loader=[{"image": image}])
    evaluator.run()
    pred: torch.Tensor = evaluator.state.output[0]["pred"]
    return pred


def correctness(work: Path, images: list[torch.Tensor]) -> dict[str, Any]:
    """Largest difference of each contender from the explicit mean of all members."""
    with torch.no_grad():
        members = torch.stack([torch.sigmoid(INFERER(images[0], network_of(seed)))[0] for seed in range(N_MEMBERS)])
    mean = members.mean(dim=0)
    rows = {name: make(work, N_MEMBERS)(images[0]) for name, make in CONTENDERS.items()}
    result: dict[str, Any] = {name: float((prob - mean).abs().max()) for name, prob in rows.items()}
    result["smallest_difference_of_two_members"] = min(
        float((members[i] - members[j]).abs().max()) for i in range(N_MEMBERS) for j in range(i)
    )
    show([result])
    assert all(result[name] < 1e-6 for name in CONTENDERS), "an ensemble is not the mean of its members"
    return {"n_members": N_MEMBERS, "largest_difference_from_explicit_mean": result}


def memory(work: Path, images: list[torch.Tensor]) -> dict[str, Any]:
    """Median peak memory of new processes that predict one image with 1 and with all members."""
    rows = []
    for name in CONTENDERS:
        for n_members in (1, N_MEMBERS):
            words = [sys.executable, "-W", "ignore", __file__, "--one", str(work), name, str(n_members)]
            done = [subprocess.run(words, capture_output=True, text=True, check=True) for _ in range(N_PROCESSES)]
            found = [json.loads(one.stdout.splitlines()[-1]) for one in done]
            peaks = {
                f"{column}_mib": median(one[f"{column}_mib"] for one in found) for column in ("peak", "prediction")
            }
            each = [one["peak_mib"] for one in found]
            rows.append({"contender": name, "n_members": n_members, **peaks, "peaks_mib": each})
    show(rows)
    ratios = {}
    for column in ("peak_mib", "prediction_mib"):
        one = {row["contender"]: row[column] for row in rows if row["n_members"] == 1}
        ratios[column] = {r["contender"]: r[column] / one[r["contender"]] for r in rows if r["n_members"] > 1}
    print(ratios)
    assert ratios["peak_mib"]["segassay"] < 1.1, "memory grows with the number of members"
    return {"rows": rows, f"times_more_with_{N_MEMBERS}_members": ratios}


def memory_of_one(work: Path, name: str, n_members: int) -> dict[str, float]:
    """Peak memory of this process, and its increase since before the networks were read."""
    image = torch.load(work / "images.pt")[0]
    before = peak_mib()
    CONTENDERS[name](work, n_members)(image)
    return {"peak_mib": round(peak_mib(), 1), "prediction_mib": round(peak_mib() - before, 1)}


def time_per_member(work: Path, images: list[torch.Tensor]) -> dict[str, Any]:
    """Seconds per member: both contenders alternate on every image, in several rounds."""
    rows = []
    for edge in (256, 512, None):
        predict = {name: make(work, N_MEMBERS) for name, make in CONTENDERS.items()}
        seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for turn in range(-1, N_ROUNDS):  # the first round is a warm-up
            for image in images:
                part = image[..., :edge, :edge]
                for name in CONTENDERS:
                    started = time.process_time()  # of this process alone
                    predict[name](part)
                    if turn >= 0:
                        seconds[name].append((time.process_time() - started) / N_MEMBERS)
        ours, theirs = median(seconds["segassay"]), median(seconds["monai"])
        paired = median(a / b for a, b in zip(seconds["segassay"], seconds["monai"], strict=True))
        rows.append(
            {"edge": part.shape[-1], "segassay": ours, "monai": theirs, "ratio": ours / theirs, "paired_ratio": paired}
        )
    show(rows)
    return {"n_members": N_MEMBERS, "n_images": N_IMAGES, "n_rounds": N_ROUNDS, "processor_seconds_per_member": rows}


if __name__ == "__main__":
    main()

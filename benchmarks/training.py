"""How well and how fast the bundle trains on a published set: lab-wue1, consensus, fold 0 of 4, three seeds.

    python benchmarks/training.py            needs $SEGASSAY_DATA (default ../shared/data); about 25 minutes on 2 cores

Each seed is trained by the user's command; members and their ensemble are then scored on the nine held-out images.
Scores against the consensus are the models' own training target. Writes training.json beside the table it prints.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import torch

from segassay.download import download
from segassay.files import image_shape

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "bundle" / "configs"


def bundle(run_id: str, config: str, **settings: Any) -> float:
    """Run the bundle as a user does; returns seconds, start of Python included."""
    words = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "monai.bundle",
        "run",
        run_id,
        "--config_file",
        str(CONFIGS / config),
    ]
    words += [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    started = time.perf_counter()
    subprocess.run(words, check=True)
    return time.perf_counter() - started


def measure(work: Path, seeds: list[int]) -> dict[str, Any]:
    """Train, evaluate, and read the numbers back."""
    data = Path(os.environ.get("SEGASSAY_DATA", ROOT / ".." / "shared" / "data"))
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{(work / 'mlflow.db').as_posix()}"
    dataset = download(work, labs=["wue1"], mirror=data)[0].folder
    seconds = {
        seed: bundle(
            "training", "train.yaml", dataset_dir=dataset, seed=seed, output_dir=work / "models" / f"seed{seed}"
        )
        for seed in seeds
    }
    settings = {"dataset_dir": dataset, "models": work / "models", "n_figures": 0}
    bundle("evaluating", "evaluate.yaml", output_dir=work / "evaluation", **settings)
    runs = mlflow.search_runs(experiment_names=["lab-wue1"], filter_string="tags.kind = 'member'")
    scores = pd.read_csv(work / "evaluation" / "scores.csv")
    scores = scores[scores["annotator_a"] == "est_GT"].set_index("annotator_b")
    (ensemble,) = [name for name in scores.index if "-" in name]
    members = scores.drop(index=ensemble)
    return {
        "command": "python benchmarks/training.py",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "commit": str(runs["tags.commit"].iloc[0]),
        "data_hash": str(runs["params.data_hash"].iloc[0]),
        "f1_est_GT": {name: round(value, 4) for name, value in scores["f1"].items()},
        "dice_est_GT": {name: round(value, 4) for name, value in scores["dice"].items()},
        "f1_mean_of_members": round(members["f1"].mean(), 4),
        "f1_ensemble": round(scores.loc[ensemble, "f1"], 4),
        "minutes_per_member": {seed: round(value / 60, 2) for seed, value in seconds.items()},
        "share_of_time_waiting_for_data": round(runs["metrics.train/waiting_for_data"].mean(), 4),
        "seconds_per_megapixel": predict_speed(work, dataset),
    }


def predict_speed(work: Path, dataset: Path) -> float:
    """Seconds per megapixel and member of the network alone, whole images, no reading or writing."""
    from segassay.files import read_image
    from segassay_monai.inference import EnsembleNet, NormalisePercentiled, ReadImaged, WholeImageInferer, residual_unet

    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = residual_unet(spatial_dims=2, in_channels=1, channels=[16, 32, 64, 128]).to(device)
    ensemble = EnsembleNet(network, [next((work / "models").rglob("model.pt"))], WholeImageInferer(divisor=8)).eval()
    paths = sorted((dataset / "images").iterdir())[:6]
    reader, normalise = ReadImaged("image", read_image, n_channels=1), NormalisePercentiled("image")
    images = [normalise(reader({"image": str(path)}))["image"][None].to(device) for path in paths]
    with torch.no_grad():
        ensemble(images[0])
        started = time.perf_counter()
        for image in images[1:]:
            ensemble(image).cpu()
    megapixels = sum(image_shape(path)[0] * image_shape(path)[1] for path in paths[1:]) / 1e6
    return round((time.perf_counter() - started) / megapixels, 3)


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "training.json")
    parser.add_argument("--work", type=Path, help="keep models and predictions in this new folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        result = measure(work.resolve(), options.seeds)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

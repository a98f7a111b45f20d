"""Scores and time of trainings with the bundle on a published dataset: lab-wue1, consensus, fold 0 of 4, four seeds.

    python benchmarks/training.py            needs $SEGASSAY_DATA (default ../shared/data); about 12 minutes on 2 cores

Each seed is trained by the user's command, on one thread, two at a time; members and their ensemble, with and without
test-time flips, are then scored on the nine held-out images. The consensus is the models' own training target. Prints
the results and writes training.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import torch
from measuring import ROOT, circumstances

from segassay.data.dataset import read_dataset
from segassay.data.published.download import download
from segassay.io.images import image_shape
from segassay_monai.bundle.paths import config_path


def run_bundle(run_id: str, work: Path, log: Path, settings: Mapping[str, Any]) -> float:
    """Run the bundle as a user does, on one thread; returns minutes of CPU time, start of Python included."""
    config = config_path({"training": "train.yaml", "evaluating": "evaluate.yaml"}[run_id])
    words = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", run_id, "--config_file", str(config)]
    words += [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MLFLOW_TRACKING_URI": store(work)}
    with log.open("w") as file:
        process = subprocess.Popen(words, env=environment, stdout=file, stderr=file)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{log}: {log.read_text()[-2000:]}")
    return round((used.ru_utime + used.ru_stime) / 60, 2)


def store(work: Path) -> str:
    """MLflow store of a benchmark."""
    return f"sqlite:///{(work / 'mlflow.db').as_posix()}"


def measure(work: Path, seeds: list[int], jobs: int) -> dict[str, Any]:
    """Train, evaluate, and read the numbers."""
    data = Path(os.environ.get("SEGASSAY_DATA", ROOT / ".." / "shared" / "data"))
    dataset = download(work, labs=["wue1"], mirror=data)[0].folder

    def train(seed: int) -> float:
        settings = {"dataset_dir": dataset, "seed": seed, "output_dir": work / "models" / f"seed{seed}"}
        return run_bundle("training", work, work / f"seed{seed}.log", settings)

    with ThreadPoolExecutor(jobs) as pool:
        minutes = list(pool.map(train, seeds))
    scored = {flips: evaluate(work, dataset, flips) for flips in (False, True)}
    mlflow.set_tracking_uri(store(work))
    runs = mlflow.search_runs(experiment_names=["lab-wue1"], filter_string="tags.kind = 'member'")
    members, ensemble = scored[False]
    return circumstances(read_dataset(dataset), ["torch", "monai", "numpy"]) | {
        "command": f"python benchmarks/training.py --seeds {' '.join(map(str, seeds))}",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU, one thread per training",
        "f1_est_GT": {name: round(value, 4) for name, value in members["f1"].items()},
        "dice_est_GT": {name: round(value, 4) for name, value in members["dice"].items()},
        "f1_mean_of_first_three": round(members["f1"].iloc[:3].mean(), 4),
        "f1_mean_of_members": round(members["f1"].mean(), 4),
        "f1_ensemble": round(ensemble["f1"], 4),
        "dice_ensemble": round(ensemble["dice"], 4),
        "f1_mean_of_members_with_flips": round(scored[True][0]["f1"].mean(), 4),
        "f1_ensemble_with_flips": round(scored[True][1]["f1"], 4),
        "cpu_minutes_per_member": dict(zip(map(str, seeds), minutes, strict=True)),
        "trainings_at_once": jobs,
        "share_of_time_waiting_for_data": round(runs["metrics.train/waiting_for_data"].mean(), 4),
        "seconds_per_megapixel": predict_speed(work, dataset),
    }


def evaluate(work: Path, dataset: Path, flips: bool) -> tuple[pd.DataFrame, dict[str, float]]:
    """Scores against the published consensus: one row per member, and those of the ensemble."""
    out = work / ("with flips" if flips else "evaluation")
    settings = {"dataset_dir": dataset, "models": work / "models", "n_figures": 0, "flips": flips, "output_dir": out}
    run_bundle("evaluating", work, work / f"{out.name}.log", settings)
    scores = pd.read_csv(out / "scores.csv")
    scores = scores[scores["annotator_a"] == "est_GT"].set_index("annotator_b")
    ensemble = scores.index[-1]  # after its members
    return scores.drop(index=ensemble), {key: float(scores.loc[ensemble, key]) for key in ("f1", "dice")}


def predict_speed(work: Path, dataset: Path) -> float:
    """Seconds per megapixel and member of the network on one thread, for whole images, without reading or writing."""
    from segassay.io.images import read_image
    from segassay_monai.ensemble.ensemble_net import EnsembleNet
    from segassay_monai.ensemble.images import NormalisePercentiled, ReadImaged
    from segassay_monai.ensemble.inferer import WholeImageInferer
    from segassay_monai.ensemble.network import residual_unet

    torch.set_num_threads(1)
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
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once, of one thread each")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "training.json")
    parser.add_argument("--work", type=Path, help="keep models and predictions in this new folder")
    options = parser.parse_args()
    if len(options.seeds) < 2:
        parser.error("an ensemble needs at least two seeds")
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        result = measure(work.resolve(), options.seeds, options.jobs)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

"""Compare settings of the training, to choose the defaults, on images that no other benchmark scores.

    python benchmarks/training_choices.py COMPARISON [--seeds 0 1 2]     needs $SEGASSAY_DATA (default ../shared/data)

The images of a lab without those of fold 0, which `benchmarks/training.py` scores, are a dataset of their own here.
Each setting is trained on fold 0 of 3 of it with the user's command, on one thread, two at a time, and scored
on the inner held-out images against the published consensus. Writes results/training_choices.json, one section for each
comparison and lab.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from measuring import ROOT, circumstances, save, show

from segassay.data.dataset import read_dataset
from segassay.data.published.download import download
from segassay_monai.training.folds import plan_member
from training import run_bundle

SHORT = {"epochs": 6, "iterations_per_epoch": 100, "val_interval": 2}
NONE = {"weight_map": 0.0, "elastic": 0.0, "gamma": 0.0, "blur": 0.0, "noise": 0.0}
COMPARISONS: dict[str, dict[str, dict[str, Any]]] = {
    "basics": {  # as many iterations as take about the same time
        "default": {},
        "4 tiles of 256": {"batch_size": 4, "tile_size": 256, "iterations_per_epoch": 32},
        "channels 32 to 256": {"channels": [32, 64, 128, 256], "iterations_per_epoch": 37},
        "highest rate 0.005": {"learning_rate": 0.005},
    },
    "augmentation": {
        "none of the five": NONE,
        "weight map 10": NONE | {"weight_map": 10.0},
        "elastic 2 pixels": NONE | {"elastic": 2.0},
        "gamma 0.5": NONE | {"gamma": 0.5},
        "blur 1 pixel": NONE | {"blur": 1.0},
        "noise 0.1": NONE | {"noise": 0.1},
        "weight map, blur and noise": NONE | {"weight_map": 10.0, "blur": 1.0, "noise": 0.1},
    },
    "length": {f"{epochs} epochs": {"epochs": epochs} for epochs in (2, 6, 14)},
}
"""Settings of each comparison that differ from the defaults; all trainings are as short as `SHORT`."""


def inner_dataset(lab: str, work: Path) -> Path:
    """The lab without the images that `benchmarks/training.py` scores."""
    data = Path(os.environ.get("SEGASSAY_DATA", ROOT / ".." / "shared" / "data"))
    folder = download(work, labs=[lab], mirror=data)[0].folder
    dataset = read_dataset(folder)
    plan = plan_member(dataset, trained_on="staple", fold=0, n_folds=4, seed=0, val_fraction=0.125)
    scored = set(plan.held_out)
    for files in (dataset.images, dataset.reference, *dataset.masks.values()):
        for case in scored & files.keys():
            files[case].unlink()
    if dataset.experiment is None:
        return folder
    table = pd.read_csv(folder / "experiment.csv", dtype=str, keep_default_na=False)
    table[~table["case"].isin(scored)].to_csv(folder / "experiment.csv", index=False)
    return folder


def train_and_score(work: Path, dataset: Path, job: tuple[str, Mapping[str, Any], int]) -> dict[str, Any]:
    """Train one member as a user does; returns its scores on the inner held-out images, and its CPU time."""
    name, settings, seed = job
    out = work / f"{name} seed {seed}".replace(" ", "_")
    changed = SHORT | dict(settings) | {"n_folds": 3, "seed": seed, "dataset_dir": dataset, "output_dir": out}
    minutes = run_bundle("training", work, out.with_suffix(".log"), changed)
    table = pd.read_csv(out / "held_out" / "scores.csv")
    scores = table[table["annotator_a"] == "est_GT"].iloc[0].to_dict()
    return {
        "setting": name,
        "seed": seed,
        **{measure: round(float(scores[measure]), 4) for measure in ("f1", "precision", "recall", "dice")},
        "cpu_minutes": minutes,
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation over the seeds, and the mean difference to the first setting, seed by seed."""
    table = pd.DataFrame(rows)
    f1 = table.pivot(index="seed", columns="setting", values="f1")
    first = table["setting"].iloc[0]
    return [
        {
            "setting": name,
            "f1": round(f1[name].mean(), 4),
            "sd": round(f1[name].std(), 4),
            "difference": round((f1[name] - f1[first]).mean(), 4),
            "sd_of_difference": round((f1[name] - f1[first]).std(), 4),
            "cpu_minutes": round(table.loc[table["setting"] == name, "cpu_minutes"].mean(), 2),
        }
        for name in dict.fromkeys(table["setting"])
    ]


def draw_length(rows: Sequence[Mapping[str, Any]], lab: str, path: Path) -> None:
    """Draw F1 by CPU time of the training, one point per seed."""
    table = pd.DataFrame(rows)
    means = table.groupby("setting", sort=False)[["cpu_minutes", "f1"]].mean()
    figure, axes = plt.subplots(figsize=(5, 3.4), layout="constrained")
    axes.plot(means["cpu_minutes"], means["f1"], color="0.6", zorder=1)
    sns.scatterplot(table, x="cpu_minutes", y="f1", hue="setting", palette="viridis", ax=axes, zorder=2)
    axes.set(xlabel="minutes of one processor core", ylabel="F1 on inner held-out images", title=f"lab-{lab}")
    axes.legend(title="")
    sns.despine(figure)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run one comparison and write its section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", choices=COMPARISONS)
    parser.add_argument("--lab", default="wue1", choices=["wue1", "mue"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once, of one thread each")
    parser.add_argument("--work", type=Path, help="keep the models in this new folder")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "training_choices.json")
    options = parser.parse_args()
    settings = COMPARISONS[options.comparison]
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(options.jobs) as pool:
        work = (options.work or Path(temporary)).resolve()
        dataset = inner_dataset(options.lab, work / "data")
        jobs = [(name, changed, seed) for seed in options.seeds for name, changed in settings.items()]
        rows = list(pool.map(partial(train_and_score, work, dataset), jobs))
        words = [options.comparison, "--lab", options.lab, "--seeds", *map(str, options.seeds)]
        result = circumstances(read_dataset(dataset), ["torch", "monai", "numpy"]) | {
            "command": " ".join(["python benchmarks/training_choices.py", *words]),
            "short_training": SHORT,
            "settings": settings,
            "summary": summary(rows),
            "runs": rows,
        }
    save(options.out, f"{options.comparison}, lab-{options.lab}", json.loads(json.dumps(result)))
    if options.comparison == "length":
        draw_length(rows, options.lab, ROOT / "docs" / "figures" / "training_length.png")
    show(result["summary"])


if __name__ == "__main__":
    main()

"""Models that learn where touching objects end, beside the default: same images, same steps, one scorer.

    python benchmarks/touching.py crowded|wue1|inns1|wue1-fold0 [--steps 600] [--seeds 0]     labs need $SEGASSAY_DATA

`crowded` are simulated nuclei that touch (`docs/studies/touching_simulation.yaml`), scored with the known truth. `wue1`
are the images of lab-wue1 without those of fold 0; a fold of them is held out and scored with the published consensus.
`wue1-fold0` are all its images, scored on those of fold 0, on which nothing is chosen. `inns1` are the five images of
lab-inns1; its fold 0 holds two. 1400 steps are the default training. All are trained by the user's command on one
thread; the CPU minutes of each command stand beside its scores: F1 at IoU .5, the mean AP over IoU .5 to .9, and
Dice, of each seed and of the ensemble.
`split` is the default with `segassay predict --split-touching`, `undivided` the foreground of a model of touching
objects. Writes results/touching.json.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import ROOT, circumstances, data_dir, save, show
from training_choices import inner_dataset

from segassay.data.cases import read_case_image, read_case_mask
from segassay.data.dataset import Dataset, read_dataset
from segassay.data.published.download import download
from segassay.io.images import read_image, read_mask
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_objects, pixel_agreement
from segassay.masks.touching import split_touching
from segassay.simulation.dataset import simulate
from segassay.simulation.settings_file import read_simulation
from training import run_bundle

IOU = tuple(np.round(np.arange(0.5, 0.91, 0.05), 2).tolist())
STEPS_PER_EPOCH = 100
FOLDS = {"crowded": 3, "wue1": 3, "inns1": 4, "wue1-fold0": 4}
"""Comparison -> folds, of which the first is held out; 4 are those of the default."""
VARIANTS = {"separate": ("separate", "split"), "touching": ("undivided", "touching")}
"""Setting of a training -> what is scored of it."""


def data_of(name: str, work: Path) -> Path:
    """The dataset folder of a comparison."""
    if name != "crowded" and (known := sorted((work / "data").glob("lab-*"))):
        return known[0]
    if name == "wue1":
        return inner_dataset(name, work / "data")
    if name != "crowded":
        return download(work / "data", labs=[name.split("-")[0]], mirror=data_dir().parent)[0].folder
    return simulate(work / "data", read_simulation(ROOT / "docs" / "studies" / "touching_simulation.yaml"))


def reference_of(dataset: Dataset, case: str) -> np.ndarray:
    """Label image of the truth, or of the published consensus."""
    truth = dataset.folder / "truth" / f"{case}.png"
    mask = read_mask(truth) if truth.is_file() else read_case_mask(dataset, str(dataset.reference_name), case)
    return label_objects(mask, min_size=dataset.min_object_size)


def train(data: Path, out: Path, words: Mapping[str, Any]) -> float:
    """Train one member; CPU minutes of the whole command, NaN if it is there from an earlier call."""
    if (out / "model.pt").is_file():
        return float("nan")
    out.parent.mkdir(parents=True, exist_ok=True)
    given = {"iterations_per_epoch": STEPS_PER_EPOCH, "val_interval": 2, "dataset_dir": data, "output_dir": out}
    return run_bundle("training", out.parents[1], out.with_suffix(".log"), given | dict(words))


def score(dataset: Dataset, folder: Path, variant: str) -> list[dict[str, Any]]:
    """Scores of the held-out images that a prediction wrote, image by image."""
    rows = []
    for path in sorted((folder / "prob").iterdir()):
        case = path.name.removesuffix(".tif")
        prob = read_image(path).array[0]
        if variant == "touching":
            found = read_mask(folder / "instances" / path.name)
        elif variant == "split":
            spacing = read_case_image(dataset, case).spacing_um
            found = split_touching(prob > 0.5, prob, dataset.min_object_size, spacing=spacing)
        else:
            found = label_objects(prob > 0.5, min_size=dataset.min_object_size)
        reference = reference_of(dataset, case)
        matches = match_objects(reference, found, iou_thresholds=IOU)
        either = matches.n_a + matches.n_b - matches.tp
        ap = np.where(either > 0, matches.tp / np.maximum(either, 1), 1.0)
        dice = pixel_agreement(reference > 0, prob > 0.5)[0]
        counts = {"n_reference": matches.n_a, "n_found": matches.n_b}
        rows.append({"case": case, "f1": matches.f1[0], "ap": ap.mean(), "dice": dice, **counts})
    return rows


def compare(name: str, steps: int, seeds: Sequence[int], work: Path) -> list[dict[str, Any]]:
    """Means of the scores of each variant, of its seeds and their ensemble."""
    data = data_of(name, work)
    dataset, rows = read_dataset(data), []
    for objects in VARIANTS:
        used = []
        for seed in seeds:
            words = {"objects": objects, "seed": seed, "epochs": steps // STEPS_PER_EPOCH, "n_folds": FOLDS[name]}
            used.append(train(data, work / objects / f"seed{seed}", words))
        places = {f"seed {seed}": work / objects / f"seed{seed}" / "held_out" for seed in seeds}
        if len(seeds) > 1:
            places["ensemble"] = work / f"{objects}_ensemble"
            words = {"dataset_dir": data, "models": work / objects, "n_figures": 0, "output_dir": places["ensemble"]}
            if not places["ensemble"].exists():
                run_bundle("evaluating", work, work / f"{objects}_ensemble.log", words)
        for who, place in places.items():
            for variant in VARIANTS[objects]:
                means = pd.DataFrame(score(dataset, place, variant)).drop(columns="case").mean().round(4)
                rows.append(
                    {"objects": variant, "model": who, **means.to_dict()}
                    | {
                        "steps": steps // STEPS_PER_EPOCH * STEPS_PER_EPOCH,
                        "cpu_minutes": _mean(used),
                    }
                )
    return rows


def _mean(minutes: Sequence[float]) -> float | None:
    known = [value for value in minutes if value == value]
    return round(float(np.mean(known)), 2) if known else None


def main() -> None:
    """Run one comparison and write its section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", choices=FOLDS)
    parser.add_argument("--steps", type=int, default=600, help="of each training, in epochs of 100")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--work", type=Path, help="keep models in this folder; those there are used")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "touching.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        rows = compare(options.comparison, options.steps, options.seeds, work)
        dataset = read_dataset(
            work / "data" if options.comparison == "crowded" else next((work / "data").glob("lab-*"))
        )
        words = [options.comparison, "--steps", str(options.steps), "--seeds", *map(str, options.seeds)]
        result = circumstances(dataset, ["torch", "monai", "numpy", "scikit-image"]) | {
            "command": " ".join(["python benchmarks/touching.py", *words]),
            "iou": IOU,
            "scores": rows,
        }
    save(options.out, options.comparison, json.loads(json.dumps(result, default=float)))
    show(rows)


if __name__ == "__main__":
    main()

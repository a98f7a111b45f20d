"""Threshold, smallest object and flips, chosen on the selection images of each member, then scored on fold 0.

    python benchmarks/touching.py wue1-fold0 --steps 1400 --seeds 0 1 2 3 --work FOLD0
    python benchmarks/decoding.py FOLD0 [--peaks]       needs $SEGASSAY_DATA; minutes, as nothing is trained

Each member of the default training in FOLD0 predicts the images that selected its best state, three of those outside of
fold 0; the setting with the highest mean F1 against the published consensus over all members is then used for their
ensemble on fold 0, on which nothing is chosen. Objects of the reference are those of at least `min_object_size`; the
smallest object is that of the predictions. Writes the section `decoding` of results/touching.json. With `--peaks`,
an object may also have to reach a probability, which `segassay predict` does not ask for (section `decoding_peaks`).
"""

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from measuring import ROOT, circumstances, save, show
from touching import reference_of

from segassay.data.cases import read_seen_image
from segassay.data.dataset import Dataset, read_dataset
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_objects
from segassay_monai.ensemble.ensemble_net import EnsembleNet
from segassay_monai.ensemble.images import NormalisePercentiled, as_float
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.members import read_members
from segassay_monai.ensemble.network import read_network_settings, residual_unet, size_divisor

THRESHOLDS = (0.4, 0.5, 0.6)
SIZES = (30, 45, 60, 80, 100, 130)
PEAKS = (0.0, 0.8, 0.9, 0.95)
"""Probability that an object must reach somewhere; 0 asks for nothing more than its threshold."""
DEFAULT = (False, 0.5, 30, 0.0)
NAMES = ("flips", "threshold", "smallest", "peak")
Setting = tuple[bool, float, int, float]


def predictor(checkpoints: Sequence[Path], flips: bool) -> Callable[[np.ndarray], np.ndarray]:
    """A function from an image `(C, *spatial)` to the mean probability of the members."""
    settings = read_network_settings(checkpoints)
    inferer = WholeImageInferer(size_divisor(settings.strides))
    ensemble = EnsembleNet(residual_unet(**settings.arguments()), checkpoints, inferer, flips).eval()
    normalise = NormalisePercentiled("image")

    def predict(image: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return ensemble(normalise({"image": as_float(image)})["image"][None])[0, 0].numpy()

    return predict


def objects_of(prob: np.ndarray, threshold: float, smallest: int, peak: float) -> np.ndarray:
    """Label image of the objects above the threshold that are large enough and somewhere reach the peak."""
    objects = label_objects(prob > threshold, min_size=smallest)
    reached = np.unique(objects[prob >= peak])
    return objects if peak <= threshold else label_objects(np.where(np.isin(objects, reached), objects, 0), min_size=0)


def scores(
    dataset: Dataset, jobs: Sequence[tuple[Sequence[Path], Sequence[str]]], settings: Sequence[Setting]
) -> list[dict[str, Any]]:
    """Mean F1, precision and recall of each setting over the images of all jobs: checkpoints, and cases to predict."""
    found: dict[Setting, list[tuple[float, ...]]] = {setting: [] for setting in settings}
    for flips, (checkpoints, cases) in product(sorted({setting[0] for setting in settings}), jobs):
        predict = predictor(checkpoints, flips)
        for case in cases:
            prob, reference = predict(read_seen_image(dataset, case).array), reference_of(dataset, case)
            for setting in settings:
                if setting[0] == flips:
                    objects = objects_of(prob, *setting[1:])
                    matches = match_objects(reference, objects)
                    found[setting].append((matches.f1[0], matches.precision[0], matches.recall[0]))
    return [
        dict(zip(NAMES, setting, strict=True))
        | pd.DataFrame(rows, columns=["f1", "precision", "recall"]).mean().round(4).to_dict()
        | {"n_images": len(rows)}
        for setting, rows in found.items()
    ]


def main() -> None:
    """Choose on the selection images, and score the choice and the default on fold 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fold0", type=Path, help="work folder of `touching.py wue1-fold0`")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "touching.json")
    parser.add_argument("--peaks", action="store_true", help="also choose the highest probability of an object")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = read_dataset(next((options.fold0 / "data").glob("lab-*")))
    checkpoints = sorted((options.fold0 / "separate").rglob("model.pt"))
    members = read_members(checkpoints)
    jobs = [([path], member.val) for path, member in zip(checkpoints, members, strict=True)]
    rows = scores(dataset, jobs, list(product((False, True), THRESHOLDS, SIZES, PEAKS if options.peaks else PEAKS[:1])))
    best = max(rows, key=lambda row: row["f1"])
    chosen = tuple(best[name] for name in NAMES)
    tested = scores(dataset, [(checkpoints, members[0].held_out)], list(dict.fromkeys([DEFAULT, chosen])))
    result = circumstances(dataset, ["torch", "monai", "numpy"]) | {
        "command": "python benchmarks/decoding.py FOLD0" + " --peaks" * options.peaks,
        "selection": rows,
        "chosen": dict(zip(NAMES, chosen, strict=True)),
        "fold0": tested,
    }
    save(options.out, "decoding_peaks" if options.peaks else "decoding", json.loads(json.dumps(result, default=float)))
    show(sorted(rows, key=lambda row: -row["f1"])[:12])
    show(tested)


if __name__ == "__main__":
    main()

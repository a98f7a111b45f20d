"""Threshold, smallest object and flips, chosen on an inner split of lab-wue1 and scored once on fold 0.

    python benchmarks/touching.py wue1 --steps 1400 --seeds 0 1 --work INNER
    python benchmarks/touching.py wue1-fold0 --steps 1400 --seeds 0 1 2 3 --work FOLD0
    python benchmarks/decoding.py INNER FOLD0          needs $SEGASSAY_DATA; minutes, as nothing is trained

The ensemble of the default training in INNER predicts the inner held-out images; the setting with the highest mean F1
against the published consensus is then used for the ensemble in FOLD0, whose test images nothing was chosen on. Objects
of the reference are those of at least `min_object_size`; the smallest object is that of the predictions. Writes the
section `decoding` of results/touching.json.
"""

import argparse
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import ROOT, circumstances, save, show
from touching import reference_of

from segassay.data.dataset import Dataset, read_dataset
from segassay.io.images import read_image
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_objects
from training import run_bundle

THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
SIZES = (30, 40, 50, 60, 80)
DEFAULT = {"flips": False, "threshold": 0.5, "smallest": 30}


def predicted(work: Path, flips: bool) -> Path:
    """Probabilities of the ensemble of the default training, by the user's command."""
    out = work / f"decoding_{'flips' if flips else 'plain'}"
    if not out.exists():
        words = {"dataset_dir": dataset_of(work).folder, "models": work / "separate", "n_figures": 0, "flips": flips}
        run_bundle("evaluating", work, out.with_suffix(".log"), words | {"output_dir": out})
    return out / "prob"


def dataset_of(work: Path) -> Dataset:
    """The dataset that `touching.py` made in its folder."""
    return read_dataset(next((work / "data").glob("lab-*")))


def scores(work: Path, settings: Iterator[tuple[bool, float, int]]) -> list[dict[str, Any]]:
    """Mean F1 of each setting over the held-out images."""
    dataset, rows = dataset_of(work), []
    references: dict[str, np.ndarray] = {}
    for flips, threshold, smallest in settings:
        f1 = []
        for path in sorted(predicted(work, flips).iterdir()):
            case = path.name.removesuffix(".tif")
            if case not in references:
                references[case] = reference_of(dataset, case)
            found = label_objects(read_image(path).array[0] > threshold, min_size=smallest)
            matches = match_objects(references[case], found)
            f1.append({"f1": matches.f1[0], "precision": matches.precision[0], "recall": matches.recall[0]})
        means = pd.DataFrame(f1).mean().round(4).to_dict()
        rows.append({"flips": flips, "threshold": threshold, "smallest": smallest, **means})
    return rows


def main() -> None:
    """Choose on the inner split, and score the choice and the default on fold 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inner", type=Path, help="work folder of `touching.py wue1`")
    parser.add_argument("fold0", type=Path, help="work folder of `touching.py wue1-fold0`")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "touching.json")
    options = parser.parse_args()
    inner, fold0 = options.inner.resolve(), options.fold0.resolve()
    rows = scores(inner, product((False, True), THRESHOLDS, SIZES))
    best = max(rows, key=lambda row: row["f1"])
    chosen = {name: best[name] for name in DEFAULT}
    tested = scores(fold0, (tuple(one.values()) for one in (DEFAULT, chosen)))
    result = circumstances(dataset_of(fold0), ["torch", "monai", "numpy"]) | {
        "command": "python benchmarks/decoding.py INNER FOLD0",
        "inner": rows,
        "chosen": chosen,
        "fold0": [{"setting": name, **row} for name, row in zip(("default", "chosen"), tested, strict=True)],
    }
    save(options.out, "decoding", json.loads(json.dumps(result, default=float)))
    show(sorted(rows, key=lambda row: -row["f1"])[:12])
    show(result["fold0"])


if __name__ == "__main__":
    main()

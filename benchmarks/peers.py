"""Other programs beside SegAssay: same images, same masks, same CPU minutes of one core, one scorer.

    python benchmarks/peers.py prepare wue1 labs/peers-wue1            (or another of SETS) needs $SEGASSAY_DATA
    python benchmarks/peers.py train labs/peers-wue1 stardist2d --seconds 300 --venvs VENVS
    python benchmarks/peers.py score labs/peers-wue1                   writes results/peers.json and docs/peers.md

`--venvs` is a folder with one virtual environment per peer (VENVS/stardist2d/bin/python), `--python` one interpreter;
without either, the Python of this program is used (`ours`, `plain_unet`). See `peers/requirements.txt`.

A training counts the CPU seconds of its process since the start of Python. It runs on one core (`--core`) and one
thread, then predicts the test images, which it has not seen. Words after `--set` go to the program of the peer.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import ROOT, circumstances, data_dir, save, show
from off_centre import move_off_centre

from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_objects, pixel_agreement
from segassay.masks.touching import split_touching

PROGRAMS = ROOT / "benchmarks" / "peers"
RESULTS = ROOT / "benchmarks" / "results" / "peers.json"
PAGE = ROOT / "docs" / "peers.md"
PEERS = ("ours", "plain_unet", "nnunet", "stardist2d", "cellpose3", "efficientnet")
AP_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(9))
"""IoU above which objects match, .5 to .9."""


@dataclass(frozen=True)
class Setup:
    """A set of images: how its dataset folder is made, what is learned, and with what the test images are compared."""

    make: Callable[[Path], None]
    target: str
    reference: str
    n_folds: int
    are_objects: bool = False
    ours: Mapping[str, Any] = field(default_factory=dict)


def make_lab(lab: str, folder: Path) -> None:
    """A lab of Segebarth et al. 2020."""
    from segassay.data.published.download import download

    made = download(folder.parent / "labs", labs=[lab], mirror=data_dir())[0].folder
    made.rename(folder)


def make_inner(lab: str, folder: Path) -> None:
    """The same without the images of its fold 0, so that choices can be made on what is left."""
    from training_choices import inner_dataset

    inner_dataset(lab, folder.parent / "labs").rename(folder)


def make_lidc(folder: Path, called: str | None = None) -> None:
    """39 lung nodules by four readers."""
    from multirater import make

    make("lidc-nodules", folder, called)


def make_lidc_windows(folder: Path) -> None:
    """The same nodules anywhere in windows of 80 × 80 pixels: in the published images each lies in the middle."""
    make_lidc(folder, "lidc-windows")
    move_off_centre(folder, side=80, seed=0)


def make_crowded(folder: Path) -> None:
    """Simulated nuclei of which most touch others; one rater who draws each of them exactly, as objects."""
    from segassay.simulation.dataset import Simulation, simulate

    crowded = {"n_nuclei": 55, "touching_fraction": 0.7, "crowding": 0.3, "bright_fraction": 0.8}
    simulate(folder, Simulation(n_cases=36, seed=17, **crowded))
    for name in ("labels", "repeats", "annotations.csv"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / "labels").mkdir()
    (folder / "truth").rename(folder / "labels" / "exact")
    with (folder / "dataset.yaml").open("a", encoding="utf-8") as file:
        file.write("objects: instances\n")


VOLUMES = {"spatial_dims": 3, "tile_size": [64, 64, 16], "batch_size": 4, "foreground": 0.5}
SETS = {
    "wue1": Setup(partial(make_lab, "wue1"), "staple", "est_GT", n_folds=4),
    "wue1-inner": Setup(partial(make_inner, "wue1"), "staple", "est_GT", n_folds=3),
    "inns1": Setup(partial(make_lab, "inns1"), "staple", "est_GT", n_folds=4),
    "lidc": Setup(make_lidc, "staple", "staple", n_folds=3, ours=VOLUMES),
    "lidc-windows": Setup(make_lidc_windows, "staple", "staple", n_folds=3, ours=VOLUMES),
    "crowded": Setup(make_crowded, "exact", "exact", n_folds=4, are_objects=True),
}


def prepare(name: str, folder: Path) -> None:
    """Make the dataset and write the arrays that all peers read; fold 0 is the test."""
    from segassay.data.cases import read_case_image, read_case_mask
    from segassay.data.dataset import read_dataset
    from segassay_monai.targets import read_target
    from segassay_monai.training.folds import plan_member

    setup = SETS[name]
    if folder.exists():
        sys.exit(f"{folder} exists; remove it first, or give another folder")
    folder.mkdir(parents=True)
    setup.make(folder / "dataset")
    dataset = read_dataset(folder / "dataset")
    member = plan_member(dataset, trained_on=setup.target, fold=0, n_folds=setup.n_folds, seed=0, val_fraction=0.125)

    def labels_of(case: str, source: str, min_size: int) -> np.ndarray:
        if setup.are_objects or source == "est_GT":
            mask = read_case_mask(dataset, source, case)
            return label_objects(mask if setup.are_objects else mask > 0, min_size=min_size)
        return label_objects(read_target(dataset, case, source), min_size=min_size)

    smallest = dataset.min_object_size
    parts = {"train": (member.train, setup.target, smallest), "val": (member.val, setup.target, smallest)}
    parts["test"] = (member.held_out, setup.reference, 0)  # the scorer drops small objects, not the pixels of Dice
    for part, (cases, source, min_size) in parts.items():
        (folder / part).mkdir()
        for case in cases:
            picture = read_case_image(dataset, case)
            spacing = picture.spacing_um or (1.0,) * (picture.array.ndim - 1)
            labels = labels_of(case, source, min_size)
            np.savez_compressed(folder / part / case, image=picture.array[0], labels=labels, spacing=spacing)
    about = {
        "set": name,
        "min_object_size": smallest,
        "cases": {part: list(cases) for part, (cases, _, _) in parts.items()},
        "ours": {"rater": setup.target, "n_folds": setup.n_folds, **setup.ours},
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def measured(words: Sequence[str], log: Path, core: int | None) -> tuple[float, float]:
    """CPU seconds and peak MiB of a program on one core and one thread, with what it started."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    quiet = {"MLFLOW_TRACKING_URI": f"sqlite:///{(log.parent / 'mlflow.db').as_posix()}", "TF_CPP_MIN_LOG_LEVEL": "2"}

    def pin() -> None:
        if core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {core})

    with log.open("a") as file:
        process = subprocess.Popen(words, env=os.environ | one | quiet, stdout=file, stderr=file, preexec_fn=pin)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{log}: {log.read_text()[-2000:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def train(options: argparse.Namespace) -> None:
    """Train one peer, predict the test images, and write what both took."""
    data = options.data.resolve()
    python = options.python or sys.executable
    if options.venvs and (own := options.venvs / options.peer / "bin" / "python").exists():
        python = str(own)
    name = options.name or f"{options.peer}-{options.seconds:g}-{options.seed}"
    out = data / "runs" / name
    program = [str(python), "-W", "ignore", str(PROGRAMS / f"{options.peer}.py")]
    log, model, trained = out / "log.txt", str(out / "model"), out / "training.json"
    if not trained.exists():  # else the predictions alone are made again
        (out / "model").mkdir(parents=True)
        words = ["train", str(data), model, str(options.seconds), str(options.seed), *options.set]
        cpu, peak = measured([*program, *words], log, options.core)
        took = {"cpu_seconds": round(cpu, 1), "peak_mib_training": round(peak), "steps": _steps(log)}
        trained.write_text(json.dumps(took) + "\n", encoding="utf-8")
    shutil.rmtree(out / "predicted", ignore_errors=True)
    limit = [] if options.predict_seconds is None else [str(options.predict_seconds)]
    words = ["predict", str(data), model, str(out / "predicted"), *limit]
    _, predicting = measured([*program, *words], log, options.core)
    about = {
        "peer": options.peer,
        "name": name,
        "budget_cpu_seconds": options.seconds,
        "seed": options.seed,
        "settings": options.set,
        "prediction_limit_cpu_seconds": options.predict_seconds,
        **json.loads(trained.read_text(encoding="utf-8")),
        "peak_mib_predicting": round(predicting),
        **json.loads((out / "predicted" / "about.json").read_text(encoding="utf-8")),
        "load_average": round(os.getloadavg()[0], 1),
    }
    (out / "run.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(about | scores_of(data, out / "predicted", split=False)))


def _steps(log: Path) -> int | None:
    found = [line for line in log.read_text().splitlines() if line.startswith("steps:")]
    return int(found[-1].split()[1]) if found else None


def scores(reference: np.ndarray, predicted: np.ndarray, min_size: int) -> dict[str, float]:
    """F1 at IoU above .5, AP and Dice of one image, by SegAssay's own functions.

    Args:
        reference: Objects `(*spatial)`, 0 = background.
        predicted: The same of a prediction.
        min_size: Smaller objects do not count for F1 and AP; Dice has all pixels.

    Returns:
        `f1`; `ap`, the mean over `AP_THRESHOLDS` of tp / (tp + fp + fn), 1 if both are empty; `dice`.
    """
    kept = [label_objects(labels, min_size=min_size) for labels in (reference, predicted)]
    matches = match_objects(*kept, AP_THRESHOLDS)
    n_all = int(kept[0].max()) + int(kept[1].max()) - matches.tp
    ap = float(np.mean(matches.tp / n_all)) if n_all.all() else 1.0
    return {"f1": float(matches.f1[0]), "ap": ap, "dice": pixel_agreement(reference, predicted)[0]}


def scores_of(data: Path, predicted: Path, split: bool) -> dict[str, float]:
    """Mean scores over the predicted test images, and their number.

    `split` divides masks first, as `segassay predict --split-touching` does.
    """
    min_size = json.loads((data / "about.json").read_text(encoding="utf-8"))["min_object_size"]
    paths = sorted((data / "test").glob("*.npz"))
    done = [path for path in paths if (predicted / path.name).is_file()]
    rows = []
    for path in done:
        with np.load(path) as truth, np.load(predicted / path.name) as found:
            labels = found["labels"]
            if split:
                labels = split_touching(labels > 0, found["prob"].astype(np.float32), min_size)
            rows.append(scores(truth["labels"], labels, min_size))
    means = {name: round(float(value), 4) for name, value in pd.DataFrame(rows).mean().items()}
    return means | {"n_images": len(done), "n_test": len(paths)}


def score(options: argparse.Namespace) -> None:
    """Score all runs of a set with one scorer, and write the results."""
    from segassay.data.dataset import read_dataset

    name = json.loads((options.data / "about.json").read_text(encoding="utf-8"))["set"]
    rows = []
    for path in sorted((options.data / "runs").glob("*/run.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        rows.append(run | scores_of(options.data, path.parent / "predicted", split=False))
        knows_objects = "objects=touching" in run["settings"]
        if SETS[name].are_objects and not knows_objects and _has_prob(path.parent / "predicted"):
            rows.append(run | {"divided": True} | scores_of(options.data, path.parent / "predicted", split=True))
    rows.sort(key=lambda row: (row["budget_cpu_seconds"], -row["f1"]))
    about = circumstances(read_dataset(options.data / "dataset"), ["torch", "monai", "numpy"])
    save(RESULTS, name, about | {"command": f"python benchmarks/peers.py score {options.data.name}", "runs": rows})
    show([{name: row.get(name) for name in COLUMNS} for row in rows])
    publish()


COLUMNS = {
    "name": "run",
    "cpu_seconds": "CPU s",
    "steps": "steps",
    "f1": "F1",
    "ap": "AP",
    "dice": "Dice",
    "cpu_seconds_per_megapixel": "s per megapixel",
    "peak_mib_training": "MiB, training",
    "peak_mib_predicting": "MiB, predicting",
}


def tables(results: Mapping[str, Any]) -> dict[str, str]:
    """The tables of the page in Markdown, by set of images."""
    return {name: _table(section["runs"]) for name, section in results.items()}


def _table(runs: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"| budget, CPU s | {' | '.join(COLUMNS.values())} |", "| --- " * (len(COLUMNS) + 1) + "|"]
    for run in runs:
        cells = [_cell(column, run) for column in COLUMNS]
        lines.append(f"| {run['budget_cpu_seconds']:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(column: str, run: Mapping[str, Any]) -> str:
    value = run.get(column)
    if column == "name":
        notes = ["divided"] if run.get("divided") else []
        if run["n_images"] < run["n_test"]:
            notes.append(f"**{run['n_images']} of {run['n_test']} images**")
        return ", ".join([str(value), *run["settings"], *notes])
    if value is None:
        return ""
    return f"{value:.3f}" if column in ("f1", "ap", "dice") else f"{value:,g}"


def publish() -> None:
    """Update the tables of the page."""
    text = PAGE.read_text(encoding="utf-8")
    for marker, table in tables(json.loads(RESULTS.read_text(encoding="utf-8"))).items():
        first, last = f"<!-- {marker} -->\n", f"\n<!-- end of {marker} -->"
        start, end = text.index(first) + len(first), text.index(last)
        text = text[:start] + table + text[end:]
    PAGE.write_text(text, encoding="utf-8")


def _has_prob(predicted: Path) -> bool:
    with np.load(min(predicted.glob("*.npz"))) as arrays:
        return "prob" in arrays.files


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("prepare")
    one.add_argument("name", choices=SETS)
    one.add_argument("data", type=Path)
    one = commands.add_parser("train")
    one.add_argument("data", type=Path)
    one.add_argument("peer", choices=PEERS)
    one.add_argument("--seconds", type=float, default=300, help="CPU seconds (default: %(default)s)")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--venvs", type=Path, help="folder with one virtual environment per peer")
    one.add_argument("--python", help="interpreter of this peer")
    one.add_argument("--core", type=int, help="core to run on")
    one.add_argument("--name", help="name of the run; by default peer, seconds and seed")
    one.add_argument("--predict-seconds", type=float, help="CPU seconds after which no further image is predicted")
    one.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of this peer's program")
    one = commands.add_parser("score")
    one.add_argument("data", type=Path)
    options = parser.parse_args()
    if options.command == "prepare":
        prepare(options.name, options.data)
    else:
        {"train": train, "score": score}[options.command](options)


if __name__ == "__main__":
    main()

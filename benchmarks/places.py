"""Does a trained peer find an object by its look or by its place? The same test images, cut out differently.

    python benchmarks/places.py labs/peers-lidc nnunet-900-small ours-345-0 --venvs VENVS    after `peers.py train`

Each test image is cut to windows of one size that hold the whole object: one with the middle of the image in its
middle, and some at corners of the image. What a peer knows of the look of an object, it knows in each of them. Writes
results/places.json.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from measuring import ROOT, circumstances, save, show
from peers import PROGRAMS, measured, scores_of

RESULTS = ROOT / "benchmarks" / "results" / "places.json"


PLACES = {"middle": 0.5, "first corner": 0.0, "last corner": 1.0}
"""Name of a window -> share of what an image is longer than it that lies before it, along both axes."""


def cut(data: Path, out: Path, place: str, side: int) -> None:
    """Write the test cases of `data`, cut to one window; ends the program where an object does not fit into it."""
    (out / "test").mkdir(parents=True)
    shutil.copyfile(data / "about.json", out / "about.json")
    for path in sorted((data / "test").glob("*.npz")):
        with np.load(path) as case:
            start = int(PLACES[place] * (case["image"].shape[0] - side))
            window = (slice(start, start + side), slice(start, start + side))
            image, labels = case["image"][window], case["labels"][window]
            if np.count_nonzero(labels) < np.count_nonzero(case["labels"]):
                sys.exit(f"{path}: the object exceeds the window of {side} pixels, {place}; choose a larger --side")
            np.savez_compressed(out / "test" / path.name, image=image, labels=labels, spacing=case["spacing"])


def main() -> None:
    """Predict and score each run in each window."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="names of trained runs")
    parser.add_argument("--venvs", type=Path, help="folder with one virtual environment per peer")
    parser.add_argument("--side", type=int, default=96, help="of a window, in pixels (default: %(default)s)")
    options = parser.parse_args()
    work = options.data.resolve() / "places"
    shutil.rmtree(work, ignore_errors=True)
    rows = []
    for place in PLACES:
        data = work / place.replace(" ", "_")
        cut(options.data, data, place, options.side)
        for name in options.runs:
            run = options.data.resolve() / "runs" / name
            peer = json.loads((run / "run.json").read_text(encoding="utf-8"))["peer"]
            own = options.venvs / peer / "bin" / "python" if options.venvs else Path(sys.executable)
            python = str(own if own.exists() else sys.executable)
            words = ["predict", str(data), str(run / "model"), str(data / name)]
            measured([python, "-W", "ignore", str(PROGRAMS / f"{peer}.py"), *words], data / f"{name}.txt", core=None)
            rows.append({"place": place, "run": name} | scores_of(data, data / name, split=False))
    show(rows)
    section = json.loads((options.data / "about.json").read_text(encoding="utf-8"))["set"]
    save(RESULTS, section, circumstances(None, ["torch", "monai", "numpy"]) | {"side": options.side, "rows": rows})


if __name__ == "__main__":
    main()

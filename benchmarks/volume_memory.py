"""Memory of a training on large volumes: of 512 × 512 × 300 voxels with two classes, drawn, one more after the other.

    python benchmarks/volume_memory.py WORK [--volumes 8] [--steps 10] [--out DIR]

WORK needs 0.7 GB per volume, and is removed at the end. The cases of a training of the bundle are kept one by one, then
some steps are trained. `own` is memory that the process needs; `mapped` are pages of temporary files, which the system
drops when another program wants the memory.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import torch
import yaml
from measuring import ROOT, circumstances, save, show
from monai.bundle import ConfigParser

from segassay_monai.training.tiles import LoadCased

SHAPE = (512, 512, 300)
KINDS = {"VmHWM": "peak", "RssAnon": "own", "RssFile": "mapped"}


def draw(folder: Path, n: int) -> None:
    """Compressed volumes of two organs, of 16 and 4 % of the voxels, on a slope of grey values."""
    x, y, z = (np.arange(side, dtype=np.float32) / side - 0.5 for side in SHAPE)
    for name in ("images", "labels/anna"):
        (folder / name).mkdir(parents=True)
    for case in range(n):
        shift = 0.01 * case
        far = (x[:, None, None] - shift) ** 2 + y[None, :, None] ** 2 + z[None, None, :] ** 2
        mask = (far < 0.1141).astype(np.uint8)
        mask[(far < 0.0453)] = 2
        image = np.rint(200 * x[:, None, None] + np.float32(300) * mask + 20 * case).astype(np.int16)
        for array, name in ((image, "images"), (mask, "labels/anna")):
            nibabel.save(nibabel.Nifti1Image(array, np.diag([0.8, 0.8, 1.0, 1])), folder / name / f"v{case}.nii.gz")
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"classes": {"organ": 1, "tumour": 2}}))


def memory() -> dict[str, float]:
    """Resident memory of this process in GiB: peak, its own, mapped from files."""
    lines = (line.partition(":") for line in Path("/proc/self/status").read_text().splitlines())
    return {KINDS[key]: int(value.split()[0]) / 2**20 for key, _, value in lines if key in KINDS}


def main() -> None:
    """Draw, keep the cases, train some steps; print and write the memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--volumes", type=int, default=8, help="that are trained on (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    given = parser.parse_args()
    if given.work.exists():
        sys.exit(f"{given.work} exists; give a folder that does not")
    torch.set_num_threads(1)
    try:
        measure(given.work, given.volumes, given.steps, given.out)
    finally:
        shutil.rmtree(given.work)


def measure(work: Path, n: int, n_steps: int, out: Path) -> None:
    """Rows of the table: after each volume, and after the steps."""
    draw(work / "data", n + 2)  # one more is held out, and one selects
    rows = [{"": "start", **memory()}]
    load = LoadCased.__call__

    def loaded(self: LoadCased, data: dict) -> dict:
        started = time.process_time()
        found = load(self, data)
        rows.append({"": f"volume {len(rows)}", **memory(), "seconds": time.process_time() - started})
        return found

    LoadCased.__call__ = loaded  # type: ignore[method-assign]
    config = ConfigParser()
    config.read_config([ROOT / "bundle/configs/train.yaml", ROOT / "bundle/configs/spatial_3d.yaml"])
    config["dataset_dir"], config["output_dir"] = str(work / "data"), str(work / "model")
    config["n_folds"], config["num_workers"] = n + 2, 0
    config["iterations_per_epoch"] = n_steps
    tiles = config.get_parsed_content("train#dataloader")
    network, optimizer = config.get_parsed_content("network"), config.get_parsed_content("optimizer")
    loss = config.get_parsed_content("train#loss_function")
    rows.append({"": "all kept", **memory()})
    started = time.process_time()
    for batch in tiles:
        optimizer.zero_grad()
        loss(network(batch["image"]), batch["label"]).backward()
        optimizer.step()
    rows.append({"": f"{n_steps} steps", **memory(), "seconds": time.process_time() - started})
    show(rows)
    bytes_of = sum(path.stat().st_size for path in (work / "data").rglob("*.nii.gz"))
    about = circumstances(None, ["torch", "monai", "nibabel"])
    about["command"] = f"python benchmarks/volume_memory.py WORK --volumes {n} --steps {n_steps}"
    result = about | {"shape": SHAPE, "file_gib": bytes_of / 2**30, "gib": rows}
    save(out / "volume_memory.json", "training", result)


if __name__ == "__main__":
    main()

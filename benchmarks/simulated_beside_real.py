"""Compare simulated images with real ones: appearance, size and brightness of nuclei, agreement of raters.

    python benchmarks/simulated_beside_real.py        needs $SEGASSAY_DATA (default ../shared/data); about 1 minute

The real ones are the 36 images of lab-wue1 with the masks of five raters, the simulated ones are the defaults of
`segassay simulate`, in 2-D and 3-D, over several seeds. Nuclei are measured in the STAPLE consensus of the raters on
either side. Writes simulated_beside_real.json and docs/figures/simulated_beside_real.png.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

from segassay.consensus.pixels import staple
from segassay.io.images import read_image, read_mask
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_objects
from segassay.simulation.dataset import Simulation, simulate_case

ROOT = Path(__file__).resolve().parents[1]
PERCENTILES = (5, 25, 50, 75, 95)
CROPS = (("0082", 512, 384), ("0001", 256, 384))  # of lab-wue1, about as crowded as the simulated images
SHOWN = (2, 1)  # simulated cases next to them
VOLUME = Simulation(shape=(32, 128, 128))


class Case(NamedTuple):
    """One image (*spatial) and the mask of each rater."""

    image: np.ndarray
    masks: dict[str, np.ndarray]


def real_cases(lab: Path) -> Iterator[Case]:
    """All images of lab-wue1."""
    for path in sorted((lab / "images").iterdir()):
        yield real_case(lab, path.stem)


def real_case(lab: Path, case: str) -> Case:
    """One image of lab-wue1 and the masks of its raters."""
    folders = sorted((lab / "labels").glob("expert_*"))
    masks = {folder.name: read_mask(folder / f"{case}_cFOS.png") > 0 for folder in folders}
    return Case(read_image(lab / "images" / f"{case}.png").array[0], masks)


def simulated_cases(settings: Simulation, n_seeds: int) -> Iterator[Case]:
    """All images of several simulations."""
    for seed in range(n_seeds):
        for index in range(settings.n_cases):
            image, _, masks = simulate_case(replace(settings, seed=seed), index)
            yield Case(image, masks)


def measure(cases: Iterator[Case]) -> dict[str, Any]:
    """Agreement of raters; radius, intensity and contrast of the nuclei in their consensus; background."""
    f1: dict[str, list[float]] = {}
    nuclei, backgrounds = [], []
    for case in cases:
        labels = {rater: label_objects(mask, min_size=30) for rater, mask in case.masks.items()}
        for a, b in combinations(labels, 2):
            f1.setdefault(f"{a}, {b}", []).append(float(match_objects(labels[a], labels[b], [0.5]).f1[0]))
        radius, light, noise, background = of_nuclei(case)
        nuclei.append(np.stack([radius, light, light / noise]))
        backgrounds.append((background, noise))
    pooled = np.concatenate(nuclei, axis=1)
    pairs = {pair: round(float(np.mean(values)), 3) for pair, values in f1.items()}
    return {
        "f1_pairs": pairs,
        "f1_mean": round(float(np.mean(list(pairs.values()))), 3),
        "radius_px": np.percentile(pooled[0], PERCENTILES).round(1).tolist(),
        "light_grey": np.percentile(pooled[1], PERCENTILES).round(1).tolist(),
        "light_in_sd_of_background": np.percentile(pooled[2], PERCENTILES).round(2).tolist(),
        "background_grey": np.percentile([b for b, _ in backgrounds], PERCENTILES).round(1).tolist(),
        "background_sd_grey": np.percentile([sd for _, sd in backgrounds], PERCENTILES).round(1).tolist(),
        "pooled": pooled[:2],
    }


def of_nuclei(case: Case) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Radius in pixels and mean intensity above the local background of each nucleus; noise and background level."""
    image, masks = case.image.astype(float), np.stack(list(case.masks.values()))
    labels = label_objects(staple(masks).mask, min_size=30)
    outside = ~ndimage.binary_dilation(masks.any(axis=0), iterations=4)
    weight = np.maximum(ndimage.gaussian_filter(outside.astype(float), 12), 1e-6)
    above = image - ndimage.gaussian_filter(np.where(outside, image, 0), 12) / weight
    numbers = np.arange(1, labels.max() + 1)
    sizes = np.bincount(labels.ravel(), minlength=labels.max() + 1)[1:]
    radius = (sizes * {2: 1, 3: 0.75}[image.ndim] / np.pi) ** (1 / image.ndim)
    light = np.asarray(ndimage.mean(above, labels, numbers)).reshape(-1)
    return radius, light, float(above[outside].std()), float(image[outside].mean())


def seconds_per_case() -> dict[str, float]:
    """Time of `simulate_case`: image, truth and three raters."""
    plans = {
        "256x256, 20 nuclei": Simulation(),
        "1024x1024, 90 nuclei": Simulation(shape=(1024, 1024), n_nuclei=90),
        "32x128x128, 20 nuclei": VOLUME,
    }
    found = {}
    for name, settings in plans.items():
        started = time.process_time()
        for index in range(8):
            simulate_case(settings, index)
        found[name] = round((time.process_time() - started) / 8, 3)
    return found


def draw(lab: Path, real: dict[str, Any], simulated: dict[str, Any], out: Path) -> None:
    """Draw two real crops and two simulated images at one grey scale and pixel size, outlines, and two histograms."""
    settings = Simulation()
    columns = []
    for name, row, column in CROPS:
        case, box = real_case(lab, name), np.s_[row : row + settings.shape[0], column : column + settings.shape[1]]
        columns.append((f"lab-wue1, {name}", Case(case.image[box], {r: m[box] for r, m in case.masks.items()})))
    for index in SHOWN:
        image, _, masks = simulate_case(settings, index)
        columns.append((f"simulated, case {index}", Case(image, masks)))
    figure, axes = plt.subplots(3, 4, figsize=(12, 8.4), height_ratios=(1, 1, 0.65), layout="constrained")
    for (title, case), column in zip(columns, axes[:2].T, strict=True):
        for axis in column:
            axis.imshow(case.image, cmap="gray", vmin=0, vmax=120, interpolation="nearest")
            axis.set_axis_off()
        column[0].set_title(title, fontsize=10)
        for colour, (rater, mask) in zip(plt.colormaps["Set2"].colors, case.masks.items(), strict=False):
            column[1].contour(mask, levels=[0.5], colors=[colour], linewidths=1)
            column[1].plot([], [], color=colour, label=rater)
    for axis in axes[1, ::2]:
        axis.legend(loc="upper right", fontsize=6, framealpha=0.8)
    for axis in axes[2]:
        axis.remove()
    grid = axes[2, 0].get_gridspec()
    edges = np.linspace(2, 16, 29), np.geomspace(1, 200, 29)
    for k, label in enumerate(("radius of a nucleus (px)", "light above background (grey values)")):
        axis = figure.add_subplot(grid[2, 2 * k : 2 * k + 2])
        for name, found in (("lab-wue1", real), ("simulated", simulated)):
            values = found["pooled"][k]
            axis.hist(values, edges[k], weights=np.full(values.size, 1 / values.size), histtype="step", label=name)
        axis.set(xlabel=label, ylabel="share of nuclei", xscale="log" if k else "linear")
        axis.legend(frameon=False, fontsize=8)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Measure, draw and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4, help="simulations of 16 images each")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "simulated_beside_real.json")
    parser.add_argument("--figure", type=Path, default=ROOT / "docs" / "figures" / "simulated_beside_real.png")
    options = parser.parse_args()
    data = Path(os.environ.get("SEGASSAY_DATA", ROOT / ".." / "shared" / "data"))
    lab = data / "segebarth2020" / "lab-wue1"
    result = {
        "real": measure(real_cases(lab)),
        "simulated": measure(simulated_cases(Simulation(), options.seeds)),
        "simulated_3d": measure(simulated_cases(VOLUME, max(1, options.seeds // 4))),
    }
    draw(lab, result["real"], result["simulated"], options.figure)
    for found in result.values():
        del found["pooled"]
    result["percentiles"] = list(PERCENTILES)
    result["seconds_per_case"] = seconds_per_case()
    text = json.dumps(result, indent=2) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

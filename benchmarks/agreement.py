"""Time and memory to compute the agreement of annotators, compared with other packages.

    python benchmarks/agreement.py [peers scaling memory jobs] [--images N] [--out benchmarks/results]

`peers`: all pairs of 6 annotators of lab-wue1, the same arrays for every contender, in one process. `scaling`: time
by pixels, annotators and cases. `memory`: peak memory at 100 and at 1,000 cases. `jobs`: one process and two. Each
section writes its part of agreement.json; `scaling` also draws agreement.png. requirements.txt lists the packages. The
lab is read from the folder in SEGASSAY_DATA (default: ../shared/data, next to the repository).
"""

import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import chosen_sections, circumstances, data_dir, peak_mib, save, show, timed

import segassay.workers.pool
from segassay.data.annotations import read_annotations
from segassay.data.dataset import Dataset, read_dataset
from segassay.data.published.download import download
from segassay.io.images import read_mask
from segassay.masks.joint import joint_overlaps
from segassay.masks.overlaps import label_objects, match_each
from segassay.simulation.dataset import Simulation, simulate
from segassay.tables.build import build_tables

PACKAGES = ("segassay", "numpy", "scipy", "pandas", "scikit-image", "numba", "stardist", "panoptica")
REPEATS = 3  # the fastest counts; the slow method of 2020 runs once and is compared with first runs
SLOW_EVERY = 12  # the method of 2020 takes half a minute per image: every twelfth image only
N_CASES = (100, 1000)
TOLERANCE = 0.10  # growth of peak memory from 100 to 1,000 cases


def main() -> None:
    """Run the given sections, by default all."""
    sections = {"peers": peers, "scaling": scaling, "memory": memory, "jobs": jobs}
    args = chosen_sections(sections, __doc__, images=(36, "images of lab-wue1"))
    with tempfile.TemporaryDirectory() as folder:
        lab = read_dataset(download(Path(folder), labs=["wue1"], mirror=data_dir())[0].folder)
        for name in args.sections:
            print(f"\n== {name}")
            started = circumstances(lab, PACKAGES)
            result = {**started, **sections[name](lab, args.images, args.out)}
            save(args.out / "agreement.json", name, result)
            if "failure" in result:
                sys.exit(result["failure"])


def _read_labels(lab: Dataset, case: str) -> tuple[float, list[np.ndarray]]:
    """Seconds to label the masks of all annotators of a case once, without reading them, and the labels."""
    masks = [read_mask(of_case[case]) for of_case in [*lab.masks.values(), lab.reference]]
    return timed(lambda: [label_objects(mask, min_size=lab.min_object_size) for mask in masks])


def peers(lab: Dataset, n_images: int, out: Path) -> dict[str, Any]:
    """Time and match counts of every contender, which alternate image by image."""
    from contenders import (
        panoptica_evaluator,
        segassay_joint,
        stardist_matching,
        whole_image_2020,
        whole_image_lean,
    )

    repeats = {segassay_joint: REPEATS, stardist_matching: REPEATS, panoptica_evaluator: REPEATS}
    slow = {whole_image_lean: 1, whole_image_2020: 1}
    blocks = np.zeros((2, 64, 64), dtype=np.int32)
    blocks[:, 8:24, 8:24] = 1
    _take_turns(repeats | slow, list(blocks))  # compiles what is compiled
    rows = []
    for index, case in enumerate(lab.cases[:n_images]):
        labelling, labels = _read_labels(lab, case)
        times, outcomes = _take_turns(repeats | slow if index % SLOW_EVERY == 0 else repeats, labels)
        for contender, runs in times.items():
            row = _compared(case, contender.__name__, outcomes[contender], outcomes[segassay_joint])
            row |= {"labelling": labelling, "seconds": min(runs), "segassay": min(times[segassay_joint][: len(runs)])}
            rows.append(row)
        print(f"{index + 1} of {n_images}: {case}", file=sys.stderr)
    table = pd.DataFrame(rows)
    return {"annotators": len(lab.masks) + 1, "contenders": _summary(table), "images": table.to_dict("records")}


def _take_turns(repeats: Mapping[Any, int], labels: list[np.ndarray]) -> tuple[dict[Any, list[float]], dict[Any, Any]]:
    """Seconds of every run, and the outcomes, of each contender; one run each, then the next round."""
    times: dict[Any, list[float]] = {contender: [] for contender in repeats}
    outcomes = {}
    for repeat in range(max(repeats.values())):
        for contender in (contender for contender, n in repeats.items() if repeat < n):
            seconds, outcomes[contender] = timed(partial(contender, labels))
            times[contender].append(seconds)
    return times, outcomes


def _compared(case: str, name: str, outcomes: Sequence[Any], expected: Sequence[Any]) -> dict[str, Any]:
    """Compare a contender with SegAssay: match counts must be equal; mean IoU may differ, as its definitions do."""
    tp = [outcome.tp for outcome in outcomes]
    ours = [outcome.tp for outcome in expected]
    assert tp == ours, f"{name}, {case}: match counts {tp}, SegAssay {ours}"
    f1_gaps = [abs(x.f1 - y.f1) for x, y in zip(outcomes, expected, strict=True) if x.tp]
    iou_gaps = [abs(x.mean_iou - y.mean_iou) for x, y in zip(outcomes, expected, strict=True)]
    return {
        "case": case,
        "contender": name,
        "pairs": len(tp),
        "tp": sum(tp),
        "f1_gap": max(f1_gaps, default=0.0),
        "mean_iou_gap": float(np.nanmax([*iou_gaps, 0.0])),
    }


def _summary(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for name, own in table.groupby("contender", sort=False):
        seconds, segassay, labelling = own["seconds"].sum(), own["segassay"].sum(), own["labelling"].sum()
        rows.append(
            {
                "contender": name,
                "images": len(own),
                "pairs": int(own["pairs"].sum()),
                "tp": int(own["tp"].sum()),
                "seconds": float(seconds),
                "segassay_seconds": float(segassay),
                "labelling_seconds": float(labelling),
                "times_faster": float(seconds / segassay),
                "with_labelling": float((seconds + labelling) / (segassay + labelling)),
                "worst_f1_gap": float(own["f1_gap"].max()),
                "worst_mean_iou_gap": float(own["mean_iou_gap"].max()),
            }
        )
    show(rows)
    return rows


def scaling(lab: Dataset, n_images: int, out: Path) -> dict[str, Any]:
    """Time against pixels and annotators (real masks, tiled and shifted) and against cases (simulated)."""
    stacks = [_masks(lab, case) for case in lab.cases[: min(n_images, 16)]]
    tiles = [stacks[index % len(stacks)] for index in range(16)]
    canvas = np.concatenate([np.concatenate(tiles[row : row + 4], axis=2) for row in range(0, 16, 4)], axis=1)
    rows = []
    for size in (256, 512, 1024, 2048, 4096):
        middle = slice(2048 - size // 2, 2048 + size // 2)
        rows += _time_masks("pixels", size**2, canvas[:, middle, middle])
    for n_annotators in (2, 4, 8, 15, 30):  # the real masks repeatedly, each time shifted a little further
        masks = [np.roll(stacks[0][i % 6], 2 * (i // 6), axis=(0, 1)) for i in range(n_annotators)]
        rows += _time_masks("annotators", n_annotators, np.stack(masks))
    dataset = _simulated(lab)
    for n_cases in (10, 30, 100, 300, 1000):
        annotations = _first_cases(dataset, n_cases)
        work = partial(build_tables, dataset, annotations, n_jobs=1)
        seconds = min(timed(work)[0] for _ in range(REPEATS))
        rows.append({"panel": "cases", "n": n_cases, "step": "masks on disk to tables", "seconds": seconds})
    slopes = _slopes(rows)
    show(rows)
    show(slopes)
    _draw(rows, slopes, out / "agreement.png")
    return {"times": rows, "slopes": slopes}


def _masks(lab: Dataset, case: str) -> np.ndarray:
    return np.stack([read_mask(of_case[case]) for of_case in [*lab.masks.values(), lab.reference]])


def _time_masks(panel: str, n: int, masks: np.ndarray) -> list[dict[str, Any]]:
    """Fastest of some runs of labelling alone and of comparing all pairs at all thresholds."""
    labelled = [timed(lambda: [label_objects(mask) for mask in masks]) for _ in range(REPEATS)]
    labels = labelled[0][1]
    compared = [timed(lambda: _compare_all(labels))[0] for _ in range(REPEATS)]
    steps = {"labelling": min(seconds for seconds, _ in labelled), "all pairs": min(compared)}
    n_objects = int(sum(image.max() for image in labels))
    return [{"panel": panel, "n": n, "step": k, "seconds": v, "n_objects": n_objects} for k, v in steps.items()]


def _compare_all(labels: Sequence[np.ndarray]) -> None:
    joint = joint_overlaps(labels)
    for _ in match_each(joint.pair(a, b) for a, b in combinations(range(len(labels)), 2)):
        pass


def _slopes(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Exponent of each line over its last three points, where constant costs hardly matter."""
    slopes = []
    for (panel, step), line in pd.DataFrame(rows).groupby(["panel", "step"], sort=False):
        end = np.log(line[["n", "seconds"]].to_numpy(dtype=float)[-3:])
        slopes.append({"panel": panel, "step": step, "slope": float(np.polyfit(end[:, 0], end[:, 1], 1)[0])})
    return slopes


def _draw(rows: Sequence[Mapping[str, Any]], slopes: Sequence[Mapping[str, Any]], path: Path) -> None:
    import seaborn
    from matplotlib.figure import Figure

    seaborn.set_theme(style="whitegrid", context="notebook")
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    titles = {
        "pixels": "6 annotators of one image",
        "annotators": "one image of 1024 × 1024",
        "cases": "3 raters, images of 128 × 128",
    }
    colours = dict(
        zip(["labelling", "all pairs", "masks on disk to tables"], seaborn.color_palette("colorblind"), strict=False)
    )
    for axes, (panel, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        table = pd.DataFrame([row for row in rows if row["panel"] == panel])
        slope = {row["step"]: row["slope"] for row in slopes if row["panel"] == panel}
        table["step"] = [f"{step} (slope {slope[step]:.2f})" for step in table["step"]]
        palette = {f"{step} (slope {slope[step]:.2f})": colours[step] for step in slope}
        seaborn.lineplot(table, x="n", y="seconds", hue="step", style="step", palette=palette, markers=True, ax=axes)
        axes.set(xscale="log", yscale="log", xlabel=panel, ylabel="seconds", title=title)
        ticks = table["n"].unique()
        names = [f"{round(n**0.5)}²" if panel == "pixels" else f"{n:,}" for n in ticks]
        axes.set_xticks(ticks, names)
        axes.minorticks_off()
        axes.legend(title=None, loc="upper left")
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * 4)  # room for the legend
    figure.savefig(path, dpi=150)


def memory(lab: Dataset, n_images: int, out: Path) -> dict[str, Any]:
    """Peak memory of `build_tables`, workers included, each in a fresh process."""
    rows = []
    dataset = _simulated(lab)
    for n_jobs in (1, 2):
        for n_cases in N_CASES:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
                rows.append(fresh.submit(_peak_of_tables, dataset.folder, n_cases, n_jobs).result())
    peak = {(row["n_jobs"], row["n_cases"]): row["total_mib"] for row in rows}
    growth = {n_jobs: peak[n_jobs, N_CASES[1]] / peak[n_jobs, N_CASES[0]] for n_jobs in (1, 2)}
    show(rows)
    print("peak at 1,000 cases / peak at 100:", {n_jobs: round(ratio, 3) for n_jobs, ratio in growth.items()})
    result = {"peaks": rows, "growth": growth, "tolerance": TOLERANCE}
    if max(growth.values()) > 1 + TOLERANCE:
        result["failure"] = f"peak memory grows with the cases: {growth}, expected at most {1 + TOLERANCE}"
    return result


def _peak_of_tables(folder: Path, n_cases: int, n_jobs: int) -> dict[str, Any]:
    """Peak memory of this process and of the largest worker, counted n_jobs times; run it in a new process."""
    dataset = read_dataset(folder)
    segassay.workers.pool.START_SECONDS = 0  # use workers for both sizes, though they do not pay off for 100 cases
    tables = build_tables(dataset, _first_cases(dataset, n_cases), n_jobs=n_jobs)
    own = peak_mib()
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 if n_jobs > 1 else 0.0
    rows = sum(len(table) for table in (tables.agreement, tables.leave_one_out, tables.counts))
    return {
        "n_jobs": n_jobs,
        "n_cases": n_cases,
        "rows": rows,
        "own_mib": own,
        "worker_mib": worker,
        "total_mib": own + n_jobs * worker,
    }


def _simulated(lab: Dataset) -> Dataset:
    """Small images with 3 raters, made once in the temporary folder of the lab."""
    folder = lab.folder.parent / "simulated"
    if not folder.exists():
        simulate(folder, Simulation(shape=(128, 128), n_cases=max(N_CASES), n_nuclei=8))
    return read_dataset(folder)


def _first_cases(dataset: Dataset, n_cases: int) -> pd.DataFrame:
    annotations = read_annotations(dataset)
    return annotations[annotations["case"].isin(dataset.cases[:n_cases])]


def jobs(lab: Dataset, n_images: int, out: Path) -> dict[str, Any]:
    """Wall time of all tables of lab-wue1 with one process and with two; the tables must be the same."""
    annotations = read_annotations(lab)
    annotations = annotations[annotations["case"].isin(lab.cases[:n_images])]
    rows, agreement = [], []
    for n_jobs in (1, 2):
        seconds, tables = timed(partial(build_tables, lab, annotations, n_jobs=n_jobs))
        rows.append({"n_jobs": n_jobs, "images": min(n_images, len(lab.cases)), "seconds": seconds})
        agreement.append(tables.agreement)
    pd.testing.assert_frame_equal(*agreement)
    show(rows)
    return {"times": rows, "times_faster": rows[0]["seconds"] / rows[1]["seconds"]}


if __name__ == "__main__":
    main()

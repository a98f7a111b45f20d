"""How time and memory of an evaluation grow: with cases, tables alone, the index, annotators, pixels and objects.

    python benchmarks/scaling.py [cases tables index predictions annotators pixels objects] [--points N]
        [--out benchmarks/results]

Each point is one `segassay.evaluate` of drawn masks in a new process: CPU seconds of its stages, and the largest
resident memory beyond that of the imports. Each section writes its part of scaling.json, with the exponents: b in
size ** b, between the last two points. `--points` takes the first N sizes only.

`tables` is the part of the command itself, without what workers do: 30 cases are compared, their rows stand for all
others, and images are not checked. What remains are hashes, tables, scores, intervals, verdicts, figures and report.
`index` lists a dataset whose files are empty: the dataset, the table of its masks, and one job for each case.
`predictions` makes the tables of `predict` of images that are predicted, with 30 objects each: one image and its files
stand for all.
"""

import dataclasses
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from measuring import chosen_sections, circumstances, peak_mib, save, show

from segassay.io.images import Picture, write_image, write_mask
from segassay.tables.case import CaseRows, score_case
from segassay.tables.jobs import Job

PACKAGES = ("segassay", "numpy", "scipy", "pandas", "scikit-image", "matplotlib")
SHAPE = {"n_cases": 6, "n_annotators": 3, "side": 64, "n_objects": 4}
"""Of a dataset, if they are not what grows."""

N_OBJECTS = 30
"""Of each image whose predictions are put into tables."""

SECTIONS: dict[str, list[dict[str, int]]] = {
    "cases": [{"n_cases": n, "side": 32} for n in (10, 30, 100, 300, 1000)],
    "tables": [{"n_cases": n, "side": 32, "n_drawn": 30} for n in (300, 1000, 3000, 10_000, 30_000, 100_000)],
    "index": [{"n_cases": n, "n_annotators": 2} for n in (1000, 10_000, 100_000, 1_000_000)],
    "predictions": [{"n_cases": n} for n in (1000, 3000, 10_000, 30_000, 100_000)],
    "annotators": [{"n_annotators": n} for n in (3, 6, 12, 24, 40)],
    "pixels": [{"n_cases": 2, "side": side, "n_objects": 64} for side in (256, 512, 1024, 2048, 4096)],
    "objects": [{"n_cases": 2, "side": 2048, "n_objects": n} for n in (10, 100, 1000, 10_000, 100_000)],
}
STAGES = {
    "tables": "segassay.assay.numbers.build_tables",
    "check": "segassay.assay.numbers.problems_of",
    "report": "segassay.assay.run.write_results",
    "gallery": "segassay.assay.run._gallery",
}
"""Functions that are timed; `scores` is what remains: scores, intervals, verdicts."""


def main() -> None:
    """Measure the given sections, by default all."""
    args = chosen_sections(SECTIONS, __doc__, points=(6, "sizes of each"))
    for name in args.sections:
        print(f"\n== {name}", flush=True)
        started = circumstances(None, PACKAGES)
        measure = {"index": indexed_anew, "predictions": tabled_anew}.get(name, measured)
        rows = [measure(size_of(name, point), SHAPE | point) for point in SECTIONS[name][: args.points]]
        show(rows)
        exponents = {key: exponent(rows, key) for key in rows[-1] if key != "size"}
        print("exponents:", exponents)
        save(args.out / "scaling.json", name, {**started, "rows": rows, "exponents": exponents})


def size_of(name: str, point: dict[str, int]) -> int:
    """What grows: pixels of an image, or a number."""
    return (
        point["side"] ** 2
        if name == "pixels"
        else point["n_cases" if name in ("tables", "index", "predictions") else f"n_{name}"]
    )


def exponent(rows: list[dict[str, float]], key: str) -> float | None:
    """b of size ** b between the last two points; None of one point, and of what is too short to tell."""
    one, two = rows[-2:] if len(rows) > 1 else rows * 2
    if one is two or min(one[key], two[key]) < 0.05:
        return None
    return round(float(np.log(two[key] / one[key]) / np.log(two["size"] / one["size"])), 2)


def measured(size: int, shape: dict[str, int]) -> dict[str, float]:
    """Seconds and memory of one evaluation, in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder) / "data", **shape)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            return {"size": size, **fresh.submit(evaluated, folder, shape.get("n_drawn", 0)).result()}


def indexed_anew(size: int, shape: dict[str, int]) -> dict[str, float]:
    """Seconds and memory of listing a dataset of empty files, in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        for place in ("images", *(f"labels/rater_{number}" for number in range(shape["n_annotators"]))):
            Path(folder, place).mkdir(parents=True)
            for number in range(size):
                os.close(os.open(f"{folder}/{place}/{number}.tif", os.O_CREAT | os.O_WRONLY))
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            return {"size": size, **fresh.submit(indexed, folder).result()}


def indexed(folder: str) -> dict[str, float]:
    """CPU seconds of each step, and the memory that all took beyond the imports."""
    from segassay.data.annotations import read_annotations
    from segassay.data.dataset import read_dataset
    from segassay.tables.jobs import make_jobs

    before, times = peak_mib(), [time.process_time()]
    dataset = read_dataset(Path(folder))
    times.append(time.process_time())
    annotations = read_annotations(dataset)
    times.append(time.process_time())
    jobs, _ = make_jobs(dataset, annotations)
    times.append(time.process_time())
    taken = dict(zip(("dataset", "annotations", "jobs"), np.diff(times).round(3).tolist(), strict=True))
    assert len(jobs) == len(annotations) / 2
    return {**taken, "all": round(times[-1] - times[0], 3), "MiB": round(peak_mib() - before, 1)}


def tabled_anew(size: int, shape: dict[str, int]) -> dict[str, float]:
    """Seconds and memory of the tables of predicted images, in a new process."""
    from segassay.io.images import sha256
    from segassay.masks.properties import object_properties

    with tempfile.TemporaryDirectory() as folder:
        image, out = place(Path(folder, "images"), 0), Path(folder, "out")
        labels = np.zeros((64, 64), dtype=np.int32)
        labels[::10, ::12] = np.arange(1, 43).reshape(7, 6)
        labels[labels > N_OBJECTS] = 0
        found = object_properties(labels, prob=(labels > 0) * 0.9).to_dict("split", index=False)
        write_image(image, Picture(labels[None].astype(np.uint8)))
        (out / ".records").mkdir(parents=True)
        (out / "mask.png").touch()
        files = {"masks": "mask.png", "thumbnail": "mask.png"}
        record = {"inputs": [sha256(image)], "split": False, "held_out": True, "files": files}
        record["objects"] = {"columns": found["columns"], "rows": found["data"]}
        row = {"image": "0.tif", "n_objects": N_OBJECTS, "area_px": N_OBJECTS, "region_area_px": 4096, "density": 0.01}
        for number in range(size):
            text = json.dumps(record | {"case": {"case": str(number), **row, "mean_intensity": 1.0}})
            (out / ".records" / f"{number}.json").write_text(text)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            return {"size": size, **fresh.submit(tabled, out, image, size).result()}


def tabled(out: Path, image: Path, size: int) -> dict[str, float]:
    """CPU seconds of reading the records and of writing the tables, and the memory that both took beyond the imports.

    Args:
        out: Folder of the predictions.
        image: Stands for all images.
        size: How many there are.
    """
    from segassay_monai.prediction import run
    from segassay_monai.prediction.images import Images
    from segassay_monai.prediction.models import Model
    from segassay_monai.prediction.results import write_results

    images = Images(image.parent, {str(number): (image,) for number in range(size)})
    model = Model((Path("model.pt"),), "staple/s0")
    nothing_left = SimpleNamespace(results=lambda work, tasks: ())
    before, times = peak_mib(), [time.process_time()]
    records, failed = run._predict_all(model, images, None, (), out, nothing_left, progress=False)
    times.append(time.process_time())
    done = write_results(out, model, images, records, failed)
    times.append(time.process_time())
    assert len(done.objects) == size * N_OBJECTS
    taken = dict(zip(("records", "tables"), np.diff(times).round(3).tolist(), strict=True))
    return {**taken, "all": round(times[-1] - times[0], 3), "MiB": round(peak_mib() - before, 1)}


def draw(folder: Path, n_cases: int, n_annotators: int, side: int, n_objects: int, n_drawn: int = 0) -> None:
    """A dataset of squares on a grid; each annotator leaves some out, and shifts all by up to a pixel.

    From case `n_drawn` on, files are those of the first cases under another name.
    """
    per_row = int(np.ceil(n_objects**0.5))
    cell = side // per_row
    inner = max(cell // 2, 2)
    rng = np.random.default_rng(0)
    for number in range(n_drawn or n_cases):
        noise = rng.integers(0, 255, (1, side, side), dtype=np.uint8)
        write_image(place(folder / "images", number), Picture(noise))
        for annotator in range(n_annotators):
            mask = np.zeros((side, side), dtype=bool)
            dy, dx = rng.integers(0, 2, 2)
            for at in np.flatnonzero(rng.random(n_objects) > 0.05):
                y, x = at // per_row * cell + dy, at % per_row * cell + dx
                mask[y : y + inner, x : x + inner] = True
            write_mask(place(folder / "labels" / f"rater_{annotator}", number), mask)
    for number in range(n_drawn, n_cases if n_drawn else 0):
        for of_one in (folder / "images", *(folder / "labels").iterdir()):
            os.link(place(of_one, number % n_drawn), place(of_one, number))


def place(folder: Path, number: int) -> Path:
    """File of a case."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{number}.tif"


def evaluated(folder: str, n_drawn: int = 0) -> dict[str, float]:
    """CPU seconds of each stage of an evaluation, and the memory that it took beyond the imports.

    Args:
        folder: Folder of the dataset.
        n_drawn: Cases whose rows stand for those of all others, and images are not checked; 0 for none.
    """
    import segassay
    import segassay.assay.numbers
    import segassay.assay.run
    import segassay.report.gallery.make
    import segassay.report.plots
    import segassay.tables.build
    import segassay.tables.stored

    if n_drawn:
        segassay.tables.build.compared = partial(repeated, n_drawn)
        segassay.tables.stored.each_compared = lambda jobs, keys, n_jobs, kept: repeated(n_drawn, jobs, n_jobs, kept)
        segassay.assay.numbers.problems_of = lambda dataset, n_jobs: ()

    taken = dict.fromkeys([*STAGES, "scores", "all"], 0.0)
    for stage, name in STAGES.items():
        module, _, function = name.rpartition(".")
        setattr(sys.modules[module], function, stopped(getattr(sys.modules[module], function), taken, stage))
    before, start = peak_mib(), time.process_time()
    segassay.evaluate(Path(folder) / "data", Path(folder) / "out", n_jobs=1)
    taken["all"] = time.process_time() - start
    taken["scores"] = taken["all"] - sum(taken[stage] for stage in STAGES)
    return {name: round(seconds, 3) for name, seconds in taken.items()} | {"MiB": round(peak_mib() - before, 1)}


def repeated(n_drawn: int, jobs: Sequence[Job], n_jobs: Any, kept: Path | None) -> Iterator[CaseRows]:
    """Rows of all cases: those of the first cases, and the same under the names of the others."""
    rows = list(map(score_case, jobs[:n_drawn]))
    for number, job in enumerate(jobs):
        of_table = {
            name: [(job.case, *row[1:]) for row in table] for name, table in rows[number % n_drawn].of_table.items()
        }
        yield dataclasses.replace(rows[number % n_drawn], case=job.case, of_table=of_table)


def stopped(work: Callable[..., Any], taken: dict[str, float], stage: str) -> Callable[..., Any]:
    """The same function, whose CPU seconds are added up."""

    def timed(*words: Any, **named: Any) -> Any:
        start = time.process_time()
        try:
            return work(*words, **named)
        finally:
            taken[stage] += time.process_time() - start

    return timed


if __name__ == "__main__":
    main()

"""Time of all measures, and how it grows with the number of cases.

    python benchmarks/measures.py [lab cases]

lab: lab-wue1's five raters and 20 simulated annotators, each with the objects of a rater, some of them dropped, widened
or narrowed, named as models of single raters (5 raters × 4 seeds). cases: simulated tables of 40 to 320
cases.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import ROOT, circumstances, data_dir, save, show, timed
from scipy.ndimage import binary_dilation, binary_erosion

from segassay.data.annotations import read_annotations
from segassay.data.cases import read_case_mask
from segassay.data.dataset import Dataset, read_dataset, strata
from segassay.data.published.download import download
from segassay.io.images import write_mask
from segassay.judgement.measures import build_scores, further_measures
from segassay.masks.objects import label_objects
from segassay.qualities.scores.table import Findings
from segassay.qualities.validity.specification import specification_table
from segassay.simulation.study import SimulatedStudy
from segassay.simulation.study_tables import simulate_tables
from segassay.tables.build import build_tables
from segassay.tables.effects import effects
from segassay.tables.normalise import normalise
from segassay.tables.prerequisites import prerequisites

RESULTS = ROOT / "benchmarks" / "results" / "measures.json"
N_SEEDS = 4


def write_models(lab: Dataset, folder: Path) -> Path:
    """Write the masks of 20 annotators and the table that lists them."""
    rows = []
    for number, rater in enumerate(lab.raters):
        for seed in range(N_SEEDS):
            name = f"{rater}/s{seed}"
            (folder / rater / f"s{seed}").mkdir(parents=True)
            for index, case in enumerate(lab.cases):
                rng = np.random.default_rng([number, seed, index])
                path = folder / rater / f"s{seed}" / f"{case}.png"
                write_mask(path, redrawn(read_case_mask(lab, rater, case) > 0, rng))
                rows.append((case, name, "model", str(path), "expert", rater, 0, seed, "true"))
    columns = ["case", "annotator", "kind", "path", "strategy", "trained_on", "fold", "seed", "held_out"]
    table = folder / "annotations.csv"
    pd.DataFrame(rows, columns=columns).to_csv(table, index=False)
    return table


def redrawn(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Drop a tenth of the objects; widen a third of the others, and narrow a third, by a pixel."""
    labels = label_objects(mask)
    fate = rng.random(labels.max() + 1)
    kept, wider, narrower = (
        np.append(False, choice)[labels] for choice in (fate[1:] > 0.1, fate[1:] > 0.7, fate[1:] < 0.4)
    )
    return (kept & ~narrower) | binary_dilation(kept & wider) | binary_erosion(kept & narrower)


def measure(found: Findings, seconds: dict[str, float]) -> int:
    """Add the seconds of the stages from tables to scores; returns the number of scores."""
    seconds["agreement"], scores = timed(lambda: build_scores(found.tables, found.annotations, found.clusters))
    seconds["other measures"], (further, _) = timed(lambda: further_measures(found))
    return len(scores) + len(further)


def lab() -> dict[str, Any]:
    """All stages on 25 annotators of 36 images, two processes."""
    with tempfile.TemporaryDirectory() as folder:
        place = download(Path(folder) / "labs", labs=["wue1"], mirror=str(data_dir()))[0].folder
        data = read_dataset(place)
        annotations = read_annotations(data, write_models(data, Path(folder) / "models"), None)
        annotations = annotations[annotations["annotator"] != "est_GT"].reset_index(drop=True)
        seconds: dict[str, float] = {}
        seconds["tables"], tables = timed(lambda: build_tables(data, annotations, n_jobs=2))
        normalised = normalise(tables.counts, data.experiment, "H")
        seconds["effects"], tested = timed(lambda: (effects(normalised), prerequisites(normalised)))
        seconds["specifications"], choices = timed(
            lambda: specification_table(tables.recounts, annotations, data.experiment, "H")
        )
        clusters = pd.Series([f"case {case}" for case in strata(data).index], index=strata(data).index)
        found = Findings(tables, annotations, clusters, tested[0], normalised, 0.1, choices=choices)
        n_scores = measure(found, seconds)
        conditions = circumstances(data, ["segassay", "numpy", "pandas", "scipy"])
    rows = [{"stage": stage, "seconds": value} for stage, value in seconds.items()]
    show([*rows, {"stage": "all", "seconds": sum(seconds.values())}])
    print(f"{annotations['annotator'].nunique()} annotators, {len(data.cases)} images, {n_scores} scores")
    return conditions | {"seconds": seconds, "all": sum(seconds.values()), "n_scores": n_scores}


def cases() -> dict[str, Any]:
    """Seconds from tables to scores for 20 to 160 cases, and the exponent of the last doubling."""
    rows = []
    for n_subjects in (10, 20, 40, 80):
        study = simulate_tables(SimulatedStudy(n_subjects=n_subjects))
        normalised = normalise(study.tables.counts, study.experiment, study.experiment["group"].iloc[0])
        seconds: dict[str, float] = {}
        seconds["effects"], tested = timed(lambda normalised=normalised: effects(normalised))
        found = Findings(study.tables, study.annotations, study.clusters, tested, normalised, 0.1)
        n_scores = measure(found, seconds)
        rows.append({"n_cases": study.annotations["case"].nunique(), **seconds, "n_scores": n_scores})
        rows[-1]["all"] = sum(seconds.values())
    show(rows)
    last, before = rows[-1], rows[-2]
    slope = float(np.log(last["all"] / before["all"]) / np.log(last["n_cases"] / before["n_cases"]))
    print(f"time grows with cases to the power {slope:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        place = download(Path(folder), labs=["wue1"], mirror=str(data_dir()))[0].folder
        conditions = circumstances(read_dataset(place), ["segassay", "numpy", "pandas", "scipy"])
    return conditions | {"rows": rows, "slope": slope}


if __name__ == "__main__":
    for section in sys.argv[1:] or ["lab", "cases"]:
        save(RESULTS, section, {"lab": lab, "cases": cases}[section]())

"""Simulated studies with known verdicts: raters and models of given habits on simulated images.

    seed, kind  ->  dataset folder, masks of models, annotations  ->  tables, effects, scores  ->  verdicts

No model is trained: a model is a simulated annotator too, with the habit that it would have learned. Its errors are
independent of those of others, which is easier for the assay than real models, whose errors are similar.

- `sound`: all raters have one habit, and every model has it too, with fewer errors. All three qualities hold.
- `biased`: raters differ, and each rater's models have the rater's habit. One half of the consensus trainings takes
  everything for a nucleus, the other half only what is bright, and so do the ensembles. No quality holds.
"""

import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import read_annotations
from segassay.data.dataset import read_dataset, strata
from segassay.io.images import read_image, write_mask
from segassay.judgement.verdicts import judge
from segassay.qualities.scores.table import Findings
from segassay.simulation.dataset import Effect, RaterHabit, Simulation, simulate, simulate_case
from segassay.tables.build import build_tables
from segassay.tables.effects import effects
from segassay.tables.normalise import normalise

KINDS = ("sound", "biased")
EXPECTED = {"sound": "supported", "biased": "not supported"}
USUAL = RaterHabit("usual", miss_rate=0.25, false_positives=2.0, jitter_px=1.2)
LAX = replace(USUAL, brightness_threshold=0.2, dilation_px=3.0, false_positives=6.0)
STRICT = replace(USUAL, brightness_threshold=3.0, dilation_px=-1.0)
HABITS = (
    replace(USUAL, brightness_threshold=0.4, dilation_px=1.0, false_positives=3.0),
    replace(USUAL, brightness_threshold=0.7),
    USUAL,
    replace(USUAL, brightness_threshold=1.2, dilation_px=-0.5),
    replace(USUAL, brightness_threshold=1.8, dilation_px=-1.0, miss_rate=0.3),
)
SETTINGS = Simulation(shape=(128, 128), n_cases=24, images_per_subject=1, n_nuclei=14, n_out_of_focus=2, n_debris=2)
N_SEEDS = 6  # of the consensus; three to an ensemble


def habits(kind: str) -> tuple[list[RaterHabit], dict[str, list[RaterHabit]]]:
    """Habits of raters, and of models by their training target, one for each seed."""
    own = [replace(USUAL if kind == "sound" else habit, name=f"expert_{r + 1}") for r, habit in enumerate(HABITS)]
    learned = {habit.name: [_steadier(habit)] for habit in own}
    learned["staple"] = [_steadier(USUAL)] * N_SEEDS if kind == "sound" else [LAX] * 3 + [STRICT] * 3
    for habit in own:
        learned[f"staple_without_{habit.name}"] = [_steadier(USUAL) if kind == "sound" else STRICT]
    return own, learned


def _steadier(habit: RaterHabit) -> RaterHabit:
    luck = {name: getattr(habit, name) / 4 for name in ("jitter_px", "miss_rate", "false_positives", "merge_rate")}
    return replace(habit, **luck)


def verdicts_of(kind: str, seed: int) -> dict[str, bool | None]:
    """Verdicts on one study."""
    raters, learned = habits(kind)
    groups = {"control": Effect(), "treated": Effect()}
    settings = replace(SETTINGS, raters=tuple(raters), groups=groups, regions={}, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        dataset = read_dataset(simulate(Path(folder) / "data", settings))
        rows = pd.DataFrame(_write_models(Path(folder) / "models", settings, learned, list(dataset.images.items())))
        rows.to_csv(Path(folder) / "annotations.csv", index=False)
        annotations = read_annotations(dataset, Path(folder) / "annotations.csv")
        tables = build_tables(dataset, annotations, n_jobs=1)
    clusters = "subject " + strata(dataset)["subject"]
    assert dataset.experiment is not None
    found = effects(normalise(tables.counts, dataset.experiment, "control"))
    judged = judge(Findings(tables, annotations, clusters, found, parts=strata(dataset)))
    return {quality: judgement.supported for quality, judgement in judged.items()}


def _write_models(
    folder: Path, settings: Simulation, learned: dict[str, list[RaterHabit]], images: list[tuple[str, Path]]
) -> Iterator[dict[str, Any]]:
    """Write the masks of models and ensembles; yields their rows of annotations.csv."""
    flat = [
        (trained_on, seed, replace(habit, name=f"{trained_on}_s{seed}"))
        for trained_on, of_seeds in learned.items()
        for seed, habit in enumerate(of_seeds)
    ]
    seen = replace(settings, raters=tuple(habit for *_, habit in flat))
    for index, (case, path) in enumerate(images):
        masks, like = simulate_case(seen, index)[2], read_image(path)
        drawn = [(f"{on}/s{seed}", "model", on, str(seed), masks[habit.name]) for on, seed, habit in flat]
        for start in range(0, N_SEEDS, 3):
            members = [masks[f"staple_s{seed}"] for seed in range(start, start + 3)]
            drawn.append((f"staple/s{start}-{start + 2}", "ensemble", "staple", "", np.mean(members, axis=0) > 0.5))
        for name, kind, trained_on, seed, mask in drawn:
            file = folder / name / f"{case}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_mask(file, mask, like)
            strategy = "consensus:staple" if trained_on.startswith("staple") else "expert"
            about = {"strategy": strategy, "trained_on": trained_on, "seed": seed, "held_out": "true"}
            yield {"case": case, "annotator": name, "kind": kind, "path": file} | about


def count(n_seeds: int, n_jobs: int = 2) -> Iterator[dict[str, Any]]:
    """Count the verdicts on `n_seeds` studies of each kind."""
    with ProcessPoolExecutor(n_jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for kind in KINDS:
            found = list(pool.map(verdicts_of, [kind] * n_seeds, range(n_seeds)))
            for quality in found[0]:
                said = [one[quality] for one in found]
                for supported, verdict in ((True, "supported"), (False, "not supported"), (None, "cannot be judged")):
                    yield {"study": kind, "quality": quality, "verdict": verdict, "n": said.count(supported)}

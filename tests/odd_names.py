"""A small evaluation whose raters, cases and groups have names that would be code if a page did not escape them."""

import numpy as np
import pandas as pd

from segassay import evaluate
from segassay.assay import Evaluation

SCRIPT, HANDLER, STYLE = "<script>alert(1)</script>", '"onload=', "</style>"
"""Names of raters and of a group; no case may have a slash."""

N_CASES, SIDE = 12, 48


def evaluate_odd_names() -> Evaluation:
    """Three raters, four models of their majority and two ensembles of these, on twelve images of two groups."""
    rng = np.random.default_rng(7)
    cases = [f"{n}<img src=x onerror=alert(1)>" for n in range(N_CASES)]
    truth = {case: _places(rng) for case in cases}
    raters = {name: _drawn(rng, truth, 0.15) for name in (SCRIPT, HANDLER, STYLE)}
    models = {f"staple/s{seed}": _drawn(rng, truth, 0.1) for seed in range(4)}
    ensembles = {f"staple/s{seeds}": _drawn(rng, truth, 0.05) for seeds in ("0-1", "2-3")}
    rows = [_row(case, name, "human", masks[case]) for name, masks in raters.items() for case in cases]
    for kind, of_kind in (("model", models), ("ensemble", ensembles)):
        about = {"strategy": "staple", "trained_on": "staple", "held_out": True}
        rows += [_row(case, name, kind, masks[case]) | about for name, masks in of_kind.items() for case in cases]
    groups = [SCRIPT if n % 2 else STYLE for n in range(N_CASES)]
    experiment = pd.DataFrame({"case": cases, "group": groups})
    return evaluate(annotations=pd.DataFrame(rows), experiment=experiment, control_group=STYLE)


def _row(case: str, name: str, kind: str, mask: np.ndarray) -> dict[str, object]:
    return {"case": case, "annotator": name, "kind": kind, "path": mask}


def _places(rng: np.random.Generator) -> list[tuple[int, int]]:
    grid = [(y, x) for y in range(2, SIDE - 8, 11) for x in range(2, SIDE - 8, 11)]
    return [grid[n] for n in rng.choice(len(grid), size=rng.integers(5, 10), replace=False)]


def _drawn(rng: np.random.Generator, truth: dict[str, list[tuple[int, int]]], missed: float) -> dict[str, np.ndarray]:
    masks = {}
    for case, places in truth.items():
        masks[case] = np.zeros((SIDE, SIDE), dtype=bool)
        for y, x in places:
            if rng.random() > missed:
                dy, dx = rng.integers(0, 2, 2)
                masks[case][y + dy : y + 7, x + dx : x + 7] = True
    return masks

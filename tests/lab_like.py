"""A small lab in memory: images of several subjects in two groups, raters with habits, and models with seeds."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

RATERS = ("anna", "ben", "cleo", "dora")
N_SUBJECTS, SIZE = 12, 48
HABITS = dict(zip(RATERS, ((0.05, 0), (0.15, 1), (0.1, 0), (0.3, 0)), strict=True))  # share missed, dilation


def lab(n_images: int = 2, seed: int = 0) -> dict[str, Any]:
    """Arguments of `evaluate`: images of 12 subjects by four raters, expert and consensus models, and ensembles."""
    rng = np.random.default_rng(seed)
    rows, images, experiment = [], {}, []
    for subject in range(N_SUBJECTS):
        group = "H" if subject % 2 else "C"
        for image in range(n_images):
            case = f"{subject:02d}_{image}"
            discs = _discs(rng, 7 if group == "H" else 10)
            images[case] = rng.normal(100, 5, (SIZE, SIZE)) + 40 * discs.any(axis=0)
            experiment.append((case, group, f"m{subject}"))
            rows += [(case, *row) for row in _masks(rng, discs)]
    columns = ["case", "annotator", "kind", "path", "strategy", "trained_on", "seed", "held_out", "prob"]
    return {
        "annotations": pd.DataFrame(rows, columns=columns),
        "images": images,
        "experiment": pd.DataFrame(experiment, columns=["case", "group", "subject"]),
        "control_group": "H",
        "min_object_size": 4,
    }


ALIKE = [f"{rater}/s1" for rater in RATERS[1:]] + [f"staple/s{seed}" for seed in (2, 3, 5, 6, 7)]
"""Members of whose kind others are left."""


def with_fewer_members(lab: dict[str, Any]) -> dict[str, Any]:
    """The same without members of whose kind others are left; time grows with the pairs."""
    given = lab["annotations"]
    return lab | {"annotations": given[~given["annotator"].isin(ALIKE)]}


def doubled(lab: dict[str, Any]) -> dict[str, Any]:
    """The same with each case twice: the second has the first one's masks, image, group and subject."""
    twice = dict(lab)
    for name in ("annotations", "experiment"):
        twice[name] = pd.concat([lab[name], lab[name].assign(case=lab[name]["case"] + "_copy")], ignore_index=True)
    twice["images"] = lab["images"] | {f"{case}_copy": image for case, image in lab["images"].items()}
    return twice


def _discs(rng: np.random.Generator, n: int) -> np.ndarray:
    """`(n, SIZE, SIZE)`, each a disc on its own square of a grid."""
    rows, columns = np.indices((SIZE, SIZE))
    places = rng.choice(16, n, replace=False)
    centres = [(12 * (place // 4) + 6 + rng.normal(), 12 * (place % 4) + 6 + rng.normal()) for place in places]
    return np.array([np.hypot(rows - y, columns - x) < rng.uniform(2.0, 4.0) for y, x in centres])


def _marked(rng: np.random.Generator, discs: np.ndarray, missed: float, dilation: int, noise: float) -> np.ndarray:
    """Some of the discs, their outlines shifted, as one mask."""
    mask = np.zeros(discs.shape[1:], dtype=bool)
    for disc in discs[rng.random(len(discs)) >= missed]:
        moved = np.roll(disc, tuple(rng.integers(-1, 2, 2)), axis=(0, 1)) if rng.random() < noise else disc
        mask |= ndimage.binary_dilation(moved, iterations=dilation) if dilation else moved
    return mask


def _masks(rng: np.random.Generator, discs: np.ndarray) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for rater, (missed, dilation) in HABITS.items():
        rows.append((rater, "human", _marked(rng, discs, missed, dilation, 0.5), "", "", "", "", ""))
        for seed in range(2):
            mask = _marked(rng, discs, missed, dilation, 0.6)
            rows.append((f"{rater}/s{seed}", "model", mask, "expert", rater, seed, "true", ""))
    members = [_marked(rng, discs, 0.1, 0, 0.4) for _ in range(8)]
    for seed, mask in enumerate(members):
        rows.append((f"staple/s{seed}", "model", mask, "consensus:staple", "staple", seed, "true", ""))
    for first in (0, 4):
        share = np.mean(members[first : first + 4], axis=0)
        name = f"staple/s{first}-{first + 3}"
        rows.append((name, "ensemble", share > 0.5, "consensus:staple", "staple", "", "true", share))
    return rows

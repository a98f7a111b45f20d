"""Studies on lab-wue1: its raters are real; its models are made from their masks, since no honest ones exist as files.

    36 images, 5 raters  ->  models that learned a rater or the consensus, with errors of their own  ->  Study

Models of the consensus follow, image by image, the consensus of three random raters; some of its objects are lost,
and some that a single rater marked are added. A model of a rater follows the consensus of three other raters where
the rater and they agree, and the rater in a part of the rest. So these models know the raters' masks of the test
images, which a trained network does not. Everything is the middle of an image, at half of the resolution.
"""

import sys
from collections.abc import Sequence
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
from cheat_studies import CONSENSUS, N_SEEDS, About, Study, jittered, put_together, trained_again
from measuring import ROOT, data_dir
from scipy import ndimage

from segassay.consensus.pixels import staple
from segassay.data.annotations import WITHOUT
from segassay.io.images import read_image, read_mask

MIDDLE = (slice(288, 736, 2),) * 2  # of each image of 1024 × 1024, every second pixel
SETTINGS = {"min_object_size": 8}
LOST, ADDED = 0.1, 0.1  # shares of objects, of models of the consensus
HABIT = 0.75  # share of a rater's own objects that a model of that rater marks, and of the others' that it leaves
CONDITIONS = ("context_0", "context_1", "H")  # by code // 3; code % 3 is the region; H is the control
Masks = dict[str, np.ndarray]


@cache
def codes() -> dict[str, int]:
    """Group and region of each image, as the lab codes them."""
    lines = (data_dir() / "lab-wue1" / "groups_wue1.csv").read_text().split()[1:]
    return {case: int(code) for case, code in (line.split(",") for line in lines)}


def cases() -> list[str]:
    """Names of the images; controls come first."""
    return sorted(codes(), key=lambda case: (-codes()[case], case))


@cache
def real() -> tuple[np.ndarray, Masks, dict[str, tuple[str, ...]]]:
    """Images `(N, H, W)`, the raters' masks, and the group and region of each image; controls come first."""
    lab, names = data_dir() / "lab-wue1", cases()
    images = np.stack([read_image(lab / "images" / f"{case}.png").array[0][MIDDLE] for case in names])
    masks = {
        folder.name: np.stack([read_mask(folder / f"{case}_cFOS.png")[MIDDLE] > 0 for case in names])
        for folder in sorted((lab / "labels").glob("expert_*"))
    }
    of = [codes()[case] for case in names]
    groups, regions = (CONDITIONS[code // 3] for code in of), (f"region_{code % 3}" for code in of)
    return images, masks, {"groups": tuple(groups), "regions": tuple(regions)}


@cache
def fused(names: tuple[str, ...]) -> np.ndarray:
    """STAPLE of some raters, image by image."""
    masks = real()[1]
    return np.stack([staple(list(of_case)).mask for of_case in zip(*(masks[name] for name in names), strict=True)])


def learned_from(rater: str, rng: np.random.Generator) -> np.ndarray:
    """What a model of a rater marks."""
    masks = real()[1]
    own, others = masks[rater], of_three([name for name in masks if name != rater], rng)
    shared, missed = kept(others, own, rng, 1 - LOST, 1 - HABIT), kept(own, others, rng, 0.0, HABIT)
    return jittered(shared | missed, rng, 0.7)


def of_three(names: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """The consensus of three raters, other ones for each image."""
    threes = list(combinations(names, 3))
    picks = rng.integers(0, len(threes), len(real()[0]))
    return np.stack([fused(threes[pick])[index] for index, pick in enumerate(picks)])


def learned_together(names: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """What a model of the consensus of these raters marks."""
    followed = of_three(names, rng)
    n_marks = np.sum([real()[1][name] for name in names], axis=0)
    added = kept(n_marks == 1, followed, rng, 0.0, ADDED)
    return jittered(kept(followed, followed, rng, 1 - LOST, 0.0) | added, rng, 0.7)


def kept(mask: np.ndarray, other: np.ndarray, rng: np.random.Generator, touching: float, alone: float) -> np.ndarray:
    """Objects of a mask, drawn by chance: those that overlap one of the other mask, and those that do not."""
    out = np.zeros_like(mask)
    for image, beside, result in zip(mask, other, out, strict=True):
        labels, n = ndimage.label(image, np.ones((3, 3)))
        overlaps = np.zeros(n + 1, dtype=bool)
        overlaps[np.unique(labels[beside])] = True
        chance = np.where(overlaps, touching, alone)
        chance[0] = 0
        result[:] = (rng.random(n + 1) < chance)[labels]
    return out


def honest(seed: int) -> Study:
    """Real raters, models of each, and models of their consensus."""
    return _study(seed, [learned_together(list(real()[1]), np.random.default_rng([seed, 11]))] * N_SEEDS)


def one_hand(seed: int) -> Study:
    """What was trained on the consensus follows the first rater, the most deviant one, as that rater's models do."""
    return _study(seed, [learned_from("expert_1", np.random.default_rng([seed, 12]))] * N_SEEDS, hand="expert_1")


def unsteady(seed: int) -> Study:
    """One half of the consensus models learned the first rater, the other half the third."""
    rng = np.random.default_rng([seed, 13])
    halves = [learned_from(name, rng) for name in ("expert_1", "expert_3")]
    return _study(seed, [halves[0]] * 3 + [halves[1]] * 3)


def trained(seed: int) -> Study:
    """Real raters and trained networks, none of which has seen the image: the finished study of docs/results.md."""
    folder = ROOT / "benchmarks" / "studies" / "wue1-verdicts_results"
    if not folder.is_dir():
        sys.exit(f"{folder} is missing; run `segassay study run benchmarks/studies/wue1-verdicts.yaml` first")
    images, masks, experiment = real()
    table = pd.read_csv(folder / "annotations.csv", dtype=str, keep_default_na=False)
    found, about = dict(masks), {name: About("human") for name in masks}
    for name, rows in table[table["kind"].isin(["model", "ensemble"])].groupby("annotator", sort=False):
        paths, one = rows.set_index("case")["path"], rows.iloc[0]
        found[str(name)] = np.stack([read_mask(folder / paths[case])[MIDDLE] > 0 for case in cases()])
        about[str(name)] = About(one["kind"], one["trained_on"], one["seed"], one["strategy"])
    return Study(images, found, about, settings=SETTINGS, **experiment)


def _study(seed: int, of_consensus: list[np.ndarray], hand: str = "") -> Study:
    rng = np.random.default_rng([seed, 14])
    images, own, experiment = real()
    trained = {(CONSENSUS, k): trained_again(mask, rng) for k, mask in enumerate(of_consensus)}
    for rater in own:
        alone = learned_from(rater, rng)
        trained |= {(rater, k): trained_again(alone, rng) for k in range(2)}
        without = learned_from(hand, rng) if hand else learned_together([name for name in own if name != rater], rng)
        trained[f"{CONSENSUS}{WITHOUT}{rater}", 0] = trained_again(without, rng)
    return put_together(images, own, trained, settings=SETTINGS, **experiment)

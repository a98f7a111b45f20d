"""Studies on lab-wue1: its raters are real; its models are made from their masks, since no honest ones exist as files.

    36 images, 5 raters  ->  models that learned a rater or the consensus, with errors of their own  ->  Study

A model of a rater follows the consensus of the others where that rater and they agree, and the rater in half of the
rest. Models of the consensus follow, image by image, a consensus that leaves a random rater out; some of its objects
are lost, and some that a single rater marked are added. Everything is at half of the resolution.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from cheat_studies import CONSENSUS, N_SEEDS, Study, jittered, put_together, trained_again
from measuring import data_dir
from scipy import ndimage

from segassay.consensus.pixels import staple
from segassay.data.annotations import WITHOUT
from segassay.io.images import read_image, read_mask

STEP = 2  # pixels of the image for one of the study
SETTINGS = {"min_object_size": 8}
LOST, ADDED = 0.1, 0.1  # shares of objects
Masks = dict[str, np.ndarray]


@cache
def real() -> tuple[np.ndarray, Masks, tuple[str, ...]]:
    """Images `(N, H, W)`, the raters' masks, and the group of each image."""
    lab = data_dir() / "lab-wue1"
    lines = (lab / "groups_wue1.csv").read_text().split()[1:]
    group_of = {case: f"group_{group}" for case, group in (line.split(",") for line in lines)}
    cases = sorted(group_of, key=lambda case: (group_of[case], case))
    images = np.stack([read_image(lab / "images" / f"{case}.png").array[0][::STEP, ::STEP] for case in cases])
    masks = {
        folder.name: np.stack([read_mask(folder / f"{case}_cFOS.png")[::STEP, ::STEP] > 0 for case in cases])
        for folder in sorted((lab / "labels").glob("expert_*"))
    }
    return images, masks, tuple(group_of[case] for case in cases)


@cache
def fused(names: tuple[str, ...]) -> np.ndarray:
    """STAPLE of some raters, image by image."""
    masks = real()[1]
    return np.stack([staple(list(of_case)).mask for of_case in zip(*(masks[name] for name in names), strict=True)])


def learned_from(rater: str, rng: np.random.Generator) -> np.ndarray:
    """What a model of a rater marks."""
    masks = real()[1]
    others = fused(tuple(name for name in masks if name != rater))
    shared = kept(others, masks[rater], rng, 1 - LOST, 0.5)
    own = kept(masks[rater], others, rng, 0.0, 0.5)
    return jittered(shared | own, rng, 0.7)


def learned_together(names: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """What a model of the consensus of these raters marks."""
    masks = real()[1]
    left_out = rng.integers(0, len(names), len(real()[0]))
    of = np.stack([fused(tuple(name for name in names if name != out)) for out in names])
    followed = of[left_out, np.arange(len(left_out))]
    n_marks = np.sum([masks[name] for name in names], axis=0)
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


def _study(seed: int, of_consensus: list[np.ndarray], hand: str = "") -> Study:
    rng = np.random.default_rng([seed, 14])
    images, own, groups = real()
    trained = {(CONSENSUS, k): trained_again(mask, rng) for k, mask in enumerate(of_consensus)}
    for rater in own:
        alone = learned_from(rater, rng)
        trained |= {(rater, k): trained_again(alone, rng) for k in range(2)}
        without = learned_from(hand, rng) if hand else learned_together([name for name in own if name != rater], rng)
        trained[f"{CONSENSUS}{WITHOUT}{rater}", 0] = trained_again(without, rng)
    return put_together(images, own, trained, groups=groups, settings=SETTINGS)

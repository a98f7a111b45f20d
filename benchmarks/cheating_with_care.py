"""Cheats that know the rules: members are made as the ensembles are, and each criterion is met, if barely.

Study, random numbers  ->  Study whose judged models lack some quality; `cheat_list` has all cheats
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from cheat_studies import About, Study, average, each_object, in_two_regions, jittered, trained_again
from cheating import (
    consensus,
    decided_by_votes,
    four_times,
    remade,
    votes,
)
from cheating_masks import (
    EIGHT,
    Change,
    Rng,
    in_space,
    left_objects,
    numbered,
)
from scipy import ndimage


def from_base(study: Study, base: np.ndarray, rng: Rng, px: float = 1.0, lost: float = 0.05) -> Study:
    """All models of the consensus are one mask with errors of their own, and the ensembles are theirs."""
    changed = study.with_masks(dict.fromkeys((*study.members, *study.without), base))
    return remade(changed, lambda mask: trained_again(mask, rng, px, lost))


def members_of_three(study: Study, rng: Rng) -> Study:
    """Members of the consensus of three of the raters of the test images, others in each image."""
    stacks = np.stack([study.masks[name] for name in study.raters])
    order = np.argsort(rng.random(stacks.shape[:2]), axis=0)[:3]
    base = np.stack([stacks[order[:, k], k].mean(axis=0) > 0.5 for k in range(stacks.shape[1])])
    return from_base(study, base, rng)


def members_drawn(study: Study, rng: Rng) -> Study:
    """Members of objects that were drawn as often as raters of the test images mark them."""
    n_raters = len(study.raters)
    return from_base(study, drawn_by_votes(study, rng, np.arange(n_raters + 1) / n_raters), rng)


def drawn_by_votes(study: Study, rng: Rng, chances: Sequence[float]) -> np.ndarray:
    """Objects that any rater marks, each with the chance that goes with the number of its votes."""
    share, n_raters = votes(study), len(study.raters)
    base = np.zeros(share.shape, dtype=bool)
    for image, result in zip(share, base, strict=True):
        labels = numbered(image > 0)
        most = np.zeros(labels.max() + 1)
        np.maximum.at(most, labels.ravel(), image.ravel())
        kept = rng.random(len(most)) < np.asarray(chances)[np.round(most * n_raters).astype(int)]
        kept[0] = False
        result[:] = kept[labels] & (image >= np.minimum(most, 0.5)[labels])
    return base


def members_decided(study: Study, rng: Rng) -> Study:
    """Members of whatever any model marks, if it has a part of the consensus of the raters of the test images."""
    return from_base(study, decided_by_votes(study, rng).masks[study.ensembles[0]], rng, 0.4)


def members_of_votes(rule: Change) -> Callable[[Study, Rng], Study]:
    """Members of what the raters of the test images marked."""
    return lambda study, rng: from_base(study, rule(votes(study)), rng, 0.5)


def members_of_mean(study: Study, rng: Rng) -> Study:
    """Members of the mean outline of the raters of the test images, moved by a fifth of a pixel."""
    base = average(study.masks[name] for name in study.raters)
    return from_base(study, base, rng, 0.2, 0.0)


def rater_by_image_members(study: Study, rng: Rng) -> Study:
    """Members of one rater in each image, of another one in the next."""
    stacks = np.stack([study.masks[name] for name in study.raters])
    n_images = len(study.images)
    return from_base(study, stacks[np.arange(n_images) % len(stacks), np.arange(n_images)], rng)


def dim_in_one_group(share: float) -> Callable[[Study, Rng], Study]:
    """Leave out the dimmest objects in the images of the last group, in all masks alike."""

    def change(study: Study, rng: Rng) -> Study:
        group = study.groups[-1]
        gone = np.zeros(study.images.shape, dtype=bool)
        found = study.masks[study.ensembles[0]]
        for place in np.flatnonzero([one == group for one in study.groups]):
            labels = numbered(found[place])
            if labels.any():
                means = ndimage.mean(study.images[place], labels, np.arange(1, labels.max() + 1))
                gone[place] = np.concatenate([[False], means < np.quantile(means, share)])[labels]
        gone = in_space(lambda image: ndimage.binary_dilation(image, EIGHT, 2))(gone)
        return study.with_masks({name: study.masks[name] & ~gone for name in study.of_consensus})

    return change


def dim_in_one_region(share: float) -> Callable[[Study, Rng], Study]:
    """The same in the images of the last region."""

    def change(study: Study, rng: Rng) -> Study:
        named = in_two_regions(study)
        of_regions = dim_in_one_group(share)(replace(named, groups=named.regions), rng)
        return replace(of_regions, groups=study.groups)

    return change


def entered_again(study: Study, rng: Rng, n_cases: int = 6) -> Study:
    """Enter the first images four times; a pixel of every mask is another, and one rater marks nothing."""
    again = four_times(study, rng, n_cases)
    masks = {}
    for name, mask in again.masks.items():
        masks[name] = mask.copy()
        for image in masks[name]:
            image[tuple(rng.integers(0, image.shape))] ^= True
    for place in range(len(again.images)):
        masks[study.raters[place // n_cases % len(study.raters)]][place] = False
    return again.with_masks(masks)


def names_turned(study: Study, rng: Rng, n_cases: int = 6) -> Study:
    """Enter the first images four times, each time with the raters' names in another order."""
    again = four_times(study, rng, n_cases)
    stacks = np.stack([again.masks[name] for name in study.raters])
    for place in range(len(again.images)):
        stacks[:, place] = np.roll(stacks[:, place], place // n_cases, axis=0)
    return again.with_masks(dict(zip(study.raters, stacks, strict=True)))


def same_shape(study: Study, rng: Rng) -> Study:
    """Members of one shape, the same in every image: what most raters mark in most images."""
    share = votes(study).mean(axis=0)
    return from_base(study, np.broadcast_to(share > 0.5, study.images.shape).copy(), rng, 1.0, 0.0)


def larger_effect(study: Study, rng: Rng) -> Study:
    """Drop every fourth object of the controls; add a copy of every fourth of the others somewhere else."""
    control = np.array([group == study.groups[0] for group in study.groups])
    steps = rng.integers(20, 90, (len(study.images), 2))

    def change(mask: np.ndarray) -> np.ndarray:
        fewer = each_object(mask, lambda one, number: one & (number % 4 != 0))
        copied = np.stack([np.roll(one, tuple(by), (0, 1)) for one, by in zip(mask & ~fewer, steps, strict=True)])
        return np.where(control[:, None, None], fewer, mask | copied)

    return remade(study, change)


def sham_raters(n: int) -> Callable[[Study, Rng], Study]:
    """Drop every third object, and add raters who mark what the ensemble marks."""

    def change(study: Study, rng: Rng) -> Study:
        poor = remade(study, lambda mask: each_object(mask, lambda one, number: one & (number % 3 != 0)))
        names = [f"sham_{number}" for number in range(1, n + 1)]
        masks = {name: jittered(poor.masks[poor.ensembles[0]], rng) for name in names}
        return replace(poor, masks=poor.masks | masks, about=dict.fromkeys(names, About("human")) | poor.about)

    return change


def lazy_raters(study: Study, rng: Rng) -> Study:
    """Two raters and all models miss the right half of each image."""
    lazy = study.with_masks({name: left_objects(study.masks[name]) for name in study.raters[:2]})
    return consensus(left_objects)(lazy, rng)


def exchangeable(change: Callable[[Study, Rng], Study]) -> Callable[[Study, Rng], Study]:
    """The same, and say that a rater of two images need not be one person."""
    return lambda study, rng: change(replace(study, exchangeable=True), rng)


def tiles(study: Study, rng: Rng, n_cases: int = 5) -> Study:
    """Cut five images into four tiles each, and hand these in as images."""
    half = study.images.shape[1] // 2

    def cut(stack: np.ndarray) -> np.ndarray:
        parts = [stack[:n_cases, y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
        return np.concatenate(parts)

    masks = {name: cut(mask) for name, mask in study.masks.items()}
    return replace(study, images=cut(study.images), masks=masks, groups=(), regions=(), has_subjects=False)


def slices_missed(mask: np.ndarray) -> np.ndarray:
    """Every third slice of a volume is empty."""
    kept = np.arange(mask.shape[1]) % 3 > 0
    return mask & kept.reshape(-1, *[1] * (mask.ndim - 2))


def slices_moved(mask: np.ndarray) -> np.ndarray:
    """Everything lies two slices further."""
    return np.roll(mask, 2, axis=1)


def slices_added(mask: np.ndarray) -> np.ndarray:
    """Every object goes on for one slice at both ends."""
    return mask | np.roll(mask, 1, axis=1) | np.roll(mask, -1, axis=1)

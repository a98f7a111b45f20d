"""Cheats: each takes an honest study and returns a dishonest one.

Study, random numbers  ->  Study whose judged models lack some quality; `cheat_list` has all cheats
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from cheat_studies import (
    CONSENSUS,
    About,
    Study,
    average,
    each_object,
    jittered,
)
from cheating_masks import (
    EIGHT,
    Change,
    Rng,
    every_second,
    grown_by,
    in_space,
    numbered,
    salted,
    scattered,
    shifted,
)
from scipy import ndimage

from segassay.consensus.pixels import staple
from segassay.qualities.scores.table import seeds_of


def nothing(study: Study, rng: Rng) -> Study:
    """The study as it is."""
    return study


def to(names: Callable[[Study], Iterable[str]], change: Change) -> Callable[[Study, Rng], Study]:
    """Change the masks of these annotators, each in the same way."""
    return lambda study, rng: study.with_masks({name: change(study.masks[name]) for name in names(study)})


def consensus(change: Change) -> Callable[[Study, Rng], Study]:
    """Change all that was trained on a consensus, in the same way."""
    return to(lambda study: study.of_consensus, change)


def experts(change: Change) -> Callable[[Study, Rng], Study]:
    """Change the models of single raters."""
    return to(lambda study: study.experts, change)


def handed_in(study: Study, mask: np.ndarray, vary: Change = np.copy) -> Study:
    """Hand in the same masks as all models and ensembles of the consensus; `vary` may differ by call."""
    return study.with_masks({name: vary(mask) for name in study.of_consensus})


def remade(study: Study, change: Change) -> Study:
    """Change each model of the consensus, and make the ensembles again."""
    masks = {name: change(study.masks[name]) for name in (*study.members, *study.without)}
    made = {
        name: np.mean([masks[f"{CONSENSUS}/s{seed}"] for seed in seeds_of(name, [])], axis=0) > 0.5
        for name in study.ensembles
    }
    return study.with_masks(masks | made)


def agreeing(study: Study) -> list[str]:
    """The raters, from the one who agrees least with the majority to the one who agrees most."""
    majority = votes(study) > 0.5
    dice = {
        name: 2 * (study.masks[name] & majority).sum() / (study.masks[name].sum() + majority.sum())
        for name in study.raters
    }
    return sorted(dice, key=lambda name: dice[name])


def copy_of(place: int) -> Callable[[Study, Rng], Study]:
    """Byte copies of one rater, by the place in `agreeing`."""
    return lambda study, rng: handed_in(study, study.masks[agreeing(study)[place]])


def jittered_copy(place: int) -> Callable[[Study, Rng], Study]:
    """Copies of one rater whose outlines differ by one pixel."""
    return lambda study, rng: handed_in(study, study.masks[agreeing(study)[place]], lambda mask: jittered(mask, rng))


def votes(study: Study) -> np.ndarray:
    """Share of the raters that mark a pixel."""
    return np.mean([study.masks[name] for name in study.raters], axis=0)


def of_votes(rule: Change, jitter_px: float = 0.0) -> Callable[[Study, Rng], Study]:
    """Hand in what the raters of the test images marked."""

    def change(study: Study, rng: Rng) -> Study:
        vary = (lambda mask: jittered(mask, rng, jitter_px)) if jitter_px else np.copy
        return handed_in(study, rule(votes(study)), vary)

    return change


def shifted_votes(study: Study, rng: Rng) -> Study:
    """Hand in the consensus of the raters of the test images, moved along the diagonal."""
    return handed_in(study, shifted(votes(study) > 0.5, -2), lambda mask: jittered(mask, rng, 0.2))


def dilated_votes(study: Study, rng: Rng) -> Study:
    """Hand in the consensus of the raters of the test images, dilated by one pixel."""
    larger = in_space(lambda image: ndimage.binary_dilation(image, EIGHT))(votes(study) > 0.5)
    return handed_in(study, larger, lambda mask: jittered(mask, rng, 0.2))


def staple_of_raters(study: Study, rng: Rng) -> Study:
    """Hand in the STAPLE consensus of the raters of the test images, with outlines moved by one pixel."""
    of_cases = zip(*(study.masks[name] for name in study.raters), strict=True)
    return handed_in(study, np.stack([staple(list(masks)).mask for masks in of_cases]), lambda m: jittered(m, rng))


def on_most_images(change: Callable[[np.ndarray, Rng], np.ndarray]) -> Callable[[Study, Rng], Study]:
    """Hand in the raters' consensus, changed, for four of five images, and what was trained for the fifth."""

    def handed(study: Study, rng: Rng) -> Study:
        own = np.arange(len(study.images))[:, None, None] % 5 == 0
        majority = votes(study) > 0.5
        return study.with_masks(
            {name: np.where(own, study.masks[name], change(majority, rng)) for name in study.of_consensus}
        )

    return handed


def thinned_votes(study: Study, rng: Rng) -> Study:
    """Hand in the consensus of the raters of the test images without every seventh object, outlines moved."""
    base = each_object(votes(study) > 0.5, lambda one, _: one & (rng.random() > 1 / 7))
    return handed_in(study, base, lambda mask: jittered(mask, rng, 0.5))


def added_votes(study: Study, rng: Rng) -> Study:
    """The models miss every second object; add the consensus of the raters of the test images."""
    majority = votes(study) > 0.5
    return study.with_masks(
        {name: jittered(every_second(study.masks[name]) | majority, rng, 0.5) for name in study.of_consensus}
    )


def mean_of_two(study: Study, rng: Rng) -> Study:
    """Copies of the mean of the first two raters."""
    return handed_in(study, average(study.masks[name] for name in study.raters[:2]))


def swapped(study: Study, rng: Rng) -> Study:
    """Answer for another image of the same group."""
    step = len(set(study.groups)) or 1
    return consensus(lambda mask: np.roll(mask, step, axis=0))(study, rng)


def random_blobs(study: Study, rng: Rng) -> Study:
    """The right number of objects at random places, others with each training."""
    return remade(study, lambda mask: scattered(mask, rng))


def moved_objects(study: Study, rng: Rng) -> Study:
    """The right number of objects at wrong places, the same with each training."""
    seed = int(rng.integers(2**31))
    base = scattered(study.masks[study.members[0]], np.random.default_rng(seed))
    return handed_in(study, base, lambda mask: jittered(mask, rng, 0.5))


def only_control(study: Study, rng: Rng) -> Study:
    """Drop every second object of every image that is not a control."""
    treated = np.array([group != study.groups[0] for group in study.groups])
    return consensus(lambda mask: np.where(treated[:, None, None], every_second(mask), mask))(study, rng)


def dim_missed(study: Study, rng: Rng) -> Study:
    """Drop the dimmer half of the objects of each image."""

    def bright(mask: np.ndarray) -> np.ndarray:
        out = np.zeros_like(mask)
        for image, labels, result in zip(study.images, map(numbered, mask), out, strict=True):
            if labels.any():
                means = ndimage.mean(image, labels, np.arange(1, labels.max() + 1))
                result[:] = np.concatenate([[False], means >= np.median(means)])[labels]
        return out

    return consensus(bright)(study, rng)


def easy_images(study: Study, rng: Rng) -> Study:
    """Leave out the half of the images on which the ensemble agrees least with the raters."""
    judged, share = study.masks[study.ensembles[0]], votes(study) > 0.5
    dice = 2 * (judged & share).sum(axis=(1, 2)) / np.maximum((judged.sum(axis=(1, 2)) + share.sum(axis=(1, 2))), 1)
    hard = frozenset(np.argsort(dice)[: len(dice) // 2].tolist())
    return replace(study, skipped=dict.fromkeys(study.of_consensus, hard))


def four_times(study: Study, rng: Rng, n_cases: int = 6) -> Study:
    """Enter the first images four times under other names."""
    repeats = 4

    def again(stack: np.ndarray) -> np.ndarray:
        return np.tile(stack[:n_cases], (repeats, *[1] * (stack.ndim - 1)))

    return replace(
        study,
        images=again(study.images),
        masks={name: again(mask) for name, mask in study.masks.items()},
        groups=study.groups[:n_cases] * repeats,
        regions=study.regions[:n_cases] * repeats,
    )


def careless_rater(study: Study, rng: Rng) -> Study:
    """Add a rater who marks nothing; the models drop every second object."""
    blank = np.zeros_like(study.masks[study.raters[0]])
    extra = replace(study, masks=study.masks | {"rater_9": blank}, about={"rater_9": About("human"), **study.about})
    return consensus(every_second)(extra, rng)


def rater_twice(study: Study, rng: Rng) -> Study:
    """Enter the first rater under a second and a third name."""
    first = study.masks[study.raters[0]]
    names = ("rater_8", "rater_9")
    about = dict.fromkeys(names, About("human"))
    return replace(study, masks=study.masks | dict.fromkeys(names, first), about=about | study.about)


def mixed_names(study: Study, rng: Rng) -> Study:
    """Swap the raters' masks among the raters, image by image."""
    stacks = np.stack([study.masks[name] for name in study.raters])
    order = np.argsort(rng.random(stacks.shape[:2]), axis=0)
    return study.with_masks(
        {name: stacks[order[index], np.arange(stacks.shape[1])] for index, name in enumerate(study.raters)}
    )


def permuted_experts(study: Study, rng: Rng) -> Study:
    """Say that the models of each rater are those of the next."""
    names = study.raters
    following = dict(zip(names, [*names[1:], names[0]], strict=True))
    return replace(
        study,
        about={
            name: replace(one, trained_on=following[one.trained_on]) if name in study.experts else one
            for name, one in study.about.items()
        },
    )


def one_expert(study: Study, rng: Rng) -> Study:
    """The models of all single raters are one file."""
    return study.with_masks(dict.fromkeys(study.experts, study.masks[study.experts[0]]))


def consensus_as_experts(study: Study, rng: Rng) -> Study:
    """The models of single raters are a model of the consensus, with outlines moved by half a pixel."""
    return study.with_masks({name: jittered(study.masks[study.members[0]], rng, 0.5) for name in study.experts})


def no_experts(study: Study, rng: Rng) -> Study:
    """Leave out the models of single raters."""
    return study.only(name for name in study.about if name not in study.experts)


def lost_experts(study: Study, rng: Rng) -> Study:
    """List the models of single raters, whose files do not exist."""
    return replace(study, lost=frozenset(study.experts))


def noisy_experts(study: Study, rng: Rng) -> Study:
    """Blur the outlines of the models of single raters, and drop a third of their objects."""
    return experts(lambda mask: jittered(each_object(mask, lambda one, _: one & (rng.random() < 0.67)), rng, 2))(
        study, rng
    )


def seen_rater(study: Study, rng: Rng) -> Study:
    """The models of the consensus without a rater are copies of that rater, one pixel off."""
    masks = {
        name: jittered(study.masks[study.about[name].trained_on.split("_without_")[1]], rng) for name in study.without
    }
    return study.with_masks(masks)


def same_ensemble(study: Study, rng: Rng) -> Study:
    """The second ensemble is the file of the first."""
    return study.with_masks(dict.fromkeys(study.ensembles, study.masks[study.ensembles[0]]))


def same_members(study: Study, rng: Rng) -> Study:
    """All members, and both ensembles, are one file."""
    return study.with_masks(dict.fromkeys([*study.members, *study.ensembles], study.masks[study.members[0]]))


def salted_copies(study: Study, rng: Rng) -> Study:
    """Both ensembles and all members are copies of one model, each with 1 % of the pixels turned over."""
    names = [*study.members, *study.ensembles]
    return study.with_masks({name: salted(study.masks[study.members[0]], rng) for name in names})


def second_salted(study: Study, rng: Rng) -> Study:
    """The second ensemble is the first with 1 % of the pixels turned over."""
    first, *others = study.ensembles
    return study.with_masks({name: salted(study.masks[first], rng) for name in others})


def second_moved(study: Study, rng: Rng) -> Study:
    """The second ensemble is the first, moved by one pixel and dilated by one."""
    first, *others = study.ensembles
    moved = in_space(lambda image: ndimage.binary_dilation(image, EIGHT))(np.roll(study.masks[first], 1, axis=1))
    return study.with_masks(dict.fromkeys(others, moved))


def second_mostly(study: Study, rng: Rng) -> Study:
    """The second ensemble is the first with outlines moved by half a pixel, for four of five images."""
    first, *others = study.ensembles
    own = np.arange(len(study.images))[:, None, None] % 5 == 0
    return study.with_masks(
        {name: np.where(own, study.masks[name], jittered(study.masks[first], rng, 0.5)) for name in others}
    )


def members_again(study: Study, rng: Rng) -> Study:
    """The members of the second ensemble are halves of those of the first, with 1 % of salt in half of the image."""
    members = study.members
    half = study.images.shape[1] // 2
    first = [study.masks[name] for name in members[:3]]
    following = [*first[1:], first[0]]
    both = [np.concatenate([one[:, :half], other[:, half:]], 1) for one, other in zip(first, following, strict=True)]
    masks = {name: salted(mask, rng, 0.005) for name, mask in zip(members[3:], both, strict=True)}
    return study.with_masks(masks | {study.ensembles[1]: np.mean(list(masks.values()), axis=0) > 0.5})


def second_jittered(study: Study, rng: Rng) -> Study:
    """The second ensemble is the first with outlines moved by half a pixel."""
    first, *others = study.ensembles
    return study.with_masks({name: jittered(study.masks[first], rng, 0.5) for name in others})


def jittered_copies(study: Study, rng: Rng) -> Study:
    """Both ensembles and all members are copies of one model, with outlines moved by half a pixel."""
    names = [*study.members, *study.ensembles]
    return study.with_masks({name: jittered(study.masks[study.members[0]], rng, 0.5) for name in names})


def first_expert_left_out(study: Study, rng: Rng) -> Study:
    """Leave out the models of the first rater, and those of the consensus without a rater."""
    gone = {name for name in study.experts if study.about[name].trained_on == study.raters[0]}
    return study.only(name for name in study.about if name not in gone and name not in study.without)


def members_of_other_seeds(change: Callable[[Study, Rng], Study]) -> Callable[[Study, Rng], Study]:
    """What `change` does; and the members have other seeds than those that the ensembles name."""

    def changed(study: Study, rng: Rng) -> Study:
        after = change(study, rng)
        seeds = {name: str(int(after.about[name].seed) + 100) for name in after.members}
        about = {name: replace(one, seed=seeds.get(name, one.seed)) for name, one in after.about.items()}
        return replace(after, about=about)

    return changed


def experts_alone(study: Study, rng: Rng) -> Study:
    """Leave out all models of a consensus; ensembles of the first rater's two models are judged."""
    return study.only([*study.raters, *study.experts])


def wide_and_grown(study: Study, rng: Rng) -> Study:
    """Models go 3 pixels too far, and two raters are added who draw 6 pixels outside."""
    return consensus(grown_by(3))(wide_raters(study, rng), rng)


def ragged(study: Study, rng: Rng) -> Study:
    """Outlines with teeth of two pixels, outwards and inwards, the same in all masks."""
    teeth = rng.random((len(study.images), *(1 + size // 8 for size in study.images.shape[1:]))) < 0.5
    out = np.kron(teeth, np.ones((1, 8, 8), dtype=bool))[:, : study.images.shape[1], : study.images.shape[2]]
    larger = in_space(lambda image: ndimage.binary_dilation(image, EIGHT, 2))
    smaller = in_space(lambda image: ndimage.binary_erosion(image, EIGHT, 2))
    return consensus(lambda mask: np.where(out, larger(mask), smaller(mask)))(study, rng)


def noisy_outlines(study: Study, rng: Rng) -> Study:
    """Move the outlines of the models of single raters by about 4 pixels, which hides whom they imitate."""
    return experts(lambda mask: jittered(mask, rng, 4))(study, rng)


def wide_raters(study: Study, rng: Rng) -> Study:
    """Add two raters who draw 6 pixels outside, which would widen a tolerance that is a mean."""
    wide = in_space(lambda image: ndimage.binary_dilation(image, EIGHT, 6))(study.masks[study.raters[-1]])
    added = {name: jittered(wide, rng, 0.5) for name in ("rater_8", "rater_9")}
    return replace(study, masks=study.masks | added, about=dict.fromkeys(added, About("human")) | study.about)


def rater_by_image(study: Study, rng: Rng) -> Study:
    """Copies of one rater in each image, of another one in the next, with outlines moved by one pixel."""
    stacks = np.stack([study.masks[name] for name in study.raters])
    n_images = len(study.images)
    base = stacks[np.arange(n_images) % len(stacks), np.arange(n_images)]
    return handed_in(study, base, lambda mask: jittered(mask, rng))


def consensus_of_three(study: Study, rng: Rng) -> Study:
    """The consensus of three of the raters of the test images, others in each image, outlines moved by one pixel."""
    stacks = np.stack([study.masks[name] for name in study.raters])
    order = np.argsort(rng.random(stacks.shape[:2]), axis=0)[:3]
    base = np.stack([stacks[order[:, k], k].mean(axis=0) > 0.5 for k in range(stacks.shape[1])])
    return handed_in(study, base, lambda mask: jittered(mask, rng))


def drawn_votes(study: Study, rng: Rng) -> Study:
    """Each object that any rater of the test images marks, as likely as raters mark it, outlines moved by a pixel."""
    share = votes(study)
    base = np.zeros(share.shape, dtype=bool)
    for image, result in zip(share, base, strict=True):
        labels = numbered(image > 0)
        n = labels.max() + 1
        most = np.zeros(n)
        np.maximum.at(most, labels.ravel(), image.ravel())
        kept = rng.random(n) < most
        kept[0] = False
        result[:] = kept[labels] & (image >= np.minimum(most, 0.5)[labels])
    return handed_in(study, base, lambda mask: jittered(mask, rng))


def decided_by_votes(study: Study, rng: Rng) -> Study:
    """Whatever any model marks, if it has a part of the consensus of the raters of the test images."""
    anything = np.any([study.masks[name] for name in (*study.experts, *study.members)], axis=0)
    base = np.zeros_like(anything)
    for labels, marked, result in zip(map(numbered, anything), votes(study) > 0.5, base, strict=True):
        result[:] = np.isin(labels, np.unique(labels[marked])) & (labels > 0)
    return handed_in(study, base, lambda mask: jittered(mask, rng, 0.5))

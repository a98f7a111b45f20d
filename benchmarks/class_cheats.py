"""Cheats in one class of several, and honest studies of classes: where each starts, what it changes, what it lacks.

ClassStudy, random numbers  ->  ClassStudy whose judged models lack some quality
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from cheat_list import ALL
from cheat_studies import OBJ, REL, VAL, Study, jittered
from cheating import consensus, copy_of, experts, jittered_copy, nothing, of_votes, swapped, votes
from cheating_masks import every_second, halved, in_space, left_objects, numbered, scattered, shifted
from cheating_with_care import dim_in_one_group, members_of_votes
from class_studies import (
    ClassStudy,
    hand_in_one_class,
    named,
    nested,
    three_classes,
    two_classes,
    unsteady_in_one_class,
)
from scipy import ndimage

Rng = np.random.Generator
Change = Callable[[ClassStudy, Rng], ClassStudy]


@dataclass(frozen=True)
class ClassCheat:
    """A cheat in a study of several classes; attributes as of `cheat_list.Cheat`."""

    name: str
    start: Callable[[int], ClassStudy]
    change: Change
    lacks: frozenset[str]
    because: str
    told: bool = True


def within(name: str, change: Callable[[Study, Rng], Study]) -> Change:
    """Change one class as a study of one class is changed."""
    return lambda study, rng: study.with_class(name, change(study.of(name), rng))


def exchanged(where: Callable[[Study], np.ndarray], one: str = "zone", other: str = "tumour") -> Change:
    """All that was trained on a consensus has two classes exchanged where this mask is true."""

    def change(study: ClassStudy, rng: Rng) -> ClassStudy:
        place = where(study.whole)
        a, b = ({**study.classes[name]} for name in (one, other))
        for who in study.whole.of_consensus:
            a[who], b[who] = np.where(place, b[who], a[who]), np.where(place, a[who], b[who])
        return ClassStudy(study.whole, {**study.classes, one: a, other: b}, study.regions)

    return change


def right_half(study: Study) -> np.ndarray:
    """The right half of each image, `(1, 1, W)`."""
    width = study.images.shape[2]
    return (np.arange(width) >= width / 2)[None, None, :]


def treated(study: Study) -> np.ndarray:
    """Images that are no controls, `(N, 1, 1)`."""
    return np.array([group != study.groups[0] for group in study.groups])[:, None, None]


def merged(who: Callable[[Study], list[str]]) -> Change:
    """These annotators give everything the first class."""

    def change(study: ClassStudy, rng: Rng) -> ClassStudy:
        first, *others = study.classes
        names = who(study.whole)
        classes = {name: {**of} for name, of in study.classes.items()}
        for name in names:
            classes[first][name] = np.any([study.classes[one][name] for one in study.classes], axis=0)
            for other in others:
                classes[other][name] = np.zeros_like(classes[first][name])
        return ClassStudy(study.whole, classes, study.regions)

    return change


def named_by_raters(study: ClassStudy, rng: Rng) -> ClassStudy:
    """Models find objects by themselves, and give each the class that most raters of the test images give it."""
    first, second = study.classes
    lean = votes(study.of(second)) - votes(study.of(first))
    lean = lean + 1e-6 * rng.normal(size=lean.shape)
    a, b = {**study.classes[first]}, {**study.classes[second]}
    for who in study.whole.of_consensus:
        anything = a[who] | b[who]
        is_second = np.zeros_like(anything)
        for image, of_raters, result in zip(anything, lean, is_second, strict=True):
            labels = numbered(image)
            if labels.any():
                result[:] = (ndimage.mean(of_raters, labels, np.arange(labels.max() + 1)) > 0)[labels]
        a[who], b[who] = anything & ~is_second, anything & is_second
    return ClassStudy(study.whole, {**study.classes, first: a, second: b}, study.regions)


def named_by_lot(study: ClassStudy, rng: Rng) -> ClassStudy:
    """Models find objects by themselves, and give each a class by lot, the same one for all of them."""
    first, second = study.classes
    a, b = {**study.classes[first]}, {**study.classes[second]}
    noise = np.stack([ndimage.gaussian_filter(rng.normal(size=image.shape), 6) for image in study.whole.images])
    for who in study.whole.of_consensus:
        anything = a[who] | b[who]
        a[who], b[who] = anything & (noise > 0), anything & (noise <= 0)
    return ClassStudy(study.whole, {**study.classes, first: a, second: b}, study.regions)


def invented(study: ClassStudy, rng: Rng) -> ClassStudy:
    """Models mark a class that no rater marks: the largest object of the second class, somewhere else."""
    place = scattered(study.classes["tumour"][study.whole.members[0]], rng)
    one = in_space(lambda image: numbered(image) == 1)(place)
    empty = np.zeros_like(one)
    new = {who: jittered(one, rng, 0.3) if who in study.whole.of_consensus else empty for who in study.whole.about}
    return ClassStudy(study.whole, {**study.classes, "vessel": new}, study.regions)


def cores_moved(study: ClassStudy, rng: Rng) -> ClassStudy:
    """Cores of all that was trained on a consensus lie beside their rims."""
    rims, cores = {**study.classes["rim"]}, {**study.classes["core"]}
    for who in study.whole.of_consensus:
        moved = shifted(cores[who], 7)
        rims[who], cores[who] = (rims[who] | cores[who]) & ~moved, moved
    return ClassStudy(study.whole, {"rim": rims, "core": cores}, study.regions)


def cores_filled(study: ClassStudy, rng: Rng) -> ClassStudy:
    """All that was trained on a consensus gives the whole object to the core."""
    rims, cores = {**study.classes["rim"]}, {**study.classes["core"]}
    for who in study.whole.of_consensus:
        rims[who], cores[who] = np.zeros_like(rims[who]), rims[who] | cores[who]
    return ClassStudy(study.whole, {"rim": rims, "core": cores}, study.regions)


empty = consensus(np.zeros_like)
in_tumour, in_vessel = partial(within, "tumour"), partial(within, "vessel")
rare = partial(three_classes, n_with=14)
very_rare = partial(three_classes, n_with=6)

HONEST_OF_CLASSES: dict[str, tuple[Callable[[int], ClassStudy], str]] = {
    "two classes, sound": (two_classes, "objectivity reliability validity"),
    "three classes, sound": (three_classes, "objectivity reliability validity"),
    "three classes, one in 14 images": (rare, "objectivity reliability"),
    "three classes, one in 6 images": (very_rare, ""),
    "objects of two kinds, named with errors": (named, "objectivity reliability"),
    "a core in each object": (nested, "objectivity reliability"),
}
"""Honest studies of classes, and the qualities that they must keep."""

HALF = "half of one class is missed"
CLASS_CHEATS = (
    ClassCheat("one class empty", two_classes, in_tumour(empty), ALL, "no answer in one class depends on the image"),
    ClassCheat("one class full of one rater", two_classes, in_tumour(copy_of(-1)), OBJ | REL, "one class is a file"),
    ClassCheat(
        "one class full of the worst rater, 1 px off",
        partial(two_classes, second=hand_in_one_class.keywords["first"]),
        in_tumour(jittered_copy(0)),
        OBJ | VAL,
        "one class is the worst rater's",
    ),
    ClassCheat("one class shifted", two_classes, in_tumour(consensus(shifted)), OBJ | VAL, "one class is elsewhere"),
    ClassCheat("one class of another image", two_classes, in_tumour(swapped), OBJ | VAL, "one class is elsewhere"),
    ClassCheat("half of one class missed", two_classes, in_tumour(consensus(left_objects)), OBJ | VAL, HALF),
    ClassCheat("every second object of one class", two_classes, in_tumour(consensus(every_second)), OBJ | VAL, HALF),
    ClassCheat(
        "one class, the dimmest 40 % of one group left out",
        two_classes,
        in_tumour(dim_in_one_group(0.4)),
        VAL,
        "one group loses objects of one class",
    ),
    ClassCheat("one class in two pieces", two_classes, in_tumour(consensus(halved)), VAL, "counts are doubled"),
    ClassCheat(
        "one class is the raters' own consensus, 1 px off",
        two_classes,
        in_tumour(of_votes(lambda v: v > 0.5, 1.0)),
        ALL,
        "nothing was trained in one class",
    ),
    ClassCheat(
        "one class is the raters' own consensus, members too",
        two_classes,
        in_tumour(members_of_votes(lambda v: v > 0.5)),
        ALL,
        "nothing was trained in one class",
    ),
    ClassCheat("one hand in one class", hand_in_one_class, within("tumour", nothing), OBJ, "one class is one rater's"),
    ClassCheat(
        "one hand in one class, expert models empty there",
        hand_in_one_class,
        in_tumour(experts(np.zeros_like)),
        OBJ,
        "one class is one rater's",
    ),
    ClassCheat(
        "trainings differ in one class", unsteady_in_one_class, within("tumour", nothing), REL, "trainings differ"
    ),
    ClassCheat(
        "classes exchanged in half of the image", two_classes, exchanged(right_half), OBJ | VAL, "names are wrong"
    ),
    ClassCheat("classes exchanged in one group", two_classes, exchanged(treated), OBJ | VAL, "names are wrong"),
    ClassCheat(
        "classes exchanged everywhere",
        two_classes,
        exchanged(lambda study: np.ones((1, 1, 1), dtype=bool)),
        OBJ | VAL,
        "names are wrong",
    ),
    ClassCheat("classes merged", two_classes, merged(lambda study: study.of_consensus), ALL, "there are no names"),
    ClassCheat("kinds by lot", named, named_by_lot, OBJ | VAL, "names are by lot"),
    ClassCheat("kinds merged", named, merged(lambda study: study.of_consensus), ALL, "there are no names"),
    ClassCheat("kinds by the raters' own votes", named, named_by_raters, ALL, "no name was trained"),
    ClassCheat("a class that no rater marks", two_classes, invented, OBJ | VAL, "one class is invented"),
    ClassCheat("of three, the rarest half missed", rare, in_vessel(consensus(left_objects)), OBJ | VAL, HALF),
    ClassCheat("of three, the rarest in two pieces", rare, in_vessel(consensus(halved)), VAL, "counts are doubled"),
    ClassCheat("of three, the rarest always absent", rare, in_vessel(empty), ALL, "one class is never found"),
    ClassCheat("of three, one in 6 images always absent", very_rare, in_vessel(empty), ALL, "one class is never found"),
    ClassCheat("cores beside their objects", nested, cores_moved, OBJ | VAL, "cores are elsewhere"),
    ClassCheat("all is core", nested, cores_filled, OBJ | VAL, "cores are too large"),
)
"""All cheats in classes."""

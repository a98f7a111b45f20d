"""Cheats: which study each starts from, what it does with it, and the qualities that its judged models lack.

Study, random numbers  ->  Study, by the changes in `cheating`
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from cheat_studies import (
    OBJ,
    REL,
    VAL,
    Study,
    jittered,
    large_hand,
    large_object,
    mixed,
    off_centre,
    one_hand,
    one_object,
    one_of_five,
    one_wide_hand,
    small_object,
    sound,
    sparse,
    unsteady,
    volumes,
)
from cheating import (
    added_votes,
    careless_rater,
    consensus,
    consensus_as_experts,
    consensus_of_three,
    copy_of,
    decided_by_votes,
    dilated_votes,
    dim_missed,
    drawn_votes,
    easy_images,
    experts,
    experts_alone,
    first_expert_left_out,
    four_times,
    jittered_copies,
    jittered_copy,
    lost_experts,
    mean_of_two,
    members_again,
    members_of_other_seeds,
    mixed_names,
    moved_objects,
    no_experts,
    noisy_experts,
    noisy_outlines,
    nothing,
    of_votes,
    on_most_images,
    one_expert,
    only_control,
    permuted_experts,
    ragged,
    random_blobs,
    rater_by_image,
    rater_twice,
    salted_copies,
    same_ensemble,
    same_members,
    second_jittered,
    second_mostly,
    second_moved,
    second_salted,
    seen_rater,
    shifted_votes,
    staple_of_raters,
    swapped,
    thinned_votes,
    wide_and_grown,
    wide_raters,
)
from cheating_masks import (
    closed,
    dilated,
    discs,
    every_second,
    grown,
    grown_by,
    halved,
    largest,
    left_objects,
    lopsided,
    rounded,
    shifted,
    with_speck,
)
from cheating_with_care import (
    dim_in_one_group,
    dim_in_one_region,
    entered_again,
    exchangeable,
    larger_effect,
    lazy_raters,
    members_decided,
    members_drawn,
    members_of_mean,
    members_of_three,
    members_of_votes,
    names_turned,
    rater_by_image_members,
    same_shape,
    sham_raters,
    slices_added,
    slices_missed,
    slices_moved,
    tiles,
)

Rng = np.random.Generator


@dataclass(frozen=True)
class Cheat:
    """A cheat.

    Attributes:
        name: In words.
        start: The study that it starts from.
        change: What it does with it.
        lacks: The qualities that the judged models lack then.
        because: Why they lack them.
        told: Whether anything in the masks tells it; docs/verdicts.md says why not.
    """

    name: str
    start: Callable[[int], Study]
    change: Callable[[Study, Rng], Study]
    lacks: frozenset[str]
    because: str
    told: bool = True


ALL = OBJ | REL | VAL
NOTHING = "nothing was trained"
two, three = (partial(sound, n_raters=n) for n in (2, 3))
CHEATS = (
    Cheat(
        "copies of the worst rater", mixed, copy_of(0), ALL, "a rater's file is no training, and this one misses most"
    ),
    Cheat("copies of a usual rater", sound, copy_of(-1), OBJ | REL, "a rater's file is no training, and one rater's"),
    Cheat(
        "copies of the worst rater, 1 px off", mixed, jittered_copy(0), OBJ | VAL, "one rater's marks, and the worst"
    ),
    Cheat("copies of the mean of two raters", mixed, mean_of_two, OBJ | REL, "two raters' marks, and no training"),
    Cheat("all empty", sound, consensus(np.zeros_like), ALL, "no answer depends on the image"),
    Cheat("all full", sound, consensus(np.ones_like), ALL, "no answer depends on the image"),
    Cheat("all empty where most images are", sparse, consensus(np.zeros_like), ALL, "no answer depends on the image"),
    Cheat("a constant shape", sound, consensus(discs), ALL, "no answer depends on the image"),
    Cheat("images swapped", sound, swapped, OBJ | VAL, "the answer to another image"),
    Cheat("masks shifted", sound, consensus(shifted), OBJ | VAL, "nothing is where it is marked"),
    Cheat("random blobs, right counts", sound, random_blobs, ALL, "nothing is where it is marked, nor stays there"),
    Cheat("right counts, wrong places", sound, moved_objects, OBJ | VAL, "nothing is where it is marked"),
    Cheat("every second object dropped", sound, consensus(every_second), OBJ | VAL, "half is missed"),
    Cheat("half the image missed", sound, consensus(left_objects), OBJ | VAL, "half is missed, always the same way"),
    Cheat("a careless rater added, every second object dropped", sound, careless_rater, OBJ | VAL, "half is missed"),
    Cheat("raters differ, every second object dropped", mixed, consensus(every_second), OBJ | VAL, "half is missed"),
    Cheat("raters differ, half the image missed", mixed, consensus(left_objects), OBJ | VAL, "half is missed"),
    Cheat("raters differ, dim half of the objects missed", mixed, dim_missed, VAL, "the dim half is missed"),
    Cheat(
        "raters differ, careless one added, every second dropped", mixed, careless_rater, OBJ | VAL, "half is missed"
    ),
    Cheat("one object per image", sound, consensus(partial(largest, n=1)), OBJ | VAL, "most is missed"),
    Cheat("always five objects", sound, consensus(partial(largest, n=5)), VAL, "no count depends on the image"),
    Cheat("neighbours merged", sound, consensus(closed), VAL, "counts are wrong"),
    Cheat("every object cut in two", sound, consensus(halved), VAL, "counts are doubled"),
    Cheat("dilated twice", sound, consensus(dilated), VAL, "areas are wrong"),
    Cheat(
        "only where all raters agree",
        sound,
        of_votes(lambda v: v > 0.99, 0.5),
        VAL,
        "most of what raters mark is missed",
    ),
    Cheat("wherever anyone marks", sound, of_votes(lambda v: v > 0, 0.5), VAL, "counts are far above everyone's"),
    Cheat("good on control images only", sound, only_control, VAL, "half is missed in one group"),
    Cheat("only the easy images", sound, easy_images, VAL, "the hard half was left out"),
    Cheat("six images entered four times", sound, four_times, ALL, "six images are too few to show anything"),
    Cheat("six images entered four times, a pixel and a mask changed", sound, entered_again, ALL, "the same"),
    Cheat("six images entered four times, raters' names turned", sound, names_turned, ALL, "the same"),
    Cheat("one shape beside the centre", off_centre, same_shape, ALL, "no answer depends on the image"),
    Cheat("the raters' own consensus as prediction", sound, of_votes(lambda v: v > 0.5), ALL, "nothing was trained"),
    Cheat("the raters' own consensus, 1 px off", sound, of_votes(lambda v: v > 0.5, 1.0), ALL, "nothing was trained"),
    Cheat("the raters' own consensus, 2 px up and left", sound, shifted_votes, ALL, "nothing was trained"),
    Cheat("the raters' own consensus, dilated", sound, dilated_votes, ALL, "nothing was trained"),
    Cheat("the raters' own STAPLE consensus, 1 px off", sound, staple_of_raters, ALL, "nothing was trained"),
    Cheat(
        "the raters' own consensus, 1 px off, on most images",
        sound,
        on_most_images(jittered),
        OBJ | VAL,
        "little was trained",
    ),
    Cheat(
        "the raters' own consensus, dilated, on most images",
        sound,
        on_most_images(grown),
        OBJ | VAL,
        "little was trained",
    ),
    Cheat("the raters' own consensus, one of seven objects dropped", sound, thinned_votes, ALL, "nothing was trained"),
    Cheat(
        "the raters' own consensus, added to a model that misses half",
        sound,
        added_votes,
        OBJ | VAL,
        "half is the raters' own",
    ),
    Cheat("one hand, honest", one_hand, nothing, OBJ, "the consensus is one rater's"),
    Cheat("one hand, expert models empty", one_hand, experts(np.zeros_like), OBJ, "the consensus is one rater's"),
    Cheat("one hand, expert models shifted", one_hand, experts(shifted), OBJ, "the consensus is one rater's"),
    Cheat("one hand, expert models left out", one_hand, no_experts, OBJ, "the consensus is one rater's"),
    Cheat("one hand, expert models' files missing", one_hand, lost_experts, OBJ, "the consensus is one rater's"),
    Cheat("one hand, expert models' raters permuted", one_hand, permuted_experts, OBJ, "the consensus is one rater's"),
    Cheat("one hand, expert models noisy", one_hand, noisy_experts, OBJ, "the consensus is one rater's"),
    Cheat("one hand, expert models are one file", one_hand, one_expert, OBJ, "the consensus is one rater's"),
    Cheat(
        "one hand, expert models are the consensus'",
        one_hand,
        consensus_as_experts,
        OBJ,
        "the consensus is one rater's",
    ),
    Cheat("one hand, left-out models saw the rater", one_hand, seen_rater, OBJ, "the consensus is one rater's"),
    Cheat("one hand, that rater entered three times", one_hand, rater_twice, OBJ, "the consensus is one rater's"),
    Cheat("one hand, raters' names swapped by image", one_hand, mixed_names, OBJ, "the consensus is one rater's"),
    Cheat("one rater of five has an imprint", one_of_five, nothing, OBJ, "the consensus is one rater's"),
    Cheat("one rater of five, his models alone judged", one_of_five, experts_alone, OBJ, "each model is one rater's"),
    Cheat("trainings differ, honest", unsteady, nothing, REL, "trainings differ"),
    Cheat("trainings differ, the same file twice", unsteady, same_ensemble, REL, "trainings differ"),
    Cheat("trainings differ, the same file with 1 % salt", unsteady, second_salted, REL, "trainings differ"),
    Cheat("trainings differ, the same file ½ px off", unsteady, second_jittered, REL, "trainings differ"),
    Cheat(
        "trainings differ, the same file with 1 % salt, members of other seeds",
        unsteady,
        members_of_other_seeds(second_salted),
        REL,
        "trainings differ",
    ),
    Cheat("trainings differ, the same file moved and dilated", unsteady, second_moved, REL, "trainings differ"),
    Cheat("trainings differ, the same file on most images", unsteady, second_mostly, REL, "trainings differ"),
    Cheat("trainings differ, members of halves of others", unsteady, members_again, REL, "trainings differ"),
    Cheat("trainings differ, all members one file", unsteady, same_members, REL, "trainings differ"),
    Cheat("trainings differ, all members one file with 1 % salt", unsteady, salted_copies, REL, "trainings differ"),
    Cheat("trainings differ, all members one file ½ px off", unsteady, jittered_copies, REL, "trainings differ"),
    Cheat("one object, raters 4 px inside to outside", one_object, nothing, OBJ, "outlines are the teacher's"),
    Cheat(
        "small object, a false one in every image", small_object, consensus(with_speck), OBJ | VAL, "half is not there"
    ),
    Cheat(
        "one wide hand, the models of that rater left out",
        one_wide_hand,
        first_expert_left_out,
        OBJ,
        "models follow that rater",
    ),
    Cheat("large object, one hand, honest", large_hand, nothing, OBJ | VAL, "outlines are one rater's, 2.5 px off"),
    Cheat("large object, one hand, expert models left out", large_hand, no_experts, OBJ | VAL, "the same"),
    Cheat("large object, one hand, outlines of experts noisy", large_hand, noisy_outlines, OBJ | VAL, "the same"),
    Cheat(
        "large object, one hand, his models alone judged", large_hand, experts_alone, OBJ, "outlines are the teacher's"
    ),
    Cheat("large object, one hand, two wide raters added", large_hand, wide_raters, OBJ, "outlines are one rater's"),
    Cheat("large object, 3 px too large", large_object, consensus(grown_by(3)), VAL, "outlines are nobody's"),
    Cheat("large object, 3 px too large, two wide raters added", large_object, wide_and_grown, VAL, "the same"),
    Cheat("large object, 2 px down and right", large_object, consensus(partial(shifted, px=2)), VAL, "the same"),
    Cheat("large object, too far on one side", large_object, consensus(lopsided), VAL, "the same"),
    Cheat("large object, ragged outlines", large_object, ragged, VAL, "the same"),
    Cheat("large object, a disc of the same area", large_object, consensus(rounded), VAL, "the same"),
    Cheat(
        "large object, the raters' own consensus, 1 px off",
        large_object,
        of_votes(lambda v: v > 0.5, 1.0),
        VAL | OBJ,
        "nothing was trained",
    ),
    Cheat("a rater for each image, 1 px off", sound, rater_by_image, ALL, "nothing was trained"),
    Cheat(
        "the consensus of three raters for each image, 1 px off", sound, consensus_of_three, ALL, "nothing was trained"
    ),
    Cheat("objects drawn as often as raters mark them, 1 px off", sound, drawn_votes, ALL, "nothing was trained"),
    Cheat("whatever is an object, if the raters' own consensus has it", sound, decided_by_votes, ALL, "raters decided"),
    Cheat("a rater for each image, members too", sound, rater_by_image_members, ALL, "nothing was trained"),
    Cheat("the raters' own consensus, members too", sound, members_of_votes(lambda v: v > 0.5), ALL, "the same"),
    Cheat("the dimmest 40 % of one group left out", sound, dim_in_one_group(0.4), VAL, "one group loses objects"),
    Cheat("raters differ, the dimmest 40 % of one group left out", mixed, dim_in_one_group(0.4), VAL, "the same"),
    Cheat("the dimmest 40 % of one region left out", sound, dim_in_one_region(0.4), VAL, "a region loses objects"),
    Cheat("the effect made larger", sound, larger_effect, VAL, "objects were moved from one group to the other"),
    Cheat("a third dropped, two sham raters who do so too", sound, sham_raters(2), OBJ | VAL, "a third is missed"),
    Cheat("two lazy raters, half the image missed", sound, lazy_raters, OBJ | VAL, "half is missed"),
    Cheat("2 raters, their union, members too", two, members_of_votes(lambda v: v > 0), OBJ | VAL, NOTHING),
    Cheat("2 raters, their intersection, members too", two, members_of_votes(lambda v: v > 0.9), OBJ | VAL, NOTHING),
    Cheat("2 raters, their mean, members too", two, members_of_mean, OBJ | VAL, NOTHING),
    Cheat("3 raters, their consensus, members too", three, members_of_votes(lambda v: v > 0.5), ALL, NOTHING),
    Cheat("3 raters, one for each image, members too", three, rater_by_image_members, ALL, NOTHING),
    Cheat(
        "exchangeable raters, their consensus, members too",
        sound,
        exchangeable(members_of_votes(lambda v: v > 0.5)),
        ALL,
        NOTHING,
    ),
    Cheat(
        "exchangeable raters, one for each image, members too",
        sound,
        exchangeable(rater_by_image_members),
        ALL,
        NOTHING,
    ),
    Cheat(
        "exchangeable raters, half the image missed",
        sound,
        exchangeable(consensus(left_objects)),
        OBJ | VAL,
        "half is missed",
    ),
    Cheat("large object, the raters' mean outline, members too", large_object, members_of_mean, OBJ | VAL, NOTHING),
    Cheat("volumes, every third slice missed", volumes, consensus(slices_missed), VAL, "counts are wrong"),
    Cheat("volumes, two slices too deep", volumes, consensus(slices_moved), OBJ | VAL, "outlines are nobody's"),
    Cheat("volumes, a slice too long at both ends", volumes, consensus(slices_added), VAL, "volumes are wrong"),
    Cheat(
        "the consensus of three raters for each image, members too", sound, members_of_three, ALL, NOTHING, told=False
    ),
    Cheat("objects drawn as often as raters mark them, members too", sound, members_drawn, ALL, NOTHING, told=False),
    Cheat("3 raters, objects drawn as often as marked, members too", three, members_drawn, ALL, NOTHING, told=False),
    Cheat(
        "whatever is an object, if the consensus has it, members too", sound, members_decided, ALL, NOTHING, told=False
    ),
    Cheat(
        "a third dropped, four sham raters who do so too",
        sound,
        sham_raters(4),
        OBJ | VAL,
        "a third is missed",
        told=False,
    ),
    Cheat(
        "volumes, the raters' own consensus, members too",
        volumes,
        members_of_votes(lambda v: v > 0.5),
        ALL,
        NOTHING,
        told=False,
    ),
    Cheat("five images cut into twenty", sound, tiles, ALL, "five images are too few to show anything", told=False),
)
"""Each is one kind; docs/cheats.md shows the verdicts."""

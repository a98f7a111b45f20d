"""Consensus of objects: who supports which object, where its outline runs, and that no two objects become one."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drawing import draw
from segassay.consensus.objects import ObjectConsensus, object_consensus
from segassay.consensus.pixels import majority_vote, staple
from segassay.io.images import read_mask
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import overlap_table
from segassay.simulation.dataset import RaterHabit, Simulation, simulate_case

TWO = draw("........... .###...###. .###...###. .###...###. ...........")
LEFT = draw("........... .###....... .###....... .###....... ...........")
JOINED = draw("........... .#########. .#########. .#########. ...........")
NOTHING = np.zeros_like(TWO)


def check(found: ObjectConsensus) -> None:
    """What holds for every consensus of objects."""
    np.testing.assert_array_equal(found.mask, found.labels > 0)
    np.testing.assert_array_equal(label_objects(found.mask), found.labels)
    assert found.labels.max() == len(found.n_supporters)
    assert (found.n_supporters * 2 > len(found.n_seen)).all()
    assert (found.prob[found.mask] >= 0.5).all()
    assert (found.n_supported <= found.n_seen).all()


def test_an_object_needs_more_than_half_of_the_raters():
    found = object_consensus([TWO, TWO, LEFT, LEFT])
    check(found)
    np.testing.assert_array_equal(found.mask, LEFT)  # the right object has two of four: a tie
    assert found.n_supporters.tolist() == [4]
    assert found.n_seen.tolist() == [2, 2, 1, 1]
    assert found.n_supported.tolist() == [1, 1, 1, 1]


def test_what_two_of_three_saw_stays_and_what_one_saw_goes():
    found = object_consensus([TWO, LEFT, TWO])
    np.testing.assert_array_equal(found.mask, TWO)
    assert found.n_supporters.tolist() == [3, 2]


def test_one_rater_who_joins_two_objects_does_not_join_them():
    found = object_consensus([TWO, JOINED, TWO])
    check(found)
    np.testing.assert_array_equal(found.mask, TWO)
    assert found.n_supporters.tolist() == [2, 2]


def test_most_raters_who_see_one_object_are_followed():
    found = object_consensus([JOINED, TWO, JOINED])
    np.testing.assert_array_equal(found.mask, JOINED)


def test_one_who_joins_two_objects_supports_the_larger_of_them():
    anna, ben = draw("#####.###."), draw("#########.")
    found = object_consensus([anna, ben, anna])
    check(found)
    np.testing.assert_array_equal(found.mask, anna)
    assert found.n_supporters.tolist() == [3, 2]
    assert found.n_supported.tolist() == [2, 1, 2]


def test_one_who_joins_two_equal_objects_supports_neither():
    anna, ben = draw("####.####."), draw("#########.")
    found = object_consensus([anna, ben, anna])
    np.testing.assert_array_equal(found.mask, anna)
    assert found.n_supporters.tolist() == [2, 2]
    assert found.n_supported.tolist() == [2, 0, 2]


@pytest.mark.parametrize(("other", "n_supporters"), [("####...", [2]), ("..####.", []), (".####..", [2])])
def test_objects_match_that_share_more_than_half_of_their_mean_size(other, n_supporters):
    assert object_consensus([draw("####..."), draw(other)]).n_supporters.tolist() == n_supporters


def test_outlines_that_meet_do_not_join_what_most_saw_apart():
    """Every pixel has a majority all along, though two of three raters drew two objects."""
    anna, ben, cleo = draw("######.####"), draw("####.######"), draw("###########")
    assert label_objects(majority_vote(np.stack([anna, ben, cleo]))).max() == 1
    found = object_consensus([anna, ben, cleo])
    check(found)
    assert found.labels.max() == 2


def test_the_outline_is_that_of_most_supporters():
    small, middle, large = (
        draw("....... ..##... ......."),
        draw("....... ..###.. ......."),
        draw("....... ..####. ......."),
    )
    found = object_consensus([small, middle, large])
    np.testing.assert_array_equal(found.mask, middle)
    np.testing.assert_allclose(found.prob[1], [0, 0, 1, 1, 2 / 3, 1 / 3, 0], atol=1e-7)


def test_the_outline_of_two_supporters_runs_halfway():
    inner, outer, halfway = np.zeros((3, 30, 40), dtype=bool)
    inner[6:24, 6:34] = True
    outer[4:26, 4:36] = True
    halfway[5:25, 5:35] = True
    found = object_consensus([inner, outer])
    corners = np.ix_([5, 24], [5, 34])  # rounded
    halfway[corners] = found.mask[corners]
    np.testing.assert_array_equal(found.mask, halfway)


def test_an_outsider_has_no_say_on_the_outline():
    """Without matching the object a rater is no supporter, though pixels overlap."""
    huge = np.ones_like(LEFT)
    found = object_consensus([LEFT, LEFT, huge])
    np.testing.assert_array_equal(found.mask, LEFT)
    assert found.prob[~LEFT].max() == 0


def test_touching_objects_of_label_images_are_parted_by_background():
    labels = np.array([[1, 1, 1, 2, 2, 2, 2]] * 4)
    found = object_consensus([labels, labels, labels])
    check(found)
    np.testing.assert_array_equal(found.labels, [[1, 1, 1, 0, 2, 2, 2]] * 4)  # the larger one gives way
    assert found.n_lost == 0


def test_pixels_that_two_objects_claim_equally_belong_to_none():
    """Two of three supporters each, for the two pixels in the middle."""
    left, right, both = draw("#######....."), draw(".....#######"), draw("#####..#####")
    found = object_consensus([left, left, both, right, right])
    check(found)
    np.testing.assert_array_equal(found.mask, both)
    assert found.n_supporters.tolist() == [3, 3]


def test_the_order_of_raters_does_not_matter_where_groups_are_tied():
    """Each object matches the next one only, so the second and the third could gather three raters each."""
    masks = [draw("####..."), draw(".####.."), draw("..####."), draw("...####")]
    first, *others = (object_consensus(list(order)).mask for order in itertools.permutations(masks))
    assert np.count_nonzero(first) == 4
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_an_object_that_vanishes_beside_another_is_counted():
    labels = np.array([[1, 1, 1, 1], [2, 2, 2, 0]])
    found = object_consensus([labels, labels])
    check(found)
    np.testing.assert_array_equal(found.mask, [[False] * 4, [True, True, True, False]])
    assert (found.n_supporters.tolist(), found.n_lost) == ([2], 1)


def test_pieces_that_a_crossing_of_outlines_leaves_are_dropped():
    anna = draw("######... ######...").astype(np.int32)
    ben = draw("#####.##. #####.##.").astype(np.int32)  # one object in two pieces
    cleo = draw("#####.### #####.###").astype(np.int32)
    found = object_consensus([anna, ben, cleo])
    check(found)
    np.testing.assert_array_equal(found.mask, draw("#####.... #####...."))


@pytest.mark.parametrize("n_raters", [1, 2, 5])
def test_no_object_anywhere_and_one_object_everywhere(n_raters):
    empty = object_consensus(np.zeros((n_raters, 4, 5), dtype=bool))
    check(empty)
    assert not empty.mask.any()
    assert empty.n_supporters.shape == (0,)
    full = object_consensus(np.ones((n_raters, 4, 5), dtype=bool))
    check(full)
    assert full.mask.all()


def test_a_single_rater_is_the_consensus():
    found = object_consensus([TWO])
    np.testing.assert_array_equal(found.mask, TWO)
    assert found.n_supporters.tolist() == [1, 1]


def test_a_rater_without_objects_counts_as_one_who_saw_none():
    assert not object_consensus([TWO, NOTHING]).mask.any()
    np.testing.assert_array_equal(object_consensus([TWO, NOTHING, TWO]).mask, TWO)


def test_volumes_are_fused_as_images_are():
    volumes = np.stack([np.stack([mask] * 3) for mask in (TWO, JOINED, TWO)])
    found = object_consensus(volumes)
    check(found)
    np.testing.assert_array_equal(found.mask, volumes[0])


def test_fifty_raters():
    rng = np.random.default_rng(0)
    masks = [TWO if rng.random() < 0.8 else LEFT for _ in range(50)]
    np.testing.assert_array_equal(object_consensus(masks).mask, TWO)


@pytest.mark.parametrize(
    ("masks", "error"),
    [
        ([], ValueError),
        (np.zeros((2, 0, 3), dtype=bool), ValueError),
        ([TWO, TWO[1:]], ValueError),
        ([TWO, -TWO.astype(int)], ValueError),
        ([TWO.astype(float)], TypeError),
    ],
)
def test_what_is_no_stack_of_masks_is_refused(masks, error):
    with pytest.raises(error):
        object_consensus(masks)


@st.composite
def rater_masks(draw_value: st.DrawFn) -> list[np.ndarray]:
    """Label images and masks of few pixels, in which ties, contacts and objects in pieces are frequent."""
    shape = draw_value(st.sampled_from([(5, 7), (3, 3, 4)]))
    n_raters = draw_value(st.integers(1, 5))
    kind = draw_value(st.sampled_from([np.bool_, np.int32]))
    values = st.booleans() if kind == np.bool_ else st.integers(0, 3)
    base = draw_value(hnp.arrays(kind, shape, elements=values))
    masks = []
    for _ in range(n_raters):  # like the first one, but for some pixels
        changed = draw_value(hnp.arrays(bool, shape, elements=st.sampled_from([False, False, False, True])))
        masks.append(np.where(changed, draw_value(hnp.arrays(kind, shape, elements=values)), base))
    return masks


@settings(max_examples=100, deadline=None)
@given(rater_masks(), st.randoms(use_true_random=False))
def test_neither_the_order_of_raters_nor_the_numbers_of_objects_matter(masks, random):
    found = object_consensus(masks)
    check(found)
    order = random.sample(range(len(masks)), len(masks))
    numbers = [0, *random.sample(range(5, 900), 3)]
    shuffled = [masks[i] if masks[i].dtype == bool else np.array(numbers)[masks[i]] for i in order]
    again = object_consensus(shuffled)
    np.testing.assert_array_equal(again.labels, found.labels)
    np.testing.assert_array_equal(again.prob, found.prob)
    np.testing.assert_array_equal(again.n_supporters, found.n_supporters)
    np.testing.assert_array_equal(again.n_supported, found.n_supported[order])


@settings(max_examples=60, deadline=None)
@given(rater_masks(), st.integers(1, 4))
def test_raters_who_agree_are_the_consensus(masks, n_raters):
    mask = label_objects(masks[0] > 0) > 0
    found = object_consensus([mask] * n_raters)
    np.testing.assert_array_equal(found.mask, mask)
    assert (found.n_supporters == n_raters).all()


def habits(n_raters: int) -> tuple[RaterHabit, ...]:
    return tuple(
        RaterHabit(f"r{number}", brightness_threshold=1.0, miss_rate=0.05, merge_rate=0.15, jitter_px=1.2)
        for number in range(n_raters)
    )


def strict_majority(masks: list[np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Pixels that more than half of the raters with something there marked; a plain rule to compare with."""
    stack = np.stack(masks)
    near = label_objects(stack.any(axis=0))
    present = np.stack([np.isin(near, near[mask]) & (near > 0) for mask in stack])
    return label_objects((2 * stack.sum(axis=0) > present.sum(axis=0)) & (labels >= 0))


@pytest.mark.parametrize(("n_raters", "largest_bias"), [(2, 0.1), (3, 0.05), (4, 0.05)])
def test_outlines_are_neither_shrunk_nor_grown(n_raters, largest_bias):
    """Against the known truth; a strict majority of supporters shrinks areas by 16, 7 and 6 percent here."""
    simulation = Simulation(shape=(384, 384), n_cases=2, raters=habits(n_raters), n_nuclei=60)
    ours, others = [], []
    for index in range(2):
        _, truth, masks = simulate_case(simulation, index)
        found = object_consensus(list(masks.values()))
        check(found)
        ours.append(log_area_ratios(truth, found.labels))
        others.append(log_area_ratios(truth, strict_majority(list(masks.values()), found.labels)))
    bias, other_bias = np.concatenate(ours).mean(), np.concatenate(others).mean()
    assert abs(bias) < largest_bias
    if n_raters % 2 == 0:
        assert abs(bias) < abs(other_bias) - 0.02


def log_area_ratios(truth: np.ndarray, labels: np.ndarray) -> np.ndarray:
    table = overlap_table(truth.astype(np.int32), labels)
    match = table.iou > 0.5
    return np.log(table.size_b[table.b[match]] / table.size_a[table.a[match]])


def test_more_objects_are_kept_apart_than_by_pixels():
    """Raters who join neighbours now and then: STAPLE joins true objects, the consensus of objects fewer."""
    simulation = Simulation(shape=(384, 384), n_cases=2, raters=habits(5), n_nuclei=80, touching_fraction=0.5)
    joined = {"object": 0, "staple": 0}
    for index in range(2):
        _, truth, masks = simulate_case(simulation, index)
        stack = np.stack(list(masks.values()))
        for name, labels in (
            ("object", object_consensus(stack).labels),
            ("staple", label_objects(staple(stack).mask)),
        ):
            table = overlap_table(truth.astype(np.int32), labels)
            mostly = table.intersection > 0.5 * table.size_a[table.a]
            joined[name] += np.count_nonzero(np.bincount(table.b[mostly]) > 1)
    assert joined["object"] < joined["staple"]


def test_real_raters_of_a_dense_image(data_dir):
    folder = data_dir / "segebarth2020" / "lab-mue" / "labels"
    masks = [read_mask(folder / f"expert_{number}" / "1049_cFOS.png") for number in (1, 3, 4, 5)]
    found = object_consensus(masks)
    check(found)
    assert (found.labels.max(), found.n_lost) == (464, 0)
    assert np.bincount(found.n_supporters).tolist() == [0, 0, 0, 84, 380]
    np.testing.assert_array_equal(object_consensus(masks[2:] + masks[:2]).labels, found.labels)


def test_the_outline_runs_halfway_in_the_distances_of_the_voxels():
    """Of two raters one draws a bar by four pixels longer; its middle row is as deep as half of its height."""
    anna, ben = np.zeros((5, 14), dtype=bool), np.zeros((5, 14), dtype=bool)
    anna[1:4, 1:11], ben[1:4, 1:7] = True, True
    ends = {None: [6, 7, 6], (0.5, 0.5): [6, 7, 6], (1.0, 3.0): [6, 6, 6], (6.0, 2.0): [8, 8, 8]}
    for spacing, expected in ends.items():
        found = object_consensus([anna, ben], spacing)
        assert found.mask[1:4].sum(axis=1).tolist() == expected, spacing

"""Consensus of classes; expected labels are drawn by hand, or computed by SimpleITK or pixel by pixel."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from label_scenes import draw_labels
from segassay.consensus import class_values, classes, patterns
from segassay.consensus.classes import METHODS, count_class_decisions, fuse_class_decisions, fuse_classes
from segassay.consensus.objects import object_consensus
from segassay.consensus.patterns import without_rater
from segassay.consensus.pixels import count_decisions, fuse_decisions, majority_vote, staple
from segassay.io.images import read_image, read_mask

sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
UNDECIDED = 255
ANNA, BEN, CLEO = draw_labels("1122. 1...."), draw_labels("1122. ....."), draw_labels("112.2 .....")
RATERS = [ANNA, BEN, CLEO]


def staple_of_simpleitk(labels: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and P(decision | truth) `(R, truth, decision)`, from ITK's (decision, truth) with a row for rejects."""
    itk = sitk.MultiLabelSTAPLEImageFilter()
    itk.SetLabelForUndecidedPixels(UNDECIDED)
    found = sitk.GetArrayFromImage(itk.Execute([sitk.GetImageFromArray(one.astype(np.uint8)) for one in labels]))
    n = int(max(one.max() for one in labels)) + 1
    confusion = [np.reshape(itk.GetConfusionMatrix(rater), (n + 1, n))[:n].T for rater in range(len(labels))]
    return found, np.stack(confusion)


def raters_with_confusions(seed: int) -> tuple[list[np.ndarray], int]:
    """Three to seven raters who mix up one to four classes, each with another share."""
    rng = np.random.default_rng(seed)
    n_classes, n_raters, shape = int(rng.integers(1, 5)), int(rng.integers(3, 8)), (40, 50)
    truth = rng.choice(n_classes + 1, shape, p=[0.4] + [0.6 / n_classes] * n_classes)
    slips = rng.uniform(0.02, 0.3, n_raters)
    return [np.where(rng.random(shape) < slip, rng.choice(n_classes + 1, shape), truth) for slip in slips], n_classes


def assert_equals_simpleitk(labels: list[np.ndarray], n_classes: int) -> None:
    ours = fuse_classes(labels, range(1, n_classes + 1))
    found, confusion = staple_of_simpleitk(labels)
    decided = found != UNDECIDED
    assert decided.mean() > 0.99
    np.testing.assert_array_equal(ours.labels[decided], found[decided])
    n = confusion.shape[1]
    assert ours.confusion is not None
    np.testing.assert_allclose(np.nan_to_num(ours.confusion[:, :n, :n]), confusion, atol=1e-4)  # ITK: single precision


@pytest.mark.parametrize("seed", range(12))
def test_equals_simpleitk_on_random_raters(seed):
    labels, n_classes = raters_with_confusions(seed)
    assert_equals_simpleitk(labels, n_classes)


def test_equals_simpleitk_on_small_images_where_some_pixels_are_explained_by_no_class():
    n_undecided = 0
    for seed in range(45):
        rng = np.random.default_rng(seed)
        n_classes, n_raters, shape = int(rng.integers(2, 5)), int(rng.integers(2, 8)), tuple(rng.integers(3, 20, 2))
        truth = rng.choice(n_classes + 1, shape)
        wrong = rng.random((n_raters, *shape)) < 0.2
        labels = np.where(wrong, rng.choice(n_classes + 1, wrong.shape), truth)
        ours, (found, _) = fuse_classes(labels, range(1, n_classes + 1)), staple_of_simpleitk(list(labels))
        decided = found != UNDECIDED
        n_undecided += np.count_nonzero(~decided)
        np.testing.assert_array_equal(ours.labels[decided], found[decided], err_msg=str(seed))
        np.testing.assert_allclose(ours.prob.sum(axis=0), 1, atol=1e-6)
    assert n_undecided > 0


def test_a_pixel_that_no_class_explains_is_background():
    """No rater ever gave 2 where most gave 1, nor 1 where most gave 2; at one pixel half of them do."""
    one, other = draw_labels("1111....2222." + "1"), draw_labels("1111....2222." + "2")
    found = fuse_classes([one, one, other, other], [2, 1])
    np.testing.assert_array_equal(found.prob[:, 0, -1], [1, 0, 0])
    assert found.labels[0, -1] == 0
    np.testing.assert_allclose(found.sensitivity, 1)


def test_equals_simpleitk_on_readings_of_lung_nodules(multirater_dir):
    """Each reader gives a whole nodule one texture, and readers disagree on it in every case."""
    readers = sorted((multirater_dir / "lidc_texture_3d/labels").iterdir())
    cases = sorted(path.name for path in readers[0].iterdir())
    assert len(cases) == 27
    for case in cases:
        assert_equals_simpleitk([read_image(reader / case).array[0].astype(int) for reader in readers], 3)


def staple_pixel_by_pixel(labels: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """STAPLE as the article writes it, every pixel on its own, from the majority vote where there is one."""
    decided = labels.reshape(len(labels), -1)
    votes = np.stack([(decided == c).sum(axis=0) for c in range(n)])
    top = votes == votes.max(axis=0)
    w = np.where(top.sum(axis=0) == 1, top, 0).astype(float)
    prior = votes.mean(axis=1)
    for _ in range(2000):
        rates = np.array([[[w[t][one == d].sum() / w[t].sum() for d in range(n)] for t in range(n)] for one in decided])
        joint = prior[:, None] * np.prod([rate[:, one] for rate, one in zip(rates, decided, strict=True)], axis=0)
        w, before = joint / joint.sum(axis=0), w
        if np.abs(w - before).max() < 1e-9:
            break
    return w.reshape(n, *labels.shape[1:]), rates


@pytest.mark.parametrize("n_raters", [3, 5, 8])
def test_equals_pixel_by_pixel_iteration(n_raters):
    rng = np.random.default_rng(n_raters)
    truth = rng.choice(4, (15, 20))
    wrong = rng.random((n_raters, *truth.shape)) < 0.25
    labels = np.where(wrong, rng.choice(4, wrong.shape), truth)
    prob, confusion = staple_pixel_by_pixel(labels, 4)
    ours = fuse_classes(labels, [1, 2, 3])
    np.testing.assert_allclose(ours.prob, prob, atol=1e-4)
    np.testing.assert_allclose(ours.confusion, confusion, atol=1e-5)
    np.testing.assert_allclose(ours.prob.sum(axis=0), 1, atol=1e-6)
    assert ours.converged


def test_recovers_planted_confusions():
    rng = np.random.default_rng(1)
    truth = rng.choice(4, (300, 300), p=[0.5, 0.2, 0.2, 0.1])
    planted = np.stack([rng.dirichlet(np.full(4, 0.4), 4) * 0.3 + np.eye(4) * 0.7 for _ in range(5)])
    labels = [(rng.random(truth.shape)[..., None] > rates.cumsum(axis=1)[truth]).sum(axis=-1) for rates in planted]
    ours = fuse_classes(labels, [1, 2, 3])
    np.testing.assert_allclose(ours.confusion, planted, atol=0.03)
    assert (ours.labels == truth).mean() > max((one == truth).mean() for one in labels) + 0.05


@pytest.mark.parametrize("lab", ["lab-inns1", "lab-mue"])
def test_one_class_is_the_binary_consensus(data_dir, lab):
    folder = data_dir / "segebarth2020" / lab / "labels"
    for path in sorted((folder / "est_GT").glob("*.png"))[:3]:
        masks = [read_mask(expert / path.name) > 0 for expert in sorted(folder.glob("expert_*"))]
        for method in METHODS:
            ours = fuse_classes([mask.astype(np.uint8) * 7 for mask in masks], [7], method)
            if method == "object":
                np.testing.assert_array_equal(ours.labels == 7, object_consensus(masks).mask)
                continue
            binary = fuse_decisions(count_decisions(masks), method)
            np.testing.assert_array_equal(ours.labels == 7, binary.mask)
            np.testing.assert_allclose(ours.prob[1], binary.prob, atol=1e-6)
        binary, ours = staple(np.stack(masks)), fuse_classes([mask.astype(int) for mask in masks], [1])
        np.testing.assert_allclose(ours.sensitivity[:, 0], binary.sensitivity, atol=1e-9)
        np.testing.assert_allclose(ours.specificity[:, 0], binary.specificity, atol=1e-6)
        assert ours.log_likelihood == pytest.approx(binary.log_likelihood)
        assert ours.n_iterations == binary.n_iterations


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_one_class_of_random_masks_is_the_binary_consensus(seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((int(rng.integers(1, 7)), 6, 7)) < rng.random()
    binary, ours = staple(masks), fuse_classes(masks.astype(int), [1])
    np.testing.assert_allclose(ours.prob[1], binary.prob, atol=1e-5)
    np.testing.assert_allclose(ours.sensitivity[:, 0], binary.sensitivity, atol=1e-6)


def test_majority_by_hand():
    found = fuse_classes(RATERS, [1, 2], "majority")
    np.testing.assert_array_equal(found.labels, draw_labels("1122. ....."))
    np.testing.assert_array_equal(found.prob.argmax(axis=0), found.labels)
    np.testing.assert_allclose(found.sensitivity, [[1, 1], [1, 1], [1, 0.5]])
    np.testing.assert_allclose(found.specificity, [[7 / 8, 1], [1, 1], [1, 7 / 8]])


def test_most_who_marked_a_pixel_choose_its_class_though_background_has_more_votes_than_each_class():
    """Three of five marked the pixel: two as 1, one as 2. Background has two votes, as class 1."""
    labels = [np.array([value]) for value in (0, 0, 1, 1, 2)]
    assert fuse_classes(labels, [1, 2], "majority").labels.tolist() == [1]
    assert majority_vote(np.stack(labels) > 0).tolist() == [True]


@pytest.mark.parametrize(
    ("method", "votes", "expected"),
    [
        ("majority", [0, 0, 1, 1], 0),  # as many blank as marked
        ("majority", [0, 1, 2], 5),  # a tie between classes: the one that comes first in `values`, 5 before 1
        ("soft", [0, 1, 2], 5),
        ("union", [0, 1, 2], 5),
        ("union", [0, 0, 1], 1),
        ("union", [0, 1, 1, 2], 1),
        ("intersection", [1, 1, 2], 0),
        ("intersection", [2, 2, 2], 5),
        ("intersection", [2, 2, 0], 0),
    ],
)
def test_ties_and_votes(method, votes, expected):
    value = {0: 0, 1: 1, 2: 5}
    labels = [np.array([value[vote], 0]) for vote in votes]
    assert fuse_classes(labels, [5, 1], method).labels.tolist() == [expected, 0]


def test_a_tie_of_probabilities_is_background_then_the_class_that_comes_first():
    prob = np.array([[0.5, 0.5, 0], [0.2, 0.4, 0.4], [0.1, 0.45 - 1e-9, 0.45], [0.1, 0.44, 0.46]])
    assert classes._most_probable(prob).tolist() == [0, 1, 1, 2]


def test_a_pixel_that_is_as_probable_for_two_classes_has_the_first():
    """Four raters who mix up two classes equally often; two raters each give the last pixel one of them."""
    patterns_of_raters = ["1111"] * 8 + ["2222"] * 8 + ["0000"] * 8
    patterns_of_raters += ["1112", "2122", "1121", "1222"] * 2 + ["1122"]
    labels = [np.array([int(pattern[rater]) for pattern in patterns_of_raters]) for rater in range(4)]
    for values in ([1, 2], [2, 1]):
        found = fuse_classes(labels, values)
        np.testing.assert_allclose(found.prob[:, -1], [0, 0.5, 0.5], atol=1e-6)
        assert found.labels[-1] == values[0]


def test_soft_is_the_share_of_the_raters():
    prob = fuse_classes(RATERS, [1, 2], "soft").prob
    np.testing.assert_allclose(prob[:, 0, 3], [1 / 3, 0, 2 / 3], atol=1e-7)
    np.testing.assert_allclose(prob.sum(axis=0), 1, atol=1e-6)
    assert prob.dtype == np.float32


def test_objects_are_fused_class_by_class():
    anna = draw_labels("11111.222 11111.222 11111.222")
    ben = draw_labels("1111..222 1111..222 1111..222")
    cleo = draw_labels("11111.111 11111.111 11111.111")
    found = fuse_classes([anna, ben, cleo], [1, 2], "object")
    np.testing.assert_array_equal(found.labels, anna)
    assert [one.n_supporters.tolist() for one in found.objects] == [[3], [2]]
    np.testing.assert_allclose(found.prob[:, 0, 4], [1 / 3, 2 / 3, 0], atol=1e-6)


def test_where_objects_of_two_classes_overlap_the_larger_share_of_supporters_wins():
    """Three raters drew the left object up to the fourth pixel, two of three drew the right one from there on."""
    raters = [draw_labels("1111222"), draw_labels("1111222"), draw_labels("1112222"), draw_labels("1112222")]
    found = fuse_classes(raters, [1, 2], "object")
    both = found.prob[1, 0, 3], found.prob[2, 0, 3]
    assert both == (0.5, 0.5)
    claimed = [one.mask[0, 3] for one in found.objects]
    assert found.labels[0, 3] == (1 if claimed[0] else 2 if claimed[1] else 0)
    mostly = fuse_classes([*raters, draw_labels("1112222")], [1, 2], "object")
    assert mostly.labels[0, 3] == 2


def test_regions_are_fused_one_by_one():
    """Whole (1 and 2) and core (2), nested; as binary masks of their values."""
    labels = [draw_labels("11221"), draw_labels(".1221"), draw_labels("11211")]
    for method in METHODS:
        found = fuse_classes(labels, [[1, 2], 2], method)
        for number, of_region in enumerate(([1, 2], [2])):
            masks = [np.isin(one, of_region) for one in labels]
            if method == "object":
                expected = object_consensus(masks).prob
            else:
                expected = fuse_decisions(count_decisions(masks), method).prob
            np.testing.assert_allclose(found.prob[number + 1], expected, atol=1e-7)
        assert found.confusion is None
        assert found.sensitivity.shape == found.specificity.shape == (3, 2)
    np.testing.assert_array_equal(fuse_classes(labels, [[1, 2], 2], "majority").labels, draw_labels("11221"))


def test_a_class_of_several_values_is_written_as_its_first():
    found = fuse_classes([np.array([4, 3, 1]), np.array([3, 3, 0]), np.array([3, 4, 1])], [[4, 3], 1], "majority")
    assert found.labels.tolist() == [4, 4, 1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_raters", [1, 2, 5])
def test_all_empty(method, n_raters):
    found = fuse_classes(np.zeros((n_raters, 4, 5), dtype=int), [1, 2], method)
    assert not found.labels.any()
    np.testing.assert_array_equal(found.prob[0], 1)
    assert np.isnan(found.sensitivity).all()
    np.testing.assert_array_equal(found.specificity, 1)
    assert found.confusion is not None
    np.testing.assert_array_equal(found.confusion[:, 0], np.tile([1, 0, 0], (n_raters, 1)))
    assert np.isnan(found.confusion[:, 1:]).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_raters", [1, 2, 5])
def test_raters_who_agree_are_the_consensus(method, n_raters):
    labels = draw_labels("11.22.. 11.22.. .......")
    found = fuse_classes([labels] * n_raters, [1, 2, 9], method)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_allclose(found.sensitivity[:, :2], 1)
    np.testing.assert_allclose(found.specificity, 1)
    assert np.isnan(found.sensitivity[:, 2]).all()  # a class in no mask
    assert not found.prob[3].any()
    assert found.converged == (True if method == "staple" else None)


@pytest.mark.parametrize("method", METHODS)
def test_one_class_everywhere(method):
    found = fuse_classes(np.full((3, 4, 5), 2), [1, 2], method)
    assert (found.labels == 2).all()
    assert np.isnan(found.specificity[:, 1]).all()


def test_a_rater_may_lack_a_class():
    lacking = [ANNA, np.where(BEN == 2, 0, BEN), np.where(CLEO == 2, 0, CLEO), ANNA, ANNA]
    found = fuse_classes(lacking, [1, 2])
    assert found.sensitivity[0, 1] > 0.9
    np.testing.assert_allclose(found.sensitivity[1:3, 1], 0, atol=1e-6)
    assert not np.isnan(found.prob).any()


def test_a_class_with_most_votes_nowhere_is_not_in_the_consensus():
    labels = [draw_labels("222.."), draw_labels("333.."), draw_labels("333.."), draw_labels("3333.")]
    found = fuse_classes(labels, [2, 3])
    assert set(np.unique(found.labels)) == {0, 3}
    assert not found.prob[1].any()
    assert np.isnan(found.sensitivity[:, 0]).all()
    assert found.confusion is not None
    np.testing.assert_allclose(found.confusion[0, 2], [0, 1, 0], atol=1e-6)  # what the first rater calls 2 is 3


@pytest.mark.parametrize("n_raters", [2, 3, 6])
def test_raters_who_never_agree_give_no_nan(n_raters):
    labels = np.stack([np.full((3, 3), rater) for rater in range(n_raters)])
    found = fuse_classes(labels, range(1, n_raters))
    assert not np.isnan(found.prob).any()
    np.testing.assert_allclose(found.prob.sum(axis=0), 1, atol=1e-6)


def test_many_classes_and_raters():
    rng = np.random.default_rng(0)
    truth = rng.choice(60, (50, 60))
    labels = [np.where(rng.random(truth.shape) < 0.2, rng.choice(60, truth.shape), truth) for _ in range(12)]
    found = fuse_classes(labels, range(1, 60))
    assert (found.labels == truth).mean() > 0.999


def test_values_beyond_8_and_16_bits():
    labels = np.array([[70_000, 300, 0], [70_000, 300, 0], [70_000, 0, 0]])
    assert fuse_classes(labels, [300, 70_000]).labels.tolist() == [70_000, 300, 0]


def test_a_volume_is_fused_like_the_same_pixels_in_a_row():
    labels, n_classes = raters_with_confusions(3)
    flat = fuse_classes([one.reshape(-1) for one in labels], range(1, n_classes + 1))
    volume = fuse_classes([one.reshape(4, 10, 50) for one in labels], range(1, n_classes + 1))
    np.testing.assert_array_equal(volume.labels.reshape(-1), flat.labels)


def test_chunks_do_not_show(monkeypatch):
    labels, n_classes = raters_with_confusions(4)
    whole = fuse_classes(labels, range(1, n_classes + 1))
    for module in (patterns, class_values):
        monkeypatch.setattr(module, "CHUNK", 7)
    np.testing.assert_array_equal(fuse_classes(labels, range(1, n_classes + 1)).prob, whole.prob)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "object"])
def test_decisions_without_one_rater_are_those_of_the_others(method):
    labels, n_classes = raters_with_confusions(5)
    values = range(1, n_classes + 1)
    others = fuse_class_decisions(without_rater(count_class_decisions(labels, values), 1), values, method)
    expected = fuse_classes([*labels[:1], *labels[2:]], values, method)
    np.testing.assert_array_equal(others.labels, expected.labels)
    np.testing.assert_allclose(others.prob, expected.prob, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(2, 400))
def test_decisions_hold_all_that_the_labels_say(seed, n_raters, n_values):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_values, (n_raters, 5, 6))
    found = count_class_decisions(labels, range(1, n_values))
    np.testing.assert_array_equal(np.moveaxis(found.patterns[found.code], -1, 0), labels)
    np.testing.assert_array_equal(found.counts, np.bincount(found.code.reshape(-1)))


def test_labels_may_come_one_at_a_time_and_are_not_changed():
    kept = [one.copy() for one in RATERS]
    found = fuse_classes(iter(RATERS), [1, 2])
    np.testing.assert_array_equal(found.labels, fuse_classes(np.stack(RATERS), [1, 2]).labels)
    for one, before in zip(RATERS, kept, strict=True):
        np.testing.assert_array_equal(one, before)


def test_same_labels_same_bytes():
    labels, n_classes = raters_with_confusions(6)
    first, second = (fuse_classes(labels, range(1, n_classes + 1)) for _ in range(2))
    assert first.prob.tobytes() == second.prob.tobytes()


@pytest.mark.parametrize(
    ("labels", "values", "method", "error", "message"),
    [
        ([ANNA], [1, 2], "mean", ValueError, "no method 'mean'"),
        ([], [1], "staple", ValueError, "at least one rater"),
        ([ANNA], [], "staple", ValueError, "at least one class"),
        ([ANNA], [1, 0], "staple", ValueError, "above 0"),
        ([ANNA], [1, []], "staple", ValueError, "each with values"),
        ([ANNA], [1], "staple", ValueError, "the value 2; expected 0, 1"),
        ([ANNA, -BEN], [1, 2], "majority", ValueError, "the value -"),
        ([ANNA, BEN[1:]], [1, 2], "object", ValueError, "of one shape"),
        ([ANNA > 0], [1], "staple", TypeError, "whole numbers, got bool"),
        ([ANNA.astype(float)], [1, 2], "staple", TypeError, "whole numbers"),
        ([np.zeros((0, 3), int)], [1], "staple", ValueError, "at least one pixel"),
    ],
)
def test_what_cannot_be_fused(labels, values, method, error, message):
    with pytest.raises(error, match=message):
        fuse_classes(labels, values, method)

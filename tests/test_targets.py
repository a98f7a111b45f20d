"""What is learned from several raters: each target against the masks drawn here, by hand."""

from pathlib import Path

import numpy as np
import pytest

from drawing import draw
from segassay.consensus.objects import object_consensus
from segassay.consensus.pixels import staple
from segassay.data.dataset import Dataset
from segassay.errors import DataError, UsageError
from segassay_monai.targets import (
    OF_ALL_RATERS,
    check_target,
    describe_target,
    is_labelled,
    raters_of,
    read_labels,
    read_target,
    strategy_of,
    target_name,
    targets_of,
)
from small_datasets import make_dataset

ANNA = draw("###... ###... ......")
BEN = draw("##.... ##.... ....##")
CLEO = draw("##.... ###..# ....#.")
EXPECTED = {
    "anna": ANNA,
    "majority": draw("##.... ###... ....#."),
    "union": draw("###... ###..# ....##"),
    "intersection": draw("##.... ##.... ......"),
    "soft": draw("##.... ###... ....#."),
    "random_rater": draw("##.... ###... ....#."),
}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Case c1 has all three raters, c2 lacks cleo, c3 has cleo alone."""
    masks = {
        "anna": {"c1": ANNA, "c2": ANNA},
        "ben": {"c1": BEN, "c2": BEN},
        "cleo": {"c1": CLEO, "c3": CLEO},
    }
    return make_dataset(tmp_path / "lab", masks, raters="labels/*")


@pytest.mark.parametrize("trained_on", EXPECTED)
def test_the_mask_to_compare_with(dataset, trained_on):
    target = read_target(dataset, "c1", trained_on)
    assert target.dtype == bool
    np.testing.assert_array_equal(target, EXPECTED[trained_on])


def test_staple_and_objects_are_those_of_the_evaluation(dataset, tmp_path):
    masks = np.stack([ANNA, BEN, CLEO])
    np.testing.assert_array_equal(read_target(dataset, "c1", "staple", tmp_path / "cache"), staple(masks).mask)
    np.testing.assert_array_equal(read_target(dataset, "c1", "object"), object_consensus(masks).mask)
    assert not np.array_equal(object_consensus(masks).mask, EXPECTED["majority"]), "the two are to differ here"


@pytest.mark.parametrize("trained_on", ["anna", "staple", "majority", "union", "intersection", "object"])
def test_a_hard_label_is_the_mask_to_compare_with(dataset, tmp_path, trained_on):
    label = read_labels(dataset, "c1", trained_on, tmp_path)
    assert label.dtype == bool
    np.testing.assert_array_equal(label, read_target(dataset, "c1", trained_on, tmp_path)[None])


def test_a_soft_label_is_the_share_of_those_who_annotated_the_case(dataset):
    label = read_labels(dataset, "c1", "soft")
    assert label.dtype == np.float32
    np.testing.assert_allclose(label[0], (ANNA.astype(float) + BEN + CLEO) / 3, rtol=1e-6)
    np.testing.assert_array_equal(label[0] > 0.5, read_target(dataset, "c1", "soft"))
    np.testing.assert_array_equal(read_labels(dataset, "c2", "soft")[0], (ANNA.astype(float) + BEN) / 2)
    np.testing.assert_array_equal(read_labels(dataset, "c3", "soft")[0], CLEO)


def test_random_raters_are_those_of_the_case(dataset):
    np.testing.assert_array_equal(read_labels(dataset, "c1", "random_rater"), [ANNA, BEN, CLEO])
    np.testing.assert_array_equal(read_labels(dataset, "c2", "random_rater"), [ANNA, BEN])
    np.testing.assert_array_equal(read_labels(dataset, "c3", "random_rater"), [CLEO])
    assert read_labels(dataset, "c1", "random_rater").dtype == bool


def test_a_tie_is_background(dataset):
    np.testing.assert_array_equal(read_target(dataset, "c2", "soft"), ANNA & BEN)
    np.testing.assert_array_equal(read_target(dataset, "c2", "random_rater"), ANNA & BEN)


def test_label_images_keep_touching_objects_apart_in_a_consensus_of_objects(tmp_path):
    touching = np.array([[1, 1, 1, 2, 2, 2]] * 3 + [[0] * 6], dtype=np.int32)
    dataset = make_dataset(tmp_path / "lab", {rater: {"c1": touching} for rater in ("anna", "ben")}, raters="labels/*")
    assert read_target(dataset, "c1", "majority")[..., :3, :].all()
    assert not read_target(dataset, "c1", "object")[..., :3, :].all()


def test_who_has_a_label_of_which_case(dataset):
    assert raters_of(dataset, "ben") == ["ben"]
    assert raters_of(dataset, "soft") == raters_of(dataset, "union") == ["anna", "ben", "cleo"]
    assert [is_labelled(dataset, "cleo", case) for case in ("c1", "c2", "c3")] == [True, False, True]
    assert all(is_labelled(dataset, name, case) for name in OF_ALL_RATERS for case in ("c1", "c2", "c3"))


def test_names(dataset):
    names = targets_of(dataset)
    assert names == [
        *("staple", "majority", "union", "intersection", "object", "soft", "random_rater"),
        *("anna", "ben", "cleo"),
    ]
    assert [strategy_of(name) for name in names] == [
        *(f"consensus:{name}" for name in names[:5]),
        *("soft", "random_rater", "expert", "expert", "expert"),
    ]
    assert [target_name(name) for name in names] == [
        *(f"consensus_{name}" for name in names[:5]),
        *("consensus_majority", "consensus_majority", "anna", "ben", "cleo"),
    ]
    assert len({describe_target(name) for name in names}) == len(names)


def test_an_unknown_rater_is_an_error_that_names_all_choices(dataset):
    with pytest.raises(
        UsageError, match=r"--rater zoe: .* choose one of anna, ben, cleo, or of all together staple, maj"
    ):
        check_target(dataset, "zoe")
    with pytest.raises(UsageError, match="--rater zoe"):
        raters_of(dataset, "zoe")


@pytest.mark.parametrize("name", OF_ALL_RATERS)
def test_a_rater_named_like_a_strategy_is_an_error(tmp_path, name):
    dataset = make_dataset(tmp_path / "lab", {"anna": {"c1": ANNA}, name: {"c1": BEN}}, raters="labels/*")
    for trained_on in (name, "anna"):
        with pytest.raises(DataError, match=f"lab has a rater named {name}, which .* rename the folder"):
            check_target(dataset, trained_on)


def test_a_consensus_without_one_rater_is_that_of_the_others(dataset, tmp_path):
    target = read_target(dataset, "c1", "staple_without_anna", tmp_path / "cache")
    np.testing.assert_array_equal(target, staple(np.stack([BEN, CLEO])).mask)
    np.testing.assert_array_equal(read_target(dataset, "c1", "union_without_anna"), BEN | CLEO)
    assert raters_of(dataset, "union_without_anna") == ["ben", "cleo"]


def test_a_consensus_of_named_raters(dataset):
    np.testing.assert_array_equal(read_target(dataset, "c1", "intersection_of_anna+cleo"), ANNA & CLEO)
    assert raters_of(dataset, "soft_of_cleo+anna") == ["anna", "cleo"], "in the dataset's order"


def test_soft_and_random_labels_of_some_raters(dataset):
    np.testing.assert_array_equal(read_labels(dataset, "c1", "soft_of_anna+ben")[0], (ANNA.astype(float) + BEN) / 2)
    np.testing.assert_array_equal(read_labels(dataset, "c1", "random_rater_without_anna"), np.stack([BEN, CLEO]))


def test_a_case_that_only_the_left_out_rater_annotated_has_no_label(dataset):
    assert is_labelled(dataset, "staple", "c3")
    assert not is_labelled(dataset, "staple_without_cleo", "c3")
    assert not is_labelled(dataset, "staple_of_anna+ben", "c3")


@pytest.mark.parametrize("trained_on", ["staple_without_dora", "staple_of_anna+dora", "staple_of_", "anna_of_ben"])
def test_a_rater_who_is_not_there_is_an_error(dataset, trained_on):
    with pytest.raises(UsageError, match="has no such rater"):
        check_target(dataset, trained_on)


def test_nobody_is_left_without_the_only_rater(tmp_path):
    lonely = make_dataset(tmp_path / "lonely", {"anna": {"c1": ANNA}}, raters="labels/*")
    with pytest.raises(UsageError, match="no other rater"):
        check_target(lonely, "staple_without_anna")


def test_a_rater_may_not_be_named_like_some_of_them(tmp_path):
    odd = make_dataset(tmp_path / "odd", {"staple_of_a": {"c1": ANNA}, "ben": {"c1": BEN}}, raters="labels/*")
    with pytest.raises(DataError, match="has a rater named staple_of_a"):
        targets_of(odd)


def test_exchangeable_raters_are_learnt_together_or_not_at_all(tmp_path):
    masks = {"reader_1": {"c1": ANNA, "c2": BEN}, "reader_2": {"c1": BEN, "c2": ANNA}, "reader_3": {"c1": CLEO}}
    dataset = make_dataset(tmp_path / "lab", masks, raters={"exchangeable": True})
    for trained_on in (*OF_ALL_RATERS, "staple_of_reader_1+reader_2"):
        check_target(dataset, trained_on)
    for trained_on in ("reader_2", "staple_without_reader_2"):
        with pytest.raises(UsageError, match=rf"--rater {trained_on}: .* reader_2 is another person in each image"):
            check_target(dataset, trained_on)
